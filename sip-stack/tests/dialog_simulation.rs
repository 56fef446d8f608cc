//! Two endpoints, a bad network, and users who do what they like whenever they like.
//!
//! Each seed is one schedule: calls in both directions over UDP with loss, duplication, reordering
//! and delay (or over TCP), early media, reliable provisionals, late offers, re-INVITE, UPDATE,
//! INFO, CANCEL and BYE at any moment from either side. After each step the invariants are
//! checked; in the end both sides must have heard of the end of every call and nothing may be
//! left.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "in a test a failed expectation is the message"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip_stack::endpoint::{
    Endpoint, EndpointConfig, Event, InDialogRequest, Invite, LegId, Outbox, Release, Reply,
    RequestId,
};
use sip_stack::flow::{Flow, Received, Transmit, Transport};
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::time::{Entropy, Now, Seeded};

/// Schedules of one run.
const SEEDS: u64 = 3_000;
/// When users stop having ideas.
const PLAY: u64 = 40_000;
/// When one side of each call that still lives hangs up.
const CURTAIN: u64 = 260_000;
/// When everything must be over: the longest chain is CANCEL, silence, BYE, silence.
const END: u64 = CURTAIN + 200_000;
/// How long one side of a call may live on without the other: 64·T1 of the callee that waits for
/// an ACK or rings in vain, and the 64·T1 of a BYE.
const WIDOWHOOD: u64 = 100_000;
/// How long echoes of a 2xx are acknowledged: a bit less than 64·T1.
const ECHOES: u64 = 31_000;

#[derive(Clone, Debug)]
enum Act {
    Call,
    Ring { leg: LegId, status: u16, has_session: bool },
    Answer { leg: LegId },
    Reject { leg: LegId },
    Release { leg: LegId },
    Offer { leg: LegId },
    Accept { leg: LegId },
    Refuse { leg: LegId },
    Info { leg: LegId },
    Respond { id: RequestId },
    Deliver { to: usize, transmit: Transmit },
}

/// What a user knows about a leg.
#[derive(Clone, Debug, Default)]
struct Known {
    call_id: String,
    is_confirmed: bool,
    /// An offer of the peer is on the user's desk.
    has_question: bool,
}

/// What is known of an INVITE with an offer on the wire.
#[derive(Clone, Copy, Debug)]
struct Offered {
    sent: u64,
    /// A response arrived while its transaction lived.
    is_heard: bool,
    /// When the first 2xx arrived.
    answered: Option<u64>,
}

struct Side {
    endpoint: Endpoint,
    address: SocketAddr,
    legs: HashMap<LegId, Known>,
    /// Legs whose terminal event came or that the user released.
    gone: BTreeMap<String, u64>,
    dead: Vec<LegId>,
    /// Outcomes still owed for INFO.
    tokens: BTreeSet<u64>,
}

struct World {
    seed: u64,
    now: u64,
    dice: Seeded,
    sides: [Side; 2],
    agenda: BTreeMap<(u64, u64), (usize, Act)>,
    serial: u64,
    transport: Transport,
    loss_percent: u64,
    delay_ms: u64,
    /// Highest CSeq of each sender's dialog, with the branches seen.
    cseqs: HashMap<(String, String), u32>,
    branches: BTreeSet<String>,
    invites: BTreeMap<String, bool>,
    /// INVITEs with an offer by branch.
    offers: HashMap<String, Offered>,
    sessions: u64,
    statistics: Statistics,
}

#[derive(Default, Debug)]
struct Statistics {
    answered: u64,
    cancelled: u64,
    refused: u64,
    ended: u64,
    offers: u64,
    offers_answered: u64,
    glares: u64,
    pracks: u64,
    updates: u64,
    agreements: u64,
}

