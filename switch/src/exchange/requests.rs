//! Requests that belong to no INVITE: REGISTER, OPTIONS, refusals, and requests inside dialogs.
//!
//! Also the switch's authentication of its lines. Source: sip-mapping §1.5, §6; security §3.

use std::sync::Arc;

use bytes::Bytes;
use config::{Config, DigestAlgorithm};
use serde_json::json;
use sip_stack::auth::{Ha1, Verdict};
use sip_stack::endpoint::{ALLOW, LegId, Reply, RequestId};
use sip_stack::flow::{Flow, Received, Transmit};
use sip_stack::message::validate::answer_unparsable;
use sip_stack::message::{HeaderName, Message, Method, ParseError, response_to};
use tapi::constant::{
    AddrCapFlag, AddrFeature, CallComplCond, CallFeature, CallFeature2, CallState, CallTreatment,
    Constant as _, DigitMode, ForwardMode, LineDevStatusFlag, MediaMode, RemoveFromConf,
};
use tapi::{AgentService, CompletionLimits, ForwardLimits, LineOffers, LineSpec, Mask, Offers};

use super::counters::count;
use super::mailbox::Output;
use super::queue_line::has_agents;
use super::{Exchange, Suspicion};
use crate::call::Timer;
use crate::call::shared::add_shared_addresses;
use crate::call::user_info::MAX_INFO;
use crate::call::wishes::MAX_CALL_DATA;
use crate::feature::forward::{MAX_ENTRIES, MAX_RINGS};
use crate::registrar::Registration;
use crate::registry::Binding;
use crate::route::location::translation;
use crate::store::StoredBinding;

/// Time-outs of lineGatherDigits.
const GATHER_MIN_MS: u32 = 100;
const GATHER_MAX_MS: u32 = 600_000;

impl Exchange {
    /// A request outside of any dialog.
    pub(crate) fn on_request(&mut self, id: RequestId, message: &Message, flow: Flow) {
        let is_sips = message.request_uri().is_some_and(crate::call::identity::is_sips);
        if is_sips && !flow.transport.is_secure() {
            // RFC 3261 §26.2.2: it should not have come this way.
            return self.reply(id, Reply::new(416));
        }
        match message.method() {
            Method::Register => self.on_register(id, message, flow),
            Method::Options => self.on_options(id, message, flow),
            Method::Notify if event_is(message, "keep-alive") => self.reply(id, Reply::new(200)),
            Method::Subscribe => self.on_subscribe(id, message, flow),
            Method::Publish => self.reply(id, Reply::new(489)),
            Method::Refer => self.reply(id, Reply::new(403)),
            Method::Notify | Method::Info | Method::Update | Method::Prack => {
                self.reply(id, Reply::new(481));
            }
            _ => self.reply(id, Reply::new(405).header("Allow", ALLOW)),
        }
    }

    fn on_register(&mut self, id: RequestId, message: &Message, flow: Flow) {
        let user = match self.authenticate(message, flow) {
            Verdict::Authenticated { user } => user,
            verdict => {
                let reply = self.challenge(&verdict, message, flow);
                return self.reply(id, reply);
            }
        };
        let Some(line) = self.config.lines.get(&user).cloned() else {
            return self.reply(id, Reply::new(404));
        };
        let was_reachable = !self.registrar.registry().contacts(&user).is_empty();
        let former = self.registrar.registry().bindings(&user);
        let outcome = self.registrar.register(self.clock, &self.config, &line, message, flow);
        let is_accepted = outcome.reply.status < 300;
        count(if is_accepted {
            &self.counters.registrations_accepted_total
        } else {
            &self.counters.registrations_refused_total
        });
        let has_come = is_accepted && !self.registrar.registry().contacts(&user).is_empty();
        if has_come {
            self.note_login(&user, message, flow);
            self.take_dialogs_back(&user, &former);
        }
        let events = super::allow_events().join(", ");
        self.reply(id, outcome.reply.header("Allow-Events", events));
        self.registrations_changed(outcome.changes);
        self.show_reachability(&user, was_reachable);
        self.arm_registrations();
    }

