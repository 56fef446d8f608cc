//! The one table of causes: SIP final status ⇄ Q.850 cause ⇄ TAPI call state and mode.
//!
//! Every direction is read from [`STATUS`] and [`Q850`]; nobody else compares status codes.
//! Source: RFC 3261 §21, RFC 3326, ITU-T Q.850, TAPI LINEDISCONNECTMODE_ and LINEBUSYMODE_.

use media::Tone;
use sip_stack::header::Reason;
use sip_stack::message::{HeaderName, Message};
use tapi::constant::{DisconnectMode, SpecialInfo};

use DisconnectMode as M;
use Outcome::{BusyStation, BusyTrunk, Disconnected as D};

/// How a party's attempt or call ended, in TAPI's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// LINECALLSTATE_BUSY (LINEBUSYMODE_STATION), later DISCONNECTED (BUSY).
    BusyStation,
    /// LINECALLSTATE_BUSY (LINEBUSYMODE_TRUNK), later DISCONNECTED (CONGESTION).
    BusyTrunk,
    /// LINECALLSTATE_DISCONNECTED with this mode.
    Disconnected(DisconnectMode),
}

/// A cause in all its spellings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    /// What applications see.
    pub outcome: Outcome,
    /// Q.850 cause value.
    pub q850: u16,
    /// What the calling phone gets.
    pub relay: u16,
    /// How much this says about the callee: with several forks the highest one is reported.
    weight: u8,
}

struct Row {
    status: u16,
    cause: Cause,
}

const fn row(status: u16, outcome: Outcome, q850: u16, relay: u16) -> Row {
    Row { status, cause: Cause { outcome, q850, relay, weight: weight(outcome) } }
}

const fn weight(outcome: Outcome) -> u8 {
    match outcome {
        BusyStation => 9,
        BusyTrunk => 4,
        D(mode) => match mode {
            M::DoNotDisturb => 8,
            M::Reject => 7,
            M::NoAnswer => 6,
            M::Unreachable => 5,
            _ => 3,
        },
    }
}

/// RFC 3261 §21 final responses; a status that is not listed is read as x00 of its class.
const STATUS: &[Row] = &[
    row(300, D(M::Forwarded), 23, 480),
    row(301, D(M::NumberChanged), 23, 410),
    row(400, D(M::TempFailure), 41, 500),
    row(401, D(M::Reject), 21, 403),
    row(402, D(M::Reject), 21, 403),
    row(403, D(M::Blocked), 21, 403),
    row(404, D(M::BadAddress), 1, 404),
    row(405, D(M::Incompatible), 63, 503),
    row(406, D(M::Incompatible), 65, 488),
    row(407, D(M::Reject), 21, 403),
    row(408, D(M::Unreachable), 102, 480),
    row(410, D(M::NumberChanged), 22, 410),
    row(413, D(M::Incompatible), 127, 500),
    row(414, D(M::Incompatible), 127, 500),
    row(415, D(M::Incompatible), 65, 488),
    row(416, D(M::Incompatible), 127, 500),
    row(420, D(M::Incompatible), 127, 500),
    row(421, D(M::Incompatible), 127, 500),
    row(428, D(M::Blocked), 21, 428),
    row(430, D(M::Unreachable), 20, 480),
    row(433, D(M::Blocked), 21, 433),
    row(436, D(M::Blocked), 21, 436),
    row(437, D(M::Blocked), 21, 437),
    row(438, D(M::Blocked), 21, 438),
    row(480, D(M::Unreachable), 18, 480),
    row(481, D(M::TempFailure), 41, 480),
    row(482, D(M::Unreachable), 25, 480),
    row(483, D(M::Unreachable), 25, 480),
    row(484, D(M::BadAddress), 28, 484),
    row(485, D(M::BadAddress), 1, 404),
    row(486, BusyStation, 17, 486),
    row(487, D(M::Cancelled), 31, 487),
    row(488, D(M::Incompatible), 65, 488),
    row(493, D(M::Incompatible), 127, 488),
    row(494, D(M::Incompatible), 127, 500),
    row(500, D(M::TempFailure), 41, 500),
    row(501, D(M::Incompatible), 79, 503),
    row(502, D(M::OutOfOrder), 38, 503),
    row(503, D(M::Congestion), 41, 480),
    row(504, D(M::Unreachable), 102, 480),
    row(505, D(M::Incompatible), 127, 500),
    row(513, D(M::Incompatible), 127, 500),
    row(580, D(M::QosUnavail), 49, 580),
    row(600, BusyStation, 17, 486),
    row(603, D(M::Reject), 21, 603),
    row(604, D(M::BadAddress), 1, 404),
    row(606, D(M::Incompatible), 65, 488),
    row(607, D(M::Reject), 21, 603),
    row(608, D(M::Blocked), 21, 608),
];

