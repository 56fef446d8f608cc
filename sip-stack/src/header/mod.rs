//! Typed views of header values, borrowed from a message, and their writers.
//!
//! Each view reads one value (one element of a list) with `parse` and writes it with `Display`:
//! lenient in, strict out. Views know nothing of transactions or dialogs.

mod auth;
mod contact;
mod cseq;
mod date;
mod diversion;
mod event;
mod identity;
mod media_type;
mod name_addr;
mod params;
mod reason;
mod refer;
mod reliability;
mod replaces;
mod retry_after;
mod session_timer;
mod subscription_state;
mod text;
mod user_to_user;
mod via;

pub use auth::{Challenge, Credentials};
pub use contact::{Contact, Contacts};
pub use cseq::CSeq;
pub use date::Date;
pub use diversion::{Diversion, HistoryInfo};
pub use event::Event;
pub use identity::{Privacy, PrivacyLevel};
pub use media_type::MediaType;
pub use name_addr::NameAddr;
pub use params::{MAX_PARAMETERS, Param, Params};
pub use reason::Reason;
pub use refer::ReferTo;
pub use reliability::RAck;
pub use replaces::{Join, Replaces, TargetDialog};
pub use retry_after::RetryAfter;
pub use session_timer::{Refresher, SessionExpires};
pub use subscription_state::SubscriptionState;
pub use text::{List, parse_number, quote, unquote};
pub use user_to_user::{MAX_USER_TO_USER, UserToUser};
pub use via::{Rport, Via};
