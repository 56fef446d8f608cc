//! What a random day does with transfer, park, pickup, forwarding, hunt groups and call completion.

use std::time::Duration;

use serde_json::{Value, json};
use switch::exchange::{AdminRequest, CallAction};

use super::schedule::{NUMBERS, Schedule, call_id};
use super::world::PhoneIndex;

/// Feature codes, park numbers, groups, and a shared line.
const CODES: [&str; 25] = [
    "*8", "*810", "*820", "**201", "**202", "**203", "700", "701", "702", "703", "260", "*72203",
    "*72202", "*73", "*90204", "*91", "*92202", "*93", "*78", "*79", "250", "*7", "*66", "*66",
    "*86",
];
/// Where calls are sent.
const TARGETS: [&str; 10] = ["201", "202", "203", "204", "205", "299", "700", "701", "260", "250"];
/// Rounds of hanging up until everything must have ended.
const ROUNDS: usize = 12;

impl Schedule {
    /// A number that somebody dials.
    pub(super) fn number(&mut self) -> &'static str {
        if self.has_features && self.below(3) == 0 {
            self.pick(&CODES)
        } else {
            self.pick(&NUMBERS)
        }
    }

    pub(super) fn use_feature(&mut self) {
        match self.below(10) {
            0 | 1 => self.dial(),
            2 => self.dial_as_shared(),
            3 => self.transfer(),
            4 => self.transfer_attended(),
            5 | 6 => self.send_away(),
            7 if self.has_applications => self.ask_for_sound(),
            8 => self.press_key(),
            _ if self.has_applications => self.ask_for_feature(),
            _ => self.pick_up(),
        }
    }

    /// Everybody hangs up, again and again, because parked and transferred calls come back.
    pub(super) fn clear(&mut self) {
        self.world.cancel_completions();
        for _ in 0..ROUNDS {
            for phone in (0..self.world.phone_count()).map(PhoneIndex) {
                for leg in self.world.legs(phone) {
                    self.world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
                }
            }
            for row in self.rows() {
                let line = row["line"].as_str().unwrap_or_default().to_owned();
                if let Some(call_id) = call_id(&row) {
                    let action = CallAction::Drop;
                    let request = AdminRequest::CallAction { call_id, line, action };
                    let _ = self.world.administrator(request);
                }
            }
            self.world.run_for(Duration::from_secs(45));
            if self.rows().is_empty() {
                return;
            }
        }
        let rows = self.rows();
        self.world.demand(Err(format!("calls that do not end: {rows:?}")));
    }

    fn transfer(&mut self) {
        let target = self.pick(&TARGETS);
        if let Some((phone, leg)) = self.some_leg(|_, is_confirmed| is_confirmed) {
            self.world.note(format!("{} transfers to {target}", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.transfer(now, leg, target));
        }
    }

    fn transfer_attended(&mut self) {
        let Some((phone, leg)) = self.some_leg(|_, is_confirmed| is_confirmed) else { return };
        let others: Vec<_> =
            self.world.legs(phone).into_iter().filter(|other| *other != leg).collect();
        if let Some(consult) = self.one_of(&others) {
            self.world.note(format!("{} joins its two calls", self.name(phone)));
            self.world.with_phone(phone, |phone, now| phone.transfer_attended(now, leg, consult));
        }
    }

    /// An administrator parks or transfers.
    fn send_away(&mut self) {
        let to = self.pick(&TARGETS).to_owned();
        let slot = self.pick(&[None, Some("701"), Some("702")]).map(str::to_owned);
        let action = self.pick(&[CallAction::Park { slot }, CallAction::Transfer { to }]);
        if let Some((line, call_id)) = self.some_row() {
            self.world.note(format!("administrator: {action:?} at {line}"));
            let _ = self.world.administrator(AdminRequest::CallAction { call_id, line, action });
        }
    }

    /// A key travels as a telephone-event, or by INFO, or both.
    fn press_key(&mut self) {
        let Some((phone, leg)) = self.some_leg(|_, is_confirmed| is_confirmed) else { return };
        let digit = self.pick(&['1', '2', '0', '#', '*', '!']);
        let ways = self.below(3);
        self.world.note(format!("{} presses {digit}", self.name(phone)));
        if ways != 1 {
            self.world.press(phone, leg, digit);
        }
        if ways != 0 {
            self.world.with_phone(phone, |phone, now| phone.send_digit(now, leg, digit));
        }
    }

    /// Digits, tones and media: monitored, gathered, sent, stopped.
    fn ask_for_sound(&mut self) {
        if self.applications.is_empty() {
            return;
        }
        let index = self.below(self.applications.len());
        let application = self.applications[index].0;
        if !self.world.is_connected(application) {
            return;
        }
        let handles = self.world.watch(application).handles();
        let recent: Vec<u64> = handles.iter().rev().take(5).map(|(handle, _)| *handle).collect();
        let Some(call) = self.one_of(&recent) else { return };
        let tones = json!([{"appSpecific": 1, "duration": 200, "frequency1": 1_100}]);
        let requests = [
            ("lineMonitorDigits", json!({"hCall": call, "digitModes": 6})),
            ("lineMonitorDigits", json!({"hCall": call, "digitModes": 0})),
            ("lineMonitorTones", json!({"hCall": call, "toneList": tones})),
            ("lineMonitorMedia", json!({"hCall": call, "mediaModes": "LINEMEDIAMODE_G3FAX"})),
            (
                "lineGatherDigits",
                json!({"hCall": call, "digitModes": 2, "numDigits": 2, "terminationDigits": "#",
                    "firstDigitTimeout": 5_000, "interDigitTimeout": 2_000}),
            ),
            ("lineGatherDigits", json!({"hCall": call, "digits": null})),
            ("lineGenerateDigits", json!({"hCall": call, "digitMode": 2, "digits": "12,3"})),
            ("lineGenerateDigits", json!({"hCall": call, "digits": null})),
            ("lineGenerateTone", json!({"hCall": call, "toneMode": "LINETONEMODE_BUSY"})),
            (
                "lineGenerateTone",
                json!({"hCall": call, "toneMode": "LINETONEMODE_BEEP", "duration": 900}),
            ),
            ("lineGenerateTone", json!({"hCall": call, "toneMode": 0})),
        ];
        let (method, params) = self.pick(&requests);
        let _ = self.request(index, method, params);
    }

    fn ask_for_feature(&mut self) {
        if self.applications.is_empty() {
            return;
        }
        let index = self.below(self.applications.len());
        let (application, lines) = self.applications[index].clone();
        if !self.world.is_connected(application) {
            return;
        }
        let handles = self.world.watch(application).handles();
        let recent: Vec<u64> = handles.iter().rev().take(5).map(|(handle, _)| *handle).collect();
        let (Some(line), Some(call), Some(other)) =
            (self.one_of(&lines), self.one_of(&recent), self.one_of(&recent))
        else {
            return;
        };
        let to = self.pick(&TARGETS);
        let waiting = self.world.completions();
        let completion = self.one_of(&waiting).unwrap_or(1);
        let mut requests = call_wishes(call, other, to);
        requests.extend(conference_wishes(call, other, to));
        requests.extend(line_wishes(line, completion, to));
        let (method, params) = self.pick(&requests);
        let _ = self.request(index, method, params);
    }
}

