//! Addresses.

use std::sync::Arc;

use serde_json::{Value, json};

use super::constant::{AddressState, CallState, TapiMediaType};
use super::core::Purpose;
use super::error::{TapiError, TapiErrorCode};
use super::map::{mask, media_modes, media_types, number};
use super::setup::CallSetup;
use super::socket::Shared;
use super::table::{AddressKey, CallId, Kind, Open};
use super::{AddressCapabilities, AddressTranslation, Call, Connect, Forward, ForwardInformation};
use crate::constant::{
    AddrFeature, AddressState as LineAddressState, CallPrivilege, CallSelect, ForwardMode,
    LineDevState, LineDevStatusFlag, LineErr, Mask, MediaMode,
};

/// ITAddress: something that makes and receives calls.
#[derive(Clone)]
pub struct Address {
    shared: Arc<Shared>,
    key: AddressKey,
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.key == other.key
    }
}

impl Eq for Address {}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({}.{})", self.key.device, self.key.address)
    }
}

impl Address {
    pub(crate) fn new(shared: &Arc<Shared>, key: AddressKey) -> Self {
        Self { shared: Arc::clone(shared), key }
    }

    /// An address that the application has asked for, and which gets the events of its line.
    pub(crate) fn known(shared: &Arc<Shared>, key: AddressKey) -> Self {
        shared.core().table.know_address(key);
        Self::new(shared, key)
    }

    pub(crate) fn key(&self) -> AddressKey {
        self.key
    }

    async fn dev_caps(&self) -> Result<Value, TapiError> {
        let params = json!({ "deviceId": self.key.device });
        self.shared.call("lineGetDevCaps", params, Purpose::Plain).await
    }

    async fn address_caps(&self) -> Result<Value, TapiError> {
        let params = json!({ "deviceId": self.key.device, "addressId": self.key.address });
        self.shared.call("lineGetAddressCaps", params, Purpose::Plain).await
    }

    pub(crate) async fn num_addresses(&self) -> Result<u32, TapiError> {
        Ok(number(&self.dev_caps().await?["numAddresses"]).unwrap_or(1))
    }

    /// ITAddress::get_AddressName: whose address it is.
    pub async fn address_name(&self) -> Result<String, TapiError> {
        let caps = self.dev_caps().await?;
        let shown = caps.pointer("/devSpecific/displayName").and_then(Value::as_str);
        let name = shown.filter(|name| !name.is_empty()).or(caps["lineName"].as_str());
        Ok(name.unwrap_or_default().to_owned())
    }

    /// ITAddress::get_DialableAddress: its number.
    pub async fn dialable_address(&self) -> Result<String, TapiError> {
        Ok(self.address_caps().await?["address"].as_str().unwrap_or_default().to_owned())
    }

    /// ITAddress::get_ServiceProviderName
    pub async fn service_provider_name(&self) -> Result<String, TapiError> {
        Ok(self.dev_caps().await?["providerInfo"].as_str().unwrap_or_default().to_owned())
    }

    /// ITMediaSupport::get_MediaTypes: the media that the address carries.
    pub async fn media_types(&self) -> Result<Mask<TapiMediaType>, TapiError> {
        Ok(media_types(mask::<MediaMode>(&self.dev_caps().await?["mediaModes"])))
    }

    /// ITMediaSupport::QueryMediaType: whether the address carries this medium.
    pub async fn query_media_type(&self, media_type: TapiMediaType) -> Result<bool, TapiError> {
        Ok(self.media_types().await?.contains(media_type))
    }

    /// ITAddress::get_State: in service while a phone is registered.
    pub async fn state(&self) -> Result<AddressState, TapiError> {
        let flags = self.dev_status_flags().await?;
        let is_in_service = flags.contains(LineDevStatusFlag::InService);
        Ok(if is_in_service { AddressState::InService } else { AddressState::OutOfService })
    }

    /// ITAddress::get_MessageWaiting: the lamp.
    pub async fn message_waiting(&self) -> Result<bool, TapiError> {
        Ok(self.dev_status_flags().await?.contains(LineDevStatusFlag::MsgWait))
    }

    async fn dev_status_flags(&self) -> Result<Mask<LineDevStatusFlag>, TapiError> {
        let h_line = self.line().await?;
        let params = json!({ "hLine": h_line });
        let status = self.shared.call("lineGetLineDevStatus", params, Purpose::Plain).await?;
        Ok(mask(&status["devStatusFlags"]))
    }

