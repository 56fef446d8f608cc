//! Transfer with and without consultation, and redirection.

use crate::constant::{
    CallFeature, CallFeature2, CallOrigin, CallParamFlag, CallState, LineErr, TransferMode,
};
use crate::model::{Call, CallInfo, CallParams, PartyId};
use crate::server::{Fault, Purpose, Server};

use super::call_params::call_params;
use super::dial_string::{check_country_code, number, whole};
use super::lookup::{Held, check_owner};
use super::make_call::outgoing;
use super::{Asked, Intent, Outcome};

/// lineSetupTransfer: the call goes on consultation hold, the consultation call begins.
pub(super) fn setup(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let wishes = asked.params.opt_object("callParams")?;
    check_owner(&held)?;
    let consult = consult_params(server, asked, &held, CallParamFlag::OneStepTransfer)?;
    if consult.is_special {
        server.check_variant(&held, CallFeature2::OneStepTransfer)?;
    }
    server.check_feature(&held, CallFeature::SetupTransfer)?;
    let target = consult
        .target(wishes.and_then(|w| w.get("targetAddress")).is_some(), &server.config.domain)?;
    server.check_room(&held, CallFeature::SetupTransfer)?;
    let call = consultation(server, &held, &consult.params, target.as_deref());
    let (key, h_line, device) = (held.key, held.holder.h_line, held.call.line);
    let made = server.make(asked.application, call, "hConsultCall");
    let params = Box::new(consult.params);
    let intent = Intent::SetupTransfer { call: key, consultation: made.call, target, params };
    Ok(Outcome::begin(intent, h_line, device, Some(key), vec![made]))
}

/// What is asked for a consultation call.
pub(super) struct Consult {
    pub(super) params: CallParams,
    /// ONESTEPTRANSFER or NOHOLDCONFERENCE.
    pub(super) is_special: bool,
    address: Option<String>,
}

impl Consult {
    /// The number that a one-step transfer or a no-hold conference dials at once.
    pub(super) fn target(&self, is_given: bool, domain: &str) -> Result<Option<String>, Fault> {
        match &self.address {
            Some(address) if self.is_special => whole(address, domain).map(Some),
            None if self.is_special && !is_given => {
                let detail = "Parameter targetAddress of callParams is needed.";
                Err(Fault::line(LineErr::InvalCallParams, detail))
            }
            _ => Ok(None),
        }
    }
}

/// Reads the parameters of a consultation call; `special` is the flag that it may have.
pub(super) fn consult_params(
    server: &Server,
    asked: Asked<'_>,
    held: &Held<'_>,
    special: CallParamFlag,
) -> Result<Consult, Fault> {
    let none = Consult { params: CallParams::default(), is_special: false, address: None };
    let Some(wishes) = asked.params.opt_object("callParams")? else { return Ok(none) };
    let Some(line) = server.lines.get(held.call.line.0 as usize) else { return Ok(none) };
    let params = call_params(wishes, line)?;
    let address = wishes.opt_text("targetAddress", LineErr::InvalCallParams)?;
    let is_special = params.flags.contains(special);
    Ok(Consult { params, is_special, address: address.map(str::to_owned) })
}

/// A consultation call, begun for a call that is there.
pub(super) fn consultation(
    server: &Server,
    first: &Held<'_>,
    params: &CallParams,
    target: Option<&str>,
) -> Call {
    let (line, address) = (first.call.line, first.call.address);
    let spec = server.lines.get(line.0 as usize).and_then(|line| line.address(address));
    let number = spec.map_or("", |address| &address.number);
    let called = target.unwrap_or_default().split(',').next().unwrap_or_default();
    let mut info = outgoing(params, number, called);
    info.related_call_id = first.call.info.call_id;
    let mut call = Call::new(line, address, info, server.now_ms);
    call.takes_digits = target.is_none();
    call.has_digits = target.is_some();
    call.consults = Some(first.key);
    call
}

