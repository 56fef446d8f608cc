//! Addresses as the guard sees them: sources, and networks of them.

use std::net::{IpAddr, Ipv6Addr};

/// An address and how many of its bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// The network of an address; more bits than there are mean all of them.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Self {
        let address = address.to_canonical();
        Self { address, bits: bits.min(if address.is_ipv4() { 32 } else { 128 }) }
    }

    /// One address alone.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, 128)
    }

    /// Whether an address, which is not IPv4 in IPv6 clothes, belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

/// Who is behind an address (SEC-60): an IPv4 address is itself, of an IPv6 address the first 64
/// bits count, which one customer has for himself. IPv4 in IPv6 clothes is undressed (SEC-19).
#[must_use]
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_what_shares_their_bits() {
        let office = Network::new(ip("192.0.2.7"), 24);
        assert!(office.contains(ip("192.0.2.255")) && !office.contains(ip("192.0.3.0")));
        let all = Network::new(ip("0.0.0.0"), 0);
        assert!(all.contains(ip("255.1.2.3")) && !all.contains(ip("::1")));
        let host = Network::host(ip("::ffff:192.0.2.7"));
        assert!(host.contains(ip("192.0.2.7")) && !host.contains(ip("192.0.2.6")));
        let v6 = Network::new(ip("2001:db8::"), 32);
        assert!(v6.contains(ip("2001:db8:1::5")) && !v6.contains(ip("2001:db9::")));
    }

    #[test]
    fn a_source_is_an_address_or_a_64() {
        assert_eq!(source_of(ip("::ffff:192.0.2.7")), ip("192.0.2.7"));
        assert_eq!(source_of(ip("2001:db8::1:2:3:4")), source_of(ip("2001:db8::5")));
        assert_ne!(source_of(ip("2001:db8:0:1::")), source_of(ip("2001:db8::")));
    }
}
