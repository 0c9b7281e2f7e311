//! For each promise, histories that break it.

use super::*;
use crate::acd::{Arrival, HeldLicence, Prefer, Relax, Skills, Validity, Who};
use crate::ids::LegId;
use crate::need::Need;
use crate::record::EndedBy;

const SALES: &str = "sales";
const SUPPORT: &str = "support";

fn needs(queue: &str) -> Need {
    Need::of_levels(&Skills::from([(queue.to_owned(), 1)]))
}

fn checker() -> Checker {
    let queue = |name: &str| QueueSettings { name: name.into(), needs: needs(name), ..QueueSettings::default() };
    let agent = |name: &str, skills: &[(&str, u8)]| AgentSettings {
        name: name.into(),
        skills: skills.iter().map(|(skill, level)| ((*skill).to_owned(), *level)).collect(),
        ..AgentSettings::default()
    };
    let agents = [agent("anna", &[(SALES, 5)]), agent("bo", &[(SALES, 2), (SUPPORT, 4)])];
    Checker::new(Time::EPOCH, &[queue(SALES), queue(SUPPORT)], &agents)
}

/// Event by event, one each second, all as if each were the last of its step.
fn tell(checker: &mut Checker, events: &[What]) -> Result<(), Broken> {
    (1..).zip(events).try_for_each(|(second, what)| tell_at(checker, second, what))
}

/// Whoever joins arrives at the distributor.
fn tell_at(checker: &mut Checker, second: u64, what: &What) -> Result<(), Broken> {
    let at = Time::from_secs(second);
    checker.handle(&CallEvent { at, what: what.clone() })?;
    let What::Queued { entry, queue, priority, .. } = what else { return Ok(()) };
    let arrival = Arrival { queue: QueueId(u32::from(**queue != *SALES)), priority: *priority, ..Arrival::default() };
    checker.distributor_told(&arrives(at, *entry, Arrival { since: at, ..arrival }))
}

fn arrives(at: Time, entry: EntryId, arrival: Arrival) -> AcdEvent {
    AcdEvent { at, change: Change::Arrive { entry, arrival: Box::new(arrival) } }
}

fn began(call: u64) -> What {
    What::CallStarted { call: CallId(call), from: "+4670".into(), to: "100".into(), trunk: "carrier".into() }
}

fn ended(call: u64) -> What {
    What::CallEnded { call: CallId(call), by: EndedBy::Caller, cause: "hung up".into() }
}

/// The entry of a call has its number.
fn joins(call: u64, queue: &str, priority: i32) -> What {
    What::Queued { call: CallId(call), entry: EntryId(call), queue: queue.into(), priority }
}

fn leaves(call: u64, queue: &str, exit: Exit) -> What {
    let (call, entry) = (CallId(call), EntryId(call));
    let waited = Duration::from_millis(1500);
    What::Dequeued { call, entry, queue: queue.into(), exit, waited, in_service_level: exit == Exit::Answered }
}

fn rings(call: u64, offer: u64, agent: &str) -> What {
    let (call, entry, offer) = (CallId(call), EntryId(call), OfferId(offer));
    What::Offered { call, entry, offer, queue: SALES.into(), agent: agent.into() }
}

fn rang(call: u64, offer: u64, agent: &str, outcome: Outcome) -> What {
    let (call, entry, offer) = (CallId(call), EntryId(call), OfferId(offer));
    What::OfferEnded { call, entry, offer, queue: SALES.into(), agent: agent.into(), outcome }
}

fn talks(call: u64, agent: &str) -> What {
    What::Connected { call: CallId(call), leg: LegId(call), with: agent.into() }
}

fn talked(call: u64, agent: &str) -> What {
    let talked = Duration::from_secs(1);
    What::Disconnected { call: CallId(call), leg: LegId(call), with: agent.into(), talked }
}

fn is(agent: &str, phase: AgentPhase) -> What {
    What::Agent { agent: agent.into(), phase, reason: None, until: None, detail: None, since: None }
}

