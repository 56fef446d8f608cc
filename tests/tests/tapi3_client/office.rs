//! An office with phones and a client.

use serde_json::json;
use sip_stack::endpoint::LegId;
use std::time::Instant;
use tapi::Constant as _;
use tapi::client::{
    Address, Call, CallState, CallStateEventCause, ClientConfig, Connect, Event, Success, Tapi,
    TapiError, TapiErrorCode, TapiMediaType,
};
use tapi::constant::Mask;
use tests::program::{LivePhone, PATIENCE, Program, TOKEN, forgetful, office};
use tokio::runtime::Runtime;
use tokio::time::timeout;

pub(crate) fn audio() -> Mask<TapiMediaType> {
    TapiMediaType::Audio.into()
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// An office with phones, and a client with every event wanted.
pub(crate) struct Office {
    pub(crate) runtime: Runtime,
    pub(crate) program: Program,
    pub(crate) phones: Vec<LivePhone>,
    pub(crate) tapi: Tapi,
}

impl Office {
    pub(crate) fn new(lines: &[&str]) -> Office {
        Office::with(Program::with(office(forgetful)), lines)
    }

    pub(crate) fn with(program: Program, lines: &[&str]) -> Office {
        let runtime = runtime();
        let phones = lines.iter().map(|line| program.live_phone(line)).collect();
        let tapi = Tapi::new(config(&program, "client"));
        assert_eq!(runtime.block_on(tapi.initialize()), Ok(Success::Ok));
        tapi.put_event_filter(Mask::all());
        Office { runtime, program, phones, tapi }
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let patient = async { timeout(PATIENCE * 2, work).await };
        match self.runtime.block_on(patient) {
            Ok(value) => value,
            Err(_) => panic!("a method does not end\n{}", self.program.log()),
        }
    }

    pub(crate) fn ok<T>(&self, work: impl Future<Output = Result<T, TapiError>>) -> T {
        self.run(work).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn fails<T: std::fmt::Debug>(
        &self,
        work: impl Future<Output = Result<T, TapiError>>,
    ) -> TapiErrorCode {
        self.run(work).unwrap_err().code
    }

    pub(crate) fn address(&self, line: &str) -> Address {
        self.ok(self.tapi.address(line))
    }

    /// The address, its calls owned and monitored.
    pub(crate) fn registered(&self, line: &str, callback: i32) -> Address {
        let address = self.address(line);
        self.ok(self.tapi.register_call_notifications(&address, true, true, audio(), callback));
        address
    }

    pub(crate) fn event(&self, what: &str) -> Event {
        match self.run(async { timeout(PATIENCE, self.tapi.next_event()).await }) {
            Ok(Some(event)) => event,
            other => panic!("{what}: {other:?}\n{}", self.program.log()),
        }
    }

    /// The first event that fits; those before it are skipped.
    pub(crate) fn wait<T>(&self, what: &str, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.event(what)) {
                return found;
            }
        }
    }

    /// The next call that is offered.
    pub(crate) fn offered(&self) -> Call {
        self.wait("CS_OFFERING", |event| match event {
            Event::CallState { call, state: CallState::Offering, .. } => Some(call),
            _ => None,
        })
    }

    pub(crate) fn reaches(&self, call: &Call, wanted: CallState) {
        let start = Instant::now();
        while call.call_state() != wanted {
            assert!(start.elapsed() < PATIENCE, "{wanted:?} and not {:?}", call.call_state());
            tests::program::pause();
        }
    }

    /// States of one call, in order, until it is over; its object.
    pub(crate) fn trace(&self, of: &Call) -> Vec<String> {
        let mut trace = Vec::new();
        loop {
            if let Event::CallState { call, state, cause, .. } = self.event("CS_DISCONNECTED")
                && call == *of
            {
                trace.push(match cause {
                    CallStateEventCause::None => state.name().to_owned(),
                    cause => format!("{} {}", state.name(), cause.name()),
                });
                if state == CallState::Disconnected {
                    return trace;
                }
            }
        }
    }

    /// A call of `line` to the phone at this place, which has answered.
    pub(crate) fn call_to(&self, address: &Address, phone: usize) -> (Call, LegId) {
        let number = self.phones[phone].with(|phone| phone.number().to_owned());
        let call = address.create_call(Some(&number), audio()).unwrap();
        self.ok(call.connect(Connect::asynchronous()));
        let leg = self.answers(phone);
        self.reaches(&call, CallState::Connected);
        (call, leg)
    }

    /// Each of these phones hears a conference, in which voices are mixed.
    pub(crate) fn hear_a_mix(&self, phones: &[usize]) {
        const PACKETS: u64 = 10;
        for phone in phones {
            let before = self.phones[*phone].rtp().received;
            let start = Instant::now();
            while self.phones[*phone].rtp().received < before + PACKETS {
                assert!(start.elapsed() < PATIENCE, "phone {phone} hears nothing");
                tests::program::pause();
            }
        }
    }

    pub(crate) fn answers(&self, phone: usize) -> LegId {
        let leg = self.phones[phone].incoming();
        self.phones[phone].answer(leg);
        self.phones[phone].connected(leg);
        leg
    }

    pub(crate) fn hear_each_other(&self, one: usize, other: usize) {
        self.phones[one].hears(&self.phones[other]);
        self.phones[other].hears(&self.phones[one]);
    }

    /// No call, no port, and no handle of the application is left.
    pub(crate) fn at_rest(&self) {
        for collection in ["calls", "media", "park"] {
            let path = format!("/api/v1/{collection}");
            self.program.until(&path, |answer| answer["items"] == json!([]));
        }
    }
}

/// A client of this program.
pub(crate) fn config(program: &Program, name: &str) -> ClientConfig {
    ClientConfig::new(format!("http://{}", program.api), TOKEN, name)
}
