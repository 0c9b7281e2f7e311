//! What is remembered of callers, by looking at all of it.

use super::model::Mistake;
use super::*;

/// Places kept for those who left.
#[derive(Default)]
pub struct Absent(Vec<Left>);

struct Left {
    caller: String,
    queue: QueueId,
    entry: EntryId,
    since: Time,
    priority: i32,
    until: Time,
}

impl Absent {
    /// With the one mistake that is made.
    pub fn leaves(
        &mut self,
        now: Time,
        entry: EntryId,
        arrival: &Arrival,
        exit: Exit,
        queue: &QueueSettings,
        mistake: Option<Mistake>,
    ) {
        let wrong = |other| mistake == Some(other);
        let hung_up = matches!(exit, Exit::Abandoned | Exit::ShortAbandoned);
        let all = queue.keep_place_for == KeepPlaceFor::All || wrong(Mistake::PlaceKeptForAll);
        let is_kept = exit == Exit::SystemFault || hung_up && all;
        if arrival.kind == Kind::Task || arrival.caller.is_empty() || !is_kept || wrong(Mistake::PlaceLost) {
            return;
        }
        self.0.push(Left {
            caller: arrival.caller.clone(),
            queue: arrival.queue,
            entry,
            since: arrival.since,
            priority: arrival.priority,
            until: if wrong(Mistake::PlaceKeptForEver) { Time::NEVER } else { now + queue.keep_place },
        });
    }

    pub fn comes_back(&mut self, now: Time, arrival: &mut Arrival, mistake: Option<Mistake>) {
        let wrong = |other| mistake == Some(other);
        let is_mine = |left: &&Left| {
            arrival.kind == Kind::Call
                && !arrival.caller.is_empty()
                && left.caller == arrival.caller
                && (left.queue == arrival.queue || wrong(Mistake::PlaceKeptInEveryQueue))
                && now < left.until
        };
        let order = |left: &&Left| (left.since, left.entry);
        let mine = self.0.iter().filter(is_mine);
        let found = if wrong(Mistake::NewestPlaceFirst) { mine.max_by_key(order) } else { mine.min_by_key(order) };
        let Some(left) = found else { return };
        let entry = left.entry;
        arrival.since = arrival.since.min(left.since);
        if !wrong(Mistake::PlaceWithoutPriority) {
            arrival.priority = arrival.priority.max(left.priority);
        }
        if !wrong(Mistake::PlaceGivenTwice) {
            self.0.retain(|left| left.entry != entry);
        }
    }

    pub fn was_down(&mut self, now: Time, since: Time) {
        for left in self.0.iter_mut().filter(|left| left.until > since) {
            left.until += now.since(since);
        }
    }
}