/// Two callers; anna declines the first, bo takes it.
fn good() -> Vec<What> {
    use AgentPhase::{Offered, Ready, Talking, WrapUp};
    vec![
        began(1),
        began(2),
        joins(1, SALES, 0),
        joins(2, SALES, 0),
        is("anna", Ready),
        rings(1, 1, "anna"),
        is("anna", Offered),
        rang(1, 1, "anna", Outcome::Declined),
        is("anna", AgentPhase::Paused),
        is("bo", Ready),
        rings(1, 2, "bo"),
        is("bo", Offered),
        rang(1, 2, "bo", Outcome::Accepted),
        leaves(1, SALES, Exit::Answered),
        is("bo", Talking),
        talks(1, "bo"),
        leaves(2, SALES, Exit::Abandoned),
        ended(2),
        talked(1, "bo"),
        is("bo", WrapUp),
        ended(1),
    ]
}

fn at_the_end(events: &[What]) -> Result<(), Broken> {
    let mut checker = checker();
    tell(&mut checker, events)?;
    checker.at_the_end(&[], 0)
}

/// The good history without its event of this place.
fn without(place: usize) -> Vec<What> {
    let mut events = good();
    events.remove(place);
    events
}

fn with(place: usize, more: What) -> Vec<What> {
    let mut events = good();
    events.insert(place, more);
    events
}

/// What the distributor would have counted.
fn counts(checker: &Checker, queue: &str) -> QueueCounts {
    let sums = &checker.sums[queue];
    QueueCounts {
        offered: sums.offered,
        waiting: sums.waiting,
        exits: sums.exits.clone(),
        answered_in_level: sums.in_service_level,
    }
}

#[test]
fn a_good_history_keeps_every_promise() {
    assert_eq!(at_the_end(&good()), Ok(()));
    let mut checker = checker();
    for (second, what) in (1..).zip(&good()) {
        tell_at(&mut checker, second, what).unwrap();
        for queue in [SALES, SUPPORT] {
            let counts = counts(&checker, queue);
            checker.counted(&queue.into(), &counts).unwrap();
        }
        checker.up(checker.calls.len()).unwrap();
    }
}

/// The distributor of the checker's house, to which the first agent has come.
fn distributor() -> Acd {
    let checker = checker();
    let mut acd = Acd::new(0);
    let mut change = |change| acd.apply(&AcdEvent { at: Time::EPOCH, change });
    for (id, name) in (0..).zip([SALES, SUPPORT]) {
        let settings = QueueSettings { name: name.into(), needs: needs(name), ..QueueSettings::default() };
        change(Change::Queue { id: QueueId(id), settings });
    }
    for (index, name) in checker.names.iter().enumerate() {
        let settings = AgentSettings {
            name: name.to_string(),
            skills: Skills::from([(SALES.into(), 5)]),
            ..AgentSettings::default()
        };
        change(Change::Agent { id: agent_id(index), settings });
    }
    change(Change::LoggedIn { agent: AgentId(0) });
    acd
}

#[test]
fn who_is_told_of_is_looked_at_in_the_same_step_and_all_others_soon() {
    let acd = distributor();
    let promise = |said: Result<(), Broken>| said.map_err(|broken| broken.promise);
    let told = |events: &[What]| {
        let mut checker = checker();
        tell(&mut checker, events).expect("nothing wrong by itself");
        checker
    };
    let now = Time::from_secs(9);
    let is_true = is("anna", AgentPhase::Ready);
    assert_eq!(told(std::slice::from_ref(&is_true)).settled(now, &acd, 0), Ok(()));
    let wrong = is("anna", AgentPhase::WrapUp);
    assert_eq!(promise(told(&[is_true.clone(), wrong]).settled(now, &acd, 0)), Err(Promise::StatesAgree));
    let other = is("bo", AgentPhase::Paused);
    assert_eq!(promise(told(&[is_true, other]).settled(now, &acd, 0)), Err(Promise::StatesAgree));
    // That anna came was not told.
    let mut silent = told(&[]);
    let found = (1..=SELDOM).find(|_| silent.settled(now, &acd, 0).is_err());
    assert_eq!(found, Some(SELDOM));

    // The distributor rings anna for the entry, and that was not told.
    let mut rings = distributor();
    let change = crate::acd::Change::Arrive { entry: EntryId(1), arrival: Box::default() };
    rings.apply(&crate::acd::AcdEvent { at: Time::from_secs(1), change });
    let mut unaware = told(&[joins(1, SALES, 0)]);
    assert_eq!(promise(unaware.settled(now, &rings, 0)), Err(Promise::OneOfferPerEntry));
}

