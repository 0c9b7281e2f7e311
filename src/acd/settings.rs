//! What operators say of queues and agents, as the distributor is told.

use crate::ids::QueueId;
use crate::need::{Attributes, Few, Licence, Need, Word};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Skill name → level 1–10 (10 best).
pub type Skills = Few<u8>;

/// How a queue serves its entries. Changed settings apply to waiting entries at once; an offer that rings is not
/// disturbed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    pub name: String,
    /// What every entry of this queue needs, beside its own needs. May name attributes of the entry: `lang(language)`.
    pub needs: Need,
    /// How `needs` is relaxed for those who wait.
    pub relax: Vec<Relax>,
    /// Only agents who list it among their `queues` serve it.
    pub members_only: bool,
    /// Which of the agents who may serve an entry is rung.
    pub strategy: Strategy,
    /// With `RingAll`: at most so many at a time, those who are idle longest; at least one.
    pub ring_all_max: u32,
    /// How long one offer rings, where that is shorter than the agent's own time. Less than a second is taken as a second.
    pub ring_time: Option<Duration>,
    /// Base priority of its entries; the flow's priority is added.
    pub priority: i32,
    /// Score per second of waiting, `weight` times, added to the priority. From 0 to 1,000,000 (what is outside, or no number, is
    /// taken as the nearest of these, or 0), kept to six decimals.
    pub ageing: f64,
    /// How many times its entries' waiting counts beside that of other queues: in ageing, and of two that have equal scores, the one
    /// with the greater weight × wait is served first. From 1 to 1,000 (what is outside is taken as the nearest).
    pub weight: u32,
    /// Longest wait, from `since`, before the entry exits as `TimedOut`; `None`: no limit. An entry may bring its own,
    /// which then counts. An offer that rings at that moment runs to its end, and the entry exits then if it was not
    /// accepted.
    pub max_wait: Option<Duration>,
    /// Entries waiting at once; one more is `RefusedFull`.
    pub max_waiting: u32,
    /// An entry is not taken where it would wait in vain.
    pub join_unless: InVain,
    /// One that waits leaves when it waits in vain from now on.
    pub leave_when: InVain,
    /// In the last so-long before it closes, the queue takes nobody.
    pub last_call: Duration,
    /// Who waits when it closes may wait so long after it, and then exits as `QueueClosed`; `None`: is served however late.
    pub after_closing: Option<Duration>,
    /// Where entries go that cannot stay or were not taken: the first of these that applies and takes them. See [`Overflow`].
    pub overflow: Vec<Overflow>,
    /// What is different for entries of which something is known.
    pub rules: Vec<Rule>,
    /// An entry that an agent declined or did not answer is not offered to them again before this time, unless nobody
    /// else is left to try: every agent who could serve it, is logged in and not paused has refused it too. Even then
    /// the agent's `back_off` passes first. Forgotten when the agent resumes or logs in by hand.
    pub retry_same_agent: Duration,
    /// A caller who leaves before this is `ShortAbandoned`.
    pub short_abandon: Duration,
    /// For how long a caller who comes again has the old place back, with all the time since they came first; zero: not at all.
    /// Who had gone on from here to another queue goes on to the place there at once, where that takes them. Who is told that the queue is full has it still. It is a second contact: the first counts by the exit by which it left,
    /// and the second has waited, for service levels and the longest wait too, since the first began.
    pub keep_place: Duration,
    /// Whose place is kept.
    pub keep_place_for: KeepPlaceFor,
    /// For how long a caller whose talk broke goes back to that agent first, also from another queue; zero: not at all. In the same
    /// queue, or the one by which they had come to it, the wait from before the talk counts on, without the talk; the longest
    /// wait begins anew.
    pub reconnect_within: Duration,
    /// How long a caller of this queue is kept for that agent, whose wrap-up or next talk may come to its end meanwhile.
    pub reconnect_wait: Duration,
    /// Promises to call back that wait at once; one more is `RefusedFull`, and zero: none are made. They take no room from those who wait on
    /// the line.
    pub max_callbacks: u32,
    /// How long after it was made a promise is given up, as `TimedOut`.
    pub callback_within: Duration,
    /// A number that was dialled in vain is dialled again no sooner than that.
    pub callback_retry: Duration,
    /// Dialled in vain so many times, it is given up; at least once.
    pub callback_tries: u32,
    /// Answered within this counts as in service level.
    pub service_level: Duration,
}

