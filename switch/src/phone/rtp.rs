//! The phone's voice: one RTP packet every 20 ms while it may send, and counts of what it hears.

use std::net::{SocketAddr, UdpSocket};

/// What went out and came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpCounts {
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets received whose payload is another phone's voice, not a tone of the switch.
    pub voice: u64,
}

/// Payload octets of a voice frame: every phone says its own, so that a listener knows who talks.
const FRAME: usize = 160;
const HEADER: usize = 12;

pub(super) struct Voice {
    socket: UdpSocket,
    counts: RtpCounts,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    mark: u8,
    heard: Option<u8>,
}

impl Voice {
    pub(super) fn new(socket: UdpSocket, ssrc: u32, mark: u8) -> Voice {
        Voice {
            socket,
            counts: RtpCounts::default(),
            sequence: 0,
            timestamp: 0,
            ssrc,
            mark,
            heard: None,
        }
    }

    pub(super) fn counts(&self) -> RtpCounts {
        self.counts
    }

    /// The mark of the phone heard last.
    pub(super) fn heard(&self) -> Option<u8> {
        self.heard
    }

    pub(super) fn send(&mut self, to: SocketAddr, payload: u8) {
        let mut packet = [self.mark; HEADER + FRAME];
        packet[0] = 0x80;
        packet[1] = payload & 0x7f;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        if self.socket.send_to(&packet, to).is_ok() {
            self.counts.sent += 1;
        }
    }

    /// Reads everything that waits.
    pub(super) fn receive(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            if length < HEADER {
                continue;
            }
            self.counts.received += 1;
            let payload = &buffer[HEADER..length];
            let first = payload.first().copied();
            let is_voice =
                payload.len() == FRAME && payload.iter().all(|octet| Some(*octet) == first);
            if is_voice {
                self.counts.voice += 1;
                self.heard = first;
            }
        }
    }
}
