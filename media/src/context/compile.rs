//! From what signalling agreed to the plan that a worker obeys.

use std::net::SocketAddr;

use super::Treatment;
use super::board::Stream;
use crate::plan::{BLOCKED, ForwardPlan, LatchRules, PAYLOADS};
use crate::rtp::{COMFORT_NOISE, static_clock_hz};

/// Compiles the plan of a stream.
#[must_use]
pub fn compile<P>(stream: &Stream<P>) -> ForwardPlan {
    let spec = &stream.spec;
    let remote = spec.remote.filter(is_usable);
    let is_connected = stream.link.is_some() || stream.seat.is_some();
    let is_in_use = is_connected || !stream.treatment.is_none();
    let is_reachable = remote.is_some() || spec.ice.is_some();
    ForwardPlan {
        source: stream.source,
        is_rtp: spec.is_rtp,
        is_secure: !spec.security.is_plain(),
        is_muxed: spec.rtcp_mux,
        is_receiving: spec.receive,
        is_sending: spec.send,
        // What checks nominate has proved itself.
        is_unproven: spec.is_hidden && spec.ice.is_none(),
        is_watched: spec.is_rtp && spec.receive && is_reachable && is_in_use,
        accept: spec.accept.iter().copied().collect(),
        telephone_event: spec.telephone_event,
        mixed: stream
            .seat
            .iter()
            .flat_map(|seat| &seat.speaks)
            .map(|codec| codec.payload)
            .collect(),
        payloads: payloads(stream),
        clocks_hz: clocks(&spec.clocks),
        rules: match spec.ice {
            // Only what the peer's checks nominate.
            Some(_) => LatchRules::default(),
            None => LatchRules {
                remote,
                remote_rtcp: spec.remote_rtcp.filter(is_usable),
                peer: spec.peer.map(|peer| peer.to_canonical()),
            },
        },
    }
}

