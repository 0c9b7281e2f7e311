//! `vaxel why`: how one contact came through the queues, and why it waited. Folded from the journal; only reads.

use super::store::{self, Call};
use super::{control, journal, moment};
use crate::acd::Acd;
use crate::ids::{CallId, EntryId};
use crate::need::Need;
use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use journal::Replay;
use serde::Serialize;
use std::path::Path;
use story::{Told, story};

mod reasons;
mod story;
#[cfg(test)]
mod tests;
mod watched;
mod words;

/// A service that runs acts on each deadline, and writes that it did; if it has not for so long, it does not run.
pub(super) const ALIVE: Duration = Duration::from_secs(5);

/// Calls of one number are listed up to so many.
const CALLS_MAX: usize = 20;

/// What `vaxel why` is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// A call's or entry's id, or a caller's number.
    pub who: &'a str,
    /// Of a number: so many of its calls.
    pub last: Option<usize>,
    pub agents: Agents<'a>,
    /// For programs.
    pub json: bool,
}

/// Whose reasons are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agents<'a> {
    /// Everybody's, counted; where few have the same, by name.
    Counted,
    /// Everybody's, by name.
    All,
    /// Those of this one alone, each time that they change.
    One(&'a str),
}

/// How the data folder is looked at.
#[derive(Clone, Copy)]
struct Look<'a> {
    folder: &'a Path,
    agents: Agents<'a>,
    /// A service runs now.
    runs: bool,
    now: Time,
    zone: &'a TimeZone,
}

/// What became of contacts, for other programs. Fields are added, never renamed.
#[derive(Serialize)]
struct Answer {
    contacts: Vec<Told>,
    /// Calls of the same number that are not told of.
    others: Vec<String>,
}

/// What `vaxel why` prints. `folder`: the data folder. Of a number's calls those that are up are told, else the last; with `last`, so
/// many of them. The others are named beneath.
///
/// # Errors
///
/// Nothing is known of it, or of the agent; a file cannot be read.
pub fn why(folder: &Path, asked: Asked, now: Time) -> anyhow::Result<String> {
    let journal = journal::folder(folder);
    if journal::begin(&journal).with_context(|| format!("cannot read the journal in {}", journal.display()))?.is_none()
    {
        return Err(journal::none(&journal));
    }
    let zone = TimeZone::system();
    let look = Look { folder, agents: asked.agents, runs: control::is_answered(folder), now, zone: &zone };
    let (answer, more) = answer(look, asked)?;
    if asked.json {
        return Ok(serde_json::to_string_pretty(&answer).expect("it has texts for keys") + "\n");
    }
    let told: Vec<String> = answer.contacts.iter().map(|told| told.text(asked.agents)).collect();
    let mut text = told.join("\n");
    if !answer.others.is_empty() {
        let who = asked.who;
        text += &format!("\nOther calls from {who}{}:\n", if more { ", the latest" } else { "" });
        answer.others.iter().for_each(|call| text += &format!("  {call}\n"));
        let all = answer.contacts.len() + answer.others.len();
        text +=
            &format!("`vaxel why call-…` tells of one of them, `vaxel why --last {all} {who}` of the last {all}.\n");
    }
    Ok(text)
}

