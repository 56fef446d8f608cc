//! The world: runs exchange, phones and applications against the simulated network and clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::Config;
use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::flow::{Flow, Received, Transport};
use sip_stack::message::Message;
use sip_stack::time::{Now, Seeded};
use switch::exchange::counters::Counters;
use switch::exchange::{ApplicationInput, Clock, Exchange, ExchangeParts, Input, Output};
use switch::phone::{Behaviour, PhoneConfig, PhoneCore, PhoneEvent};
use switch::registry::Registry;

use super::media::SharedMedia;
use super::network::{Datagram, Faults, Network};

/// Names a phone of the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PhoneIndex(pub usize);

/// Names an application of the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Application(pub u64);

struct SimPhone {
    core: PhoneCore,
    address: SocketAddr,
    rtp: SocketAddr,
    events: VecDeque<PhoneEvent>,
}

/// Wall-clock time of the world's start: 2026-01-01.
const START_UNIX_MS: u64 = 1_767_225_600_000;
/// Where the exchange listens.
const SWITCH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);

/// The simulated world; see the module's text.
pub struct World {
    seed: u64,
    now: Now,
    exchange: Exchange,
    network: Network,
    phones: Vec<SimPhone>,
    inboxes: BTreeMap<u64, Vec<Value>>,
    next_request: u64,
    /// The relay's model.
    pub media: SharedMedia,
    /// Lines of `GET events`.
    pub events: Vec<Value>,
    answers: BTreeMap<u64, Result<Value, switch::exchange::Problem>>,
}

impl World {
    /// The office of `config/office.toml` on a perfect network.
    pub fn office(seed: u64) -> World {
        World::with_faults(seed, Faults::default())
    }

    /// The office on a faulty network.
    pub fn with_faults(seed: u64, faults: Faults) -> World {
        let text = include_str!("../../../config/office.toml");
        let config = config::parse(text, "office.toml").expect("office.toml is valid");
        World::new(seed, faults, config)
    }

