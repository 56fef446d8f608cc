//! Messages, answers and time in any order against the endpoint: its invariants hold, no transaction
//! gets two final answers, and all is gone once everybody has hung up and the timers have run.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use sip_stack::endpoint::{
    Endpoint, EndpointConfig, Event, LegId, Outbox, Release, Reply, RequestId,
};
use sip_stack::flow::{Flow, Received};
use sip_stack::message::Message;
use sip_stack::message::framing::{Frame, StreamFramer};
use sip_stack::time::{Now, Seeded};

/// What ends a piece of the input.
const SEPARATOR: u8 = 0;
/// Pieces of one run.
const PIECES_MAX: usize = 64;
/// A transaction is forgotten after 64·T1.
const FORGOTTEN: Duration = Duration::from_secs(40);

struct Stage {
    endpoint: Endpoint,
    now: Now,
    out: Outbox,
    flow: Flow,
    legs: Vec<LegId>,
    requests: Vec<RequestId>,
    /// Final status by branch and method, and when.
    finals: HashMap<(String, String), (u16, Now)>,
}

fn sdp() -> Bytes {
    Bytes::from_static(
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
          m=audio 4000 RTP/AVP 0\r\n",
    )
}

/// Pieces with a zero octet between them. One that begins with `!` is what the switch does, the
/// others are messages of the peer, in which `$n$` stands for the tag of our leg n.
pub(crate) fn dialogue(data: &[u8]) {
    let flow = Flow::udp(
        "192.0.2.1:5060".parse().expect("an address"),
        "198.51.100.7:5060".parse().expect("an address"),
    );
    let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(Seeded::new(7)));
    let mut stage = Stage {
        endpoint,
        now: Now::from_millis(1_000),
        out: Outbox::new(),
        flow,
        legs: Vec::new(),
        requests: Vec::new(),
        finals: HashMap::new(),
    };
    for piece in data.split(|octet| *octet == SEPARATOR).take(PIECES_MAX) {
        match piece.split_first() {
            Some((b'!', command)) => stage.command(command),
            _ => stage.messages(piece),
        }
        stage.look();
    }
    stage.end();
}

impl Stage {
    fn messages(&mut self, piece: &[u8]) {
        let mut text = piece.to_vec();
        for (number, leg) in self.legs.iter().enumerate().take(4) {
            let Some(view) = self.endpoint.leg(*leg) else { continue };
            let tag = view.local_tag.to_owned();
            text = replaced(&text, format!("${number}$").as_bytes(), tag.as_bytes());
        }
        let mut framer = StreamFramer::new();
        framer.push(&text);
        let mut framed = Vec::new();
        while let Some(Ok(frame)) = framer.next() {
            if let Frame::Message(bytes) = frame {
                framed.push(bytes);
            }
        }
        if framed.is_empty() {
            framed.push(Bytes::from(text));
        }
        for bytes in framed {
            let Ok(message) = Message::parse(bytes) else { continue };
            if sip_stack::message::validate::check(&message).is_err() {
                continue;
            }
            let received = Received { message, flow: self.flow };
            self.endpoint.receive(self.now, received, &mut self.out);
            self.endpoint.check();
        }
    }

    /// A letter for what is done, a digit for the leg.
    fn command(&mut self, command: &[u8]) {
        let word = command.first().copied().unwrap_or_default();
        let number = command.get(1).copied().unwrap_or_default();
        let leg = self.legs.get(usize::from(number) % self.legs.len().max(1)).copied();
        let (now, out) = (self.now, &mut self.out);
        match (word, leg) {
            (b'a', Some(leg)) => self.endpoint.answer(now, leg, sdp(), &[], out),
            (b'p', Some(leg)) => {
                self.endpoint.progress(now, leg, &Reply::new(180), None, out);
            }
            (b'e', Some(leg)) => {
                self.endpoint.progress(now, leg, &Reply::new(183), Some(sdp()), out);
            }
            (b'r', Some(leg)) => self.endpoint.reject(now, leg, &Reply::new(486), out),
            (b'b', Some(leg)) => self.endpoint.release(now, leg, Release::default(), out),
            (b'o', Some(leg)) => {
                self.endpoint.offer(now, leg, sdp(), out);
            }
            (b'y', Some(leg)) => self.endpoint.accept_offer(now, leg, sdp(), out),
            (b'n', Some(leg)) => self.endpoint.refuse_offer(now, leg, &Reply::new(488), out),
            (b'q', _) => {
                if let Some(request) = self.requests.pop() {
                    self.endpoint.respond(now, request, &Reply::new(200), None, out);
                }
            }
            (b't', _) => self.pass(Duration::from_millis(u64::from(number) * 100)),
            (b'f', _) => self.endpoint.transport_failed(now, self.flow, out),
            _ => {}
        }
        self.endpoint.check();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.endpoint.next_deadline().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.endpoint.expire(self.now, &mut self.out);
            self.endpoint.check();
            self.look();
        }
        self.now = until;
    }

    fn look(&mut self) {
        for event in std::mem::take(&mut self.out.events) {
            match event {
                Event::Invite { leg, .. } => self.legs.push(leg),
                Event::Request { id, .. } => self.requests.push(id),
                _ => {}
            }
        }
        for sent in std::mem::take(&mut self.out.transmits) {
            let message = Message::parse(sent.bytes).expect("we send messages");
            // Without rport the port is that of Via (RFC 3261 §18.2.2), the host never (SEC-65).
            assert_eq!(sent.flow.remote.ip(), self.flow.remote.ip(), "sent to somebody else");
            let Some(status) = message.status().filter(|status| *status >= 200) else { continue };
            let Ok(via) = message.via() else { continue };
            let Some(branch) = via.rfc3261_branch() else { continue };
            let key =
                (format!("{branch} {}:{:?}", via.host, via.port), message.method().to_string());
            let (before, at) = *self.finals.entry(key.clone()).or_insert((status, self.now));
            if self.now <= at + FORGOTTEN {
                assert_eq!(before, status, "two final answers to {key:?}");
            } else {
                self.finals.insert(key, (status, self.now));
            }
        }
    }

    fn end(mut self) {
        for leg in self.legs.clone() {
            self.endpoint.release(self.now, leg, Release::default(), &mut self.out);
            self.look();
        }
        // Longer than any session timer that was agreed upon and any transaction.
        for _ in 0..4 {
            self.pass(Duration::from_secs(600));
        }
        assert_eq!(self.endpoint.leg_count(), 0, "a leg that was released is gone");
        assert_eq!(self.endpoint.residue(), 0, "transactions and timers are gone");
    }
}

fn replaced(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        result.extend_from_slice(rest.get(..at).unwrap_or_default());
        result.extend_from_slice(with);
        rest = rest.get(at + what.len()..).unwrap_or_default();
    }
    result.extend_from_slice(rest);
    result
}
