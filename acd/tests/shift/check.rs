//! What must hold: after each output, after each step, and for all books.

use acd::CallKey;
use tapi::agent::{AgentAnswer, AgentId, AgentNotice, AgentRequest, AgentSessionId, QueueId};
use tapi::constant::AgentSessionState::{BusyOnCall, BusyWrapUp, Ended, NotReady, Ready, Released};
use tapi::constant::{
    AgentSessionState, AgentSessionStatusChange, AgentStateEx, AgentStatusExChange,
    QueueStatusChange,
};

use crate::model::{self, AgentBooks, Entry, QueueBooks, SessionBooks};
use crate::world::{Seen, World};

/// The documented transitions of a session (tapi-agents 7.1).
fn is_documented(from: AgentSessionState, to: AgentSessionState) -> bool {
    match from {
        NotReady => matches!(to, Ready | Ended),
        Ready => matches!(to, NotReady | BusyOnCall | Ended),
        BusyOnCall => matches!(to, NotReady | Ready | BusyWrapUp | Ended),
        BusyWrapUp => matches!(to, NotReady | Ready | Ended),
        Ended => to == Released,
        Released => false,
    }
}

impl World {
    pub(crate) fn check_ring(
        &mut self,
        call: u64,
        queue: QueueId,
        agent: AgentId,
        session: AgentSessionId,
        line: u32,
    ) {
        let caller = &self.waiting[&call];
        assert_eq!(caller.queue, queue);
        // Nobody ahead of it waits for want of this very agent.
        for (_, ahead) in self.lines[&queue].range(..caller.place) {
            let ahead = &self.waiting[ahead];
            assert!(
                !ahead.ringing.is_empty() || ahead.refused_by.contains(&agent),
                "call {call} overtakes {ahead:?}"
            );
        }
        let seen = &self.sessions[&session];
        assert_eq!((seen.agent, seen.line, seen.state), (agent, line, Ready));
        let plan = self.plan_of(queue).unwrap();
        let serves =
            plan.groups.iter().any(|key| acd::group_id(&self.plan.domain, key) == seen.group);
        assert!(serves, "{plan:?} is not served by {seen:?}");
        assert!(self.is_free(agent), "{agent:?} is not free for call {call}");
        let phone = self.phones.get_mut(&line).unwrap();
        assert!(phone.unreachable_until.is_none_or(|until| until <= self.now));
        assert!(phone.state.is_registered && !phone.state.is_dnd);
        phone.ringing = Some((call, self.now));
        self.waiting.get_mut(&call).unwrap().ringing.insert(line);
    }

    /// Whether an agent could take a call, as far as its own person and phones go.
    fn is_free(&self, agent: AgentId) -> bool {
        let mine = self.sessions.values().filter(|seen| seen.agent == agent);
        let mut live = mine.filter(|seen| !matches!(seen.state, Ended | Released));
        let is_left_alone = self.back_off.get(&agent).is_some_and(|until| *until > self.now);
        self.logged_in.contains(&agent)
            && !is_left_alone
            && live.all(|seen| {
                let phone = &self.phones[&seen.line];
                let state = phone.state;
                !matches!(seen.state, BusyOnCall | BusyWrapUp)
                    && phone.ringing.is_none()
                    && phone.busy_with.is_none()
                    && state.alerting + state.incoming + state.dialling + state.outgoing == 0
            })
    }

    pub(crate) fn check_notice(&mut self, notice: &AgentNotice) {
        match *notice {
            AgentNotice::Session { session, changed, state } => {
                if changed.contains(AgentSessionStatusChange::NewSession) {
                    self.see(session);
                }
                if let Some(to) = state {
                    self.enter_state(session, to);
                }
                if changed.contains(AgentSessionStatusChange::UpdateInfo) {
                    self.check_pace(1, session.0);
                }
            }
            AgentNotice::Agent { agent, changed, state } => {
                if changed.contains(AgentStatusExChange::NewAgent) {
                    assert!(self.logged_in.insert(agent), "logged in twice");
                }
                if state == Some(AgentStateEx::Released) {
                    assert!(self.logged_in.remove(&agent), "logged out twice");
                    self.back_off.remove(&agent);
                }
                if changed.contains(AgentStatusExChange::UpdateInfo) {
                    self.check_pace(2, agent.0);
                }
            }
            AgentNotice::Queue { queue, changed } => {
                if changed.contains(QueueStatusChange::NewQueue) {
                    self.log.push((self.now, Entry::QueueCame { queue }));
                }
                if changed.contains(QueueStatusChange::UpdateInfo) {
                    self.check_pace(3, queue.0);
                }
            }
            _ => {}
        }
    }

    /// That statistics changed is told at most once a second.
    fn check_pace(&mut self, kind: u8, id: u32) {
        if let Some(last) = self.told.insert((kind, id), self.now) {
            assert!(self.now.0 - last.0 >= 1000, "told too often: {kind} {id}");
        }
    }

    fn see(&mut self, id: AgentSessionId) {
        let view = self.center.sessions(self.now).into_iter().find(|view| view.id == id).unwrap();
        let (agent, group, line) = (view.agent, view.group, view.at.line.0);
        let seen = Seen { agent, group, line, state: NotReady };
        assert!(self.sessions.insert(id, seen).is_none(), "a handle is given once");
        self.log.push((self.now, Entry::Session { session: id, agent, state: None }));
    }

