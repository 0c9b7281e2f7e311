//! Whom a `sips:` URI names is rung by TLS or not at all.

use crate::carriers::{House, Manner, address, hop, trunk};
use vaxel::record::What;
use vaxel::sim::media::switchboard;
use vaxel::sip::{Account, Hop, Transport, Uri};
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The phone of the first agent is registered by this transport, and that of the second calls from the first place of all others.
fn house(by: Option<Transport>) -> House {
    let mut house = House::new(vec![trunk(2)], &[Manner::Answers, Manner::Answers]);
    house.shows(1, Account { user: "agent1".into(), password: "secret1".into(), realm: "vaxel".into() });
    if let Some(transport) = by {
        let connection = (transport != Transport::Udp).then_some(7);
        house.is_registered_by("agent0", Hop { transport, connection, ..hop(0) });
    }
    house
}

fn uri(scheme: &str, user: &str) -> Uri {
    format!("{scheme}:{user}@{}", switchboard()).parse().expect("a URI")
}

fn refused(house: &House) -> usize {
    let told =
        |what: &&What| matches!(what, What::CallRefused { code: 480, reason } if **reason == *"sips_not_allowed");
    house.told.iter().filter(told).count()
}

#[test]
fn a_phone_without_tls_is_not_rung_for_a_secure_uri() {
    use Transport::{Tcp, Tls, Udp, Ws, Wss};
    for (scheme, by, rung) in [
        ("sip", Some(Udp), true),
        ("sips", Some(Udp), false),
        ("sips", Some(Tcp), false),
        ("sips", Some(Ws), false),
        ("sips", Some(Tls), true),
        ("sips", Some(Wss), true),
        ("sip", Some(Tls), true),
        ("sips", None, false),
    ] {
        let mut house = house(by);
        house.agent_calls(1, "agent1", uri(scheme, "2000"));
        house.pass(SECOND);
        let code = if rung { 200 } else { 480 };
        assert_eq!((house.heard(1), house.called(0)), (Some(code), usize::from(rung)), "{scheme} {by:?}");
        assert_eq!(refused(&house), usize::from(!rung && by.is_some()), "{scheme} {by:?}");
        house.over();
    }
}

#[test]
fn of_two_phones_the_one_by_tls_rings() {
    let mut house = house(Some(Transport::Udp));
    let tls = Hop { transport: Transport::Tls, connection: Some(7), remote: address(2), ..hop(2) };
    house.is_registered_by("agent0", tls);
    house.agent_calls(1, "agent1", uri("sips", "2000"));
    house.pass(SECOND);
    assert_eq!((house.heard(1), house.called(0), house.called(2)), (Some(200), 0, 1));
    house.over();
}

#[test]
fn a_transfer_to_a_secure_uri_goes_there_securely_or_not_at_all() {
    for (by, rung) in [(Transport::Udp, false), (Transport::Tls, true)] {
        let mut house = house(Some(by));
        house.agent_calls(1, "agent1", uri("sip", "+4790000000"));
        house.pass(SECOND);
        house.transfers_to(1, &uri("sips", "2000"), "<sip:agent1@desk.example>");
        house.pass(SECOND);
        assert_eq!(house.called(0), usize::from(rung), "{by:?}");
        let refused = |what: &What| matches!(what, What::TransferRefused { code: 480, .. });
        assert_eq!(house.told.iter().any(refused), !rung, "{by:?}");
        house.over();
    }
}

#[test]
fn a_phone_that_sends_the_call_to_a_secure_uri_sends_it_to_no_other() {
    for (manner, by, rung) in [
        (Manner::Redirects("sips:2000"), Transport::Udp, false),
        (Manner::Redirects("sips:2000"), Transport::Tls, true),
        (Manner::Redirects("2000"), Transport::Udp, true),
    ] {
        let mut house = house(Some(by));
        house.peers[2].manner = manner;
        house.agent_calls(1, "agent1", uri("sip", "+4790000000"));
        house.pass(SECOND);
        assert_eq!(house.called(0), usize::from(rung), "{by:?}");
        house.over();
    }
}
