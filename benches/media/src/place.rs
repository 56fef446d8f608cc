//! Where it is measured: loopback, or three network namespaces joined by veth.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::process::Command;

use fastpath::testbed::{
    DIRECT_LEFT, DIRECT_RIGHT, LEFT, MIDDLE_LEFT, MIDDLE_RIGHT, RIGHT, Side, Testbed,
};

use crate::Outcome;
use crate::wire::{LOOPBACK, open};

/// Sockets that play the phones of one side.
pub(crate) const PHONES: usize = 8;
const FIRST_PORT: u16 = 61_000;

/// Where phones and relay are.
pub(crate) struct Place {
    testbed: Option<Testbed>,
    /// The core of the relay.
    core: Option<usize>,
    /// The relay as the left and the right phones know it.
    pub(crate) relay: [Ipv4Addr; 2],
    /// What the relay binds to.
    pub(crate) bind: Ipv4Addr,
    /// The phones, left and right, with a relay between them.
    phones: [Ipv4Addr; 2],
    /// The phones without one.
    direct: [Ipv4Addr; 2],
}

impl Place {
    pub(crate) fn loopback(core: Option<usize>) -> Self {
        let both = [LOOPBACK; 2];
        Self { testbed: None, core, relay: both, bind: LOOPBACK, phones: both, direct: both }
    }

    pub(crate) fn veth(core: Option<usize>) -> Outcome<Self> {
        let testbed = Testbed::new()?;
        testbed.make_native()?;
        testbed.join()?;
        Ok(Self {
            testbed: Some(testbed),
            core,
            relay: [MIDDLE_LEFT, MIDDLE_RIGHT],
            bind: Ipv4Addr::UNSPECIFIED,
            phones: [LEFT, RIGHT],
            direct: [DIRECT_LEFT, DIRECT_RIGHT],
        })
    }

    /// A folder for what outlives a relay.
    pub(crate) fn pins(&self) -> Outcome<&Path> {
        let testbed = self.testbed.as_ref();
        Ok(testbed.ok_or("the kernel forwards between namespaces only: --veth")?.pins())
    }

    /// A program on the relay's core, in its namespace.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut all: Vec<String> = Vec::new();
        if let Some(testbed) = &self.testbed {
            all.extend(["ip", "netns", "exec"].map(str::to_owned));
            all.push(testbed.namespace(Side::Middle));
        }
        if let Some(core) = self.core {
            all.extend(["taskset".to_owned(), "-c".to_owned(), core.to_string()]);
        }
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]);
        command
    }

    /// A socket beside the relay.
    pub(crate) fn middle_socket(&self) -> Outcome<UdpSocket> {
        let bind = || UdpSocket::bind((LOOPBACK, 0));
        match &self.testbed {
            None => Ok(bind()?),
            Some(testbed) => Ok(testbed
                .enter(Side::Middle, bind)
                .join()
                .map_err(|_| "binding panicked")???),
        }
    }

    /// The phones' sockets, left and right.
    pub(crate) fn sockets(&self, is_relayed: bool) -> Outcome<[Vec<UdpSocket>; 2]> {
        let hosts = if is_relayed { self.phones } else { self.direct };
        let bind = |side: usize| -> Outcome<Vec<UdpSocket>> {
            let addresses: Vec<_> =
                (0..PHONES).map(|phone| address(hosts[side], side, phone)).collect();
            let bind = move || addresses.into_iter().map(open).collect::<std::io::Result<Vec<_>>>();
            let where_to = [Side::Left, Side::Right][side];
            Ok(match &self.testbed {
                None => bind()?,
                Some(testbed) => {
                    testbed.enter(where_to, bind).join().map_err(|_| "binding panicked")???
                }
            })
        };
        Ok([bind(0)?, bind(1)?])
    }

    /// The two phones of a call.
    pub(crate) fn phones(&self, call: usize, is_relayed: bool) -> [SocketAddrV4; 2] {
        let hosts = if is_relayed { self.phones } else { self.direct };
        [0, 1].map(|side| address(hosts[side], side, call % PHONES))
    }
}

fn address(host: Ipv4Addr, side: usize, phone: usize) -> SocketAddrV4 {
    let number = u16::try_from(side * PHONES + phone).unwrap_or_default();
    SocketAddrV4::new(host, FIRST_PORT + number)
}