/// SEC-86: never to addresses that are nobody's or everybody's.
fn is_usable(address: &SocketAddr) -> bool {
    let ip = address.ip();
    let is_broadcast = matches!(ip, std::net::IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

fn payloads<P>(stream: &Stream<P>) -> [u8; PAYLOADS] {
    let link = stream.link.as_ref().filter(|_| stream.treatment != Treatment::Echo);
    let pairs = link.map_or(&[][..], |link| link.payloads.pairs());
    // Through the mixer goes speech; beside it, what is listed and nothing else.
    let is_translated = link.is_some() && stream.seat.is_some();
    let passes_unknown = pairs.is_empty() || stream.spec.accept.is_empty();
    let mut table = [BLOCKED; PAYLOADS];
    for (received, sent) in (0u8..).zip(table.iter_mut()) {
        if !is_translated && (passes_unknown || received == COMFORT_NOISE) {
            *sent = received;
        }
    }
    for (received, sent) in pairs {
        if let Some(place) = table.get_mut(usize::from(*received)) {
            *place = *sent;
        }
    }
    table
}

fn clocks(named: &[(u8, u32)]) -> [u32; PAYLOADS] {
    let mut table = [0; PAYLOADS];
    for (payload, clock_hz) in (0u8..).zip(table.iter_mut()) {
        *clock_hz = static_clock_hz(payload);
    }
    for (payload, clock_hz) in named {
        if let Some(place) = table.get_mut(usize::from(*payload))
            && *clock_hz > 0
        {
            *place = *clock_hz;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::board::{Link, Seat};
    use super::super::{ConferenceId, StreamPorts, StreamSpec, TerminationId};
    use super::*;
    use crate::codec::MemberCodec;

    fn stream(spec: StreamSpec, pairs: Option<Vec<(u8, u8)>>) -> Stream<()> {
        let other = (TerminationId::new(0, 0), 0);
        Stream {
            ports: StreamPorts { rtp: 2, rtcp: 3 },
            spec,
            link: pairs.map(|pairs| Link { other, payloads: pairs.into() }),
            seat: None,
            treatment: Treatment::None,
            source: 1,
            handle: (),
        }
    }

    fn spec(accept: &[u8]) -> StreamSpec {
        let remote = Some("192.0.2.1:4000".parse().unwrap());
        StreamSpec { remote, accept: accept.to_vec(), ..StreamSpec::default() }
    }

    #[test]
    fn a_filled_map_blocks_what_it_does_not_list_except_comfort_noise() {
        let plan = compile(&stream(spec(&[0, 101]), Some(vec![(0, 0), (101, 96)])));
        let sent = |payload: usize| plan.payloads[payload];
        assert_eq!([sent(0), sent(101), sent(8), sent(13)], [0, 96, BLOCKED, 13]);
    }

    #[test]
    fn a_stream_that_accepts_anything_passes_what_the_map_does_not_list() {
        let plan = compile(&stream(spec(&[]), Some(vec![(101, 96)])));
        assert_eq!((plan.payloads[101], plan.payloads[77]), (96, 77));
        assert!(plan.accept.is_empty());
    }

    #[test]
    fn beside_translated_speech_only_what_is_listed_passes() {
        for pairs in [vec![], vec![(101, 96)]] {
            let mut translated = stream(spec(&[]), Some(pairs.clone()));
            let speaks = vec![MemberCodec::PCMU, MemberCodec::G722];
            translated.seat =
                Some(Seat { room: ConferenceId::new(0, 0), speaks, hears: MemberCodec::PCMU });
            let plan = compile(&translated);
            let is_blocked = |payload: u8| plan.payloads[usize::from(payload)] == BLOCKED;
            assert!([0, 8, 9, 13, 96].into_iter().all(is_blocked));
            assert_eq!(is_blocked(101), pairs.is_empty());
            assert_eq!(plan.mixed, [0, 9].into_iter().collect());
        }
    }

    #[test]
    fn an_empty_map_changes_nothing() {
        let plan = compile(&stream(spec(&[0]), Some(vec![])));
        assert!((0u8..128).all(|payload| plan.payloads[usize::from(payload)] == payload));
    }

    #[test]
    fn clocks_are_static_unless_named() {
        let spec = StreamSpec { clocks: vec![(111, 48_000), (300u16 as u8, 1)], ..spec(&[]) };
        let plan = compile(&stream(spec, None));
        assert_eq!(
            (plan.clocks_hz[0], plan.clocks_hz[111], plan.clocks_hz[34]),
            (8_000, 48_000, 90_000)
        );
    }

    #[test]
    fn silence_is_watched_only_where_somebody_should_talk() {
        assert!(compile(&stream(spec(&[]), Some(vec![]))).is_watched);
        assert!(!compile(&stream(spec(&[]), None)).is_watched);
        let held = StreamSpec { receive: false, ..spec(&[]) };
        assert!(!compile(&stream(held, Some(vec![]))).is_watched);
        let fax = StreamSpec { is_rtp: false, ..spec(&[]) };
        assert!(!compile(&stream(fax, Some(vec![]))).is_watched);
        let unknown = StreamSpec { remote: None, ..spec(&[]) };
        assert!(!compile(&stream(unknown, Some(vec![]))).is_watched);
        let mut treated = stream(spec(&[]), None);
        treated.treatment = Treatment::Silence(MemberCodec::PCMA);
        assert!(compile(&treated).is_watched);
    }

    #[test]
    fn nobodys_and_everybodys_addresses_are_no_destination() {
        for text in
            ["0.0.0.0:4000", "224.0.0.1:4000", "255.255.255.255:4000", "192.0.2.1:0", "[::]:4"]
        {
            let spec = StreamSpec { remote: Some(text.parse().unwrap()), ..spec(&[]) };
            assert_eq!(compile(&stream(spec, None)).rules.remote, None, "{text}");
        }
    }
}
