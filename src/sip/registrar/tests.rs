use super::*;
use crate::sip::{Message, Transport};

const NOW: Time = Time::from_secs(1_800_000_000);

fn after(seconds: u64) -> Time {
    NOW + Duration::from_secs(seconds)
}

/// Nobody is asked whether it is there.
fn quiet() -> Settings {
    Settings { keep_alive: Duration::ZERO, ..Settings::default() }
}

fn hop(port: u16) -> Hop {
    Hop {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: format!("198.51.100.7:{port}").parse().unwrap(),
        connection: None,
    }
}

fn request(call_id: &str, cseq: u32, extra: &str) -> Request {
    let text = format!(
        "REGISTER sip:vaxel.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:anna@vaxel.example>;tag=1\r\n\
         To: <sip:anna@vaxel.example>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{extra}\r\n\r\n"
    )
    .replace("\r\n\r\n\r\n", "\r\n\r\n");
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// One registrar and a phone that counts its own CSeq.
struct Desk {
    registrar: Registrar,
    cseq: u32,
}

impl Desk {
    fn new(settings: Settings) -> Desk {
        Desk { registrar: Registrar::new(settings), cseq: 0 }
    }

    fn send(&mut self, now: Time, extra: &str) -> (u16, String) {
        self.cseq += 1;
        self.send_as(now, "phone", self.cseq, extra)
    }

    fn send_as(&mut self, now: Time, call_id: &str, cseq: u32, extra: &str) -> (u16, String) {
        let (response, changes) = self.registrar.register(now, "anna", &request(call_id, cseq, extra), &hop(5060));
        let text = changes.iter().map(|change| match change {
            Change::Added(b) => format!("+{}", b.uri.user().unwrap()),
            Change::Refreshed(b, before) if b.uri == *before => format!("={}", b.uri.user().unwrap()),
            Change::Refreshed(b, before) => format!("{}={}", before.user().unwrap(), b.uri.user().unwrap()),
            Change::Removed(b) => format!("-{}", b.uri.user().unwrap()),
        });
        (response.code, text.collect::<Vec<_>>().join(" "))
    }

    fn users(&self) -> String {
        self.registrar.lookup("anna").map(|b| b.uri.user().unwrap()).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn binding_is_added_refreshed_and_removed() {
    let mut desk = Desk::new(quiet());
    assert_eq!(desk.send(NOW, ""), (200, "".into()));
    assert_eq!(desk.send(NOW, "Contact: <sip:a@10.0.0.1>;expires=600"), (200, "+a".into()));
    assert_eq!(desk.send(after(10), "Contact: <sip:a@10.0.0.1>;expires=600"), (200, "=a".into()));
    assert_eq!(desk.registrar.poll_timeout(), Some(after(610)));
    assert_eq!(desk.registrar.lookup("anna").next().unwrap().hop, hop(5060));
    assert_eq!(desk.send(after(20), "Contact: <sip:a@10.0.0.1>\r\nExpires: 0"), (200, "-a".into()));
    assert!(desk.registrar.is_empty() && !desk.registrar.is_registered("anna"));
    assert_eq!(desk.registrar.poll_timeout(), None);
}

#[test]
fn answer_lists_all_bindings_with_their_remaining_seconds() {
    let mut desk = Desk::new(quiet());
    desk.send(NOW, "Contact: <sip:a@10.0.0.1>;q=0.5;expires=600;+sip.instance=\"<urn:uuid:1>\", <sip:b@10.0.0.2>");
    let (response, changes) = desk.registrar.register(after(90), "anna", &request("q", 1, ""), &hop(1));
    assert_eq!(changes, []);
    assert_eq!(
        response.headers.get_all("Contact").collect::<Vec<_>>(),
        ["<sip:b@10.0.0.2>;expires=3510", "<sip:a@10.0.0.1>;q=0.5;+sip.instance=\"<urn:uuid:1>\";expires=510"]
    );
}

#[test]
fn new_address_of_the_same_instance_replaces_the_old_one() {
    let mut desk = Desk::new(quiet());
    let contact = |user: &str, instance: &str, reg_id: &str| {
        format!("Contact: <sip:{user}@10.0.0.1>;+sip.instance=\"<urn:uuid:{instance}>\"{reg_id}")
    };
    assert_eq!(desk.send(NOW, &contact("a", "AA", ";reg-id=1")).1, "+a");
    assert_eq!(desk.send(NOW, &contact("b", "aa", ";reg-id=1")).1, "a=b");
    assert_eq!(desk.send(NOW, &contact("c", "aa", ";reg-id=2")).1, "+c");
    assert_eq!(desk.send(NOW, &contact("c", "bb", ";reg-id=1")).1, "+c");
    // Two lines of one phone.
    assert_eq!(desk.send(NOW, &contact("d", "bb", "")).1, "+d");
    assert_eq!(desk.send(NOW, &contact("e", "bb", "")).1, "+e");
    assert_eq!(desk.send(NOW, &contact("d", "bb", ";expires=0")).1, "-d");
    assert_eq!(desk.registrar.len(), 4);
}

#[test]
fn a_binding_whose_name_changes_is_told_under_both_names() {
    let flow = "+sip.instance=\"<urn:uuid:aa>\";reg-id=1";
    for (first, then) in [
        ("<sip:a@h>".to_owned(), format!("<sip:a@h>;{flow}")),
        (format!("<sip:a@h>;{flow}"), "<sip:a@h>".into()),
        ("<sip:a@h;ob;line=1>".into(), "<sip:a@h;line=1;ob>".into()),
    ] {
        let mut desk = Desk::new(quiet());
        assert_eq!(desk.send(NOW, &format!("Contact: {first}")).1, "+a");
        assert_eq!(desk.send(NOW, &format!("Contact: {then}")).1, "-a +a", "{first} {then}");
        assert_eq!(desk.send(NOW, &format!("Contact: {then}")).1, "=a");
        assert_eq!(desk.registrar.len(), 1);
    }
}

#[test]
fn who_takes_an_old_address_back_keeps_the_new_one() {
    for flow in ["", ";reg-id=1"] {
        let contact = |user: &str, expires: u32| {
            format!("<sip:{user}@10.0.0.1>;+sip.instance=\"<urn:uuid:aa>\"{flow};expires={expires}")
        };
        for both in [[("new", 60), ("old", 0)], [("old", 0), ("new", 60)]] {
            for at_once in [true, false] {
                let mut desk = Desk::new(quiet());
                desk.send(NOW, &format!("Contact: {}", contact("old", 60)));
                let both = both.map(|(user, expires)| contact(user, expires));
                if at_once {
                    assert_eq!(desk.send(NOW, &format!("Contact: {}", both.join(", "))).0, 200);
                } else {
                    both.iter().for_each(|one| assert_eq!(desk.send(NOW, &format!("Contact: {one}")).0, 200));
                }
                let users: Vec<_> =
                    desk.registrar.phones("anna", false).map(|binding| binding.uri.user().unwrap()).collect();
                assert_eq!(users, ["new"], "{both:?} {at_once}");
            }
        }
    }
}

#[test]
fn what_must_not_stand_in_a_request_uri_is_left_out_of_it_and_the_contact_is_listed_as_it_came() {
    let mut desk = Desk::new(quiet());
    let contact = "<sip:anna@h;method=BYE;ob?Route=%3Csip:evil%3E&Subject=x>";
    let register = |cseq: u32, expires: u32| request("phone", cseq, &format!("Contact: {contact};expires={expires}"));
    let (response, changes) = desk.registrar.register(NOW, "anna", &register(1, 60), &hop(5060));
    assert!(response.headers.get("Contact").is_some_and(|listed| listed.starts_with(contact)), "{response:?}");
    let [Change::Added(binding)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(binding.uri.to_string(), "sip:anna@h;ob");
    let kept = Binding::try_from(binding.save().expect("it came by UDP")).expect("ours");
    assert_eq!(kept.uri, binding.uri);
    // It is the same one again.
    let (_, changes) = desk.registrar.register(NOW, "anna", &register(2, 60), &hop(5060));
    assert!(matches!(changes[..], [Change::Refreshed(..)]), "{changes:?}");
    let (_, changes) = desk.registrar.register(NOW, "anna", &register(3, 0), &hop(5060));
    assert!(matches!(changes[..], [Change::Removed(_)]), "{changes:?}");
}

#[test]
fn who_could_not_be_called_as_it_wants_is_refused() {
    let tls = Hop { transport: Transport::Tls, connection: Some(1), ..hop(5061) };
    for (contact, by, code) in [
        ("<mailto:anna@h>", hop(5060), 400),
        ("<tel:+46701>", hop(5060), 400),
        ("<sips:anna@h>", hop(5060), 400),
        ("<sips:anna@h>", tcp(5060), 400),
        ("<sips:anna@h>", tls, 200),
        ("<sip:anna@h>", tls, 200),
    ] {
        let mut desk = Desk::new(quiet());
        let register = request("phone", 1, &format!("Contact: {contact}"));
        let (response, changes) = desk.registrar.register(NOW, "anna", &register, &by);
        assert_eq!((response.code, changes.len()), (code, usize::from(code == 200)), "{contact}");
    }
}

#[test]
fn older_request_of_the_same_call_id_changes_nothing() {
    let mut desk = Desk::new(quiet());
    desk.send_as(NOW, "one", 5, "Contact: <sip:a@h>, <sip:b@h>");
    for cseq in [4, 5] {
        assert_eq!(desk.send_as(NOW, "one", cseq, "Contact: <sip:c@h>, <sip:a@h>;expires=0"), (500, "".into()));
        assert_eq!(desk.send_as(NOW, "one", cseq, "Contact: *\r\nExpires: 0"), (500, "".into()));
    }
    assert_eq!(desk.registrar.len(), 2);
    assert_eq!(desk.send_as(NOW, "another", 1, "Contact: <sip:a@h>;expires=0"), (200, "-a".into()));
    assert_eq!(desk.send_as(NOW, "one", 6, "Contact: *\r\nExpires: 0"), (200, "-b".into()));
}

#[test]
fn one_request_may_name_a_contact_twice() {
    let mut desk = Desk::new(quiet());
    assert_eq!(desk.send(NOW, "Contact: <sip:a@h>, <sip:a@h>"), (200, "+a =a".into()));
}

#[test]
fn star_must_be_alone_and_come_with_zero() {
    let mut desk = Desk::new(quiet());
    desk.send(NOW, "Contact: <sip:a@h>");
    for extra in ["Contact: *", "Contact: *\r\nExpires: 60"] {
        assert_eq!(desk.send(NOW, extra), (400, "".into()));
    }
    assert_eq!(desk.users(), "a");
}

#[test]
fn wishes_are_held_between_the_bounds() {
    let mut desk = Desk::new(quiet());
    let (response, _) = desk.registrar.register(NOW, "anna", &request("x", 1, "m: <sip:a@h>;expires=59"), &hop(1));
    assert_eq!((response.code, response.headers.get("Min-Expires")), (423, Some("60")));
    for (wish, granted) in [("<sip:a@h>;expires=60", 60), ("<sip:a@h>;expires=86400", 3600), ("<sip:a@h>", 3600)] {
        desk.send(NOW, &format!("Contact: {wish}"));
        assert_eq!(desk.registrar.poll_timeout(), Some(after(granted)));
    }
    desk.send(NOW, "Contact: <sip:a@h>\r\nExpires: 120");
    assert_eq!(desk.registrar.poll_timeout(), Some(after(120)));
}

#[test]
fn bindings_expire_in_their_order_and_not_before() {
    let mut desk = Desk::new(quiet());
    desk.send(NOW, "Contact: <sip:a@h>;expires=100, <sip:b@h>;expires=200");
    let other = request("other", 1, "Contact: <sip:c@h>;expires=150");
    desk.registrar.register(NOW, "bo", &other, &hop(1));
    let mut seen = Vec::new();
    while let Some(at) = desk.registrar.poll_timeout() {
        assert_eq!(desk.registrar.handle_timeout(at - Duration::from_micros(1)), []);
        seen.extend(desk.registrar.handle_timeout(at).iter().map(|b| (at, b.uri.user().unwrap().to_string())));
    }
    assert_eq!(seen, [(after(100), "a".into()), (after(150), "c".into()), (after(200), "b".into())]);
    assert!(desk.registrar.is_empty());
    desk.send(NOW, "Contact: <sip:a@h>;expires=100");
    assert_eq!(desk.send(after(100), "Contact: <sip:a@h>;expires=1"), (423, "-a".into()));
}

#[test]
fn what_came_by_a_closed_connection_is_removed() {
    let mut registrar = Registrar::new(quiet());
    let tcp = |n| Hop { transport: Transport::Tcp, connection: Some(n), ..hop(1000) };
    registrar.register(NOW, "anna", &request("x", 1, "Contact: <sip:a@h>"), &tcp(1));
    registrar.register(NOW, "anna", &request("y", 1, "Contact: <sip:b@h>"), &tcp(2));
    let removed = registrar.remove_hop(NOW, &tcp(1));
    assert_eq!(removed.iter().map(|b| b.uri.user().unwrap()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(registrar.lookup("anna").count(), 1);
    assert_eq!(registrar.remove_hop(NOW, &tcp(1)), []);
}

#[test]
fn bounds_hold_for_one_user_and_for_all() {
    let settings = Settings { contacts_max: 2, bindings_max: 3, ..quiet() };
    let mut desk = Desk::new(settings);
    for (contact, changes) in [("a", "+a"), ("b", "+b"), ("a", "=a"), ("c", "+c -b")] {
        assert_eq!(desk.send(NOW, &format!("Contact: <sip:{contact}@h>")), (200, changes.into()));
    }
    assert_eq!(desk.send(NOW, "Contact: <sip:d@h>, <sip:e@h>, <sip:f@h>"), (403, "".into()));
    let mut other = |user, n: u32, contact: &str| {
        let (response, changes) = desk.registrar.register(NOW, user, &request("z", n, contact), &hop(2));
        (response.code, changes.len(), response.headers.has("Retry-After"))
    };
    assert_eq!(other("bo", 1, "Contact: <sip:x@h>"), (200, 1, false));
    assert_eq!(other("cy", 1, "Contact: <sip:x@h>"), (503, 0, true));
    assert_eq!(other("bo", 2, "Contact: <sip:x@h>"), (200, 1, false));
    let reached = Limited { registrations: 1, contacts: 1, contacts_at_once: 1, path: 0 };
    assert_eq!(*desk.registrar.limited(), reached);
}

/// A REGISTER that came through a proxy.
fn proxied(call_id: &str, cseq: u32, extra: &str) -> Request {
    let mut request = request(call_id, cseq, extra);
    request.headers.insert_first("Via", "SIP/2.0/UDP edge.example;branch=z9hG4bKedge");
    request
}

fn tcp(port: u16) -> Hop {
    Hop { transport: Transport::Tcp, connection: Some(7), ..hop(port) }
}

#[test]
fn requests_go_back_through_the_proxies_of_path() {
    let mut registrar = Registrar::new(Settings::default());
    let contact = "Supported: path\r\nContact: <sip:a@10.0.0.1>";
    let path = "Path: <sip:198.51.100.7:5070;transport=tcp;lr>, <sip:edge.example;lr;ob>";
    let (response, _) =
        registrar.register(NOW, "anna", &proxied("x", 1, &format!("{contact}\r\n{path}")), &tcp(33_000));
    assert_eq!(response.code, 200);
    assert_eq!(response.headers.items("Path").count(), 2);
    let binding = registrar.lookup("anna").next().unwrap();
    assert_eq!(binding.path, ["<sip:198.51.100.7:5070;transport=tcp;lr>", "<sip:edge.example;lr;ob>"]);
    // The proxy listens there; what it connected from leads nowhere once that connection is gone.
    assert_eq!((binding.hop.remote.port(), binding.hop.connection), (5070, None));
    assert!(!registrar.is_registered_hop(&binding.hop.clone()), "a proxy is no phone");
    assert_eq!(registrar.remove_hop(NOW, &tcp(33_000)), []);
    // Who does not know Path is not told of it.
    let (response, _) =
        registrar.register(NOW, "anna", &proxied("x", 2, &format!("Contact: <sip:a@h>\r\n{path}")), &hop(1));
    assert!(!response.headers.has("Path"));
}

#[test]
fn an_account_cannot_have_requests_sent_to_another_machine() {
    let mut registrar = Registrar::new(Settings::default());
    for path in ["Path: <sip:203.0.113.99:5060;lr>", "Path: <sip:victim.example;lr>"] {
        registrar.register(NOW, "anna", &proxied("x", 1, &format!("Contact: <sip:a@h>\r\n{path}")), &hop(5062));
        assert_eq!(registrar.lookup("anna").next().unwrap().hop, hop(5062));
    }
}

#[test]
fn a_bad_or_endless_path_is_refused() {
    let mut desk = Desk::new(Settings::default());
    assert_eq!(desk.send(NOW, "Contact: <sip:a@h>\r\nPath: <sip:h").0, 400);
    let path = |values: usize| format!("Contact: <sip:a@h>\r\nPath: {}", vec!["<sip:h;lr>"; values].join(", "));
    assert_eq!(desk.send(NOW, &path(PATH_MAX)).0, 200);
    assert_eq!(desk.send(NOW, &path(PATH_MAX + 1)), (400, "".into()));
    assert_eq!(desk.registrar.limited().path, 1);
}

#[test]
fn flows_need_an_edge_that_keeps_them() {
    let mut registrar = Registrar::new(Settings::default());
    let contact = |flow: u8| {
        let instance = "+sip.instance=\"<urn:uuid:1>\"";
        format!("Supported: path, outbound\r\nContact: <sip:a{flow}@h>;{instance};reg-id={flow}")
    };
    let mut register = |request: &Request| {
        let (response, _) = registrar.register(NOW, "anna", request, &hop(1));
        (response.code, response.headers.get("Require").map(str::to_string))
    };
    let outbound = (200, Some("outbound".to_string()));
    assert_eq!(register(&request("x", 1, &contact(1))), outbound);
    assert_eq!(register(&proxied("x", 2, &contact(2))).0, 439);
    let through = |edge: &str| proxied("x", 3, &format!("{}\r\nPath: <sip:core;lr>, <sip:edge;lr{edge}>", contact(2)));
    assert_eq!(register(&through("")).0, 439);
    assert_eq!(register(&through(";ob")), outbound);
    // Without `Supported: outbound` it is a REGISTER of RFC 3261.
    let plain = contact(3).replace(", outbound", "");
    assert_eq!(register(&proxied("y", 1, &plain)), (200, None));
    let two = format!("{}, {}", contact(4), contact(5).split_once("Contact: ").unwrap().1);
    assert_eq!(register(&request("z", 1, &two)).0, 400);
    assert_eq!(registrar.lookup("anna").count(), 3);
    // One phone by three ways is rung once.
    let rung: Vec<_> = registrar.phones("anna", false).map(|b| b.uri.user().unwrap()).collect();
    assert_eq!(rung, ["a1"]);
    let others = request("other", 1, "Contact: <sip:b@h>;+sip.instance=\"<urn:uuid:2>\", <sip:c@h>");
    registrar.register(after(1), "anna", &others, &hop(1));
    assert_eq!(registrar.phones("anna", false).count(), 3);
    let newer = format!("Supported: outbound\r\n{}", contact(2).split_once("\r\n").unwrap().1);
    registrar.register(after(2), "anna", &request("flow", 1, &newer), &hop(1));
    assert_eq!(registrar.phones("anna", false).next().unwrap().uri.user(), Some("a2"));
}

#[test]
fn who_is_called_securely_is_rung_only_where_that_is_so() {
    let mut registrar = Registrar::new(quiet());
    let by = |transport, port: u16, secs: u64, call: &str, more: &str, registrar: &mut Registrar| {
        let at = Hop { transport, connection: (transport != Transport::Udp).then_some(u64::from(port)), ..hop(port) };
        assert_eq!(registrar.register(after(secs), "anna", &request(call, 1, more), &at).0.code, 200);
    };
    let flow = |user: &str, id: u8| {
        format!("Supported: outbound\r\nContact: <sip:{user}@h>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}")
    };
    let rung = |registrar: &Registrar, securely| {
        let phones = registrar.phones("anna", securely);
        phones.map(|phone| phone.uri.user().unwrap().to_owned()).collect::<Vec<_>>()
    };
    by(Transport::Udp, 1, 0, "udp", "Contact: <sip:udp@h>", &mut registrar);
    by(Transport::Ws, 2, 0, "ws", "Contact: <sip:ws@h>", &mut registrar);
    assert_eq!(rung(&registrar, true), [""; 0]);
    by(Transport::Wss, 3, 1, "wss", "Contact: <sip:wss@h>", &mut registrar);
    by(Transport::Tls, 4, 2, "tls", &flow("tls", 1), &mut registrar);
    by(Transport::Tcp, 5, 3, "tcp", &flow("tcp", 2), &mut registrar);
    assert_eq!(rung(&registrar, true), ["tls", "wss"], "also where the phone has refreshed another flow since");
    assert_eq!(rung(&registrar, false).len(), 4);
    let tls = registrar.phones("anna", true).next().unwrap().clone();
    assert!(registrar.next_flow(&tls, false).is_some());
    assert_eq!(registrar.next_flow(&tls, true), None);
    let behind = Binding { is_direct: false, ..tls };
    assert!(!behind.is_secure(), "the proxy may go on as it likes");
    assert!(Binding { uri: "sips:anna@h".parse().unwrap(), ..behind }.is_secure());
}

#[test]
fn a_flow_that_failed_leaves_the_phone_its_others() {
    let mut desk = Desk::new(quiet());
    let contact = |user: &str, instance: u8, flow: u8| {
        format!("Supported: outbound\r\nContact: <sip:{user}@h>;+sip.instance=\"<urn:uuid:{instance}>\";reg-id={flow}")
    };
    for (second, (user, instance, flow)) in (0..).zip([("a", 1, 1), ("b", 1, 2), ("c", 1, 3), ("d", 2, 1)]) {
        desk.send_as(after(second), &format!("{user}'s"), 1, &contact(user, instance, flow));
    }
    let find = |desk: &Desk, user: &str| {
        desk.registrar.lookup("anna").find(|binding| binding.uri.user() == Some(user)).unwrap().clone()
    };
    let (a, b, c) = (find(&desk, "a"), find(&desk, "b"), find(&desk, "c"));
    assert_eq!(desk.registrar.next_flow(&c, false), Some(&b), "refreshed last, and of the same phone");
    assert_eq!(desk.registrar.flow_failed(after(9), &c), std::slice::from_ref(&c));
    assert_eq!(desk.registrar.flow_failed(after(9), &c), [], "it is gone");
    // It came back while it was being asked for.
    desk.send_as(after(10), "b's", 2, &contact("b", 1, 2));
    assert_eq!(desk.registrar.flow_failed(after(11), &b), []);
    let b = find(&desk, "b");
    assert_eq!(desk.registrar.flow_failed(after(12), &b), [b]);
    assert_eq!(desk.registrar.flow_failed(after(13), &a), [], "its last");
    assert_eq!(desk.registrar.next_flow(&a, false), None);
    assert_eq!(desk.registrar.phones("anna", false).count(), 2);
}

#[test]
fn phones_behind_nat_are_asked_and_others_are_not() {
    let mut desk = Desk::new(Settings::default());
    desk.send(NOW, "Contact: <sip:there@198.51.100.7:5060>;expires=600");
    assert_eq!(desk.registrar.poll_timeout(), Some(after(600)));
    desk.send(NOW, "Contact: <sip:home@192.168.1.5:5060>;expires=600");
    assert_eq!(desk.registrar.poll_timeout(), Some(after(25)));
    assert_eq!(desk.registrar.poll_ping(after(24)), None);
    let ping = desk.registrar.poll_ping(after(25)).unwrap();
    assert_eq!((ping.uri.user(), ping.hop), (Some("home"), hop(5060)));
    // Not again before the answer.
    assert_eq!(desk.registrar.poll_timeout(), Some(after(600)));
    desk.registrar.ping_answered(after(26), &ping);
    assert_eq!(desk.registrar.poll_timeout(), Some(after(51)));
    // Who registers has been heard of.
    desk.send(after(40), "Contact: <sip:home@192.168.1.5:5060>;expires=600");
    assert_eq!(desk.registrar.poll_timeout(), Some(after(65)));
    desk.send(after(41), "Contact: <sip:home@192.168.1.5:5060>;expires=0");
    assert_eq!(desk.registrar.poll_timeout(), Some(after(600)));
}

#[test]
fn only_a_phone_that_once_answered_is_gone_when_it_does_not() {
    let mut desk = Desk::new(Settings::default());
    desk.send(NOW, "Contact: <sip:home@192.168.1.5>;expires=3600");
    let ping = desk.registrar.poll_ping(after(25)).unwrap();
    assert_eq!(desk.registrar.ping_unanswered(after(57), &ping), []);
    assert_eq!(desk.registrar.poll_timeout(), Some(after(82)));
    desk.registrar.ping_failed(after(82), &ping);
    assert_eq!(desk.registrar.poll_timeout(), Some(after(107)));
    desk.registrar.ping_answered(after(107), &ping);
    let ping = desk.registrar.poll_ping(after(132)).unwrap();
    let gone = desk.registrar.ping_unanswered(after(170), &ping);
    assert_eq!(gone.iter().map(|b| b.uri.user()).collect::<Vec<_>>(), [Some("home")]);
    assert!(desk.registrar.is_empty());
    assert_eq!(desk.registrar.poll_timeout(), None);
    // What comes late is about nobody.
    desk.registrar.ping_answered(after(171), &ping);
    assert_eq!(*desk.registrar.asked(), Asked { sent: 2, answered: 2, lost: 1 });
    assert_eq!(desk.registrar.poll_timeout(), None);
}

#[test]
fn a_phone_that_registered_since_is_not_gone_with_the_answer_that_its_old_address_owes() {
    let contact = "Contact: <sip:home@192.168.1.5>;+sip.instance=\"<urn:uuid:1>\";expires=3600";
    for moved_to in [5060, 6000] {
        let mut desk = Desk::new(Settings::default());
        desk.send(NOW, contact);
        let ping = desk.registrar.poll_ping(after(25)).unwrap();
        desk.registrar.ping_answered(after(26), &ping);
        let ping = desk.registrar.poll_ping(after(51)).unwrap();
        desk.registrar.register(after(60), "anna", &request("phone", 2, contact), &hop(moved_to));
        for late in [Registrar::ping_answered, Registrar::ping_failed] {
            late(&mut desk.registrar, after(70), &ping);
            assert_eq!(desk.registrar.poll_timeout(), Some(after(85)), "its own turn comes as settled");
        }
        assert_eq!(desk.registrar.ping_unanswered(after(83), &ping), []);
        let ping = desk.registrar.poll_ping(after(85)).unwrap();
        assert_eq!(ping.hop, hop(moved_to));
        // It answers such questions, wherever it is.
        assert_eq!(desk.registrar.ping_unanswered(after(117), &ping).len(), 1);
    }
}

#[test]
fn bindings_live_on_in_the_next_run() {
    let mut desk = Desk::new(Settings::default());
    desk.send(
        NOW,
        "Contact: <sip:a@10.0.0.1>;q=0.5;expires=600;+sip.instance=\"<urn:uuid:1>\", <sip:b@198.51.100.7:5060>",
    );
    let by_connection = request("x", 1, "Contact: <sip:c@h>");
    desk.registrar.register(NOW, "bo", &by_connection, &tcp(1));
    let before: Vec<Binding> = desk.registrar.lookup("anna").cloned().collect();
    let all = desk.registrar.lookup("anna").chain(desk.registrar.lookup("bo"));
    let saved: Vec<String> =
        all.filter_map(Binding::save).map(|saved| serde_json::to_string(&saved).unwrap()).collect();
    assert_eq!(saved.len(), 2, "a connection does not outlive the process");
    let read = || saved.iter().map(|text| Binding::try_from(serde_json::from_str::<Saved>(text).unwrap()).unwrap());
    let mut next = Desk::new(Settings::default());
    next.cseq = 1;
    assert_eq!(next.registrar.restore(after(10), read()).len(), 2);
    assert_eq!(next.registrar.lookup("anna").cloned().collect::<Vec<_>>(), before);
    // The phone behind NAT is asked soon, and the REGISTER that was known is still known.
    assert!(next.registrar.poll_timeout().unwrap() <= after(35));
    assert_eq!(next.send_as(after(20), "phone", 1, "Contact: <sip:b@198.51.100.7:5060>;expires=0"), (500, "".into()));
    assert_eq!(next.send(after(20), "Contact: *\r\nExpires: 0").1.split(' ').count(), 2);
    // What is over is over, and bounds hold.
    let late = |settings| Registrar::new(settings).restore(after(700), read()).len();
    assert_eq!(late(Settings::default()), 1);
    let small = Settings { contacts_max: 1, ..Settings::default() };
    assert_eq!(Registrar::new(small).restore(after(10), read()).len(), 1);
    let short = Settings { max_expires: Duration::from_secs(60), ..Settings::default() };
    assert!(Registrar::new(short).restore(after(10), read()).iter().all(|b| b.expires == after(70)));
}

#[test]
fn a_kept_binding_that_is_not_ours_says_what_is_wrong() {
    let mut desk = Desk::new(Settings::default());
    desk.send(NOW, "Contact: <sip:a@h>");
    let saved = serde_json::to_value(desk.registrar.lookup("anna").next().unwrap().save().unwrap()).unwrap();
    for (key, value) in [("contact", "<sip:a"), ("transport", "SCTP")] {
        let mut bad = saved.clone();
        bad[key] = value.into();
        let error = Binding::try_from(serde_json::from_value::<Saved>(bad).unwrap()).unwrap_err().to_string();
        assert!(error.contains(value) && error.to_lowercase().contains(key), "{error}");
    }
}
