//! Handles and identifiers in parameters, and what they stand for.

use crate::constant::{CallFeature, CallPrivilege, CallState, LineErr};
use crate::feature::{self, AddressSituation, CallSituation};
use crate::model::{AddressId, Call, CallKey, DeviceId, Holder, Line, OpenLine};
use crate::server::{Fault, Server};

use super::Asked;

/// A call that a handle stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) key: CallKey,
    pub(super) call: &'a Call,
    pub(super) holder: Holder,
}

impl Server {
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
        if held.holder.is_owner() {
            Ok(held)
        } else {
            let detail = "The application only monitors this call.";
            Err(Fault::line(LineErr::NotOwner, detail))
        }
    }

    fn named_call(&self, asked: Asked<'_>, name: &str, error: LineErr) -> Result<Held<'_>, Fault> {
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

    /// What the features of a call depend on.
    pub(crate) fn call_situation(&self, key: CallKey, privilege: CallPrivilege) -> CallSituation {
        let Some(call) = self.calls.get(key) else { return nothing(privilege) };
        let line = self.lines.get(call.line.0 as usize);
        let siblings = line.map_or(&[][..], |line| &line.calls).iter();
        let has_active_sibling = siblings
            .filter(|sibling| **sibling != key)
            .filter_map(|sibling| self.calls.get(*sibling))
            .any(|sibling| {
                sibling.address == call.address
                    && sibling.state == CallState::Connected
                    && !sibling.mode.is_inactive()
            });
        let held = self.address_counts(call.line, call.address).on_hold;
        let max = line.and_then(|line| line.address(call.address)).map_or(0, |a| a.max_calls);
        CallSituation {
            state: call.state,
            mode: call.mode,
            capability: call.capability,
            privilege,
            is_in_service: line.is_some_and(|line| line.is_in_service),
            has_active_sibling,
            has_room_on_hold: held < max,
            takes_digits: call.takes_digits,
        }
    }

    /// Checks capability, line state and call state of an operation on a call.
    pub(super) fn check_feature(&self, held: &Held<'_>, feature: CallFeature) -> Result<(), Fault> {
        let situation = self.call_situation(held.key, held.holder.privilege);
        feature::check(feature, &situation).map_err(|error| {
            let detail = match error {
                LineErr::InvalCallState => "The call is in no state for this operation.",
                LineErr::OperationFailed => "The line is out of service.",
                _ => "The operation is not available on this call.",
            };
            Fault::line(error, detail)
        })
    }

    /// What the features of an address depend on.
    pub(super) fn address_situation(
        &self,
        device: DeviceId,
        line: &Line,
        address: AddressId,
    ) -> AddressSituation {
        AddressSituation {
            is_in_service: line.is_in_service,
            calls: self.calls_in_use(device, address),
            max_calls: line.address(address).map_or(0, |address| address.max_calls),
        }
    }
}

fn nothing(privilege: CallPrivilege) -> CallSituation {
    CallSituation {
        state: CallState::Idle,
        mode: crate::model::CallMode::None,
        capability: crate::model::CallCapability::default(),
        privilege,
        is_in_service: false,
        has_active_sibling: false,
        has_room_on_hold: false,
        takes_digits: false,
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
