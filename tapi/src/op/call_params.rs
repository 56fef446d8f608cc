//! LINECALLPARAMS: what an outgoing call shall be.

use crate::constant::{
    AddrCapFlag, AddressMode, BearerMode, CallParamFlag, CallState, LineErr, Mask, MediaMode,
};
use crate::model::{AddressId, CallParams, DialParams, Line, info::VOICE_RATE_BPS};
use crate::server::Fault;

use super::Params;
use super::lookup::existing_address;

/// LINEADDRESSCAPS.dwMaxNoAnswerTimeout, in seconds.
pub(super) const MAX_NO_ANSWER_TIMEOUT_S: u32 = 600;

/// LINECALLPARAMS, but for the originating address.
pub(super) fn call_params(wishes: Params<'_>, line: &Line) -> Result<CallParams, Fault> {
    let bearer_mode = wishes
        .opt_constant::<BearerMode>("bearerMode", LineErr::InvalBearerMode)?
        .unwrap_or(BearerMode::Voice);
    let min_rate = wishes.opt_number("minRate", LineErr::InvalRate)?.unwrap_or(0);
    let max_rate = wishes.opt_number("maxRate", LineErr::InvalRate)?.unwrap_or(0);
    let media_mode = wishes.opt_mask::<MediaMode>("mediaMode", LineErr::InvalMediaMode)?;
    let flags = wishes.opt_mask::<CallParamFlag>("callParamFlags", LineErr::InvalCallParams)?;
    let flags = flags.unwrap_or(Mask::EMPTY);
    let text = |name| wishes.opt_text(name, LineErr::InvalCallParams);
    let dial_params = dial_params(wishes, DialParams::DEFAULT)?;
    let timeout = wishes.opt_number("noAnswerTimeout", LineErr::InvalCallParams)?.unwrap_or(0);
    let user_user_info = user_user_info(wishes, line.spec.offers.user_user_info_size)?;
    let call_data = text("callData")?.unwrap_or_default();
    let offers = line.spec.addresses.first().map(|address| &address.offers);
    if call_data.len() > offers.map_or(0, |offers| offers.max_call_data as usize) {
        let detail = "Call data of this size are not carried.";
        return Err(Fault::line(LineErr::InvalCallParams, detail));
    }
    check_bearer(bearer_mode, min_rate, max_rate)?;
    let media_mode = match media_mode {
        Some(modes) if !modes.is_empty() => modes,
        _ => MediaMode::InteractiveVoice.into(),
    };
    let is_several = media_mode.len() > 1 && !media_mode.contains(MediaMode::Unknown);
    if is_several || !line.spec.media_modes.contains_all(media_mode) {
        return Err(Fault::line(LineErr::InvalMediaMode, "The line does not carry this media."));
    }
    check_flags(flags, line)?;
    check_identity(wishes, line)?;
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
        call_data: call_data.to_owned(),
        user_user_info,
    })
}

/// The user-user information of a request, of at most so many bytes.
pub(super) fn user_user_info(params: Params<'_>, max: u32) -> Result<String, Fault> {
    let error = LineErr::UserUserInfoTooBig;
    let info = params.opt_text("userUserInfo", error)?.unwrap_or_default();
    if info.len() > usize::try_from(max).unwrap_or(usize::MAX) {
        let detail = format!("User-user information has at most {max} bytes.");
        return Err(Fault::line(error, detail));
    }
    Ok(info.to_owned())
}

/// An identity of its own choice, or states in which a predictive dialler hands the call on: where
/// the address honours neither, asking for it is a fault and not ignored.
fn check_identity(wishes: Params<'_>, line: &Line) -> Result<(), Fault> {
    let error = LineErr::InvalCallParams;
    let caps = line.spec.addresses.first().map_or(Mask::EMPTY, |address| address.cap_flags);
    let identity = wishes.opt_text("callingPartyId", error)?.unwrap_or_default();
    if !identity.is_empty() && !caps.contains(AddrCapFlag::SetCallingId) {
        return Err(Fault::line(error, "The address does not let its identity be chosen."));
    }
    let states = wishes.opt_mask::<CallState>("predictiveAutoTransferStates", error)?;
    let is_predictive = caps.contains(AddrCapFlag::PredictiveDialer);
    if states.is_some_and(|states| !states.is_empty()) && !is_predictive {
        return Err(Fault::line(error, "The address has no predictive dialler."));
    }
    Ok(())
}

/// What a voice channel can be.
pub(super) fn check_bearer(
    bearer_mode: BearerMode,
    min_rate: u32,
    max_rate: u32,
) -> Result<(), Fault> {
    if !matches!(bearer_mode, BearerMode::Voice | BearerMode::Speech) {
        return Err(Fault::line(LineErr::BearerModeUnavail, "Only voice and speech are carried."));
    }
    if max_rate != 0 && min_rate > max_rate {
        return Err(Fault::line(LineErr::InvalRate, "The least rate is above the highest."));
    }
    if min_rate > VOICE_RATE_BPS {
        return Err(Fault::line(LineErr::RateUnavail, "A call has at most 64000 bit/s."));
    }
    Ok(())
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
pub(super) fn dial_params(wishes: Params<'_>, default: DialParams) -> Result<DialParams, Fault> {
    let Some(wishes) = wishes.opt_object("dialParams")? else { return Ok(default) };
    let one = |name, default: u32, min: u32, max: u32| {
        let value = wishes.opt_number(name, LineErr::InvalCallParams)?.unwrap_or(0);
        Ok(if value == 0 { default } else { value.clamp(min, max) })
    };
    let (min, max) = (DialParams::MIN, DialParams::MAX);
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
pub(super) fn origination(wishes: Params<'_>, line: &Line) -> Result<Option<AddressId>, Fault> {
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
