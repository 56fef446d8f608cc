//! Groups, lots, rooms, completion, feature codes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::sound::Sound;

/// `[pickup_groups.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PickupGroup {
    /// The name lines use.
    pub name: String,
    /// The group identifier that linePickup and the pickup code take; unique.
    pub id: String,
    /// Names of groups whose members may also pick up here.
    pub allow: Vec<String>,
}

/// `[park]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Park {
    /// `[park.lots.NAME]` by name.
    pub lots: BTreeMap<String, Lot>,
}

/// A park lot.
#[derive(Clone, Debug, PartialEq)]
pub struct Lot {
    /// The name in the file.
    pub name: String,
    /// Calling or transferring to it parks in the next free slot.
    pub number: String,
    /// Where calls wait.
    pub slots: Slots,
    /// A call parked longer goes where `on_timeout` says; default 120 seconds.
    pub timeout: Duration,
    /// What happens to a call parked too long; default recall.
    pub on_timeout: OnTimeout,
    /// What the parked hear; default that of `[media]`.
    pub music: Option<Sound>,
}

/// What happens to a call that was parked too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// Ring the party that parked it.
    Recall,
    /// Send it to this number.
    Forward(String),
}

/// A range of slot numbers, all written with the same count of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The lowest.
    pub first: u32,
    /// The highest.
    pub last: u32,
    /// Digits of each number; shorter ones have zeros in front.
    pub digits: usize,
}

impl Slots {
    /// The slot numbers as dialled, lowest first.
    pub fn numbers(self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(move |slot| format!("{slot:0width$}", width = self.digits))
    }

    /// Is this one of the slots, as dialled?
    pub fn contains(self, number: &str) -> bool {
        number.len() == self.digits
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && number.parse().is_ok_and(|slot: u32| (self.first..=self.last).contains(&slot))
    }

    /// How many calls it holds.
    pub fn count(self) -> usize {
        usize::try_from(self.last - self.first).map_or(usize::MAX, |span| span + 1)
    }
}

/// In which order the members of a group are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// All at once.
    Simultaneous,
    /// In the order of the file, always from the first.
    Sequential,
    /// The one after the last one tried.
    RoundRobin,
    /// The one whose last call ended longest ago.
    LongestIdle,
}

impl Strategy {
    pub(crate) const ALL: [(&str, Self); 4] = [
        ("simultaneous", Self::Simultaneous),
        ("sequential", Self::Sequential),
        ("round-robin", Self::RoundRobin),
        ("longest-idle", Self::LongestIdle),
    ];

    /// As written in the file.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

/// `[hunt_groups.NUMBER]`.
#[derive(Clone, Debug, PartialEq)]
pub struct HuntGroup {
    /// What is dialled to reach it.
    pub number: String,
    /// Shown to the other party.
    pub name: String,
    /// Numbers of its lines, in the order of the file.
    pub members: Vec<String>,
    /// Default simultaneous.
    pub strategy: Strategy,
    /// How long members ring (each, when tried one after the other); default 15 seconds.
    pub ring_timeout: Duration,
    /// Where the call goes that nobody answers.
    pub on_no_answer: Option<String>,
}

/// `[conference]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conference {
    /// `[conference.rooms.NUMBER]` by number.
    pub rooms: BTreeMap<String, Room>,
}

/// A conference room.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// What is dialled to enter it.
    pub number: String,
    /// Shown to its members.
    pub name: String,
    /// One more gets 486; default 32.
    pub max_members: u32,
}

/// `[completion]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// A busy or unanswered call can be completed this long; default 20 seconds.
    pub keep_failed_call: Duration,
    /// Most requests waiting for one address; default 10.
    pub max_per_address: usize,
    /// A request is forgotten after this; default 30 minutes.
    pub expires: Duration,
    /// How long the recall rings; default 20 seconds.
    pub recall_timeout: Duration,
    /// How long the called line must have been free before its caller is rung; default 3 seconds.
    pub idle_guard: Duration,
    /// What can be left for a line that was not reached, LINECALLCOMPLMODE_MESSAGE.
    pub messages: Vec<String>,
    /// Lines that may join the call of a busy line, LINECALLCOMPLMODE_INTRUDE; default none.
    pub intruders: Vec<String>,
}

impl Default for Completion {
    fn default() -> Self {
        Self {
            keep_failed_call: Duration::from_secs(20),
            max_per_address: 10,
            expires: Duration::from_secs(1800),
            recall_timeout: Duration::from_secs(20),
            idle_guard: Duration::from_secs(3),
            messages: vec!["Please call back.".to_owned()],
            intruders: Vec::new(),
        }
    }
}