    /// Lets the calls of a phone whose connection broke go on over the one that it registers by now
    /// (RFC 5626 §5.3): without it our BYE would go where nobody listens. `former`: the line's bindings
    /// before.
    fn take_dialogs_back(&mut self, line: &str, former: &[Arc<Binding>]) {
        let calls = self.by_line.get(line).into_iter().flatten();
        let legs: Vec<LegId> = calls
            .filter_map(|id| self.calls.get(id.0))
            .flat_map(|call| call.legs.clone())
            .collect();
        for leg in legs {
            let Some(view) = self.endpoint.leg(leg) else { continue };
            if !view.flow.transport.is_reliable() || view.flow.connection.is_some() {
                continue;
            }
            let is_its = |binding: &&Arc<Binding>| {
                let had = former.iter().find(|former| former.id == binding.id);
                binding.uri == view.remote_target
                    || had.is_some_and(|had| had.flow.remote == view.flow.remote)
            };
            let contacts = self.registrar.registry().contacts(line);
            if let Some(flow) = contacts.iter().find(is_its).map(|binding| binding.flow) {
                self.endpoint.set_flow(leg, flow);
            }
        }
    }

    /// Publishes and keeps what the registrar did.
    fn registrations_changed(&mut self, changes: Vec<Registration>) {
        for change in changes {
            self.touch(change.line());
            let kind = change.kind();
            self.publish(kind, json!({"line": change.line(), "contact": change.contact()}));
            self.outputs.push(Output::Store(change.into_store()));
        }
        let bindings = self.registrar.registry().binding_count() as u64;
        self.counters.bindings.store(bindings, std::sync::atomic::Ordering::Relaxed);
    }

    /// LINEDEVSTATE_INSERVICE or OUTOFSERVICE when the first binding comes or the last one goes.
    fn show_reachability(&mut self, line: &str, was_reachable: bool) {
        let is_reachable = !self.registrar.registry().contacts(line).is_empty();
        if was_reachable != is_reachable {
            self.show_service(line, is_reachable);
        }
    }

    fn show_service(&mut self, line: &str, is_in_service: bool) {
        if let Some(device) = self.tapi.line_by_number(line) {
            self.tapi.line_service(self.clock.unix_ms, device, is_in_service);
        }
        self.presence.touch_line(line);
        self.touch_desk(line);
    }

    /// A connection is gone, and with it the way to the phones that registered over it.
    pub(super) fn registrations_lost(&mut self, flow: Flow) {
        for line in self.registrar.flow_lost(&flow) {
            self.touch(&line);
            self.show_reachability(&line, true);
        }
    }

    /// Bindings whose time is over.
    pub(crate) fn expire_registrations(&mut self) {
        let changes = self.registrar.expire(self.clock);
        let lines: Vec<String> = changes.iter().map(|change| change.line().to_owned()).collect();
        self.registrations_changed(changes);
        for line in lines {
            self.show_reachability(&line, true);
        }
        self.arm_registrations();
    }

    fn arm_registrations(&mut self) {
        if let Some(token) = self.registration_timer.take() {
            self.timers.disarm(token);
        }
        self.registration_timer =
            self.registrar.next_expiry().map(|at| self.timers.arm(at, Timer::Registrations));
    }

    fn on_options(&mut self, id: RequestId, message: &Message, flow: Flow) {
        let has_user = crate::call::identity::dialled_number(message).is_some();
        if has_user {
            let verdict = self.authenticate(message, flow);
            if !matches!(verdict, Verdict::Authenticated { .. }) {
                let reply = self.challenge(&verdict, message, flow);
                return self.reply(id, reply);
            }
        }
        self.reply(id, capabilities());
    }

