//! Dialogs (RFC 3261 §12): who talks with whom, by which way, and in which order.
//!
//! Requests of ours go to where the peer is *seen*: the hop that its last valid message in the dialog came by. Behind NAT no
//! other way leads back. A carrier that may send from one machine and take from another ([`Dialog::follow`]) is sent to where it
//! *says* it is: the first Route, else its Contact (§12.2.1.1), as far as `whereabouts` believes it.

use super::endpoint::{Hop, Transport};
use super::headers::{Headers, NameAddr};
use super::message::{Request, Response};
use super::method::Method;
use super::uri::{Host, SipUri, Uri};
use super::whereabouts;
use std::borrow::Cow;

#[derive(Clone, Debug)]
pub struct Dialog {
    call_id: String,
    local_tag: String,
    remote_tag: String,
    /// From of our requests.
    local: String,
    /// To of our requests.
    remote: String,
    local_seq: u32,
    remote_seq: Option<u32>,
    /// Values of Route, nearest first.
    routes: Vec<String>,
    target: Uri,
    contact: String,
    /// By which the peer's last message came.
    seen: Hop,
    /// It is believed where it says that it is.
    follows: bool,
    /// It has answered to something that only who got a message of ours can know, so what it says was not written by somebody
    /// who only pretends to be there.
    is_proven: bool,
    /// Where it is known to be, whatever it says.
    known: Option<Hop>,
}

/// The order of a request within its dialog is wrong: 500 (RFC 3261 §12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder;

impl Dialog {
    /// As made by an INVITE we received (§12.1.1); `None` without a usable Contact.
    pub fn of_callee(invite: &Request, local_tag: &str, contact: String, hop: Hop) -> Option<Dialog> {
        let headers = &invite.headers;
        let target = headers.contacts().ok()?.into_iter().next()?.uri;
        let to = headers.get("To")?;
        Some(Dialog {
            call_id: headers.call_id().ok()?.to_string(),
            local_tag: local_tag.to_string(),
            // A peer older than RFC 3261 may have none.
            remote_tag: headers.from_().ok()?.tag().unwrap_or_default().to_string(),
            local: format!("{to};tag={local_tag}"),
            remote: headers.get("From")?.to_string(),
            local_seq: 0,
            remote_seq: Some(headers.cseq().ok()?.0),
            routes: headers.items("Record-Route").map(str::to_string).collect(),
            target,
            contact,
            seen: hop,
            follows: false,
            is_proven: false,
            known: None,
        })
    }

    /// As made by a response to our INVITE (§12.1.2). Without a usable Contact the target stays what we called.
    pub fn of_caller(invite: &Request, response: &Response, contact: String, hop: Hop) -> Option<Dialog> {
        let headers = &response.headers;
        let to = headers.to().ok()?;
        let mut routes: Vec<String> = headers.items("Record-Route").map(str::to_string).collect();
        routes.reverse();
        Some(Dialog {
            call_id: invite.headers.call_id().ok()?.to_string(),
            local_tag: invite.headers.from_().ok()?.tag()?.to_string(),
            remote_tag: to.tag().unwrap_or_default().to_string(),
            local: invite.headers.get("From")?.to_string(),
            remote: headers.get("To")?.to_string(),
            local_seq: invite.headers.cseq().ok()?.0,
            remote_seq: None,
            routes,
            target: contact_of(headers).unwrap_or_else(|| invite.uri.clone()),
            contact,
            seen: hop,
            follows: false,
            is_proven: true,
            known: None,
        })
    }

    /// This is the confirmed dialog of that early one: the count of our requests goes on, and where nobody answered nobody is asked.
    pub fn follows(&mut self, early: &Dialog) {
        self.local_seq = self.local_seq.max(early.local_seq);
        self.follows &= early.follows;
    }

    /// Our requests with numbers up to this were sent while it was early.
    pub fn counted(&mut self, number: u32) {
        self.local_seq = self.local_seq.max(number);
    }

    /// The number of our last request.
    pub fn count(&self) -> u32 {
        self.local_seq
    }

    /// Call-ID, local tag, remote tag (§12).
    pub fn id(&self) -> (&str, &str, &str) {
        (&self.call_id, &self.local_tag, &self.remote_tag)
    }

    /// Where requests of ours go.
    pub fn hop(&self) -> Hop {
        self.said().unwrap_or(self.seen)
    }

