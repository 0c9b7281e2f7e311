//! Who is trusted, and what is said.

use super::*;

impl Model {
    /// `theirs`: predictions are taken from there.
    pub(super) fn answers(&mut self, now: Time, queue: QueueId, waits: Option<EntryId>, theirs: &Answers) -> Answers {
        let medians = Estimator::ALL.map(|estimator| self.median(now, queue, estimator));
        let best = self.best(now, queue);
        let predicted = best.and_then(|(estimator, error)| Some((theirs.predictions[estimator as usize]?, error)));
        let on_arrival = predicted.and_then(|(wait, error)| self.around(wait, error));
        let one = waits.and_then(|entry| self.waiting.iter().find(|one| one.entry == entry)).copied();
        let left = one.zip(best).and_then(|(one, (estimator, error))| {
            let whole = theirs.predictions_waiting[estimator as usize]?;
            let shrinks = match estimator {
                // Of the line before it now.
                Estimator::QueueLength => self.wrong(Mistake::LengthLessElapsed),
                Estimator::LastToEnterService | Estimator::HeadOfLine => !self.wrong(Mistake::ElapsedForgotten),
            };
            Some((if shrinks { whole.saturating_sub(now.since(one.arrived)) } else { whole }, error))
        });
        let rings = one.is_some_and(|one| one.rings) && !self.wrong(Mistake::RungForIsNotSoon);
        let remaining = left.and_then(|(left, error)| self.around(left, error));
        let said = on_arrival.map(|estimate| self.say(queue, estimate, false));
        let news = on_arrival.and_then(|estimate| {
            let last = self.news.iter().rfind(|(to, _)| *to == queue).map(|(_, said)| *said);
            let said = self.say(queue, estimate, true);
            (last != Some(said) || self.wrong(Mistake::SaidTwice)).then_some(said)
        });
        Answers {
            predictions: theirs.predictions,
            predictions_waiting: theirs.predictions_waiting,
            errors: medians.map(|(many, error)| (many > 0).then(|| (many, error as f64 / 1e3))),
            spoken: best.map(|(estimator, _)| estimator),
            on_arrival,
            least_on_arrival: predicted.map(|(wait, error)| self.least(wait, error)),
            remaining: if rings { Some(Estimate { from_minutes: 0, to_minutes: Some(1) }) } else { remaining },
            least_remaining: left.map(|(wait, error)| self.least(wait, error)),
            waiting: (self.waiting.len(), self.waiting.iter().filter(|one| one.rings).count()),
            knows: one.is_some(),
            said,
            news,
        }
    }

    /// How many errors of the last hour there are, in slots of five minutes of which the present is one, and the middle
    /// one of them, to 50 thousandths: those of one bucket are spread evenly over it; beyond 1,000 is 1,000.
    fn median(&self, now: Time, queue: QueueId, estimator: Estimator) -> (u64, u64) {
        let slot = |at: Time| at.as_secs() / 300;
        let slots = match self.mistake {
            Some(Mistake::ErrorsOfAllTime) => u64::MAX,
            Some(Mistake::ErrorsOfHalfAnHour) => 6,
            Some(Mistake::ErrorsOfOneSlotMore) => 13,
            _ => 12,
        };
        let errors = self.events.iter().filter_map(|event| match event.what {
            What::Error { estimator: of, thousandths } if of == estimator => {
                let here = event.queue == queue || self.wrong(Mistake::ErrorsOfAllQueues);
                (here && slot(now) - slot(event.at) < slots).then_some(thousandths)
            }
            _ => None,
        });
        let mut errors: Vec<u64> = errors.collect();
        errors.sort_unstable();
        let many = errors.len() as u64;
        if many == 0 {
            return (0, 0);
        }
        if self.wrong(Mistake::MeanError) {
            return (many, errors.iter().map(|error| (*error).min(1_000)).sum::<u64>() / many);
        }
        let bucket = |error: u64| (error / 50).min(20);
        // Half of them are at or below the end of this one's bucket.
        let middle = bucket(errors[(errors.len() - 1) / 2]);
        if middle == 20 {
            return (many, 1_000);
        }
        let below = errors.iter().filter(|error| bucket(**error) < middle).count() as u64;
        let within = errors.iter().filter(|error| bucket(**error) == middle).count() as u64;
        (many, middle * 50 + (many - 2 * below) * 50 / (2 * within))
    }

