//! The counts of some contacts, from what happened to them.

use super::*;

/// Something that happened to a contact or a promise.
pub struct Fact {
    pub queue: QueueId,
    /// When the contact came, or the promise was made.
    pub of: Time,
    pub what: What,
}

pub enum What {
    Came,
    Gone {
        exit: Exit,
        waited: Duration,
        level: Duration,
    },
    /// Talk, hold and wrap-up are over.
    Handled([u64; 3]),
    Promised,
    Tried,
    Kept(Duration),
    Broken(Broken),
    /// The same of who is called back.
    Worked([u64; 3]),
}

/// Who has left the line.
struct Gone {
    exit: Exit,
    waited: u64,
    in_level: bool,
}

impl Recount<'_> {
    pub(super) fn sheet<'f>(&self, facts: impl Iterator<Item = &'f Fact>) -> Sheet {
        let facts: Vec<&What> = facts.map(|fact| &fact.what).collect();
        let count = |of: fn(&What) -> bool| facts.iter().filter(|what| of(what)).count() as i64;
        let gone = facts.iter().filter_map(|what| match what {
            What::Gone { exit, waited, level } => {
                let late_at_level = self.wrong(Mistake::LateAtTheLevel);
                let in_level = if late_at_level { waited < level } else { waited <= level };
                Some(Gone { exit: *exit, waited: micros(*waited), in_level })
            }
            _ => None,
        });
        let gone: Vec<Gone> = gone.collect();
        let handled = facts.iter().filter_map(|what| if let What::Handled(parts) = what { Some(parts) } else { None });
        let handled: Vec<&[u64; 3]> = handled.collect();

        let mut sheet = Sheet { offered: count(|what| matches!(what, What::Came)), ..Sheet::default() };
        sheet.waiting = sheet.offered - gone.len() as i64;
        for exit in Exit::ALL {
            let many = gone.iter().filter(|one| one.exit == exit).count() as i64;
            sheet.exits.extend((many > 0).then_some((exit, many)));
        }
        if self.wrong(Mistake::RefusedAreNotOffered) {
            sheet.offered -= gone.iter().filter(|one| one.exit == Exit::RefusedFull).count() as i64;
        }
        let in_level = |kind| gone.iter().filter(|one| self.kind(one.exit) == kind && one.in_level).count() as i64;
        sheet.in_level = [in_level(Kind::Answered), in_level(Kind::Abandoned), in_level(Kind::Moved)];
        sheet.answered_wait = self.waits(gone.iter().filter(|one| match one.exit {
            Exit::Abandoned => self.wrong(Mistake::AbandonedWaitAsAnswered),
            Exit::TimedOut => self.wrong(Mistake::TimedOutWaitAsAnswered),
            exit => exit == Exit::Answered,
        }));
        sheet.abandoned_wait = self.waits(gone.iter().filter(|one| match one.exit {
            Exit::ShortAbandoned => !self.wrong(Mistake::ShortAbandonsDoNotWait),
            Exit::LeftByKey => self.wrong(Mistake::LeftByKeyWaitsAsAbandoned),
            exit => exit == Exit::Abandoned,
        }));
        sheet.longest = Duration::from_micros(if self.wrong(Mistake::LongestOfTheAnswered) {
            sheet.answered_wait[1]
        } else {
            sheet.answered_wait[1].max(sheet.abandoned_wait[1])
        });

        let answered = gone.iter().filter(|one| one.exit == Exit::Answered).count() as i64;
        sheet.handled = handled.len() as i64;
        sheet.in_hand = answered - sheet.handled;
        sheet.handling = [0, 1, 2].map(|part| handled.iter().map(|parts| parts[part]).sum());
        let [talk, hold, wrap_up] = sheet.handling;
        let work = match self.mistake {
            Some(Mistake::AhtWithoutWrapUp) => talk + hold,
            Some(Mistake::AhtWithoutHold) => talk + wrap_up,
            _ => talk + hold + wrap_up,
        };
        let below = if self.wrong(Mistake::AhtOfAnswered) { answered } else { sheet.handled };
        let abandoned = gone.iter().filter(|one| self.kind(one.exit) == Kind::Abandoned).count() as i64;
        let asa_of = if self.wrong(Mistake::AsaOfAllGone) { gone.len() as i64 } else { answered };
        sheet.means[..3].copy_from_slice(&[
            mean(sheet.answered_wait[0], asa_of),
            mean(sheet.abandoned_wait[0], abandoned),
            mean(work, below),
        ]);
        self.levels(&gone, &mut sheet);
        self.promises(&facts, &mut sheet);
        sheet
    }

    /// Sum and longest.
    fn waits<'g>(&self, who: impl Iterator<Item = &'g Gone>) -> [u64; 2] {
        let waits: Vec<u64> = who.map(|one| one.waited).collect();
        let longest = if self.wrong(Mistake::LastWaitIsLongest) { waits.last() } else { waits.iter().max() };
        [waits.iter().sum(), longest.copied().unwrap_or(0)]
    }

    fn kind(&self, exit: Exit) -> Kind {
        match (exit, self.mistake) {
            (Exit::ShortAbandoned, Some(Mistake::ShortAbandonsLetDown)) => Kind::LetDown,
            (Exit::Callback, Some(Mistake::CallbackIsAbandoned)) => Kind::Abandoned,
            (Exit::LeftByKey, Some(Mistake::LeftByKeyIsAbandoned)) => Kind::Abandoned,
            (Exit::Overflowed, Some(Mistake::OverflowedLetDown)) => Kind::LetDown,
            (Exit::Transferred, Some(Mistake::TransferredLetDown)) => Kind::LetDown,
            (Exit::QueueClosed, Some(Mistake::QueueClosedLetDown)) => Kind::LetDown,
            (Exit::TimedOut, Some(Mistake::TimedOutMovesOn)) => Kind::Moved,
            (Exit::NoAgents, Some(Mistake::NoAgentsMoveOn)) => Kind::Moved,
            (Exit::RefusedFull, Some(Mistake::RefusedMoveOn)) => Kind::Moved,
            (Exit::SystemFault, Some(Mistake::SystemFaultMovesOn)) => Kind::Moved,
            (Exit::Answered, _) => Kind::Answered,
            (Exit::Abandoned | Exit::ShortAbandoned, _) => Kind::Abandoned,
            (Exit::TimedOut | Exit::NoAgents | Exit::RefusedFull | Exit::SystemFault, _) => Kind::LetDown,
            (Exit::Overflowed | Exit::Callback | Exit::LeftByKey | Exit::Transferred | Exit::QueueClosed, _) => {
                Kind::Moved
            }
        }
    }

    /// The six service levels, and the abandon rates.
    fn levels(&self, gone: &[Gone], sheet: &mut Sheet) {
        let count =
            |who: &dyn Fn(&Gone, Kind) -> bool| gone.iter().filter(|one| who(one, self.kind(one.exit))).count() as i64;
        let mut due = count(&|one, kind| match kind {
            Kind::Answered | Kind::Abandoned => true,
            Kind::LetDown => !self.wrong(Mistake::LetDownIsNotDue),
            Kind::Moved if self.wrong(Mistake::MovedOnInLevelIsDue) => true,
            Kind::Moved => !one.in_level && !self.wrong(Mistake::MovedOnLateIsNotDue),
        });
        if self.wrong(Mistake::WaitingIsDue) {
            due += sheet.waiting;
        }
        let mut answered = count(&|one, kind| kind == Kind::Answered && one.in_level);
        if self.wrong(Mistake::LetDownInLevelIsServed) {
            answered += count(&|one, kind| kind == Kind::LetDown && one.in_level);
        }
        let all_answered = count(&|_, kind| kind == Kind::Answered);
        let all_abandoned = count(&|_, kind| kind == Kind::Abandoned);
        let abandoned = count(&|one, kind| kind == Kind::Abandoned && one.in_level);
        let short = count(&|one, _| one.exit == Exit::ShortAbandoned);
        sheet.levels = [
            (answered, if self.wrong(Mistake::AbandonsAgainstOnlyLate) { due - abandoned } else { due }),
            match self.mistake {
                Some(Mistake::ShortAbandonsNotIgnored) => (answered, due),
                Some(Mistake::ShortAbandonsIgnoredAreAll) => (answered, due - all_abandoned),
                _ => (answered, due - short),
            },
            match self.mistake {
                Some(Mistake::LateAbandonsIgnored) => (answered, due - all_abandoned),
                Some(Mistake::AbandonsInLevelNotIgnored) => (answered, due),
                _ => (answered, due - abandoned),
            },
            match self.mistake {
                Some(Mistake::AnsweredAndAbandonedOnly) => (answered, all_answered + all_abandoned),
                Some(Mistake::AnsweredOnlyInLevel) => (answered, answered),
                _ => (answered, all_answered),
            },
            match self.mistake {
                Some(Mistake::LateAbandonsFor) => (answered + all_abandoned, due),
                Some(Mistake::AbandonsForAreLeftOut) => (answered + abandoned, due - abandoned),
                _ => (answered + abandoned, due),
            },
            match self.mistake {
                Some(Mistake::ShortAbandonsForInLevel) => (answered + abandoned, due),
                Some(Mistake::ShortAbandonsForAreLeftOut) => (answered + short, due - short),
                _ => (answered + short, due),
            },
        ];
        sheet.shares = sheet.levels.map(|(above, below)| share(above, below));
        let ended = gone.len() as i64;
        let of = if self.wrong(Mistake::AbandonRateOfOffered) { sheet.offered } else { ended };
        let without = if self.wrong(Mistake::ShortAbandonsStayBelow) { ended } else { ended - short };
        let late = if self.wrong(Mistake::ShortAbandonsStayAbove) { all_abandoned } else { all_abandoned - short };
        sheet.rates[..2].copy_from_slice(&[share(all_abandoned, of), share(late, without)]);
    }

    fn promises(&self, facts: &[&What], sheet: &mut Sheet) {
        let count = |of: &dyn Fn(&What) -> bool| facts.iter().filter(|what| of(what)).count() as i64;
        let made = count(&|what| matches!(what, What::Promised));
        let broken = |how| match (how, self.mistake) {
            (Broken::NotReached, Some(Mistake::NotReachedIsTimedOut)) => 0,
            (Broken::TimedOut, Some(Mistake::NotReachedIsTimedOut)) => {
                count(&|what| matches!(what, What::Broken(Broken::TimedOut | Broken::NotReached)))
            }
            (Broken::Refused, Some(Mistake::RefusedIsWithdrawn)) => 0,
            (Broken::Withdrawn, Some(Mistake::RefusedIsWithdrawn)) => {
                count(&|what| matches!(what, What::Broken(Broken::Refused | Broken::Withdrawn)))
            }
            _ => count(&|what| matches!(what, What::Broken(of) if *of == how)),
        };
        let [timed_out, not_reached, withdrawn, refused] =
            [Broken::TimedOut, Broken::NotReached, Broken::Withdrawn, Broken::Refused].map(broken);
        let waits: Vec<u64> = facts
            .iter()
            .filter_map(|what| if let What::Kept(waited) = what { Some(micros(*waited)) } else { None })
            .collect();
        let mut kept = waits.len() as i64;
        if self.wrong(Mistake::ReachedIsKept) {
            kept = kept.max(count(&|what| matches!(what, What::Worked(_))));
        }
        let mut open = made - kept - timed_out - not_reached - withdrawn - refused;
        if self.wrong(Mistake::BrokenStaysOpen) {
            open += timed_out + not_reached + withdrawn;
        }
        let tried = match self.mistake {
            Some(Mistake::TriesAreCountedWhenOver) => count(&|what| matches!(what, What::Worked(_))),
            _ => count(&|what| matches!(what, What::Tried)),
        };
        let made = if self.wrong(Mistake::PromiseMadeTwice) { 2 * made } else { made };
        sheet.promises = [made, open, kept, timed_out, not_reached, withdrawn, refused, tried];
        let longest = waits.iter().copied().max().unwrap_or(0);
        sheet.promise_wait =
            [waits.iter().sum(), if self.wrong(Mistake::LongestPromiseForgotten) { 0 } else { longest }];
        let work = facts.iter().filter_map(|what| if let What::Worked(parts) = what { Some(parts) } else { None });
        sheet.promise_work = match self.mistake {
            Some(Mistake::PromiseWorkIsTalk) => work.map(|[talk, ..]| talk).sum(),
            Some(Mistake::PromiseWorkWithoutWrapUp) => work.map(|[talk, hold, _]| talk + hold).sum(),
            _ => work.flatten().sum(),
        };
        let mut ended = kept + timed_out + not_reached + refused;
        if self.wrong(Mistake::WithdrawnCountAgainst) {
            ended += withdrawn;
        }
        if self.wrong(Mistake::KeptShareOfMade) {
            ended = made;
        }
        sheet.rates[2] = share(kept, ended);
        sheet.means[3] = mean(sheet.promise_wait[0], kept);
    }
}

fn share(above: i64, below: i64) -> Option<f64> {
    (below != 0).then(|| above as f64 / below as f64)
}

fn mean(sum: u64, count: i64) -> Option<Duration> {
    (count != 0).then(|| Duration::from_micros(sum / count.unsigned_abs()))
}
