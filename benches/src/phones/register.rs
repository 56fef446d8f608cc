//! Registrations: REGISTER, its challenge, REGISTER with digest, 200 with the contact.

use super::text::{Parts, parameter};
use super::{Phones, Send, Waiting};

/// One line's REGISTER.
#[derive(Debug, Default)]
pub(super) struct Registration {
    pub(super) waiting: Waiting,
    serial: u64,
    cseq: u32,
    is_authorized: bool,
    is_challenged: bool,
    is_busy: bool,
}

impl Phones {
    /// Registers a line anew: the switch has to challenge it. False while it is busy.
    pub fn register(&mut self, now_us: u64, line: usize, send: Send<'_>) -> bool {
        self.begin_registration(now_us, line, false, send)
    }

    /// Registers a line again with the nonce it has, as phones do between challenges.
    pub fn refresh(&mut self, now_us: u64, line: usize, send: Send<'_>) -> bool {
        let is_known = self.accounts.get(line).is_some_and(|account| account.has_nonce());
        self.begin_registration(now_us, line, is_known, send)
    }

    fn begin_registration(
        &mut self,
        now_us: u64,
        line: usize,
        is_authorized: bool,
        send: Send<'_>,
    ) -> bool {
        let Some(registration) = self.registrations.get_mut(line) else { return false };
        if registration.is_busy {
            return false;
        }
        // A phone that has no binding yet begins a new Call-ID; later it keeps it.
        if registration.serial == 0 {
            self.serial += 1;
            registration.serial = self.serial;
        }
        registration.is_busy = true;
        registration.is_authorized = is_authorized;
        registration.is_challenged = false;
        self.busy += 1;
        self.send_register(now_us, line, send);
        true
    }

    fn send_register(&mut self, now_us: u64, line: usize, send: Send<'_>) {
        let (Some(registration), Some(account)) =
            (self.registrations.get_mut(line), self.accounts.get_mut(line))
        else {
            return;
        };
        registration.cseq += 1;
        let (serial, cseq) = (registration.serial, registration.cseq);
        let (domain, address) = (&self.config.domain, self.config.address);
        let uri = format!("sip:{domain}");
        let authorization = match registration.is_authorized {
            true => account.authorize("REGISTER", &uri),
            false => String::new(),
        };
        let number = &account.number;
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bKr{line}.{serial}.{cseq};rport\r\n\
             Max-Forwards: 70\r\n\
             From: \"Line {number}\" <sip:{number}@{domain}>;tag=f{serial}\r\n\
             To: <sip:{number}@{domain}>\r\n\
             Call-ID: r{line}-{serial}@load\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{number}@{address}>;expires=3600\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, REFER, UPDATE\r\n\
             Supported: replaces, path\r\n\
             User-Agent: Load/1\r\n\
             {authorization}Content-Length: 0\r\n\r\n"
        );
        registration.waiting.send(now_us, text, send);
    }

    pub(super) fn on_register_response(
        &mut self,
        now_us: u64,
        line: usize,
        status: u16,
        parts: &Parts<'_>,
        send: Send<'_>,
    ) {
        let Some(registration) = self.registrations.get_mut(line) else {
            return self.complain("a response to no line came");
        };
        if !registration.is_busy || parts.cseq_number() != Some(registration.cseq) {
            return; // A repeated answer to a repeated request.
        }
        match status {
            100..200 => {}
            200 if registration.is_authorized => {
                let contact = format!("sip:{}@{}", self.number(line), self.config.address);
                let is_bound = parts.target() == Some(contact.as_str());
                self.end_registration(
                    line,
                    is_bound.then_some(()).ok_or("200 without the contact"),
                );
            }
            // The first challenge, or the only one after a nonce that had become too old.
            401 if !registration.is_challenged => {
                let nonce = parts.challenge.and_then(|text| parameter(text, "nonce"));
                let (Some(nonce), Some(account)) = (nonce, self.accounts.get_mut(line)) else {
                    return self.end_registration(line, Err("401 without an MD5 challenge"));
                };
                account.challenged(nonce);
                registration.is_authorized = true;
                registration.is_challenged = true;
                self.send_register(now_us, line, send);
            }
            _ => self.end_registration(line, Err(parts.start())),
        }
    }

    pub(super) fn end_registration(&mut self, line: usize, result: Result<(), &str>) {
        let Some(registration) = self.registrations.get_mut(line) else { return };
        registration.waiting.text.clear();
        registration.is_busy = false;
        self.busy -= 1;
        match result {
            Ok(()) => self.tally.done += 1,
            Err(what) => self.complain(what),
        }
    }
}
