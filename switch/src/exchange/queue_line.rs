//! A queue as a line device: one address that holds many calls and has no phone (tapi-agents 10.1).

use config::{Config, Queue};
use tapi::constant::{AddrCapFlag, CallFeature, CallTreatment, Constant as _, MediaMode};
use tapi::{AgentService, LineOffers, LineSpec, Offers};

use super::Exchange;
use super::requests::permanent_id;
use crate::call::wishes::MAX_CALL_DATA;

/// Calls that may wait in a queue whose length is not limited.
const MAX_WAITING: u32 = 10_000;

/// What a queue's line can do: hold calls, send them on, let them hear something.
fn queue_spec(queue: &Queue) -> LineSpec {
    let most = queue.max_length.unwrap_or(MAX_WAITING);
    let mut spec = LineSpec::new(&queue.number, &queue.name, permanent_id(&queue.number), most);
    for address in &mut spec.addresses {
        address.cap_flags = AddrCapFlag::Queue.into();
        address.offers = Offers {
            call_features: CallFeature::Redirect
                | CallFeature::SetTreatment
                | CallFeature::SetCallParams
                | CallFeature::SetCallData,
            never: CallFeature::Answer
                | CallFeature::Dial
                | CallFeature::Hold
                | CallFeature::Unhold,
            makes_calls: false,
            treatments: CallTreatment::ALL.to_vec(),
            max_call_data: MAX_CALL_DATA,
            ..Offers::default()
        };
    }
    spec.media_modes |= MediaMode::G3Fax;
    spec.offers = LineOffers { agents: AgentService::BuiltIn, ..LineOffers::default() };
    spec
}

/// Whether agents may work at a line: some agent may join some group.
pub(super) fn has_agents(config: &Config) -> bool {
    !config.agents.is_empty()
}

impl Exchange {
    /// Makes the lines of queues those of the configuration. A queue's line is always in service.
    pub(super) fn read_queue_lines(&mut self) {
        let config = self.config.clone();
        for queue in config.queues.values() {
            let device = self.tapi.add_line(queue_spec(queue));
            self.tapi.line_service(self.clock.unix_ms, device, true);
        }
    }

    /// The number of a line device: a phone's line or a queue.
    pub(super) fn number_of_device(&self, device: tapi::DeviceId) -> Option<String> {
        let number = self.tapi.line_number(device)?;
        let is_there =
            self.config.lines.contains_key(number) || self.config.queue_at(number).is_some();
        is_there.then(|| number.to_owned())
    }
}
