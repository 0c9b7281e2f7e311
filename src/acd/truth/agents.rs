//! What each agent did today: how long in which state, how many calls, how many refused. Of tasks there are such figures apart.

use super::Settings;
use super::counts::{micros, share};
use crate::acd::event::{AgentState, Outcome, TalkDetail};
use crate::acd::phase::Phase;
use crate::ids::QueueId;
use crate::need::Few;
use crate::time::{Duration, Time};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// So many different pause reasons have a sum of their own in a day; the time of further ones goes to [`OTHER`].
pub const REASONS_MAX: usize = 32;
/// The name of all further pause reasons.
pub const OTHER: &str = "other";

/// What one agent did in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Talks that began.
    pub calls: u64,
    /// Offers that rang and were declined by hand.
    pub declined: u64,
    /// Offers that rang in vain (RONA, redirection on no answer).
    pub no_answer: u64,
    /// Offers that the phone did not ring for: it was busy or could not be reached.
    pub failed: u64,
    /// Offers that ended because the caller left.
    pub caller_gone: u64,
    /// Microseconds in each phase, in the order of [`Phase::ALL`]; `Offline` and `OffShift` are not counted.
    #[serde(deserialize_with = "as_many_as_there_were")]
    spent: [u64; COUNTED],
    /// Microseconds of talks in which the agent held the contact, and in which they consulted somebody: parts of `Talking`.
    #[serde(default)]
    held: u64,
    #[serde(default)]
    consulting: u64,
    /// Microseconds paused, by reason.
    paused: Few<u64>,
}

impl Figures {
    pub fn spent(&self, phase: Phase) -> Duration {
        Duration::from_micros(self.spent.get(phase as usize).copied().unwrap_or(0))
    }

    /// Of the time spent talking, that in which it was so.
    pub fn talking(&self, detail: TalkDetail) -> Duration {
        let talking = self.spent[Phase::Talking as usize];
        Duration::from_micros(match detail {
            TalkDetail::Speaking => talking - self.held - self.consulting,
            TalkDetail::Held => self.held,
            TalkDetail::Consulting => self.consulting,
        })
    }

    /// Time paused, by reason; their sum is `spent(Paused)`.
    pub fn paused(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.paused.iter().map(|(reason, spent)| (reason.as_str(), Duration::from_micros(*spent)))
    }

    /// Time in any state but `Offline`. A talk that goes on after the phone was lost counts.
    pub fn logged_in(&self) -> Duration {
        Duration::from_micros(self.spent.iter().sum())
    }

    /// Offers that ended, however they did.
    pub fn offers(&self) -> u64 {
        self.calls + self.declined + self.no_answer + self.failed + self.caller_gone
    }

    /// Time spent on the queues' contacts: offered (ringing), talking (hold included), working (on tasks) and wrap-up.
    fn work(&self) -> u64 {
        let of = |phase: Phase| self.spent[phase as usize];
        of(Phase::Offered) + of(Phase::Talking) + of(Phase::Working) + of(Phase::WrapUp)
    }

    /// Occupancy: (offered + talking + working + wrap-up) ÷ (offered + talking + working + wrap-up + ready): of the time in which the
    /// agent was there for the queues, the share in which there was something to do (Cleveland, *Call Center
    /// Management on Fast Forward*: time on contacts against time waiting for one). Pauses, calls of their own and
    /// back-off are in neither. What the caller's queue and the staffing decide, not the agent.
    pub fn occupancy(&self) -> Option<f64> {
        share(self.work(), self.work() + self.spent[Phase::Ready as usize])
    }

    /// Utilisation: (offered + talking + working + wrap-up + calls of their own) ÷ logged in, pauses included. What the paid
    /// time was used for.
    pub fn utilisation(&self) -> Option<f64> {
        share(self.work() + self.spent[Phase::Busy as usize], self.spent.iter().sum())
    }

