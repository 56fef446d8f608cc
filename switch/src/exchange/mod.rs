//! The exchange: the single owner of all call state. No I/O, no clock, no lock.
//!
//! One [`Input`] at a time goes in with the time, [`Output`]s come out. Two inputs never interleave,
//! so every race (CANCEL against 200, two phones answering, drop against hold) is settled by the
//! order of the mailbox. Paths 1 and 3 of ARCHITECTURE.md run through here at hops 4–7.

mod admin;
mod application;
pub(crate) mod centre;
mod centre_admin;
mod centre_agents;
mod centre_plan;
mod completions;
pub mod counters;
pub(crate) mod enrolments;
mod farewell;
mod forwarding;
mod invariant;
mod ladder;
pub mod mailbox;
mod publish;
mod queue_line;
mod requests;
pub(crate) mod state;
mod step;
mod suspicion;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use media::{MediaPlane, TerminationId};
use sip_stack::auth::{Algorithm, Authenticator, AuthenticatorConfig, Ha1};
use sip_stack::endpoint::{EndCause, Endpoint, EndpointConfig, Event, LegId, Limits, Outbox};
use sip_stack::flow::Transport;
use sip_stack::slab::Slab;
use sip_stack::time::{Entropy, Now, TimerToken, TimerWheel};
use tapi::{CallKey, Server, ServerConfig};

use crate::call::complete::Completing;
use crate::call::conference::Conference;
use crate::call::generate::Generations;
use crate::call::listen::Listening;
use crate::call::protection;
use crate::call::recording::Recordings;
use crate::call::toll::Tolls;
use crate::call::treatment::Music;
use crate::call::{Call, CallId, Connection, ConnectionKey, Parked, Timer};
use crate::feature::enrolment::Enrolment;
use crate::feature::forward::Forwarding;
use crate::feature::hunt;
use crate::presence::{PACKAGES, Presence, Secret};
use crate::registrar::{Familiar, Registrar};
use crate::registry::Registry;
use crate::store::{
    StoredBinding, StoredCompletions, StoredDialog, StoredFamiliar, StoredForwarding,
};

use self::centre::Centre;
use self::counters::{Counters, count};
use self::farewell::Farewells;
pub use self::mailbox::{
    AdminRequest, AgentAction, AnswerToken, ApplicationInput, CallAction, Clock, ConnectionId,
    ForwardEntry, Input, Output, Problem, Suspicion,
};
pub use self::step::ConferenceStep;
use self::suspicion::Guesses;

/// Connections that may exist at once; one more is answered 503.
pub const MAX_CONNECTIONS: usize = 20_000;

/// Dialogs of subscriptions that may exist at once, whatever `[subscriptions] max` says.
pub const MAX_SUBSCRIPTIONS: usize = 1_000_000;

/// What an exchange is made of.
pub struct ExchangeParts {
    /// The configuration to begin with.
    pub config: Arc<Config>,
    /// The relay, or a model of it.
    pub media: Box<dyn MediaPlane>,
    /// The concurrent registry, read by others too.
    pub registry: Arc<Registry>,
    /// Read by `/metrics`.
    pub counters: Arc<Counters>,
    /// Tags, branches, nonces.
    pub entropy: Box<dyn Entropy + Send>,
    /// SIP listeners as bound, with real ports.
    pub local: Vec<(Transport, SocketAddr)>,
    /// Bindings of the previous run.
    pub restored: Vec<StoredBinding>,
    /// What lines had set about their calls in the previous run.
    pub forwardings: Vec<StoredForwarding>,
    /// How many messages waited at which line.
    pub messages: Vec<(String, u32)>,
    /// Who waited for whom in the previous run, and what was left for whom.
    pub completions: StoredCompletions,
    /// The dialogs of calls that were up when the previous run ended.
    pub dialogs: Vec<StoredDialog>,
    /// The picture of the call centre of the previous run.
    pub centre: Option<String>,
    /// Where the phones of each line have been.
    pub familiar: Vec<StoredFamiliar>,
    /// The time of the start.
    pub clock: Clock,
}

