//! How much new work is let in when there is more than can be done.
//!
//! What waits longer than a target shows that too much comes in (SEC-102). Then so much is let in per
//! interval as was just done, a little less while the delay lasts and a little more when it is over:
//! goodput stays at what the machine can do, however much more is offered. What is let in is shared
//! out among sources (max-min): a source that wants little gets it whoever else wants much. Those that
//! have proved who they are come before those that have not.

use std::time::Duration;

use crate::time::Now;

/// Sources are told apart by so many classes.
const CLASSES: usize = 256;
/// Calm intervals after which everything is let in again.
const CALM: u32 = 20;
/// So much waits all the time when there is too much; less is a pause of the machine.
const LEAST_BACKLOG: usize = 64;
/// Least that is let in per interval.
const LEAST: f64 = 4.0;
/// What each rank has at least, the first first; together no more than everything.
const RESERVED: [f64; 3] = [0.7, 0.2, 0.1];

/// Who comes before whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rank {
    /// Has proved who it is.
    Known = 0,
    /// A stranger that has asked for little lately.
    Modest = 1,
    /// Any other stranger.
    Heavy = 2,
}

/// What overload is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OverloadSettings {
    /// What waits longer than this, all through an interval, is too much.
    pub target: Duration,
    /// How often is judged.
    pub interval: Duration,
}

impl Default for OverloadSettings {
    fn default() -> Self {
        Self { target: Duration::from_millis(20), interval: Duration::from_millis(50) }
    }
}

/// Shares of one kind of source.
#[derive(Clone)]
struct Shares {
    offered: [u32; CLASSES],
    quota: u32,
    budget: f64,
    admitted: u32,
}

impl Shares {
    const fn new() -> Self {
        Self { offered: [0; CLASSES], quota: u32::MAX, budget: f64::MAX, admitted: 0 }
    }

    fn total(&self) -> f64 {
        self.offered.iter().map(|offered| f64::from(*offered)).sum()
    }

    fn admit(&mut self, hash: u64) -> bool {
        let Some(offered) = self.offered.get_mut((hash % CLASSES as u64) as usize) else {
            return false;
        };
        *offered = offered.saturating_add(1);
        // Who was quiet so far is let in even when others have used everything up.
        let is_modest = *offered <= (self.quota / 8).max(2);
        let has_room = f64::from(self.admitted) < self.budget || is_modest;
        let is_admitted = *offered <= self.quota && has_room;
        self.admitted += u32::from(is_admitted);
        is_admitted
    }

    /// Begins an interval with so much to share out among as many as came in the last one.
    fn share_out(&mut self, budget: f64) {
        let mut offered = self.offered;
        offered.sort_unstable();
        let mut left = budget;
        let mut quota = f64::from(u32::MAX);
        for (index, wanted) in offered.iter().enumerate() {
            let others = (CLASSES - index) as f64;
            if f64::from(*wanted) * others > left {
                quota = left / others;
                break;
            }
            left -= f64::from(*wanted);
        }
        self.quota = quota.max(1.0) as u32;
        self.budget = budget;
        self.offered = [0; CLASSES];
        self.admitted = 0;
    }
}

/// The judge of overload.
#[derive(Clone)]
pub(super) struct Overload {
    settings: OverloadSettings,
    began: Now,
    least_delay: Option<Duration>,
    least_backlog: usize,
    done: u32,
    /// What is let in per interval; `None`: everything.
    budget: Option<f64>,
    calm: u32,
    /// By rank.
    shares: [Shares; 3],
}

impl Overload {
    pub(super) const fn new(settings: OverloadSettings) -> Self {
        Self {
            settings,
            began: Now::ZERO,
            least_delay: None,
            least_backlog: usize::MAX,
            done: 0,
            budget: None,
            calm: 0,
            shares: [const { Shares::new() }; 3],
        }
    }

    pub(super) const fn configure(&mut self, settings: OverloadSettings) {
        self.settings = settings;
    }

    /// What is let in per second; `None`: everything.
    pub(super) fn budget_per_second(&self) -> Option<f64> {
        self.budget.map(|budget| budget / self.settings.interval.as_secs_f64())
    }

    /// Something has been taken up after it waited so long; so much waits still.
    pub(super) fn measured(&mut self, now: Now, delay: Duration, backlog: usize) {
        self.roll(now);
        self.done = self.done.saturating_add(1);
        self.least_backlog = self.least_backlog.min(backlog);
        self.least_delay = Some(self.least_delay.map_or(delay, |least| least.min(delay)));
    }

    /// Whether new work is let in; `hash` tells sources apart.
    pub(super) fn admit(&mut self, now: Now, rank: Rank, hash: u64) -> bool {
        self.roll(now);
        let shares = self.shares.get_mut(rank as usize);
        shares.is_some_and(|shares| shares.admit(hash)) || self.budget.is_none()
    }

    fn roll(&mut self, now: Now) {
        let elapsed = now - self.began;
        if elapsed < self.settings.interval {
            return;
        }
        let wanted = self.shares.each_ref().map(Shares::total);
        let total: f64 = wanted.iter().sum();
        let backlog = std::mem::replace(&mut self.least_backlog, usize::MAX);
        let delay = self.least_delay.take().filter(|_| backlog >= LEAST_BACKLOG);
        let delay = delay.unwrap_or_default();
        let intervals = elapsed.as_secs_f64() / self.settings.interval.as_secs_f64();
        // An interval that lasted longer than it should has done more than one's work.
        let done = f64::from(std::mem::take(&mut self.done)) / intervals;
        self.began = now;
        self.judge(delay, done, total / intervals, intervals);
        let budget = self.budget.unwrap_or(f64::from(u32::MAX));
        for (shares, (own, reserved)) in self.shares.iter_mut().zip(wanted.iter().zip(RESERVED)) {
            shares.share_out((budget - (total - own)).max(budget * reserved));
        }
    }

