//! Applications as agent handlers: what they serve, what they answer, what they tell
//! (tapi-agents 4 and 5).

use serde_json::{Map, Value, json};

use crate::agent::{
    AgentId, AgentNotice, AgentSessionId, QueueId, WorkAddress, read_answer, read_group,
};
use crate::constant::{
    AgentSessionStatusChange, AgentStatusChange, AgentStatusExChange, Constant, GroupStatusChange,
    LineErr, Mask, NotAConstant, ProxyMessage, ProxyRequest, QueueStatusChange, read,
};
use crate::model::{AddressId, AgentService, CallKey, DeviceId};
use crate::server::{Fault, Server};

use super::caps::app_version;
use super::lookup::existing_address;
use super::{Asked, Outcome, Params};

/// LINEOPENOPTION_PROXY: the types of requests that lineOpen names, which nobody serves yet.
pub(super) fn requested(
    server: &Server,
    asked: Asked<'_>,
    device: DeviceId,
) -> Result<Vec<ProxyRequest>, Fault> {
    let taken = |detail: &str| Err(Fault::line(LineErr::NotRegistered, detail));
    match server.agent_service(device) {
        AgentService::None => {
            let detail = "Agents are not handled on this line.";
            return Err(Fault::line(LineErr::OperationUnavail, detail));
        }
        AgentService::BuiltIn => return taken("The switch handles the agents of this line."),
        AgentService::Application => {}
    }
    let missing = || Fault::Params("Parameter callParams.proxyRequests is missing.".to_owned());
    let params = asked.params.opt_object("callParams")?.ok_or_else(missing)?;
    let list = params.opt_list("proxyRequests")?.ok_or_else(missing)?;
    let mut kinds = Vec::new();
    for item in list {
        let kind = read::<ProxyRequest>(item).map_err(|error| match error {
            NotAConstant::Value => {
                Fault::line(LineErr::InvalParam, "There is no such type of requests.")
            }
            NotAConstant::Type => {
                Fault::Params("Parameter proxyRequests must be names of constants.".to_owned())
            }
        })?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        let detail = "A handler serves one type of requests at least.";
        return Err(Fault::line(LineErr::InvalParam, detail));
    }
    let served = server.served_requests(device);
    match kinds.iter().find(|kind| served.contains(kind)) {
        Some(kind) => taken(&format!("{} is served already.", kind.name())),
        None => Ok(kinds),
    }
}

/// lineGetProxyStatus: which types of requests are served on a line.
pub(super) fn status(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (device, _) = server.device(asked)?;
    app_version(asked)?;
    Ok(Outcome::object(json!({ "proxyRequests": server.served_requests(device) })))
}

/// The open line of a handler.
fn handler_line(server: &Server, asked: Asked<'_>) -> Result<(u32, DeviceId), Fault> {
    let (h_line, open) = server.open_line(asked)?;
    if server.is_proxy(asked.application, h_line) {
        return Ok((h_line, open.device));
    }
    let detail = "The line was not opened with LINEOPENOPTION_PROXY.";
    Err(Fault::line(LineErr::NotRegistered, detail))
}

/// lineProxyResponse: completes a request. An answer that cannot be read leaves it open.
pub(super) fn respond(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, _) = handler_line(server, asked)?;
    let number = asked.params.number("proxyRequest", LineErr::InvalParam)?;
    let Some(one) = server.proxied(asked.application, h_line, number) else {
        let detail = format!("There is no unanswered request {number} of this line.");
        return Err(Fault::line(LineErr::InvalParam, detail));
    };
    let result = match final_result(asked.params)? {
        Err(error) => Err(error),
        Ok(()) => {
            let data = match asked.params.get("data") {
                None => Map::new(),
                Some(Value::Object(data)) => data.clone(),
                Some(_) => {
                    return Err(Fault::Params("Parameter data must be an object.".to_owned()));
                }
            };
            let Some(answer) = read_answer(one.kind, one.device, &data) else {
                let detail = format!("The data do not answer {}.", one.kind.name());
                return Err(Fault::line(LineErr::InvalParam, detail));
            };
            Ok(answer)
        }
    };
    server.answer_proxied(number, result);
    Ok(Outcome::nothing())
}

