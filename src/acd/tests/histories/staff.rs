//! Steps about what spares and checks people.

use super::*;

impl<D: Distributor> Play<D> {
    pub(super) fn staff_change(&mut self, agent: u32, how: u8) -> Change {
        match how % 2 {
            0 => extend_wrap_up(agent),
            _ => extend_wrap_up(self.watch.in_wrap_up().unwrap_or(agent)),
        }
    }
}
