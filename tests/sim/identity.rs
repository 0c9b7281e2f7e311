//! Who calls: what is believed, what agents and carriers are told of it, what is recorded.

use crate::carriers::{House, Manner, address, hop, trunk};
use crate::compiled;
use vaxel::engine::identity::Passed;
use vaxel::engine::{Network, Number, Settings, Trunk};
use vaxel::record::{Caller, What};
use vaxel::sip::registrar::Registrar;
use vaxel::sip::{Headers, Hop, Method, Request, Uri};
use vaxel::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Sends whoever calls on to a number outside.
const FORWARD: &str = "flow: forward
languages: [en]
start: on
steps:
  on:
    transfer: { to: '+4790000000', next: hangup, failed: hangup }
";

pub const TO_AGENT: &str = "flow: to-agent
languages: [en]
start: on
steps:
  on:
    transfer: { to: agent0, next: hangup, failed: hangup }
";

/// Refuses with a code that tells whether the flow saw who sent the call and what came along.
const SEEN: &str = r#"
flow: seen
languages: [en]
start: look
steps:
  look:
    switch:
      cases:
        - { when: 'call.from == "anonymous" && call.diverted_from == "+468123200" && call.user_to_user == "cafe"', next: { hangup: { code: 486 } } }
      else: { hangup: { code: 404 } }
"#;

/// A carrier that calls come from, and another one that they are sent to.
fn house(bring: Trunk, take: Trunk, change: impl FnOnce(&mut Settings)) -> House {
    let from = vec![Network { address: address(1).ip(), prefix: 32 }];
    let bring = Trunk { from, takes: Vec::new(), ..bring };
    House::with(vec![bring, take], &[Manner::Answers, Manner::Answers], |settings| {
        for (number, flow, text) in [("300", "forward", FORWARD), ("301", "seen", SEEN), ("302", "to-agent", TO_AGENT)]
        {
            settings.flows.insert(flow.into(), compiled(flow, text));
            settings.numbers.push(Number { number: number.parse().expect("a number"), flow: flow.into(), trunk: None });
        }
        settings.numbering.country_code = "46".into();
        change(settings);
    })
}

fn brought(privacy: &str) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in [
        ("P-Asserted-Identity", "\"Karin\" <sip:0701234567@carrier;user=phone>"),
        ("Privacy", privacy),
        ("Diversion", "<sip:08123200@carrier>;reason=user-busy"),
        ("Diversion", "<sip:08123300@carrier>;reason=no-answer;privacy=full"),
        ("History-Info", "<sip:08123200@carrier>;index=1"),
        ("User-to-User", "cafe;encoding=hex"),
    ] {
        headers.push(name, value);
    }
    headers
}

/// What the peer was told last: the values of this header.
fn told<'h>(house: &'h House, peer: usize, name: &str) -> Vec<&'h str> {
    let (_, invite) = house.peers[peer].invites.last().expect("it was called");
    invite.headers.get_all(name).collect()
}

fn caller(house: &House) -> &Caller {
    let known = house.told.iter().rev().find_map(|what| match what {
        What::CallerKnown { caller, .. } => Some(&**caller),
        _ => None,
    });
    known.expect("something is known")
}

