//! A day to be simulated, as an operator writes it: queues with the words of the settings, or taken from them.

use super::agent;
use super::problem::{Place, Problem, nearest};
use super::queue::Queue;
use super::read::{Reader, Table};
use super::source::{At, Sources};
use super::values::Name;
use super::{DEFAULTS, LISTS, each, queue};
use crate::acd::{AgentSettings, HeldLicence, QueueSettings, Validity};
use crate::ids::QueueId;
use crate::need::{Attributes, Need};
use crate::sim::forecast::{AGENTS_MAX, AtClosing, Break, CALLS_MAX, Calls, Group, Lengths, Plan, Rate, TimeOfDay};
use crate::time::{Duration, show_duration};
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// A day to begin with, every setting explained.
pub const DAY: &str = include_str!("day.toml");

/// Lists of tables beside those of settings.
const DAY_LISTS: [&str; 3] = ["queues", "groups", "calls"];

const HOUR: Duration = Duration::from_secs(3600);
const WHOLE_DAY: Duration = Duration::from_secs(86_400);
/// From midnight, a day and the night after it, and the longest shift from there.
const DAYS: u16 = 4;

/// Reads a day.
///
/// `read` gives the text of a file: of `file` itself, and of the settings that it takes its queues from. `recorded`: the queues of
/// a recording whose callers come; then the day has none of its own, and may have no calls.
///
/// # Errors
///
/// Everything that is wrong, errors and warnings, in the order of the files.
pub fn load_day(
    file: &Path,
    read: &dyn Fn(&Path) -> io::Result<String>,
    recorded: Option<&[QueueSettings]>,
) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    let text = read(file).map_err(|e| {
        let problem = Problem::error(Place::File(file.to_owned()), format!("the day cannot be read: {e}"));
        vec![problem.help("`vaxel simulate --example` prints one to begin with")]
    })?;
    let sources = Sources::new(Some((file, text)), [])?;
    let tree = sources.layered(&[], &DAY_LISTS)?;
    let reader = Reader::new(&sources);
    let top = Table::new(&reader, At::default(), Some(&tree));
    let mut problems = Vec::new();
    let plan = plan(&top, &mut problems, read, recorded)?;
    top.finish();
    problems.extend(reader.problems.into_inner());
    problems.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
    if problems.iter().any(Problem::is_error) { Err(problems) } else { Ok((plan, problems)) }
}

/// What the settings of the exchange say.
struct Exchange {
    every_queue: QueueSettings,
    every_agent: AgentSettings,
    queues: Vec<Queue>,
}

fn exchange(top: &Table) -> Exchange {
    let every_queue = queue::settings(&top.table("every_queue"), &QueueSettings::default());
    Exchange {
        every_agent: agent::settings(&top.table("every_agent"), &AgentSettings::default()),
        // Nobody speaks in such a day.
        queues: queue::queues(top, &every_queue, None),
        every_queue,
    }
}

