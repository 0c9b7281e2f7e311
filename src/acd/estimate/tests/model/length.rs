//! The wait by the length of the line.

use super::*;

/// A sum in which what was n events ago weighs (1 − 1/`of`)^n.
fn fading(of: f64, newest_first: impl Iterator<Item = f64>) -> f64 {
    newest_first
        .zip(std::iter::successors(Some(1.0), |weight| Some(weight * (1.0 - 1.0 / of))))
        .map(|(n, w)| n * w)
        .sum()
}

/// Of places in line: 0, 1–2, 3–6, and so on to 127 and more.
fn bucket(place: u32) -> u32 {
    (place + 1).ilog2().min(7)
}

impl Model {
    /// Microseconds until the answer, for who has so many before them. See [`Movement::by_queue_length`].
    pub(super) fn by_length(&self, queue: QueueId, ahead: u32) -> Option<f64> {
        let stood = self.stood(queue);
        let enough = match self.mistake {
            Some(Mistake::FewAnswersAreEnough) => 1,
            _ => self.settings.answers_min,
        };
        let many = match self.mistake {
            Some(Mistake::AnswersAreForgotten) => fading(64.0, stood.iter().map(|_| 1.0)) as u32,
            _ => stood.len() as u32,
        };
        if many < enough {
            return None;
        }
        let memory = |usual: f64, short: Mistake, long: Mistake| match self.mistake {
            Some(mistake) if mistake == short => usual / 4.0,
            Some(mistake) if mistake == long => usual * 1e9,
            _ => usual,
        };
        let answers = memory(64.0, Mistake::AnswersOfAMoment, Mistake::AnswersOfAllTime);
        let time = fading(answers, stood.iter().rev().copied());
        let served = if time > 0.0 { fading(answers, stood.iter().map(|_| 1.0)) / time } else { return None };

        let departures = memory(256.0, Mistake::PatienceOfAMoment, Mistake::PatienceOfAllTime);
        let gone = || {
            self.of(queue).rev().filter_map(|event| match event.what {
                What::Gone { waited, answered } if answered || !self.wrong(Mistake::WaitOfTheAnsweredOnly) => {
                    Some((waited, answered))
                }
                What::Gone { answered: false, .. } => Some((0, false)),
                _ => None,
            })
        };
        let waited = fading(departures, gone().map(|(waited, _)| waited as f64));
        let leaves = |answered: bool| !answered || self.wrong(Mistake::AnsweredLeave);
        let left = fading(departures, gone().map(|(_, answered)| f64::from(u8::from(leaves(answered)))));
        let left = if waited > 0.0 && !self.wrong(Mistake::NobodyLeaves) { left / waited } else { 0.0 };

        let overtaking: Vec<_> = (0..=bucket(ahead)).map(|bucket| self.overtaking(queue, bucket)).collect();
        let steps = (u32::from(self.wrong(Mistake::OwnPlaceIsNoStep))..=ahead).map(|i| {
            let (first, overtaking) = overtaking[bucket(i) as usize];
            let moves = served + f64::from(first) * left;
            let least = if self.wrong(Mistake::OvertakenForEver) { moves * 1e-6 } else { moves / 8.0 };
            1.0 / ((moves - overtaking).max(least) + f64::from(i - first) * left)
        });
        Some(steps.sum::<f64>() + self.ringing(queue))
    }

    /// For each answer of who had to wait, how long somebody stood in line since the one before.
    fn stood(&self, queue: QueueId) -> Vec<f64> {
        let (mut stood, mut since, mut last_rung) = (Vec::new(), 0, Time::EPOCH);
        for event in self.of(queue) {
            match event.what {
                What::Rung { arrived, at_once } => {
                    let from = match self.mistake {
                        Some(Mistake::IdleTimeCounts) => last_rung.max(Time::from_secs(1_000_000)),
                        Some(Mistake::EachWaitCounts) => arrived,
                        _ => last_rung.max(arrived),
                    };
                    if !at_once {
                        since += micros_between(from, event.at);
                    }
                    if !(at_once && self.wrong(Mistake::RungAtOnceUnseen)) {
                        last_rung = event.at;
                    }
                }
                What::Answered { at_once, .. } if !at_once || self.wrong(Mistake::AtOnceIsServed) => {
                    stood.push(std::mem::take(&mut since) as f64);
                }
                _ => {}
            }
        }
        stood
    }

    /// Mean time from the ring to the answer, of about the last 32; two minutes are the longest that counts.
    fn ringing(&self, queue: QueueId) -> f64 {
        let rang = self.of(queue).filter_map(|event| match event.what {
            What::Answered { rung, .. } => Some(micros_between(rung, event.at)),
            _ => None,
        });
        let most = if self.wrong(Mistake::RingsWithoutEnd) { u64::MAX } else { 120_000_000 };
        let mut rang = rang.map(|micros| micros.min(most) as f64);
        let first = rang.next().unwrap_or(0.0);
        match self.mistake {
            Some(Mistake::RingingForgotten) => 0.0,
            Some(Mistake::FirstRing) => first,
            Some(Mistake::LastRing) => rang.next_back().unwrap_or(first),
            _ => rang.fold(first, |mean, ring| mean + (ring - mean) / 32.0),
        }
    }

    /// The first place of a bucket, and how many per microsecond step in before who stands in it: all with fewer before
    /// them, and half of those who step in within it.
    fn overtaking(&self, queue: QueueId, of: u32) -> (u32, f64) {
        let first = (1 << of) - 1;
        if self.wrong(Mistake::NobodyOvertakes) {
            return (first, 0.0);
        }
        let mut came: Vec<(u64, f64)> = Vec::new();
        let mut last = Time::EPOCH;
        for event in self.of(queue) {
            let What::Came { ahead, behind } = event.what else { continue };
            let passed = micros_between(std::mem::replace(&mut last, event.at), event.at);
            // Nobody stood in line.
            if ahead == 0 && behind == 0 && !self.wrong(Mistake::EmptyLinesAreOvertaken) {
                continue;
            }
            let steps_in = behind > 0 || self.wrong(Mistake::EverybodyOvertakes);
            let share = match bucket(ahead).cmp(&of) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal if first == 0 || self.wrong(Mistake::OvertakenByAllWithin) => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => f64::from(u8::from(self.wrong(Mistake::OvertakenFromBehind))),
            };
            came.push((passed, if steps_in { share } else { 0.0 }));
        }
        let time = fading(256.0, came.iter().rev().map(|(passed, _)| *passed as f64)).max(1.0);
        (first, fading(256.0, came.iter().rev().map(|(_, share)| *share)) / time)
    }
}
