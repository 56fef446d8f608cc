//! Hunt groups: in which order the members of a group are rung. Pure but for its memory.
//!
//! Source: sip-mapping §3.10.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use config::{HuntGroup, Strategy};

/// Time since the exchange's start; only compared.
type Moment = Duration;

/// What the groups remember between calls.
#[derive(Debug, Default)]
pub struct Memory {
    /// The member that a round-robin group tried last, by the group's number.
    last_tried: HashMap<String, String>,
    /// When the last call of a line ended; lines that never had one are idle the longest.
    ended: HashMap<String, Moment>,
}

impl Memory {
    /// A call of a line has ended.
    pub fn call_ended(&mut self, line: &str, now: Moment) {
        self.ended.insert(line.to_owned(), now);
    }

    /// A member was rung.
    pub fn tried(&mut self, group: &HuntGroup, member: &str) {
        if group.strategy == Strategy::RoundRobin {
            self.last_tried.insert(group.number.clone(), member.to_owned());
        }
    }

    /// A configuration was loaded: forgets what it does not have.
    pub fn keep_only(&mut self, config: &config::Config) {
        self.last_tried.retain(|group, _| config.hunt_groups.contains_key(group));
        self.ended.retain(|line, _| config.lines.contains_key(line));
    }

    /// The members of a group in rounds: who is rung together, one round after the other.
    pub fn rounds(&self, group: &HuntGroup) -> VecDeque<Vec<String>> {
        let one_by_one = |members: Vec<String>| members.into_iter().map(|m| vec![m]).collect();
        let mut members = group.members.clone();
        match group.strategy {
            Strategy::Simultaneous => VecDeque::from([members]),
            Strategy::Sequential => one_by_one(members),
            Strategy::RoundRobin => {
                let last = self.last_tried.get(&group.number);
                let last = last.and_then(|last| members.iter().position(|member| member == last));
                if let Some(last) = last {
                    members.rotate_left((last + 1) % group.members.len().max(1));
                }
                one_by_one(members)
            }
            Strategy::LongestIdle => {
                members.sort_by_key(|member| self.ended.get(member).copied());
                one_by_one(members)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(strategy: Strategy) -> HuntGroup {
        HuntGroup {
            number: "260".to_owned(),
            name: "Sales".to_owned(),
            members: ["201", "202", "203"].map(str::to_owned).to_vec(),
            strategy,
            ring_timeout: Duration::from_secs(15),
            on_no_answer: None,
        }
    }

    fn order(memory: &Memory, strategy: Strategy) -> Vec<String> {
        memory.rounds(&group(strategy)).iter().map(|round| round.join("+")).collect()
    }

    #[test]
    fn simultaneous_is_one_round_of_all_and_sequential_one_round_each() {
        let memory = Memory::default();
        assert_eq!(order(&memory, Strategy::Simultaneous), ["201+202+203"]);
        assert_eq!(order(&memory, Strategy::Sequential), ["201", "202", "203"]);
    }

    #[test]
    fn round_robin_begins_after_the_member_tried_last() {
        let mut memory = Memory::default();
        assert_eq!(order(&memory, Strategy::RoundRobin), ["201", "202", "203"]);
        for (tried, expected) in [("201", "202"), ("202", "203"), ("203", "201"), ("299", "201")] {
            memory.tried(&group(Strategy::RoundRobin), tried);
            assert_eq!(order(&memory, Strategy::RoundRobin)[0], expected, "after {tried}");
        }
    }

    #[test]
    fn longest_idle_prefers_who_never_had_a_call_then_the_oldest_end() {
        let mut memory = Memory::default();
        memory.call_ended("201", Duration::from_secs(5));
        memory.call_ended("203", Duration::from_secs(2));
        assert_eq!(order(&memory, Strategy::LongestIdle), ["202", "203", "201"]);
        memory.call_ended("202", Duration::from_secs(9));
        assert_eq!(order(&memory, Strategy::LongestIdle), ["203", "201", "202"]);
    }

    #[test]
    fn a_sequential_group_does_not_remember() {
        let mut memory = Memory::default();
        memory.tried(&group(Strategy::Sequential), "201");
        assert_eq!(order(&memory, Strategy::RoundRobin)[0], "201");
    }
}
