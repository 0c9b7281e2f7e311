//! `[report]`: how the figures of a day are told.

use crate::time::Duration;
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub interval: Every,
}

/// How long an interval of a report is. The queues count by quarters of an hour; nothing shorter is known of them, and what is longer
/// than an hour begins on no clock's stroke everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Every {
    #[default]
    Quarter,
    HalfHour,
    Hour,
}

impl Every {
    pub const ALL: [Every; 3] = [Every::Quarter, Every::HalfHour, Every::Hour];

    pub fn length(self) -> Duration {
        Duration::from_secs(match self {
            Every::Quarter => 15 * 60,
            Every::HalfHour => 30 * 60,
            Every::Hour => 60 * 60,
        })
    }
}

impl FromStr for Every {
    type Err = String;
    fn from_str(text: &str) -> Result<Every, String> {
        let length = crate::time::parse_duration(text);
        let every = Every::ALL.into_iter().find(|every| Some(every.length()) == length);
        every.ok_or_else(|| "write 15m, 30m or 1h".to_owned())
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Every::Quarter => "15m",
            Every::HalfHour => "30m",
            Every::Hour => "1h",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_quarter_half_or_whole_hour() {
        for every in Every::ALL {
            assert_eq!(every.to_string().parse(), Ok(every));
        }
        assert_eq!("60m".parse(), Ok(Every::Hour));
        for text in ["", "0s", "5m", "14m59s", "20m", "2h", "hour"] {
            assert!(text.parse::<Every>().unwrap_err().contains("15m, 30m or 1h"), "{text}");
        }
    }
}
