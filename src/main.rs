//! The command line: reads arguments, calls [`vaxel::edge`], says what went wrong and what to do about it.

// They panic when nobody reads: `edge::output` does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use clap::{Parser, Subcommand};
use jiff::civil::Date;
use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vaxel::config::{Config, Every, Loaded};
use vaxel::edge::control::AgentAct;
use vaxel::edge::output::{complain, print};
use vaxel::edge::simulate::Options;
use vaxel::edge::why::{Agents, Asked};
use vaxel::edge::{self, log, project};
use vaxel::engine::tasks::{Filing, TaskAct};
use vaxel::ids::{CallId, EntryId};
use vaxel::need::Need;
use vaxel::sim::forecast::More;
use vaxel::time::Duration;

/// A call-centre telephony and queue engine: SIP in, menus, queues, agents, and the truth about waiting.
///
/// Without a command it serves. Without settings it serves a sample on this machine only.
#[derive(Parser)]
#[command(version, after_help = "Example:\n  vaxel init mycentre && cd mycentre && vaxel check && vaxel")]
struct Cli {
    /// Settings file [default: vaxel.toml in this folder; without that the built-in settings].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Act {
    /// Take no more callers of the queues, after the talk and its notes if there is one.
    Pause {
        /// One of `[[pause_reasons]]` in the settings, or of the codes.
        reason: String,
    },
    /// Take callers again.
    Resume,
    /// End the time for notes.
    Done,
    /// Make the time for notes longer, once after each talk, by `wrap_up_extension`.
    More,
}

#[derive(Subcommand)]
enum TaskCommand {
    /// File a task into a queue; prints its id.
    ///
    /// It waits there as callers do, until an agent whose `tasks` of the settings leave room for it accepts it. No phone rings for
    /// it. What was filed is known after a restart. While a task of this reference waits in the queue or is worked on, it is not
    /// filed again.
    #[command(after_help = "Examples:\n  vaxel task add sales 'mail 4711'\n  \
                      vaxel task add billing ticket-17 --attribute language=sv --need 'billing >= 5' --prefer anna@30m\n  \
                      vaxel task add sales promise-8 --priority 10 --since 09:30 --max-wait 2h")]
    Add {
        /// Where it waits: one of `[[queues]]`.
        queue: String,
        /// What it is called where it comes from.
        reference: String,
        /// What is known of it, for rules and needs of the queue, and for who works on it. Again for another.
        #[arg(long, value_name = "NAME=VALUE", value_parser = edge::tasks::attribute)]
        attribute: Vec<(String, String)>,
        /// Added to the queue's; what is more goes first.
        #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
        priority: i32,
        /// What an agent must be able to do, beside what the queue needs.
        #[arg(long, value_name = "NEED", value_parser = edge::tasks::need)]
        need: Option<Need>,
        /// Keep it for this agent at first, for an hour or as long as is said. Again for who is next.
        #[arg(long, value_name = "AGENT[@TIME]", value_parser = edge::tasks::prefer)]
        prefer: Vec<(String, Duration)>,
        /// When its waiting began, if that was before now.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Let it go after so long, instead of after the queue's `max_wait`.
        #[arg(long, value_name = "TIME", value_parser = edge::tasks::length)]
        max_wait: Option<Duration>,
    },
    /// Show every task that waits, is offered or is worked on.
    #[command(after_help = "Examples:\n  vaxel task list\n  vaxel task list --json")]
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Say for an agent that they take the task that is offered to them.
    #[command(after_help = "Example:\n  vaxel task accept anna task-1795424400123456")]
    Accept {
        /// Who takes it: one of `[[agents]]`.
        agent: String,
        /// The task's id, as `add` and `list` print it.
        #[arg(value_name = "TASK", value_parser = edge::tasks::id)]
        task: EntryId,
    },
    /// Say for an agent that they do not take the task that is offered to them: it goes to the next.
    #[command(after_help = "Example:\n  vaxel task decline anna task-1795424400123456")]
    Decline {
        /// To whom it is offered.
        agent: String,
        /// The task's id, as `add` and `list` print it.
        #[arg(value_name = "TASK", value_parser = edge::tasks::id)]
        task: EntryId,
    },
    /// Say that who works on a task has done it.
    #[command(after_help = "Example:\n  vaxel task done task-1795424400123456")]
    Done {
        /// The task's id, as `add` and `list` print it.
        #[arg(value_name = "TASK", value_parser = edge::tasks::id)]
        task: EntryId,
    },
    /// Take a task that waits out of its queue again: it was filed by mistake, or is not wanted any more.
    ///
    /// In figures and records it leaves as `left_by_key`: on purpose.
    #[command(after_help = "Example:\n  vaxel task withdraw task-1795424400123456")]
    Withdraw {
        /// The task's id, as `add` and `list` print it.
        #[arg(value_name = "TASK", value_parser = edge::tasks::id)]
        task: EntryId,
    },
}

