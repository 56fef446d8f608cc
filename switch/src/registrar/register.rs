//! The steps of a REGISTER in the order of sip-mapping §6.1 (RFC 3261 §10.3). Nothing is changed
//! unless every Contact can be.

use std::sync::Arc;
use std::time::Duration;

use config::{Config, Line};
use sip_stack::endpoint::Reply;
use sip_stack::flow::Flow;
use sip_stack::header::{Contact, Contacts, Date};
use sip_stack::message::{HeaderName, Message};
use sip_stack::uri::{SipUri, Uri};

use super::{Outcome, Registrar, Registration, RegistrationEvent, location};
use crate::exchange::Clock;
use crate::registry::{Binding, MAX_BINDINGS};

/// What a malformed lifetime stands for (RFC 3261 §10.2.1.1), and the longest one that may be refused
/// as too brief (§10.3 step 7).
const ONE_HOUR: Duration = Duration::from_secs(3600);

/// How long a REGISTER that was carried out may come again and be answered alike (64·T1).
const RETRANSMISSION_WINDOW: Duration = Duration::from_secs(32);

/// Most entries of a phone's Allow, Allow-Events, Supported and Path that are remembered.
const MAX_REMEMBERED: usize = 64;

/// Longest User-Agent that is remembered, in characters.
const MAX_USER_AGENT_CHARS: usize = 200;

/// When a full registry may be tried again, in seconds.
const RETRY_AFTER_SECONDS: &str = "30";

/// One REGISTER and what it is judged by.
struct Request<'a> {
    clock: Clock,
    config: &'a Config,
    line: &'a Line,
    message: &'a Message,
    flow: Flow,
    cseq: u32,
}

/// What a REGISTER does to the bindings of its line.
enum Plan {
    /// It only asks, or it is one that has been carried out already.
    Nothing,
    /// These replace the present ones.
    Replace(Vec<Arc<Binding>>),
}

impl Registrar {
    /// Carries out a REGISTER that `line` has authenticated.
    pub fn register(
        &mut self,
        clock: Clock,
        config: &Config,
        line: &Line,
        message: &Message,
        flow: Flow,
    ) -> Outcome {
        let Ok(cseq) = message.cseq() else { return refused(Reply::new(400)) };
        let request = Request { clock, config, line, message, flow, cseq: cseq.number };
        let plan = request.check().and_then(|contacts| match contacts {
            Contacts::Star => self.remove_all(&request),
            Contacts::List(contacts) => self.update(&request, &contacts),
        });
        match plan {
            Err(reply) => refused(reply),
            Ok(Plan::Nothing) => Outcome { reply: self.accepted(&request), changes: Vec::new() },
            Ok(Plan::Replace(new)) => {
                let old = self.registry.bindings(&line.number);
                let changes = changes(&old, &new);
                self.commit(&line.number, &old, new);
                Outcome { reply: self.accepted(&request), changes }
            }
        }
    }

    /// Step 6: `*` ends every binding, in order with the requests that made them.
    fn remove_all(&self, request: &Request<'_>) -> Result<Plan, Reply> {
        if request.message.expires() != Some(0) {
            return Err(Reply::new(400).reason("Contact * Without Expires: 0"));
        }
        for binding in self.registry.bindings(&request.line.number) {
            if request.is_repeated(&binding)? {
                return Ok(Plan::Nothing);
            }
        }
        Ok(Plan::Replace(Vec::new()))
    }

