//! "What if two more people worked this afternoon?": a plan with other staffing, and what that changes.

use super::estimate::Estimate;
use super::plan::{Group, Plan, TimeOfDay};
use super::report::{Interval, Report, by_interval};
use super::run::Outcomes;
use super::tally::QueueNumbers;
use crate::acd::truth::ServiceLevel;
use crate::time::Duration;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// More people like those of a group, or fewer: `helpers=2`, `helpers=-1`, `helpers=2@13:00-17:00`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct More {
    pub group: String,
    pub agents: i32,
    /// Another shift than the group's; only with more people. Times of day.
    pub shift: Option<(TimeOfDay, TimeOfDay)>,
}

impl FromStr for More {
    type Err = String;

    fn from_str(text: &str) -> Result<More, String> {
        let expected = || "expected GROUP=N or GROUP=N@HH:MM-HH:MM, such as helpers=2@13:00-17:00".to_owned();
        let (group, rest) = text.split_once('=').ok_or_else(expected)?;
        let (agents, shift) = match rest.split_once('@') {
            None => (rest, None),
            Some((agents, shift)) => {
                let (from, to) = shift.split_once('-').ok_or_else(expected)?;
                let clock = |text: &str| text.parse::<TimeOfDay>().map_err(|_| expected());
                (agents, Some((clock(from)?, clock(to)?)))
            }
        };
        let agents: i32 = agents.parse().map_err(|_| expected())?;
        if agents < 0 && shift.is_some() {
            return Err("who is not there has no shift: write GROUP=-N".into());
        }
        Ok(More { group: group.to_owned(), agents, shift })
    }
}

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.group, self.agents)?;
        self.shift.map_or(Ok(()), |(from, to)| write!(f, "@{from}-{to}"))
    }
}

impl More {
    /// The plan with these people. They come last, so that everybody else is the same person as before.
    ///
    /// # Errors
    ///
    /// There is no such group, or it has not so many people; in words.
    pub fn of(&self, plan: &Plan) -> Result<Plan, String> {
        let mut plan = plan.clone();
        let known: Vec<&str> = plan.groups.iter().map(|group| group.name.as_str()).collect();
        let known = known.join(", ");
        let Some(group) = plan.groups.iter_mut().find(|group| group.name == self.group) else {
            return Err(format!("there is no group `{}`; there is: {known}", self.group));
        };
        if self.agents < 0 {
            let fewer = group.agents.checked_sub(self.agents.unsigned_abs()).filter(|agents| *agents > 0);
            group.agents =
                fewer.ok_or_else(|| format!("`{}` has {} people: one has to stay", group.name, group.agents))?;
            return Ok(plan);
        }
        let mut more = Group { agents: self.agents.unsigned_abs(), name: self.to_string(), ..group.clone() };
        if let Some((TimeOfDay(from), TimeOfDay(to))) = self.shift {
            let day = Duration::from_secs(86_400);
            let from = if from + day <= plan.closes && from < plan.opens { from + day } else { from };
            (more.from, more.to) = (from, if to <= from { to + day } else { to });
            more.breaks.retain(|pause| (more.from..more.to).contains(&pause.at));
        }
        plan.groups.push(more);
        Ok(plan)
    }
}

/// What a change of a plan changes. Day by day the same callers come with the same patience, so luck is left out, and the bands
/// of the differences are much narrower than those of the numbers (common random numbers, paired t).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub planned: Report,
    pub changed: Report,
    pub queues: Vec<QueueDifferences>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueDifferences {
    pub name: String,
    pub day: Differences,
    pub intervals: Vec<Interval<Differences>>,
}

/// Changed less planned, of the days that have both.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Differences {
    pub answered: Option<Estimate>,
    pub service_level: Option<Estimate>,
    pub wait_seconds: Option<Estimate>,
    pub wait_p90_seconds: Option<Estimate>,
    pub abandoned_share: Option<Estimate>,
}

impl Comparison {
    /// Outcomes of the same seeds in the same order; the plans differ in people alone.
    pub fn of(first_seed: u64, planned: (&Plan, &[Outcomes]), changed: (&Plan, &[Outcomes])) -> Comparison {
        let plan = planned.0;
        let queue = |(q, settings): (usize, &crate::acd::QueueSettings)| {
            let row = |i: usize| {
                let pairs = planned.1.iter().zip(changed.1);
                Differences::of(&pairs.map(|(a, b)| (&a.queues[q][i], &b.queues[q][i])).collect::<Vec<_>>())
            };
            let name = settings.name.clone();
            QueueDifferences { name, day: row(plan.intervals()), intervals: by_interval(plan, row) }
        };
        Comparison {
            planned: Report::of(plan, first_seed, planned.1),
            changed: Report::of(changed.0, first_seed, changed.1),
            queues: plan.queues.iter().enumerate().map(queue).collect(),
        }
    }
}

