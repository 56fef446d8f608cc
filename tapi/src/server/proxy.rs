//! Applications that are the agent handler of a line (LINEOPENOPTION_PROXY): which requests they
//! serve, what they have been asked and not answered (tapi-agents 5).

use crate::agent::{AgentAnswer, AgentNotice};
use crate::constant::{LineErr, ProxyRequest, ProxyStatusChange};
use crate::message::Message;
use crate::model::{AgentService, ApplicationId, CallKey, DeviceId};

use super::observe::Subject;
use super::{MAX_PROXY_REQUESTS, PROXY_TIMEOUT, Purpose, RequestKey, Server};

/// The requests that TAPI 3 needs for its call-centre objects: the functions of TAPI 2.2.
const FOR_ACD: std::ops::RangeInclusive<ProxyRequest> =
    ProxyRequest::CreateAgent..=ProxyRequest::SetAgentStateEx;

/// A request that an application is working on.
#[derive(Debug)]
pub(crate) struct Proxied {
    request: RequestKey,
    pub(crate) application: ApplicationId,
    pub(crate) h_line: u32,
    pub(crate) device: DeviceId,
    pub(crate) kind: ProxyRequest,
    deadline_ms: u64,
}

/// Why a request cannot be passed on now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotServed {
    /// Nobody serves requests of this type.
    Nobody,
    /// Who does is not connected.
    Away,
    /// Who does has too many unanswered.
    Overrun,
}

/// How a request is named towards its handler. Keys rise by one and none lives for longer than
/// [`PROXY_TIMEOUT`]: the lower half is enough to tell them apart.
fn number_of(request: RequestKey) -> u32 {
    let low = request.0 & u64::from(u32::MAX);
    u32::try_from(low).unwrap_or(u32::MAX)
}

impl Server {
    /// The types that are served on a line.
    pub(crate) fn served_requests(&self, device: DeviceId) -> Vec<ProxyRequest> {
        use crate::constant::Constant as _;
        let is_served = |kind: &&ProxyRequest| match self.agent_service(device) {
            AgentService::None => false,
            AgentService::BuiltIn => true,
            AgentService::Application => self.proxies.contains_key(&(device, **kind)),
        };
        ProxyRequest::ALL.iter().filter(is_served).copied().collect()
    }

    /// Whether an open line was opened to serve requests.
    pub(crate) fn is_proxy(&self, application: ApplicationId, h_line: u32) -> bool {
        self.proxies.values().any(|entry| *entry == (application, h_line))
    }

    /// Whether a request of a line can be passed to the application that serves it.
    pub(crate) fn check_proxy(
        &self,
        device: DeviceId,
        kind: ProxyRequest,
    ) -> Result<(), NotServed> {
        let (application, _) = self.proxies.get(&(device, kind)).ok_or(NotServed::Nobody)?;
        let app = self.applications.get(application).ok_or(NotServed::Nobody)?;
        if app.connection.is_none() {
            return Err(NotServed::Away);
        }
        let waiting = self.proxied.values().filter(|one| one.application == *application);
        if waiting.count() < MAX_PROXY_REQUESTS { Ok(()) } else { Err(NotServed::Overrun) }
    }

    /// An open line serves these types from now on: LINE_PROXYSTATUS to the others.
    pub(crate) fn register_proxies(
        &mut self,
        device: DeviceId,
        entry: (ApplicationId, u32),
        kinds: &[ProxyRequest],
    ) {
        if kinds.is_empty() {
            return;
        }
        for kind in kinds {
            self.proxies.insert((device, *kind), entry);
            self.tell_proxy(device, ProxyStatusChange::Open, Some(*kind), Some(entry));
        }
        let completes = kinds.iter().any(|kind| FOR_ACD.contains(kind));
        let all = self.served_requests(device);
        let is_all = ProxyRequest::SetAgentStateEx as usize - ProxyRequest::CreateAgent as usize
            + 1
            == all.iter().filter(|kind| FOR_ACD.contains(kind)).count();
        if completes && is_all {
            self.tell_proxy(device, ProxyStatusChange::AllOpenForAcd, None, Some(entry));
        }
    }

    /// An open line, or every one, serves its line no longer: what it has not answered fails,
    /// and the others get LINE_PROXYSTATUS.
    pub(crate) fn unregister_proxies(
        &mut self,
        device: DeviceId,
        entry: Option<(ApplicationId, u32)>,
    ) {
        let is_meant = |of: (ApplicationId, u32)| entry.is_none_or(|entry| entry == of);
        let kinds: Vec<ProxyRequest> = self
            .proxies
            .iter()
            .filter(|((line, _), of)| *line == device && is_meant(**of))
            .map(|((_, kind), _)| *kind)
            .collect();
        if kinds.is_empty() {
            return;
        }
        for kind in &kinds {
            self.proxies.remove(&(device, *kind));
        }
        self.give_up_proxied(|one| one.device == device && is_meant((one.application, one.h_line)));
        self.expire_proxied();
        for kind in kinds {
            self.tell_proxy(device, ProxyStatusChange::Close, Some(kind), None);
        }
    }

