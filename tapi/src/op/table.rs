//! Every function name of TAPI 2.x, and what is behind it. Offering one more is one row.

use super::{Asked, Caller, Outcome, Params};
use super::{answer, application, caps, make_call, open, privilege, query};
use crate::server::{Fault, Server};

/// What is behind a name.
#[derive(Clone, Copy)]
pub(super) enum Function {
    /// Possible before lineInitializeEx.
    Start(fn(&mut Server, Caller, &Params<'_>) -> Result<Outcome, Fault>),
    /// Possible after it.
    Run(fn(&mut Server, Asked<'_>) -> Result<Outcome, Fault>),
    /// Answers LINEERR_OPERATIONUNAVAIL.
    NotOffered,
}

use Function::{NotOffered, Run, Start};

/// The function of a name.
pub(super) fn find(name: &str) -> Option<Function> {
    let index = FUNCTIONS.binary_search_by_key(&name, |(known, _)| known).ok()?;
    FUNCTIONS.get(index).map(|(_, function)| *function)
}

/// In the order of the names.
const FUNCTIONS: &[(&str, Function)] = &[
    ("lineAccept", Run(answer::accept)),
    ("lineAddProvider", NotOffered),
    ("lineAddToConference", NotOffered),
    ("lineAgentSpecific", NotOffered),
    ("lineAnswer", Run(answer::answer)),
    ("lineBlindTransfer", NotOffered),
    ("lineClose", Run(open::close)),
    ("lineCompleteCall", NotOffered),
    ("lineCompleteTransfer", NotOffered),
    ("lineConfigDialog", NotOffered),
    ("lineConfigDialogEdit", NotOffered),
    ("lineConfigProvider", NotOffered),
    ("lineCreateAgent", NotOffered),
    ("lineCreateAgentSession", NotOffered),
    ("lineDeallocateCall", Run(privilege::deallocate)),
    ("lineDevSpecific", NotOffered),
    ("lineDevSpecificFeature", NotOffered),
    ("lineDial", Run(make_call::dial)),
    ("lineDrop", Run(answer::drop)),
    ("lineForward", NotOffered),
    ("lineGatherDigits", NotOffered),
    ("lineGenerateDigits", NotOffered),
    ("lineGenerateTone", NotOffered),
    ("lineGetAddressCaps", Run(caps::address_caps)),
    ("lineGetAddressID", Run(open::address_id)),
    ("lineGetAddressStatus", Run(query::address_status)),
    ("lineGetAgentActivityList", NotOffered),
    ("lineGetAgentCaps", NotOffered),
    ("lineGetAgentGroupList", NotOffered),
    ("lineGetAgentInfo", NotOffered),
    ("lineGetAgentSessionInfo", NotOffered),
    ("lineGetAgentSessionList", NotOffered),
    ("lineGetAgentStatus", NotOffered),
    ("lineGetAppPriority", Run(application::app_priority)),
    ("lineGetCallInfo", Run(query::call_info)),
    ("lineGetCallStatus", Run(query::call_status)),
    ("lineGetConfRelatedCalls", NotOffered),
    ("lineGetCountry", NotOffered),
    ("lineGetDevCaps", Run(caps::dev_caps)),
    ("lineGetDevConfig", NotOffered),
    ("lineGetGroupList", NotOffered),
    ("lineGetID", Run(open::id)),
    ("lineGetIcon", NotOffered),
    ("lineGetLineDevStatus", Run(query::line_dev_status)),
    ("lineGetMessage", NotOffered),
    ("lineGetNewCalls", Run(privilege::new_calls)),
    ("lineGetNumRings", Run(open::num_rings)),
    ("lineGetProviderList", NotOffered),
    ("lineGetProxyStatus", NotOffered),
    ("lineGetQueueInfo", NotOffered),
    ("lineGetQueueList", NotOffered),
    ("lineGetRequest", NotOffered),
    ("lineGetStatusMessages", Run(open::status_messages)),
    ("lineGetTranslateCaps", NotOffered),
    ("lineHandoff", NotOffered),
    ("lineHold", Run(answer::hold)),
    ("lineInitialize", NotOffered),
    ("lineInitializeEx", Start(application::initialize)),
    ("lineMakeCall", Run(make_call::make_call)),
    ("lineMonitorDigits", NotOffered),
    ("lineMonitorMedia", NotOffered),
    ("lineMonitorTones", NotOffered),
    ("lineNegotiateAPIVersion", Run(application::negotiate)),
    ("lineNegotiateExtVersion", NotOffered),
    ("lineOpen", Run(open::open)),
    ("linePark", NotOffered),
    ("linePickup", NotOffered),
    ("linePrepareAddToConference", NotOffered),
    ("lineProxyMessage", NotOffered),
    ("lineProxyResponse", NotOffered),
    ("lineRedirect", NotOffered),
    ("lineRegisterRequestRecipient", NotOffered),
    ("lineReleaseUserUserInfo", NotOffered),
    ("lineRemoveFromConference", NotOffered),
    ("lineRemoveProvider", NotOffered),
    ("lineSecureCall", NotOffered),
    ("lineSendUserUserInfo", NotOffered),
    ("lineSetAgentActivity", NotOffered),
    ("lineSetAgentGroup", NotOffered),
    ("lineSetAgentMeasurementPeriod", NotOffered),
    ("lineSetAgentSessionState", NotOffered),
    ("lineSetAgentState", NotOffered),
    ("lineSetAgentStateEx", NotOffered),
    ("lineSetAppPriority", Run(application::set_app_priority)),
    ("lineSetAppSpecific", Run(privilege::set_app_specific)),
    ("lineSetCallData", NotOffered),
    ("lineSetCallParams", NotOffered),
    ("lineSetCallPrivilege", Run(privilege::set_call_privilege)),
    ("lineSetCallQualityOfService", NotOffered),
    ("lineSetCallTreatment", NotOffered),
    ("lineSetCurrentLocation", NotOffered),
    ("lineSetDevConfig", NotOffered),
    ("lineSetLineDevStatus", NotOffered),
    ("lineSetMediaControl", NotOffered),
    ("lineSetMediaMode", Run(privilege::set_media_mode)),
    ("lineSetNumRings", Run(open::set_num_rings)),
    ("lineSetQueueMeasurementPeriod", NotOffered),
    ("lineSetStatusMessages", Run(open::set_status_messages)),
    ("lineSetTerminal", NotOffered),
    ("lineSetTollList", NotOffered),
    ("lineSetupConference", NotOffered),
    ("lineSetupTransfer", NotOffered),
    ("lineShutdown", Run(application::shutdown)),
    ("lineSwapHold", NotOffered),
    ("lineTranslateAddress", NotOffered),
    ("lineTranslateDialog", NotOffered),
    ("lineUncompleteCall", NotOffered),
    ("lineUnhold", Run(answer::unhold)),
    ("lineUnpark", NotOffered),
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