impl Differences {
    fn of(days: &[(&QueueNumbers, &QueueNumbers)]) -> Differences {
        let each = |value: &dyn Fn(&QueueNumbers) -> Option<f64>| {
            let differences = days.iter().filter_map(|(planned, changed)| Some(value(changed)? - value(planned)?));
            Estimate::of(differences, (f64::NEG_INFINITY, f64::INFINITY))
        };
        let mean = |sums: &dyn Fn(&QueueNumbers) -> (f64, f64)| {
            Estimate::difference(days.iter().map(|(planned, changed)| [sums(planned), sums(changed)]))
        };
        Differences {
            answered: each(&|n| Some(n.counts.answered() as f64)),
            service_level: mean(&|n| n.service_level(ServiceLevel::AbandonsAgainst)),
            wait_seconds: mean(&QueueNumbers::speed_of_answer),
            wait_p90_seconds: each(&|n| Some(n.wait_p90?.as_secs_f64())),
            abandoned_share: mean(&QueueNumbers::abandon_rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plain;
    use super::super::{Break, Run};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn plan() -> Plan {
        let mut plan = plain(5, 100.0, "exponential 3m", "exponential 2m", 4 * HOUR);
        plan.groups[0].to = 4 * HOUR;
        plan.groups[0].breaks = [1, 3].map(|at| Break { at: HOUR * at, length: HOUR / 4, spread: HOUR / 2 }).to_vec();
        plan
    }

    fn more(text: &str) -> Result<Plan, String> {
        text.parse::<More>()?.of(&plan())
    }

    #[test]
    fn people_are_added_like_their_group_and_taken_from_it() {
        let two = more("desk=2").unwrap();
        assert_eq!(two.groups[0], plan().groups[0]);
        assert_eq!(two.groups[1], Group { name: "desk=2".into(), agents: 2, ..plan().groups[0].clone() });
        let late = &more("desk=2@02:30-04:00").unwrap().groups[1];
        assert_eq!((late.from, late.to, late.breaks.len()), (HOUR * 5 / 2, 4 * HOUR, 1));
        assert_eq!(late.name, "desk=2@02:30-04:00");
        let fewer = more("desk=-2").unwrap();
        assert_eq!((fewer.groups.len(), fewer.groups[0].agents), (1, 3));
        for (wrong, said) in [
            ("desk", "expected GROUP=N"),
            ("desk=two", "expected GROUP=N"),
            ("desk=2@8-9", "expected GROUP=N"),
            ("desk=-1@08:00-09:00", "no shift"),
            ("desks=1", "there is no group `desks`; there is: desk"),
            ("desk=-5", "has 5 people"),
        ] {
            assert!(more(wrong).unwrap_err().contains(said), "{wrong}: {:?}", more(wrong));
        }
    }

    #[test]
    fn of_a_night_the_shift_is_on_the_right_side_of_midnight() {
        let mut plan = plan();
        (plan.opens, plan.closes) = (20 * HOUR, 30 * HOUR);
        for (text, from, to) in [("desk=1@22:00-02:00", 22, 26), ("desk=1@01:00-03:00", 25, 27)] {
            let group = &text.parse::<More>().unwrap().of(&plan).unwrap().groups[1];
            assert_eq!((group.from, group.to), (HOUR * from, HOUR * to), "{text}");
        }
    }

    /// The difference is that of the means, and surer than either.
    #[test]
    fn a_comparison_leaves_luck_out() {
        let (planned, changed) = (plan(), more("desk=1@02:00-04:00").unwrap());
        let days = |plan: &Plan| (1..=20).map(|seed| Run::new(plan, seed).finish()).collect::<Vec<_>>();
        let (before, after) = (days(&planned), days(&changed));
        let comparison = Comparison::of(1, (&planned, &before), (&changed, &after));
        let difference = comparison.queues[0].day.service_level.unwrap();
        let means = |report: &Report| report.queues[0].day.service_level.unwrap();
        let (before, after) = (means(&comparison.planned), means(&comparison.changed));
        assert!((difference.mean - (after.mean - before.mean)).abs() < 1e-9);
        assert!(difference.band.unwrap().0 > 0.0, "{difference:?}");
        assert!(difference.plus_minus() < before.plus_minus(), "{difference:?} {before:?}");
        // Before they come nothing is different.
        let early = comparison.queues[0].intervals[0].row.wait_seconds.unwrap();
        assert_eq!((early.mean, early.deviation), (0.0, Some(0.0)));
        let text = comparison.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        insta::assert_snapshot!(text);
    }
}
