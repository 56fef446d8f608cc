//! Steering: the program that leads the datagrams of many ports to few sockets.
//!
//! Nothing of it is pinned: it ends with the process, as sockets do.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::{Map, SockMap};
use aya::programs::SkLookup;
use aya::{Ebpf, EbpfLoader};

use crate::FastPathError;
use crate::program::{refused, take};
use crate::shared::Shared;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/steer.o"));

const IS_BUILT: bool = !include_bytes!(concat!(env!("OUT_DIR"), "/steer.o")).is_empty();

const PROGRAM: &str = "strowger_steer";
const PORTS: &str = "ports";
const SOCKETS: &str = "sockets";
/// Places of the map: one for each port, and 0.
const PLACES: usize = 1 << 16;
/// Where the program finds the address that the ports belong to.
const ADDRESS_AT: u32 = 0;

/// Ports of this network namespace that lead to sockets they are not bound to, until the value ends.
pub struct Steering {
    ports: Shared<AtomicU64>,
    /// Keeps program and attachment.
    _ebpf: Ebpf,
}

impl Steering {
    /// Loads the program and attaches it to the thread's network namespace. `address` is the one
    /// that the ports belong to, 0.0.0.0 for all; no port leads anywhere yet.
    ///
    /// Errors: NotBuilt, Refused (no such kernel, or no right), System.
    pub fn open(address: Ipv4Addr, sockets: &[&UdpSocket]) -> Result<Self, FastPathError> {
        if !IS_BUILT {
            return Err(FastPathError::NotBuilt);
        }
        let loaded = EbpfLoader::new().load(OBJECT);
        let mut ebpf = loaded.map_err(|error| refused("steering maps", &error))?;
        let Map::Array(ports) = take(&mut ebpf, PORTS)? else {
            return Err(FastPathError::NotBuilt);
        };
        let ports = Shared::<AtomicU64>::map(ports.fd().as_fd(), PLACES)
            .map_err(|source| FastPathError::System { what: "the map of ports", source })?;
        let mut places = SockMap::try_from(take(&mut ebpf, SOCKETS)?)
            .map_err(|error| refused("map of sockets", &error))?;
        for (number, socket) in (0..).zip(sockets) {
            places.set(number, *socket, 0).map_err(|error| refused("a socket", &error))?;
        }
        // In network order, as the program reads it.
        let address = u64::from(u32::from_ne_bytes(address.octets()));
        set(&ports, ADDRESS_AT, address);
        let namespace = File::open("/proc/thread-self/ns/net")
            .map_err(|source| FastPathError::System { what: "the network namespace", source })?;
        let program = ebpf.program_mut(PROGRAM).ok_or(FastPathError::NotBuilt)?;
        let program: &mut SkLookup =
            program.try_into().map_err(|error| refused("steering program", &error))?;
        program.load().map_err(|error| refused("steering program", &error))?;
        program.attach(namespace).map_err(|error| refused("steering", &error))?;
        Ok(Self { ports, _ebpf: ebpf })
    }

    /// Lets a port lead to a socket, by its number among those of [`Steering::open`].
    pub fn point(&self, port: u16, socket: usize) {
        let place = u64::try_from(socket).unwrap_or_default() + 1;
        set(&self.ports, u32::from(port), place);
    }

    /// Lets a port lead nowhere but to the socket that is bound to it.
    pub fn clear(&self, port: u16) {
        set(&self.ports, u32::from(port), 0);
    }
}

fn set(ports: &Shared<AtomicU64>, at: u32, value: u64) {
    // There is a place for each port.
    if let Some(place) = ports.get(at) {
        place.store(value, Ordering::Release);
    }
}
