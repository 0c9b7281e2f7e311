//! One line ⇄ what it holds. Pure: bytes in, bytes out.
//!
//! ```text
//! 5f0c3a91 {"vaxel":"0.1.0","journal":1,"holds":"events","seq":1,"at":1795424400000000}
//! 8d02b7ce 1 {"at":1795424400123456,"change":{"LoggedIn":{"agent":0}}}
//! ```
//!
//! A checksum (CRC-32 of what follows it and its space, eight hex digits in lower case), then a record's number and its
//! JSON, or the JSON of a head. A line is whole with its line break only. CRC-32 finds every change of up to 32 bits in
//! a row, so one byte that is not what was written is never taken for another record.

use crate::time::{Duration, Time};
use crc::{CRC_32_ISO_HDLC, Crc, Table};
use serde::{Deserialize, Serialize};

/// Of what this version of the program writes. One that is higher is not read: nobody knows what it means.
pub const FORMAT: u32 = 1;

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// Checksum and space.
const FRONT: usize = 9;

/// The first line of each file. What a later version adds is not read here; what it leaves out must have a default there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the program that wrote it.
    pub vaxel: String,
    /// See [`FORMAT`].
    pub journal: u32,
    pub holds: Holds,
    /// Of the first event in it, or of the last one that the snapshot stands for.
    pub seq: u64,
    /// When it was begun.
    pub at: Time,
    /// Events come so often at least while the service runs; `None`: nobody saw to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat: Option<Duration>,
    /// What is missing before the first event in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
}

/// Events that the disk did not take, or not in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    pub events: u64,
    /// When the first of them was, or the last before it.
    pub since: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    Events,
    Snapshot,
}

impl Head {
    pub fn new(holds: Holds, seq: u64, at: Time) -> Head {
        Head { vaxel: env!("CARGO_PKG_VERSION").to_owned(), journal: FORMAT, holds, seq, at, beat: None, lost: None }
    }

    pub fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        append(&mut line, |rest| serde_json::to_writer(rest, self)).expect("it has no maps");
        line
    }
}

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Head(Head),
    Record { seq: u64, json: &'a [u8] },
}

/// Why a line, or what is in it, is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("it ends in the middle of a line")]
    Torn,
    #[error("a line is longer than any that vaxel writes")]
    TooLong,
    #[error("the checksum is wrong")]
    Checksum,
    #[error("a line is not what belongs there")]
    Misplaced,
    #[error("it was written by vaxel {0}, which is newer than this one")]
    Newer(String),
    #[error("this version does not understand it: {0}")]
    Strange(String),
}

/// Appends the line of one record; nothing if it cannot be written as JSON.
pub fn record<T: Serialize + ?Sized>(lines: &mut Vec<u8>, seq: u64, what: &T) -> serde_json::Result<()> {
    append(lines, |rest| {
        rest.extend_from_slice(seq.to_string().as_bytes());
        rest.push(b' ');
        serde_json::to_writer(rest, what)
    })
}

fn append(lines: &mut Vec<u8>, rest: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>) -> serde_json::Result<()> {
    let start = lines.len();
    lines.extend_from_slice(b"00000000 ");
    if let Err(error) = rest(lines) {
        lines.truncate(start);
        return Err(error);
    }
    let sum = checksum(&lines[start + FRONT..]);
    lines[start..start + FRONT - 1].copy_from_slice(&sum);
    lines.push(b'\n');
    Ok(())
}

/// What a line, without its line break, holds.
pub fn read(line: &[u8]) -> Result<Line<'_>, Damage> {
    let (front, rest) = line.split_at_checked(FRONT).ok_or(Damage::Checksum)?;
    if front[..FRONT - 1] != checksum(rest) || front[FRONT - 1] != b' ' {
        return Err(Damage::Checksum);
    }
    if rest.starts_with(b"{") {
        return Ok(Line::Head(head(rest)?));
    }
    let space = rest.iter().position(|byte| *byte == b' ').ok_or(Damage::Misplaced)?;
    let seq = str::from_utf8(&rest[..space]).ok().and_then(|seq| seq.parse().ok()).ok_or(Damage::Misplaced)?;
    Ok(Line::Record { seq, json: &rest[space + 1..] })
}

