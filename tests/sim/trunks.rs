//! Trunks that ask for a password, register, and bring callers who show one.

use crate::carriers::{House, Manner, PASSWORD, REALM, USER, account, address, hop, target, trunk};
use vaxel::engine::{Input, Login, Network, Trunk};
use vaxel::record::{TrunkNews, What};
use vaxel::sip::{Account, Hop, Transport};
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn news<'a>(house: &'a House) -> Vec<&'a TrunkNews> {
    let of = |what: &'a What| match what {
        What::Trunk { news, .. } => Some(news),
        _ => None,
    };
    house.told.iter().filter_map(of).collect()
}

pub fn with_account(register: Option<u64>) -> Trunk {
    let register = register.map(Duration::from_secs);
    Trunk { account: Some(account().into()), register, from_targets: register.is_some(), ..trunk(1) }
}

#[test]
fn a_carrier_that_asks_for_the_password_gets_it_and_takes_the_call() {
    let mut house = House::new(vec![with_account(None)], &[Manner::Answers]);
    house.asks_for_password(1);
    house.calls(0, "+4687000");
    house.pass(SECOND);
    assert_eq!((house.called(1), house.heard(0)), (1, Some(200)));
    let invite = &house.peers[1].invites[0].1;
    assert_eq!(invite.uri.to_string(), format!("sip:+4687000@{}", address(1)));
    assert!(invite.headers.get("Contact").is_some_and(|contact| contact.starts_with(&format!("<sip:{USER}@"))));
    house.over();
}

#[test]
fn another_realm_or_a_refused_password_gets_no_second_answer() {
    for (account, code) in [
        (Account { realm: "elsewhere".into(), ..account() }, 503),
        (Account { password: "wrong".into(), ..account() }, 403),
    ] {
        let trunk = Trunk { account: Some(account.into()), ..trunk(1) };
        let mut house = House::new(vec![trunk], &[Manner::Answers]);
        house.asks_for_password(1);
        house.calls(0, "+4687000");
        house.pass(SECOND);
        assert_eq!((house.called(1), house.heard(0)), (0, Some(code)));
        let foreign = news(&house).contains(&&TrunkNews::OtherRealm { realm: REALM.into() });
        assert_eq!(foreign, code == 503, "an operator is told of a realm that the account is not for");
        house.over();
    }
}

#[test]
fn a_trunk_without_an_account_answers_no_challenge() {
    let mut house = House::new(vec![trunk(1)], &[Manner::Answers]);
    house.asks_for_password(1);
    house.calls(0, "+4687000");
    house.pass(SECOND);
    assert_eq!((house.called(1), house.heard(0)), (0, Some(503)), "it is none of the caller's business");
    house.over();
}

#[test]
fn a_trunk_registers_refreshes_and_takes_it_back_when_the_house_drains() {
    let mut house = House::new(vec![with_account(Some(600))], &[Manner::Answers]);
    house.asks_for_password(1);
    house.pass(SECOND);
    assert_eq!(house.peers[1].registers, [Err(401), Ok(600)]);
    let granted = Duration::from_secs(600);
    assert_eq!(news(&house), [&TrunkNews::Registered { granted }]);
    house.pass(Duration::from_secs(450));
    assert_eq!(house.peers[1].registers[2..], [Err(401), Ok(600)]);
    let registered = |house: &House| house.engine.trunk_figures(house.now).next().and_then(|(_, f)| f.registered);
    assert_eq!((registered(&house), news(&house).len()), (Some(true), 1));
    house.drain_house(Duration::from_secs(60));
    house.pass(SECOND);
    assert_eq!(house.peers[1].registers[4..], [Err(401), Ok(0)]);
    assert_eq!(news(&house).last(), Some(&&TrunkNews::Unregistered));
    let drained = |what: &What| matches!(what, What::CallRefused { code: 0, .. });
    assert!(house.told.iter().any(drained) && registered(&house) == Some(false));
}

#[test]
fn a_carrier_that_is_silent_is_asked_again_and_a_drain_does_not_wait_for_it() {
    let mut house = House::new(vec![with_account(Some(600))], &[Manner::Silent]);
    house.pass(Duration::from_secs(60));
    assert!(matches!(news(&house)[..], [TrunkNews::RegistrationFailed { code: None, .. }]));
    house.peers[1].manner = Manner::Answers;
    house.pass(Duration::from_secs(10));
    assert!(house.peers[1].registers.contains(&Ok(600)));
    house.peers[1].manner = Manner::Silent;
    house.drain_house(Duration::from_secs(60));
    house.pass(Duration::from_secs(3));
    assert!(house.told.iter().any(|what| matches!(what, What::CallRefused { code: 0, .. })));
}

