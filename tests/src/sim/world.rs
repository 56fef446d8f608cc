//! The world: runs exchange, phones and applications against the simulated network and clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use config::Config;
use serde_json::Value;
use sip_stack::flow::{Flow, Received, Transmit, Transport};
use sip_stack::message::Message;
use sip_stack::time::{Now, Seeded};
use switch::exchange::counters::Counters;
use switch::exchange::{ApplicationInput, Clock, Exchange, ExchangeParts, Input, Output};
use switch::phone::{PhoneConfig, PhoneCore, PhoneEvent};
use switch::registry::Registry;
use switch::store::{Change, StoredCompletions, StoredForwarding};

use super::media::SharedMedia;
use super::network::{Datagram, Faults, Network};
use super::watch::{ApplicationWatch, EventWatch};

/// Names a phone of the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PhoneIndex(pub usize);

/// Names an application of the world, over all its connections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Application(pub u64);

pub(super) struct SimPhone {
    pub(super) core: PhoneCore,
    pub(super) config: PhoneConfig,
    pub(super) address: SocketAddr,
    pub(super) rtp: SocketAddr,
    pub(super) events: VecDeque<PhoneEvent>,
    /// How often it was switched on.
    pub(super) starts: u64,
}

/// An application: what it has got and what it relies on.
#[derive(Default)]
pub(super) struct SimApplication {
    pub(super) connection: Option<u64>,
    pub(super) instance: String,
    pub(super) inbox: Vec<Value>,
    pub(super) watch: ApplicationWatch,
}

/// Wall-clock time of the world's start: 2026-01-01.
const START_UNIX_MS: u64 = 1_767_225_600_000;
/// Where the exchange listens.
pub(super) const SWITCH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
/// Longer than any transaction and any failed call lives.
const LINGER: Duration = Duration::from_secs(150);

/// The simulated world; see the module's text.
pub struct World {
    pub(super) seed: u64,
    pub(super) now: Now,
    exchange: Exchange,
    pub(super) network: Network,
    pub(super) phones: Vec<SimPhone>,
    pub(super) applications: BTreeMap<u64, SimApplication>,
    pub(super) connections: BTreeMap<u64, u64>,
    pub(super) next_request: u64,
    /// The relay's model.
    pub media: SharedMedia,
    /// Lines of `GET events`.
    pub events: Vec<Value>,
    /// What was to be kept over a restart, in order.
    pub changes: Vec<Change>,
    event_watch: EventWatch,
    answers: BTreeMap<u64, Result<Value, switch::exchange::Problem>>,
    /// What went to nobody's phone: datagrams to strangers, and everything on streams.
    strays: Vec<Transmit>,
    has_rested: bool,
}

/// What a switch finds of its previous run.
#[derive(Default)]
struct Kept {
    forwardings: Vec<StoredForwarding>,
    messages: Vec<(String, u32)>,
    completions: StoredCompletions,
    centre: Option<String>,
}

impl World {
    /// The office of `config/office.toml` on a perfect network.
    pub fn office(seed: u64) -> World {
        World::with_faults(seed, Faults::default())
    }

    /// The office with a change of its configuration.
    pub fn office_with(seed: u64, change: impl FnOnce(&mut Config)) -> World {
        let mut config = office();
        change(&mut config);
        World::new(seed, Faults::default(), config)
    }

    /// The office on a faulty network.
    pub fn with_faults(seed: u64, faults: Faults) -> World {
        World::new(seed, faults, office())
    }

    /// A world of any configuration.
    pub fn new(seed: u64, faults: Faults, config: Config) -> World {
        World::begun(seed, faults, config, Kept::default())
    }

