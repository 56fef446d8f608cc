//! The TAPI 3 objects: an asynchronous client of a switch's `/tapi`.
//!
//! | object | stands for | TAPI 2.x |
//! | --- | --- | --- |
//! | [`Tapi`] (ITTAPI) | everything that the token may use | hLineApp |
//! | [`Address`] (ITAddress, ITAddressCapabilities) | what can make and receive calls | line device and address |
//! | [`Call`] (ITBasicCallControl, ITCallInfo, ITLegacyCallMediaControl) | one line's view of a call | hCall |
//! | [`CallHub`] (ITCallHub) | all views of one call | equal dwCallID |
//! | [`ForwardInformation`] (ITForwardInformation) | a list of forwardings | LINEFORWARDLIST |
//! | [`AddressTranslation`] (ITAddressTranslation) | dialling rules | LINETRANSLATECAPS |
//! | [`AgentHandler`] (ITAgentHandler) | who passes calls to agents; [`Tapi::agent_handlers`] is ITTAPICallCenter | LINEAGENTCAPS |
//! | [`Agent`] (ITAgent), [`AgentSession`] (ITAgentSession) | somebody who handles calls; of a group, at an address | hAgent, hAgentSession |
//! | [`AcdGroup`] (ITACDGroup), [`Queue`] (ITQueue) | a class of calls; where they wait | LINEAGENTGROUPENTRY, dwQueueID |
//! | [`Event`] (ITTAPIEventNotification) | what happened | LINE_ messages |
//!
//! Methods keep their TAPI 3 names in Rust's spelling; properties lose `get_`, `put_X` is `set_X`
//! where it changes an object and `put_x` where it asks the switch. Errors are [`TapiError`] with
//! the documented HRESULT; methods that answer S_FALSE too return [`Success`].
//!
//! # A short tour
//!
//! Initialize, say which events are wanted (without that none come), register for the calls of an
//! address, and fetch events:
//!
//! ```no_run
//! use tapi::client::{CallNotificationEvent, CallState, ClientConfig, DisconnectCode};
//! use tapi::client::{Connect, Event, Tapi, TapiError, TapiEvent, TapiMediaType};
//!
//! # async fn tour() -> Result<(), TapiError> {
//! let config = ClientConfig::new("http://127.0.0.1:8080", "admin-token", "tour");
//! let tapi = Tapi::new(config);
//! let _ = tapi.initialize().await?;
//! tapi.put_event_filter(TapiEvent::CallNotification | TapiEvent::CallState);
//! let ada = tapi.address("201").await?;
//! let audio = TapiMediaType::Audio.into();
//! tapi.register_call_notifications(&ada, true, true, audio, 0).await?;
//!
//! // An outgoing call: nothing happens on the network before Connect.
//! let call = ada.create_call(Some("202"), audio)?;
//! call.connect(Connect::sync()).await?;
//! call.hold(true).await?;
//! call.hold(false).await?;
//! let _ = call.disconnect(DisconnectCode::Normal).await?;
//!
//! // Incoming calls: announced first, answered when they are offered.
//! while let Some(event) = tapi.next_event().await {
//!     match event {
//!         Event::CallNotification { event: CallNotificationEvent::Owner, .. } => {}
//!         Event::CallState { call, state: CallState::Offering, .. } => call.answer().await?,
//!         Event::CallState { state: CallState::Disconnected, .. } => break,
//!         _ => {}
//!     }
//! }
//! let _ = tapi.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Life of objects
//!
//! Objects are cheap to clone; clones stand for the same thing and are equal. A call that the
//! application made ([`Address::create_call`]) is released with its last clone: lineDeallocateCall
//! gives the handle back, and the call itself goes on. A call that was announced by
//! [`Event::CallNotification`] is kept until it is over, so that no event of it is missed, and
//! released when nobody holds it then; [`Call::release`] gives it up earlier. A call that is over
//! but still shown as busy or disconnected on the line is cleared when it is released by its owner.
//!
//! # When the connection breaks
//!
//! The client connects again and takes the application up where it was: handles stay valid, and
//! events that happened meanwhile follow in order, none twice. Methods that only ask are asked
//! again; a method whose request may or may not have reached the switch fails with
//! TAPI_E_OPERATIONFAILED. When the switch does not know the application any more, all calls get
//! CS_DISCONNECTED, [`TapiObjectEvent::Reinit`] is told, and [`Tapi::initialize`] begins anew.
//!
//! # What TAPI 3 cannot say
//!
//! Accepting without answering, redirecting, securing and completing a call have no method in
//! TAPI 3. The parent of a conference has no object: it is held, resumed and ended through its
//! members and their [`CallHub`].

mod address;
mod call;
mod call_info;
mod capability;
mod center;
mod constant;
mod consult;
mod core;
mod digits;
mod error;
mod event;
mod forward;
mod hub;
mod map;
mod setup;
mod socket;
mod table;
mod tapi;
mod translation;
mod wire;

pub use address::Address;
pub use call::Call;
pub use capability::AddressCapabilities;
pub use center::{
    AcdGroup, AcdGroupEvent, AcdQueueEvent, Agent, AgentEvent, AgentHandler, AgentHandlerEvent,
    AgentSession, AgentSessionEvent, AgentSessionState, AgentState, CallCenterEvent, Queue,
    agent_session_state, agent_state,
};
pub use constant::{
    AddressCapability, AddressCapabilityString, AddressEvent, AddressState, AddressType,
    CallHubEvent, CallHubState, CallInfoBuffer, CallInfoChangeCause, CallInfoLong, CallInfoString,
    CallNotificationEvent, CallPrivilege, CallState, CallStateEventCause, DisconnectCode,
    FinishMode, QosServiceLevel, TapiEvent, TapiMediaType, TapiObjectEvent,
};
pub use digits::{CustomTone, DetectTone, GatherDigits};
pub use error::{Success, TapiError, TapiErrorCode, code_of};
pub use event::Event;
pub use forward::{Forward, ForwardInformation};
pub use hub::CallHub;
pub use map::{address_event, call_state, disconnect_cause, info_change, is_permitted};
pub use setup::Connect;
pub use socket::ClientConfig;
pub use tapi::{Registration, Tapi};
pub use translation::{AddressTranslation, AddressTranslationInfo, CallingCard, LocationInfo};
