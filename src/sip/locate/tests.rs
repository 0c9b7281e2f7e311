use super::*;
use crate::time::{Duration, Time};
use proptest::prelude::*;

const NOW: Time = Time::from_secs(1000);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn destination(host: &str) -> Destination {
    Destination { host: host.into(), port: None, transport: None, secure: false }
}

fn everything() -> Reach {
    let all = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    Reach { ipv4: all.clone(), ipv6: all }
}

fn ipv4() -> Reach {
    Reach { ipv6: Vec::new(), ..everything() }
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Record {
    let (flags, service, replacement) = ("s".into(), service.into(), replacement.into());
    Record::Naptr { order, preference, flags, service, replacement }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Record {
    Record::Srv { priority, weight, port, target: target.into() }
}

fn address(text: &str) -> Record {
    Record::Address(text.parse().unwrap())
}

/// A zone; whatever is not in it does not exist.
#[derive(Clone, Debug, Default)]
struct Zone(BTreeMap<Question, Vec<Record>>);

impl Zone {
    fn naptr(mut self, name: &str, records: Vec<Record>) -> Zone {
        self.0.insert(Question::Naptr(name.into()), records);
        self
    }

    fn srv(mut self, name: &str, records: Vec<Record>) -> Zone {
        self.0.insert(Question::Srv(name.into()), records);
        self
    }

    fn host(mut self, name: &str, addresses: &[&str]) -> Zone {
        let (v6, v4) = addresses.iter().map(|text| address(text)).partition(|record| match record {
            Record::Address(ip) => ip.is_ipv6(),
            _ => false,
        });
        self.0.insert(Question::A(name.into()), v4);
        self.0.insert(Question::Aaaa(name.into()), v6);
        self
    }

    fn answer(&self, question: &Question) -> Vec<Record> {
        self.0.get(question).cloned().unwrap_or_default()
    }

    /// What is found, and all that was asked, round by round.
    fn locate(&self, to: &Destination, reach: &Reach) -> (Found, Vec<Vec<Question>>) {
        let (mut answers, mut asked) = (Answers::new(), Vec::new());
        loop {
            match locate(to, reach, &answers) {
                Step::Done(found) => return (found, asked),
                Step::Ask(questions) => {
                    assert!(!questions.is_empty() && !questions.iter().any(|question| answers.contains_key(question)));
                    answers.extend(questions.iter().map(|question| (question.clone(), Some(self.answer(question)))));
                    asked.push(questions);
                }
            }
        }
    }

    fn places(&self, to: &Destination, reach: &Reach) -> Vec<String> {
        self.locate(to, reach).0.places.iter().map(shown).collect()
    }
}

fn shown(place: &Place) -> String {
    let Place { priority, transport, address, weight } = place;
    format!("{priority} {}:{address} {weight}", transport.word())
}

/// What RFC 3263 §4.1 shows, and what its prose adds.
fn example() -> Zone {
    Zone::default()
        .naptr(
            "example",
            vec![
                naptr(90, 50, "SIP+D2T", "_sip._tcp.example"),
                naptr(50, 50, "SIPS+D2T", "_sips._tcp.example"),
                naptr(100, 50, "SIP+D2U", "_sip._udp.example"),
            ],
        )
        .srv("_sip._tcp.example", vec![srv(0, 1, 5060, "one.example"), srv(0, 2, 5060, "two.example")])
        .srv("_sips._tcp.example", vec![srv(0, 1, 5061, "one.example")])
        .srv("_sip._udp.example", vec![srv(1, 1, 5080, "one.example")])
        .host("one.example", &["192.0.2.1"])
        .host("two.example", &["192.0.2.2"])
}

#[test]
fn naptr_says_by_which_transport_in_its_order() {
    let tcp_only = Reach { ipv4: vec![Transport::Udp, Transport::Tcp], ipv6: Vec::new() };
    assert_eq!(example().places(&destination("example"), &ipv4()), ["0 tls:192.0.2.1:5061 840"]);
    // What we do not speak is passed over.
    assert_eq!(
        example().places(&destination("example"), &tcp_only),
        ["0 tcp:192.0.2.1:5060 840", "0 tcp:192.0.2.2:5060 1680"]
    );
}

#[test]
fn one_order_counts_and_within_it_the_preference() {
    let zone = |second| {
        example().naptr(
            "example",
            vec![
                naptr(1, 20, "SIP+D2U", "_sip._udp.example"),
                naptr(second, 10, "sip+d2t", "_sip._tcp.example"),
                naptr(0, 0, "SIP+D2W", "_sip._ws.example"),
                naptr(0, 0, "E2U+sip", "number.example"),
                naptr(0, 0, "SIP+D2U", ""),
                Record::Naptr {
                    order: 0,
                    preference: 0,
                    flags: "u".into(),
                    service: "SIP+D2T".into(),
                    replacement: "x.example".into(),
                },
            ],
        )
    };
    let first = |zone: Zone| zone.places(&destination("example"), &ipv4())[0].clone();
    assert_eq!(first(zone(1)), "0 tcp:192.0.2.1:5060 840");
    assert_eq!(first(zone(2)), "1 udp:192.0.2.1:5080 840");
    // A service without servers gives way to the next of its order …
    assert_eq!(first(zone(1).srv("_sip._tcp.example", vec![])), "1 udp:192.0.2.1:5080 840");
    // … and when none has any, the host itself is it.
    let none =
        zone(1).srv("_sip._tcp.example", vec![]).srv("_sip._udp.example", vec![]).host("example", &["192.0.2.9"]);
    assert_eq!(first(none), "0 tcp:192.0.2.9:5060 840");
}

#[test]
fn without_naptr_the_services_that_are_there_are_found_udp_first() {
    let zone = example().naptr("example", vec![]);
    assert_eq!(zone.places(&destination("example"), &ipv4()), ["1 udp:192.0.2.1:5080 840"]);
    let no_udp = zone.clone().srv("_sip._udp.example", vec![]);
    assert_eq!(no_udp.places(&destination("example"), &ipv4())[0], "0 tcp:192.0.2.1:5060 840");
    let (_, asked) = zone.locate(&destination("example"), &ipv4());
    assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 1], "each round asks all it can at once");
}

