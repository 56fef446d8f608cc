//! The notifier over simulated time: fixed ladders, then many seeded schedules.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{Asked, Bounds, Notice, Notifier, Pace, Package, Reason, SubscriptionId, read};
use crate::endpoint::LegId;
use crate::message::Message;
use crate::slab::Key;
use crate::time::{Entropy, Now, Seeded};

const DIALOG: Package = Package { name: "dialog", content: "application/dialog-info+xml" };
const BOUNDS: Bounds = Bounds {
    min: Duration::from_secs(5),
    default: Duration::from_secs(600),
    max: Duration::from_secs(3600),
};

fn ask(headers: &str) -> Result<Asked, (u16, Vec<(String, String)>)> {
    let text = format!(
        "SUBSCRIBE sip:201@x.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
         From: <sip:203@x.test>;tag=a\r\nTo: <sip:201@x.test>\r\nCall-ID: c\r\n\
         CSeq: 1 SUBSCRIBE\r\nMax-Forwards: 70\r\n{headers}Content-Length: 0\r\n\r\n"
    );
    let message = Message::parse(Bytes::from(text)).unwrap();
    read(&message, &[DIALOG], &BOUNDS).map_err(|reply| (reply.status, reply.headers))
}

fn field(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

#[test]
fn a_wish_is_granted_cut_or_given_the_default() {
    for (headers, seconds) in [
        ("Event: dialog\r\nExpires: 60\r\n", 60),
        ("Event: dialog;id=7;sla\r\nExpires: 99999\r\n", 3600),
        ("o: dialog\r\n", 600),
        ("Event: dialog\r\nExpires: 0\r\nAccept: text/plain, application/*;q=0.5\r\n", 0),
    ] {
        assert_eq!(ask(headers).unwrap().expires, Duration::from_secs(seconds), "{headers}");
    }
    assert_eq!(ask("Event: dialog;sla;id=7\r\n").unwrap().event, "dialog;id=7");
}

#[test]
fn what_cannot_be_granted_is_refused_in_the_protocols_words() {
    assert_eq!(ask("Event: weather\r\n"), Err((489, field("Allow-Events", "dialog"))));
    assert_eq!(ask(""), Err((489, field("Allow-Events", "dialog"))));
    assert_eq!(ask("Event: dialog\r\nExpires: 4\r\n"), Err((423, field("Min-Expires", "5"))));
    assert_eq!(
        ask("Event: dialog\r\nAccept: application/pidf+xml\r\n"),
        Err((406, field("Accept", DIALOG.content)))
    );
    assert_eq!(ask("Event: dialog\r\nExpires: soon\r\n").unwrap_err().0, 400);
    assert_eq!(ask("Event: ;id=4\r\n").unwrap_err().0, 400);
}

fn leg(number: u64) -> LegId {
    LegId(Key::from_bits(number))
}

fn second(seconds: u64) -> Now {
    Now::from_millis(seconds * 1000)
}

fn notifier() -> Notifier<()> {
    Notifier::new(Pace::default())
}

/// Everything that is ready to be told, with this state.
fn told(notifier: &mut Notifier<()>, now: Now, state: u64) -> Vec<Notice> {
    let mut sent = Vec::new();
    while let Some(id) = notifier.poll(now) {
        sent.extend(notifier.notify(now, id, state));
    }
    notifier.check();
    sent
}

fn begin(notifier: &mut Notifier<()>, expires: u64) -> SubscriptionId {
    notifier.add(second(0), leg(1), "dialog".to_owned(), Duration::from_secs(expires), ())
}

#[test]
fn the_state_follows_the_200_at_once_and_every_change_by_one_version() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 60);
    let first = told(&mut notifier, second(0), 10);
    assert_eq!((first[0].version, first[0].state.as_str()), (0, "active;expires=60"));
    notifier.answered(second(1), id, 200, None);
    notifier.changed(id);
    let next = told(&mut notifier, second(2), 11);
    assert_eq!((next[0].version, next[0].state.as_str()), (1, "active;expires=58"));
}

#[test]
fn a_state_that_the_subscriber_knows_is_not_told_again_but_after_a_refresh() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 60);
    told(&mut notifier, second(0), 10);
    notifier.answered(second(0), id, 200, None);
    notifier.changed(id);
    assert_eq!(told(&mut notifier, second(1), 10), []);
    assert!(notifier.refresh(second(2), id, Duration::from_secs(60)));
    assert_eq!(told(&mut notifier, second(2), 10)[0].version, 1, "never reset");
}

