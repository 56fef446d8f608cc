//! Completion of calls that met busy or no answer.

use crate::constant::{AddrFeature, CallComplMode, CallFeature, CallFeature2, LineErr};
use crate::feature;
use crate::server::{Begun, Fault, Purpose, Server};

use super::lookup::check_owner;
use super::{Asked, Intent, Outcome};

/// lineCompleteCall.
pub(super) fn complete(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    check_owner(&held)?;
    let error = LineErr::InvalCallComplMode;
    let mode = asked.params.constant::<CallComplMode>("completionMode", error)?;
    let message = asked.params.opt_number("messageId", LineErr::InvalMessageId)?.unwrap_or(0);
    let limits = server.offers_of(held.call).map(|offers| &offers.completion);
    let messages = limits.map_or(0, |limits| limits.messages.len());
    let max = limits.map_or(0, |limits| limits.max as usize);
    let is_message = mode == CallComplMode::Message;
    if is_message && message as usize >= messages {
        let detail = format!("There are {messages} completion messages.");
        return Err(Fault::line(LineErr::InvalMessageId, detail));
    }
    server.check_variant(
        &held,
        match mode {
            CallComplMode::CampOn => CallFeature2::ComplCampOn,
            CallComplMode::Callback => CallFeature2::ComplCallback,
            CallComplMode::Intrude => CallFeature2::ComplIntrude,
            CallComplMode::Message => CallFeature2::ComplMessage,
        },
    )?;
    server.check_feature(&held, CallFeature::CompleteCall)?;
    let situation = server.call_situation(held.key, held.holder.privilege);
    feature::check_completion(mode, &situation).map_err(|error| {
        Fault::line(error, "The called party rings; this mode needs one that is busy.")
    })?;
    let stays = matches!(mode, CallComplMode::CampOn | CallComplMode::Callback);
    let line = server.lines.get(held.call.line.0 as usize);
    let here = line.map_or(0, |line| {
        line.completions.values().filter(|address| **address == held.call.address).count()
    });
    if stays && here >= max {
        let detail = "Too many completion requests are outstanding.";
        return Err(Fault::line(LineErr::CompletionOverrun, detail));
    }
    let (h_line, device, call) = (held.holder.h_line, held.call.line, held.key);
    let completion = server.next_completion_id();
    let message = is_message.then_some(message);
    let intent = Intent::CompleteCall { call, mode, completion, message };
    Ok(Outcome::Begin(Box::new(Begun {
        intent: Some(intent),
        h_line,
        device,
        call: Some(call),
        created: Vec::new(),
        purpose: Purpose::Completion(completion),
    })))
}

/// lineUncompleteCall.
pub(super) fn uncomplete(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let error = LineErr::InvalCompletionId;
    let completion = asked.params.number("completionId", error)?;
    let (device, line) = server.visible_line(asked, open.device)?;
    let Some(address) = line.completions.get(&completion).copied() else {
        let detail = format!("No completion request {completion} is outstanding.");
        return Err(Fault::line(error, detail));
    };
    let situation = server.address_situation(device, line, address);
    if !situation.offered.contains(AddrFeature::UncompleteCall) {
        let detail = "Completion requests of this address are not cancelled here.";
        return Err(Fault::line(LineErr::OperationUnavail, detail));
    }
    if !feature::address_features(&situation).contains(AddrFeature::UncompleteCall) {
        return Err(Fault::line(LineErr::OperationFailed, "The line is out of service."));
    }
    let intent = Intent::UncompleteCall { line: device, completion };
    Ok(Outcome::begin(intent, h_line, device, None, Vec::new()))
}