    /// The estimator with the least median error, and that error, if it is to be trusted.
    fn best(&self, now: Time, queue: QueueId) -> Option<(Estimator, u64)> {
        let enough = if self.wrong(Mistake::FewErrorsAreEnough) { 1 } else { self.settings.samples_min };
        let mut of = Estimator::ALL.to_vec();
        if self.wrong(Mistake::LastOfEquals) {
            of.reverse();
        }
        let errors = of.into_iter().map(|estimator| (estimator, self.median(now, queue, estimator)));
        let mut errors: Vec<_> = errors.filter(|(_, (many, _))| *many >= u64::from(enough)).collect();
        errors.sort_by_key(|(_, (_, error))| *error);
        let (estimator, (_, error)) = match self.mistake {
            Some(Mistake::WorstIsSpoken) => *errors.last()?,
            Some(Mistake::AlwaysLength) => *errors.iter().find(|(one, _)| *one == Estimator::QueueLength)?,
            _ => *errors.first()?,
        };
        let most = u64::from(self.settings.error_percent_max) * 10;
        let trusted = error <= most || self.wrong(Mistake::SpeaksUnsure);
        (trusted && !(error == most && self.wrong(Mistake::SilentAtTheLimit))).then_some((estimator, error))
    }

    /// From and to, each at the next step outwards.
    fn around(&self, predicted: Duration, error: u64) -> Option<Estimate> {
        let error = if self.wrong(Mistake::RangeWithoutError) { 0 } else { u128::from(error) };
        let minute = 60_000_000;
        let low = predicted.as_micros() * 1_000u128.saturating_sub(error);
        let high = predicted.as_micros() * (1_000 + error);
        let minutes = |step: u32| u128::from(step) * minute * 1_000;
        let from = STEPS.into_iter().filter(|step| minutes(*step) <= low).max()?;
        let to = STEPS.into_iter().filter(|step| *step > from && minutes(*step) >= high).min();
        let to = if self.wrong(Mistake::RangeInwards) {
            STEPS.into_iter().filter(|step| *step > from && minutes(*step) <= high).max().or(to)
        } else {
            to
        };
        let everything = from == 0 && to.is_none() && !self.wrong(Mistake::EverythingIsSaid);
        (!everything).then_some(Estimate { from_minutes: from, to_minutes: to })
    }

    fn least(&self, predicted: Duration, error: u64) -> Duration {
        let error = if self.wrong(Mistake::LeastIsTheMiddle) { 0 } else { error.min(1_000) };
        Duration::from_nanos((predicted.as_nanos() * u128::from(1_000 - error) / 1_000) as u64)
    }

    /// Neither end is more than one step above the least that was ever said to this caller.
    fn say(&mut self, queue: QueueId, estimate: Estimate, news: bool) -> Estimate {
        let before = if news { &self.news } else { &self.said };
        let before: Vec<Estimate> = before.iter().filter(|(to, _)| *to == queue).map(|(_, said)| *said).collect();
        // Beyond the last step is a step.
        let number = |minutes: Option<u32>| {
            minutes.map_or(STEPS.len(), |minutes| STEPS.iter().position(|step| *step == minutes).expect("a step"))
        };
        let step = |number: usize| STEPS.get(number).copied();
        let bound = |end: fn(&Estimate) -> Option<u32>| {
            let said: Vec<usize> = before.iter().map(|said| number(end(said))).collect();
            let least = if self.wrong(Mistake::StepAboveTheLast) { said.last() } else { said.iter().min() }.copied();
            match self.mistake {
                Some(Mistake::RisesFreely) => usize::MAX,
                Some(Mistake::NeverRises) => least.unwrap_or(usize::MAX),
                Some(Mistake::RisesByTwoSteps) => least.map_or(usize::MAX, |least| least + 2),
                _ => least.map_or(usize::MAX, |least| least + 1),
            }
        };
        let from = number(Some(estimate.from_minutes)).min(bound(|said| Some(said.from_minutes)));
        let to = number(estimate.to_minutes).min(bound(|said| said.to_minutes));
        let said = Estimate { from_minutes: step(from).expect("no more than was estimated"), to_minutes: step(to) };
        if news { &mut self.news } else { &mut self.said }.push((queue, said));
        said
    }
}
