//! ITBasicCallControl: making, answering, holding, ending, parking and picking up calls.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::address::line_of;
use super::constant::{
    CallPrivilege, CallState, CallStateEventCause, DisconnectCode, QosServiceLevel, TapiMediaType,
};
use super::core::{Binding, Purpose};
use super::error::{Success, TapiError, TapiErrorCode};
use super::map::{connect_error, media_modes};
use super::setup::{CallSetup, Connect};
use super::socket::Shared;
use super::table::{AddressKey, CallId, CallRecord};
use super::{Address, CallHub};
use crate::constant::{
    CallPrivilege as LineCallPrivilege, CallState as LineCallState, LineErr, Mask, ParkMode,
};

/// How often Answer is tried while the phone has not rung yet, and with which pause.
const ANSWER_TRIES: u32 = 40;
const ANSWER_PAUSE: Duration = Duration::from_millis(50);

/// A call object: ITBasicCallControl, ITCallInfo and ITLegacyCallMediaControl of one line's view of
/// a call.
///
/// Methods that change the call need the owner's privilege, else they fail with TAPI_E_NOTOWNER;
/// with TAPI_E_TIMEOUT after two minutes.
#[derive(Clone)]
pub struct Call {
    inner: Arc<Held>,
}

struct Held {
    shared: Arc<Shared>,
    id: CallId,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.with_core(|core, _| core.table.release(self.id));
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.shared(), other.shared()) && self.id() == other.id()
    }
}

impl Eq for Call {}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({})", self.inner.id.0)
    }
}

/// The answer of a method in a state in which it is not permitted.
pub(crate) fn wrong_state(state: CallState) -> TapiError {
    use crate::constant::Constant as _;
    let detail = format!("The call is {}.", state.name());
    TapiError::new(TapiErrorCode::InvalCallState, detail)
}

fn gone() -> TapiError {
    TapiError::new(TapiErrorCode::InvalCallState, "There is no call behind this object.")
}

impl Call {
    /// One more object for a call.
    pub(crate) fn new(shared: &Arc<Shared>, id: CallId) -> Self {
        shared.core().table.hold(id);
        Self::adopt(shared, id)
    }