#[test]
fn a_trusted_trunk_is_believed_and_told_who_calls_and_another_is_not() {
    let trusted = Trunk { trusted: true, passes: Passed::ALL.to_vec(), ..trunk(2) };
    let other = Trunk { trusted: false, passes: vec![Passed::Diversion], ..trunk(2) };
    for (take, hidden) in [(trusted.clone(), false), (trusted, true), (other.clone(), false), (other, true)] {
        let knows = take.trusted;
        let mut house = house(Trunk { trusted: true, ..trunk(1) }, take, |_| {});
        house.calls_from(1, "anonymous", "300", brought(if hidden { "id" } else { "none" }));
        house.pass(SECOND);
        house.hangs_up(1);
        house.pass(SECOND);
        // Who hides in From hides, also where the carrier does not say so.
        house.calls_from(1, "0701", "300", brought(if hidden { "id" } else { "none" }));
        house.pass(SECOND);
        let from = told(&house, 2, "From")[0];
        assert_eq!(from.contains("+46701234567"), !hidden, "{from}");
        assert_eq!(from.contains("\"Anonymous\" <sip:anonymous@anonymous.invalid>"), hidden, "{from}");
        assert_eq!(from.contains("Karin"), !hidden, "{from}");
        let asserted = told(&house, 2, "P-Asserted-Identity");
        assert_eq!(asserted.iter().filter(|value| value.contains("+46701234567")).count(), usize::from(knows));
        assert_eq!(told(&house, 2, "Privacy"), if hidden && knows { vec!["id"] } else { vec![] });
        let diversions = told(&house, 2, "Diversion").join("\n");
        assert!(diversions.starts_with("<sip:300@") && diversions.contains("08123200"), "{diversions}");
        assert_eq!(diversions.contains("08123300"), knows, "{diversions}");
        assert_eq!(
            told(&house, 2, "History-Info").len() + told(&house, 2, "User-to-User").len(),
            if knows { 2 } else { 0 }
        );
        house.over();
    }
}

#[test]
fn the_flow_and_the_record_know_what_they_may() {
    for keep in [false, true] {
        let mut house = house(Trunk { trusted: true, ..trunk(1) }, trunk(2), |s| s.identity.keep_withheld = keep);
        house.calls_from(1, "anonymous", "301", brought("id"));
        house.pass(SECOND);
        assert_eq!(house.heard(1), Some(486), "the flow saw it");
        let caller = caller(&house);
        assert!(caller.withheld && caller.asserted && caller.name.is_empty());
        assert_eq!(caller.number.as_deref(), keep.then_some("+46701234567"));
        let numbers: Vec<&str> = caller.diversions.iter().map(|diversion| &*diversion.number).collect();
        assert_eq!(numbers, ["+468123200", if keep { "+468123300" } else { "anonymous" }]);
        assert_eq!((caller.history.len(), caller.user_to_user[0].as_str()), (1, "cafe;encoding=hex"));
        let from = house.told.iter().find_map(|what| match what {
            What::CallStarted { from, .. } => Some(from.as_str()),
            _ => None,
        });
        assert_eq!(from, Some("anonymous"));
        house.over();
    }
}

#[test]
fn an_untrusted_trunk_asserts_in_vain() {
    let mut house = house(trunk(1), trunk(2), |_| {});
    house.calls_from(1, "08-77", "301", brought("none"));
    house.pass(SECOND);
    assert!(!caller(&house).asserted && caller(&house).name == "Karin");
    let started = house.told.iter().any(|what| matches!(what, What::CallStarted { from, .. } if from == "0877"));
    assert!(started, "{:?}", house.told);
    house.over();
}

#[test]
fn an_agent_is_shown_who_calls_and_what_may_be_told() {
    for (privacy, to_agents, from) in [("none", Passed::ALL.to_vec(), "+46701234567"), ("id", Vec::new(), "anonymous")]
    {
        let passes = !to_agents.is_empty();
        let mut house = house(Trunk { trusted: true, ..trunk(1) }, trunk(2), |s| s.identity.to_agents = to_agents);
        house.is_registered(0);
        house.calls_from(1, "anonymous-not", "302", brought(privacy));
        house.pass(SECOND);
        let shown = told(&house, 0, "From")[0];
        assert!(shown.contains(&format!("<sip:{from}@")), "{shown}");
        assert_eq!(shown.contains("Karin"), passes, "{shown}");
        assert_eq!(told(&house, 0, "Diversion").len(), usize::from(passes), "what is private is for trunks");
        assert_eq!(told(&house, 0, "User-to-User").len(), usize::from(passes));
        assert!(told(&house, 0, "P-Asserted-Identity").is_empty());
        house.over();
    }
}

