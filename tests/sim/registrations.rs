//! Our registrations at carriers that move, whose connections are lost, and that are behind routers.

use crate::carriers::{House, Manner, hop, target, trunk};
use crate::trunks::with_account;
use vaxel::engine::{Input, Target, Trunk};
use vaxel::sip::{Hop, Transport};
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn by_tcp(peer: usize) -> Target {
    Target { hop: Hop { transport: Transport::Tcp, ..hop(peer) }, ..target(peer) }
}

#[test]
fn a_carrier_that_moves_hears_at_once_where_it_reaches_us_from_there() {
    let mut house = House::new(vec![with_account(Some(3600))], &[Manner::Answers, Manner::Answers]);
    house.pass(60 * SECOND);
    assert_eq!(house.peers[1].contacts, ["<sip:46850000@10.0.0.1:5060>;expires=3600"]);
    house.tell(Input::Targets { trunk: 0, targets: vec![by_tcp(2)] });
    house.pass(SECOND);
    assert_eq!(house.peers[2].contacts, ["<sip:46850000@10.0.0.1:5060;transport=tcp>;expires=3600"]);
    // And it is taken back where it was made.
    house.drain_house(60 * SECOND);
    house.pass(SECOND);
    assert_eq!(house.peers[2].registers, [Ok(3600), Ok(0)]);
    assert_eq!(house.peers[1].registers, [Ok(3600)]);
}

#[test]
fn a_carrier_is_asked_anew_at_once_when_its_connection_is_lost_and_not_without_end() {
    let registers = Trunk { targets: vec![by_tcp(1)], ..with_account(Some(3600)) };
    let mut house = House::new(vec![registers], &[Manner::Answers]);
    house.pass(60 * SECOND);
    assert_eq!(house.peers[1].registers.len(), 1);
    let lost = |peer| Input::HopFailed { hop: Hop { connection: Some(7), ..by_tcp(peer).hop } };
    house.tell(lost(2));
    house.pass(SECOND);
    assert_eq!(house.peers[1].registers.len(), 1, "somebody else's");
    house.tell(lost(1));
    house.pass(SECOND);
    assert_eq!(house.peers[1].registers.len(), 2);
    for _ in 0..20 {
        house.tell(lost(1));
        house.pass(SECOND);
    }
    let asked = house.peers[1].registers.len();
    assert!((5..=7).contains(&asked), "each five seconds at most: {asked}");
}

#[test]
fn the_way_to_a_carrier_that_calls_us_by_it_is_kept_open() {
    let probed = |interval| Trunk { probe: Some(Duration::from_secs(interval)), ..trunk(1) };
    for (trunk, times) in [
        (with_account(Some(3600)), 4),
        (probed(600), 4),
        (probed(10), 0),
        (trunk(1), 0),
        (Trunk { targets: vec![by_tcp(1)], ..with_account(Some(3600)) }, 0),
    ] {
        let mut house = House::new(vec![trunk], &[Manner::Answers]);
        house.pass(110 * SECOND);
        assert_eq!(house.kept_open.len(), times);
        assert!(house.kept_open.iter().all(|(_, way)| *way == hop(1)));
    }
}
