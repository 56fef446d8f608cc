//! The functions: what each one checks, and what it leads to.
//!
//! Checks come in one order everywhere: initialisation, handles, types, ownership, scalar
//! parameters, capability, line state, call state, address content, resources.

mod answer;
mod application;
mod caps;
mod dial_string;
mod lookup;
mod make_call;
mod open;
mod params;
mod privilege;
mod query;
mod table;

use serde_json::{Map, Value};

use crate::constant::LineErr;
use crate::model::{AddressId, ApplicationId, CallKey, CallParams, ConnectionId, DeviceId};
use crate::server::{Begun, Fault, Server};

pub(crate) use params::Params;

/// What an application wants done, after every documented check has passed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Intent {
    /// lineMakeCall: begin a call from this address. The call is there already, without a
    /// state; it becomes known to applications when the request succeeds.
    MakeCall {
        /// The line that calls.
        line: DeviceId,
        /// The address that calls.
        address: AddressId,
        /// The new call.
        call: CallKey,
        /// The digits dialled; empty to take only an appearance.
        destination: String,
        /// Whether the number is complete; if not, more comes by [`Intent::Dial`].
        complete: bool,
        /// What the call shall be.
        params: Box<CallParams>,
    },
    /// lineDial: more digits.
    Dial {
        /// The call.
        call: CallKey,
        /// The digits, possibly none.
        digits: String,
        /// Whether the number is complete with them.
        complete: bool,
    },
    /// lineAccept: somebody takes responsibility for the offered call.
    Accept {
        /// The call.
        call: CallKey,
    },
    /// lineAnswer: make the phone answer, or join.
    Answer {
        /// The call.
        call: CallKey,
    },
    /// lineDrop: reject, abandon, release or clear.
    Drop {
        /// The call.
        call: CallKey,
    },
    /// lineHold.
    Hold {
        /// The call.
        call: CallKey,
    },
    /// lineUnhold.
    Unhold {
        /// The call.
        call: CallKey,
    },
}

/// Who calls a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) connection: ConnectionId,
    pub(crate) application: Option<ApplicationId>,
}

/// A call of a function by an application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) application: ApplicationId,
    pub(crate) params: &'a Params<'a>,
}

/// How a function answers.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// At once, with this result.
    Done(Map<String, Value>),
    /// By a reply, when the intent has been carried out.
    Begin(Box<Begun>),
}

impl Outcome {
    /// A result made with `json!({..})`.
    fn object(value: Value) -> Self {
        match value {
            Value::Object(result) => Self::Done(result),
            _ => Self::Done(Map::new()),
        }
    }

    fn nothing() -> Self {
        Self::Done(Map::new())
    }
}

/// Whether TAPI 2.x has a function of this name.
pub(crate) fn is_known(method: &str) -> bool {
    table::find(method).is_some()
}

/// Calls a function.
pub(crate) fn run(
    server: &mut Server,
    caller: Caller,
    method: &str,
    params: &Params<'_>,
) -> Result<Outcome, Fault> {
    use table::Function;
    let function = table::find(method).unwrap_or(Function::NotOffered);
    if let Function::Start(start) = function {
        return start(server, caller, params);
    }
    let Some(application) = caller.application else {
        let detail = "lineInitializeEx comes first.";
        return Err(Fault::line(LineErr::Uninitialized, detail));
    };
    let asked = Asked { application, params };
    match function {
        Function::Run(run) => run(server, asked),
        _ => {
            server.check_handles(asked)?;
            let detail = format!("{method} is not offered.");
            Err(Fault::line(LineErr::OperationUnavail, detail))
        }
    }
}