    /// The office after a restart of the switch: what the changes have kept is still there.
    pub fn restarted(seed: u64, changes: &[Change]) -> World {
        let mut kept: BTreeMap<&str, StoredForwarding> = BTreeMap::new();
        for change in changes {
            if let Change::SaveForwarding(set) = change {
                kept.insert(&set.line, set.clone());
            }
        }
        let kept = kept.into_values().collect();
        let messages: BTreeMap<String, u32> = changes
            .iter()
            .filter_map(|change| match change {
                Change::SaveMessages { line, count } => Some((line.clone(), *count)),
                _ => None,
            })
            .collect();
        let messages = messages.into_iter().filter(|(_, count)| *count > 0).collect();
        let completions = completions_of(changes);
        let centre = changes.iter().rev().find_map(|change| match change {
            Change::SaveCentre { snapshot } => Some(snapshot.clone()),
            _ => None,
        });
        let kept = Kept { forwardings: kept, messages, completions, centre };
        World::begun(seed, Faults::default(), office(), kept)
    }

    fn begun(seed: u64, faults: Faults, config: Config, kept: Kept) -> World {
        let Kept { forwardings, messages, completions, centre } = kept;
        let media = SharedMedia::default();
        let clock = Clock { now: Now::ZERO, unix_ms: START_UNIX_MS };
        let tcp = (Transport::Tcp, SWITCH);
        let exchange = Exchange::new(ExchangeParts {
            config: Arc::new(config),
            media: Box::new(media.clone()),
            registry: Arc::new(Registry::new()),
            counters: Arc::new(Counters::default()),
            entropy: Box::new(Seeded::new(seed)),
            local: vec![(Transport::Udp, SWITCH), tcp],
            restored: Vec::new(),
            forwardings,
            messages,
            completions,
            dialogs: Vec::new(),
            centre,
            familiar: Vec::new(),
            clock,
        });
        World {
            seed,
            now: Now::ZERO,
            exchange,
            network: Network::new(seed, faults),
            phones: Vec::new(),
            applications: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_request: 0,
            media,
            events: Vec::new(),
            changes: Vec::new(),
            event_watch: EventWatch::default(),
            answers: BTreeMap::new(),
            strays: Vec::new(),
            has_rested: false,
        }
    }

    /// An administrator's request.
    pub fn administrator(
        &mut self,
        request: switch::exchange::AdminRequest,
    ) -> Result<Value, switch::exchange::Problem> {
        self.next_request += 1;
        let token = self.next_request;
        self.input(Input::Administrator { token, request });
        self.answers.remove(&token).expect("every request is answered")
    }

    /// The identifiers of the requests for completion.
    pub fn completions(&mut self) -> Vec<u32> {
        use switch::exchange::AdminRequest;
        let rows = self.administrator(AdminRequest::Completions).unwrap_or_default();
        let rows = rows.as_array().into_iter().flatten();
        let ids = rows.filter_map(|row| row["completionId"].as_u64());
        ids.filter_map(|id| u32::try_from(id).ok()).collect()
    }

    /// Nobody waits for anybody any more.
    pub fn cancel_completions(&mut self) {
        for completion in self.completions() {
            let request = switch::exchange::AdminRequest::CancelCompletion { completion };
            let _ = self.administrator(request);
        }
    }

    /// An operation on a line's conference; gives the dwCallIDs of the calls that it makes.
    pub fn conference(
        &mut self,
        line: &str,
        step: switch::exchange::ConferenceStep<'_>,
    ) -> Result<Vec<u32>, tapi::LineErr> {
        let mut out = Vec::new();
        let made = self.exchange.conference(self.clock(), line, step, &mut out);
        self.carry_out(out);
        made
    }

