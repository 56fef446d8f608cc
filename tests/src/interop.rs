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

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command};
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

/// A port that nobody has at the moment, neither for UDP nor for TCP.
pub fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let port = socket.local_addr().expect("a bound socket has an address").port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
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