#[test]
fn calls_out_show_the_number_of_the_house_where_the_trunk_says_so() {
    let shows = Some("08-100 00".replace([' ', '-'], ""));
    for (shows_callers, agent, caller) in [(false, "+46810000", "+46810000"), (true, "+46810000", "+46701234567")] {
        let take = Trunk { shows: shows.clone(), shows_callers, trusted: true, ..trunk(2) };
        let mut house = house(Trunk { trusted: true, ..trunk(1) }, take, |_| {});
        house.calls(0, "+4790000000");
        house.pass(SECOND);
        assert!(told(&house, 2, "From")[0].contains(&format!("<sip:{agent}@")), "{:?}", told(&house, 2, "From"));
        assert!(told(&house, 2, "P-Asserted-Identity")[0].contains(agent));
        assert!(told(&house, 2, "Diversion").is_empty(), "an agent is sent on by nobody");
        house.hangs_up(0);
        house.pass(SECOND);
        house.calls_from(1, "0701234567", "300", Headers::new());
        house.pass(SECOND);
        assert!(told(&house, 2, "From")[0].contains(&format!("<sip:{caller}@")), "{:?}", told(&house, 2, "From"));
        house.over();
    }
}

#[test]
fn an_agent_may_hide_from_those_outside_but_not_in_need() {
    let take = Trunk { trusted: true, emergency: true, ..trunk(2) };
    let mut house = house(trunk(1), take, |_| {});
    let hidden = || {
        let mut headers = Headers::new();
        headers.push("Privacy", "id");
        headers
    };
    for (number, hides) in [("+4790000000", true), ("112", false)] {
        house.calls_from(0, "agent0", number, hidden());
        house.pass(SECOND);
        assert_eq!(told(&house, 2, "From")[0].contains("anonymous.invalid"), hides, "{number}");
        assert_eq!(told(&house, 2, "Privacy").len(), usize::from(hides));
        assert!(told(&house, 2, "P-Asserted-Identity")[0].contains("2000"));
        house.hangs_up(0);
        house.pass(SECOND);
    }
    house.over();
}

#[test]
fn what_cannot_be_read_is_told_once_and_the_call_goes_on() {
    let mut house = house(Trunk { trusted: true, ..trunk(1) }, trunk(2), |_| {});
    let mut headers = Headers::new();
    for (name, value) in
        [("P-Asserted-Identity", "<<>"), ("Diversion", "\"x"), ("Diversion", "nonsense"), ("History-Info", "?")]
    {
        headers.push(name, value);
    }
    house.calls_from(1, "0701234567", "300", headers);
    house.pass(SECOND);
    assert_eq!(house.heard(1), Some(200));
    let ignored = house.told.iter().filter_map(|what| match what {
        What::CallerHeaderIgnored { header, reason, .. } => Some(format!("{header} {reason}")),
        _ => None,
    });
    let ignored: Vec<String> = ignored.collect();
    assert_eq!(ignored, ["Diversion unreadable", "History-Info unreadable", "P-Asserted-Identity unreadable"]);
    house.over();
}

impl House {
    /// The agent's phone is there, as if it had registered before a restart.
    pub fn is_registered(&mut self, peer: usize) {
        self.is_registered_by("agent0", hop(peer));
    }

    /// A phone of this agent, by this way.
    pub fn is_registered_by(&mut self, agent: &str, at: Hop) {
        let at_home = Hop { local: at.remote, remote: at.local, ..at };
        let mut request = Request::new(Method::Register, Uri::sip(None, at_home.remote));
        for (name, value) in [
            ("Via", format!("SIP/2.0/{} {};branch=z9hG4bK1", at.transport.name(), at_home.local)),
            ("Contact", format!("<{}>", Uri::sip(Some(agent), at_home.local))),
            ("Expires", "3600".to_owned()),
            ("Call-ID", "registers".to_owned()),
            ("CSeq", "1 REGISTER".to_owned()),
        ] {
            request.headers.push(name, value);
        }
        let mut registrar = Registrar::new(vaxel::sip::registrar::Settings::default());
        let (_, changes) = registrar.register(self.now, agent, &request, &at);
        let bindings = changes.into_iter().map(|change| match change {
            vaxel::sip::registrar::Change::Added(binding) => binding,
            other => panic!("{other:?}"),
        });
        let now = self.now;
        self.engine.restore(now, bindings.collect());
        self.pass(SECOND);
    }
}
