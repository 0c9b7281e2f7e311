//! What an operator, or another system, does in the running service by other ways than a phone: agents' pauses and what ends them
//! (`vaxel agent`), tasks (`vaxel task`), priorities (`vaxel priority`), and what is read again of the settings (`vaxel reload`).

use super::door::Door;
use super::reload::Reloader;
use crate::acd::{Exit, Lacking};
use crate::config::nobody_has;
use crate::engine::tasks::TaskAct;
use crate::engine::{AgentAct, Answer, Refusal, Wish};
use crate::ids::{CallId, EntryId};
use crate::time::Duration;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use tokio::time::timeout;

/// Who may pause for what is in the settings.
pub struct Floor {
    pub reasons: BTreeSet<String>,
    pub door: Door,
    /// `None`: nobody knows where the settings came from.
    pub reloader: Option<Arc<Reloader>>,
}

/// For the engine to answer, and for the journal to write what follows.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was done.
#[derive(Debug, PartialEq)]
pub struct Done {
    pub answer: Answer,
    /// It is written: after `kill -9` it is known.
    pub is_kept: bool,
}

impl Floor {
    /// Reads the settings again; see [`Reloader::reload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reload(&self) -> Result<String, String> {
        let reloader = self.reloader.as_ref().ok_or("this vaxel was started without a settings file to read again")?;
        reloader.reload()
    }

    /// # Errors
    ///
    /// There is no such agent, reason, queue or task, or no engine; says which there are, and what to do.
    pub async fn grant(&self, wish: Wish) -> Result<Done, String> {
        if let Wish::Agent { act: AgentAct::Pause(reason), .. } = &wish
            && !self.reasons.contains(reason)
        {
            return Err(format!("there is no pause reason `{reason}`; there are {}", in_a_row(&self.reasons)));
        }
        // What is done with tasks is said by those who keep the records, and without what they are about.
        if let Wish::Agent { agent, act } = &wish {
            tracing::info!(agent, ?act, "an operator speaks for an agent");
        }
        if let Wish::Priority { contact, priority } = &wish {
            tracing::info!(%contact, priority, "an operator changes a priority");
        }
        let changes = !matches!(wish, Wish::Task(TaskAct::List));
        let gone = |_| "vaxel is about to end".to_owned();
        let granted = timeout(PATIENCE, self.door.wish(wish).map_err(gone)?).await;
        let granted = match granted {
            Ok(granted) => granted.map_err(|_| gone(super::door::Refused::Gone))?,
            Err(_) => return Err("vaxel has too much to do to answer; whether it was done, nobody knows".to_owned()),
        };
        let answer = granted.answer.map_err(|refusal| words(&refusal))?;
        let is_kept = !changes || matches!(timeout(PATIENCE, granted.kept).await, Ok(Ok(true)));
        Ok(Done { answer, is_kept })
    }
}

/// What was done for an agent.
pub fn done_for(agent: &str, act: &AgentAct) -> String {
    match act {
        AgentAct::Pause(reason) => {
            format!("{agent} is paused: {reason} (after the talk and its notes, if there is one)")
        }
        AgentAct::Resume => format!("{agent} is not paused any more"),
        AgentAct::EndWrapUp => format!("{agent} has finished the notes"),
        AgentAct::ExtendWrapUp => format!("{agent} has more time for the notes"),
    }
}

/// Of a task that was filed, and that no agent can take.
pub fn waits_in_vain(task: EntryId, lacking: &Lacking) -> String {
    let task = TaskName(task);
    let why = nobody_has(lacking);
    format!(
        "warning: no agent can take {task}: {why}\n  = help: it waits until one can, by other settings (`vaxel reload`); \
         `vaxel task withdraw {task}` takes it back"
    )
}

/// As people write a task's id.
pub struct TaskName(pub EntryId);

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task-{}", self.0.0)
    }
}

/// What an agent is, of whom labels say this.
fn in_words(state: &str) -> &str {
    match state {
        "back_off" => "not rung for a while",
        "offered" => "rung",
        "wrap_up" => "in wrap-up",
        "busy" => "on a call of their own",
        "off_shift" => "past their shift",
        "probed" => "asked whether their phone is there",
        other => other,
    }
}