fn session(serial: u64) -> Bytes {
    Bytes::from(format!(
        "v=0\r\no=- 7 {serial} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\n"
    ))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Seeded::new(seed);
        let transport = if dice.below(5) == 0 { Transport::Tcp } else { Transport::Udp };
        let mut side = |index: u8| {
            let mut config = EndpointConfig::default();
            if dice.below(2) == 0 {
                config.session_expires = Duration::from_secs(90 + dice.below(60));
            }
            Side {
                endpoint: Endpoint::new(config, Box::new(Seeded::new(dice.next_u64()))),
                address: SocketAddr::from(([192, 0, 2, index], 5060)),
                legs: HashMap::new(),
                gone: BTreeMap::new(),
                dead: Vec::new(),
                tokens: BTreeSet::new(),
            }
        };
        let sides = [side(1), side(2)];
        let loss_percent = if transport == Transport::Udp { dice.below(25) } else { 0 };
        let delay_ms = [1, 30, 300, 1_500][dice.below(4) as usize];
        Self {
            seed,
            now: 0,
            dice,
            sides,
            agenda: BTreeMap::new(),
            serial: 0,
            transport,
            loss_percent,
            delay_ms,
            cseqs: HashMap::new(),
            branches: BTreeSet::new(),
            invites: BTreeMap::new(),
            offers: HashMap::new(),
            sessions: 0,
            statistics: Statistics::default(),
        }
    }

    fn plan(&mut self, at: u64, side: usize, act: Act) {
        self.serial += 1;
        self.agenda.insert((at.max(self.now), self.serial), (side, act));
    }

    fn soon(&mut self, side: usize, within_ms: u64, act: Act) {
        let at = self.now + self.dice.below(within_ms + 1);
        self.plan(at, side, act);
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.dice.below(100) < percent
    }

    fn session(&mut self) -> Bytes {
        self.sessions += 1;
        session(self.sessions)
    }

    fn flow(&self, side: usize) -> Flow {
        Flow {
            transport: self.transport,
            local: self.sides[side].address,
            remote: self.sides[1 - side].address,
            connection: (self.transport != Transport::Udp).then_some(1),
        }
    }

    fn run(&mut self) {
        for _ in 0..=self.dice.below(2) {
            let caller = self.dice.below(2) as usize;
            let at = self.dice.below(3_000);
            self.plan(at, caller, Act::Call);
        }
        let mut has_fallen = false;
        loop {
            let planned = self.agenda.keys().next().map(|(at, _)| *at);
            let fired = self
                .sides
                .iter()
                .filter_map(|side| side.endpoint.next_deadline())
                .map(|deadline| u64::try_from(deadline.0.as_millis()).unwrap())
                .min();
            let next = [planned, fired].into_iter().flatten().min().unwrap_or(END);
            if !has_fallen && next > CURTAIN {
                has_fallen = true;
                self.now = CURTAIN;
                self.fall();
                continue;
            }
            if next >= END {
                break;
            }
            self.now = self.now.max(next);
            match self.agenda.first_entry() {
                Some(entry) if entry.key().0 <= self.now => {
                    let (side, act) = entry.remove();
                    self.act(side, act);
                }
                _ => {
                    for side in 0..2 {
                        self.on(side, |endpoint, now, out| endpoint.expire(now, out));
                    }
                }
            }
        }
        self.rest();
    }

    /// One side of each living call hangs up; what both believe must agree before that.
    fn fall(&mut self) {
        self.check_sessions();
        for (side, other) in [(0, 1), (1, 0)] {
            for known in self.sides[side].legs.values() {
                let left = self.sides[other].gone.get(&known.call_id);
                let alone = left.map_or(0, |left| self.now - left);
                assert!(alone < WIDOWHOOD, "seed {}: nobody told {known:?}", self.seed);
            }
        }
        for side in 0..2 {
            let mut legs: Vec<(LegId, String)> = self.sides[side]
                .legs
                .iter()
                .map(|(leg, known)| (*leg, known.call_id.clone()))
                .collect();
            // A seed is one schedule: the order of a map must not matter.
            legs.sort_by(|(_, one), (_, other)| one.cmp(other));
            for (leg, call_id) in legs {
                let other_lives =
                    self.sides[1 - side].legs.values().any(|known| known.call_id == call_id);
                // Of two living sides the first one hangs up, the other must hear of it.
                if side == 0 || !other_lives {
                    self.act(side, Act::Release { leg });
                }
            }
        }
    }

    fn check_sessions(&mut self) {
        for (leg, known) in &self.sides[0].legs {
            let twin = self.sides[1].legs.iter().find(|(_, other)| other.call_id == known.call_id);
            let Some((twin, other)) = twin else { continue };
            if !known.is_confirmed || !other.is_confirmed {
                continue;
            }
            let ours = self.sides[0].endpoint.leg(*leg).expect("known legs exist");
            let theirs = self.sides[1].endpoint.leg(*twin).expect("known legs exist");
            assert_eq!(ours.local_sdp, theirs.remote_sdp, "{}: sessions differ", self.seed);
            assert_eq!(ours.remote_sdp, theirs.local_sdp, "{}: sessions differ", self.seed);
            assert_eq!(ours.local_tag, theirs.remote_tag);
            self.statistics.agreements += 1;
        }
    }

    /// Nothing is left, and everybody knows.
    fn rest(&mut self) {
        let seed = self.seed;
        for side in &self.sides {
            assert!(side.legs.is_empty(), "seed {seed}: legs that never ended: {:?}", side.legs);
            assert_eq!(side.endpoint.leg_count(), 0, "seed {seed}");
            assert_eq!(side.endpoint.residue(), 0, "seed {seed}: something is left");
            assert!(side.tokens.is_empty(), "seed {seed}: requests without outcome");
        }
        let open: Vec<&String> =
            self.invites.iter().filter(|(_, is_final)| !**is_final).map(|(key, _)| key).collect();
        assert!(open.is_empty(), "seed {seed}: INVITEs without final response: {open:?}");
    }

    fn act(&mut self, side: usize, act: Act) {
        let leg = match &act {
            Act::Ring { leg, .. }
            | Act::Answer { leg }
            | Act::Reject { leg }
            | Act::Release { leg }
            | Act::Offer { leg }
            | Act::Accept { leg }
            | Act::Refuse { leg }
            | Act::Info { leg } => Some(*leg),
            _ => None,
        };
        if leg.is_some_and(|leg| !self.sides[side].legs.contains_key(&leg)) {
            return;
        }
        match act {
            Act::Call => self.call(side),
            Act::Ring { leg, status, has_session } => {
                let sdp = has_session.then(|| self.session());
                self.on(side, |endpoint, now, out| {
                    endpoint.progress(now, leg, &Reply::new(status), sdp, out);
                });
            }
            Act::Answer { leg } => {
                let sdp = self.session();
                self.on(side, |endpoint, now, out| endpoint.answer(now, leg, sdp, &[], out));
            }
            Act::Reject { leg } => {
                self.forget(side, leg);
                self.on(side, |endpoint, now, out| {
                    endpoint.reject(now, leg, &Reply::new(486), out);
                });
            }
            Act::Release { leg } => {
                self.forget(side, leg);
                self.on(side, |endpoint, now, out| {
                    endpoint.release(now, leg, Release::default(), out);
                });
            }
            Act::Offer { leg } => {
                let sdp = self.session();
                self.statistics.offers += 1;
                self.on(side, |endpoint, now, out| {
                    endpoint.offer(now, leg, sdp, out);
                });
            }
            Act::Accept { leg } => {
                let sdp = self.session();
                if let Some(known) = self.sides[side].legs.get_mut(&leg) {
                    known.has_question = false;
                }
                self.on(side, |endpoint, now, out| endpoint.accept_offer(now, leg, sdp, out));
            }
            Act::Refuse { leg } => self.on(side, |endpoint, now, out| {
                endpoint.refuse_offer(now, leg, &Reply::new(488), out);
            }),
            Act::Info { leg } => {
                self.serial += 1;
                let token = self.serial;
                self.sides[side].tokens.insert(token);
                let request = InDialogRequest {
                    method: Method::Info,
                    headers: Vec::new(),
                    body: Some(("application/dtmf-relay".to_owned(), Bytes::from("Signal=1"))),
                    token,
                };
                self.on(side, |endpoint, now, out| {
                    endpoint.request_in_dialog(now, leg, request, out);
                });
            }
            Act::Respond { id } => self.on(side, |endpoint, now, out| {
                endpoint.respond(now, id, &Reply::new(200), None, out);
            }),
            Act::Deliver { to, transmit } => self.deliver(to, transmit),
        }
    }

    fn call(&mut self, side: usize) {
        let is_late = self.chance(20);
        let sdp = (!is_late).then(|| self.session());
        let mut headers = Vec::new();
        let hundred_rel = self.chance(50);
        if hundred_rel && self.chance(40) && !is_late {
            headers.push(("Require".to_owned(), "100rel".to_owned()));
        }
        let invite = Invite {
            request_uri: format!("sip:callee@{}", self.sides[1 - side].address),
            from: "<sip:caller@example.com>".to_owned(),
            to: "<sip:callee@example.com>".to_owned(),
            contact: format!("sip:caller@{}", self.sides[side].address),
            destination: self.flow(side),
            alternatives: if self.chance(10) { vec![self.flow(side)] } else { Vec::new() },
            route: Vec::new(),
            max_forwards: 70,
            headers,
            sdp,
            credentials: None,
            session_timer: self.chance(60),
            hundred_rel,
        };
        let mut leg = None;
        self.on(side, |endpoint, now, out| leg = endpoint.invite(now, invite, out).ok());
        let leg = leg.expect("there is room for two calls");
        let call_id = self.sides[side].endpoint.leg(leg).expect("just made").call_id.to_owned();
        self.sides[side].legs.insert(leg, Known { call_id, ..Known::default() });
        if self.chance(50) {
            self.soon(side, 15_000, Act::Release { leg });
        }
        if self.chance(30) {
            self.soon(side, 10_000, Act::Offer { leg });
        }
    }

    fn forget(&mut self, side: usize, leg: LegId) {
        if let Some(known) = self.sides[side].legs.remove(&leg) {
            self.sides[side].gone.insert(known.call_id, self.now);
            self.sides[side].dead.push(leg);
        }
    }

    /// Lets one endpoint do something, then posts its messages and acts on its events.
    fn on(&mut self, side: usize, act: impl FnOnce(&mut Endpoint, Now, &mut Outbox)) {
        self.on_counting(side, act);
    }

    /// As [`World::on`]; how many ACKs were sent.
    fn on_counting(
        &mut self,
        side: usize,
        act: impl FnOnce(&mut Endpoint, Now, &mut Outbox),
    ) -> usize {
        let mut out = Outbox::new();
        act(&mut self.sides[side].endpoint, Now::from_millis(self.now), &mut out);
        self.sides[side].endpoint.check();
        let acks = out.transmits.iter().filter(|sent| sent.bytes.starts_with(b"ACK ")).count();
        for transmit in out.transmits {
            self.post(side, transmit);
        }
        for event in out.events {
            self.react(side, event);
        }
        acks
    }

    fn post(&mut self, side: usize, transmit: Transmit) {
        self.inspect(&transmit.bytes);
        let to = 1 - side;
        assert_eq!(transmit.flow.remote, self.sides[to].address, "seed {}", self.seed);
        if self.transport != Transport::Udp {
            // A stream neither loses nor reorders.
            let at = self.now + self.delay_ms;
            return self.plan(at, to, Act::Deliver { to, transmit });
        }
        if self.now < CURTAIN + 60_000 && self.chance(self.loss_percent) {
            return;
        }
        let copies = if self.chance(10) { 2 } else { 1 };
        for _ in 0..copies {
            self.soon(to, self.delay_ms, Act::Deliver { to, transmit: transmit.clone() });
        }
    }

    /// What must hold for every message on the wire.
    fn inspect(&mut self, bytes: &Bytes) {
        let seed = self.seed;
        let message = Message::parse(bytes.clone()).expect("we write what we can read");
        let via = message.header(HeaderName::Via).expect("each message has a Via").to_owned();
        let branch = message.via().expect("a Via").branch.expect("a branch").to_owned();
        let number = message.cseq().expect("a CSeq").number;
        let method = message.method();
        if let Some(status) = message.status() {
            self.statistics.glares += u64::from(status == 491);
            if method == Method::Invite && status >= 200 {
                self.invites.entry(branch).and_modify(|is_final| *is_final = true);
            }
            return;
        }
        assert!(via.contains("rport"), "seed {seed}");
        match method {
            Method::Prack => self.statistics.pracks += 1,
            Method::Update => self.statistics.updates += 1,
            _ => {}
        }
        if matches!(method, Method::Ack | Method::Cancel) {
            return;
        }
        if self.branches.insert(branch.clone()) {
            if method == Method::Invite && !message.body().is_empty() {
                let offered = Offered { sent: self.now, is_heard: false, answered: None };
                self.offers.insert(branch, offered);
            }
            let from = message.from().expect("a From").tag().expect("a tag").to_owned();
            let last = self.cseqs.insert((message.call_id().to_owned(), from), number);
            let has_risen = last.is_none_or(|last| number > last);
            assert!(has_risen, "seed {seed}: CSeq fell to {number} after {last:?}");
        }
    }

    fn deliver(&mut self, to: usize, transmit: Transmit) {
        let message = Message::parse(transmit.bytes).expect("inspected before");
        let branch = message.via().expect("a Via").branch.expect("a branch").to_owned();
        let is_invite = message.method() == Method::Invite;
        if message.is_request() && is_invite {
            self.invites.entry(branch.clone()).or_insert(false);
        }
        let is_response = is_invite && !message.is_request();
        let is_success = is_invite && message.status().is_some_and(|status| status == 200);
        let received = Received { message, flow: self.flow(to) };
        let acks = self.on_counting(to, |endpoint, now, out| endpoint.receive(now, received, out));
        let Some(offered) = self.offers.get_mut(&branch).filter(|_| is_response) else { return };
        offered.is_heard |= self.now - offered.sent < ECHOES;
        if is_success && offered.is_heard {
            let first = *offered.answered.get_or_insert(self.now);
            let is_due = self.now - first < ECHOES;
            assert!(!is_due || acks == 1, "seed {}: {acks} ACKs for a 2xx", self.seed);
        }
    }

    /// What the user of a side does about an event.
    fn react(&mut self, side: usize, event: Event) {
        self.expect_alive(side, &event);
        match event {
            Event::Invite { leg, message, offer, .. } => {
                let call_id = message.call_id().to_owned();
                self.sides[side].legs.insert(leg, Known { call_id, ..Known::default() });
                self.plan_callee(side, leg, offer.is_none());
            }
            Event::Answered { leg, sdp, message } => {
                self.statistics.answered += 1;
                assert!(sdp.is_some(), "seed {}: answered without session", self.seed);
                if let Some(known) = self.sides[side].legs.get_mut(&leg) {
                    known.is_confirmed = true;
                }
                let local = self.sides[side].endpoint.leg(leg).and_then(|leg| leg.local_sdp);
                if local.is_none() {
                    // A late offer: the ACK waits for us.
                    self.soon(side, 500, Act::Accept { leg });
                }
                assert_eq!(message.status(), Some(200));
                self.plan_talk(side, leg);
            }
            Event::Confirmed { leg, .. } => {
                if let Some(known) = self.sides[side].legs.get_mut(&leg) {
                    known.is_confirmed = true;
                }
                self.plan_talk(side, leg);
            }
            Event::Offer { leg, .. } => {
                let known = self.sides[side].legs.get_mut(&leg).expect("checked before");
                assert!(!known.has_question, "seed {}: two offers at once", self.seed);
                known.has_question = true;
                if self.chance(15) {
                    self.soon(side, 800, Act::Refuse { leg });
                    let known = self.sides[side].legs.get_mut(&leg).expect("checked before");
                    known.has_question = false;
                } else {
                    let within = if self.chance(50) { 0 } else { 3_000 };
                    self.soon(side, within, Act::Accept { leg });
                }
            }
            Event::OfferWithdrawn { leg } => {
                if let Some(known) = self.sides[side].legs.get_mut(&leg) {
                    known.has_question = false;
                }
            }
            Event::OfferAnswered { .. } => self.statistics.offers_answered += 1,
            Event::InDialog { id, .. } | Event::Request { id, .. } => {
                self.soon(side, 400, Act::Respond { id });
            }
            Event::Response { token, .. } => {
                let is_owed = self.sides[side].tokens.remove(&token);
                assert!(is_owed, "seed {}: two outcomes of one request", self.seed);
            }
            Event::Refused { leg, .. } => {
                self.statistics.refused += 1;
                self.forget(side, leg);
            }
            Event::Cancelled { leg, .. } => {
                self.statistics.cancelled += 1;
                self.forget(side, leg);
            }
            Event::Ended { leg, .. } => {
                self.statistics.ended += 1;
                self.forget(side, leg);
            }
            _ => {}
        }
    }

    fn expect_alive(&self, side: usize, event: &Event) {
        let leg = match event {
            Event::Progress { leg, .. }
            | Event::Answered { leg, .. }
            | Event::Refused { leg, .. }
            | Event::Cancelled { leg, .. }
            | Event::Confirmed { leg, .. }
            | Event::Offer { leg, .. }
            | Event::OfferWithdrawn { leg }
            | Event::OfferAnswered { leg, .. }
            | Event::OfferRefused { leg, .. }
            | Event::InDialog { leg, .. }
            | Event::Ended { leg, .. } => *leg,
            _ => return,
        };
        let side = &self.sides[side];
        let is_new = !side.dead.contains(&leg);
        assert!(is_new, "seed {}: event for a dead leg: {event:?}", self.seed);
        assert!(side.legs.contains_key(&leg), "seed {}: unknown leg: {event:?}", self.seed);
    }

    fn plan_callee(&mut self, side: usize, leg: LegId, is_late: bool) {
        for _ in 0..self.dice.below(3) {
            let status = if self.chance(50) { 180 } else { 183 };
            let has_session = !is_late && self.chance(40) || is_late && self.chance(20);
            self.soon(side, 4_000, Act::Ring { leg, status, has_session });
        }
        match self.dice.below(10) {
            0 | 1 => self.soon(side, 9_000, Act::Reject { leg }),
            2 => {
                // Rings until the caller gives up, or for half a minute.
                let at = self.now + 30_000;
                self.plan(at, side, Act::Reject { leg });
            }
            _ => {
                let at = self.now + self.dice.below(9_000);
                self.plan(at, side, Act::Answer { leg });
                if self.chance(25) {
                    self.plan_crossing(at, side, leg);
                }
                if self.chance(20) {
                    self.soon(side, 10_000, Act::Release { leg });
                }
            }
        }
        if self.chance(20) {
            self.soon(side, 9_000, Act::Offer { leg });
        }
    }

    /// The caller gives up while the answer is on its way.
    fn plan_crossing(&mut self, at: u64, side: usize, leg: LegId) {
        let call_id = self.sides[side].legs.get(&leg).map(|known| known.call_id.clone());
        let caller = self.sides[1 - side]
            .legs
            .iter()
            .find(|(_, known)| Some(&known.call_id) == call_id.as_ref())
            .map(|(leg, _)| *leg);
        if let Some(leg) = caller {
            let at = at + self.dice.below(self.delay_ms + 1);
            self.plan(at, 1 - side, Act::Release { leg });
        }
    }

    fn plan_talk(&mut self, side: usize, leg: LegId) {
        if self.now > PLAY || self.chance(30) {
            return;
        }
        for _ in 0..self.dice.below(4) {
            self.soon(side, 12_000, Act::Offer { leg });
        }
        for _ in 0..self.dice.below(3) {
            self.soon(side, 12_000, Act::Info { leg });
        }
        if self.chance(40) {
            self.soon(side, 14_000, Act::Release { leg });
        }
    }
}

#[test]
fn every_call_ends_on_both_sides_and_leaves_nothing() {
    let first: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let count = if std::env::var("SEED").is_ok() { 1 } else { SEEDS };
    let mut sum = Statistics::default();
    for seed in first..first + count {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run();
            world.statistics
        });
        let Ok(one) = outcome else { panic!("failed with SEED={seed}") };
        sum.answered += one.answered;
        sum.cancelled += one.cancelled;
        sum.refused += one.refused;
        sum.ended += one.ended;
        sum.offers += one.offers;
        sum.offers_answered += one.offers_answered;
        sum.glares += one.glares;
        sum.pracks += one.pracks;
        sum.updates += one.updates;
        sum.agreements += one.agreements;
    }
    println!("{sum:?}");
    if count == SEEDS {
        // The schedules are worth something only if they reach all this.
        for reached in [
            sum.answered,
            sum.cancelled,
            sum.refused,
            sum.ended,
            sum.offers_answered,
            sum.glares,
            sum.pracks,
            sum.updates,
            sum.agreements,
        ] {
            assert!(reached > 100, "{sum:?}");
        }
    }
}
