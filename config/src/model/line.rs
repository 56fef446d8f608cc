//! Lines and the addresses that several of them share.

use std::time::Duration;

use super::guard::Outside;
use super::security::{Srtp, SrtpKeys};
use super::subscription::Watchers;
use crate::secret::Secret;
use crate::sound::Sound;

/// `[lines.NUMBER]`: a phone's line, a TAPI line device.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What is dialled to reach it, its user name in SIP, its line name in TAPI.
    pub number: String,
    /// Shown to the other party; the number where the file gives none.
    pub name: String,
    /// For SIP digest authentication.
    pub password: Secret,
    /// Name of the pickup group it rings in and may pick up from.
    pub pickup_group: Option<String>,
    /// A call that rings longer counts as not answered; default 20 seconds.
    pub ring_timeout: Duration,
    /// What one ring of a forwarding's ring count lasts; default 5 seconds.
    pub ring_cycle: Duration,
    /// Calls its address can have at once, whatever their state but IDLE; default 4.
    pub max_calls: u32,
    /// Who may watch it; default everyone.
    pub watchers: Watchers,
    /// What those hear whom it holds; default that of `[media]`.
    pub music: Option<Sound>,
    /// Who handles the agents that work there; default the switch.
    pub agent_handler: AgentHandler,
    /// What it may spend; default anything.
    pub outside: Outside,
    /// Whether its phones speak SRTP; default no.
    pub srtp: Srtp,
    /// How keys are offered to its phones; default SDES.
    pub srtp_keys: SrtpKeys,
    /// Whether its calls are recorded; default no.
    pub record: bool,
}

/// Who answers TAPI's requests about agents, groups and queues that come by a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AgentHandler {
    /// The switch.
    #[default]
    BuiltIn,
    /// Applications that open the line with LINEOPENOPTION_PROXY.
    Application,
}

impl AgentHandler {
    pub(crate) const ALL: [(&str, Self); 2] =
        [("built-in", Self::BuiltIn), ("application", Self::Application)];
}

/// `[defaults.line]`: settings of every line that does not have its own.
#[derive(Clone, Debug, PartialEq)]
pub struct LineDefaults {
    /// Default 20 seconds.
    pub ring_timeout: Duration,
    /// Default 5 seconds.
    pub ring_cycle: Duration,
    /// Default 4.
    pub max_calls: u32,
    /// Default everyone.
    pub watchers: Watchers,
    /// Default none.
    pub music: Option<Sound>,
    /// Default the switch.
    pub agent_handler: AgentHandler,
    /// Default anything.
    pub outside: Outside,
    /// Default off.
    pub srtp: Srtp,
    /// Default SDES.
    pub srtp_keys: SrtpKeys,
    /// Default no.
    pub record: bool,
}

impl Default for LineDefaults {
    fn default() -> Self {
        Self {
            ring_timeout: Duration::from_secs(20),
            ring_cycle: Duration::from_secs(5),
            max_calls: 4,
            watchers: Watchers::default(),
            music: None,
            agent_handler: AgentHandler::BuiltIn,
            outside: Outside::default(),
            srtp: Srtp::default(),
            srtp_keys: SrtpKeys::default(),
            record: false,
        }
    }
}

/// `[shared_lines.NUMBER]`: one address on several phones (bridged, exclusive while active).
#[derive(Clone, Debug, PartialEq)]
pub struct SharedLine {
    /// What is dialled to reach it.
    pub number: String,
    /// Shown to the other party.
    pub name: String,
    /// Numbers of the lines that have it as a further address.
    pub members: Vec<String>,
    /// May others join an active call? Default no.
    pub allow_join: bool,
}
