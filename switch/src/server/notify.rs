//! What the service manager is told (sd_notify(3)): that the switch is ready, that it lives, that it stops.
//!
//! One datagram each to the socket that NOTIFY_SOCKET names; without it nobody is told anything.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A service manager that wants to hear of us.
#[derive(Debug)]
pub(super) struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// It ends us when it has heard nothing for so long.
    patience: Option<Duration>,
}

impl Manager {
    /// As the environment says.
    pub(super) fn from_environment() -> Option<Manager> {
        let name = std::env::var("NOTIFY_SOCKET").ok()?;
        let patience = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let is_ours =
            std::env::var("WATCHDOG_PID").map_or(true, |pid| pid.parse() == Ok(std::process::id()));
        let patience = patience.filter(|_| is_ours).map(Duration::from_micros);
        let address = match name.strip_prefix('@') {
            Some(hidden) => SocketAddr::from_abstract_name(hidden),
            None => SocketAddr::from_pathname(&name),
        };
        let (socket, address) = (UnixDatagram::unbound().ok()?, address.ok()?);
        // A manager that does not read must not stop the switch.
        socket.set_nonblocking(true).ok()?;
        Some(Manager { socket, address, patience })
    }

    /// It is ready for calls.
    pub(super) fn ready(&self) {
        self.tell("READY=1\nSTATUS=Calls are taken.");
    }

    /// It answers; `false` tells only what is the matter.
    pub(super) fn lives(&self, is_well: bool) {
        match (is_well, self.patience) {
            (true, Some(_)) => self.tell("WATCHDOG=1"),
            (true, None) => {}
            (false, _) => self.tell("STATUS=The switch answers too slowly."),
        }
    }

    /// It takes no more calls and ends when the present ones have.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=New calls are refused, present ones go on.");
    }

    fn tell(&self, text: &str) {
        // Nobody is left to be told that the manager does not listen.
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }
}
