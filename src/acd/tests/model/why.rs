//! Why an entry is not with an agent, as the reader would have it, and with one mistake each.

use super::super::proof::mistakes;
use super::*;
use crate::need::Lack;

mistakes! {
    StateBeforeSkills,
    StateBeforeRinging,
    MembersForgotten,
    LicencesForgotten,
    LapsedLicenceIsNone,
    RelaxationForgotten,
    RestForgotten,
    ShiftForgotten,
    TasksForgotten,
    CallsBeforeTasksForgotten,
    RefusalsForgotten,
    RefusedAlsoAtLast,
    JustNowForgotten,
    KeptForgotten,
    KeptBeforeRefusals,
    PromisesNeverSleep,
}
/// One reason forgotten, or told at the wrong time.
pub use self::Mistake as Misled;

/// Which of several lacking skills is told says nothing, so it is not compared.
pub fn without_skill(why: WhyNot) -> WhyNot {
    match why {
        WhyNot::NotSkilled { until, .. }
        | WhyNot::LevelTooLow { until, .. }
        | WhyNot::UnwantedSkill { until, .. }
        | WhyNot::NobodyCan { until } => WhyNot::NobodyCan { until },
        other => other,
    }
}

impl Model {
    /// One for each agent, by agent; empty if it does not wait.
    pub fn reasons(&self, entry: EntryId, misled: Option<Misled>) -> Vec<(AgentId, WhyNot)> {
        let Some(caller) = self.callers.iter().find(|c| c.id == entry) else { return Vec::new() };
        let mut reasons: Vec<_> = self.agents.iter().map(|a| (a.id, self.why(a, caller, misled))).collect();
        reasons.sort_by_key(|(agent, _)| *agent);
        reasons
    }

    fn why(&self, agent: &Person, caller: &Caller, misled: Option<Misled>) -> WhyNot {
        let is = |mistake| misled == Some(mistake);
        let rings = agent.offer.filter(|(_, entry, _)| *entry == caller.id && !is(Misled::StateBeforeRinging));
        let ringing = rings.map(|(offer, _, deadline)| WhyNot::Ringing { offer, deadline });
        let (unable, state) = (|| self.unable(agent, caller, misled), || self.busy(agent, caller, misled));
        let able_and_free =
            || if is(Misled::StateBeforeSkills) { state().or_else(unable) } else { unable().or_else(state) };
        ringing.or_else(able_and_free).unwrap_or_else(|| self.not_theirs(agent, caller, misled))
    }

    fn unable(&self, agent: &Person, caller: &Caller, misled: Option<Misled>) -> Option<WhyNot> {
        let is = |mistake| misled == Some(mistake);
        let queue = self.queue(caller);
        if queue.members_only && !agent.settings.queues.contains(&caller.queue) && !is(Misled::MembersForgotten) {
            return Some(WhyNot::NotMember);
        }
        for licence in self.licences(caller) {
            let (Word::Is(jurisdiction) | Word::Of(jurisdiction)) = &licence.jurisdiction;
            let held = |held: &&HeldLicence| held.kind == licence.kind && held.jurisdiction == *jurisdiction;
            let held: Vec<&HeldLicence> = agent.settings.licences.iter().filter(held).collect();
            let known = matches!(licence.jurisdiction, Word::Is(_));
            if known && held.iter().any(|held| held.valid.has(self.now)) || is(Misled::LicencesForgotten) {
                continue;
            }
            let (kind, jurisdiction) = (licence.kind.clone(), jurisdiction.clone());
            return Some(match held.first().filter(|_| !is(Misled::LapsedLicenceIsNone)) {
                Some(held) => WhyNot::LicenceNotValid { kind, jurisdiction, valid: held.valid },
                None => WhyNot::NoLicence { kind, jurisdiction },
            });
        }
        let later = |at: Time| Caller { since: caller.since - at.since(self.now), ..caller.clone() };
        let steps = queue.relax.iter().chain(&caller.arrival.relax).map(|step| caller.since + step.after);
        let mut steps: Vec<Time> = steps.filter(|at| *at > self.now).collect();
        steps.sort();
        let relaxed = steps.into_iter().find(|at| self.can_serve(agent, &later(*at)));
        let until = relaxed.filter(|_| !is(Misled::RelaxationForgotten));
        let level = |skill: &str| self.level(agent, skill);
        let own = self.asked(&caller.arrival.need, &caller.arrival.relax, caller);
        let needs = [self.asked(&queue.needs, &queue.relax, caller), own].into_iter().chain(self.ruled(caller));
        let lack: Option<Lack> = needs.filter_map(|need| need.skills.lack(&level)).next();
        lack.map(|_| WhyNot::NobodyCan { until })
    }