    /// Believes the peer where it says that it is. For carriers alone: others could have us send to anybody. `known`: where it
    /// is if it says nothing that we can use and its connection is lost.
    pub fn follow(&mut self, known: Option<Hop>) {
        self.follows = true;
        self.known = known.map(|known| Hop { connection: None, ..known });
    }

    /// Nobody answers where the peer says that it is: from here on it is sent to where it is seen. False: it was before.
    pub fn turn_back(&mut self) -> bool {
        let followed = self.said().is_some();
        self.follows = false;
        followed
    }

    /// Our Contact in this dialog.
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// A valid message of the peer came by `hop`.
    pub fn heard_by(&mut self, hop: &Hop) {
        self.seen = *hop;
        self.is_proven = true;
    }

    /// Whether what comes by `hop` can be the peer's: it was seen there, it is asked there, or a proxy of the route is there.
    pub fn is_with(&self, hop: &Hop) -> bool {
        let is_proxy = || {
            let routes = self.routes.iter().filter_map(|route| NameAddr::parse(route).ok());
            let mut hosts = routes.filter_map(|route| route.uri.as_sip().map(|uri| uri.host.clone()));
            hosts.any(|host| host == Host::Ip(hop.remote.ip().to_canonical()))
        };
        let is_safe = hop.transport.is_reliable() || !self.seen.transport.is_reliable();
        whereabouts::is_from(&self.seen, hop) || whereabouts::is_from(&self.hop(), hop) || (is_safe && is_proxy())
    }

    /// Whether the peer, or a proxy of the route, is known by the name of a host, which may have any address.
    pub fn is_by_name(&self) -> bool {
        let routes = self.routes.iter().filter_map(|route| NameAddr::parse(route).ok());
        let by_name = |uri: &Uri| uri.as_sip().is_some_and(|uri| matches!(uri.host, Host::Name(_)));
        by_name(&self.target) || routes.into_iter().any(|route| by_name(&route.uri))
    }

    /// Whether the peer is the phone with this Contact, and no proxy is between.
    pub fn is_at(&self, contact: &Uri) -> bool {
        self.routes.is_empty() && self.target.equivalent(contact)
    }

    /// A phone with this Contact is there now (RFC 5626 §5.3). `is_known`: it is the peer, whatever Contact it had. True: it is, and
    /// is sent to there from here on.
    pub fn moved(&mut self, contact: &Uri, hop: &Hop, is_known: bool) -> bool {
        let is_at = self.is_at(contact);
        let is_it = is_at || (is_known && self.routes.is_empty());
        if is_it {
            self.seen = *hop;
        }
        if is_it && !is_at {
            self.target = contact.clone();
        }
        is_it
    }

    /// Takes the number of a request of the peer, which must not be lower than the last (§12.2.2).
    pub fn take_number(&mut self, number: u32) -> Result<(), OutOfOrder> {
        if self.remote_seq.is_some_and(|last| number < last) {
            return Err(OutOfOrder);
        }
        self.remote_seq = Some(number);
        Ok(())
    }

    /// The Contact of a target refresh (re-INVITE, UPDATE and their 2xx) becomes the target (§12.2.1.2, §12.2.2).
    pub fn refresh(&mut self, headers: &Headers) {
        if let Some(target) = contact_of(headers) {
            self.target = target;
        }
    }

