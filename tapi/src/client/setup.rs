//! What a call shall be before it exists: destination, and LINECALLPARAMS put together by
//! put_CallInfoLong, put_CallInfoString, put_CallInfoBuffer or [`Connect`].

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::constant::TapiMediaType;
use super::map::media_modes;
use crate::constant::{BearerMode, CallParamFlag, CallTreatment, Mask};

/// Destination and parameters of a call that is still CS_IDLE.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct CallSetup {
    pub(crate) destination: Option<String>,
    pub(crate) media_types: Mask<TapiMediaType>,
    pub(crate) params: Connect,
    pub(crate) app_specific: u32,
    pub(crate) treatment: Option<CallTreatment>,
}

/// How ITBasicCallControl::Connect makes a call; [`Connect::sync`] and [`Connect::asynchronous`] are its
/// fSync, everything else the parameters that ITCallInfo's put methods set on a call in CS_IDLE.
///
/// ```
/// use std::time::Duration;
/// use tapi::client::Connect;
/// let how = Connect::sync().no_answer_timeout(Duration::from_secs(15)).comment("order 4711");
/// # let _ = how;
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Connect {
    pub(crate) is_sync: bool,
    pub(crate) bearer_mode: Option<BearerMode>,
    pub(crate) rates: (u32, u32),
    pub(crate) flags: Option<Mask<CallParamFlag>>,
    pub(crate) country_code: Option<u32>,
    pub(crate) no_answer_timeout: Option<Duration>,
    pub(crate) called_party: Option<String>,
    pub(crate) comment: Option<String>,
    pub(crate) displayable_address: Option<String>,
    pub(crate) calling_party_id: Option<String>,
    pub(crate) user_user_info: Option<String>,
    pub(crate) call_data: Option<String>,
}

impl Connect {
    /// fSync TRUE: the method returns when the call is connected or has failed.
    pub fn sync() -> Self {
        Self { is_sync: true, ..Self::default() }
    }

    /// fSync FALSE: the method returns when the switch has begun, progress comes as events.
    pub fn asynchronous() -> Self {
        Self::default()
    }

    /// CIL_BEARERMODE
    #[must_use]
    pub fn bearer_mode(mut self, mode: BearerMode) -> Self {
        self.bearer_mode = Some(mode);
        self
    }

    /// CIL_MINRATE and CIL_MAXRATE, in bits per second.
    #[must_use]
    pub fn rates(mut self, min: u32, max: u32) -> Self {
        self.rates = (min, max);
        self
    }

    /// CIL_CALLPARAMSFLAGS
    #[must_use]
    pub fn flags(mut self, flags: Mask<CallParamFlag>) -> Self {
        self.flags = Some(flags);
        self
    }

    /// CIL_COUNTRYCODE of the destination.
    #[must_use]
    pub fn country_code(mut self, code: u32) -> Self {
        self.country_code = Some(code);
        self
    }

    /// LINECALLPARAMS.dwNoAnswerTimeout: after so long the call ends as not answered.
    #[must_use]
    pub fn no_answer_timeout(mut self, time: Duration) -> Self {
        self.no_answer_timeout = Some(time);
        self
    }

    /// CIS_CALLEDPARTYFRIENDLYNAME
    #[must_use]
    pub fn called_party_friendly_name(mut self, name: impl Into<String>) -> Self {
        self.called_party = Some(name.into());
        self
    }

    /// CIS_COMMENT
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// CIS_DISPLAYABLEADDRESS
    #[must_use]
    pub fn displayable_address(mut self, address: impl Into<String>) -> Self {
        self.displayable_address = Some(address.into());
        self
    }

    /// CIS_CALLINGPARTYID
    #[must_use]
    pub fn calling_party_id(mut self, id: impl Into<String>) -> Self {
        self.calling_party_id = Some(id.into());
        self
    }

    /// CIB_USERUSERINFO
    #[must_use]
    pub fn user_user_info(mut self, info: impl Into<String>) -> Self {
        self.user_user_info = Some(info.into());
        self
    }

    /// CIB_CALLDATABUFFER
    #[must_use]
    pub fn call_data(mut self, data: impl Into<String>) -> Self {
        self.call_data = Some(data.into());
        self
    }

    /// What is set here, else what is set there.
    pub(crate) fn or(self, other: &Connect) -> Connect {
        let other = other.clone();
        Connect {
            is_sync: self.is_sync,
            bearer_mode: self.bearer_mode.or(other.bearer_mode),
            rates: if self.rates == (0, 0) { other.rates } else { self.rates },
            flags: self.flags.or(other.flags),
            country_code: self.country_code.or(other.country_code),
            no_answer_timeout: self.no_answer_timeout.or(other.no_answer_timeout),
            called_party: self.called_party.or(other.called_party),
            comment: self.comment.or(other.comment),
            displayable_address: self.displayable_address.or(other.displayable_address),
            calling_party_id: self.calling_party_id.or(other.calling_party_id),
            user_user_info: self.user_user_info.or(other.user_user_info),
            call_data: self.call_data.or(other.call_data),
        }
    }
}

impl CallSetup {
    /// LINECALLPARAMS, for a call of this address.
    pub(crate) fn call_params(&self, address: u32) -> Value {
        let mut params = Map::new();
        let how = &self.params;
        params.insert("addressId".to_owned(), address.into());
        let modes = media_modes(self.media_types);
        if !modes.is_empty() {
            params.insert("mediaMode".to_owned(), json!(modes));
        }
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                params.insert(name.to_owned(), value);
            }
        };
        let rate = |rate: u32| (rate != 0).then(|| rate.into());
        put("bearerMode", how.bearer_mode.map(|mode| json!(mode)));
        put("minRate", rate(how.rates.0));
        put("maxRate", rate(how.rates.1));
        put("callParamFlags", how.flags.map(|flags| json!(flags)));
        put("noAnswerTimeout", how.no_answer_timeout.map(|time| time.as_secs().max(1).into()));
        for (name, text) in [
            ("calledParty", &how.called_party),
            ("comment", &how.comment),
            ("displayableAddress", &how.displayable_address),
            ("callingPartyId", &how.calling_party_id),
            ("userUserInfo", &how.user_user_info),
            ("callData", &how.call_data),
        ] {
            put(name, text.as_ref().map(|text| text.as_str().into()));
        }
        Value::Object(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_put_is_asked_for() {
        let setup = CallSetup { media_types: TapiMediaType::Audio.into(), ..CallSetup::default() };
        let expected = json!({"addressId": 1, "mediaMode": ["LINEMEDIAMODE_INTERACTIVEVOICE"]});
        assert_eq!(setup.call_params(1), expected);
    }

    #[test]
    fn parameters_of_connect_win_over_those_that_were_put() {
        let put = Connect::asynchronous().comment("put").call_data("kept");
        let how = Connect::sync().comment("said").rates(0, 64_000).or(&put);
        let setup = CallSetup { params: how, ..CallSetup::default() };
        let params = setup.call_params(0);
        assert_eq!(params["comment"], "said");
        assert_eq!(params["callData"], "kept");
        assert_eq!(params["maxRate"], 64_000);
        assert!(params.get("minRate").is_none());
    }
}
