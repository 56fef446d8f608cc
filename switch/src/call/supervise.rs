//! A supervisor listens to an agent's call, whispers to the agent, or speaks to both.
//!
//! The three sit in the mixer like an intrusion ([`super::intrude`]), but the agent's line sees no second
//! call, and who hears the supervisor is chosen: by the code or the request with which it begins, later by
//! its keys. It ends when any of the three goes, or when the agent does anything with the call that takes
//! more than two parties. Only lines that the queue or the group names may do it.

use media::Audience;
use tapi::CallMode;
use tapi::constant::{CallInfoState, CallState, ConnectedMode};

use super::CallId;
use super::cause::Cause;
use super::conference::ConferenceKey;
use super::intrude::Intrusion;
use crate::exchange::Exchange;
use crate::exchange::counters::count;

/// What an application dials in place of a code: `supervise+listen+jane`.
const ALIAS: &str = "supervise+";

/// Who hears somebody that has joined a call of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// Nobody: it listens.
    Nobody,
    /// The agent: it whispers.
    Agent,
    /// Both.
    All,
}

impl Hearing {
    /// All of them, with the words and keys that choose them.
    pub(crate) const ALL: [(&str, char, Hearing); 3] = [
        ("listen", '1', Hearing::Nobody),
        ("whisper", '2', Hearing::Agent),
        ("barge", '3', Hearing::All),
    ];

    /// The one with this name.
    pub fn of_name(name: &str) -> Option<Hearing> {
        Self::ALL.iter().find(|(known, ..)| *known == name).map(|(_, _, hearing)| *hearing)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, _, known)| *known == self).map_or("", |(name, ..)| name)
    }

    fn of_key(key: char) -> Option<Hearing> {
        Self::ALL.iter().find(|(_, known, _)| *known == key).map(|(_, _, hearing)| *hearing)
    }
}

/// What to dial to supervise an agent.
pub(crate) fn number_for(hearing: Hearing, agent: &str) -> String {
    format!("{ALIAS}{}+{agent}", hearing.name())
}

/// What was dialled in place of a code.
pub(crate) fn asked_for(dialled: &str) -> Option<(Hearing, &str)> {
    let (word, agent) = dialled.strip_prefix(ALIAS)?.split_once('+')?;
    Some((Hearing::of_name(word)?, agent))
}

impl Exchange {
    /// A line joins the call of an agent, by its identifier or by the line where it works.
    ///
    /// Errors: 404 for an agent that is none or not logged in, 403 without the right, 480 when the
    /// agent has no call of two that can be joined, 488 or 503 when the supervisor cannot be mixed.
    pub(crate) fn supervise(
        &mut self,
        id: CallId,
        target: &str,
        hearing: Hearing,
    ) -> Result<(), Cause> {
        let line = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        let line = line.ok_or(Cause::FORBIDDEN)?;
        let (agent, at) = self.agent_at_work(target).ok_or(Cause::NOTHING_RINGS)?;
        if !self.may_supervise(&line, &agent) {
            return Err(Cause::FORBIDDEN);
        }
        let unavailable = Cause::of_status(480, false);
        let (near, far) = self.intrudable(&at).map_err(|_| unavailable)?;
        if [near, far].contains(&id) || line == at {
            return Err(Cause::FORBIDDEN);
        }
        let streams = self.calls.get(id.0).and_then(|call| call.end.remote.as_ref());
        let streams = streams.map_or(1, |session| session.media.len()).max(1);
        self.reserve_ports(id, streams)?;
        let key = self.open_conference("")?;
        if let Err(cause) = self.answer_for_mixer(id, &at) {
            self.close_if_empty(key);
            return Err(cause);
        }
        count(&self.counters.calls_answered_total);
        self.stop_call_timer(id);
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.intrusion = Some(Intrusion {
                intruder: id,
                shown: None,
                completion: None,
                hearing,
                pair: (near, far),
            });
        }
        for call in [near, far, id] {
            self.mix(call, key);
        }
        self.set_state(id, CallState::Connected, CallMode::Connected(ConnectedMode::Active));
        let connected = self.party_of_number(&at);
        self.tell_info(id, |info| info.connected = connected, CallInfoState::ConnectedId);
        self.refresh_capability(id);
        self.seat(id);
        self.publish_supervision(&line, &agent, hearing);
        Ok(())
    }

    /// Whether a line is a supervisor of an agent: of a group that it may join, or of a queue that such
    /// a group serves.
    pub(crate) fn may_supervise(&self, line: &str, agent: &str) -> bool {
        let Some(agent) = self.config.agents.get(agent) else { return false };
        let is_named = |supervisors: &[String]| supervisors.iter().any(|one| one == line);
        let groups = agent.groups.iter().filter_map(|name| self.config.agent_groups.get(name));
        let mut queues = self
            .config
            .queues
            .values()
            .filter(|queue| queue.groups.iter().any(|group| agent.groups.contains(group)));
        groups.into_iter().any(|group| is_named(&group.supervisors))
            || queues.any(|queue| is_named(&queue.supervisors))
    }

    /// Who hears a member of a conference; `None` if nobody chose.
    pub(super) fn audience_of(&self, id: CallId) -> Option<Audience> {
        let key = self.calls.get(id.0)?.conference?;
        let intrusion = self.conferences.get(key.0)?.intrusion.as_ref()?;
        if intrusion.intruder != id {
            return None;
        }
        let agent = || self.calls.get(intrusion.pair.0.0)?.end.termination();
        Some(match intrusion.hearing {
            Hearing::Nobody => Audience::Nobody,
            Hearing::Agent => agent().map_or(Audience::Nobody, Audience::Only),
            Hearing::All => Audience::All,
        })
    }

    /// A supervisor has pressed 1, 2 or 3: it listens, whispers, speaks.
    pub(crate) fn supervise_by_key(&mut self, speaker: CallId, digit: char) {
        let Some(hearing) = Hearing::of_key(digit) else { return };
        let Some(key) = self.supervision_of(speaker) else { return };
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        let Some(intrusion) = conference.intrusion.as_mut() else { return };
        intrusion.hearing = hearing;
        let near = intrusion.pair.0;
        self.seat(speaker);
        let number = |exchange: &Exchange, id: CallId| {
            exchange.calls.get(id.0).map(|call| call.party.number().to_owned()).unwrap_or_default()
        };
        let (line, at) = (number(self, speaker), number(self, near));
        let agent = self.agent_at_work(&at).map_or(at, |(agent, _)| agent);
        self.publish_supervision(&line, &agent, hearing);
    }

    /// The conference in which somebody supervises.
    fn supervision_of(&self, id: CallId) -> Option<ConferenceKey> {
        let key = self.calls.get(id.0)?.conference?;
        let intrusion = self.conferences.get(key.0)?.intrusion.as_ref()?;
        (intrusion.intruder == id && intrusion.completion.is_none()).then_some(key)
    }

    fn publish_supervision(&mut self, line: &str, agent: &str, hearing: Hearing) {
        let fields = serde_json::json!({"line": line, "agent": agent, "mode": hearing.name()});
        self.publish("SUPERVISED", fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_applications_dial_names_way_and_agent() {
        let number = number_for(Hearing::Agent, "jane");
        assert_eq!(asked_for(&number), Some((Hearing::Agent, "jane")));
        assert_eq!(asked_for("supervise+shout+jane"), None);
        assert_eq!(asked_for("201"), None);
    }
}
