//! What a flow asks for, and how it is done.

use super::Engine;
use super::calls::{Call, Plan, Queued, Stage};
use super::hunt::NoWay;
use super::in_line::InLine;
use super::search::Search;
use crate::acd::{AgentState, Arrival, Change, Exit, Prefer, Relax, Who};
use crate::flow::{
    Action, CallbackWish, Facts, Input as FlowInput, Preferred, Prompt, QueueRequest, QueueResult, Run, Target,
};
use crate::ids::{AgentId, CallId, EntryId};
use crate::media::Sound;
use crate::record::{EndedBy, What};
use crate::time::{Duration, Time};

impl Engine {
    /// Does what the call's flow asks for until it asks for nothing more.
    pub(super) fn drive(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        // What fails at once tells the flow so while it is being driven; whoever drives it goes on with what it says to that.
        if std::mem::replace(&mut call.is_driven, true) {
            return;
        }
        while let Some(action) = self.calls.get_mut(&id).and_then(|c| c.run.as_mut()).and_then(|r| r.poll_action()) {
            self.act(now, id, action);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.is_driven = false;
        }
        self.schedule(id);
    }

    fn act(&mut self, now: Time, id: CallId, action: Action) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let caller = call.caller;
        match action {
            Action::Answer => self.answer_caller(now, id),
            Action::HearEarly => {
                // Who cannot hear before the answer at least hears ringing.
                if !self.legs.hear_early(now, caller, &mut self.endpoint) {
                    self.legs.ring(now, caller, &mut self.endpoint);
                }
            }
            Action::Ring if self.legs.hears(caller) => self.play_ringback(id),
            Action::Ring => self.legs.ring(now, caller, &mut self.endpoint),
            Action::Reject { code } => {
                self.legs.hang_up(now, caller, code, None, &mut self.endpoint);
                self.end_call(now, id, EndedBy::Flow, "refused");
            }
            Action::Step { flow, step } => {
                self.say(now, What::Step { call: id, flow: flow.as_str().into(), step: step.as_str().into() });
            }
            Action::Play { repeat: false, .. } if !self.legs.hears(caller) => {
                // Nobody would hear it.
                if let Some(run) = &mut call.run {
                    run.handle(now, FlowInput::Played);
                }
            }
            // Who is rung is heard instead.
            Action::Play { repeat: true, .. } if call.heard.is_some() => {}
            Action::Play { prompts, repeat } => {
                let play = self.legs.play(caller, prompts.into_iter().map(sound).collect(), repeat);
                call.play = (!repeat).then_some(play);
            }
            Action::Stop => {
                call.play = None;
                self.legs.stop(caller);
            }
            Action::Enqueue(request) => {
                let kept = std::mem::take(&mut call.keeps_place);
                let queued = call.queued.clone().filter(|_| kept);
                let (request, stands) = match queued.filter(|queued| self.was_in(queued, &request.queue)) {
                    Some(queued) => queued.goes_on(request),
                    None => (request, InLine::new(now)),
                };
                self.enqueue(now, id, request, stands);
            }
            Action::CallBack { number, queue, language } => {
                self.call_back(now, id, &number, queue.as_deref(), language);
            }
            Action::AskPosition => {
                let position = match call.stage {
                    Stage::Waiting { entry } => self.acd.position(entry),
                    _ => None,
                };
                if let Some(run) = &mut call.run {
                    run.handle(now, FlowInput::Position(position));
                }
            }
            Action::AskEstimate => {
                let minutes = self.tell_estimate(now, id);
                if let Some(run) = self.calls.get_mut(&id).and_then(|call| call.run.as_mut()) {
                    run.handle(now, FlowInput::Estimate(minutes));
                }
            }
            Action::LeaveQueue { too_long } => {
                if !too_long {
                    self.tells_anew(id);
                }
                let Some(call) = self.calls.get(&id) else { return };
                if let Stage::Waiting { entry } = call.stage {
                    let wish = call.run.as_ref().and_then(Run::leaves_for_callback);
                    // The flow comes to it next, and at once. Who asks in vain has not gone to another line.
                    let is_granted =
                        |wish: CallbackWish| self.may_promise(now, id, &wish.number, wish.queue.as_deref()).is_ok();
                    let exit = match too_long {
                        true => Exit::Overflowed,
                        false if wish.is_some_and(is_granted) => Exit::Callback,
                        false => Exit::LeftByKey,
                    };
                    self.acd_apply(now, Change::Leave { entry, exit });
                }
            }
            Action::Transfer { to, ring, music } => {
                call.music_while_ringing = music;
                self.transfer(now, id, &to, ring);
            }
            Action::Fault { flow, step, reason } => self
                .say(now, What::FlowFault { call: id, flow: flow.as_str().into(), step: step.as_str().into(), reason }),
            Action::Hangup => self.end_call(now, id, EndedBy::Flow, "the flow hung up"),
        }
    }

    pub(super) fn enqueue(&mut self, now: Time, id: CallId, request: QueueRequest, stands: InLine) {
        self.enqueue_for(now, id, request, stands, None);
    }

    /// `first`: for whom the caller is kept before all whom the flow names.
    pub(super) fn enqueue_for(
        &mut self,
        now: Time,
        id: CallId,
        request: QueueRequest,
        stands: InLine,
        first: Option<Prefer>,
    ) {
        let Some(&queue) = self.queue_ids.get(&request.queue) else {
            // `check` refuses such a flow; a flow that was not checked gets the answer of a closed queue.
            if let Some(run) = self.calls.get_mut(&id).and_then(|c| c.run.as_mut()) {
                run.handle(now, FlowInput::Queue(QueueResult::Closed));
            }
            return;
        };
        let entry = EntryId(self.ids.next());
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.stage = Stage::Waiting { entry };
        call.queued = Some(Queued { request: request.clone(), stands: stands.clone() });
        // That of another queue says nothing.
        call.place = None;
        self.entries.insert(entry, id);
        let name = self.queues[&queue].name.clone();
        let InLine { since, away, been, priority, .. } = stands;
        let priority = priority.unwrap_or(request.priority);
        self.say(now, What::Queued { call: id, entry, queue: name, priority });
        let QueueRequest { mut need, relax, prefer, max_wait, mut attributes, language, .. } = request;
        need.licences.extend(self.calls.get(&id).iter().flat_map(|call| call.licences.clone()));
        let relax = relax.into_iter().map(|(after, need)| Relax { after, need }).collect();
        attributes.insert("language".to_owned(), language);
        let reference = id.to_string();
        let caller = self.known_as(id);
        let mut prefer = self.preferences(now, id, prefer, &caller);
        prefer.splice(0..0, first);
        let arrival = Arrival {
            queue,
            need,
            relax,
            prefer,
            priority,
            max_wait,
            since,
            away,
            been,
            attributes: attributes.into_iter().collect(),
            reference,
            caller,
            ..Arrival::default()
        };
        self.acd_apply(now, Change::Arrive { entry, arrival: Box::new(arrival) });
        // Earlier, if the place was kept from before.
        self.note_entry(entry);
        self.tell_place(now, id);
    }

    /// The caller, in the one form by which they are known when they call again; empty: they cannot be told from others.
    pub(super) fn known_as(&self, id: CallId) -> String {
        self.calls.get(&id).map(|call| known_by(&call.from)).unwrap_or_default()
    }

    /// Those whom the call's flow names, by number. Who is not known is told of and passed over.
    pub(super) fn preferences(
        &mut self,
        now: Time,
        id: CallId,
        wanted: Vec<(Preferred, Duration)>,
        caller: &str,
    ) -> Vec<Prefer> {
        let mut preferences = Vec::new();
        for (preferred, wait) in wanted {
            let who = match preferred {
                Preferred::Team(team) => Who::Team(team),
                Preferred::LastAgent { within } => match self.acd.last_agent(caller, within, now) {
                    Some(agent) => Who::Agent(agent),
                    None => continue,
                },
                Preferred::Agent(name) => match self.agents.named(&name) {
                    Some(agent) => Who::Agent(agent),
                    None => {
                        let run = self.calls.get(&id).and_then(|call| call.run.as_ref());
                        let (flow, step) = run.map_or(("", ""), |run| run.place());
                        let (flow, step) = (flow.into(), step.into());
                        let reason = format!("there is no agent `{name}` for whom the caller could be kept");
                        self.say(now, What::FlowFault { call: id, flow, step, reason });
                        continue;
                    }
                },
            };
            preferences.push(Prefer { who, wait });
        }
        preferences
    }

    fn transfer(&mut self, now: Time, id: CallId, to: &Target, ring: Duration) {
        let plan = match to {
            Target::Agent(name) => self.agents.named(name).map(Plan::Agent),
            Target::Number(number) => self.plan_for(&self.number(number, None), None),
        };
        // No cap holds such a call back, and a flow may let callers dial what they like.
        let refused = match &plan {
            Some(Plan::Outside { number }) => self.is_emergency(number) && !self.settings.emergency_by_flow,
            _ => false,
        };
        if refused {
            let code = self.no_way(now, id, NoWay::EmergencyByFlow);
            if let Some(run) = self.calls.get_mut(&id).and_then(|c| c.run.as_mut()) {
                run.handle(now, FlowInput::TransferFailed(code));
            }
            return;
        }
        match plan {
            Some(plan @ (Plan::Agent(_) | Plan::Outside { .. })) => {
                self.tell_forwarded(now, id);
                self.ring_directly(now, id, plan, ring, false);
            }
            // Not driven from here: whoever drives the present flow goes on with that one.
            Some(Plan::Flow(flow)) => {
                let Some(before) = self.calls.get_mut(&id).and_then(|call| call.run.take()) else { return };
                self.begin_flow(now, id, &flow, |flow, facts, now| before.hand_over(flow, facts, now));
            }
            _ => {
                if let Some(run) = self.calls.get_mut(&id).and_then(|c| c.run.as_mut()) {
                    run.handle(now, FlowInput::TransferFailed(404));
                }
            }
        }
    }

    /// Rings somebody outside the queues for so long, and then those to whom they send the call. An agent who is busy, offered a call
    /// or away is not rung. `securely`: a `sips:` URI names the agent.
    pub(super) fn ring_directly(&mut self, now: Time, id: CallId, plan: Plan, ring: Duration, securely: bool) {
        let Some(call) = self.calls.get(&id) else { return };
        // Carriers end a call that rings for longer than that, however many phones it rings at.
        let search = Search::new(now, &plan, call.redirects, ring, self.settings.limits.answer_within);
        self.ring(now, id, plan, securely, Box::new(search));
    }

    /// Rings one place of a search.
    pub(super) fn ring(&mut self, now: Time, id: CallId, plan: Plan, securely: bool, search: Box<Search>) {
        let (callee, with) = match &plan {
            Plan::Agent(agent) => (Some(*agent), self.agents.seat(*agent).name.clone()),
            Plan::Outside { number } => (None, number.as_str().into()),
            Plan::Flow(_) | Plan::Ready | Plan::Pause(_) | Plan::EndWrapUp | Plan::ExtendWrapUp => return,
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let name = if call.name.is_empty() { call.from.clone() } else { call.name.clone() };
        // The callee is noted once the phone is rung: until then there is nothing to take back.
        let deadline = search.deadline(now);
        call.stage = Stage::Ringing { legs: Vec::new(), callee: None, with, deadline, securely, search };
        let rung = match plan {
            Plan::Agent(agent) => {
                if let Some(code) = self.not_to_be_rung(agent) {
                    return self.ringing_failed(now, id, code);
                }
                self.own_call_began(now, agent, id);
                self.ring_agent(now, id, agent, name, self.referred_by(id), securely)
            }
            Plan::Outside { number } => match self.hunt(now, id, number) {
                Ok(leg) => vec![leg],
                Err(code) => return self.ringing_failed(now, id, code),
            },
            Plan::Flow(_) | Plan::Ready | Plan::Pause(_) | Plan::EndWrapUp | Plan::ExtendWrapUp => return,
        };
        let nobody = rung.is_empty();
        if let Some(Call { stage: Stage::Ringing { legs, callee: c, .. }, .. }) = self.calls.get_mut(&id) {
            *legs = rung;
            *c = callee;
        }
        if nobody {
            return self.ringing_failed(now, id, 480);
        }
        self.schedule(id);
    }

    /// No phone of this agent may be rung for a `sips:` URI, but some for others: RFC 5630 §5.3 has a word for that.
    pub(super) fn is_only_insecure(&self, agent: AgentId) -> bool {
        let name = &self.agents.seat(agent).name;
        self.registrar.is_registered(name) && self.registrar.phones(name, true).next().is_none()
    }

    /// What a direct caller of this agent is told instead of ringing; `None`: ring.
    fn not_to_be_rung(&self, agent: AgentId) -> Option<u16> {
        match self.acd.agent_state(agent) {
            Some(AgentState::Offered { .. } | AgentState::Talking { .. } | AgentState::Busy) => Some(486),
            None | Some(AgentState::Offline) => Some(480),
            Some(
                AgentState::Ready
                | AgentState::Working { .. }
                | AgentState::BackOff { .. }
                | AgentState::Probed { .. }
                | AgentState::Resting { .. }
                | AgentState::WrapUp { .. }
                | AgentState::OffShift
                | AgentState::Paused { .. },
            ) => None,
        }
    }
}

/// As whom the distributor knows who calls from there; empty: it may be anybody.
pub(super) fn known_by(from: &str) -> String {
    if from.contains(|c: char| c.is_ascii_digit()) { from.to_owned() } else { String::new() }
}

fn sound(prompt: Prompt) -> Sound {
    Sound { name: prompt.name, language: prompt.language }
}

impl Call {
    pub(super) fn facts(&self) -> Facts {
        Facts {
            from: self.from.clone(),
            to: self.to.clone(),
            name: self.name.clone(),
            trunk: self.trunk.to_string(),
            diverted_from: self.identity.diverted_from.clone(),
            user_to_user: self.identity.user_to_user.clone(),
            is_answered: false,
        }
    }
}