/// What an agent can and how they want to be rung. Changed settings apply from the next offer or talk on; skills at
/// once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    pub name: String,
    /// Where the agent stands in the list of all; those of the same place stand by id.
    #[serde(default)]
    pub place: u32,
    pub skills: Skills,
    /// When each of the skills counts; one that is not in it always does.
    pub skills_valid: BTreeMap<String, Validity>,
    pub licences: Vec<HeldLicence>,
    pub teams: BTreeSet<String>,
    /// Queues for members only that the agent serves.
    pub queues: BTreeSet<QueueId>,
    /// Tasks at a time. None is offered during a call.
    pub tasks: u32,
    /// Whether calls are offered while a task is being worked on. If not, no further task is either that comes after a call which the
    /// agent would be offered had they no task.
    pub calls_during_tasks: bool,
    /// How long one offer rings; less than a second is taken as a second.
    pub ring_time: Duration,
    /// Nothing is offered in the last so-long of a shift.
    pub shift_margin: Duration,
    /// After each talk; zero: none.
    pub wrap_up: Duration,
    /// So much longer when the agent asks for it, once after each talk; zero: not at all.
    pub wrap_up_extension: Duration,
    /// Of those that fit the call that is over, the longest rest counts. It begins when wrap-up ends.
    #[serde(default)]
    pub rests: Vec<RestRule>,
    /// How much of the time the agent may be occupied.
    #[serde(default)]
    pub occupancy_cap: Option<Box<OccupancyCap>>,
    /// Pause after an offer was not answered (RONA); zero: no pause.
    pub rona_pause: Duration,
    /// How long an agent whose phone could not be reached or said busy gets no offer. Less than a second is taken as a
    /// second, so that a phone that refuses by itself is not rung in a circle at the speed of the network. Each further
    /// time doubles it, until an offer is accepted, declined or left to ring, or the agent resumes or logs in.
    pub back_off: Duration,
    /// The longest a back-off grows; less than `back_off` is taken as `back_off`.
    pub back_off_max: Duration,
    /// After an offer that was not answered or found no phone, the agent is trusted again only when their phone has answered a
    /// probe, which is sent when the pause or the back-off is over. One that fails is a back-off more.
    /// Without, whoever is doubted is trusted at once.
    // Those who were journalled before there were probes had none.
    #[serde(default)]
    pub probe: bool,
}

impl AgentSettings {
    /// Whether the agent can serve a queue with these needs, at some time.
    pub fn could_serve(&self, queue: QueueId, members_only: bool, needs: &Need) -> bool {
        (!members_only || self.queues.contains(&queue))
            && needs.licences.iter().all(|licence| self.holds(licence))
            && needs.skills.is_met(&|skill: &str| self.skills.get(skill).copied().unwrap_or(0))
    }

    /// Whether the agent has this licence, at some time.
    pub fn holds(&self, licence: &Licence) -> bool {
        let is_it = |held: &HeldLicence| licence.jurisdiction == Word::Is(held.jurisdiction.clone());
        self.licences.iter().any(|held| held.kind == licence.kind && is_it(held))
    }
}

impl QueueSettings {
    /// What is needed here of everybody, at first and after each step of `relax`, in no order.
    pub fn needs_in_time(&self) -> impl Iterator<Item = Need> {
        let relaxed = self.relax.iter().map(|step| Need {
            licences: self.needs.licences.union(&step.need.licences).cloned().collect(),
            skills: step.need.skills.clone(),
        });
        std::iter::once(self.needs.clone()).chain(relaxed)
    }

    /// Whether what is needed here depends on what is known of an entry.
    pub(super) fn asks_attributes(&self) -> bool {
        self.needs.has_names() || self.rules.iter().any(|rule| !rule.needs.is_none())
    }
}

/// After which calls an agent rests, and for how long. All that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestRule {
    /// The talk took longer than that.
    pub longer_than: Duration,
    /// The entry has each of these attributes.
    pub attribute: Attributes,
    /// The entry waited in the queue of this name.
    pub queue: Option<String>,
    pub rest: Duration,
}

/// A leaky bucket: while the agent is occupied (rung, talking, on tasks, in wrap-up or on a call of their own) it fills by `1 - share`
/// of the time, else it drains by `share` of it. Who has filled it for longer than `burst` can, rests until it is empty, after the
/// contact or the call of their own; with tasks in hand they are offered nothing more, and rest when these are done. So over any longer
/// time no more than `share` of it is occupied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OccupancyCap {
    /// In thousandths, from 1 to 999; what is outside is taken as the nearest.
    pub share: u32,
    /// How long an agent may be occupied without a moment between.
    pub burst: Duration,
    /// No rest is longer; what is left of the bucket counts on.
    pub longest_rest: Duration,
}

/// Why an agent rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestReason {
    /// A call that a rule of theirs is about.
    Call,
    /// They were occupied for too much of the time.
    Occupancy,
}

impl RestReason {
    pub fn name(self) -> &'static str {
        match self {
            RestReason::Call => "call",
            RestReason::Occupancy => "occupancy",
        }
    }
}

/// Which of the agents who may serve an entry is rung. Where two are equal by it, the one who is idle longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    #[default]
    LongestIdle,
    /// Who has the greatest sum of levels in the skills that the need names.
    MostSkilled,
    /// Who has the least such sum, so that the best are free for those who need them.
    LeastSkilled,
    /// Who took the fewest contacts since they logged in. Who logs in late is asked first until they have caught up.
    FewestCalls,
    /// In turn, in the order of the list, beginning behind the one whom this queue rang last.
    RoundRobin,
    /// By lot, from the seed.
    Random,
    /// The first in the order of the list.
    Linear,
    /// All who are free then at once; who answers first has it. Who comes free while they ring is rung after them.
    RingAll,
}