#[test]
fn every_promise_can_be_broken() {
    use AgentPhase::Ready;
    let mut caught: BTreeSet<Promise> = BTreeSet::new();
    let mut breaks = |promise: Promise, said: Result<(), Broken>| {
        assert_eq!(said.map_err(|broken| broken.promise), Err(promise));
        caught.insert(promise);
    };
    let told = |events: &[What]| tell(&mut checker(), events);

    breaks(Promise::CallsBeginAndEndOnce, told(&[began(1), began(1)]));
    breaks(Promise::CallsBeginAndEndOnce, told(&[ended(1)]));
    breaks(Promise::CallsBeginAndEndOnce, told(&without(0)));
    breaks(Promise::EntriesJoinAndLeaveOnce, told(&with(4, joins(1, SALES, 0))));
    breaks(Promise::EntriesJoinAndLeaveOnce, told(&with(17, joins(2, SALES, 0))));
    breaks(Promise::EntriesJoinAndLeaveOnce, told(&with(17, leaves(2, SALES, Exit::TimedOut))));
    breaks(Promise::EntriesJoinAndLeaveOnce, told(&[joins(1, SALES, 0), leaves(1, SUPPORT, Exit::TimedOut)]));
    breaks(Promise::AnsweredIsAccepted, told(&[joins(1, SALES, 0), leaves(1, SALES, Exit::Answered)]));
    let mut refused = good();
    refused[12] = rang(1, 2, "bo", Outcome::Busy);
    breaks(Promise::AnsweredIsAccepted, told(&refused));
    let mut gone = good();
    gone[13] = leaves(1, SALES, Exit::Abandoned);
    breaks(Promise::AnsweredIsAccepted, told(&gone));
    breaks(Promise::OneOfferPerAgent, told(&with(7, rings(2, 9, "anna"))));
    breaks(Promise::OneOfferPerAgent, told(&with(16, rings(2, 9, "bo"))));
    breaks(Promise::OneOfferPerEntry, told(&[&good()[..7], &[is("bo", Ready), rings(1, 9, "bo")]].concat()));
    breaks(Promise::OneOfferPerEntry, told(&[is("anna", Ready), rings(1, 1, "anna")]));
    breaks(Promise::OffersEndOnce, told(&with(8, rang(1, 1, "anna", Outcome::NoAnswer))));
    breaks(Promise::OffersEndOnce, told(&with(7, leaves(1, SALES, Exit::Abandoned))));
    breaks(Promise::OffersGoToTheReady, told(&without(4)));
    breaks(Promise::OffersGoToTheReady, told(&[joins(1, SALES, 0), is("bo", AgentPhase::Busy), rings(1, 1, "bo")]));
    breaks(Promise::OffersGoToTheSkilled, told(&[joins(1, SUPPORT, 0), is("anna", Ready), rings(1, 1, "anna")]));

    // Who came later is first; who came later has not more points; the other line's first has more.
    let first_of = |one: What, other: What, rung: u64| told(&[one, other, is("bo", Ready), rings(rung, 1, "bo")]);
    breaks(Promise::NobodyIsOvertaken, first_of(joins(1, SALES, 0), joins(2, SALES, 0), 2));
    breaks(Promise::NobodyIsOvertaken, first_of(joins(1, SALES, 0), joins(2, SALES, 5), 1));
    breaks(Promise::NobodyIsOvertaken, first_of(joins(1, SALES, 0), joins(2, SUPPORT, 1), 1));
    assert_eq!(first_of(joins(1, SALES, 0), joins(2, SALES, 5), 2), Ok(()));
    // After a minute the agent who declined is asked again before those who came later.
    let again = |second: u64| {
        let mut checker = checker();
        tell(&mut checker, &good()[..9])?;
        tell_at(&mut checker, second, &is("anna", Ready))?;
        tell_at(&mut checker, second, &rings(2, 9, "anna"))
    };
    assert_eq!(again(60), Ok(()));
    breaks(Promise::NobodyIsOvertaken, again(69));

    let both = [is("anna", Ready), is("bo", Ready), joins(1, SALES, 0)];
    breaks(Promise::TheStrategyChooses, told(&[&both[..], &[rings(1, 1, "bo")]].concat()));
    assert_eq!(told(&[&both[..], &[rings(1, 1, "anna")]].concat()), Ok(()));
    // Kept for bo, who talks, for half a minute.
    let kept = |second: u64, bo: AgentPhase| {
        let mut checker = checker();
        tell(&mut checker, &[is("bo", AgentPhase::Talking)]).expect("nothing wrong");
        let at = Time::from_secs(5);
        checker.handle(&CallEvent { at, what: joins(1, SALES, 0) }).expect("nothing wrong");
        let prefer = vec![Prefer { who: Who::Agent(AgentId(1)), wait: Duration::from_secs(30) }];
        checker.distributor_told(&arrives(at, EntryId(1), Arrival { prefer, ..Arrival::default() }))?;
        tell_at(&mut checker, second, &is("bo", bo))?;
        tell_at(&mut checker, second, &is("anna", Ready))?;
        tell_at(&mut checker, second, &rings(1, 1, "anna"))
    };
    breaks(Promise::ThePreferredGoFirst, kept(34, AgentPhase::Talking));
    assert_eq!(kept(36, AgentPhase::Talking), Ok(()));
    assert_eq!(kept(34, AgentPhase::Paused), Ok(()));
    breaks(Promise::ThePreferredGoFirst, kept(36, Ready));
    breaks(
        Promise::EntriesJoinAndLeaveOnce,
        checker().distributor_told(&arrives(Time::EPOCH, EntryId(1), Arrival::default())),
    );

    let idle = |events: &[What], second: u64| {
        let mut checker = checker();
        tell(&mut checker, events).expect("a good history");
        checker.fairness.nobody_idles(Time::from_secs(second))
    };
    breaks(Promise::NobodyIdles, idle(&good()[..5], 5));
    assert_eq!(idle(&good()[..4], 5), Ok(()));
    assert_eq!(idle(&[is("anna", Ready), joins(1, SUPPORT, 0)], 5), Ok(()));
    let declined = [joins(1, SALES, 0), is("anna", Ready), rings(1, 1, "anna"), rang(1, 1, "anna", Outcome::NoAnswer)];
    assert_eq!(idle(&declined, 60), Ok(()));
    breaks(Promise::NobodyIdles, idle(&declined, 65));
    let waiting = || {
        let mut checker = checker();
        tell(&mut checker, &good()[..4]).expect("a good history");
        checker
    };
    let (anna, bo) = (AgentId(0), AgentId(1));
    breaks(Promise::NobodyIdles, waiting().explained(EntryId(1), &[(anna, WhyNot::Busy), (bo, WhyNot::RankedLower)]));
    let ringing = WhyNot::Ringing { offer: OfferId(1), deadline: Time::EPOCH };
    breaks(Promise::OneOfferPerEntry, waiting().explained(EntryId(1), &[(anna, ringing.clone()), (bo, WhyNot::Busy)]));
    breaks(Promise::OneOfferPerEntry, waiting().explained(EntryId(1), &[(anna, ringing.clone()), (bo, ringing)]));

    breaks(Promise::OneTalkPerAgent, told(&[began(1), began(2), talks(1, "anna"), talks(2, "anna")]));
    breaks(Promise::OneTalkPerAgent, told(&[began(1), talked(1, "anna")]));

    let checker = waiting();
    let sales = SALES.into();
    let off_by_one: [fn(&mut QueueCounts); 4] = [
        |counts| counts.offered += 1,
        |counts| counts.waiting -= 1,
        |counts| *counts.exits.entry(Exit::TimedOut).or_default() += 1,
        |counts| counts.answered_in_level += 1,
    ];
    for break_it in off_by_one {
        let mut counts = counts(&checker, SALES);
        break_it(&mut counts);
        breaks(Promise::CountsAgree, checker.counted(&sales, &counts));
    }
    let mut forgetful = waiting();
    forgetful.board = Board::new(Time::EPOCH, [SALES], []);
    breaks(Promise::CountsAgree, forgetful.counted(&sales, &counts(&checker, SALES)));
    breaks(Promise::StatesAgree, checker.up(3));
    breaks(Promise::StatesAgree, checker.in_state(&"anna".into(), &AgentState::Ready));
    assert_eq!(checker.in_state(&"anna".into(), &AgentState::Offline), Ok(()));
    breaks(Promise::StatesAgree, told(&[is("nobody", Ready)]));

    let mut lost = self::checker();
    tell(&mut lost, &good()).expect("a good history");
    lost.contacts.pop();
    breaks(Promise::OneRecordPerCall, lost.at_the_end(&[], 0));
    breaks(Promise::OneRecordPerCall, lost.recorded(CallId(1), None));
    breaks(Promise::RecordsAddUp, told(&without(16)));
    breaks(
        Promise::RecordsAddUp,
        told(&[began(1), joins(1, SALES, 0), is("anna", Ready), rings(1, 1, "anna"), ended(1)]),
    );
    // An entry and an offer that name the call of another are in nobody's record.
    let mut lost_wait = good();
    lost_wait[3] = joins(2, SALES, 0);
    if let What::Queued { call, .. } = &mut lost_wait[3] {
        *call = CallId(77);
    }
    breaks(Promise::RecordsAddUp, at_the_end(&lost_wait));
    let mut lost_offer = good();
    for place in [5, 7] {
        if let What::Offered { call, .. } | What::OfferEnded { call, .. } = &mut lost_offer[place] {
            *call = CallId(77);
        }
    }
    breaks(Promise::RecordsAddUp, at_the_end(&lost_offer));
    let mut false_length = self::checker();
    tell(&mut false_length, &good()).expect("a good history");
    false_length.recorded.get_mut(SALES).expect("two entries waited there").answered_wait -= Duration::from_millis(2);
    breaks(Promise::RecordsAddUp, false_length.at_the_end(&[], 0));

    breaks(Promise::NothingIsLeft, at_the_end(&good()[..20]));
    breaks(Promise::NothingIsLeft, at_the_end(&[joins(1, SALES, 0)]));
    breaks(Promise::NothingIsLeft, at_the_end(&without(18)));
    breaks(Promise::NothingIsLeft, self::checker().at_the_end(&[("legs", 1)], 0));
    breaks(Promise::NothingIsLeft, self::checker().at_the_end(&[], 1));

    // `tests/sim` breaks this one: it takes people.
    caught.insert(Promise::RecordsAreTrue);
    assert_eq!(caught.len(), Promise::NothingIsLeft as usize + 1, "a promise that nothing breaks: {caught:?}");
}

