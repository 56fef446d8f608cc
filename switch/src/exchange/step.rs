//! The operations of a line's conference by dwCallID.

use tapi::constant::LineErr;

use super::Exchange;
use crate::call::CallId;

/// What is to be done with a line's conference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConferenceStep<'a> {
    /// lineSetupConference with the first call: makes parent and consultation call.
    SetUp(u32),
    /// linePrepareAddToConference with the parent: makes a consultation call.
    Prepare(u32),
    /// lineDial of a consultation call.
    Dial(u32, &'a str),
    /// lineAddToConference with parent and consultation call.
    Add(u32, u32),
    /// lineRemoveFromConference with a member.
    Remove(u32),
    /// lineDrop.
    Drop(u32),
}

impl Exchange {
    pub(super) fn conference_step(
        &mut self,
        line: &str,
        step: ConferenceStep<'_>,
    ) -> Result<Vec<u32>, LineErr> {
        let named = |exchange: &Exchange, number: u32| {
            let calls = exchange.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
            let found = calls.iter().find(|id| exchange.number_of(**id) == number);
            found.copied().ok_or(LineErr::InvalCallHandle)
        };
        let made = match step {
            ConferenceStep::SetUp(call) => {
                let (parent, consult) = self.set_up_conference(named(self, call)?, None, None)?;
                vec![parent, consult]
            }
            ConferenceStep::Prepare(parent) => {
                vec![self.prepare_add_to_conference(named(self, parent)?, None, None)?]
            }
            ConferenceStep::Dial(call, digits) => {
                self.dial_more(named(self, call)?, digits, true)?;
                Vec::new()
            }
            ConferenceStep::Add(parent, call) => {
                self.add_to_conference(named(self, parent)?, named(self, call)?, None)?;
                Vec::new()
            }
            ConferenceStep::Remove(member) => {
                self.remove_from_conference(named(self, member)?, None)?;
                Vec::new()
            }
            ConferenceStep::Drop(call) => {
                self.drop_call(named(self, call)?);
                Vec::new()
            }
        };
        Ok(made.into_iter().map(|id| self.number_of(id)).collect())
    }

    fn number_of(&self, id: CallId) -> u32 {
        let call = self.calls.get(id.0);
        let connection = call.and_then(|call| self.connections.get(call.connection.0));
        connection.map_or(0, |connection| connection.call_id)
    }
}
