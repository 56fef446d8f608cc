//! What an owner changes about a call without moving it: security, data, treatment, parameters,
//! user-user information.

use serde_json::Value;

use crate::constant::{BearerMode, CallFeature, CallTreatment, Constant as _, LineErr, Mask};
use crate::server::{Fault, Purpose, Server};

use super::call_params::{check_bearer, dial_params, user_user_info};
use super::lookup::check_owner;
use super::{Asked, Intent, Outcome};

/// lineSecureCall: nothing interferes with the call from now on.
pub(super) fn secure(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.owned_call(asked)?;
    server.check_feature(&held, CallFeature::SecureCall)?;
    Ok(held.begin(Intent::SecureCall { call: held.key }, Purpose::Secure))
}

/// lineSetCallData: replaces the data that go with the call.
pub(super) fn set_call_data(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let data = match asked.params.get("callData") {
        None => "",
        Some(Value::String(data)) => data,
        Some(_) => return Err(Fault::Params("Parameter callData must be a string.".to_owned())),
    };
    check_owner(&held)?;
    let max = server.offers_of(held.call).map_or(0, |offers| offers.max_call_data);
    if data.len() > max as usize {
        let detail = format!("Call data have at most {max} bytes.");
        return Err(Fault::line(LineErr::InvalParam, detail));
    }
    server.check_feature(&held, CallFeature::SetCallData)?;
    let intent = Intent::SetCallData { call: held.key, data: data.to_owned() };
    Ok(held.begin(intent, Purpose::CallData(data.to_owned())))
}

/// lineSetCallTreatment: what the party hears while unanswered or held.
pub(super) fn set_treatment(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.owned_call(asked)?;
    let error = LineErr::InvalParam;
    let treatment = asked.params.constant::<CallTreatment>("treatment", error)?;
    let listed = server.offers_of(held.call).map_or(&[][..], |offers| &offers.treatments);
    if !listed.contains(&treatment) {
        let detail = format!("The address has no {}.", treatment.name());
        return Err(Fault::line(error, detail));
    }
    server.check_feature(&held, CallFeature::SetTreatment)?;
    let intent = Intent::SetCallTreatment { call: held.key, treatment };
    Ok(held.begin(intent, Purpose::Treatment(treatment)))
}

/// lineSetCallParams: bearer mode, rate and dialling times.
pub(super) fn set_params(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    asked.params.opt_object("dialParams")?;
    check_owner(&held)?;
    let error = LineErr::InvalBearerMode;
    let modes = asked.params.opt_mask::<BearerMode>("bearerMode", error)?.unwrap_or(Mask::EMPTY);
    let Some(bearer_mode) = modes.single() else {
        return Err(Fault::line(error, "Exactly one bearer mode is needed."));
    };
    let min_rate = asked.params.opt_number("minRate", LineErr::InvalRate)?.unwrap_or(0);
    let max_rate = asked.params.opt_number("maxRate", LineErr::InvalRate)?.unwrap_or(0);
    let dial_params = dial_params(*asked.params, held.call.info.dial_params)?;
    check_bearer(bearer_mode, min_rate, max_rate)?;
    server.check_feature(&held, CallFeature::SetCallParams)?;
    Ok(held.settle(Purpose::Params { bearer_mode, dial_params }))
}

/// lineSendUserUserInfo.
pub(super) fn send_info(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let line = server.lines.get(held.call.line.0 as usize);
    let max = line.map_or(0, |line| line.spec.offers.user_user_info_size);
    let info = user_user_info(*asked.params, max)?;
    check_owner(&held)?;
    server.check_feature(&held, CallFeature::SendUserUser)?;
    let intent = Intent::SendUserUserInfo { call: held.key, info };
    Ok(held.begin(intent, Purpose::Other))
}

/// lineReleaseUserUserInfo: the next may take the place of what is stored.
pub(super) fn release_info(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.owned_call(asked)?;
    server.check_feature(&held, CallFeature::ReleaseUserUserInfo)?;
    Ok(held.settle(Purpose::ReleaseInfo))
}
