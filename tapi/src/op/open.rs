//! lineOpen and lineClose, and what an open line has of its own.

use serde_json::{Value, json};

use crate::constant::{
    AddressMode, AddressState, CallPrivilege, CallSelect, LineDevState, LineDevStatusFlag, LineErr,
    Mask, MediaMode, NotAConstant, OpenOption,
};
use crate::message::LineDetail;
use crate::model::{AddressId, DeviceId, Line, OpenLine};
use crate::server::{Fault, MAX_OPEN_LINES, Server};

use super::application::negotiated;
use super::lookup::existing_address;
use super::{Asked, Intent, Outcome, proxy};

/// LINEMAPPER: any line that fits.
const LINE_MAPPER: u32 = 0xFFFF_FFFF;

/// lineGetNumRings without any registered count.
const NO_RINGS: u32 = 0xFFFF_FFFF;

/// lineOpen.
pub(super) fn open(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (device, line) = named_line(server, asked)?;
    let app = server.applications.get(&asked.application);
    let own_version = app.map_or(0, |app| app.api_version);
    let is_full = app.is_none_or(|app| app.opens.len() >= MAX_OPEN_LINES);
    let api_version = match asked.params.opt_version("apiVersion")? {
        Some((version, _)) => negotiated(version, version)?,
        None => own_version,
    };
    let (privileges, options) = privileges(asked)?;
    let media_modes = asked.params.opt_mask::<MediaMode>("mediaModes", LineErr::InvalMediaMode)?;
    let media_modes = media_modes.unwrap_or(MediaMode::InteractiveVoice.into());
    let is_owner = privileges.contains(CallPrivilege::Owner);
    if is_owner && (media_modes.is_empty() || !line.spec.media_modes.contains_all(media_modes)) {
        let detail = "The line does not carry these media modes.";
        return Err(Fault::line(LineErr::InvalMediaMode, detail));
    }
    let single_address = if options.contains(OpenOption::SingleAddress) {
        Some(single_address(asked, line)?)
    } else {
        None
    };
    let served = if options.contains(OpenOption::Proxy) {
        proxy::requested(server, asked, device)?
    } else {
        Vec::new()
    };
    if is_full {
        let detail = "The application has too many open lines.";
        return Err(Fault::line(LineErr::ResourceUnavail, detail));
    }
    let open = OpenLine {
        device,
        privileges,
        media_modes,
        api_version,
        single_address,
        line_states: Mask::EMPTY,
        address_states: Mask::EMPTY,
        num_rings: std::collections::BTreeMap::new(),
    };
    let h_line = server.open_handle(asked.application, open);
    server.register_proxies(device, (asked.application, h_line), &served);
    Ok(Outcome::object(json!({ "hLine": h_line })))
}

impl Server {
    fn open_handle(&mut self, application: crate::model::ApplicationId, open: OpenLine) -> u32 {
        let device = open.device;
        let Some(app) = self.applications.get_mut(&application) else { return 0 };
        let h_line = app.next_handle();
        app.opens.insert(h_line, open);
        if let Some(line) = self.lines.get_mut(device.0 as usize) {
            line.opens.push((application, h_line));
        }
        let entry = Some((application, h_line));
        self.tell_line(device, LineDevState::Open, LineDetail::None, entry);
        h_line
    }
}

/// The line of `line` (its number) or `deviceId`.
fn named_line<'s>(server: &'s Server, asked: Asked<'_>) -> Result<(DeviceId, &'s Line), Fault> {
    if let Some(number) = asked.params.opt_text("line", LineErr::BadDeviceId)? {
        let found = server.line_by_number(number).map(|d| server.visible_line(asked, d));
        return found.and_then(Result::ok).ok_or_else(|| {
            Fault::line(LineErr::BadDeviceId, format!("There is no line {number:.64}."))
        });
    }
    let device = asked.params.number("deviceId", LineErr::BadDeviceId)?;
    if device != LINE_MAPPER {
        return server.visible_line(asked, DeviceId(device));
    }
    let mut all = (0u32..).zip(&server.lines);
    all.find(|(_, line)| !line.is_removed && server.is_visible(asked, line))
        .map(|(index, line)| (DeviceId(index), line))
        .ok_or_else(|| Fault::line(LineErr::LineMapperFailed, "No line is visible here."))
}

