//! ITForwardInformation: a list of forwardings, before it is set or as it is in force.

use serde_json::{Value, json};

use super::error::{TapiError, TapiErrorCode};
use super::map::{number, one};
use crate::constant::ForwardMode;

/// Entries of a list.
const MAX_ENTRIES: usize = 1024;

/// One entry of an [`ForwardInformation`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forward {
    /// Under which condition, and for whom.
    pub mode: ForwardMode,
    /// Where to; none is do not disturb.
    pub destination: Option<String>,
    /// For whom, in the modes for a specific caller.
    pub caller: Option<String>,
}

/// ITForwardInformation, made by
/// [`Address::create_forward_info_object`](super::Address::create_forward_info_object).
///
/// ```
/// use tapi::client::ForwardInformation;
/// use tapi::constant::ForwardMode;
/// let mut info = ForwardInformation::default();
/// info.set_forward_type(ForwardMode::Busy, "203", None).unwrap();
/// info.set_forward_type(ForwardMode::UncondSpecific, "204", Some("202")).unwrap();
/// assert!(info.set_forward_type(ForwardMode::Unavail, "203", None).is_err());
/// assert_eq!(info.forward_type_destination(ForwardMode::Busy), Some("203"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ForwardInformation {
    entries: Vec<Forward>,
    rings: Option<u32>,
}

/// Whether a mode is for one caller.
fn is_specific(mode: ForwardMode) -> bool {
    use ForwardMode as M;
    matches!(mode, M::UncondSpecific | M::BusySpecific | M::NoAnswSpecific | M::BusyNaSpecific)
}

impl ForwardInformation {
    /// ITForwardInformation::SetForwardType: one entry. A mode for one caller may be set for
    /// several callers; any other mode once, the last time counts.
    ///
    /// Errors: E_INVALIDARG for a mode that cannot be set, or a caller that is missing or too much.
    pub fn set_forward_type(
        &mut self,
        mode: ForwardMode,
        destination: &str,
        caller: Option<&str>,
    ) -> Result<(), TapiError> {
        let invalid = |detail| Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        if matches!(mode, ForwardMode::Unknown | ForwardMode::Unavail) {
            return invalid("This mode only reports.");
        }
        if destination.is_empty() {
            return invalid("Do not disturb is put_do_not_disturb.");
        }
        let caller = caller.filter(|caller| !caller.is_empty());
        if is_specific(mode) != caller.is_some() {
            return invalid("A caller goes with the modes for one caller, and only with them.");
        }
        if self.entries.len() >= MAX_ENTRIES {
            return invalid("The list has too many entries.");
        }
        let (destination, caller) = (Some(destination.to_owned()), caller.map(str::to_owned));
        self.put(Forward { mode, destination, caller });
        Ok(())
    }

    pub(crate) fn put(&mut self, entry: Forward) {
        self.entries.retain(|old| old.mode != entry.mode || old.caller != entry.caller);
        self.entries.push(entry);
    }

    /// ITForwardInformation::GetForwardType: the first entry of a mode.
    pub fn forward_type(&self, mode: ForwardMode) -> Option<&Forward> {
        self.entries.iter().find(|entry| entry.mode == mode)
    }

    /// ITForwardInformation::get_ForwardTypeDestination
    pub fn forward_type_destination(&self, mode: ForwardMode) -> Option<&str> {
        self.forward_type(mode).and_then(|entry| entry.destination.as_deref())
    }

    /// ITForwardInformation::get_ForwardTypeCaller
    pub fn forward_type_caller(&self, mode: ForwardMode) -> Option<&str> {
        self.forward_type(mode).and_then(|entry| entry.caller.as_deref())
    }

    /// All entries.
    pub fn entries(&self) -> &[Forward] {
        &self.entries
    }

    /// ITForwardInformation::Clear
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// ITForwardInformation::put_NumRingsNoAnswer: rings before a call counts as not answered,
    /// within AC_MINFWDNUMRINGS and AC_MAXFWDNUMRINGS.
    pub fn set_num_rings_no_answer(&mut self, rings: u32) {
        self.rings = Some(rings);
    }

    /// ITForwardInformation::get_NumRingsNoAnswer; none where nothing was said.
    pub fn num_rings_no_answer(&self) -> Option<u32> {
        self.rings
    }

    pub(crate) fn list(&self) -> Value {
        let entries = self.entries.iter().map(|entry| {
            json!({
                "forwardMode": entry.mode,
                "callerAddress": entry.caller,
                "destAddress": entry.destination,
            })
        });
        entries.collect()
    }

    /// From LINEADDRESSSTATUS.
    pub(crate) fn read(status: &Value) -> Self {
        let text =
            |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let entries = status["forwardList"].as_array().into_iter().flatten().filter_map(|entry| {
            Some(Forward {
                mode: one(&entry["forwardMode"])?,
                destination: text(&entry["destAddress"]),
                caller: text(&entry["callerAddress"]),
            })
        });
        let rings = number(&status["numRingsNoAnswer"]).filter(|rings| *rings > 0);
        Self { entries: entries.take(MAX_ENTRIES).collect(), rings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_as_it_was_written() {
        let mut info = ForwardInformation::default();
        info.set_forward_type(ForwardMode::BusyNa, "203", None).unwrap();
        info.set_forward_type(ForwardMode::UncondSpecific, "204", Some("202")).unwrap();
        info.set_forward_type(ForwardMode::UncondSpecific, "205", Some("206")).unwrap();
        info.set_num_rings_no_answer(3);
        let status = json!({"forwardList": info.list(), "numRingsNoAnswer": 3});
        assert_eq!(ForwardInformation::read(&status), info);
        assert_eq!(info.forward_type_caller(ForwardMode::UncondSpecific), Some("202"));
    }

    #[test]
    fn the_last_entry_of_a_mode_counts() {
        let mut info = ForwardInformation::default();
        info.set_forward_type(ForwardMode::Busy, "203", None).unwrap();
        info.set_forward_type(ForwardMode::Busy, "204", None).unwrap();
        assert_eq!(info.entries().len(), 1);
        assert_eq!(info.forward_type_destination(ForwardMode::Busy), Some("204"));
        info.clear();
        assert!(info.entries().is_empty());
    }

    #[test]
    fn a_caller_goes_with_the_modes_for_one_caller_alone() {
        let mut info = ForwardInformation::default();
        for (mode, caller) in [
            (ForwardMode::Busy, Some("202")),
            (ForwardMode::BusySpecific, None),
            (ForwardMode::Unknown, None),
        ] {
            let error = info.set_forward_type(mode, "203", caller).unwrap_err();
            assert_eq!(error.code, TapiErrorCode::InvalidArg, "{mode:?}");
        }
    }
}
