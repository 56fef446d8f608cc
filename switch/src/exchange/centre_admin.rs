//! The call centre as administrators see it: rows of `GET queues`, `agents`, `agent-sessions`, and what
//! they do with agents.

use std::collections::BTreeSet;

use acd::{AgentView, LoginError, QueueView, SessionView, WaitingView};
use serde_json::{Map, Value, json};
use tapi::AgentAnswer;
use tapi::Constant;

use super::Exchange;
use super::mailbox::{AgentAction, Problem};
use crate::call::supervise::number_for;
use crate::observe::Sample;

impl Exchange {
    /// Rows of `GET queues`, in the order of the configuration.
    pub(super) fn queue_rows(&self) -> Value {
        let now = self.centre_now();
        let queues = self.centre.center.queues(now);
        queues.iter().map(|view| self.queue_row(view)).collect()
    }

    fn queue_row(&self, view: &QueueView) -> Value {
        let queue = self.config.queues.get(&view.name);
        let waiting = self.centre.center.waiting(view.id, self.centre_now());
        let calls: Vec<Value> = waiting.iter().filter_map(|call| self.waiting_row(call)).collect();
        let statistics = &view.statistics;
        let percent = |part: Option<f64>| part.map(|part| (part * 100.0).round());
        let mut row = AgentAnswer::QueueInfo(view.info.clone()).fields();
        let more = json!({
            "queue": view.name, "name": queue.map(|queue| &queue.name),
            "number": queue.map(|queue| &queue.number), "queueId": view.id.0,
            "strategy": queue.map(|queue| queue.strategy.name()),
            "groups": queue.map(|queue| &queue.groups),
            "waiting": view.info.waiting, "longestWait": view.info.longest_wait,
            "agentsLoggedIn": view.logged_in, "agentsReady": view.free, "agentsBusy": view.busy,
            "expectedWait": view.expected_wait.map(|wait| wait.as_secs()),
            "callsAnswered": statistics.answered,
            "callsAnsweredInTime": statistics.answered_in_time,
            "callsTakenAway": statistics.taken_away, "callsRefused": statistics.refused,
            "averageSpeedOfAnswer": statistics.average_speed_of_answer().as_secs(),
            "serviceLevel": percent(statistics.service_level()),
            "abandonment": percent(statistics.abandonment()),
            "calls": calls,
        });
        extend(&mut row, more);
        Value::Object(row)
    }

    fn waiting_row(&self, waiting: &WaitingView) -> Option<Value> {
        let key = self.waiting_connection(waiting.call)?;
        let connection = self.connections.get(key.0)?;
        let caller = self.source_of(key).map(|caller| self.identity_of(caller));
        let caller = caller.map(|caller| (caller.number, caller.name)).unwrap_or_default();
        let ringing = waiting.ringing.iter().filter_map(|at| self.tapi.line_number(at.line));
        Some(json!({
            "callId": connection.call_id, "caller": caller.0, "callerName": caller.1,
            "position": waiting.position, "waited": waiting.waited.as_secs(),
            "expectedWait": waiting.expected_wait.map(|wait| wait.as_secs()),
            "ringing": ringing.collect::<Vec<_>>(),
        }))
    }

    /// What `/metrics` says of queues and agents; the samples of one name stand together.
    pub(super) fn centre_samples(&self) -> Vec<Sample> {
        let now = self.centre_now();
        let queues = self.centre.center.queues(now);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let mut samples = Vec::new();
        for (name, help, read) in QUEUE_SAMPLES {
            let of_queue =
                |view: &QueueView| Sample::gauge(name, help, read(view)).of("queue", &view.name);
            samples.extend(queues.iter().map(of_queue));
        }
        let agents = self.centre.center.agents(now);
        for state in tapi::constant::AgentStateEx::ALL {
            let word = state.name().trim_start_matches("LINEAGENTSTATEEX_").to_ascii_lowercase();
            let those = agents.iter().filter(|agent| agent.info.state == *state).count();
            let sample = Sample::gauge("agents", "Agents by state.", count(those));
            samples.push(sample.of("state", &word));
        }
        for agent in &agents {
            let calls = u64::from(agent.info.acd_calls);
            let help = "Calls of queues that the agent has had in this measurement period.";
            samples.push(Sample::gauge("agent_calls", help, calls).of("agent", &agent.name));
        }
        samples
    }

    /// Rows of `GET agents`, in the order of the configuration.
    pub(super) fn agent_rows(&self) -> Value {
        let agents = self.centre.center.agents(self.centre_now());
        agents.iter().map(|view| self.agent_row(view)).collect()
    }