/// The single owner of all call state; see the module's text.
pub struct Exchange {
    pub(crate) clock: Clock,
    pub(crate) config: Arc<Config>,
    pub(crate) endpoint: Endpoint,
    pub(crate) sip: Outbox,
    pub(crate) tapi: Server,
    pub(crate) media: Box<dyn MediaPlane>,
    pub(crate) registrar: Registrar,
    pub(crate) authenticator: Authenticator,
    pub(crate) credentials: HashMap<String, Ha1>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) local: Vec<(Transport, SocketAddr)>,
    pub(crate) media_secret: protection::Secret,
    pub(crate) calls: Slab<Call>,
    pub(crate) connections: Slab<Connection>,
    pub(crate) conferences: Slab<Conference>,
    pub(crate) transcoded: HashSet<ConnectionKey>,
    pub(crate) by_leg: HashMap<LegId, CallId>,
    pub(crate) by_termination: HashMap<TerminationId, CallId>,
    pub(crate) by_tapi: HashMap<CallKey, CallId>,
    pub(crate) by_line: HashMap<String, Vec<CallId>>,
    pub(crate) parked: BTreeMap<String, Parked>,
    pub(crate) forwardings: HashMap<String, Forwarding>,
    pub(crate) tolls: Tolls,
    pub(crate) hunting: hunt::Memory,
    pub(crate) listening: Listening,
    pub(crate) generations: Generations,
    pub(crate) presence: Presence,
    pub(crate) music: Music,
    pub(crate) completing: Completing,
    pub(crate) enrolments: BTreeMap<String, Enrolment>,
    pub(crate) centre: Centre,
    pub(crate) trunk_targets: HashMap<String, Vec<(Transport, SocketAddr)>>,
    /// What the certificates of connections prove, by connection.
    pub(crate) identified: HashMap<u64, Arc<[String]>>,
    pub(crate) farewells: Farewells,
    pub(crate) familiar: Familiar,
    guesses: Guesses,
    pub(crate) timers: TimerWheel<Timer>,
    pub(crate) outputs: Vec<Output>,
    next_call_id: u32,
    next_event: u64,
    next_session: u64,
    next_enrolment: u32,
    pub(crate) recordings: Recordings,
    registration_timer: Option<TimerToken>,
    application_timer: Option<TimerToken>,
    is_draining: bool,
    has_reported_drained: bool,
}

