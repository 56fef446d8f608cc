//! A scriptable SIP phone: what `strowger demo` registers, and what tests and load runs dial with.
//!
//! [`PhoneCore`] is a state machine without I/O, so that a simulated network can drive it; [`Phone`]
//! gives it a socket, TLS or WebSocket where wanted, and RTP. It uses the same SIP stack as the switch, from the other side.

mod core;
mod instrument;
mod keypad;
mod rtp;
mod socket;
mod watch;
mod wire;

pub use self::core::{Behaviour, HoldSpelling, PhoneConfig, PhoneCore, PhoneEvent};
pub use self::rtp::RtpCounts;
pub use self::socket::{Phone, PhoneError};
pub use self::watch::Lamp;
pub use self::wire::Access;
