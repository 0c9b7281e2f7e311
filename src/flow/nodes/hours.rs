//! `hours`: goes on by opening hours.

use super::{Kind, StepId, Turn, Way};
use crate::flow::calendar::{Calendar, Opening};
use crate::flow::compile::Compiler;
use crate::flow::model;
use crate::flow::run::Walk;
use crate::flow::yaml::At;
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
