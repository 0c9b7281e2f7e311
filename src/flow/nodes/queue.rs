//! `queue`: places the caller in a line until an agent answers.
//!
//! ```text
//!            enter            announcement due          its answers
//!   ──────▶ music ───────────────────────────▶ asking ─────────────▶ speaking ──▶ music again
//!             │ key that leads out ▶ leaving ── Left ──▶ the key's step
//!             └ Connected (from any of them) ▶ talking ── Served ──▶ next
//!                                               └ BackInLine ▶ music
//! ```

use super::{Event, Kind, StepId, Turn, Way, first_of};
use crate::flow::compile::{Compiler, Item};
use crate::flow::expr::{Expr, Text, Value};
use crate::flow::model::{self, Sayings, TextOrNumber, text_or};
use crate::flow::run::{Action, Input, Minutes, Preferred, Prompt, QueueRequest, QueueResult};
use crate::flow::speech;
use crate::flow::walk::Walk;
use crate::flow::yaml::{Age, At, Kept, Length, Ordered, Span};
use crate::need::Need;
use crate::time::Duration;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Queue")]
pub struct File {
    /// The queue, as the configuration names it.
    pub name: At<String>,
    /// Higher is served sooner: a number, or an expression that gives one (default 0).
    #[schemars(with = "Option<TextOrNumber>")]
    pub priority: Option<At<String>>,
    /// What the agent must be able to do, beside what the queue itself needs: `support >= 3 and (lang(language) or lang_en >= 5)`,
    /// or `{ support: 3 }`.
    pub need: Option<At<NeedFile>>,
    /// What is enough instead for who has waited so long. Licences of `need` are needed all the same.
    #[serde(default)]
    pub relax: Vec<RelaxFile>,
    /// Whom the caller is kept for at first, one after the other: a number of agents and teams.
    #[serde(default)]
    pub prefer: Vec<At<Kept<PreferFile>>>,
    /// Longest wait before `timed_out` (default: the queue's own).
    pub max_wait: Option<Length>,
    /// Whether a call that is not answered yet is answered first (default true); otherwise the agent's answer answers it.
    pub answer: Option<bool>,
    /// What the caller hears and can do meanwhile.
    #[serde(default)]
    pub while_waiting: WaitingFile,
    /// Where the caller goes when the agent has hung up first (default: the call ends).
    pub next: Option<model::Way>,
    /// Where the caller goes for each of the reasons below that has no way of its own.
    pub failed: Option<model::Way>,
    /// The wait was too long. Stands in for the next three where neither they nor `failed` are named.
    pub timed_out: Option<model::Way>,
    /// No agent is there who could ever answer.
    pub no_agents: Option<model::Way>,
    /// Too many are waiting already.
    pub full: Option<model::Way>,
    /// The queue takes no calls.
    pub closed: Option<model::Way>,
    /// With `answer: false`: nobody answered within the time for which a call may be left unanswered (default: the call is answered,
    /// and the caller waits on).
    pub unanswered: Option<model::Way>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Relax")]
pub struct RelaxFile {
    /// Since the caller joined the line.
    pub after: Length,
    pub need: At<NeedFile>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Prefer")]
pub struct PreferFile {
    /// An agent by name, which may come from a variable: `{{ owner }}`. An empty name is passed over.
    pub agent: Option<At<String>>,
    /// Or a team.
    pub team: Option<At<String>>,
    /// Or the agent who talked with this caller last, if that ended at most so long ago. Nobody, where it is not known.
    pub last_agent: Option<At<Age>>,
    /// How long, from when it is their turn.
    #[serde(rename = "for")]
    pub wait: Length,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "WhileWaiting")]
pub struct WaitingFile {
    /// Music by name (default: silence).
    pub music: Option<At<String>>,
    /// What is said from time to time.
    pub announce: Option<At<Kept<AnnounceFile>>>,
    /// One key → the step it leads to, out of the line.
    pub keys: Ordered<model::Way>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Announce")]
pub struct AnnounceFile {
    /// Said each time.
    #[serde(default)]
    pub prompts: Sayings,
    /// Whether the place in line is said too, as long as it gets better (default false).
    pub position: Option<At<bool>>,
    /// Whether callers are told how long it will probably take, where that is known and something else than they were told last
    /// (default false).
    pub estimate: Option<At<bool>>,
    /// The highest place that is said as it is (default 20, at most 999); above it, "higher than".
    pub most: Option<At<u32>>,
    /// How long after joining the first comes (default 15s).
    pub first: Option<Length>,
    /// How long from the end of one to the next (default 60s, at least 5s).
    pub every: Option<At<Length>>,
}

/// The lowest level of a skill that is enough.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Level(#[schemars(range(min = 1, max = 10))] pub i64);

/// A need, as an expression or as skill → level.
#[derive(Clone, Debug)]
pub enum NeedFile {
    Expr(String),
    Skills(Ordered<At<Level>>),
}

#[derive(Debug)]
pub struct Queue {
    name: String,
    priority: Priority,
    asked: Box<Asked>,
    max_wait: Option<Duration>,
    answer: bool,
    music: Option<String>,
    announce: Option<Box<Announce>>,
    keys: BTreeMap<char, StepId>,
    next: StepId,
    timed_out: StepId,
    no_agents: StepId,
    full: StepId,
    closed: StepId,
    unanswered: Option<StepId>,
}

/// Whom the caller wants.
#[derive(Debug)]
struct Asked {
    need: Need,
    relax: Vec<(Duration, Need)>,
    prefer: Vec<(Favourite, Duration)>,
}

#[derive(Debug)]
enum Favourite {
    Agent(Text),
    Team(String),
    LastAgent(Duration),
}

#[derive(Debug)]
enum Priority {
    Number(i32),
    Expr(Expr),
}

#[derive(Debug)]
struct Announce {
    prompts: Vec<Item>,
    position: bool,
    estimate: bool,
    most: u32,
    first: Duration,
    every: Duration,
}

#[derive(Debug, Default)]
pub struct State {
    phase: Phase,
    /// Where to, once the line is left: by a key, or because nobody answered in time.
    leaving: Option<StepId>,
    /// The place in line as last said.
    told: Option<u32>,
    /// What is said this time of the place.
    place: Vec<Prompt>,
}

#[derive(Debug, Default, PartialEq)]
enum Phase {
    #[default]
    Music,
    /// For a short while; what is not answered is not said.
    Asking,
    Speaking,
    Talking,
}

const NEXT_IN_LINE: &str = "you-are-next";
const NUMBER: &str = "you-are-number";
const OVER_NUMBER: &str = "you-are-over-number";
const PATIENCE: Duration = Duration::from_secs(2);
const SHORTEST_EVERY: Duration = Duration::from_secs(5);

text_or!(
    NeedFile,
    Expr,
    Skills(Ordered<At<Level>>),
    "a need such as `support >= 3 and lang(language)`, or skill → lowest level"
);

impl Kind for Queue {
    type File = File;
    type State = State;

