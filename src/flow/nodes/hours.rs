//! `hours`: goes on by opening hours.

use super::{Kind, StepId, Turn, Way};
use crate::flow::compile::Compiler;
use crate::flow::model;
use crate::flow::walk::Walk;
use crate::flow::yaml::At;
use crate::hours::{Calendar, Opening};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hours")]
pub struct File {
    /// The name of a calendar of this file.
    pub calendar: At<String>,
    pub open: model::Way,
    pub closed: model::Way,
    /// On a holiday; the same as `closed` if it is left out.
    pub holiday: Option<model::Way>,
}

#[derive(Debug)]
pub struct Hours {
    /// `None` only in a flow that did not compile.
    calendar: Option<Arc<Calendar>>,
    open: StepId,
    closed: StepId,
    holiday: StepId,
}

impl Kind for Hours {
    type File = File;
    type State = ();

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Hours {
        let closed = compiler.way(&file.closed, after);
        Hours {
            calendar: compiler.calendar(&file.calendar),
            open: compiler.way(&file.open, after),
            closed,
            holiday: file.holiday.as_ref().map_or(closed, |way| compiler.way(way, after)),
        }
    }

    fn ways(&self) -> Vec<Way> {
        let way = |label: &str, to| Way { label: label.into(), to, paused: false, sets: Vec::new() };
        let mut ways = vec![way("open", self.open), way("closed", self.closed)];
        if self.holiday != self.closed {
            ways.push(way("holiday", self.holiday));
        }
        ways
    }

    fn enter(&self, (): &mut (), walk: &mut Walk) -> Turn {
        let opening = self.calendar.as_ref().map_or(Opening::Closed, |calendar| calendar.at(walk.now));
        Turn::at_once(match opening {
            Opening::Open => self.open,
            Opening::Closed => self.closed,
            Opening::Holiday => self.holiday,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::phone::{self, Phone};
    use crate::flow::{Facts, Run, compile};
    use crate::time::Time;
    use std::sync::Arc;

    fn text(holiday: &str) -> String {
        let steps = format!(
            "a: {{ hours: {{ calendar: office, open: b, closed: c{holiday} }} }}\nb: {{ play: {{ prompt: b, next: hangup }} }}\nc: {{ play: {{ prompt: c, next: hangup }} }}\nd: {{ play: {{ prompt: d, next: b }} }}"
        );
        let calendar = "calendars:\n  office: { zone: Europe/Stockholm, week: { mon-fri: 08:00-17:00 }, holidays: { 01-06: Epiphany } }\nsteps:";
        phone::text(&steps).replace("steps:", calendar)
    }

    #[test]
    fn open_closed_and_holiday() {
        let flow = Arc::new(phone::flow(&text(", holiday: d")));
        let at = |secs| {
            let mut run = Run::new(flow.clone(), Facts::default(), Time::from_secs(secs));
            std::iter::from_fn(|| run.poll_action()).nth(1).map(|action| format!("{action:?}"))
        };
        // 2026-01-06 is Epiphany, a Tuesday.
        assert!(at(1_767_787_200).is_some_and(|step| step.contains("\"b\"")), "Wednesday noon");
        assert!(at(1_767_787_200 + 5 * 3600).is_some_and(|step| step.contains("\"c\"")), "Wednesday evening");
        assert!(at(1_767_787_200 - 86_400).is_some_and(|step| step.contains("\"d\"")), "the day before");
    }

    #[test]
    fn a_holiday_without_its_own_way_is_closed() {
        let text = text("").replace("\n  d: { play: { prompt: d, next: b } }", "");
        let mut phone = Phone::ring(Arc::new(phone::flow(&text)));
        assert_eq!(phone.sees(), ":a, :b, answer, say b");
    }

    #[test]
    fn the_calendar_must_exist_and_be_right() {
        let wrong =
            text(", holiday: d").replace("calendar: office", "calendar: ofice").replace("Stockholm", "Stokholm");
        let problems = compile("t.yaml", &wrong, &phone::world()).expect_err("two mistakes");
        let messages: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(messages, ["there is no time zone `Europe/Stokholm`", "there is no calendar `ofice`"]);
        assert_eq!(problems[1].help.as_deref(), Some("did you mean `office`?"));
    }
}
