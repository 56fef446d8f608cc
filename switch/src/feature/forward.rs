//! Forwarding and do not disturb: what a line has set, and what that means for one call.
//!
//! A list of entries per line, each a LINEFORWARDMODE_ with a destination; an entry without one is do
//! not disturb for the calls it fits. Source: TAPI lineForward, LINEFORWARD; sip-mapping §3.9, §3.11.

use std::time::Duration;

use config::Config;
use tapi::LineErr;
use tapi::constant::{CallReason, ForwardMode};

use crate::route::{self, Target};

/// The longest forward list of a line.
pub const MAX_ENTRIES: usize = 16;
/// What lineForward's ring count is limited to.
pub const MAX_RINGS: u32 = 20;
/// How often one call may be forwarded (ITU-T Q.732 §1).
pub const MAX_HOPS: u32 = 5;
/// The longest number of an entry.
pub const MAX_NUMBER: usize = 128;

/// LINEFORWARD: which calls go where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardEntry {
    /// Which calls, and when.
    pub mode: ForwardMode,
    /// The caller that a SPECIFIC mode is about.
    pub caller: Option<String>,
    /// Where to; `None` is do not disturb.
    pub destination: Option<String>,
}

/// What a line has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// In the order they were given.
    pub entries: Vec<ForwardEntry>,
    /// dwNumRingsNoAnswer; `None` means the line's `ring_timeout`.
    pub rings: Option<u32>,
}

/// What lineForward asks for.
impl From<tapi::Forwarding> for Forwarding {
    fn from(asked: tapi::Forwarding) -> Self {
        let entry = |entry: tapi::Forward| {
            let tapi::Forward { mode, caller, destination } = entry;
            ForwardEntry { mode, caller, destination }
        };
        Self { entries: asked.entries.into_iter().map(entry).collect(), rings: asked.rings }
    }
}

/// What LINEADDRESSSTATUS shows.
impl From<Forwarding> for tapi::Forwarding {
    fn from(set: Forwarding) -> Self {
        let entry = |entry: ForwardEntry| {
            let ForwardEntry { mode, caller, destination } = entry;
            tapi::Forward { mode, caller, destination }
        };
        Self { entries: set.entries.into_iter().map(entry).collect(), rings: set.rings }
    }
}

/// When a call is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// Before the line is rung.
    Always,
    /// Every appearance is taken, or the phones said busy.
    Busy,
    /// The phones rang long enough.
    NoAnswer,
    /// No phone can be reached; treated as no answer, without ringing.
    Unreachable,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct CallerFacts<'a> {
    /// The number.
    pub number: &'a str,
    /// It is a line of ours.
    pub is_internal: bool,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing applies: ring, or fail as it would.
    None,
    /// It goes there.
    Forward {
        /// The number.
        destination: String,
        /// LINECALLREASON_ at the destination.
        reason: CallReason,
    },
    /// Do not disturb.
    Refuse,
}

/// The three families of modes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// UNCOND and its variants.
    Unconditional,
    /// BUSY and its variants.
    Busy,
    /// NOANSW and its variants.
    NoAnswer,
}

/// A mode taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    Specific,
    Internal,
    External,
    All,
}

/// Every mode that can be set: its bits for (unconditional, busy, no answer), and its scope.
const MODES: [(ForwardMode, [bool; 3], Scope); 16] = {
    use ForwardMode as M;
    use Scope::{All, External, Internal, Specific};
    const U: [bool; 3] = [true, false, false];
    const B: [bool; 3] = [false, true, false];
    const N: [bool; 3] = [false, false, true];
    const BN: [bool; 3] = [false, true, true];
    [
        (M::Uncond, U, All),
        (M::UncondInternal, U, Internal),
        (M::UncondExternal, U, External),
        (M::UncondSpecific, U, Specific),
        (M::Busy, B, All),
        (M::BusyInternal, B, Internal),
        (M::BusyExternal, B, External),
        (M::BusySpecific, B, Specific),
        (M::NoAnsw, N, All),
        (M::NoAnswInternal, N, Internal),
        (M::NoAnswExternal, N, External),
        (M::NoAnswSpecific, N, Specific),
        (M::BusyNa, BN, All),
        (M::BusyNaInternal, BN, Internal),
        (M::BusyNaExternal, BN, External),
        (M::BusyNaSpecific, BN, Specific),
    ]
};

impl Family {
    fn index(self) -> usize {
        match self {
            Family::Unconditional => 0,
            Family::Busy => 1,
            Family::NoAnswer => 2,
        }
    }