    /// Gives the exchange an input.
    pub fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.exchange.handle(self.clock(), input, &mut out);
        self.carry_out(out);
    }

    /// Octets arrive at the exchange over a flow of a stranger, at once.
    pub fn receive(&mut self, bytes: Bytes, flow: Flow) {
        let input = match Message::parse(bytes.clone()) {
            Ok(message) => Input::Sip(Received { message, flow }),
            Err(error) => Input::Malformed { bytes, error, flow },
        };
        self.input(input);
    }

    /// What the exchange has sent to strangers and over streams since the last question.
    pub fn strays(&mut self) -> Vec<Transmit> {
        std::mem::take(&mut self.strays)
    }

    /// Whether the exchange has nothing more to say after [`Input::Rest`].
    pub fn has_rested(&self) -> bool {
        self.has_rested
    }

    /// Runs until `done`, at most ten simulated minutes.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut World) -> bool) {
        let limit = self.now + Duration::from_secs(600);
        self.flush_phones();
        while !done(self) {
            let has_happened = self.step(limit);
            self.demand(if has_happened { Ok(()) } else { Err(format!("{what}: never happened")) });
        }
    }

    /// Runs for a time.
    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        self.flush_phones();
        while self.step(limit) {}
        self.now = limit;
    }

    /// Runs until nothing is left to do but timers beyond `time`.
    pub fn settle(&mut self) {
        self.run_for(Duration::from_millis(200));
    }

    /// The network loses nothing any more, and everybody is reached.
    pub fn heal(&mut self) {
        self.network.heal();
    }

    /// The network is as bad as this from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.network.set_faults(faults);
    }

    /// After all calls are over: asserts that nothing is left anywhere.
    pub fn assert_at_rest(&mut self) {
        self.run_for(LINGER);
        let left = self.exchange.residue();
        let is_at_rest = self.exchange.is_at_rest() && left.is_empty();
        self.demand(if is_at_rest { Ok(()) } else { Err(format!("the exchange keeps {left:?}")) });
        let terminations = self.media.with(|model| model.count());
        let is_returned = terminations == 0 && self.media.with(|model| model.conferences()) == 0;
        self.demand(if is_returned { Ok(()) } else { Err("media ports leaked".to_owned()) });
        for phone in &self.phones {
            if !phone.core.is_at_rest() {
                let number = phone.core.number().to_owned();
                return self.demand(Err(format!("phone {number} is not at rest")));
            }
        }
        self.demand(self.event_watch.check_end());
        let ends: Vec<_> = self.applications.values().map(|a| a.watch.check_end()).collect();
        for end in ends {
            self.demand(end);
        }
    }

    /// Once no application holds a call any more: asserts that the TAPI server has forgotten all.
    pub fn assert_forgotten(&self) {
        let kept = self.exchange.kept_calls();
        self.demand(if kept == 0 { Ok(()) } else { Err(format!("TAPI keeps {kept} calls")) });
    }

    /// What happened, for a failure.
    pub fn ladder(&self) -> String {
        self.network.ladder()
    }

    /// Writes a line into the ladder.
    pub fn note(&mut self, text: impl Into<String>) {
        self.network.note(self.now, text.into());
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The simulated time.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The simulated wall-clock time, as events carry it.
    pub fn unix_ms(&self) -> u64 {
        self.clock().unix_ms
    }

    /// Fails with seed and ladder when a rule is broken.
    pub fn demand(&self, rule: Result<(), String>) {
        if let Err(broken) = rule {
            panic!("seed {}: {broken}\n{}\nseed {}: {broken}", self.seed, self.ladder(), self.seed);
        }
    }

    /// One step to the next arrival or deadline; false when that is beyond `limit`.
    fn step(&mut self, limit: Now) -> bool {
        let deadlines = self
            .phones
            .iter()
            .map(|phone| phone.core.next_deadline())
            .chain([self.exchange.next_deadline(), self.network.next_arrival()]);
        let Some(next) = deadlines.flatten().min() else { return false };
        if next > limit {
            return false;
        }
        self.now = self.now.max(next);
        while let Some(datagram) = self.network.arrived(self.now) {
            self.deliver(datagram);
        }
        if self.exchange.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            let mut out = Vec::new();
            self.exchange.expire(self.clock(), &mut out);
            self.carry_out(out);
        }
        let now = self.now;
        for phone in &mut self.phones {
            if phone.core.next_deadline().is_some_and(|deadline| deadline <= now) {
                phone.core.expire(now);
            }
        }
        self.flush_phones();
        self.demand(self.exchange.check());
        self.demand(self.media.with(|model| model.check()));
        true
    }

    fn deliver(&mut self, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        let flow = Flow::udp(to, from);
        if to == SWITCH {
            return self.receive(bytes, flow);
        }
        let now = self.now;
        match self.phones.iter_mut().find(|phone| phone.address == to) {
            Some(phone) => {
                if let Ok(message) = Message::parse(bytes) {
                    phone.core.receive(now, Received { message, flow });
                }
            }
            None => self.strays.push(Transmit { bytes, flow: Flow::udp(from, to) }),
        }
        self.flush_phones();
    }

    pub(super) fn flush_phones(&mut self) {
        for phone in &mut self.phones {
            while let Some(transmit) = phone.core.poll_transmit() {
                let datagram = Datagram {
                    from: phone.address,
                    to: transmit.flow.remote,
                    bytes: transmit.bytes,
                };
                self.network.send(self.now, datagram);
            }
            while let Some(event) = phone.core.poll_event() {
                phone.events.push_back(event);
            }
        }
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        let mut written: BTreeMap<u64, usize> = BTreeMap::new();
        for output in outputs {
            match output {
                Output::Transmit(transmit) if transmit.flow.transport == Transport::Udp => {
                    let (bytes, to) = (transmit.bytes, transmit.flow.remote);
                    self.network.send(self.now, Datagram { from: SWITCH, to, bytes });
                }
                Output::Transmit(transmit) => self.strays.push(transmit),
                Output::Application { connection, text } => {
                    *written.entry(connection).or_default() += 1;
                    self.tell(connection, &text);
                }
                Output::CloseApplication { connection, .. } => {
                    if let Some(application) = self.connections.remove(&connection)
                        && let Some(application) = self.applications.get_mut(&application)
                        && application.connection == Some(connection)
                    {
                        application.connection = None;
                    }
                }
                Output::Event { event, .. } => {
                    let seen = self.event_watch.sees(&event);
                    self.note_event(&event);
                    self.events.push(event);
                    self.demand(seen);
                }
                Output::Answer { token, answer } => {
                    self.answers.insert(token, answer);
                }
                Output::Dialog { .. } => {}
                Output::Store(change) => self.changes.push(change),
                Output::Rested => self.has_rested = true,
                _ => {}
            }
        }
        for (connection, texts) in written {
            let input = Input::Application(ApplicationInput::Written { connection, texts });
            self.exchange.handle(self.clock(), input, &mut Vec::new());
        }
    }

    fn note_event(&mut self, event: &Value) {
        if event["kind"] == "LINE_CALLSTATE" {
            let word = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            let (line, state, mode) = (word("line"), word("callState"), word("mode"));
            self.note(format!("    {line} call {} {state} {mode}", event["callId"]));
        }
    }

    fn clock(&self) -> Clock {
        let elapsed = u64::try_from(self.now.0.as_millis()).unwrap_or(u64::MAX);
        Clock { now: self.now, unix_ms: START_UNIX_MS + elapsed }
    }
}

/// What is left of call completion after these changes.
fn completions_of(changes: &[Change]) -> StoredCompletions {
    let mut kept = StoredCompletions::default();
    for change in changes {
        match change {
            Change::SaveCompletion(request) => {
                kept.last_id = kept.last_id.max(request.id);
                kept.requests.retain(|known| known.id != request.id);
                kept.requests.push(request.clone());
            }
            Change::RemoveCompletion { id } => kept.requests.retain(|known| known.id != *id),
            Change::SaveLeft { line, messages } => {
                kept.messages.retain(|(known, _)| known != line);
                kept.messages.push((line.clone(), messages.clone()));
            }
            _ => {}
        }
    }
    kept
}

fn office() -> Config {
    static OFFICE: OnceLock<Config> = OnceLock::new();
    let office = OFFICE.get_or_init(|| {
        let text = include_str!("../../../config/office.toml");
        config::parse(text, "office.toml").expect("office.toml is valid")
    });
    office.clone()
}