    /// ITAddress::put_MessageWaiting (lineSetLineDevStatus): lights or clears the lamp.
    pub async fn put_message_waiting(&self, is_on: bool) -> Result<(), TapiError> {
        let h_line = self.line().await?;
        let change = Mask::from(LineDevStatusFlag::MsgWait);
        let params = json!({ "hLine": h_line, "statusToChange": change, "status": is_on });
        self.shared.call("lineSetLineDevStatus", params, Purpose::Plain).await.map(|_| ())
    }

    /// ITAddress::CreateCall: an outgoing call in CS_IDLE. Nothing happens on the network until
    /// [`Call::connect`], [`Call::unpark`] or [`Call::pickup`]; the calls that
    /// [`Call::transfer`] and [`Call::conference`] consult are made with it too.
    ///
    /// `destination` is a dialable address (LINEADDRESSTYPE_PHONENUMBER, the only type); without
    /// one everything is dialled by [`Call::dial`], or what rings in the own group is picked up.
    ///
    /// Errors: TAPI_E_NOT_INITIALIZED, TAPI_E_INVALIDMEDIATYPE for media that no call here has.
    pub fn create_call(
        &self,
        destination: Option<&str>,
        media_types: Mask<TapiMediaType>,
    ) -> Result<Call, TapiError> {
        if media_modes(media_types).is_empty() && !media_types.is_empty() {
            let detail = "No call here has such media.";
            return Err(TapiError::new(TapiErrorCode::InvalidMediaType, detail));
        }
        let mut core = self.shared.core();
        if !core.is_initialized {
            let detail = "Initialize comes first.";
            return Err(TapiError::new(TapiErrorCode::NotInitialized, detail));
        }
        let setup = CallSetup {
            destination: destination.filter(|text| !text.is_empty()).map(str::to_owned),
            media_types,
            params: Connect::default(),
            ..CallSetup::default()
        };
        let id = core.table.create(self.key, Kind::Made, setup);
        core.table.hold(id);
        drop(core);
        Ok(Call::adopt(&self.shared, id))
    }

    /// ITAddress::get_Calls: the calls on the address that are not over. Those that the application
    /// had not heard of are looked up (lineGetNewCalls) and monitored from now on.
    pub async fn calls(&self) -> Result<Vec<Call>, TapiError> {
        self.look_up_calls().await?;
        let ids: Vec<_> = {
            let core = self.shared.core();
            let here = core.table.calls.iter().filter(|(_, call)| {
                let is_over = matches!(call.state, CallState::Disconnected);
                call.address == self.key && call.kind != Kind::Parent && !is_over
            });
            here.map(|(id, _)| *id).collect()
        };
        Ok(ids.into_iter().map(|id| Call::new(&self.shared, id)).collect())
    }

    async fn look_up_calls(&self) -> Result<(), TapiError> {
        let h_line = self.line().await?;
        let (select, address) = (CallSelect::Address, self.key.address);
        let params = json!({ "hLine": h_line, "select": select, "addressId": address });
        let purpose = Purpose::NewCalls(h_line, self.key);
        self.shared.call("lineGetNewCalls", params, purpose).await?;
        let unknown: Vec<(CallId, u32)> = {
            let core = self.shared.core();
            let unknown = core
                .table
                .calls
                .iter()
                .filter(|(_, call)| call.address == self.key && call.line_state.is_none());
            unknown.filter_map(|(id, call)| Some((*id, call.handle?))).collect()
        };
        for (id, handle) in unknown {
            let params = json!({ "hCall": handle });
            // A call that ended meanwhile has no status any more.
            let _ = self.shared.call("lineGetCallStatus", params, Purpose::Status(id)).await;
        }
        Ok(())
    }

    /// ITAddress::CreateForwardInfoObject: an empty list.
    pub fn create_forward_info_object(&self) -> ForwardInformation {
        ForwardInformation::default()
    }

    /// ITAddress::Forward (lineForward): sets forwarding to exactly this; none cancels all. A
    /// consultation call is not needed on this switch.
    ///
    /// Errors: E_INVALIDARG where the address is not forwarded at all, or not like that.
    pub async fn forward(&self, info: Option<&ForwardInformation>) -> Result<(), TapiError> {
        let h_line = self.line().await?;
        let mut params = json!({
            "hLine": h_line,
            "addressId": self.key.address,
            "allAddresses": false,
            "forwardList": info.map(ForwardInformation::list),
        });
        if let Some(rings) = info.and_then(ForwardInformation::num_rings_no_answer) {
            params["numRingsNoAnswer"] = rings.into();
        }
        let forwarded = self.shared.call("lineForward", params, Purpose::Plain).await;
        forwarded.map(|_| ()).map_err(|error| error.unsupported_as(TapiErrorCode::InvalidArg))
    }