    fn enter_state(&mut self, id: AgentSessionId, to: AgentSessionState) {
        let seen = self.sessions.get_mut(&id).unwrap();
        assert!(is_documented(seen.state, to), "{id:?} from {:?} to {to:?}", seen.state);
        seen.state = to;
        let agent = seen.agent;
        self.log.push((self.now, Entry::Session { session: id, agent, state: Some(to) }));
        if to == Released {
            self.sessions.remove(&id);
        }
    }

    pub(crate) fn check_step(&self) {
        let every = if self.scale.audit > 1_000 { 500 } else { 1 };
        if !self.steps.is_multiple_of(every) {
            return;
        }
        for (queue, line) in &self.lines {
            let mut callers = line.values().map(|call| (call, &self.waiting[call]));
            let Some((call, _)) =
                callers.find(|(_, c)| c.ringing.is_empty() && c.refused_by.is_empty())
            else {
                continue;
            };
            let plan = self.plan_of(*queue).unwrap();
            for seen in self.sessions.values().filter(|seen| seen.state == Ready) {
                let serves = plan
                    .groups
                    .iter()
                    .any(|key| acd::group_id(&self.plan.domain, key) == seen.group);
                let phone = &self.phones[&seen.line];
                let is_reachable = phone.unreachable_until.is_none_or(|until| until <= self.now)
                    && phone.state.is_registered
                    && !phone.state.is_dnd;
                assert!(
                    !(serves && is_reachable && self.is_free(seen.agent)),
                    "call {call} waits although somebody is free: {seen:?} {:?}",
                    self.center.agent_view(seen.agent, self.now)
                );
            }
        }
    }

    /// Every call is where the callers know it; every book is what the log says.
    pub(crate) fn audit(&mut self) {
        for view in self.center.queues(self.now) {
            let calls: Vec<u64> = self
                .center
                .waiting(view.id, self.now)
                .iter()
                .map(|waiting| waiting.call.0)
                .collect();
            let known: Vec<u64> = self
                .lines
                .get(&view.id)
                .map(|line| line.values().copied().collect())
                .unwrap_or_default();
            assert_eq!(calls, known, "the line of {}", view.name);
            self.audit_queue(view.id);
        }
        for view in self.center.sessions(self.now) {
            self.audit_session(view.id);
        }
        for view in self.center.agents(self.now) {
            self.audit_agent(view.id);
        }
        for (line, phone) in &self.phones {
            if let Some((call, session)) = phone.busy_with {
                let at = crate::world::desk(*line);
                assert_eq!(self.center.session_of(CallKey(call), at), Some(session));
            }
        }
    }

    fn ask(&mut self, request: AgentRequest) -> AgentAnswer {
        self.center.ask(request, self.now).unwrap()
    }

    fn audit_queue(&mut self, queue: QueueId) {
        let AgentAnswer::QueueInfo(info) = self.ask(AgentRequest::GetQueueInfo { queue }) else {
            panic!("not a queue's books");
        };
        let views = self.center.queues(self.now);
        let counts = &views.iter().find(|view| view.id == queue).unwrap().statistics;
        assert_eq!(
            counts.carried + counts.queued,
            counts.departed() + info.waiting,
            "the identity"
        );
        let books = QueueBooks {
            carried: counts.carried,
            queued: info.queued,
            flowed_in: info.flowed_in,
            answered: counts.answered,
            abandoned: info.abandoned,
            flowed_out: info.flowed_out,
            last_resort: info.final_disposition,
            taken: counts.taken_away,
            waiting: info.waiting,
            average_wait: info.average_wait.into(),
            longest_ever: info.longest_ever_wait.into(),
            longest_now: info.longest_wait.into(),
        };
        assert_eq!(
            books,
            model::queue(&self.log, queue, crate::world::START, self.now),
            "{queue:?}"
        );
    }

    fn audit_session(&mut self, session: AgentSessionId) {
        let AgentAnswer::SessionInfo(info) =
            self.ask(AgentRequest::GetAgentSessionInfo { session })
        else {
            panic!("not a session's books");
        };
        assert_eq!(info.call_time, info.talk_time + info.wrap_up_time);
        let books = SessionBooks {
            state: Some(info.state),
            duration: info.duration.into(),
            calls: info.calls,
            talk: info.talk_time.into(),
            wrap_up: info.wrap_up_time.into(),
            longest_to_answer: info.longest_time_to_answer.into(),
            average_to_answer: info.average_time_to_answer.into(),
        };
        assert_eq!(books, model::session(&self.log, session, self.now), "{session:?}");
    }

    fn audit_agent(&mut self, agent: AgentId) {
        let AgentAnswer::AgentInfo(info) = self.ask(AgentRequest::GetAgentInfo { agent }) else {
            panic!("not an agent's books");
        };
        let books = AgentBooks {
            period: info.measurement_period.into(),
            calls: info.acd_calls,
            incoming: info.incoming_calls,
            outgoing: info.outgoing_calls,
            talk: info.acd_talk_time.into(),
            wrap_up: info.acd_wrap_up_time.into(),
            rate: info.overall_call_rate.0 as u64,
        };
        let begin = self.agent_begin[&agent];
        assert_eq!(books, model::agent(&self.log, agent, begin, self.now), "{agent:?}");
    }
}
