//! The call centre's vocabulary: who is who, what an agent handler is asked, what it answers, and
//! what it tells (tapi-agents 3, 4 and 6).
//!
//! Who handles agents, and how, is not decided here: the switch's own handler or an application
//! that opened the line with LINEOPENOPTION_PROXY.

mod answer;
mod notice;
mod read;
mod request;
mod write;

pub use answer::{
    Activity, AgentAnswer, AgentCaps, AgentInfo, AgentSessionInfo, AgentStatus, CallRate,
    GroupEntry, QueueEntry, QueueInfo, SessionEntry,
};
pub use notice::AgentNotice;
pub(crate) use read::{items, read_answer, read_group};
pub use request::{AgentRequest, WorkAddress};
pub(crate) use write::{notice_params, request_arm};

/// An agent, `hAgent`. The handler gives it out and keeps it unique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AgentId(pub u32);

/// An agent session, `hAgentSession`: an agent who serves a group at an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AgentSessionId(pub u32);

/// A queue, `dwQueueID`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueueId(pub u32);

/// A group, a GUID. On the wire as text, `6ba7b810-9dad-11d1-80b4-00c04fd430c8`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub u128);

impl std::fmt::Display for GroupId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = format!("{:032x}", self.0);
        let part = |from: usize, to: usize| all.get(from..to).unwrap_or_default();
        write!(
            f,
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
    }
}

/// The text is not a GUID.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a group is named by a GUID, 6ba7b810-9dad-11d1-80b4-00c04fd430c8")]
pub struct NotAGuid;

/// Also in braces, and in capital letters.
impl std::str::FromStr for GroupId {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let parts: Vec<&str> = inner.split('-').collect();
        let lengths = parts.iter().map(|part| part.len());
        if !lengths.eq([8, 4, 4, 4, 12]) {
            return Err(NotAGuid);
        }
        let digits = parts.concat();
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAGuid);
        }
        u128::from_str_radix(&digits, 16).map(Self).map_err(|_| NotAGuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_read_in_its_spellings_and_written_in_one() {
        let text = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let group: GroupId = text.parse().unwrap();
        assert_eq!(group.to_string(), text);
        assert_eq!(format!("{{{}}}", text.to_uppercase()).parse(), Ok(group));
        assert_eq!(GroupId(1).to_string(), "00000000-0000-0000-0000-000000000001");
        for wrong in [
            "",
            "support",
            "6ba7b8109dad11d180b400c04fd430c8",
            "+ba7b810-9dad-11d1-80b4-00c04fd430c8",
        ] {
            assert_eq!(wrong.parse::<GroupId>(), Err(NotAGuid), "{wrong}");
        }
    }
}