/// One queue, with these settings, and anna and bo, who have all they need but for what is changed.
fn house(change: impl Fn(&mut QueueSettings, &mut [AgentSettings; 2])) -> Checker {
    let mut queue = QueueSettings { name: SALES.into(), needs: needs(SALES), ..QueueSettings::default() };
    let mut agents = ["anna", "bo"].map(|name| AgentSettings {
        name: name.into(),
        skills: Skills::from([(SALES.to_owned(), 5)]),
        ..AgentSettings::default()
    });
    change(&mut queue, &mut agents);
    Checker::new(Time::EPOCH, &[queue], &agents)
}

fn promise(said: Result<(), Broken>) -> Result<(), Promise> {
    said.map_err(|broken| broken.promise)
}

#[test]
fn where_all_are_rung_all_are_rung_at_once_and_one_has_it() {
    use AgentPhase::Ready;
    let to_all = || house(|queue, _| (queue.strategy, queue.ring_all_max) = (Strategy::RingAll, 2));
    let ready = [joins(1, SALES, 0), is("anna", Ready), is("bo", Ready), rings(1, 1, "anna")];
    let told = |checker: &mut Checker, second, events: &[What]| {
        let told = events.iter().try_for_each(|what| tell_at(checker, second, what));
        promise(told.and_then(|()| checker.fairness.nobody_idles(Time::from_secs(second))))
    };
    assert_eq!(told(&mut to_all(), 4, &ready), Err(Promise::TheStrategyChooses));
    let both = [&ready[..], &[rings(1, 2, "bo")]].concat();
    let rung = || {
        let mut checker = to_all();
        assert_eq!(told(&mut checker, 4, &both), Ok(()));
        checker
    };
    // Nobody is rung for it later, and not three.
    let mut later = to_all();
    for (second, what) in (4..).zip([&both[0], &both[1], &both[3], &both[2], &both[4]]) {
        let said = promise(tell_at(&mut later, second, what));
        assert_eq!(said, if second == 8 { Err(Promise::OneOfferPerEntry) } else { Ok(()) });
    }
    let taken = rang(1, 2, "bo", Outcome::Accepted);
    let elsewhere = rang(1, 1, "anna", Outcome::AnsweredElsewhere);
    assert_eq!(told(&mut rung(), 5, &[taken.clone(), elsewhere.clone(), leaves(1, SALES, Exit::Answered)]), Ok(()));
    assert_eq!(told(&mut rung(), 5, &[elsewhere]), Err(Promise::AnsweredIsAccepted));
    assert_eq!(
        told(&mut rung(), 5, &[taken.clone(), rang(1, 1, "anna", Outcome::Accepted)]),
        Err(Promise::AnsweredIsAccepted)
    );
    assert_eq!(told(&mut rung(), 5, &[taken, leaves(1, SALES, Exit::Answered)]), Err(Promise::OffersEndOnce));
    // One of them refuses: the other rings on, and the entry is in nobody's reach.
    assert_eq!(told(&mut rung(), 5, &[rang(1, 1, "anna", Outcome::Declined), is("anna", Ready)]), Ok(()));
}

