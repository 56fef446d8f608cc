//! Events: what ITTAPIEventNotification::Event hands to an application, as one enum.

use super::center::Kind;
use super::constant::{
    AddressEvent, CallHubEvent, CallInfoChangeCause, CallNotificationEvent, CallState,
    CallStateEventCause, TapiEvent, TapiObjectEvent,
};
use super::{Address, Call, CallCenterEvent, CallHub};
use crate::constant::{DigitMode, GatherTerm, GenerateTerm};

/// Something happened. `callback_instance` is the number that was passed to
/// [`Tapi::register_call_notifications`](super::Tapi::register_call_notifications), 0 for calls
/// that the application has made.
///
/// Treat a state event as "the state is now this": TAPI promises no fixed sequence, and a slow
/// reader loses the oldest events (see [`Event::Dropped`]).
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event<C = Call, A = Address, H = CallHub, X = CallCenterEvent> {
    /// ITTAPIObjectEvent, TE_TAPIOBJECT.
    TapiObject {
        /// get_Event
        event: TapiObjectEvent,
        /// ITTAPIObjectEvent2's address: which one was created, removed or closed.
        address: Option<A>,
    },
    /// ITAddressEvent, TE_ADDRESS.
    Address {
        /// get_Address
        address: A,
        /// get_Event
        event: AddressEvent,
    },
    /// ITCallNotificationEvent, TE_CALLNOTIFICATION: a call that the application has not made.
    /// It may be answered from CS_OFFERING on, which comes later.
    CallNotification {
        /// get_Call
        call: C,
        /// get_Event
        event: CallNotificationEvent,
        /// get_CallbackInstance
        callback_instance: i32,
    },
    /// ITCallStateEvent, TE_CALLSTATE.
    CallState {
        /// get_Call
        call: C,
        /// get_State
        state: CallState,
        /// get_Cause
        cause: CallStateEventCause,
        /// get_CallbackInstance
        callback_instance: i32,
    },
    /// ITCallHubEvent, TE_CALLHUB; of addresses with
    /// [`Tapi::set_call_hub_tracking`](super::Tapi::set_call_hub_tracking).
    CallHub {
        /// get_CallHub
        call_hub: H,
        /// get_Event
        event: CallHubEvent,
        /// get_Call
        call: C,
    },
    /// ITCallInfoChangeEvent, TE_CALLINFOCHANGE.
    CallInfoChange {
        /// get_Call
        call: C,
        /// get_Cause
        cause: CallInfoChangeCause,
        /// get_CallbackInstance
        callback_instance: i32,
    },
    /// ITDigitDetectionEvent, TE_DIGITEVENT.
    DigitDetection {
        /// get_Call
        call: C,
        /// get_Digit
        digit: char,
        /// get_DigitMode
        digit_mode: DigitMode,
        /// get_CallbackInstance
        callback_instance: i32,
    },
    /// ITDigitGenerationEvent, TE_GENERATEEVENT.
    DigitGeneration {
        /// get_Call
        call: C,
        /// get_GenerationTermination
        generation_termination: GenerateTerm,
        /// get_CallbackInstance
        callback_instance: i32,
    },
    /// ITDigitsGatheredEvent, TE_GATHERDIGITS.
    DigitsGathered {
        /// get_Call
        call: C,
        /// get_Digits
        digits: String,
        /// get_GatherTermination
        gather_termination: GatherTerm,
        /// get_CallbackInstance
        callback_instance: i32,
    },
    /// ITToneDetectionEvent, TE_TONEEVENT.
    ToneDetection {
        /// get_Call
        call: C,
        /// get_AppSpecific
        app_specific: u32,
        /// get_CallbackInstance
        callback_instance: i32,
    },
    /// What happened in a call centre; from
    /// [`Tapi::agent_handlers`](super::Tapi::agent_handlers) on.
    CallCenter(X),
    /// So many events were forgotten before the next one, because the application did not fetch
    /// them. No event of TAPI.
    Dropped {
        /// How many.
        count: u64,
    },
}

