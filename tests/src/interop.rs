//! Foreign SIP programs as phones: SIPp with the scenarios of `tests/interop`, baresip, Linphone, raw
//! sockets.
//!
//! Every program is a child process on ports of its own; it is killed when its value is dropped.
//! A program that is not installed fails the test with the name of its Debian package.

mod baresip;
mod linphone;
mod peer;
mod sipp;

pub use baresip::{Baresip, RSA, packets_flow};
pub use linphone::Linphone;
pub use peer::{Audio, Peer, hear_each_other, relay_port};
pub use sipp::{Log, Logged, Running, Sipp, register, sdp};

use std::fs::{File, create_dir_all};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::program::{PATIENCE, Program, pause};

/// `office.toml` on free ports, the same for UDP and TCP.
pub fn office(edit: impl FnOnce(String) -> String) -> String {
    let port = free_port();
    crate::program::office(|text| {
        let text = text.replacen("udp:127.0.0.1:0", &format!("udp:127.0.0.1:{port}"), 1);
        // Not the ports that a load test on the same machine may use up.
        let text = text.replacen("16384-32767", "10000-16383", 1);
        edit(text.replacen("tcp:127.0.0.1:0", &format!("tcp:127.0.0.1:{port}"), 1))
    })
}

/// A port that nobody has, neither for UDP nor for TCP, and that no other test gets while this process
/// lives: a test may use it later.
pub fn free_port() -> u16 {
    static BLOCK: Mutex<Block> = Mutex::new(Block { locks: Vec::new(), left: 0..0 });
    let mut block = BLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some(port) = block.left.next() else {
            block.take_another();
            continue;
        };
        let is_free = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free {
            return port;
        }
    }
}

/// Above the ports that the system gives out itself, and above those of every relay.
const FIRST_PORT: u16 = 61_000;
const BLOCK_PORTS: u16 = 16;
const BLOCKS: u16 = 280;

/// Ports of this process, kept by locks until it ends, however it ends.
struct Block {
    locks: Vec<File>,
    left: Range<u16>,
}

impl Block {
    /// One that no process has, looked for from a random one on.
    fn take_another(&mut self) {
        let folder = std::env::temp_dir().join("strowger-test-blocks");
        create_dir_all(&folder).expect("a folder for temporary files");
        let begin = (RandomState::new().hash_one(0) % u64::from(BLOCKS)) as u16;
        let lock = |place: u16| {
            let block = (begin + place) % BLOCKS;
            let file =
                File::options().create(true).append(true).open(folder.join(block.to_string()));
            let file = file.expect("a temporary file of all tests");
            file.try_lock().is_ok().then_some((block, file))
        };
        let (block, file) = (0..BLOCKS).find_map(lock).expect("other tests have all ports");
        let first = FIRST_PORT + block * BLOCK_PORTS;
        self.left = first..first + BLOCK_PORTS;
        self.locks.push(file);
    }
}

/// Waits until something is so, at most for [`PATIENCE`].
pub fn until(program: &Program, what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited for {what}\n{}", program.log());
        pause();
    }
}

/// Starts a program, or fails with the name of the Debian package that has it.
fn spawn(command: &mut Command, package: &str) -> Child {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().unwrap_or_else(|error| {
        panic!("{program} cannot be started ({error}): install the Debian package {package}")
    })
}

/// Whether some process listens on this UDP port.
fn is_bound(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/udp").expect("Linux shows its sockets");
    let wanted = format!(":{port:04X}");
    table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|local| local.ends_with(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "install the Debian package sip-tester")]
    fn a_missing_program_is_named_with_its_package() {
        let mut child = spawn(&mut Command::new("no-such-program-anywhere"), "sip-tester");
        let _ = child.wait();
    }
}
