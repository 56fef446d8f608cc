//! Questions to the kernel about routes, neighbours and interfaces (rtnetlink and the netdev
//! family), one at a time.

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const CREATE: u16 = 0x400;
const ERROR: u16 = 2;
const HEADER_LEN: usize = 16;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOUR: u16 = 30;
const AF_INET: u8 = 2;
const ROUTE_UNICAST: u8 = 1;
const HARDWARE_ETHERNET: u16 = 1;
/// NUD_REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT: the address is known.
const NEIGHBOUR_KNOWN: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;
/// NUD_NOARP, NUD_PERMANENT: the address stays as it is.
const NEIGHBOUR_STATIC: u16 = 0x40 | 0x80;
/// The neighbour is about to be used: the kernel asks for it if its address is old.
const NEIGHBOUR_USE: u8 = 1;
const GENERIC_CONTROL: u16 = 0x10;
/// Octets of an answer; a link's is the longest.
const ANSWER_MAX: usize = 32_768;
/// The kernel answers at once; this is for the unforeseen.
const PATIENCE: Duration = Duration::from_secs(2);

/// A way to an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) interface: u32,
    /// The next hop: a gateway, or the address itself.
    pub(crate) next: Ipv4Addr,
    /// The address of ours that is used on this way.
    pub(crate) local: Option<Ipv4Addr>,
}

/// Who is next on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Neighbour {
    pub(crate) mac: [u8; 6],
    /// An administrator wrote it down, or there is nothing to be asked for.
    pub(crate) is_static: bool,
}

/// An Ethernet interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) mac: [u8; 6],
    pub(crate) is_veth: bool,
    /// A veth whose other end is in another network namespace.
    pub(crate) is_abroad: bool,
}

/// What a driver says that it does for XDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct XdpFeatures {
    /// Runs programs, which may pass, drop, send back and redirect.
    pub(crate) is_native: bool,
    /// Takes frames that were redirected to it.
    pub(crate) is_target: bool,
}

#[derive(Clone, Copy)]
enum Bus {
    Route,
    Generic,
}

