//! Keys sent by SIP INFO: `application/dtmf-relay` (a line `Signal=5`) and `application/dtmf` (the key alone).
//! Neither has an RFC; these two forms are what phones and carriers send, some of them in addition to what they send as sound.

use crate::time::{Duration, Time};

/// In which way a key came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Telephone-event, or tones.
    Media,
    Info,
}

/// How long after a key came in one way the same key in the other is the same press.
const SAME_PRESS: Duration = Duration::from_secs(2);

/// Knows a press that came in both ways for one.
#[derive(Clone, Debug, Default)]
pub struct Presses {
    /// The last key, its way, how often it came in it without having come in the other, and when it did last.
    last: Option<(char, Way, u32, Time)>,
}

impl Presses {
    /// A key came. False: it is one that came in the other way before.
    pub fn is_new(&mut self, now: Time, key: char, way: Way) -> bool {
        match &mut self.last {
            Some((last, of, count, at)) if *last == key && now.since(*at) <= SAME_PRESS => {
                if *of == way {
                    (*count, *at) = (count.saturating_add(1), now);
                    return true;
                }
                *count -= 1;
                if *count == 0 {
                    self.last = None;
                }
                false
            }
            last => {
                *last = Some((key, way, 1, now));
                true
            }
        }
    }
}

/// The key in the body of an INFO request; `None` if it carries none.
pub fn from_info(content_type: &str, body: &[u8]) -> Option<char> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let text = std::str::from_utf8(body).ok()?;
    let signal = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        text.trim()
    } else {
        return None;
    };
    match signal {
        // Event codes of RFC 4733 §3.2, as some phones write them.
        "10" => Some('*'),
        "11" => Some('#'),
        _ => {
            let mut keys = signal.chars();
            let key = keys.next()?.to_ascii_uppercase();
            (keys.next().is_none() && matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Presses, Way, from_info};
    use crate::time::{Duration, Time};

    #[test]
    fn a_press_that_comes_in_both_ways_is_one_in_any_order() {
        let taken = |keys: &[(u64, char, Way)]| -> String {
            let mut presses = Presses::default();
            let at = |millis: u64| Time::from_secs(1) + Duration::from_millis(millis);
            let new = keys.iter().filter(|(millis, key, way)| presses.is_new(at(*millis), *key, *way));
            new.map(|(_, key, _)| *key).collect()
        };
        use Way::{Info, Media};
        assert_eq!(taken(&[(0, '1', Media), (90, '1', Info), (500, '1', Info), (560, '1', Media)]), "11");
        assert_eq!(taken(&[(0, '1', Media), (200, '1', Media), (300, '1', Info), (400, '1', Info)]), "11");
        assert_eq!(taken(&[(0, '1', Media), (100, '2', Media), (300, '3', Info), (301, '3', Media)]), "123");
        assert_eq!(taken(&[(0, '1', Info), (100, '1', Info), (200, '1', Info)]), "111", "one way alone");
        assert_eq!(taken(&[(0, '1', Media), (2_001, '1', Info)]), "11", "long after");
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(from_info("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(from_info("Application/DTMF-Relay; x=y", b"Duration=160\r\nsignal= # \r\n"), Some('#'));
        assert_eq!(from_info("application/dtmf-relay", b"Signal=11\r\n"), Some('#'));
        assert_eq!(from_info("application/dtmf", b"7"), Some('7'));
        assert_eq!(from_info("application/dtmf", b"*\r\n"), Some('*'));
    }

    #[test]
    fn anything_else_is_no_key() {
        for (kind, body) in [
            ("text/plain", &b"5"[..]),
            ("application/dtmf", b"55"),
            ("application/dtmf", b""),
            ("application/dtmf", b"x"),
            ("application/dtmf-relay", b"Duration=160"),
            ("application/dtmf-relay", b"Signal=\xff"),
        ] {
            assert_eq!(from_info(kind, body), None, "{kind} {body:?}");
        }
    }
}
