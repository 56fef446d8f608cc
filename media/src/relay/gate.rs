//! What comes to a media port and is neither RTP nor RTCP: checks of ICE, and handshakes of DTLS
//! (RFC 7983). A lane without a gate takes neither.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::handshake::Task;
use super::worker::Bound;
use crate::demux::{self, Kind};
use crate::ice::{ANSWER_MAX, Check, Credentials, answer};
use crate::plan::{Arrival, Component, DropReason, ForwardPlan, Ingress};

/// What a stream takes besides media.
#[derive(Debug)]
pub(super) struct Gate {
    /// Checks are answered with these.
    pub(super) ice: Option<Box<Credentials>>,
    /// Its keys come from a handshake.
    pub(super) takes_handshakes: bool,
}

/// What became of a packet.
pub(super) enum Entered {
    /// It is media.
    Media,
    /// It was taken or dropped.
    Taken,
    /// It was a check, and this goes back.
    Answer {
        /// What goes back.
        answer: Box<[u8; ANSWER_MAX]>,
        /// So many octets of it.
        length: usize,
        /// The peer is somewhere else from now on.
        has_moved: bool,
    },
}

/// Looks at a packet before it is read as media.
pub(super) fn enter(
    gate: &Gate,
    bound: &Arc<Bound>,
    (plan, ingress): (&ForwardPlan, &mut Ingress),
    arrival: &Arrival<'_>,
    door: &SyncSender<Task>,
) -> Entered {
    let dropped = |reason| {
        bound.outlet.received.count_drop(reason);
        Entered::Taken
    };
    match (demux::kind(arrival.packet), &gate.ice) {
        (Kind::Check, Some(credentials)) => match check(credentials, bound, ingress, arrival) {
            Some((answer, length, has_moved)) => Entered::Answer { answer, length, has_moved },
            None => dropped(DropReason::Source),
        },
        (Kind::Handshake, _) if gate.takes_handshakes && arrival.component == Component::Media => {
            let from = arrival.from;
            if !may_shake(gate, plan, ingress, from, arrival.now_us) {
                return dropped(DropReason::Source);
            }
            let packet = Box::from(&*arrival.packet);
            // A full queue loses it, as a network may: handshakes repeat themselves.
            match door.try_send(Task::Packet(Arc::clone(bound), from, packet)) {
                Ok(()) => Entered::Taken,
                Err(_) => dropped(DropReason::Undeliverable),
            }
        }
        (Kind::Check | Kind::Handshake, _) => dropped(DropReason::Malformed),
        (Kind::Media, _) => Entered::Media,
    }
}

/// Answers a check. The first one that is valid, and each that nominates, says where the peer is.
fn check(
    credentials: &Credentials,
    bound: &Bound,
    ingress: &mut Ingress,
    arrival: &Arrival<'_>,
) -> Option<(Box<[u8; ANSWER_MAX]>, usize, bool)> {
    let from = arrival.from;
    let mut buffer = Box::new([0; ANSWER_MAX]);
    match answer(credentials, &mut buffer, arrival.packet, from) {
        Check::Foreign => None,
        Check::Refused { length } => Some((buffer, length, false)),
        Check::Valid { length, is_nominated } => {
            let latch = ingress.latch(arrival.component);
            let has_moved = (is_nominated || latch.is_open()) && !latch.is_at(from);
            if has_moved {
                latch.nominate(from, arrival.now_us);
                match arrival.component {
                    Component::Media => {
                        bound.outlet.set_media(Some(from));
                        bound.outlet.set_proven();
                    }
                    Component::Control => bound.outlet.set_control(Some(from)),
                }
            }
            Some((buffer, length, has_moved))
        }
    }
}

/// SEC-85: a handshake comes from where signalling or a check said that the peer is.
fn may_shake(
    gate: &Gate,
    plan: &ForwardPlan,
    ingress: &mut Ingress,
    from: SocketAddr,
    now_us: u64,
) -> bool {
    let latch = ingress.latch(Component::Media);
    if gate.ice.is_some() {
        return latch.is_at(from);
    }
    plan.rules.allows(from.ip()) && !latch.is_foreign(from, now_us)
}