    /// A world of any configuration.
    pub fn new(seed: u64, faults: Faults, config: Config) -> World {
        let media = SharedMedia::default();
        let clock = Clock { now: Now::ZERO, unix_ms: START_UNIX_MS };
        let exchange = Exchange::new(ExchangeParts {
            config: Arc::new(config),
            media: Box::new(media.clone()),
            registry: Arc::new(Registry::new()),
            counters: Arc::new(Counters::default()),
            entropy: Box::new(Seeded::new(seed)),
            local: vec![(Transport::Udp, SWITCH)],
            restored: Vec::new(),
            clock,
        });
        World {
            seed,
            now: Now::ZERO,
            exchange,
            network: Network::new(seed, faults),
            phones: Vec::new(),
            inboxes: BTreeMap::new(),
            next_request: 0,
            media,
            events: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    /// A phone of a line, registered.
    pub fn phone(&mut self, number: &str) -> PhoneIndex {
        let phone = self.unregistered_phone(number, Behaviour::default());
        self.register(phone);
        phone
    }

    /// Registers a phone and waits for the 200.
    pub fn register(&mut self, phone: PhoneIndex) {
        let now = self.now;
        self.phones[phone.0].core.register(now, Duration::from_secs(3600));
        let number = self.phones[phone.0].core.number().to_owned();
        self.until(&format!("phone {number} registers"), |world| {
            world.take(phone, |event| *event == PhoneEvent::Registered { status: 200 }).is_some()
        });
    }

    /// A phone that the switch does not know yet.
    pub fn unregistered_phone(&mut self, number: &str, behaviour: Behaviour) -> PhoneIndex {
        let index = self.phones.len();
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let offset = u16::try_from(index).unwrap_or(u16::MAX) * 10;
        let address = SocketAddr::new(host, 6000 + offset);
        let rtp = SocketAddr::new(host, 40_000 + offset);
        let config = PhoneConfig {
            number: number.to_owned(),
            password: format!("pw-{number}"),
            domain: "office.test".to_owned(),
            flow: Flow::udp(address, SWITCH),
            rtp,
            behaviour,
        };
        let entropy = Seeded::new(self.seed.wrapping_mul(1000) + index as u64 + 1);
        self.phones.push(SimPhone {
            core: PhoneCore::new(config, Box::new(entropy)),
            address,
            rtp,
            events: VecDeque::new(),
        });
        PhoneIndex(index)
    }

    /// Does something with a phone, at the world's time.
    pub fn with_phone<T>(
        &mut self,
        phone: PhoneIndex,
        act: impl FnOnce(&mut PhoneCore, Now) -> T,
    ) -> T {
        let now = self.now;
        let result = act(&mut self.phones[phone.0].core, now);
        self.flush_phones();
        result
    }

    /// The oldest event of a phone that fits; it is taken away with all before it.
    pub fn take(
        &mut self,
        phone: PhoneIndex,
        wanted: impl Fn(&PhoneEvent) -> bool,
    ) -> Option<PhoneEvent> {
        let events = &mut self.phones[phone.0].events;
        let index = events.iter().position(wanted)?;
        events.drain(..=index).next_back()
    }

    /// Waits until a phone is called, and gives the call.
    pub fn incoming(&mut self, phone: PhoneIndex) -> LegId {
        let mut found = None;
        self.until("a phone is called", |world| {
            if let Some(PhoneEvent::Incoming { leg, .. }) =
                world.take(phone, |event| matches!(event, PhoneEvent::Incoming { .. }))
            {
                found = Some(leg);
            }
            found.is_some()
        });
        found.expect("until returned")
    }

    /// Waits for an event of a phone.
    pub fn expect(&mut self, phone: PhoneIndex, what: &str, wanted: impl Fn(&PhoneEvent) -> bool) {
        self.until(what, |world| world.take(phone, &wanted).is_some());
    }

    /// `a` calls `b`, which answers; both calls.
    pub fn connected(&mut self, a: PhoneIndex, b: PhoneIndex) -> (LegId, LegId) {
        let number = self.phones[b.0].core.number().to_owned();
        let near = self.with_phone(a, |phone, now| phone.call(now, &number)).expect("a free leg");
        let far = self.incoming(b);
        self.with_phone(b, |phone, now| phone.answer(now, far));
        self.expect(a, "the call is answered", |event| {
            matches!(event, PhoneEvent::Connected { leg } if *leg == near)
        });
        self.expect(b, "the answer is confirmed", |event| {
            matches!(event, PhoneEvent::Connected { leg } if *leg == far)
        });
        (near, far)
    }

    /// Whether what `from` says on a call reaches `to`.
    pub fn hears(&self, to: PhoneIndex, from: PhoneIndex, leg: LegId) -> bool {
        let speaker = &self.phones[from.0];
        if !speaker.core.may_send(leg) {
            return false;
        }
        let Some((relay, _)) = speaker.core.far_media(leg) else { return false };
        self.media.with(|model| model.destination(relay.port())) == Some(self.phones[to.0].rtp)
    }

    /// What a phone hears on a call instead of its peer.
    pub fn treatment(&self, phone: PhoneIndex, leg: LegId) -> media::Treatment {
        let relay = self.phones[phone.0].core.far_media(leg).map(|(relay, _)| relay.port());
        relay.map(|port| self.media.with(|model| model.treatment(port))).unwrap_or_default()
    }

    /// A new application that sees every line and has called lineInitializeEx.
    pub fn application(&mut self, name: &str) -> Application {
        let connection = self.inboxes.len() as u64 + 1;
        self.inboxes.insert(connection, Vec::new());
        self.input(Input::Application(ApplicationInput::Connected { connection, lines: None }));
        let application = Application(connection);
        self.ask(application, "lineInitializeEx", json!({"appName": name}))
            .expect("lineInitializeEx");
        application
    }

    /// Opens a line with OWNER and MONITOR; its hLine.
    pub fn open(&mut self, application: Application, line: &str) -> u64 {
        let params = json!({
            "line": line,
            "privileges": ["LINECALLPRIVILEGE_OWNER", "LINECALLPRIVILEGE_MONITOR"],
            "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
        });
        let answer = self.ask(application, "lineOpen", params).expect("lineOpen");
        answer["hLine"].as_u64().expect("hLine")
    }

    /// One TAPI function; its result object or its error object, at once.
    pub fn ask(
        &mut self,
        application: Application,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        self.next_request += 1;
        let id = self.next_request;
        let text = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let connection = application.0;
        self.input(Input::Application(ApplicationInput::Text { connection, text: text.to_string() }));
        let inbox = self.inboxes.get_mut(&connection).expect("an application of this world");
        let index = inbox.iter().position(|message| message["id"] == json!(id));
        let mut answer = inbox.remove(index.unwrap_or_else(|| panic!("{method} is not answered")));
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Notifications an application has got and nobody has taken.
    pub fn inbox(&mut self, application: Application) -> &mut Vec<Value> {
        self.inboxes.get_mut(&application.0).expect("an application of this world")
    }

    /// Takes the notifications of an application as short lines: `LINE_CALLSTATE CONNECTED ACTIVE`.
    pub fn trace(&mut self, application: Application) -> Vec<String> {
        std::mem::take(self.inbox(application)).iter().map(short).collect()
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

    /// Gives the exchange an input.
    pub fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.exchange.handle(self.clock(), input, &mut out);
        self.carry_out(out);
    }

    /// Runs until `done`, at most ten simulated minutes.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut World) -> bool) {
        let limit = self.now + Duration::from_secs(600);
        self.flush_phones();
        while !done(self) {
            assert!(self.step(limit), "seed {}: {what}: never happened\n{}", self.seed, self.ladder());
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

    /// The network loses nothing any more.
    pub fn heal(&mut self) {
        self.network.heal();
    }

    /// After all calls are over: asserts that nothing is left anywhere.
    pub fn assert_at_rest(&mut self) {
        self.run_for(Duration::from_secs(150));
        let seed = self.seed;
        assert!(self.exchange.is_at_rest(), "seed {seed}: the exchange is not at rest\n{}", self.ladder());
        assert_eq!(self.media.with(|model| model.count()), 0, "seed {seed}: media ports leaked");
        for phone in &self.phones {
            let number = phone.core.number();
            assert!(phone.core.is_at_rest(), "seed {seed}: phone {number} is not at rest\n{}", self.ladder());
        }
    }

    /// The exchange's invariants and messages, for a failure.
    pub fn ladder(&self) -> String {
        self.network.ladder()
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
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
        if let Err(broken) = self.exchange.check() {
            panic!("seed {}: {broken}\n{}", self.seed, self.ladder());
        }
        true
    }

    fn deliver(&mut self, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        let flow = Flow::udp(to, from);
        if to == SWITCH {
            let input = match Message::parse(bytes.clone()) {
                Ok(message) => Input::Sip(Received { message, flow }),
                Err(error) => Input::Malformed { bytes, error, flow },
            };
            return self.input(input);
        }
        let now = self.now;
        if let Some(phone) = self.phones.iter_mut().find(|phone| phone.address == to)
            && let Ok(message) = Message::parse(bytes)
        {
            phone.core.receive(now, Received { message, flow });
        }
        self.flush_phones();
    }

    fn flush_phones(&mut self) {
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
        for output in outputs {
            match output {
                Output::Transmit(transmit) => {
                    let bytes: Bytes = transmit.bytes;
                    let to = transmit.flow.remote;
                    self.network.send(self.now, Datagram { from: SWITCH, to, bytes });
                }
                Output::Application { connection, text } => {
                    let message = serde_json::from_str(&text).expect("the exchange writes JSON");
                    self.inboxes.entry(connection).or_default().push(message);
                }
                Output::Event { event, .. } => self.events.push(event),
                Output::Answer { token, answer } => {
                    self.answers.insert(token, answer);
                }
                _ => {}
            }
        }
    }

    fn clock(&self) -> Clock {
        let elapsed = u64::try_from(self.now.0.as_millis()).unwrap_or(u64::MAX);
        Clock { now: self.now, unix_ms: START_UNIX_MS + elapsed }
    }
}

/// `LINE_CALLSTATE CONNECTED ACTIVE` for a notification; handles are left out.
pub fn short(message: &Value) -> String {
    let method = message["method"].as_str().unwrap_or("?");
    let params = &message["params"];
    let word = |name: &str| {
        let text = params[name].as_str()?;
        Some(text.rsplit('_').next().unwrap_or(text).to_owned())
    };
    let list = |name: &str| {
        let items = params[name].as_array()?;
        let words = items.iter().filter_map(Value::as_str);
        Some(words.map(|text| text.rsplit('_').next().unwrap_or(text)).collect::<Vec<_>>().join("|"))
    };
    let mut text = method.to_owned();
    let fields = [
        word("callState"),
        word("mode"),
        word("privilege"),
        list("callInfoState"),
        word("result").or_else(|| params["result"].as_i64().map(|result| result.to_string())),
    ];
    for field in fields.into_iter().flatten() {
        text.push(' ');
        text.push_str(&field);
    }
    text
}