/// Of a thousand names nobody reads all.
const SHOWN_MAX: usize = 20;

/// Names in a row, not all of a thousand.
pub fn in_a_row<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let mut names = names.into_iter();
    let some: Vec<&str> = names.by_ref().take(SHOWN_MAX).map(String::as_str).collect();
    match (some.is_empty(), names.count()) {
        (true, _) => "none".to_owned(),
        (_, 0) => some.join(", "),
        (_, more) => format!("{} and {more} more", some.join(", ")),
    }
}

/// Why it was not done, and what to do.
fn words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownAgent { agent, known } => {
            format!("there is no agent `{agent}`; there are {}", in_a_row(known))
        }
        Refusal::UnknownQueue { queue, known } => {
            format!("there is no queue `{queue}`; there are {}", in_a_row(known))
        }
        Refusal::NoWrapUp { agent } => {
            format!(
                "{agent} has no time for notes that could end: it begins after a talk; `vaxel rewind` shows who does what"
            )
        }
        Refusal::NoMoreWrapUp { agent } => {
            format!("{agent} is not in a wrap-up that may be made longer: once after each talk, by `wrap_up_extension`")
        }
        Refusal::BadFiling(what) => format!("{what}; nothing was filed"),
        Refusal::TaskThere { task, queue, reference } => {
            format!("`{reference}` was filed into {queue} as {} and is not done; nothing was filed", TaskName(*task))
        }
        Refusal::NotTaken { queue, exit } => {
            let why = match exit {
                Exit::RefusedFull => "is full (its `max_waiting`); file it later",
                Exit::QueueClosed => "is closed; file it when it is open",
                Exit::NoAgents => "takes nothing while nobody is there who could serve it",
                Exit::TimedOut => "would let it go at once: it has waited longer than the longest wait",
                _ => "takes nothing now",
            };
            format!("{queue} {why}; nothing was filed")
        }
        Refusal::UnknownTask { task } => {
            format!("there is no {}, or it is done; `vaxel task list` shows those there are", TaskName(*task))
        }
        Refusal::InHand { task, agent } => {
            format!("{agent} works on {}; `vaxel task done {}` says that it is done", TaskName(*task), TaskName(*task))
        }
        Refusal::NotWaiting { contact: CallId(id) } => format!(
            "no call-{id}, task-{id} or entry-{id} waits in a queue now; `vaxel why NUMBER` tells the id of a call that waits, and of who \
             is to be called back that of the entry, `vaxel task list` those of tasks"
        ),
        Refusal::NotInHand { task } => format!(
            "nobody has accepted {}; who is not to have it any more withdraws it: `vaxel task withdraw {}`",
            TaskName(*task),
            TaskName(*task)
        ),
        Refusal::NotOffered { task, agent, state, to } if to.is_empty() => format!(
            "{} is not offered to {agent}, who is {}, nor to anybody now; `vaxel why {}` says why",
            TaskName(*task),
            in_words(state),
            TaskName(*task)
        ),
        Refusal::NotOffered { task, agent, state, to } => {
            let to = in_a_row(to);
            format!("{} is not offered to {agent}, who is {}, but to {to}", TaskName(*task), in_words(state))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Clock;
    use crate::edge::door::{Granted, What, door};
    use crate::engine::tasks::Filing;
    use tokio::sync::oneshot;

    /// What is said to a wish that an engine answers so.
    fn said(wish: Wish, answer: Result<Answer, Refusal>, is_kept: Option<bool>) -> Result<Done, String> {
        let (door, entrance) = door(Clock::start(), 4);
        let reasons = ["break", "lunch"].map(str::to_owned).into();
        let floor = Floor { reasons, door, reloader: None };
        assert!(floor.reload().is_err());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let engine = std::thread::spawn(move || {
            let Ok(Some(knock)) = entrance.wait(Duration::from_secs(10)) else { return };
            let What::Wish(_, reply) = knock.what else { panic!("another knock") };
            let (receipt, kept) = oneshot::channel();
            reply.send(Granted { answer, kept }).unwrap();
            if let Some(is_kept) = is_kept {
                receipt.send(is_kept).unwrap_or_default();
            }
        });
        let said = runtime.block_on(floor.grant(wish));
        drop(floor);
        engine.join().unwrap();
        said
    }

    fn agent(act: AgentAct) -> Wish {
        Wish::Agent { agent: "anna".into(), act }
    }

    #[test]
    fn a_wish_is_done_and_whether_it_is_written_is_known() {
        let done = |is_kept| Ok(Done { answer: Answer::Done, is_kept });
        assert_eq!(said(agent(AgentAct::Resume), Ok(Answer::Done), Some(true)), done(true));
        assert_eq!(said(agent(AgentAct::Resume), Ok(Answer::Done), Some(false)), done(false));
        assert_eq!(said(agent(AgentAct::Resume), Ok(Answer::Done), None), done(false));
        let listed = Ok(Done { answer: Answer::Tasks(Vec::new()), is_kept: true });
        assert_eq!(said(Wish::Task(TaskAct::List), Ok(Answer::Tasks(Vec::new())), None), listed, "nothing was changed");
    }

    #[test]
    fn what_cannot_be_is_answered_with_what_there_is_and_what_to_do() {
        let error = said(agent(AgentAct::Pause("golf".into())), Ok(Answer::Done), None).unwrap_err();
        assert_eq!(error, "there is no pause reason `golf`; there are break, lunch");
        let known = vec!["help".to_owned(), "sales".to_owned()];
        let (task, name) = (EntryId(7), || "sales".to_owned());
        let refused =
            |refusal| said(Wish::Task(TaskAct::File(Box::<Filing>::default())), Err(refusal), None).unwrap_err();
        for (refusal, parts) in [
            (Refusal::UnknownQueue { queue: "sale".into(), known }, ["no queue `sale`", "help, sales"]),
            (Refusal::UnknownAgent { agent: "ann".into(), known: vec![] }, ["no agent `ann`", "there are none"]),
            (Refusal::TaskThere { task, queue: name(), reference: "mail 1".into() }, ["`mail 1`", "task-7"]),
            (Refusal::NotTaken { queue: name(), exit: Exit::RefusedFull }, ["sales is full", "max_waiting"]),
            (Refusal::NotTaken { queue: name(), exit: Exit::QueueClosed }, ["sales is closed", "nothing was filed"]),
            (Refusal::UnknownTask { task }, ["no task-7", "vaxel task list"]),
            (Refusal::InHand { task, agent: "bo".into() }, ["bo works on task-7", "vaxel task done task-7"]),
            (Refusal::NotInHand { task }, ["nobody has accepted task-7", "vaxel task withdraw task-7"]),
            (
                Refusal::NotOffered { task, agent: "bo".into(), state: "paused", to: vec![] },
                ["not offered to bo, who is paused", "vaxel why task-7"],
            ),
            (
                Refusal::NotOffered { task, agent: "bo".into(), state: "ready", to: vec!["anna".into()] },
                ["not offered to bo", "but to anna"],
            ),
            (
                Refusal::NotOffered { task, agent: "bo".into(), state: "wrap_up", to: vec![] },
                ["not offered to bo, who is in wrap-up, nor", "vaxel why task-7"],
            ),
            (Refusal::NotWaiting { contact: CallId(7) }, ["no call-7, task-7 or entry-7 waits", "that of the entry"]),
            (Refusal::NoWrapUp { agent: "bo".into() }, ["bo has no time for notes", "after a talk"]),
            (Refusal::NoMoreWrapUp { agent: "bo".into() }, ["bo is not in a wrap-up", "wrap_up_extension"]),
            (Refusal::BadFiling("the reference is empty".into()), ["the reference is empty", "nothing was filed"]),
        ] {
            let said = refused(refusal);
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }

    #[test]
    fn not_all_of_a_thousand_are_shown() {
        let names: Vec<String> = (0..1000).map(|n| format!("a{n:03}")).collect();
        assert!(in_a_row(&names).ends_with("a019 and 980 more") && in_a_row([]) == "none");
    }
}