/// Q.850 causes as they arrive in Reason header fields (RFC 3326).
const Q850: &[(u16, DisconnectMode)] = &[
    (1, M::BadAddress),
    (2, M::Unreachable),
    (3, M::Unreachable),
    (4, M::Unreachable),
    (8, M::Cancelled),
    (9, M::Cancelled),
    (16, M::Normal),
    (17, M::Busy),
    (18, M::Unreachable),
    (19, M::NoAnswer),
    (20, M::Unreachable),
    (21, M::Reject),
    (22, M::NumberChanged),
    (23, M::Forwarded),
    (24, M::Blocked),
    (25, M::Unreachable),
    (26, M::Pickup),
    (27, M::OutOfOrder),
    (28, M::BadAddress),
    (29, M::Reject),
    (31, M::Normal),
    (34, M::Congestion),
    (38, M::OutOfOrder),
    (41, M::TempFailure),
    (42, M::Congestion),
    (43, M::TempFailure),
    (44, M::Congestion),
    (47, M::Congestion),
    (49, M::QosUnavail),
    (50, M::Blocked),
    (52, M::Blocked),
    (55, M::Blocked),
    (57, M::Blocked),
    (58, M::Incompatible),
    (63, M::Incompatible),
    (65, M::Incompatible),
    (69, M::Incompatible),
    (70, M::Incompatible),
    (79, M::Incompatible),
    (87, M::Blocked),
    (88, M::Incompatible),
    (95, M::TempFailure),
    (96, M::TempFailure),
    (97, M::TempFailure),
    (98, M::TempFailure),
    (99, M::TempFailure),
    (100, M::TempFailure),
    (101, M::TempFailure),
    (102, M::Unreachable),
    (111, M::TempFailure),
    (127, M::Unavail),
];

impl Cause {
    /// What a party hears whose phone is on the line when its attempt fails (ITU-T E.180, E.182).
    pub fn tone(&self) -> Tone {
        match self.outcome {
            BusyStation => Tone::Busy,
            D(M::BadAddress | M::NumberChanged | M::OutOfOrder | M::Blocked) => {
                Tone::SpecialInformation
            }
            BusyTrunk | D(_) => Tone::Congestion,
        }
    }

