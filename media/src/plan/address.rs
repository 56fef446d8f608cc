//! A socket address that one thread writes and others read without a lock.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A reader that met a writer so often gives up: the packet is lost, not the thread's time.
const TRIES_MAX: u32 = 64;

/// An optional address behind a sequence lock.
///
/// [`AtomicAddress::store`] must be called by one thread at a time; the owner of the stream is
/// that thread.
#[derive(Debug, Default)]
pub(super) struct AtomicAddress {
    /// Odd while a store is under way.
    version: AtomicU32,
    high: AtomicU64,
    low: AtomicU64,
    /// Port, and a bit that says that there is an address.
    port: AtomicU64,
}

const IS_SET: u64 = 1 << 16;

impl AtomicAddress {
    /// Replaces the address.
    pub(super) fn store(&self, address: Option<SocketAddr>) {
        let (high, low, port) = address.map_or((0, 0, 0), encode);
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        // A reader that sees one of the new words must also see the odd version.
        fence(Ordering::Release);
        self.high.store(high, Ordering::Relaxed);
        self.low.store(low, Ordering::Relaxed);
        self.port.store(port, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The address.
    #[must_use]
    pub(super) fn load(&self) -> Option<SocketAddr> {
        for _ in 0..TRIES_MAX {
            let before = self.version.load(Ordering::Acquire);
            let high = self.high.load(Ordering::Relaxed);
            let low = self.low.load(Ordering::Relaxed);
            let port = self.port.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if before & 1 == 0 && before == self.version.load(Ordering::Relaxed) {
                return decode(high, low, port);
            }
            std::hint::spin_loop();
        }
        None
    }
}

fn encode(address: SocketAddr) -> (u64, u64, u64) {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let bits = ip.to_bits();
    let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    let high = u64::try_from(bits >> 64).unwrap_or_default();
    (high, low, IS_SET | u64::from(address.port()))
}

fn decode(high: u64, low: u64, port: u64) -> Option<SocketAddr> {
    let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    let number = u16::try_from(port & 0xffff).ok()?;
    (port & IS_SET != 0).then(|| SocketAddr::new(ip.to_canonical(), number))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn gives_back_both_families_and_nothing() {
        let place = AtomicAddress::default();
        assert_eq!(place.load(), None);
        for text in ["192.0.2.1:4000", "[2001:db8::1]:65535", "0.0.0.0:0"] {
            let address = text.parse().unwrap();
            place.store(Some(address));
            assert_eq!(place.load(), Some(address));
        }
        place.store(None);
        assert_eq!(place.load(), None);
    }

    #[test]
    fn a_reader_never_sees_half_an_address() {
        let place = Arc::new(AtomicAddress::default());
        let done = Arc::new(AtomicBool::new(false));
        let one: SocketAddr = "[1111:1111:1111:1111:1111:1111:1111:1111]:1111".parse().unwrap();
        let two: SocketAddr = "[2222:2222:2222:2222:2222:2222:2222:2222]:2222".parse().unwrap();
        let reader = std::thread::spawn({
            let (place, done) = (Arc::clone(&place), Arc::clone(&done));
            move || {
                while !done.load(Ordering::Relaxed) {
                    let seen = place.load();
                    assert!(seen.is_none() || seen == Some(one) || seen == Some(two), "{seen:?}");
                }
            }
        });
        for _ in 0..50_000 {
            place.store(Some(one));
            place.store(Some(two));
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    }
}
