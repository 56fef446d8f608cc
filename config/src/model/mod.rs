//! The typed configuration. Every value here has been checked; names refer to things that exist.

pub(crate) mod capture;
pub(crate) mod centre;
pub(crate) mod feature;
pub(crate) mod guard;
pub(crate) mod line;
pub(crate) mod record;
pub(crate) mod rim;
pub(crate) mod route;
pub(crate) mod security;
pub(crate) mod subscription;
pub(crate) mod tls;

use std::collections::BTreeMap;

use self::capture::Capture;
use self::centre::{Agent, AgentGroup, CallCentre, Queue};
use self::feature::{Completion, Conference, FeatureCodes, HuntGroup, Park, PickupGroup};
use self::guard::Security;
use self::line::{Line, LineDefaults, SharedLine};
use self::record::{CallRecords, Recording};
use self::rim::{Api, Media, Registration, Sip, State, Switch, Transport};
use self::route::{Location, Route, Trunk};
use self::subscription::Subscriptions;

/// A whole, valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// SIP domain, digest realm, and host part of every line's address-of-record; lower case.
    pub domain: String,
    /// `[sip]`: where the switch listens, session timers.
    pub sip: Sip,
    /// `[registration]`: how long bindings live and how many a line may have.
    pub registration: Registration,
    /// `[security]`: rates, bans, emergency numbers.
    pub security: Security,
    /// `[subscriptions]`: how long lamps and the like live, and how many there may be.
    pub subscriptions: Subscriptions,
    /// `[media]`: addresses and ports of the relay.
    pub media: Media,
    /// `[api]`: the control interface and its tokens.
    pub api: Api,
    /// `[state]`: where what must outlive the process is kept.
    pub state: State,
    /// `[capture]`: what is kept of SIP messages.
    pub capture: Capture,
    /// `[call_records]`: what is kept of calls that are over.
    pub call_records: CallRecords,
    /// `[recording]`: where recordings of calls go.
    pub recording: Recording,
    /// `[switch]`: how the program stops.
    pub switch: Switch,
    /// `[defaults.line]`: what a line has that does not say otherwise; already applied to `lines`.
    pub line_defaults: LineDefaults,
    /// `[lines.NUMBER]` by number.
    pub lines: BTreeMap<String, Line>,
    /// `[pickup_groups.NAME]` by name.
    pub pickup_groups: BTreeMap<String, PickupGroup>,
    /// `[shared_lines.NUMBER]` by number.
    pub shared_lines: BTreeMap<String, SharedLine>,
    /// `[park]`: the park lots.
    pub park: Park,
    /// `[hunt_groups.NUMBER]` by number.
    pub hunt_groups: BTreeMap<String, HuntGroup>,
    /// `[conference]`: the conference rooms.
    pub conference: Conference,
    /// `[queues.NAME]` by name.
    pub queues: BTreeMap<String, Queue>,
    /// `[agent_groups.NAME]` by name.
    pub agent_groups: BTreeMap<String, AgentGroup>,
    /// `[agents.NAME]` by identifier.
    pub agents: BTreeMap<String, Agent>,
    /// `[call_centre]`: what all queues and agents share.
    pub call_centre: CallCentre,
    /// `[completion]`: how failed calls may be completed.
    pub completion: Completion,
    /// `[feature_codes]`: what phones dial to use features.
    pub feature_codes: FeatureCodes,
    /// `[trunks.NAME]` by name.
    pub trunks: BTreeMap<String, Trunk>,
    /// `[location]`: where the switch stands, for number translation.
    pub location: Option<Location>,
    /// `[[routes]]` in the order of the file; the first match wins.
    pub routes: Vec<Route>,
    /// Where in the file things stand; never part of a comparison.
    pub places: Places,
}

impl Config {
    /// The first route that matches what was dialled, and the number to send to its trunk.
    pub fn route(&self, dialled: &str) -> Option<(&Route, String)> {
        self.routes.iter().find_map(|route| Some((route, route.apply(dialled)?)))
    }

    /// The queue that a number reaches.
    pub fn queue_at(&self, number: &str) -> Option<&Queue> {
        centre::queue_at(&self.queues, number)
    }

    /// The dangerous settings that were allowed by `i_know = true`, and what cannot work, a sentence
    /// each, for the log of every start (SEC-132).
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.api.listen.ip().is_loopback() {
            warnings.push(format!(
                "the control interface listens on {} without TLS: tokens can be read on the network",
                self.api.listen
            ));
        }
        let has_tls = self.sip.listen.iter().any(|listen| listen.transport == Transport::Tls);
        for trunk in self.trunks.values().filter(|trunk| trunk.peer.needs_tls() && !has_tls) {
            let name = &trunk.name;
            warnings
                .push(format!("the trunk {name} needs TLS, but sip.listen has no tls listener"));
        }
        let is_recorded = self.lines.values().any(|line| line.record)
            || self.queues.values().any(|queue| queue.record);
        if is_recorded && self.recording.folder.is_none() {
            warnings.push(
                "lines or queues have record = true, but without [recording] folder nothing is recorded"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Where in the file the settings stand that can only be judged later, such as addresses to bind.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub(crate) file: String,
    pub(crate) positions: BTreeMap<String, (usize, usize)>,
}

impl Places {
    /// Name of the file the configuration was read from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line and column of a setting such as `api.listen` or `sip.listen.0`; (1, 1) when the file left it out.
    pub fn position(&self, setting: &str) -> (usize, usize) {
        self.positions.get(setting).copied().unwrap_or((1, 1))
    }
}

/// Two configurations that say the same are equal wherever they say it.
impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
