//! Sender and receiver reports, as far as statistics need them.

use super::{RR, SR, parts, word};

/// What a sender says about its own stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport {
    /// Who.
    pub ssrc: u32,
    /// The middle 32 bits of its NTP time: what a receiver quotes as LSR.
    pub ntp_middle: u32,
}

/// What a receiver says about one stream that it hears (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// Whom it hears.
    pub ssrc: u32,
    /// Packets lost since the beginning; negative counts (duplicates) are read as 0.
    pub lost: u32,
    /// Interarrival jitter in ticks.
    pub jitter: u32,
    /// LSR: the middle of the last sender report's NTP time, 0 if none.
    pub last_sr: u32,
    /// DLSR: time since that report, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// Octets before the blocks of a report.
pub(super) fn blocks_at(kind: u8) -> Option<usize> {
    match kind {
        SR => Some(28),
        RR => Some(8),
        _ => None,
    }
}

/// The first sender report of a compound packet.
#[must_use]
pub fn read_sender_report(packet: &[u8]) -> Option<SenderReport> {
    let report = parts(packet).map_while(|part| part).find(|part| part.get(1) == Some(&SR))?;
    let ntp_middle = word(report, 10)?;
    Some(SenderReport { ssrc: word(report, 4)?, ntp_middle })
}

/// All report blocks of a compound packet.
pub fn read_blocks(packet: &[u8]) -> impl Iterator<Item = ReportBlock> {
    parts(packet).map_while(|part| part).flat_map(|part| {
        let kind = part.get(1).copied().unwrap_or_default();
        let blocks = blocks_at(kind).and_then(|at| part.get(at..)).unwrap_or_default();
        let count = usize::from(part.first().copied().unwrap_or_default() & 0x1f);
        blocks.chunks_exact(24).take(count).filter_map(read_block)
    })
}

fn read_block(block: &[u8]) -> Option<ReportBlock> {
    let lost = word(block, 4)? & 0x00ff_ffff;
    Some(ReportBlock {
        ssrc: word(block, 0)?,
        lost: if lost & 0x0080_0000 == 0 { lost } else { 0 },
        jitter: word(block, 12)?,
        last_sr: word(block, 16)?,
        delay_since_last_sr: word(block, 20)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SR of SSRC 1 with one block about SSRC 2.
    fn sender_report() -> Vec<u8> {
        let words: [u32; 13] =
            [0x81c8_000c, 1, 0xaaaa_1111, 0x2222_bbbb, 8_000, 5, 800, 2, 0x0100_0007, 99, 16, 3, 4];
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn reads_the_sender_and_its_block() {
        let report = sender_report();
        let sender = SenderReport { ssrc: 1, ntp_middle: 0x1111_2222 };
        assert_eq!(read_sender_report(&report), Some(sender));
        let block =
            ReportBlock { ssrc: 2, lost: 7, jitter: 16, last_sr: 3, delay_since_last_sr: 4 };
        assert_eq!(read_blocks(&report).collect::<Vec<_>>(), [block]);
    }

    #[test]
    fn a_count_beyond_the_packet_reads_what_is_there() {
        let mut report = sender_report();
        report[0] = 0x9f;
        assert_eq!(read_blocks(&report).count(), 1);
    }

    #[test]
    fn more_duplicates_than_losses_is_no_loss() {
        let mut report = sender_report();
        report[33] = 0xff;
        assert_eq!(read_blocks(&report).map(|block| block.lost).collect::<Vec<_>>(), [0]);
    }
}