    /// The local no-answer timer, or silence after the phone rang.
    pub const NO_ANSWER: Cause = row(480, D(M::NoAnswer), 19, 480).cause;
    /// The line exists and no phone is registered.
    pub const NOT_REGISTERED: Cause = row(480, D(M::Unreachable), 20, 480).cause;
    /// 408 of a trunk, or its silence: the network fails, not the callee.
    pub const TRUNK_SILENT: Cause = row(408, D(M::TempFailure), 102, 480).cause;
    /// The number names nothing.
    pub const UNKNOWN_NUMBER: Cause = row(404, D(M::BadAddress), 1, 404).cause;
    /// A feature that this release does not offer, or a number the caller may not dial.
    pub const FORBIDDEN: Cause = row(403, D(M::Blocked), 21, 403).cause;
    /// The line does not want to be disturbed.
    pub const DO_NOT_DISTURB: Cause = row(480, D(M::DoNotDisturb), 18, 480).cause;
    /// `max_calls` of the called address is reached.
    pub const NO_APPEARANCE: Cause = row(486, BusyStation, 17, 486).cause;
    /// Nothing rings, or nobody is parked, where somebody wanted to take it.
    pub const NOTHING_RINGS: Cause = row(404, D(M::BadAddress), 1, 404).cause;
    /// The line or trunk makes more calls than it may.
    pub const TOO_MANY_CALLS: Cause = row(503, D(M::Congestion), 34, 503).cause;
    /// Every channel of a trunk is taken.
    pub const TRUNK_FULL: Cause = row(503, BusyTrunk, 34, 503).cause;
    /// The switch has no media port or no room for another call.
    pub const NO_RESOURCES: Cause = row(503, D(M::Congestion), 47, 503).cause;
    /// Offer and answer have nothing in common.
    pub const INCOMPATIBLE_MEDIA: Cause = row(488, D(M::Incompatible), 65, 488).cause;
    /// Forwards or transfers led back to where they came from.
    pub const LOOP: Cause = row(482, D(M::Unreachable), 25, 482).cause;

    /// The meaning of a final status to our INVITE; `alerted` tells whether a 18x came before it.
    pub fn of_status(status: u16, alerted: bool) -> Cause {
        if alerted && matches!(status, 408 | 480) {
            return Cause::NO_ANSWER;
        }
        let find = |code| STATUS.iter().find(|row| row.status == code).map(|row| row.cause);
        find(status).or_else(|| find(status / 100 * 100)).unwrap_or(Cause {
            outcome: D(M::Unknown),
            q850: 127,
            relay: 500,
            weight: 0,
        })
    }