    /// A request inside the dialog of a leg.
    pub(crate) fn on_in_dialog(&mut self, leg: LegId, id: RequestId, message: &Message) {
        match message.method() {
            Method::Options => self.reply(id, capabilities()),
            Method::Info => {
                self.on_info(leg, id, message);
                self.hear_info(leg, message);
            }
            Method::Notify if event_is(message, "keep-alive") => self.reply(id, Reply::new(200)),
            Method::Notify => self.reply(id, Reply::new(481)),
            Method::Subscribe => self.on_resubscribe(leg, id, message),
            Method::Refer => self.on_refer(leg, id, message),
            _ => self.reply(id, Reply::new(405).header("Allow", ALLOW)),
        }
    }

    /// Answers 400 where the sender can be told that this was no SIP message.
    pub(crate) fn on_malformed(&mut self, bytes: &Bytes, error: ParseError, flow: Flow) {
        count(&self.counters.sip_messages_malformed_total);
        self.suspect(Suspicion::Malformed, Some(flow.remote), "", error.to_string());
        let tag = format!("{:x}", self.new_session_id());
        if let Some(answer) = answer_unparsable(bytes, error, &tag) {
            self.outputs.push(Output::Transmit(Transmit { bytes: answer, flow }));
        }
    }

    /// Checks the digest of a request; who it names is a line of ours.
    pub(crate) fn authenticate(&mut self, message: &Message, flow: Flow) -> Verdict {
        let credentials = &self.credentials;
        let verdict = self.authenticator.verify(
            (self.clock.unix_ms / 1000, flow.remote.ip()),
            message,
            HeaderName::Authorization,
            |user| credentials.get(user).cloned(),
        );
        match &verdict {
            Verdict::Wrong { user } => {
                count(&self.counters.authentications_refused_total);
                let is_proven = user.is_some();
                self.outputs.push(Output::AuthenticationRefused {
                    source: flow.remote,
                    line: printable(user.as_deref().unwrap_or_default()),
                    reason: "wrong credentials",
                    is_proven,
                });
                if is_proven {
                    self.outputs.push(Output::LoginFailed(flow.remote));
                }
                if let Some(user) = user {
                    self.note_guess(user, flow.remote);
                }
            }
            Verdict::Authenticated { .. } => self.outputs.push(Output::LoggedIn(flow.remote)),
            Verdict::Missing | Verdict::Stale | Verdict::Malformed => {}
        }
        verdict
    }

    /// A line that claims to be another one.
    pub(crate) fn refuse_identity(&mut self, flow: Flow, user: &str) {
        count(&self.counters.authentications_refused_total);
        let reason = "From is another line";
        self.suspect(Suspicion::SpoofedIdentity, Some(flow.remote), user, reason);
    }

    /// The answer to a request that is not authenticated.
    pub(crate) fn challenge(&mut self, verdict: &Verdict, message: &Message, flow: Flow) -> Reply {
        if matches!(verdict, Verdict::Malformed) {
            return Reply::new(400).reason("Bad Authorization");
        }
        // Whoever answers no live challenge of ours learns nothing: with the right password and with a
        // wrong one he is asked anew, and then a wrong one counts (SEC-61).
        let is_stale = matches!(verdict, Verdict::Stale | Verdict::Wrong { user: None });
        let now_s = self.clock.unix_ms / 1000;
        let mut reply = Reply::new(401);
        let mut challenges = self.authenticator.challenges(now_s, flow.remote.ip(), is_stale);
        if self.config.sip.digest == [DigestAlgorithm::Sha256, DigestAlgorithm::Md5] {
            challenges = suited_to(message.header(HeaderName::UserAgent), challenges);
        }
        for challenge in challenges {
            reply = reply.header("WWW-Authenticate", challenge);
        }
        reply
    }

