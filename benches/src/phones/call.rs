//! Calls: INVITE, its challenge, INVITE with digest, 180, 200, ACK, BYE, on both phones.

use std::net::SocketAddr;

use super::text::{Parts, parameter};
use super::{CallMedia, Phones, Send, Waiting, host_text, line_of};

/// Where the caller is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    Asked,
    Authorized,
    Up,
    Ending,
    Ended,
}

/// One pair of phones: the call between them.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The caller's request without answer.
    pub(super) waiting: Waiting,
    /// The called phone's 200 without ACK.
    pub(super) answer: Waiting,
    step: Step,
    serial: u64,
    cseq: u32,
    began_us: u64,
    to: String,
    target: String,
    has_rung: bool,
    is_kept: bool,
    /// Counted among the jobs that are not over.
    is_busy: bool,
    is_called: bool,
    is_acknowledged: bool,
    is_hung_up: bool,
    caller_media: Option<SocketAddr>,
    called_media: Option<SocketAddr>,
}

impl Slot {
    fn own_tag(&self) -> String {
        format!(";tag=f{}", self.serial)
    }
}

impl Phones {
    /// Begins a call on the pair that was idle longest, and answers which; `None` when all are
    /// busy. A call that is kept stays up until [`Phones::hang_up`].
    pub fn call(&mut self, now_us: u64, is_kept: bool, send: Send<'_>) -> Option<usize> {
        let slot = self.free.pop_front()?;
        let serial = self.next_serial();
        let call = self.slots.get_mut(slot)?;
        *call = Slot {
            step: Step::Asked,
            serial,
            began_us: now_us,
            to: format!("<sip:{}@{}>", super::number(2 * slot + 1), self.config.domain),
            is_kept,
            is_busy: true,
            ..Slot::default()
        };
        self.busy += 1;
        self.send_invite(now_us, slot, send);
        Some(slot)
    }

    /// The caller of a call that was kept hangs up.
    pub fn hang_up(&mut self, now_us: u64, slot: usize, send: Send<'_>) {
        if let Some(call) = self.slots.get_mut(slot).filter(|call| call.step == Step::Up) {
            call.is_busy = true;
            self.busy += 1;
            self.send_bye(now_us, slot, send);
        }
    }

    /// The media of a call that is up.
    pub fn media(&self, slot: usize) -> Option<CallMedia> {
        let call = self.slots.get(slot).filter(|call| call.step == Step::Up)?;
        Some(CallMedia {
            caller: call.caller_media?,
            called: call.called_media?,
            caller_port: self.media_port(2 * slot),
            called_port: self.media_port(2 * slot + 1),
        })
    }

