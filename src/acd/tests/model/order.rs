//! Who serves whom, and in which order, as the reader would have it.

use super::*;

impl Model {
    pub(super) fn match_all(&mut self) {
        while let Some((entry, agents)) = self.next_match() {
            let queue = self.caller(entry).expect("it waits").queue;
            self.last_rung.insert(queue, *agents.last().expect("somebody"));
            self.estimates.rung(self.now, entry);
            for agent in agents {
                self.last_offer += 1;
                let offer = OfferId(self.last_offer);
                let caller = self.callers.iter().find(|c| c.id == entry).expect("it waits");
                let of_queue = self.queue(caller).ring_time.filter(|_| !self.wrong(Mistake::QueueRingTimeForgotten));
                let ring_time = self.person(agent).settings.ring_time;
                let ring_time = of_queue.map_or(ring_time, |time| time.min(ring_time)).max(Duration::from_secs(1));
                let deadline = self.now + ring_time;
                self.person(agent).offer = Some((offer, entry, deadline));
                self.caller(entry).expect("it waits").ringing += 1;
                self.decisions.push_back(Decision::Offer { offer, entry, queue, agent, deadline });
                self.tell_states(&[]);
            }
        }
    }

    /// All who wait, as their turn comes.
    fn in_turn(&self) -> Vec<&Caller> {
        let mut callers: Vec<&Caller> = self.callers.iter().collect();
        callers.sort_by_key(|c| {
            let came = (c.since, c.id);
            let came = if self.wrong(Mistake::LastComeFirst) {
                (Time::NEVER - came.0.since(Time::EPOCH), came.1)
            } else {
                came
            };
            let weight = if self.wrong(Mistake::NoWeights) { 1 } else { self.queue(c).weight };
            let weighted = if self.wrong(Mistake::LastComeFirst) {
                0
            } else {
                self.now.since(c.since).as_micros() * u128::from(weight)
            };
            (std::cmp::Reverse(self.score(c)), std::cmp::Reverse(weighted), came)
        });
        callers
    }

    /// Whom the agent, who has a task in hand and gets no calls meanwhile, could be offered before this task if they had none.
    pub(super) fn call_before(&self, agent: &Person, task: &Caller) -> Option<&Caller> {
        if task.arrival.kind == Kind::Call || agent.tasks.is_empty() || agent.settings.calls_during_tasks {
            return None;
        }
        let waits = |c: &Caller| c.ringing == 0 && !c.asleep && c.arrival.kind == Kind::Call;
        let could = |c: &&Caller| {
            waits(c) && self.can_serve(agent, c) && self.is_kept_for(agent, c) && !self.is_barred(agent, c)
        };
        self.in_turn().into_iter().take_while(|c| c.id != task.id).find(could)
    }

    pub(super) fn next_match(&mut self) -> Option<(EntryId, Vec<AgentId>)> {
        // One step of each mistake is enough; without a limit they would never come to an end.
        let twice = |mistake, condition: bool| self.wrong(mistake) && condition && self.last_offer.is_multiple_of(5);
        let mut found = None;
        for caller in self.in_turn() {
            let kind = caller.arrival.kind as usize;
            let free = |a: &&Person| {
                a.offer.is_none() && a.free[kind] && a.lost.is_none()
                    || twice(Mistake::TwoEntriesForOneAgent, matches!(a.told, AgentState::Talking { .. }))
            };
            let waits = caller.ringing == 0 && !caller.asleep || twice(Mistake::TwoAgentsForOneEntry, true);
            let may =
                |a: &&Person| self.can_serve(a, caller) && self.is_kept_for(a, caller) && !self.is_barred(a, caller);
            let call_first =
                |a: &&Person| !self.wrong(Mistake::TasksPassCalls) && self.call_before(a, caller).is_some();
            let waiting = self.agents.iter().filter(free).filter(|_| waits).filter(may);
            let agents: Vec<&Person> = waiting.filter(|a| !call_first(a)).collect();
            if !agents.is_empty() {
                found = Some((caller.clone(), agents.iter().map(|a| a.id).collect::<Vec<_>>()));
                break;
            }
        }
        let (caller, agents) = found?;
        Some((caller.id, self.choose(&caller, &agents)))
    }

