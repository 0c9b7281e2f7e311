//! Promises to call back, counted apart from those who wait on the line.

use super::counts::{micros, share};
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// Promises that were *made* in an interval, or all of them.
///
/// They are in no other count of the queue: nobody holds the line, hours may pass because the queue was closed, and who is not
/// reached is called again, so their waits would say nothing beside those of callers, and would hide them. Who is
/// promised a call has left the line as `Callback`, and is counted there as one who moved on; who asks in vain has left by key.
///
/// At every instant `made = open + kept + timed_out + not_reached + withdrawn + refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Promises {
    pub made: u64,
    /// Of those, who wait, or whose number is being dialled.
    pub open: u64,
    /// Who was called answered.
    pub kept: u64,
    /// It was too late (`callback_within`).
    pub timed_out: u64,
    /// The number did not answer, so many times (`callback_tries`).
    pub not_reached: u64,
    /// Who was to be called came by themselves, or somebody took the promise back.
    pub withdrawn: u64,
    /// Too many stood, or one for the same number.
    pub refused: u64,
    /// How often an agent had one.
    pub tries: u64,
    /// Sum of the times from when who was kept a promise to first began to wait until they answered, and the longest.
    pub kept_wait_micros: u64,
    pub kept_wait_micros_max: u64,
    /// Talk, hold and wrap-up of all tries that are over, the dialling included.
    pub work_micros: u64,
}

/// How a promise ended that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    TimedOut,
    NotReached,
    Withdrawn,
    Refused,
}

impl Promises {
    /// Kept ÷ all that ended for a reason of ours or of the called number: withdrawn ones are left out. `None` if there is none.
    pub fn kept_share(&self) -> Option<f64> {
        share(self.kept, self.kept + self.timed_out + self.not_reached + self.refused)
    }

    /// Mean time until those who were reached answered.
    pub fn average_wait(&self) -> Option<Duration> {
        Some(Duration::from_micros(self.kept_wait_micros.checked_div(self.kept)?))
    }

    pub(super) fn made(&mut self) {
        self.made += 1;
        self.open += 1;
    }

    pub(super) fn kept(&mut self, waited: Duration) {
        self.open -= 1;
        self.kept += 1;
        self.kept_wait_micros += micros(waited);
        self.kept_wait_micros_max = self.kept_wait_micros_max.max(micros(waited));
    }

    pub(super) fn broken(&mut self, how: Broken) {
        self.open -= 1;
        *match how {
            Broken::TimedOut => &mut self.timed_out,
            Broken::NotReached => &mut self.not_reached,
            Broken::Withdrawn => &mut self.withdrawn,
            Broken::Refused => &mut self.refused,
        } += 1;
    }

    pub(super) fn add(&mut self, other: &Promises) {
        self.made += other.made;
        self.open += other.open;
        self.kept += other.kept;
        self.timed_out += other.timed_out;
        self.not_reached += other.not_reached;
        self.withdrawn += other.withdrawn;
        self.refused += other.refused;
        self.tries += other.tries;
        self.kept_wait_micros += other.kept_wait_micros;
        self.kept_wait_micros_max = self.kept_wait_micros_max.max(other.kept_wait_micros_max);
        self.work_micros += other.work_micros;
    }

    pub(super) fn adds_up(&self) -> bool {
        self.made == self.open + self.kept + self.timed_out + self.not_reached + self.withdrawn + self.refused
    }
}
