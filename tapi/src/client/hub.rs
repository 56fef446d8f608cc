//! ITCallHub: all views of one call that this application has.

use std::sync::Arc;

use serde_json::json;

use super::Call;
use super::constant::CallHubState;
use super::core::Purpose;
use super::error::TapiError;
use super::socket::{Shared, answered};
use super::table::CallId;

/// ITCallHub: the calls with one dwCallID, and all members of a conference. Hubs are made by the
/// switch alone.
///
/// Which hub a call belongs to is known once [`Call::call_hub`] was asked, or always on addresses
/// with [`Tapi::set_call_hub_tracking`](super::Tapi::set_call_hub_tracking).
#[derive(Clone)]
pub struct CallHub {
    shared: Arc<Shared>,
    id: u32,
}

impl PartialEq for CallHub {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.id == other.id
    }
}

impl Eq for CallHub {}

impl std::fmt::Debug for CallHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallHub({})", self.id)
    }
}

impl CallHub {
    pub(crate) fn new(shared: &Arc<Shared>, id: u32) -> Self {
        Self { shared: Arc::clone(shared), id }
    }

    /// dwCallID: the same for all views of a call, that of the conference for its members.
    pub fn call_id(&self) -> u32 {
        self.id
    }

    fn members(&self) -> Vec<CallId> {
        self.shared.core().table.members_of_hub(self.id).collect()
    }

    /// ITCallHub::get_State
    pub fn state(&self) -> CallHubState {
        if self.members().is_empty() { CallHubState::Idle } else { CallHubState::Active }
    }

    /// ITCallHub::get_NumCalls: the calls of the hub that are not over and that this application
    /// knows.
    pub fn num_calls(&self) -> usize {
        self.members().len()
    }

    /// ITCallHub::get_Calls: the same calls, after the hub of every call of this application was
    /// looked up.
    pub async fn calls(&self) -> Result<Vec<Call>, TapiError> {
        let live = self.shared.core().table.identifiable();
        let ask = |(id, handle)| {
            let params = json!({ "hCall": handle });
            self.shared.ask("lineGetCallInfo", params, Purpose::Identify(id))
        };
        let asked: Vec<_> = live.into_iter().map(ask).collect();
        for answer in asked {
            // A call that ended meanwhile belongs to no hub.
            let _ = answered("lineGetCallInfo", answer).await;
        }
        Ok(self.members().into_iter().map(|id| Call::new(&self.shared, id)).collect())
    }

    /// ITCallHub::Clear: tries to disconnect every call of the hub, with the conference that they
    /// are in. Calls that this application only monitors go on; that is no error.
    pub async fn clear(&self) -> Result<(), TapiError> {
        let handles: Vec<u32> = {
            let core = self.shared.core();
            let calls: Vec<CallId> = core.table.members_of_hub(self.id).collect();
            let parent = |id: &CallId| core.table.calls.get(id).and_then(|call| call.parent);
            let mut parents: Vec<CallId> = calls.iter().filter_map(parent).collect();
            parents.sort_unstable();
            parents.dedup();
            parents.into_iter().chain(calls).filter_map(|id| core.owned(id).ok()).collect()
        };
        for handle in handles {
            let params = json!({ "hCall": handle });
            // A member may have ended with its conference, and a privilege may be missing: S_OK.
            let _ = self.shared.call("lineDrop", params, Purpose::Plain).await;
        }
        Ok(())
    }
}
