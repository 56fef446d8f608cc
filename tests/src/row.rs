//! A row of the session table on the real program: an application has opened every line involved, is
//! told everything in order, and at the end nothing is left.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::time::Seeded;
use switch::phone::Phone;

use crate::interop::free_port;
use crate::program::{Application, LivePhone, Program, office};

/// The number from which the carrier of [`Row::with_carrier`] calls.
pub const OUTSIDE: &str = "0472000000";

/// An office with an application on some of its lines.
pub struct Row {
    /// The switch.
    pub program: Program,
    /// The application, owner of every call that it is told of.
    pub app: Application,
    lines: HashMap<String, u64>,
}

impl Row {
    /// The office; the application opens these lines.
    pub fn open(lines: &[&str]) -> Row {
        Row::with(Program::start(), lines)
    }

    /// The same with any configuration.
    pub fn with(program: Program, lines: &[&str]) -> Row {
        let mut app = program.application("desk");
        let lines = lines.iter().map(|line| ((*line).to_owned(), app.open(line))).collect();
        Row { program, app, lines }
    }

    /// The office, changed by `edit`, and its carrier: somebody behind the trunk, whose number is
    /// [`OUTSIDE`].
    pub fn with_carrier(lines: &[&str], edit: impl FnOnce(String) -> String) -> (Row, LivePhone) {
        let port = free_port();
        let switch = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let entropy = Box::new(Seeded::new(u64::from(port)));
        let carrier = Phone::new(OUTSIDE, "", "office.test", switch, entropy).expect("a socket");
        let text = office(|text| {
            let peer = format!("sip:{}", carrier.address());
            edit(text).replacen("udp:127.0.0.1:0", &format!("udp:{switch}"), 1).replacen(
                "sip:127.0.0.1:5090",
                &peer,
                1,
            )
        });
        (Row::with(Program::with(text), lines), LivePhone::start(carrier))
    }

    /// Phones that obey `Event: talk` and `hold` and answer by themselves when asked to.
    pub fn phones<const N: usize>(&self, lines: [&str; N]) -> [LivePhone; N] {
        lines.map(|line| self.program.live_phone(line))
    }

    /// The hLine of a line.
    pub fn line(&self, line: &str) -> u64 {
        self.lines[line]
    }

    /// A function that must succeed.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.app.call(method, params.clone());
        answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    /// An asynchronous function on a call; it must be accepted.
    pub fn tell(&mut self, method: &str, call: &str, more: Value) {
        let mut params = json!({"hCall": self.app.handle(call)});
        if let (Some(params), Some(more)) = (params.as_object_mut(), more.as_object()) {
            params.extend(more.clone());
        }
        let answer = self.ask(method, params);
        assert!(answer["requestId"].as_u64().is_some_and(|id| id > 0), "{method}: {answer}");
        assert!(answer.get("result").is_none(), "{method} is not done yet: {answer}");
    }

    /// LINECALLINFO of a call.
    pub fn info(&mut self, call: &str) -> Value {
        let h_call = self.app.handle(call);
        self.ask("lineGetCallInfo", json!({"hCall": h_call}))
    }

    /// The reason of a call and the addresses of its parties: caller, called, connected,
    /// redirecting, redirection; `-` for one that is not known.
    pub fn parties(&mut self, call: &str) -> String {
        let info = self.info(call);
        let reason = info["reason"].as_str().unwrap_or_default();
        let names = ["callerId", "calledId", "connectedId", "redirectingId", "redirectionId"];
        let known = |name: &&str| info[*name].as_str().filter(|address| !address.is_empty());
        let parties = names.iter().map(|name| known(name).unwrap_or("-"));
        let words = std::iter::once(reason.trim_start_matches("LINECALLREASON_")).chain(parties);
        words.collect::<Vec<_>>().join(" ")
    }

    /// What the application is told next; see [`Application::expect_on_lines`].
    pub fn told(&mut self, wanted: &[(&str, &str)]) {
        self.app.expect_on_lines(wanted);
    }

    /// lineGetCallStatus: the features of a call without LINECALLFEATURE_.
    pub fn features(&mut self, call: &str) -> Vec<String> {
        let h_call = self.app.handle(call);
        let status = self.ask("lineGetCallStatus", json!({"hCall": h_call}));
        let names = status["callFeatures"].as_array().cloned().unwrap_or_default();
        let word =
            |name: &Value| name.as_str().and_then(|name| Some(name.split_once('_')?.1.to_owned()));
        names.iter().filter_map(word).collect()
    }