    /// Whether a request inside a dialog may come over another path than the dialog's own: only
    /// from the dialog's trunk or with the credentials of its line; then the dialog moves there.
    /// Otherwise it is answered here, without a transaction (security SEC-40).
    pub(super) fn may_come_from_elsewhere(&mut self, leg: LegId, received: &Received) -> bool {
        if self.is_from_trunk(leg, &received.flow) {
            return true;
        }
        let message = &received.message;
        let verdict = self.authenticate(message, received.flow);
        let owner = self.by_leg.get(&leg).and_then(|call| self.calls.get(call.0));
        let owner = owner.and_then(|call| call.party.line());
        let owner = owner.or_else(|| self.presence.subscriber(leg));
        let reply = match &verdict {
            Verdict::Authenticated { user } if Some(user.as_str()) == owner => return true,
            Verdict::Authenticated { user } => {
                self.note_hijack(leg, user, received.flow.remote);
                Reply::new(403)
            }
            verdict => self.challenge(verdict, message, received.flow),
        };
        let tag = format!("{:x}", self.new_session_id());
        let reason = sip_stack::message::reason_phrase(reply.status);
        let mut answer = response_to(message, reply.status, reason, Some(&tag));
        for (name, value) in &reply.headers {
            answer.header_named(name, value);
        }
        let bytes = answer.finish(None, b"");
        self.outputs.push(Output::Transmit(Transmit { bytes, flow: received.flow }));
        false
    }

    /// Makes lines and credentials those of the configuration.
    pub(super) fn read_lines(&mut self) {
        let config = self.config.clone();
        self.credentials = config
            .lines
            .values()
            .map(|line| {
                let password = line.password.expose();
                (line.number.clone(), Ha1::new(&line.number, &config.domain, password))
            })
            .collect();
        for line in config.lines.values() {
            self.tapi.add_line(line_spec(&config, line));
        }
        self.tapi.set_translation(translation(&config));
    }

    /// Takes back the bindings of the previous run.
    pub(super) fn restore(&mut self, bindings: Vec<StoredBinding>) {
        let config = self.config.clone();
        let known = bindings.into_iter().filter(|b| config.lines.contains_key(&b.line)).collect();
        self.registrar.restore(self.clock, known);
        for line in config.lines.keys() {
            if !self.registrar.registry().contacts(line).is_empty() {
                self.show_service(line, true);
            }
        }
        self.registrations_changed(Vec::new());
        self.arm_registrations();
    }

    /// Applies a new configuration; calls in progress are not touched.
    pub(super) fn reload(&mut self, config: Arc<Config>) {
        let removed: Vec<String> = self
            .config
            .lines
            .keys()
            .filter(|number| !config.lines.contains_key(*number))
            .cloned()
            .collect();
        self.disenrol_for(&config);
        let before = self.config.clone();
        self.config = Arc::new(Config::clone(&config).over(&self.config));
        for line in removed {
            if let Some(device) = self.tapi.line_by_number(&line) {
                self.leave_desk(&line, device);
                self.tapi.remove_line(self.clock.unix_ms, device);
            }
            self.forget_forwarding(&line);
            self.forget_completions(&line);
            self.forget_messages(&line);
            let forgotten = self.familiar.forget(&line);
            self.outputs.push(Output::Store(forgotten));
            let changes = self.registrar.forget_line(&line);
            self.registrations_changed(changes);
        }
        let config = self.config.clone();
        self.guesses.keep_only(|line| config.lines.contains_key(line));
        let gone = |number: &&String| {
            !config.lines.contains_key(*number) && !config.shared_lines.contains_key(*number)
        };
        let forgotten: Vec<String> = self.forwardings.keys().filter(gone).cloned().collect();
        forgotten.iter().for_each(|number| self.forget_forwarding(number));
        self.read_lines();
        self.read_queue_lines();
        self.read_sounds();
        self.reload_centre(&before);
        self.hunting.keep_only(&self.config);
        self.review_subscriptions();
        self.review_enrolments();
        self.publish("RELOADED", json!({}));
    }

    pub(crate) fn reply(&mut self, id: RequestId, reply: Reply) {
        self.endpoint.respond(self.clock.now, id, &reply, None, &mut self.sip);
    }
}