#[test]
fn sips_is_tls_and_nothing_else() {
    let sips = Destination { secure: true, ..destination("example") };
    assert_eq!(example().places(&sips, &ipv4()), ["0 tls:192.0.2.1:5061 840"]);
    let no_naptr = example().naptr("example", vec![naptr(1, 1, "SIP+D2U", "_sip._udp.example")]);
    assert_eq!(no_naptr.places(&sips, &ipv4()), ["0 tls:192.0.2.1:5061 840"]);
    let bare = Zone::default().host("example", &["192.0.2.9"]);
    assert_eq!(bare.places(&sips, &ipv4()), ["0 tls:192.0.2.9:5061 840"]);
    assert_eq!(bare.places(&Destination { port: Some(7000), ..sips.clone() }, &ipv4()), ["0 tls:192.0.2.9:7000 840"]);
    let no_tls = Reach { ipv4: vec![Transport::Udp, Transport::Tcp], ipv6: Vec::new() };
    assert!(example().places(&sips, &no_tls).is_empty(), "rather nobody than anybody");
}

#[test]
fn a_port_or_a_transport_shortens_the_way() {
    let zone = example().host("example", &["192.0.2.9", "2001:db8::9"]);
    let with_port = Destination { port: Some(5070), ..destination("example") };
    let (found, asked) = zone.locate(&with_port, &everything());
    assert_eq!(
        found.places.iter().map(shown).collect::<Vec<_>>(),
        ["0 udp:192.0.2.9:5070 420", "0 udp:[2001:db8::9]:5070 420"]
    );
    assert_eq!(asked, [vec![Question::A("example".into()), Question::Aaaa("example".into())]]);
    let tcp = Destination { transport: Some(Transport::Tcp), ..destination("example") };
    assert_eq!(zone.places(&tcp, &ipv4()).len(), 2, "SRV of that transport, without NAPTR");
    let no_srv = Zone::default().host("example", &["192.0.2.9"]);
    assert_eq!(no_srv.places(&tcp, &ipv4()), ["0 tcp:192.0.2.9:5060 840"]);
    assert_eq!(no_srv.places(&destination("example"), &ipv4()), ["0 udp:192.0.2.9:5060 840"]);
}

