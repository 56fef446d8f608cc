//! One endpoint against a peer made of text: one rule a test.

mod called;
mod calling;
mod door;
mod established;
mod refresh;
mod subscribed;

use std::time::Duration;

use super::*;
use crate::auth::ClientCredentials;
use crate::flow::Transport;
use crate::time::Seeded;

/// The peer's address.
const PEER: &str = "198.51.100.7:5070";

fn sdp(version: u32) -> Bytes {
    Bytes::from(format!(
        "v=0\r\no=- 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\n"
    ))
}

fn flow() -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), PEER.parse().unwrap())
}

struct Bench {
    endpoint: Endpoint,
    now: Now,
    out: Outbox,
    flow: Flow,
}

impl Bench {
    fn new() -> Self {
        Self::with(EndpointConfig::default())
    }

    fn with(config: EndpointConfig) -> Self {
        Self {
            endpoint: Endpoint::new(config, Box::new(Seeded::new(7))),
            now: Now::from_millis(1_000),
            out: Outbox::new(),
            flow: flow(),
        }
    }

    fn receive(&mut self, text: impl Into<String>) {
        let flow = self.flow;
        self.receive_over(flow, text);
    }

    fn receive_over(&mut self, flow: Flow, text: impl Into<String>) {
        let message = Message::parse(Bytes::from(text.into())).unwrap();
        self.endpoint.receive(self.now, Received { message, flow }, &mut self.out);
        self.endpoint.check();
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.endpoint.next_deadline().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.endpoint.expire(self.now, &mut self.out);
            self.endpoint.check();
        }
        self.now = until;
    }

    fn pass_s(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// What was sent since the last question.
    fn sent(&mut self) -> Vec<Message> {
        let transmits = std::mem::take(&mut self.out.transmits);
        transmits.into_iter().map(|sent| Message::parse(sent.bytes).unwrap()).collect()
    }

    fn sent_one(&mut self) -> Message {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    /// The last message sent with this method.
    fn sent_last(&mut self, method: &Method) -> Message {
        let sent = self.sent();
        let found = sent.iter().rev().find(|one| one.is_request() && one.method() == *method);
        found.unwrap_or_else(|| panic!("no {method} in {sent:?}")).clone()
    }

    /// The status codes of the responses sent since the last question.
    fn statuses(&mut self) -> Vec<u16> {
        self.sent().iter().filter_map(Message::status).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.out.events).into()
    }

    fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    fn invite(&mut self) -> (LegId, Message) {
        self.invite_as(outbound())
    }

    fn invite_as(&mut self, invite: Invite) -> (LegId, Message) {
        let leg = self.endpoint.invite(self.now, invite, &mut self.out).unwrap();
        self.endpoint.check();
        (leg, self.sent_one())
    }

    /// An outbound call that is up: the leg, its INVITE.
    fn called(&mut self) -> (LegId, Message) {
        self.called_as(outbound(), "")
    }

    fn called_as(&mut self, invite: Invite, headers: &str) -> (LegId, Message) {
        let (leg, invite) = self.invite_as(invite);
        self.receive(response(&invite, 200, "callee", headers, Some(&sdp(1))));
        assert!(matches!(self.event(), Event::Answered { .. }));
        assert_eq!(self.sent_one().method(), Method::Ack);
        (leg, invite)
    }

    /// An inbound INVITE, not answered.
    fn offered(&mut self, headers: &str, body: Option<&Bytes>) -> LegId {
        self.receive(request("INVITE", 1, "", headers, body));
        match self.event() {
            Event::Invite { leg, .. } => leg,
            other => panic!("{other:?}"),
        }
    }

    /// An inbound call that is up: the leg, our tag.
    fn answered(&mut self, headers: &str) -> (LegId, String) {
        let leg = self.offered(headers, Some(&sdp(1)));
        self.endpoint.answer(self.now, leg, sdp(5), &[], &mut self.out);
        let tag = self.tag(leg);
        self.sent();
        self.receive(request("ACK", 1, &tag, "", None));
        assert!(matches!(self.event(), Event::Confirmed { .. }));
        (leg, tag)
    }

    fn tag(&self, leg: LegId) -> String {
        self.endpoint.leg(leg).unwrap().local_tag.to_owned()
    }

    fn release(&mut self, leg: LegId) {
        self.endpoint.release(self.now, leg, Release::default(), &mut self.out);
        self.endpoint.check();
    }

    fn offer(&mut self, leg: LegId, version: u32) -> bool {
        let has_taken = self.endpoint.offer(self.now, leg, sdp(version), &mut self.out);
        self.endpoint.check();
        has_taken
    }

    fn accept(&mut self, leg: LegId, version: u32) {
        self.endpoint.accept_offer(self.now, leg, sdp(version), &mut self.out);
        self.endpoint.check();
    }

    fn progress(&mut self, leg: LegId, status: u16, session: Option<Bytes>) {
        self.endpoint.progress(self.now, leg, &Reply::new(status), session, &mut self.out);
        self.endpoint.check();
    }
}