    /// The ones who are rung, of those who could be.
    pub(super) fn choose(&mut self, caller: &Caller, agents: &[AgentId]) -> Vec<AgentId> {
        let preferred = caller.arrival.prefer.iter().find_map(|prefer| match prefer.who {
            Who::Agent(agent) => agents.contains(&agent).then_some(agent),
            Who::Team(_) => None,
        });
        if let Some(agent) = preferred.filter(|_| !self.wrong(Mistake::PreferredGoLast)) {
            return vec![agent];
        }
        let kind = caller.arrival.kind as usize;
        let settings = self.queue(caller).clone();
        let last = self.last_rung.get(&caller.queue).copied();
        let mut people: Vec<&Person> = self.agents.iter().filter(|a| agents.contains(&a.id)).collect();
        people.sort_by_key(|a| (a.idle_since[kind], a.id));
        if self.wrong(Mistake::ShortestIdle) {
            people.reverse();
        }
        let fit = |a: &Person| -> u32 {
            let level = |skill: &str| self.level(a, skill);
            let queue_needs = self.asked(&settings.needs, &settings.relax, caller).skills;
            let own = self.asked(&caller.arrival.need, &caller.arrival.relax, caller).skills;
            let rules = self.ruled(caller).into_iter().map(|need| need.skills);
            let all = [queue_needs, own].into_iter().chain(rules).map(|skills| Need { skills, ..Need::default() });
            all.reduce(|all, need| all.and(&need)).expect("two at least").skills.fit(&level)
        };
        let by_id = self.wrong(Mistake::ListIsById);
        let place = |a: &Person| (if by_id { 0 } else { a.settings.place }, a.id);
        match settings.strategy {
            Strategy::LongestIdle => {}
            Strategy::MostSkilled if self.wrong(Mistake::MostSkilledIsLongestIdle) => {}
            Strategy::LeastSkilled if self.wrong(Mistake::LeastSkilledIsMost) => {
                people.sort_by_key(|a| std::cmp::Reverse(fit(a)));
            }
            Strategy::FewestCalls if self.wrong(Mistake::FewestCallsIsMost) => {
                people.sort_by_key(|a| std::cmp::Reverse(a.calls));
            }
            Strategy::Linear if self.wrong(Mistake::LinearIsLongestIdle) => {}
            Strategy::MostSkilled => people.sort_by_key(|a| std::cmp::Reverse(fit(a))),
            Strategy::LeastSkilled => people.sort_by_key(|a| fit(a)),
            Strategy::FewestCalls => people.sort_by_key(|a| a.calls),
            Strategy::Linear => people.sort_by_key(|a| place(a)),
            Strategy::RoundRobin => {
                let last = last.filter(|_| !self.wrong(Mistake::RoundRobinFromTheStart));
                let last = self.agents.iter().find(|a| Some(a.id) == last).map(place);
                people.sort_by_key(|a| (last.is_some_and(|last| place(a) <= last), place(a)));
            }
            Strategy::Random => {
                people.sort_by_key(|a| place(a));
                let ids: Vec<AgentId> = people.into_iter().map(|a| a.id).collect();
                let drawn = self.chance.below(ids.len());
                return vec![ids[if self.wrong(Mistake::RandomIsFirst) { 0 } else { drawn }]];
            }
            Strategy::RingAll => {
                let most = if self.wrong(Mistake::RingAllRingsOne) { 1 } else { settings.ring_all_max.max(1) };
                return people.into_iter().take(most as usize).map(|a| a.id).collect();
            }
        }
        vec![people[0].id]
    }

    pub(super) fn level(&self, agent: &Person, skill: &str) -> u8 {
        let valid = agent.settings.skills_valid.get(skill).is_none_or(|valid| valid.has(self.now));
        let valid = valid || self.wrong(Mistake::SkillsForEver);
        agent.settings.skills.get(skill).copied().filter(|_| valid).unwrap_or(0)
    }