#[test]
fn one_notify_is_on_its_way_and_the_newest_state_follows_it() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 60);
    told(&mut notifier, second(0), 10);
    for state in 11..20 {
        notifier.changed(id);
        assert_eq!(told(&mut notifier, second(1), state), []);
    }
    notifier.answered(second(1), id, 200, None);
    assert_eq!(told(&mut notifier, second(1), 19).len(), 1);
}

#[test]
fn changes_within_the_gap_go_into_one_notify() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 60);
    told(&mut notifier, second(0), 10);
    notifier.answered(Now::from_millis(5), id, 200, None);
    notifier.changed(id);
    assert_eq!(told(&mut notifier, Now::from_millis(5), 11), []);
    assert!(notifier.next_deadline() <= Some(Now::from_millis(100)));
    notifier.expire(Now::from_millis(100));
    assert_eq!(told(&mut notifier, Now::from_millis(100), 12).len(), 1);
}

#[test]
fn a_fetch_is_answered_once_and_forgotten() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 0);
    assert_eq!(told(&mut notifier, second(0), 1)[0].state, "terminated;reason=timeout");
    assert!(!notifier.refresh(second(0), id, Duration::from_secs(60)));
    notifier.answered(second(0), id, 200, None);
    assert_eq!(notifier.poll_ended().map(|ended| ended.id), Some(id));
    assert!(notifier.is_empty());
}

#[test]
fn its_time_ends_it_with_a_last_notify() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 60);
    told(&mut notifier, second(0), 1);
    notifier.answered(second(0), id, 200, None);
    notifier.expire(second(59));
    assert_eq!(told(&mut notifier, second(59), 1), []);
    notifier.expire(second(60));
    assert_eq!(told(&mut notifier, second(60), 1)[0].state, "terminated;reason=timeout");
    assert!(!notifier.refresh(second(60), id, Duration::from_secs(60)), "481");
}

#[test]
fn refusals_of_notify_end_it_or_are_tried_again() {
    for (status, survives) in [(481, false), (489, false), (408, false), (500, true), (503, true)] {
        let mut notifier = notifier();
        let id = begin(&mut notifier, 600);
        told(&mut notifier, second(0), 1);
        notifier.answered(second(0), id, status, None);
        assert_eq!(!notifier.is_empty(), survives, "{status}");
        if survives {
            assert_eq!(told(&mut notifier, second(0), 1), []);
            notifier.expire(second(4));
            assert_eq!(told(&mut notifier, second(4), 1).len(), 1, "the state is told again");
            notifier.answered(second(4), id, status, None);
            assert!(notifier.is_empty(), "{status} twice");
        }
    }
}

#[test]
fn a_refused_notify_waits_as_long_as_the_subscriber_says() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 600);
    told(&mut notifier, second(0), 1);
    notifier.answered(second(0), id, 503, Some(Duration::from_secs(30)));
    notifier.expire(second(29));
    assert_eq!(told(&mut notifier, second(29), 2), []);
    notifier.expire(second(30));
    assert_eq!(told(&mut notifier, second(30), 2).len(), 1);
    notifier.answered(second(30), id, 503, Some(Duration::from_secs(3600)));
    assert!(notifier.is_empty());
}

#[test]
fn the_end_waits_for_the_notify_on_its_way() {
    let mut notifier = notifier();
    let id = begin(&mut notifier, 600);
    told(&mut notifier, second(0), 1);
    notifier.end(second(1), id, Reason::NoResource);
    assert_eq!(told(&mut notifier, second(1), 2), []);
    notifier.answered(second(2), id, 200, None);
    assert_eq!(told(&mut notifier, second(2), 2)[0].state, "terminated;reason=noresource");
}

/// What a subscriber of the simulation believes.
#[derive(Default)]
struct Subscriber {
    state: u64,
    version: Option<u32>,
    is_over: bool,
}