fn outbound() -> Invite {
    Invite {
        request_uri: "sip:callee@example.net".to_owned(),
        from: "<sip:201@example.com>".to_owned(),
        to: "<sip:callee@example.net>".to_owned(),
        contact: "sip:201@192.0.2.1:5060".to_owned(),
        destination: flow(),
        alternatives: Vec::new(),
        route: Vec::new(),
        max_forwards: 33,
        headers: Vec::new(),
        sdp: Some(sdp(1)),
        credentials: None,
        session_timer: false,
        hundred_rel: false,
    }
}

/// A response of the peer. Contact is added to 101–299.
fn response(
    request: &Message,
    status: u16,
    tag: &str,
    headers: &str,
    body: Option<&Bytes>,
) -> String {
    let header = |name| request.header(name).unwrap_or_default().to_owned();
    let contact = if (101..300).contains(&status) && !headers.contains("Contact:") {
        "Contact: <sip:desk@10.0.0.9:5999>\r\n"
    } else {
        ""
    };
    let to = header(HeaderName::To);
    let to = if to.contains("tag=") || tag.is_empty() { to } else { format!("{to};tag={tag}") };
    let body = body.map_or("", |body| std::str::from_utf8(body).unwrap());
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} Said\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         {contact}{headers}{content}Content-Length: {}\r\n\r\n{body}",
        header(HeaderName::Via),
        header(HeaderName::From),
        header(HeaderName::CallId),
        header(HeaderName::CSeq),
        body.len(),
    )
}

/// A request of the peer on its own call; `to_tag` is ours.
fn request(method: &str, cseq: u32, to_tag: &str, headers: &str, body: Option<&Bytes>) -> String {
    let to = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    in_dialog(
        method,
        cseq,
        "<sip:caller@example.org>;tag=caller",
        &to,
        "inbound-call",
        headers,
        body,
    )
}

/// A request of the peer on a call of ours.
fn back(invite: &Message, method: &str, cseq: u32, headers: &str, body: Option<&Bytes>) -> String {
    let tag = invite.from().unwrap().tag().unwrap().to_owned();
    let from = "<sip:callee@example.net>;tag=callee";
    let to = format!(";tag={tag}");
    in_dialog(method, cseq, from, &to, invite.call_id(), headers, body)
}

#[expect(clippy::too_many_arguments, reason = "the parts of a text")]
fn in_dialog(
    method: &str,
    cseq: u32,
    from: &str,
    to: &str,
    call_id: &str,
    headers: &str,
    body: Option<&Bytes>,
) -> String {
    let body = body.map_or("", |body| std::str::from_utf8(body).unwrap());
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let contact = match method {
        "INVITE" | "UPDATE" | "SUBSCRIBE" if !headers.contains("Contact:") => {
            "Contact: <sip:desk@10.0.0.9:5999>\r\n"
        }
        _ => "",
    };
    // An ACK for a 2xx is a transaction of its own, and so is every request of the peer here.
    let branch = format!("z9hG4bK{method}{cseq}{}", headers.len() * 7 + body.len());
    format!(
        "{method} sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5999;rport;branch={branch}\
         \r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: <sip:us@example.com>{to}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}{headers}{content}\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
}

fn target(message: &Message) -> &str {
    message.request_uri().unwrap()
}

fn number(message: &Message) -> u32 {
    message.cseq().unwrap().number
}

fn branch(message: &Message) -> String {
    message.via().unwrap().branch.unwrap().to_owned()
}
