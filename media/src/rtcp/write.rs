//! Writing reports of our own, where the media that a party hears is made here.

use super::{RR, SDES, SR, set_word};

/// Octets of a canonical name: 96 random bits in base64 (RFC 7022 §5).
pub const NAME_LEN: usize = 16;
/// Octets of the longest packet that is written here.
pub const REPORT_MAX: usize = SENDER_LEN + BLOCK_LEN + NAMES_LEN;

/// Head, who, NTP time, RTP time, packets, octets.
const SENDER_LEN: usize = 28;
/// Head and who.
const RECEIVER_LEN: usize = 8;
const BLOCK_LEN: usize = 24;
/// Head, who, the item's two octets, the name, the octets of zero that end the list.
const NAMES_LEN: usize = 4 + 4 + (2 + NAME_LEN + 1).next_multiple_of(4);
const CNAME: u8 = 1;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What we sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Now, as NTP writes it: seconds since 1900 in the upper half.
    pub ntp: u64,
    /// Now, on the stream's clock.
    pub timestamp: u32,
    /// Packets since the beginning.
    pub packets: u32,
    /// Octets of their payloads.
    pub octets: u32,
}

impl Sent {
    /// What a receiver quotes as LSR.
    #[must_use]
    pub fn ntp_middle(&self) -> u32 {
        u32::try_from(self.ntp >> 16 & 0xffff_ffff).unwrap_or_default()
    }
}

/// What we received of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// Whom.
    pub ssrc: u32,
    /// The share of packets that were lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; less than 0 when more came than should.
    pub lost: i32,
    /// The extended highest sequence number.
    pub highest: u32,
    /// Interarrival jitter in ticks.
    pub jitter: u32,
    /// LSR: the middle of its last sender report's NTP time, 0 if none came.
    pub last_sr: u32,
    /// DLSR: time since that report, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// A report of our own.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// By whom: the SSRC that the party hears.
    pub ssrc: u32,
    /// What was sent; `None` if nothing was sent lately.
    pub sent: Option<Sent>,
    /// What was received; `None` if nothing was since the last report.
    pub heard: Option<Heard>,
    /// Our canonical name.
    pub name: &'a [u8; NAME_LEN],
}

/// Writes a compound packet: a sender or receiver report and a source description; returns its length.
///
/// Source: RFC 3550 §6.1, §6.4.1, §6.4.2, §6.5.1.
pub fn write(report: &Report<'_>, packet: &mut [u8; REPORT_MAX]) -> usize {
    packet.fill(0);
    let count = u8::from(report.heard.is_some());
    let (kind, head_len) =
        if report.sent.is_some() { (SR, SENDER_LEN) } else { (RR, RECEIVER_LEN) };
    let report_len = head_len + usize::from(count) * BLOCK_LEN;
    head(packet, 0, (kind, count), report_len);
    set_word(packet, 4, report.ssrc);
    if let Some(sent) = &report.sent {
        let second = u32::try_from(sent.ntp >> 32).unwrap_or_default();
        let fraction = u32::try_from(sent.ntp & 0xffff_ffff).unwrap_or_default();
        let words = [second, fraction, sent.timestamp, sent.packets, sent.octets];
        set_words(packet, 8, words);
    }
    if let Some(heard) = &report.heard {
        let lost = heard.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        let lost = u32::from(heard.fraction_lost) << 24 | lost;
        let Heard { ssrc, highest, jitter, last_sr, delay_since_last_sr, .. } = *heard;
        set_words(packet, head_len, [ssrc, lost, highest, jitter, last_sr, delay_since_last_sr]);
    }
    head(packet, report_len, (SDES, 1), NAMES_LEN);
    set_word(packet, report_len + 4, report.ssrc);
    let item = packet.get_mut(report_len + 8..).unwrap_or_default();
    let octets = [CNAME, NAME_LEN as u8].into_iter().chain(*report.name);
    item.iter_mut().zip(octets).for_each(|(place, octet)| *place = octet);
    report_len + NAMES_LEN
}