/// Sockets to the kernel in the network namespace of the thread that opened it.
pub(crate) struct Netlink {
    route: Socket,
    generic: Socket,
    /// The number of the netdev family; `None` before Linux 6.3.
    netdev: Option<u16>,
    sequence: u32,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = |protocol| {
            let domain = Domain::from(libc::AF_NETLINK);
            let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::from(protocol)))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            io::Result::Ok(socket)
        };
        let route = socket(libc::NETLINK_ROUTE)?;
        let generic = socket(libc::NETLINK_GENERIC)?;
        let mut netlink = Self { route, generic, netdev: None, sequence: 0 };
        netlink.netdev = netlink.family("netdev").ok();
        Ok(netlink)
    }

    /// The way to an address, if there is one over another interface than loopback.
    pub(crate) fn route(
        &mut self,
        to: Ipv4Addr,
        from: Option<Ipv4Addr>,
    ) -> io::Result<Option<Route>> {
        let source_bits = if from.is_some() { 32 } else { 0 };
        let mut body = vec![AF_INET, 32, source_bits, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        attribute(&mut body, 1, &to.octets());
        if let Some(from) = from {
            attribute(&mut body, 2, &from.octets());
        }
        let answer = self.ask(Bus::Route, GET_ROUTE, REQUEST, &body, NEW_ROUTE)?;
        let attributes = answer.get(12..).unwrap_or_default();
        let interface = find(attributes, 4).and_then(number);
        let is_unicast = answer.get(7) == Some(&ROUTE_UNICAST);
        // RTA_VIA: a gateway of the other family.
        let is_foreign = find(attributes, 18).is_some();
        let Some(interface) = interface.filter(|_| is_unicast && !is_foreign) else {
            return Ok(None);
        };
        let next = find(attributes, 5).and_then(address).unwrap_or(to);
        let local = find(attributes, 7).and_then(address).or(from);
        Ok(Some(Route { interface, next, local }))
    }

    /// A neighbour, if its MAC address is known.
    pub(crate) fn neighbour(
        &mut self,
        interface: u32,
        next: Ipv4Addr,
    ) -> io::Result<Option<Neighbour>> {
        let body = neighbour_body(interface, next, 0);
        let answer = match self.ask(Bus::Route, GET_NEIGHBOUR, REQUEST, &body, NEW_NEIGHBOUR) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            answer => answer?,
        };
        let state = answer.get(8..10).and_then(short).unwrap_or_default();
        let mac = find(answer.get(12..).unwrap_or_default(), 2).and_then(mac);
        let is_static = state & NEIGHBOUR_STATIC != 0;
        Ok(mac.filter(|_| state & NEIGHBOUR_KNOWN != 0).map(|mac| Neighbour { mac, is_static }))
    }

    /// Says that a neighbour is in use: the stack, which sees nothing of what XDP sends, keeps its
    /// address up to date all the same. Not for a static one: the kernel would forget that it is.
    pub(crate) fn use_neighbour(&mut self, interface: u32, next: Ipv4Addr) -> io::Result<()> {
        let body = neighbour_body(interface, next, NEIGHBOUR_USE);
        self.ask(Bus::Route, NEW_NEIGHBOUR, REQUEST | CREATE | ACKNOWLEDGE, &body, ERROR).map(drop)
    }

    /// An interface, if it is an Ethernet one.
    pub(crate) fn link(&mut self, interface: u32) -> io::Result<Option<Link>> {
        let mut body = vec![0; 4];
        body.extend(interface.to_ne_bytes());
        body.extend([0; 8]);
        let answer = self.ask(Bus::Route, GET_LINK, REQUEST, &body, NEW_LINK)?;
        if answer.get(2..4).and_then(short) != Some(HARDWARE_ETHERNET) {
            return Ok(None);
        }
        let attributes = answer.get(16..).unwrap_or_default();
        let name = find(attributes, 3).map(text).unwrap_or_default();
        // IFLA_LINKINFO, in it IFLA_INFO_KIND.
        let kind = find(attributes, 18).and_then(|info| find(info, 1)).map(text);
        let mac = find(attributes, 1).and_then(mac);
        let is_veth = kind.as_deref() == Some("veth");
        // IFLA_LINK_NETNSID.
        let is_abroad = is_veth && find(attributes, 37).is_some();
        Ok(mac.map(|mac| Link { name, mac, is_veth, is_abroad }))
    }

    /// What the driver of an interface does; `None` where the kernel does not tell.
    pub(crate) fn xdp_features(&mut self, interface: u32) -> Option<XdpFeatures> {
        let family = self.netdev?;
        let mut body = vec![1, 1, 0, 0];
        attribute(&mut body, 1, &interface.to_ne_bytes());
        let answer = self.ask(Bus::Generic, family, REQUEST, &body, family).ok()?;
        let bits =
            find(answer.get(4..)?, 3)?.first_chunk::<8>().copied().map(u64::from_ne_bytes)?;
        Some(XdpFeatures { is_native: bits & 0x3 == 0x3, is_target: bits & 0x4 != 0 })
    }

    fn family(&mut self, name: &str) -> io::Result<u16> {
        let mut body = vec![3, 1, 0, 0];
        let mut octets = name.as_bytes().to_vec();
        octets.push(0);
        attribute(&mut body, 2, &octets);
        let answer = self.ask(Bus::Generic, GENERIC_CONTROL, REQUEST, &body, GENERIC_CONTROL)?;
        let id = find(answer.get(4..).unwrap_or_default(), 1).and_then(short);
        id.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Sends a question and gives the body of the answer of the kind that is expected.
    fn ask(
        &mut self,
        bus: Bus,
        kind: u16,
        flags: u16,
        body: &[u8],
        expected: u16,
    ) -> io::Result<Vec<u8>> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER_LEN + body.len()).unwrap_or_default();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(body);
        let mut socket = match bus {
            Bus::Route => &self.route,
            Bus::Generic => &self.generic,
        };
        socket.send(&message)?;
        let mut buffer = vec![0; ANSWER_MAX];
        loop {
            let count = socket.read(&mut buffer)?;
            let mut rest = buffer.get(..count).unwrap_or_default();
            while let Some(header) = rest.first_chunk::<HEADER_LEN>() {
                let [a, b, c, d, kind_low, kind_high, _, _, e, f, g, h, ..] = *header;
                let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or_default();
                let Some(body) = rest.get(HEADER_LEN..length) else { break };
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                // An answer to a question that was given up.
                if u32::from_ne_bytes([e, f, g, h]) != self.sequence {
                    continue;
                }
                let kind = u16::from_ne_bytes([kind_low, kind_high]);
                let code = body.first_chunk::<4>().copied().map_or(0, i32::from_ne_bytes);
                if kind == ERROR && code != 0 {
                    return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                }
                if kind == expected {
                    return Ok(body.to_vec());
                }
            }
        }
    }
}

fn neighbour_body(interface: u32, next: Ipv4Addr, flags: u8) -> Vec<u8> {
    let mut body = vec![AF_INET, 0, 0, 0];
    body.extend(interface.to_ne_bytes());
    body.extend([0, 0, flags, 0]);
    attribute(&mut body, 1, &next.octets());
    body
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or_default();
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The value of the first attribute of a kind.
fn find(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = attributes;
    loop {
        let [a, b, c, d] = *rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = rest.get(4..length)?;
        // The upper two bits say how the value is to be read.
        if u16::from_ne_bytes([c, d]) & 0x3fff == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_ne_bytes)
}

fn short(value: &[u8]) -> Option<u16> {
    value.first_chunk().copied().map(u16::from_ne_bytes)
}

fn address(value: &[u8]) -> Option<Ipv4Addr> {
    value.first_chunk::<4>().copied().map(Ipv4Addr::from)
}

fn mac(value: &[u8]) -> Option<[u8; 6]> {
    <[u8; 6]>::try_from(value).ok()
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_behind_those_of_odd_length() {
        let mut body = Vec::new();
        attribute(&mut body, 3, b"eth0\0");
        attribute(&mut body, 4, &7u32.to_ne_bytes());
        assert_eq!(body.len(), 20);
        assert_eq!(find(&body, 4).and_then(number), Some(7));
        assert_eq!(find(&body, 3).map(text).as_deref(), Some("eth0"));
        assert_eq!(find(&body, 5), None);
        assert_eq!(find(&body[..10], 4), None);
    }

    #[test]
    fn loopback_is_no_way_and_no_ethernet() {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(netlink.route(Ipv4Addr::LOCALHOST, None).unwrap(), None);
        assert_eq!(netlink.link(1).unwrap(), None);
    }
}