/// The queues and what all agents have in common, from the settings at `file`, or the built-in ones. The rest of the settings is
/// not looked at: a day may be planned where their passwords cannot be read.
fn read_exchange(
    file: Option<&Path>,
    problems: &mut Vec<Problem>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Exchange, Vec<Problem>> {
    let text = match file {
        None => None,
        Some(path) => match read(path) {
            Ok(text) => Some((path, text)),
            Err(e) => {
                return Err(vec![Problem::error(Place::File(path.to_owned()), format!("it cannot be read: {e}"))]);
            }
        },
    };
    let sources = Sources::new(text, [])?;
    let tree = sources.layered(&[DEFAULTS], &LISTS)?;
    let reader = Reader::new(&sources);
    let found = exchange(&Table::new(&reader, At::default(), Some(&tree)));
    problems.extend(reader.problems.into_inner());
    Ok(found)
}

/// An error: without the settings of the exchange there is no use in looking at the day.
fn plan(
    top: &Table,
    problems: &mut Vec<Problem>,
    read: &dyn Fn(&Path) -> io::Result<String>,
    recorded: Option<&[QueueSettings]>,
) -> Result<Plan, Vec<Problem>> {
    let config = top.path("config");
    let exchange = read_exchange(config.as_deref(), problems, read)?;
    let (every_queue, every_agent) = (top.table("every_queue"), top.table("every_agent"));
    let queue_defaults = queue::settings(&every_queue, &exchange.every_queue);
    let agent_defaults = agent::settings(&every_agent, &exchange.every_agent);
    every_queue.finish();
    every_agent.finish();
    let day = top.table("day");
    let opens = day.get::<TimeOfDay>("opens").0;
    let closes = after(opens, day.get::<TimeOfDay>("closes").0);
    let interval = day.within("interval", Duration::from_secs(60)..=WHOLE_DAY).unwrap_or(HOUR / 2);
    let at_closing: AtClosing = day.optional("at_closing").unwrap_or_default();
    let date = day.optional::<Date>("date");
    let own = queue::queues(top, &queue_defaults, None);
    let queues: Vec<&Queue> = exchange.queues.iter().chain(&own).collect();
    if date.is_none()
        && recorded.is_none()
        && let Some(queue) = queues.iter().find(|queue| queue.hours.is_some())
    {
        let message = format!("the queue `{}` has hours, and nothing says which day it is", queue.settings.name);
        day.wrong("opens", message, r#"add `date = "2026-11-23"`"#.into());
    }
    day.finish();
    let hours = |queue: &&Queue| Some(queue.hours.as_ref()?.open_from(date?, DAYS));
    let mut plan = Plan {
        opens,
        closes,
        interval,
        at_closing,
        hours: queues.iter().map(hours).collect(),
        queues: queues.iter().map(|queue| queue.settings.clone()).collect(),
        groups: Vec::new(),
        calls: Vec::new(),
    };
    if !own.is_empty() && config.is_some() {
        let message = "queues are written here and taken from `config`".to_owned();
        top.wrong("queues", message, "keep one of the two".into());
    }
    if !own.is_empty() && recorded.is_some() {
        let message = "queues are written here, and there are those of the journal".to_owned();
        top.wrong("queues", message, "take [[queues]] out of the day".into());
    }
    if let Some(recorded) = recorded {
        (plan.queues, plan.hours) = (recorded.to_vec(), Vec::new());
    }
    names(top, "queues", plan.queues.iter().map(|queue| queue.name.as_str()));
    plan.groups = each(top, "groups", |table| group(table, &plan, &agent_defaults));
    names(top, "groups", plan.groups.iter().map(|group| group.name.as_str()));
    plan.calls = each(top, "calls", |table| calls(table, &plan));
    let is_clean = top.reader.problems.borrow().is_empty() && problems.is_empty();
    for (list, is_empty, what) in [
        ("queues", plan.queues.is_empty(), "there is no queue"),
        ("groups", plan.groups.is_empty(), "nobody works"),
        ("calls", plan.calls.is_empty() && recorded.is_none(), "nobody calls"),
    ] {
        if is_empty && is_clean {
            top.wrong(list, what.into(), format!("add [[{list}]]; `vaxel simulate --example` shows how"));
        }
    }
    if plan.agents() > AGENTS_MAX {
        top.wrong("groups", format!("{} agents work", plan.agents()), format!("{AGENTS_MAX} are the most"));
    }
    if plan.calls_expected() > CALLS_MAX {
        let message = format!("{:.0} calls are expected", plan.calls_expected());
        top.wrong("calls", message, format!("{CALLS_MAX:.0} a day are the most"));
    }
    Ok(plan)
}

/// The first moment after `from` when clocks show `clock`.
fn after(from: Duration, clock: Duration) -> Duration {
    if clock <= from { clock + WHOLE_DAY } else { clock }
}

fn names<'n>(top: &Table, list: &str, names: impl Iterator<Item = &'n str>) {
    let mut seen: Vec<&str> = Vec::new();
    for (i, name) in names.enumerate().filter(|(_, name)| !name.is_empty()) {
        if seen.contains(&name) {
            let place = top.reader.sources.value(&At::default().key(list).index(i).key("name"));
            let problem = Problem::error(place, format!("the name `{name}` is given twice"));
            top.reader.note(problem.help("each has a name of its own"));
        }
        seen.push(name);
    }
}

fn group(table: &Table, plan: &Plan, defaults: &AgentSettings) -> Group {
    let name = table.get::<Name>("name").0;
    let clock = |key, default| table.optional::<TimeOfDay>(key).map_or(default, |time| time.0);
    let mut from = clock("from", plan.opens);
    let mut to = after(from, clock("to", plan.closes));
    // Of a day that goes on after midnight, the shift may be all on the other side of it.
    if to <= plan.opens {
        (from, to) = (from + WHOLE_DAY, to + WHOLE_DAY);
    }
    let breaks = each(table, "breaks", |table| a_break(table, from, to));
    let declines = table.within("declines", 0.0..=1.0).unwrap_or(0.0);
    let misses = table.within("misses", 0.0..=1.0).unwrap_or(0.0);
    if declines + misses > 1.0 {
        let help = "both are shares of the same offers".into();
        table.wrong("misses", "more calls are declined or missed than are offered".into(), help);
    }
    Group {
        agents: table.within("agents", 1..=AGENTS_MAX as u32).unwrap_or_else(|| {
            if !table.has("agents") {
                table.wrong("name", "`agents` is missing".into(), "say how many people they are".into());
            }
            1
        }),
        settings: AgentSettings {
            name: name.clone(),
            skills: table.levels("skills", 1..=10).into_iter().collect(),
            teams: table.list::<Name>("teams").into_iter().map(|team| team.0).collect(),
            queues: members(table, plan),
            licences: licences(table),
            ..agent::settings(table, defaults)
        },
        name,
        from,
        to,
        breaks,
        answers_after: lengths(table, "answers_after").unwrap_or(Lengths::Constant(Duration::ZERO)),
        declines,
        misses,
    }
}

/// The queues that the group is a member of.
fn members(table: &Table, plan: &Plan) -> BTreeSet<QueueId> {
    let names = table.list::<Name>("queues");
    let known = |name: &Name| {
        let found = plan.queues.iter().position(|queue| queue.name == name.0);
        if found.is_none() {
            no_queue(table, "queues", &name.0, plan);
        }
        found.and_then(|index| u32::try_from(index).ok()).map(QueueId)
    };
    names.iter().filter_map(known).collect()
}

/// Those of the group. The day has no calendar for them.
fn licences(table: &Table) -> Vec<HeldLicence> {
    let licences = queue::licences(table);
    if licences.iter().any(|held| held.valid != Validity::default()) {
        let help = "take `from` and `to` out, or the licence, if it does not count on that day".into();
        table.wrong("licences", "a licence counts all day here".into(), help);
    }
    licences
}

fn no_queue(table: &Table, key: &'static str, name: &str, plan: &Plan) {
    let known = plan.queues.iter().map(|queue| queue.name.as_str());
    let help = match nearest(name, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known queues: {}", known.collect::<Vec<_>>().join(", ")),
    };
    table.wrong(key, format!("there is no queue `{name}`"), help);
}

fn a_break(table: &Table, from: Duration, to: Duration) -> Break {
    let clock = table.get::<TimeOfDay>("at").0;
    let at = if clock < from { clock + WHOLE_DAY } else { clock };
    let length = table.within("length", Duration::from_secs(60)..=WHOLE_DAY).unwrap_or_else(|| {
        if !table.has("length") {
            table.wrong("at", "`length` is missing".into(), r#"write { at = "12:00", length = "30m" }"#.into());
        }
        Duration::ZERO
    });
    let spread = table.within("spread", Duration::ZERO..=WHOLE_DAY).unwrap_or_default();
    if at + spread >= to {
        let help = format!("the shift is from {} to {}", TimeOfDay(from), TimeOfDay(to));
        table.wrong("at", "the break is not within the shift".into(), help);
    }
    Break { at, length, spread }
}

fn calls(table: &Table, plan: &Plan) -> Calls {
    let name = table.get::<Name>("queue").0;
    let index = plan.queues.iter().position(|queue| queue.name == name);
    if index.is_none() && !name.is_empty() {
        no_queue(table, "queue", &name, plan);
    }
    let needs = table.need("needs").unwrap_or_default();
    let attributes: Attributes = table.texts("attributes").unwrap_or_default().into_iter().collect();
    if let Some((index, queue)) = index.map(|index| (index, &plan.queues[index])) {
        let id = QueueId(u32::try_from(index).unwrap_or(0));
        let asked: Vec<Need> = queue.needs_in_time().map(|asked| needs.and(&asked).resolved(&attributes)).collect();
        let could = |group: &Group, asked: &Need| group.settings.could_serve(id, queue.members_only, asked);
        let able = |group: &&Group| asked.iter().any(|asked| could(group, asked));
        let able: Vec<&Group> = plan.groups.iter().filter(able).collect();
        if able.is_empty() && !plan.groups.is_empty() {
            let problem = Problem::warning(table.place("queue"), "nobody has the skills for these calls");
            table.reader.note(problem.help("give some of [[groups]] what the queue and the calls need"));
        }
        warn_of_long_notes(table, &able);
    }
    let talk = lengths(table, "talk");
    if talk.is_none() && !table.has("talk") {
        table.wrong("queue", "`talk` is missing".into(), format!("expected {}", Lengths::EXAMPLES));
    }
    Calls {
        queue: QueueId(u32::try_from(index.unwrap_or(0)).unwrap_or(0)),
        needs,
        attributes,
        priority: table.within("priority", -1_000_000..=1_000_000).unwrap_or(0),
        arrivals: table.optional("arrivals").unwrap_or_default(),
        rates: rates(table, plan),
        talk: talk.unwrap_or(Lengths::Constant(Duration::ZERO)),
        notes: lengths(table, "notes"),
        patience: lengths(table, "patience").unwrap_or(Lengths::Never),
    }
}

/// The wrap-up of an agent is the longest they may take, also here.
fn warn_of_long_notes(table: &Table, able: &[&Group]) {
    let Some(mean) = lengths(table, "notes").and_then(|notes| notes.mean()) else { return };
    if let Some(group) = able.iter().find(|group| group.settings.wrap_up < mean) {
        let wrap_up = show_duration(group.settings.wrap_up);
        let message = format!("the `wrap_up` of `{}` ends most of these notes after {wrap_up}", group.name);
        let help = "give the group, or [every_agent], as long a `wrap_up` as they may take".to_owned();
        table.reader.note(Problem::warning(table.place("notes"), message).help(help));
    }
}

/// `per_hour`, or one number for each interval.
fn rates(table: &Table, plan: &Plan) -> Vec<Rate> {
    let per_hour = table.within("per_hour", 0.0..=1e8);
    let counts = table.list::<f64>("per_interval");
    let clock = |key| table.optional::<TimeOfDay>(key).map(|time| time.0);
    let (from, to) = (clock("from"), clock("to"));
    if !table.has("per_interval") {
        if !table.has("per_hour") {
            let help = "write `per_hour = 120`, or `per_interval` with a number for each interval".into();
            table.wrong("queue", "how many call is missing".into(), help);
        }
        let from = from.map_or(plan.opens, |from| if from < plan.opens { from + WHOLE_DAY } else { from });
        let to = to.map_or(plan.closes, |to| after(from, to));
        if from >= plan.closes || to > plan.closes {
            let key = if from >= plan.closes { "from" } else { "to" };
            let help = format!("it is open from {} to {}", TimeOfDay(plan.opens), TimeOfDay(plan.closes));
            table.wrong(key, "nobody can call then".into(), help);
        }
        let calls = per_hour.unwrap_or(0.0) * to.saturating_sub(from).as_secs_f64() / 3600.0;
        return vec![Rate { from, to, calls }];
    }
    for key in ["per_hour", "from", "to"].into_iter().filter(|key| table.has(key)) {
        table.wrong(key, format!("there is a `{key}` and a `per_interval`"), "keep one of the two".into());
    }
    let intervals = plan.intervals();
    if counts.len() != intervals {
        let (opens, closes, length) = (TimeOfDay(plan.opens), TimeOfDay(plan.closes), show_duration(plan.interval));
        let help = format!("from {opens} to {closes} there are {intervals} intervals of {length}");
        table.wrong("per_interval", format!("it has {} numbers", counts.len()), help);
    }
    if counts.iter().any(|count| !(0.0..=1e8).contains(count)) {
        table.wrong("per_interval", "a number of calls is below zero or too high".into(), "from 0 to 1e8".into());
    }
    let rate = |(i, calls)| {
        let (from, to) = plan.interval(i);
        Rate { from, to, calls }
    };
    counts.into_iter().take(intervals).enumerate().map(rate).collect()
}

/// A distribution in words, or a list of lengths that are drawn from.
fn lengths(table: &Table, key: &'static str) -> Option<Lengths> {
    if !table.is_list(key) {
        return table.optional(key);
    }
    let lengths = table.list::<Duration>(key);
    if table.is_empty_list(key) {
        table.wrong(key, "it is an empty list".into(), "name the lengths of time to draw from".into());
    }
    Some(Lengths::OneOf(lengths)).filter(|lengths| *lengths != Lengths::OneOf(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::forecast::Arrivals;
    use std::collections::BTreeMap;

    fn load(day: &str, files: &[(&str, &str)]) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
        let mut all: BTreeMap<&Path, &str> = files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
        all.insert(Path::new("/days/monday.toml"), day);
        let read = |path: &Path| all.get(path).map(|t| (*t).to_owned()).ok_or(io::ErrorKind::NotFound.into());
        load_day(Path::new("/days/monday.toml"), &read, None)
    }

    fn problems(day: &str) -> String {
        let problems = match load(day, &[]) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        };
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    const CLEAN: &str = r#"
        [day]
        opens = "08:00"
        closes = "10:00"
        [[queues]]
        name = "sales"
        [[groups]]
        name = "desk"
        agents = 3
        [[calls]]
        queue = "sales"
        per_hour = 60
        talk = "exponential 3m"
    "#;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn the_example_is_a_good_day() {
        let (plan, warnings) = load(DAY, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(warnings, []);
        assert!(plan.calls_expected() > 100.0 && plan.agents() > 5);
    }

    /// The one that speed is measured with.
    #[test]
    fn the_large_day_has_a_million_calls_and_a_thousand_agents() {
        let (plan, warnings) = load(include_str!("../../tests/bench/million.toml"), &[]).unwrap();
        assert_eq!((plan.agents(), warnings), (1000, vec![]));
        assert!((plan.calls_expected() / 1e6 - 1.0).abs() < 0.001, "{}", plan.calls_expected());
    }

    #[test]
    fn what_is_not_said_is_as_in_the_settings() {
        let (plan, _) = load(CLEAN, &[]).unwrap();
        assert_eq!((plan.opens, plan.closes, plan.interval), (minutes(480), minutes(600), minutes(30)));
        assert_eq!(plan.queues, [QueueSettings { name: "sales".into(), ..QueueSettings::default() }]);
        let group = &plan.groups[0];
        assert_eq!((group.agents, group.from, group.to), (3, plan.opens, plan.closes));
        assert_eq!(group.settings, AgentSettings { name: "desk".into(), ..AgentSettings::default() });
        let calls = &plan.calls[0];
        assert_eq!(calls.rates, [Rate { from: plan.opens, to: plan.closes, calls: 120.0 }]);
        assert_eq!((calls.arrivals, &calls.patience, &calls.notes), (Arrivals::Poisson, &Lengths::Never, &None));
    }

    /// Also where the rest of the settings could not be read: the file of a password is not looked for.
    #[test]
    fn queues_come_from_the_settings_of_the_exchange() {
        let day = CLEAN.replace("[[queues]]\n        name = \"sales\"", "");
        let day = format!("config = \"vaxel.toml\"\n{day}[every_agent]\nring_time = \"9s\"");
        let settings = r#"
            [every_queue]
            service_level = "33s"
            [every_agent]
            wrap_up = "44s"
            [[queues]]
            name = "sales"
            priority = 7
            [[agents]]
            name = "anna"
            password_file = "secret"
        "#;
        let (plan, _) = load(&day, &[("/days/vaxel.toml", settings)]).unwrap();
        assert_eq!((plan.queues.len(), plan.queues[0].priority), (1, 7));
        assert_eq!(plan.queues[0].service_level, Duration::from_secs(33));
        let agent = &plan.groups[0].settings;
        assert_eq!((agent.wrap_up, agent.ring_time), (Duration::from_secs(44), Duration::from_secs(9)));
        let wrong = load(&day, &[("/days/vaxel.toml", &settings.replace("= 7", "= \"high\""))]).unwrap_err();
        assert!(wrong[0].to_string().contains("--> /days/vaxel.toml:8:"), "{}", wrong[0]);
        assert!(load(&day, &[]).unwrap_err()[0].to_string().contains("/days/vaxel.toml"));
    }

    #[test]
    fn a_night_goes_on_after_midnight() {
        let night = CLEAN
            .replace("08:00", "20:00")
            .replace("10:00", "06:00")
            .replace(
                "agents = 3",
                "agents = 3\nfrom = \"23:00\"\nto = \"05:00\"\nbreaks = [{ at = \"01:00\", length = \"30m\" }]",
            )
            .replace("per_hour = 60", "per_hour = 60\nfrom = \"02:00\"\nto = \"03:00\"");
        let late = "[[groups]]\nname = \"late\"\nagents = 1\nfrom = \"01:00\"\nto = \"04:00\"\n[[calls]]";
        let (plan, _) = load(&night.replacen("[[calls]]", late, 1), &[]).unwrap();
        assert_eq!((plan.opens, plan.closes), (minutes(20 * 60), minutes(30 * 60)));
        let [group, late] = &plan.groups[..] else { panic!("two groups") };
        assert_eq!((group.from, group.to, group.breaks[0].at), (minutes(23 * 60), minutes(29 * 60), minutes(25 * 60)));
        assert_eq!((late.from, late.to), (minutes(25 * 60), minutes(28 * 60)));
        assert_eq!(plan.calls[0].rates, [Rate { from: minutes(26 * 60), to: minutes(27 * 60), calls: 60.0 }]);
        assert_eq!(plan.ends(), minutes(30 * 60));
    }

    #[test]
    fn lengths_are_words_or_lists() {
        let day = CLEAN.replace("exponential 3m", "lognormal 3m 2m").replace("talk", "notes = [\"5s\", \"9s\"]\ntalk");
        let (plan, _) = load(&day, &[]).unwrap();
        let [five, nine] = [5, 9].map(Duration::from_secs);
        assert_eq!(plan.calls[0].notes, Some(Lengths::OneOf(vec![five, nine])));
        assert_eq!(plan.calls[0].talk, Lengths::Lognormal { mean: minutes(3), deviation: minutes(2) });
    }

    #[test]
    fn each_mistake_is_shown_where_it_stands_with_what_was_expected() {
        for (clean, wrong, expected) in [
            ("queue = \"sales\"", "queue = \"sale\"", "did you mean `sales`?"),
            ("exponential 3m", "exponential", "expected a length of time"),
            ("talk = \"exponential 3m\"", "talk = []", "name the lengths of time to draw from"),
            ("talk = \"exponential 3m\"", "", "`talk` is missing"),
            ("per_hour = 60", "", "write `per_hour = 120`"),
            ("per_hour = 60", "per_hour = -1", "it must be from 0 to"),
            ("per_hour = 60", "per_interval = [1, 2, 3]", "there are 4 intervals of 30m"),
            ("per_hour = 60", "per_interval = [1, 2, 3, -4]", "below zero"),
            ("per_hour = 60", "per_hour = 60\nper_interval = [1, 2, 3, 4]", "keep one of the two"),
            ("per_hour = 60", "per_hour = 60\nfrom = \"07:00\"", "it is open from 08:00 to 10:00"),
            ("per_hour = 60", "per_hour = 60\nto = \"11:00\"", "it is open from 08:00 to 10:00"),
            ("per_hour = 60", "per_hour = 60e6", "a day are the most"),
            ("agents = 3", "", "say how many people"),
            ("agents = 3", "agents = 0", "it must be from 1 to"),
            (
                "agents = 3",
                "agents = 3\nbreaks = [{ at = \"12:00\", length = \"5m\" }]",
                "the shift is from 08:00 to 10:00",
            ),
            ("agents = 3", "agents = 3\nbreaks = [{ at = \"09:00\" }]", "`length` is missing"),
            ("agents = 3", "agents = 3\nmisses = 0.6\ndeclines = 0.6", "shares of the same offers"),
            ("agents = 3", "agents = 3\nskill = { a = 1 }", "did you mean `skills`?"),
            ("opens = \"08:00\"", "opens = \"8\"", "a time of day such as \"08:30\""),
            ("opens = \"08:00\"", "opens = \"08:00\"\nat_closing = \"go\"", "\"serve\" or \"send away\""),
            ("name = \"sales\"", "name = \"sales\"\nneeds = { sales = 2 }", "nobody has the skills"),
            ("talk =", "notes = \"1m\"\ntalk =", "`wrap_up` of `desk` ends most of these notes after 10s"),
            ("talk =", "arrivals = \"odd\"\ntalk =", "\"poisson\" or \"even\""),
            ("[[groups]]", "[[queues]]\nname = \"sales\"\n[[groups]]", "given twice"),
            ("agents = 3", "agents = 3\nqueues = [\"sale\"]", "did you mean `sales`?"),
            ("name = \"sales\"", "name = \"sales\"\nmembers_only = true", "nobody has the skills"),
            ("name = \"sales\"", "name = \"sales\"\nhours = { zone = \"UTC\" }", "add `date = "),
            ("opens = \"08:00\"", "opens = \"08:00\"\ndate = \"today\"", "a date such as"),
        ] {
            assert!(CLEAN.contains(clean), "{clean}");
            let shown = problems(&CLEAN.replacen(clean, wrong, 1));
            assert!(shown.contains(expected), "{wrong}: {shown}");
            assert!(shown.contains("--> /days/monday.toml"), "{wrong}: {shown}");
            assert!(shown.matches("-->").count() == 1, "{wrong}: {shown}");
        }
        assert_eq!(problems(CLEAN), "");
    }

    #[test]
    fn a_recorded_day_needs_people_alone() {
        let people = "[day]\nopens = \"08:00\"\ncloses = \"10:00\"\n[[groups]]\nname = \"desk\"\nagents = 3";
        let recorded = [QueueSettings { name: "sales".into(), ..QueueSettings::default() }];
        let load = |day: &str| load_day(Path::new("day.toml"), &|_| Ok(day.to_owned()), Some(&recorded));
        let (plan, _) = load(people).unwrap();
        assert_eq!((&plan.queues[..], plan.calls.len()), (&recorded[..], 0));
        let problems = load(&format!("{people}\n[[queues]]\nname = \"own\"")).unwrap_err();
        assert!(problems[0].to_string().contains("take [[queues]] out"), "{}", problems[0]);
        let more = format!("{people}\n[[calls]]\nqueue = \"sales\"\nper_hour = 1\ntalk = \"1m\"");
        assert_eq!(load(&more).unwrap().0.calls.len(), 1);
    }

    #[test]
    fn queues_are_open_as_their_calendars_say_of_that_date() {
        let hours = r#"name = "sales"
        hours = { zone = "Europe/Stockholm", week = { "mon-fri" = "09:00-12:00, 13:00-17:00" }, holidays = ["12-25"] }"#;
        let on = |date: &str| {
            let day = CLEAN.replace("name = \"sales\"", hours).replace("[day]", &format!("[day]\ndate = \"{date}\""));
            load(&day, &[]).unwrap_or_else(|problems| panic!("{problems:?}")).0.hours.remove(0).unwrap()
        };
        let monday = [(540, 720), (780, 1020)].map(|(from, to)| (minutes(from), minutes(to)));
        assert_eq!(on("2026-11-23")[..2], monday);
        // A Saturday, and Christmas.
        assert_eq!(on("2026-11-28")[0].0, minutes(2 * 1440 + 540));
        assert_eq!(on("2026-12-25")[0].0, minutes(3 * 1440 + 540));
        assert_eq!(load(CLEAN, &[]).unwrap().0.hours, [None]);
    }

    #[test]
    fn groups_are_members_and_callers_are_known_by_what_queues_ask_for() {
        let day = CLEAN
            .replace("name = \"sales\"", "name = \"sales\"\nmembers_only = true\nneeds = 'lang(language) and licence(a, \"SE\")'")
            .replace("agents = 3", "agents = 3\nqueues = [\"sales\"]\nteams = [\"red\"]\nskills = { lang_sv = 3 }\nlicences = [{ kind = \"a\", jurisdiction = \"SE\" }]")
            .replace("queue = \"sales\"", "queue = \"sales\"\nattributes = { language = \"sv\" }");
        let (plan, warnings) = load(&day, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(warnings, []);
        let settings = &plan.groups[0].settings;
        assert_eq!((settings.queues.contains(&QueueId(0)), settings.teams.contains("red")), (true, true));
        assert_eq!(plan.calls[0].attributes.get("language").map(String::as_str), Some("sv"));
    }

    #[test]
    fn who_has_the_skills_after_a_while_has_them() {
        let day = CLEAN.replace(
            "name = \"sales\"",
            "name = \"sales\"\nneeds = \"a >= 5\"\nrelax = [{ after = \"20s\", needs = \"a\" }]",
        );
        let with = |level| load(&day.replace("agents = 3", &format!("agents = 3\nskills = {{ {level} }}")), &[]);
        assert_eq!(with("a = 2").unwrap().1, []);
        assert!(with("b = 2").unwrap().1[0].to_string().contains("nobody has the skills"));
    }

    #[test]
    fn an_empty_day_says_what_it_lacks() {
        let shown = problems("[day]\nopens = \"08:00\"\ncloses = \"10:00\"");
        for what in ["there is no queue", "nobody works", "nobody calls", "vaxel simulate --example"] {
            assert!(shown.contains(what), "{shown}");
        }
    }
}
