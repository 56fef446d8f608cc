//! ITBasicCallControl: transfer and conference.

use serde_json::{Value, json};

use super::Call;
use super::call::wrong_state;
use super::constant::{CallState, DisconnectCode, FinishMode};
use super::core::{Binding, Purpose};
use super::error::{TapiError, TapiErrorCode};
use super::setup::CallSetup;
use super::table::{CallId, Consultation, Kind};
use crate::constant::TransferMode;

/// What a consultation is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Transfer,
    Conference,
}

fn invalid(detail: &str) -> TapiError {
    TapiError::new(TapiErrorCode::InvalidArg, detail)
}

impl Call {
    /// ITBasicCallControl::BlindTransfer (lineBlindTransfer): sends the other party there, without
    /// asking; the call here is over.
    ///
    /// Errors: TAPI_E_INVALCALLSTATE unless CS_CONNECTED; E_FAIL where that is not offered;
    /// TAPI_E_INVALADDRESS, and the call is as it was.
    pub async fn blind_transfer(&self, destination: &str) -> Result<(), TapiError> {
        let handle = self.owned_in(&[CallState::Connected])?;
        let params = json!({ "hCall": handle, "destAddress": destination });
        let sent = self.act("lineBlindTransfer", params, Purpose::Plain).await;
        sent.map_err(|error| error.unsupported_as(TapiErrorCode::Fail))?;
        self.settle(&[]).await.map(|_| ())
    }

    /// ITBasicCallControl::Transfer (lineSetupTransfer, lineDial), called on the **original** call:
    /// it goes CS_HOLD, and the consultation call dials the address that it was created with.
    /// [`Call::finish`] on the consultation call completes the transfer; its
    /// [`Call::disconnect`] gives it up.
    ///
    /// A consultation call that is connected already, while the original one is held, is only
    /// paired with it.
    ///
    /// Errors: TAPI_E_INVALCALLSTATE unless CS_CONNECTED; E_INVALIDARG for a consultation call of
    /// another address or without a destination; E_FAIL where that is not offered. With `sync` also
    /// what [`Call::connect`] answers.
    pub async fn transfer(&self, consultation: &Call, sync: bool) -> Result<(), TapiError> {
        self.consult(consultation, Goal::Transfer, sync).await
    }

    /// ITBasicCallControl::Conference (lineSetupConference or linePrepareAddToConference, lineDial),
    /// called on the **original** call, or on a member of the conference that is to grow: it goes
    /// CS_HOLD, and the consultation call dials the address that it was created with.
    /// [`Call::finish`] on the consultation call joins all.
    ///
    /// Errors: as [`Call::transfer`]; TAPI_E_CONFERENCEFULL.
    pub async fn conference(&self, consultation: &Call, sync: bool) -> Result<(), TapiError> {
        self.consult(consultation, Goal::Conference, sync).await
    }

    async fn consult(&self, second: &Call, goal: Goal, sync: bool) -> Result<(), TapiError> {
        if self == second {
            return Err(invalid("A call does not consult itself."));
        }
        let place = |call: &Call| call.record(|record| record.address);
        if place(self)? != place(second)? {
            return Err(invalid("The consultation call is of another address."));
        }
        if second.call_state() == CallState::Connected && goal == Goal::Transfer {
            self.owned_in(&[CallState::Connected, CallState::Hold])?;
            second.owned_in(&[CallState::Connected])?;
            second.pair(Consultation { original: self.id(), conference: None });
            return Ok(());
        }
        let handle = self.owned_in(&[CallState::Connected])?;
        let (_, setup) = second.begin()?;
        let Some(destination) = setup.destination.clone() else {
            second.begin_again();
            return Err(invalid("The consultation call was created without a destination."));
        };
        let prepared = match goal {
            Goal::Transfer => self.set_up_transfer(second, handle, &setup).await,
            Goal::Conference => self.set_up_conference(second, handle, &setup).await,
        };
        match prepared {
            Ok(consultation) => second.pair(consultation),
            Err(error) => {
                second.begin_again();
                return Err(error.unsupported_as(TapiErrorCode::Fail));
            }
        }
        let dialed = async {
            let handle = self.shared().core().owned(second.id())?;
            let params = json!({ "hCall": handle, "destAddress": destination });
            self.act("lineDial", params, Purpose::Plain).await
        };
        if let Err(error) = dialed.await {
            // The original call comes back with the end of the consultation.
            let _ = second.disconnect(DisconnectCode::Normal).await;
            return Err(error);
        }
        if sync { second.connected().await } else { Ok(()) }
    }

    fn pair(&self, consultation: Consultation) {
        if let Some(call) = self.shared().core().table.calls.get_mut(&self.id()) {
            call.consultation = Some(consultation);
        }
    }

    async fn set_up_transfer(
        &self,
        second: &Call,
        handle: u32,
        setup: &CallSetup,
    ) -> Result<Consultation, TapiError> {
        let params = json!({ "hCall": handle, "callParams": of_consultation(setup) });
        let binding = self.binding(vec![("hConsultCall", second.id())])?;
        self.act("lineSetupTransfer", params, Purpose::Bind(binding)).await?;
        Ok(Consultation { original: self.id(), conference: None })
    }

