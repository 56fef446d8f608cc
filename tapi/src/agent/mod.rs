//! The call centre's vocabulary: who is who, what an agent handler is asked, what it answers, and
//! what it tells (tapi-agents 3, 4 and 6).
//!
//! Who handles agents, and how, is not decided here: the switch's own handler or an application
//! that opened the line with LINEOPENOPTION_PROXY.

mod answer;
mod notice;
mod request;

pub use answer::{
    Activity, AgentAnswer, AgentCaps, AgentInfo, AgentSessionInfo, AgentStatus, CallRate,
    GroupEntry, QueueEntry, QueueInfo, SessionEntry,
};
pub use notice::AgentNotice;
pub use request::{AgentRequest, WorkAddress};

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
