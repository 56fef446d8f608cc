//! The shared line's members, a caller, and an application that sees them all.

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::program::{Application, LivePhone, Program, office};

/// The office with the phones of both members of 250, a caller, and an application that has opened
/// all three lines as owner and monitor.
pub(crate) struct Desk {
    pub(crate) ada: LivePhone,
    pub(crate) dan: LivePhone,
    pub(crate) finn: LivePhone,
    pub(crate) app: Application,
    /// 201, 204, 206.
    pub(crate) lines: [u64; 3],
    pub(crate) program: Program,
}

impl Desk {
    pub(crate) fn open() -> Desk {
        Desk::of(Program::start())
    }

    /// Members may join each other's calls.
    pub(crate) fn with_joining() -> Desk {
        let joining = |text: String| {
            text.replace(
                "members = [\"201\", \"204\"]",
                "members = [\"201\", \"204\"]\nallow_join = true",
            )
        };
        Desk::of(Program::with(office(joining)))
    }

    pub(crate) fn of(program: Program) -> Desk {
        let [ada, dan, finn] = ["201", "204", "206"].map(|line| program.live_phone(line));
        let mut app = program.application("desk");
        let lines = ["201", "204", "206"].map(|line| app.open(line));
        Desk { ada, dan, finn, app, lines, program }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.app.call(method, params.clone());
        answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    /// An asynchronous function on a call.
    pub(crate) fn tell(&mut self, method: &str, call: &str) {
        let handle = self.app.handle(call);
        self.ask(method, json!({"hCall": handle}));
    }

    pub(crate) fn refused(&mut self, method: &str, call: &str) -> String {
        let handle = self.app.handle(call);
        self.app.refusal(method, json!({"hCall": handle}))
    }

    pub(crate) fn features(&mut self, call: &str) -> Vec<String> {
        let handle = self.app.handle(call);
        let status = self.ask("lineGetCallStatus", json!({"hCall": handle}));
        // What every call has at all times says nothing about the appearance.
        let always = ["MONITOR", "SET", "SECURE"];
        let mut features = words(&status["callFeatures"]);
        features.retain(|name| !always.iter().any(|common| name.starts_with(common)));
        features
    }

    pub(crate) fn info(&mut self, call: &str) -> Value {
        let handle = self.app.handle(call);
        self.ask("lineGetCallInfo", json!({"hCall": handle}))
    }

    /// 206 has called 250, which rings at both members.
    pub(crate) fn ringing(&mut self) -> (LegId, LegId, LegId) {
        let near = self.finn.call("250");
        let at_ada = self.ada.incoming();
        let at_dan = self.dan.incoming();
        self.app.expect(&[
            "206 NEW OWNER",
            "206 DIALING OWNER",
            "206 PROCEEDING",
            "201 NEW OWNER",
            "201 OFFERING ACTIVE OWNER",
            "204 NEW OWNER",
            "204 OFFERING ACTIVE OWNER",
            "206 RINGBACK",
        ]);
        (near, at_ada, at_dan)
    }

    /// 201 has answered the call of 206 by hand.
    pub(crate) fn talking(&mut self) -> (LegId, LegId) {
        let (near, at_ada, at_dan) = self.ringing();
        self.ada.answer(at_ada);
        self.app.expect(&[
            "201 CONNECTED ACTIVE",
            "204 CONNECTED INACTIVE",
            "206 CONNECTED ACTIVE",
            "206 INFO CONNECTEDID",
            "201 INFO CONNECTEDID",
        ]);
        self.dan.ended(at_dan);
        self.finn.connected(near);
        self.ada.connected(at_ada);
        (near, at_ada)
    }

    /// 201 talks to 206 and has put the call on hold at its phone.
    pub(crate) fn held(&mut self) -> (LegId, LegId) {
        let (near, at_ada) = self.talking();
        self.ada.hold(at_ada);
        self.app.expect(&["201 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
        (near, at_ada)
    }

    pub(crate) fn address_features(&mut self, line: usize, address: u32) -> Vec<String> {
        let h_line = self.lines[line];
        let wish = json!({"hLine": h_line, "addressId": address});
        words(&self.ask("lineGetAddressStatus", wish)["addressFeatures"])
    }

    pub(crate) fn nothing_is_left(mut self) {
        self.app.expect_silence();
        self.program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
        self.program.until("/api/v1/media", |answer| answer["items"] == json!([]));
        for (line, addresses) in [(0, 2), (1, 2), (2, 1)] {
            for address in 0..addresses {
                let wish = json!({"hLine": self.lines[line], "addressId": address});
                let status = self.ask("lineGetAddressStatus", wish);
                let counts = ["numActiveCalls", "numOnHoldCalls", "numOnHoldPendCalls"];
                assert!(counts.iter().all(|count| status[*count] == 0), "{status}");
            }
        }
    }
}

pub(crate) fn words(names: &Value) -> Vec<String> {
    let names = names.as_array().expect("a set of names");
    let word = |name: &Value| {
        let name = name.as_str().unwrap();
        name.split_once('_').map_or(name, |(_, word)| word).to_owned()
    };
    names.iter().map(word).collect()
}
