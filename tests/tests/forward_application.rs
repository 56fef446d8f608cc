//! lineForward of an application in simulated time: what the flags of LINEADDRESSCAPS promise.
//!
//! Source: tapi-call-control §4.7, §4.11 (FWDNUMRINGS, FWDSTATUSVALID, FWDINTEXTADDR, FWDBUSYNAADDR).

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::sim::{Application, PhoneIndex, World};

struct Desk {
    world: World,
    phones: [PhoneIndex; 3],
    app: Application,
    h_line: u64,
}

/// 201, 202 and 203 with their phones; an application has 202 open.
fn desk(seed: u64) -> Desk {
    let mut world = World::office(seed);
    let phones = ["201", "202", "203"].map(|line| world.phone(line));
    let app = world.application("crm");
    let h_line = world.open(app, "202");
    Desk { world, phones, app, h_line }
}

impl Desk {
    fn forward(&mut self, list: Value, rings: u32) -> Result<Value, Value> {
        let asked = json!({"hLine": self.h_line, "allAddresses": true, "forwardList": list,
            "numRingsNoAnswer": rings, "wait": true});
        self.world.ask(self.app, "lineForward", asked)
    }

    fn status(&mut self) -> Value {
        let asked = json!({"hLine": self.h_line, "addressId": 0});
        self.world.ask(self.app, "lineGetAddressStatus", asked).unwrap()
    }

    fn call(&mut self) -> LegId {
        let caller = self.phones[0];
        self.world.with_phone(caller, |phone, now| phone.call(now, "202")).unwrap()
    }
}

fn entry(mode: &str, to: &str) -> Value {
    json!({"forwardMode": format!("LINEFORWARDMODE_{mode}"), "destAddress": to})
}

#[test]
fn the_count_of_rings_is_kept_within_its_limits_shown_and_obeyed() {
    let mut desk = desk(2100);
    let asked = json!({"deviceId": 1, "addressId": 0});
    let caps = desk.world.ask(desk.app, "lineGetAddressCaps", asked).unwrap();
    let flags = caps["addrCapFlags"].as_array().unwrap().clone();
    for flag in ["FWDNUMRINGS", "FWDSTATUSVALID", "FWDINTEXTADDR", "FWDBUSYNAADDR"] {
        assert!(flags.contains(&json!(format!("LINEADDRCAPFLAGS_{flag}"))), "{flags:?}");
    }
    let max = caps["maxFwdNumRings"].as_u64().unwrap();
    for (asked, kept) in [(0, 1), (999, max), (2, 2)] {
        desk.forward(json!([entry("NOANSW", "203")]), asked).unwrap();
        let status = desk.status();
        assert_eq!(status["numRingsNoAnswer"], kept, "{status}");
        assert_eq!(status["forwardList"][0]["destAddress"], "203");
    }
    let [_, called, target] = desk.phones;
    let begin = desk.world.now();
    desk.call();
    let ringing = desk.world.incoming(called);
    let rung = desk.world.incoming(target);
    let waited = desk.world.now().0 - begin.0;
    let two_cycles = Duration::from_secs(10);
    assert!(waited >= two_cycles && waited < two_cycles + Duration::from_secs(1), "{waited:?}");
    assert!(!desk.world.legs(called).contains(&ringing), "202 rings no more");
    desk.world.with_phone(target, |phone, now| phone.answer(now, rung));
    desk.world.settle();
    desk.world.with_phone(target, |phone, now| phone.hang_up(now, rung));
    desk.world.settle();
    desk.forward(Value::Null, 0).unwrap();
    assert_eq!(desk.status()["forwardList"], json!([]));
    desk.world.forget(desk.app);
    desk.world.assert_at_rest();
}

#[test]
fn internal_and_external_calls_busy_and_no_answer_may_go_to_different_places() {
    let mut desk = desk(2101);
    let list = json!([
        entry("UNCONDINTERNAL", "203"),
        entry("UNCONDEXTERNAL", "204"),
        entry("BUSY", "205"),
        entry("NOANSW", "206"),
    ]);
    desk.forward(list, 3).unwrap();
    assert_eq!(desk.status()["forwardList"].as_array().unwrap().len(), 4);
    let [_, called, target] = desk.phones;
    let near = desk.call();
    desk.world.incoming(target);
    assert!(desk.world.legs(called).is_empty(), "an internal call goes to 203 at once");
    let caller = desk.phones[0];
    desk.world.with_phone(caller, |phone, now| phone.hang_up(now, near));
    desk.world.settle();
    desk.world.forget(desk.app);
    desk.world.assert_at_rest();
}
