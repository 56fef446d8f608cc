//! The situations: how line 201 gets into each state that the exchange can produce.

use serde_json::json;
use std::time::Duration;

use super::setting::Setting;

/// A way to get line 201 into some state.
pub struct Situation {
    /// What is going on.
    pub name: &'static str,
    /// The states of the calls of 201, in the order in which they appeared.
    pub states: &'static [&'static str],
    /// How it comes about.
    pub reach: fn(&mut Setting),
}

const fn at(
    name: &'static str,
    states: &'static [&'static str],
    reach: fn(&mut Setting),
) -> Situation {
    Situation { name, states, reach }
}

fn held_by_phone(s: &mut Setting) {
    let (near, _) = s.talk_to(1);
    s.press_hold(near);
}

fn held_by_switch(s: &mut Setting) {
    s.behave(0, |behaviour| behaviour.obeys_events = false);
    s.talk_to(1);
    let call = s.call("CONNECTED");
    s.hold(call);
}

fn consulting(s: &mut Setting) -> (u64, u64) {
    s.talk_to(1);
    let held = s.call("CONNECTED");
    let consult = s.consult(held);
    (held, consult)
}

fn consulted(s: &mut Setting) -> (u64, u64) {
    let (held, consult) = consulting(s);
    s.dial_on(consult, "203");
    s.answer(2);
    (held, consult)
}

fn setting_up(s: &mut Setting) -> (u64, u64) {
    s.talk_to(1);
    let first = s.call("CONNECTED");
    s.set_up_conference(first)
}

fn nearly_conferring(s: &mut Setting) -> (u64, u64) {
    let (parent, consult) = setting_up(s);
    s.dial_on(consult, "203");
    s.answer(2);
    (parent, consult)
}

fn without_hold(s: &mut Setting) {
    s.talk_to(1);
    let params =
        json!({"callParamFlags": ["LINECALLPARAMFLAGS_NOHOLDCONFERENCE"], "targetAddress": "203"});
    let call = s.call("CONNECTED");
    s.ask("lineSetupConference", json!({"hCall": call, "callParams": params}));
    s.world.settle();
}

fn busy(s: &mut Setting, place: usize) {
    s.behave(place, |behaviour| behaviour.refuses_with = Some(486));
}

fn silent(s: &mut Setting, place: usize) {
    s.behave(place, |behaviour| behaviour.rings = false);
}