#[test]
fn each_strategy_is_told_from_the_others() {
    use AgentPhase::{Ready, Talking};
    // Bo is idle longer, less skilled, second in the list, and has taken no call.
    let rung = |strategy: Strategy, agent: &str| {
        let mut checker = house(|queue, agents| {
            queue.strategy = strategy;
            agents[1].skills.insert(SALES.into(), 2);
        });
        let before = [
            is("anna", Ready),
            joins(1, SALES, 0),
            rings(1, 1, "anna"),
            rang(1, 1, "anna", Outcome::Accepted),
            leaves(1, SALES, Exit::Answered),
            is("anna", Talking),
            is("bo", Ready),
            is("anna", Ready),
            joins(2, SALES, 0),
        ];
        tell(&mut checker, &before).expect("nothing wrong");
        promise(tell_at(&mut checker, 20, &rings(2, 2, agent)))
    };
    let bo_goes_first = |strategy| (rung(strategy, "anna"), rung(strategy, "bo"));
    let (yes, no) = (Ok(()), Err(Promise::TheStrategyChooses));
    for strategy in [Strategy::LongestIdle, Strategy::LeastSkilled, Strategy::FewestCalls, Strategy::RoundRobin] {
        assert_eq!(bo_goes_first(strategy), (no, yes), "{strategy:?}");
    }
    for strategy in [Strategy::MostSkilled, Strategy::Linear] {
        assert_eq!(bo_goes_first(strategy), (yes, no), "{strategy:?}");
    }
    assert_eq!(bo_goes_first(Strategy::Random), (yes, yes));
}

