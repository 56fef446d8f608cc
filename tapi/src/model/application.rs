//! Applications: one per connection that has called lineInitializeEx, with their handles.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::constant::{AddressState, CallPrivilege, LineDevState, Mask, MediaMode};
use crate::message::Outlet;

use super::{AddressId, CallKey, DeviceId};

/// A connection of the rim, named by the rim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// One use of lineInitializeEx; outlives its connection while it may be resumed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApplicationId(pub u64);

/// Which lines a connection may see. Device identifiers are the same for everybody; a line
/// outside the filter answers LINEERR_NODEVICE and is never announced.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LineFilter {
    /// Every line.
    #[default]
    All,
    /// The lines with these numbers.
    Only(BTreeSet<String>),
}

impl LineFilter {
    /// Whether the line of this number may be seen.
    pub fn allows(&self, number: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(numbers) => numbers.contains(number),
        }
    }
}

/// One lineOpen.
#[derive(Debug)]
pub(crate) struct OpenLine {
    pub(crate) device: DeviceId,
    pub(crate) privileges: Mask<CallPrivilege>,
    pub(crate) media_modes: Mask<MediaMode>,
    pub(crate) api_version: u32,
    /// LINEOPENOPTION_SINGLEADDRESS: calls of other addresses are not offered for ownership.
    pub(crate) single_address: Option<AddressId>,
    pub(crate) line_states: Mask<LineDevState>,
    pub(crate) address_states: Mask<AddressState>,
    /// lineSetNumRings, per address.
    pub(crate) num_rings: BTreeMap<AddressId, u32>,
}

/// An application.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) friendly_name: String,
    pub(crate) api_version: u32,
    pub(crate) instance: String,
    pub(crate) filter: LineFilter,
    /// None while it may be resumed.
    pub(crate) connection: Option<ConnectionId>,
    /// When it ends unless resumed.
    pub(crate) expires_ms: Option<u64>,
    pub(crate) outlet: Outlet,
    pub(crate) opens: BTreeMap<u32, OpenLine>,
    pub(crate) calls: HashMap<u32, CallKey>,
    /// Asynchronous requests that have not been answered.
    pub(crate) pending: usize,
    last_handle: u32,
    last_request: u32,
}

impl Application {
    pub(crate) fn new(name: String, instance: String, filter: LineFilter, outlet: Outlet) -> Self {
        Self {
            name,
            friendly_name: String::new(),
            api_version: super::API_2_2,
            instance,
            filter,
            connection: None,
            expires_ms: None,
            outlet,
            opens: BTreeMap::new(),
            calls: HashMap::new(),
            pending: 0,
            last_handle: 0,
            last_request: 0,
        }
    }

    /// A handle that this application does not have yet.
    pub(crate) fn next_handle(&mut self) -> u32 {
        loop {
            self.last_handle = self.last_handle.wrapping_add(1).max(1);
            let handle = self.last_handle;
            if !self.calls.contains_key(&handle) && !self.opens.contains_key(&handle) {
                return handle;
            }
        }
    }

    /// A positive request identifier.
    pub(crate) fn next_request(&mut self) -> u32 {
        self.last_request =
            if self.last_request >= 0x7FFF_FFFF { 1 } else { self.last_request + 1 };
        self.last_request
    }
}
