//! The call centre itself: everything it knows, its timers and its outputs. What can be done with it is
//! in the modules beside, one for each kind of input.

mod ask;
mod call;
mod distribute;
mod legacy;
mod login;
mod private;
mod replan;
mod state;
mod store;
mod tell;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tapi::DeviceId;
use tapi::agent::{Activity, AgentId, AgentSessionId, GroupId, QueueId, WorkAddress};

pub use self::call::{NotOffered, QueueRefusal, Unknown};
pub use self::login::{LoggedIn, LoginError};
pub(crate) use self::tell::Changes;

use crate::agent::Agent;
use crate::desk::Desk;
use crate::output::Output;
use crate::plan::Plan;
use crate::queue::{Call, CallKey, Queue};
use crate::session::Session;
use crate::time::Time;
use crate::timer::{Timer, Timers};

/// A group: which queues it serves and who serves it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) queues: Vec<QueueId>,
    pub(crate) live: BTreeSet<AgentSessionId>,
}

/// A call centre.
#[derive(Debug)]
pub struct Center {
    domain: String,
    handler: String,
    activities: Vec<Activity>,
    is_pin_always_asked: bool,
    retention: Duration,
    groups: BTreeMap<GroupId, Group>,
    group_order: Vec<GroupId>,
    queues: BTreeMap<QueueId, Queue>,
    queue_order: Vec<QueueId>,
    queue_names: BTreeMap<String, QueueId>,
    agents: BTreeMap<AgentId, Agent>,
    agent_names: BTreeMap<String, AgentId>,
    /// Whose line a line is.
    owners: BTreeMap<DeviceId, Vec<AgentId>>,
    sessions: BTreeMap<AgentSessionId, Session>,
    live_sessions: usize,
    /// Sessions that ended and are not released, the oldest first.
    ended: BTreeSet<(Time, AgentSessionId)>,
    calls: BTreeMap<CallKey, Call>,
    desks: BTreeMap<WorkAddress, Desk>,
    timers: Timers,
    outputs: Vec<Output>,
    changes: Changes,
    random: u64,
    last_agent: u32,
    last_session: u32,
    last_place: u64,
}

impl Center {
    /// A call centre where nobody is logged in and nobody waits. The seed is what strategy
    /// `random` draws from.
    pub fn new(plan: Plan, now: Time, seed: u64) -> Self {
        let mut center = Self {
            domain: String::new(),
            handler: String::new(),
            activities: Vec::new(),
            is_pin_always_asked: false,
            retention: plan.retention,
            groups: BTreeMap::new(),
            group_order: Vec::new(),
            queues: BTreeMap::new(),
            queue_order: Vec::new(),
            queue_names: BTreeMap::new(),
            agents: BTreeMap::new(),
            agent_names: BTreeMap::new(),
            owners: BTreeMap::new(),
            sessions: BTreeMap::new(),
            live_sessions: 0,
            ended: BTreeSet::new(),
            calls: BTreeMap::new(),
            desks: BTreeMap::new(),
            timers: Timers::default(),
            outputs: Vec::new(),
            changes: Changes::default(),
            random: seed,
            last_agent: 0,
            last_session: 0,
            last_place: 0,
        };
        center.replan(plan, now);
        center.outputs.clear();
        center
    }

    /// Takes what came of the calls of methods since the last time.
    pub fn outputs(&mut self) -> std::vec::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_timer(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Time) {
        while let Some(timer) = self.timers.pop(now) {
            self.fire(timer, now);
            self.finish(now);
        }
    }

    fn fire(&mut self, timer: Timer, now: Time) {
        match timer {
            Timer::AgentPeriod(agent) => self.agent_period_over(agent, now),
            Timer::QueuePeriod(queue) => self.queue_period_over(queue, now),
            Timer::WrapUp(session) => self.wrap_up_over(session, now),
            Timer::BackOff(agent) => {
                if let Some(someone) = self.agents.get_mut(&agent) {
                    someone.back_off = None;
                    self.changes.fitness(agent);
                }
            }
            Timer::Unreachable(at) => self.try_again(at),
            Timer::Retry(call) => {
                if let Some(waiting) = self.calls.get_mut(&call) {
                    waiting.tried.clear();
                    self.changes.calls.push(call);
                }
            }
            Timer::MaxWait(call) => self.overflow(call, crate::Overflowed::MaxWait, now),
            Timer::Announce(call) => self.announce(call, now),
            Timer::Retention(session) => self.release(session),
            Timer::AgentInfo(agent) => self.changes.agent_infos.push(agent),
            Timer::SessionInfo(session) => self.changes.session_infos.push(session),
            Timer::QueueInfo(queue) => self.changes.queue_infos.push(queue),
        }
    }

    fn agent_period_over(&mut self, id: AgentId, now: Time) {
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.roll(now);
            self.timers.arm(Timer::AgentPeriod(id), agent.window.end());
            self.changes.agent(id);
            self.changes.agent_infos.push(id);
        }
    }

    fn queue_period_over(&mut self, id: QueueId, now: Time) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.roll(now);
            self.timers.arm(Timer::QueuePeriod(id), queue.window.end());
            self.changes.queue_infos.push(id);
        }
    }

    /// The next number of a fixed sequence (splitmix64).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