/// `privileges`: privileges and options in one mask.
fn privileges(asked: Asked<'_>) -> Result<(Mask<CallPrivilege>, Mask<OpenOption>), Fault> {
    let wrong = || Fault::line(LineErr::InvalPrivSelect, "These privileges do not combine.");
    let Some(value) = asked.params.get("privileges") else {
        return Err(Fault::Params("Parameter privileges is missing.".to_owned()));
    };
    let items = match value {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut bits = 0;
    for item in items {
        let privilege = Mask::<CallPrivilege>::read(item).map(Mask::bits);
        let option = Mask::<OpenOption>::read(item).map(Mask::bits);
        bits |= match privilege.or(option) {
            Ok(bits) => bits,
            Err(NotAConstant::Value) => return Err(wrong()),
            Err(NotAConstant::Type) => {
                let detail = "Parameter privileges must be names of constants or a number.";
                return Err(Fault::Params(detail.to_owned()));
            }
        };
    }
    let options = Mask::<OpenOption>::from_bits(bits & Mask::<OpenOption>::all().bits());
    let privileges = Mask::<CallPrivilege>::from_bits(bits & !options.bits());
    let is_none_alone = privileges == CallPrivilege::None.into();
    let is_some = !privileges.is_empty()
        && (CallPrivilege::Owner | CallPrivilege::Monitor).contains_all(privileges);
    if is_none_alone || is_some { Ok((privileges, options)) } else { Err(wrong()) }
}

/// The address of LINEOPENOPTION_SINGLEADDRESS, from the call parameters.
fn single_address(asked: Asked<'_>, line: &Line) -> Result<AddressId, Fault> {
    let params = asked.params.opt_object("callParams")?;
    let id = match params {
        Some(params) => params.opt_number("addressId", LineErr::InvalAddressId)?,
        None => asked.params.opt_number("addressId", LineErr::InvalAddressId)?,
    };
    existing_address(line, AddressId(id.unwrap_or(0)))
}

/// lineClose.
pub(super) fn close(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, _) = server.open_line(asked)?;
    server.close_line(asked.application, h_line);
    Ok(Outcome::nothing())
}

/// lineSetStatusMessages: which status messages this open line gets. LINEDEVSTATE_REINIT cannot
/// be masked and needs no bit.
pub(super) fn set_status_messages(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, _) = server.open_line(asked)?;
    let lines = asked.params.opt_mask("lineStates", LineErr::InvalLineState)?;
    let addresses = asked.params.opt_mask("addressStates", LineErr::InvalAddressState)?;
    let app = server.applications.get_mut(&asked.application);
    if let Some(open) = app.and_then(|app| app.opens.get_mut(&h_line)) {
        open.line_states = lines.unwrap_or(Mask::<LineDevState>::EMPTY);
        open.address_states = addresses.unwrap_or(Mask::<AddressState>::EMPTY);
    }
    Ok(Outcome::nothing())
}

/// lineGetStatusMessages.
pub(super) fn status_messages(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (_, open) = server.open_line(asked)?;
    Ok(Outcome::object(json!({
        "lineStates": open.line_states,
        "addressStates": open.address_states,
    })))
}

