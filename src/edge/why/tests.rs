use super::*;
use crate::acd::{
    AgentSettings, Arrival, Callback, Change, Exit, HeldLicence, Kind, Obstacle, Outcome, Overflow, Prefer,
    QueueSettings, Relax, Skills, Validity, When, Who,
};
use crate::edge::journal::testing::{NINE, arrive, at, day, run, write};
use crate::edge::testing::Folder;
use crate::ids::{AgentId, CallId, EntryId, OfferId, QueueId};
use crate::need::{Attributes, Need};
use crate::record::{CallEvent, Recorder, Unpromised, What};
use std::collections::BTreeSet;

fn asked(
    agents: Agents,
    of: &str,
    now: Time,
    events: impl IntoIterator<Item = (u64, Change)>,
) -> anyhow::Result<String> {
    let folder = Folder::new();
    write(folder.path(), events);
    let look = Look { folder: folder.path(), agents, runs: true, now, zone: &TimeZone::UTC };
    let entry = of.strip_prefix("entry-").unwrap().parse().map(EntryId).unwrap();
    Ok(story(look, of, &[entry])?.text(agents))
}

fn told(of: &str, now: Time, events: impl IntoIterator<Item = (u64, Change)>) -> anyhow::Result<String> {
    asked(Agents::Counted, of, now, events)
}