    fn compile(file: &File, compiler: &mut Compiler, after: Option<StepId>) -> Queue {
        compiler.queue(&file.name);
        let priority = match file.priority.as_ref().map(|text| (text, text.trim().parse())) {
            None => Priority::Number(0),
            Some((_, Ok(number))) => Priority::Number(number),
            Some((text, Err(_))) => compiler.expr(text).map_or(Priority::Number(0), Priority::Expr),
        };
        let mut keys = BTreeMap::new();
        for (key, way) in &file.while_waiting.keys.0 {
            let to = compiler.way(way, after);
            match key.as_bytes() {
                [b'0'..=b'9' | b'*' | b'#'] => {
                    keys.insert(char::from(key.as_bytes()[0]), to);
                }
                _ => compiler.problem(
                    key.at,
                    format!("`{}` is not one key", **key),
                    Some("while waiting, one of 0–9, * and #".into()),
                ),
            }
        }
        let announce =
            file.while_waiting.announce.as_ref().and_then(|kept| kept.0.as_ref().map(|file| (file, kept.at)));
        let mut way = |way: &Option<model::Way>| way.as_ref().map(|way| compiler.way(way, after));
        let (failed, timed_out, no_agents) = (way(&file.failed), way(&file.timed_out), way(&file.no_agents));
        let (full, closed, next) = (way(&file.full), way(&file.closed), way(&file.next));
        let unanswered = file.unanswered.as_ref().map(|to| (compiler.way(to, after), to.at));
        let answer = file.answer.unwrap_or(true);
        if let (Some((_, at)), true) = (unanswered, answer) {
            let help = Some("say `answer: false`, or leave it out".into());
            compiler.problem(at, "a call that is answered first is never left unanswered".into(), help);
        }
        let hangup = compiler.hangup();
        Queue {
            name: file.name.value.clone(),
            priority,
            asked: Box::new(Asked::compile(file, compiler)),
            max_wait: file.max_wait.map(|l| l.0),
            timed_out: first_of(
                [timed_out, failed, None, None],
                compiler,
                "the wait is too long or no agent is there",
                "`timed_out` or `failed`",
            ),
            no_agents: no_agents.or(failed).or(timed_out).unwrap_or(hangup),
            full: full.or(failed).or(timed_out).unwrap_or(hangup),
            closed: closed.or(failed).or(timed_out).unwrap_or(hangup),
            answer,
            unanswered: unanswered.map(|(to, _)| to),
            music: file.while_waiting.music.as_ref().map(|name| compiler.music(name)),
            announce: announce.map(|(file, at)| Box::new(Announce::compile(file, at, compiler))),
            keys,
            next: next.or(after).unwrap_or(hangup),
        }
    }

