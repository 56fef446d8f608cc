//! Every function name of TAPI 2.x, and what is behind it. Offering one more is one row.

use super::{Asked, Caller, Outcome, Params};
use super::{
    agent, answer, application, call_data, caps, completion, conference, digits, forward, handoff,
    make_call, open, park, privilege, proxy, query, transfer, translate,
};
use crate::constant::{AddrFeature as A, CallFeature as C};
use crate::server::{Fault, Server};

/// What must be offered on the line.
#[derive(Clone, Copy)]
pub(super) enum Offer {
    /// An operation on calls.
    Call(C),
    /// An operation on an address.
    Address(A),
    /// One of both.
    Either(C, A),
}

/// What is behind a name.
#[derive(Clone, Copy)]
pub(super) enum Function {
    /// Possible before lineInitializeEx.
    Start(fn(&mut Server, Caller, &Params<'_>) -> Result<Outcome, Fault>),
    /// Possible after it.
    Run(fn(&mut Server, Asked<'_>) -> Result<Outcome, Fault>),
    /// Possible after it where the provider offers it, else like [`Function::NotOffered`].
    Offered(Offer, fn(&mut Server, Asked<'_>) -> Result<Outcome, Fault>),
    /// Answers LINEERR_OPERATIONUNAVAIL.
    NotOffered,
}

use Function::{NotOffered, Offered, Run, Start};
use Offer::{Address, Call, Either};

/// The function of a name.
pub(super) fn find(name: &str) -> Option<Function> {
    let index = FUNCTIONS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    FUNCTIONS.get(index).map(|(_, function)| *function)
}

/// The names of all functions that something is behind.
pub(super) fn offered() -> impl Iterator<Item = &'static str> {
    let is_offered = |function: &Function| !matches!(function, NotOffered);
    FUNCTIONS.iter().filter(move |(_, function)| is_offered(function)).map(|(name, _)| *name)
}

/// In the order of the names.
const FUNCTIONS: &[(&str, Function)] = &[
    ("lineAccept", Run(answer::accept)),
    ("lineAddProvider", NotOffered),
    ("lineAddToConference", Offered(Call(C::AddToConf), conference::add)),
    ("lineAgentSpecific", Run(agent::specific)),
    ("lineAnswer", Run(answer::answer)),
    ("lineBlindTransfer", Offered(Call(C::BlindTransfer), transfer::blind)),
    ("lineClose", Run(open::close)),
    ("lineCompleteCall", Offered(Call(C::CompleteCall), completion::complete)),
    ("lineCompleteTransfer", Offered(Call(C::CompleteTransf), transfer::complete)),
    ("lineConfigDialog", NotOffered),
    ("lineConfigDialogEdit", NotOffered),
    ("lineConfigProvider", NotOffered),
    ("lineCreateAgent", Run(agent::create_agent)),
    ("lineCreateAgentSession", Run(agent::create_session)),
    ("lineDeallocateCall", Run(privilege::deallocate)),
    ("lineDevSpecific", NotOffered),
    ("lineDevSpecificFeature", NotOffered),
    ("lineDial", Run(make_call::dial)),
    ("lineDrop", Run(answer::drop)),
    ("lineForward", Offered(Address(A::Forward), forward::forward)),
    ("lineGatherDigits", Offered(Call(C::GatherDigits), digits::gather)),
    ("lineGenerateDigits", Offered(Call(C::GenerateDigits), digits::generate_digits)),
    ("lineGenerateTone", Offered(Call(C::GenerateTone), digits::generate_tone)),
    ("lineGetAddressCaps", Run(caps::address_caps)),
    ("lineGetAddressID", Run(open::address_id)),
    ("lineGetAddressStatus", Run(query::address_status)),
    ("lineGetAgentActivityList", Run(agent::activities)),
    ("lineGetAgentCaps", Run(agent::caps)),
    ("lineGetAgentGroupList", Run(agent::agent_groups)),
    ("lineGetAgentInfo", Run(agent::agent_info)),
    ("lineGetAgentSessionInfo", Run(agent::session_info)),
    ("lineGetAgentSessionList", Run(agent::sessions)),
    ("lineGetAgentStatus", Run(agent::status)),
    ("lineGetAppPriority", Run(application::app_priority)),
    ("lineGetCallInfo", Run(query::call_info)),
    ("lineGetCallStatus", Run(query::call_status)),
    ("lineGetConfRelatedCalls", Run(conference::related_calls)),
    ("lineGetCountry", Run(translate::country)),
    ("lineGetDevCaps", Run(caps::dev_caps)),
    ("lineGetDevConfig", NotOffered),
    ("lineGetGroupList", Run(agent::groups)),
    ("lineGetID", Run(open::id)),
    ("lineGetIcon", NotOffered),
    ("lineGetLineDevStatus", Run(query::line_dev_status)),
    ("lineGetMessage", NotOffered),
    ("lineGetNewCalls", Run(privilege::new_calls)),
    ("lineGetNumRings", Run(open::num_rings)),
    ("lineGetProviderList", NotOffered),
    ("lineGetProxyStatus", Run(proxy::status)),
    ("lineGetQueueInfo", Run(agent::queue_info)),
    ("lineGetQueueList", Run(agent::queues)),
    ("lineGetRequest", NotOffered),
    ("lineGetStatusMessages", Run(open::status_messages)),
    ("lineGetTranslateCaps", Run(translate::translate_caps)),
    ("lineHandoff", Run(handoff::handoff)),
    ("lineHold", Run(answer::hold)),
    ("lineInitialize", NotOffered),
    ("lineInitializeEx", Start(application::initialize)),
    ("lineMakeCall", Run(make_call::make_call)),
    ("lineMonitorDigits", Offered(Call(C::MonitorDigits), digits::monitor_digits)),
    ("lineMonitorMedia", Offered(Call(C::MonitorMedia), digits::monitor_media)),
    ("lineMonitorTones", Offered(Call(C::MonitorTones), digits::monitor_tones)),
    ("lineNegotiateAPIVersion", Run(application::negotiate)),
    ("lineNegotiateExtVersion", NotOffered),
    ("lineOpen", Run(open::open)),
    ("linePark", Offered(Call(C::Park), park::park)),
    ("linePickup", Offered(Address(A::Pickup), park::pickup)),
    ("linePrepareAddToConference", Offered(Call(C::PrepareAddConf), conference::prepare)),
    ("lineProxyMessage", Run(proxy::message)),
    ("lineProxyResponse", Run(proxy::respond)),
    ("lineRedirect", Offered(Call(C::Redirect), transfer::redirect)),
    ("lineRegisterRequestRecipient", NotOffered),
    ("lineReleaseUserUserInfo", Offered(Call(C::ReleaseUserUserInfo), call_data::release_info)),
    ("lineRemoveFromConference", Offered(Call(C::RemoveFromConf), conference::remove)),
    ("lineRemoveProvider", NotOffered),
    ("lineSecureCall", Offered(Call(C::SecureCall), call_data::secure)),
    ("lineSendUserUserInfo", Offered(Call(C::SendUserUser), call_data::send_info)),
    ("lineSetAgentActivity", Run(agent::set_activity)),
    ("lineSetAgentGroup", Run(agent::set_groups)),
    ("lineSetAgentMeasurementPeriod", Run(agent::set_agent_period)),
    ("lineSetAgentSessionState", Run(agent::set_session_state)),
    ("lineSetAgentState", Run(agent::set_state)),
    ("lineSetAgentStateEx", Run(agent::set_state_ex)),
    ("lineSetAppPriority", Run(application::set_app_priority)),
    ("lineSetAppSpecific", Run(privilege::set_app_specific)),
    ("lineSetCallData", Offered(Call(C::SetCallData), call_data::set_call_data)),
    ("lineSetCallParams", Offered(Call(C::SetCallParams), call_data::set_params)),
    ("lineSetCallPrivilege", Run(privilege::set_call_privilege)),
    ("lineSetCallQualityOfService", NotOffered),
    ("lineSetCallTreatment", Offered(Call(C::SetTreatment), call_data::set_treatment)),
    ("lineSetCurrentLocation", Run(translate::set_location)),
    ("lineSetDevConfig", NotOffered),
    ("lineSetLineDevStatus", Run(open::set_line_dev_status)),
    ("lineSetMediaControl", NotOffered),
    ("lineSetMediaMode", Run(privilege::set_media_mode)),
    ("lineSetNumRings", Run(open::set_num_rings)),
    ("lineSetQueueMeasurementPeriod", Run(agent::set_queue_period)),
    ("lineSetStatusMessages", Run(open::set_status_messages)),
    ("lineSetTerminal", NotOffered),
    ("lineSetTollList", NotOffered),
    ("lineSetupConference", Offered(Either(C::SetupConf, A::SetupConf), conference::setup)),
    ("lineSetupTransfer", Offered(Call(C::SetupTransfer), transfer::setup)),
    ("lineShutdown", Run(application::shutdown)),
    ("lineSwapHold", Offered(Call(C::SwapHold), answer::swap_hold)),
    ("lineTranslateAddress", Run(translate::translate_address)),
    ("lineTranslateDialog", Run(translate::translate_dialog)),
    ("lineUncompleteCall", Offered(Address(A::UncompleteCall), completion::uncomplete)),
    ("lineUnhold", Run(answer::unhold)),
    ("lineUnpark", Offered(Address(A::Unpark), park::unpark)),
    ("tapiGetLocationInfo", Run(translate::location_info)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_so_that_each_is_found() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, _) in FUNCTIONS {
            assert!(find(name).is_some(), "{name}");
        }
        assert!(find("lineFly").is_none());
    }
}