    fn reason(self) -> CallReason {
        match self {
            Family::Unconditional => CallReason::FwdUncond,
            Family::Busy => CallReason::FwdBusy,
            Family::NoAnswer => CallReason::FwdNoAnswer,
        }
    }

    /// The mode of this family for every caller.
    pub fn plain_mode(self) -> ForwardMode {
        match self {
            Family::Unconditional => ForwardMode::Uncond,
            Family::Busy => ForwardMode::Busy,
            Family::NoAnswer => ForwardMode::NoAnsw,
        }
    }
}

fn parts(mode: ForwardMode) -> Option<([bool; 3], Scope)> {
    MODES.iter().find(|(one, ..)| *one == mode).map(|(_, families, scope)| (*families, *scope))
}

fn is_of(mode: ForwardMode, family: Family) -> bool {
    parts(mode).is_some_and(|(families, _)| families[family.index()])
}

/// What is left of a BUSYNA mode when one half of it is taken away.
fn other_half(mode: ForwardMode, gone: Family) -> Option<ForwardMode> {
    let (families, scope) = parts(mode)?;
    let mut rest = families;
    rest[gone.index()] = false;
    MODES.iter().find(|(_, found, of)| *found == rest && *of == scope).map(|(mode, ..)| *mode)
}

impl ForwardEntry {
    /// For every caller.
    pub fn plain(family: Family, destination: Option<&str>) -> ForwardEntry {
        ForwardEntry {
            mode: family.plain_mode(),
            caller: None,
            destination: destination.map(str::to_owned),
        }
    }

    fn fits(&self, caller: CallerFacts<'_>, scope: Scope) -> bool {
        let Some((_, own)) = parts(self.mode) else { return false };
        own == scope
            && match scope {
                Scope::Specific => self.caller.as_deref() == Some(caller.number),
                Scope::Internal => caller.is_internal,
                Scope::External => !caller.is_internal,
                Scope::All => true,
            }
    }
}

impl Forwarding {
    /// What a list means for one call.
    ///
    /// Do not disturb goes before unconditional forwarding, and lets forwarding on busy apply;
    /// within a family the specific caller goes before inside and outside, and those before all.
    ///
    /// Source: TAPI lineForward; sip-mapping §3.9 (precedence), §3.11.
    pub fn decide(&self, occasion: Occasion, caller: CallerFacts<'_>) -> Decision {
        match occasion {
            Occasion::Always if self.disturbs_not(caller) => {
                match self.decide_in(Family::Busy, caller) {
                    forward @ Decision::Forward { .. } => forward,
                    _ => Decision::Refuse,
                }
            }
            Occasion::Always => self.decide_in(Family::Unconditional, caller),
            Occasion::Busy => self.decide_in(Family::Busy, caller),
            Occasion::NoAnswer | Occasion::Unreachable => self.decide_in(Family::NoAnswer, caller),
        }
    }

    fn decide_in(&self, family: Family, caller: CallerFacts<'_>) -> Decision {
        match self.entry(family, caller).map(|entry| &entry.destination) {
            None => Decision::None,
            Some(None) => Decision::Refuse,
            Some(Some(destination)) => {
                Decision::Forward { destination: destination.clone(), reason: family.reason() }
            }
        }
    }

    fn entry(&self, family: Family, caller: CallerFacts<'_>) -> Option<&ForwardEntry> {
        [Scope::Specific, Scope::Internal, Scope::External, Scope::All].into_iter().find_map(
            |scope| {
                let fits =
                    |entry: &&ForwardEntry| is_of(entry.mode, family) && entry.fits(caller, scope);
                // BUSY before BUSYNA, whatever their order in the list.
                let mut found = self.entries.iter().filter(fits);
                let first = found.next()?;
                if other_half(first.mode, family).is_none() {
                    return Some(first);
                }
                found.find(|entry| other_half(entry.mode, family).is_none()).or(Some(first))
            },
        )
    }

    /// Whether calls of this caller are refused before the line is rung.
    pub fn disturbs_not(&self, caller: CallerFacts<'_>) -> bool {
        [Scope::Specific, Scope::Internal, Scope::External, Scope::All].into_iter().any(|scope| {
            self.entries.iter().any(|entry| {
                is_of(entry.mode, Family::Unconditional)
                    && entry.destination.is_none()
                    && entry.fits(caller, scope)
            })
        })
    }

    /// Whether do not disturb is on for everybody.
    pub fn is_do_not_disturb(&self) -> bool {
        self.entries.contains(&ForwardEntry::plain(Family::Unconditional, None))
    }

    /// Whether calls of a family go somewhere else, or to this number.
    pub fn sends_away(&self, family: Family, to: Option<&str>) -> bool {
        self.entries.iter().any(|entry| {
            let destination = entry.destination.as_deref();
            is_of(entry.mode, family)
                && destination.is_some_and(|number| to.is_none_or(|to| to == number))
        })
    }

