//! The checker of quiet moments: exchange, phones and relay have the same opinion of every call.
//!
//! Source: sip-mapping §2.2, §2.3, §5.4; tapi-call-control §3.4.

use std::collections::BTreeMap;

use media::{Tone, Treatment};
use serde_json::Value;
use sip_stack::endpoint::LegId;
use sip_stack::sdp::{Session, is_hold};
use switch::exchange::AdminRequest;

use super::world::{PhoneIndex, World};

/// A phone's end of an established call.
#[derive(Clone, Debug)]
struct End {
    phone: PhoneIndex,
    leg: LegId,
    line: String,
    port: u16,
    call_id: u64,
    is_holding: bool,
}

/// A row of `GET calls`.
#[derive(Clone, Debug)]
struct Row {
    line: String,
    state: String,
    mode: String,
}

impl Row {
    fn is_on_hold(&self) -> bool {
        self.state == "ONHOLD"
    }
}

impl World {
    /// At a quiet moment, with every phone reachable: asserts that each call is established, that
    /// both parties see states that fit together, that both phones are in it, and that they hear
    /// each other and nobody else, or what hold makes of that.
    ///
    /// `is_switch_holding`: somebody may have held a call without its phone.
    pub fn assert_agreement(&mut self, is_switch_holding: bool) {
        let agreed = self.agreement(is_switch_holding);
        self.demand(agreed);
    }

    fn agreement(&mut self, is_switch_holding: bool) -> Result<(), String> {
        let rows = self.rows();
        let mut ends = self.ends()?;
        for (call_id, rows) in rows {
            let (mine, rest) = ends.into_iter().partition(|end| end.call_id == call_id);
            ends = rest;
            self.agree_on(&rows, mine, is_switch_holding)
                .map_err(|why| format!("call {call_id}: {why}: {rows:?}"))?;
        }
        match ends.first() {
            Some(end) => Err(format!("only the phone knows of a call: {end:?}")),
            None => Ok(()),
        }
    }

    fn agree_on(
        &self,
        rows: &[Row],
        ends: Vec<End>,
        is_switch_holding: bool,
    ) -> Result<(), String> {
        if let Some(stuck) = rows.iter().find(|r| !matches!(&*r.state, "CONNECTED" | "ONHOLD")) {
            return Err(format!("stuck in {}", stuck.state));
        }
        let [one, other] = rows else { return Err("not two parties".to_owned()) };
        for (near, far) in [(one, other), (other, one)] {
            let fits = match (near.is_on_hold(), far.is_on_hold()) {
                (true, _) => near.mode.is_empty(),
                (false, true) => near.mode == "ACTIVEHELD",
                (false, false) => near.mode == "ACTIVE",
            };
            if !fits {
                return Err(format!("{} does not fit {}", near.line, far.line));
            }
        }
        let [first, second] = ends.as_slice() else {
            return Err(format!("{} phones take part: {ends:?}", ends.len()));
        };
        let straight = self.fit((first, one), (second, other), is_switch_holding);
        // A line that calls itself: rows do not say which end they are.
        match straight {
            Err(_) if first.line == second.line || first.line != one.line => {
                self.fit((second, one), (first, other), is_switch_holding)
            }
            fits => fits,
        }
    }

    fn fit(
        &self,
        near: (&End, &Row),
        far: (&End, &Row),
        is_switch_holding: bool,
    ) -> Result<(), String> {
        for (end, row) in [near, far] {
            if end.line != row.line {
                return Err(format!("a phone of {} takes part", end.line));
            }
            if end.is_holding && !row.is_on_hold() {
                return Err(format!("the phone of {} holds, its call does not", row.line));
            }
            if row.is_on_hold() && !end.is_holding && !is_switch_holding {
                return Err(format!("nobody at {} holds its call", row.line));
            }
        }
        self.hear(near, far)?;
        self.hear(far, near)
    }

    /// What comes to `to` is what the states say.
    fn hear(&self, (from, near): (&End, &Row), (to, far): (&End, &Row)) -> Result<(), String> {
        let may_send = self.phones[from.phone.0].core.may_send(from.leg);
        let leads_to = self.media.with(|model| model.leads_to(from.port));
        let is_heard = may_send && leads_to == Some(to.port);
        if near.is_on_hold() || far.is_on_hold() {
            if leads_to.is_some() {
                return Err(format!("{} is heard although the call is held", from.line));
            }
            let heard = self.media.with(|model| model.treatment(to.port));
            let codec = self.phones[to.phone.0].core.far_media(to.leg).map(|(_, payload)| payload);
            let fits = match (far.is_on_hold(), heard) {
                (true, Treatment::Silence(_)) | (false, Treatment::Tone(Tone::Hold, _)) => true,
                // The switch does not speak every codec.
                (_, Treatment::None) => !matches!(codec, Some(0 | 8 | 9)),
                _ => false,
            };
            return if fits { Ok(()) } else { Err(format!("{} hears {heard:?}", to.line)) };
        }
        let address = self.media.with(|model| model.destination(from.port));
        if !is_heard || address != Some(self.phones[to.phone.0].rtp) {
            let why = format!("may send: {may_send}, leads to {leads_to:?} {address:?}");
            return Err(format!("{} does not hear {} ({why}) {from:?}", to.line, from.line));
        }
        Ok(())
    }

    fn rows(&mut self) -> BTreeMap<u64, Vec<Row>> {
        let mut rows: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
        for row in self.table(AdminRequest::Calls) {
            let word = |field: &str| {
                let text = row[field].as_str().unwrap_or_default();
                text.rsplit('_').next().unwrap_or_default().to_owned()
            };
            let (line, state, mode) = (word("line"), word("callState"), word("mode"));
            let call_id = row["callId"].as_u64().unwrap_or_default();
            rows.entry(call_id).or_default().push(Row { line, state, mode });
        }
        rows
    }

    fn ends(&mut self) -> Result<Vec<End>, String> {
        let mut by_port = BTreeMap::new();
        for row in self.table(AdminRequest::Media) {
            let port = row["port"].as_u64().unwrap_or_default();
            by_port.insert(port, row["callId"].as_u64().unwrap_or_default());
        }
        let mut ends = Vec::new();
        for phone in (0..self.phones.len()).map(PhoneIndex) {
            for leg in self.legs(phone) {
                let line = self.number(phone).to_owned();
                let view = self.leg(phone, leg).ok_or("a phone has a call without a leg")?;
                let call_id = view.call_id.to_owned();
                if !view.is_confirmed {
                    return Err(format!("a call of {line} stays unanswered, Call-ID {call_id}"));
                }
                let local = view.local_sdp.and_then(|sdp| Session::parse(sdp).ok());
                let is_holding = local.is_some_and(|local| is_hold(&local));
                let port = self.relay_port(phone, leg).ok_or("a phone knows of no media")?;
                let Some(&connection) = by_port.get(&u64::from(port)) else {
                    return Err(format!("{line} talks to nobody at {port}, Call-ID {call_id}"));
                };
                ends.push(End { phone, leg, line, port, call_id: connection, is_holding });
            }
        }
        Ok(ends)
    }

    fn table(&mut self, request: AdminRequest) -> Vec<Value> {
        let rows = self.administrator(request).unwrap_or_default();
        rows.as_array().cloned().unwrap_or_default()
    }
}
