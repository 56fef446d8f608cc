//! Learning where a peer's media really comes from, and holding on to it.

use std::net::{IpAddr, SocketAddr};

use crate::rtp::statistics::DROPOUT_MAX;
use crate::rtp::{Seq, Ssrc};

/// So many good packets from one address make it final.
pub const GOOD_MIN: u8 = 5;
/// A locked source must have been silent for so long before its own stream is followed to another
/// port of the same host.
pub const SILENCE_MIN_US: u64 = 3_000_000;

/// Which hosts a stream's media may come from, as signalling named them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LatchRules {
    /// The SDP's address for media.
    pub remote: Option<SocketAddr>,
    /// The SDP's address for RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// Where the peer's signalling comes from.
    pub peer: Option<IpAddr>,
}

impl LatchRules {
    /// True for the hosts that signalling named. Packets of all others are not even learnt from.
    #[must_use]
    pub fn allows(&self, host: IpAddr) -> bool {
        self.remote.is_some_and(|remote| remote.ip() == host)
            || self.peer == Some(host)
            || self.remote_rtcp.is_some_and(|remote| remote.ip() == host)
    }
}

/// What a packet's source is to the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Not the peer: drop.
    Foreign,
    /// The address known already.
    Known,
    /// The peer, and its address is new.
    Latched,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Open,
    /// Learnt, but the exact address of the SDP may still displace it.
    Learning {
        address: SocketAddr,
        good: u8,
    },
    Locked {
        address: SocketAddr,
    },
}

/// The lock of one socket's peer.
///
/// The first valid packet from an allowed host latches; from then on only its address is heard.
/// Until [`GOOD_MIN`] packets of one SSRC with rising numbers came, a packet from exactly the
/// SDP's address takes over. Only signalling opens the lock again; a stream that falls silent and
/// goes on with the same SSRC and the next numbers from another port of the same host (its NAT
/// forgot it) is followed. An address that signalling has replaced is dead at once; only a phone that is
/// heard nowhere else for [`SILENCE_MIN_US`] (what its SDP named was never where it sends from) is taken
/// there again.
///
/// Source: RFC 7362; security requirements SEC-81, 82, 83.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latch {
    state: State,
    last_us: u64,
    stream: Option<(Ssrc, Seq)>,
    /// Where the peer was before it moved, and until when nobody is heard there.
    left: Option<(SocketAddr, u64)>,
}

impl Latch {
    /// Forgets the lock, after signalling said that the address may change.
    pub fn reopen(&mut self) {
        *self = Self::default();
    }

    /// Forgets the lock, after signalling named another address.
    pub fn leave(&mut self, now_us: u64) {
        let until_us = now_us.saturating_add(SILENCE_MIN_US);
        let left = match self.state {
            State::Learning { address, .. } | State::Locked { address } => {
                Some((address, until_us))
            }
            State::Open => self.left,
        };
        *self = Self { left, ..Self::default() };
    }

    /// The peer's address once it is final.
    #[must_use]
    pub fn locked(&self) -> Option<SocketAddr> {
        match self.state {
            State::Locked { address } => Some(address),
            State::Open | State::Learning { .. } => None,
        }
    }

    /// Notes that packets of the locked peer were heard elsewhere.
    pub fn note(&mut self, stream: Option<(Ssrc, Seq)>, now_us: u64) {
        if self.locked().is_some() {
            self.last_us = self.last_us.max(now_us);
            self.stream = stream.or(self.stream);
        }
    }

    /// Takes an address for the peer's: a check that knows the password came from there.
    pub fn nominate(&mut self, address: SocketAddr, now_us: u64) {
        self.state = State::Locked { address };
        self.last_us = now_us;
        self.stream = None;
    }

    /// Whether no address is known yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether this is the address that is known.
    #[must_use]
    pub fn is_at(&self, from: SocketAddr) -> bool {
        matches!(self.state, State::Learning { address, .. } | State::Locked { address }
            if address == from)
    }

    /// The one comparison that throws strangers out before anything is read.
    #[must_use]
    pub fn is_foreign(&self, from: SocketAddr, now_us: u64) -> bool {
        match self.state {
            State::Locked { address } => {
                address != from && (address.ip() != from.ip() || !self.is_silent(now_us))
            }
            State::Open | State::Learning { .. } => false,
        }
    }

