//! Counters that the exchange raises and `/metrics` reads; plain atomics, nothing shared but these.

use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::Exchange;
use crate::observe::Sample;

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident : $kind:literal,)*) => {
        /// Everything the exchange counts.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])* pub $name: AtomicU64,)*
            /// Queues and agents, as the call centre was a moment ago.
            pub centre: ArcSwap<Vec<Sample>>,
        }

        impl Counters {
            /// Name, kind (`counter` or `gauge`), help text and value of each, in declaration order.
            pub fn snapshot(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
                vec![$((stringify!($name), $kind, concat!($($doc),*), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// REGISTER requests answered 200.
    registrations_accepted_total: "counter",
    /// REGISTER requests refused after a valid authentication.
    registrations_refused_total: "counter",
    /// Requests whose credentials were wrong.
    authentications_refused_total: "counter",
    /// Alarms: lines with too many failed logins.
    account_alarms_total: "counter",
    /// Bindings present now.
    bindings: "gauge",
    /// Connections (conversations of two parties) attempted.
    calls_attempted_total: "counter",
    /// Connections answered.
    calls_answered_total: "counter",
    /// INVITEs refused because of a limit or a drain.
    calls_refused_total: "counter",
    /// Calls through trunks that a line or trunk may not make.
    calls_barred_total: "counter",
    /// TAPI calls that are not IDLE.
    calls_active: "gauge",
    /// SIP legs alive now.
    legs_active: "gauge",
    /// Subscriptions alive now.
    subscriptions: "gauge",
    /// Subscriptions granted, refreshes not counted.
    subscriptions_total: "counter",
    /// NOTIFY requests sent to subscribers.
    notifications_total: "counter",
    /// SIP messages taken in.
    sip_messages_received_total: "counter",
    /// SIP messages sent.
    sip_messages_sent_total: "counter",
    /// Datagrams that were no SIP message.
    sip_messages_malformed_total: "counter",
    /// Calls refused because no media port was free.
    media_ports_exhausted_total: "counter",
    /// DTLS handshakes on media ports that gave no keys.
    media_handshakes_failed_total: "counter",
    /// Media packets received on calls that are over.
    media_packets_received_total: "counter",
    /// Media packets sent on calls that are over.
    media_packets_sent_total: "counter",
    /// Media packets that never came, on calls that are over.
    media_packets_lost_total: "counter",
    /// Media packets that came after a later one, on calls that are over.
    media_packets_late_total: "counter",
    /// Media packets that were not relayed, on calls that are over.
    media_packets_dropped_total: "counter",
    /// Directions of calls that are over whose quality is known.
    media_scores_total: "counter",
    /// Sum of their mean opinion scores (ITU-T G.107), in hundredths.
    media_mos_hundredths_total: "counter",
    /// Those among them with a score below 3.6.
    media_poor_scores_total: "counter",
    /// Sum of their interarrival jitter in milliseconds.
    media_jitter_ms_total: "counter",
    /// Parties of calls that are over whose round trip is known from RTCP.
    media_round_trips_total: "counter",
    /// Sum of their round trips in milliseconds.
    media_round_trip_ms_total: "counter",
    /// Recordings under way.
    recordings: "gauge",
    /// Recordings begun.
    recordings_total: "counter",
    /// Recordings that ended with an error of the disk or never began.
    recordings_failed_total: "counter",
    /// Packets in recordings that are over.
    recording_packets_total: "counter",
    /// Packets that recordings that are over lack.
    recording_packets_lost_total: "counter",
    /// Calls whose parties share no codec, so that the switch translates, now.
    calls_transcoded: "gauge",
    /// Calls that were transcoded.
    calls_transcoded_total: "counter",
    /// Calls that were not transcoded because so many were.
    calls_transcoding_refused_total: "counter",
    /// Applications connected now.
    applications: "gauge",
    /// Requests of applications.
    tapi_requests_total: "counter",
}

impl Exchange {
    /// Says how much of everything there is now.
    pub(super) fn update_gauges(&self) {
        let set = |gauge: &AtomicU64, value: usize| {
            gauge.store(value as u64, Ordering::Relaxed);
        };
        set(&self.counters.calls_active, self.calls.len());
        set(&self.counters.calls_transcoded, self.transcoded.len());
        set(&self.counters.legs_active, self.endpoint.leg_count());
        set(&self.counters.subscriptions, self.presence.len());
    }
}

/// Raises a counter by so much.
pub fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

/// Raises a counter by one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