#[test]
fn a_service_that_says_it_is_not_there_is_believed() {
    let zone = Zone::default().srv("_sip._udp.example", vec![srv(0, 0, 0, "")]).host("example", &["192.0.2.9"]);
    let udp = Destination { transport: Some(Transport::Udp), ..destination("example") };
    assert!(zone.places(&udp, &ipv4()).is_empty());
    assert!(zone.places(&destination("example"), &ipv4()).is_empty(), "the host itself would be UDP again");
}

#[test]
fn addresses_of_a_server_share_its_weight_and_only_those_we_can_send_to_count() {
    let zone = Zone::default()
        .srv("_sip._udp.example", vec![srv(5, 3, 5060, "one.example"), srv(5, 1, 5060, "two.example")])
        .host("one.example", &["192.0.2.1", "192.0.2.2", "2001:db8::1"])
        .host("two.example", &["192.0.2.3"]);
    let udp = Destination { transport: Some(Transport::Udp), ..destination("example") };
    let weights = |reach| zone.locate(&udp, &reach).0.places.iter().map(|place| place.weight).collect::<Vec<_>>();
    assert_eq!(weights(everything()), [840, 840, 840, 840]);
    assert_eq!(weights(ipv4()), [1260, 1260, 840]);
}

#[test]
fn answers_are_bounded_and_the_best_are_kept() {
    let names: Vec<String> = (0..40).map(|n| format!("s{n}.example")).collect();
    let records = names.iter().zip(1u16..).map(|(name, n)| srv(100 - n, 1, 5060, name)).collect();
    let mut zone = Zone::default().srv("_sip._udp.example", records);
    for (n, name) in names.iter().enumerate() {
        let many: Vec<String> = (0..20).map(|m| format!("10.0.{n}.{m}")).collect();
        zone = zone.host(name, &many.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let udp = Destination { transport: Some(Transport::Udp), ..destination("example") };
    let (found, asked) = zone.locate(&udp, &ipv4());
    assert_eq!((found.places.len(), found.cut), (PLACES_MAX, true));
    assert_eq!(found.places[0].priority, 60, "the lowest");
    assert_eq!(asked[1].len(), SERVERS_MAX);
    assert_eq!(found.places.iter().filter(|place| place.priority == 60).count(), ADDRESSES_MAX);
    let services = (0..20).map(|n| naptr(1, n, "SIP+D2U", &format!("_sip._udp.s{n}"))).collect();
    let (found, asked) = Zone::default().naptr("example", services).locate(&destination("example"), &ipv4());
    assert!(found.cut && asked.len() <= SERVICES_MAX + 2, "{}", asked.len());
}

/// Asks the zone until the lookup rests; `silent`: what nobody answers.
fn lookup(
    locator: &mut Locator,
    now: Time,
    zone: &Zone,
    ttl: u64,
    silent: impl Fn(&Question) -> bool,
) -> (Time, Lookup) {
    let mut answers = Vec::new();
    loop {
        match locator.turn(now, std::mem::take(&mut answers)) {
            Turn::Rest { until, lookup } => return (until, lookup),
            Turn::Ask(questions) => answers.extend(questions.into_iter().map(|question| {
                let answer = match silent(&question) {
                    true => Err(Fault::Timeout),
                    false => Ok(Answer { records: zone.answer(&question), ttl: seconds(ttl) }),
                };
                (question, answer)
            })),
        }
    }
}

fn nothing_is_silent(_: &Question) -> bool {
    false
}

fn hosts(lookup: &Lookup) -> Option<Vec<String>> {
    lookup.moved.as_ref().map(|places| places.iter().map(|place| place.address.to_string()).collect())
}

fn simple(address: &str) -> Zone {
    Zone::default().srv("_sip._udp.example", vec![srv(0, 1, 5060, "a.example")]).host("a.example", &[address])
}

#[test]
fn an_answer_is_good_for_its_ttl_within_bounds() {
    for (ttl, kept) in [(0, TTL_LEAST), (60, seconds(60)), (1_000_000, TTL_MOST)] {
        let mut locator = Locator::new(destination("example"), ipv4());
        let (until, found) = lookup(&mut locator, NOW, &simple("192.0.2.1"), ttl, nothing_is_silent);
        assert_eq!((until, found.result, found.since), (NOW + kept, Located::Found, Some(NOW)));
        assert_eq!(hosts(&found), Some(vec!["192.0.2.1:5060".into()]));
        // Nothing moved.
        let (_, again) = lookup(&mut locator, until, &simple("192.0.2.1"), ttl, nothing_is_silent);
        assert_eq!((again.moved, again.since), (None, Some(until)));
        let (_, moved) = lookup(&mut locator, until + kept, &simple("192.0.2.2"), ttl, nothing_is_silent);
        assert_eq!(hosts(&moved), Some(vec!["192.0.2.2:5060".into()]));
    }
}

#[test]
fn a_slow_dns_is_not_asked_without_pause() {
    let mut locator = Locator::new(destination("example"), ipv4());
    let (zone, mut now, mut answers) = (simple("192.0.2.1"), NOW, Vec::new());
    let until = loop {
        match locator.turn(now, std::mem::take(&mut answers)) {
            Turn::Rest { until, .. } => break until,
            Turn::Ask(questions) => {
                // Each round takes longer than the answers of the one before are good.
                now += seconds(7);
                for question in questions {
                    let records = zone.answer(&question);
                    answers.push((question, Ok(Answer { records, ttl: seconds(0) })));
                }
            }
        }
    };
    assert_eq!((now, until), (NOW + seconds(21), now + RETRY_LEAST));
}

#[test]
fn while_dns_is_silent_the_carrier_is_where_it_was() {
    let mut locator = Locator::new(destination("example"), ipv4());
    let (mut due, _) = lookup(&mut locator, NOW, &simple("192.0.2.1"), 30, nothing_is_silent);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (until, kept) = lookup(&mut locator, due, &Zone::default(), 30, |_| true);
        assert_eq!(kept, Lookup { result: Located::Failed(Fault::Timeout), moved: None, since: Some(NOW) });
        waits.push(until.since(due).as_secs());
        due = until;
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    // Back again, somewhere else.
    let (until, back) = lookup(&mut locator, due, &simple("192.0.2.2"), 30, nothing_is_silent);
    assert_eq!((until, back.since, hosts(&back)), (due + seconds(30), Some(due), Some(vec!["192.0.2.2:5060".into()])));
}

#[test]
fn what_dns_can_still_tell_is_heard_and_the_rest_is_as_it_was() {
    let zone = |first: &str, second: &str| {
        Zone::default()
            .srv("_sip._udp.example", vec![srv(0, 1, 5060, "a.example"), srv(1, 1, 5060, "b.example")])
            .host("a.example", &[first])
            .host("b.example", &[second])
    };
    let mut locator = Locator::new(destination("example"), ipv4());
    let (due, _) = lookup(&mut locator, NOW, &zone("192.0.2.1", "192.0.2.2"), 30, nothing_is_silent);
    let silent = |question: &Question| *question == Question::A("a.example".into());
    let (until, moved) = lookup(&mut locator, due, &zone("192.0.2.7", "192.0.2.8"), 30, silent);
    assert_eq!(hosts(&moved), Some(vec!["192.0.2.1:5060".into(), "192.0.2.8:5060".into()]));
    assert_eq!((moved.since, until), (Some(NOW), due + RETRY_LEAST), "as old as its oldest part");
}

#[test]
fn a_name_that_is_gone_moves_nobody_and_is_asked_for_again_soon() {
    let mut locator = Locator::new(destination("example"), ipv4());
    let (until, nothing) = lookup(&mut locator, NOW, &Zone::default(), 3600, nothing_is_silent);
    assert_eq!(nothing, Lookup { result: Located::Nothing, moved: None, since: None });
    assert_eq!(until, NOW + RETRY_LEAST);
    let (due, found) = lookup(&mut locator, until, &simple("192.0.2.1"), 30, nothing_is_silent);
    assert_eq!(hosts(&found), Some(vec!["192.0.2.1:5060".into()]), "that it was not there is not remembered");
    let (until, gone) = lookup(&mut locator, due, &Zone::default(), 3600, nothing_is_silent);
    assert_eq!(gone.moved, None);
    // And whatever a strange zone says, no more is kept than what the last place rests on.
    for n in 0..50u64 {
        let name = format!("_sip._udp.s{n}");
        let zone = Zone::default()
            .naptr("example", vec![naptr(1, 1, "SIP+D2U", &name)])
            .srv(&name, vec![srv(0, 0, 0, "gone.example")]);
        lookup(&mut locator, until + seconds(60 * n), &zone, 5, nothing_is_silent);
        assert!(locator.remembered() <= 6, "{}", locator.remembered());
    }
}

#[test]
fn silence_is_not_taken_for_absence() {
    // Nobody tells whether there is a service, so the host itself is not called instead.
    let zone = Zone::default().host("example", &["192.0.2.9"]);
    for silent in [Question::Naptr("example".into()), Question::Srv("_sip._udp.example".into())] {
        let mut locator = Locator::new(destination("example"), ipv4());
        let (_, lookup) = lookup(&mut locator, NOW, &zone, 30, |question| *question == silent);
        assert_eq!((lookup.result, lookup.moved), (Located::Failed(Fault::Timeout), None), "{silent:?}");
    }
}

#[test]
fn a_service_that_nobody_can_tell_of_does_not_hide_the_next() {
    let silent = |question: &Question| *question == Question::Srv("_sips._tcp.example".into());
    let mut locator = Locator::new(destination("example"), ipv4());
    let zone = example().naptr(
        "example",
        vec![naptr(50, 50, "SIPS+D2T", "_sips._tcp.example"), naptr(50, 60, "SIP+D2U", "_sip._udp.example")],
    );
    let (until, found) = lookup(&mut locator, NOW, &zone, 30, silent);
    assert_eq!((found.result, hosts(&found)), (Located::Failed(Fault::Timeout), Some(vec!["192.0.2.1:5080".into()])));
    // The better one is asked for again soon.
    assert_eq!(until, NOW + RETRY_LEAST);
    let (_, better) = lookup(&mut locator, until, &zone, 30, nothing_is_silent);
    assert_eq!((better.result, hosts(&better)), (Located::Found, Some(vec!["192.0.2.1:5061".into()])));
    // All of them silent: the host itself is not called instead.
    let mut locator = Locator::new(destination("example"), ipv4());
    let zone = zone.host("example", &["192.0.2.9"]);
    let (_, nothing) = lookup(&mut locator, NOW, &zone, 30, |question| matches!(question, Question::Srv(_)));
    assert_eq!((nothing.result, nothing.moved), (Located::Failed(Fault::Timeout), None));
}

#[test]
fn a_server_that_never_tells_ipv6_addresses_is_no_failure() {
    let silent = |question: &Question| matches!(question, Question::Aaaa(_));
    let mut locator = Locator::new(destination("example"), everything());
    let (due, first) = lookup(&mut locator, NOW, &simple("192.0.2.1"), 30, silent);
    assert_eq!(
        (due, first.result, hosts(&first)),
        (NOW + seconds(30), Located::Found, Some(vec!["192.0.2.1:5060".into()]))
    );
    // Nor is one that once said that there are none.
    let (due, second) = lookup(&mut locator, due, &simple("192.0.2.1"), 30, nothing_is_silent);
    let (until, third) = lookup(&mut locator, due, &simple("192.0.2.1"), 30, silent);
    assert_eq!((second.result, third.result, until), (Located::Found, Located::Found, due + seconds(30)));
    // But one that had some: they stay, and are asked for again soon.
    let both = Zone::default()
        .srv("_sip._udp.example", vec![srv(0, 1, 5060, "a.example")])
        .host("a.example", &["192.0.2.1", "2001:db8::1"]);
    let (due, _) = lookup(&mut locator, until, &both, 30, nothing_is_silent);
    let (until, fourth) = lookup(&mut locator, due, &both, 30, silent);
    assert_eq!((fourth.result, fourth.moved, until), (Located::Failed(Fault::Timeout), None, due + RETRY_LEAST));
    // And nothing at all is nothing.
    let mut locator = Locator::new(destination("example"), everything());
    let (_, nothing) = lookup(&mut locator, NOW, &simple("192.0.2.1"), 30, |question| {
        matches!(question, Question::Aaaa(_) | Question::A(_))
    });
    assert_eq!(nothing.result, Located::Failed(Fault::Timeout));
}

fn any_record() -> impl Strategy<Value = Record> {
    let name = prop::sample::select(vec!["example", "a", "b", "c", "_sip._udp.a", "_sip._tcp.b", ""]);
    let service = prop::sample::select(vec!["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2S", "x"]);
    prop_oneof![
        (0u16..3, 0u16..3, service, name.clone()).prop_map(|(order, preference, s, r)| naptr(order, preference, s, r)),
        (0u16..3, 0u16..3, 1u16..4, name)
            .prop_map(|(priority, weight, port, target)| srv(priority, weight, port, target)),
        any::<u8>().prop_map(|n| Record::Address(IpAddr::from([192, 0, 2, n]))),
        any::<u8>().prop_map(|n| Record::Address(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)]))),
    ]
}

