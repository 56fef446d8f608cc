//! Forwarding and do not disturb.

use serde_json::Value;

use crate::constant::{AddrCapFlag, AddrFeature, ForwardMode, LineErr, Mask};
use crate::feature;
use crate::model::{AddressId, AddressSpec, Forward, ForwardLimits, Line};
use crate::server::{Begun, Fault, Purpose, Server};

use super::dial_string::{check_country_code, number};
use super::{Asked, Intent, Outcome, Params};

/// Entries of a list before its limits are looked at.
const MAX_READ: usize = 1024;

/// An entry as the application wrote it.
struct Entry<'a> {
    mode: ForwardMode,
    caller: Option<&'a str>,
    destination: Option<&'a str>,
}

/// lineForward: replaces the whole list of one address or of all of the line.
pub(super) fn forward(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let all = asked.params.flag("allAddresses")?;
    let values = asked.params.opt_list("forwardList")?.unwrap_or_default();
    let rings = asked.params.opt_number("numRingsNoAnswer", LineErr::InvalParam)?;
    asked.params.opt_object("callParams")?;
    let (device, line) = server.visible_line(asked, open.device)?;
    let addresses: Vec<AddressId> =
        if all { line.address_ids().collect() } else { vec![server.address(asked, line)?] };
    let entries = read(values)?;
    let mut list = Vec::new();
    for address in &addresses {
        let Some(spec) = line.address(*address) else { continue };
        check_entries(&entries, spec)?;
        check_offer(&entries, spec)?;
    }
    for entry in &entries {
        list.push(checked(entry, line, &addresses, &server.config.domain)?);
    }
    let limits = addresses.first().and_then(|address| line.address(*address));
    let rings = limits.and_then(|spec| clamped(rings, spec));
    let intent = Intent::Forward { line: device, addresses, list, rings };
    Ok(Outcome::Begin(Box::new(Begun {
        intent: Some(intent),
        h_line,
        device,
        call: None,
        created: Vec::new(),
        purpose: Purpose::Other,
    })))
}

fn invalid(detail: &str) -> Fault {
    Fault::line(LineErr::InvalParam, detail)
}

fn read(values: &[Value]) -> Result<Vec<Entry<'_>>, Fault> {
    if values.len() > MAX_READ {
        return Err(invalid("The list has too many entries."));
    }
    values.iter().map(read_entry).collect()
}

fn read_entry(value: &Value) -> Result<Entry<'_>, Fault> {
    let Value::Object(members) = value else {
        let detail = "Parameter forwardList must be an array of objects.".to_owned();
        return Err(Fault::Params(detail));
    };
    let entry = Params::new(members);
    let mode = entry.constant::<ForwardMode>("forwardMode", LineErr::InvalParam)?;
    let caller = entry.opt_text("callerAddress", LineErr::InvalAddress)?;
    let destination = entry.opt_text("destAddress", LineErr::InvalAddress)?;
    let country = entry.opt_number("destCountryCode", LineErr::InvalCountryCode)?;
    check_country_code(country.unwrap_or(0))?;
    let is_text = |text: &&str| !text.is_empty();
    Ok(Entry { mode, caller: caller.filter(is_text), destination: destination.filter(is_text) })
}

fn is_specific(mode: ForwardMode) -> bool {
    use ForwardMode as M;
    matches!(mode, M::UncondSpecific | M::BusySpecific | M::NoAnswSpecific | M::BusyNaSpecific)
}

/// Modes that stand for internal and external calls under the same condition.
const INSIDE_AND_OUTSIDE: &[(ForwardMode, ForwardMode)] = {
    use ForwardMode as M;
    &[
        (M::UncondInternal, M::UncondExternal),
        (M::BusyInternal, M::BusyExternal),
        (M::NoAnswInternal, M::NoAnswExternal),
        (M::BusyNaInternal, M::BusyNaExternal),
    ]
};

/// Modes that stand for busy and no answer for the same calls.
const BUSY_AND_NO_ANSWER: &[(ForwardMode, ForwardMode)] = {
    use ForwardMode as M;
    &[
        (M::Busy, M::NoAnsw),
        (M::BusyInternal, M::NoAnswInternal),
        (M::BusyExternal, M::NoAnswExternal),
        (M::BusySpecific, M::NoAnswSpecific),
    ]
};

