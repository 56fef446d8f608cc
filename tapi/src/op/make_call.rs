//! lineMakeCall and lineDial.

use crate::constant::{
    AddrCapFlag, AddrFeature, AddressMode, BearerMode, CallFeature, CallOrigin, CallParamFlag,
    CallReason, LineErr, Mask, MediaMode,
};
use crate::feature;
use crate::model::{
    AddressId, Call, CallInfo, CallParams, DialParams, Line, PartyId, info::VOICE_RATE_BPS,
};
use crate::server::{Begun, Fault, Purpose, Server};

use super::dial_string::{check_country_code, scan};
use super::lookup::existing_address;
use super::{Asked, Intent, Outcome, Params};

/// LINEADDRESSCAPS.dwMaxNoAnswerTimeout, in seconds.
pub(super) const MAX_NO_ANSWER_TIMEOUT_S: u32 = 600;

/// lineMakeCall: the requester becomes the only owner of the new call.
pub(super) fn make_call(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let device = open.device;
    let text = asked.params.opt_text("destAddress", LineErr::InvalAddress)?;
    let country = asked.params.opt_number("countryCode", LineErr::InvalCountryCode)?;
    let wishes = asked.params.opt_object("callParams")?;
    let (_, line) = server.visible_line(asked, device)?;
    check_country_code(country.unwrap_or(0))?;
    let (params, address) = match wishes {
        Some(wishes) => (call_params(wishes, line)?, origination(wishes, line)?),
        None => (CallParams::default(), None),
    };
    if !line.is_in_service {
        let detail = "The line is out of service.";
        return Err(Fault::line(LineErr::InvalLineState, detail));
    }
    let dialed = scan(text.unwrap_or(";"))?;
    // Nothing dialled at all takes an appearance and waits for digits.
    let complete = dialed.is_complete && !dialed.digits.is_empty();
    let can_call = |address: &AddressId| {
        let situation = server.address_situation(device, line, *address);
        feature::address_features(&situation).contains(AddrFeature::MakeCall)
    };
    let address = match address {
        Some(address) => Some(address).filter(can_call),
        None => line.address_ids().find(can_call),
    };
    let Some(address) = address else {
        let detail = "All call appearances are in use.";
        return Err(Fault::line(LineErr::CallUnavail, detail));
    };
    let number = line.address(address).map_or("", |address| &address.number);
    let mut call =
        Call::new(device, address, outgoing(&params, number, &dialed.digits), server.now_ms);
    call.takes_digits = !complete;
    call.has_digits = !dialed.digits.is_empty();
    let key = server.insert_call(call);
    let app = server.applications.get_mut(&asked.application);
    let h_call = app.map_or(0, crate::model::Application::next_handle);
    let intent = Intent::MakeCall {
        line: device,
        address,
        call: key,
        destination: dialed.digits,
        complete,
        params: Box::new(params),
    };
    Ok(Outcome::Begin(Box::new(Begun {
        intent,
        h_line,
        device,
        call: Some(key),
        purpose: Purpose::Create { h_call },
    })))
}

/// LINECALLINFO of a call that an application makes.
fn outgoing(params: &CallParams, own_number: &str, digits: &str) -> CallInfo {
    CallInfo {
        origin: CallOrigin::Outbound,
        reason: CallReason::Direct,
        bearer_mode: params.bearer_mode,
        media_mode: params.media_mode,
        call_param_flags: params.flags,
        dial_params: params.dial_params,
        caller: PartyId::known(own_number, ""),
        called: PartyId::known(digits, ""),
        displayable_address: params.displayable_address.clone(),
        called_party: params.called_party.clone(),
        comment: params.comment.clone(),
        ..CallInfo::default()
    }
}

/// LINECALLPARAMS, but for the originating address.
fn call_params(wishes: Params<'_>, line: &Line) -> Result<CallParams, Fault> {
    let bearer_mode = wishes
        .opt_constant::<BearerMode>("bearerMode", LineErr::InvalBearerMode)?
        .unwrap_or(BearerMode::Voice);
    let min_rate = wishes.opt_number("minRate", LineErr::InvalRate)?.unwrap_or(0);
    let max_rate = wishes.opt_number("maxRate", LineErr::InvalRate)?.unwrap_or(0);
    let media_mode = wishes.opt_mask::<MediaMode>("mediaMode", LineErr::InvalMediaMode)?;
    let flags = wishes.opt_mask::<CallParamFlag>("callParamFlags", LineErr::InvalCallParams)?;
    let flags = flags.unwrap_or(Mask::EMPTY);
    let text = |name| wishes.opt_text(name, LineErr::InvalCallParams);
    let dial_params = dial_params(wishes)?;
    let timeout = wishes.opt_number("noAnswerTimeout", LineErr::InvalCallParams)?.unwrap_or(0);
    if !text("userUserInfo")?.unwrap_or_default().is_empty() {
        let detail = "User-user information is not carried.";
        return Err(Fault::line(LineErr::UserUserInfoTooBig, detail));
    }
    if !text("callData")?.unwrap_or_default().is_empty() {
        return Err(Fault::line(LineErr::InvalCallParams, "Call data is not carried."));
    }
    if !matches!(bearer_mode, BearerMode::Voice | BearerMode::Speech) {
        return Err(Fault::line(LineErr::BearerModeUnavail, "Only voice and speech are carried."));
    }
    if max_rate != 0 && min_rate > max_rate {
        return Err(Fault::line(LineErr::InvalRate, "The least rate is above the highest."));
    }
    if min_rate > VOICE_RATE_BPS {
        return Err(Fault::line(LineErr::RateUnavail, "A call has at most 64000 bit/s."));
    }
    let media_mode = match media_mode {
        Some(modes) if !modes.is_empty() => modes,
        _ => MediaMode::InteractiveVoice.into(),
    };
    let is_several = media_mode.len() > 1 && !media_mode.contains(MediaMode::Unknown);
    if is_several || !line.spec.media_modes.contains_all(media_mode) {
        return Err(Fault::line(LineErr::InvalMediaMode, "The line does not carry this media."));
    }
    check_flags(flags, line)?;
    Ok(CallParams {
        bearer_mode,
        media_mode,
        flags,
        dial_params,
        no_answer_timeout_s: (timeout > 0).then_some(timeout.min(MAX_NO_ANSWER_TIMEOUT_S)),
        displayable_address: text("displayableAddress")?.unwrap_or_default().to_owned(),
        called_party: text("calledParty")?.unwrap_or_default().to_owned(),
        comment: text("comment")?.unwrap_or_default().to_owned(),
        calling_party_id: text("callingPartyId")?.unwrap_or_default().to_owned(),
    })
}

