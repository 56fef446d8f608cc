//! What agents and administrators do without being asked.

use std::time::Duration;

use acd::{PhoneState, Plan};
use tapi::agent::{AgentAnswer, AgentId, AgentRequest, AgentSessionId, QueueId};
use tapi::constant::{AgentSessionState, AgentState, AgentStateEx};
use tapi::{Constant, DeviceId};

use crate::model::Entry;
use crate::random::Random;
use crate::world::{Event, World, desk};

fn any<C: Constant>(random: &mut Random) -> Option<C> {
    random.percent(80).then(|| *random.of(C::ALL).unwrap())
}

impl World {
    /// An agent comes to work, or back from wherever it was.
    pub(crate) fn come_to_work(&mut self, line: u32) {
        let end = crate::world::START.after(Duration::from_secs(self.scale.length_s));
        if self.now > end {
            return;
        }
        let _ = match self.center.agent_at(desk(line)) {
            None => self.center.log_in(desk(line), None, None, self.now).map(|entry| entry.agent),
            Some(_) => self.center.set_ready(desk(line), true, self.now),
        };
        let again = self.random.between(200_000, 600_000);
        self.plan_at(again, Event::Shift(line));
        if self.random.percent(20) {
            let at = self.random.below(200_000);
            let step = if self.random.percent(50) { 0 } else { 10 };
            self.plan_at(at, Event::Private(line, step));
        }
    }

    pub(crate) fn set_phone(&mut self, line: u32, state: PhoneState) {
        let Some(phone) = self.phones.get_mut(&line) else { return };
        let old = std::mem::replace(&mut phone.state, state);
        if state.is_registered {
            phone.unreachable_until = None;
        }
        if let Some(agent) = self.center.agent_at(desk(line)) {
            for is_incoming in [true, false] {
                let over = if is_incoming {
                    old.incoming > state.incoming
                } else {
                    old.outgoing > state.outgoing
                };
                if over {
                    self.log.push((self.now, Entry::PrivateOver { agent, is_incoming }));
                }
            }
        }
        self.center.phone(desk(line), state, self.now);
    }

    /// A private call, step by step; mostly not while a queue call is there.
    pub(crate) fn private(&mut self, line: u32, step: u8) {
        let Some(phone) = self.phones.get(&line).cloned() else { return };
        let mut state = phone.state;
        let is_engaged = phone.ringing.is_some() || phone.busy_with.is_some();
        if matches!(step, 0 | 10)
            && (is_engaged || state != PhoneState::FREE)
            && self.random.percent(80)
        {
            return;
        }
        let next = match step {
            0 => {
                state.alerting += 1;
                if self.random.percent(70) { 1 } else { 3 }
            }
            1 => {
                state.alerting -= 1;
                state.incoming += 1;
                2
            }
            2 => {
                state.incoming -= 1;
                99
            }
            3 => {
                state.alerting -= 1;
                99
            }
            10 => {
                state.dialling += 1;
                if self.random.percent(70) { 11 } else { 13 }
            }
            11 => {
                state.dialling -= 1;
                state.outgoing += 1;
                12
            }
            12 => {
                state.outgoing -= 1;
                99
            }
            _ => {
                state.dialling -= 1;
                99
            }
        };
        if next != 99 {
            let after = self.random.between(1_000, 60_000);
            self.plan_at(after, Event::Private(line, next));
        }
        self.set_phone(line, state);
    }

    pub(crate) fn whim(&mut self) {
        let lines: Vec<u32> = self.phones.keys().copied().collect();
        let sessions: Vec<AgentSessionId> = self.sessions.keys().copied().collect();
        let agents: Vec<AgentId> = self.agent_begin.keys().copied().collect();
        let (Some(&line), Some(&agent)) = (self.random.of(&lines), self.random.of(&agents)) else {
            return;
        };
        let session = self.random.of(&sessions).copied();
        let at = desk(line);
        let request = match self.random.below(16) {
            0 => {
                let _ = self.center.log_out(at, self.now);
                return;
            }
            1 => return self.sit_elsewhere(line),
            2 => {
                let _ = self.center.set_ready(at, false, self.now);
                return;
            }
            3 => return self.touch_phone(line, true),
            4 => return self.touch_phone(line, false),
            5 => return self.measure(agent),
            6 => return self.extend(session),
            7 | 8 => {
                let state = any::<AgentSessionState>(&mut self.random);
                let next = any::<AgentSessionState>(&mut self.random);
                let Some(session) = session else { return };
                AgentRequest::SetAgentSessionState { session, state, next }
            }
            9 | 10 => {
                let state = any::<AgentStateEx>(&mut self.random);
                let next = any::<AgentStateEx>(&mut self.random);
                AgentRequest::SetAgentStateEx { agent, state, next }
            }
            11 => {
                let state = any::<AgentState>(&mut self.random);
                let next = any::<AgentState>(&mut self.random);
                AgentRequest::SetAgentState { at, state, next }
            }
            12 => {
                let keys = self.plan.groups.clone();
                let few = keys.iter().filter(|_| self.random.percent(40));
                let groups =
                    few.map(|group| acd::group_id(&self.plan.domain, &group.key)).collect();
                AgentRequest::SetAgentGroup { at, groups }
            }
            _ => return self.log_in_by_application(line),
        };
        let _ = self.center.ask(request, self.now);
    }