    fn ways(&self) -> Vec<Way> {
        let way = |label: String, to, paused| Way { label, to, paused, sets: Vec::new() };
        let mut ways = vec![way("served".into(), self.next, true)];
        ways.extend(self.keys.iter().map(|(key, to)| way(key.to_string(), *to, true)));
        // The reasons that lead to the same step are one arrow, but waiting too long is the only slow one.
        ways.push(way("timed out".into(), self.timed_out, true));
        ways.extend(self.unanswered.map(|to| way("unanswered".into(), to, true)));
        for (label, to) in [("no agents", self.no_agents), ("full", self.full), ("closed", self.closed)] {
            match ways.iter_mut().find(|w| w.to == to && !w.paused) {
                Some(way) => way.label = format!("{}, {label}", way.label),
                None => ways.push(way(label.into(), to, false)),
            }
        }
        ways
    }

    fn listens(&self) -> bool {
        !self.keys.is_empty()
    }

    fn enter(&self, _: &mut State, walk: &mut Walk) -> Turn {
        // What was typed before the line was not meant for it.
        walk.flush();
        walk.takes(self.answer);
        let priority = match &self.priority {
            Priority::Number(number) => *number,
            Priority::Expr(expr) => match expr.value(&walk.scope) {
                Ok(Value::Int(i)) => i.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
                Ok(Value::Float(x)) => x as i32,
                Ok(other) => {
                    walk.fault(format!("`{expr}` gives {other}, which is no number"));
                    0
                }
                Err(reason) => {
                    walk.fault(reason);
                    0
                }
            },
        };
        let attributes: BTreeMap<String, String> =
            walk.scope.variables.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
        let language = ("language".to_owned(), walk.scope.language.clone());
        let known = attributes.iter().map(|(n, v)| (n.clone(), v.clone())).chain([language]).collect();
        let prefer = self.asked.preferred(walk);
        walk.act(Action::Enqueue(QueueRequest {
            queue: self.name.clone(),
            need: self.asked.need.resolved(&known),
            relax: self.asked.relax.iter().map(|(after, need)| (*after, need.resolved(&known))).collect(),
            prefer,
            priority,
            max_wait: self.max_wait,
            language: walk.scope.language.clone(),
            attributes,
        }));
        self.waits(walk)
    }

    fn handle(&self, state: &mut State, walk: &mut Walk, event: Event) -> Turn {
        match event {
            Event::Digit => self.digit(state, walk),
            Event::Timeout => self.due(state, walk),
            Event::Played => self.back_to_music(state, walk),
            Event::Other(Input::Position(position)) => self.placed(state, walk, position),
            Event::Other(Input::Estimate(minutes)) => self.estimated(state, walk, minutes),
            Event::Other(Input::Connected) => {
                *state = State { phase: Phase::Talking, told: state.told, ..State::default() };
                walk.connected();
                Turn::Wait
            }
            Event::Other(Input::BackInLine) if state.phase == Phase::Talking => {
                // The place may be a worse one than was told.
                *state = State::default();
                walk.disconnected();
                self.waits(walk)
            }
            Event::Other(Input::Queue(result)) => self.left(state, walk, result),
            Event::Other(_) => Turn::Wait,
        }
    }

    fn answer_due(&self, state: &mut State, walk: &mut Walk) -> Turn {
        match self.unanswered {
            Some(to) if state.leaving.is_none() && state.phase != Phase::Talking => {
                walk.is_overdue();
                walk.stop();
                state.leaving = Some(to);
                walk.act(Action::LeaveQueue { too_long: true });
            }
            // On the way out: the step that it leads to answers.
            _ if state.leaving.is_some() => walk.is_overdue(),
            _ => walk.answer_overdue(),
        }
        Turn::Wait
    }
}

impl Queue {
    /// Where a caller goes who has pressed a key and not left the line yet.
    pub fn leads(state: &State) -> Option<StepId> {
        state.leaving
    }

    /// Which queue.
    pub fn detail(&self) -> String {
        self.name.clone()
    }

    fn play_music(&self, walk: &mut Walk) {
        match &self.music {
            Some(music) => walk.music(music),
            None if walk.is_left_unanswered() => walk.rings(false),
            None => walk.stop(),
        }
    }

    fn waits(&self, walk: &mut Walk) -> Turn {
        self.play_music(walk);
        match &self.announce {
            Some(announce) => walk.wait(announce.first),
            None => Turn::Wait,
        }
    }

    fn digit(&self, state: &mut State, walk: &mut Walk) -> Turn {
        while let Some(digit) = walk.take_digit() {
            if let (Some(to), None) = (self.keys.get(&digit), state.leaving)
                && state.phase != Phase::Talking
            {
                state.leaving = Some(*to);
                walk.stop();
                walk.act(Action::LeaveQueue { too_long: false });
            }
        }
        // Announcements still due find `leaving` set.
        Turn::Wait
    }

