//! The call centre, as the provider's own agent handler has it: answers, and what it tells.

use crate::agent::{AgentAnswer, AgentNotice};
use crate::constant::LineErr;
use crate::message::Message;
use crate::model::{API_2_0, AgentService, ApplicationId, DeviceId};

use super::observe::Subject;
use super::{ReplyFields, RequestKey, Server};

impl Server {
    /// An [`Intent::Agent`](crate::Intent::Agent) has been carried out, or has failed. Whatever
    /// it changed is told afterwards, by [`Server::tell_agents`].
    pub fn complete_agent(
        &mut self,
        now_ms: u64,
        request: RequestKey,
        result: Result<AgentAnswer, LineErr>,
    ) {
        let fields = result.map(|answer| ReplyFields(answer.fields()));
        self.complete(now_ms, request, fields);
    }

    /// Whether the application that made a request may see a line. A request about an agent who
    /// works elsewhere is none of its business, and answers LINEERR_OPERATIONUNAVAIL.
    pub fn requester_sees(&self, request: RequestKey, device: DeviceId) -> bool {
        let pending = self.requests.get(&request);
        let app = pending.and_then(|pending| self.applications.get(&pending.application));
        let line = self.lines.get(device.0 as usize);
        app.zip(line).is_some_and(|(app, line)| app.filter.allows(&line.spec.number))
    }

    /// The provider's agent handler tells something. `works_at` is the line of the agent whom it
    /// is about: who may not see that line is told nothing of the agent.
    ///
    /// An address is told of to every open handle of its line; everything else once to each
    /// application that has some line of the handler open, with the handle that it has had
    /// longest. Applications older than API 2.0 know no agents. The status masks of
    /// lineSetStatusMessages have no bit for these messages: they are never filtered.
    pub fn tell_agents(&mut self, notice: &AgentNotice, works_at: Option<DeviceId>) {
        let receivers = match notice {
            AgentNotice::Address { at, .. } | AgentNotice::Specific { at, .. } => {
                let is_served = self.agent_service(at.line) == AgentService::BuiltIn;
                if is_served { self.agent_receivers(at.line) } else { Vec::new() }
            }
            _ => self.handler_receivers(works_at),
        };
        let of_line = |h_line| Message::Agent { h_line, h_call: None, notice: notice.clone() };
        for (application, h_line) in receivers {
            self.notify(application, &of_line(h_line));
        }
        let device = match notice {
            AgentNotice::Address { at, .. } | AgentNotice::Specific { at, .. } => Some(at.line),
            _ => works_at,
        };
        let about = Subject { device, ..Subject::default() };
        // Who follows the switch sees the call centre at work even where no application looks.
        self.observe(about, &of_line(0));
    }

    /// Who serves the agents of a line.
    pub(crate) fn agent_service(&self, device: DeviceId) -> AgentService {
        let line = self.lines.get(device.0 as usize);
        line.map_or(AgentService::None, |line| line.spec.offers.agents)
    }

    /// The open handles of a line that may be told of agents.
    pub(super) fn agent_receivers(&self, device: DeviceId) -> Vec<(ApplicationId, u32)> {
        let opens = self.lines.get(device.0 as usize).map_or(&[][..], |line| &line.opens);
        let knows_agents = |(application, h_line): &&(ApplicationId, u32)| {
            let app = self.applications.get(application);
            let open = app.and_then(|app| app.opens.get(h_line));
            open.is_some_and(|open| open.api_version >= API_2_0)
        };
        opens.iter().filter(knows_agents).copied().collect()
    }

    /// One open handle of each application that has a line of the built-in handler open and may see
    /// this one.
    fn handler_receivers(&self, works_at: Option<DeviceId>) -> Vec<(ApplicationId, u32)> {
        let line = works_at.and_then(|device| self.lines.get(device.0 as usize));
        let sees = |app: &crate::model::Application| {
            line.is_none_or(|line| app.filter.allows(&line.spec.number))
        };
        let first = |app: &crate::model::Application| {
            let mut opens = app.opens.iter();
            let is_served = |open: &crate::model::OpenLine| {
                open.api_version >= API_2_0
                    && self.agent_service(open.device) == AgentService::BuiltIn
            };
            opens.find(|(_, open)| is_served(open)).map(|(h_line, _)| *h_line)
        };
        let all = self.applications.iter().filter(|(_, app)| sees(app));
        all.filter_map(|(id, app)| Some((*id, first(app)?))).collect()
    }
}
