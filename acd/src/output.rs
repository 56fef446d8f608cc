//! What the centre asks of the exchange and tells applications.

use std::time::Duration;

use tapi::DeviceId;
use tapi::agent::{AgentId, AgentNotice, AgentSessionId, QueueId, WorkAddress};

use crate::plan::Destination;
use crate::queue::CallKey;

/// Something to do, or to tell.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Ring this phone for the call.
    Ring {
        /// The call.
        call: CallKey,
        /// The queue that it waits in.
        queue: QueueId,
        /// Whose phone.
        agent: AgentId,
        /// The session that will have the call.
        session: AgentSessionId,
        /// The phone.
        at: WorkAddress,
        /// How long; without it as long as the line says.
        timeout: Option<Duration>,
    },
    /// Ring this phone no longer for the call; nothing is to be told of it any more.
    StopRinging {
        /// The call.
        call: CallKey,
        /// The phone.
        at: WorkAddress,
        /// Whether another agent has it: the phone then shows no missed call.
        is_answered_elsewhere: bool,
    },
    /// The call has left its queue and must go elsewhere.
    Overflow {
        /// The call.
        call: CallKey,
        /// The queue that it left.
        from: QueueId,
        /// Where it goes. A queue: [`enqueue`](crate::Center::enqueue) it there with `from`.
        to: Destination,
        /// Why.
        why: Overflowed,
    },
    /// Tell a waiting caller how things stand.
    Announce {
        /// The call.
        call: CallKey,
        /// Its place, 1 is the next.
        position: u32,
        /// How long it will take, as far as that can be said.
        expected_wait: Option<Duration>,
    },
    /// A message for every application with a line of this handler open.
    Notice {
        /// The message.
        notice: AgentNotice,
        /// The line where the agent works whom it is about, if it is about one: who may not see
        /// that line is not told.
        at: Option<DeviceId>,
    },
}

/// Why a call could not stay in its queue, or enter it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overflowed {
    /// It waited as long as the queue lets it.
    MaxWait,
    /// Nobody is logged in.
    NobodyLoggedIn,
    /// The queue is full.
    Full,
    /// The queue was taken out of the configuration.
    QueueRemoved,
}
