//! What steps work with while a caller is there.

use super::compile::Item;
use super::expr::Scope;
use super::nodes::{Event, Turn};
use super::run::{Action, Prompt, RINGBACK};
use super::speech;
use crate::time::{Duration, Time};
use std::collections::VecDeque;

/// The caller's ears, keys, clock and variables.
#[derive(Debug)]
pub struct Walk {
    pub(super) now: Time,
    pub(super) scope: Scope,
    flow: String,
    step: String,
    actions: VecDeque<Action>,
    /// Keys that were pressed and not taken by any step yet.
    digits: VecDeque<char>,
    /// A key that says nothing new if it comes next, before then.
    passed_over: Option<(char, Time)>,
    sound: Sound,
    deadline: Option<Time>,
    is_answered: bool,
    /// The present step leaves the call unanswered, if it still is.
    leaves_unanswered: bool,
    /// It was unanswered for as long as may be: every step answers from now on.
    is_overdue: bool,
    /// The caller's own phone rings, or whoever is rung makes it ring: no sound of ours.
    rings: bool,
    /// The caller talks with somebody: keys are not for us.
    is_connected: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sound {
    Silence,
    Prompts,
    Music,
}

/// Keys kept for steps to come; more are dropped.
const MOST_DIGITS: usize = 32;
/// No prompts are longer; a `Played` that does not come is taken for granted then.
const LONGEST_PROMPTS: Duration = Duration::from_secs(300);

impl Walk {
    pub(super) fn new(now: Time, scope: Scope, flow: &str) -> Walk {
        Walk {
            now,
            flow: flow.to_string(),
            step: String::new(),
            actions: VecDeque::new(),
            digits: VecDeque::new(),
            passed_over: None,
            sound: Sound::Silence,
            deadline: None,
            is_answered: scope.facts.is_answered,
            leaves_unanswered: false,
            is_overdue: false,
            rings: false,
            is_connected: false,
            scope,
        }
    }

    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Where the caller is now, for faults.
    pub(super) fn is_in(&mut self, flow: &str, step: &str) {
        self.flow.replace_range(.., flow);
        self.step.replace_range(.., step);
    }

    /// The deadline has come: what that means.
    pub(super) fn due(&mut self) -> Event {
        self.deadline = None;
        match self.sound {
            Sound::Prompts => self.played(),
            Sound::Silence | Sound::Music => Event::Timeout,
        }
    }