/// Wishes that would be broken silently are refused.
fn check_flags(flags: Mask<CallParamFlag>, line: &Line) -> Result<(), Fault> {
    let caps = line.spec.addresses.first().map_or(Mask::EMPTY, |address| address.cap_flags);
    for (flag, capability) in [
        (CallParamFlag::Secure, AddrCapFlag::Secure),
        (CallParamFlag::BlockId, AddrCapFlag::BlockIdOverride),
        (CallParamFlag::PredictiveDial, AddrCapFlag::PredictiveDialer),
        (CallParamFlag::DestOffHook, AddrCapFlag::DestOffHook),
    ] {
        if flags.contains(flag) && !caps.contains(capability) {
            let detail =
                format!("The address has no {}.", crate::constant::Constant::name(capability));
            return Err(Fault::line(LineErr::InvalCallParams, detail));
        }
    }
    Ok(())
}

/// DialParams: 0 is the default, out of range the nearest.
fn dial_params(wishes: Params<'_>) -> Result<DialParams, Fault> {
    let Some(wishes) = wishes.opt_object("dialParams")? else { return Ok(DialParams::DEFAULT) };
    let one = |name, default: u32, min: u32, max: u32| {
        let value = wishes.opt_number(name, LineErr::InvalCallParams)?.unwrap_or(0);
        Ok(if value == 0 { default } else { value.clamp(min, max) })
    };
    let (default, min, max) = (DialParams::DEFAULT, DialParams::MIN, DialParams::MAX);
    Ok(DialParams {
        dial_pause: one("dialPause", default.dial_pause, min.dial_pause, max.dial_pause)?,
        dial_speed: one("dialSpeed", default.dial_speed, min.dial_speed, max.dial_speed)?,
        digit_duration: one(
            "digitDuration",
            default.digit_duration,
            min.digit_duration,
            max.digit_duration,
        )?,
        wait_for_dialtone: one("waitForDialtone", 0, 0, max.wait_for_dialtone)?,
    })
}

/// Which address originates, where the application says so.
fn origination(wishes: Params<'_>, line: &Line) -> Result<Option<AddressId>, Fault> {
    let mode = wishes.opt_constant::<AddressMode>("addressMode", LineErr::InvalAddressMode)?;
    let id = wishes.opt_number("addressId", LineErr::InvalAddressId)?;
    let number = wishes.opt_text("origAddress", LineErr::InvalAddress)?;
    match (mode, id) {
        (Some(AddressMode::AddressId), id) => {
            existing_address(line, AddressId(id.unwrap_or(0))).map(Some)
        }
        (None, Some(id)) => existing_address(line, AddressId(id)).map(Some),
        (Some(AddressMode::DialableAddr), _) => line
            .address_ids()
            .find(|address| line.address(*address).map(|a| a.number.as_str()) == number)
            .map(Some)
            .ok_or_else(|| {
                Fault::line(LineErr::InvalAddress, "The line has no such originating address.")
            }),
        (None, None) => Ok(None),
    }
}

/// lineDial: more digits for a call that waits for them.
pub(super) fn dial(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let text = asked.params.opt_text("destAddress", LineErr::InvalAddress)?.unwrap_or_default();
    let country = asked.params.opt_number("countryCode", LineErr::InvalCountryCode)?;
    server.owned_call(asked)?;
    check_country_code(country.unwrap_or(0))?;
    server.check_feature(&held, CallFeature::Dial)?;
    let dialed = scan(text)?;
    let has_digits = !dialed.digits.is_empty();
    if dialed.is_complete && !has_digits && !held.call.has_digits {
        let detail = "No digit has been dialled.";
        return Err(Fault::line(LineErr::InvalAddress, detail));
    }
    let (key, device, h_line) = (held.key, held.call.line, held.holder.h_line);
    let is_complete = dialed.is_complete;
    let intent = Intent::Dial { call: key, digits: dialed.digits, complete: is_complete };
    Ok(Outcome::Begin(Box::new(Begun {
        intent,
        h_line,
        device,
        call: Some(key),
        purpose: Purpose::Dial { is_complete, has_digits },
    })))
}