    /// An announcement is due, or an answer for it did not come.
    fn due(&self, state: &mut State, walk: &mut Walk) -> Turn {
        let Some(announce) = &self.announce else { return Turn::Wait };
        match state.phase {
            _ if state.leaving.is_some() => Turn::Wait,
            Phase::Music if announce.position || announce.estimate => {
                state.phase = Phase::Asking;
                state.place.clear();
                walk.act(if announce.position { Action::AskPosition } else { Action::AskEstimate });
                walk.wait(PATIENCE)
            }
            Phase::Music | Phase::Asking => self.say(state, walk, announce, Vec::new()),
            Phase::Speaking | Phase::Talking => Turn::Wait,
        }
    }

    fn placed(&self, state: &mut State, walk: &mut Walk, position: Option<u32>) -> Turn {
        let (Some(announce), Phase::Asking, None) = (&self.announce, &state.phase, state.leaving) else {
            return Turn::Wait;
        };
        let Some(position) = position else {
            // Not in line any more: what became of it is on its way.
            state.phase = Phase::Music;
            return walk.no_wait();
        };
        // Never the same twice, and never a place that got worse.
        if state.told.is_none_or(|told| position < told) {
            state.told = Some(position);
            state.place = announce.place(position, &walk.scope.language);
        }
        if announce.estimate {
            walk.act(Action::AskEstimate);
            return walk.wait(PATIENCE);
        }
        self.say(state, walk, announce, Vec::new())
    }

    fn estimated(&self, state: &mut State, walk: &mut Walk, minutes: Option<Minutes>) -> Turn {
        let (Some(announce), Phase::Asking, None) = (&self.announce, &state.phase, state.leaving) else {
            return Turn::Wait;
        };
        let language = &walk.scope.language;
        let words = minutes.and_then(|minutes| speech::wait(language, minutes.from, minutes.to)).unwrap_or_default();
        let words = words.into_iter().map(|name| Prompt { name, language: language.clone() }).collect();
        self.say(state, walk, announce, words)
    }

    /// The prompts, the wait and the place: what ends with a breath comes before what ends with a number.
    fn say(&self, state: &mut State, walk: &mut Walk, announce: &Announce, mut words: Vec<Prompt>) -> Turn {
        words.append(&mut state.place);
        state.phase = Phase::Speaking;
        if walk.play_with(announce.prompts.iter(), &words) {
            Turn::Wait
        } else {
            // Nothing to say this time: the music plays on.
            state.phase = Phase::Music;
            walk.wait(announce.every)
        }
    }

    fn back_to_music(&self, state: &mut State, walk: &mut Walk) -> Turn {
        if state.phase != Phase::Speaking || state.leaving.is_some() {
            return Turn::Wait;
        }
        state.phase = Phase::Music;
        self.play_music(walk);
        match &self.announce {
            Some(announce) => walk.wait(announce.every),
            None => Turn::Wait,
        }
    }

    fn left(&self, state: &mut State, walk: &mut Walk, result: QueueResult) -> Turn {
        walk.flush();
        match (result, state.leaving) {
            (QueueResult::Served, _) => Turn::paused(self.next),
            // Whatever ended the wait in that very moment: the caller has said where to go.
            (_, Some(to)) => Turn::paused(to),
            (QueueResult::TimedOut | QueueResult::Left, None) => Turn::paused(self.timed_out),
            (QueueResult::NoAgents, None) => Turn::at_once(self.no_agents),
            (QueueResult::Full, None) => Turn::at_once(self.full),
            (QueueResult::Closed, None) => Turn::at_once(self.closed),
        }
    }
}

impl Asked {
    fn compile(file: &File, compiler: &mut Compiler) -> Asked {
        let mut need = |need: &At<NeedFile>| match &need.value {
            NeedFile::Expr(text) => compiler.need(text, need.at),
            NeedFile::Skills(skills) => compiler.need_of_skills(skills),
        };
        Asked {
            need: file.need.as_ref().map(&mut need).unwrap_or_default(),
            relax: file.relax.iter().map(|step| (step.after.0, need(&step.need))).collect(),
            prefer: file.prefer.iter().filter_map(|prefer| favourite(prefer, compiler)).collect(),
        }
    }