    /// Requests of a dialog, or the INVITE that begins it, with what all of them have in common.
    fn request(&mut self, slot: usize, method: &str, extra: &str, body: &str) -> Option<String> {
        let (domain, address) = (&self.config.domain, self.config.address);
        let call = self.slots.get(slot)?;
        let Slot { serial, cseq, to, target, .. } = call;
        let number = self.number(2 * slot);
        let uri = match target.as_str() {
            "" => to.trim_matches(['<', '>']),
            target => target,
        };
        let length = body.len();
        Some(format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bKc{slot}.{serial}.{cseq}{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: \"Line {number}\" <sip:{number}@{domain}>;tag=f{serial}\r\n\
             To: {to}\r\n\
             Call-ID: c{slot}-{serial}@load\r\n\
             CSeq: {cseq} {method}\r\n\
             {extra}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn send_invite(&mut self, now_us: u64, slot: usize, send: Send<'_>) {
        let line = 2 * slot;
        let Some(call) = self.slots.get_mut(slot) else { return };
        call.cseq += 1;
        let uri = call.to.trim_matches(['<', '>']);
        let authorization = match (call.step, self.accounts.get_mut(line)) {
            (Step::Authorized, Some(account)) => account.authorize("INVITE", uri),
            _ => String::new(),
        };
        let contact = format!("<sip:{}@{}>", self.number(line), self.config.address);
        let extra = format!(
            "Contact: {contact}\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, REFER, UPDATE\r\n\
             Supported: replaces\r\n\
             User-Agent: Load/1\r\n\
             {authorization}Content-Type: application/sdp\r\n"
        );
        let body = self.description(line);
        let Some(text) = self.request(slot, "INVITE", &extra, &body) else { return };
        if let Some(call) = self.slots.get_mut(slot) {
            call.waiting.send(now_us, text, send);
        }
    }

    fn send_bye(&mut self, now_us: u64, slot: usize, send: Send<'_>) {
        let Some(call) = self.slots.get_mut(slot) else { return };
        call.step = Step::Ending;
        call.cseq += 1;
        let text = self.request(slot, "BYE", "", "");
        if let (Some(text), Some(call)) = (text, self.slots.get_mut(slot)) {
            call.waiting.send(now_us, text, send);
        }
    }

    fn send_ack(&mut self, slot: usize, send: Send<'_>) {
        if let Some(text) = self.request(slot, "ACK", "", "") {
            send(text.as_bytes());
        }
    }

    /// ACK for a refusal: in the INVITE's transaction (RFC 3261 §17.1.1.3).
    fn refuse_ack(&mut self, slot: usize, refusal: &Parts<'_>, send: Send<'_>) {
        let Some(text) = self.request(slot, "ACK", "", "") else { return };
        let own_to = self.slots.get(slot).map(|call| call.to.clone()).unwrap_or_default();
        let text = text
            .replacen(&format!("To: {own_to}"), &format!("To: {}", refusal.to), 1)
            .replacen("ACK;rport", "INVITE;rport", 1);
        send(text.as_bytes());
    }

    fn description(&self, line: usize) -> String {
        let host = host_text(self.config.address.ip());
        let port = self.media_port(line);
        format!(
            "v=0\r\no=- {line} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        )
    }

    pub(super) fn on_call_response(
        &mut self,
        now_us: u64,
        slot: usize,
        status: u16,
        parts: &Parts<'_>,
        send: Send<'_>,
    ) {
        let Some(call) = self.slots.get_mut(slot) else {
            return self.complain("a response to no call came");
        };
        let is_current = parts.call_id.split(['-', '@']).nth(1) == Some(&call.serial.to_string())
            && parts.cseq_number() == Some(call.cseq);
        if !is_current {
            return; // A repeated answer.
        }
        match (status, call.step) {
            (180, Step::Authorized) => {
                call.has_rung = true;
                call.waiting.text.clear();
            }
            // Nothing is repeated any more; the answer may take its time.
            (100..200, Step::Asked | Step::Authorized) => call.waiting.text.clear(),
            (401, Step::Asked) => {
                self.refuse_ack(slot, parts, send);
                let nonce = parts.challenge.and_then(|text| parameter(text, "nonce"));
                let (Some(nonce), Some(account)) = (nonce, self.accounts.get_mut(2 * slot)) else {
                    return self.fail_call(slot, "401 without an MD5 challenge");
                };
                account.challenged(nonce);
                if let Some(call) = self.slots.get_mut(slot) {
                    call.step = Step::Authorized;
                }
                self.send_invite(now_us, slot, send);
            }
            (200, Step::Authorized) => self.on_answer(now_us, slot, parts, send),
            (200, Step::Up) => self.send_ack(slot, send),
            (200, Step::Ending) => {
                call.step = Step::Ended;
                call.waiting.text.clear();
                self.end_if_over(slot);
            }
            (_, Step::Ended | Step::Idle) => {}
            (300.., Step::Asked | Step::Authorized) => {
                self.refuse_ack(slot, parts, send);
                self.fail_call(slot, parts.start());
            }
            _ => self.fail_call(slot, parts.start()),
        }
    }

    fn on_answer(&mut self, now_us: u64, slot: usize, parts: &Parts<'_>, send: Send<'_>) {
        let Some(call) = self.slots.get_mut(slot) else { return };
        let (Some(_), Some(target), Some(media), true) =
            (parts.to_tag(), parts.target(), parts.media(), call.has_rung)
        else {
            return self.fail_call(slot, "a 200 without tag, Contact, SDP or a 180 before it");
        };
        call.waiting.text.clear();
        call.step = Step::Up;
        call.to = parts.to.to_owned();
        call.target = target.to_owned();
        call.caller_media = Some(media);
        let took = u32::try_from(now_us.saturating_sub(call.began_us)).unwrap_or(u32::MAX);
        self.tally.setup_us.push(took);
        self.send_ack(slot, send);
        self.go_on(now_us, slot, send);
    }

    /// A kept call is done when both phones are up; any other one is hung up by its caller then.
    fn go_on(&mut self, now_us: u64, slot: usize, send: Send<'_>) {
        let Some(call) = self.slots.get_mut(slot) else { return };
        if call.step != Step::Up || !call.is_acknowledged {
            return;
        }
        if call.is_kept {
            call.is_busy = false;
            self.busy -= 1;
            self.tally.done += 1;
        } else {
            self.send_bye(now_us, slot, send);
        }
    }

    /// The switch asks the called phone something.
    pub(super) fn on_request(&mut self, now_us: u64, parts: &Parts<'_>, send: Send<'_>) {
        let line = parts.user().and_then(line_of).filter(|line| *line < self.accounts.len());
        let Some(line) = line else { return self.complain("a request to nobody came") };
        let slot = line / 2;
        let Some(call) = self.slots.get_mut(slot) else { return };
        if line % 2 == 0 || call.step == Step::Idle {
            return self.on_stray(slot, line, parts, send);
        }
        match parts.method() {
            "INVITE" if call.step == Step::Authorized => {
                let Some(media) = parts.media() else {
                    return self.fail_call(slot, "an INVITE without SDP");
                };
                call.called_media = Some(media);
                if call.is_called {
                    return; // Repeated by the switch; the 200 is repeated by its own timer.
                }
                call.is_called = true;
                send(self.response(parts, line, "180 Ringing", "").as_bytes());
                let description = self.description(line);
                let text = self.response(parts, line, "200 OK", &description);
                if let Some(call) = self.slots.get_mut(slot) {
                    call.answer.send(now_us, text, send);
                }
            }
            "ACK" => {
                call.answer.text.clear();
                if call.is_called && !std::mem::replace(&mut call.is_acknowledged, true) {
                    self.go_on(now_us, slot, send);
                }
            }
            "BYE" => {
                send(self.response(parts, line, "200 OK", "").as_bytes());
                if let Some(call) = self.slots.get_mut(slot).filter(|call| call.is_called) {
                    call.is_hung_up = true;
                    self.end_if_over(slot);
                }
            }
            _ => self.fail_call(slot, parts.start()),
        }
    }

    /// What the switch says to a caller, or about a call that was given up here as failed.
    fn on_stray(&mut self, slot: usize, line: usize, parts: &Parts<'_>, send: Send<'_>) {
        let status = match parts.method() {
            "ACK" => return,
            "INVITE" => "486 Busy Here",
            _ => "200 OK",
        };
        send(self.response(parts, line, status, "").as_bytes());
        let is_current = self
            .slots
            .get(slot)
            .is_some_and(|call| call.step != Step::Idle && parts.to.contains(&call.own_tag()));
        if is_current {
            self.fail_call(slot, "the switch hung up");
        }
    }

    fn response(&self, request: &Parts<'_>, line: usize, status: &str, body: &str) -> String {
        let Parts { via, from, to, call_id, cseq, .. } = *request;
        let tag = if request.to_tag().is_some() { "" } else { ";tag=called" };
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let (number, address) = (self.number(line), self.config.address);
        let length = body.len();
        format!(
            "SIP/2.0 {status}\r\n\
             Via: {via}\r\n\
             From: {from}\r\n\
             To: {to}{tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq}\r\n\
             Contact: <sip:{number}@{address}>\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, REFER, UPDATE\r\n\
             Supported: replaces\r\n\
             {content}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    fn end_if_over(&mut self, slot: usize) {
        let is_over =
            self.slots.get(slot).is_some_and(|call| call.step == Step::Ended && call.is_hung_up);
        if is_over {
            self.release(slot);
            self.tally.done += 1;
        }
    }

    pub(super) fn fail_call(&mut self, slot: usize, what: &str) {
        let is_idle = self.slots.get(slot).is_none_or(|call| call.step == Step::Idle);
        self.complain(what);
        if !is_idle {
            self.release(slot);
        }
    }

    fn release(&mut self, slot: usize) {
        if let Some(call) = self.slots.get_mut(slot) {
            call.step = Step::Idle;
            call.waiting.text.clear();
            call.answer.text.clear();
            self.busy -= usize::from(std::mem::take(&mut call.is_busy));
            self.free.push_back(slot);
        }
    }
}