    /// ITAddress::get_CurrentForwardInfo: what is in force.
    ///
    /// Errors: E_NOTIMPL where the address is not forwarded.
    pub async fn current_forward_info(&self) -> Result<ForwardInformation, TapiError> {
        let caps = self.address_caps().await?;
        if !mask::<AddrFeature>(&caps["addressFeatures"]).contains(AddrFeature::Forward) {
            let detail = "The address is not forwarded.";
            return Err(TapiError::new(TapiErrorCode::NotImpl, detail));
        }
        let h_line = self.line().await?;
        let params = json!({ "hLine": h_line, "addressId": self.key.address });
        let status = self.shared.call("lineGetAddressStatus", params, Purpose::Plain).await?;
        Ok(ForwardInformation::read(&status))
    }

    /// ITAddress::put_DoNotDisturb: on is one unconditional entry without destination, in place of
    /// all forwarding; off cancels **all** forwarding of the address.
    pub async fn put_do_not_disturb(&self, is_on: bool) -> Result<(), TapiError> {
        if !is_on {
            return self.forward(None).await;
        }
        let mut info = self.create_forward_info_object();
        info.put(Forward { mode: ForwardMode::Uncond, destination: None, caller: None });
        self.forward(Some(&info)).await
    }

    /// ITAddress::get_DoNotDisturb
    pub async fn do_not_disturb(&self) -> Result<bool, TapiError> {
        let info = self.current_forward_info().await?;
        let entry = info.forward_type(ForwardMode::Uncond);
        Ok(entry.is_some_and(|entry| entry.destination.is_none()))
    }

    /// The ITAddressCapabilities interface, as it is now.
    pub async fn capabilities(&self) -> Result<AddressCapabilities, TapiError> {
        let (device, address) = (self.dev_caps().await?, self.address_caps().await?);
        Ok(AddressCapabilities::new(self.key, device, address))
    }

    /// ITAddressTranslation for the line of this address.
    pub fn address_translation(&self) -> AddressTranslation {
        AddressTranslation::new(&self.shared, Some(self.key.device))
    }

    /// An open line of the address; one is opened to make calls where there is none.
    pub(crate) async fn line(&self) -> Result<u32, TapiError> {
        line_of(&self.shared, self.key.device).await
    }
}

/// An open line of a device; opened if need be, without privileges for calls of others.
pub(crate) async fn line_of(shared: &Arc<Shared>, device: u32) -> Result<u32, TapiError> {
    if let Some(h_line) = shared.core().table.line_of(device) {
        return Ok(h_line);
    }
    let params = json!({ "deviceId": device, "privileges": [CallPrivilege::None] });
    let open = Open { device, cookie: None, callback: 0, has_status: false };
    open_line(shared, open, params).await
}

/// lineOpen; the first open line of a device is the one whose status messages are asked for.
pub(crate) async fn open_line(
    shared: &Arc<Shared>,
    open: Open,
    params: Value,
) -> Result<u32, TapiError> {
    let device = open.device;
    let is_first = {
        let core = shared.core();
        !core.table.opens.values().any(|open| open.device == device && open.has_status)
    };
    let opened = shared.call("lineOpen", params, Purpose::Open(open)).await?;
    let invalid = || TapiError::new(TapiErrorCode::Unexpected, "lineOpen has returned no handle.");
    let h_line = number(&opened["hLine"]).ok_or_else(invalid)?;
    if is_first {
        ask_for_status(shared, h_line).await?;
    }
    Ok(h_line)
}

/// lineSetStatusMessages: everything that becomes TE_ADDRESS or TE_TAPIOBJECT.
pub(crate) async fn ask_for_status(shared: &Arc<Shared>, h_line: u32) -> Result<(), TapiError> {
    use LineDevState as S;
    let lines = S::Ringing
        | S::MsgWaitOn
        | S::MsgWaitOff
        | S::InService
        | S::OutOfService
        | S::Maintenance
        | S::CapsChange
        | S::ConfigChange
        | S::TranslateChange;
    let addresses = LineAddressState::Forward | LineAddressState::CapsChange;
    if let Some(open) = shared.core().table.opens.get_mut(&h_line) {
        open.has_status = true;
    }
    let params = json!({ "hLine": h_line, "lineStates": lines, "addressStates": addresses });
    match shared.call("lineSetStatusMessages", params, Purpose::Plain).await {
        // The line was closed in between: who opens it next asks again.
        Err(error) if error.line_error == Some(LineErr::InvalLineHandle) => Ok(()),
        other => other.map(|_| ()),
    }
}