    /// Free seating.
    fn sit_elsewhere(&mut self, line: u32) {
        let Some(agent) = self.random.of(&self.plan.agents).map(|agent| agent.id.clone()) else {
            return;
        };
        let _ = self.center.log_in(desk(line), Some(&agent), None, self.now);
    }

    fn touch_phone(&mut self, line: u32, is_registration: bool) {
        let mut state = self.phones[&line].state;
        if is_registration {
            state.is_registered = !state.is_registered;
        } else {
            state.is_dnd = !state.is_dnd;
        }
        self.set_phone(line, state);
        if !state.is_registered || state.is_dnd {
            let after = self.random.between(1_000, 120_000);
            // Comes back by itself.
            self.plan_at(after, Event::Private(line, 0));
            state.is_registered = true;
            state.is_dnd = false;
            if self.random.percent(50) {
                self.set_phone(line, state);
            }
        }
    }

    fn measure(&mut self, agent: AgentId) {
        let seconds = self.random.between(30, 900) as u32;
        let request = if self.random.percent(50) {
            AgentRequest::SetAgentMeasurementPeriod { agent, seconds }
        } else {
            let Some(plan) = self.random.of(&self.plan.queues) else { return };
            let Some(queue) = self.center.queue_named(&plan.name) else { return };
            AgentRequest::SetQueueMeasurementPeriod { queue, seconds }
        };
        let index = self.log.len();
        if self.center.ask(request.clone(), self.now).is_ok() {
            let entry = match request {
                AgentRequest::SetQueueMeasurementPeriod { queue, seconds } => {
                    Entry::QueuePeriod { queue, seconds }
                }
                _ => Entry::AgentPeriod { agent, seconds },
            };
            self.log.insert(index, (self.now, entry));
        }
    }

    fn extend(&mut self, session: Option<AgentSessionId>) {
        if let Some(session) = session {
            let by = Duration::from_secs(self.random.below(60));
            let _ = self.center.extend_wrap_up(session, by, self.now);
        }
    }

    fn log_in_by_application(&mut self, line: u32) {
        let Some(plan) = self.random.of(&self.plan.agents).cloned() else { return };
        let id = Some(plan.id.clone());
        let request = AgentRequest::CreateAgent { line: DeviceId(line), id, pin: None };
        let Ok(AgentAnswer::Agent(agent)) = self.center.ask(request, self.now) else {
            panic!("every agent of the plan can be created");
        };
        for key in &plan.groups {
            let group = acd::group_id(&self.plan.domain, key);
            let at = desk(line);
            let request = AgentRequest::CreateAgentSession { agent, pin: None, group, at };
            let answer = self.center.ask(request, self.now);
            let state = Some(AgentSessionState::Ready);
            if let Ok(AgentAnswer::Session(session)) = answer
                && self.random.percent(80)
            {
                let ready = AgentRequest::SetAgentSessionState { session, state, next: None };
                self.center.ask(ready, self.now).unwrap();
            }
        }
    }

    /// The administrator takes something out of the configuration, or puts everything back.
    pub(crate) fn reload(&mut self) {
        let mut plan: Plan = self.whole.clone();
        let is_less = self.plan == self.whole;
        if is_less {
            let drop_one = |list: usize, random: &mut Random| random.below(list as u64) as usize;
            match self.random.below(4) {
                0 => drop(plan.queues.remove(drop_one(plan.queues.len(), &mut self.random))),
                1 => drop(plan.groups.remove(drop_one(plan.groups.len(), &mut self.random))),
                2 => drop(plan.agents.remove(drop_one(plan.agents.len(), &mut self.random))),
                _ => {
                    for queue in &mut plan.queues {
                        queue.groups.reverse();
                        queue.max_wait = Some(Duration::from_secs(45));
                    }
                    for agent in &mut plan.agents {
                        agent.groups.truncate(1);
                    }
                }
            }
            let after = self.random.between(30_000, 300_000);
            self.plan_at(after, Event::Reload);
        }
        self.plan = plan.clone();
        self.center.replan(plan, self.now);
        self.note_agents();
        let known: Vec<QueueId> =
            self.center.queues(self.now).iter().map(|queue| queue.id).collect();
        self.told.retain(|(kind, id), _| *kind != 3 || known.contains(&QueueId(*id)));
    }
}
