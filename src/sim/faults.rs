//! A network whose faults are chosen beforehand, message by message, so that all of them can be tried.

use super::world::PhoneId;
use crate::time::{Duration, Time};
use std::collections::BTreeMap;

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Lost,
    /// It comes so much later, behind what was sent after it.
    Late(Duration),
    /// It comes, and so much later once more.
    Twice(Duration),
}

/// A message that the switchboard should have sent and does not: told from what it is and how often it was sent before, byte by byte
/// the same.
pub type Omits = fn(&str, u32) -> bool;

/// The fate of the messages of one story, in the order in which they are sent, counted from 0.
#[derive(Default)]
pub struct Faults {
    at: BTreeMap<usize, Fault>,
    /// Makes a worse switchboard of the one that is there.
    omits: Option<Omits>,
    before: BTreeMap<Vec<u8>, u32>,
    told: Vec<Told>,
}

struct Told {
    at: Time,
    to: Option<PhoneId>,
    bytes: Vec<u8>,
    fault: Option<Fault>,
    is_omitted: bool,
}

impl Faults {
    pub fn new(at: impl IntoIterator<Item = (usize, Fault)>, omits: Option<Omits>) -> Faults {
        Faults { at: at.into_iter().collect(), omits, ..Faults::default() }
    }

    /// How many messages were sent until now.
    pub fn sent(&self) -> usize {
        self.told.len()
    }

    /// All messages until now and what became of them, one a line.
    pub fn story(&self) -> String {
        let line = |(place, Told { at, to, bytes, fault, is_omitted }): (usize, &Told)| {
            let text = String::from_utf8_lossy(bytes);
            let number = text.lines().find(|line| line.starts_with("CSeq:")).unwrap_or_default();
            let first = text.lines().next().unwrap_or_default();
            let to = to.map_or("the switchboard".to_owned(), |id| format!("phone {}", id.0));
            let omitted = if *is_omitted { ", omitted" } else { "" };
            let fate = fault.map_or(String::new(), |fault| format!(", {fault:?}"));
            format!("{place:3} {at} to {to}: {first}, {number}{fate}{omitted}\n")
        };
        self.told.iter().enumerate().map(line).collect()
    }

    /// How much later than usual it arrives, once or twice or never.
    pub(super) fn strike(&mut self, at: Time, to: Option<PhoneId>, bytes: &[u8]) -> [Option<Duration>; 2] {
        let fault = self.at.get(&self.told.len()).copied();
        let is_omitted = to.is_some()
            && self.omits.is_some_and(|omits| {
                let before = self.before.entry(bytes.to_vec()).or_default();
                *before += 1;
                omits(&String::from_utf8_lossy(bytes), *before - 1)
            });
        self.told.push(Told { at, to, bytes: bytes.to_vec(), fault, is_omitted });
        match fault {
            _ if is_omitted => [None, None],
            None => [Some(Duration::ZERO), None],
            Some(Fault::Lost) => [None, None],
            Some(Fault::Late(later)) => [Some(later), None],
            Some(Fault::Twice(later)) => [Some(Duration::ZERO), Some(later)],
        }
    }
}