    fn agent_row(&self, view: &AgentView) -> Value {
        let agent = self.config.agents.get(&view.name);
        let line = view.at.and_then(|at| self.tapi.line_number(at.line));
        let mut row = AgentAnswer::AgentInfo(view.info.clone()).fields();
        let more = json!({
            "agent": view.name, "name": agent.map(|agent| &agent.name), "hAgent": view.id.0,
            "groups": agent.map(|agent| &agent.groups), "line": line,
            "agentState": view.info.state.name(),
            "isRinging": view.is_ringing, "misses": view.misses, "since": view.since.0,
            "idleSince": view.idle_since.map(|time| time.0),
            "backOffUntil": view.back_off_until.map(|time| time.0),
            "activity": view.activity.as_ref().map(|activity| &activity.name),
        });
        extend(&mut row, more);
        Value::Object(row)
    }

    /// Rows of `GET agent-sessions`, the oldest first.
    pub(super) fn agent_session_rows(&self) -> Value {
        let sessions = self.centre.center.sessions(self.centre_now());
        sessions.iter().map(|view| self.session_row(view)).collect()
    }

    fn session_row(&self, view: &SessionView) -> Value {
        let groups = self.centre.center.groups();
        let group = groups.iter().find(|group| group.id == view.group);
        let mut row = AgentAnswer::SessionInfo(view.info.clone()).fields();
        let more = json!({
            "hAgentSession": view.id.0, "hAgent": view.agent.0,
            "agent": self.agent_name(view.agent),
            "group": group.map(|group| &group.key), "groupId": view.group.to_string(),
            "line": self.tapi.line_number(view.at.line), "addressId": view.at.address.0,
        });
        extend(&mut row, more);
        Value::Object(row)
    }

    /// `POST agents/{agent}/…`, `PUT agents/{agent}/state`. Whoever may use some lines only moves nobody away
    /// from another one: such an agent looks like one that does not exist.
    pub(super) fn agent_action(
        &mut self,
        agent: &str,
        action: AgentAction,
        lines: Option<&BTreeSet<String>>,
    ) -> Result<Value, Problem> {
        let known = self.config.agents.get(agent).filter(|_| self.works_within(agent, lines));
        let known = known.cloned().ok_or_else(|| Problem {
            status: 404,
            detail: format!("there is no agent \"{agent}\""),
        })?;
        let at_work = |exchange: &Exchange| {
            exchange.line_of_agent(agent).ok_or_else(|| refused(LoginError::NobodyLoggedIn))
        };
        match action {
            AgentAction::LogIn { line } => {
                if !self.config.lines.contains_key(&line) {
                    return Err(Problem {
                        status: 404,
                        detail: format!("there is no line {line}"),
                    });
                }
                let pin = known.password.expose();
                self.log_agent_in(agent, &line, Some(pin)).map_err(refused)?;
            }
            AgentAction::LogOut => {
                let is_out = match self.line_of_agent(agent) {
                    Some(line) => self.log_out_at(&line).is_ok(),
                    None => self.release_agent(agent),
                };
                if !is_out {
                    return Err(refused(LoginError::NobodyLoggedIn));
                }
            }
            AgentAction::SetReady(is_ready) => {
                let line = at_work(self)?;
                self.set_ready_at(&line, is_ready).map_err(refused)?;
            }
            AgentAction::Supervise { line, hearing } => {
                if !self.may_supervise(&line, agent) {
                    let detail = format!("line {line} is no supervisor of {agent}");
                    return Err(Problem { status: 403, detail });
                }
                at_work(self)?;
                return self.click_to_dial(&line, &number_for(hearing, agent));
            }
        }
        Ok(json!({"agent": agent}))
    }
}

/// What is counted of each queue: name, help, value.
type QueueSample = (&'static str, &'static str, fn(&QueueView) -> u64);

const QUEUE_SAMPLES: [QueueSample; 8] = [
    ("queue_waiting", "Calls that wait.", |view| view.info.waiting.into()),
    ("queue_longest_wait_seconds", "How long the first of them has waited.", |view| {
        view.info.longest_wait.into()
    }),
    ("queue_calls", "Calls that came in this measurement period.", |view| view.info.queued.into()),
    ("queue_answered", "Calls that agents answered in it.", |view| view.statistics.answered.into()),
    ("queue_answered_in_time", "Those within the service level.", |view| {
        view.statistics.answered_in_time.into()
    }),
    ("queue_abandoned", "Calls whose callers hung up while they waited.", |view| {
        view.info.abandoned.into()
    }),
    ("queue_agents", "Agents who are logged in for it.", |view| {
        u64::try_from(view.logged_in).unwrap_or(u64::MAX)
    }),
    ("queue_agents_free", "Those who could take a call now.", |view| {
        u64::try_from(view.free).unwrap_or(u64::MAX)
    }),
];

fn refused(error: LoginError) -> Problem {
    let status = match error {
        LoginError::UnknownAgent => 404,
        LoginError::WrongPin | LoginError::PinNeeded => 403,
        _ => 409,
    };
    Problem { status, detail: error.to_string() }
}

fn extend(row: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        row.extend(more);
    }
}
