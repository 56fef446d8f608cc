//! Digits and tones: detection, gathering, sending.

use serde_json::Value;

use crate::constant::{CallFeature, DigitMode, LineErr, Mask, MediaMode, ToneMode};
use crate::model::{DialParams, LineOffers, Tone};
use crate::server::{Fault, Gathering, Generation, Server};

use super::lookup::{Held, check_owner};
use super::{Asked, GeneratedTone, Intent, Outcome, Params};

/// Digits of one gathering.
const MAX_GATHERED: u32 = 1024;
/// Components of a tone before the line's limit is looked at.
const MAX_READ: usize = 256;
/// Telephony carries no frequency from here on.
const MAX_FREQUENCY_HZ: u32 = 4000;
/// LINEGENERATETONE.dwVolume, the loudest.
const FULL_VOLUME: u32 = 0xFFFF;

fn offers(server: &Server, held: &Held<'_>) -> LineOffers {
    let line = server.lines.get(held.call.line.0 as usize);
    line.map(|line| line.spec.offers.clone()).unwrap_or_default()
}

/// lineMonitorDigits: 0 ends it.
pub(super) fn monitor_digits(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let error = LineErr::InvalDigitMode;
    let modes = asked.params.mask::<DigitMode>("digitModes", error)?;
    if !offers(server, &held).monitor_digit_modes.contains_all(modes) {
        return Err(Fault::line(error, "The line does not detect these digits."));
    }
    server.check_feature(&held, CallFeature::MonitorDigits)?;
    let (key, h_call) = (held.key, held.holder.h_call);
    server.set_detection(key, asked.application, h_call, |mine| mine.digits = modes);
    Ok(Outcome::nothing())
}

/// lineMonitorMedia: 0 ends it.
pub(super) fn monitor_media(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let error = LineErr::InvalMediaMode;
    let modes = asked.params.mask::<MediaMode>("mediaModes", error)?;
    if !offers(server, &held).monitor_media_modes.contains_all(modes) {
        return Err(Fault::line(error, "The line does not detect these media."));
    }
    server.check_feature(&held, CallFeature::MonitorMedia)?;
    let (key, h_call) = (held.key, held.holder.h_call);
    server.set_detection(key, asked.application, h_call, |mine| mine.media = modes);
    Ok(Outcome::nothing())
}

/// lineMonitorTones: null or an empty list ends it.
pub(super) fn monitor_tones(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let list = asked.params.opt_list("toneList")?.unwrap_or_default();
    let offers = offers(server, &held);
    let invalid = |detail: &str| Fault::line(LineErr::InvalTone, detail);
    if list.len() > offers.max_monitored_tones as usize {
        return Err(invalid("The list has more tones than the line detects."));
    }
    let mut tones = Vec::with_capacity(list.len());
    for value in list {
        let entry = object("toneList", value)?;
        let one = |name| Ok(entry.opt_number(name, LineErr::InvalTone)?.unwrap_or(0));
        let frequencies_hz = [one("frequency1")?, one("frequency2")?, one("frequency3")?];
        let used = frequencies_hz.iter().filter(|hz| **hz > 0).count();
        if used > offers.max_monitored_frequencies as usize {
            return Err(invalid("A tone has more frequencies than the line detects."));
        }
        if frequencies_hz.iter().any(|hz| *hz >= MAX_FREQUENCY_HZ) {
            return Err(invalid("A frequency is below 4000 Hz."));
        }
        tones.push((one("appSpecific")?, Tone { duration_ms: one("duration")?, frequencies_hz }));
    }
    server.check_feature(&held, CallFeature::MonitorTones)?;
    let (key, h_call) = (held.key, held.holder.h_call);
    let others = server.tones_of_others(key, asked.application, h_call);
    let mut all: Vec<Tone> = tones.iter().map(|(_, tone)| *tone).chain(others).collect();
    all.sort_unstable();
    all.dedup();
    if !tones.is_empty() && all.len() > offers.max_monitored_tones as usize {
        let detail = "Other applications use too many of the call's tone detectors.";
        return Err(Fault::line(LineErr::ResourceUnavail, detail));
    }
    server.set_detection(key, asked.application, h_call, |mine| mine.tones = tones);
    Ok(Outcome::nothing())
}