/// The parent of a conference to be, on the address of one of its calls.
pub(super) fn conference(server: &Server, first: &Call) -> Call {
    let info = CallInfo {
        origin: CallOrigin::Conference,
        caller: PartyId::unavail(),
        called: PartyId::unavail(),
        connected: PartyId::unavail(),
        ..CallInfo::default()
    };
    Call::new(first.line, first.address, info, server.now_ms)
}

/// lineCompleteTransfer: joins the far parties, or all three in a conference. Of a pair that is
/// known, either call may be named first.
pub(super) fn complete(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let call = server.held_call(asked)?;
    let other = server.named_call(asked, "hConsultCall", LineErr::InvalConsultCallHandle)?;
    check_owner(&call)?;
    check_owner(&other)?;
    let mode = asked.params.constant::<TransferMode>("transferMode", LineErr::InvalTransferMode)?;
    server.check_variant(
        &call,
        match mode {
            TransferMode::Transfer => CallFeature2::TransferNorm,
            TransferMode::Conference => CallFeature2::TransferConf,
        },
    )?;
    let (held, active) =
        if server.is_transfer_pair(other.key, call.key) { (other, call) } else { (call, other) };
    if !server.is_transfer_pair(held.key, active.key) {
        let detail = "The calls are not a held call and one that it can be transferred to.";
        return Err(Fault::line(LineErr::InvalCallState, detail));
    }
    let to_busy = server.offers_of(held.call).is_some_and(|offers| offers.transfers_to_busy);
    if active.call.state == CallState::Busy && !to_busy {
        let detail = "The party is busy.";
        return Err(Fault::line(LineErr::OperationFailed, detail));
    }
    let has_conference = mode == TransferMode::Conference;
    if has_conference && !server.can_confer(held.key, active.key) {
        let detail = "A conference needs both parties connected.";
        return Err(Fault::line(LineErr::InvalCallState, detail));
    }
    server.check_feature(&held, CallFeature::CompleteTransf)?;
    server.check_feature(&active, CallFeature::CompleteTransf)?;
    if has_conference {
        server.check_transfer_conference(held.call).map_err(|error| {
            Fault::line(error, "The address has no conferences of three parties.")
        })?;
    }
    let (first, second) = (held.key, active.key);
    let (h_line, device, named) = (call.holder.h_line, call.call.line, call.key);
    let mut created = Vec::new();
    if has_conference {
        let parent = conference(server, held.call);
        created.push(server.make(asked.application, parent, "hConfCall"));
    }
    let parent = created.first().map(|made| made.call);
    let intent = Intent::CompleteTransfer { held: first, consultation: second, conference: parent };
    Ok(Outcome::begin(intent, h_line, device, Some(named), created))
}

/// lineBlindTransfer.
pub(super) fn blind(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (held, destination) = deflection(server, asked, CallFeature::BlindTransfer)?;
    Ok(held.begin(Intent::BlindTransfer { call: held.key, destination }, Purpose::Other))
}

/// lineRedirect: sends an offered call elsewhere.
pub(super) fn redirect(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (held, destination) = deflection(server, asked, CallFeature::Redirect)?;
    Ok(held.begin(Intent::Redirect { call: held.key, destination }, Purpose::Other))
}

fn deflection<'s>(
    server: &'s Server,
    asked: Asked<'_>,
    feature: CallFeature,
) -> Result<(Held<'s>, String), Fault> {
    let held = server.held_call(asked)?;
    let text = asked.params.opt_text("destAddress", LineErr::InvalAddress)?.unwrap_or_default();
    let country = asked.params.opt_number("countryCode", LineErr::InvalCountryCode)?;
    check_owner(&held)?;
    check_country_code(country.unwrap_or(0))?;
    server.check_feature(&held, feature)?;
    Ok((held, number(text, &server.config.domain)?))
}