#[test]
fn a_registered_trunks_caller_is_taken_for_the_number_in_to() {
    let from = vec![Network { address: address(1).ip(), prefix: 32 }];
    let mut house = House::new(vec![Trunk { from, ..with_account(None) }], &[Manner::Answers]);
    // Carriers call the Contact that we registered.
    for (user, to, code) in [(USER, "200", 404), (USER, "100", 200)] {
        house.calls_at(1, user, to);
        house.pass(SECOND);
        assert_eq!(house.heard(1), Some(code), "{user} {to}");
    }
    house.over();
}

#[test]
fn who_shows_the_trunks_password_is_the_trunk_from_wherever() {
    let login = Some(Login { user: "branch".into(), password: PASSWORD.into() });
    let mut house = House::new(vec![Trunk { login, ..Trunk::default() }], &[Manner::Answers, Manner::Answers]);
    let shown = |password: &str| Account { user: "branch".into(), password: password.into(), realm: "vaxel".into() };
    house.shows(1, shown(PASSWORD));
    house.shows(2, shown("a guess"));
    for peer in [1, 2] {
        house.calls(peer, "100");
    }
    house.pass(SECOND);
    assert_eq!((house.heard(1), house.heard(2)), (Some(200), Some(403)));
    // A trunk reaches numbers and nothing else, however it came in.
    house.hangs_up(1);
    house.calls(1, "2000");
    house.pass(SECOND);
    assert_eq!(house.heard(1), Some(404));
    house.over();
}

/// What a stranger hears who calls a number of the house.
const ASKED: Option<u16> = Some(401);

#[test]
fn who_shows_the_trunks_certificate_is_the_trunk_as_long_as_the_connection_lives() {
    let named = |name: &str, from| Trunk { certificate: Some(name.into()), from, ..Trunk::default() };
    let net = |peer| vec![Network { address: address(peer).ip(), prefix: 32 }];
    let trunks = vec![named("a.example", vec![]), named("b.example", net(2))];
    let mut house = House::new(trunks, &[Manner::Answers, Manner::Answers]);
    let certified = |connection, name: &str| Input::Certified { connection, names: vec!["x".into(), name.into()] };
    house.tell(certified(1, "a.example"));
    house.tell(certified(2, "b.example"));
    house.tell(certified(3, "c.example"));
    for (connection, peer, heard) in [
        (1, 1, Some(200)),
        // Of the certificate that also needs its address, each without the other.
        (2, 1, ASKED),
        (2, 2, Some(200)),
        (3, 2, ASKED),
        (4, 2, ASKED),
    ] {
        house.calls_by(connection, peer, "100");
        house.pass(SECOND);
        assert_eq!(house.heard(peer), heard, "connection {connection} of {peer}");
        house.hangs_up(peer);
        house.pass(SECOND);
    }
    house.calls(2, "100");
    house.pass(SECOND);
    assert_eq!(house.heard(2), ASKED, "the address alone, by UDP");
    for connection in [1, 2] {
        let hop = Hop { transport: Transport::Tls, connection: Some(connection), ..hop(1) };
        house.tell(Input::HopFailed { hop });
    }
    house.calls_by(1, 1, "100");
    house.pass(SECOND);
    assert_eq!(house.heard(1), ASKED);
    house.over();
}

#[test]
fn calls_from_where_dns_says_that_a_trunk_is_are_its_if_the_settings_say_so() {
    for (from_targets, heard) in [(false, ASKED), (true, Some(200))] {
        let trunk = Trunk { targets: vec![], sends: true, from_targets, ..Trunk::default() };
        let mut house = House::new(vec![trunk], &[Manner::Answers, Manner::Answers]);
        house.calls(1, "100");
        house.pass(SECOND);
        assert_eq!(house.heard(1), ASKED, "not found yet");
        house.tell(Input::Targets { trunk: 0, targets: vec![target(1)] });
        house.calls(1, "100");
        house.calls(2, "100");
        house.pass(SECOND);
        assert_eq!((house.heard(1), house.heard(2)), (heard, ASKED));
        house.over();
    }
}