    /// How long the line rings for a caller whose call is forwarded then; `None` when it is not, or
    /// when the line's `ring_timeout` counts.
    pub fn ring_time(&self, caller: CallerFacts<'_>, ring_cycle: Duration) -> Option<Duration> {
        self.entry(Family::NoAnswer, caller)?;
        Some(ring_cycle * self.rings?)
    }

    /// The list with one family's forwards to `destination`, or without them (feature codes).
    /// Do-not-disturb entries stay.
    pub fn with(&self, family: Family, destination: Option<&str>) -> Forwarding {
        let keep = |entry: &ForwardEntry| {
            if !is_of(entry.mode, family) || entry.destination.is_none() {
                return Some(entry.clone());
            }
            let mode = other_half(entry.mode, family)?;
            Some(ForwardEntry { mode, ..entry.clone() })
        };
        let mut entries: Vec<ForwardEntry> = self.entries.iter().filter_map(keep).collect();
        if let Some(destination) = destination {
            entries.push(ForwardEntry::plain(family, Some(destination)));
        }
        let rings = if family == Family::NoAnswer { None } else { self.rings };
        Forwarding { entries, rings }
    }

    /// The list with do not disturb for everybody, or without any of it.
    pub fn with_do_not_disturb(&self, is_on: bool) -> Forwarding {
        let is_refusal = |entry: &ForwardEntry| {
            is_of(entry.mode, Family::Unconditional) && entry.destination.is_none()
        };
        let mut entries = self.entries.clone();
        if !is_on {
            entries.retain(|entry| !is_refusal(entry));
        } else if !self.is_do_not_disturb() {
            entries.push(ForwardEntry::plain(Family::Unconditional, None));
        }
        Forwarding { entries, rings: self.rings }
    }

    /// The list as it is kept: empty destinations are none, only SPECIFIC modes have a caller, the
    /// ring count is within its limits.
    ///
    /// Errors: INVALPARAM for a mode that cannot be set, a missing caller, two entries for the same calls,
    /// or too many;
    /// INVALADDRESS for the line itself and for numbers that no call can be forwarded to.
    pub fn checked(self, config: &Config, line: &str) -> Result<Forwarding, LineErr> {
        if self.entries.len() > MAX_ENTRIES {
            return Err(LineErr::InvalParam);
        }
        let check = |entry: ForwardEntry| {
            let (_, scope) = parts(entry.mode).ok_or(LineErr::InvalParam)?;
            let caller = entry.caller.filter(|caller| !caller.is_empty());
            let caller = match scope {
                Scope::Specific => Some(caller.ok_or(LineErr::InvalParam)?),
                _ => None,
            };
            let destination = entry.destination.filter(|number| !number.is_empty());
            if let Some(number) = &destination {
                check_destination(config, line, number)?;
            }
            if caller.as_ref().is_some_and(|caller| caller.len() > MAX_NUMBER) {
                return Err(LineErr::InvalParam);
            }
            Ok(ForwardEntry { mode: entry.mode, caller, destination })
        };
        let entries =
            self.entries.into_iter().map(check).collect::<Result<Vec<ForwardEntry>, LineErr>>()?;
        // Do not disturb may stand beside a destination for the same calls.
        let fits = |one: &ForwardEntry, other: &ForwardEntry| {
            let is_same = one.mode == other.mode && one.caller == other.caller;
            !is_same || one.destination.is_some() != other.destination.is_some()
        };
        let later = |index: usize| entries.iter().skip(index + 1);
        if !entries.iter().enumerate().all(|(index, one)| later(index).all(|two| fits(one, two))) {
            return Err(LineErr::InvalParam);
        }
        let rings = self.rings.filter(|rings| *rings > 0).map(|rings| rings.min(MAX_RINGS));
        Ok(Forwarding { entries, rings })
    }
}

/// Whether calls of `line` can be sent to `number`: another line, a hunt group, an outside number.
/// Park lots and feature codes are none of these.
///
/// Errors: INVALADDRESS.
pub fn check_destination(config: &Config, line: &str, number: &str) -> Result<(), LineErr> {
    if number == line || number.len() > MAX_NUMBER {
        return Err(LineErr::InvalAddress);
    }
    match route::resolve(config, &route::dialable(config, number)) {
        Target::Line(_)
        | Target::SharedLine(_)
        | Target::Trunk { .. }
        | Target::HuntGroup(_)
        | Target::Queue(_) => Ok(()),
        _ => Err(LineErr::InvalAddress),
    }
}

#[cfg(test)]
mod tests;
