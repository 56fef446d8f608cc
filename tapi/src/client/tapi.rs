//! The TAPI object: start, end, addresses, registrations, hubs, events.

use std::sync::Arc;

use serde_json::{Value, json};

use super::address::open_line;
use super::constant::{TapiEvent, TapiMediaType};
use super::core::Purpose;
use super::error::{Success, TapiError, TapiErrorCode};
use super::event::Event;
use super::map::{media_modes, number};
use super::socket::{ClientConfig, Shared, answered, start};
use super::table::{AddressKey, Open};
use super::{Address, AddressTranslation, CallHub};
use crate::constant::{CallPrivilege, LineErr, Mask, OpenOption};

/// Requests that are sent ahead while lines are listed.
const AHEAD: u32 = 256;
/// Addresses of one line that are listed.
const MAX_ADDRESSES: u32 = 1024;

/// lRegister of ITTAPI::RegisterCallNotifications.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Registration(pub(crate) i32);

/// ITTAPI, ITTAPI2: all telephony that the token may use. One object is one application of the
/// switch; when its last clone is gone, that application ends as by [`Tapi::shutdown`].
#[derive(Clone)]
pub struct Tapi {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop();
        self.shared.forget_events();
    }
}

impl std::fmt::Debug for Tapi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tapi").field("config", &self.inner.shared.config).finish()
    }
}