#[derive(Subcommand)]
enum Command {
    /// Take calls until told to end.
    ///
    /// SIGTERM or Ctrl-C refuses new calls and waits for talks to end; a second one ends them.
    #[command(after_help = "Example:\n  vaxel serve --config /etc/vaxel/vaxel.toml")]
    Serve,
    /// Show the service working, without any phone.
    ///
    /// Does what `serve` does; then a scripted caller and two scripted agents register, dial, press a key, wait, talk and
    /// hang up over real SIP and RTP on loopback. Prints what happens as it happens, leaves a WAV of what the caller
    /// heard and a contact record in the data folder, and exits with 1 if a step did not happen.
    #[command(after_help = "Examples:\n  vaxel demo\n  vaxel demo --keep --wav heard.wav")]
    Demo {
        /// Leave the service running afterwards, until Ctrl-C.
        #[arg(long)]
        keep: bool,
        /// Where to write what the caller heard [default: demo-caller.wav in the data folder].
        #[arg(long, value_name = "FILE")]
        wav: Option<PathBuf>,
    },
    /// Write a project to begin with: settings, flows, a place for sounds.
    #[command(after_help = "Example:\n  vaxel init mycentre")]
    Init {
        /// Folder to write into; made if it is not there. Nothing is overwritten.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Test settings, sounds and flows without starting anything.
    ///
    /// Says everything that is wrong with file, line and column, and runs the tests that flows carry. Exits with 1 if
    /// there is an error.
    #[command(
        after_help = "Examples:\n  vaxel check\n  vaxel check /etc/vaxel/vaxel.toml\n  vaxel check flows/night.yaml"
    )]
    Check {
        /// Settings (*.toml) and flows (*.yaml) [default: the settings that would be served, and their flows].
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Draw the SIP messages of one call as a ladder, while it runs.
    ///
    /// Waits for the next call to the running service, follows all its legs, and ends when the call does. Credentials are not
    /// shown. Nothing is recorded while nobody traces.
    #[command(after_help = "Examples:\n  vaxel trace\n  vaxel trace 100 --messages\n  vaxel trace +46701234567")]
    Trace {
        /// Caller's or dialled number, agent, or Call-ID [default: the next call, whoever it is].
        #[arg(value_name = "WHO")]
        who: Option<String>,
        /// Show every message in full.
        #[arg(long)]
        messages: bool,
    },
    /// Send SIP messages of the running service to the capture server of the settings, or stop that.
    #[command(after_help = "Examples:\n  vaxel capture\n  vaxel capture on\n  vaxel capture off")]
    Capture {
        /// Without it, only say how it is.
        #[arg(value_name = "on|off", value_parser = ["on", "off"], hide_possible_values = true)]
        switch: Option<String>,
    },
    /// Pause an agent of the running service, or bring them back.
    #[command(
        after_help = "Examples:\n  vaxel agent anna pause lunch\n  vaxel agent anna resume\n  vaxel agent anna done\n  vaxel agent anna more"
    )]
    Agent {
        /// Who: one of `[[agents]]`.
        name: String,
        #[command(subcommand)]
        act: Act,
    },
    /// Change the priority of a caller, a task or somebody who is to be called back, now.
    ///
    /// It stands where it would if it had come with that priority; what rings for it rings on. `vaxel why NUMBER` tells a call's id, and
    /// the id of the entry that waits for who has hung up to be called back; `vaxel task list` a task's.
    #[command(
        after_help = "Examples:\n  vaxel priority call-1795424400123456 10\n  vaxel priority task-1795424400123456 -- -5\n  \
                      vaxel priority entry-1795424400123457 10"
    )]
    Priority {
        /// Of the call (`call-…`), task (`task-…`) or entry (`entry-…`) that waits.
        #[arg(value_name = "ID", value_parser = edge::tasks::contact)]
        contact: CallId,
        /// Added to the queue's; higher is served sooner.
        priority: i32,
    },
    /// Have the running service read its settings again.
    ///
    /// Queues and agents that are there already are taken as they are written now, while calls are up and callers wait: skills, needs,
    /// strategy, priorities, hours, shifts, wrap-up … Says what is otherwise, and what waits for the next start: new queues and agents,
    /// passwords, numbers, trunks and the rest. Settings that are wrong change nothing. SIGHUP does the same.
    #[command(after_help = "Examples:\n  vaxel reload\n  vaxel check && vaxel reload")]
    Reload,
    /// File tasks into queues, show them, and say what becomes of them.
    ///
    /// A task is anything that somebody must do and nobody is on the line for: an e-mail, a chat, a promise to keep. It waits in the
    /// same order as callers.
    #[command(after_help = "Examples:\n  vaxel task add sales 'mail 4711'\n  vaxel task list\n  vaxel task add --help")]
    Task {
        #[command(subcommand)]
        act: TaskCommand,
    },
    /// Say how long callers would wait on a day that is planned.
    ///
    /// Plays the day many times, each from another seed, with the distributor that serves, on a clock that is a number. Reports
    /// service level, waits and abandons by queue and interval, and how busy the people were, each with its 95 % band of
    /// confidence (Student's t over the days). The same seeds bring the same callers: two plans differ by what they change.
    #[command(after_help = "Examples:\n  vaxel simulate --example > monday.toml\n  vaxel simulate monday.toml\n  \
                      vaxel simulate monday.toml --seeds 200 --json > monday.json\n  \
                      vaxel simulate monday.toml --more helpers=2@13:00-17:00\n  \
                      vaxel simulate --journal data\n  vaxel simulate desk.toml --journal data --date 2026-11-23")]
    Simulate {
        /// The day: who calls, who works, which queues.
        #[arg(value_name = "DAY.toml", required_unless_present_any = ["example", "journal"])]
        day: Option<PathBuf>,
        /// Let the callers of a recorded day come: when they did, with what they needed, and with their talks and patience. The
        /// queues are the recorded ones; tasks and promises to call back are left out, and counted. Without DAY.toml: fold the journal again and say whether it decides the same.
        #[arg(long, value_name = "FOLDER", conflicts_with = "example")]
        journal: Option<PathBuf>,
        /// Which recorded day, in this machine's time zone [default: the last].
        #[arg(long, value_name = "YYYY-MM-DD", requires = "journal")]
        date: Option<Date>,
        /// Days to play.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        seeds: u64,
        /// The first seed; the others follow it.
        #[arg(long, value_name = "SEED", default_value_t = 1)]
        first_seed: u64,
        /// Threads [default: one for each core].
        #[arg(long, value_name = "N")]
        threads: Option<NonZero<usize>>,
        /// Compare with the same days with N more people like those of a group (N below zero: fewer), with a shift of their own
        /// or the group's. Again for another group.
        #[arg(long, value_name = "GROUP=N[@HH:MM-HH:MM]")]
        more: Vec<More>,
        /// Print JSON instead of tables.
        #[arg(long)]
        json: bool,
        /// Print a day to begin with, every setting explained, and do nothing else.
        #[arg(long, conflicts_with = "day")]
        example: bool,
    },
    /// Show the queues as they stood at a moment.
    ///
    /// Who waited, how long and for what; who was rung; which agent was in which state since when. Folded from the journal in the
    /// data folder, beside the running service or without it.
    #[command(
        after_help = "Examples:\n  vaxel rewind --at 14:05\n  vaxel rewind --at 2026-11-23T14:05:00+01:00 --json"
    )]
    Rewind {
        /// `14:05` (today), `2026-11-23T14:05`, or with an offset as in RFC 3339.
        #[arg(long, value_name = "TIME")]
        at: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show the figures of a day, by queue and interval.
    ///
    /// Callers as they came: how many, how they left, six service levels, waits, talk, hold and wrap-up; agents and how occupied they
    /// were. Today so far, or a time in the past as far back as `journal_keep` of [data]. Folded from the journal, beside the running
    /// service or without it.
    #[command(
        after_help = "Examples:\n  vaxel report\n  vaxel report --day 2026-11-23 --interval 1h --queue sales\n  \
                      vaxel report --from 08:00 --to 12:00 --json"
    )]
    Report {
        /// Which day, in this machine's time zone [default: today].
        #[arg(long, value_name = "YYYY-MM-DD")]
        day: Option<Date>,
        /// From when on: `08:00` (of that day), `2026-11-23T08:00`, or with an offset as in RFC 3339 [default: the beginning of the day].
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Up to when [default: the end of the day that it begins on].
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// Only this queue; agents are told with all they did.
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// How long the intervals are: 15m, 30m or 1h [default: `interval` of [report]].
        #[arg(long, value_name = "TIME")]
        interval: Option<Every>,
        /// For programs, with every figure.
        #[arg(long)]
        json: bool,
    },
    /// Tell why a caller waits, or waited.
    ///
    /// A time line of one contact: which queue it joined, what it needed, who was rung and how that ended; and each time, for every
    /// agent, why they had it or not. Of a call that is up or of one in the past, as far back as `journal_keep` of [data].
    #[command(after_help = "Examples:\n  vaxel why +46701234567\n  vaxel why --agent anna +46701234567\n  \
                      vaxel why --last 3 --all +46701234567\n  vaxel why call-1795424400123456 --json")]
    Why {
        /// A call's id (`call-…`, as in the log and in contact records), an entry's (`entry-…`), a task's (`task-…`), or a caller's
        /// number, or the name of an agent who dialled: the calls from there that are up, else the last; others are listed.
        #[arg(value_name = "CALL")]
        call: String,
        /// Tell of the last N calls of the number.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
        last: Option<u16>,
        /// Name every agent with their reason, however many have the same.
        #[arg(long, conflicts_with_all = ["agent", "json"])]
        all: bool,
        /// Tell of this agent alone: each reason why they did not have it, when it changed, and how long each held.
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
        /// For programs. Every agent is named.
        #[arg(long)]
        json: bool,
    },
    /// Draw a flow as a Mermaid flowchart.
    #[command(after_help = "Examples:\n  vaxel graph main > main.mmd\n  vaxel graph flows/night.yaml")]
    Graph {
        /// Name of a flow, or a flow file.
        #[arg(value_name = "FLOW")]
        flow: String,
    },
}