/// What is wished of a call, and of a second one with it.
fn call_wishes(call: u64, other: u64, to: &str) -> Vec<(&'static str, Value)> {
    let complete = |mode: &str| {
        let mode = format!("LINECALLCOMPLMODE_{mode}");
        ("lineCompleteCall", json!({"hCall": call, "completionMode": mode}))
    };
    vec![
        ("lineSetupTransfer", json!({"hCall": call})),
        ("lineSetupTransfer", json!({"hCall": call})),
        ("lineDial", json!({"hCall": call, "destAddress": to})),
        ("lineDial", json!({"hCall": call, "destAddress": to})),
        (
            "lineCompleteTransfer",
            json!({"hCall": call, "hConsultCall": other,
                    "transferMode": "LINETRANSFERMODE_TRANSFER"}),
        ),
        (
            "lineCompleteTransfer",
            json!({"hCall": other, "hConsultCall": call,
                    "transferMode": "LINETRANSFERMODE_TRANSFER"}),
        ),
        (
            "lineCompleteTransfer",
            json!({"hCall": call, "hConsultCall": other,
                    "transferMode": "LINETRANSFERMODE_CONFERENCE"}),
        ),
        ("lineBlindTransfer", json!({"hCall": call, "destAddress": to})),
        ("lineRedirect", json!({"hCall": call, "destAddress": to})),
        ("linePark", json!({"hCall": call, "parkMode": "LINEPARKMODE_NONDIRECTED"})),
        (
            "linePark",
            json!({"hCall": call, "parkMode": "LINEPARKMODE_DIRECTED", "dirAddress": "701"}),
        ),
        ("lineSecureCall", json!({"hCall": call})),
        ("lineSetCallData", json!({"hCall": call, "callData": to})),
        ("lineSendUserUserInfo", json!({"hCall": call, "userUserInfo": to})),
        ("lineReleaseUserUserInfo", json!({"hCall": call})),
        ("lineDrop", json!({"hCall": call, "userUserInfo": "bye"})),
        ("lineHandoff", json!({"hCall": call, "mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE"})),
        complete("CALLBACK"),
        complete("CALLBACK"),
        complete("CAMPON"),
        complete("MESSAGE"),
    ]
}

