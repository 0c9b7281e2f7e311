//! What is read of queues when somebody asks, and told nobody otherwise.

use super::Engine;
use crate::acd::estimate::{Estimate, Estimator};
use crate::acd::truth::Counts;
use crate::time::Time;
use std::sync::Arc;

/// One queue, now.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueFigures {
    pub name: Arc<str>,
    /// How long a caller would wait who came now; `None` while nothing is said.
    pub estimate: Option<Estimate>,
    /// The estimator that is spoken.
    pub spoken: Option<Estimator>,
    /// Of each in [`Estimator::ALL`]'s order: errors of the last hour, and their median as a share of the true wait.
    pub errors: [Option<(u64, f64)>; Estimator::ALL.len()],
    /// Of all contacts that ever came.
    pub counts: Counts,
}

impl Engine {
    /// Of all queues. Costs some microseconds for each in which somebody had to wait.
    pub fn queue_figures(&self, now: Time) -> Vec<QueueFigures> {
        let figures = self.queues.iter().map(|(id, queue)| QueueFigures {
            name: queue.name.clone(),
            estimate: self.acd.expected_wait_on_arrival(*id, 0, now),
            spoken: self.acd.estimates().spoken(now, *id),
            errors: Estimator::ALL.map(|estimator| self.acd.estimates().error(now, *id, estimator)),
            counts: self.acd.truth().total(*id),
        });
        figures.collect()
    }
}