fn any_zone() -> impl Strategy<Value = Zone> {
    let names = ["example", "a", "b", "c", "_sip._udp.example", "_sip._tcp.example", "_sips._tcp.example"];
    let names = prop::sample::select([&names[..], &["_sip._udp.a", "_sip._tcp.b"]].concat());
    let question = (names, 0..4).prop_map(|(name, kind)| match kind {
        0 => Question::Naptr(name.into()),
        1 => Question::Srv(name.into()),
        2 => Question::A(name.into()),
        _ => Question::Aaaa(name.into()),
    });
    prop::collection::btree_map(question, prop::collection::vec(any_record(), 0..20), 0..20).prop_map(Zone)
}

proptest! {
    #[test]
    fn whatever_dns_says_the_lookup_ends_and_stays_within_its_bounds(
        zone in any_zone(),
        secure: bool,
        port in prop::option::of(1u16..9),
        reach in prop::sample::select(vec![everything(), ipv4(), Reach { ipv4: vec![Transport::Tcp], ipv6: vec![] }]),
    ) {
        let to = Destination { host: "example".into(), port, transport: None, secure };
        let (found, asked) = zone.locate(&to, &reach);
        prop_assert!(asked.len() <= 2 * SERVICES_MAX + 4 && asked.iter().all(|round| round.len() <= 2 * SERVERS_MAX));
        prop_assert!(found.places.len() <= PLACES_MAX);
        for place in &found.places {
            let by = if place.address.is_ipv4() { &reach.ipv4 } else { &reach.ipv6 };
            prop_assert!(by.contains(&place.transport));
            prop_assert!(!secure || place.transport == Transport::Tls);
        }
        let distinct: BTreeSet<_> = found.places.iter().map(|place| (place.transport, place.address)).collect();
        prop_assert_eq!(distinct.len(), found.places.len());
    }

    #[test]
    fn silence_never_takes_a_place_away(zone in any_zone(), silent in prop::collection::vec(any::<bool>(), 64)) {
        let mut locator = Locator::new(destination("example"), everything());
        let (due, first) = lookup(&mut locator, NOW, &zone, 5, nothing_is_silent);
        let by_chance = |question: &Question| {
            let n = format!("{question:?}").bytes().fold(0usize, |sum, byte| sum * 31 % 1009 + usize::from(byte));
            silent[n % silent.len()]
        };
        let (until, second) = lookup(&mut locator, due, &zone, 5, by_chance);
        prop_assert_eq!(second.moved, None, "the zone is the same");
        prop_assert_eq!(second.since.is_some(), first.since.is_some());
        prop_assert!(until > due);
    }
}
