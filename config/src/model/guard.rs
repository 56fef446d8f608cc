//! `[security]`: how often strangers are listened to, who is banned, which calls come first.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What a line may spend: settings of `[lines.NUMBER]` and `[defaults.line]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Beginnings of dialled numbers that it may not call through trunks; default none.
    pub barred: Vec<String>,
    /// Its calls through trunks at once; without it, no limit of its own.
    pub calls: Option<usize>,
    /// Its calls through trunks within a minute; without it, no limit.
    pub calls_per_minute: Option<u32>,
}

/// `[security]` (the figures are those of docs/security.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// Networks that no rate and no ban concerns; default the machine's own 127.0.0.1 and ::1.
    pub exempt: Vec<Network>,
    /// Numbers that a registered phone may call whatever else goes on; default 112 and 911.
    pub emergency: Vec<String>,
    /// What programs call themselves (User-Agent or From) whose requests are dropped unless they have
    /// authenticated; lower case. Default some that look for something to break into.
    pub scanners: Vec<String>,
    /// `[security.limits]`.
    pub limits: RateLimits,
    /// `[security.bans]`.
    pub bans: BanRules,
}

/// An address, or a network such as `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address.
    pub address: IpAddr,
    /// How many bits of it count.
    pub bits: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.bits)
    }
}

/// `[security.limits]`: rates of one source; three times as much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests per second of a source that has not authenticated; default 20.
    pub unauthenticated: u32,
    /// Requests per second of a phone that has; default 50.
    pub authenticated: u32,
    /// New calls per second of such a phone; default 5.
    pub calls: u32,
    /// Per minute, of what is no SIP; default 50.
    pub malformed: u32,
    /// New connections per second; default 10.
    pub connections: u32,
    /// Sources that are remembered; default 65536.
    pub sources: usize,
    /// New work that waits longer than this shows overload; default 20 ms.
    pub overload_delay: Duration,
}

/// `[security.bans]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanRules {
    /// So many failed logins …
    pub failures: usize,
    /// … within this time; default 15 in 5 minutes.
    pub within: Duration,
    /// How long the first ban lasts; default 10 minutes. Each further one lasts twice as long …
    pub duration: Duration,
    /// … up to this; default 24 hours.
    pub longest: Duration,
    /// So many failed logins for one line within the same time, from wherever, are an alarm; default 50.
    pub alarm: u32,
}

/// Names that no phone has.
const SCANNERS: [&str; 6] =
    ["friendly-scanner", "sipvicious", "sundayddr", "sip-scan", "sipscan", "pplsip"];

impl Default for Security {
    fn default() -> Self {
        let own = ["127.0.0.1", "::1"];
        Self {
            exempt: own.iter().filter_map(|own| Network::parse(own)).collect(),
            emergency: vec!["112".to_owned(), "911".to_owned()],
            scanners: SCANNERS.map(str::to_owned).to_vec(),
            limits: RateLimits {
                unauthenticated: 20,
                authenticated: 50,
                calls: 5,
                malformed: 50,
                connections: 10,
                sources: 65_536,
                overload_delay: Duration::from_millis(20),
            },
            bans: BanRules {
                failures: 15,
                within: Duration::from_secs(300),
                duration: Duration::from_secs(600),
                longest: Duration::from_secs(86_400),
                alarm: 50,
            },
        }
    }
}