impl Exchange {
    /// An exchange at rest, its lines known to TAPI and its bindings restored.
    pub fn new(parts: ExchangeParts) -> Exchange {
        let ExchangeParts { config, media, registry, counters, mut entropy, local, .. } = parts;
        let ExchangeParts {
            restored,
            forwardings,
            messages,
            completions,
            dialogs,
            centre: kept_centre,
            clock,
            ..
        } = parts;
        let secret: [u8; 32] = std::array::from_fn(|_| entropy.next_u64().to_le_bytes()[0]);
        let lamps = std::array::from_fn(|_| entropy.next_u64().to_le_bytes()[0]);
        let instance = u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64());
        let next_session = entropy.next_u64() >> 16;
        let centre_seed = entropy.next_u64();
        let next_call_id = entropy.next_u64() as u32 & 0x00ff_ffff;
        let centre = Centre::new(&config, centre_seed);
        let is_line = |line: &str| config.lines.contains_key(line);
        let (familiar, forgotten) = Familiar::of(parts.familiar, is_line);
        let mut exchange = Exchange {
            clock,
            endpoint: Endpoint::new(endpoint_config(&config), entropy),
            sip: Outbox::new(),
            tapi: Server::new(server_config(&config, instance)),
            media,
            registrar: Registrar::new(registry),
            authenticator: Authenticator::new(authenticator_config(&config, secret, &local)),
            credentials: HashMap::new(),
            config,
            counters,
            local,
            media_secret: protection::Secret::root(&secret),
            calls: Slab::new(),
            connections: Slab::new(),
            conferences: Slab::new(),
            transcoded: HashSet::new(),
            by_leg: HashMap::new(),
            by_termination: HashMap::new(),
            by_tapi: HashMap::new(),
            by_line: HashMap::new(),
            parked: BTreeMap::new(),
            forwardings: HashMap::new(),
            tolls: Tolls::default(),
            hunting: hunt::Memory::default(),
            listening: Listening::default(),
            generations: Generations::default(),
            presence: Presence::new(Secret(lamps)),
            music: Music::default(),
            completing: Completing::default(),
            enrolments: BTreeMap::new(),
            centre,
            trunk_targets: HashMap::new(),
            identified: HashMap::new(),
            farewells: Farewells::default(),
            familiar,
            guesses: Guesses::default(),
            timers: TimerWheel::new(),
            outputs: forgotten.into_iter().map(Output::Store).collect(),
            next_call_id,
            next_event: 0,
            next_session,
            next_enrolment: 0,
            recordings: Recordings::default(),
            registration_timer: None,
            application_timer: None,
            is_draining: false,
            has_reported_drained: false,
        };
        exchange.read_lines();
        exchange.read_queue_lines();
        exchange.review_subscriptions();
        exchange.read_sounds();
        exchange.restore(restored);
        exchange.restore_forwardings(forwardings);
        messages.into_iter().for_each(|(line, count)| exchange.light_message_lamp(&line, count));
        exchange.restore_completions(completions);
        exchange.restore_dialogs(dialogs);
        exchange.open_centre(kept_centre.as_deref());
        exchange
    }

    /// Takes one input and appends what is to be done to `out`.
    pub fn handle(&mut self, clock: Clock, input: Input, out: &mut Vec<Output>) {
        self.clock = clock;
        let is_closed = matches!(input, Input::Closed(_));
        match input {
            Input::Sip(received) => {
                count(&self.counters.sip_messages_received_total);
                let stray = self.endpoint.stray(&received);
                if stray.is_none_or(|leg| self.may_come_from_elsewhere(leg, &received)) {
                    self.endpoint.receive(clock.now, received, &mut self.sip);
                }
            }
            Input::Malformed { bytes, error, flow } => self.on_malformed(&bytes, error, flow),
            Input::Identified { flow, names } => self.identify_connection(&flow, names),
            Input::TransportFailed(flow) | Input::Closed(flow) => {
                self.endpoint.transport_failed(clock.now, flow, &mut self.sip);
                self.registrations_lost(flow);
                self.forget_connection(&flow, is_closed);
            }
            Input::Unsent(transmit) => self.endpoint.unsent(clock.now, transmit, &mut self.sip),
            Input::Application(input) => self.on_application(input),
            Input::Administrator { token, request } => {
                let answer = self.on_administrator(request);
                self.outputs.push(Output::Answer { token, answer });
            }
            Input::Media(notify) => self.on_media(&notify),
            Input::Resolved { trunk, targets } => {
                self.trunk_targets.insert(trunk, targets);
                self.review_enrolments();
            }
            Input::Reload(config) => self.reload(config),
            Input::Drain => self.is_draining = true,
            Input::Stop => self.stop(),
            Input::Rest => self.rest(),
        }
        self.settle(out);
    }

    /// An operation on a line's conference, as an application will ask for it; calls are named by
    /// dwCallID. Gives those of the calls that were made.
    ///
    /// Errors: those of the TAPI function.
    #[doc(hidden)]
    pub fn conference(
        &mut self,
        clock: Clock,
        line: &str,
        step: ConferenceStep<'_>,
        out: &mut Vec<Output>,
    ) -> Result<Vec<u32>, tapi::LineErr> {
        self.clock = clock;
        let made = self.conference_step(line, step);
        self.settle(out);
        made
    }

    /// Fires every timer that is due.
    pub fn expire(&mut self, clock: Clock, out: &mut Vec<Output>) {
        self.clock = clock;
        self.endpoint.expire(clock.now, &mut self.sip);
        while let Some(timer) = self.timers.expire(clock.now) {
            self.on_timer(timer);
        }
        self.presence.expire(clock.now);
        self.settle(out);
    }

    /// When [`Exchange::expire`] is wanted next; possibly a little early, never late.
    pub fn next_deadline(&self) -> Option<Now> {
        let (sip, lamps) = (self.endpoint.next_deadline(), self.presence.next_deadline());
        [sip, lamps, self.timers.next_deadline()].into_iter().flatten().min()
    }

    /// Carries on until neither SIP nor TAPI has anything left to say.
    fn settle(&mut self, out: &mut Vec<Output>) {
        let had_drained = self.has_reported_drained;
        loop {
            if let Some(event) = self.sip.events.pop_front() {
                self.on_sip(event);
            } else if !self.relay_tapi()
                && !self.settle_listening()
                && !self.review_touched()
                && !self.settle_centre()
                && !self.tell_watchers()
                && !self.finish_draining()
            {
                break;
            }
        }
        let has_drained = self.has_reported_drained && !had_drained;
        let sent = self.sip.transmits.len() as u64;
        let counter = &self.counters.sip_messages_sent_total;
        counter.fetch_add(sent, std::sync::atomic::Ordering::Relaxed);
        out.append(&mut self.outputs);
        out.extend(self.sip.transmits.drain(..).map(Output::Transmit));
        self.update_gauges();
        if has_drained {
            out.push(Output::Drained);
        }
        if self.comes_to_rest() {
            out.push(Output::Rested);
        }
    }

    /// The last call is over and no new one comes: nothing is left to watch. True the first time.
    /// Failed attempts that are only shown any more are over.
    fn finish_draining(&mut self) -> bool {
        if !self.is_draining || self.has_reported_drained {
            return false;
        }
        if !self.calls.iter().all(|(_, call)| call.is_over_for_its_phone()) {
            return false;
        }
        let shown: Vec<CallId> = self.calls.iter().map(|(key, _)| CallId(key)).collect();
        for id in shown {
            self.stop_call_timer(id);
            self.on_keep_over(id);
        }
        self.has_reported_drained = true;
        self.end_subscriptions();
        self.disenrol_all();
        true
    }

    fn on_sip(&mut self, event: Event) {
        self.follow_dialog(&event);
        match event {
            Event::Request { id, message, flow } => self.on_request(id, &message, flow),
            Event::Invite { leg, message, flow, offer } => {
                self.on_invite(leg, &message, flow, offer.as_ref());
            }
            Event::Progress { leg, status, sdp, message } => {
                self.hear_response(leg, &message);
                self.on_progress(leg, status, sdp.as_ref());
                if sdp.is_some() {
                    self.hear_announcement(leg, status, &message);
                }
            }
            Event::Answered { leg, sdp, message } => {
                self.hear_response(leg, &message);
                self.on_answered(leg, sdp.as_ref());
            }
            Event::Refused { leg, status, message, .. } => {
                message.iter().for_each(|message| self.hear_response(leg, message));
                self.on_refused(leg, status, message.as_ref());
            }
            Event::Cancelled { leg, message } => self.on_cancelled(leg, &message),
            Event::Confirmed { leg, sdp } => self.on_confirmed(leg, sdp.as_ref()),
            Event::Offer { leg, sdp, .. } => self.on_offer(leg, sdp.as_ref()),
            Event::OfferWithdrawn { leg } => self.on_offer_withdrawn(leg),
            Event::OfferAnswered { leg, sdp, .. } => self.on_offer_answered(leg, sdp.as_ref()),
            Event::OfferRefused { leg, status } => self.on_offer_refused(leg, status),
            Event::InDialog { leg, id, message } => self.on_in_dialog(leg, id, &message),
            Event::Response { token, status, message } => {
                self.on_outcome(token, status, message.as_ref());
            }
            Event::Ended { leg, cause } => {
                if let EndCause::Bye(message) = &cause {
                    self.hear_bye(leg, message);
                }
                self.on_ended(leg, &cause);
            }
            _ => {}
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::NoAnswer(call) => self.on_no_answer(call),
            Timer::KeepFailed(call) => self.on_keep_over(call),
            Timer::Ring(call) => self.ring_again(call),
            Timer::Unanswered(call) => self.on_unanswered(call),
            Timer::PhoneControl(call) => self.on_phone_silent(call),
            Timer::Dialled(call) => self.on_dial_pause(call),
            Timer::Generated(call) => self.on_generated(call),
            Timer::Parked(call) => self.on_parked_too_long(call),
            Timer::RungInQueue(call) => self.on_rung_long_enough(call),
            Timer::Announce(call) => self.on_announce(call),
            Timer::PinPause(call) => self.finish_pin(call),
            Timer::Centre => self.on_centre_timer(),
            Timer::SaveCentre => self.save_centre(),
            Timer::Parting(leg) => self.on_parting(leg),
            Timer::Refuse(call, cause) => self.refuse_caller(call, cause),
            Timer::Confirmed(call) => self.on_confirmation_over(call),
            Timer::CalleeFree(request) => self.on_callee_free(request),
            Timer::CompletionExpires(request) => self.on_completion_expired(request),
            Timer::Farewell => self.on_farewell(),
            Timer::FarewellTold => self.on_farewell_told(),
            Timer::Registrations => self.expire_registrations(),
            Timer::Enrol(id) => self.enrol_again(id),
            Timer::Applications => {
                self.tapi.expire(self.clock.unix_ms);
                self.arm_applications();
            }
        }
    }

    fn on_media(&mut self, notify: &media::Notify) {
        match notify {
            media::Notify::Timeout { id, .. } => {
                if let Some(&call) = self.by_termination.get(id) {
                    self.on_media_timeout(call);
                }
            }
            media::Notify::Key { id, digit, .. } => self.on_media_key(*id, *digit),
            media::Notify::Digit { id, digit, duration, .. } => {
                self.on_media_digit(*id, *digit, *duration);
            }
            media::Notify::Recorded { ticket, recorded } => self.on_recorded(*ticket, *recorded),
            media::Notify::Tone { id, name, .. } => self.on_tone(*id, *name),
            media::Notify::Signal { id, signal, .. } => self.on_signal(*id, *signal),
            media::Notify::Unprotected { id, fault, .. } => self.on_handshake_failed(*id, *fault),
            _ => {}
        }
    }

    /// Whether new calls are refused because the switch is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// A new dwCallID, unique among live calls, never 0.
    pub(crate) fn new_call_id(&mut self) -> u32 {
        self.next_call_id = (self.next_call_id + 1) & 0x7fff_ffff;
        if self.next_call_id == 0 {
            self.next_call_id = 1;
        }
        self.next_call_id
    }

    /// A new SDP session identifier.
    pub(crate) fn new_session_id(&mut self) -> u64 {
        self.next_session += 1;
        self.next_session
    }

    /// Arms a timer `delay` from now.
    pub(crate) fn arm(&mut self, delay: Duration, timer: Timer) -> TimerToken {
        self.timers.arm(self.clock.now + delay, timer)
    }
}

