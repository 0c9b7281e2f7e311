//! Where a call that rings may still find somebody: the places that those who were called named (3xx), one after the other, each
//! once (RFC 3261 §8.1.3.4).
//!
//! What a place names itself is tried instead of it, so before those that stood beside it. Pure: [`super::redirects`] says which may
//! be called, and calls them.

use super::calls::Plan;
use crate::ids::AgentId;
use crate::time::{Duration, Time};
use std::collections::VecDeque;
use std::sync::Arc;

/// How many places a call is sent to, one after the other, by those it reaches.
pub const REDIRECTS_MAX: u8 = 3;

/// Where somebody who was called wants to have the call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub plan: Plan,
    /// In the one form of numbers.
    pub number: String,
    /// By a `sips:` URI.
    pub securely: bool,
    /// Who wants that: an agent's name or a number.
    pub by: Arc<str>,
    /// The agent whose phone that was, or who sent the call there; `None`: none did.
    pub agent: Option<AgentId>,
}

/// What a call comes to when nobody is rung any more.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Place(Place),
    /// Nobody is left; the code is for the caller.
    Over {
        code: u16,
    },
    /// So many are left, the first of them named by this one, but enough were tried.
    Cut {
        code: u16,
        by: Arc<str>,
        left: usize,
    },
}

#[derive(Debug)]
pub(super) struct Search {
    /// Not tried yet, the next one first.
    left: VecDeque<Place>,
    /// How many of those the present place named.
    named: usize,
    /// All that were tried or are left.
    known: Vec<Plan>,
    /// Places that the call was sent to, also by way of flows.
    sent: u8,
    /// The most telling refusal until now; 0: none.
    code: u16,
    /// How long each place rings.
    ring: Duration,
    /// When the last one has rung.
    until: Time,
}

impl Search {
    /// `sent`: to how many places the call was sent before. Each rings for `ring`; all together for `all` if that is longer.
    pub fn new(now: Time, first: &Plan, sent: u8, ring: Duration, all: Duration) -> Search {
        let until = now + ring.max(all);
        Search { left: VecDeque::new(), named: 0, known: vec![first.clone()], sent, code: 0, ring, until }
    }

    /// The present place wants to have the call at these, the best first. False: there is none among them that is new.
    pub fn sent_to(&mut self, places: impl IntoIterator<Item = Place>) -> bool {
        let before = self.left.len();
        for place in places {
            if !self.known.contains(&place.plan) {
                self.known.push(place.plan.clone());
                self.left.insert(self.named, place);
                self.named += 1;
            }
        }
        self.left.len() > before
    }

    /// The present place, or a phone of it, said no. One that speaks for all places (6xx) is the last that is asked.
    pub fn refused(&mut self, code: u16) {
        if code >= 600 {
            self.left.clear();
        }
        self.code = more_telling(self.code, code);
    }

    /// The present place has failed.
    pub fn next(&mut self, now: Time) -> Next {
        self.named = 0;
        // Who was sent on and found no place is not there.
        let code = if self.code == 0 { 480 } else { self.code };
        match self.left.pop_front() {
            None => Next::Over { code },
            Some(place) if self.sent >= REDIRECTS_MAX || self.until <= now => {
                Next::Cut { code, by: place.by, left: self.left.len() + 1 }
            }
            Some(place) => {
                self.sent += 1;
                Next::Place(place)
            }
        }
    }

    /// When who is rung now is given up.
    pub fn deadline(&self, now: Time) -> Time {
        (now + self.ring).min(self.until)
    }

    pub fn sent(&self) -> u8 {
        self.sent
    }
}

