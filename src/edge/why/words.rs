//! How offers end and contacts leave, in words.

use super::reasons::Shown;
use crate::acd::{Exit, Obstacle, Outcome};
use crate::edge::moment;
use crate::record::Unpromised;
use crate::record::contact::NotPromised;

/// How a contact left a queue; a length follows.
pub fn left(exit: Exit) -> &'static str {
    match exit {
        Exit::Answered => "answered",
        Exit::Abandoned => "hung up",
        Exit::ShortAbandoned => "hung up at once,",
        Exit::Overflowed => "went elsewhere (overflow)",
        Exit::TimedOut => "reached the longest wait,",
        Exit::Callback => "is to be called back; left",
        Exit::LeftByKey => "left by a key",
        Exit::Transferred => "was transferred",
        Exit::QueueClosed => "was sent on: the queue closed,",
        Exit::NoAgents => "was sent on: nobody was there who could serve it,",
        Exit::RefusedFull => "was sent on: the queue was full,",
        Exit::SystemFault => "was lost by a fault of the system",
    }
}

/// How a task left its queue; a length follows.
pub fn task_left(exit: Exit) -> &'static str {
    match exit {
        Exit::Answered => "accepted",
        Exit::LeftByKey => "withdrawn",
        exit => left(exit),
    }
}

/// What became of a promise to call back; a length follows. An agent who has it has not reached anybody yet.
pub fn promise_left(exit: Exit) -> &'static str {
    match exit {
        Exit::Answered => "the number is called now,",
        Exit::TimedOut => "is called no more: it is too late,",
        Exit::Transferred => "is called no more: who was to be called has called,",
        Exit::QueueClosed => "is called no more: the queue is gone,",
        Exit::RefusedFull => "is not called back: no more can be promised,",
        exit => left(exit),
    }
}

/// A wish to be called back that was not granted.
pub fn not_promised(wish: &NotPromised) -> String {
    let NotPromised { queue, number, why, .. } = wish;
    let by = if queue.is_empty() { String::new() } else { format!(" by {queue}") };
    let why = match why {
        Unpromised::NumberWithheld => "their number is withheld or not known".to_owned(),
        Unpromised::NumberNotAllowed => {
            format!("{number} is not their own number, and `callback_numbers` of [limits] does not allow it")
        }
        Unpromised::Emergency => format!("{number} is for emergencies"),
        Unpromised::NoWayOut => format!("no trunk takes {number} or may carry it"),
        Unpromised::NoQueue => "there is no queue whose agents could call".to_owned(),
        Unpromised::PromisedAlready => {
            format!("{number} is to be called back by another queue, or is called right now")
        }
        Unpromised::QueueFull => "as many wait to be called back as `max_callbacks` of the queue allows".to_owned(),
        Unpromised::TooOften => {
            format!("{number} was promised as many calls that day as `callbacks_per_number` of [limits] allows")
        }
    };
    format!("asks in vain to be called back{by}: {why}")
}

pub fn offer_ended(agent: &str, outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted => format!("{agent} answers"),
        Outcome::Declined => format!("{agent} declines"),
        Outcome::Busy => format!("{agent} is busy"),
        Outcome::NoAnswer => format!("{agent} does not answer"),
        Outcome::Unreachable => format!("{agent} cannot be reached"),
        Outcome::CallerGone => format!("{agent} is not rung any more: the caller has left"),
        Outcome::AnsweredElsewhere => format!("{agent} is not rung any more: another was first"),
        Outcome::Withdrawn => format!("{agent} is not rung any more: a licence for it has run out"),
    }
}

pub fn offer_of_task_ended(agent: &str, outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted => format!("{agent} accepts"),
        Outcome::NoAnswer => format!("{agent} does not accept in time"),
        Outcome::Unreachable => format!("{agent} is not there any more"),
        Outcome::CallerGone => format!("{agent} is not offered it any more: it was withdrawn"),
        Outcome::AnsweredElsewhere => format!("{agent} is not offered it any more: another was first"),
        Outcome::Withdrawn => format!("{agent} is not offered it any more: a licence for it has run out"),
        outcome @ (Outcome::Declined | Outcome::Busy) => offer_ended(agent, outcome),
    }
}

/// Of a promise to call back.
pub fn offer_of_promise_ended(agent: &str, outcome: Outcome) -> String {
    match outcome {
        Outcome::CallerGone => format!("{agent} is not rung any more: nobody is to be called back"),
        outcome => offer_ended(agent, outcome),
    }
}

/// What keeps it out of a queue.
pub fn obstacle(obstacle: Obstacle, shown: Shown) -> String {
    match obstacle {
        Obstacle::Gone => "the settings have the queue no more".into(),
        Obstacle::Closed => "the queue is closed".into(),
        Obstacle::LastCall { closes } => {
            format!("the queue closes at {} and takes nobody any more", shown.at(closes))
        }
        Obstacle::NobodyThere => "nobody is there who could serve it".into(),
        Obstacle::AllPaused => "all who are there and could serve it are paused or have asked for a pause".into(),
        Obstacle::Full { waiting, most } => format!("the queue is full ({waiting} of {most})"),
        Obstacle::LongLine { expected, longest } => {
            let [expected, longest] = [expected, longest].map(moment::show_length);
            format!(
                "it would wait {expected} at least, and the queue takes nobody who would wait for more than {longest}"
            )
        }
        Obstacle::LongWait { expected, longest } => {
            let [expected, longest] = [expected, longest].map(moment::show_length);
            format!(
                "it would wait {expected} more at least, and the queue keeps nobody who would for more than {longest}"
            )
        }
        Obstacle::NoNumber => "there is no number to call".into(),
        Obstacle::Promised => "the number is to be called back already".into(),
    }
}
