//! One number for all that was decided so far, so that a fold can be compared with the run whose events it folds.

use super::event::{AcdEvent, AgentState, Change, Decision};
use super::{Acd, RestReason};
use crate::ids::QueueId;
use crate::time::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Of all decisions up to a moment, each with the time at which it was made. The same on every machine and of every build.
///
/// Each decision is some words of 64 bits, and each word goes through the finaliser of SplitMix64 (Steele, Lea, Flood 2014),
/// which is a bijection: two runs that differ in one word differ from then on. It finds faults, not forgers. A decision costs a
/// few nanoseconds, text in it one more for each eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

/// An event, as a journal keeps it: with the digest after it. `None`: it was kept before there were any.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    pub event: AcdEvent,
    pub digest: Option<Digest>,
}

impl Acd {
    /// Of all decisions so far, also of those that are still to be polled. `None`: nobody knows, for the state was restored from
    /// a snapshot of before there were any, and decided nothing since.
    pub fn digest(&self) -> Option<Digest> {
        (self.digest != Digest::default()).then_some(self.digest)
    }

    /// As if these had been the decisions so far: what differs later is then not blamed on what differed before.
    pub fn go_on_from(&mut self, digest: Digest) {
        self.digest = digest;
    }

    /// To be carried out by whoever polls.
    pub(super) fn decide(&mut self, decision: Decision) {
        self.digest.word(self.now.as_micros());
        self.digest.decision(&decision);
        self.decisions.push_back(decision);
    }
}

impl Digest {
    /// Of nothing yet.
    pub(super) fn begin(seed: u64) -> Digest {
        let mut digest = Digest(1);
        digest.word(seed);
        digest
    }

    fn word(&mut self, word: u64) {
        let mut x = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = x ^ (x >> 31);
    }

    fn words<const N: usize>(&mut self, words: [u64; N]) {
        words.into_iter().for_each(|word| self.word(word));
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for eight in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            self.word(u64::from_le_bytes(word));
        }
    }

    // The order of outcomes, exits and reasons counts; a test has a number for each. An obstacle says more of the exit beside it, and
    // journals from before exits had one are to be told to have decided the same.
    fn decision(&mut self, decision: &Decision) {
        match decision {
            Decision::Offer { offer, entry, queue, agent, deadline } => {
                self.words([1, offer.0, entry.0, pair(queue.0, agent.0), deadline.as_micros()]);
            }
            Decision::OfferEnded { offer, entry, agent, outcome } => {
                self.words([2, offer.0, entry.0, pair(agent.0, *outcome as u32)]);
            }
            Decision::Exit { entry, queue, exit, waited, to, obstacle: _ } => {
                let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
                self.words([3, entry.0, pair(queue.0, *exit as u32), waited, place(*to)]);
            }
            Decision::NotReached { entry, queue, again } => {
                self.words([4, entry.0, queue.0.into(), moment(*again)]);
            }
            Decision::Probe { agent, deadline } => self.words([5, agent.0.into(), deadline.as_micros()]),
            Decision::Agent { agent, state } => {
                self.words([6, agent.0.into()]);
                self.state(state);
            }
        }
    }

    fn state(&mut self, state: &AgentState) {
        match state {
            AgentState::Offline => self.word(1),
            AgentState::Ready => self.word(2),
            AgentState::BackOff { until } => self.words([3, until.as_micros()]),
            AgentState::Resting { until, reason } => {
                let reason = match reason {
                    RestReason::Call => 1,
                    RestReason::Occupancy => 2,
                };
                self.words([4, until.as_micros(), reason]);
            }
            AgentState::Probed { until } => self.words([5, until.as_micros()]),
            AgentState::Offered { offer, deadline } => self.words([6, offer.0, deadline.as_micros()]),
            AgentState::Talking { entry, detail } => self.words([7, entry.0, *detail as u64]),
            AgentState::Working { tasks } => self.words([8, (*tasks).into()]),
            AgentState::Busy => self.word(9),
            AgentState::WrapUp { until } => self.words([10, until.as_micros()]),
            AgentState::OffShift => self.word(11),
            AgentState::Paused { reason, until } => {
                self.words([12, moment(*until)]);
                self.text(reason);
            }
        }
    }
}

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn place(queue: Option<QueueId>) -> u64 {
    queue.map_or(u64::MAX, |queue| queue.0.into())
}

fn moment(at: Option<Time>) -> u64 {
    at.unwrap_or(Time::NEVER).as_micros()
}

/// Sixteen hex digits: programs that read JSON do not all have numbers that long.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Digest).map_err(|_| de::Error::custom("a digest has sixteen hex digits"))
    }
}

