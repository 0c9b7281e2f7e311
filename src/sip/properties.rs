//! What holds for every message: written and read it is the same, no bytes make the reader panic, and an independent
//! reader (rsip) sees in our messages what we put there.

use super::headers::via;
use super::{
    Frame, Framer, Headers, Host, Message, Method, NameAddr, Params, Request, Response, SipUri, TopVia, Uri, Via,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;

/// Messages without what rsip cannot read ([`super::vocabulary::unreadable`] has the list). Everything else must agree.
mod oracle {
    use super::*;

    fn host() -> impl Strategy<Value = Host> {
        prop_oneof![
            "[a-z][a-z0-9]{0,8}(\\.[a-z]{2,5})?".prop_map(Host::Name),
            any::<[u8; 4]>().prop_map(|ip| Host::Ip(ip.into()))
        ]
    }

    fn uri() -> impl Strategy<Value = SipUri> {
        (option::of("[a-zA-Z0-9+_-]{1,12}"), host(), option::of(1u16..), any::<bool>()).prop_map(
            |(user, host, port, tcp)| {
                let mut uri = SipUri::new(user.as_deref(), host, port);
                if tcp {
                    uri.params.set("transport", Some("tcp"));
                }
                uri
            },
        )
    }

    fn address() -> impl Strategy<Value = NameAddr> {
        (option::of("[a-zA-Z0-9]{1,8}( [a-zA-Z]{1,8})?"), uri(), option::of("[a-zA-Z0-9]{4,12}")).prop_map(
            |(display, uri, tag)| {
                let address = NameAddr::new(display.as_deref(), Uri::Sip(uri));
                tag.iter().fold(address, |address, tag| address.with_tag(tag))
            },
        )
    }

    fn method() -> impl Strategy<Value = Method> {
        use Method::*;
        proptest::sample::select(vec![Invite, Ack, Bye, Cancel, Options, Register, Info, Prack, Update, Refer, Notify])
    }

    proptest! {
        #[test]
        fn rsip_reads_the_requests_we_write(
            method in method(), target in uri(), from in address(), to in address(), contact in address(),
            via_host in host(), via_port in option::of(1u16..), branch in "[a-zA-Z0-9]{6,20}", tcp in any::<bool>(),
            seq in 0u32..1 << 31, subject in "[ -~]{0,40}", body in vec(any::<u8>(), 0..80),
        ) {
            use rsip::prelude::*;
            let params = Params(vec![("branch".into(), Some(format!("{}{branch}", via::MAGIC_COOKIE)))]);
            let transport = if tcp { "TCP" } else { "UDP" }.to_string();
            let via = Via { transport: transport.clone().into(), host: via_host, port: via_port, params };
            let mut request = Request::new(method.clone(), Uri::Sip(target));
            request.headers.push("Via", via.to_string());
            request.headers.push("From", from.to_string());
            request.headers.push("To", to.to_string());
            request.headers.push("Call-ID", "4711@192.0.2.7");
            request.headers.push("CSeq", format!("{seq} {method}"));
            request.headers.push("Contact", contact.to_string());
            request.headers.push("Subject", format!("x{}", subject.trim_end()));
            request.body = body;

            let theirs = match rsip::SipMessage::try_from(&request.to_bytes()[..]) {
                Ok(rsip::SipMessage::Request(theirs)) => theirs,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            prop_assert_eq!(theirs.method.to_string(), method.to_string());
            prop_assert_eq!(&theirs.uri.to_string().to_ascii_lowercase(), &request.uri.to_string().to_ascii_lowercase());
            prop_assert_eq!(&theirs.body, &request.body);
            let lines: Vec<String> = theirs.headers.iter().map(|header| header.to_string()).collect();
            let mut ours: Vec<String> = request.headers.iter().map(|h| format!("{}: {}", h.name, h.value)).collect();
            ours.push(format!("Content-Length: {}", request.body.len()));
            prop_assert_eq!(lines, ours);

            let their_from = theirs.from_header().unwrap().typed().unwrap();
            prop_assert_eq!(their_from.uri.user(), from.uri.user());
            prop_assert_eq!(their_from.tag().map(|tag| tag.to_string()), from.tag().map(str::to_string));
            let their_cseq = theirs.cseq_header().unwrap().typed().unwrap();
            prop_assert_eq!((their_cseq.seq, their_cseq.method.to_string()), (seq, method.to_string()));
            let their_via = theirs.via_header().unwrap().typed().unwrap();
            prop_assert_eq!(their_via.transport.to_string(), transport);
            prop_assert_eq!(their_via.branch().map(|branch| branch.to_string()), via.branch().map(str::to_string));
        }

        #[test]
        fn rsip_reads_the_responses_we_write(code in 100u16..700, from in address(), to in address(), body in vec(any::<u8>(), 0..80)) {
            let mut response = Response { code, reason: super::super::reason_phrase(code).into(), headers: Headers::new(), body };
            response.headers.push("Via", "SIP/2.0/UDP h;branch=z9hG4bK1");
            response.headers.push("From", from.to_string());
            response.headers.push("To", to.to_string());
            response.headers.push("Call-ID", "x");
            response.headers.push("CSeq", "1 INVITE");
            match rsip::SipMessage::try_from(&response.to_bytes()[..]) {
                Ok(rsip::SipMessage::Response(theirs)) => {
                    prop_assert_eq!(theirs.status_code.code(), code);
                    prop_assert_eq!(theirs.headers.iter().count(), 6);
                    prop_assert_eq!(theirs.body, response.body);
                }
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
    }
}

/// Any text that a value can hold once it is unfolded and trimmed.
fn text() -> impl Strategy<Value = String> {
    "[^\\x00-\\x08\\x0a-\\x1f\\x7f]{0,20}"
        .prop_map(|text| text.trim_matches([' ', '\t', '\n', '\x0c', '\r']).to_string())
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof!["[a-z][a-z0-9_-]{0,8}(\\.[a-z0-9]{1,5}){0,2}".prop_map(Host::Name), any::<IpAddr>().prop_map(Host::Ip),]
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = option::of((any::<String>().prop_filter("a user", |u| !u.is_empty()), option::of(any::<String>())));
    let params = vec(("[a-z\\[\\]=;?@ -]{1,6}", option::of(any::<String>())), 0..3);
    let headers = vec((any::<String>().prop_filter("a name", |n| !n.is_empty()), any::<String>()), 0..3);
    let sip = (any::<bool>(), user, host(), option::of(any::<u16>()), params, headers).prop_map(
        |(secure, user, host, port, params, headers)| {
            let (user, password) = user.unzip();
            let params = named(params);
            Uri::Sip(SipUri { secure, user, password: password.flatten(), host, port, params, headers })
        },
    );
    let tel = ("\\+?[0-9]{1,15}", params_of_headers()).prop_map(|(number, params)| Uri::Tel { number, params });
    prop_oneof![4 => sip, 1 => tel, 1 => "x[a-z0-9+.-]{0,6}:[!#-;=?-~]{1,20}".prop_map(Uri::Other)]
}

fn named(params: Vec<(String, Option<String>)>) -> Params {
    Params(params.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn params_of_headers() -> impl Strategy<Value = Params> {
    let value = "[^ \\t\",;<>\\x00-\\x1f\\x7f-\\xff\u{100}-\u{10ffff}]{1,10}";
    vec(("[a-z0-9.!%*_+`'~-]{1,8}", option::of(value)), 0..3).prop_map(named)
}

fn address() -> impl Strategy<Value = NameAddr> {
    let quoted = "\"([^\\x00-\\x1f\\x7f\"\\\\]|\\\\[\"\\\\]){0,8}\"";
    // Names that cannot hold a CR or LF: those are no quoted pair (RFC 3261 §25.1).
    let display = option::of("[^\\r\\n]{1,12}");
    (display, uri(), params_of_headers(), option::of(quoted)).prop_map(|(display, uri, mut params, instance)| {
        params.set("+sip.instance", instance.as_deref());
        NameAddr { display, uri, params }
    })
}

fn via() -> impl Strategy<Value = Via> {
    (token(), host(), option::of(any::<u16>()), params_of_headers()).prop_map(|(transport, host, port, params)| Via {
        transport: transport.into(),
        host,
        port,
        params,
    })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![token(), proptest::sample::select(vec!["INVITE".to_string(), "ACK".into(), "REGISTER".into()])]
        .prop_map(|name| Method::parse(&name).expect("a token"))
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    let name = token().prop_filter("its own header", |name| {
        name.len() > 1 && super::headers::name::Known::find(name.as_bytes()).is_none()
    });
    let fixed = (vec(via(), 1..3), address(), address(), vec(address(), 0..3), text());
    let start = prop_oneof![
        3 => (method(), uri()).prop_map(Ok),
        1 => (100u16..700, text(), method()).prop_map(Err),
    ];
    (start, fixed, 0u32..1 << 31, vec((name, text()), 0..4), vec(any::<u8>(), 0..60)).prop_map(
        |(start, (vias, from, to, contacts, subject), seq, others, body)| {
            let method = match &start {
                Ok((method, _)) => method,
                Err((_, _, method)) => method,
            };
            let mut headers = Headers::new();
            vias.iter().for_each(|via| headers.push("Via", via.to_string()));
            headers.push("From", from.to_string());
            headers.push("To", to.to_string());
            headers.push("Call-ID", "4711@192.0.2.7");
            headers.push("CSeq", format!("{seq} {method}"));
            contacts.iter().for_each(|contact| headers.push("Contact", contact.to_string()));
            headers.push("Subject", subject);
            others.into_iter().for_each(|(name, value)| headers.push(name, value));
            match start {
                Ok((method, uri)) => Message::Request(Request { method, uri, headers, body }),
                Err((code, reason, _)) => Message::Response(Response { code, reason, headers, body }),
            }
        },
    )
}

/// Everything the reader offers, on whatever it let through.
fn read_all(message: &Message) {
    let headers = message.headers();
    headers.vias().expect("checked by the reader");
    headers.from_().expect("checked by the reader");
    headers.to().expect("checked by the reader");
    headers.cseq().expect("checked by the reader");
    headers.call_id().expect("checked by the reader");
    let _tried = (headers.contacts().is_ok(), headers.routes().is_ok(), headers.record_routes().is_ok());
    let _tried = (headers.reason(), headers.content_type(), headers.expires(), headers.max_forwards());
    let _tried = headers.require().chain(headers.supported()).chain(headers.proxy_require()).count();
    for header in headers.iter() {
        let _tried = super::digest::Challenge::parse(header.value);
        let _tried = super::digest::Credentials::parse(header.value);
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Delete(usize, usize),
    /// Copies a piece to another place.
    Copy(usize, usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let nasty = proptest::sample::select(vec![
        "\r\n", "\n ", "\r\n\r\n", ",", ";", "\"", "\\", "<", ">", ":", "@", "%", "%zz", "[", "]", "=", " ", "\0",
        "SIP/2.0", "*",
    ]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<usize>(), nasty).prop_map(|(at, text)| Damage::Insert(at, text.into())),
        (any::<usize>(), 1usize..40).prop_map(|(at, n)| Damage::Delete(at, n)),
        (any::<usize>(), any::<usize>(), 1usize..80).prop_map(|(from, to, n)| Damage::Copy(from, to, n)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let len = bytes.len().max(1);
    match damage {
        Damage::Set(at, byte) => bytes.iter_mut().skip(at % len).take(1).for_each(|b| *b = *byte),
        Damage::Insert(at, text) => drop(bytes.splice(at % len..at % len, text.iter().copied())),
        Damage::Delete(at, n) => drop(bytes.drain(at % len..(at % len + n).min(bytes.len()))),
        Damage::Copy(from, to, n) => {
            let piece = bytes[from % len..(from % len + n).min(bytes.len())].to_vec();
            bytes.splice(to % len..to % len, piece);
        }
    }
}

/// Of the lines that are looked into when a message is read.
#[derive(Clone, Debug)]
enum Change {
    Set(&'static str, String),
    First(&'static str, String),
    Push(&'static str, String),
    Remove(&'static str),
    RemoveFirst(&'static str),
}

impl Change {
    fn make(&self, headers: &mut Headers) {
        match self {
            Change::Set(name, value) => headers.set(name, value),
            Change::First(name, value) => headers.insert_first(name, value),
            Change::Push(name, value) => headers.push(name, value),
            Change::Remove(name) => headers.remove(name),
            Change::RemoveFirst(name) => headers.remove_first_item(name),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let name = || proptest::sample::select(vec!["Via", "From", "To"]);
    let value =
        || prop_oneof![via().prop_map(|via| via.to_string()), address().prop_map(|to| to.to_string()), "[ ,]{0,2}"];
    prop_oneof![
        (name(), value()).prop_map(|(name, value)| Change::Set(name, value)),
        (name(), value()).prop_map(|(name, value)| Change::First(name, value)),
        (name(), value()).prop_map(|(name, value)| Change::Push(name, value)),
        name().prop_map(Change::Remove),
        name().prop_map(Change::RemoveFirst),
    ]
}

proptest! {
    #[test]
    fn written_and_read_it_is_the_same(message in message()) {
        prop_assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
    }

    #[test]
    fn what_was_seen_in_reading_is_what_stands_there_whatever_is_changed(message in message(), changes in vec(change(), 0..12)) {
        let mut read = Message::parse(&message.to_bytes()).expect("as it was written");
        let headers = read.headers_mut();
        for change in [Change::Remove("X")].iter().chain(&changes) {
            change.make(headers);
            let seen = |headers: &Headers| {
                let via = headers.top_via().map(|via| format!("{via:?}"));
                (via, [headers.from_tag(), headers.to_tag()].map(|tag| tag.map(str::to_string)))
            };
            // A clone is new and has seen nothing.
            prop_assert_eq!(seen(headers), seen(&headers.clone()), "after {:?}", change);
        }
    }

    #[test]
    fn typed_headers_written_and_read_are_the_same(uri in uri(), address in address(), via in via()) {
        prop_assert_eq!(uri.to_string().parse(), Ok(uri));
        prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
        prop_assert_eq!(Via::parse(&via.to_string()), Ok(via));
    }

    #[test]
    fn checking_and_building_refuse_the_same(text in "[ -~]{0,4}(sip:|tel:|<sip:|SIP/2.0/UDP )?[a-z0-9;:@<>\"%,?&=\\[\\] .+-]{0,20}[ -~]{0,4}") {
        prop_assert_eq!(Uri::check(&text), text.parse::<Uri>().map(drop));
        prop_assert_eq!(NameAddr::check(&text), NameAddr::parse(&text).map(drop));
        prop_assert_eq!(TopVia::parse(&text).map(drop), Via::parse(&text).map(drop));
    }

    #[test]
    fn equivalence_holds_for_a_uri_and_itself(uri in uri()) {
        prop_assert!(uri.equivalent(&uri));
    }

    #[test]
    fn random_bytes_are_no_message_and_no_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Err(bad) = Message::parse(&bytes) {
            let _told = (bad.to_string(), bad.response());
        }
    }

    #[test]
    fn damaged_message_is_refused_or_survives_being_written(message in message(), damages in vec(damage(), 1..6)) {
        let mut bytes = message.to_bytes();
        damages.iter().for_each(|damage| apply(&mut bytes, damage));
        match Message::parse(&bytes) {
            Ok(message) => {
                read_all(&message);
                prop_assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
            }
            // An answer carries what came, so it may be as broken as that; but it is one message, not more.
            Err(bad) => if let Some(response) = bad.response() {
                let mut framer = Framer::new();
                framer.push(&response.to_bytes());
                prop_assert!(framer.next().is_some() && framer.next().is_none() && framer.is_idle());
            },
        }
    }

    #[test]
    fn stream_gives_the_same_messages_however_it_is_cut(messages in vec(message(), 1..4), cuts in vec(1usize..200, 1..20)) {
        let stream: Vec<u8> = messages.iter().flat_map(Message::to_bytes).collect();
        let mut framer = Framer::new();
        let mut seen = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (part, tail) = rest.split_at((*cut).min(rest.len()));
            rest = tail;
            framer.push(part);
            seen.extend(std::iter::from_fn(|| framer.next()));
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, messages.into_iter().map(Frame::Message).collect::<Vec<_>>());
    }

    #[test]
    fn damaged_stream_never_panics_and_never_gives_an_unreadable_message(message in message(), damages in vec(damage(), 1..6)) {
        let mut stream = [message.to_bytes(), message.to_bytes(), message.to_bytes()].concat();
        damages.iter().for_each(|damage| apply(&mut stream, damage));
        let mut framer = Framer::new();
        framer.push(&stream);
        while let Some(frame) = framer.next() {
            if let Frame::Message(message) = frame {
                read_all(&message);
            }
        }
    }
}