    /// Steps 7 to 13: each Contact makes, refreshes or ends a binding.
    fn update(&mut self, request: &Request<'_>, contacts: &[Contact<'_>]) -> Result<Plan, Reply> {
        let old = self.registry.bindings(&request.line.number);
        let mut new = old.clone();
        let first_id = self.next_id;
        for contact in contacts {
            let Ok(Uri::Sip(uri)) = Uri::parse(contact.uri) else {
                return Err(Reply::new(400).reason("Contact Is No SIP URI"));
            };
            if uri.is_secure && !request.flow.transport.is_secure() {
                // RFC 3261 §26.2.2: what is for a SIPS URI could never leave over this flow.
                return Err(Reply::new(403).reason("SIPS Contact Without TLS"));
            }
            let lifetime = request.lifetime(contact)?;
            let at = new.iter().position(|binding| is_same(binding, contact, &uri));
            let present = at.and_then(|at| new.get(at).cloned());
            // What this very request has made is not older than itself.
            if let Some(stored) =
                present.as_ref().filter(|one| old.iter().any(|o| Arc::ptr_eq(o, one)))
                && request.is_repeated(stored)?
            {
                return Ok(Plan::Nothing);
            }
            let id = present.map(|binding| binding.id);
            match (at, lifetime.is_zero()) {
                (Some(at), true) => {
                    new.remove(at);
                }
                (None, true) => {}
                (at, false) => {
                    let id = id.unwrap_or_else(|| self.new_id());
                    let binding = Arc::new(request.binding(id, contact, &uri, lifetime));
                    match at.and_then(|at| new.get_mut(at)) {
                        Some(place) => *place = binding,
                        None => new.push(binding),
                    }
                }
            }
        }
        self.check_room(request, &old, &mut new).inspect_err(|_| self.next_id = first_id)?;
        Ok(if contacts.is_empty() { Plan::Nothing } else { Plan::Replace(new) })
    }

    /// Step 13: no more than the line and the switch can have. A phone that cannot be reached any
    /// more makes room for one that can.
    fn check_room(
        &self,
        request: &Request<'_>,
        old: &[Arc<Binding>],
        new: &mut Vec<Arc<Binding>>,
    ) -> Result<(), Reply> {
        if new.len() <= old.len() {
            return Ok(());
        }
        while new.len() > request.config.registration.max_contacts {
            let Some(at) = new.iter().position(|binding| !binding.is_reachable) else {
                return Err(Reply::new(403).reason("Too Many Contacts"));
            };
            new.remove(at);
        }
        if self.registry.binding_count() - old.len() + new.len() > MAX_BINDINGS {
            return Err(Reply::new(503).header("Retry-After", RETRY_AFTER_SECONDS));
        }
        Ok(())
    }

    /// Step 16: all bindings of the line, each Contact as its phone wrote it.
    fn accepted(&self, request: &Request<'_>) -> Reply {
        let mut reply = Reply::new(200);
        for binding in self.registry.bindings(&request.line.number) {
            let left = (binding.expires_at - request.clock.now).as_millis().div_ceil(1000);
            let contact = format!("<{}>{};expires={left}", binding.uri, binding.params);
            reply = reply.header("Contact", contact);
        }
        for path in request.path() {
            reply = reply.header("Path", path);
        }
        // RFC 5626 §6: over a connection we keep the flow; over UDP that would take STUN.
        if request.flow.transport.is_reliable() && request.asks_for_outbound() {
            reply = reply.header("Require", "outbound");
        }
        reply.header("Date", Date { unix_seconds: request.clock.unix_ms / 1000 }.to_string())
    }

    fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.saturating_add(1);
        id
    }
}

impl<'a> Request<'a> {
    /// Steps 1 to 6, 14 and 15, as far as the request alone can be judged; answers its contacts.
    fn check(&self) -> Result<Contacts<'a>, Reply> {
        let request_uri = self.message.request_uri().map(Uri::parse);
        let Some(Ok(Uri::Sip(request_uri))) = request_uri else { return Err(Reply::new(416)) };
        if !self.is_ours(&request_uri) {
            return Err(Reply::new(404));
        }
        let to = self.message.to().map_err(|_| Reply::new(400))?;
        let Ok(Uri::Sip(to)) = to.parsed_uri() else { return Err(Reply::new(404)) };
        let user = to.user_decoded().filter(|_| self.is_ours(&to)).ok_or(Reply::new(404))?;
        if user != self.line.number {
            return Err(Reply::new(403).reason("Not Your Address-Of-Record"));
        }
        if self.message.has(HeaderName::Path) && !self.supports("path") {
            return Err(Reply::new(420).header("Unsupported", "path"));
        }
        // RFC 5626 §6: with proxies between, the first of them must keep the flow.
        let is_through_proxies = self.message.vias().nth(1).is_some();
        let keeps_flow = self.path().last().is_some_and(|path| has_ob(path));
        if is_through_proxies && self.asks_for_outbound() && !keeps_flow {
            return Err(Reply::new(439));
        }
        self.message.contacts().map_err(|_| Reply::new(400).reason("Malformed Contact"))
    }

    /// Is a host our domain, or an address we listen on?
    fn is_ours(&self, uri: &SipUri<'_>) -> bool {
        let domain = self.config.domain.trim_start_matches('[').trim_end_matches(']');
        if uri.host.eq_ignore_ascii_case(domain) {
            return true;
        }
        let Some(ip) = uri.ip().map(|ip| ip.to_canonical()) else { return false };
        let local = self.flow.local.ip().to_canonical();
        // Bound to all addresses, we cannot tell which are ours; the request did reach us.
        local.is_unspecified()
            || local == ip
            || self.config.media.public_address == Some(ip)
            || self.config.sip.listen.iter().any(|listen| listen.address.ip() == ip)
    }

    /// Steps 7 to 9: how long a contact is to live; zero ends it.
    fn lifetime(&self, contact: &Contact<'_>) -> Result<Duration, Reply> {
        let registration = &self.config.registration;
        let asked = match contact.expires() {
            Ok(Some(seconds)) => Duration::from_secs(seconds.into()),
            Err(_) => ONE_HOUR,
            Ok(None) if self.message.has(HeaderName::Expires) => self
                .message
                .expires()
                .map_or(ONE_HOUR, |seconds| Duration::from_secs(seconds.into())),
            Ok(None) => registration.default_expires,
        };
        if !asked.is_zero() && asked < registration.min_expires && asked < ONE_HOUR {
            let min = registration.min_expires.as_secs();
            return Err(Reply::new(423).header("Min-Expires", min.to_string()));
        }
        Ok(asked.min(registration.max_expires))
    }

    /// Step 11: is this the request that made the binding, come again? An older one is refused.
    fn is_repeated(&self, stored: &Binding) -> Result<bool, Reply> {
        if stored.call_id != self.message.call_id() || self.cseq > stored.cseq {
            return Ok(false);
        }
        let age = self.clock.now - stored.refreshed_at;
        if self.cseq == stored.cseq && age < RETRANSMISSION_WINDOW {
            return Ok(true);
        }
        // The reason does not begin with a header's name: SIPp takes it for the header.
        Err(Reply::new(500).reason("Out Of Order"))
    }

    fn binding(
        &self,
        id: u64,
        contact: &Contact<'_>,
        uri: &SipUri<'_>,
        lifetime: Duration,
    ) -> Binding {
        let message = self.message;
        let is_direct = location::is_direct(message, &self.flow);
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let user_agent = message.header(HeaderName::UserAgent).unwrap_or_default();
        Binding {
            id,
            line: self.line.number.clone(),
            uri: contact.uri.to_owned(),
            params: params_but_expires(contact),
            q: contact.q(),
            expires_at: self.clock.now + lifetime,
            expires_at_unix_ms: self.clock.unix_ms.saturating_add(lifetime_ms),
            refreshed_at: self.clock.now,
            registered_at_unix_ms: self.clock.unix_ms,
            call_id: message.call_id().to_owned(),
            cseq: self.cseq,
            instance: contact.instance().map(str::to_owned),
            reg_id: contact.reg_id(),
            flow: location::reach(uri, is_direct, self.flow),
            source: self.flow.remote,
            is_direct,
            is_reachable: true,
            path: self.path(),
            user_agent: user_agent.chars().take(MAX_USER_AGENT_CHARS).collect(),
            allow: self.tokens(HeaderName::Allow),
            allow_events: self.tokens(HeaderName::AllowEvents),
            supported: self.tokens(HeaderName::Supported),
        }
    }

    fn path(&self) -> Vec<String> {
        self.tokens(HeaderName::Path)
    }

    fn tokens(&self, name: HeaderName) -> Vec<String> {
        self.message.list(name).take(MAX_REMEMBERED).map(|token| token.trim().to_owned()).collect()
    }

    fn supports(&self, tag: &str) -> bool {
        self.message.lists(HeaderName::Supported, tag)
    }

    /// Does the phone want its flows kept (RFC 5626 §4.2.1)?
    fn asks_for_outbound(&self) -> bool {
        let has_flow =
            |contact: &Contact<'_>| contact.reg_id().is_some() && contact.instance().is_some();
        self.supports("outbound")
            && self.message.contacts().is_ok_and(|all| all.as_slice().iter().any(has_flow))
    }
}

