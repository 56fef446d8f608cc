//! ITACDGroup and ITQueue.

use std::sync::Arc;

use serde_json::json;

use super::super::error::{TapiError, TapiErrorCode};
use super::super::socket::Shared;
use super::roster::{GroupKey, QueueKey};
use super::{AgentHandler, ask, ask_for, checked_period, object, removed_as, unexpected};
use crate::agent::{AgentAnswer, QueueInfo};
use crate::constant::ProxyRequest;

/// ITACDGroup: a class of calls that need one kind of handling.
#[derive(Clone)]
pub struct AcdGroup {
    shared: Arc<Shared>,
    key: GroupKey,
    name: Option<Arc<str>>,
}

object!(AcdGroup);

impl AcdGroup {
    pub(crate) fn new(shared: &Arc<Shared>, key: GroupKey, name: Option<String>) -> Self {
        Self { shared: Arc::clone(shared), key, name: name.map(Arc::from) }
    }

    pub(super) fn key(&self) -> GroupKey {
        self.key
    }

    /// ITACDGroup::get_Name
    ///
    /// Errors: TAPI_E_CALLCENTER_GROUP_REMOVED.
    pub async fn name(&self) -> Result<String, TapiError> {
        if let Some(name) = &self.name {
            return Ok(name.to_string());
        }
        for group in AgentHandler::new(&self.shared, self.key.handler).acd_groups().await? {
            if let (true, Some(name)) = (group == *self, &group.name) {
                return Ok(name.to_string());
            }
        }
        let code = TapiErrorCode::CallCenterGroupRemoved;
        Err(TapiError::new(code, "There is no such group any more."))
    }

    /// ITACDGroup::get_Queues (lineGetQueueList)
    ///
    /// Errors: TAPI_E_CALLCENTER_GROUP_REMOVED.
    pub async fn queues(&self) -> Result<Vec<Queue>, TapiError> {
        let params = json!({ "groupId": self.key.group.to_string() });
        let (shared, handler) = (&self.shared, self.key.handler);
        let kind = ProxyRequest::GetQueueList;
        let answer = ask_for(shared, handler, "lineGetQueueList", params, kind).await;
        let answer =
            answer.map_err(|error| removed_as(error, TapiErrorCode::CallCenterGroupRemoved))?;
        let AgentAnswer::Queues(all) = answer else {
            return Err(unexpected("LINEQUEUELIST was asked for."));
        };
        let queue = |entry: crate::agent::QueueEntry| {
            let key = QueueKey { handler, queue: entry.queue.0 };
            Queue::new(shared, key, Some(entry.name))
        };
        Ok(all.into_iter().map(queue).collect())
    }
}

/// ITQueue: a point where calls wait. It gives statistics only; the calls themselves are on the
/// queue's own line.
///
/// Every method that asks the handler fails with TAPI_E_CALLCENTER_QUEUE_REMOVED where the queue
/// is gone.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
    key: QueueKey,
    name: Option<Arc<str>>,
}

object!(Queue);

impl Queue {
    pub(crate) fn new(shared: &Arc<Shared>, key: QueueKey, name: Option<String>) -> Self {
        Self { shared: Arc::clone(shared), key, name: name.map(Arc::from) }
    }

    /// ITQueue::get_Name
    pub async fn name(&self) -> Result<String, TapiError> {
        if let Some(name) = &self.name {
            return Ok(name.to_string());
        }
        for group in AgentHandler::new(&self.shared, self.key.handler).acd_groups().await? {
            for queue in group.queues().await? {
                if let (true, Some(name)) = (queue == *self, &queue.name) {
                    return Ok(name.to_string());
                }
            }
        }
        let code = TapiErrorCode::CallCenterQueueRemoved;
        Err(TapiError::new(code, "There is no such queue any more."))
    }

    /// ITQueue::get_MeasurementPeriod, in seconds.
    pub async fn measurement_period(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.measurement_period)
    }

    /// ITQueue::put_MeasurementPeriod (lineSetQueueMeasurementPeriod), in seconds: the counters
    /// begin anew.
    ///
    /// Errors: E_INVALIDARG for 0.
    pub async fn put_measurement_period(&self, seconds: u32) -> Result<(), TapiError> {
        let period = checked_period(seconds)?;
        let params = json!({ "queueId": self.key.queue, "measurementPeriod": period });
        let method = "lineSetQueueMeasurementPeriod";
        let done = ask(&self.shared, self.key.handler, method, params).await;
        let removed = |error| removed_as(error, TapiErrorCode::CallCenterQueueRemoved);
        done.map(|_| ()).map_err(removed)
    }

    /// ITQueue::get_TotalCallsQueued, in the measurement period.
    pub async fn total_calls_queued(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.queued)
    }

    /// ITQueue::get_CurrentCallsQueued: calls that wait now.
    pub async fn current_calls_queued(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.waiting)
    }

    /// ITQueue::get_TotalCallsAbandoned
    pub async fn total_calls_abandoned(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.abandoned)
    }

    /// ITQueue::get_TotalCallsFlowedIn: from another queue.
    pub async fn total_calls_flowed_in(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.flowed_in)
    }

    /// ITQueue::get_TotalCallsFlowedOut: to another queue.
    pub async fn total_calls_flowed_out(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.flowed_out)
    }

    /// ITQueue::get_LongestEverWaitTime, in seconds, over all periods.
    pub async fn longest_ever_wait_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.longest_ever_wait)
    }

    /// ITQueue::get_CurrentLongestWaitTime, in seconds: of the calls that wait now.
    pub async fn current_longest_wait_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.longest_wait)
    }

    /// ITQueue::get_AverageWaitTime, in seconds.
    pub async fn average_wait_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.average_wait)
    }

    /// ITQueue::get_FinalDisposition: calls that nobody answered and no other queue took.
    pub async fn final_disposition(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.final_disposition)
    }

    /// LINEQUEUEINFO (lineGetQueueInfo): all the numbers of one moment (not a method of TAPI 3).
    pub async fn info(&self) -> Result<QueueInfo, TapiError> {
        let params = json!({ "queueId": self.key.queue });
        let (shared, kind) = (&self.shared, ProxyRequest::GetQueueInfo);
        let answer = ask_for(shared, self.key.handler, "lineGetQueueInfo", params, kind).await;
        let removed = |error| removed_as(error, TapiErrorCode::CallCenterQueueRemoved);
        match answer.map_err(removed)? {
            AgentAnswer::QueueInfo(info) => Ok(info),
            _ => Err(unexpected("LINEQUEUEINFO was asked for.")),
        }
    }
}
