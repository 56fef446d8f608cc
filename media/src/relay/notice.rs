//! What a worker tells call control, and how its events name their sockets.

use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use super::command::Signal;
use super::worker::Bound;
use crate::context::Key;
use crate::control::{Notify, SHARED_PORTS_MAX};
use crate::ear::{Ear, Heard};
use crate::plan::{Component, Finding, Ingress, Learnt};

/// The event of the waker.
pub(super) const WAKE: u64 = u64::MAX;
/// The event of the socket that all ports of a worker lead to.
pub(super) const STEERED: u64 = u64::MAX - 1;
/// The event of the first socket that streams share; those of the others go down from it.
pub(super) const SHARED: u64 = u64::MAX - 2;

/// Which of the sockets that streams share an event is of.
pub(super) fn shared_line(event: u64) -> Option<usize> {
    let line = usize::try_from(SHARED.checked_sub(event)?).ok()?;
    (line < SHARED_PORTS_MAX).then_some(line)
}

/// Tells what a packet revealed; that a key went down only where it was asked for.
pub(super) fn tell(
    notices: &SyncSender<Notify>,
    signal: &Signal,
    (id, stream): Key,
    learnt: Learnt,
    tells_keys: bool,
) {
    if let Some(address) = learnt.latched {
        notify(notices, signal, Notify::Latched { id, stream, address });
    }
    if let Some((digit, duration)) = learnt.overdue {
        notify(notices, signal, Notify::Digit { id, stream, digit, duration });
    }
    let (down, up) = match learnt.finding {
        None => return,
        Some(Finding::Key(digit)) => (Some(digit), None),
        Some(Finding::Digit(digit, duration)) => (None, Some((digit, duration))),
        Some(Finding::WholeKey(digit, duration)) => (Some(digit), Some((digit, duration))),
    };
    if let Some(digit) = down.filter(|_| tells_keys) {
        notify(notices, signal, Notify::Key { id, stream, digit });
    }
    if let Some((digit, duration)) = up {
        notify(notices, signal, Notify::Digit { id, stream, digit, duration });
    }
}

/// Tells that a key is up of which nothing has come for long.
pub(super) fn tell_overdue(
    notices: &SyncSender<Notify>,
    signal: &Signal,
    (bound, ingress): (&Bound, &mut Ingress),
    now_us: u64,
) {
    let overdue = ingress.overdue_key(now_us);
    tell(notices, signal, bound.key, Learnt { overdue, ..Learnt::default() }, false);
}

/// Tells what was heard in the voice of a stream's party.
pub(super) fn tell_heard(
    notices: &SyncSender<Notify>,
    signal: &Signal,
    key: Key,
    ear: &mut Option<Box<Ear>>,
) {
    let Some(ear) = ear else { return };
    while let Some(heard) = ear.take() {
        notify(notices, signal, heard_notice(key, heard));
    }
}

fn heard_notice((id, stream): Key, heard: Heard) -> Notify {
    match heard {
        Heard::Key(digit) => Notify::Key { id, stream, digit },
        Heard::Digit(digit, duration) => Notify::Digit { id, stream, digit, duration },
        Heard::Tone(name) => Notify::Tone { id, stream, name },
        Heard::Signal(signal) => Notify::Signal { id, stream, signal },
    }
}

pub(super) fn notify(notices: &SyncSender<Notify>, signal: &Signal, notice: Notify) {
    if notices.try_send(notice).is_err() {
        signal.notices_lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// An event's data: life, slot, component.
pub(super) fn pack(slot: usize, component: Component, life: u32) -> u64 {
    let place = u64::try_from(slot).unwrap_or_default() << 1;
    u64::from(life) << 32 | place | u64::from(component == Component::Control)
}

pub(super) fn unpack(event: u64) -> (usize, Component, u32) {
    let component = if event & 1 == 1 { Component::Control } else { Component::Media };
    let slot = usize::try_from((event & 0xffff_ffff) >> 1).unwrap_or_default();
    (slot, component, u32::try_from(event >> 32).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_name_their_socket() {
        for component in [Component::Media, Component::Control] {
            let event = pack(8_191, component, 77);
            assert_eq!(unpack(event), (8_191, component, 77));
            assert_ne!(event, WAKE);
            assert_eq!(shared_line(event), None);
        }
    }
}