#[test]
fn a_contact_is_told_from_its_arrival_to_its_end() {
    let text = told("entry-70", at(90), day()).unwrap();
    let expected = "\
entry-70
09:00:10  joins sales as entry-70, needs sales, number 1 in line
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 on a call of their own: anna
                1 paused (lunch): cecilia (since 09:00:04)
09:00:40  rings anna
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 paused (lunch): cecilia (since 09:00:04)
                1 rung for this one: anna (until 09:01:00)
09:01:00  anna does not answer
09:01:10  rings cecilia
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 paused (no answer): anna (until 09:02:00)
                1 rung for this one: cecilia (until 09:01:30)
09:01:15  cecilia answers
09:01:15  answered after 1m5s
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn who_still_waits_is_told_why_up_to_now_and_the_reasons_are_as_many_as_the_agents() {
    let begun = || day().into_iter().take_while(|(seconds, _)| *seconds < 70);
    let text = told("entry-70", at(64), begun()).unwrap();
    let end = "\
09:01:00  anna does not answer
09:01:04  still waits, for 54s, number 1 in line
          4 agents:
                1 lack sales: bo
                1 offline: dan
                1 paused (lunch): cecilia (since 09:00:04)
                1 paused (no answer): anna (until 09:02:00)
";
    assert!(text.ends_with(end), "{text}");
    // Anna's pause would have ended long ago, if anything had.
    let text = told("entry-70", at(3600), begun()).unwrap();
    assert!(text.contains("09:00:40  (!) nothing was written after this"), "{text}");
    assert!(text.contains("09:00:40  still waits, for 30s"), "{text}");
}

#[test]
fn who_goes_on_to_another_queue_is_told_with_the_reasons_there() {
    let overflow = Overflow { to: QueueId(1), when: When::After(Duration::from_secs(20)), only: Attributes::new() };
    let mut events = day();
    if let (_, Change::Queue { settings, .. }) = &mut events[0] {
        settings.overflow.push(overflow);
    }
    let settings = QueueSettings { name: "helpers".into(), members_only: true, ..QueueSettings::default() };
    events.insert(1, (0, Change::Queue { id: QueueId(1), settings }));
    let begun = events.into_iter().take_while(|(seconds, _)| *seconds < 40).chain([(31, Change::Tick)]);
    let text = told("entry-70", at(33), begun).unwrap();
    let expected = "\
09:00:30  goes on to helpers after 20s, number 1 in line
          4 agents:
                4 not among the members of the queue: anna, bo, cecilia, dan
09:00:33  still waits, for 23s";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn who_has_the_old_place_back_is_told_so() {
    let caller = |at_second, entry| {
        let arrival = Arrival { caller: "+46701234567".into(), since: at(at_second), ..Arrival::default() };
        (at_second, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
    };
    let queue = QueueSettings { name: "sales".into(), ..QueueSettings::default() };
    let told = told(
        "entry-2",
        at(70),
        [
            (0, Change::Queue { id: QueueId(0), settings: queue }),
            caller(10, 1),
            (50, Change::Leave { entry: EntryId(1), exit: Exit::SystemFault }),
            caller(60, 2),
        ],
    );
    let expected =
        "joins sales as entry-2, number 1 in line, back in the place that was kept, having waited 50s before";
    assert!(told.as_ref().is_ok_and(|told| told.contains(expected)), "{told:?}");
}

#[test]
fn of_who_is_not_taken_it_is_told_why_and_nothing_of_the_next_queue_as_if_it_were_of_this() {
    let named = |name: &str| QueueSettings { name: name.into(), ..QueueSettings::default() };
    let caller = |second, entry| {
        let arrival = Arrival { since: at(second), ..Arrival::default() };
        (second, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
    };
    let overflow = vec![Overflow { to: QueueId(1), when: When::Full, only: Attributes::new() }];
    let told = told(
        "entry-2",
        at(70),
        [
            (
                0,
                Change::Queue {
                    id: QueueId(0),
                    settings: QueueSettings { max_waiting: 1, overflow, ..named("small") },
                },
            ),
            (0, Change::Queue { id: QueueId(1), settings: QueueSettings { needs: guru(), ..named("big") } }),
            caller(10, 1),
            caller(60, 2),
        ],
    );
    let text = told.unwrap();
    let expected = "comes to small as entry-2, which does not take it: the queue is full (1 of 1)\n\
        09:01:00  goes on to big after 0s, needs guru, number 1 in line\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn who_goes_on_to_the_place_that_was_kept_elsewhere_is_told_so() {
    let caller = |second, entry| {
        let arrival = Arrival { caller: "+46701234567".into(), since: at(second), ..Arrival::default() };
        (second, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
    };
    let after = |queue: &mut QueueSettings| {
        let when = When::After(Duration::from_secs(20));
        queue.overflow = vec![Overflow { to: QueueId(1), when, only: Attributes::new() }];
    };
    let lost = (40, Change::Leave { entry: EntryId(1), exit: Exit::SystemFault });
    let text = told_of_anna(Agents::Counted, after, [caller(10, 1), lost, caller(60, 2)]);
    let expected = "entry-2\n09:01:00  comes to sales as entry-2, and goes on at once, to the place that was kept\n\
        09:01:00  goes on to other after 50s, number 1 in line\n";
    assert!(text.starts_with(expected), "{text}");
}

fn guru() -> Need {
    Need::of_levels(&Skills::from([("guru".to_owned(), 1)]))
}

#[test]
fn a_task_is_told_until_it_is_done() {
    let arrival = Arrival { kind: Kind::Task, since: at(30), ..Arrival::default() };
    let task = (30, Change::Arrive { entry: EntryId(71), arrival: Box::new(arrival) });
    let until = |second: u64| day().into_iter().filter(move |(at, change)| *at < second && *change != arrive());
    let accept = |at, offer| (at, Change::OfferEnded { offer: OfferId(offer), outcome: Outcome::Accepted });
    let begun =
        || until(60).take_while(|(at, _)| *at < 30).chain([task.clone()]).chain(until(60).filter(|(at, _)| *at >= 30));
    let events = |more: Vec<(u64, Change)>| begun().chain([accept(50, 1)]).chain(more);
    let story = told("entry-71", at(100), events(vec![])).unwrap();
    for part in [
        "joins sales as entry-71",
        "is offered to anna",
        "anna accepts",
        "accepted after 20s",
        "anna still works on it, for ",
    ] {
        assert!(story.contains(part), "{part} is not in {story}");
    }
    let done = Change::TalkEnded { entry: EntryId(71), broke: false };
    let story = told("entry-71", at(100), events(vec![(80, done)])).unwrap();
    assert!(story.ends_with("09:01:20  anna has done it, after 30s\n"), "{story}");
}

#[test]
fn who_goes_back_to_the_agent_of_a_talk_that_broke_is_told_so() {
    let again = |second, entry| {
        let arrival = Arrival { caller: "+46701234567".into(), since: at(second), ..Arrival::default() };
        (second, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
    };
    let broke = [(76, Change::TalkEnded { entry: EntryId(71), broke: true }), again(100, 72)];
    let mut events: Vec<_> = day().into_iter().filter(|(_, change)| *change != arrive()).collect();
    events.insert(events.len() - 2, again(30, 71));
    let told = told("entry-72", at(101), events.into_iter().chain(broke));
    let expected = "after a talk that broke kept for cecilia for 30s";
    assert!(told.as_ref().is_ok_and(|told| told.contains(expected)), "{told:?}");
}

/// With ten more agents who lack what is needed.
fn many() -> Vec<(u64, Change)> {
    let more = (10..20).map(|id| {
        let settings = AgentSettings { name: format!("agent{id}"), ..AgentSettings::default() };
        (6, Change::Agent { id: AgentId(id), settings })
    });
    let mut events = day();
    events.splice(10..10, more);
    events
}

#[test]
fn many_agents_with_one_reason_are_a_number() {
    let text = told("entry-70", at(90), many()).unwrap();
    assert!(text.contains("          14 agents:\n               11 lack sales\n                1 offline"), "{text}");
}

#[test]
fn all_agents_are_named_to_who_asks_for_all() {
    let text = asked(Agents::All, "entry-70", at(90), many()).unwrap();
    let begin =
        "          14 agents:\n               11 lack sales\n                    bo\n                    agent10\n";
    assert!(text.contains(begin), "{text}");
    let first: Vec<&str> = text.lines().skip_while(|line| !line.ends_with("14 agents:")).take(19).collect();
    let names = first.iter().filter(|line| line.starts_with("                    ")).count();
    assert_eq!(names, 14, "{text}");
    assert!(text.contains("1 paused (lunch)\n                    cecilia (since 09:00:04)\n"), "{text}");
}

#[test]
fn of_one_agent_each_reason_is_told_and_how_long_it_held() {
    let text = asked(Agents::One("anna"), "entry-70", at(90), day()).unwrap();
    let expected = "\
entry-70
09:00:10  joins sales as entry-70, needs sales, number 1 in line
09:00:10  anna is on a call of their own
09:00:40  rings anna
09:00:40  anna is rung for this one, until 09:01:00
09:01:00  anna does not answer
09:01:00  anna is paused (no answer), until 09:02:00
09:01:10  rings cecilia
09:01:15  cecilia answers
09:01:15  answered after 1m5s
          anna, of the 1m5s that it waited:
                 30s  is on a call of their own
                 20s  is rung for this one
                 15s  is paused (no answer)
";
    assert_eq!(text, expected, "\n{text}");
    let error = asked(Agents::One("ana"), "entry-70", at(90), day()).unwrap_err().to_string();
    assert_eq!(error, "there was no agent `ana` then; there were anna, bo, cecilia, dan");
}

#[test]
fn what_is_an_agents_own_is_told_with_the_reason() {
    let agent = |id, name: &str, settings: AgentSettings| {
        let settings = AgentSettings { name: name.into(), ..settings };
        [(0, Change::Agent { id: AgentId(id), settings }), (1, Change::LoggedIn { agent: AgentId(id) })]
    };
    let skilled =
        |level| AgentSettings { skills: Skills::from([("sales".to_owned(), level)]), ..AgentSettings::default() };
    let licensed = |from, to| {
        let valid = Validity { from, to };
        let held = HeldLicence { kind: "insurance".into(), jurisdiction: "SE".into(), valid };
        AgentSettings { licences: vec![held], ..skilled(5) }
    };
    let queue = QueueSettings { name: "sales".into(), ..QueueSettings::default() };
    let need = |source: &str| Need::parse(source).unwrap().0;
    let arrival = |source: &str| Arrival { need: need(source), since: at(10), ..Arrival::default() };
    let events = |arrival: Arrival| {
        let agents = [
            agent(0, "anna", skilled(3)),
            agent(1, "bo", licensed(Some(at(1000)), None)),
            agent(2, "cecilia", licensed(None, Some(at(5)))),
            agent(3, "dan", AgentSettings { shift_margin: Duration::from_secs(120), ..skilled(9) }),
        ];
        let ends = Change::Shift { agent: AgentId(3), ends: Some(at(100)) };
        [(0, Change::Queue { id: QueueId(0), settings: queue.clone() })]
            .into_iter()
            .chain(agents.into_iter().flatten())
            .chain([(2, ends), (10, Change::Arrive { entry: EntryId(70), arrival: Box::new(arrival) })])
    };
    let told = |arrival| told("entry-70", at(11), events(arrival)).unwrap();
    let text = told(arrival("licence(insurance, \"SE\")"));
    for part in [
        "2 without a licence that counts now: insurance for SE: bo (it begins 09:16:40), cecilia (it ended 09:00:05)\n",
        "2 without a licence: insurance for SE: anna, dan\n",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let relax = vec![Relax { after: Duration::from_secs(30), need: need("sales >= 3") }];
    let text = told(Arrival { relax, ..arrival("sales >= 6") });
    let part = "3 below 6 in sales (asked for until 09:00:40): anna (at 3), bo (at 5), cecilia (at 5)\n";
    assert!(text.contains(part), "{part} is not in {text}");
    assert!(text.contains("1 at the end of their shift, or past it: dan (it ends 09:01:40)\n"), "{text}");
    let prefer = vec![Prefer { who: Who::Agent(AgentId(1)), wait: Duration::from_secs(20) }];
    let mut kept: Vec<_> = events(Arrival { prefer, ..arrival("sales") }).collect();
    kept.insert(kept.len() - 1, (9, Change::Busy { agent: AgentId(1) }));
    let text = super::tests::told("entry-70", at(11), kept).unwrap();
    assert!(text.contains("2 passed over for now: it is kept for bo until 09:00:30: anna, cecilia\n"), "{text}");
}

#[test]
fn who_was_lost_between_two_runs_is_told_when_none_ran() {
    let folder = Folder::new();
    let begun = day().into_iter().take_while(|(second, _)| *second <= 40).chain([(45, Change::Tick)]);
    run(folder.path(), 0, begun, |_| false);
    let of_before = Change::Leave { entry: EntryId(70), exit: Exit::SystemFault };
    let down = Change::WasDown { since: at(45) };
    run(folder.path(), 200, [(45, of_before), (200, down), (201, Change::Tick)], |_| false);
    let look = Look { folder: folder.path(), agents: Agents::Counted, runs: true, now: at(205), zone: &TimeZone::UTC };
    let text = story(look, "entry-70", &[EntryId(70)]).unwrap().text(Agents::Counted);
    let end = "\
09:00:45  anna is not rung any more: the caller has left
09:00:45  was lost by a fault of the system after 35s
09:00:45  (!) no vaxel ran from 09:00:45 at the earliest to 09:03:20
";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn of_a_service_that_cannot_write_nothing_is_said_of_now() {
    let folder = Folder::new();
    let begun = day().into_iter().take_while(|(second, _)| *second <= 30).chain([(35, Change::Tick)]);
    run(folder.path(), 0, begun, |_| false);
    let told = |now| {
        let look = Look { folder: folder.path(), agents: Agents::Counted, runs: true, now, zone: &TimeZone::UTC };
        story(look, "entry-70", &[EntryId(70)]).unwrap().text(Agents::Counted)
    };
    assert!(!told(at(44)).contains("(!)"));
    let text = told(at(46));
    assert!(text.contains("09:00:35  (!) nothing was written after this: vaxel runs and does not write"), "{text}");
    assert!(text.contains("09:00:35  still waits, for 25s"), "{text}");
}

#[test]
fn programs_are_told_every_agent() {
    let folder = Folder::new();
    write(folder.path(), many());
    let asked = Asked { json: true, ..of("entry-70") };
    let text = why(folder.path(), asked, at(90)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let line = &json["contacts"][0]["lines"][0];
    assert_eq!(line["what"], "joins sales as entry-70, needs sales, number 1 in line");
    assert_eq!(line["agents"].as_array().map(Vec::len), Some(14));
    let cecilia = serde_json::json!({"agent": "cecilia", "reason": "paused", "words": "paused (lunch)"});
    let mut told = line["agents"][2].clone();
    assert!(told["own"].take().as_str().is_some_and(|own| own.starts_with("since ")), "{line}");
    told.as_object_mut().unwrap().remove("own");
    assert_eq!(told, cecilia);
}

fn of(who: &str) -> Asked<'_> {
    Asked { who, last: None, agents: Agents::Counted, json: false }
}

#[test]
fn who_is_not_known_is_said_with_what_is() {
    let error = told("entry-71", at(90), day()).unwrap_err().to_string();
    assert!(error.starts_with("entry-71 is not in the journal in "), "{error}");
    let yet = "begins at 2026-11-23 09:00:00; what happened in the last second may not be written yet";
    assert!(error.ends_with(yet), "{error}");
    let folder = Folder::new();
    for who in ["entry-1", "call-1", "+46701234567"] {
        let error = format!("{:#}", why(folder.path(), of(who), at(0)).unwrap_err());
        assert!(error.contains("there is no journal") && error.contains("--config"), "{who}: {error}");
    }
    assert_eq!(at(0).as_secs(), NINE);
}

/// Of a call that joined these, the first of which the journal has.
fn call_of(entries: &[u64], is_up: bool, runs: bool) -> anyhow::Result<String> {
    call(entries, (is_up, runs), [])
}

fn call_with<const N: usize>(entries: &[u64], more: [CallEvent; N]) -> anyhow::Result<String> {
    call(entries, (false, true), more)
}

fn call<const N: usize>(entries: &[u64], (is_up, runs): (bool, bool), more: [CallEvent; N]) -> anyhow::Result<String> {
    let folder = Folder::new();
    write(folder.path(), day());
    let look = Look { folder: folder.path(), agents: Agents::Counted, runs, now: at(90), zone: &TimeZone::UTC };
    let call = CallId(7);
    let begins = What::CallStarted { call, from: "anna".into(), to: "300".into(), trunk: "".into() };
    let queued = |entry: &u64| What::Queued { call, entry: EntryId(*entry), queue: "sales".into(), priority: 0 };
    let mut recorder = Recorder::default();
    for what in [begins].into_iter().chain(entries.iter().map(queued)) {
        recorder.apply(&CallEvent { at: at(10), what });
    }
    more.iter().for_each(|event| drop(recorder.apply(event)));
    let call = Call { contact: recorder.get(call).unwrap().clone(), is_up };
    Ok(super::told(look, &call)?.text(Agents::Counted))
}

#[test]
fn who_asked_in_vain_to_be_called_back_is_told_why_at_its_place() {
    let wish = |second, why| {
        let (queue, number) = ("sales".into(), "+46701".to_owned());
        CallEvent { at: at(second), what: What::NotPromised { call: CallId(7), queue, number, why } }
    };
    let one = call_with(&[70], [wish(70, Unpromised::TooOften)]).unwrap();
    let plain = call_of(&[70], false, true).unwrap();
    let limit = "as many calls that day as `callbacks_per_number` of [limits] allows";
    let asked = format!("09:01:10  asks in vain to be called back by sales: +46701 was promised {limit}\n");
    let place = plain.find("09:01:10  ").expect("something happened then");
    assert_eq!(one, format!("{}{asked}{}", &plain[..place], &plain[place..]));
    let last = call_with(&[70], [wish(80, Unpromised::NoWayOut)]).unwrap();
    assert!(
        last.ends_with("09:01:20  asks in vain to be called back by sales: no trunk takes +46701 or may carry it\n"),
        "{last}"
    );
    let nowhere = call_with(&[], [wish(12, Unpromised::NumberWithheld)]).unwrap();
    assert_eq!(
        nowhere,
        "call-7\n09:00:12  asks in vain to be called back by sales: their number is withheld or not known\n"
    );
    let said = Unpromised::ALL.map(|why| call_with(&[], [wish(12, why)]).unwrap());
    assert_eq!(said.iter().collect::<BTreeSet<_>>().len(), Unpromised::ALL.len(), "{said:#?}");
}

#[test]
fn what_may_not_be_written_yet_is_not_said_not_to_have_been() {
    let yet = "; what happened in the last second may not be written yet";
    let error = |up, runs| call_of(&[], up, runs).unwrap_err().to_string();
    assert_eq!(error(true, true), format!("call-7 from anna to 300 is up, and in no queue that is written of{yet}"));
    assert_eq!(error(false, true), "call-7 from anna to 300 was in no queue");
    let error = call_of(&[71], true, true).unwrap_err().to_string();
    assert!(error.starts_with("call-7 is not in the journal in ") && error.ends_with(yet), "{error}");
    let error = call_of(&[71], false, false).unwrap_err().to_string();
    assert!(error.ends_with("begins at 2026-11-23 09:00:00"), "{error}");
    let one = call_of(&[70, 71], true, true).unwrap();
    assert!(
        one.contains("joins sales as entry-70") && one.ends_with(&format!("(!) entry-71 is not in the journal{yet}\n")),
        "{one}"
    );
}

/// A queue with these settings and one agent, and what happens.
fn told_of_anna(
    agents: Agents,
    change: impl FnOnce(&mut QueueSettings),
    events: impl IntoIterator<Item = (u64, Change)>,
) -> String {
    let mut settings = QueueSettings { name: "sales".into(), ..QueueSettings::default() };
    change(&mut settings);
    let anna = AgentSettings { name: "anna".into(), wrap_up: Duration::ZERO, ..AgentSettings::default() };
    let other = QueueSettings { name: "other".into(), ..QueueSettings::default() };
    let begin = [
        (0, Change::Queue { id: QueueId(0), settings }),
        (0, Change::Queue { id: QueueId(1), settings: other }),
        (0, Change::Agent { id: AgentId(0), settings: anna }),
    ];
    asked(agents, "entry-2", at(100), begin.into_iter().chain(events)).unwrap()
}

fn comes(second: u64, entry: u64) -> (u64, Change) {
    let arrival = Arrival { since: at(second), ..Arrival::default() };
    (second, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
}

const ANNA: AgentId = AgentId(0);

fn lunch(second: u64) -> (u64, Change) {
    (second, Change::Pause { agent: ANNA, reason: "lunch".into() })
}

#[test]
fn who_is_turned_away_on_arrival_is_told_what_stood_in_the_way_and_of_want_of_agents_each_agents_reason() {
    let in_the_way = |change: fn(&mut QueueSettings), events: Vec<(u64, Change)>| {
        let text = told_of_anna(Agents::Counted, change, events.into_iter().chain([comes(60, 2)]));
        let line = "entry-2\n09:01:00  comes to sales as entry-2, which does not take it: ";
        text.strip_prefix(line).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let in_vain = |queue: &mut QueueSettings| queue.join_unless.all_paused = true;
    let nobody = "nobody is there who could serve it\n          1 agent:\n                1 offline: anna\n";
    assert_eq!(in_the_way(in_vain, vec![]), nobody);
    assert_eq!(in_the_way(|queue| queue.join_unless.no_agents = true, vec![]), nobody);
    let paused = "all who are there and could serve it are paused or have asked for a pause\n          1 agent:\n\
        \x20               1 paused (lunch): anna (since 09:00:05)\n";
    let logged_in = (4, Change::LoggedIn { agent: ANNA });
    assert_eq!(in_the_way(in_vain, vec![logged_in, lunch(5)]), paused);
    let close = (5, Change::Close { queue: QueueId(0) });
    assert_eq!(in_the_way(|_| (), vec![close]), "the queue is closed\n");
    let closes = (5, Change::Open { queue: QueueId(0), until: Some(at(70)) });
    let last_call = |queue: &mut QueueSettings| queue.last_call = Duration::from_secs(30);
    assert_eq!(in_the_way(last_call, vec![closes]), "the queue closes at 09:01:10 and takes nobody any more\n");
    assert_eq!(in_the_way(|queue| queue.max_waiting = 1, vec![comes(50, 1)]), "the queue is full (1 of 1)\n");
}

#[test]
fn who_leaves_later_for_want_of_agents_is_told_so_with_their_reasons() {
    let events = || [(4, Change::LoggedIn { agent: ANNA }), (5, Change::Busy { agent: ANNA }), comes(10, 2), lunch(40)];
    let in_vain = |queue: &mut QueueSettings| queue.leave_when.all_paused = true;
    let text = told_of_anna(Agents::Counted, in_vain, events());
    let end = "\
09:00:40  was sent on after 30s: all who are there and could serve it are paused or have asked for a pause
          1 agent:
                1 on a call of their own: anna
";
    assert!(text.ends_with(end), "{text}");
    let overflows = |queue: &mut QueueSettings| {
        queue.leave_when.all_paused = true;
        queue.overflow = vec![Overflow { to: QueueId(1), when: When::NoAgents, only: Attributes::new() }];
    };
    let text = told_of_anna(Agents::Counted, overflows, events());
    let on = "\
09:00:40  cannot stay: all who are there and could serve it are paused or have asked for a pause
          1 agent:
                1 on a call of their own: anna
09:00:40  goes on to other after 30s, number 1 in line
          1 agent:
";
    assert!(text.contains(on), "{text}");
}

#[test]
fn of_one_agent_something_true_is_said_also_where_nobody_waited() {
    let one = Agents::One("anna");
    let in_vain = |queue: &mut QueueSettings| queue.join_unless.all_paused = true;
    let text = told_of_anna(one, in_vain, [comes(60, 2)]);
    let expected = "\
entry-2
09:01:00  comes to sales as entry-2, which does not take it: nobody is there who could serve it
09:01:00  anna is offline
          anna: it was never in line, and nobody was rung for it
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn of_a_promise_to_call_back_each_word_is_true_when_it_is_said() {
    let callback = Callback { number: "+46701234567".into(), not_before: at(25), ..Callback::default() };
    let arrival = Arrival { since: at(10), callback: Some(Box::new(callback)), ..Arrival::default() };
    let promised = (10, Change::Arrive { entry: EntryId(2), arrival: Box::new(arrival) });
    let accept = |second, offer| (second, Change::OfferEnded { offer: OfferId(offer), outcome: Outcome::Accepted });
    let ended = |second| (second, Change::TalkEnded { entry: EntryId(2), broke: false });
    let reached = (640, Change::Reached { entry: EntryId(2) });
    let logged_in = (4, Change::LoggedIn { agent: ANNA });
    let all = || [logged_in.clone(), promised.clone(), accept(30, 1), ended(35), accept(636, 2), reached.clone()];
    let until = |count, now| {
        let settings = QueueSettings { name: "sales".into(), ..QueueSettings::default() };
        let anna = AgentSettings { name: "anna".into(), wrap_up: Duration::ZERO, ..AgentSettings::default() };
        let begin = [(0, Change::Queue { id: QueueId(0), settings }), (0, Change::Agent { id: ANNA, settings: anna })];
        asked(Agents::Counted, "entry-2", at(now), begin.into_iter().chain(all().into_iter().take(count))).unwrap()
    };
    let text = until(2, 12);
    let hangs_up = "1 free, but who asked to be called back has until 09:00:25 to hang up: anna\n";
    assert!(text.contains(hangs_up) && !text.contains("in vain"), "{text}");
    assert!(text.contains("09:00:12  still waits to be called back, for 2s, number 1 in line\n"), "{text}");
    let text = until(3, 32);
    let called =
        "09:00:30  anna answers\n09:00:30  the number is called now, after 20s\n09:00:32  the number is being called\n";
    assert!(text.ends_with(called), "{text}");
    let text = until(4, 37);
    assert!(text.contains("09:00:35  was not reached, and is not called again before 09:10:35\n"), "{text}");
    assert!(text.contains("1 free, but the number was called in vain, and is not again before 09:10:35"), "{text}");
    let text = until(6, 700);
    assert!(
        text.ends_with("09:10:36  the number is called now, after 10m26s\n09:10:40  the number answers\n"),
        "{text}"
    );
}

#[test]
fn an_estimate_that_stood_in_the_way_is_told_with_its_figures() {
    let shown = reasons::Shown { now: at(0), zone: &TimeZone::UTC };
    let (expected, longest) = (Duration::from_secs(300), Duration::from_secs(180));
    let long_line = words::obstacle(Obstacle::LongLine { expected, longest }, shown);
    assert_eq!(long_line, "it would wait 5m at least, and the queue takes nobody who would wait for more than 3m");
    let long_wait = words::obstacle(Obstacle::LongWait { expected, longest }, shown);
    assert_eq!(long_wait, "it would wait 5m more at least, and the queue keeps nobody who would for more than 3m");
}
