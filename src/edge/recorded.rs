//! `vaxel simulate --journal`: what was recorded, folded again to the same decisions, and its callers for days with other people.
//! Only reads; the service may be running.

use super::journal::{self, Damage, End, Replay};
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
    /// Where the newest snapshot stands, which the service itself wrote, the state was that of the snapshot.
    pub as_recorded: bool,
    /// Why it may not be all there was.
    pub doubts: Vec<String>,
}

/// Folds all that the journal has, twice, and compares with the newest snapshot on the way. `folder`: of the data, or the journal
/// itself.
///
/// # Errors
///
/// There is no journal; a file cannot be read; the same events did not give the same decisions.
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
    let (_, again) = from(&folder, begin, newest.as_ref()).with_context(named)?;
    // More may have been written since.
    if again.replayed == check.replayed && again.decisions_sha256 != check.decisions_sha256 {
        bail!("the same events gave other decisions: this is a fault of vaxel, please report it");
    }
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
    if let Some(mut replay) = replay {
        compare(replay.seq(), recording.state());
        while let Some(event) = replay.next()? {
            recording.apply(&event);
            compare(replay.seq(), recording.state());
        }
        match replay.end() {
            // The running service is about to write the rest.
            None | Some(End::Whole | End::Damaged { damage: Damage::Torn, .. }) => {}
            Some(end) => doubts.push(format!("{end}; what is behind that is left out")),
        }
        let others = replay.others().map(|vaxel| format!("vaxel {vaxel} wrote this, which may have decided otherwise"));
        doubts.extend(others);
    }
    if as_recorded == Some(false) {
        doubts.push("the service recorded another state than the events give".into());
    }
    let check = Check {
        replayed: recording.replayed(),
        decisions_sha256: recording.digest(),
        as_recorded: as_recorded.unwrap_or(false),
        doubts,
    };
    Ok((recording, check))
}

impl Recorded {
    /// When the day began whose callers are asked for: that one, or the last that was recorded. In this machine's time zone.
    ///
    /// # Errors
    ///
    /// Nothing was recorded.
    pub fn midnight(&self, date: Option<Date>) -> anyhow::Result<Time> {
        let zone = TimeZone::system();
        let Some(last) = self.check.replayed.to else { bail!("nothing was recorded") };
        let date = date.unwrap_or_else(|| moment::date(last, &zone));
        let begin = date.to_zoned(zone).with_context(|| format!("there is no midnight on {date}"))?.timestamp();
        Ok(Time::from_micros(u64::try_from(begin.as_microsecond()).with_context(|| format!("{date} is before 1970"))?))
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
        if self.as_recorded {
            writeln!(f, "the same each time, by way of the state that the service recorded last")?;
        }
        self.doubts.iter().try_for_each(|doubt| writeln!(f, "(!) {doubt}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{journal, simulate, testing};
    use super::*;

    #[test]
    fn a_journal_is_folded_to_the_recorded_state_the_same_each_time() {
        let folder = testing::Folder::new();
        journal::testing::write(folder.path(), journal::testing::day());
        let recorded = fold(folder.path()).unwrap();
        let check = &recorded.check;
        assert_eq!((check.as_recorded, &check.doubts[..]), (true, &[][..]), "{check}");
        assert!(check.replayed.events > 0 && check.replayed.decisions > 0, "{check}");
        assert_eq!(fold(&journal::folder(folder.path())).unwrap().check, *check, "the folder itself may be named");
        let midnight = recorded.midnight(None).unwrap();
        assert!(check.replayed.to.unwrap().since(midnight) < crate::time::Duration::from_secs(86_400 + 3600));
        assert!(check.to_string().contains(&check.decisions_sha256));
    }

    /// The one caller of the journal comes again, and is answered at once by who is there now.
    #[test]
    fn recorded_callers_come_to_other_people() {
        let folder = testing::Folder::new();
        journal::testing::write(folder.path(), journal::testing::day());
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
        let day = simulate::run(&plan, &options).queues[0].day.clone();
        assert_eq!((day.offered.unwrap().mean, day.answered.unwrap().mean), (1.0, 1.0));
        assert_eq!(day.wait_seconds.unwrap().mean, 0.0);
        let before = Some(jiff::civil::date(2026, 11, 1));
        let options =
            simulate::Options { recorded: Some((&recorded.recording, recorded.midnight(before).unwrap())), ..options };
        assert_eq!(simulate::run(&plan, &options).calls, 0);
    }

    #[test]
    fn where_nothing_is_recorded_that_is_said() {
        let folder = testing::Folder::new();
        let error = fold(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no journal in"), "{error}");
    }
}
