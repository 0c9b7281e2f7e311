//! What an endpoint writes into its own messages.

use super::{Counters, Endpoint, Hop, Transmit, Transport};
use crate::sip::body::{ACCEPT, Body};
use crate::sip::headers::{Headers, NameAddr};
use crate::sip::message::{Request, Response, reason_phrase};
use crate::sip::method::Method;
use crate::sip::params::Params;
use crate::sip::registrar;
use crate::sip::transaction::table::{ClientKey, Owner, ServerKey};
use crate::sip::uri::{Host, SipUri, Uri};
use crate::time::Time;

/// What is answered inside dialogs, whatever the settings serve outside of them.
const IN_DIALOG: [Method; 10] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Info,
    Method::Update,
    Method::Prack,
    Method::Refer,
    Method::Notify,
];

/// Code and phrase; the rest comes from the request that is answered.
pub fn response(code: u16) -> Response {
    Response { code, reason: reason_phrase(code).to_string(), headers: Headers::new(), body: Vec::new() }
}

/// Whether our Contact in the dialog of this INVITE must be `sips:` (RFC 3261 §12.1.1).
pub fn wants_secure(invite: &Request) -> bool {
    let headers = &invite.headers;
    let previous = match headers.items("Record-Route").next() {
        Some(route) => NameAddr::parse(route).ok(),
        None => headers.contacts().ok().and_then(|contacts| contacts.into_iter().next()),
    };
    invite.uri.is_secure() || previous.is_some_and(|previous| previous.uri.is_secure())
}

impl Endpoint {
    /// Answers by a server transaction.
    pub(super) fn answer(&mut self, now: Time, key: ServerKey, mut response: Response) -> bool {
        self.sign_success(&mut response);
        self.table.respond(now, key, response)
    }

    /// A refusal that no state is kept of, so that whoever repeats the request gets the same again (RFC 3261 §8.2.7).
    pub(super) fn send_refusal(&mut self, hop: Hop, mut refusal: Response) {
        refusal.set_stateless_tag();
        self.send_stateless(hop, refusal);
    }

    /// A whole answer that no state is kept of.
    pub(super) fn send_stateless(&mut self, hop: Hop, mut response: Response) {
        self.sign_success(&mut response);
        self.table.counters.responses_sent[Counters::class_index(response.code)] += 1;
        self.table.transmits.push_back(Transmit::new(hop, response.to_bytes()));
    }

    /// Sends a request inside a dialog.
    pub(super) fn start_request(&mut self, now: Time, hop: Hop, mut request: Request, owner: Owner) -> ClientKey {
        self.sign(&mut request.headers, "User-Agent");
        if let Owner::Bye(id) | Owner::Refresh(id) | Owner::Info(id) | Owner::Prack(id) | Owner::Refer(id) = owner {
            self.show_in(id, &hop, &mut request);
        }
        self.table.start_client(now, hop, request, owner)
    }

    /// What we are is nobody's business whom we refuse.
    fn sign_success(&self, response: &mut Response) {
        if response.is_success() {
            self.sign(&mut response.headers, "Server");
        }
    }

    pub(super) fn sign(&self, headers: &mut Headers, name: &str) {
        if !self.settings.product.is_empty() && !headers.has(name) {
            headers.push(name, &self.settings.product);
        }
    }

    /// Our Contact: `<sip:USER@LOCAL>`, with the transport where it is not UDP; `sips:` when `secure`.
    pub(super) fn contact(&self, hop: &Hop, user: Option<&str>, secure: bool) -> String {
        let user = user.filter(|user| !user.is_empty()).unwrap_or(&self.settings.contact_user);
        let mut uri =
            SipUri::new(Some(user).filter(|u| !u.is_empty()), Host::Ip(hop.local.ip()), Some(hop.local.port()));
        uri.secure = secure;
        // `sips:` says TLS by itself, and `tls` beside it is deprecated (RFC 3261 §26.2.2).
        if !secure || hop.transport != Transport::Tls {
            uri.params = self.contact_params(hop);
        }
        format!("<{}>", Uri::Sip(uri))
    }

    /// The parameters that our Contact must have to be reached the same way.
    pub fn contact_params(&self, hop: &Hop) -> Params {
        let transport = hop.transport.parameter().map(|transport| ("transport".into(), Some(transport.into())));
        Params(transport.into_iter().collect())
    }

    pub(super) fn allow(&self) -> String {
        let further = self.settings.serves.iter().filter(|method| !IN_DIALOG.contains(method));
        IN_DIALOG.iter().chain(further).map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Allow, and Supported where there is something.
    pub(super) fn describe(&self, headers: &mut Headers) {
        headers.push("Allow", self.allow());
        if !self.settings.supported.is_empty() {
            headers.push("Supported", self.settings.supported.join(", "));
        }
    }

    /// Fills in what a request outside any dialog must have (RFC 3261 §8.1.1).
    pub(super) fn complete_request(&mut self, hop: &Hop, mut request: Request) -> Request {
        let contact = self.contact(hop, None, request.uri.is_secure());
        let defaults = [
            ("Max-Forwards", "70".to_string()),
            ("From", format!("{contact};tag={}", self.table.secrets.tag())),
            ("To", format!("<{}>", request.uri)),
            ("Call-ID", self.table.secrets.call_id()),
            ("CSeq", format!("1 {}", request.method)),
            ("Contact", contact),
        ];
        for (name, value) in defaults {
            if !request.headers.has(name) {
                request.headers.push(name, value);
            }
        }
        self.sign(&mut request.headers, "User-Agent");
        request
    }

    /// 415 with what we take instead, if something in the body must be understood and is not (RFC 3261 §8.2.3).
    pub(super) fn unsupported_body(&self, request: &Request) -> Option<Response> {
        if !Body::of(&request.headers, &request.body).is_strange {
            return None;
        }
        let mut response = response(415);
        response.headers.push("Accept", ACCEPT);
        response.headers.push("Accept-Encoding", "identity");
        Some(response)
    }

    /// 420 with the option tags we do not know, if there are any (RFC 3261 §8.2.2.3).
    pub(super) fn unsupported_options(&self, request: &Request) -> Option<Response> {
        let further = if request.method == Method::Register { &registrar::OPTION_TAGS[..] } else { &[] };
        let known = |tag: &str| {
            let mut all = self.settings.supported.iter().map(String::as_str).chain(further.iter().copied());
            all.any(|known| known.eq_ignore_ascii_case(tag))
        };
        let unknown: Vec<&str> = request.headers.require().filter(|tag| !known(tag)).collect();
        if unknown.is_empty() {
            return None;
        }
        let mut response = response(420);
        response.headers.push("Unsupported", unknown.join(", "));
        Some(response)
    }
}