/// The challenges in an order that the client can work with: SIP programs that do not even name
/// themselves read only the first one and know MD5 alone (SIPp before 3.7); baresip 1 gives up when
/// it sees any algorithm but MD5. All others are asked for SHA-256 first (RFC 8760), and so is
/// everybody where the configuration chooses the algorithms by `[sip] digest`.
fn suited_to(user_agent: Option<&str>, mut challenges: Vec<String>) -> Vec<String> {
    let is_md5 = |challenge: &String| challenge.contains("algorithm=MD5");
    let has_md5 = challenges.iter().any(is_md5);
    match user_agent {
        Some(agent) if has_md5 && agent.starts_with("baresip v1.") => challenges.retain(is_md5),
        None => challenges.sort_by_key(|challenge| !is_md5(challenge)),
        Some(_) => {}
    }
    challenges
}

/// What OPTIONS says of us (RFC 3261 §11.2) beside what every answer says: Allow, Allow-Events.
fn capabilities() -> Reply {
    Reply::new(200)
        .header("Accept", "application/sdp")
        .header("Accept-Encoding", "identity")
        .header("Accept-Language", "en")
}

fn event_is(message: &Message, package: &str) -> bool {
    let event = message.header(HeaderName::Event).unwrap_or_default();
    event.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(package)
}

/// Foreign text for a log line: printable ASCII, at most 64 characters (security SEC-111).
fn printable(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '?' };
    text.chars().take(64).map(safe).collect()
}

fn line_spec(config: &Config, line: &config::Line) -> LineSpec {
    let mut spec =
        LineSpec::new(&line.number, &line.name, permanent_id(&line.number), line.max_calls);
    for address in &mut spec.addresses {
        address.cap_flags |=
            AddrCapFlag::AutoReconnect | AddrCapFlag::TransferHeld | AddrCapFlag::TransferMake;
        address.cap_flags |= AddrCapFlag::ConfDrop | AddrCapFlag::PickupCallWait;
        address.cap_flags |= AddrCapFlag::CompletionId | AddrCapFlag::OrigOffHook;
        address.cap_flags |= AddrCapFlag::FwdNumRings | AddrCapFlag::FwdStatusValid;
        address.cap_flags |= AddrCapFlag::FwdIntExtAddr | AddrCapFlag::FwdBusyNaAddr;
        address.cap_flags |= AddrCapFlag::ConferenceHeld | AddrCapFlag::ConferenceMake;
        address.cap_flags |=
            AddrCapFlag::Secure | AddrCapFlag::BlockIdOverride | AddrCapFlag::DestOffHook;
        if has_agents(config) {
            address.cap_flags |= AddrCapFlag::AcdGroup;
        }
        address.offers = offers(config, line);
    }
    add_shared_addresses(&mut spec, config, line);
    spec.offers = line_offers();
    if line.agent_handler == config::AgentHandler::Application {
        spec.offers.agents = AgentService::Application;
    }
    spec.media_modes |= MediaMode::G3Fax;
    spec
}

/// What can be heard and sent on the calls of a line.
fn line_offers() -> LineOffers {
    LineOffers {
        monitor_digit_modes: DigitMode::Dtmf | DigitMode::DtmfEnd,
        generate_digit_modes: DigitMode::Dtmf.into(),
        gather_min_timeout_ms: GATHER_MIN_MS,
        gather_max_timeout_ms: GATHER_MAX_MS,
        generate_tone_modes: Mask::all(),
        max_generated_frequencies: u32::try_from(media::PARTIALS_MAX).unwrap_or(u32::MAX),
        max_monitored_frequencies: 3,
        max_monitored_tones: u32::try_from(media::WATCHED_TONES_MAX).unwrap_or(u32::MAX),
        monitor_media_modes: MediaMode::InteractiveVoice | MediaMode::G3Fax,
        user_user_info_size: MAX_INFO,
        settable_status: LineDevStatusFlag::MsgWait.into(),
        agents: AgentService::BuiltIn,
    }
}