/// Of two refusals the one that the caller is told (RFC 3261 §16.7 step 6): who speaks for all places, then who speaks for the
/// person, and only then what went wrong on the way.
fn more_telling(one: u16, other: u16) -> u16 {
    let rank = |code: u16| match code {
        600.. => 3,
        400..500 => 2,
        1.. => 1,
        0 => 0,
    };
    std::cmp::max_by_key(one, other, |code| (rank(*code), *code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000);
    const RING: Duration = Duration::from_secs(30);
    const ALL: Duration = Duration::from_secs(150);

    fn outside(number: &str) -> Plan {
        Plan::Outside { number: number.into() }
    }

    fn place(number: &str) -> Place {
        let (plan, number) = (outside(number), number.into());
        Place { plan, number, securely: false, by: "anna".into(), agent: Some(AgentId(0)) }
    }

    fn search() -> Search {
        Search::new(NOW, &outside("first"), 0, RING, ALL)
    }

    fn next(search: &mut Search, now: Time) -> Result<String, Next> {
        match search.next(now) {
            Next::Place(place) => Ok(place.number),
            other => Err(other),
        }
    }

    #[test]
    fn places_are_tried_in_their_order_each_once_and_what_one_names_before_the_rest() {
        let mut search = search();
        assert!(search.sent_to(["a", "b", "a"].map(place)));
        assert!(!search.sent_to(["first", "b"].map(place)), "where it was, or is going anyway");
        assert_eq!(next(&mut search, NOW), Ok("a".into()));
        assert!(search.sent_to(["first", "a1", "b"].map(place)));
        // A second phone at the same place, which names others, has its say after the first.
        assert!(search.sent_to(["a2"].map(place)));
        assert_eq!(next(&mut search, NOW), Ok("a1".into()));
        search.refused(486);
        assert_eq!(next(&mut search, NOW), Ok("a2".into()));
        assert!(!search.sent_to(["a1", "a2", "first"].map(place)), "a circle ends");
        assert_eq!(next(&mut search, NOW), Err(Next::Cut { code: 486, by: "anna".into(), left: 1 }));
    }

    #[test]
    fn so_many_places_are_tried_and_no_more() {
        for before in 0..=REDIRECTS_MAX {
            let mut search = Search::new(NOW, &outside("first"), before, RING, ALL);
            assert!(search.sent_to(["a", "b", "c", "d", "e"].map(place)));
            for number in ["a", "b", "c"].iter().take((REDIRECTS_MAX - before).into()) {
                assert_eq!(next(&mut search, NOW), Ok((*number).into()));
            }
            let left = 2 + usize::from(before);
            assert_eq!(next(&mut search, NOW), Err(Next::Cut { code: 480, by: "anna".into(), left }));
            assert_eq!(search.sent(), REDIRECTS_MAX);
        }
    }

    #[test]
    fn each_place_rings_for_its_time_and_all_together_for_theirs() {
        let mut search = Search::new(NOW, &outside("first"), 0, 2 * RING, ALL);
        let mut now = NOW;
        let mut rang = Vec::new();
        search.sent_to(["a", "b", "c"].map(place));
        loop {
            let deadline = search.deadline(now);
            rang.push(deadline.since(now).as_secs());
            now = deadline;
            search.refused(408);
            match search.next(now) {
                Next::Place(_) => {}
                over => break assert_eq!(over, Next::Cut { code: 408, by: "anna".into(), left: 1 }),
            }
        }
        assert_eq!(rang, [60, 60, 30]);
        // Who is to be rung for longer than that is, and nobody after them.
        let long = Search::new(NOW, &outside("first"), 0, 2 * ALL, ALL);
        assert_eq!(long.deadline(NOW).since(NOW), 2 * ALL);
    }

    #[test]
    fn who_speaks_for_all_places_ends_the_search() {
        let mut search = search();
        search.sent_to([place("a")]);
        search.refused(486);
        search.refused(603);
        assert_eq!(search.next(NOW), Next::Over { code: 603 });
    }

    #[test]
    fn the_caller_is_told_what_says_most_about_who_was_called() {
        for (codes, told) in [
            (&[][..], 480),
            (&[486, 408], 486),
            (&[503, 486, 500], 486),
            (&[404, 480], 480),
            (&[500, 503], 503),
            (&[600, 486], 600),
        ] {
            let mut search = search();
            codes.iter().for_each(|code| search.refused(*code));
            assert_eq!(search.next(NOW), Next::Over { code: told }, "{codes:?}");
        }
    }
}
