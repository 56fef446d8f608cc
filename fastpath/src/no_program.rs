//! The place of the program in a build without it: it cannot be loaded.

use std::convert::Infallible;

use crate::hop::Hooks;
use crate::layout::{FLOW_LEN, KEY_LEN};
use crate::netlink::Link;
use crate::record::Records;
use crate::{FastPathError, Options};

pub(crate) const IS_BUILT: bool = false;

/// There is none.
pub(crate) struct Program(Infallible);

/// There are none.
pub(crate) struct Flows(Infallible);

/// Is never made.
pub(crate) struct Loaded {
    pub(crate) program: Program,
    pub(crate) flows: Flows,
    pub(crate) records: Records,
    pub(crate) remains: Vec<Remains>,
    pub(crate) unpinned: Option<String>,
}

/// There are none.
pub(crate) struct Remains(Infallible);

impl Remains {
    pub(crate) fn count(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn has(&self, _port: u16) -> bool {
        match self.0 {}
    }

    pub(crate) fn tend(&mut self, _now_ns: u64) -> bool {
        match self.0 {}
    }
}

impl Program {
    pub(crate) fn load(_options: &Options, _places: u32) -> Result<Loaded, FastPathError> {
        Err(FastPathError::NotBuilt)
    }

    pub(crate) fn attach(&mut self, _index: u32, _link: &Link, _is_native: bool) -> Hooks {
        match self.0 {}
    }

    pub(crate) fn interfaces(&self) -> Vec<(String, Hooks, Vec<String>)> {
        match self.0 {}
    }

    pub(crate) fn run_times(&self) -> Vec<(&'static str, u64, std::time::Duration)> {
        match self.0 {}
    }

    pub(crate) fn retry(&mut self) {
        match self.0 {}
    }

    pub(crate) fn is_shared(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn leave(&mut self) {
        match self.0 {}
    }

    pub(crate) fn remove(&mut self) {
        match self.0 {}
    }
}

impl Flows {
    pub(crate) fn keys(&self) -> std::iter::Empty<Result<[u8; KEY_LEN], Infallible>> {
        match self.0 {}
    }

    pub(crate) fn insert(
        &mut self,
        _key: [u8; KEY_LEN],
        _flow: [u8; FLOW_LEN],
        _flags: u64,
    ) -> Result<(), Infallible> {
        match self.0 {}
    }

    pub(crate) fn remove(&mut self, _key: &[u8; KEY_LEN]) -> Result<(), Infallible> {
        match self.0 {}
    }
}
