//! Recordings of calls through the relay. `STROWGER_RECORDINGS=200` records so many at once, in real time for half a minute
//! (`STROWGER_RECORDING_SECONDS` says otherwise), and prints what it took.

#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]
#![allow(clippy::disallowed_methods, reason = "phones talk in real time")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{PATIENCE, Pair, Phone, draw, local, receive, relay, rtp};
use media::recording::{Format, Recorded, Recording, Voices};
use media::{MediaPlane, MemberCodec, Notify, PayloadMap, StreamPorts, TerminationId};

const FRAME: Duration = Duration::from_millis(20);

fn recording(ticket: u64, path: &Path, format: Format) -> Recording {
    let codecs = vec![MemberCodec::PCMU];
    let voices = Voices { from: codecs.clone(), to: codecs };
    Recording { ticket, path: path.to_owned(), format, voices, now_unix_ms: 1_700_000_000_000 }
}

fn recorded(notices: &std::sync::mpsc::Receiver<Notify>, count: usize) -> BTreeMap<u64, Recorded> {
    let mut all = BTreeMap::new();
    while all.len() < count {
        let notice = notices.recv_timeout(PATIENCE).expect("a recording ends");
        if let Notify::Recorded { ticket, recorded } = notice {
            all.insert(ticket, recorded);
        }
    }
    all
}

/// RTP by the source's port.
fn packets(path: &Path) -> BTreeMap<u16, Vec<Vec<u8>>> {
    let file = std::fs::read(path).unwrap();
    assert_eq!(file[..4], 0xa1b2_c3d4u32.to_le_bytes());
    let mut rest = &file[24..];
    let mut all: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let packet = &rest[16..16 + length];
        let port = u16::from_be_bytes([packet[20], packet[21]]);
        all.entry(port).or_default().push(packet[28..].to_vec());
        rest = &rest[16 + length..];
    }
    all
}

/// A packet of its own for each number.
fn said(ssrc: u32, number: u16) -> Vec<u8> {
    let mut packet = rtp(0, number, ssrc).to_vec();
    for (place, octet) in packet[12..].iter_mut().enumerate() {
        *octet = (place as u8).wrapping_mul(31) ^ number.to_le_bytes()[0] ^ ssrc.to_le_bytes()[0];
    }
    packet
}

/// A recorded call.
struct Call {
    phones: [Phone; 2],
    ports: [StreamPorts; 2],
    recorded: TerminationId,
    said: [Vec<Vec<u8>>; 2],
    heard: Vec<Vec<u8>>,
}

impl Call {
    fn speak(&mut self, number: u16) {
        for (index, phone) in self.phones.iter().enumerate() {
            let packet = said(phone.ssrc, number);
            phone.media.send_to(&packet, local(self.ports[index].rtp)).unwrap();
            self.said[index].push(packet);
        }
    }

    fn listen(&mut self) {
        self.heard.push(receive(&self.phones[0].media).0);
        receive(&self.phones[1].media);
    }
}

#[test]
fn everything_that_recorded_parties_say_and_hear_is_in_their_files_however_many_they_are() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let is_long = asked("STROWGER_RECORDINGS").is_some();
    let count: usize = asked("STROWGER_RECORDINGS").unwrap_or(4);
    let seconds: usize = asked("STROWGER_RECORDING_SECONDS").unwrap_or(30);
    let rounds = if is_long { seconds * 50 } else { 60 };
    let (mut relay, notices) = relay(draw(8 * u16::try_from(count).unwrap() + 64));
    let folder = tempfile::tempdir().unwrap();
    let path = |index: usize| {
        let kind = if index.is_multiple_of(2) { "pcap" } else { "wav" };
        folder.path().join(format!("deep/{index}.{kind}"))
    };
    let mut calls = Vec::new();
    for index in 0..count {
        let phones = [Phone::new(2 * index as u32 + 1), Phone::new(2 * index as u32 + 2)];
        let ends = [relay.add(1).unwrap(), relay.add(1).unwrap()];
        for (phone, end) in phones.iter().zip(&ends) {
            relay.modify(end.id, 0, phone.spec());
        }
        let same = PayloadMap::identity();
        relay.connect((ends[0].id, 0), (ends[1].id, 0), same.clone(), same);
        let format = if index.is_multiple_of(2) { Format::Pcap } else { Format::Wav };
        relay.record(ends[0].id, 0, recording(index as u64, &path(index), format)).unwrap();
        let ports = [ends[0].streams[0], ends[1].streams[0]];
        let recorded = ends[0].id;
        let (said, heard) = (Default::default(), Vec::new());
        calls.push(Call { phones, ports, recorded, said, heard });
    }
    let (began, cpu) = (Instant::now(), relay.cpu_time());
    for round in 0..rounds {
        calls.iter_mut().for_each(|call| call.speak(round as u16));
        calls.iter_mut().for_each(Call::listen);
        if is_long {
            let next = FRAME * (round as u32 + 1);
            std::thread::sleep(next.saturating_sub(began.elapsed()));
        }
    }
    let (lasted, cpu) = (began.elapsed(), relay.cpu_time().saturating_sub(cpu));
    for call in &calls {
        relay.subtract(call.recorded);
    }
    let ends = recorded(&notices, count);
    let each = 2 * rounds as u64;
    for (ticket, end) in &ends {
        assert_eq!((end.packets, end.lost, end.failure), (each, 0, None), "{ticket}");
    }
    for (index, call) in calls.iter().enumerate() {
        let size = std::fs::metadata(path(index)).unwrap().len();
        assert_eq!(size, ends[&(index as u64)].bytes);
        if index.is_multiple_of(2) {
            let mut packets = packets(&path(index));
            let own = call.phones[0].media.local_addr().unwrap().port();
            assert_eq!(packets.remove(&own).as_ref(), Some(&call.said[0]), "what it says");
            assert_eq!(packets.remove(&call.ports[0].rtp).as_ref(), Some(&call.heard));
            assert_eq!(call.heard, call.said[1], "what it hears");
            assert!(packets.is_empty());
        }
    }
    let left = std::fs::read_dir(folder.path().join("deep")).unwrap().count();
    assert_eq!(left, count, "nothing unfinished is left");
    if is_long {
        let total = each * count as u64;
        let rate = total as f64 / lasted.as_secs_f64();
        let per_packet = cpu.as_secs_f64() * 1e6 / total as f64;
        println!("recordings {count}, packets {total} in {lasted:.1?} ({rate:.0}/s), lost 0");
        println!("CPU of the relay's workers: {per_packet:.1} µs per packet");
    }
}

#[test]
fn what_cannot_be_written_is_told_and_the_call_goes_on() {
    let mut pair = Pair::new(relay(draw(64)));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "something").unwrap();
    // No folder, and a name that is taken.
    for (ticket, path) in [(1, file.join("call.wav")), (2, file.clone())] {
        pair.relay.record(pair.a_id, 0, recording(ticket, &path, Format::Wav)).unwrap();
        pair.a_to_b();
        pair.relay.stop_recording(pair.a_id, 0);
        let end = recorded(&pair.notices, 1)[&ticket];
        assert!(end.failure.is_some(), "{end:?}");
        pair.a_to_b();
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"something");
    assert!(folder.path().join(".file.part").exists(), "what was recorded is not thrown away");
}