/// A name of 96 of these bits.
#[must_use]
pub fn name(bits: u128) -> [u8; NAME_LEN] {
    let letter = |place: usize| ALPHABET.get(usize::try_from(bits >> (6 * place) & 63).ok()?);
    std::array::from_fn(|place| letter(place).copied().unwrap_or(b'A'))
}

fn head(packet: &mut [u8], at: usize, (kind, count): (u8, u8), length: usize) {
    let words = u32::try_from(length / 4 - 1).unwrap_or_default();
    set_word(packet, at, u32::from(0x80 | count) << 24 | u32::from(kind) << 16 | words);
}

fn set_words<const N: usize>(packet: &mut [u8], at: usize, words: [u32; N]) {
    for (place, word) in words.into_iter().enumerate() {
        set_word(packet, at + 4 * place, word);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ReportBlock, is_well_formed, parts, read_blocks, read_sender_report, word};
    use super::*;

    const SENT: Sent =
        Sent { ntp: 0xe000_1111_2222_0000, timestamp: 8_000, packets: 50, octets: 8_000 };
    const HEARD: Heard = Heard {
        ssrc: 9,
        fraction_lost: 64,
        lost: 7,
        highest: 0x0001_0002,
        jitter: 16,
        last_sr: 3,
        delay_since_last_sr: 4,
    };

    fn written(sent: Option<Sent>, heard: Option<Heard>) -> Vec<u8> {
        let mut packet = [0xff; REPORT_MAX];
        let length = write(&Report { ssrc: 5, sent, heard, name: &name(1) }, &mut packet);
        packet[..length].to_vec()
    }

    #[test]
    fn a_sender_report_says_what_was_sent_and_heard_and_is_followed_by_a_name() {
        let packet = written(Some(SENT), Some(HEARD));
        assert!(is_well_formed(&packet) && packet.len() == REPORT_MAX);
        let words: Vec<u32> = (0..13).map(|place| word(&packet, 4 * place).unwrap()).collect();
        let expected = [
            0x81c8_000c,
            5,
            0xe000_1111,
            0x2222_0000,
            8_000,
            50,
            8_000,
            9,
            0x4000_0007,
            0x0001_0002,
            16,
            3,
            4,
        ];
        assert_eq!(words, expected);
        let sender = read_sender_report(&packet).unwrap();
        assert_eq!((sender.ssrc, sender.ntp_middle), (5, SENT.ntp_middle()));
        let block =
            ReportBlock { ssrc: 9, lost: 7, jitter: 16, last_sr: 3, delay_since_last_sr: 4 };
        assert_eq!(read_blocks(&packet).collect::<Vec<_>>(), [block]);
        let names = [&[0x81, SDES, 0, 6, 0, 0, 0, 5, 1, 16][..], b"BAAAAAAAAAAAAAAA", &[0, 0]];
        assert_eq!(packet[52..], names.concat());
    }

    #[test]
    fn who_sent_nothing_lately_writes_a_receiver_report_and_who_heard_nothing_no_block() {
        let packet = written(None, Some(HEARD));
        assert!(is_well_formed(&packet));
        assert_eq!((packet[1], packet.len(), read_blocks(&packet).count()), (RR, 60, 1));
        let packet = written(Some(SENT), None);
        assert!(is_well_formed(&packet));
        assert_eq!((packet[0], packet.len(), read_blocks(&packet).count()), (0x80, 56, 0));
        let kinds: Vec<u8> = parts(&packet).map(|part| part.unwrap()[1]).collect();
        assert_eq!(kinds, [SR, SDES]);
    }

    #[test]
    fn more_packets_than_expected_is_a_negative_loss_of_24_bits() {
        let of = |lost| word(&written(None, Some(Heard { lost, ..HEARD })), 12);
        assert_eq!(of(-2), Some(0x40ff_fffe));
        assert_eq!((of(i32::MAX), of(i32::MIN)), (Some(0x407f_ffff), Some(0x4080_0000)));
    }

    #[test]
    fn other_bits_are_another_name_of_16_letters() {
        assert_ne!(name(1), name(1 << 95));
        assert!(name(u128::MAX).iter().all(|letter| *letter == b'/'));
    }
}
