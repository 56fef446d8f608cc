//! ITLegacyCallMediaControl, ITLegacyCallMediaControl2: digits and tones on a call.

use std::time::Duration;

use serde_json::{Value, json};

use super::Call;
use super::constant::TapiMediaType;
use super::core::Purpose;
use super::error::TapiError;
use super::map::{media_modes, number};
use crate::constant::{DigitMode, Mask, ToneMode};

/// What ITLegacyCallMediaControl2::GatherDigits collects, told by
/// [`Event::DigitsGathered`](super::Event::DigitsGathered).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatherDigits {
    /// How the digits are signalled.
    pub digit_modes: Mask<DigitMode>,
    /// After so many it is done.
    pub num_digits: u32,
    /// After one of these it is done.
    pub termination_digits: String,
    /// How long the first digit may take; none for ever.
    pub first_digit_timeout: Option<Duration>,
    /// How long each further digit may take; none for ever.
    pub inter_digit_timeout: Option<Duration>,
}

/// ITDetectTone: a tone to be detected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DetectTone {
    /// put_AppSpecific: comes back with [`Event::ToneDetection`](super::Event::ToneDetection).
    pub app_specific: u32,
    /// put_Duration: how long it must last.
    pub duration: Duration,
    /// put_Frequency, in Hz; 0 for none.
    pub frequencies: [u32; 3],
}

/// ITCustomTone: one component of a tone to be generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CustomTone {
    /// put_Frequency, in Hz.
    pub frequency: u32,
    /// put_CadenceOn
    pub cadence_on: Duration,
    /// put_CadenceOff
    pub cadence_off: Duration,
    /// put_Volume, up to 65535.
    pub volume: u16,
}

fn ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

impl Call {
    async fn control(&self, method: &str, mut params: Value) -> Result<(), TapiError> {
        params["hCall"] = self.handle()?.into();
        self.act(method, params, Purpose::Plain).await.map(|_| ())
    }

    fn handle(&self) -> Result<u32, TapiError> {
        let state = self.call_state();
        self.record(|call| call.handle)?.ok_or_else(|| super::call::wrong_state(state))
    }

    /// ITLegacyCallMediaControl::DetectDigits (lineMonitorDigits); an empty set ends it. Digits
    /// come as [`Event::DigitDetection`](super::Event::DigitDetection).
    pub async fn detect_digits(
        &self,
        digit_modes: impl Into<Mask<DigitMode>>,
    ) -> Result<(), TapiError> {
        self.control("lineMonitorDigits", json!({ "digitModes": digit_modes.into() })).await
    }

    /// ITLegacyCallMediaControl::GenerateDigits (lineGenerateDigits). The end comes as
    /// [`Event::DigitGeneration`](super::Event::DigitGeneration).
    pub async fn generate_digits(
        &self,
        digits: &str,
        digit_mode: DigitMode,
    ) -> Result<(), TapiError> {
        self.generate_digits2(digits, digit_mode, None).await
    }

    /// ITLegacyCallMediaControl2::GenerateDigits2: with the length of each digit.
    pub async fn generate_digits2(
        &self,
        digits: &str,
        digit_mode: DigitMode,
        duration: Option<Duration>,
    ) -> Result<(), TapiError> {
        let duration = duration.map_or(0, ms);
        let params = json!({ "digits": digits, "digitMode": digit_mode, "duration": duration });
        self.control("lineGenerateDigits", params).await
    }

    /// ITLegacyCallMediaControl2::GatherDigits (lineGatherDigits); none ends what is under way.
    pub async fn gather_digits(&self, wanted: Option<&GatherDigits>) -> Result<(), TapiError> {
        let params = match wanted {
            None => json!({ "digits": null }),
            Some(wanted) => json!({
                "digitModes": wanted.digit_modes,
                "numDigits": wanted.num_digits,
                "terminationDigits": wanted.termination_digits,
                "firstDigitTimeout": wanted.first_digit_timeout.map_or(0, ms),
                "interDigitTimeout": wanted.inter_digit_timeout.map_or(0, ms),
            }),
        };
        self.control("lineGatherDigits", params).await
    }

    /// ITLegacyCallMediaControl2::DetectTones (lineMonitorTones); an empty list ends it.
    pub async fn detect_tones(&self, tones: &[DetectTone]) -> Result<(), TapiError> {
        let list: Vec<Value> = tones
            .iter()
            .map(|tone| {
                json!({
                    "appSpecific": tone.app_specific,
                    "duration": ms(tone.duration),
                    "frequency1": tone.frequencies[0],
                    "frequency2": tone.frequencies[1],
                    "frequency3": tone.frequencies[2],
                })
            })
            .collect();
        self.control("lineMonitorTones", json!({ "toneList": list })).await
    }

    /// ITLegacyCallMediaControl2::GenerateTone (lineGenerateTone): a tone of the switch, for ever
    /// without a duration.
    pub async fn generate_tone(
        &self,
        mode: ToneMode,
        duration: Option<Duration>,
    ) -> Result<(), TapiError> {
        let params = json!({ "toneMode": mode, "duration": duration.map_or(0, ms) });
        self.control("lineGenerateTone", params).await
    }

    /// ITLegacyCallMediaControl2::GenerateCustomTones (lineGenerateTone CUSTOM): components that
    /// sound together.
    pub async fn generate_custom_tones(
        &self,
        tones: &[CustomTone],
        duration: Option<Duration>,
    ) -> Result<(), TapiError> {
        let list: Vec<Value> = tones
            .iter()
            .map(|tone| {
                json!({
                    "frequency": tone.frequency,
                    "cadenceOn": ms(tone.cadence_on),
                    "cadenceOff": ms(tone.cadence_off),
                    "volume": tone.volume,
                })
            })
            .collect();
        let duration = duration.map_or(0, ms);
        let params = json!({ "toneMode": ToneMode::Custom, "duration": duration, "tones": list });
        self.control("lineGenerateTone", params).await
    }

    /// ITLegacyCallMediaControl::MonitorMedia (lineMonitorMedia); an empty set ends it.
    pub async fn monitor_media(
        &self,
        media_types: impl Into<Mask<TapiMediaType>>,
    ) -> Result<(), TapiError> {
        let modes = media_modes(media_types.into());
        self.control("lineMonitorMedia", json!({ "mediaModes": modes })).await
    }

    /// ITLegacyCallMediaControl::SetMediaType (lineSetMediaMode): what the owner takes the call's
    /// media for.
    pub async fn set_media_type(&self, media_type: TapiMediaType) -> Result<(), TapiError> {
        let modes = media_modes(media_type.into());
        self.control("lineSetMediaMode", json!({ "mediaModes": modes })).await
    }

    /// ITLegacyCallMediaControl::get_ID (lineGetID): the device of a class (`tapi/line`) that the
    /// call is on.
    pub async fn device_id(&self, device_class: &str) -> Result<u32, TapiError> {
        let params = json!({
            "hCall": self.handle()?,
            "select": crate::constant::CallSelect::Call,
            "deviceClass": device_class,
        });
        let found = self.act("lineGetID", params, Purpose::Plain).await?;
        Ok(number(&found["deviceId"]).unwrap_or(0))
    }
}
