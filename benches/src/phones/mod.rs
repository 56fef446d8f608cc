//! Many phones in one state machine without I/O: registrations and calls, every answer verified.
//!
//! Lines come in pairs: the even one calls the odd one. One pair is one slot for one call at a
//! time. Requests are repeated like those of a phone on UDP (RFC 3261 §17.1), in a coarse rhythm.

mod call;
mod digest;
mod register;
mod text;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use self::call::Slot;
use self::digest::Account;
use self::register::Registration;
use self::text::Parts;

/// A request is repeated after this long, then after twice as long, and so on.
const REPEAT_US: u64 = 500_000;
/// Repetitions before a request counts as unanswered.
const REPEATS: u32 = 4;
/// The number of the first line.
const FIRST_NUMBER: usize = 10_000;
/// Most lines, so that every number has five digits.
pub const MAX_LINES: usize = 80_000;

/// What the phones are and where they are.
#[derive(Clone, Debug)]
pub struct PhonesConfig {
    /// The switch's domain and realm.
    pub domain: String,
    /// Where all phones receive SIP.
    pub address: SocketAddr,
    /// How many lines.
    pub lines: usize,
    /// RTP ports that the phones share in turn.
    pub media: Vec<u16>,
}

/// What has become of the jobs so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Jobs that went as they should.
    pub done: u64,
    /// Jobs that did not.
    pub failed: u64,
    /// Messages sent again.
    pub repeated: u64,
    /// From the INVITE to its 200, in microseconds, one for each answered call.
    pub setup_us: Vec<u32>,
    /// What went wrong first.
    pub fault: Option<String>,
}

/// The two relay ports of a call that is up, as the phones were told.
#[derive(Clone, Copy, Debug)]
pub struct CallMedia {
    /// Where the caller sends.
    pub caller: SocketAddr,
    /// Where the called phone sends.
    pub called: SocketAddr,
    /// The caller's own port.
    pub caller_port: u16,
    /// The called phone's own port.
    pub called_port: u16,
}

/// Where datagrams to the switch go.
pub type Send<'a> = &'a mut dyn FnMut(&[u8]);

/// A request that waits for an answer.
#[derive(Debug, Default)]
struct Waiting {
    text: String,
    sent_us: u64,
    repeats: u32,
}

impl Waiting {
    fn send(&mut self, now_us: u64, text: String, send: Send<'_>) {
        send(text.as_bytes());
        *self = Waiting { text, sent_us: now_us, repeats: 0 };
    }

    fn is_due(&self, now_us: u64) -> bool {
        !self.text.is_empty() && now_us.saturating_sub(self.sent_us) >= REPEAT_US << self.repeats
    }
}

/// All phones.
pub struct Phones {
    config: PhonesConfig,
    accounts: Vec<Account>,
    registrations: Vec<Registration>,
    slots: Vec<Slot>,
    free: VecDeque<usize>,
    busy: usize,
    serial: u64,
    /// What has become of the jobs so far.
    pub tally: Tally,
}

/// The number of a line.
pub fn number(line: usize) -> String {
    (FIRST_NUMBER + line).to_string()
}

/// The password of a line.
pub fn password(line: usize) -> String {
    format!("pw-{}", number(line))
}

impl Phones {
    /// Phones that are not registered.
    pub fn new(config: PhonesConfig) -> Phones {
        let accounts: Vec<Account> =
            (0..config.lines).map(|line| Account::new(line, &config.domain)).collect();
        Phones {
            registrations: (0..config.lines).map(|_| Registration::default()).collect(),
            slots: (0..config.lines / 2).map(|_| Slot::default()).collect(),
            free: (0..config.lines / 2).collect(),
            busy: 0,
            serial: 0,
            tally: Tally::default(),
            accounts,
            config,
        }
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.accounts.len()
    }

    /// Jobs that are not over. A call that is kept up is none.
    pub fn busy(&self) -> usize {
        self.busy
    }

    /// Takes a datagram from the switch.
    pub fn receive(&mut self, now_us: u64, datagram: &[u8], send: Send<'_>) {
        let Some(parts) = Parts::of(datagram) else {
            return self.complain("something that is no SIP message came");
        };
        if let Some(status) = parts.status() {
            match parts.job() {
                Some(('r', line)) => self.on_register_response(now_us, line, status, &parts, send),
                Some(('c', slot)) => self.on_call_response(now_us, slot, status, &parts, send),
                _ => self.complain("a response to nobody came"),
            }
        } else {
            self.on_request(now_us, &parts, send);
        }
    }

    /// Repeats what was not answered and gives up what was repeated too often.
    pub fn tick(&mut self, now_us: u64, send: Send<'_>) {
        for line in 0..self.registrations.len() {
            let Some(waiting) = self.registrations.get_mut(line).map(|one| &mut one.waiting) else {
                continue;
            };
            match repeat(waiting, now_us, send) {
                Repeat::No => {}
                Repeat::Yes => self.tally.repeated += 1,
                Repeat::Over => self.end_registration(line, Err("REGISTER was not answered")),
            }
        }
        for slot in 0..self.slots.len() {
            let Some(call) = self.slots.get_mut(slot) else { continue };
            let outcomes =
                [repeat(&mut call.waiting, now_us, send), repeat(&mut call.answer, now_us, send)];
            for outcome in outcomes {
                match outcome {
                    Repeat::No => {}
                    Repeat::Yes => self.tally.repeated += 1,
                    Repeat::Over => self.fail_call(slot, "a message of a call was not answered"),
                }
            }
        }
    }

    fn complain(&mut self, what: &str) {
        self.tally.failed += 1;
        self.tally.fault.get_or_insert_with(|| what.to_owned());
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn number(&self, line: usize) -> &str {
        self.accounts.get(line).map_or("", |account| &account.number)
    }

    fn media_port(&self, line: usize) -> u16 {
        let ports = &self.config.media;
        ports.get(line.checked_rem(ports.len()).unwrap_or(0)).copied().unwrap_or(40_000)
    }
}

/// The line behind a number of ours.
fn line_of(number: &str) -> Option<usize> {
    number.parse::<usize>().ok()?.checked_sub(FIRST_NUMBER)
}

enum Repeat {
    No,
    Yes,
    Over,
}

fn repeat(waiting: &mut Waiting, now_us: u64, send: Send<'_>) -> Repeat {
    if !waiting.is_due(now_us) {
        return Repeat::No;
    }
    if waiting.repeats == REPEATS {
        waiting.text.clear();
        return Repeat::Over;
    }
    waiting.repeats += 1;
    send(waiting.text.as_bytes());
    Repeat::Yes
}

/// Host and port as SIP writes them.
fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
