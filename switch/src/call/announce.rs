//! What those who wait in a queue are told: a recording for everybody, their place, the wait to be
//! expected; or as many short tones as their place.
//!
//! The music goes on behind and comes back afterwards.

use std::time::Duration;

use config::{Announcements, Sound};
use media::Performance;

use super::{CallId, ConnectionKey, Timer};
use crate::exchange::Exchange;

/// Rate of the tones.
const RATE_HZ: u32 = 8_000;
/// Samples of a tone, and of the pause behind it.
const TONE: usize = 1_200;
const PAUSE: usize = 2_000;
/// More tones nobody counts.
const MAX_TONES: usize = 9;
/// Half a period of the tone in samples: 500 Hz.
const HALF_PERIOD: usize = 8;
const LEVEL: i16 = 6_000;

/// Where somebody stands in a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// 1 is next.
    pub(crate) position: usize,
    /// How long it will take, by what it took others; nobody knows before somebody was served.
    pub(crate) expected: Option<Duration>,
}

impl Exchange {
    /// The next announcement is due after a while.
    pub(crate) fn announce_later(&mut self, key: ConnectionKey) {
        let Some(waiting) = self.connections.get(key.0).and_then(|c| c.queue.as_ref()) else {
            return;
        };
        let (call, queue) = (waiting.call, self.config.queues.get(&waiting.queue));
        let Some(told) = queue.map(|queue| &queue.announcements).filter(|a| !a.is_silent()) else {
            return;
        };
        let every = told.every;
        let token = self.arm(every, Timer::Announce(call));
        if let Some(waiting) = self.connections.get_mut(key.0).and_then(|c| c.queue.as_mut()) {
            waiting.announcement = Some(token);
        }
    }

    /// It is due.
    pub(crate) fn on_announce(&mut self, queue_call: CallId) {
        let Some(key) = self.calls.get(queue_call.0).map(|call| call.connection) else { return };
        let waiting = self.connections.get_mut(key.0).and_then(|c| c.queue.as_mut());
        let Some(waiting) = waiting else { return };
        waiting.announcement = None;
        let (name, ticket) = (waiting.queue.clone(), waiting.ticket);
        let config = self.config.clone();
        let told = config.queues.get(&name).map(|queue| &queue.announcements);
        let spoken = told.zip(self.standing(&name, ticket)).and_then(|(told, at)| spoken(told, at));
        if let (Some(sound), Some(source)) = (spoken, self.source_of(key)) {
            self.perform(source, Performance::Sound(sound));
        }
        self.announce_later(key);
    }
}

/// One recording of all that is said.
fn spoken(told: &Announcements, at: Standing) -> Option<media::Sound> {
    let place = at.position.max(1) - 1;
    let last = told.positions.len().checked_sub(1);
    let position = last.and_then(|last| told.positions.get(place.min(last)));
    let wait = at.expected.and_then(|expected| {
        let wait = told.waits.iter().find(|(below, _)| expected < *below);
        wait.or(told.waits.last()).map(|(_, sound)| sound)
    });
    let parts: Vec<&Sound> = told.general.iter().chain(position).chain(wait).collect();
    let rate = parts.first().map_or(RATE_HZ, |sound| sound.rate_hz);
    // What has another rate than the first would sound wrong.
    let same = parts.iter().filter(|sound| sound.rate_hz == rate);
    let mut samples: Vec<i16> = same.flat_map(|sound| sound.samples.iter().copied()).collect();
    if told.has_tones && rate == RATE_HZ {
        for _ in 0..at.position.min(MAX_TONES) {
            samples.extend((0..TONE).map(square));
            samples.extend(std::iter::repeat_n(0, PAUSE));
        }
    }
    media::Sound::new(rate, samples.into())
}

fn square(sample: usize) -> i16 {
    if (sample / HALF_PERIOD).is_multiple_of(2) { LEVEL } else { -LEVEL }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(has_tones: bool) -> Announcements {
        Announcements {
            every: Duration::from_secs(30),
            general: None,
            positions: Vec::new(),
            waits: Vec::new(),
            has_tones,
        }
    }

    fn samples(told: &Announcements, position: usize) -> usize {
        let at = Standing { position, expected: None };
        spoken(told, at).map_or(0, |sound| sound.samples().len())
    }

    #[test]
    fn as_many_tones_as_the_place_and_not_more_than_can_be_counted() {
        assert_eq!(samples(&told(true), 1), TONE + PAUSE);
        assert_eq!(samples(&told(true), 3), 3 * (TONE + PAUSE));
        assert_eq!(samples(&told(true), 40), MAX_TONES * (TONE + PAUSE));
    }

    #[test]
    fn nothing_is_said_where_nothing_is_configured() {
        assert_eq!(samples(&told(false), 1), 0);
    }
}