impl<C, A, H, X: Kind> Event<C, A, H, X> {
    /// The bit of the event filter; none for [`Event::Dropped`], which cannot be filtered.
    pub fn kind(&self) -> Option<TapiEvent> {
        Some(match self {
            Self::TapiObject { .. } => TapiEvent::TapiObject,
            Self::Address { .. } => TapiEvent::Address,
            Self::CallNotification { .. } => TapiEvent::CallNotification,
            Self::CallState { .. } => TapiEvent::CallState,
            Self::CallHub { .. } => TapiEvent::CallHub,
            Self::CallInfoChange { .. } => TapiEvent::CallInfoChange,
            Self::DigitDetection { .. } => TapiEvent::DigitEvent,
            Self::DigitGeneration { .. } => TapiEvent::GenerateEvent,
            Self::DigitsGathered { .. } => TapiEvent::GatherDigits,
            Self::ToneDetection { .. } => TapiEvent::ToneEvent,
            Self::CallCenter(event) => event.kind(),
            Self::Dropped { .. } => return None,
        })
    }
}

impl<C, A, H, X> Event<C, A, H, X> {
    /// get_Call, of the events that have one.
    pub fn call(&self) -> Option<&C> {
        match self {
            Self::CallNotification { call, .. }
            | Self::CallState { call, .. }
            | Self::CallHub { call, .. }
            | Self::CallInfoChange { call, .. }
            | Self::DigitDetection { call, .. }
            | Self::DigitGeneration { call, .. }
            | Self::DigitsGathered { call, .. }
            | Self::ToneDetection { call, .. } => Some(call),
            Self::TapiObject { .. }
            | Self::Address { .. }
            | Self::CallCenter(_)
            | Self::Dropped { .. } => None,
        }
    }

    /// The same event with other objects in it.
    pub(crate) fn map<C2, A2, H2, X2>(
        self,
        to_call: impl Fn(C) -> C2,
        to_address: impl Fn(A) -> A2,
        to_hub: impl Fn(H) -> H2,
        to_center: impl Fn(X) -> X2,
    ) -> Event<C2, A2, H2, X2> {
        match self {
            Self::TapiObject { event, address } => {
                Event::TapiObject { event, address: address.map(to_address) }
            }
            Self::Address { address, event } => {
                Event::Address { address: to_address(address), event }
            }
            Self::CallNotification { call, event, callback_instance } => {
                Event::CallNotification { call: to_call(call), event, callback_instance }
            }
            Self::CallState { call, state, cause, callback_instance } => {
                Event::CallState { call: to_call(call), state, cause, callback_instance }
            }
            Self::CallHub { call_hub, event, call } => {
                Event::CallHub { call_hub: to_hub(call_hub), event, call: to_call(call) }
            }
            Self::CallInfoChange { call, cause, callback_instance } => {
                Event::CallInfoChange { call: to_call(call), cause, callback_instance }
            }
            Self::DigitDetection { call, digit, digit_mode, callback_instance } => {
                Event::DigitDetection { call: to_call(call), digit, digit_mode, callback_instance }
            }
            Self::DigitGeneration { call, generation_termination, callback_instance } => {
                let call = to_call(call);
                Event::DigitGeneration { call, generation_termination, callback_instance }
            }
            Self::DigitsGathered { call, digits, gather_termination, callback_instance } => {
                let call = to_call(call);
                Event::DigitsGathered { call, digits, gather_termination, callback_instance }
            }
            Self::ToneDetection { call, app_specific, callback_instance } => {
                Event::ToneDetection { call: to_call(call), app_specific, callback_instance }
            }
            Self::CallCenter(event) => Event::CallCenter(to_center(event)),
            Self::Dropped { count } => Event::Dropped { count },
        }
    }
}