    /// As things stand in this call.
    fn preferred(&self, walk: &mut Walk) -> Vec<(Preferred, Duration)> {
        let mut preferred = Vec::new();
        for (favourite, wait) in &self.prefer {
            match favourite {
                Favourite::Team(team) => preferred.push((Preferred::Team(team.clone()), *wait)),
                Favourite::LastAgent(within) => preferred.push((Preferred::LastAgent { within: *within }, *wait)),
                Favourite::Agent(text) => match text.text(&walk.scope).map(|name| name.trim().to_owned()) {
                    Ok(name) if name.is_empty() => {}
                    Ok(name) => preferred.push((Preferred::Agent(name), *wait)),
                    Err(reason) => walk.fault(reason),
                },
            }
        }
        preferred
    }
}

fn favourite(file: &At<Kept<PreferFile>>, compiler: &mut Compiler) -> Option<(Favourite, Duration)> {
    let prefer = file.value.0.as_ref()?;
    let favourite = match (&prefer.agent, &prefer.team, &prefer.last_agent) {
        (Some(agent), None, None) => {
            let text = compiler.text(agent)?;
            if let Some(name) = text.literal() {
                compiler.agent(name, agent.at);
            }
            Favourite::Agent(text)
        }
        (None, Some(team), None) => {
            compiler.team(team);
            Favourite::Team(team.value.clone())
        }
        (None, None, Some(within)) => Favourite::LastAgent(within.value.0),
        _ => {
            let help = "`agent: name`, `team: name` or `last_agent: 24h`, each in an item of its own";
            compiler.problem(file.at, "a caller is kept for an agent or for a team".into(), Some(help.into()));
            return None;
        }
    };
    Some((favourite, prefer.wait.0))
}

impl Announce {
    fn compile(file: &AnnounceFile, at: Span, compiler: &mut Compiler) -> Announce {
        let position = file.position.as_ref().is_some_and(|position| position.value);
        if let (Some(at), true) = (file.position.as_ref().map(|p| p.at), position) {
            compiler.spoken_numbers(at);
            for name in [NEXT_IN_LINE, NUMBER, OVER_NUMBER] {
                compiler.prompt(name, at);
            }
        }
        let estimate = file.estimate.as_ref().is_some_and(|estimate| estimate.value);
        if let (Some(at), true) = (file.estimate.as_ref().map(|e| e.at), estimate) {
            compiler.spoken_waits(at);
            speech::WAIT.iter().for_each(|name| compiler.prompt(name, at));
        }
        let most = file.most.as_ref().map_or(20, |most| {
            if !(1..=speech::LARGEST).contains(&most.value) {
                let help = Some(format!("1 to {}", speech::LARGEST));
                compiler.problem(most.at, format!("place {} cannot be spoken", most.value), help);
            }
            most.value
        });
        let every = file.every.as_ref().map_or(Duration::from_secs(60), |every| {
            if every.0 < SHORTEST_EVERY {
                let help = Some("at least 5s, and rather 30s or more".into());
                compiler.problem(every.at, "announcements this often leave no music to hear".into(), help);
            }
            every.0
        });
        if file.prompts.0.is_empty() && !position && !estimate {
            let help = Some("give `prompts`, `position: true` or `estimate: true`".into());
            compiler.problem(at, "`announce` says nothing".into(), help);
        }
        Announce {
            prompts: compiler.sayings(&file.prompts),
            position,
            estimate,
            most,
            first: file.first.map_or(Duration::from_secs(15), |l| l.0),
            every,
        }
    }