#[test]
fn what_is_enough_depends_on_the_time_that_passes_and_licences_stay() {
    use AgentPhase::Ready;
    let licence = Need::parse("licence(bank, \"SE\")").expect("a need").0;
    let checker = || {
        house(|queue, agents| {
            queue.needs = queue.needs.and(&licence);
            queue.relax = vec![Relax { after: Duration::from_secs(30), need: Need::default() }];
            let valid = Validity { from: None, to: Some(Time::from_secs(100)) };
            let held = HeldLicence { kind: "bank".into(), jurisdiction: "SE".into(), valid };
            agents[0].skills = Skills::from([]);
            agents[0].licences = vec![held];
        })
    };
    let rung = |second: u64, agent: &str| {
        let mut checker = checker();
        tell(&mut checker, &[joins(1, SALES, 0), is(agent, Ready)]).expect("nothing wrong");
        promise(tell_at(&mut checker, second, &rings(1, 1, agent)))
    };
    let idles = |second: u64, agent: &str| {
        let mut checker = checker();
        tell(&mut checker, &[joins(1, SALES, 0), is(agent, Ready)]).expect("nothing wrong");
        promise(checker.fairness.nobody_idles(Time::from_secs(second)))
    };
    let no = Err(Promise::OffersGoToTheSkilled);
    assert_eq!([rung(30, "anna"), rung(31, "anna"), rung(100, "anna"), rung(101, "anna")], [no, Ok(()), Ok(()), no]);
    assert_eq!([rung(30, "bo"), rung(40, "bo")], [no, no]);
    let idle = Err(Promise::NobodyIdles);
    assert_eq!([idles(31, "anna"), idles(32, "anna"), idles(101, "anna")], [Ok(()), idle, Ok(())]);
}

