//! ITCallInfo: what is known of a call, and what an owner may write into it.

use serde_json::{Value, json};

use super::Call;
use super::call::wrong_state;
use super::constant::{AddressType, CallInfoBuffer, CallInfoLong, CallInfoString, CallState};
use super::core::Purpose;
use super::error::{TapiError, TapiErrorCode};
use super::map::{mask, media_types, value_of};
use super::setup::{CallSetup, Connect};
use crate::constant::{BearerMode, CallTreatment, Constant as _, Mask, MediaMode};

fn invalid(detail: &str) -> TapiError {
    TapiError::new(TapiErrorCode::InvalidArg, detail)
}

impl Call {
    /// LINECALLINFO; of a call that is not made yet, what was put into it.
    async fn info(&self) -> Result<Value, TapiError> {
        let (handle, address, setup) =
            self.record(|call| (call.handle, call.address, call.setup.clone()))?;
        match handle {
            Some(handle) => {
                let params = json!({ "hCall": handle });
                self.act("lineGetCallInfo", params, Purpose::Plain).await
            }
            None => {
                let mut info = setup.call_params(address.address);
                info["calledId"] = json!(setup.destination);
                info["countryCode"] = json!(setup.params.country_code);
                info["appSpecific"] = setup.app_specific.into();
                info["callTreatment"] = json!(setup.treatment);
                info["origin"] = json!(crate::constant::CallOrigin::Outbound);
                Ok(info)
            }
        }
    }

    /// ITCallInfo::get_CallInfoLong: a number, a constant's value, or the bits of a set.
    pub async fn call_info_long(&self, item: CallInfoLong) -> Result<u32, TapiError> {
        use CallInfoLong as L;
        let rates = self.record(|call| call.setup.params.rates)?;
        let info = self.info().await?;
        let of_party = |name: &str| {
            let is_known = info[name].as_str().is_some_and(|number| !number.is_empty());
            Ok(if is_known { AddressType::PhoneNumber.value() } else { 0 })
        };
        let field = match item {
            L::CallerIdAddressType => return of_party("callerId"),
            L::CalledIdAddressType => return of_party("calledId"),
            L::ConnectedIdAddressType => return of_party("connectedId"),
            L::RedirectionIdAddressType => return of_party("redirectionId"),
            L::RedirectingIdAddressType => return of_party("redirectingId"),
            L::MediaTypesAvailable => {
                return Ok(media_types(mask::<MediaMode>(&info["mediaMode"])).bits());
            }
            L::MinRate => return Ok(rates.0),
            L::MaxRate => return Ok(rates.1),
            L::GenerateDigitDuration => {
                return Ok(value_of(&info["dialParams"]["digitDuration"]));
            }
            L::BearerMode => "bearerMode",
            L::Origin => "origin",
            L::Reason => "reason",
            L::AppSpecific => "appSpecific",
            L::CallParamsFlags => "callParamFlags",
            L::CallTreatment => "callTreatment",
            L::CountryCode => "countryCode",
            L::CallId => "callId",
            L::RelatedCallId => "relatedCallId",
            L::CompletionId => "completionId",
            L::NumberOfOwners => "numOwners",
            L::NumberOfMonitors => "numMonitors",
            L::Trunk => "trunk",
            L::Rate => "rate",
            L::MonitorDigitModes => "monitorDigitModes",
            L::MonitorMediaModes => "monitorMediaModes",
        };
        Ok(value_of(&info[field]))
    }

