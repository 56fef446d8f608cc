//! Passing RTCP on when the SSRC, sequence numbers or timestamps were rewritten on the way.

use super::report::blocks_at;
use super::{BYE, PSFB, RTPFB, SDES, SR, part_length, set_word, word};

/// How the sender's own stream was rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderMap {
    /// Its SSRC.
    pub from: u32,
    /// The SSRC that the other side hears.
    pub to: u32,
    /// Added to its timestamps.
    pub timestamp_delta: u32,
}

/// How the stream that the sender hears was rewritten, seen from the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportMap {
    /// The SSRC that it hears.
    pub from: u32,
    /// The SSRC of the party that sends it.
    pub to: u32,
    /// What had been added to the sequence numbers.
    pub sequence_delta: u16,
}

/// Rewrites a well-formed compound packet in place for the other side; returns its new length.
///
/// Where the SSRC was changed a BYE ends only the sender's stream, not the one the other side
/// hears: the packet is cut before it, perhaps to nothing.
///
/// Source: RFC 3550 §6.4, §6.6, §7.2 (what a translator does); RFC 4585 §6.1.
pub fn translate(packet: &mut [u8], sender: Option<SenderMap>, report: Option<ReportMap>) -> usize {
    let is_renamed = sender.is_some_and(|map| map.from != map.to);
    let total = packet.len();
    let mut at = 0;
    while at < total {
        let Some(tail) = packet.get_mut(at..) else { break };
        let Some(length) = part_length(tail) else { return at };
        let Some(part) = tail.get_mut(..length) else { return at };
        let kind = part.get(1).copied().unwrap_or_default();
        if kind == BYE && is_renamed {
            return at;
        }
        translate_part(part, kind, sender, report);
        at += length;
    }
    total
}

fn translate_part(part: &mut [u8], kind: u8, sender: Option<SenderMap>, report: Option<ReportMap>) {
    if let Some(map) = sender
        && word(part, 4) == Some(map.from)
        && !(kind == SDES && part.first().is_some_and(|first| first & 0x1f == 0))
    {
        set_word(part, 4, map.to);
        if kind == SR
            && let Some(timestamp) = word(part, 16)
        {
            set_word(part, 16, timestamp.wrapping_add(map.timestamp_delta));
        }
    }
    let Some(map) = report else { return };
    if matches!(kind, RTPFB | PSFB) && word(part, 8) == Some(map.from) {
        set_word(part, 8, map.to);
    }
    let Some(first_block) = blocks_at(kind) else { return };
    let count = usize::from(part.first().copied().unwrap_or_default() & 0x1f);
    let blocks = part.get_mut(first_block..).unwrap_or_default();
    for block in blocks.chunks_exact_mut(24).take(count) {
        if word(block, 0) == Some(map.from) {
            set_word(block, 0, map.to);
            let highest = word(block, 8).unwrap_or_default();
            set_word(block, 8, highest.wrapping_sub(u32::from(map.sequence_delta)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RR, is_well_formed, read_blocks, read_sender_report};
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    const SENDER: SenderMap = SenderMap { from: 1, to: 100, timestamp_delta: 1_000 };
    const REPORT: ReportMap = ReportMap { from: 200, to: 2, sequence_delta: 10 };

    #[test]
    fn a_sender_report_speaks_of_the_ssrcs_that_the_other_side_knows() {
        let mut packet =
            bytes(&[0x81c8_000c, 1, 9, 9, 8_000, 5, 800, 200, 0, 0x0001_0020, 16, 3, 4]);
        assert_eq!(translate(&mut packet, Some(SENDER), Some(REPORT)), packet.len());
        assert!(is_well_formed(&packet));
        assert_eq!(read_sender_report(&packet).map(|report| report.ssrc), Some(100));
        assert_eq!(word(&packet, 16), Some(9_000));
        assert_eq!(read_blocks(&packet).map(|block| block.ssrc).collect::<Vec<_>>(), [2]);
        assert_eq!(word(&packet, 36), Some(0x0001_0016));
    }

    #[test]
    fn a_goodbye_under_another_name_is_cut_off() {
        let report = [0x80c9_0001, 1];
        let goodbye = [0x81cb_0001, 1];
        let mut packet = bytes(&[report, goodbye].concat());
        assert_eq!(translate(&mut packet, Some(SENDER), None), 8);
        let mut alone = bytes(&goodbye);
        assert_eq!(translate(&mut alone, Some(SENDER), None), 0);
        let mut unchanged = bytes(&[report, goodbye].concat());
        assert_eq!(translate(&mut unchanged, None, None), 16);
    }

    #[test]
    fn what_concerns_others_stays() {
        let words = [0x81c9_0007, 77, 78, 0, 5, 0, 0, 0];
        let mut packet = bytes(&words);
        translate(&mut packet, Some(SENDER), Some(REPORT));
        assert_eq!(packet, bytes(&words));
        assert_eq!(packet[1], RR);
    }

    #[test]
    fn picture_loss_indications_name_the_real_sender() {
        let mut packet = bytes(&[0x81ce_0002, 1, 200]);
        translate(&mut packet, Some(SENDER), Some(REPORT));
        assert_eq!(packet, bytes(&[0x81ce_0002, 100, 2]));
    }
}