fn authenticator_config(
    config: &Config,
    secret: [u8; 32],
    local: &[(Transport, SocketAddr)],
) -> AuthenticatorConfig {
    let addresses = local.iter().map(|(_, address)| address.ip().to_string());
    let algorithm = |named: &config::DigestAlgorithm| match named {
        config::DigestAlgorithm::Sha256 => Algorithm::Sha256,
        config::DigestAlgorithm::Md5 => Algorithm::Md5,
    };
    AuthenticatorConfig {
        algorithms: config.sip.digest.iter().map(algorithm).collect(),
        is_uri_exact: false,
        own_hosts: addresses.chain([config.domain.clone()]).collect(),
        ..AuthenticatorConfig::new(&config.domain, secret)
    }
}

fn endpoint_config(config: &Config) -> EndpointConfig {
    EndpointConfig {
        user_agent: "Strowger".to_owned(),
        session_expires: config.sip.session_expires,
        min_se: config.sip.min_session_expires,
        extensions: vec!["path".to_owned(), "replaces".to_owned()],
        allow_events: allow_events(),
        limits: Limits { subscriptions: MAX_SUBSCRIPTIONS, ..Limits::default() },
        ..EndpointConfig::default()
    }
}

/// What can be subscribed to, and what REFER brings.
pub(crate) fn allow_events() -> Vec<String> {
    let packages = PACKAGES.iter().map(|package| package.name);
    packages.chain(["refer"]).map(str::to_owned).collect()
}

fn server_config(config: &Config, secret: u128) -> ServerConfig {
    ServerConfig {
        max_queued_messages: config.api.max_queued_messages,
        resume_window: config.api.resume_window,
        domain: config.domain.clone(),
        secret,
    }
}

/// The words of an end of a leg, for the far side's LINEDISCONNECTMODE_.
pub(crate) fn default_mode(cause: &EndCause) -> tapi::constant::DisconnectMode {
    match cause {
        EndCause::Bye(_) => tapi::constant::DisconnectMode::Normal,
        _ => tapi::constant::DisconnectMode::TempFailure,
    }
}