    /// The words for a place in line.
    fn place(&self, position: u32, language: &str) -> Vec<Prompt> {
        let prompt = |name: &str| Prompt { name: name.to_string(), language: language.to_string() };
        if position <= 1 {
            return vec![prompt(NEXT_IN_LINE)];
        }
        let (before, number) = if position > self.most { (OVER_NUMBER, self.most) } else { (NUMBER, position) };
        match speech::number(language, number) {
            Some(words) => std::iter::once(prompt(before)).chain(words.iter().map(|word| prompt(word))).collect(),
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::compile;
    use crate::flow::phone::{self, Phone, problems};
    use crate::flow::run::{Input, Minutes, QueueResult};

    const QUEUE: &str = "a:
  queue:
    name: support
    priority: size(call.to) * 2
    need: support >= 3 and lang(language)
    max_wait: 5m
    while_waiting:
      music: calm
      announce: { prompts: a, position: true, first: 10s, every: 30s, most: 5 }
      keys: { '1': out }
    next: served
    timed_out: late
    no_agents: nobody
    full: full
    closed: closed
out: { menu: { prompt: b, keys: { '1': hangup }, failed: hangup } }
served: { play: { prompt: c, next: hangup } }
late: { play: { prompt: d, next: hangup } }
nobody: { play: { prompt: d, next: hangup } }
full: { play: { prompt: d, next: hangup } }
closed: { play: { prompt: d, next: hangup } }";

    fn waiting() -> Phone {
        let mut phone = Phone::call(QUEUE);
        assert_eq!(
            phone.sees(),
            ":a, answer, queue support 6 lang_en and support >= 3 Some(300s) en {}, repeat music/calm@"
        );
        phone
    }

    #[test]
    fn music_then_the_place_then_music_again() {
        let mut phone = waiting();
        assert_eq!(phone.wait(9.9), "");
        assert_eq!(phone.wait(0.2), "ask");
        assert_eq!(phone.gets(Input::Position(Some(3))), "say a you-are-number number/3");
        assert_eq!(phone.played(), "repeat music/calm@");
        assert_eq!(phone.wait(30.1), "ask");
        assert_eq!(phone.gets(Input::Position(Some(1))), "say a you-are-next");
    }

    #[test]
    fn a_place_that_did_not_get_better_is_not_said() {
        let mut phone = waiting();
        phone.wait(10.1);
        assert_eq!(phone.gets(Input::Position(Some(7))), "say a you-are-over-number number/5");
        phone.played();
        phone.wait(30.1);
        assert_eq!(phone.gets(Input::Position(Some(8))), "say a");
        phone.played();
        phone.wait(30.1);
        assert_eq!(phone.gets(Input::Position(Some(4))), "say a you-are-number number/4");
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let mut phone = waiting();
        assert_eq!(phone.wait(10.1), "ask");
        assert_eq!(phone.wait(2.0), "say a");
        assert_eq!(phone.gets(Input::Position(Some(1))), "", "too late");
    }

    /// A caller who is told the place, if so, and how long it takes.
    fn told(announce: &str) -> Phone {
        let flow = format!(
            "a: {{ queue: {{ name: sales, while_waiting: {{ music: calm, announce: {{ {announce} }} }}, failed: hangup }} }}"
        );
        let mut phone = Phone::call(&flow);
        phone.sees();
        phone
    }

    fn minutes(from: u32, to: u32) -> Input {
        Input::Estimate(Some(Minutes { from, to: Some(to) }))
    }

    #[test]
    fn the_place_is_asked_for_then_the_wait_and_both_are_said() {
        let mut phone = told("prompts: a, position: true, estimate: true, first: 10s, every: 30s");
        assert_eq!(phone.wait(10.1), "ask");
        assert_eq!(phone.gets(Input::Position(Some(3))), "ask how long");
        let said = "say a you-will-wait minutes/from-2 minutes/4 you-are-number number/3";
        assert_eq!(phone.gets(minutes(2, 4)), said);
        assert_eq!(phone.played(), "repeat music/calm@");
        assert_eq!(phone.wait(30.1), "ask");
        assert_eq!(phone.gets(Input::Position(Some(3))), "ask how long");
        assert_eq!(phone.gets(minutes(0, 1)), "say a you-will-wait-less-than minutes/1");
        assert_eq!(phone.gets(minutes(0, 1)), "", "asked once");
    }

    #[test]
    fn of_the_wait_nothing_is_said_where_nothing_is_known_or_has_words() {
        let mut phone = told("estimate: true, first: 10s, every: 30s");
        assert_eq!(phone.wait(10.1), "ask how long");
        assert_eq!(phone.gets(Input::Estimate(None)), "", "and the music plays on");
        assert_eq!(phone.wait(30.1), "ask how long");
        assert_eq!(phone.gets(minutes(7, 9)), "");
        assert_eq!(phone.wait(30.1), "ask how long");
        assert_eq!(phone.wait(2.1), "", "no answer");
        assert_eq!(phone.wait(30.1), "ask how long");
        let more = Input::Estimate(Some(Minutes { from: 75, to: None }));
        assert_eq!(phone.gets(more), "say you-will-wait-more-than minutes/75");
    }

    #[test]
    fn the_place_is_said_though_the_wait_is_not_answered() {
        let mut phone = told("position: true, estimate: true, first: 10s");
        assert_eq!(phone.wait(10.1), "ask");
        assert_eq!(phone.gets(Input::Position(Some(1))), "ask how long");
        assert_eq!(phone.wait(2.1), "say you-are-next");
    }

    #[test]
    fn words_of_a_wait_that_are_not_recorded_are_found() {
        let flow = "a: { queue: { name: sales, while_waiting: { announce: { estimate: true } }, failed: hangup } }";
        let mut world = phone::world();
        assert!(compile("t.yaml", &phone::text(flow), &world).is_ok());
        let swedish = world.prompts.get_mut("sv").expect("recorded");
        assert!(swedish.remove("minutes/from-5") && swedish.remove("minutes/75") && swedish.remove("you-will-wait"));
        let found = compile("t.yaml", &phone::text(flow), &world).expect_err("not all is recorded");
        let messages: Vec<&str> = found.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            ["2 of the minutes words in `sv` are not recorded", "prompt `you-will-wait` is missing in sv"]
        );
        let found = compile("t.yaml", &phone::text(flow).replace("[en, sv]", "[en, fi]"), &phone::world());
        let found = found.expect_err("no Finnish grammar");
        assert_eq!(found[0].message, "there is no grammar for spoken minutes in `fi`");
    }

    /// A caller who waits unanswered.
    fn unanswered(more: &str) -> Phone {
        let mut phone = Phone::call(&format!(
            "a: {{ queue: {{ name: sales, answer: false, {more} timed_out: late, next: hangup }} }}
late: {{ hangup: {{ code: unavailable }} }}"
        ));
        let seen = phone.sees();
        assert!(seen.starts_with(":a, queue sales 0 anybody None en {}, "), "{seen}");
        phone
    }

    #[test]
    fn whose_agent_is_lost_hears_music_and_the_place_again_and_may_leave_by_key() {
        let mut phone = Phone::call(
            "a: { queue: { name: sales, while_waiting: { music: calm, announce: { position: true, first: 10s, every: 30s }, keys: { 9: b } },
                 failed: hangup, next: hangup } }
b: { play: { prompt: b, next: a } }",
        );
        phone.sees();
        assert_eq!(phone.gets(Input::BackInLine), "", "nobody was there yet");
        phone.wait(10.1);
        assert_eq!(phone.gets(Input::Position(Some(1))), "say you-are-next");
        assert_eq!(phone.gets(Input::Connected), "stop");
        assert_eq!(phone.gets(Input::BackInLine), "repeat music/calm@");
        assert_eq!(phone.wait(10.1), "ask");
        assert_eq!(phone.gets(Input::Position(Some(3))), "say you-are-number number/3", "a worse place is said");
        assert_eq!(phone.press("9"), "stop, leave");
        assert_eq!(phone.gets(Input::Queue(QueueResult::Left)), ":b, say b");
    }

