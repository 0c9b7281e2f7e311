//! Steps about what spares and checks people.

use super::*;

impl<D: Distributor> Play<D> {
    pub(super) fn staff_change(&mut self, agent: u32, how: u8) -> Change {
        let probed = self.watch.probed().unwrap_or(agent);
        match how % 8 {
            0 => extend_wrap_up(agent),
            1 => probe_ended(agent, true),
            2..=4 => probe_ended(probed, true),
            5 => probe_ended(probed, false),
            _ => extend_wrap_up(self.watch.in_wrap_up().unwrap_or(agent)),
        }
    }
}
