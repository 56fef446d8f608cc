//! Ranges of ports that no other test of the machine has: drawn at random, tried, and kept by locks
//! until the process ends, however it ends.

use std::fs::{File, create_dir_all};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Below the ports that the system gives out itself, and below those of the switch's default.
const FIRST: u16 = 6_144;
const UNIT: u16 = 64;
const UNITS: u16 = 160;
/// Looks at all units before a test gives up.
const ROUNDS: usize = 600;

static KEPT: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// So many ports in a row; the first one is even.
pub(crate) fn draw(count: u16) -> RangeInclusive<u16> {
    let units = count.div_ceil(UNIT).max(1);
    let starts = UNITS - units + 1;
    let (_sender, nothing) = channel::<()>();
    for _ in 0..ROUNDS {
        let chance = (RandomState::new().hash_one(count) % u64::from(starts)) as u16;
        for place in 0..starts {
            let unit = (chance + place) % starts;
            let first = FIRST + unit * UNIT;
            let ports = first..=first + count - 1;
            let Some(locks) = (unit..unit + units).map(lock).collect::<Option<Vec<_>>>() else {
                continue;
            };
            if ports.clone().all(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
                KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend(locks);
                return ports;
            }
        }
        let _ = nothing.recv_timeout(Duration::from_millis(100));
    }
    panic!("other tests have all ports of this machine")
}

/// The lock of a unit, if nobody has it. It ends with the file.
fn lock(unit: u16) -> Option<File> {
    let folder = std::env::temp_dir().join("strowger-test-ports");
    create_dir_all(&folder).expect("a folder for temporary files");
    let file = File::options().create(true).append(true).open(folder.join(unit.to_string()));
    let file = file.expect("a temporary file of all tests");
    file.try_lock().is_ok().then_some(file)
}