    #[test]
    fn who_waits_unanswered_is_answered_by_the_agent_and_refused_when_nobody_comes() {
        let mut phone = unanswered("");
        assert_eq!(phone.gets(Input::Connected), "answer, stop");
        assert_eq!(phone.gets(Input::Queue(QueueResult::Served)), "hangup");
        assert_eq!(unanswered("").gets(Input::Queue(QueueResult::TimedOut)), "stop, :late, reject 480");
    }

    #[test]
    fn who_waits_unanswered_hears_ringing_or_music_and_words_before_the_answer() {
        let flow = |waiting: &str| {
            Phone::call(&format!(
                "a: {{ queue: {{ name: sales, answer: false, while_waiting: {{ {waiting} }}, failed: hangup }} }}"
            ))
        };
        assert_eq!(flow("").sees(), ":a, queue sales 0 anybody None en {}, ring");
        assert_eq!(flow("music: calm").sees(), ":a, queue sales 0 anybody None en {}, hear early, repeat music/calm@");
        let mut phone = flow("announce: { prompts: a, first: 10s, every: 30s }");
        phone.sees();
        assert_eq!(phone.wait(10.1), "hear early, say a");
        assert_eq!(phone.played(), "ring", "again, as before");
        assert_eq!(phone.wait(30.1), "hear early, say a");
    }

    #[test]
    fn who_waits_unanswered_for_too_long_is_answered_and_waits_on() {
        let mut phone = unanswered("");
        assert_eq!(phone.gets(Input::AnswerDue), "answer, repeat tone/ringback@");
        assert_eq!(phone.gets(Input::AnswerDue), "");
        assert_eq!(phone.gets(Input::Connected), "stop");
        let mut phone = unanswered("while_waiting: { music: calm },");
        assert_eq!(phone.gets(Input::AnswerDue), "answer", "the music goes on");
    }

    #[test]
    fn who_waits_unanswered_for_too_long_goes_where_the_flow_says() {
        let mut phone = unanswered("unanswered: late,");
        assert_eq!(phone.gets(Input::AnswerDue), "stop, leave late");
        assert_eq!(phone.gets(Input::AnswerDue), "");
        assert_eq!(phone.gets(Input::Queue(QueueResult::TimedOut)), ":late, reject 480");
        let mut phone = unanswered("unanswered: late,");
        phone.gets(Input::AnswerDue);
        assert_eq!(phone.gets(Input::Connected), "answer", "an agent was faster");
        assert_eq!(phone.gets(Input::Queue(QueueResult::Served)), "hangup");
    }

    #[test]
    fn only_a_queue_that_does_not_answer_has_a_way_for_too_long_without_an_answer() {
        let found = problems("a: { queue: { name: sales, unanswered: hangup, failed: hangup } }");
        assert_eq!(found, [(1, 40, "a call that is answered first is never left unanswered".to_string())]);
    }

    #[test]
    fn needs_are_relaxed_and_callers_kept_for_somebody() {
        let mut phone = Phone::call(
            "a: { set: { owner: anna, next: q } }
q:
  queue:
    name: sales
    need: support >= 5
    relax: [{ after: 30s, need: support }, { after: 1m, need: { support: 1 } }]
    prefer:
    - { agent: '{{ owner }}', for: 20s }
    - { agent: '{{ call.name }}', for: 5s }
    - { team: north, for: 10s }
    - { last_agent: 48h, for: 5s }
    failed: hangup",
        );
        assert_eq!(
            phone.sees(),
            ":a, :q, answer, queue sales 0 support >= 5 after 30s support after 60s support for Agent(\"anna\") 20s \
             for Team(\"north\") 10s for LastAgent { within: 172800s } 5s None en {\"owner\": \"anna\"}"
        );
    }

    #[test]
    fn whom_a_caller_is_kept_for_is_checked() {
        let steps = "a:
  queue:
    name: sales
    relax: [{ after: 30s, need: spuport }]
    prefer: [{ agent: ana, for: 20s }, { team: nroth, for: 10s }, { for: 5s }, { agent: anna, team: north, for: 5s }]
    failed: hangup";
        assert_eq!(
            problems(steps),
            [
                (4, 33, "there is no skill `spuport`".to_string()),
                (5, 23, "there is no agent `ana`".to_string()),
                (5, 48, "there is no team `nroth`".to_string()),
                (5, 67, "a caller is kept for an agent or for a team".to_string()),
                (5, 80, "a caller is kept for an agent or for a team".to_string()),
            ]
        );
    }