/// Every situation. One more is one line.
pub const SITUATIONS: &[Situation] = &[
    at("nothing", &[], |_| {}),
    at("the call is over", &["IDLE"], |s| {
        let (near, _) = s.talk_to(1);
        s.world.with_phone(s.phones[0], |phone, now| phone.hang_up(now, near));
        s.world.settle();
    }),
    at("offered", &["OFFERING"], |s| {
        s.dial(1, "201");
    }),
    at("accepted", &["ACCEPTED"], |s| {
        s.dial(1, "201");
        let call = s.call("OFFERING");
        s.ask("lineAccept", json!({"hCall": call}));
    }),
    at("two are offered", &["OFFERING", "OFFERING"], |s| {
        s.dial(1, "201");
        s.dial(2, "201");
    }),
    at("the phone is called first", &["DIALING"], |s| {
        s.behave(0, |behaviour| behaviour.auto_answers = false);
        let params = json!({"hLine": s.h_line, "destAddress": "202"});
        s.ask("lineMakeCall", params);
        s.world.settle();
    }),
    at("dial tone", &["DIALTONE"], |s| s.make_call("")),
    at("part of a number", &["DIALING"], |s| s.make_call("20;")),
    at("made, nobody rings yet", &["PROCEEDING"], |s| {
        silent(s, 1);
        s.make_call("202");
    }),
    at("dialled, nobody rings yet", &["PROCEEDING"], |s| {
        silent(s, 1);
        s.dial(0, "202");
    }),
    at("made, it rings there", &["RINGBACK"], |s| s.make_call("202")),
    at("dialled, it rings there", &["RINGBACK"], |s| {
        s.dial(0, "202");
    }),
    at("made, busy there", &["BUSY"], |s| {
        busy(s, 1);
        s.make_call("202");
    }),
    at("dialled, busy there", &["BUSY"], |s| {
        busy(s, 1);
        s.dial(0, "202");
    }),
    at("made, no such number", &["DISCONNECTED"], |s| s.make_call("299")),
    at("dialled, no such number", &["DISCONNECTED"], |s| {
        s.dial(0, "299");
    }),
    at("talking, called", &["CONNECTED"], |s| {
        s.called_by(1);
    }),
    at("talking, dialled", &["CONNECTED"], |s| {
        s.talk_to(1);
    }),
    at("talking, made", &["CONNECTED"], |s| {
        s.make_call("202");
        s.answer(1);
    }),
    at("held by the far party", &["CONNECTED"], |s| {
        let (_, far) = s.talk_to(1);
        let spelling = switch::phone::HoldSpelling::Inactive;
        s.world.with_phone(s.phones[1], |phone, now| phone.hold(now, far, spelling));
        s.world.settle();
    }),
    at("on hold by the phone", &["ONHOLD"], held_by_phone),
    at("on hold by the switch", &["ONHOLD"], held_by_switch),
    at("parked by the far party", &["CONNECTED"], |s| {
        let (_, far) = s.talk_to(1);
        s.world.with_phone(s.phones[1], |phone, now| phone.transfer(now, far, "701"));
        s.world.settle();
    }),
    at("being transferred", &["CONNECTED"], |s| {
        let (_, far) = s.talk_to(1);
        s.world.with_phone(s.phones[1], |phone, now| phone.transfer(now, far, "203"));
        s.world.settle();
    }),
    at("sending away by REFER", &["ONHOLDPENDTRANSFER"], |s| {
        let (near, _) = s.talk_to(1);
        s.world.with_phone(s.phones[0], |phone, now| phone.transfer(now, near, "203"));
        s.world.settle();
    }),
    at("one held by the phone, one active", &["ONHOLD", "CONNECTED"], |s| {
        held_by_phone(s);
        s.talk_to(2);
    }),
    at("one held by the switch, one active", &["ONHOLD", "CONNECTED"], |s| {
        held_by_switch(s);
        s.called_by(2);
    }),
    at("one held, one rings there", &["ONHOLD", "RINGBACK"], |s| {
        held_by_phone(s);
        s.dial(0, "203");
    }),
    at("one held, one waits", &["ONHOLD", "OFFERING"], |s| {
        held_by_phone(s);
        s.dial(2, "201");
    }),
    at("one held, one busy", &["ONHOLD", "BUSY"], |s| {
        held_by_phone(s);
        busy(s, 2);
        s.dial(0, "203");
    }),
    at("two on hold", &["ONHOLD", "ONHOLD"], |s| {
        held_by_phone(s);
        let (near, _) = s.talk_to(2);
        s.press_hold(near);
    }),
    at("the phone joins two by itself", &["CONNECTED", "CONNECTED"], |s| {
        let (near, _) = s.talk_to(1);
        s.press_hold(near);
        s.talk_to(2);
        s.world.with_phone(s.phones[0], |phone, now| phone.resume(now, near));
        s.world.settle();
    }),
    at("one active, one waits", &["CONNECTED", "OFFERING"], |s| {
        s.talk_to(1);
        s.dial(2, "201");
    }),
    at("all appearances in use", &["ONHOLD", "OFFERING", "OFFERING", "OFFERING"], |s| {
        held_by_phone(s);
        for place in [2, 3, 4] {
            s.dial(place, "201");
        }
    }),
    at("consulting, dial tone", &["ONHOLDPENDTRANSFER", "DIALTONE"], |s| {
        consulting(s);
    }),
    at("consulting, part of a number", &["ONHOLDPENDTRANSFER", "DIALING"], |s| {
        let (_, consult) = consulting(s);
        s.dial_on(consult, "2;");
    }),
    at("consulting, nobody rings yet", &["ONHOLDPENDTRANSFER", "PROCEEDING"], |s| {
        silent(s, 2);
        let (_, consult) = consulting(s);
        s.dial_on(consult, "203");
    }),
    at("consulting, it rings there", &["ONHOLDPENDTRANSFER", "RINGBACK"], |s| {
        let (_, consult) = consulting(s);
        s.dial_on(consult, "203");
    }),
    at("consulting, busy there", &["ONHOLDPENDTRANSFER", "BUSY"], |s| {
        busy(s, 2);
        let (_, consult) = consulting(s);
        s.dial_on(consult, "203");
    }),
    at("consulting, no such number", &["ONHOLDPENDTRANSFER", "DISCONNECTED"], |s| {
        let (_, consult) = consulting(s);
        s.dial_on(consult, "299");
    }),
    at("consulted", &["ONHOLDPENDTRANSFER", "CONNECTED"], |s| {
        consulted(s);
    }),
    at("consulted and swapped", &["CONNECTED", "ONHOLDPENDTRANSFER"], |s| {
        let (held, consult) = consulted(s);
        s.swap(consult, held);
    }),
    at("the consulted party on hold", &["ONHOLDPENDTRANSFER", "ONHOLD"], |s| {
        let (_, consult) = consulted(s);
        s.hold(consult);
    }),
    at("swapped and held", &["ONHOLD", "ONHOLDPENDTRANSFER"], |s| {
        let (held, consult) = consulted(s);
        s.swap(consult, held);
        s.hold(held);
    }),
    at("the consulted party has gone", &["ONHOLDPENDTRANSFER", "DISCONNECTED"], |s| {
        consulted(s);
        for leg in s.world.legs(s.phones[2]) {
            s.world.with_phone(s.phones[2], |phone, now| phone.hang_up(now, leg));
        }
        s.world.settle();
    }),
    at("consulting beside a held call", &["ONHOLD", "ONHOLDPENDTRANSFER", "CONNECTED"], |s| {
        held_by_phone(s);
        s.talk_to(2);
        let active = s.call("CONNECTED");
        let consult = s.consult(active);
        s.dial_on(consult, "204");
        s.answer(3);
    }),
    at("conference to be, dial tone", &["CONFERENCED", "ONHOLDPENDCONF", "DIALTONE"], |s| {
        setting_up(s);
    }),
    at("conference to be, it rings there", &["CONFERENCED", "ONHOLDPENDCONF", "RINGBACK"], |s| {
        let (_, consult) = setting_up(s);
        s.dial_on(consult, "203");
    }),
    at("conference to be, nobody rings", &["CONFERENCED", "ONHOLDPENDCONF", "PROCEEDING"], |s| {
        silent(s, 2);
        let (_, consult) = setting_up(s);
        s.dial_on(consult, "203");
    }),
    at("conference to be, busy there", &["CONFERENCED", "ONHOLDPENDCONF", "BUSY"], |s| {
        busy(s, 2);
        let (_, consult) = setting_up(s);
        s.dial_on(consult, "203");
    }),
    at("conference to be, answered", &["CONFERENCED", "ONHOLDPENDCONF", "CONNECTED"], |s| {
        nearly_conferring(s);
    }),
    at("conference to be, swapped", &["CONFERENCED", "CONNECTED", "ONHOLDPENDCONF"], |s| {
        let (parent, consult) = nearly_conferring(s);
        s.swap(consult, parent);
    }),
    at("conference to be, consulted on hold", &["CONFERENCED", "ONHOLDPENDCONF", "ONHOLD"], |s| {
        let (_, consult) = nearly_conferring(s);
        s.hold(consult);
    }),
    at("conference", &["CONFERENCED", "CONNECTED", "CONFERENCED"], |s| {
        s.conference();
    }),
    at("conference of a transfer", &["CONFERENCED", "CONFERENCED", "CONNECTED"], |s| {
        let (held, consult) = consulted(s);
        let mode = "LINETRANSFERMODE_CONFERENCE";
        let params = json!({"hCall": held, "hConsultCall": consult, "transferMode": mode});
        s.ask("lineCompleteTransfer", params);
        s.world.settle();
    }),
    at("conference on hold", &["CONFERENCED", "ONHOLD", "CONFERENCED"], |s| {
        let [parent, ..] = s.conference();
        s.hold(parent);
    }),
    at(
        "conference held by the switch, a call beside it",
        &["CONFERENCED", "ONHOLD", "CONFERENCED", "CONNECTED"],
        |s| {
            s.behave(0, |behaviour| behaviour.obeys_events = false);
            let [parent, ..] = s.conference();
            s.hold(parent);
            s.called_by(3);
        },
    ),
    at(
        "conference held by the phone, a call beside it",
        &["CONFERENCED", "ONHOLD", "CONFERENCED", "CONNECTED"],
        |s| {
            s.conference();
            for leg in s.world.legs(s.phones[0]) {
                s.press_hold(leg);
            }
            s.called_by(3);
        },
    ),
    at(
        "conference, one more prepared",
        &["CONFERENCED", "ONHOLDPENDCONF", "CONFERENCED", "DIALTONE"],
        |s| {
            let [parent, ..] = s.conference();
            s.prepare(parent);
        },
    ),
    at(
        "conference, one more answered and swapped",
        &["CONFERENCED", "CONNECTED", "CONFERENCED", "ONHOLDPENDCONF"],
        |s| {
            let [parent, ..] = s.conference();
            let consult = s.prepare(parent);
            s.dial_on(consult, "204");
            s.answer(3);
            s.swap(consult, parent);
        },
    ),
    at("conference of four", &["CONFERENCED", "CONNECTED", "CONFERENCED", "CONFERENCED"], |s| {
        let [parent, ..] = s.conference();
        let consult = s.prepare(parent);
        s.dial_on(consult, "204");
        s.answer(3);
        s.add(parent, consult);
    }),
    at("added while it rings", &["CONFERENCED", "CONNECTED", "CONFERENCED"], |s| {
        let (parent, consult) = setting_up(s);
        s.dial_on(consult, "203");
        s.add(parent, consult);
    }),
    at("called without hold", &["CONNECTED", "UNKNOWN", "RINGBACK"], without_hold),
    at("joined without hold", &["CONFERENCED", "CONNECTED", "CONFERENCED"], |s| {
        without_hold(s);
        s.answer(2);
    }),
    at(
        "conference, one more called without hold",
        &["CONFERENCED", "CONNECTED", "CONFERENCED", "RINGBACK"],
        |s| {
            let [parent, ..] = s.conference();
            let flags = ["LINECALLPARAMFLAGS_NOHOLDCONFERENCE"];
            let params = json!({"callParamFlags": flags, "targetAddress": "204"});
            let params = json!({"hConfCall": parent, "callParams": params});
            s.ask("linePrepareAddToConference", params);
            s.world.settle();
        },
    ),
    at("one member has gone", &["IDLE", "IDLE", "CONNECTED"], |s| {
        s.conference();
        for leg in s.world.legs(s.phones[1]) {
            s.world.with_phone(s.phones[1], |phone, now| phone.hang_up(now, leg));
        }
        s.world.run_for(Duration::from_secs(1));
    }),
    at("in a room", &["CONNECTED"], |s| {
        s.dial(0, "800");
    }),
    at("in a room, on hold", &["ONHOLD"], |s| {
        let leg = s.dial(0, "800");
        s.press_hold(leg);
    }),
    at("consulting from a room", &["ONHOLDPENDTRANSFER", "CONNECTED"], |s| {
        s.dial(0, "800");
        let room = s.call("CONNECTED");
        let consult = s.consult(room);
        s.dial_on(consult, "203");
        s.answer(2);
    }),
    at("consulting from a room, it rings", &["ONHOLDPENDTRANSFER", "RINGBACK"], |s| {
        s.dial(0, "800");
        let room = s.call("CONNECTED");
        let consult = s.consult(room);
        s.dial_on(consult, "203");
    }),
    at("consulting in a room", &["ONHOLDPENDTRANSFER", "CONNECTED"], |s| {
        let (_, consult) = consulting(s);
        s.dial_on(consult, "800");
    }),
    at("somebody is parked and somebody is called", &[], |s| {
        let (_, far) = s.world.connected(s.phones[1], s.phones[2]);
        s.world.with_phone(s.phones[2], |phone, now| phone.transfer(now, far, "701"));
        s.world.settle();
        s.dial(4, "203");
    }),
];
