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
struct Position<V> {
    log: Arc<EventLog>,
    latest: watch::Receiver<u64>,
    after: u64,
    waiting: VecDeque<Event>,
    /// Changes whenever tokens do.
    changes: watch::Receiver<u64>,
    is_valid: V,
}

/// The events above `after`, then every new one, each with its number as the event's id; until the reader's
/// token is valid no more, which is asked whenever there are `changes`.
///
/// A number that was not given out yet is one of another run: everything of this one is new to the reader.
pub(super) fn stream_after<V: Fn() -> bool + Send + 'static>(
    log: Arc<EventLog>,
    after: u64,
    changes: watch::Receiver<u64>,
    is_valid: V,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let latest = log.latest.subscribe();
    let mut position = Position { log, latest, after, waiting: VecDeque::new(), changes, is_valid };
    position.begin_anew_after_a_restart();
    let events = stream::unfold(position, |mut position| async move {
        loop {
            if !(position.is_valid)() {
                return None;
            }
            if let Some(event) = position.waiting.pop_front() {
                return Some((Ok(event), position));
            }
            position.latest.borrow_and_update();
            position.refill();
            if !position.waiting.is_empty() {
                continue;
            }
            let changed = tokio::select! {
                changed = position.latest.changed() => changed,
                changed = position.changes.changed() => changed,
            };
            if changed.is_err() {
                return None;
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

impl<V> Position<V> {
    /// How many events of the other run are lost nobody knows: the gap has no end.
    fn begin_anew_after_a_restart(&mut self) {
        if self.after > self.log.latest() {
            self.lose(self.after.saturating_add(1), None);
            self.after = 0;
        }
    }

    fn lose(&mut self, from: u64, to: Option<u64>) {
        let lost = json!({ "kind": "gap", "from": from, "to": to });
        self.waiting.push_back(Event::default().event("gap").data(lost.to_string()));
    }

    fn refill(&mut self) {
        let page = self.log.after(self.after, BATCH);
        if let (Some(from), Some((first, _))) = (page.gap_from, page.events.first()) {
            self.lose(from, Some(first - 1));
        }
        for (number, text) in page.events {
            self.after = number;
            self.waiting.push_back(Event::default().id(number.to_string()).data(&*text));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::response::IntoResponse;

    use super::*;

    fn log_of(count: u64) -> EventLog {
        let log = EventLog::default();
        for number in 1..=count {
            log.push(number, &json!({ "number": number }));
        }
        log
    }

    #[tokio::test]
    async fn the_stream_ends_when_its_readers_token_is_no_more() {
        let log = Arc::new(log_of(3));
        let (revocations, changes) = watch::channel(0);
        let is_token = Arc::new(AtomicBool::new(true));
        let is_valid = {
            let is_token = Arc::clone(&is_token);
            move || is_token.load(Ordering::Relaxed)
        };
        let response = stream_after(Arc::clone(&log), 0, changes, is_valid).into_response();
        let reading = tokio::spawn(axum::body::to_bytes(response.into_body(), usize::MAX));
        // A reload that leaves it alone.
        revocations.send_replace(1);
        tokio::task::yield_now().await;
        is_token.store(false, Ordering::Relaxed);
        revocations.send_replace(2);
        let read = reading.await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&read).matches("data:").count(), 3);
        log.push(4, &json!({}));
    }

    #[tokio::test]
    async fn a_number_of_before_a_restart_gives_a_gap_and_everything_since_then() {
        let log = Arc::new(log_of(2));
        let (revocations, changes) = watch::channel(0);
        let stream = stream_after(Arc::clone(&log), 7, changes, || true);
        let mut body = stream.into_response().into_body().into_data_stream();
        let mut text = String::new();
        for _ in 0..3 {
            let chunk = futures_util::StreamExt::next(&mut body).await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let gap = ["event: gap", r#"data: {"from":8,"kind":"gap","to":null}"#];
        let events = ["id: 1", r#"data: {"number":1}"#, "id: 2", r#"data: {"number":2}"#];
        assert_eq!(lines, [&gap[..], &events].concat());
        drop(revocations);
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
