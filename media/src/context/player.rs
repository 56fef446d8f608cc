//! Plays a treatment: one RTP packet for every 20 ms.

use super::termination::Treatment;
use crate::codec::ToneCodec;
use crate::codec::g711::{FRAME_SAMPLES, encode};
use crate::dsp::tone::{Country, Oscillator, SineTable, pattern};
use crate::rtp::header::HEADER_LEN;
use crate::rtp::{Header, RtpTime, Seq, Ssrc};

/// Octets of a packet of 20 ms.
pub const PACKET_LEN: usize = HEADER_LEN + FRAME_SAMPLES;
const FRAME_TICKS: u32 = 160;

/// A treatment being played. A source of RTP like a party: the outlet keeps the continuity.
#[derive(Clone, Debug)]
pub struct Player {
    oscillator: Option<Oscillator>,
    codec: ToneCodec,
    next: Header,
}

impl Player {
    /// Begins a treatment; `None` for [`Treatment::None`]. `ssrc` is used if the peer hears
    /// nothing else before.
    #[must_use]
    pub fn new(treatment: Treatment, country: Country, ssrc: u32) -> Option<Self> {
        let (codec, oscillator) = match treatment {
            Treatment::None => return None,
            Treatment::Silence(codec) => (codec, None),
            Treatment::Tone(tone, codec) => (codec, Some(Oscillator::new(pattern(country, tone)))),
        };
        let next = Header {
            payload: codec.payload(),
            is_marked: true,
            sequence: Seq(0),
            timestamp: RtpTime(0),
            ssrc: Ssrc(ssrc),
        };
        Some(Self { oscillator, codec, next })
    }

    /// Names it as a source of packets. The upper half of the names is for treatments.
    #[must_use]
    pub fn source(&self) -> u32 {
        self.next.ssrc.0 | 0x8000_0000
    }

    /// Writes the next packet and returns its header.
    pub fn play(&mut self, sines: &SineTable, packet: &mut [u8; PACKET_LEN]) -> Header {
        let header = self.next;
        header.write(packet);
        for octet in packet.iter_mut().skip(HEADER_LEN) {
            let sample = self.oscillator.as_mut().map_or(0, |oscillator| oscillator.next(sines));
            *octet = encode(self.codec, sample);
        }
        self.next.is_marked = false;
        self.next.sequence = header.sequence.plus(1);
        self.next.timestamp = header.timestamp.plus(FRAME_TICKS);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::tone::Tone;

    #[test]
    fn packets_follow_each_other_every_20_ms_and_the_first_is_marked() {
        let sines = SineTable::new();
        let treatment = Treatment::Tone(Tone::Ringback, ToneCodec::Pcma);
        let mut player = Player::new(treatment, Country::Fr, 5).unwrap();
        let mut packet = [0u8; PACKET_LEN];
        let first = player.play(&sines, &mut packet);
        assert_eq!(Header::read(&packet), Some(first));
        assert_eq!((first.payload, first.is_marked, first.ssrc), (8, true, Ssrc(5)));
        let second = player.play(&sines, &mut packet);
        assert_eq!((second.sequence, second.timestamp), (Seq(1), RtpTime(160)));
        assert!(!second.is_marked);
        assert!(packet[HEADER_LEN..].iter().any(|octet| *octet != 0xd5));
    }

    #[test]
    fn silence_is_digital_silence() {
        let mut player =
            Player::new(Treatment::Silence(ToneCodec::Pcmu), Country::Default, 1).unwrap();
        let mut packet = [0u8; PACKET_LEN];
        player.play(&SineTable::new(), &mut packet);
        assert!(packet[HEADER_LEN..].iter().all(|octet| *octet == 0xff));
    }

    #[test]
    fn no_treatment_plays_nothing() {
        assert!(Player::new(Treatment::None, Country::Default, 1).is_none());
    }
}