/// Of those who leave a queue, whose place is kept for when they come again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepPlaceFor {
    /// Whose line broke, or who were lost when the service ended: those who left as `SystemFault`.
    #[default]
    Broken,
    /// Those who hung up, too.
    All,
}

/// From that time on, other skills are enough. Licences are not relaxed: those of the need it replaces are still needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relax {
    /// Since the waiting began.
    pub after: Duration,
    pub need: Need,
}

/// When it is in vain to wait in a line. Each is looked at by itself. Who will need less later (`relax`) does not wait in vain while
/// somebody is there for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InVain {
    /// No agent is logged in who could ever serve it: it exits as `NoAgents`. Paused agents count as logged in.
    pub no_agents: bool,
    /// All of those are paused, too many offers not answered included, or there are none: it exits as `NoAgents`.
    pub all_paused: bool,
    /// It would have to wait longer than this from now on, even by the lower end of a trusted estimate: who has not joined yet
    /// exits as `RefusedFull`, who waits as `TimedOut`. Of those who wait it is asked every [`LOOK`](super::LOOK).
    pub estimate: Option<Duration>,
}

impl InVain {
    pub(super) fn without_estimate(self) -> InVain {
        InVain { estimate: None, ..self }
    }
}

/// A way into another queue. The entry keeps its id, the time it has waited, what it asks for itself, the licences that are needed
/// here, and who refused it; it exits here as `Overflowed` and is counted there as one that came.
///
/// It never goes back to a queue where it was, goes on at most [`OVERFLOWS_MAX`](super::OVERFLOWS_MAX) times, and goes only where it is
/// taken: the other queue is open, not full, and it is not in vain to join it. Where nobody takes it, it is as if there were no
/// overflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overflow {
    pub to: QueueId,
    pub when: When,
    /// Only for entries that have all of these.
    #[serde(default)]
    pub only: Attributes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// So long after it came to this queue, unless an agent is rung for it; then after that.
    After(Duration),
    /// There was no room.
    Full,
    /// No agents, or all paused, by the queue's rules for these.
    NoAgents,
    /// The estimate was too long, by the queue's rules for it.
    LongWait,
    /// The queue was closed at its arrival, or has been so for too long.
    Closed,
}

/// For entries that have all the attributes of `when`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    pub when: Attributes,
    /// Added to their priority; of several rules that apply, each adds its own.
    pub priority: i32,
    /// Needed beside what the queue needs, and never relaxed.
    pub needs: Need,
    /// Their longest wait, unless they bring their own; of several rules that apply, the first that says one counts.
    pub max_wait: Option<Duration>,
}

/// When something counts: at `from` and after, before `to`. Without them from the beginning, for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validity {
    pub from: Option<Time>,
    pub to: Option<Time>,
}

impl Validity {
    pub fn has(&self, now: Time) -> bool {
        self.from.is_none_or(|from| from <= now) && self.to.is_none_or(|to| now < to)
    }
}

/// A permission that an agent holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldLicence {
    pub kind: String,
    pub jurisdiction: String,
    #[serde(default)]
    pub valid: Validity,
}
impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings {
            name: String::new(),
            needs: Need::default(),
            relax: Vec::new(),
            members_only: false,
            strategy: Strategy::default(),
            ring_all_max: 20,
            ring_time: None,
            priority: 0,
            ageing: 0.0,
            weight: 1,
            max_wait: None,
            max_waiting: 1000,
            join_unless: InVain::default(),
            leave_when: InVain::default(),
            last_call: Duration::ZERO,
            after_closing: None,
            overflow: Vec::new(),
            rules: Vec::new(),
            retry_same_agent: Duration::from_secs(60),
            short_abandon: Duration::from_secs(5),
            keep_place: Duration::from_secs(180),
            keep_place_for: KeepPlaceFor::default(),
            reconnect_within: Duration::from_secs(180),
            reconnect_wait: Duration::from_secs(30),
            max_callbacks: 1000,
            callback_within: Duration::from_secs(86_400),
            callback_retry: Duration::from_secs(600),
            callback_tries: 3,
            service_level: Duration::from_secs(20),
        }
    }
}

impl Default for AgentSettings {
    fn default() -> Self {
        AgentSettings {
            name: String::new(),
            place: 0,
            skills: Skills::new(),
            skills_valid: BTreeMap::new(),
            licences: Vec::new(),
            teams: BTreeSet::new(),
            queues: BTreeSet::new(),
            tasks: 1,
            calls_during_tasks: true,
            ring_time: Duration::from_secs(20),
            shift_margin: Duration::ZERO,
            wrap_up: Duration::from_secs(10),
            wrap_up_extension: Duration::ZERO,
            rests: Vec::new(),
            occupancy_cap: None,
            rona_pause: Duration::from_secs(60),
            back_off: Duration::from_secs(10),
            back_off_max: Duration::from_secs(60),
            probe: true,
        }
    }
}