    fn judge(&mut self, delay: Duration, done: f64, offered: f64, intervals: f64) {
        let target = self.settings.target;
        if intervals >= f64::from(CALM) {
            // Nothing came and nothing was done for that long.
            self.budget = None;
            return;
        }
        if delay > target {
            let slack = match () {
                () if delay > target * 10 => 0.5,
                () if delay > target * 4 => 0.7,
                () => 0.9,
            };
            self.budget = Some((done * slack).max(LEAST));
            self.calm = 0;
            return;
        }
        let Some(budget) = self.budget else { return };
        let was_used_up = offered >= budget;
        self.calm = if was_used_up { 0 } else { self.calm.saturating_add(intervals as u32) };
        self.budget = match self.calm {
            CALM.. => None,
            _ if was_used_up => Some(budget * 1.05 + 1.0),
            _ => Some(budget),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A switch that can do so much per millisecond, one step a millisecond.
    struct Model {
        overload: Overload,
        now: u64,
        queue: VecDeque<(u64, u64)>,
        done: std::collections::HashMap<u64, u64>,
        longest: u64,
    }

    impl Model {
        fn new() -> Self {
            let overload = Overload::new(OverloadSettings::default());
            let (queue, done) = (VecDeque::new(), std::collections::HashMap::new());
            Self { overload, now: 1000, queue, done, longest: 0 }
        }

        /// A millisecond in which these sources each offer so much, and `capacity` is done.
        fn step(&mut self, offers: &[(u64, u64, bool)], capacity: usize) {
            self.now += 1;
            let now = Now::from_millis(self.now);
            for (source, number, is_known) in offers {
                let rank = if *is_known { Rank::Known } else { Rank::Heavy };
                for _ in 0..*number {
                    // The way in has an end.
                    let has_room = self.queue.len() < 1024;
                    if self.overload.admit(now, rank, *source) && has_room {
                        self.queue.push_back((self.now, *source));
                    }
                }
            }
            for _ in 0..capacity {
                let Some((since, source)) = self.queue.pop_front() else { break };
                let delay = self.now - since;
                self.longest = self.longest.max(delay);
                self.overload.measured(now, Duration::from_millis(delay), self.queue.len());
                *self.done.entry(source).or_default() += 1;
            }
        }

        fn forget(&mut self) {
            self.done.clear();
            self.longest = 0;
        }
    }

    #[test]
    fn goodput_stays_near_capacity_however_much_is_offered() {
        for times in [2, 5, 10, 50] {
            let mut model = Model::new();
            (0..3000).for_each(|_| model.step(&[(1, 10 * times, false)], 10));
            model.forget();
            (0..5000).for_each(|_| model.step(&[(1, 10 * times, false)], 10));
            let done = model.done[&1];
            assert!(done > 5000 * 10 * 8 / 10, "{times} times the capacity: {done}");
            assert!(model.longest < 300, "{times}: waited {} ms", model.longest);
        }
    }

    #[test]
    fn a_machine_that_pauses_is_not_a_flood() {
        let mut overload = Overload::new(OverloadSettings::default());
        for ms in 1000..3000 {
            let now = Now::from_millis(ms);
            overload.measured(now, Duration::from_millis(300), 20);
            assert!(overload.admit(now, Rank::Heavy, ms));
        }
    }

    #[test]
    fn below_capacity_everything_is_let_in() {
        let mut model = Model::new();
        (0..5000).for_each(|_| model.step(&[(1, 8, false)], 10));
        assert_eq!(model.done[&1], 5000 * 8);
        assert!(model.overload.budget_per_second().is_none());
    }

    #[test]
    fn who_wants_little_gets_it_whoever_else_wants_much() {
        let mut model = Model::new();
        let mut wanted = 0;
        for step in 0..8000_u64 {
            // One source floods, the other asks every 20 ms.
            let modest = u64::from(step % 20 == 0);
            if step >= 2000 {
                wanted += modest;
            } else {
                model.forget();
            }
            model.step(&[(1, 100, false), (2, modest, false)], 10);
        }
        let got = model.done[&2];
        assert!(got * 100 >= wanted * 95, "{got} of {wanted}");
    }

    #[test]
    fn the_known_come_before_strangers_who_are_not_forgotten() {
        let mut model = Model::new();
        let strangers: Vec<(u64, u64, bool)> =
            (0..50).map(|source| (source, 2, false)).chain([(99, 7, true)]).collect();
        (0..3000).for_each(|_| model.step(&strangers, 10));
        model.forget();
        (0..5000).for_each(|_| model.step(&strangers, 10));
        assert!(model.done[&99] >= 5000 * 7 * 9 / 10, "{}", model.done[&99]);
        let others: u64 = (0..50).map(|source| model.done.get(&source).copied().unwrap_or(0)).sum();
        assert!(others >= 5000 * 10 / 20, "{others}");
    }

    #[test]
    fn when_it_is_over_everything_is_let_in_again() {
        let mut model = Model::new();
        (0..3000).for_each(|_| model.step(&[(1, 100, false)], 10));
        assert!(model.overload.budget_per_second().is_some());
        (0..3000).for_each(|_| model.step(&[(1, 1, false)], 10));
        assert!(model.overload.budget_per_second().is_none());
        // After a long silence, too.
        (0..3000).for_each(|_| model.step(&[(1, 100, false)], 10));
        model.queue.clear();
        model.now += 60_000;
        model.step(&[(1, 1, false)], 10);
        assert!(model.overload.budget_per_second().is_none());
    }
}