/// One seeded schedule: states change, NOTIFYs are lost, answered late or refused, refreshes cross
/// them, time passes. Gives how many NOTIFYs there were.
fn play(seed: u64) -> usize {
    let mut random = Seeded::new(seed);
    let mut below = move |limit: u64| random.below(limit);
    let mut notifier = Notifier::<u64>::new(Pace::default());
    let mut subscribers: BTreeMap<SubscriptionId, Subscriber> = BTreeMap::new();
    // Responses on their way: when they arrive, and what they say.
    let mut answers: Vec<(Now, SubscriptionId, u16)> = Vec::new();
    let (mut now, mut state, mut sent, mut is_healthy) = (Now::ZERO, 0, 0, false);
    for step in 0..400_u64 {
        is_healthy |= step > 300;
        now += Duration::from_millis(below(if is_healthy { 4_000 } else { 900 }));
        let pick = |subscribers: &BTreeMap<SubscriptionId, Subscriber>, index: u64| {
            let index = index as usize % subscribers.len().max(1);
            subscribers.keys().nth(index).copied()
        };
        match below(12) {
            0 if !is_healthy && notifier.len() < 5 => {
                let expires = Duration::from_secs([0, 5, 30, 4000][below(4) as usize]);
                let id = notifier.add(now, leg(step), "dialog".to_owned(), expires, step);
                subscribers.insert(id, Subscriber::default());
            }
            1 => {
                if let Some(id) = pick(&subscribers, below(8)) {
                    let expires = Duration::from_secs([0, 60, 4000, 4000][below(4) as usize]);
                    notifier.refresh(now, id, expires);
                }
            }
            2 if !is_healthy => {
                if let Some(id) = pick(&subscribers, below(8)) {
                    notifier.end(now, id, Reason::NoResource);
                }
            }
            3..=7 if !is_healthy => {
                state += 1;
                subscribers.keys().for_each(|id| notifier.changed(*id));
            }
            _ => {}
        }
        let (due, later) = answers.into_iter().partition(|(at, _, _)| *at <= now);
        answers = later;
        for (_, id, status) in due {
            notifier.answered(now, id, status, None);
        }
        notifier.expire(now);
        while let Some(id) = notifier.poll(now) {
            let Some(notice) = notifier.notify(now, id, state) else { continue };
            sent += 1;
            let is_pending = answers.iter().any(|(_, other, _)| *other == id);
            assert!(!is_pending, "seed {seed}: two NOTIFYs at a time");
            let subscriber = subscribers.get_mut(&id).expect("it subscribed");
            assert!(!subscriber.is_over, "seed {seed}: a word after the last one");
            let status = match below(20) {
                _ if is_healthy => 200,
                0 => 481,
                1 => 500,
                2 => 408,
                _ => 200,
            };
            if status == 200 {
                assert!(subscriber.version < Some(notice.version), "seed {seed}: versions rise");
                subscriber.version = Some(notice.version);
                subscriber.state = state;
            }
            subscriber.is_over = notice.state.starts_with("terminated");
            answers.push((now + Duration::from_millis(below(600)), id, status));
        }
        while let Some(ended) = notifier.poll_ended() {
            assert!(subscribers.remove(&ended.id).is_some(), "seed {seed}: it ends once");
        }
        notifier.check();
    }
    check_end(seed, &mut notifier, &subscribers, &mut answers, (now, state));
    sent
}

/// Who is still subscribed knows the last state; when all times are over nothing is left.
fn check_end(
    seed: u64,
    notifier: &mut Notifier<u64>,
    subscribers: &BTreeMap<SubscriptionId, Subscriber>,
    answers: &mut Vec<(Now, SubscriptionId, u16)>,
    (now, state): (Now, u64),
) {
    for (id, subscriber) in subscribers {
        assert!(notifier.about(*id).is_some(), "seed {seed}: forgotten without a word");
        assert_eq!(subscriber.state, state, "seed {seed}: the last state got lost");
    }
    let end = now + Duration::from_secs(8_000);
    for _ in 0..2 {
        notifier.expire(end);
        while let Some(id) = notifier.poll(end) {
            if notifier.notify(end, id, state).is_some() {
                answers.push((end, id, 200));
            }
        }
        for (_, id, status) in answers.drain(..) {
            notifier.answered(end, id, status, None);
        }
    }
    assert!(notifier.is_empty(), "seed {seed}: everything ends");
    assert_eq!(notifier.next_deadline(), None, "seed {seed}: no timer is left");
}

#[test]
fn the_last_state_is_told_and_nothing_is_left_over_2000_schedules() {
    let sent: usize = (0..2_000).map(play).sum();
    assert!(sent > 50_000, "only {sent} NOTIFYs");
}
