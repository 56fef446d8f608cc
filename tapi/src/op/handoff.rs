//! lineHandoff: ownership for another application.

use crate::constant::{CallInfoState, CallPrivilege, LineErr, Mask, MediaMode};
use crate::model::{ApplicationId, Candidate};
use crate::server::{Fault, Server};

use super::lookup::check_owner;
use super::{Asked, Outcome};

/// lineHandoff: to the application named, or to the first in priority for one media mode. The
/// caller stays owner.
pub(super) fn handoff(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let name = asked.params.opt_text("fileName", LineErr::TargetNotFound)?;
    check_owner(&held)?;
    let line = server.lines.get(held.call.line.0 as usize);
    let opens = line.map_or_else(Vec::new, |line| line.opens.clone());
    let target = match name.filter(|name| !name.is_empty()) {
        Some(name) => by_name(server, asked, &opens, name),
        None => {
            let error = LineErr::InvalMediaMode;
            let mode = asked.params.mask::<MediaMode>("mediaMode", error)?;
            let Some(mode) = mode.single() else {
                return Err(Fault::line(error, "Exactly one media mode is needed."));
            };
            let candidates: Vec<Candidate<'_>> =
                opens.iter().filter_map(|entry| server.candidate(*entry)).collect();
            let media = Mask::from(mode);
            let chosen = server.priorities.choose_owner(&candidates, media, held.call.address);
            let target = chosen.and_then(|index| opens.get(index)).copied();
            if target.is_some_and(|(application, _)| application == asked.application) {
                let detail = "The application itself is first for this media mode.";
                return Err(Fault::line(LineErr::TargetSelf, detail));
            }
            target
        }
    };
    let Some(target) = target else {
        let detail = "No such application has the line open as an owner.";
        return Err(Fault::line(LineErr::TargetNotFound, detail));
    };
    let key = held.key;
    server.make_owner(key, target, asked.application);
    Ok(Outcome::nothing())
}

/// The open line of an application of this name, another one's before the caller's own.
fn by_name(
    server: &Server,
    asked: Asked<'_>,
    opens: &[(ApplicationId, u32)],
    name: &str,
) -> Option<(ApplicationId, u32)> {
    let is_named = |entry: &&(ApplicationId, u32)| {
        server.candidate(**entry).is_some_and(|open| {
            open.name.eq_ignore_ascii_case(name) && open.privileges.contains(CallPrivilege::Owner)
        })
    };
    let named = opens.iter().filter(is_named);
    named.min_by_key(|(application, _)| *application == asked.application).copied()
}

impl Server {
    /// Makes an open line an owner of a call and tells it, even if it was one; the others learn
    /// of the new counts.
    fn make_owner(
        &mut self,
        key: crate::model::CallKey,
        (application, h_line): (ApplicationId, u32),
        cause: ApplicationId,
    ) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let (state, mode, address) = (call.state, call.mode, call.address);
        let mine = call.holders.iter_mut().filter(|holder| holder.application == application);
        let existing = mine.max_by_key(|holder| holder.h_line == h_line);
        let changes = match existing {
            Some(holder) => {
                let old = std::mem::replace(&mut holder.privilege, CallPrivilege::Owner);
                let holder = *holder;
                self.tell_state_to(&holder, state, mode, Some(CallPrivilege::Owner));
                match old {
                    CallPrivilege::Owner => Mask::EMPTY,
                    _ => CallInfoState::NumOwnerIncr | CallInfoState::NumMonitors,
                }
            }
            None => {
                let entry = (application, h_line);
                let Some(holder) = self.give_handle(key, entry, CallPrivilege::Owner) else {
                    return;
                };
                self.tell_new_call((key, &holder), address, state, mode);
                CallInfoState::NumOwnerIncr.into()
            }
        };
        self.tell_info_but(key, changes, &[application, cause]);
    }
}