fn object<'a>(name: &str, value: &'a Value) -> Result<Params<'a>, Fault> {
    match value {
        Value::Object(members) => Ok(Params::new(members)),
        _ => Err(Fault::Params(format!("Parameter {name} must be an array of objects."))),
    }
}

/// lineGatherDigits; with `digits` null it only ends what is under way.
pub(super) fn gather(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let termination =
        asked.params.opt_text("terminationDigits", LineErr::InvalDigits)?.unwrap_or_default();
    check_owner(&held)?;
    let key = held.key;
    if asked.params.is_null("digits") {
        server.check_feature(&held, CallFeature::GatherDigits)?;
        server.cancel_gathering(key);
        return Ok(Outcome::nothing());
    }
    let offers = offers(server, &held);
    let error = LineErr::InvalDigitMode;
    let modes = asked.params.mask::<DigitMode>("digitModes", error)?;
    if modes.is_empty() || !offers.monitor_digit_modes.contains_all(modes) {
        return Err(Fault::line(error, "The line does not detect these digits."));
    }
    let wanted = asked.params.number("numDigits", LineErr::InvalParam)?;
    if !(1..=MAX_GATHERED).contains(&wanted) {
        let detail = format!("1 to {MAX_GATHERED} digits are gathered.");
        return Err(Fault::line(LineErr::InvalParam, detail));
    }
    let termination = termination.to_ascii_uppercase();
    if !termination.chars().all(|digit| is_digit(modes, digit)) {
        let detail = "A termination digit does not exist in these digit modes.";
        return Err(Fault::line(LineErr::InvalDigits, detail));
    }
    let first = timeout(asked, "firstDigitTimeout", &offers)?;
    let inter_digit_ms = timeout(asked, "interDigitTimeout", &offers)?;
    server.check_feature(&held, CallFeature::GatherDigits)?;
    let gathering = Gathering {
        application: asked.application,
        h_call: held.holder.h_call,
        modes,
        digits: String::new(),
        wanted: wanted as usize,
        termination,
        inter_digit_ms,
        deadline_ms: first.map(|ms| server.now_ms.saturating_add(ms)),
    };
    server.gather(key, gathering);
    Ok(Outcome::nothing())
}

fn is_digit(modes: Mask<DigitMode>, digit: char) -> bool {
    let is_tone = modes.intersects(DigitMode::Dtmf | DigitMode::DtmfEnd);
    digit.is_ascii_digit() || (is_tone && matches!(digit, 'A'..='D' | '*' | '#'))
}

/// A time-out in milliseconds; 0 is none.
fn timeout(asked: Asked<'_>, name: &str, offers: &LineOffers) -> Result<Option<u64>, Fault> {
    let ms = asked.params.opt_number(name, LineErr::InvalTimeout)?.unwrap_or(0);
    let (min, max) = (offers.gather_min_timeout_ms, offers.gather_max_timeout_ms);
    if ms == 0 {
        Ok(None)
    } else if (min..=max).contains(&ms) {
        Ok(Some(ms.into()))
    } else {
        let detail = format!("A time-out is {min} to {max} ms, or 0 for none.");
        Err(Fault::line(LineErr::InvalTimeout, detail))
    }
}