impl Tapi {
    /// The object; nothing is asked of the switch before [`Tapi::initialize`].
    pub fn new(config: ClientConfig) -> Self {
        Self { inner: Arc::new(Inner { shared: Arc::new(Shared::new(config)) }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// ITTAPI::Initialize: connects and starts the application. Must be called within a tokio
    /// runtime, which then serves the connection.
    ///
    /// S_FALSE: it is initialized already. Errors: E_ACCESSDENIED for a wrong token,
    /// TAPI_E_SERVICE_NOT_RUNNING where no switch answers.
    pub async fn initialize(&self) -> Result<Success, TapiError> {
        let shared = self.shared();
        let _phase = shared.phase.lock().await;
        if shared.core().is_initialized {
            return Ok(Success::False);
        }
        start(shared).await?;
        let params = json!({ "appName": shared.config.app_name, "apiVersion": "2.2" });
        let started = shared.call("lineInitializeEx", params, Purpose::Start).await;
        if let Err(error) = started {
            shared.stop();
            return Err(error);
        }
        Ok(Success::Ok)
    }

    /// ITTAPI::Shutdown: ends the application. Its handles die, its calls go on. The stream of
    /// events ends; what has not been fetched is forgotten.
    ///
    /// S_FALSE: it was not initialized.
    pub async fn shutdown(&self) -> Result<Success, TapiError> {
        let shared = self.shared();
        let _phase = shared.phase.lock().await;
        if !shared.core().is_initialized {
            return Ok(Success::False);
        }
        shared.forget_events();
        let ended = shared.call("lineShutdown", json!({}), Purpose::Stop).await;
        shared.stop();
        ended.map(|_| Success::Ok)
    }

    /// ITTAPI::put_EventFilter: which kinds of events are delivered. **None are before this is
    /// called.**
    pub fn put_event_filter(&self, filter: impl Into<Mask<TapiEvent>>) {
        self.shared().core().filter = filter.into();
    }

    /// ITTAPI::get_EventFilter
    pub fn event_filter(&self) -> Mask<TapiEvent> {
        self.shared().core().filter
    }

    /// ITTAPIEventNotification::Event: the next event, when there is one. None after Shutdown, and
    /// when the connection is lost for good. Of several readers each gets a part.
    pub async fn next_event(&self) -> Option<Event> {
        self.shared().next_event().await
    }

    /// ITTAPI::get_Addresses: every address of every line that the token may use.
    pub async fn addresses(&self) -> Result<Vec<Address>, TapiError> {
        let shared = self.shared();
        let devices = shared.core().num_devices;
        let mut found = Vec::new();
        let mut next = 0;
        loop {
            let end = devices.min(next + AHEAD);
            let ask = |device| {
                let params = json!({ "deviceId": device });
                (device, shared.ask("lineGetDevCaps", params, Purpose::Plain))
            };
            let asked: Vec<_> = (next..end).map(ask).collect();
            if devices == 0 {
                // Says TAPI_E_NOT_INITIALIZED where that is why there are none.
                shared.call("lineGetAppPriority", probe(), Purpose::Plain).await?;
            }
            for (device, answer) in asked {
                match answered("lineGetDevCaps", answer).await {
                    Ok(caps) => found.extend(self.addresses_of(device, &caps)),
                    Err(error) if is_hidden(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            if end == devices {
                return Ok(found);
            }
            next = end;
        }
    }

    fn addresses_of(&self, device: u32, caps: &Value) -> Vec<Address> {
        let count = number(&caps["numAddresses"]).unwrap_or(0).min(MAX_ADDRESSES);
        let shared = self.shared();
        let one = |address| Address::known(shared, AddressKey { device, address });
        (0..count).map(one).collect()
    }

    /// The address with this dialable number (not a method of TAPI: the loop over get_Addresses
    /// that every application begins with).
    ///
    /// Errors: TAPI_E_NOITEMS.
    pub async fn address(&self, dialable: &str) -> Result<Address, TapiError> {
        for address in self.addresses().await? {
            if address.dialable_address().await? == dialable {
                return Ok(address);
            }
        }
        let detail = format!("No address {dialable} may be used here.");
        Err(TapiError::new(TapiErrorCode::NoItems, detail))
    }

    /// ITTAPI::RegisterCallNotifications (lineOpen): calls of the address that others make are
    /// announced, as owner, monitor or both. Events of them carry `callback_instance`. If both are
    /// wanted, say so in one call.
    ///
    /// Errors: E_INVALIDARG if neither is wanted, TAPI_E_NOT_INITIALIZED, TAPI_E_INVALIDMEDIATYPE.
    pub async fn register_call_notifications(
        &self,
        address: &Address,
        monitor: bool,
        owner: bool,
        media_types: Mask<TapiMediaType>,
        callback_instance: i32,
    ) -> Result<Registration, TapiError> {
        let privileges = [(monitor, CallPrivilege::Monitor), (owner, CallPrivilege::Owner)];
        let wanted = privileges.iter().filter(|(is_wanted, _)| *is_wanted);
        let wanted: Vec<CallPrivilege> = wanted.map(|(_, privilege)| *privilege).collect();
        if wanted.is_empty() {
            let detail = "Neither owner nor monitor is wanted.";
            return Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        }
        let shared = self.shared();
        let key = address.key();
        let cookie = {
            let mut core = shared.core();
            core.last_cookie = core.last_cookie.wrapping_add(1);
            core.last_cookie
        };
        let mut names = json!(wanted);
        if let (Value::Array(names), true) = (&mut names, address.num_addresses().await? > 1) {
            names.push(json!(OpenOption::SingleAddress));
        }
        let params = json!({
            "deviceId": key.device,
            "addressId": key.address,
            "privileges": names,
            "mediaModes": media_modes(media_types),
        });
        let open = Open {
            device: key.device,
            cookie: Some(cookie),
            callback: callback_instance,
            has_status: false,
        };
        open_line(shared, open, params).await?;
        Ok(Registration(cookie))
    }

    /// ITTAPI::UnregisterNotifications (lineClose). Objects of calls that were announced by it have
    /// no call behind them any more.
    ///
    /// Errors: TAPI_E_NOTREGISTERED.
    pub async fn unregister_notifications(
        &self,
        registration: Registration,
    ) -> Result<(), TapiError> {
        let shared = self.shared();
        let found = {
            let core = shared.core();
            let mut opens = core.table.opens.iter();
            let is_it = |open: &Open| open.cookie == Some(registration.0);
            opens.find(|(_, open)| is_it(open)).map(|(h_line, open)| (*h_line, open.clone()))
        };
        let Some((h_line, open)) = found else {
            let detail = "There is no such registration.";
            return Err(TapiError::new(TapiErrorCode::NotRegistered, detail));
        };
        let params = json!({ "hLine": h_line });
        shared.call("lineClose", params, Purpose::Close(h_line)).await?;
        let heir = shared.core().table.line_of(open.device);
        match heir.filter(|_| open.has_status) {
            Some(heir) => super::address::ask_for_status(shared, heir).await,
            None => Ok(()),
        }
    }

    /// ITTAPI::SetCallHubTracking: whether [`Event::CallHub`] is told of calls on these addresses.
    pub fn set_call_hub_tracking(&self, addresses: &[Address], is_on: bool) {
        self.shared().with_core(|core, _| {
            for address in addresses {
                let key = address.key();
                if is_on {
                    core.table.tracked.insert(key);
                } else {
                    core.table.tracked.remove(&key);
                }
            }
            if is_on {
                let tracked = &core.table.tracked;
                let here = core.table.calls.iter().filter(|(_, call)| {
                    tracked.contains(&call.address) && call.handle.is_some() && call.call_id == 0
                });
                let here: Vec<_> = here.map(|(id, _)| *id).collect();
                core.table.unidentified.extend(here);
            }
        });
    }

    /// ITTAPI::get_CallHubs: the hubs of the calls whose hub is known.
    pub fn call_hubs(&self) -> Vec<CallHub> {
        let mut ids: Vec<u32> = {
            let core = self.shared().core();
            let calls = core.table.calls.values();
            let known = calls.filter(|call| call.hub != 0);
            known.map(|call| call.hub).collect()
        };
        ids.sort_unstable();
        ids.dedup();
        let has_calls = |hub: &CallHub| hub.num_calls() > 0;
        ids.into_iter().map(|id| CallHub::new(self.shared(), id)).filter(has_calls).collect()
    }

    /// The ITAddressTranslation interface of the TAPI object.
    pub fn address_translation(&self) -> AddressTranslation {
        AddressTranslation::new(self.shared(), None)
    }
}

/// A question that costs nothing.
fn probe() -> Value {
    json!({ "appName": "nobody", "mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE" })
}

/// Whether a device is one that this token does not see.
fn is_hidden(error: &TapiError) -> bool {
    matches!(error.line_error, Some(LineErr::BadDeviceId | LineErr::NoDevice))
}