    /// What came since these were the agent's figures of all days.
    pub fn since(&self, earlier: &Figures) -> Figures {
        let mut since = self.clone();
        let less = |now: &mut u64, earlier: u64| *now = now.saturating_sub(earlier);
        less(&mut since.calls, earlier.calls);
        less(&mut since.declined, earlier.declined);
        less(&mut since.no_answer, earlier.no_answer);
        less(&mut since.failed, earlier.failed);
        less(&mut since.caller_gone, earlier.caller_gone);
        since.spent.iter_mut().zip(earlier.spent).for_each(|(now, earlier)| less(now, earlier));
        less(&mut since.held, earlier.held);
        less(&mut since.consulting, earlier.consulting);
        for (reason, spent) in earlier.paused.iter() {
            if let Some(now) = since.paused.get_mut(reason) {
                less(now, *spent);
            }
        }
        since
    }

    /// Adds the figures of another time or another agent.
    pub fn add(&mut self, other: &Figures) {
        self.calls += other.calls;
        self.declined += other.declined;
        self.no_answer += other.no_answer;
        self.failed += other.failed;
        self.caller_gone += other.caller_gone;
        self.spent.iter_mut().zip(other.spent).for_each(|(sum, more)| *sum += more);
        self.held += other.held;
        self.consulting += other.consulting;
        other.paused.iter().for_each(|(reason, more)| self.pause(reason, *more));
    }

    fn pause(&mut self, reason: &str, more: u64) {
        if let Some(sum) = self.paused.get_mut(reason) {
            *sum += more;
        } else {
            let reason = if self.paused.len() < REASONS_MAX { reason } else { OTHER };
            let sum = self.paused.get(reason).copied().unwrap_or(0);
            self.paused.insert(reason.to_owned(), sum + more);
        }
    }

    fn spend(&mut self, phase: Phase, detail: TalkDetail, reason: &str, more: u64) {
        self.spent[phase as usize] += more;
        match detail {
            _ if phase != Phase::Talking => {}
            TalkDetail::Speaking => {}
            TalkDetail::Held => self.held += more,
            TalkDetail::Consulting => self.consulting += more,
        }
        if phase == Phase::Paused && more > 0 {
            self.pause(reason, more);
        }
    }
}

/// All phases but the last, `OffShift`.
const COUNTED: usize = Phase::ALL.len() - 1;

/// Who is not at work spends no time of it.
fn is_counted(phase: Phase) -> bool {
    !matches!(phase, Phase::Offline | Phase::OffShift)
}

/// Snapshots made when there were fewer phases have fewer; new ones are the last.
fn as_many_as_there_were<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; COUNTED], D::Error> {
    let kept = Vec::<u64>::deserialize(from)?;
    let mut spent = [0; COUNTED];
    if kept.len() > spent.len() {
        return Err(D::Error::invalid_length(kept.len(), &"as many as there are phases"));
    }
    spent[..kept.len()].copy_from_slice(&kept);
    Ok(spent)
}

/// A contact whose talk is over and whose wrap-up may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finishing {
    pub queue: QueueId,
    pub arrived: Time,
    pub talk: u64,
    pub hold: u64,
    pub wrap_up: u64,
    /// Of a promise to call back.
    #[serde(default)]
    pub promise: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    phase: Phase,
    /// They are offline because the service was gone, and this is what they were in; `begun` is its begin, and `since` when that was.
    #[serde(default)]
    lost: Phase,
    /// Of the talk that is on.
    #[serde(default)]
    detail: TalkDetail,
    /// Of the pause that is on.
    reason: String,
    /// Since when the phase, and of a pause the reason, is this one.
    #[serde(default)]
    begun: Time,
    /// Up to here it is written down.
    since: Time,
    finishing: Option<Finishing>,
    /// By number of the day; only those with something in them.
    days: Vec<(u64, Figures)>,
    /// Of the days that are no longer kept, if there are any.
    older: Option<Box<Figures>>,
}