#[test]
fn the_greater_weight_times_wait_goes_first_and_a_changed_priority_counts_at_once() {
    use AgentPhase::Ready;
    let weights = |weight: u32| {
        let queue = |name: &str, weight| QueueSettings { name: name.into(), weight, ..QueueSettings::default() };
        let agent = AgentSettings { name: "anna".into(), ..AgentSettings::default() };
        Checker::new(Time::EPOCH, &[queue(SALES, 1), queue(SUPPORT, weight)], &[agent])
    };
    // They have waited for 10 and 4 seconds.
    let rung = |weight: u32, priority: i32, entry: u64| {
        let mut checker = weights(weight);
        tell_at(&mut checker, 10, &joins(1, SALES, 0)).expect("nothing wrong");
        tell_at(&mut checker, 16, &joins(2, SUPPORT, 0)).expect("nothing wrong");
        let change = Change::Priority { entry: EntryId(1), priority };
        checker.distributor_told(&AcdEvent { at: Time::from_secs(18), change }).expect("nothing wrong");
        tell_at(&mut checker, 20, &is("anna", Ready)).expect("nothing wrong");
        promise(tell_at(&mut checker, 20, &rings(entry, 1, "anna")))
    };
    let overtaken = Err(Promise::NobodyIsOvertaken);
    assert_eq!([rung(2, 0, 1), rung(2, 0, 2)], [Ok(()), overtaken]);
    assert_eq!([rung(3, 0, 1), rung(3, 0, 2)], [overtaken, Ok(())]);
    assert_eq!([rung(3, 1, 1), rung(3, 1, 2)], [Ok(()), overtaken]);
    assert_eq!([rung(2, -1, 1), rung(2, -1, 2)], [overtaken, Ok(())]);
}
