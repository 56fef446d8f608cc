//! What lines have set about their calls: changed by phones, applications and administrators, told to
//! applications, kept over a restart.

use serde_json::{Value, json};
use tapi::constant::{ForwardMode, LineErr};
use tapi::{AddressId, Constant};

use super::Exchange;
use super::mailbox::{Output, Problem};
use crate::call::shared::address_of;
use crate::feature::forward::{ForwardEntry, Forwarding};
use crate::store::{Change, StoredForward, StoredForwarding};

impl Exchange {
    /// lineForward: the list replaces the line's former one; an empty one cancels everything.
    ///
    /// Errors: INVALLINESTATE for an unknown line, INVALPARAM and INVALADDRESS for what cannot be
    /// set; nothing has changed then.
    pub(crate) fn set_forwarding(
        &mut self,
        line: &str,
        forwarding: Forwarding,
    ) -> Result<(), LineErr> {
        if !self.is_forwardable(line) {
            return Err(LineErr::InvalLineState);
        }
        let forwarding = forwarding.checked(&self.config, line)?;
        self.keep_forwarding(line, forwarding);
        Ok(())
    }

    /// Puts a checked list into force: LINE_ADDRESSSTATE (FORWARD).
    pub(crate) fn keep_forwarding(&mut self, line: &str, forwarding: Forwarding) {
        self.outputs.push(Output::Store(Change::SaveForwarding(stored(line, &forwarding))));
        self.publish("FORWARDING", json!({"line": line, "forwardList": rows(&forwarding)}));
        self.tell_forwarding(line, &forwarding);
        self.presence.touch_settings(line);
        self.presence.touch_line(line);
        if forwarding.entries.is_empty() {
            self.forwardings.remove(line);
        } else {
            self.forwardings.insert(line.to_owned(), forwarding);
        }
        self.touch(line);
    }

    /// Whether calls to a number can be forwarded: a line's own, or a shared line's.
    fn is_forwardable(&self, number: &str) -> bool {
        self.config.lines.contains_key(number) || self.config.shared_lines.contains_key(number)
    }

    /// LINE_ADDRESSSTATE (FORWARD) at the line, or at every member of the shared line.
    fn tell_forwarding(&mut self, number: &str, forwarding: &Forwarding) {
        let own = (number.to_owned(), AddressId(0));
        let shared = self.config.shared_lines.get(number);
        let addresses: Vec<(String, AddressId)> = match shared {
            Some(shared) => shared
                .members
                .iter()
                .map(|member| (member.clone(), address_of(&self.config, member, Some(number))))
                .collect(),
            None => vec![own],
        };
        for (line, address) in addresses {
            if let Some(device) = self.tapi.line_by_number(&line) {
                self.tapi.forwarding(device, address, forwarding.clone().into());
            }
        }
    }

    /// `PUT lines/{line}/forwarding`.
    pub(super) fn replace_forwarding(
        &mut self,
        line: &str,
        entries: Vec<ForwardEntry>,
        rings: Option<u32>,
    ) -> Result<Value, Problem> {
        self.set_forwarding(line, Forwarding { entries, rings }).map_err(|error| match error {
            LineErr::InvalLineState => unknown_line(line),
            LineErr::InvalAddress => Problem {
                status: 400,
                detail: format!(
                    "A destAddress must be another line, a hunt group or an outside number \
                     ({}).",
                    error.name()
                ),
            },
            _ => Problem {
                status: 400,
                detail: format!(
                    "The forwardList cannot be set: a mode that is for status only, a SPECIFIC \
                     mode without callerAddress, two entries for the same calls, or too many ({}).",
                    error.name()
                ),
            },
        })?;
        Ok(self.forwarding_row(line))
    }

    /// `PUT lines/{line}/dnd`.
    pub(super) fn switch_dnd(&mut self, line: &str, is_on: bool) -> Result<Value, Problem> {
        if !self.is_forwardable(line) {
            return Err(unknown_line(line));
        }
        let set = self.forwardings.get(line).cloned().unwrap_or_default();
        self.keep_forwarding(line, set.with_do_not_disturb(is_on));
        Ok(self.forwarding_row(line))
    }

    /// What a line has set, as members of a row.
    pub(super) fn forwarding_row(&self, line: &str) -> Value {
        let set = self.forwardings.get(line);
        json!({
            "line": line,
            "forwardList": set.map_or_else(|| json!([]), rows),
            "numRingsNoAnswer": set.and_then(|set| set.rings),
            "dnd": set.is_some_and(Forwarding::is_do_not_disturb),
        })
    }

    /// Takes back what lines had set in the previous run.
    pub(super) fn restore_forwardings(&mut self, kept: Vec<StoredForwarding>) {
        for row in kept {
            if !self.is_forwardable(&row.line) {
                continue;
            }
            let entry = |row: StoredForward| {
                let mode = ForwardMode::from_value(row.mode)?;
                Some(ForwardEntry { mode, caller: row.caller, destination: row.destination })
            };
            let entries: Vec<ForwardEntry> = row.entries.into_iter().filter_map(entry).collect();
            if entries.is_empty() {
                continue;
            }
            let set = Forwarding { entries, rings: row.rings };
            self.tell_forwarding(&row.line, &set);
            self.forwardings.insert(row.line, set);
        }
    }

    /// A line is no longer configured.
    pub(super) fn forget_forwarding(&mut self, line: &str) {
        if self.forwardings.remove(line).is_some() {
            let nothing = stored(line, &Forwarding::default());
            self.outputs.push(Output::Store(Change::SaveForwarding(nothing)));
        }
    }
}

fn unknown_line(line: &str) -> Problem {
    Problem { status: 404, detail: format!("there is no line {line}") }
}

fn rows(set: &Forwarding) -> Value {
    let row = |entry: &ForwardEntry| {
        json!({
            "forwardMode": entry.mode.name(),
            "callerAddress": entry.caller,
            "destAddress": entry.destination,
        })
    };
    set.entries.iter().map(row).collect()
}

fn stored(line: &str, set: &Forwarding) -> StoredForwarding {
    let entry = |entry: &ForwardEntry| StoredForward {
        mode: entry.mode.value(),
        caller: entry.caller.clone(),
        destination: entry.destination.clone(),
    };
    StoredForwarding {
        line: line.to_owned(),
        rings: set.rings,
        entries: set.entries.iter().map(entry).collect(),
    }
}