impl Desk {
    /// The agent's state is now this. Gives the contact that is thereby over and done with.
    pub fn is(&mut self, now: Time, state: &AgentState, settings: &Settings) -> Option<Finishing> {
        let phase = state.phase();
        let other_pause = matches!(state, AgentState::Paused { reason, .. } if *reason != self.reason);
        if self.lost == phase && phase != Phase::Offline && !other_pause {
            self.phase = std::mem::take(&mut self.lost);
        }
        self.begins_anew();
        self.accrue(now, settings);
        if phase != self.phase {
            self.begun = now;
        }
        self.phase = phase;
        self.detail = if let AgentState::Talking { detail, .. } = state { *detail } else { TalkDetail::default() };
        if let AgentState::Paused { reason, .. } = state
            && *reason != self.reason
        {
            self.begun = now;
            self.reason.clone_from(reason);
        }
        // A call of one's own may belong to the notes; the wrap-up goes on after it.
        if matches!(self.phase, Phase::WrapUp | Phase::Busy) { None } else { self.finishing.take() }
    }

    /// The agent is offline because the service was gone; `wraps_up`: a wrap-up goes on all the same, and its contact with it.
    pub fn is_lost(&mut self, now: Time, wraps_up: bool, settings: &Settings) -> Option<Finishing> {
        let (phase, begun) = (self.phase, self.begun);
        let finished = self.is(now, &AgentState::Offline, settings);
        // All else is with somebody, or for somebody who would have to be there.
        match phase {
            Phase::WrapUp if wraps_up => (self.lost, self.begun) = (phase, begun),
            Phase::Paused => (self.lost, self.begun) = (phase, begun),
            // It begins now, or goes on after a call of their own.
            _ if wraps_up => self.lost = Phase::WrapUp,
            _ => {}
        }
        self.finishing = finished.filter(|_| wraps_up);
        if wraps_up { None } else { finished }
    }

    /// The wrap-up that they were lost in is over. Gives the contact that is thereby over and done with.
    pub fn wraps_up_no_more(&mut self, now: Time, settings: &Settings) -> Option<Finishing> {
        if self.lost != Phase::WrapUp {
            return None;
        }
        self.begun = self.since;
        (self.phase, self.lost) = (Phase::WrapUp, Phase::Offline);
        self.accrue(now, settings);
        self.phase = Phase::Offline;
        self.finishing.take()
    }

    /// What they were in when they were lost does not go on.
    pub fn begins_anew(&mut self) {
        if std::mem::take(&mut self.lost) != Phase::Offline {
            self.begun = self.since;
        }
    }

    pub fn talk_began(&mut self, now: Time, settings: &Settings) {
        self.accrue(now, settings);
        self.day(settings.day(now), settings).calls += 1;
    }

    /// Gives the contact that is done with because of this one.
    pub fn talk_ended(&mut self, now: Time, contact: Finishing, settings: &Settings) -> Option<Finishing> {
        self.accrue(now, settings);
        self.finishing.replace(contact)
    }

    pub fn offer_ended(&mut self, now: Time, outcome: Outcome, settings: &Settings) {
        self.accrue(now, settings);
        let day = self.day(settings.day(now), settings);
        match outcome {
            // Counted as the talk that begins.
            Outcome::Accepted => {}
            // Nothing that the agent did or left undone.
            Outcome::AnsweredElsewhere | Outcome::Withdrawn => {}
            Outcome::Declined => day.declined += 1,
            Outcome::NoAnswer => day.no_answer += 1,
            Outcome::Busy | Outcome::Unreachable => day.failed += 1,
            Outcome::CallerGone => day.caller_gone += 1,
        }
    }

    pub fn begun(&self) -> Time {
        if self.lost == Phase::Offline { self.begun } else { self.since }
    }

    /// The day's figures, as far as it has gone; empty if it is not kept. `days_ago`: 0 is the one of `now`, 1 the day before.
    pub fn figures(&self, now: Time, days_ago: u64, settings: &Settings) -> Figures {
        let is_kept = days_ago < u64::from(settings.days_kept.max(1));
        let Some(day) = settings.day(now).checked_sub(days_ago).filter(|_| is_kept) else { return Figures::default() };
        let kept = self.days.iter().find(|(number, _)| *number == day);
        let mut figures = kept.map_or_else(Figures::default, |(_, figures)| figures.clone());
        let (begin, end) = (settings.begin_of_day(day), settings.begin_of_day(day + 1));
        if is_counted(self.phase) {
            figures.spend(self.phase, self.detail, &self.reason, micros(now.min(end).since(self.since.max(begin))));
        }
        figures
    }

