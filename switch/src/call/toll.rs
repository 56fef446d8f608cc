//! Guards against toll fraud: where a line may call through trunks, how many calls at once, how many in
//! a minute; how many a trunk takes in a minute. Emergency numbers know none of it.

use std::collections::{HashMap, HashSet};

use sip_stack::guard::{Bucket, Rate};
use sip_stack::time::Now;
use tapi::constant::CallReason;

use super::cause::Cause;
use super::{Call, CallId, ConnectionKey, Party};
use crate::exchange::Exchange;
use crate::exchange::counters::count;
use crate::exchange::mailbox::Output;

/// Calls per minute of lines and trunks; as many as the configuration names.
#[derive(Default)]
pub(crate) struct Tolls {
    lines: HashMap<String, Bucket>,
    trunks: HashMap<String, Bucket>,
}

fn has(table: &HashMap<String, Bucket>, now: Now, name: &str, most: Option<u32>) -> bool {
    let Some(most) = most else { return true };
    table.get(name).copied().unwrap_or_default().has(now, Rate::per_minute(most), 1.0)
}

fn take(table: &mut HashMap<String, Bucket>, now: Now, name: &str, most: Option<u32>) {
    let Some(most) = most else { return };
    table.entry(name.to_owned()).or_default().take(now, Rate::per_minute(most), 1.0);
}

impl Exchange {
    /// Whether `caller` may call this number through this trunk now; which lines pay for it, none
    /// for an emergency.
    ///
    /// Errors: why not; said in the log and counted.
    pub(super) fn may_call_outside(
        &mut self,
        connection: ConnectionKey,
        caller: CallId,
        trunk: &str,
        number: &str,
    ) -> Result<Vec<String>, Cause> {
        if self.is_emergency(connection, number) {
            return Ok(Vec::new());
        }
        let dialled = self.dialled_on(connection).unwrap_or(number).to_owned();
        let (mut payer, mut is_sent_by_stranger) = (None, false);
        if let Some(connection) = self.connections.get(connection.0) {
            // Who transfers pays, and is asked whether it may (SEC-45) …
            let sent = connection.seek.as_ref().filter(|seek| seek.reason == CallReason::Transfer);
            payer = sent.and_then(|seek| seek.transferor.clone());
            is_sent_by_stranger = sent.is_some() && payer.is_none();
            // … and so does who forwards.
            if let Some(hop) = connection.diversions.last() {
                payer = Some(hop.from.clone());
                is_sent_by_stranger = false;
            }
        }
        let own = self.calls.get(caller.0).and_then(|call| call.party.line()).map(str::to_owned);
        let payers = self.payers(payer).unwrap_or_else(|| own.into_iter().collect());
        let tolled = if is_sent_by_stranger {
            // Nobody outside sends a line anywhere at the office's expense.
            Err((Cause::FORBIDDEN, "a party outside transfers to the outside"))
        } else {
            self.toll(&payers, trunk, [&dialled, number])
        };
        let Err((cause, reason)) = tolled else { return Ok(payers) };
        count(&self.counters.calls_barred_total);
        let source = self.calls.get(caller.0).and_then(|call| call.leg);
        let source = source.and_then(|leg| self.endpoint.leg(leg)).map(|view| view.flow.remote);
        let line = payers.into_iter().next().unwrap_or_default();
        self.outputs.push(Output::CallBarred { source, line, reason });
        Err(cause)
    }

    /// What was dialled on the way to a trunk: by the caller, or by the line that forwards it.
    fn dialled_on(&self, connection: ConnectionKey) -> Option<&str> {
        let connection = self.connections.get(connection.0)?;
        Some(connection.diversions.last().map_or(&connection.dialled, |hop| &hop.to))
    }

    /// Whether a call is for an emergency number, as it was dialled or as the trunk is told it.
    pub(super) fn is_emergency(&self, connection: ConnectionKey, number: &str) -> bool {
        let dialled = self.dialled_on(connection);
        let mut known = self.config.security.emergency.iter();
        known.any(|known| known == number || Some(known.as_str()) == dialled)
    }

    /// Which lines are asked whether they may: of a shared line every member, since any of them may have
    /// said where its calls go. `None` where nobody of ours forwards or transfers.
    fn payers(&self, payer: Option<String>) -> Option<Vec<String>> {
        let payer = payer?;
        if self.config.lines.contains_key(&payer) {
            return Some(vec![payer]);
        }
        Some(self.config.shared_lines.get(&payer)?.members.to_vec())
    }

    fn toll(
        &mut self,
        payers: &[String],
        trunk: &str,
        numbers: [&str; 2],
    ) -> Result<(), (Cause, &'static str)> {
        let now = self.clock.now;
        let config = self.config.clone();
        let own =
            || payers.iter().filter_map(|line| Some((line, &config.lines.get(line)?.outside)));
        for (line, own) in own() {
            // As it was dialled, and as the trunk is told: a route must not lead around the bar.
            let is_barred =
                |barred: &String| numbers.iter().any(|n| n.starts_with(barred.as_str()));
            if own.barred.iter().any(is_barred) {
                return Err((Cause::FORBIDDEN, "destination is barred"));
            }
            if own.calls.is_some_and(|most| self.outside_calls_of(line) >= most) {
                return Err((Cause::TOO_MANY_CALLS, "too many outside calls at once"));
            }
            if !has(&self.tolls.lines, now, line, own.calls_per_minute) {
                return Err((Cause::TOO_MANY_CALLS, "too many outside calls a minute"));
            }
        }
        let of_trunk = config.trunks.get(trunk).and_then(|trunk| trunk.calls_per_minute);
        if !has(&self.tolls.trunks, now, trunk, of_trunk) {
            return Err((Cause::TOO_MANY_CALLS, "too many calls a minute on the trunk"));
        }
        // Only a call that is placed is counted: who is refused takes nothing from the others.
        take(&mut self.tolls.trunks, now, trunk, of_trunk);
        for (line, own) in own() {
            take(&mut self.tolls.lines, now, line, own.calls_per_minute);
        }
        Ok(())
    }

    /// Calls of trunks in which this line takes part or that were placed at its expense: those that
    /// it forwarded, and those that it has left by a transfer.
    fn outside_calls_of(&self, line: &str) -> usize {
        let own = self.by_line.get(line).into_iter().flatten();
        let own: HashSet<ConnectionKey> =
            own.filter_map(|call| Some(self.calls.get(call.0)?.connection)).collect();
        let is_outside = |call: &Call| {
            let is_counted =
                own.contains(&call.connection) || call.payers.iter().any(|payer| payer == line);
            is_counted && matches!(call.party, Party::Trunk { .. })
        };
        self.calls.iter().filter(|(_, call)| is_outside(call)).count()
    }
}