    /// What they do meanwhile.
    fn busy(&self, agent: &Person, caller: &Caller, misled: Option<Misled>) -> Option<WhyNot> {
        let is = |mistake| misled == Some(mistake);
        let tasks = agent.tasks.len() as u32;
        let call = caller.arrival.kind == Kind::Call;
        let no_calls = tasks > 0 && !agent.settings.calls_during_tasks;
        Some(match agent.told.clone() {
            AgentState::Offered { .. } => WhyNot::RingingOther { entry: agent.offer?.1 },
            AgentState::Talking { entry, .. } => WhyNot::Talking { entry },
            AgentState::Offline => WhyNot::Offline,
            AgentState::Busy => WhyNot::Busy,
            AgentState::OffShift if is(Misled::ShiftForgotten) => return None,
            AgentState::OffShift => WhyNot::OffShift { ends: agent.shift_ends },
            AgentState::Paused { reason, until } => WhyNot::Paused { reason, until },
            AgentState::WrapUp { until } => WhyNot::WrapUp { until },
            AgentState::BackOff { until } => WhyNot::BackOff { until },
            AgentState::Probed { until } => WhyNot::Probed { until },
            AgentState::Resting { .. } if is(Misled::RestForgotten) => return None,
            AgentState::Resting { until, reason } => WhyNot::Resting { until, reason },
            AgentState::Ready | AgentState::Working { .. } if is(Misled::TasksForgotten) => return None,
            AgentState::Working { .. } if agent.rests_next() => WhyNot::RestsNext { tasks },
            AgentState::Working { .. } if call && no_calls => WhyNot::NoCallsDuringTasks { tasks },
            AgentState::Ready | AgentState::Working { .. } if !call && tasks >= agent.settings.tasks => {
                WhyNot::Working { tasks }
            }
            AgentState::Ready | AgentState::Working { .. } => return None,
        })
    }

    /// They could take it, and do not.
    fn not_theirs(&self, agent: &Person, caller: &Caller, misled: Option<Misled>) -> WhyNot {
        let is = |mistake| misled == Some(mistake);
        let refused = || {
            let refusal = caller.refusals.iter().find(|refusal| refusal.agent == agent.id)?;
            let just_now = refusal.just_now.filter(|_| !is(Misled::JustNowForgotten));
            let until =
                if self.others_left(caller) || is(Misled::RefusedAlsoAtLast) { Some(refusal.until) } else { just_now };
            until.filter(|_| !is(Misled::RefusalsForgotten)).map(|until| WhyNot::Refused { until })
        };
        let kept = || {
            let kept = !self.is_kept_for(agent, caller) && !is(Misled::KeptForgotten);
            kept.then_some(WhyNot::KeptForOther { until: caller.turn_over })
        };
        let asleep = || {
            let until = caller.callback()?.not_before;
            let until = Some(until).filter(|until| *until > self.now);
            (caller.asleep && !is(Misled::PromisesNeverSleep)).then_some(WhyNot::NotYet { until })
        };
        let before = || {
            let waits = !is(Misled::CallsBeforeTasksForgotten);
            self.call_before(agent, caller).filter(|_| waits).map(|call| WhyNot::BehindCall { entry: call.id })
        };
        let first = if is(Misled::KeptBeforeRefusals) { kept().or_else(refused) } else { refused().or_else(kept) };
        first.or_else(asleep).or_else(before).unwrap_or(WhyNot::RankedLower)
    }
}