    /// All there ever was.
    pub fn lifetime(&self, now: Time) -> Figures {
        let mut sum = self.older.as_deref().cloned().unwrap_or_default();
        self.days.iter().for_each(|(_, day)| sum.add(day));
        if is_counted(self.phase) {
            sum.spend(self.phase, self.detail, &self.reason, micros(now.since(self.since)));
        }
        sum
    }

    /// Writes down the phase so far, each part in the day it belongs to.
    fn accrue(&mut self, now: Time, settings: &Settings) {
        while is_counted(self.phase) && self.since < now {
            let day = settings.day(self.since);
            let until = now.min(settings.begin_of_day(day + 1));
            let more = micros(until.since(self.since));
            let (phase, detail, reason) = (self.phase, self.detail, std::mem::take(&mut self.reason));
            self.day(day, settings).spend(phase, detail, &reason, more);
            self.reason = reason;
            self.since = until;
            if let Some(finishing) = self.finishing.as_mut().filter(|_| phase == Phase::WrapUp) {
                finishing.wrap_up += more;
            }
        }
        if self.lost == Phase::Offline {
            self.since = now;
        }
    }

    fn day(&mut self, number: u64, settings: &Settings) -> &mut Figures {
        if self.days.last().is_none_or(|(last, _)| *last < number) {
            while self.days.first().is_some_and(|(first, _)| number - first >= u64::from(settings.days_kept.max(1))) {
                let (_, gone) = self.days.remove(0);
                self.older.get_or_insert_default().add(&gone);
            }
            // No room is kept for days to come.
            self.days.reserve_exact(1);
            self.days.push((number, Figures::default()));
        }
        &mut self.days.last_mut().expect("pushed if there was none").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many hundred seconds of everything: 10 % of it offered, 40 % talking (a quarter of that held, an eighth consulting),
    /// 10 % wrap-up, 20 % ready, 15 % paused and 5 % in calls of their own.
    fn day(hundreds: u64) -> Figures {
        let secs = |secs: u64| secs * 1_000_000 * hundreds;
        let [calls, declined, no_answer, failed, caller_gone] = [20, 3, 2, 4, 1].map(|count| count * hundreds);
        let mut day = Figures { calls, declined, no_answer, failed, caller_gone, ..Figures::default() };
        day.spend(Phase::Offered, TalkDetail::Speaking, "", secs(10));
        day.spend(Phase::Talking, TalkDetail::Speaking, "", secs(25));
        day.spend(Phase::Talking, TalkDetail::Held, "", secs(10));
        day.spend(Phase::Talking, TalkDetail::Consulting, "", secs(5));
        // The detail of a talk says nothing in any other phase.
        day.spend(Phase::WrapUp, TalkDetail::Held, "", secs(10));
        day.spend(Phase::Ready, TalkDetail::Consulting, "", secs(20));
        day.spend(Phase::Paused, TalkDetail::Speaking, "lunch", secs(10));
        day.spend(Phase::Paused, TalkDetail::Speaking, "break", secs(5));
        day.spend(Phase::Busy, TalkDetail::Speaking, "", secs(5));
        day
    }

    #[test]
    fn a_day_worked_out_by_hand() {
        let day = day(1);
        assert_eq!((day.offers(), day.logged_in()), (30, Duration::from_secs(100)));
        let talking = [TalkDetail::Speaking, TalkDetail::Held, TalkDetail::Consulting];
        assert_eq!(talking.map(|detail| day.talking(detail).as_secs()), [25, 10, 5]);
        // (10 + 40 + 10) ÷ (60 + 20), and (60 + 5) ÷ 100.
        assert_eq!((day.occupancy(), day.utilisation()), (Some(0.75), Some(0.65)));
        let paused: Vec<(&str, u64)> = day.paused().map(|(reason, spent)| (reason, spent.as_secs())).collect();
        assert_eq!(paused, [("break", 5), ("lunch", 10)]);
    }

    #[test]
    fn days_add_up_and_what_came_since_is_the_rest() {
        let mut sum = day(2);
        sum.add(&day(3));
        assert_eq!(sum, day(5));
        assert_eq!(sum.since(&day(2)), day(3));
    }
}
