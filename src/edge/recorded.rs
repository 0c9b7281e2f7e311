//! `vaxel simulate --journal`: what was recorded, folded again and compared with what was decided then, and its callers for days with
//! other people.
//! Only reads; the service may be running.

use super::journal::{self, Comparison, Damage, End, Replay};
use super::moment;
use crate::acd::Acd;
use crate::sim::forecast::{Recording, Replayed};
use crate::time::Time;
use anyhow::{Context, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A journal, folded from its beginning to its end.
#[derive(Debug)]
pub struct Recorded {
    pub recording: Recording,
    pub check: Check,
}

/// What folding it showed.
#[derive(Debug, PartialEq, Serialize)]
pub struct Check {
    #[serde(flatten)]
    pub replayed: Replayed,
    /// SHA-256 of all decisions, each as JSON, in hex.
    pub decisions_sha256: String,
    /// Events with which it was noted what they came to, and those of them that came to something else now.
    pub compared: u64,
    pub decided_otherwise: u64,
    /// Where the newest snapshot stands, which the service itself wrote, the state was that of the snapshot.
    pub as_recorded: bool,
    /// Nothing is missing before that snapshot.
    pub is_whole: bool,
    /// Why it may not be all there was.
    pub doubts: Vec<String>,
}

/// Folds all that the journal has, and compares each event with what was decided then, and the state with the newest snapshot on the
/// way. `folder`: of the data, or the journal itself.
///
/// # Errors
///
/// There is no journal; a file cannot be read.
pub fn fold(folder: &Path) -> anyhow::Result<Recorded> {
    let folder = place(folder);
    let named = || format!("cannot read the journal in {}", folder.display());
    let Some(begin) = journal::begin(&folder).with_context(named)? else {
        bail!("there is no journal in {}", folder.display());
    };
    // Its events are on the disk before it is, so the fold comes by.
    let newest = Replay::<Acd>::open(&folder, Time::NEVER, |_, _| {}).with_context(named)?;
    let newest = newest.map(|newest| (newest.seq(), facts(&newest.state)));
    let (recording, check) = from(&folder, begin, newest.as_ref()).with_context(named)?;
    Ok(Recorded { recording, check })
}

fn place(folder: &Path) -> PathBuf {
    let inside = journal::folder(folder);
    if inside.is_dir() { inside } else { folder.to_owned() }
}

/// What a snapshot keeps: all that decides anything, without what is only there to find it quickly.
fn facts(acd: &Acd) -> Vec<u8> {
    serde_json::to_vec(&acd.snapshot()).expect("snapshots have a form in JSON")
}

/// `newest`: what the facts have to be after the event of that number.
fn from(folder: &Path, begin: Time, newest: Option<&(u64, Vec<u8>)>) -> std::io::Result<(Recording, Check)> {
    let mut doubts = Vec::new();
    let damaged = |name: String, damage: Damage| format!("the snapshot {name} cannot be used: {damage}");
    let replay = Replay::<Acd>::open(folder, begin, |named, damage| doubts.push(damaged(named.name(), damage)))?;
    let mut recording = Recording::new(replay.as_ref().map_or_else(|| Acd::new(0), |replay| replay.state.clone()));
    let mut as_recorded = None;
    let mut compare = |seq: u64, state: &Acd| {
        if let Some((_, recorded)) = newest.filter(|(newest, _)| *newest == seq) {
            as_recorded = Some(*recorded == facts(state));
        }
    };
    let mut with_then = Comparison::default();
    let mut is_whole = newest.is_none();
    if let Some(mut replay) = replay {
        compare(replay.seq(), recording.state());
        with_then.go_on_from(recording.state());
        while let Some(noted) = replay.next()? {
            recording.apply(&noted.event);
            with_then.folded(replay.seq(), &noted, recording.state_mut());
            compare(replay.seq(), recording.state());
        }
        is_whole = newest.is_none_or(|(newest, _)| *newest <= replay.seq());
        match replay.end() {
            None | Some(End::Whole) => {}
            // The running service is about to write the rest.
            Some(End::Damaged { damage: Damage::Torn, .. }) if is_whole => {}
            Some(end) => doubts.push(format!("{end}; what is behind that is left out")),
        }
        let others = replay.others().map(|vaxel| format!("vaxel {vaxel} wrote this, which may have decided otherwise"));
        doubts.extend(others);
    }
    if as_recorded == Some(false) {
        doubts.push("the service recorded another state than the events give".into());
    }
    doubts.extend(with_then.otherwise().map(ToString::to_string));
    let check = Check {
        replayed: recording.replayed(),
        decisions_sha256: recording.digest(),
        compared: with_then.compared(),
        decided_otherwise: with_then.otherwise().map_or(0, |otherwise| otherwise.events),
        as_recorded: as_recorded.unwrap_or(false),
        is_whole,
        doubts,
    };
    Ok((recording, check))
}

impl Recorded {
    /// When the day began whose callers are asked for: that one, or the last that was recorded. In this machine's time zone.
    ///
    /// # Errors
    ///
    /// Nothing was recorded, or not on that day.
    pub fn midnight(&self, date: Option<Date>) -> anyhow::Result<Time> {
        let zone = TimeZone::system();
        let Replayed { from: Some(from), to: Some(to), .. } = self.check.replayed else {
            bail!("nothing was recorded")
        };
        let [first, last] = [from, to].map(|at| moment::date(at, &zone));
        let date = date.unwrap_or(last);
        if !(first..=last).contains(&date) {
            bail!("nothing was recorded on {date}; the journal goes from {first} to {last}");
        }
        moment::midnight(date, &zone)
    }
}

impl Check {
    /// All was there to be compared, and came to what was decided then.
    pub fn is_sound(&self) -> bool {
        self.decided_otherwise == 0 && self.is_whole
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let zone = TimeZone::system();
        let Replayed { events, decisions, ignored, from, to } = &self.replayed;
        if let (Some(from), Some(to)) = (from, to) {
            writeln!(f, "recorded   {} to {}", moment::show(*from, &zone), moment::show(*to, &zone))?;
        }
        writeln!(f, "events     {events}, of which {ignored} changed nothing")?;
        writeln!(f, "decisions  {decisions}, sha256 {}", self.decisions_sha256)?;
        writeln!(
            f,
            "compared   {} events with what was decided then, {} otherwise",
            self.compared, self.decided_otherwise
        )?;
        if self.as_recorded {
            writeln!(f, "by way of the state that the service recorded last")?;
        }
        self.doubts.iter().try_for_each(|doubt| writeln!(f, "(!) {doubt}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{journal, simulate, testing};
    use super::*;
    use crate::acd::{Arrival, Callback, Change, Kind};
    use crate::ids::EntryId;

    #[test]
    fn a_journal_is_folded_to_the_recorded_state_the_same_each_time() {
        let folder = testing::Folder::new();
        journal::testing::write(folder.path(), journal::testing::day());
        let recorded = fold(folder.path()).unwrap();
        let check = &recorded.check;
        assert_eq!((check.as_recorded, check.is_sound(), &check.doubts[..]), (true, true, &[][..]), "{check}");
        assert_eq!((check.compared, check.decided_otherwise), (check.replayed.events, 0), "{check}");
        assert!(check.replayed.events > 0 && check.replayed.decisions > 0, "{check}");
        assert_eq!(fold(&journal::folder(folder.path())).unwrap().check, *check, "the folder itself may be named");
        let midnight = recorded.midnight(None).unwrap();
        assert!(check.replayed.to.unwrap().since(midnight) < crate::time::Duration::from_secs(86_400 + 3600));
        assert!(check.to_string().contains(&check.decisions_sha256));
    }

    /// The lines of the journal in this folder, each changed by this, and sealed again.
    fn rewrite(folder: &Path, change: impl Fn(&mut serde_json::Value)) {
        let segments = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        for path in segments.filter(|path| path.extension().is_some_and(|ending| ending == "events")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let (head, records) = text.split_once('\n').unwrap();
            let mut lines = format!("{head}\n").into_bytes();
            for record in records.lines() {
                let (seq, json) = record[9..].split_once(' ').unwrap();
                let mut event = serde_json::from_str(json).unwrap();
                change(&mut event);
                journal::testing::line(&mut lines, seq.parse().unwrap(), &event);
            }
            std::fs::write(path, lines).unwrap();
        }
    }

    fn is_accepted(event: &serde_json::Value) -> bool {
        event["change"]["OfferEnded"]["outcome"] == "accepted"
    }

    #[test]
    fn an_event_that_was_decided_otherwise_is_found_and_told() {
        let folder = testing::Folder::new();
        journal::testing::write(folder.path(), journal::testing::day());
        let events = journal::folder(folder.path());
        // As if this program connected where the other heard a no.
        rewrite(&events, |event| {
            if is_accepted(event) {
                event["change"]["OfferEnded"]["outcome"] = "declined".into();
            }
        });
        let check = fold(&events).unwrap().check;
        assert_eq!((check.as_recorded, check.decided_otherwise), (false, 1), "{check}");
        let told = check.doubts.last().unwrap();
        let (event, rest) = told.split_once(" (digest ").unwrap();
        let expected = "1 event was decided otherwise then than this program does, the first event 16 at \
            2026-11-23T09:01:15.000Z: ";
        assert!(event.starts_with(expected) && event.contains(r#"{"OfferEnded":{"#) && rest.len() == 17, "{told}");
        assert!(check.to_string().contains(&format!("(!) {told}\n")), "{check}");
        // A start says so and goes on.
        let recovered = journal::recover::<Acd>(&events).unwrap();
        assert_eq!((recovered.seq, recovered.otherwise), (16, 0), "what is before the newest snapshot is not folded");
        remove_snapshots_after_the_first(&events);
        let recovered = journal::recover::<Acd>(&events).unwrap();
        assert_eq!((recovered.state.is_some(), recovered.seq, recovered.otherwise), (true, 16, 1));
    }

    fn remove_snapshots_after_the_first(folder: &Path) {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let mut snapshots: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|ending| ending == "snapshot")).collect();
        snapshots.sort();
        snapshots.into_iter().skip(1).for_each(|path| std::fs::remove_file(path).unwrap());
    }

    /// Written by a version that noted none, wholly or up to a moment; and by one that noted some, then another that did not.
    #[test]
    fn a_journal_without_digests_is_read_and_not_compared() {
        let folder = testing::Folder::new();
        journal::testing::write(folder.path(), journal::testing::day());
        let events = journal::folder(folder.path());
        let whole = fold(&events).unwrap().check;
        let without = |some: fn(u64) -> bool| {
            rewrite(&events, |event| {
                let seconds = event["at"].as_u64().unwrap() / 1_000_000 - journal::testing::NINE;
                if some(seconds) {
                    event.as_object_mut().unwrap().remove("digest");
                }
            });
            let check = fold(&events).unwrap().check;
            assert_eq!(check.decisions_sha256, whole.decisions_sha256);
            assert_eq!((check.decided_otherwise, &check.doubts[..]), (0, &[][..]), "{check}");
            check.compared
        };
        // Three events at 60 s and after are lost to comparison, and with each gap the one behind it.
        let compared = without(|seconds| seconds == 10);
        assert_eq!(compared, whole.compared - 2);
        assert!(without(|seconds| seconds < 40) < compared);
        assert_eq!(without(|_| true), 0);
    }

    /// The one caller of the journal comes again, and is answered at once by who is there now.
    #[test]
    fn recorded_callers_come_to_other_people_and_what_does_not_come_is_said() {
        let folder = testing::Folder::new();
        let promise = |entry| {
            let callback = Callback { number: format!("+4670{entry}"), ..Callback::default() };
            let arrival = Arrival { callback: Some(Box::new(callback)), ..Arrival::default() };
            (200, Change::Arrive { entry: EntryId(entry), arrival: Box::new(arrival) })
        };
        let task = Arrival { kind: Kind::Task, ..Arrival::default() };
        let task = (200, Change::Arrive { entry: EntryId(92), arrival: Box::new(task) });
        let events = journal::testing::day().into_iter().chain([promise(90), promise(91), task]);
        journal::testing::write(folder.path(), events);
        let recorded = fold(folder.path()).unwrap();
        let queues = recorded.recording.queues();
        let file = folder.path().join("desk.toml");
        let desk = "[day]\nopens = \"00:00\"\ncloses = \"24:00\"\n[[groups]]\nname = \"desk\"\nagents = 1\nskills = { sales = 5 }";
        std::fs::write(&file, desk).unwrap();
        let (plan, _) = simulate::plan(&file, Some(&queues)).unwrap();
        let midnight = recorded.midnight(None).unwrap();
        let options = simulate::Options {
            recorded: Some((&recorded.recording, midnight)),
            seeds: 2,
            first_seed: 1,
            threads: None,
        };
        let left_out = "2 days from 00:00 to 24:00, 2 calls\n\
                        ± 95 % confidence of the mean (Student's t over days); days differ more than that\n\
                        1 task and 2 promises to call back left out: only callers come again\n";
        let report = simulate::run(&plan, &options);
        assert!(report.to_string().starts_with(left_out), "{report}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["left_out"], serde_json::json!({ "tasks": 1, "callbacks": 2 }));
        let more = simulate::compare(&plan, &["desk=1".parse().unwrap()], &options).unwrap();
        assert!(more.to_string().contains("\n1 task and 2 promises to call back left out: "), "{more}");
        let alone = simulate::run(&plan, &simulate::Options { recorded: None, ..options });
        assert!(alone.left_out.is_none() && !alone.to_string().contains("left out"), "{alone}");
        let day = report.queues[0].day.clone();
        assert_eq!((day.offered.unwrap().mean, day.answered.unwrap().mean), (1.0, 1.0));
        assert_eq!(day.wait_seconds.unwrap().mean, 0.0);
        for other in [(2026, 11, 1), (2026, 11, 27)] {
            let other = jiff::civil::date(other.0, other.1, other.2);
            let error = recorded.midnight(Some(other)).unwrap_err().to_string();
            assert!(
                error.contains(&format!("nothing was recorded on {other}; the journal goes from 2026-11-2")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_cut_off_before_the_newest_snapshot_is_told() {
        let folder = testing::Folder::new();
        journal::testing::write(folder.path(), journal::testing::day());
        let events = journal::folder(folder.path());
        let files = std::fs::read_dir(&events).unwrap().map(|file| file.unwrap().path());
        let first = files.filter(|path| path.extension().is_some_and(|ending| ending == "events")).min().unwrap();
        let bytes = std::fs::read(&first).unwrap();
        std::fs::write(&first, &bytes[..bytes.len() / 2]).unwrap();
        let check = fold(&events).unwrap().check;
        assert!(!check.is_sound() && check.decided_otherwise == 0, "{check}");
        assert!(check.doubts.iter().any(|doubt| doubt.contains("what is behind that is left out")), "{check}");
    }

    #[test]
    fn where_nothing_is_recorded_that_is_said() {
        let folder = testing::Folder::new();
        let error = fold(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no journal in"), "{error}");
    }
}
