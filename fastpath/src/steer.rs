//! Steering: the program that leads the datagrams of many ports to few sockets.
//!
//! Nothing of it is pinned: it ends with the process, as sockets do.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Mutex;

use aya::maps::{Array, MapData, SockMap};
use aya::programs::SkLookup;
use aya::{Ebpf, EbpfLoader};

use crate::FastPathError;
use crate::hop::locked;
use crate::program::{refused, take};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/steer.o"));

const IS_BUILT: bool = !include_bytes!(concat!(env!("OUT_DIR"), "/steer.o")).is_empty();

const PROGRAM: &str = "strowger_steer";
const PORTS: &str = "ports";
const SOCKETS: &str = "sockets";
/// Where the program finds the address that the ports belong to.
const ADDRESS_AT: u32 = 0;

/// Ports of this network namespace that lead to sockets they are not bound to, until the value ends.
pub struct Steering {
    ports: Mutex<Array<MapData, u64>>,
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
        let mut ports = Array::try_from(take(&mut ebpf, PORTS)?)
            .map_err(|error| refused("map of ports", &error))?;
        let mut places = SockMap::try_from(take(&mut ebpf, SOCKETS)?)
            .map_err(|error| refused("map of sockets", &error))?;
        for (number, socket) in (0..).zip(sockets) {
            places.set(number, *socket, 0).map_err(|error| refused("a socket", &error))?;
        }
        // In network order, as the program reads it.
        let address = u64::from(u32::from_ne_bytes(address.octets()));
        ports.set(ADDRESS_AT, address, 0).map_err(|error| refused("map of ports", &error))?;
        let namespace = File::open("/proc/thread-self/ns/net")
            .map_err(|source| FastPathError::System { what: "the network namespace", source })?;
        let program = ebpf.program_mut(PROGRAM).ok_or(FastPathError::NotBuilt)?;
        let program: &mut SkLookup =
            program.try_into().map_err(|error| refused("steering program", &error))?;
        program.load().map_err(|error| refused("steering program", &error))?;
        program.attach(namespace).map_err(|error| refused("steering", &error))?;
        Ok(Self { ports: Mutex::new(ports), _ebpf: ebpf })
    }

    /// Lets a port lead to a socket, by its number among those of [`Steering::open`].
    ///
    /// Errors: Refused.
    pub fn point(&self, port: u16, socket: usize) -> Result<(), FastPathError> {
        let place = u64::try_from(socket).unwrap_or_default() + 1;
        let set = locked(&self.ports).set(u32::from(port), place, 0);
        set.map_err(|error| refused("a port", &error))
    }

    /// Lets a port lead nowhere but to the socket that is bound to it.
    pub fn clear(&self, port: u16) {
        // It fails only for a port that is none.
        let _ = locked(&self.ports).set(u32::from(port), 0, 0);
    }
}
