//! Handles and identifiers in parameters, and what they stand for.

use crate::constant::{CallFeature, CallFeature2, CallState, Constant as _, LineErr};
use crate::feature;
use crate::model::{
    AddressId, Application, ApplicationId, Call, CallKey, DeviceId, Holder, Line, Offers, OpenLine,
};
use crate::server::{Begun, Created, Fault, Purpose, Server};

use super::{Asked, Intent, Outcome};

/// A call that a handle stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) key: CallKey,
    pub(super) call: &'a Call,
    pub(super) holder: Holder,
}

impl Held<'_> {
    /// Begins a request that acts on the call.
    pub(super) fn begin(&self, intent: Intent, purpose: Purpose) -> Outcome {
        self.begin_with(Some(intent), Vec::new(), purpose)
    }

    /// Begins a request that the server does by itself.
    pub(super) fn settle(&self, purpose: Purpose) -> Outcome {
        self.begin_with(None, Vec::new(), purpose)
    }

    /// Begins a request that also makes calls.
    pub(super) fn begin_with(
        &self,
        intent: Option<Intent>,
        created: Vec<Created>,
        purpose: Purpose,
    ) -> Outcome {
        Outcome::Begin(Box::new(Begun {
            intent,
            h_line: self.holder.h_line,
            device: self.call.line,
            call: Some(self.key),
            created,
            purpose,
        }))
    }
}

impl Server {
    /// Puts a call on its line that is only asked for, with a handle for who asks.
    pub(super) fn make(
        &mut self,
        application: ApplicationId,
        call: Call,
        field: &'static str,
    ) -> Created {
        let call = self.insert_call(call);
        let app = self.applications.get_mut(&application);
        let h_call = app.map_or(0, Application::next_handle);
        Created { call, h_call, field }
    }

    /// The open line of `hLine`.
    pub(super) fn open_line(&self, asked: Asked<'_>) -> Result<(u32, &OpenLine), Fault> {
        let h_line = asked.params.number("hLine", LineErr::InvalLineHandle)?;
        let app = self.applications.get(&asked.application);
        app.and_then(|app| app.opens.get(&h_line)).map(|open| (h_line, open)).ok_or_else(|| {
            Fault::line(LineErr::InvalLineHandle, format!("There is no open line {h_line}."))
        })
    }