    /// Nothing will be waited for or listened to any more.
    pub(super) fn end(&mut self) {
        self.deadline = None;
        self.digits.clear();
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn fault(&mut self, reason: String) {
        self.act(Action::Fault { flow: self.flow.clone(), step: self.step.clone(), reason });
    }

    /// Takes the call, once.
    pub(super) fn answer(&mut self) {
        if !self.is_answered {
            self.is_answered = true;
            self.act(Action::Answer);
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// The present step takes the call, or leaves it unanswered until somebody is there to talk with.
    pub(super) fn takes(&mut self, answer: bool) {
        if answer || self.is_overdue {
            self.answer();
        } else {
            self.leaves_unanswered = true;
        }
    }

    /// Whether the caller is one who waits for an answer, and the present step leaves it so.
    pub(super) fn is_left_unanswered(&self) -> bool {
        self.leaves_unanswered && !self.is_answered
    }

    /// The call was unanswered for as long as may be. What the caller hears goes on.
    pub(super) fn answer_overdue(&mut self) {
        let rings = std::mem::take(&mut self.rings);
        self.is_overdue = true;
        self.answer();
        if rings {
            self.ringback();
        }
    }

    /// The same, and the step goes on elsewhere instead.
    pub(super) fn is_overdue(&mut self) {
        self.is_overdue = true;
    }

    /// Another caller, whose call is answered, has taken the place of the first.
    pub(super) fn was_answered(&mut self) {
        self.is_answered = true;
    }

    /// Before anything of ours can be heard.
    fn be_heard(&mut self) {
        if self.is_left_unanswered() {
            self.act(Action::HearEarly);
        } else {
            self.answer();
        }
        self.rings = false;
    }

    // --- sound ---

    /// Says it all; `Played` follows. False if there is nothing to say, and then nothing follows.
    pub(super) fn play<'i>(&mut self, items: impl Iterator<Item = &'i Item>) -> bool {
        self.play_with(items, &[])
    }

    /// Like [`Self::play`], with ready words at the end.
    pub(super) fn play_with<'i>(&mut self, items: impl Iterator<Item = &'i Item>, words: &[Prompt]) -> bool {
        let mut prompts = Vec::new();
        for item in items {
            self.say(item, &mut prompts);
        }
        prompts.extend_from_slice(words);
        if prompts.is_empty() {
            return false;
        }
        self.be_heard();
        self.sound = Sound::Prompts;
        self.deadline = Some(self.now + LONGEST_PROMPTS);
        self.act(Action::Play { prompts, repeat: false });
        true
    }

    fn say(&mut self, item: &Item, prompts: &mut Vec<Prompt>) {
        let language = self.scope.language.clone();
        let words = match item {
            Item::Prompt(name, own) => {
                prompts.push(Prompt { name: name.clone(), language: own.clone().unwrap_or(language) });
                return;
            }
            Item::Digits(expr) => expr.value(&self.scope).map(|value| speech::digits(&language, &value.to_string())),
            Item::Number(expr) => expr.value(&self.scope).map(|value| {
                let text = value.to_string();
                let number = text.trim().parse().ok().and_then(|number| speech::number(&language, number));
                // What cannot be said as a number can still be spelt.
                number.or_else(|| speech::digits(&language, &text))
            }),
        };
        match words {
            Ok(words) => {
                let words = words.into_iter().flatten();
                prompts.extend(words.map(|name| Prompt { name, language: language.clone() }));
            }
            Err(reason) => self.fault(reason),
        }
    }

    /// Plays music until something else is played.
    pub(super) fn music(&mut self, name: &str) {
        self.repeat(format!("music/{name}"));
    }

    /// Plays the ringing tone until something else is played.
    pub(super) fn ringback(&mut self) {
        self.repeat(RINGBACK.to_owned());
    }

    /// Until something is played, an unanswered caller hears ringing: at once, or (`elsewhere`) when somebody is rung.
    pub(super) fn rings(&mut self, elsewhere: bool) {
        self.rings = true;
        // For who hears us already it is a tone of ours that has to be stopped.
        self.sound = Sound::Music;
        if !elsewhere {
            self.act(Action::Ring);
        }
    }

    fn repeat(&mut self, name: String) {
        self.be_heard();
        self.sound = Sound::Music;
        self.act(Action::Play { prompts: vec![Prompt { name, language: String::new() }], repeat: true });
    }

    /// Silence, whatever plays; the time-out of prompts goes with them.
    pub(super) fn stop(&mut self) {
        match self.sound {
            Sound::Silence => return,
            Sound::Prompts => self.deadline = None,
            Sound::Music => {}
        }
        self.sound = Sound::Silence;
        self.act(Action::Stop);
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(super) fn is_playing(&self) -> bool {
        self.sound == Sound::Prompts
    }

    pub(super) fn played(&mut self) -> Event {
        self.sound = Sound::Silence;
        self.deadline = None;
        Event::Played
    }

    /// Somebody else is heard from now on.
    pub(super) fn connected(&mut self) {
        self.answer();
        self.stop();
        self.flush();
        self.deadline = None;
        self.is_connected = true;
    }

    /// Nobody else is heard any more, and the step goes on; what was typed in the talk was not meant for it.
    pub(super) fn disconnected(&mut self) {
        self.flush();
        self.is_connected = false;
    }

    /// Nothing of a step stays behind when the caller leaves it, but keys pressed ahead.
    pub(super) fn leave(&mut self) {
        self.stop();
        self.deadline = None;
        self.is_connected = false;
        (self.leaves_unanswered, self.rings) = (false, false);
    }

    // --- time ---

    pub(super) fn wait(&mut self, time: Duration) -> Turn {
        self.deadline = Some(self.now + time);
        Turn::Wait
    }

    pub(super) fn no_wait(&mut self) -> Turn {
        self.deadline = None;
        Turn::Wait
    }

    // --- keys ---

    /// False if the key is not for the flow.
    pub(super) fn hear(&mut self, digit: char) -> bool {
        if self.is_connected {
            return false;
        }
        if let Some((key, until)) = self.passed_over.take()
            && key == digit
            && self.now <= until
        {
            return false;
        }
        if self.digits.len() < MOST_DIGITS {
            self.digits.push_back(digit);
        }
        true
    }

    pub(super) fn has_digits(&self) -> bool {
        !self.digits.is_empty()
    }

    pub(super) fn take_digit(&mut self) -> Option<char> {
        self.digits.pop_front()
    }

    /// Keys that were taken but are for the next question.
    pub(super) fn put_back(&mut self, digits: &str) {
        digits.chars().rev().for_each(|digit| self.digits.push_front(digit));
    }

    pub(super) fn flush(&mut self) {
        self.digits.clear();
    }

    /// This key means nothing if it is the next to come, within that time.
    pub(super) fn pass_over(&mut self, key: char, within: Duration) {
        if self.digits.front() == Some(&key) {
            self.digits.pop_front();
        } else if self.digits.is_empty() {
            self.passed_over = Some((key, self.now + within));
        }
    }
}
