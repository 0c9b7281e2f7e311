//! Steps about what spares and checks people.

use super::*;
use crate::acd::{OccupancyCap, RestRule};

impl<D: Distributor> Play<D> {
    pub(super) fn staff_change(&mut self, agent: u32, how: u8) -> Change {
        let probed = self.watch.probed().unwrap_or(agent);
        if how % 16 == 7 {
            // Long enough to be asked for something in it, and often without an end.
            let ends = how.is_multiple_of(3).then(|| self.at + Duration::from_secs(u64::from(how % 50)));
            return Change::Shift { agent: AgentId(agent), ends };
        }
        let in_wrap_up = self.watch.in_wrap_up();
        match how % 8 {
            // Often, so that it is asked for twice.
            _ if in_wrap_up.is_some() && how % 4 < 3 => extend_wrap_up(in_wrap_up.unwrap_or(agent)),
            1 => probe_ended(agent, true),
            2..=4 => probe_ended(probed, true),
            5 => probe_ended(probed, false),
            _ => extend_wrap_up(agent),
        }
    }
}

pub(super) fn some_rests(how: u8) -> Vec<RestRule> {
    let secs = |from: u8, n: u8| Duration::from_secs(u64::from(from % n));
    let rules = [
        RestRule { longer_than: secs(how, 4), rest: secs(how / 2, 6), ..RestRule::default() },
        RestRule {
            attribute: all_of(if how % 2 == 1 { &["letter", "tier"] } else { &["letter"] }, "x"),
            rest: secs(how / 3, 7),
            ..RestRule::default()
        },
        RestRule { queue: Some(format!("q{}", how % 3)), rest: secs(how / 4, 5), ..RestRule::default() },
    ];
    rules.into_iter().skip(usize::from(how % 3)).filter(|_| how % 5 == 1).collect()
}

pub(super) fn some_cap(how: u8) -> Option<Box<OccupancyCap>> {
    let secs = |from: u8, n: u8| Duration::from_secs(u64::from(from % n));
    let cap = OccupancyCap {
        share: [500, 333, 850, 0][usize::from(how / 5 % 4)],
        burst: secs(how / 3, 9),
        longest_rest: secs(how / 2, 8),
    };
    (how % 5 == 2).then(|| Box::new(cap))
}
