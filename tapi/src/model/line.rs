//! Lines and their addresses.

use std::collections::BTreeMap;

use crate::constant::{AddrCapFlag, AddressSharing, CallState, ForwardMode, Mask, MediaMode};

use super::{ApplicationId, CallKey, LineOffers, Offers};

/// A line device, 0 … numDevs-1. Given once; a removed line's number is not given to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceId(pub u32);

/// An address of a line, 0 … numAddresses-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AddressId(pub u32);

/// A directory number on a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressSpec {
    /// The number.
    pub number: String,
    /// Calls that are not IDLE at one time.
    pub max_calls: u32,
    /// Whether other lines have the same address.
    pub sharing: AddressSharing,
    /// What the provider can do on this address.
    pub cap_flags: Mask<AddrCapFlag>,
    /// The operations that are offered on it.
    pub offers: Offers,
}

impl AddressSpec {
    /// A private address.
    pub fn new(number: impl Into<String>, max_calls: u32) -> Self {
        Self {
            number: number.into(),
            max_calls,
            sharing: AddressSharing::Private,
            cap_flags: AddrCapFlag::Dialed | AddrCapFlag::PartialDial,
            offers: Offers::default(),
        }
    }

    /// A private address with every operation that there is.
    pub fn full(number: impl Into<String>, max_calls: u32) -> Self {
        Self {
            cap_flags: Offers::full_cap_flags(),
            offers: Offers::full(),
            ..Self::new(number, max_calls)
        }
    }
}

/// A line device as the provider describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineSpec {
    /// The number, `lineName` of LINEDEVCAPS; unique among lines.
    pub number: String,
    /// Whose line it is.
    pub name: String,
    /// Survives restarts and reloads.
    pub permanent_id: u32,
    /// At least one; address 0 is the line's own.
    pub addresses: Vec<AddressSpec>,
    /// Media that calls of the line can carry.
    pub media_modes: Mask<MediaMode>,
    /// Detection and sending of digits and tones, and what else is offered on the whole line.
    pub offers: LineOffers,
}

impl LineSpec {
    /// A line with one private address of the same number.
    pub fn new(
        number: impl Into<String>,
        name: impl Into<String>,
        permanent_id: u32,
        max_calls: u32,
    ) -> Self {
        let number = number.into();
        Self {
            addresses: vec![AddressSpec::new(number.clone(), max_calls)],
            number,
            name: name.into(),
            permanent_id,
            media_modes: MediaMode::Unknown
                | MediaMode::InteractiveVoice
                | MediaMode::AutomatedVoice,
            offers: LineOffers::default(),
        }
    }

    /// A line with one private address and every operation that there is.
    pub fn full(
        number: impl Into<String>,
        name: impl Into<String>,
        permanent_id: u32,
        max_calls: u32,
    ) -> Self {
        let number = number.into();
        Self {
            addresses: vec![AddressSpec::full(number.clone(), max_calls)],
            offers: LineOffers::full(),
            ..Self::new(number, name, permanent_id, max_calls)
        }
    }
}

/// Calls of an address or line, by kind of state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) active: u32,
    pub(crate) on_hold: u32,
    pub(crate) on_hold_pend: u32,
}

impl Counts {
    /// Counts one call; everything but IDLE and the held states is active.
    pub(crate) fn add(&mut self, state: CallState) {
        match state {
            CallState::Idle => {}
            CallState::OnHold => self.on_hold += 1,
            CallState::OnHoldPendTransfer | CallState::OnHoldPendConf => self.on_hold_pend += 1,
            _ => self.active += 1,
        }
    }

    pub(crate) fn total(self) -> u32 {
        self.active + self.on_hold + self.on_hold_pend
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            active: self.active + other.active,
            on_hold: self.on_hold + other.on_hold,
            on_hold_pend: self.on_hold_pend + other.on_hold_pend,
        }
    }
}

/// A line with what goes on there.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) spec: LineSpec,
    pub(crate) is_removed: bool,
    pub(crate) is_in_service: bool,
    pub(crate) has_message_waiting: bool,
    /// Calls that are not IDLE, of all addresses.
    pub(crate) calls: Vec<CallKey>,
    /// Open handles in the order of lineOpen.
    pub(crate) opens: Vec<(ApplicationId, u32)>,
    /// Forwarding in force, per address that has any.
    pub(crate) forwarding: BTreeMap<AddressId, Forwarding>,
    /// Outstanding completion requests, with their addresses.
    pub(crate) completions: BTreeMap<u32, AddressId>,
}

/// Forwarding of an address as the provider has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forwarding {
    /// The entries.
    pub entries: Vec<Forward>,
    /// Rings before no-answer forwarding; none for the provider's own measure.
    pub rings: Option<u32>,
}

/// One entry of a forwarding list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forward {
    /// Which calls.
    pub mode: ForwardMode,
    /// From this caller; set in the SPECIFIC modes only.
    pub caller: Option<String>,
    /// To this number; none for do not disturb.
    pub destination: Option<String>,
}

impl Line {
    pub(crate) fn new(spec: LineSpec) -> Self {
        Self {
            spec,
            is_removed: false,
            is_in_service: false,
            has_message_waiting: false,
            calls: Vec::new(),
            opens: Vec::new(),
            forwarding: BTreeMap::new(),
            completions: BTreeMap::new(),
        }
    }

    pub(crate) fn address(&self, address: AddressId) -> Option<&AddressSpec> {
        self.spec.addresses.get(address.0 as usize)
    }

    pub(crate) fn address_ids(&self) -> impl Iterator<Item = AddressId> + use<> {
        (0..u32::try_from(self.spec.addresses.len()).unwrap_or(u32::MAX)).map(AddressId)
    }
}