    async fn set_up_conference(
        &self,
        second: &Call,
        handle: u32,
        setup: &CallSetup,
    ) -> Result<Consultation, TapiError> {
        let params = of_consultation(setup);
        let consult = ("hConsultCall", second.id());
        let grown = self.record(|call| call.parent)?.zip(self.conference_handle());
        if let Some((parent, conference)) = grown {
            let params = json!({ "hConfCall": conference, "callParams": params });
            let purpose = Purpose::Bind(self.binding(vec![consult])?);
            self.act("linePrepareAddToConference", params, purpose).await?;
            return Ok(Consultation { original: self.id(), conference: Some(parent) });
        }
        let parent = self.new_parent()?;
        let params = json!({ "hCall": handle, "callParams": params });
        let purpose = Purpose::Bind(self.binding(vec![("hConfCall", parent), consult])?);
        if let Err(error) = self.act("lineSetupConference", params, purpose).await {
            self.shared().core().give_up_call(parent);
            return Err(error);
        }
        Ok(Consultation { original: self.id(), conference: Some(parent) })
    }

    fn binding(&self, fields: Vec<(&'static str, CallId)>) -> Result<Binding, TapiError> {
        Ok(Binding { h_line: self.record(|call| call.h_line)?, fields })
    }

    /// The conference of the 2.x line, which has no object.
    fn new_parent(&self) -> Result<CallId, TapiError> {
        let address = self.record(|call| call.address)?;
        let setup = CallSetup::default();
        Ok(self.shared().core().table.create(address, Kind::Parent, setup))
    }

    /// ITBasicCallControl::Finish, called on the **consultation** call: completes a transfer
    /// (lineCompleteTransfer), after which both calls here are over, or joins a conference
    /// (lineAddToConference; after [`Call::transfer`] lineCompleteTransfer with CONFERENCE).
    ///
    /// Errors: TAPI_E_INVALCALLSTATE if no [`Call::transfer`] or [`Call::conference`] is pending, or
    /// a conference is to be finished as a transfer.
    pub async fn finish(&self, mode: FinishMode) -> Result<(), TapiError> {
        let second = self.shared().core().owned(self.id())?;
        let pending = self.record(|call| call.consultation)?;
        let Some(pending) = pending else { return Err(wrong_state(self.call_state())) };
        let first = self.shared().core().owned(pending.original)?;
        match (mode, pending.conference) {
            (FinishMode::AsTransfer, None) => {
                let params = complete(first, second, TransferMode::Transfer);
                self.act("lineCompleteTransfer", params, Purpose::Plain).await?;
                self.settle(&[]).await?;
            }
            (FinishMode::AsTransfer, Some(_)) => return Err(wrong_state(self.call_state())),
            (FinishMode::AsConference, None) => {
                let parent = self.new_parent()?;
                let params = complete(first, second, TransferMode::Conference);
                let purpose = Purpose::Bind(self.binding(vec![("hConfCall", parent)])?);
                if let Err(error) = self.act("lineCompleteTransfer", params, purpose).await {
                    self.shared().core().give_up_call(parent);
                    return Err(error.unsupported_as(TapiErrorCode::Fail));
                }
            }
            (FinishMode::AsConference, Some(conference)) => {
                let conference = self.shared().core().owned(conference)?;
                let params = json!({ "hConfCall": conference, "hConsultCall": second });
                self.act("lineAddToConference", params, Purpose::Plain).await?;
            }
        }
        if mode == FinishMode::AsConference {
            let original = Call::new(self.shared(), pending.original);
            original.settle(&[CallState::Connected]).await?;
        }
        if let Some(call) = self.shared().core().table.calls.get_mut(&self.id()) {
            call.consultation = None;
        }
        Ok(())
    }

    /// ITBasicCallControl::RemoveFromConference (lineRemoveFromConference), called on the member:
    /// it leaves and is over. If two remain, they are an ordinary call.
    ///
    /// Errors: TAPI_E_NOCONFERENCE if it is in none.
    pub async fn remove_from_conference(&self) -> Result<(), TapiError> {
        let handle = self.shared().core().owned(self.id())?;
        if self.record(|call| call.parent)?.is_none() {
            let detail = "The call is in no conference.";
            return Err(TapiError::new(TapiErrorCode::NoConference, detail));
        }
        let params = json!({ "hCall": handle });
        self.act("lineRemoveFromConference", params, Purpose::Plain).await?;
        self.settle(&[]).await.map(|_| ())
    }
}

fn complete(first: u32, second: u32, mode: TransferMode) -> Value {
    json!({ "hCall": first, "hConsultCall": second, "transferMode": mode })
}

/// LINECALLPARAMS of a consultation call, whose address is that of the original one.
fn of_consultation(setup: &CallSetup) -> Value {
    let mut params = setup.call_params(0);
    if let Value::Object(params) = &mut params {
        params.remove("addressId");
    }
    params
}
