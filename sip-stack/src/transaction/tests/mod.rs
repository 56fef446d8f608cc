//! The layer as its user sees it, one message at a time.

mod client;
mod random;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::flow::{Flow, Received, Transport};
use crate::message::{self, HeaderName, Message, Method};
use crate::time::Now;

const PEER: &str = "192.0.2.9:5060";

struct Bench {
    layer: Layer,
    now: Now,
    out: Outbox,
}

fn flow_from(transport: Transport, remote: &str) -> Flow {
    Flow {
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: remote.parse().unwrap(),
        connection: transport.is_reliable().then_some(7),
    }
}

/// A request from the peer; `extra` are further header lines.
fn request(method: &str, branch: &str, cseq: u32, extra: &str) -> Message {
    let cseq_method = if method == "ACK" { "ACK" } else { method };
    text(&format!(
        "{method} sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch={branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\n\
         Call-ID: call-1\r\nCSeq: {cseq} {cseq_method}\r\n{extra}Content-Length: 0\r\n\r\n"
    ))
}

fn text(text: &str) -> Message {
    Message::parse(Bytes::from(text.to_owned())).unwrap()
}

fn reply(request: &Message, status: u16, tag: &str) -> Bytes {
    message::response_to(request, status, "Reason", Some(tag)).finish(None, b"")
}

impl Bench {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let layer = Layer::new(Timers::default(), limits);
        Self { layer, now: Now::ZERO, out: Outbox::default() }
    }

    fn receive(&mut self, message: &Message) {
        self.receive_over(message, flow_from(Transport::Udp, PEER));
    }

    fn receive_over(&mut self, message: &Message, flow: Flow) {
        let received = Received { message: message.clone(), flow };
        self.layer.receive(self.now, received, &mut self.out);
        self.layer.check();
    }

    fn respond(&mut self, key: ServerKey, request: &Message, status: u16) -> bool {
        let bytes = reply(request, status, "local");
        let was_sent = self.layer.respond(self.now, key, status, &bytes, &mut self.out);
        self.layer.check();
        was_sent
    }

    fn send(&mut self, request: &Message, transport: Transport) -> ClientKey {
        let outgoing = Outgoing {
            bytes: request.bytes().clone(),
            method: request.method(),
            branch: request.via().unwrap().branch.unwrap().to_owned(),
            flow: flow_from(transport, PEER),
        };
        let key = self.layer.request(self.now, outgoing, &mut self.out).unwrap();
        self.layer.check();
        key
    }

    /// Lets the time pass, stopping at each deadline.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.layer.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.layer.expire(self.now, &mut self.out);
            self.layer.check();
        }
        self.now = end;
    }

    fn sent(&mut self) -> Vec<Message> {
        let sent = std::mem::take(&mut self.out.transmits);
        sent.into_iter().map(|transmit| Message::parse(transmit.bytes).unwrap()).collect()
    }

    /// What was sent, as methods and status codes.
    fn sent_names(&mut self) -> Vec<String> {
        let name = |message: &Message| match message.status() {
            Some(status) => status.to_string(),
            None => message.method().to_string(),
        };
        self.sent().iter().map(name).collect()
    }

    fn event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    fn new_request(&mut self) -> ServerKey {
        match self.event() {
            Some(Event::Request { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    }

    fn is_empty(&self) -> bool {
        self.layer.client_count() + self.layer.server_count() + self.layer.timer_count() == 0
    }
}