    /// What is asked now of what was asked at first.
    pub(super) fn asked(&self, need: &Need, relax: &[Relax], caller: &Caller) -> Need {
        let waited = self.now.since(caller.since);
        let taken = |step: &&Relax| (step.after <= waited || caller.at_last) && !self.wrong(Mistake::NeverRelaxed);
        let steps = relax.iter().filter(taken);
        let mut asked = need.clone();
        if let Some(step) = steps.max_by_key(|step| step.after) {
            asked = step.need.clone();
            if !self.wrong(Mistake::LicencesRelaxed) {
                asked.licences.extend(need.licences.iter().cloned());
            }
        }
        let nothing = Attributes::new();
        asked.resolved(if self.wrong(Mistake::NoAttributes) { &nothing } else { &caller.arrival.attributes })
    }

    /// All that are needed where the caller is.
    pub fn licences(&self, caller: &Caller) -> BTreeSet<Licence> {
        let queue = self.queue(caller);
        let queue_needs = self.asked(&queue.needs, &queue.relax, caller);
        let own = self.asked(&caller.arrival.need, &caller.arrival.relax, caller);
        let ruled = self.ruled(caller);
        [queue_needs, own].into_iter().chain(ruled).flat_map(|need| need.licences).collect()
    }

    pub(super) fn is_licensed(&self, agent: &Person, caller: &Caller) -> bool {
        self.licences(caller).iter().all(|licence| {
            agent.settings.licences.iter().any(|held| {
                let is_it = (held.kind == licence.kind || self.wrong(Mistake::LicencesOfAnyKind))
                    && (licence.jurisdiction == Word::Is(held.jurisdiction.clone())
                        || self.wrong(Mistake::LicencesOfAnyPlace));
                is_it && (held.valid.has(self.now) || self.wrong(Mistake::LicencesForEver))
            })
        })
    }

    pub(super) fn is_kept_for(&self, agent: &Person, caller: &Caller) -> bool {
        match caller.arrival.prefer.get(caller.turn).map(|prefer| &prefer.who) {
            None => true,
            Some(Who::Agent(id)) => agent.id == *id,
            Some(Who::Team(team)) => agent.settings.teams.contains(team),
        }
    }

    pub fn can_serve(&self, agent: &Person, caller: &Caller) -> bool {
        let level = |skill: &str| match self.level(agent, skill) {
            has if self.wrong(Mistake::NoLevels) && has > 0 => 10,
            has => has,
        };
        let queue = self.queue(caller);
        let meets = |need: &Need| match &need.skills {
            Expr::One(parts) if self.wrong(Mistake::NoOr) => parts.iter().all(|part| part.is_met(&level)),
            Expr::All(parts) if self.wrong(Mistake::NoNot) => {
                parts.iter().filter(|part| !matches!(part, Expr::Not(_))).all(|part| part.is_met(&level))
            }
            skills => skills.is_met(&level),
        };
        let member = !queue.members_only || agent.settings.queues.contains(&caller.queue);
        (member || self.wrong(Mistake::EverybodyIsMember))
            && self.is_licensed(agent, caller)
            && (meets(&self.asked(&queue.needs, &queue.relax, caller)) || self.wrong(Mistake::NoQueueNeeds))
            && meets(&self.asked(&caller.arrival.need, &caller.arrival.relax, caller))
            && self.ruled(caller).iter().all(meets)
    }

    /// What the queue's rules ask of this one.
    pub(super) fn ruled(&self, caller: &Caller) -> Vec<Need> {
        let rules = self.queue(caller).rules.iter().filter(|rule| self.has_all(caller, &rule.when));
        let nothing = Attributes::new();
        let known = if self.wrong(Mistake::NoAttributes) { &nothing } else { &caller.arrival.attributes };
        rules.filter(|_| !self.wrong(Mistake::RulesAskNothing)).map(|rule| rule.needs.resolved(known)).collect()
    }

    pub(super) fn is_barred(&self, agent: &Person, caller: &Caller) -> bool {
        let Some(refusal) = caller.refusals.iter().find(|refusal| refusal.agent == agent.id) else { return false };
        refusal.just_now.is_some() || self.others_left(caller) || self.wrong(Mistake::NoLastResort)
    }

