//! The functions: what each one checks, and what it leads to.
//!
//! Checks come in one order everywhere: initialisation, handles, types, ownership, scalar
//! parameters, capability, line state, call state, address content, resources.

mod agent;
mod answer;
mod application;
mod call_data;
mod call_params;
mod caps;
mod completion;
mod conference;
mod dial_string;
mod digits;
mod forward;
mod handoff;
mod intent;
mod lookup;
mod make_call;
mod open;
mod params;
mod park;
mod privilege;
mod proxy;
mod query;
mod situation;
mod table;
mod transfer;
mod translate;

use serde_json::{Map, Value};

use crate::constant::LineErr;
use crate::model::{ApplicationId, CallKey, ConnectionId, DeviceId};
use crate::server::{Begun, Created, Fault, Purpose, Server};

pub use intent::{GeneratedTone, Intent, PickupTarget};
pub(crate) use params::Params;

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

    /// By a reply, when the provider has carried the intent out.
    fn begin(
        intent: Intent,
        h_line: u32,
        device: DeviceId,
        call: Option<CallKey>,
        created: Vec<Created>,
    ) -> Self {
        let (intent, purpose) = (Some(intent), Purpose::Other);
        Self::Begin(Box::new(Begun { intent, h_line, device, call, created, purpose }))
    }

    fn nothing() -> Self {
        Self::Done(Map::new())
    }
}

/// The names of the functions that can be called with success, where the provider offers them.
pub fn offered_functions() -> impl Iterator<Item = &'static str> {
    table::offered()
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
    let run = match function {
        Function::Run(run) => Some(run),
        Function::Offered(what, run) if !server.is_withheld(asked, what) => Some(run),
        _ => None,
    };
    let Some(run) = run else {
        server.check_handles(asked)?;
        let detail = format!("{method} is not offered.");
        return Err(Fault::line(LineErr::OperationUnavail, detail));
    };
    run(server, asked)
}

impl Server {
    /// Whether the line of a request does not offer the operation on any address. False where
    /// the request names no line: then its own checks say what is wrong.
    fn is_withheld(&self, asked: Asked<'_>, what: table::Offer) -> bool {
        let Some(device) = self.subject(asked) else { return false };
        match what {
            table::Offer::Call(feature) => !self.line_offers(device, feature),
            table::Offer::Address(feature) => !self.line_offers_address(device, feature),
            table::Offer::Either(on_call, on_address) => {
                !self.line_offers(device, on_call) && !self.line_offers_address(device, on_address)
            }
        }
    }
}