/// `result`: 0, or an error by its name or number.
fn final_result(params: &Params<'_>) -> Result<Result<(), LineErr>, Fault> {
    let wrong = || Fault::line(LineErr::InvalParam, "Parameter result is 0 or a LINEERR_ code.");
    match params.get("result") {
        None => Err(Fault::Params("Parameter result is missing.".to_owned())),
        Some(Value::String(name)) => LineErr::from_name(name).map(Err).ok_or_else(wrong),
        Some(Value::Number(number)) => {
            let code = number.as_i64().ok_or_else(wrong)?;
            if code == 0 {
                return Ok(Ok(()));
            }
            // Signed as functions return it, or the bits of the constant.
            let bits = i32::try_from(code).map(i32::cast_unsigned).or(u32::try_from(code));
            let bits = bits.map_err(|_| wrong())?;
            match LineErr::from_value(bits) {
                Some(error) => Ok(Err(error)),
                // Codes of the handler's own are nothing that clients can know.
                None if bits >= 0xC000_0000 => Ok(Err(LineErr::OperationFailed)),
                None => Err(wrong()),
            }
        }
        Some(_) => Err(Fault::Params("Parameter result must be a number or a string.".to_owned())),
    }
}

/// lineProxyMessage: tells everybody who has the line open.
pub(super) fn message(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, device) = handler_line(server, asked)?;
    let call = call(server, asked)?;
    let notice = notice(server, asked.params, device)?;
    server.pass_message(device, (asked.application, h_line), call, &notice);
    Ok(Outcome::nothing())
}

/// `hCall`, which may be 0 or left out.
fn call(server: &Server, asked: Asked<'_>) -> Result<Option<CallKey>, Fault> {
    match asked.params.opt_number("hCall", LineErr::InvalCallHandle)? {
        None | Some(0) => Ok(None),
        Some(_) => Ok(Some(server.held_call(asked)?.key)),
    }
}

/// `msg` and `param1` to `param3`.
fn notice(server: &Server, params: &Params<'_>, device: DeviceId) -> Result<AgentNotice, Fault> {
    let error = LineErr::InvalParam;
    let message = params.constant::<ProxyMessage>("msg", error)?;
    let first = params.opt_number("param1", error)?.unwrap_or(0);
    let at = WorkAddress { line: device, address: AddressId(0) };
    Ok(match message {
        ProxyMessage::AgentStatus => {
            let line = server.lines.get(device.0 as usize);
            let address = line.map_or(Ok(at.address), |line| {
                let known = existing_address(line, AddressId(first));
                known.map_err(|_| Fault::line(error, "The line has no such address."))
            })?;
            let (changed, state) = change(params, AgentStatusChange::State)?;
            AgentNotice::Address { at: WorkAddress { address, ..at }, changed, state }
        }
        ProxyMessage::AgentStatusEx => {
            let (changed, state) = change(params, AgentStatusExChange::State)?;
            AgentNotice::Agent { agent: AgentId(first), changed, state }
        }
        ProxyMessage::AgentSessionStatus => {
            let (changed, state) = change(params, AgentSessionStatusChange::State)?;
            AgentNotice::Session { session: AgentSessionId(first), changed, state }
        }
        ProxyMessage::QueueStatus => {
            let changed = some_mask::<QueueStatusChange>(params)?;
            AgentNotice::Queue { queue: QueueId(first), changed }
        }
        ProxyMessage::GroupStatus => {
            let group = params.get("groupId").map(|value| {
                read_group(value).ok_or_else(|| Fault::line(error, "A group is a GUID."))
            });
            let changed = some_mask::<GroupStatusChange>(params)?;
            AgentNotice::Group { group: group.transpose()?, changed }
        }
        ProxyMessage::AgentSpecific => {
            let own = |name| params.get(name).cloned().unwrap_or(Value::from(0));
            let params = json!([own("param2"), own("param3")]);
            AgentNotice::Specific { at, extension: first, params }
        }
    })
}

/// `param2`, with something in it.
fn some_mask<C: Constant>(params: &Params<'_>) -> Result<Mask<C>, Fault> {
    let mask = params.mask::<C>("param2", LineErr::InvalParam)?;
    if mask.is_empty() {
        return Err(Fault::line(LineErr::InvalParam, "Parameter param2 says nothing."));
    }
    Ok(mask)
}

/// `param2` and, where STATE is among it, `param3`.
fn change<C: Constant, S: Constant>(
    params: &Params<'_>,
    state_bit: C,
) -> Result<(Mask<C>, Option<S>), Fault> {
    let mask = some_mask::<C>(params)?;
    let state = params.opt_constant::<S>("param3", LineErr::InvalParam)?;
    if mask.contains(state_bit) != state.is_some() {
        let detail = "Parameter param3 is the new state with STATE in param2, else 0.";
        return Err(Fault::line(LineErr::InvalParam, detail));
    }
    Ok((mask, state))
}