/// And whether there are more calls than those.
fn answer(look: Look, asked: Asked) -> anyhow::Result<(Answer, bool)> {
    let Asked { who, last, .. } = asked;
    if who.trim().is_empty() {
        bail!(
            "it is not said who: a call's id (`call-…`, as in the log and in contact records), an entry's (`entry-…`), a task's \
             (`task-…`), or the number that a caller came from"
        );
    }
    let number = |prefix: &str| who.strip_prefix(prefix).and_then(|number| number.parse().ok());
    let (entry, call) = (number("entry-").or_else(|| number("task-")), number("call-"));
    if last.is_some() && (entry.is_some() || call.is_some()) {
        bail!("`--last` is for the calls of a number; {who} is one");
    }
    let one = |told| Ok((Answer { contacts: vec![told], others: Vec::new() }, false));
    if let Some(entry) = entry {
        return one(story(look, who, &[EntryId(entry)])?);
    }
    if let Some(call) = call {
        let found = store::contacts(look.folder, store::Asked::Call(CallId(call)), 1)?;
        let missing = || {
            format!(
                "no contact record has {who}; what was heard in the last second may not be there yet, and the log has \
                 the ids of all calls; `vaxel why NUMBER` finds them by who called"
            )
        };
        return one(told(look, found.calls.first().with_context(missing)?)?);
    }
    let found = store::contacts(look.folder, store::Asked::From(who), last.unwrap_or(0).max(CALLS_MAX))?;
    let up = found.calls.iter().filter(|call| call.is_up).count();
    let (first, others) = found.calls.split_at(last.unwrap_or(up.max(1)).min(found.calls.len()));
    let contacts = match first {
        [] if is_agent(look, who)? => {
            bail!(
                "{who} is an agent, and no contact record has a call that {who} dialled; `vaxel why --agent {who} CALL` \
                 tells why {who} had a caller or not, `CALL` being the call's id or the caller's number"
            )
        }
        [] => {
            bail!("no contact record has a call from {who}; a call's id is in the log, as `call-…`, and serves as well")
        }
        [call] if others.is_empty() => vec![told(look, call)?],
        // What is not known of one says nothing of the others.
        calls => calls.iter().map(|call| told(look, call).unwrap_or_else(|error| Told::unknown(&error))).collect(),
    };
    let others = others.iter().map(|call| listed(call, look.now, look.zone)).collect();
    Ok((Answer { contacts, others }, found.more))
}

/// As far as the journal goes.
fn is_agent(look: Look, who: &str) -> anyhow::Result<bool> {
    let folder = journal::folder(look.folder);
    let named = || format!("cannot read the journal in {}", folder.display());
    let Some(mut replay) = Replay::<Acd>::open(&folder, look.now, |_, _| ()).with_context(named)? else {
        return Ok(false);
    };
    while let Some(noted) = replay.next().with_context(named)? {
        replay.apply(&noted);
    }
    Ok(replay.state.agents().any(|agent| agent.name == who))
}

/// One call.
fn told(look: Look, call: &Call) -> anyhow::Result<Told> {
    let contact = &call.contact;
    let waits = contact.waits.iter().map(|wait| wait.entry);
    let promised = contact.promised.iter().map(|promised| promised.entry);
    let calls_back = contact.calls_back.iter().map(|calls_back| calls_back.entry);
    let entries: Vec<EntryId> = waits.chain(promised).chain(calls_back).collect();
    let in_vain = || contact.not_promised.iter().map(|wish| (wish.at, words::not_promised(wish)));
    if entries.is_empty() && contact.not_promised.is_empty() {
        let was = if call.is_up { "is up, and in no queue that is written of" } else { "was in no queue" };
        let not_yet = story::not_yet(look.runs && call.is_up);
        bail!("{} from {} to {} {was}{not_yet}", contact.id, contact.from, contact.to);
    }
    let id = contact.id.to_string();
    if entries.is_empty() {
        return Ok(Told::of(&id).with(in_vain(), look));
    }
    Ok(story(look, &id, &entries)?.with(in_vain(), look))
}

/// When it came, which queues it was in, and how it left them.
fn listed(call: &Call, now: Time, zone: &TimeZone) -> String {
    let Call { contact, is_up } = call;
    let waits = contact.waits.iter().map(|wait| match wait.exit {
        Some(exit) => {
            format!(
                "{}: {} after {}",
                wait.queue,
                words::left(exit),
                moment::show_length(Duration::from_millis(wait.counts_ms()))
            )
        }
        None => format!("{}: waits", wait.queue),
    });
    let waits = waits.collect::<Vec<_>>().join(", ");
    let none = if *is_up { "in no queue yet" } else { "was in no queue" };
    let waits = if waits.is_empty() { none } else { &waits };
    let up = if *is_up { ", is up" } else { "" };
    format!("{}  {}  {waits}{up}", moment::show_near(contact.started, now, zone), contact.id)
}

/// Empty if nothing is needed.
pub(super) fn show(needs: &Need) -> String {
    String::from(needs.clone())
}
