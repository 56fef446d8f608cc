//! The call centre's plan, made of the configuration.

use acd::{AgentPlan, EmptyQueue, GroupPlan, Overflow, Pin, Plan, QueuePlan, Strategy};
use config::{Config, Queue, QueueStrategy, WhenEmpty};
use tapi::Server;
use tapi::agent::Activity;

/// Name and version of the handler, LINEAGENTCAPS.
const HANDLER: &str = concat!("Strowger ", env!("CARGO_PKG_VERSION"));

/// The plan of a configuration; lines are named by their devices.
pub(super) fn plan(config: &Config, lines: &Server) -> Plan {
    let groups = config.agent_groups.values();
    let agent = |agent: &config::Agent| AgentPlan {
        id: agent.id.clone(),
        pin: Some(Pin::new(agent.password.expose())),
        groups: agent.groups.clone(),
        line: agent.line.as_deref().and_then(|line| lines.line_by_number(line)),
    };
    let activity = |(place, name): (usize, &String)| Activity {
        id: u32::try_from(place + 1).unwrap_or(u32::MAX),
        name: name.clone(),
    };
    Plan {
        handler: HANDLER.to_owned(),
        groups: groups
            .map(|group| GroupPlan { key: group.id.clone(), name: group.name.clone() })
            .collect(),
        queues: config.queues.values().map(|queue| queue_plan(config, queue)).collect(),
        agents: config.agents.values().map(agent).collect(),
        activities: config.call_centre.activities.iter().enumerate().map(activity).collect(),
        retention: config.call_centre.keep_ended_sessions,
        ..Plan::new(&config.domain)
    }
}

fn queue_plan(config: &Config, queue: &Queue) -> QueuePlan {
    let groups: Vec<&str> = queue.groups.iter().map(String::as_str).collect();
    let overflow = match &queue.on_max_wait {
        None => Overflow::HangUp,
        Some(number) => match config.queue_at(number) {
            Some(other) => Overflow::Queue(other.id.clone()),
            None => Overflow::Number(number.clone()),
        },
    };
    QueuePlan {
        strategy: strategy(queue.strategy),
        weight: queue.weight,
        wrap_up: queue.wrap_up,
        ring_timeout: queue.ring_timeout,
        retry: queue.retry,
        misses: (queue.max_misses > 0).then_some(queue.max_misses),
        no_answer_back_off: queue.no_answer_delay,
        busy_back_off: queue.busy_delay,
        reject_back_off: queue.reject_delay,
        max_wait: queue.max_wait,
        max_length: queue.max_length,
        when_empty: match queue.when_empty {
            WhenEmpty::Wait => EmptyQueue::Wait,
            WhenEmpty::Leave => EmptyQueue::Overflow,
        },
        overflow,
        service_level: queue.service_level,
        ..QueuePlan::new(&queue.id, &groups)
    }
}

fn strategy(strategy: QueueStrategy) -> Strategy {
    match strategy {
        QueueStrategy::LongestIdle => Strategy::LongestIdle,
        QueueStrategy::RingAll => Strategy::RingAll,
        QueueStrategy::RoundRobin => Strategy::RoundRobin,
        QueueStrategy::Sequential => Strategy::Sequential,
        QueueStrategy::FewestCalls => Strategy::FewestCalls,
        QueueStrategy::LeastTalkTime => Strategy::LeastTalkTime,
        QueueStrategy::Random => Strategy::Random,
    }
}
