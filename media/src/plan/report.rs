//! What reports of our own say: of what is made here for a peer, and of what came from it.

use super::Ingress;
use crate::rtcp::Heard;

/// What a peer was told last about its own packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    ssrc: u32,
    expected: u64,
    received: u64,
}

/// A sender report that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) ssrc: u32,
    pub(super) ntp_middle: u32,
    pub(super) at_us: u64,
}

impl Ingress {
    /// What can be said of the packets that came; `None` if none has since the peer was told last.
    ///
    /// Source: RFC 3550 §6.4.1, A.3.
    pub fn hear(&self, told: &mut Told, now_us: u64) -> Option<Heard> {
        let (standing, (expected, received)) =
            (self.reception.standing()?, self.reception.tally()?);
        let ssrc = standing.ssrc.0;
        let is_known = told.ssrc == ssrc && told.expected <= expected;
        let before = if is_known { *told } else { Told::default() };
        *told = Told { ssrc, expected, received };
        let came = received.checked_sub(before.received).filter(|came| *came > 0)?;
        let due = expected - before.expected;
        let share = (due.saturating_sub(came) * 256).checked_div(due).unwrap_or_default();
        let report = self.came.filter(|came| came.ssrc == ssrc);
        let delay = report.map_or(0, |came| {
            let since_us = u128::from(now_us.saturating_sub(came.at_us));
            u32::try_from(since_us * 65_536 / 1_000_000).unwrap_or(u32::MAX)
        });
        let lost = i128::from(expected) - i128::from(received);
        Some(Heard {
            ssrc,
            fraction_lost: u8::try_from(share).unwrap_or(u8::MAX),
            lost: i32::try_from(lost).unwrap_or(i32::MAX),
            highest: standing.highest,
            jitter: standing.jitter >> 4,
            last_sr: report.map_or(0, |came| came.ntp_middle),
            delay_since_last_sr: delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Header, RtpTime, Seq, Ssrc};

    fn receive(ingress: &mut Ingress, ssrc: u32, numbers: &[u16]) {
        for number in numbers {
            let header = Header {
                payload: 0,
                is_marked: false,
                sequence: Seq(*number),
                timestamp: RtpTime(u32::from(*number) * 160),
                ssrc: Ssrc(ssrc),
            };
            ingress.reception.on_packet(&header, u64::from(*number) * 20_000, 8_000);
        }
    }

    #[test]
    fn a_block_tells_the_loss_since_the_last_one_and_all_of_it() {
        let (mut ingress, mut told) = (Ingress::default(), Told::default());
        assert_eq!(ingress.hear(&mut told, 0), None);
        receive(&mut ingress, 7, &[1, 2, 3, 6]);
        let first = ingress.hear(&mut told, 0).unwrap();
        assert_eq!((first.ssrc, first.fraction_lost, first.lost), (7, 85, 2));
        assert_eq!((first.highest, first.last_sr, first.delay_since_last_sr), (6, 0, 0));
        assert_eq!(ingress.hear(&mut told, 0), None, "nothing came");
        receive(&mut ingress, 7, &[7, 8]);
        let second = ingress.hear(&mut told, 0).unwrap();
        assert_eq!((second.fraction_lost, second.lost, second.highest), (0, 2, 8));
        receive(&mut ingress, 8, &[100, 102]);
        let other = ingress.hear(&mut told, 0).unwrap();
        assert_eq!((other.ssrc, other.fraction_lost, other.lost), (8, 85, 1));
    }

    #[test]
    fn a_block_quotes_the_last_sender_report_of_whom_it_is_about() {
        let (mut ingress, mut told) = (Ingress::default(), Told::default());
        receive(&mut ingress, 7, &[1]);
        ingress.came = Some(Came { ssrc: 7, ntp_middle: 0xabcd, at_us: 1_000_000 });
        let block = ingress.hear(&mut told, 1_500_000).unwrap();
        assert_eq!((block.last_sr, block.delay_since_last_sr), (0xabcd, 32_768));
        receive(&mut ingress, 8, &[1]);
        assert_eq!(ingress.hear(&mut told, 2_000_000).unwrap().last_sr, 0);
    }
}