fn head(json: &[u8]) -> Result<Head, Damage> {
    /// What every version will say.
    #[derive(Deserialize)]
    struct Version {
        vaxel: String,
        journal: u32,
    }
    let strange = |error: serde_json::Error| Damage::Strange(error.to_string());
    let version: Version = serde_json::from_slice(json).map_err(strange)?;
    if version.journal > FORMAT {
        return Err(Damage::Newer(version.vaxel));
    }
    serde_json::from_slice(json).map_err(strange)
}

fn checksum(rest: &[u8]) -> [u8; 8] {
    let sum = CRC.checksum(rest);
    std::array::from_fn(|at| b"0123456789abcdef"[(sum >> (28 - 4 * at)) as usize & 0xf])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &[u8]) -> &str {
        str::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_can_be_read_by_people_and_checked_by_other_programs() {
        let mut lines = Vec::new();
        record(&mut lines, 7, &serde_json::json!({"a": 1})).unwrap();
        // `printf '7 {"a":1}' | gzip -c | tail -c8 | od -t x4 -N4` says the same.
        assert_eq!(text(&lines), "9e58a832 7 {\"a\":1}\n");
        // The check value of the catalogue of parametrised CRC algorithms.
        assert_eq!(checksum(b"123456789"), *b"cbf43926");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut lines = Head::new(Holds::Events, 7, Time::from_secs(1)).line();
        record(&mut lines, u64::MAX, "text with\na line break and a \u{1f600}").unwrap();
        let lines: Vec<_> = lines.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 2);
        let Ok(Line::Head(head)) = read(lines[0]) else { panic!("no head") };
        assert_eq!((head.journal, head.seq, head.at, head.holds), (FORMAT, 7, Time::from_secs(1), Holds::Events));
        let Ok(Line::Record { seq: u64::MAX, json }) = read(lines[1]) else { panic!("no record") };
        assert_eq!(serde_json::from_slice::<String>(json).unwrap(), "text with\na line break and a \u{1f600}");
    }

    #[test]
    fn no_change_of_one_byte_is_taken_for_a_line() {
        let mut line = Vec::new();
        record(&mut line, 41, &serde_json::json!({"at": 1_795_424_400_123_456_u64, "change": "Tick"})).unwrap();
        line.pop();
        for at in 0..line.len() {
            for other in (0..=u8::MAX).filter(|byte| *byte != line[at]) {
                let mut changed = line.clone();
                changed[at] = other;
                assert_eq!(read(&changed), Err(Damage::Checksum), "{}", String::from_utf8_lossy(&changed));
            }
        }
    }

    #[test]
    fn what_is_no_line_of_ours_is_damage() {
        let sealed = |rest: &str| {
            let mut line = checksum(rest.as_bytes()).to_vec();
            line.push(b' ');
            line.extend_from_slice(rest.as_bytes());
            line
        };
        for short in [&b""[..], b"00000000", b"0000000 1 {}"] {
            assert_eq!(read(short), Err(Damage::Checksum));
        }
        for rest in ["", "1", "x {}", "-1 {}", "99999999999999999999 {}"] {
            assert_eq!(read(&sealed(rest)), Err(Damage::Misplaced), "{rest}");
        }
        assert!(matches!(read(&sealed("{}")), Err(Damage::Strange(_))));
        let newer = r#"{"vaxel":"9.0.0","journal":2,"entirely":"different"}"#;
        assert_eq!(read(&sealed(newer)), Err(Damage::Newer("9.0.0".into())));
        let more = r#"{"vaxel":"0.9.0","journal":1,"holds":"events","seq":1,"at":2,"more":3}"#;
        assert!(matches!(read(&sealed(more)), Ok(Line::Head(_))));
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let mut lines = b"before\n".to_vec();
        let map: std::collections::BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert!(record(&mut lines, 1, &map).is_err());
        assert_eq!(text(&lines), "before\n");
    }
}