    /// The call of `hCall`.
    pub(super) fn held_call(&self, asked: Asked<'_>) -> Result<Held<'_>, Fault> {
        self.named_call(asked, "hCall", LineErr::InvalCallHandle)
    }

    /// The call of `hCall`, of which the application must be an owner.
    pub(super) fn owned_call(&self, asked: Asked<'_>) -> Result<Held<'_>, Fault> {
        let held = self.held_call(asked)?;
        check_owner(&held)?;
        Ok(held)
    }

    pub(super) fn named_call(
        &self,
        asked: Asked<'_>,
        name: &str,
        error: LineErr,
    ) -> Result<Held<'_>, Fault> {
        let h_call = asked.params.number(name, error)?;
        let app = self.applications.get(&asked.application);
        let key = app.and_then(|app| app.calls.get(&h_call)).copied();
        let call = key.and_then(|key| self.calls.get(key).map(|call| (key, call)));
        let held = call.and_then(|(key, call)| {
            let holder = *call.holder(asked.application, h_call)?;
            Some(Held { key, call, holder })
        });
        held.ok_or_else(|| Fault::line(error, format!("There is no call handle {h_call}.")))
    }

    /// The line that a function is about, as far as its handles tell.
    pub(super) fn subject(&self, asked: Asked<'_>) -> Option<DeviceId> {
        for name in ["hCall", "hActiveCall", "hConfCall"] {
            if asked.params.get(name).is_some() {
                let held = self.named_call(asked, name, LineErr::InvalCallHandle).ok()?;
                return Some(held.call.line);
            }
        }
        Some(self.open_line(asked).ok()?.1.device)
    }

    /// Checks the handles among the parameters of a function that is not offered.
    pub(super) fn check_handles(&self, asked: Asked<'_>) -> Result<(), Fault> {
        if asked.params.get("hLine").is_some() {
            self.open_line(asked)?;
        }
        for (name, error) in [
            ("hCall", LineErr::InvalCallHandle),
            ("hActiveCall", LineErr::InvalCallHandle),
            ("hHeldCall", LineErr::InvalCallHandle),
            ("hConfCall", LineErr::InvalConfCallHandle),
            ("hConsultCall", LineErr::InvalConsultCallHandle),
        ] {
            if asked.params.get(name).is_some() {
                self.named_call(asked, name, error)?;
            }
        }
        Ok(())
    }

    /// The line device of `deviceId`.
    pub(super) fn device(&self, asked: Asked<'_>) -> Result<(DeviceId, &Line), Fault> {
        let device = asked.params.number("deviceId", LineErr::BadDeviceId)?;
        self.visible_line(asked, DeviceId(device))
    }

    /// A line device that the application may see.
    pub(super) fn visible_line(
        &self,
        asked: Asked<'_>,
        device: DeviceId,
    ) -> Result<(DeviceId, &Line), Fault> {
        let line = self.lines.get(device.0 as usize).ok_or_else(|| {
            let detail = format!("There is no line device {}.", device.0);
            Fault::line(LineErr::BadDeviceId, detail)
        })?;
        if line.is_removed || !self.is_visible(asked, line) {
            let detail = format!("Line device {} is gone or not visible here.", device.0);
            return Err(Fault::line(LineErr::NoDevice, detail));
        }
        Ok((device, line))
    }

    pub(super) fn is_visible(&self, asked: Asked<'_>, line: &Line) -> bool {
        let app = self.applications.get(&asked.application);
        app.is_some_and(|app| app.filter.allows(&line.spec.number))
    }

    /// The address of `addressId`, which counts as 0 when left out.
    pub(super) fn address(&self, asked: Asked<'_>, line: &Line) -> Result<AddressId, Fault> {
        let address = asked.params.opt_number("addressId", LineErr::InvalAddressId)?.unwrap_or(0);
        existing_address(line, AddressId(address))
    }

    /// Checks capability, line state and call state of an operation on a call.
    pub(super) fn check_feature(&self, held: &Held<'_>, feature: CallFeature) -> Result<(), Fault> {
        let situation = self.call_situation(held.key, held.holder.privilege);
        feature::check(feature, &situation).map_err(|error| {
            let is_dead = !situation.is_in_service && situation.state != CallState::Idle;
            let detail = match error {
                LineErr::InvalCallState => "The call is in no state for this operation.",
                LineErr::OperationFailed | LineErr::InvalLineState if is_dead => {
                    "The line is out of service."
                }
                LineErr::OperationFailed => "There is nothing to do for this operation.",
                _ => "The operation is not available on this call.",
            };
            Fault::line(error, detail)
        })
    }

    /// Checks that a variant of an operation is offered on a call's address.
    pub(super) fn check_variant(
        &self,
        held: &Held<'_>,
        variant: CallFeature2,
    ) -> Result<(), Fault> {
        let offers = self.offers_of(held.call);
        if offers.is_some_and(|offers| offers.has_variant(variant)) {
            return Ok(());
        }
        let detail = format!("{} is not offered here.", variant.name());
        Err(Fault::line(LineErr::OperationUnavail, detail))
    }

    /// Checks that there is room for an operation on a call.
    pub(super) fn check_room(&self, held: &Held<'_>, feature: CallFeature) -> Result<(), Fault> {
        let situation = self.call_situation(held.key, held.holder.privilege);
        feature::check_room(feature, &situation).map_err(|error| {
            let detail = match error {
                LineErr::ConferenceFull => "The conference has no room for one more party.",
                _ => "All call appearances are in use.",
            };
            Fault::line(error, detail)
        })
    }

    /// What is offered on the address of a call.
    pub(super) fn offers_of(&self, call: &Call) -> Option<&Offers> {
        let line = self.lines.get(call.line.0 as usize)?;
        line.address(call.address).map(|address| &address.offers)
    }
}

/// Checks that the handle is an owner's.
pub(super) fn check_owner(held: &Held<'_>) -> Result<(), Fault> {
    if held.holder.is_owner() {
        Ok(())
    } else {
        let detail = "The application only monitors this call.";
        Err(Fault::line(LineErr::NotOwner, detail))
    }
}

/// The address, if the line has it.
pub(super) fn existing_address(line: &Line, address: AddressId) -> Result<AddressId, Fault> {
    match line.address(address) {
        Some(_) => Ok(address),
        None => {
            let detail = format!("The line has no address {}.", address.0);
            Err(Fault::line(LineErr::InvalAddressId, detail))
        }
    }
}
