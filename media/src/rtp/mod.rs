//! RTP packets: checked reading, rewriting in place, reception statistics, telephone-events.
//!
//! Must not know SDP, SIP or sockets. Hop 4 of a packet's path.

pub mod header;
pub mod jitter;
pub mod sequence;
pub mod statistics;
pub mod telephone_event;

pub use header::{Header, PayloadSet};
pub use jitter::{Jitter, Taken};
pub use sequence::{RtpTime, Seq, Ssrc};
pub use statistics::{Elsewhere, Reception, Standing};
pub use telephone_event::{DigitDetector, KeyEvent, KeyNews, TelephoneEvent};

/// Longest packet that is relayed.
pub const PACKET_MAX: usize = 1_500;
/// The clock rate of telephony, used where nothing else is known.
pub const CLOCK_DEFAULT_HZ: u32 = 8_000;
/// Comfort noise (RFC 3389): may always be sent, negotiated or not.
pub const COMFORT_NOISE: u8 = 13;

/// The clock rate of a static payload type; 8000 for dynamic and unassigned ones.
///
/// Source: RFC 3551 tables 4 and 5.
#[must_use]
pub fn static_clock_hz(payload: u8) -> u32 {
    match payload {
        6 => 16_000,
        10 | 11 => 44_100,
        16 => 11_025,
        17 => 22_050,
        14 | 25 | 26 | 28 | 31..=34 => 90_000,
        _ => CLOCK_DEFAULT_HZ,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g722_counts_with_8000_as_rfc_3551_says() {
        assert_eq!(static_clock_hz(9), 8_000);
        assert_eq!(static_clock_hz(34), 90_000);
        assert_eq!(static_clock_hz(96), 8_000);
    }
}
