//! `GET events`: the ring of recent events and the server-sent stream over it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How many events can be asked for again.
pub(super) const MAX_EVENTS: usize = 10_000;
/// How many events a stream takes out of the ring at once.
const BATCH: usize = 256;
/// How often a silent stream proves that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One numbered event, as text.
pub(super) type Numbered = (u64, Arc<str>);

/// The last [`MAX_EVENTS`] events.
pub(super) struct EventLog {
    ring: Mutex<VecDeque<Numbered>>,
    latest: watch::Sender<u64>,
}

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// The first number missed, where the ring no longer holds what was asked for.
    pub(super) gap_from: Option<u64>,
    /// The events in order.
    pub(super) events: Vec<Numbered>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { ring: Mutex::new(VecDeque::new()), latest: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// Adds an event; its number is higher than all before it.
    pub(super) fn push(&self, number: u64, event: &Value) {
        let text: Arc<str> = event.to_string().into();
        {
            let mut ring = self.lock();
            if ring.len() == MAX_EVENTS {
                ring.pop_front();
            }
            ring.push_back((number, text));
        }
        self.latest.send_replace(number);
    }

    /// The number of the newest event; 0 before the first.
    pub(super) fn latest(&self) -> u64 {
        *self.latest.borrow()
    }

    /// At most `limit` events with numbers above `after`.
    pub(super) fn after(&self, after: u64, limit: usize) -> Page {
        let ring = self.lock();
        let gap_from = match ring.front() {
            Some((first, _)) if *first > after.saturating_add(1) => Some(after + 1),
            _ => None,
        };
        let start = ring.partition_point(|(number, _)| *number <= after);
        let events = ring.iter().skip(start).take(limit).cloned().collect();
        Page { gap_from, events }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Numbered>> {
        // A reader or writer cannot leave the ring half changed, so a poisoned lock is usable.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where one stream stands.
struct Position {
    log: Arc<EventLog>,
    latest: watch::Receiver<u64>,
    after: u64,
    waiting: VecDeque<Event>,
}

/// The events above `after`, then every new one, each with its number as the event's id.
pub(super) fn stream_after(
    log: Arc<EventLog>,
    after: u64,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let latest = log.latest.subscribe();
    let position = Position { log, latest, after, waiting: VecDeque::new() };
    let events = stream::unfold(position, |mut position| async move {
        loop {
            if let Some(event) = position.waiting.pop_front() {
                return Some((Ok(event), position));
            }
            position.latest.borrow_and_update();
            position.refill();
            if position.waiting.is_empty() && position.latest.changed().await.is_err() {
                return None;
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

impl Position {
    fn refill(&mut self) {
        let page = self.log.after(self.after, BATCH);
        if let (Some(from), Some((first, _))) = (page.gap_from, page.events.first()) {
            let lost = json!({ "kind": "gap", "from": from, "to": first - 1 });
            self.waiting.push_back(Event::default().event("gap").data(lost.to_string()));
        }
        for (number, text) in page.events {
            self.after = number;
            self.waiting.push_back(Event::default().id(number.to_string()).data(&*text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(count: u64) -> EventLog {
        let log = EventLog::default();
        for number in 1..=count {
            log.push(number, &json!({ "number": number }));
        }
        log
    }

    #[test]
    fn resumes_after_a_number() {
        let log = log_of(5);
        let page = log.after(3, 10);
        let numbers: Vec<u64> = page.events.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [4, 5]);
        assert_eq!(page.gap_from, None);
    }

    #[test]
    fn a_reader_that_is_up_to_date_gets_nothing() {
        let log = log_of(5);
        assert!(log.after(5, 10).events.is_empty());
        assert_eq!(log.latest(), 5);
    }

    #[test]
    fn says_what_the_ring_has_lost() {
        let log = log_of(MAX_EVENTS as u64 + 10);
        let page = log.after(2, 1);
        assert_eq!(page.gap_from, Some(3));
        assert_eq!(page.events[0].0, 11);
    }

    #[test]
    fn hands_out_no_more_than_asked_for() {
        let log = log_of(20);
        assert_eq!(log.after(0, 7).events.len(), 7);
    }
}
