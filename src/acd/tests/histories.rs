//! Random histories: every kind of change, in an order nobody would think of, on a floor so small that everything
//! collides.

mod staff;

use super::invariants::Watch;
use super::model::figures::{Miscount, Sums};
use super::model::why::{Misled, without_skill};
use super::model::{Distributor, Mistake, Model};
use super::proof::{Step, each_is_found, steps};
use super::*;
use crate::need::Attributes;
use proptest::prelude::*;

const AGENTS: u32 = 5;
const QUEUES: u32 = 3;

/// Plays steps on a distributor and notes the events.
pub struct Play<D> {
    acd: D,
    watch: Watch,
    at: Time,
    next_entry: u64,
    pub events: Vec<AcdEvent>,
    /// With each event.
    pub decisions: Vec<Vec<Decision>>,
}

impl<D: Distributor> Play<D> {
    pub fn new(acd: D) -> Play<D> {
        Play {
            acd,
            watch: Watch::default(),
            at: Time::from_secs(1_000),
            next_entry: 0,
            events: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Opens the floor: settings for everything, and all agents but one with a phone.
    pub fn open(&mut self, seed: u8) -> Result<(), String> {
        for id in 0..QUEUES {
            self.change(queue_settings(id, seed.wrapping_add(id as u8 * 37)))?;
        }
        for id in 0..AGENTS {
            self.change(agent_settings(id, seed.wrapping_mul(3).wrapping_add(id as u8 * 59), self.at))?;
            if id != 3 {
                self.change(login(id))?;
            }
        }
        Ok(())
    }

    pub fn step(&mut self, [what, whom, how, later]: Step) -> Result<(), String> {
        let before = self.at;
        let next = self.acd.poll_timeout();
        let target = match later % 16 {
            _ if what % 47 == 46 && how % 8 == 1 => self.at + Duration::from_secs(50),
            // Just about the hour that some things are kept for; seldom, for much is due in it.
            _ if what == 192 && how.is_multiple_of(4) => {
                self.at + Duration::from_secs([3_590, 3_610][usize::from(whom % 2)])
            }
            0..=5 => self.at,
            6..=9 => self.at + Duration::from_secs(1),
            10 => self.at + Duration::from_secs(2),
            11 => self.at + Duration::from_secs(5),
            12 => self.at + Duration::from_micros(999_999),
            13 | 14 => next.unwrap_or(self.at),
            _ => self.at + Duration::from_secs(20),
        };
        // Deadlines one by one, so that the watch knows what was known when.
        let mut guard = 0;
        while let Some(due) = self.acd.poll_timeout().filter(|due| *due <= target) {
            self.at = due;
            self.change(Change::Tick)?;
            guard += 1;
            if guard > 50_000 {
                return Err(format!("time does not get on at {due}"));
            }
        }
        self.at = target;
        let agent = u32::from(whom) % AGENTS;
        let pick =
            |from: Vec<EntryId>| from.get(usize::from(whom) % from.len().max(1)).copied().unwrap_or(EntryId(9_999));
        let offers = self.watch.offers();
        let offer = offers.get(usize::from(whom) % offers.len().max(1)).copied().unwrap_or(OfferId(1));
        let in_wrap_up = self.watch.in_wrap_up();
        let was_lost = match self.events.last().map(|event| &event.change) {
            Some(Change::LoggedOut { agent, down: true }) => Some(agent.0),
            _ => None,
        };
        let extended = match self.events.last().map(|event| &event.change) {
            Some(Change::ExtendWrapUp { agent }) => Some(agent.0),
            _ => None,
        };
        let change = match what % 66 {
            // Who was just lost is there again.
            _ if how % 4 < 3 && was_lost.is_some() => login(was_lost.unwrap_or(agent)),
            // Once more what was just asked for.
            _ if how % 4 == 3 && extended.is_some() => extend_wrap_up(extended.unwrap_or(agent)),
            _ if what >= 236 => self.staff_change(agent, how),
            58 if how % 3 > 0 => Change::Reached { entry: pick(self.watch.dialled()) },
            57..=59 => Change::Talk {
                entry: pick(self.watch.talks()),
                detail: TalkDetail::ALL[usize::from(how) % TalkDetail::ALL.len()],
            },
            54..=56 => {
                let secs = Duration::from_secs(u64::from(how % 12));
                Change::Answered { offer: self.watch.one_of_many(whom).unwrap_or(offer), until: self.at + secs }
            }
            // One phone that refuses whenever it rings, and goes and comes.
            60 | 61 => ended(self.watch.offer_of(1).unwrap_or(offer).0, Outcome::Busy),
            62 => logout(1),
            63 => login(1),
            0 if how % 16 == 5 => Change::QueueGone { queue: QueueId(u32::from(whom) % QUEUES) },
            1 | 2 if how % 32 == 9 => Change::AgentGone { agent: AgentId(self.watch.talking().unwrap_or(agent)) },
            // Who is gone comes back soon.
            0 => {
                let gone = (0..QUEUES).find(|id| !self.watch.knows(QueueId(*id)));
                queue_settings(gone.unwrap_or(u32::from(whom) % QUEUES), how)
            }
            1 | 2 => {
                let gone = (0..AGENTS).find(|id| self.watch.agents().all(|there| there.0 != *id));
                agent_settings(gone.unwrap_or(agent), how, self.at)
            }
            3..=5 => login(agent),
            6 | 7 if how % 2 == 0 => logout(agent),
            6 | 7 if how % 4 == 1 => lost(self.watch.in_back_off().unwrap_or(agent)),
            6 | 7 => lost(in_wrap_up.unwrap_or(agent)),
            8 => pause(agent, ["lunch", "coffee"][usize::from(how % 2)]),
            9..=14 => resume(agent),
            15 => busy(agent),
            16 | 17 => free(agent),
            18 => end_wrap_up(agent),
            19..=26 => self.arrival(whom, how),
            27 | 28 => {
                use Exit::*;
                let exits = [
                    Abandoned,
                    Abandoned,
                    Abandoned,
                    LeftByKey,
                    Transferred,
                    SystemFault,
                    Callback,
                    Answered,
                    Overflowed,
                ];
                leave(pick(self.watch.entries()).0, exits[usize::from(how) % exits.len()])
            }
            29..=34 => {
                use Outcome::*;
                let outcomes =
                    [Accepted, Accepted, Accepted, Declined, Declined, Busy, Unreachable, NoAnswer, CallerGone];
                ended(offer.0, outcomes[usize::from(how) % outcomes.len()])
            }
            35 => accepted(u64::from(how)),
            36..=38 if how % 2 == 1 => talk_broke(pick(self.watch.talks()).0),
            36..=38 => talk_ended(pick(self.watch.talks()).0),
            // Phones that refuse again and again.
            39..=41 => ended(offer.0, [Outcome::Busy, Outcome::Unreachable][usize::from(how % 2)]),
            42 | 43 => accepted(self.watch.one_of_many(whom).unwrap_or(offer).0),
            46 if how.is_multiple_of(3) => Change::Close { queue: QueueId(u32::from(whom) % QUEUES) },
            46..=50 => {
                let until = how.is_multiple_of(11).then(|| self.at + Duration::from_secs(u64::from(how % 21)));
                Change::Open { queue: QueueId(u32::from(whom) % (QUEUES + 1)), until }
            }
            51..=53 => self.arrival(whom, how),
            44 | 45 => Change::Priority { entry: pick(self.watch.entries()), priority: i32::from(how % 4) },
            _ => match how % 8 {
                // Trusted after more or fewer answers than before.
                0 if whom % 2 == 1 => Change::Estimate {
                    settings: estimate::Settings {
                        answers_min: u32::from(whom % 3) + 1,
                        ..super::model::queues::hasty()
                    },
                },
                0 => Change::Tick,
                1..=3 => Change::WasDown { since: before },
                _ => leave(pick(self.watch.entries()).0, Exit::SystemFault),
            },
        };
        self.change(change)
    }

    fn arrival(&mut self, whom: u8, how: u8) -> Change {
        // Now and then an id that is in use, and a queue that is not.
        let mut in_use = self.watch.entries();
        in_use.extend(self.watch.talks());
        let again = in_use.get(usize::from(whom) % in_use.len().max(1)).filter(|_| how.is_multiple_of(23));
        self.next_entry += u64::from(again.is_none());
        let entry = again.copied().unwrap_or(EntryId(self.next_entry));
        let queue = if how.is_multiple_of(31) { 99 } else { u32::from(whom) % QUEUES };
        let earlier = [0, 0, 0, 3, 30][usize::from(whom / 8 % 5)];
        let secs = |from: u8, n: u8| Duration::from_secs(u64::from(from % n));
        let agent = Who::Agent(AgentId(u32::from(how) % (AGENTS + 1)));
        let team = Who::Team(["red", "blue", "none"][usize::from(how / 3 % 3)].to_owned());
        let prefer = match how / 2 % 8 {
            0 => vec![Prefer { who: agent, wait: secs(whom, 7) }],
            1 => vec![Prefer { who: team, wait: secs(whom, 5) }],
            2 => vec![Prefer { who: agent, wait: secs(whom, 4) }, Prefer { who: team, wait: secs(how, 6) }],
            _ => Vec::new(),
        };
        let number = ["anna", "bo", "carl", "dora", "erik", ""][usize::from((how / 3) % 6)].to_owned();
        let callback = (whom % 9 == 2).then(|| Box::new(Callback { number, ..Callback::default() }));
        let known = [("letter", how % 3), ("tier", how / 3 % 4), ("place", whom % 4)];
        let known = known.into_iter().filter_map(|(name, which)| {
            let value = match name {
                "place" => ["SE", "NO", "DK"].get(usize::from(which))?,
                _ => ["x", "y"].get(usize::from(which))?,
            };
            Some((name.to_owned(), (*value).to_owned()))
        });
        let arrival = Arrival {
            queue: QueueId(queue),
            kind: if whom % 5 == 4 { Kind::Task } else { Kind::Call },
            need: some_need(how, 5),
            relax: if whom % 7 == 3 { some_relax(how) } else { Vec::new() },
            prefer,
            priority: i32::from(how / 16 % 3),
            max_wait: [None, None, None, Some(Duration::from_secs(9))][usize::from(whom / 64)],
            since: self.at - Duration::from_secs(earlier),
            attributes: known.collect(),
            callback,
            been: match whom % 11 {
                5 => vec![QueueId((queue + 1) % QUEUES)],
                // Nearly everywhere, and nowhere here.
                6 => (100..).map(QueueId).take(OVERFLOWS_MAX - usize::from(how % 2)).collect(),
                _ => Vec::new(),
            },
            caller: ["", "anna", "anna", "anna", "bo"][usize::from((whom ^ how) / 4 % 5)].to_owned(),
            ..Arrival::default()
        };
        Change::Arrive { entry, arrival: Box::new(arrival) }
    }

    /// The events but for the ticks, and one at the end: whether time passes in steps or in leaps makes no difference.
    fn without_ticks(&self) -> Vec<AcdEvent> {
        let events = self.events.iter().filter(|event| event.change != Change::Tick).cloned();
        events.chain([AcdEvent { at: self.at, change: Change::Tick }]).collect()
    }

    fn change(&mut self, change: Change) -> Result<(), String> {
        let event = AcdEvent { at: self.at, change };
        self.acd.apply(&event);
        self.watch.event(&event);
        let decisions: Vec<Decision> = std::iter::from_fn(|| self.acd.poll_decision()).collect();
        if decisions.len() > 10_000 {
            return Err("decisions without end".to_owned());
        }
        let found = decisions.iter().try_for_each(|decision| self.watch.decision(decision));
        let found = found.and_then(|()| self.watch.settled()).and_then(|()| {
            let next = self.acd.poll_timeout();
            if next.is_some_and(|next| next <= self.at) {
                return Err(format!("{next:?} is due already"));
            }
            match self.watch.deadlines().into_iter().find(|deadline| next.is_none_or(|next| next > *deadline)) {
                Some(deadline) => Err(format!("nobody will wake up at {deadline}")),
                None => Ok(()),
            }
        });
        let found = found.map_err(|wrong| format!("{wrong}, after {event:?} with {decisions:#?}"));
        self.events.push(event);
        self.decisions.push(decisions);
        found
    }
}

fn queue_settings(id: u32, how: u8) -> Change {
    let secs = |from: u8, n: u8| Duration::from_secs(u64::from(from % n));
    let settings = QueueSettings {
        name: format!("q{id}"),
        needs: some_need(how / 2, 3),
        relax: if how % 5 == 2 { some_relax(how / 3) } else { Vec::new() },
        members_only: how % 7 == 5,
        strategy: if how % 3 == 1 {
            crate::acd::Strategy::RingAll
        } else {
            STRATEGIES[usize::from(how / 2) % STRATEGIES.len()]
        },
        ring_all_max: 1 + u32::from(how % 4),
        ring_time: how.is_multiple_of(6).then(|| secs(how / 6, 4)),
        priority: i32::from(how / 3 % 3),
        ageing: [0.0, 0.0, 0.5, 1.0][usize::from(how % 4)],
        weight: 1 + u32::from(how / 7 % 3),
        max_wait: (how.is_multiple_of(4)).then(|| secs(how / 5, 30)),
        max_waiting: 3 + u32::from(how % 5),
        join_unless: in_vain(how),
        leave_when: in_vain(how / 4),
        last_call: secs(how / 3, 3),
        after_closing: (!how.is_multiple_of(5)).then(|| secs(how / 3, 5)),
        overflow: if how % 3 == 2 { some_overflow(id, how / 3) } else { Vec::new() },
        rules: if how % 7 == 3 { some_rules(how / 7) } else { Vec::new() },
        retry_same_agent: secs(how / 2, 9),
        short_abandon: secs(how / 4, 9),
        keep_place: secs(how, 4) * 40,
        reconnect_within: secs(how / 2, 3) * 30,
        reconnect_wait: secs(how, 9),
        keep_place_for: [KeepPlaceFor::Broken, KeepPlaceFor::All][usize::from(how / 9 % 2)],
        service_level: secs(how / 4, 5),
        max_callbacks: u32::from(how / 3 % 4),
        callback_within: secs(how, 7) * 10,
        callback_retry: secs(how / 2, 8),
        callback_tries: u32::from(how / 2 % 4),
    };
    Change::Queue { id: QueueId(id), settings }
}

fn in_vain(how: u8) -> InVain {
    let estimate = (how % 4 == 1).then(|| Duration::from_secs(u64::from(how % 3)));
    InVain { no_agents: how.is_multiple_of(3), all_paused: how.is_multiple_of(7), estimate }
}

fn some_overflow(from: u32, how: u8) -> Vec<Overflow> {
    let letter = all_of(if how % 3 == 1 { &["letter", "tier"] } else { &["letter"] }, "x");
    let way = |to: u32, when, only: bool| Overflow {
        to: QueueId((from + to) % (QUEUES + 1)),
        when,
        only: if only { letter.clone() } else { Attributes::new() },
    };
    let after = |n: u8| When::After(Duration::from_secs(u64::from(n % 7)));
    let whens = [When::Full, When::NoAgents, When::LongWait, When::Closed];
    let mut ways = vec![way(1, after(how), how.is_multiple_of(4)), way(2, after(how / 3), false)];
    ways.extend(whens.map(|when| way(1 + u32::from(how % 3), when, how % 4 == 1)));
    ways.rotate_left(usize::from(how % 6));
    ways.truncate(1 + usize::from(how / 8 % 6));
    ways
}

/// Each of these must be known, and be that.
pub(super) fn all_of(names: &[&str], value: &str) -> Attributes {
    names.iter().map(|name| ((*name).to_owned(), value.to_owned())).collect()
}

fn some_rules(how: u8) -> Vec<Rule> {
    let when = |value: &str| all_of(if how % 5 < 2 { &["letter", "tier"] } else { &["letter"] }, value);
    let max_wait = (how.is_multiple_of(3)).then(|| Duration::from_secs(u64::from(how % 11)));
    let rules = [
        Rule { when: when("x"), priority: i32::from(how % 3), needs: Need::default(), max_wait },
        Rule { when: when("y"), priority: 1, needs: some_need(how, 2), max_wait: None },
        Rule { when: Attributes::new(), priority: 0, needs: need("not x >= 3"), max_wait: None },
    ];
    rules.into_iter().skip(usize::from(how % 2)).take(1 + usize::from(how / 4 % 2)).collect()
}

fn agent_settings(id: u32, how: u8, at: Time) -> Change {
    let secs = |from: u8, n: u8| Duration::from_secs(u64::from(from % n));
    let soon = |from: u8| Some(at + secs(from, 8)).filter(|_| from.is_multiple_of(3));
    let valid = |from: u8| Validity { from: soon(from), to: soon(from / 2) };
    let licence = |kind: &str, place: &str, from| HeldLicence {
        kind: kind.to_owned(),
        jurisdiction: place.to_owned(),
        valid: valid(from),
    };
    let settings = AgentSettings {
        name: format!("a{id}"),
        place: u32::from(how / 9 % 4),
        skills: if how.is_multiple_of(2) { skills("x 3, y 3, l_x 1") } else { some_skills(how, 1) },
        skills_valid: if how % 3 == 1 { BTreeMap::from([("x".to_owned(), valid(how / 3))]) } else { BTreeMap::new() },
        licences: match how % 6 {
            0 => vec![licence("bank", "SE", how)],
            1 => vec![licence("loan", "SE", how / 5), licence("bank", "NO", 1)],
            2 => vec![licence("bank", "SE", 1)],
            3 => vec![licence("loan", "SE", 1), licence("loan", "NO", how / 7), licence("bank", "SE", how)],
            4 => Vec::new(),
            _ => vec![licence("bank", "SE", 1), licence("bank", "NO", how / 3)],
        },
        teams: [&["red"][..], &["blue"], &["red", "blue"], &[]][usize::from(how / 4 % 4)]
            .iter()
            .map(|t| (*t).to_owned())
            .collect(),
        queues: (0..QUEUES).filter(|queue| how >> queue & 1 == 1).map(QueueId).collect(),
        tasks: u32::from(how % 3),
        calls_during_tasks: how % 5 > 1,
        ring_time: secs(how, 7),
        shift_margin: secs(how / 4, 3),
        wrap_up: secs(how / 3, 4),
        wrap_up_extension: secs(how / 2, 5),
        rests: staff::some_rests(how),
        occupancy_cap: staff::some_cap(how),
        rona_pause: secs(how / 5, 5),
        back_off: secs(how / 7, 4),
        back_off_max: secs(how / 2, 11),
        probe: how % 3 == 1,
    };
    Change::Agent { id: AgentId(id), settings }
}

const STRATEGIES: [crate::acd::Strategy; 8] = {
    use crate::acd::Strategy::*;
    [LongestIdle, RingAll, MostSkilled, LeastSkilled, FewestCalls, RoundRobin, Random, Linear]
};

/// Every kind of need, and often none.
fn some_need(how: u8, seldom: u8) -> Need {
    if !how.is_multiple_of(seldom) {
        return Need::default();
    }
    match how / 4 % 8 {
        0 => need("x or y >= 2"),
        1 => need("not x and y"),
        2 => need("l(letter) and y"),
        3 => need("licence(bank, \"SE\") and x"),
        4 => need("licence(bank, \"SE\")"),
        5 => need(["licence(bank, place)", "licence(loan, \"SE\")"][usize::from(how / 32 % 2)]),
        _ => Need::of_levels(&some_skills(how, seldom)),
    }
}

fn some_relax(how: u8) -> Vec<Relax> {
    let step = |after: u8, need| Relax { after: Duration::from_secs(u64::from(after % 9)), need };
    let steps = [step(how, some_need(how / 3, 1)), step(how / 3, need("x")), step(how / 5, Need::default())];
    steps.into_iter().take(usize::from(how % 4)).collect()
}

/// Levels 0 to 3 of two skills, and often none.
fn some_skills(how: u8, seldom: u8) -> Skills {
    if !how.is_multiple_of(seldom) { Skills::new() } else { skills(&format!("x {}, y {}", how % 4, how / 16 % 4)) }
}

/// Plays the steps on the distributor, beside the model, with everything that can be asked compared.
fn play_beside_the_model(seed: u8, steps: impl IntoIterator<Item = Step>) -> Result<Play<Acd>, String> {
    let mut play = Play::new(hasty());
    let mut model = Model::new(None);
    let mut seen = 0;
    let mut compare = |play: &Play<Acd>| -> Result<(), String> {
        for (event, decisions) in play.events.iter().zip(&play.decisions).skip(seen) {
            model.apply(event);
            let expected: Vec<Decision> = std::iter::from_fn(|| model.poll_decision()).collect();
            if in_one_order(decisions.clone()) != in_one_order(expected.clone()) {
                return Err(format!("after {event:?}: {decisions:#?}, but the model says {expected:#?}"));
            }
        }
        seen = play.events.len();
        if model.poll_timeout() != play.acd.poll_timeout() {
            return Err(format!("wakes at {:?}, the model at {:?}", play.acd.poll_timeout(), model.poll_timeout()));
        }
        turned_away_for_a_reason(play)?;
        asks_the_same(play, &model)
    };
    play.open(seed)?;
    compare(&play)?;
    for step in steps {
        play.step(step)?;
        compare(&play)?;
    }
    Ok(play)
}

/// Which is told first of several states that change at once says nothing, nor when those are told who go because nobody is left
/// for them.
fn in_one_order(decisions: Vec<Decision>) -> Vec<Decision> {
    let goes = |decision: &Decision| matches!(decision, Decision::Exit { exit: Exit::NoAgents | Exit::Overflowed, .. });
    let (mut gone, mut others): (Vec<Decision>, Vec<Decision>) = decisions.into_iter().partition(goes);
    let agent = |decision: &Decision| match decision {
        Decision::Agent { agent, .. } => Some(agent.0),
        _ => None,
    };
    for told in others.chunk_by_mut(|one, other| agent(one).is_some() && agent(other).is_some()) {
        told.sort_by_key(agent);
    }
    gone.sort_by_key(|decision| match decision {
        Decision::Exit { entry, .. } => entry.0,
        _ => 0,
    });
    others.extend(gone);
    others
}

/// Each agent has one reason for not having who left just now for want of agents, and none that says that they were free.
fn turned_away_for_a_reason(play: &Play<Acd>) -> Result<(), String> {
    for decision in play.decisions.last().into_iter().flatten() {
        let Decision::Exit { entry, queue, waited, obstacle: Some(obstacle), .. } = decision else { continue };
        let mut arrivals = play.events.iter().filter_map(|event| match &event.change {
            Change::Arrive { entry: other, arrival } if other == entry => Some(arrival),
            _ => None,
        });
        // Of a name that came twice it is not known here which of them was taken.
        let arrival = arrivals.next().filter(|_| arrivals.next().is_none());
        // In another queue than it came to it may need more.
        let arrival = arrival.filter(|arrival| arrival.queue == *queue && obstacle.is_want_of_agents());
        let Some(arrival) = arrival.filter(|_| play.acd.queue_settings(*queue).is_some()) else { continue };
        let arrival = Arrival { since: play.acd.now() - *waited, ..(**arrival).clone() };
        let why = play.acd.explain_turned_away(*entry, &arrival);
        if !why.iter().map(|(agent, _)| *agent).eq(play.watch.agents()) {
            return Err(format!("not every agent has a reason for {entry}: {why:?}"));
        }
        use WhyNot::*;
        let free = |why: &WhyNot| matches!(why, RankedLower | KeptForOther { .. } | Refused { .. } | NotYet { .. });
        // Who came back in the same instant came too late.
        let changed = |id: &AgentId| {
            play.decisions.last().is_some_and(|decisions| {
                decisions.iter().any(|decision| matches!(decision, Decision::Agent { agent, .. } if agent == id))
            })
        };
        if let Some((agent, why)) = why.iter().find(|(agent, why)| free(why) && !changed(agent)) {
            return Err(format!("{agent} is there for {entry}, which leaves because of {obstacle:?}: {why:?}"));
        }
    }
    Ok(())
}

fn asks_the_same(play: &Play<Acd>, model: &Model) -> Result<(), String> {
    let (acd, watch) = (&play.acd, &play.watch);
    for entry in watch.entries() {
        if acd.position(entry) != model.position(entry) {
            let (position, expected) = (acd.position(entry), model.position(entry));
            return Err(format!("{entry} has position {position:?}, in the model {expected:?}"));
        }
        let why = acd.explain(entry);
        if !why.iter().map(|(agent, _)| *agent).eq(watch.agents()) {
            return Err(format!("not every agent has a reason: {why:?}"));
        }
        let expected = model.reasons(entry, None);
        let differs = why.iter().zip(&expected).find(|((_, why), (_, other))| without_skill(why.clone()) != *other);
        if let Some(((agent, why), (_, expected))) = differs {
            return Err(format!("{agent} does not have {entry}: {why:?}, but the model says {expected:?}"));
        }
        let rings = why.iter().any(|(_, why)| matches!(why, WhyNot::Ringing { .. }));
        let idle = |why: &WhyNot| *why == WhyNot::RankedLower && !rings;
        if let Some((agent, why)) = why.iter().find(|(_, why)| idle(why)) {
            return Err(format!("{agent} could take {entry}, and the reason they do not is {why:?}"));
        }
    }
    for queue in (0..QUEUES).map(QueueId) {
        if acd.queue_settings(queue).is_some() != watch.knows(queue) {
            return Err(format!("whether {queue} is there"));
        }
        let Some(counts) = acd.queue_counts(queue) else { continue };
        let counts = both(counts, &QueueCounts::from(&acd.truth_of_tasks().total(queue)));
        let expected = (
            watch.offered.get(&queue).copied().unwrap_or(0),
            watch.exits.get(&queue).cloned().unwrap_or_default(),
            model.waiting(queue),
            model.longest_wait(queue),
        );
        let asked = (counts.offered, counts.exits.clone(), acd.entries(queue), acd.longest_wait(queue, play.at));
        let on_the_line = expected.2.iter().filter(|entry| watch.holds_the_line(**entry)).count();
        let promised = expected.2.len() - on_the_line;
        if asked != expected
            || counts.waiting != on_the_line as u64
            || acd.callbacks(queue) as usize != promised
            || acd.waiting(queue) as u64 != counts.waiting
        {
            return Err(format!("{queue}: {asked:?} of {counts:?}, but {expected:?}"));
        }
        let (sums, expected) = (Sums::of(&acd.truth().total(queue)), model.figures.get(&queue).copied());
        if sums != expected.unwrap_or_default() {
            return Err(format!("{queue}: {sums:?} are counted, in the model {expected:?}"));
        }
        if counts.offered != counts.exits_total() + counts.waiting {
            return Err(format!("{queue} does not add up: {counts:?}"));
        }
    }
    tasks_are_known(acd)?;
    if let Some(imbalance) = acd.truth().imbalance().or(acd.truth_of_tasks().imbalance()) {
        return Err(imbalance.to_string());
    }
    let rung = acd.entries.values().filter(|entry| matches!(entry.stands, entry::Stands::Offered(_))).count();
    let asleep = acd.entries.values().filter(|entry| entry.stands == entry::Stands::Asleep).count();
    let waiting = (acd.entries.len() - asleep, rung);
    if acd.estimates().waiting() != waiting {
        return Err(format!("{waiting:?} wait and ring, the estimators know of {:?}", acd.estimates().waiting()));
    }
    for caller in ["anna", "bo", ""] {
        let within = Duration::from_secs(20);
        let (asked, expected) = (acd.last_agent(caller, within, play.at), model.last_agent(caller, within));
        if asked != expected {
            return Err(format!("{asked:?} talked with {caller} last, in the model {expected:?}"));
        }
    }
    let open: u64 = acd.truth().queues().map(|queue| acd.truth().total(queue).promises.open).sum();
    if open != acd.promises.len() as u64 {
        return Err(format!("{open} promises are open, and {:?} stand", acd.promises));
    }
    let talks = acd.talks.len() - acd.in_hand.len();
    if acd.truth().talks() != talks {
        return Err(format!("{talks} talks, counted {}", acd.truth().talks()));
    }
    Ok(())
}

fn both(mut calls: QueueCounts, tasks: &QueueCounts) -> QueueCounts {
    calls.offered += tasks.offered;
    calls.waiting += tasks.waiting;
    calls.answered_in_level += tasks.answered_in_level;
    tasks.exits.iter().for_each(|(exit, count)| *calls.exits.entry(*exit).or_default() += count);
    calls
}

/// Each task is in one place, and counted where tasks are.
fn tasks_are_known(acd: &Acd) -> Result<(), String> {
    for (id, agent) in &acd.agents {
        for task in &agent.tasks {
            let known = acd.task(*task).ok_or_else(|| format!("{id} works on {task}, which nobody knows"))?;
            if !matches!(known.stands, TaskStands::InHand { agent, .. } if agent == *id) {
                return Err(format!("{id} works on {known:?}"));
            }
        }
    }
    for queue in (0..QUEUES).map(QueueId) {
        let counts = acd.truth_of_tasks().total(queue);
        let waiting = acd.entries.values().filter(|entry| entry.kind() == Kind::Task && entry.queue() == queue).count();
        let in_hand =
            acd.tasks().filter(|task| matches!(task.stands, TaskStands::InHand { .. }) && task.queue == queue);
        let (asked, expected) = ((counts.waiting, counts.in_hand), (waiting as u64, in_hand.count() as u64));
        if asked != expected {
            return Err(format!("{queue}: {expected:?} tasks wait and are in hand, counted {asked:?}"));
        }
    }
    let worked_on = acd.agents.values().map(|agent| agent.tasks.len()).sum::<usize>();
    if worked_on != acd.in_hand.len() || worked_on != acd.truth_of_tasks().talks() {
        return Err(format!("{worked_on} tasks are worked on, {} known", acd.in_hand.len()));
    }
    Ok(())
}

/// Everybody goes home; then nothing may be left of anybody.
pub fn close(play: &mut Play<Acd>) -> Result<(), String> {
    for entry in play.watch.entries() {
        play.change(leave(entry.0, Exit::QueueClosed))?;
    }
    for entry in play.watch.dialled() {
        play.change(Change::Reached { entry })?;
    }
    for entry in play.watch.talks() {
        play.change(talk_ended(entry.0))?;
    }
    while let Some(due) = play.acd.poll_timeout() {
        play.at = due;
        play.change(Change::Tick)?;
        while let Some(agent) = play.watch.probed() {
            play.change(probe_ended(agent, true))?;
        }
    }
    let acd = &play.acd;
    for (id, agent) in &acd.agents {
        use AgentState::*;
        if agent.doubted && agent.logged_in && agent.pause.is_none() {
            return Err(format!("{id} is doubted for ever: {agent:?}"));
        }
        if !matches!(agent.state, Offline | OffShift | Ready | Busy | Paused { until: None, .. })
            || !agent.refused.is_empty()
        {
            return Err(format!("{id} is stuck: {agent:?}"));
        }
    }
    let tables = acd.promises.len()
        + acd.dialled.len()
        + acd.entries.len()
        + acd.offers.len()
        + acd.talks.len()
        + acd.callers.talks()
        + acd.lines.in_use();
    let plain: std::collections::BTreeSet<usize> = acd.queues.values().map(|queue| queue.plain).collect();
    let needs = acd.lines.needs_in_use() - plain.len()
        + acd.queues.values().map(|q| q.order.len() + q.by_since.len() + q.callbacks.len()).sum::<usize>();
    if tables + needs > 0 {
        return Err(format!("something is left: {acd:#?}"));
    }
    Ok(())
}

/// With estimators that are trusted within seconds.
fn hasty() -> Acd {
    Acd::with_settings(0, truth::Settings::default(), super::model::queues::hasty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_rules_and_agrees_with_the_model(
        seed in any::<u8>(),
        steps in prop::collection::vec(any::<Step>(), 1..200),
    ) {
        let played = play_beside_the_model(seed, steps).and_then(|mut play| close(&mut play));
        prop_assert!(played.is_ok(), "{}", played.unwrap_err());
    }

    #[test]
    fn the_same_events_give_the_same_decisions_and_state_also_when_read_back_from_text(
        seed in any::<u8>(),
        steps in prop::collection::vec(any::<Step>(), 1..200),
    ) {
        let mut play = Play::new(hasty());
        play.open(seed).expect("rules are another test's");
        for step in steps {
            play.step(step).expect("rules are another test's");
        }
        let text = serde_json::to_string(&play.without_ticks()).expect("events are plain data");
        let mut again = hasty();
        for event in serde_json::from_str::<Vec<AcdEvent>>(&text).expect("written just now") {
            again.apply(&event);
        }
        let decisions: Vec<Decision> = std::iter::from_fn(|| again.poll_decision()).collect();
        prop_assert_eq!(decisions, play.decisions.concat());
        prop_assert_eq!(again, play.acd);
    }

    #[test]
    fn a_distributor_that_is_restored_again_and_again_decides_as_one_that_never_stopped(
        seed in any::<u8>(),
        steps in prop::collection::vec(any::<Step>(), 1..200),
    ) {
        let mut play = Play::new(hasty());
        play.open(seed).expect("rules are another test's");
        for step in steps {
            play.step(step).expect("rules are another test's");
        }
        let mut acd = hasty();
        let mut went_on = hasty();
        for (event, decisions) in play.events.iter().zip(&play.decisions) {
            went_on.apply(event);
            while went_on.poll_decision().is_some() {}
            acd.apply(event);
            let decided: Vec<Decision> = std::iter::from_fn(|| acd.poll_decision()).collect();
            prop_assert_eq!(&decided, decisions);
            let text = serde_json::to_string(&acd.snapshot()).expect("it can be kept");
            acd = Acd::restore(serde_json::from_str(&text).expect("written just now")).expect("it was just so");
            prop_assert_eq!(acd.snapshot(), went_on.snapshot());
            prop_assert_eq!(acd.poll_timeout(), went_on.poll_timeout());
            for entry in went_on.entries.keys() {
                prop_assert_eq!(acd.position(*entry), went_on.position(*entry));
                prop_assert_eq!(acd.explain(*entry), went_on.explain(*entry));
            }
        }
    }
}

#[test]
fn a_snapshot_of_an_older_version_is_taken() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    let mut old = serde_json::to_value(desk.acd.snapshot()).expect("it can be kept");
    for field in ["callers", "dialled", "gone", "digest", "in_hand", "truth_of_tasks"] {
        old.as_object_mut().expect("a struct").remove(field).expect("it is there");
    }
    let old = Acd::restore(serde_json::from_value(old).expect("a snapshot")).expect("it was so");
    assert_eq!((old.digest(), old.agent_state(AgentId(1))), (None, desk.acd.agent_state(AgentId(1))));
    assert!(desk.acd.digest().is_some());
}

#[test]
fn a_snapshot_of_what_never_was_is_refused() {
    let mut desk = Desk::ready(&[1]);
    desk.at(1, arrive(1));
    let good = serde_json::to_value(desk.acd.snapshot()).expect("it can be kept");
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        assert_ne!(bad, good);
        Acd::restore(serde_json::from_value(bad).expect("a snapshot")).expect_err("it is refused")
    };
    let error = refused(&|bad| bad["entries"] = serde_json::json!([]));
    assert_eq!(error, "agent-1 is rung for entry-1, which is not there");
    let error = refused(&|bad| bad["queues"] = serde_json::json!([]));
    assert_eq!(error, "entry-1 waits in queue-1, which is not there");
    let stranger = serde_json::json!([{"agent": 7, "just_now": true, "just_now_until": 5, "until": 9}]);
    let error = refused(&|bad| bad["entries"][0]["refusals"] = stranger.clone());
    assert_eq!(error, "agent-7 has refused entry-1 and is not there");
}

#[test]
fn long_histories_keep_the_rules_and_agree_with_the_model() {
    for seed in 0..4u8 {
        let mut play = play_beside_the_model(seed, steps(u64::from(seed)).take(6_000)).expect("the rules hold");
        close(&mut play).expect("nothing is left");
        // Not a history of nothing.
        let exits = |exit| play.watch.exits.values().filter_map(|exits| exits.get(&exit)).sum::<u64>();
        assert!(exits(Exit::Answered) > 20, "seed {seed}: {:?}", play.watch.exits);
    }
}

#[test]
fn histories_reach_every_exit_and_outcome() {
    let mut outcomes = BTreeMap::<Outcome, u32>::new();
    let mut exits = BTreeMap::<Exit, u32>::new();
    let mut obstacles = BTreeMap::<String, u32>::new();
    for seed in 0..4 {
        let mut play = Play::new(hasty());
        play.open(seed).expect("the rules hold");
        steps(u64::from(seed)).take(24_000).try_for_each(|step| play.step(step)).expect("the rules hold");
        for decision in play.decisions.concat() {
            match decision {
                Decision::OfferEnded { outcome, .. } => *outcomes.entry(outcome).or_default() += 1,
                Decision::Exit { exit, obstacle, .. } => {
                    *exits.entry(exit).or_default() += 1;
                    let words = obstacle.map(|obstacle| format!("{obstacle:?}"));
                    let name = words.as_ref().and_then(|words| words.split(' ').next()).unwrap_or("none");
                    *obstacles.entry(name.to_owned()).or_default() += 1;
                }
                _ => {}
            }
        }
    }
    assert!(outcomes.len() == Outcome::ALL.len() && outcomes.values().all(|count| *count > 10), "{outcomes:?}");
    assert!(obstacles.len() > 9, "{obstacles:?}");
    assert!(exits.len() == Exit::ALL.len() && exits.values().all(|count| *count > 20), "{exits:?}");
}

/// Whether the histories that agree with the model would find a mistake, each by itself.
#[test]
fn every_mistake_makes_a_history_that_differs() {
    let histories: Vec<_> = (0..140)
        .map(|seed| {
            let mut play = Play::new(hasty());
            play.open(seed).expect("the rules hold");
            steps(u64::from(seed)).take(1_500).try_for_each(|step| play.step(step)).expect("the rules hold");
            // In leaps, so that it shows when something is done late.
            let events = play.without_ticks();
            (decisions_in_leaps(&events), events)
        })
        .collect();
    let differs = |mistake| {
        histories.iter().any(|(decisions, events)| {
            let mut model = Model::new(mistake);
            events.iter().zip(decisions).any(|(event, decisions)| decided(&mut model, event) != *decisions)
        })
    };
    each_is_found(Mistake::ALL, differs);
}

/// Whether a figure that is counted in another way would be found by comparing with the model.
#[test]
fn every_miscount_is_found() {
    let histories: Vec<_> = (0..20)
        .map(|seed| {
            let mut play = Play::new(hasty());
            play.open(seed).expect("the rules hold");
            steps(u64::from(seed)).take(1_500).try_for_each(|step| play.step(step)).expect("the rules hold");
            let queues = (0..QUEUES).map(QueueId);
            let sums = queues.map(|queue| (queue, Sums::of(&play.acd.truth().total(queue))));
            (sums.collect::<Vec<_>>(), play.events)
        })
        .collect();
    each_is_found(Miscount::ALL, |miscount| {
        histories.iter().any(|(sums, events)| {
            let mut model = Model::new(None);
            model.miscount = miscount;
            events.iter().for_each(|event| model.apply(event));
            sums.iter().any(|(queue, sums)| *sums != model.figures.get(queue).copied().unwrap_or_default())
        })
    });
}

/// Whether a reason that is forgotten, or told at the wrong time, would be found by comparing with the model.
#[test]
fn every_wrong_reason_is_found() {
    let mut missed = Misled::ALL.to_vec();
    for seed in 0..40 {
        let (mut play, mut model) = (Play::new(hasty()), Model::new(None));
        play.open(seed).expect("the rules hold");
        let mut seen = 0;
        for step in steps(u64::from(seed)).take(1_500) {
            play.step(step).expect("the rules hold");
            play.events[seen..].iter().for_each(|event| model.apply(event));
            seen = play.events.len();
            for entry in play.watch.entries() {
                let told: Vec<_> =
                    play.acd.explain(entry).into_iter().map(|(a, why)| (a, without_skill(why))).collect();
                assert_eq!(told, model.reasons(entry, None));
                missed.retain(|misled| told == model.reasons(entry, Some(*misled)));
            }
            if missed.is_empty() {
                return;
            }
        }
    }
    panic!("not found: {missed:?}");
}

fn decisions_in_leaps(events: &[AcdEvent]) -> Vec<Vec<Decision>> {
    let mut acd = hasty();
    events.iter().map(|event| decided(&mut acd, event)).collect()
}

fn decided(acd: &mut impl Distributor, event: &AcdEvent) -> Vec<Decision> {
    acd.apply(event);
    in_one_order(std::iter::from_fn(|| acd.poll_decision()).collect())
}

/// Whether the watch, which knows no policy but what must always hold, sees these by itself.
#[test]
fn the_watch_sees_broken_rules_without_a_model() {
    use Mistake::*;
    for mistake in [
        TwoAgentsForOneEntry,
        TwoEntriesForOneAgent,
        LastComeFirst,
        NoPriorityOfQueues,
        NoPriorityOfEntries,
        NoPriorityOfRules,
        NoAgeing,
        NoWeights,
        PriorityChangesOnlyForNewcomers,
        NoLevels,
        NoQueueNeeds,
        RefusalsRememberedForEver,
        PlaceLostByRefusal,
        NoWrapUpEnd,
        AbandonedTwice,
        LateAcceptanceCounts,
        LogoutCutsTalk,
        ShortAbandonNotTold,
        LongestWaitForgottenAfterRinging,
        SettingsOnlyForNewcomers,
    ] {
        let seen = (0..48).any(|seed| {
            let mut play = Play::new(Model::new(Some(mistake)));
            let played = play.open(seed);
            played.and_then(|()| steps(u64::from(seed)).take(1_500).try_for_each(|step| play.step(step))).is_err()
        });
        assert!(seen, "{mistake:?} is not seen");
    }
}