    /// LINE_PROXYSTATUS for every open handle of the line but one.
    fn tell_proxy(
        &mut self,
        device: DeviceId,
        change: ProxyStatusChange,
        request: Option<ProxyRequest>,
        except: Option<(ApplicationId, u32)>,
    ) {
        for (application, h_line) in self.agent_receivers(device) {
            if except != Some((application, h_line)) {
                self.notify(application, &Message::ProxyStatus { h_line, change, request });
            }
        }
        let about = Subject { device: Some(device), ..Subject::default() };
        self.observe(about, &Message::ProxyStatus { h_line: 0, change, request });
    }

    /// LINE_PROXYREQUEST for a request that has just begun.
    pub(super) fn pass_on(&mut self, request: RequestKey) {
        let Some(pending) = self.requests.get(&request) else { return };
        let Purpose::Agent { version, proxied: Some(asked) } = &pending.purpose else { return };
        let (device, kind) = (pending.device, asked.kind());
        let Some((application, h_line)) = self.proxies.get(&(device, kind)).copied() else {
            return self.complete(self.now_ms, request, Err(LineErr::OperationFailed));
        };
        let client = self.applications.get(&pending.application).map(|app| app.name.clone());
        let message = Message::ProxyRequest {
            h_line,
            proxy_request: number_of(request),
            client: client.unwrap_or_default(),
            client_version: *version,
            request: asked.clone(),
        };
        let timeout = u64::try_from(PROXY_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        let deadline_ms = self.now_ms.saturating_add(timeout);
        let proxied = Proxied { request, application, h_line, device, kind, deadline_ms };
        self.proxied.insert(number_of(request), proxied);
        self.notify(application, &message);
        let about = Subject { device: Some(device), call: None, application: Some(application) };
        self.observe(about, &message);
    }

    /// A request that the application has by this open line and has not answered.
    pub(crate) fn proxied(
        &self,
        application: ApplicationId,
        h_line: u32,
        number: u32,
    ) -> Option<&Proxied> {
        let one = self.proxied.get(&number)?;
        (one.application == application && one.h_line == h_line).then_some(one)
    }

    /// The handler's answer: the client gets its LINE_REPLY.
    pub(crate) fn answer_proxied(&mut self, number: u32, result: Result<AgentAnswer, LineErr>) {
        if let Some(one) = self.proxied.remove(&number) {
            self.complete_agent(self.now_ms, one.request, result);
        }
    }

    /// lineProxyMessage: every open handle of the line but the handler's own is told.
    pub(crate) fn pass_message(
        &mut self,
        device: DeviceId,
        from: (ApplicationId, u32),
        call: Option<CallKey>,
        notice: &AgentNotice,
    ) {
        for (application, h_line) in self.agent_receivers(device) {
            if (application, h_line) == from {
                continue;
            }
            let h_call = call.and_then(|call| self.handle_of(application, call));
            let notice = notice.clone();
            self.notify(application, &Message::Agent { h_line, h_call, notice });
        }
        let about = Subject { device: Some(device), call, application: None };
        let message = Message::Agent { h_line: 0, h_call: None, notice: notice.clone() };
        self.observe(about, &message);
    }

    /// Nobody answers these any more: they fail with the next [`Server::expire_proxied`].
    pub(super) fn give_up_proxied(&mut self, is_meant: impl Fn(&Proxied) -> bool) {
        for one in self.proxied.values_mut().filter(|one| is_meant(one)) {
            one.deadline_ms = 0;
        }
    }

    /// Fails the requests whose time is over.
    pub(super) fn expire_proxied(&mut self) {
        let over: Vec<RequestKey> = self
            .proxied
            .values()
            .filter(|one| one.deadline_ms <= self.now_ms)
            .map(|one| one.request)
            .collect();
        for request in over {
            self.complete(self.now_ms, request, Err(LineErr::OperationFailed));
        }
    }

    /// When the next request's time is over.
    pub(super) fn proxied_deadline(&self) -> Option<u64> {
        self.proxied.values().map(|one| one.deadline_ms).min()
    }

    /// A request is complete, whoever completed it.
    pub(super) fn forget_proxied(&mut self, request: RequestKey) {
        let number = number_of(request);
        if self.proxied.get(&number).is_some_and(|one| one.request == request) {
            self.proxied.remove(&number);
        }
    }
}