    /// Judges the source of a valid packet. `stream` is its SSRC and number, if it is RTP; `exact`
    /// is the SDP's address for this socket.
    pub fn judge(
        &mut self,
        rules: &LatchRules,
        exact: Option<SocketAddr>,
        from: SocketAddr,
        stream: Option<(Ssrc, Seq)>,
        now_us: u64,
    ) -> Judgement {
        let judgement = match self.state {
            State::Open if self.has_left(exact, from, now_us) => Judgement::Foreign,
            State::Open if exact == Some(from) || rules.allows(from.ip()) => Judgement::Latched,
            State::Open => Judgement::Foreign,
            State::Learning { address, .. } | State::Locked { address } if address == from => {
                Judgement::Known
            }
            State::Learning { .. } if exact == Some(from) => Judgement::Latched,
            State::Learning { .. } => Judgement::Foreign,
            State::Locked { address } if self.continues(address, from, stream, now_us) => {
                Judgement::Latched
            }
            State::Locked { .. } => Judgement::Foreign,
        };
        match judgement {
            Judgement::Foreign => return judgement,
            Judgement::Latched => self.state = State::Learning { address: from, good: 1 },
            Judgement::Known => self.confirm(stream),
        }
        self.stream = stream;
        self.last_us = now_us;
        judgement
    }

    /// Whether signalling has moved the peer away from there lately.
    fn has_left(&self, exact: Option<SocketAddr>, from: SocketAddr, now_us: u64) -> bool {
        exact != Some(from)
            && self.left.is_some_and(|(left, until_us)| left == from && now_us < until_us)
    }

    fn confirm(&mut self, stream: Option<(Ssrc, Seq)>) {
        let State::Learning { address, good } = self.state else { return };
        let is_rising = match (self.stream, stream) {
            (Some((ssrc, last)), Some((now_ssrc, now))) => ssrc == now_ssrc && now.after(last) > 0,
            _ => true,
        };
        let good = if is_rising { good + 1 } else { 1 };
        self.state = if good >= GOOD_MIN {
            State::Locked { address }
        } else {
            State::Learning { address, good }
        };
    }

    fn continues(
        &self,
        address: SocketAddr,
        from: SocketAddr,
        stream: Option<(Ssrc, Seq)>,
        now_us: u64,
    ) -> bool {
        let (Some((ssrc, last)), Some((now_ssrc, now))) = (self.stream, stream) else {
            return false;
        };
        let ahead = now.minus(last);
        address.ip() == from.ip()
            && self.is_silent(now_us)
            && ssrc == now_ssrc
            && ahead > 0
            && ahead < DROPOUT_MAX
    }

    fn is_silent(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.last_us) >= SILENCE_MIN_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn rules() -> LatchRules {
        LatchRules {
            remote: Some(at("192.0.2.1:4000")),
            remote_rtcp: None,
            peer: Some("198.51.100.7".parse().unwrap()),
        }
    }

    fn judge(latch: &mut Latch, from: &str, ssrc: u32, sequence: u16, now_us: u64) -> Judgement {
        let rules = rules();
        let stream = Some((Ssrc(ssrc), Seq(sequence)));
        latch.judge(&rules, rules.remote, at(from), stream, now_us)
    }

    fn locked(from: &str) -> Latch {
        let mut latch = Latch::default();
        for sequence in 0..5 {
            judge(&mut latch, from, 1, sequence, 0);
        }
        latch
    }

    #[test]
    fn the_first_packet_of_an_allowed_host_latches_whatever_its_port() {
        for from in ["192.0.2.1:4000", "192.0.2.1:9", "198.51.100.7:31000"] {
            let mut latch = Latch::default();
            assert_eq!(judge(&mut latch, from, 1, 0, 0), Judgement::Latched);
            assert_eq!(judge(&mut latch, from, 1, 1, 0), Judgement::Known);
        }
    }

    #[test]
    fn other_hosts_are_never_learnt_from() {
        let mut latch = Latch::default();
        assert_eq!(judge(&mut latch, "203.0.113.5:4000", 1, 0, 0), Judgement::Foreign);
        assert_eq!(judge(&mut latch, "192.0.2.1:4000", 1, 0, 0), Judgement::Latched);
    }

    #[test]
    fn the_exact_sdp_address_displaces_another_port_until_the_lock() {
        let mut latch = Latch::default();
        judge(&mut latch, "192.0.2.1:9", 1, 0, 0);
        assert_eq!(judge(&mut latch, "192.0.2.1:10", 1, 1, 0), Judgement::Foreign);
        assert_eq!(judge(&mut latch, "192.0.2.1:4000", 1, 1, 0), Judgement::Latched);
        let mut latch = locked("192.0.2.1:9");
        assert_eq!(judge(&mut latch, "192.0.2.1:4000", 1, 6, 0), Judgement::Foreign);
    }