    /// [`Cause::of_status`] corrected by a Q.850 cause in the response's Reason header field.
    pub fn of_response(status: u16, alerted: bool, reasons: &[Reason<'_>]) -> Cause {
        let mut cause = Cause::of_status(status, alerted);
        let Some(value) = q850_of(reasons) else { return cause };
        cause.q850 = value;
        match (status, value) {
            (503, 34 | 42 | 44) => cause.outcome = BusyTrunk,
            (486 | 600, _) => {}
            (603, 21) if is_blocked_by_network(reasons) => cause.outcome = D(M::Blocked),
            // Nobody answered who was alerted, whatever timer says so.
            (_, 18 | 102) if alerted => cause.outcome = D(M::NoAnswer),
            _ => {
                if let Some((_, mode)) = Q850.iter().find(|(code, _)| *code == value) {
                    cause.outcome = if *mode == M::Busy { BusyStation } else { D(*mode) };
                }
            }
        }
        cause.weight = weight(cause.outcome);
        cause
    }

    /// Of two failed forks, the one that says more about the callee.
    pub fn better_of(self, other: Cause) -> Cause {
        if other.weight > self.weight { other } else { self }
    }

    /// The Reason header field value that carries this cause.
    pub fn reason_header(&self) -> String {
        format!("Q.850;cause={}", self.q850)
    }

    /// The LINEDISCONNECTMODE_ in which the call ends once it is no longer kept in BUSY.
    pub fn disconnect_mode(&self) -> DisconnectMode {
        match self.outcome {
            BusyStation => M::Busy,
            BusyTrunk => M::Congestion,
            D(mode) => mode,
        }
    }
}

/// The mode in which the far party sees a BYE or CANCEL with these Reason values.
pub fn clearing_mode(reasons: &[Reason<'_>], default: DisconnectMode) -> DisconnectMode {
    if reasons.iter().any(|reason| reason.is_sip() && reason.cause == Some(200)) {
        return M::Pickup;
    }
    q850_of(reasons)
        .and_then(|value| Q850.iter().find(|(code, _)| *code == value))
        .map_or(default, |(_, mode)| *mode)
}

/// What an announcement says that a caller hears in place of a callee (sip-mapping §2.2), by the
/// Q.850 cause that comes with it. `None`: the call goes its usual way.
pub fn announced(reasons: &[Reason<'_>]) -> Option<SpecialInfo> {
    match q850_of(reasons)? {
        16 | 31 => None,
        1 | 22 | 28 => Some(SpecialInfo::CustIrreg),
        34 | 42 | 44 => Some(SpecialInfo::NoCircuit),
        _ => Some(SpecialInfo::Reorder),
    }
}

/// The Reason header field values of a message; what cannot be read is left out.
pub fn reasons_of(message: &Message) -> Vec<Reason<'_>> {
    message.list(HeaderName::Reason).filter_map(|value| Reason::parse(value).ok()).collect()
}

/// "603+" (ATIS-1000099): not the callee declines, the network blocks. Its text says how to object,
/// or that much.
fn is_blocked_by_network(reasons: &[Reason<'_>]) -> bool {
    let texts = reasons.iter().filter(|reason| reason.is_q850()).filter_map(|r| r.text.as_deref());
    texts
        .map(str::to_ascii_lowercase)
        .any(|text| text.starts_with("v=analytics") || text.contains("network blocked"))
}

fn q850_of(reasons: &[Reason<'_>]) -> Option<u16> {
    reasons.iter().find(|reason| reason.is_q850()).and_then(|reason| reason.cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_status_maps_to_its_own_row() {
        for row in STATUS {
            assert_eq!(Cause::of_status(row.status, false), row.cause, "{}", row.status);
        }
    }

    #[test]
    fn an_unlisted_status_is_read_as_the_first_of_its_class() {
        assert_eq!(Cause::of_status(499, false), Cause::of_status(400, false));
        assert_eq!(Cause::of_status(599, false), Cause::of_status(500, false));
        assert_eq!(Cause::of_status(699, false), Cause::of_status(600, false));
    }

    #[test]
    fn silence_after_alerting_is_no_answer_and_before_it_unreachable() {
        assert_eq!(Cause::of_status(408, true).outcome, D(M::NoAnswer));
        assert_eq!(Cause::of_status(408, false).outcome, D(M::Unreachable));
        assert_eq!(Cause::of_status(480, true).outcome, D(M::NoAnswer));
    }

    #[test]
    fn a_reason_says_more_than_a_status() {
        let of = |status, alerted, value, text| {
            Cause::of_response(status, alerted, &[Reason::q850(value, text)]).outcome
        };
        assert_eq!(of(500, false, 111, ""), D(M::TempFailure));
        assert_eq!(of(480, false, 96, ""), D(M::TempFailure));
        assert_eq!(of(500, true, 102, ""), D(M::NoAnswer));
        assert_eq!(of(500, false, 102, ""), D(M::Unreachable));
        assert_eq!(of(480, true, 18, ""), D(M::NoAnswer));
        assert_eq!(of(603, false, 21, ""), D(M::Reject));
        assert_eq!(of(603, false, 21, "v=analytics1;url=https://x.example"), D(M::Blocked));
        assert_eq!(of(603, false, 21, "Network Blocked"), D(M::Blocked));
    }

    #[test]
    fn a_challenge_of_the_far_side_is_never_relayed() {
        for status in [401, 407] {
            assert_eq!(Cause::of_status(status, false).relay, 403);
        }
    }

    #[test]
    fn busy_says_more_than_unreachable_and_no_answer_more_than_not_found() {
        let busy = Cause::of_status(486, false);
        let gone = Cause::of_status(480, false);
        assert_eq!(gone.better_of(busy), busy);
        assert_eq!(busy.better_of(gone), busy);
        let not_found = Cause::of_status(404, false);
        assert_eq!(not_found.better_of(Cause::NO_ANSWER), Cause::NO_ANSWER);
    }
}
