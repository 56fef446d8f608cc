//! The configuration of the switch: typed model, loading, diagnosis, and what changed between two files.
//!
//! A file is checked whole: [`load`] and [`parse`] answer every fault at once, each with its line and
//! column, what was expected and, where a name was probably misspelt, the name that was meant.
//! This crate knows nothing of SIP messages, media or TAPI; it hands out plain data.

mod availability;
mod bindable;
mod certificate;
mod check;
mod diagnose;
mod diff;
mod duration;
mod load;
mod model;
mod secret;
mod sound;

pub use bindable::check_bindable;
pub use certificate::{certificate_warnings, check_certificates};
pub use diagnose::Diagnosis;
pub use diff::{Changes, diff};
pub use duration::{DurationFault, format_duration, parse_duration};
pub use load::{load, parse};
pub use model::capture::Capture;
pub use model::centre::{
    Agent, AgentGroup, Announcements, CallCentre, Queue, QueueStrategy, WhenEmpty,
};
pub use model::feature::{
    Completion, Conference, FeatureCode, FeatureCodes, HuntGroup, Lot, OnTimeout, Park,
    PickupGroup, Room, Slots, Strategy,
};
pub use model::guard::{BanRules, Network, Outside, RateLimits, Security};
pub use model::line::{AgentHandler, Line, LineDefaults, SharedLine};
pub use model::record::{CallRecords, Recording, RecordingFormat};
pub use model::rim::{
    Api, DigestAlgorithm, FastPath, Listen, Media, Registration, Scope, Sip, Speech, State,
    StatePath, Switch, Token, Transport,
};
pub use model::route::{CallingCard, IdentifyBy, Location, Peer, Route, Trunk};
pub use model::security::{Srtp, SrtpKeys};
pub use model::subscription::{Subscriptions, Watchers};
pub use model::tls::{ClientCertificates, Connections, Tls, TlsIdentity, TlsVersion};
pub use model::{Config, Places};
pub use secret::Secret;
pub use sound::Sound;