    /// Who could be offered the caller some time and has not refused.
    pub(super) fn others_left(&self, caller: &Caller) -> bool {
        let in_service = |a: &&Person| self.is_there(a) && a.pause.is_none() && self.can_serve(a, caller);
        let of_team = |a: &&Person| self.kept_for_team_of(a, caller);
        let has_refused = |a: &Person| caller.refusals.iter().any(|refusal| refusal.agent == a.id);
        self.agents.iter().filter(in_service).filter(of_team).any(|a| !has_refused(a))
    }

    /// While it is kept for a team, the others of the team are all others there are.
    pub(super) fn kept_for_team_of(&self, agent: &Person, caller: &Caller) -> bool {
        match caller.arrival.prefer.get(caller.turn).map(|prefer| &prefer.who) {
            Some(Who::Team(team)) => agent.settings.teams.contains(team),
            _ => true,
        }
    }

    /// In millionths of millionths of a point, so that it is exact.
    pub fn score(&self, caller: &Caller) -> i128 {
        let queue = self.queue(caller);
        let ageing = if self.wrong(Mistake::NoAgeing) { 0.0 } else { queue.ageing };
        let weight = if self.wrong(Mistake::NoWeights) { 1 } else { i128::from(queue.weight) };
        let per_second = (ageing * 1e6).round() as i128 * weight;
        let rules = queue.rules.iter().filter(|rule| self.has_all(caller, &rule.when));
        let of_rules: i128 = rules.map(|rule| i128::from(rule.priority)).sum();
        let unless = |mistake, priority| if self.wrong(mistake) { 0 } else { priority };
        let priority = unless(Mistake::NoPriorityOfQueues, i128::from(queue.priority))
            + unless(Mistake::NoPriorityOfEntries, i128::from(caller.arrival.priority))
            + unless(Mistake::NoPriorityOfRules, of_rules);
        priority * 1_000_000_000_000 + per_second * self.now.since(caller.since).as_micros() as i128
    }

    /// Place of a waiting entry: how many of its queue that share an agent with it come before, and one.
    pub fn position(&self, id: EntryId) -> Option<u32> {
        let caller = self.callers.iter().find(|c| c.id == id)?;
        let key = |c: &Caller| (std::cmp::Reverse(self.score(c)), c.since, c.id);
        let before = self.competitors(caller).into_iter().filter(|c| key(c) < key(caller));
        Some(before.count() as u32 + 1)
    }

    /// Others in its queue that share an agent with it, or need the same.
    pub fn competitors(&self, caller: &Caller) -> Vec<&Caller> {
        let needs = |c: &Caller| {
            let queue = self.queue(c);
            let all = self.asked(&queue.needs, &queue.relax, c).and(&self.asked(&c.arrival.need, &c.arrival.relax, c));
            let all = self.ruled(c).iter().fold(all, |all, need| all.and(need));
            let team = match c.arrival.prefer.get(c.turn).map(|prefer| &prefer.who) {
                Some(Who::Team(team)) => Some(team.clone()),
                _ => None,
            };
            (all, team)
        };
        let could = |a: &Person, c: &Caller| {
            let team = needs(c).1.is_none_or(|team| a.settings.teams.contains(&team));
            self.can_serve(a, c) && team
        };
        let shares =
            |c: &&Caller| needs(c) == needs(caller) || self.agents.iter().any(|a| could(a, c) && could(a, caller));
        let others = self.callers.iter().filter(|c| c.queue == caller.queue && c.id != caller.id && !c.asleep);
        others.filter(shares).collect()
    }

    pub fn waiting(&self, queue: QueueId) -> Vec<EntryId> {
        let mut waiting: Vec<&Caller> = self.callers.iter().filter(|c| c.queue == queue).collect();
        waiting.sort_by_key(|c| {
            let score = if c.asleep { 0 } else { self.score(c) };
            (c.asleep, std::cmp::Reverse(score), c.since, c.id)
        });
        waiting.into_iter().map(|c| c.id).collect()
    }

    pub fn longest_wait(&self, queue: QueueId) -> Option<Duration> {
        let on_the_line = self.callers.iter().filter(|c| c.queue == queue && !c.is_promise());
        on_the_line.map(|c| self.now.since(c.since)).max()
    }
}