    /// A request of ours with the next number, without Via (§12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_seq += 1;
        let refreshes = matches!(method, Method::Invite | Method::Update);
        let mut request = self.numbered(method, self.local_seq);
        if refreshes {
            request.headers.push("Contact", &self.contact);
        }
        request
    }

    /// The ACK for the 2xx to our INVITE with this number, without Via (§13.2.2.4).
    pub fn ack(&self, number: u32) -> Request {
        self.numbered(Method::Ack, number)
    }

    /// Another way when `failed` leads nowhere: to where the peer is seen, if it was sent elsewhere; else, for a connection that is
    /// lost, to open one to the peer's own address (§12.2.1.1), or where it is known to be if that is a name; else, where nobody
    /// takes connections and the peer did not ask for any, by UDP: a phone may have come by TCP with what was too large alone
    /// (§18.1.1). `None` for UDP and WebSocket, and after it was tried.
    pub fn fallback(&mut self, failed: &Hop) -> Option<Hop> {
        if let Some(said) = self.said() {
            let is_that = (said.transport, said.remote) == (failed.transport, failed.remote);
            return (is_that && self.turn_back()).then_some(self.seen);
        }
        let transport = self.seen.transport;
        if !transport.is_reliable() || transport.is_websocket() {
            return None;
        }
        if self.seen.connection.is_none() {
            let may_be_udp = |uri: &SipUri| !uri.secure && uri.params.get("transport").is_none();
            let is_it = transport == Transport::Tcp && failed.remote == self.seen.remote && self.known.is_none();
            if !is_it || !self.next().as_sip().is_some_and(may_be_udp) {
                return None;
            }
            self.seen.transport = Transport::Udp;
            return Some(self.seen);
        }
        let known = self.known.filter(|known| known.transport == transport).map(|known| known.remote);
        let remote = self.next().as_sip()?.address(transport).or(known)?;
        self.seen.remote = remote;
        self.seen.connection = None;
        Some(self.seen)
    }

    /// Whether it has, or is given by this, another way than the one that failed.
    pub fn has_other_way(&mut self, failed: &Hop) -> bool {
        let went_on = self.hop().transport.is_reliable() && self.hop() != *failed;
        went_on || self.fallback(failed).is_some()
    }

    /// Where the peer says that it is, if it is believed and that is another place than where it is seen.
    fn said(&self) -> Option<Hop> {
        let believed = self.follows && self.is_proven;
        whereabouts::said(self.next().as_sip().filter(|_| believed)?, &self.seen)
    }

    /// The first Route, else the Contact.
    fn next(&self) -> Cow<'_, Uri> {
        match self.routes.first().and_then(|route| NameAddr::parse(route).ok()) {
            Some(route) => Cow::Owned(route.uri),
            None => Cow::Borrowed(&self.target),
        }
    }

    /// The first Route, if it is a router of RFC 2543, which does not say `lr`.
    fn strict_router(&self) -> Option<Uri> {
        // Without brackets its parameters are taken for the header's.
        let NameAddr { mut uri, params, .. } = NameAddr::parse(self.routes.first()?).ok()?;
        let Uri::Sip(sip) = &mut uri else { return None };
        if sip.params.has("lr") || params.has("lr") {
            return None;
        }
        sip.headers.clear();
        sip.params.remove("method");
        Some(uri)
    }

    fn numbered(&self, method: Method, number: u32) -> Request {
        let cseq = format!("{number} {method}");
        let (uri, left, last) = match self.strict_router() {
            // It takes its own name for the destination, and the last Route for the one after it (§12.2.1.1, §16.6 step 6).
            Some(router) => (router, &self.routes[1..], Some(format!("<{}>", self.target))),
            None => (self.target.clone(), &self.routes[..], None),
        };
        let mut request = Request::new(method, uri);
        let headers = &mut request.headers;
        headers.push("Max-Forwards", "70");
        for route in left.iter().chain(&last) {
            headers.push("Route", route);
        }
        headers.push("From", &self.local);
        headers.push("To", &self.remote);
        headers.push("Call-ID", &self.call_id);
        headers.push("CSeq", cseq);
        request
    }
}