    /// ITCallInfo::get_CallInfoString; empty where nothing is known.
    pub async fn call_info_string(&self, item: CallInfoString) -> Result<String, TapiError> {
        use CallInfoString as S;
        let setup = self.record(|call| call.setup.clone())?;
        if item == S::CallingPartyId {
            return Ok(setup.params.calling_party_id.unwrap_or_default());
        }
        let info = self.info().await?;
        let field = match item {
            S::CallerIdName => "callerIdName",
            S::CallerIdNumber => "callerId",
            S::CalledIdName => "calledIdName",
            S::CalledIdNumber => "calledId",
            S::ConnectedIdName => "connectedIdName",
            S::ConnectedIdNumber => "connectedId",
            S::RedirectionIdName => "redirectionIdName",
            S::RedirectionIdNumber => "redirectionId",
            S::RedirectingIdName => "redirectingIdName",
            S::RedirectingIdNumber => "redirectingId",
            S::CalledPartyFriendlyName => "calledParty",
            S::Comment => "comment",
            S::DisplayableAddress => "displayableAddress",
            S::CallingPartyId => "callingPartyId",
        };
        Ok(info[field].as_str().unwrap_or_default().to_owned())
    }

    /// ITCallInfo::get_CallInfoBuffer, GetCallInfoBuffer; empty where there is nothing.
    pub async fn call_info_buffer(&self, item: CallInfoBuffer) -> Result<Vec<u8>, TapiError> {
        use CallInfoBuffer as B;
        let info = self.info().await?;
        let field = match item {
            B::UserUserInfo => "userUserInfo",
            B::DevSpecificBuffer => "devSpecific",
            B::CallDataBuffer => "callData",
            B::ChargingInfoBuffer => "chargingInfo",
            B::HighLevelCompatibilityBuffer => "highLevelComp",
            B::LowLevelCompatibilityBuffer => "lowLevelComp",
        };
        Ok(info[field].as_str().unwrap_or_default().as_bytes().to_vec())
    }

    /// Writes into a call that is CS_IDLE.
    fn put(&self, write: impl FnOnce(&mut CallSetup)) -> Result<(), TapiError> {
        self.record(|_| ())?;
        let mut core = self.shared().core();
        let call = core.table.calls.get_mut(&self.id());
        match call {
            Some(call) if call.state == CallState::Idle && !call.is_begun => {
                write(&mut call.setup);
                Ok(())
            }
            Some(call) => Err(wrong_state(call.state)),
            None => Err(wrong_state(CallState::Disconnected)),
        }
    }

    fn is_unmade(&self) -> bool {
        self.record(|call| call.handle.is_none()).unwrap_or(false)
    }

    /// ITCallInfo::put_CallInfoLong. Parameters of the set-up are put while the call is CS_IDLE;
    /// CIL_APPSPECIFIC, CIL_CALLTREATMENT and CIL_BEARERMODE later too (lineSetAppSpecific,
    /// lineSetCallTreatment, lineSetCallParams).
    ///
    /// Errors: E_INVALIDARG for an item that cannot be put or a value that it does not have;
    /// TAPI_E_INVALCALLSTATE in the wrong state.
    pub async fn put_call_info_long(
        &self,
        item: CallInfoLong,
        value: u32,
    ) -> Result<(), TapiError> {
        use CallInfoLong as L;
        let unknown = || invalid("The item does not have this value.");
        match item {
            L::AppSpecific if self.is_unmade() => self.put(|setup| setup.app_specific = value),
            L::AppSpecific => self.set_app_specific(value).await,
            L::CallTreatment => {
                let treatment = CallTreatment::from_value(value).ok_or_else(unknown)?;
                if self.is_unmade() {
                    return self.put(|setup| setup.treatment = Some(treatment));
                }
                self.set_treatment(treatment).await
            }
            L::BearerMode => {
                let mode = BearerMode::from_value(value).ok_or_else(unknown)?;
                if self.is_unmade() {
                    return self.put(|setup| setup.params.bearer_mode = Some(mode));
                }
                let handle = self.shared().core().owned(self.id())?;
                let params = json!({ "hCall": handle, "bearerMode": mode });
                self.act("lineSetCallParams", params, Purpose::Plain).await.map(|_| ())
            }
            L::CallParamsFlags => {
                self.put(|setup| setup.params.flags = Some(Mask::from_bits(value)))
            }
            L::MinRate => self.put(|setup| setup.params.rates.0 = value),
            L::MaxRate => self.put(|setup| setup.params.rates.1 = value),
            L::CountryCode => self.put(|setup| setup.params.country_code = Some(value)),
            _ => Err(invalid("The item cannot be put.")),
        }
    }