fn main() -> ExitCode {
    let Cli { config, command } = Cli::parse();
    let result = match command {
        None | Some(Command::Serve) => serve(config),
        Some(Command::Demo { keep, wav }) => demo(config, keep, wav),
        Some(Command::Init { folder }) => init(&folder),
        Some(Command::Check { files }) => check(config, files),
        Some(Command::Trace { who, messages }) => trace(config, who, messages),
        Some(Command::Capture { switch }) => capture(config, switch.as_deref()),
        Some(Command::Agent { name, act }) => agent(config, name, act),
        Some(Command::Reload) => reload(config),
        Some(Command::Priority { contact, priority: to }) => priority(config, contact, to),
        Some(Command::Task { act }) => task(config, act),
        Some(Command::Simulate { day, journal, date, seeds, first_seed, threads, more, json, .. }) => {
            let options = Options { recorded: None, seeds, first_seed, threads };
            simulate(day.as_deref(), journal.as_deref().map(|journal| (journal, date)), options, &more, json)
        }
        Some(Command::Rewind { at, json }) => rewind(config, &at, json),
        Some(Command::Report { day, from, to, queue, interval, json }) => {
            let (from, to, queue) = (from.as_deref(), to.as_deref(), queue.as_deref());
            report(config, interval, edge::report::Asked { day, from, to, queue, ..Default::default() }, json)
        }
        Some(Command::Why { call, last, all, agent, json }) => {
            let agents = match &agent {
                Some(agent) => Agents::One(agent),
                None if all => Agents::All,
                None => Agents::Counted,
            };
            why(config, Asked { who: &call, last: last.map(usize::from), agents, json })
        }
        Some(Command::Graph { flow }) => graph(config, &flow),
    };
    // The last lines of the log, and before what is said now.
    log::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match failure {
                Failure::Said => {}
                Failure::Output(error) => complain(format_args!("vaxel: cannot write the output: {error}")),
                Failure::Other(error) => complain(format_args!("vaxel: {error:#}")),
            }
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    /// What is wrong stands on standard error already.
    Said,
    Output(io::Error),
    Other(anyhow::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

fn serve(config: Option<PathBuf>) -> Result<(), Failure> {
    let file = project::settings_file(config);
    let config = settings(file.as_deref())?;
    let source = Box::new(move || project::settings(file.as_deref(), &[]));
    // Into a log, where others may read it, made-up passwords are not written.
    edge::serve(&config, source, io::stdout().is_terminal())?;
    Ok(())
}

fn demo(config: Option<PathBuf>, keep: bool, wav: Option<PathBuf>) -> Result<(), Failure> {
    let config = settings(project::settings_file(config).as_deref())?;
    let show_passwords = io::stdout().is_terminal();
    edge::demo::run(&config, &edge::demo::Options { keep, wav, show_passwords })?;
    Ok(())
}

/// The settings, and logging as they want it. Warnings are said and passed over.
fn settings(file: Option<&Path>) -> Result<Config, Failure> {
    let loaded = loaded(file)?;
    loaded.warnings.iter().for_each(complain);
    let filter = log::filter(&loaded.config.log).map_err(|problem| {
        complain(problem);
        Failure::Said
    })?;
    log::begin(filter);
    Ok(loaded.config)
}

fn loaded(file: Option<&Path>) -> Result<Loaded, Failure> {
    project::settings(file, &[]).map_err(|problems| {
        problems.iter().for_each(complain);
        complain("vaxel: the settings have to be mended first; `vaxel check` tests them together with the flows");
        Failure::Said
    })
}

/// Where the service that these settings are for keeps its data.
fn data_folder(config: Option<PathBuf>) -> Result<PathBuf, Failure> {
    Ok(loaded(project::settings_file(config).as_deref())?.config.data.folder)
}

fn trace(config: Option<PathBuf>, who: Option<String>, messages: bool) -> Result<(), Failure> {
    let folder = data_folder(config)?;
    let waiting = match &who {
        None => "waiting for a call".to_owned(),
        Some(who) => format!("waiting for a call from or to {who}"),
    };
    Ok(edge::control::trace(&folder, who, messages, || complain(format_args!("{waiting} (Ctrl-C ends this)")))?)
}

fn capture(config: Option<PathBuf>, switch: Option<&str>) -> Result<(), Failure> {
    let text = edge::control::capture(&data_folder(config)?, switch.map(|switch| switch == "on"))?;
    Ok(print(&text)?)
}

fn agent(config: Option<PathBuf>, name: String, act: Act) -> Result<(), Failure> {
    let act = match act {
        Act::Pause { reason } => AgentAct::Pause(reason),
        Act::Resume => AgentAct::Resume,
        Act::Done => AgentAct::EndWrapUp,
        Act::More => AgentAct::ExtendWrapUp,
    };
    Ok(print(&edge::control::agent(&data_folder(config)?, name, act)?)?)
}

fn reload(config: Option<PathBuf>) -> Result<(), Failure> {
    Ok(print(&edge::control::reload(&data_folder(config)?)?)?)
}

fn priority(config: Option<PathBuf>, contact: CallId, priority: i32) -> Result<(), Failure> {
    Ok(print(&edge::control::priority(&data_folder(config)?, contact, priority)?)?)
}

fn task(config: Option<PathBuf>, act: TaskCommand) -> Result<(), Failure> {
    let folder = data_folder(config)?;
    let now = edge::Clock::start().now();
    let act = match act {
        TaskCommand::List { json } => return Ok(print(&edge::tasks::list(&folder, json, now)?)?),
        TaskCommand::Add { queue, reference, attribute, priority, need, prefer, since, max_wait } => {
            let attributes = attribute.into_iter().collect();
            let since = since.map(|since| edge::tasks::at(&since, now)).transpose()?;
            let need = need.unwrap_or_default();
            let filing = Filing { queue, reference, attributes, need, priority, prefer, since, max_wait };
            TaskAct::File(Box::new(filing))
        }
        TaskCommand::Accept { agent, task } => TaskAct::Accept { agent, task },
        TaskCommand::Decline { agent, task } => TaskAct::Decline { agent, task },
        TaskCommand::Done { task } => TaskAct::Done(task),
        TaskCommand::Withdraw { task } => TaskAct::Withdraw(task),
    };
    Ok(print(&edge::control::task(&folder, act)?)?)
}

fn rewind(config: Option<PathBuf>, at: &str, json: bool) -> Result<(), Failure> {
    Ok(print(&edge::rewind::rewind(&data_folder(config)?, at, edge::Clock::start().now(), json)?)?)
}

fn report(
    config: Option<PathBuf>,
    every: Option<Every>,
    asked: edge::report::Asked<'_>,
    json: bool,
) -> Result<(), Failure> {
    let config = loaded(project::settings_file(config).as_deref())?.config;
    let asked = edge::report::Asked { every: every.unwrap_or(config.report.interval), ..asked };
    Ok(print(&edge::report::report(&config.data.folder, &asked, edge::Clock::start().now(), json)?)?)
}

fn why(config: Option<PathBuf>, asked: Asked) -> Result<(), Failure> {
    Ok(print(&edge::why::why(&data_folder(config)?, asked, edge::Clock::start().now())?)?)
}

fn init(folder: &Path) -> Result<(), Failure> {
    let written = project::init(folder).map_err(anyhow::Error::from)?;
    let mut text = String::new();
    for path in written {
        text += &format!("wrote {}\n", path.display());
    }
    let enter = if folder == Path::new(".") { String::new() } else { format!("  cd {}\n", folder.display()) };
    text +=
        &format!("\nNext:\n{enter}  vaxel check    test it\n  vaxel          serve it: register a phone, dial 100\n");
    Ok(print(&text)?)
}

fn check(config: Option<PathBuf>, files: Vec<PathBuf>) -> Result<(), Failure> {
    let (settings, flows): (Vec<PathBuf>, Vec<PathBuf>) =
        files.into_iter().partition(|file| file.extension().is_some_and(|extension| extension == "toml"));
    let settings = match settings.is_empty() {
        true => vec![project::settings_file(config)],
        false => settings.into_iter().map(Some).collect(),
    };
    let mut failed = false;
    for file in settings {
        let name = file.as_ref().map_or("the built-in settings".into(), |file| file.display().to_string());
        let (found, _) = project::check(file.as_deref(), &flows);
        found.problems.iter().for_each(complain);
        failed |= found.errors > 0;
        let verdict = match (found.errors, found.warnings) {
            (0, 0) => "good".into(),
            (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
        };
        let tested = format!("{}, {}", count(found.flows, "flow"), count(found.tests, "test of flows"));
        let ways: String = found.ways.iter().map(|way| format!("  {way}\n")).collect();
        print(&format!("{name}: {verdict} ({tested})\n{ways}"))?;
    }
    if failed { Err(Failure::Said) } else { Ok(()) }
}

/// Without a day and a journal: an example of a day.
fn simulate(
    day: Option<&Path>,
    journal: Option<(&Path, Option<Date>)>,
    options: Options,
    more: &[More],
    json: bool,
) -> Result<(), Failure> {
    let recorded = journal.map(|(folder, date)| Ok((edge::recorded::fold(folder)?, date)));
    let recorded = recorded.transpose().map_err(Failure::Other)?;
    let Some(day) = day else {
        return match recorded {
            None => Ok(print(vaxel::config::DAY)?),
            Some((recorded, _)) => {
                said(&recorded.check, json)?;
                if recorded.check.is_sound() { Ok(()) } else { Err(Failure::Said) }
            }
        };
    };
    if let Some((recorded, _)) = &recorded {
        recorded.check.doubts.iter().for_each(complain);
    }
    let callers = match &recorded {
        None => None,
        Some((recorded, date)) => Some((&recorded.recording, recorded.midnight(*date)?)),
    };
    let options = Options { recorded: callers, ..options };
    let queues: Option<Vec<_>> = recorded.as_ref().map(|(recorded, _)| recorded.recording.queues());
    let (mut plan, warnings) = edge::simulate::plan(day, queues.as_deref()).map_err(|problems| {
        problems.iter().for_each(complain);
        Failure::Said
    })?;
    warnings.iter().for_each(complain);
    if let Some((recording, midnight)) = callers {
        plan.hours = recording.open_hours(midnight);
    }
    match more {
        [] => said(&edge::simulate::run(&plan, &options), json),
        more => said(&edge::simulate::compare(&plan, more, &options)?, json),
    }
}

fn said(report: &(impl serde::Serialize + std::fmt::Display), json: bool) -> Result<(), Failure> {
    let text = match json {
        true => serde_json::to_string_pretty(report).map_err(anyhow::Error::from)? + "\n",
        false => report.to_string(),
    };
    Ok(print(&text)?)
}

fn graph(config: Option<PathBuf>, name: &str) -> Result<(), Failure> {
    let path = PathBuf::from(name);
    let file = Some(path).filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let also: Vec<PathBuf> = file.into_iter().collect();
    let (found, flows) = project::check(project::settings_file(config).as_deref(), &also);
    let Some(flows) = flows else {
        found.problems.iter().for_each(complain);
        return Err(Failure::Said);
    };
    let name = match also.first() {
        None => name.to_owned(),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(Failure::Output)?;
            vaxel::flow::name_of(&text).unwrap_or_default()
        }
    };
    match flows.get(&name) {
        Some(flow) => Ok(print(&vaxel::flow::graph(flow))?),
        None => {
            let known: Vec<&str> = flows.keys().map(String::as_str).collect();
            Err(anyhow::anyhow!("there is no flow `{name}`; there is: {}", known.join(", ")).into())
        }
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => match what.split_once(' ') {
            Some((noun, rest)) => format!("{number} {noun}s {rest}"),
            None => format!("{number} {what}s"),
        },
    }
}