fn refused(reply: Reply) -> Outcome {
    Outcome { reply, changes: Vec::new() }
}

/// Step 10: the pair of instance and reg-id names a flow (RFC 5626 §6); else URIs are compared by
/// RFC 3261 §19.1.4.
fn is_same(binding: &Binding, contact: &Contact<'_>, uri: &SipUri<'_>) -> bool {
    let stored = binding.instance.as_deref().zip(binding.reg_id);
    match (stored, contact.instance().zip(contact.reg_id())) {
        (Some(stored), Some(named)) => stored == named,
        _ => matches!(Uri::parse(&binding.uri), Ok(Uri::Sip(stored)) if stored.equivalent(uri)),
    }
}

/// The parameters of a Contact as they came, so that the phone finds its own again.
fn params_but_expires(contact: &Contact<'_>) -> String {
    let mut text = String::new();
    for param in contact.params.iter() {
        if param.name.eq_ignore_ascii_case("expires") {
            continue;
        }
        text.push(';');
        text.push_str(param.name);
        if let Some(value) = param.value {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}

/// Does a Path value's URI have the flag `ob`?
fn has_ob(path: &str) -> bool {
    let uri = path.trim().trim_start_matches('<').split('>').next().unwrap_or_default();
    Uri::parse(uri).is_ok_and(|uri| uri.param("ob").is_some())
}

/// What is different between the bindings before and after.
fn changes(old: &[Arc<Binding>], new: &[Arc<Binding>]) -> Vec<Registration> {
    let mut changes = Vec::new();
    for binding in old.iter().filter(|old| !new.iter().any(|new| new.id == old.id)) {
        let event = RegistrationEvent::Unregistered;
        changes.push(Registration { event, binding: Arc::clone(binding) });
    }
    for binding in new {
        let event = match old.iter().find(|old| old.id == binding.id) {
            Some(same) if Arc::ptr_eq(same, binding) => continue,
            Some(_) => RegistrationEvent::Refreshed,
            None => RegistrationEvent::Registered,
        };
        changes.push(Registration { event, binding: Arc::clone(binding) });
    }
    changes
}