    async fn set_app_specific(&self, value: u32) -> Result<(), TapiError> {
        let handle = self.shared().core().owned(self.id())?;
        let params = json!({ "hCall": handle, "appSpecific": value });
        self.act("lineSetAppSpecific", params, Purpose::Plain).await.map(|_| ())
    }

    async fn set_treatment(&self, treatment: CallTreatment) -> Result<(), TapiError> {
        let handle = self.shared().core().owned(self.id())?;
        let params = json!({ "hCall": handle, "treatment": treatment });
        self.act("lineSetCallTreatment", params, Purpose::Plain).await.map(|_| ())
    }

    /// What was put into the call and has no place in LINECALLPARAMS.
    pub(crate) async fn put_late(&self, setup: &CallSetup) -> Result<(), TapiError> {
        if setup.app_specific != 0 {
            self.set_app_specific(setup.app_specific).await?;
        }
        match setup.treatment {
            Some(treatment) => self.set_treatment(treatment).await,
            None => Ok(()),
        }
    }

    /// ITCallInfo::put_CallInfoString: CIS_CALLEDPARTYFRIENDLYNAME, CIS_COMMENT,
    /// CIS_DISPLAYABLEADDRESS and CIS_CALLINGPARTYID, while the call is CS_IDLE.
    ///
    /// Errors: E_INVALIDARG for another item; TAPI_E_INVALCALLSTATE.
    pub fn put_call_info_string(&self, item: CallInfoString, text: &str) -> Result<(), TapiError> {
        use CallInfoString as S;
        let slot: fn(&mut Connect) -> &mut Option<String> = match item {
            S::CalledPartyFriendlyName => |params| &mut params.called_party,
            S::Comment => |params| &mut params.comment,
            S::DisplayableAddress => |params| &mut params.displayable_address,
            S::CallingPartyId => |params| &mut params.calling_party_id,
            _ => return Err(invalid("The item cannot be put.")),
        };
        self.put(|setup| *slot(&mut setup.params) = Some(text.to_owned()))
    }

    /// ITCallInfo::put_CallInfoBuffer, SetCallInfoBuffer: CIB_USERUSERINFO (with the set-up while
    /// the call is CS_IDLE, else lineSendUserUserInfo) and CIB_CALLDATABUFFER (lineSetCallData).
    /// The switch carries text: UTF-8.
    ///
    /// Errors: E_INVALIDARG for another item, or what is not UTF-8; TAPI_E_USERUSERINFOTOOBIG.
    pub async fn put_call_info_buffer(
        &self,
        item: CallInfoBuffer,
        buffer: &[u8],
    ) -> Result<(), TapiError> {
        let text = std::str::from_utf8(buffer).map_err(|_| invalid("The data are not UTF-8."))?;
        let (slot, method, field): (fn(&mut Connect) -> &mut Option<String>, _, _) = match item {
            CallInfoBuffer::UserUserInfo => {
                (|params| &mut params.user_user_info, "lineSendUserUserInfo", "userUserInfo")
            }
            CallInfoBuffer::CallDataBuffer => {
                (|params| &mut params.call_data, "lineSetCallData", "callData")
            }
            _ => return Err(invalid("The item cannot be put.")),
        };
        if self.is_unmade() {
            return self.put(|setup| *slot(&mut setup.params) = Some(text.to_owned()));
        }
        let handle = self.shared().core().owned(self.id())?;
        let mut params = json!({ "hCall": handle });
        params[field] = text.into();
        self.act(method, params, Purpose::Plain).await.map(|_| ())
    }

    /// ITCallInfo::ReleaseUserUserInfo (lineReleaseUserUserInfo): makes room for the next.
    pub async fn release_user_user_info(&self) -> Result<(), TapiError> {
        let handle = self.shared().core().owned(self.id())?;
        let params = json!({ "hCall": handle });
        self.act("lineReleaseUserUserInfo", params, Purpose::Plain).await.map(|_| ())
    }
}