/// As an event alone is written, and the digest beside: each version reads what others wrote.
impl Serialize for Noted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            at: Time,
            change: &'a Change,
            #[serde(skip_serializing_if = "Option::is_none")]
            digest: Option<Digest>,
        }
        Line { at: self.event.at, change: &self.event.change, digest: self.digest }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Noted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Noted, D::Error> {
        #[derive(Deserialize)]
        struct Line {
            at: Time,
            change: Change,
            #[serde(default)]
            digest: Option<Digest>,
        }
        let Line { at, change, digest } = Line::deserialize(deserializer)?;
        Ok(Noted { event: AcdEvent { at, change }, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Exit, Outcome, Phase, TalkDetail};
    use super::*;
    use crate::ids::{AgentId, EntryId, OfferId};
    use crate::time::Duration;
    use std::collections::BTreeMap;

    /// Each kind of decision, and each with every word in it changed.
    fn decisions() -> Vec<Decision> {
        let (entry, queue, agent, offer) = (EntryId(70), QueueId(3), AgentId(5), OfferId(9));
        let (at, until) = (Time::from_secs(1_795_424_400), Some(Time::from_secs(1_795_424_460)));
        let mut all = vec![
            Decision::Offer { offer, entry, queue, agent, deadline: at },
            Decision::Offer { offer: OfferId(8), entry, queue, agent, deadline: at },
            Decision::Offer { offer, entry: EntryId(71), queue, agent, deadline: at },
            Decision::Offer { offer, entry, queue: QueueId(4), agent, deadline: at },
            Decision::Offer { offer, entry, queue, agent: AgentId(6), deadline: at },
            Decision::Offer { offer, entry, queue, agent, deadline: Time::NEVER },
            Decision::NotReached { entry, queue, again: None },
            Decision::NotReached { entry, queue, again: until },
            Decision::Probe { agent, deadline: at },
        ];
        all.extend(Outcome::ALL.map(|outcome| Decision::OfferEnded { offer, entry, agent, outcome }));
        let (waited, obstacle) = (Duration::from_millis(1500), None);
        let exit = |exit| Decision::Exit { entry, queue, exit, waited, to: None, obstacle };
        all.extend(Exit::ALL.map(exit));
        let longer = Duration::from_millis(1501);
        all.push(Decision::Exit { entry, queue, exit: Exit::Answered, waited: longer, to: None, obstacle });
        all.push(Decision::Exit { entry, queue, exit: Exit::Overflowed, waited, to: Some(queue), obstacle });
        let paused = |reason: &str, until| AgentState::Paused { reason: reason.into(), until };
        let mut states = vec![
            AgentState::Offline,
            AgentState::Ready,
            AgentState::BackOff { until: at },
            AgentState::Resting { until: at, reason: RestReason::Call },
            AgentState::Resting { until: at, reason: RestReason::Occupancy },
            AgentState::Probed { until: at },
            AgentState::Offered { offer, deadline: at },
            AgentState::Working { tasks: 1 },
            AgentState::Working { tasks: 2 },
            AgentState::Busy,
            AgentState::WrapUp { until: at },
            AgentState::OffShift,
            paused("lunch", None),
            paused("lunch", until),
            paused("lunch and a walk", None),
            paused("", None),
        ];
        states.extend(TalkDetail::ALL.map(|detail| AgentState::Talking { entry, detail }));
        let phases: std::collections::BTreeSet<_> = states.iter().map(|state| state.phase() as usize).collect();
        assert_eq!(phases.len(), Phase::ALL.len(), "a state is missing here");
        all.extend(states.into_iter().map(|state| Decision::Agent { agent, state }));
        all
    }

    #[test]
    fn each_decision_has_a_number_of_its_own() {
        let mut seen = BTreeMap::new();
        for decision in decisions() {
            let mut digest = Digest::begin(0);
            digest.decision(&decision);
            assert_eq!(seen.insert(digest.0, decision.clone()), None, "as {decision:?}");
        }
    }

    /// Journals keep it. Should it have to change, every event of theirs would be said to be decided otherwise.
    #[test]
    fn the_same_decisions_give_this_number_on_every_machine_and_in_every_version() {
        let mut digest = Digest::begin(1);
        decisions().iter().for_each(|decision| digest.decision(decision));
        assert_eq!(digest.to_string(), "1cd209786fac1f1d");
        let mut word = Digest(0);
        word.word(0);
        // The first of SplitMix64 with the seed 0, as its authors' C gives it.
        assert_eq!(word.to_string(), "e220a8397b1dcdaf");
    }

    #[test]
    fn a_noted_event_is_an_event_with_its_digest_beside() {
        let event = AcdEvent { at: Time::from_secs(1), change: Change::Tick };
        let noted = Noted { event: event.clone(), digest: Some(Digest(0xab)) };
        let text = serde_json::to_string(&noted).unwrap();
        assert_eq!(text, r#"{"at":1000000,"change":"Tick","digest":"00000000000000ab"}"#);
        assert_eq!(serde_json::from_str::<Noted>(&text).unwrap(), noted);
        assert_eq!(serde_json::from_str::<AcdEvent>(&text).unwrap(), event, "older versions read it");
        let old = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Noted>(&old).unwrap(), Noted { event, digest: None });
        assert!(serde_json::from_str::<Digest>("\"x\"").is_err());
    }
}
