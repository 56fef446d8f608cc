//! The objects of line control: lines and addresses, calls, applications and their handles.
//!
//! Plain data and the rules that need nothing else; who is told of a change is `server`'s matter.

mod application;
mod call;
pub mod info;
mod line;
mod offer;
mod privilege;
mod state;

pub(crate) use application::{Application, OpenLine};
pub use application::{ApplicationId, ConnectionId, LineFilter};
pub(crate) use call::{Call, Calls, Detection, Holder};
pub use call::{CallCapability, CallKey, Tone};
pub use info::{CallInfo, CallParams, DialParams, PartyId};
pub use line::{AddressId, AddressSpec, DeviceId, Forward, Forwarding, LineSpec};
pub(crate) use line::{Counts, Line};
pub use offer::{AgentService, CompletionLimits, ForwardLimits, LineOffers, Offers};
pub(crate) use offer::{FORWARDS, PICKUPS, base_of, has_variant};
pub(crate) use privilege::{Candidate, Priorities};
pub use state::{CallMode, StateError, is_legal};

/// API version 1.3, the oldest an application may ask for.
pub const API_1_3: u32 = 0x0001_0003;
/// API version 1.4.
pub const API_1_4: u32 = 0x0001_0004;
/// API version 2.0.
pub const API_2_0: u32 = 0x0002_0000;
/// API version 2.2, the newest that is spoken here.
pub const API_2_2: u32 = 0x0002_0002;
