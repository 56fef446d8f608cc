//! Whether the switch still answers: an OPTIONS of its own, again and again, through the way that new
//! work takes, and how long its answer took.
//!
//! It waits behind everything that waits, so that its time is that of a caller. When it exceeds
//! [`BOUND`], `/readyz` says so until an answer is in time again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sip_stack::flow::{Flow, Received, Transmit};
use sip_stack::message::Message;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use super::clock;
use super::exchange_thread::Waiting;
use super::notify::Manager;
use crate::api::Api;
use crate::exchange::Input;
use crate::observe::Sample;

/// How often.
const EVERY: Duration = Duration::from_secs(2);
/// An answer that takes longer is too slow.
pub(super) const BOUND: Duration = Duration::from_secs(1);
/// Where nobody is: nothing that goes there reaches a socket.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What the watchdog and the exchange's thread share.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    answered: Notify,
    turnaround_us: AtomicU64,
    late: AtomicU64,
}

impl Watchdog {
    /// Whether this is something of the watchdog's and nobody else's.
    pub(super) fn is_own(flow: &Flow) -> bool {
        flow.remote.ip().is_unspecified()
    }

    /// Takes what the exchange sends to the watchdog.
    pub(super) fn hear(&self, transmit: &Transmit) {
        if transmit.bytes.starts_with(b"SIP/2.0 200 ") {
            self.answered.notify_one();
        }
    }

    /// For `/metrics`.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        vec![
            Sample::gauge(
                "watchdog_turnaround_microseconds",
                "How long the last internal OPTIONS took.",
                read(&self.turnaround_us),
            ),
            Sample::counter(
                "watchdog_late_total",
                "Internal OPTIONS that were answered too late.",
                read(&self.late),
            ),
        ]
    }

    /// Asks until the exchange is gone.
    pub(super) async fn run(
        self: Arc<Self>,
        new_work: mpsc::WeakSender<Waiting>,
        local: SocketAddr,
        (api, manager): (Arc<Api>, Option<Arc<Manager>>),
    ) {
        let flow = Flow::udp(local, NOWHERE);
        for serial in 1_u64.. {
            sleep(EVERY).await;
            let Some(sender) = new_work.upgrade() else { return };
            let Ok(message) = Message::parse(options(local, serial)) else { return };
            // An answer that came too late is none to this question, but a sign of life.
            if timeout(Duration::ZERO, self.answered.notified()).await.is_ok() {
                manager.iter().for_each(|manager| manager.lives(true));
            }
            let began = clock::now();
            let ask = async {
                let input = Input::Sip(Received { message, flow });
                sender.send(Waiting::now(input)).await.is_ok().then_some(())?;
                drop(sender);
                self.answered.notified().await;
                Some(())
            };
            let is_in_time = match timeout(BOUND, ask).await {
                Ok(None) => return,
                Ok(Some(())) => true,
                Err(_) => false,
            };
            let took = (clock::now() - began).as_micros();
            self.turnaround_us.store(u64::try_from(took).unwrap_or(u64::MAX), Ordering::Relaxed);
            manager.iter().for_each(|manager| manager.lives(is_in_time));
            if api.set_responsive(is_in_time) {
                tracing::warn!(took_us = took, is_in_time, "the watchdog's OPTIONS");
            }
            if !is_in_time {
                self.late.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn options(local: SocketAddr, serial: u64) -> Bytes {
    Bytes::from(format!(
        "OPTIONS sip:{local} SIP/2.0\r\nVia: SIP/2.0/UDP 0.0.0.0;rport;branch=z9hG4bKwatchdog{serial}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:watchdog.invalid>;tag={serial}\r\nTo: <sip:{local}>\r\n\
         Call-ID: watchdog-{serial}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_asks_is_a_request_to_the_switch_itself() {
        let message = Message::parse(options("192.0.2.1:5060".parse().unwrap(), 7)).unwrap();
        assert_eq!(message.request_uri(), Some("sip:192.0.2.1:5060"));
        assert!(sip_stack::message::validate::check(&message).is_ok());
    }
}