/// What the exchange can do on an address beyond making, answering, holding and dropping calls.
fn offers(config: &Config, line: &config::Line) -> Offers {
    use CallFeature as Call;
    let most = u32::try_from(MAX_ENTRIES).unwrap_or(u32::MAX);
    let mut call_features =
        Call::SwapHold | Call::SetupTransfer | Call::CompleteTransf | Call::BlindTransfer;
    call_features |= Call::Redirect
        | Call::SetupConf
        | Call::PrepareAddConf
        | Call::AddToConf
        | Call::RemoveFromConf;
    call_features |= Call::MonitorDigits | Call::MonitorTones | Call::MonitorMedia;
    call_features |= Call::GatherDigits | Call::GenerateDigits | Call::GenerateTone;
    call_features |= Call::SecureCall
        | Call::SetCallParams
        | Call::SetCallData
        | Call::SetTreatment
        | Call::SendUserUser
        | Call::ReleaseUserUserInfo;
    let mut call_features2 = CallFeature2::TransferNorm | CallFeature2::OneStepTransfer;
    call_features2 |= CallFeature2::TransferConf | CallFeature2::NoHoldConference;
    let mut address_features = AddrFeature::PickupDirect
        | AddrFeature::PickupWaiting
        | AddrFeature::ForwardFwd
        | AddrFeature::ForwardDnd;
    if line.pickup_group.is_some() {
        address_features |= AddrFeature::PickupGroup;
    }
    if !config.park.lots.is_empty() {
        call_features |= Call::Park;
        call_features2 |= CallFeature2::ParkDirect | CallFeature2::ParkNonDirect;
        address_features |= AddrFeature::Unpark;
    }
    call_features |= Call::CompleteCall;
    call_features2 |= CallFeature2::ComplCampOn | CallFeature2::ComplCallback;
    address_features |= AddrFeature::UncompleteCall;
    if !config.completion.messages.is_empty() {
        call_features2 |= CallFeature2::ComplMessage;
    }
    if config.completion.intruders.contains(&line.number) {
        call_features2 |= CallFeature2::ComplIntrude;
    }
    Offers {
        call_features,
        call_features2,
        address_features,
        completion: CompletionLimits {
            conditions: CallComplCond::Busy | CallComplCond::NoAnswer,
            max: u32::try_from(config.completion.max_per_address).unwrap_or(u32::MAX),
            messages: config.completion.messages.clone(),
        },
        max_on_hold_pending: 1,
        forward: ForwardLimits {
            modes: Mask::all() - (ForwardMode::Unknown | ForwardMode::Unavail),
            max_entries: most,
            max_specific_entries: most,
            min_rings: 1,
            max_rings: MAX_RINGS,
        },
        max_transfer_conference: 3,
        max_conference: u32::try_from(media::MEMBERS_MAX).unwrap_or(u32::MAX),
        remove_from_conference: RemoveFromConf::Any,
        removed_state: CallState::Idle,
        max_call_data: MAX_CALL_DATA,
        treatments: CallTreatment::ALL.to_vec(),
        ..Offers::default()
    }
}

/// dwPermanentLineID: follows from the number alone (FNV-1a), so that restarts and reloads keep it.
pub(super) fn permanent_id(number: &str) -> u32 {
    number
        .bytes()
        .fold(0x811c_9dc5, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenges() -> Vec<String> {
        ["algorithm=SHA-256, qop", "algorithm=MD5, qop"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_phone_is_asked_for_sha_256_first() {
        assert_eq!(suited_to(Some("Yealink SIP-T54W 96.86"), challenges()), challenges());
    }

    #[test]
    fn a_client_that_does_not_name_itself_is_asked_for_md5_first() {
        let mut reversed = challenges();
        reversed.reverse();
        assert_eq!(suited_to(None, challenges()), reversed);
    }

    #[test]
    fn baresip_1_is_asked_for_md5_alone_unless_only_sha_256_is_allowed() {
        let agent = Some("baresip v1.0.0 (x86_64/linux)");
        assert_eq!(suited_to(agent, challenges()), ["algorithm=MD5, qop"]);
        let strict = vec!["algorithm=SHA-256, qop".to_owned()];
        assert_eq!(suited_to(agent, strict.clone()), strict);
    }
}