    /// The object for which the call is held already.
    pub(crate) fn adopt(shared: &Arc<Shared>, id: CallId) -> Self {
        Self { inner: Arc::new(Held { shared: Arc::clone(shared), id }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    pub(crate) fn id(&self) -> CallId {
        self.inner.id
    }

    pub(crate) fn record<T>(&self, read: impl FnOnce(&CallRecord) -> T) -> Result<T, TapiError> {
        self.shared().core().table.calls.get(&self.id()).map(read).ok_or_else(gone)
    }

    /// The handle, where the application owns the call and it is in one of these states.
    pub(crate) fn owned_in(&self, states: &[CallState]) -> Result<u32, TapiError> {
        let handle = self.shared().core().owned(self.id())?;
        let state = self.call_state();
        if states.contains(&state) { Ok(handle) } else { Err(wrong_state(state)) }
    }

    /// A function that does something with this call.
    pub(crate) async fn act(
        &self,
        method: &str,
        params: Value,
        purpose: Purpose,
    ) -> Result<Value, TapiError> {
        self.shared().call(method, params, purpose).await
    }

    /// Waits until the call is in one of these states or over.
    pub(crate) async fn settle(&self, states: &[CallState]) -> Result<CallState, TapiError> {
        let id = self.id();
        self.shared()
            .until(|core| {
                let state = core.table.calls.get(&id).map(|call| call.state);
                let state = state.unwrap_or(CallState::Disconnected);
                let is_it = state == CallState::Disconnected || states.contains(&state);
                is_it.then_some(state)
            })
            .await
    }

    /// Waits until the call is connected.
    ///
    /// Errors: why it is over instead.
    pub(crate) async fn connected(&self) -> Result<(), TapiError> {
        match self.settle(&[CallState::Connected, CallState::Hold]).await? {
            CallState::Disconnected => {
                let cause = self.record(|call| call.cause).unwrap_or(CallStateEventCause::None);
                let detail = "The call has ended before it was connected.";
                Err(TapiError::new(connect_error(cause), detail))
            }
            _ => Ok(()),
        }
    }

    /// ITCallInfo::get_Address
    ///
    /// Errors: TAPI_E_INVALCALLSTATE for a call that was released.
    pub fn address(&self) -> Result<Address, TapiError> {
        let key = self.record(|call| call.address)?;
        Ok(Address::new(self.shared(), key))
    }

    /// ITCallInfo::get_CallState: as it is now.
    pub fn call_state(&self) -> CallState {
        self.record(|call| call.state).unwrap_or(CallState::Disconnected)
    }

    /// Why the call is over; CEC_NONE as long as it is not.
    pub fn disconnect_cause(&self) -> CallStateEventCause {
        self.record(|call| call.cause).unwrap_or(CallStateEventCause::None)
    }

    /// ITCallInfo::get_Privilege
    ///
    /// Errors: TAPI_E_INVALCALLSTATE for a call that was released.
    pub fn privilege(&self) -> Result<CallPrivilege, TapiError> {
        self.record(|call| call.privilege)
    }

    /// ITCallInfo::get_CallHub
    ///
    /// Errors: E_PENDING while the hub is not known yet: before the call is made.
    pub async fn call_hub(&self) -> Result<CallHub, TapiError> {
        let pending = || TapiError::new(TapiErrorCode::Pending, "The call has no call ID yet.");
        let parent = self.record(|call| call.parent)?;
        for id in parent.into_iter().chain([self.id()]) {
            let handle = self.shared().core().table.calls.get(&id).and_then(|call| call.handle);
            if let Some(handle) = handle {
                let params = json!({ "hCall": handle });
                self.act("lineGetCallInfo", params, Purpose::Identify(id)).await?;
            }
        }
        let id = self.record(|call| call.hub)?;
        if id == 0 { Err(pending()) } else { Ok(CallHub::new(self.shared(), id)) }
    }

    /// Begins with a call that is CS_IDLE; its address and what was put into it.
    pub(crate) fn begin(&self) -> Result<(AddressKey, CallSetup), TapiError> {
        let mut core = self.shared().core();
        let call = core.table.calls.get_mut(&self.id()).ok_or_else(gone)?;
        if call.state != CallState::Idle || call.is_begun {
            return Err(wrong_state(call.state));
        }
        call.is_begun = true;
        Ok((call.address, call.setup.clone()))
    }

    /// Nothing has become of it: the call may be begun again.
    pub(crate) fn begin_again(&self) {
        if let Some(call) = self.shared().core().table.calls.get_mut(&self.id()) {
            call.is_begun = false;
        }
    }

    /// Asks for the function that brings the call into being.
    async fn make(
        &self,
        method: &str,
        key: AddressKey,
        mut params: Value,
    ) -> Result<(), TapiError> {
        let made = async {
            let h_line = line_of(self.shared(), key.device).await?;
            params["hLine"] = h_line.into();
            params["addressId"] = key.address.into();
            let binding = Binding { h_line, fields: vec![("hCall", self.id())] };
            self.act(method, params, Purpose::Bind(binding)).await
        };
        let made = made.await.map(|_| ());
        if made.is_err() {
            self.begin_again();
        }
        made
    }

    /// ITBasicCallControl::Connect (lineMakeCall): dials. With [`Connect::asynchronous`] progress comes
    /// as events; with [`Connect::sync`] the method waits until the call is connected.
    ///
    /// Errors: TAPI_E_INVALCALLSTATE if the call is not CS_IDLE. A synchronous call that ends
    /// instead: TAPI_E_DESTBUSY, TAPI_E_DESTNOANSWER, TAPI_E_DESTUNAVAIL, TAPI_E_INVALADDRESS,
    /// TAPI_E_ADDRESSBLOCKED or TAPI_E_DROPPED; after two minutes TAPI_E_TIMEOUT, and the call goes
    /// on.
    pub async fn connect(&self, how: Connect) -> Result<(), TapiError> {
        let is_sync = how.is_sync;
        let (key, mut setup) = self.begin()?;
        setup.params = how.or(&setup.params);
        let params = json!({
            "destAddress": setup.destination,
            "countryCode": setup.params.country_code.unwrap_or(0),
            "callParams": setup.call_params(key.address),
        });
        self.make("lineMakeCall", key, params).await?;
        self.put_late(&setup).await?;
        if is_sync { self.connected().await } else { Ok(()) }
    }

    /// ITBasicCallControl::Answer (lineAnswer).
    ///
    /// Errors: E_UNEXPECTED if the call is not CS_OFFERING; TAPI_E_NOTSUPPORTED, after two seconds,
    /// where the phone cannot be told to answer.
    pub async fn answer(&self) -> Result<(), TapiError> {
        let handle = self.owned_in(&[CallState::Offering]).map_err(|mut error| {
            if error.code == TapiErrorCode::InvalCallState {
                error.code = TapiErrorCode::Unexpected;
            }
            error
        })?;
        let params = json!({ "hCall": handle });
        let mut tries = ANSWER_TRIES;
        while let Err(error) = self.act("lineAnswer", params.clone(), Purpose::Plain).await {
            // A phone says with its first ring whether it can be told to answer, and no message
            // tells that it has said so.
            let is_unsure = error.line_error == Some(LineErr::OperationUnavail)
                && self.call_state() == CallState::Offering;
            if !is_unsure || tries == 0 {
                return Err(error);
            }
            tries -= 1;
            tokio::time::sleep(ANSWER_PAUSE).await;
        }
        self.settle(&[CallState::Connected, CallState::Hold]).await.map(|_| ())
    }

    /// ITBasicCallControl::Disconnect (lineDrop): ends the call, or rejects it while it is
    /// CS_OFFERING. The switch does not distinguish the codes: a phone that is offered a call
    /// rejects it as busy.
    ///
    /// S_FALSE: the call is CS_IDLE, or there is nothing behind it any more.
    pub async fn disconnect(&self, _code: DisconnectCode) -> Result<Success, TapiError> {
        let there = self.record(|call| call.handle.is_some() && !is_idle(call)).unwrap_or(false);
        if !there {
            return Ok(Success::False);
        }
        let handle = self.shared().core().owned(self.id())?;
        let dropped = self.act("lineDrop", json!({ "hCall": handle }), Purpose::Plain).await;
        match dropped {
            Ok(_) => self.settle(&[]).await.map(|_| Success::Ok),
            // It ended by itself in the meantime.
            Err(_) if self.call_state() == CallState::Disconnected => Ok(Success::False),
            Err(error) => Err(error),
        }
    }

    /// ITBasicCallControl::Dial (lineDial): more digits for a call that is partly dialled.
    pub async fn dial(&self, destination: &str) -> Result<(), TapiError> {
        let handle = self.owned_in(&[CallState::InProgress, CallState::Connected])?;
        let params = json!({ "hCall": handle, "destAddress": destination });
        self.act("lineDial", params, Purpose::Plain).await.map(|_| ())
    }

    /// ITBasicCallControl::Hold (lineHold, lineUnhold). Of a conference, this station's part is
    /// held: all its members wait.
    ///
    /// Errors: TAPI_E_INVALCALLSTATE unless the call is CS_CONNECTED to be held, CS_HOLD to be
    /// resumed.
    pub async fn hold(&self, hold: bool) -> Result<(), TapiError> {
        let (method, from, to) = match hold {
            true => ("lineHold", CallState::Connected, CallState::Hold),
            false => ("lineUnhold", CallState::Hold, CallState::Connected),
        };
        let own = self.owned_in(&[from])?;
        let handle = self.conference_handle().unwrap_or(own);
        self.act(method, json!({ "hCall": handle }), Purpose::Plain).await?;
        self.settle(&[to]).await.map(|_| ())
    }

    /// The handle of the conference that the call is a member of.
    pub(crate) fn conference_handle(&self) -> Option<u32> {
        let core = self.shared().core();
        let parent = core.table.calls.get(&self.id())?.parent?;
        core.table.calls.get(&parent)?.handle
    }

    /// ITBasicCallControl::SwapHold (lineSwapHold): this call, which is CS_CONNECTED, and the other
    /// one, which is CS_HOLD, change places; also a call and its consultation call.
    ///
    /// Errors: E_INVALIDARG if the other is no call; TAPI_E_INVALCALLSTATE; E_FAIL where the switch
    /// does not swap.
    pub async fn swap_hold(&self, other: &Call) -> Result<(), TapiError> {
        let active = self.owned_in(&[CallState::Connected])?;
        if other.record(|call| call.handle).ok().flatten().is_none() {
            let detail = "The other call does not exist.";
            return Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        }
        let held = other.owned_in(&[CallState::Hold])?;
        let params = json!({ "hActiveCall": active, "hHeldCall": held });
        let swapped = self.act("lineSwapHold", params, Purpose::Plain).await;
        swapped.map_err(|error| error.unsupported_as(TapiErrorCode::Fail))?;
        other.settle(&[CallState::Connected]).await?;
        self.settle(&[CallState::Hold]).await.map(|_| ())
    }

    /// ITBasicCallControl::SetQOS: calls get what the network gives. QSL_BEST_EFFORT and
    /// QSL_IF_AVAILABLE are that.
    ///
    /// Errors: E_INVALIDARG for anything but one medium; TAPI_E_NOTSUPPORTED for QSL_NEEDED.
    pub fn set_qos(
        &self,
        media_type: Mask<TapiMediaType>,
        level: QosServiceLevel,
    ) -> Result<(), TapiError> {
        self.record(|_| ())?;
        if media_type.single().is_none() {
            let detail = "Exactly one media type is needed.";
            return Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        }
        match level {
            QosServiceLevel::BestEffort | QosServiceLevel::IfAvailable => Ok(()),
            QosServiceLevel::Needed => {
                let detail = "No quality of service is guaranteed.";
                Err(TapiError::new(TapiErrorCode::NotSupported, detail))
            }
        }
    }

    /// ITBasicCallControl::ParkDirect (linePark DIRECTED): parks in this slot; the call here is
    /// over.
    ///
    /// Errors: E_FAIL where calls are not parked, E_INVALIDARG for a bad address.
    pub async fn park_direct(&self, address: &str) -> Result<(), TapiError> {
        self.park(ParkMode::Directed, Some(address)).await.map(|_| ())
    }

    /// ITBasicCallControl::ParkIndirect (linePark NONDIRECTED): parks where the switch finds a free
    /// slot, whose number is returned; the call here is over.
    ///
    /// Errors: E_FAIL where calls are not parked.
    pub async fn park_indirect(&self) -> Result<String, TapiError> {
        self.park(ParkMode::NonDirected, None).await
    }

    async fn park(&self, mode: ParkMode, slot: Option<&str>) -> Result<String, TapiError> {
        let handle = self.owned_in(&[CallState::Connected])?;
        let params = json!({ "hCall": handle, "parkMode": mode, "dirAddress": slot });
        let parked = self.act("linePark", params, Purpose::Plain).await.map_err(|error| {
            error
                .unsupported_as(TapiErrorCode::Fail)
                .line_as(LineErr::InvalAddress, TapiErrorCode::InvalidArg)
        })?;
        self.settle(&[]).await?;
        Ok(parked["address"].as_str().or(slot).unwrap_or_default().to_owned())
    }

    /// ITBasicCallControl::Unpark (lineUnpark): takes the call that is parked at the address that
    /// this one was created with. The line's own phone is called first.
    ///
    /// Errors: TAPI_E_INVALCALLSTATE if the call is not CS_IDLE; E_FAIL where calls are not parked;
    /// E_INVALIDARG without an address.
    pub async fn unpark(&self) -> Result<(), TapiError> {
        let (key, setup) = self.begin()?;
        let Some(slot) = setup.destination else {
            self.begin_again();
            let detail = "The call was created without an address to take a call from.";
            return Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        };
        let made = self.make("lineUnpark", key, json!({ "destAddress": slot })).await;
        made.map_err(|error| error.unsupported_as(TapiErrorCode::Fail))?;
        self.connected().await
    }

    /// ITBasicCallControl::Pickup (linePickup): takes a call that rings elsewhere: at the address
    /// that this one was created with, in a group, or with neither in the own group.
    ///
    /// Errors: TAPI_E_INVALCALLSTATE if the call is not CS_IDLE; E_FAIL if there is nothing to take.
    pub async fn pickup(&self, group_id: Option<&str>) -> Result<(), TapiError> {
        let (key, setup) = self.begin()?;
        let params = json!({ "destAddress": setup.destination, "groupId": group_id });
        let made = self.make("linePickup", key, params).await;
        made.map_err(|error| {
            error
                .unsupported_as(TapiErrorCode::Fail)
                .line_as(LineErr::OperationFailed, TapiErrorCode::Fail)
        })?;
        self.connected().await
    }

    /// ITBasicCallControl::HandoffDirect (lineHandoff): the application of this name becomes the
    /// owner, this one a monitor.
    ///
    /// Errors: TAPI_E_TARGETNOTFOUND; **the call is disconnected then**, as TAPI 3 has it.
    pub async fn handoff_direct(&self, application: &str) -> Result<(), TapiError> {
        self.hand_off(json!({ "fileName": application })).await
    }

    /// ITBasicCallControl::HandoffIndirect (lineHandoff): to the application that is first for this
    /// medium.
    ///
    /// Errors: E_INVALIDARG for anything but one medium (the call is untouched);
    /// TAPI_E_TARGETNOTFOUND, TAPI_E_TARGETSELF: **the call is disconnected then**.
    pub async fn handoff_indirect(
        &self,
        media_type: impl Into<Mask<TapiMediaType>>,
    ) -> Result<(), TapiError> {
        let Some(mode) = media_modes(media_type.into()).single() else {
            let detail = "Exactly one media type is needed.";
            return Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        };
        self.hand_off(json!({ "mediaMode": mode })).await
    }

    async fn hand_off(&self, mut params: Value) -> Result<(), TapiError> {
        let handle = self.shared().core().owned(self.id())?;
        params["hCall"] = handle.into();
        if let Err(error) = self.act("lineHandoff", params, Purpose::Plain).await {
            // TAPI 3 ends a call that it could not hand off; what that answers says nothing new.
            let _ = self.disconnect(DisconnectCode::Normal).await;
            return Err(error);
        }
        let privilege = LineCallPrivilege::Monitor;
        let params = json!({ "hCall": handle, "callPrivilege": privilege });
        self.act("lineSetCallPrivilege", params, Purpose::Plain).await?;
        self.shared().with_core(|core, _| {
            if let Some(call) = core.table.calls.get_mut(&self.id()) {
                call.privilege = CallPrivilege::Monitor;
            }
        });
        Ok(())
    }

    /// Gives the call up before it is over: lineDeallocateCall, whoever else holds the object. The
    /// call itself goes on.
    pub fn release(self) {
        self.shared().with_core(|core, _| core.give_up_call(self.id()));
    }
}

/// Whether the 2.x call is over.
fn is_idle(call: &CallRecord) -> bool {
    call.line_state == Some(LineCallState::Idle)
}