/// Limits of the list as a whole.
fn check_entries(entries: &[Entry<'_>], spec: &AddressSpec) -> Result<(), Fault> {
    let ForwardLimits { modes, max_entries, max_specific_entries, .. } = spec.offers.forward;
    let specific = entries.iter().filter(|entry| is_specific(entry.mode)).count();
    if entries.len() > max_entries as usize || specific > max_specific_entries as usize {
        return Err(invalid("The list has more entries than the address takes."));
    }
    let never = ForwardMode::Unknown | ForwardMode::Unavail;
    for (index, entry) in entries.iter().enumerate() {
        if !(modes - never).contains(entry.mode) {
            return Err(invalid("The address is not forwarded in this mode."));
        }
        if is_specific(entry.mode) && entry.caller.is_none() {
            return Err(invalid("A mode for one caller needs callerAddress."));
        }
        let is_same = |other: &Entry<'_>| {
            other.mode == entry.mode && (!is_specific(entry.mode) || other.caller == entry.caller)
        };
        if entries.iter().skip(index + 1).any(is_same) {
            return Err(invalid("Two entries are for the same calls."));
        }
    }
    let differs = |pairs: &[(ForwardMode, ForwardMode)]| {
        pairs.iter().any(|(one, other)| {
            entries.iter().filter(|entry| entry.mode == *one).any(|first| {
                entries.iter().any(|second| {
                    let is_pair = second.mode == *other
                        && (!is_specific(*one) || first.caller == second.caller);
                    is_pair && second.destination != first.destination
                })
            })
        })
    };
    if !spec.cap_flags.contains(AddrCapFlag::FwdIntExtAddr) && differs(INSIDE_AND_OUTSIDE) {
        return Err(invalid("Internal and external calls go to one destination here."));
    }
    if !spec.cap_flags.contains(AddrCapFlag::FwdBusyNaAddr) && differs(BUSY_AND_NO_ANSWER) {
        return Err(invalid("Busy and no answer go to one destination here."));
    }
    Ok(())
}

/// Whether numbers, or do not disturb, are offered.
fn check_offer(entries: &[Entry<'_>], spec: &AddressSpec) -> Result<(), Fault> {
    let offered = feature::offered_address_features(&spec.offers);
    let is_refined = offered.intersects(crate::model::FORWARDS);
    let mut needed: Mask<AddrFeature> = AddrFeature::Forward.into();
    for entry in entries.iter().filter(|_| is_refined) {
        needed.insert(match entry.destination {
            Some(_) => AddrFeature::ForwardFwd,
            None => AddrFeature::ForwardDnd,
        });
    }
    if offered.contains_all(needed) {
        return Ok(());
    }
    let detail = "This kind of forwarding is not offered on this address.";
    Err(Fault::line(LineErr::OperationUnavail, detail))
}

/// An entry with its addresses checked.
fn checked(
    entry: &Entry<'_>,
    line: &Line,
    addresses: &[AddressId],
    domain: &str,
) -> Result<Forward, Fault> {
    let caller = match entry.caller.filter(|_| is_specific(entry.mode)) {
        Some(caller) => Some(number(caller, domain)?),
        None => None,
    };
    let destination = entry.destination.map(|text| number(text, domain)).transpose()?;
    let is_own = |address: &AddressId| {
        let own = line.address(*address).map(|spec| spec.number.as_str());
        own.is_some() && own == destination.as_deref()
    };
    if addresses.iter().any(is_own) {
        let detail = "An address is not forwarded to itself.";
        return Err(Fault::line(LineErr::InvalAddress, detail));
    }
    Ok(Forward { mode: entry.mode, caller, destination })
}

/// The count of rings within the limits; none where it cannot be set or was left out.
fn clamped(rings: Option<u32>, spec: &AddressSpec) -> Option<u32> {
    let limits = spec.offers.forward;
    let can_be_set = spec.cap_flags.contains(AddrCapFlag::FwdNumRings);
    let max = limits.max_rings.max(limits.min_rings);
    rings.filter(|_| can_be_set).map(|rings| rings.clamp(limits.min_rings, max))
}