fn contact_of(headers: &Headers) -> Option<Uri> {
    headers.contacts().ok()?.into_iter().next().map(|contact| contact.uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::Transport;

    fn hop(transport: Transport) -> Hop {
        let connection = (transport == Transport::Tcp).then_some(7);
        Hop {
            transport,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "198.51.100.9:40000".parse().unwrap(),
            connection,
        }
    }

    fn invite() -> Request {
        let mut invite = Request::new(Method::Invite, "sip:100@192.0.2.1".parse().unwrap());
        for (name, value) in [
            ("Record-Route", "<sip:p1.example;lr>, <sip:p2.example;lr>"),
            ("From", "\"Anna\" <sip:anna@a.example>;tag=far"),
            ("To", "<sip:100@192.0.2.1>"),
            ("Call-ID", "c1"),
            ("CSeq", "7 INVITE"),
            ("Contact", "<sip:anna@10.0.0.5:5070;transport=tcp>"),
        ] {
            invite.headers.push(name, value);
        }
        invite
    }

    fn values<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
        request.headers.get_all(name).collect()
    }

    #[test]
    fn the_callee_keeps_the_route_in_order_and_turns_from_and_to_round() {
        let mut dialog =
            Dialog::of_callee(&invite(), "near", "<sip:v@192.0.2.1:5060>".into(), hop(Transport::Udp)).unwrap();
        assert_eq!(dialog.id(), ("c1", "near", "far"));
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:anna@10.0.0.5:5070;transport=tcp");
        assert_eq!(values(&bye, "Route"), ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]);
        assert_eq!(values(&bye, "From"), ["<sip:100@192.0.2.1>;tag=near"]);
        assert_eq!(values(&bye, "To"), ["\"Anna\" <sip:anna@a.example>;tag=far"]);
        assert_eq!(values(&bye, "CSeq"), ["1 BYE"]);
        assert_eq!(values(&bye, "Contact"), [""; 0]);
        assert_eq!(values(&dialog.request(Method::Invite), "CSeq"), ["2 INVITE"]);
    }

    #[test]
    fn the_caller_reverses_the_route_and_goes_on_counting() {
        let mut response = Response::to(&invite(), 200, None);
        response.set_to_tag("far");
        response.headers.push("Contact", "<sip:b@10.0.0.9>");
        let mut sent = invite();
        sent.headers.set("From", "<sip:v@192.0.2.1>;tag=near");
        let mut dialog = Dialog::of_caller(&sent, &response, "<sip:v@192.0.2.1>".into(), hop(Transport::Udp)).unwrap();
        let ack = dialog.ack(7);
        assert_eq!(values(&ack, "CSeq"), ["7 ACK"]);
        assert_eq!(values(&ack, "Route"), ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
        let update = dialog.request(Method::Update);
        assert_eq!(update.uri.to_string(), "sip:b@10.0.0.9");
        assert_eq!(values(&update, "CSeq"), ["8 UPDATE"]);
        assert_eq!(values(&update, "Contact"), ["<sip:v@192.0.2.1>"]);
    }

    #[test]
    fn an_old_router_finds_itself_in_the_request_uri_and_the_peer_behind_all_routes() {
        let mut invite = invite();
        invite.headers.set("Record-Route", "<sip:p1.example:5070;method=BYE?x=y>, <sip:p2.example;lr>");
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Udp)).unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:p1.example:5070");
        assert_eq!(values(&bye, "Route"), ["<sip:p2.example;lr>", "<sip:anna@10.0.0.5:5070;transport=tcp>"]);
        // Only who is next is asked how it wants it.
        invite.headers.set("Record-Route", "<sip:p1.example;lr>, <sip:p2.example>");
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Udp)).unwrap();
        assert_eq!(values(&dialog.request(Method::Bye), "Route"), ["<sip:p1.example;lr>", "<sip:p2.example>"]);
    }

    #[test]
    fn a_phone_that_moved_is_sent_to_where_it_is_now_and_no_other() {
        let mut invite = invite();
        let there = Hop { remote: "198.51.100.9:40001".parse().unwrap(), ..hop(Transport::Udp) };
        let contact: Uri = "sip:anna@10.0.0.5:5070;transport=tcp;ob".parse().unwrap();
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Udp)).unwrap();
        assert!(!dialog.moved(&contact, &there, true), "it is reached by way of proxies");
        invite.headers.remove("Record-Route");
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Udp)).unwrap();
        assert!(!dialog.moved(&"sip:anna@10.0.0.6:5070".parse().unwrap(), &there, false), "another phone of hers");
        assert_eq!(dialog.hop(), hop(Transport::Udp));
        assert!(dialog.moved(&contact, &there, false));
        assert_eq!(dialog.hop(), there);
        let contact: Uri = "sip:anna@10.0.0.6:5070".parse().unwrap();
        assert!(dialog.moved(&contact, &hop(Transport::Udp), true), "hers, with another Contact");
        assert_eq!((dialog.hop(), dialog.request(Method::Bye).uri), (hop(Transport::Udp), contact));
    }

    #[test]
    fn a_lower_number_is_out_of_order() {
        let mut dialog = Dialog::of_callee(&invite(), "near", String::new(), hop(Transport::Udp)).unwrap();
        assert_eq!(dialog.take_number(6), Err(OutOfOrder));
        assert_eq!(dialog.take_number(9), Ok(()));
        assert_eq!(dialog.take_number(8), Err(OutOfOrder));
        assert_eq!(dialog.take_number(9), Ok(()));
    }

    #[test]
    fn a_refresh_changes_the_target_and_nothing_else() {
        let mut dialog = Dialog::of_callee(&invite(), "near", String::new(), hop(Transport::Udp)).unwrap();
        dialog.refresh(&Headers::new());
        assert_eq!(dialog.request(Method::Bye).uri.user(), Some("anna"));
        let mut headers = Headers::new();
        headers.push("Contact", "<sip:new@10.0.0.6>");
        dialog.refresh(&headers);
        assert_eq!(dialog.request(Method::Bye).uri.to_string(), "sip:new@10.0.0.6");
    }

    #[test]
    fn a_lost_connection_falls_back_to_the_peers_own_address_once() {
        let mut invite = invite();
        invite.headers.remove("Record-Route");
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Tcp)).unwrap();
        let other = dialog.fallback(&hop(Transport::Tcp)).unwrap();
        assert_eq!((other.remote, other.connection), ("10.0.0.5:5070".parse().unwrap(), None));
        assert_eq!(dialog.fallback(&other), None);
        invite.headers.set("Contact", "<sip:anna@10.0.0.5:0;transport=tcp>");
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Tcp)).unwrap();
        let other = dialog.fallback(&hop(Transport::Tcp)).unwrap();
        assert_eq!(other.remote, "10.0.0.5:5060".parse().unwrap(), "nobody is at port 0");
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Udp)).unwrap();
        assert_eq!(dialog.fallback(&hop(Transport::Udp)), None);
    }

    /// A carrier that sends from one machine and takes at another.
    fn elsewhere() -> Dialog {
        let mut invite = invite();
        invite.headers.remove("Record-Route");
        invite.headers.set("Contact", "<sip:+4687000@198.51.100.20>");
        let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Udp)).unwrap();
        dialog.follow(None);
        dialog
    }

    #[test]
    fn a_carrier_is_sent_to_where_it_says_once_it_has_proven_to_be_there() {
        let (seen, said) = ("198.51.100.9:40000".parse().unwrap(), "198.51.100.20:5060".parse().unwrap());
        let mut dialog = elsewhere();
        assert_eq!(dialog.hop().remote, seen, "who wrote this INVITE may be anybody");
        dialog.heard_by(&hop(Transport::Udp));
        assert_eq!(dialog.hop().remote, said, "and now it has our tag");
        let mut headers = Headers::new();
        headers.push("Contact", "<sip:+4687000@198.51.100.21:5070>");
        dialog.refresh(&headers);
        assert_eq!(dialog.hop().remote, "198.51.100.21:5070".parse().unwrap(), "it moves");
        let mut stranger = Dialog { follows: false, ..dialog.clone() };
        assert_eq!(stranger.hop().remote, seen);
        assert!(!stranger.turn_back() && dialog.turn_back());
        assert_eq!(dialog.hop().remote, seen);
    }

    #[test]
    fn the_first_route_goes_before_the_contact() {
        let mut dialog = elsewhere();
        dialog.routes = vec!["<sip:198.51.100.30;lr>".into(), "<sip:198.51.100.31;lr>".into()];
        dialog.heard_by(&hop(Transport::Udp));
        assert_eq!(dialog.hop().remote, "198.51.100.30:5060".parse().unwrap());
        dialog.routes[0] = "<sip:proxy.example;lr>".into();
        assert_eq!(dialog.hop().remote, hop(Transport::Udp).remote, "a name: where it is seen");
    }

    #[test]
    fn where_nobody_is_where_a_carrier_says_it_is_sent_to_where_it_is_seen() {
        let mut dialog = elsewhere();
        dialog.heard_by(&hop(Transport::Udp));
        let said = dialog.hop();
        assert_eq!(dialog.fallback(&hop(Transport::Udp)), None, "something else failed");
        assert_eq!(dialog.fallback(&said), Some(hop(Transport::Udp)));
        assert_eq!((dialog.hop(), dialog.fallback(&said)), (hop(Transport::Udp), None));
    }

    #[test]
    fn a_carrier_with_a_name_whose_connection_is_lost_is_where_the_settings_say() {
        let mut invite = invite();
        invite.headers.set("Record-Route", "<sip:p1.example;lr>");
        let known = Hop { remote: "203.0.113.1:5060".parse().unwrap(), ..hop(Transport::Tcp) };
        for (known, remote) in [(Some(known), Some(known.remote)), (Some(hop(Transport::Udp)), None), (None, None)] {
            let mut dialog = Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Tcp)).unwrap();
            dialog.follow(known);
            let other = dialog.fallback(&hop(Transport::Tcp));
            assert_eq!(other.map(|hop| (hop.remote, hop.connection)), remote.map(|remote| (remote, None)));
        }
    }

    #[test]
    fn an_invite_without_contact_makes_no_dialog() {
        let mut invite = invite();
        invite.headers.remove("Contact");
        assert!(Dialog::of_callee(&invite, "near", String::new(), hop(Transport::Udp)).is_none());
    }
}