/// lineGenerateDigits; without digits it ends what is being sent.
pub(super) fn generate_digits(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let digits = asked.params.opt_text("digits", LineErr::InvalParam)?;
    check_owner(&held)?;
    let error = LineErr::InvalDigitMode;
    let mode = asked.params.opt_constant::<DigitMode>("digitMode", error)?;
    let duration = asked.params.opt_number("duration", LineErr::InvalParam)?.unwrap_or(0);
    let end_to_end_id = asked.params.opt_number("endToEndId", LineErr::InvalParam)?;
    let Some(digits) = digits else {
        server.check_feature(&held, CallFeature::GenerateDigits)?;
        let key = held.key;
        server.cancel_generation(key, true);
        return Ok(Outcome::nothing());
    };
    let offered = offers(server, &held).generate_digit_modes;
    let Some(mode) = mode.filter(|mode| offered.contains(*mode)) else {
        return Err(Fault::line(error, "The line does not send such digits."));
    };
    server.check_feature(&held, CallFeature::GenerateDigits)?;
    let upper = digits.to_ascii_uppercase();
    let can_be_sent = |c: &char| is_digit(mode.into(), *c) || matches!(c, ',' | '!');
    let digits: String = upper.chars().filter(can_be_sent).collect();
    let dial_params = held.call.info.dial_params;
    let duration_ms = match duration {
        0 => dial_params.digit_duration,
        ms => ms.clamp(DialParams::MIN.digit_duration, DialParams::MAX.digit_duration),
    };
    let pause_ms = dial_params.dial_pause;
    let (call, h_call) = (held.key, held.holder.h_call);
    let application = asked.application;
    let generation = Generation { call, application, h_call, end_to_end_id, is_endless: false };
    server.generate(generation, |call| Intent::GenerateDigits {
        call,
        digits,
        mode,
        duration_ms,
        pause_ms,
    });
    Ok(Outcome::nothing())
}

/// lineGenerateTone; mode 0 ends what is being sent.
pub(super) fn generate_tone(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let list = asked.params.opt_list("tones")?.unwrap_or_default();
    check_owner(&held)?;
    let error = LineErr::InvalToneMode;
    let mode = asked.params.opt_constant::<ToneMode>("toneMode", error)?;
    let duration = asked.params.opt_number("duration", LineErr::InvalParam)?.unwrap_or(0);
    let end_to_end_id = asked.params.opt_number("endToEndId", LineErr::InvalParam)?;
    let Some(mode) = mode else {
        server.check_feature(&held, CallFeature::GenerateTone)?;
        let key = held.key;
        server.cancel_generation(key, true);
        return Ok(Outcome::nothing());
    };
    let offers = offers(server, &held);
    if !offers.generate_tone_modes.contains(mode) {
        return Err(Fault::line(error, "The line does not send this tone."));
    }
    let components = if mode == ToneMode::Custom { components(list, &offers)? } else { Vec::new() };
    server.check_feature(&held, CallFeature::GenerateTone)?;
    let duration_ms = (duration > 0).then_some(duration);
    let (call, h_call) = (held.key, held.holder.h_call);
    let is_endless = duration_ms.is_none() && mode != ToneMode::Billing;
    let application = asked.application;
    let generation = Generation { call, application, h_call, end_to_end_id, is_endless };
    server.generate(generation, |call| Intent::GenerateTone {
        call,
        mode,
        duration_ms,
        components,
    });
    Ok(Outcome::nothing())
}

/// LINEGENERATETONE entries, which sound together.
fn components(list: &[Value], offers: &LineOffers) -> Result<Vec<GeneratedTone>, Fault> {
    let max = offers.max_generated_frequencies as usize;
    if list.is_empty() || list.len() > max.min(MAX_READ) {
        let detail = format!("A tone has 1 to {max} frequencies.");
        return Err(Fault::line(LineErr::InvalTone, detail));
    }
    let one = |value| {
        let entry = object("tones", value)?;
        let part = |name| Ok(entry.opt_number(name, LineErr::InvalTone)?.unwrap_or(0));
        let volume = entry.opt_number("volume", LineErr::InvalTone)?.unwrap_or(FULL_VOLUME);
        let frequency_hz = part("frequency")?;
        if !(1..MAX_FREQUENCY_HZ).contains(&frequency_hz) || volume > FULL_VOLUME {
            let detail = "A component has a frequency below 4000 Hz, and a volume of up to 65535.";
            return Err(Fault::line(LineErr::InvalTone, detail));
        }
        Ok(GeneratedTone {
            frequency_hz,
            cadence_on_ms: part("cadenceOn")?,
            cadence_off_ms: part("cadenceOff")?,
            volume,
        })
    };
    list.iter().map(one).collect()
}
