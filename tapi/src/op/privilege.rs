//! Handles and ownership of calls, and what only an owner may write into a call.

use serde_json::json;

use crate::constant::{CallInfoState, CallPrivilege, CallSelect, CallState, LineErr, MediaMode};
use crate::model::{API_2_0, CallKey};
use crate::server::{Fault, Server};

use super::{Asked, Outcome};

/// lineDeallocateCall: gives the handle back. The call is not touched.
pub(super) fn deallocate(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let app = server.applications.get(&asked.application);
    let open = app.and_then(|app| app.opens.get(&held.holder.h_line));
    let is_old = open.is_some_and(|open| open.api_version < API_2_0);
    let is_sole_owner = held.holder.is_owner() && held.call.owners() == 1;
    if is_old && is_sole_owner && held.call.state != CallState::Idle {
        let detail = "The only owner of a call drops it first.";
        return Err(Fault::line(LineErr::InvalCallState, detail));
    }
    let h_call = held.holder.h_call;
    server.release_handle(asked.application, h_call);
    Ok(Outcome::nothing())
}

/// lineSetCallPrivilege: becomes an owner, or steps down to monitor.
pub(super) fn set_call_privilege(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let error = LineErr::InvalCallPrivilege;
    let privilege = asked.params.constant::<CallPrivilege>("callPrivilege", error)?;
    if privilege == CallPrivilege::None {
        return Err(Fault::line(error, "The privilege is OWNER or MONITOR."));
    }
    let (key, old, h_call) = (held.key, held.holder.privilege, held.holder.h_call);
    if old == privilege {
        return Ok(Outcome::nothing());
    }
    let is_sole_owner = held.holder.is_owner() && held.call.owners() == 1;
    if is_sole_owner && held.call.state != CallState::Idle {
        let detail = "The only owner of a call cannot step down.";
        return Err(Fault::line(LineErr::InvalCallState, detail));
    }
    let holders = server.calls.get_mut(key).map(|call| &mut call.holders);
    for holder in holders.into_iter().flatten() {
        if holder.application == asked.application && holder.h_call == h_call {
            holder.privilege = privilege;
        }
    }
    let owners = match privilege {
        CallPrivilege::Owner => CallInfoState::NumOwnerIncr,
        _ => CallInfoState::NumOwnerDecr,
    };
    server.tell_info(key, owners | CallInfoState::NumMonitors, Some(asked.application));
    Ok(Outcome::nothing())
}

/// lineGetNewCalls: MONITOR handles to the calls that the application has none for.
pub(super) fn new_calls(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let (_, line) = server.visible_line(asked, open.device)?;
    let select = asked.params.opt_constant::<CallSelect>("select", LineErr::InvalCallSelect)?;
    let address = match select.unwrap_or(CallSelect::Line) {
        CallSelect::Line => None,
        CallSelect::Address => Some(server.address(asked, line)?),
        _ => {
            let detail = "Calls of a line or of an address are asked for.";
            return Err(Fault::line(LineErr::InvalCallSelect, detail));
        }
    };
    let is_new = |key: &CallKey| {
        server.calls.get(*key).is_some_and(|call| {
            call.creation.is_none()
                && address.is_none_or(|address| address == call.address)
                && !call.is_held_by(asked.application)
        })
    };
    let found: Vec<CallKey> = line.calls.iter().copied().filter(is_new).collect();
    let mut handles = Vec::with_capacity(found.len());
    for key in found {
        let entry = (asked.application, h_line);
        if let Some(holder) = server.give_handle(key, entry, CallPrivilege::Monitor) {
            handles.push(holder.h_call);
            let change = CallInfoState::NumMonitors.into();
            server.tell_info(key, change, Some(asked.application));
        }
    }
    Ok(Outcome::object(json!({ "calls": handles })))
}

/// lineSetAppSpecific: the application's own number; the other holders are told.
pub(super) fn set_app_specific(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.held_call(asked)?;
    let value = asked.params.number("appSpecific", LineErr::OperationFailed)?;
    let key = server.owned_call(asked)?.key;
    if let Some(call) = server.calls.get_mut(key) {
        call.info.app_specific = value;
    }
    server.tell_info(key, CallInfoState::AppSpecific.into(), Some(asked.application));
    Ok(Outcome::nothing())
}

/// lineSetMediaMode: what the owner takes the call's media for. Several only with UNKNOWN.
pub(super) fn set_media_mode(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.held_call(asked)?;
    let error = LineErr::InvalMediaMode;
    let modes = asked.params.mask::<MediaMode>("mediaModes", error)?;
    let held = server.owned_call(asked)?;
    let line = server.lines.get(held.call.line.0 as usize);
    let is_carried = line.is_some_and(|line| line.spec.media_modes.contains_all(modes));
    let is_one = modes.len() == 1 || modes.contains(MediaMode::Unknown);
    if !is_carried || !is_one {
        return Err(Fault::line(error, "One media mode of the line, or several with UNKNOWN."));
    }
    let key = held.key;
    let call = server.calls.get_mut(key);
    if let Some(call) = call.filter(|call| call.info.media_mode != modes) {
        call.info.media_mode = modes;
        server.tell_info(key, CallInfoState::MediaMode.into(), None);
    }
    Ok(Outcome::nothing())
}