    /// A call rings at a line: all that is told of it.
    pub fn ring(&mut self, a: &LivePhone, b: &LivePhone) -> (LegId, LegId) {
        let near = a.call(&b.number());
        let far = b.incoming();
        a.rings_there();
        let (from, to) = (a.number(), b.number());
        let (one, other) = (self.app.next_name(&from), self.app.next_name(&to));
        let caller =
            format!("{one} NEW OWNER; {one} DIALING OWNER; {one} PROCEEDING; {one} RINGBACK");
        let called = format!("{other} NEW OWNER; {other} OFFERING ACTIVE OWNER");
        self.told(&[(&from, &caller), (&to, &called)]);
        (near, far)
    }

    /// lineMakeCall on one line to another, whose phone rings: all that is told of it.
    pub fn make_call(&mut self, a: &LivePhone, b: &LivePhone, wishes: Value) -> LegId {
        let (from, to) = (a.number(), b.number());
        let (one, other) = (self.app.next_name(&from), self.app.next_name(&to));
        let line = self.line(&from);
        let params = json!({"hLine": line, "destAddress": to, "callParams": wishes});
        self.ask("lineMakeCall", params);
        let far = b.incoming();
        let caller = format!("REPLY 0; {one} DIALING; {one} PROCEEDING; {one} RINGBACK");
        let called = format!("{other} NEW OWNER; {other} OFFERING ACTIVE OWNER");
        self.told(&[(&from, &caller), (&to, &called)]);
        far
    }

    /// lineDrop of a call with a far line: both are idle.
    pub fn drop_call(&mut self, call: &str, far: &str) {
        self.tell("lineDrop", call, json!({}));
        let line = |call: &str| call.split('/').next().unwrap_or(call).to_owned();
        let here = format!("REPLY 0; {call} IDLE");
        let there = format!("{far} DISCONNECTED NORMAL; {far} IDLE");
        self.told(&[(&line(call), &here), (&line(far), &there)]);
    }

    /// One phone calls another, which answers: all that is told of it, and both hear each other.
    pub fn talk(&mut self, a: &LivePhone, b: &LivePhone) -> (LegId, LegId) {
        let near = a.call(&b.number());
        let far = b.incoming();
        a.rings_there();
        b.answer(far);
        a.connected(near);
        b.connected(far);
        let (from, to) = (a.number(), b.number());
        let (one, other) = (self.app.next_name(&from), self.app.next_name(&to));
        let caller = format!(
            "{one} NEW OWNER; {one} DIALING OWNER; {one} PROCEEDING; {one} RINGBACK; \
             {one} CONNECTED ACTIVE; {one} INFO CONNECTEDID"
        );
        let called = format!(
            "{other} NEW OWNER; {other} OFFERING ACTIVE OWNER; {other} CONNECTED ACTIVE; \
             {other} INFO CONNECTEDID"
        );
        self.told(&[(&from, &caller), (&to, &called)]);
        hear_each_other(a, b);
        (near, far)
    }

    /// Nothing more is told, no call, no port and nobody parked is left in the switch.
    pub fn is_empty(mut self) {
        self.app.expect_silence();
        let none = |answer: &Value| answer["items"] == json!([]);
        for collection in ["calls", "media", "park", "completions"] {
            let path = format!("/api/v1/{collection}");
            // Completions are a table of the switch only where it keeps them.
            if self.program.get(&path).0 != 404 {
                self.program.until(&path, none);
            }
        }
        let (_, groups) = self.program.get("/api/v1/pickup-groups");
        let groups = groups["items"].as_array().expect("pickup groups").clone();
        assert!(groups.iter().all(|group| group["ringing"] == json!([])), "{groups:?}");
        self.program.until("/metrics", |text| {
            text.as_str()
                .is_some_and(|text| text.lines().any(|line| line == "strowger_calls_active 0"))
        });
        for h_line in self.lines.values() {
            // The own address, and that of a shared line, where the line has a part in one.
            for address in 0..2 {
                let asked = json!({"hLine": h_line, "addressId": address});
                let status = self.app.call("lineGetAddressStatus", asked);
                assert!(address > 0 || status.is_ok(), "{status:?}");
                let Ok(status) = status else { continue };
                let counts = ["numActiveCalls", "numOnHoldCalls", "numOnHoldPendCalls"];
                assert!(counts.iter().all(|count| status[*count] == 0), "{status}");
            }
        }
    }
}

/// Both hear each other.
pub fn hear_each_other(a: &LivePhone, b: &LivePhone) {
    a.hears(b);
    b.hears(a);
}
