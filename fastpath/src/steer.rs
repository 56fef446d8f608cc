//! Steering: the program that leads the datagrams of many ports to few sockets.
//!
//! Nothing of it is pinned: it ends with the process, as sockets do.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use aya_obj::Object;

use crate::FastPathError;
use crate::bpf::{Shape, attach, create_map, load_program, put_socket};
use crate::program::refused;
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
    /// Keeps program and maps as well.
    _attachment: OwnedFd,
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
        let mut object = Object::parse(OBJECT).map_err(|error| refused("object", &error))?;
        let mut maps = BTreeMap::new();
        for (name, map) in &object.maps {
            let shape = Shape {
                kind: map.map_type(),
                key_len: map.key_size(),
                value_len: map.value_size(),
                places: map.max_entries(),
                flags: map.map_flags(),
            };
            let made = create_map(name, shape).map_err(|error| refused("steering maps", &error))?;
            maps.insert(name.clone(), (made, map.clone()));
        }
        let sections: HashSet<usize> =
            object.functions.keys().map(|(section, _)| *section).collect();
        let known = maps.iter().map(|(name, (fd, map))| (name.as_str(), fd.as_raw_fd(), map));
        object.relocate_maps(known, &sections).map_err(|error| refused("object", &error))?;
        let map = |name: &str| maps.get(name).map(|(fd, _)| fd.as_fd());
        let (Some(ports), Some(places)) = (map(PORTS), map(SOCKETS)) else {
            return Err(FastPathError::NotBuilt);
        };
        let ports = Shared::<AtomicU64>::map(ports, PLACES)
            .map_err(|source| FastPathError::System { what: "the map of ports", source })?;
        for (number, socket) in (0..).zip(sockets) {
            put_socket(places, number, socket.as_raw_fd())
                .map_err(|error| refused("a socket", &error))?;
        }
        // In network order, as the program reads it.
        set(&ports, ADDRESS_AT, u64::from(u32::from_ne_bytes(address.octets())));
        let namespace = File::open("/proc/thread-self/ns/net")
            .map_err(|source| FastPathError::System { what: "the network namespace", source })?;
        let program = object.programs.get(PROGRAM).ok_or(FastPathError::NotBuilt)?;
        let function =
            object.functions.get(&program.function_key()).ok_or(FastPathError::NotBuilt)?;
        let program = load_program(PROGRAM, &encode(&function.instructions), &program.license)
            .map_err(|error| refused("steering program", &error))?;
        let attachment = attach(program.as_fd(), namespace.as_fd())
            .map_err(|error| refused("steering", &error))?;
        Ok(Self { ports, _attachment: attachment })
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

/// Instructions as the kernel reads them.
fn encode(instructions: &[aya_obj::generated::bpf_insn]) -> Vec<u64> {
    let encode = |one: &aya_obj::generated::bpf_insn| {
        let (offset, number) = (one.off.to_ne_bytes(), one.imm.to_ne_bytes());
        let registers = if cfg!(target_endian = "little") {
            one.src_reg() << 4 | one.dst_reg()
        } else {
            one.dst_reg() << 4 | one.src_reg()
        };
        let [a, b] = offset;
        let [c, d, e, f] = number;
        u64::from_ne_bytes([one.code, registers, a, b, c, d, e, f])
    };
    instructions.iter().map(encode).collect()
}