    #[test]
    fn an_agent_cuts_everything_at_once() {
        for before in 0..3 {
            let mut phone = waiting();
            if before > 0 {
                phone.wait(10.1);
            }
            if before > 1 {
                phone.gets(Input::Position(Some(2)));
            }
            assert_eq!(phone.gets(Input::Connected), "stop");
            assert_eq!(phone.press("1") + &phone.played() + &phone.wait(1000.0), "");
            assert_eq!(phone.gets(Input::Queue(QueueResult::Served)), ":served, say c");
        }
    }

    #[test]
    fn each_exit_has_its_way() {
        let exits = [
            (QueueResult::TimedOut, ":late"),
            (QueueResult::NoAgents, ":nobody"),
            (QueueResult::Full, ":full"),
            (QueueResult::Closed, ":closed"),
        ];
        for (exit, expected) in exits {
            let seen = waiting().gets(Input::Queue(exit));
            assert_eq!(seen, format!("stop, {expected}, say d"), "{exit:?}");
        }
    }

    #[test]
    fn a_key_leads_out_once_the_line_is_left() {
        let mut phone = waiting();
        assert_eq!(phone.press("5"), "", "not a key of this queue");
        assert_eq!(phone.press("1"), "stop, leave");
        assert_eq!(phone.press("1"), "", "once is enough");
        assert_eq!(phone.wait(60.0), "", "no announcements on the way out");
        assert_eq!(phone.gets(Input::Queue(QueueResult::Left)), ":out, say b");
    }

    #[test]
    fn a_key_is_ignored_if_the_agent_was_faster() {
        let mut phone = waiting();
        phone.press("1");
        assert_eq!(phone.gets(Input::Connected), "");
        assert_eq!(phone.gets(Input::Queue(QueueResult::Served)), ":served, say c");
    }

    #[test]
    fn a_key_counts_though_the_wait_ended_in_that_moment() {
        let mut phone = waiting();
        phone.press("1");
        assert_eq!(phone.gets(Input::Queue(QueueResult::TimedOut)), ":out, say b");
    }

    #[test]
    fn keys_pressed_before_the_line_are_not_meant_for_it() {
        let mut phone = Phone::call(
            "a: { menu: { keys: { '1': q }, failed: hangup } }\nq: { queue: { name: sales, while_waiting: { keys: { '1': hangup } }, failed: hangup } }",
        );
        phone.sees();
        let seen = phone.press("1");
        assert!(!seen.contains("leave"), "{seen}");
        let mut phone = Phone::call(
            "a: { play: { prompt: a, barge_in: false, next: b } }\nb: { menu: { keys: { '1': q }, failed: hangup } }\nq: { queue: { name: sales, while_waiting: { keys: { '1': hangup } }, failed: hangup } }",
        );
        phone.sees();
        phone.press("111");
        let seen = phone.played();
        assert!(seen.contains("queue") && !seen.contains("leave"), "{seen}");
    }

    #[test]
    fn a_wrong_priority_is_a_fault_and_counts_as_none() {
        let mut phone = Phone::call("a: { queue: { name: sales, priority: call.to, failed: hangup } }");
        assert_eq!(
            phone.sees(),
            ":a, answer, fault in a: `call.to` gives 100, which is no number, queue sales 0 anybody None en {}"
        );
    }

    #[test]
    fn full_lines_and_missing_agents_do_not_go_round() {
        let found = problems("a: { queue: { name: sales, timed_out: hangup, full: a } }");
        assert_eq!(found, [(1, 1, "this goes round without ever asking the caller: a → a".to_string())]);
    }

    #[test]
    fn names_needs_and_settings_are_checked() {
        let steps = "a:
  queue:
    name: salse
    need: \"support >= 3 and supprot\"
    while_waiting:
      music: loud
      announce: { every: 1s, most: 1000 }
      keys: { '12': hangup }
    failed: hangup";
        assert_eq!(
            problems(steps),
            [
                (3, 11, "there is no queue `salse`".to_string()),
                (4, 29, "there is no skill `supprot`".to_string()),
                (6, 14, "there is no music `loud`".to_string()),
                (7, 17, "`announce` says nothing".to_string()),
                (7, 26, "announcements this often leave no music to hear".to_string()),
                (7, 36, "place 1000 cannot be spoken".to_string()),
                (8, 15, "`12` is not one key".to_string()),
            ]
        );
        let found = problems("a: { queue: { name: sales, need: { support: 11, spuport: 1 }, next: hangup } }");
        let messages: Vec<&str> = found.iter().map(|(_, _, message)| message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "there is no way on when the wait is too long or no agent is there",
                "a level is a number from 1 to 10",
                "there is no skill `spuport`",
            ]
        );
    }
}