/// lineSetLineDevStatus: message-waiting lamp and the like.
pub(super) fn set_line_dev_status(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let (device, line) = server.visible_line(asked, open.device)?;
    let settable = line.spec.offers.settable_status;
    if settable.is_empty() {
        let detail = "The status of this line cannot be set.";
        return Err(Fault::line(LineErr::OperationUnavail, detail));
    }
    let is_on = asked.params.flag("status")?;
    let error = LineErr::InvalParam;
    let change = asked.params.mask::<LineDevStatusFlag>("statusToChange", error)?;
    if change.is_empty() || !settable.contains_all(change) {
        return Err(Fault::line(error, "This part of the status cannot be set."));
    }
    if !line.is_in_service {
        return Err(Fault::line(LineErr::InvalLineState, "The line is out of service."));
    }
    let intent = Intent::SetLineDevStatus { line: device, change, is_on };
    Ok(Outcome::begin(intent, h_line, device, None, Vec::new()))
}

/// lineSetNumRings: the application's ring count; informational.
pub(super) fn set_num_rings(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, address) = open_address(server, asked)?;
    let rings = asked.params.number("numRings", LineErr::OperationFailed)?;
    let app = server.applications.get_mut(&asked.application);
    if let Some(open) = app.and_then(|app| app.opens.get_mut(&h_line)) {
        open.num_rings.insert(address, rings);
    }
    Ok(Outcome::nothing())
}

/// lineGetNumRings: the least of all registered counts.
pub(super) fn num_rings(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, address) = open_address(server, asked)?;
    let app = server.applications.get(&asked.application);
    let device = app.and_then(|app| app.opens.get(&h_line)).map(|open| open.device);
    let opens = server.applications.values().flat_map(|app| app.opens.values());
    let counts = opens
        .filter(|open| Some(open.device) == device)
        .filter_map(|open| open.num_rings.get(&address));
    Ok(Outcome::object(json!({ "numRings": counts.min().copied().unwrap_or(NO_RINGS) })))
}

fn open_address(server: &Server, asked: Asked<'_>) -> Result<(u32, AddressId), Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let (_, line) = server.visible_line(asked, open.device)?;
    Ok((h_line, server.address(asked, line)?))
}

/// lineGetID for device class `tapi/line`: the line device of a line, address or call.
pub(super) fn id(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let select = asked.params.opt_constant::<CallSelect>("select", LineErr::InvalCallSelect)?;
    let device = match select.unwrap_or(CallSelect::Line) {
        CallSelect::Line => server.open_line(asked)?.1.device,
        CallSelect::Address => {
            let device = server.open_line(asked)?.1.device;
            open_address(server, asked)?;
            device
        }
        CallSelect::Call => server.held_call(asked)?.call.line,
        CallSelect::DeviceId | CallSelect::CallId => {
            let detail = "A line, an address or a call is asked for.";
            return Err(Fault::line(LineErr::InvalCallSelect, detail));
        }
    };
    let class = asked.params.opt_text("deviceClass", LineErr::InvalDeviceClass)?;
    if !class.unwrap_or_default().eq_ignore_ascii_case("tapi/line") {
        let detail = "The only device class is tapi/line.";
        return Err(Fault::line(LineErr::InvalDeviceClass, detail));
    }
    Ok(Outcome::object(json!({ "deviceId": device.0 })))
}

/// lineGetAddressID: the address of a number.
pub(super) fn address_id(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (_, open) = server.open_line(asked)?;
    let number = asked.params.opt_text("address", LineErr::InvalAddress)?.unwrap_or_default();
    let mode =
        asked.params.opt_constant::<AddressMode>("addressMode", LineErr::InvalAddressMode)?;
    if mode != Some(AddressMode::DialableAddr) {
        let detail = "The address is named by its number.";
        return Err(Fault::line(LineErr::InvalAddressMode, detail));
    }
    let (_, line) = server.visible_line(asked, open.device)?;
    let address = line.spec.addresses.iter().position(|address| address.number == number);
    let address = address.ok_or_else(|| {
        Fault::line(LineErr::InvalAddress, "The line has no address of this number.")
    })?;
    Ok(Outcome::object(json!({ "addressId": address })))
}
