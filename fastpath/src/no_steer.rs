//! The place of steering in a build without it: it cannot be had.

use std::convert::Infallible;
use std::net::{Ipv4Addr, UdpSocket};

use crate::FastPathError;

/// There is none.
pub struct Steering(Infallible);

impl Steering {
    /// Errors: NotBuilt, always.
    pub fn open(_address: Ipv4Addr, _sockets: &[&UdpSocket]) -> Result<Self, FastPathError> {
        Err(FastPathError::NotBuilt)
    }

    /// Never called: there is no value.
    pub fn point(&self, _port: u16, _socket: usize) {
        match self.0 {}
    }

    /// Never called: there is no value.
    pub fn clear(&self, _port: u16) {
        match self.0 {}
    }
}
