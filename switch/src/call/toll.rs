//! Guards against toll fraud: where a line may call through trunks, how many calls at once, how many in
//! a minute; how many a trunk takes in a minute. Emergency numbers know none of it.

use std::collections::HashMap;

use sip_stack::guard::{Bucket, Rate};
use sip_stack::time::Now;

use super::cause::Cause;
use super::{CallId, ConnectionKey, Party};
use crate::exchange::Exchange;
use crate::exchange::counters::count;
use crate::exchange::mailbox::Output;

/// Calls per minute of lines and trunks; as many as the configuration names.
#[derive(Default)]
pub(crate) struct Tolls {
    lines: HashMap<String, Bucket>,
    trunks: HashMap<String, Bucket>,
}

fn take(table: &mut HashMap<String, Bucket>, now: Now, name: &str, most: Option<u32>) -> bool {
    let Some(most) = most else { return true };
    table.entry(name.to_owned()).or_default().take(now, Rate::per_minute(most), 1.0)
}

impl Exchange {
    /// Whether `caller` may call this number through this trunk now.
    ///
    /// Errors: why not; said in the log and counted.
    pub(super) fn may_call_outside(
        &mut self,
        connection: ConnectionKey,
        caller: CallId,
        trunk: &str,
        number: &str,
    ) -> Result<(), Cause> {
        let (mut dialled, mut payer) = (number.to_owned(), None);
        if let Some(connection) = self.connections.get(connection.0) {
            dialled.clone_from(&connection.dialled);
            // Who forwards pays, and is asked whether it may.
            payer = connection.diversions.last().map(|hop| {
                dialled.clone_from(&hop.to);
                hop.from.clone()
            });
        }
        let is_emergency = |known: &String| *known == dialled || known == number;
        if self.config.security.emergency.iter().any(is_emergency) {
            return Ok(());
        }
        let own = self.calls.get(caller.0).and_then(|call| call.party.line()).map(str::to_owned);
        let line = payer.filter(|payer| self.config.lines.contains_key(payer)).or(own);
        let Err((cause, reason)) = self.toll(line.as_deref(), trunk, [&dialled, number]) else {
            return Ok(());
        };
        count(&self.counters.calls_barred_total);
        let source = self.calls.get(caller.0).and_then(|call| call.leg);
        let source = source.and_then(|leg| self.endpoint.leg(leg)).map(|view| view.flow.remote);
        self.outputs.push(Output::CallBarred { source, line: line.unwrap_or_default(), reason });
        Err(cause)
    }

    fn toll(
        &mut self,
        line: Option<&str>,
        trunk: &str,
        numbers: [&str; 2],
    ) -> Result<(), (Cause, &'static str)> {
        let now = self.clock.now;
        let config = self.config.clone();
        let own = line.and_then(|line| Some((line, &config.lines.get(line)?.outside)));
        if let Some((line, own)) = own {
            // As it was dialled, and as the trunk is told: a route must not lead around the bar.
            let is_barred =
                |barred: &String| numbers.iter().any(|n| n.starts_with(barred.as_str()));
            if own.barred.iter().any(is_barred) {
                return Err((Cause::FORBIDDEN, "destination is barred"));
            }
            if own.calls.is_some_and(|most| self.outside_calls_of(line) >= most) {
                return Err((Cause::TOO_MANY_CALLS, "too many outside calls at once"));
            }
        }
        let of_trunk = config.trunks.get(trunk).and_then(|trunk| trunk.calls_per_minute);
        if !take(&mut self.tolls.trunks, now, trunk, of_trunk) {
            return Err((Cause::TOO_MANY_CALLS, "too many calls a minute on the trunk"));
        }
        if let Some((line, own)) = own
            && !take(&mut self.tolls.lines, now, line, own.calls_per_minute)
        {
            return Err((Cause::TOO_MANY_CALLS, "too many outside calls a minute"));
        }
        Ok(())
    }

    /// Calls between this line and a trunk.
    fn outside_calls_of(&self, line: &str) -> usize {
        let is_outside = |call: CallId| {
            let connection = self.calls.get(call.0).map(|call| call.connection);
            let mut others =
                self.calls.iter().filter(|(_, other)| Some(other.connection) == connection);
            others.any(|(_, other)| matches!(other.party, Party::Trunk { .. }))
        };
        let calls = self.by_line.get(line).into_iter().flatten();
        calls.filter(|call| is_outside(**call)).count()
    }
}