/// What makes and changes conferences.
fn conference_wishes(call: u64, other: u64, to: &str) -> [(&'static str, Value); 9] {
    let flags = ["LINECALLPARAMFLAGS_NOHOLDCONFERENCE"];
    let without_hold = json!({"callParamFlags": flags, "targetAddress": to});
    [
        ("lineSwapHold", json!({"hActiveCall": call, "hHeldCall": other})),
        ("lineSwapHold", json!({"hActiveCall": other, "hHeldCall": call})),
        ("lineSetupConference", json!({"hCall": call})),
        ("lineSetupConference", json!({"hCall": call, "callParams": without_hold})),
        ("linePrepareAddToConference", json!({"hConfCall": call})),
        ("linePrepareAddToConference", json!({"hConfCall": call, "callParams": without_hold})),
        ("lineAddToConference", json!({"hConfCall": other, "hConsultCall": call})),
        ("lineAddToConference", json!({"hConfCall": call, "hConsultCall": other})),
        ("lineRemoveFromConference", json!({"hCall": call})),
    ]
}

/// What is wished of a line.
fn line_wishes(line: u64, completion: u32, to: &str) -> Vec<(&'static str, Value)> {
    let forward = json!([{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": to}]);
    vec![
        ("lineUnpark", json!({"hLine": line, "addressId": 0, "destAddress": "701"})),
        ("linePickup", json!({"hLine": line, "addressId": 0})),
        ("linePickup", json!({"hLine": line, "addressId": 1})),
        ("linePickup", json!({"hLine": line, "addressId": 1})),
        ("lineMakeCall", json!({"hLine": line, "destAddress": to, "callParams": {"addressId": 1}})),
        ("lineForward", json!({"hLine": line, "addressId": 1, "forwardList": []})),
        ("linePickup", json!({"hLine": line, "addressId": 0, "destAddress": "202"})),
        ("lineForward", json!({"hLine": line, "allAddresses": true, "forwardList": forward})),
        ("lineForward", json!({"hLine": line, "allAddresses": true, "forwardList": []})),
        (
            "lineMakeCall",
            json!({"hLine": line, "destAddress": to, "callParams": {"noAnswerTimeout": 3,
                    "userUserInfo": "hello", "callParamFlags": ["LINECALLPARAMFLAGS_BLOCKID"]}}),
        ),
        ("lineUncompleteCall", json!({"hLine": line, "completionId": completion})),
    ]
}