/// What a feature code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeatureCode {
    /// Takes what rings in the own or in a named pickup group.
    PickupGroup,
    /// Takes what rings at a number.
    PickupDirected,
    /// Takes back an exclusively held call of a shared line.
    PickupHeld,
    /// Asks for the completion of the last failed call.
    CompletionSet,
    /// Withdraws all requests for completion.
    CompletionCancel,
    /// Forwards every call to a number.
    ForwardAllSet,
    /// Ends that.
    ForwardAllCancel,
    /// Forwards calls to a number while busy.
    ForwardBusySet,
    /// Ends that.
    ForwardBusyCancel,
    /// Forwards unanswered calls to a number.
    ForwardNoAnswerSet,
    /// Ends that.
    ForwardNoAnswerCancel,
    /// Refuses calls.
    DndSet,
    /// Accepts them again.
    DndCancel,
    /// Logs an agent in.
    AgentLogin,
    /// Logs the agent out.
    AgentLogout,
    /// The agent takes calls.
    AgentReady,
    /// The agent takes none.
    AgentNotReady,
    /// A supervisor hears an agent's call.
    SupervisorListen,
    /// The agent hears the supervisor, too.
    SupervisorWhisper,
    /// So does the customer.
    SupervisorBarge,
    /// Plays back what is said.
    EchoTest,
}

/// What may follow a feature code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    None,
    PickupGroupId,
    Number,
    Agent,
}

impl FeatureCode {
    pub(crate) const ALL: [(&str, Self, Argument); 21] = [
        ("pickup_group", Self::PickupGroup, Argument::PickupGroupId),
        ("pickup_directed", Self::PickupDirected, Argument::Number),
        ("pickup_held", Self::PickupHeld, Argument::None),
        ("completion_set", Self::CompletionSet, Argument::None),
        ("completion_cancel", Self::CompletionCancel, Argument::None),
        ("forward_all_set", Self::ForwardAllSet, Argument::Number),
        ("forward_all_cancel", Self::ForwardAllCancel, Argument::None),
        ("forward_busy_set", Self::ForwardBusySet, Argument::Number),
        ("forward_busy_cancel", Self::ForwardBusyCancel, Argument::None),
        ("forward_no_answer_set", Self::ForwardNoAnswerSet, Argument::Number),
        ("forward_no_answer_cancel", Self::ForwardNoAnswerCancel, Argument::None),
        ("dnd_set", Self::DndSet, Argument::None),
        ("dnd_cancel", Self::DndCancel, Argument::None),
        ("agent_login", Self::AgentLogin, Argument::Agent),
        ("agent_logout", Self::AgentLogout, Argument::None),
        ("agent_ready", Self::AgentReady, Argument::None),
        ("agent_not_ready", Self::AgentNotReady, Argument::None),
        ("supervisor_listen", Self::SupervisorListen, Argument::Number),
        ("supervisor_whisper", Self::SupervisorWhisper, Argument::Number),
        ("supervisor_barge", Self::SupervisorBarge, Argument::Number),
        ("echo_test", Self::EchoTest, Argument::None),
    ];

    /// The key in `[feature_codes]`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one, _)| *one == self).map_or("", |(name, _, _)| name)
    }

    /// May digits follow the code?
    pub fn takes_argument(self) -> bool {
        self.argument() != Argument::None
    }

    pub(crate) fn argument(self) -> Argument {
        Self::ALL
            .iter()
            .find(|(_, one, _)| *one == self)
            .map_or(Argument::None, |(_, _, argument)| *argument)
    }
}

/// `[feature_codes]`: what the file does not name is off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureCodes {
    /// What is dialled for each feature.
    pub codes: BTreeMap<FeatureCode, String>,
}

impl FeatureCodes {
    /// The code of a feature, if it has one.
    pub fn code(&self, feature: FeatureCode) -> Option<&str> {
        self.codes.get(&feature).map(String::as_str)
    }

    /// What the dialled digits ask for, and what follows the code.
    ///
    /// Exact codes first, then the longest code that begins what was dialled and takes an argument.
    pub fn find<'a>(&self, dialled: &'a str) -> Option<(FeatureCode, &'a str)> {
        if let Some((feature, _)) = self.codes.iter().find(|(_, code)| *code == dialled) {
            return Some((*feature, ""));
        }
        self.codes
            .iter()
            .filter(|(feature, _)| feature.takes_argument())
            .filter_map(|(feature, code)| {
                Some((code.len(), *feature, dialled.strip_prefix(code.as_str())?))
            })
            .max_by_key(|(length, _, _)| *length)
            .map(|(_, feature, argument)| (feature, argument))
    }
}
