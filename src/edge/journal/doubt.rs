//! Why something may not have been as it is told, in the words of all who look back.

use super::Lost;
use crate::time::Time;
use std::fmt::Display;

/// One run ended, and the next began. `since`: the last that was written before, up to which it surely ran; who was killed may have run
/// for some seconds more, of which nothing is known.
pub fn down(since: Time, again: Time, show: impl Fn(Time) -> String) -> String {
    format!("no vaxel ran from {} at the earliest to {}", show(since), show(again))
}

/// The disk took something again at `again`.
pub fn lost(lost: Lost, again: Time, show: impl Fn(Time) -> String) -> String {
    let Lost { events, since } = lost;
    format!("the disk did not take the {events} events from {} to {}", show(since), show(again))
}

/// Nothing is written where something would be. `runs`: a service runs now.
pub fn silent(runs: bool) -> &'static str {
    if runs { "vaxel runs and does not write" } else { "no vaxel runs now" }
}

/// Another version wrote what was folded.
pub fn other(vaxel: impl Display) -> String {
    format!("vaxel {vaxel} wrote this, which may have decided otherwise than this one")
}

pub fn snapshot(name: impl Display, damage: impl Display) -> String {
    format!("the snapshot {name} cannot be used: {damage}")
}