    #[test]
    fn falling_numbers_do_not_lock() {
        let mut latch = Latch::default();
        for _ in 0..20 {
            judge(&mut latch, "192.0.2.1:9", 1, 7, 0);
        }
        assert_eq!(judge(&mut latch, "192.0.2.1:4000", 1, 8, 0), Judgement::Latched);
    }

    #[test]
    fn a_locked_peer_is_followed_to_another_port_only_after_silence_with_its_own_stream() {
        let later = 4 * SECOND_US;
        let mut latch = locked("192.0.2.1:4000");
        assert!(latch.is_foreign(at("192.0.2.1:5000"), SECOND_US));
        assert!(!latch.is_foreign(at("192.0.2.1:5000"), later));
        assert!(latch.is_foreign(at("198.51.100.7:5000"), later));
        assert_eq!(judge(&mut latch, "192.0.2.1:5000", 1, 9, SECOND_US), Judgement::Foreign);
        assert_eq!(judge(&mut latch, "192.0.2.1:5000", 2, 9, later), Judgement::Foreign);
        assert_eq!(judge(&mut latch, "192.0.2.1:5000", 1, 4, later), Judgement::Foreign);
        assert_eq!(judge(&mut latch, "198.51.100.7:5000", 1, 9, later), Judgement::Foreign);
        assert_eq!(judge(&mut latch, "192.0.2.1:5000", 1, 9, later), Judgement::Latched);
        assert_eq!(judge(&mut latch, "192.0.2.1:4000", 1, 10, later), Judgement::Latched);
    }

    #[test]
    fn signalling_opens_the_lock() {
        let mut latch = locked("192.0.2.1:9");
        latch.reopen();
        assert_eq!(judge(&mut latch, "192.0.2.1:10", 2, 0, 0), Judgement::Latched);
    }

    #[test]
    fn an_address_that_signalling_has_replaced_is_dead_at_once() {
        for new in ["192.0.2.1:4000", "198.51.100.7:31000"] {
            let mut latch = locked("198.51.100.7:30000");
            latch.leave(SECOND_US);
            for sequence in 5..20 {
                let late = judge(&mut latch, "198.51.100.7:30000", 1, sequence, 2 * SECOND_US);
                assert_eq!(late, Judgement::Foreign);
            }
            assert_eq!(judge(&mut latch, new, 2, 0, 2 * SECOND_US), Judgement::Latched);
            for sequence in 1..5 {
                assert_eq!(judge(&mut latch, new, 2, sequence, 2 * SECOND_US), Judgement::Known);
            }
            assert_eq!(latch.locked(), Some(at(new)));
            let late = judge(&mut latch, "198.51.100.7:30000", 1, 20, 2 * SECOND_US);
            assert_eq!(late, Judgement::Foreign);
        }
    }

    #[test]
    fn what_signalling_names_again_is_not_dead() {
        let mut latch = locked("198.51.100.7:30000");
        latch.leave(0);
        latch.leave(0);
        assert_eq!(judge(&mut latch, "198.51.100.7:30000", 1, 5, 0), Judgement::Foreign);
        let mut latch = locked("192.0.2.1:4000");
        latch.leave(0);
        assert_eq!(judge(&mut latch, "192.0.2.1:4000", 1, 5, 0), Judgement::Latched);
    }

    #[test]
    fn a_phone_that_is_heard_nowhere_else_is_believed_where_it_was_after_three_seconds() {
        let mut latch = locked("198.51.100.7:30000");
        latch.leave(0);
        for sequence in 5..10 {
            let now_us = SILENCE_MIN_US - 1;
            let early = judge(&mut latch, "198.51.100.7:30000", 1, sequence, now_us);
            assert_eq!(early, Judgement::Foreign);
        }
        for sequence in 10..15 {
            judge(&mut latch, "198.51.100.7:30000", 1, sequence, SILENCE_MIN_US);
        }
        assert_eq!(latch.locked(), Some(at("198.51.100.7:30000")));
    }

    #[test]
    fn datagrams_without_numbers_lock_by_count() {
        let mut latch = Latch::default();
        let rules = rules();
        for _ in 0..5 {
            latch.judge(&rules, rules.remote, at("192.0.2.1:9"), None, 0);
        }
        let exact = latch.judge(&rules, rules.remote, at("192.0.2.1:4000"), None, 0);
        assert_eq!(exact, Judgement::Foreign);
    }
}
