//! Connections and the life of applications: start, resumption, end.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::constant::{CallInfoState, CallState, LineDevState, LineErr};
use crate::message::{LineDetail, Outlet};
use crate::model::{Application, ApplicationId, ConnectionId, LineFilter};

use super::{CLOSE_REPLACED, Connection, Fault, MAX_APPLICATIONS, Output, ReplyTo, Server};

impl Server {
    /// A connection is there; `allowed` are the lines that its token may see.
    pub fn connect(&mut self, connection: ConnectionId, allowed: LineFilter) {
        let limit = self.config.max_queued_messages.max(1);
        let state = Connection { filter: allowed, application: None, behind: 0, limit };
        self.connections.insert(connection, state);
    }

    /// The rim has written this many texts of the connection: the reader is that much less
    /// behind. Must be reported for every [`Output::Send`], else the connection is closed as
    /// too slow when `max_queued_messages` is reached.
    pub fn written(&mut self, connection: ConnectionId, texts: usize) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.behind = state.behind.saturating_sub(texts);
            if state.behind == 0 {
                state.limit = self.config.max_queued_messages.max(1);
            }
        }
    }

    /// The connection broke. Its application may be resumed within the window.
    pub fn disconnect(&mut self, now_ms: u64, connection: ConnectionId) {
        self.tick(now_ms);
        self.detach(connection);
        self.expire_proxied();
    }

    /// The application closed the connection in an orderly way, which ends it.
    pub fn close(&mut self, now_ms: u64, connection: ConnectionId) {
        self.tick(now_ms);
        let state = self.connections.remove(&connection);
        if let Some(application) = state.and_then(|state| state.application) {
            self.end_application(application);
        }
    }

    /// Ends the applications whose resume window is over, the gatherings of digits whose time is,
    /// and the requests that an agent handler did not answer.
    pub fn expire(&mut self, now_ms: u64) {
        self.tick(now_ms);
        let over: Vec<ApplicationId> = self
            .applications
            .iter()
            .filter(|(_, app)| app.expires_ms.is_some_and(|at| at <= self.now_ms))
            .map(|(id, _)| *id)
            .collect();
        for application in over {
            self.end_application(application);
        }
        self.expire_gatherings();
        self.expire_proxied();
    }

    /// When [`Server::expire`] has something to do next.
    pub fn next_deadline(&self) -> Option<u64> {
        let windows = self.applications.values().filter_map(|app| app.expires_ms);
        windows.chain(self.gathering_deadline()).chain(self.proxied_deadline()).min()
    }

    /// Closes a connection from this side; its application may be resumed.
    pub(super) fn close_connection(&mut self, connection: ConnectionId, code: u16, reason: &str) {
        self.detach(connection);
        self.out.push(Output::Close { connection, code, reason: reason.to_owned() });
    }

    fn detach(&mut self, connection: ConnectionId) {
        let Some(state) = self.connections.remove(&connection) else { return };
        let Some(id) = state.application else { return };
        let window = u64::try_from(self.config.resume_window.as_millis()).unwrap_or(u64::MAX);
        if let Some(app) = self.applications.get_mut(&id) {
            app.connection = None;
            app.expires_ms = Some(self.now_ms.saturating_add(window));
        }
        self.give_up_proxied(|proxied| proxied.application == id);
    }

    /// lineInitializeEx of a new application.
    pub(crate) fn start_application(
        &mut self,
        connection: ConnectionId,
        name: String,
        friendly_name: Option<String>,
        api_version: u32,
    ) -> Result<ApplicationId, Fault> {
        if self.applications.len() >= MAX_APPLICATIONS {
            let detail = "Too many applications are running.";
            return Err(Fault::line(LineErr::ResourceUnavail, detail));
        }
        self.last_application += 1;
        let id = ApplicationId(self.last_application);
        let instance = self.instance_of(id);
        let outlet = Outlet::new(self.config.max_queued_messages);
        let filter = self.connections.get(&connection).map(|state| state.filter.clone());
        let mut app = Application::new(name, instance, filter.unwrap_or_default(), outlet);
        app.friendly_name = friendly_name.unwrap_or_else(|| app.name.clone());
        app.api_version = api_version;
        app.connection = Some(connection);
        self.applications.insert(id, app);
        if let Some(state) = self.connections.get_mut(&connection) {
            state.application = Some(id);
        }
        Ok(id)
    }

    /// lineInitializeEx with `instance`: takes an application up again. What it missed follows
    /// the response.
    pub(crate) fn resume_application(
        &mut self,
        connection: ConnectionId,
        instance: &str,
        after: u64,
    ) -> Result<ApplicationId, Fault> {
        use crate::message::NotKept;
        let gone = |detail: &str| Fault::line(LineErr::InvalAppHandle, detail);
        let filter = self.connections.get(&connection).map(|state| state.filter.clone());
        let found = self.applications.iter().find(|(_, app)| app.instance == instance);
        let (id, app) = found
            .filter(|(_, app)| Some(&app.filter) == filter.as_ref())
            .ok_or_else(|| gone("There is no such instance, or its resume window is over."))?;
        let (id, old) = (*id, app.connection);
        let missed = app.outlet.after(after).map_err(|why| match why {
            NotKept::Future => Fault::line(
                LineErr::InvalParam,
                "Parameter after is higher than the last sequence number.",
            ),
            NotKept::Forgotten => gone("Messages after that sequence number are no longer kept."),
        })?;
        if let Some(old) = old {
            self.connections.remove(&old);
            let reason = "taken up by another connection".to_owned();
            self.out.push(Output::Close { connection: old, code: CLOSE_REPLACED, reason });
        }
        if let Some(app) = self.applications.get_mut(&id) {
            app.connection = Some(connection);
            app.expires_ms = None;
        }
        if let Some(state) = self.connections.get_mut(&connection) {
            state.application = Some(id);
            state.behind += missed.len();
            state.limit += missed.len();
        }
        let replay = missed.into_iter().map(|text| Output::Send { connection, text });
        self.deferred.extend(replay);
        Ok(id)
    }

    /// Ends an application: its handles die, its calls stay.
    pub(crate) fn end_application(&mut self, id: ApplicationId) {
        let Some(app) = self.applications.get(&id) else { return };
        let connection = app.connection;
        let opens: Vec<u32> = app.opens.keys().copied().collect();
        for h_line in opens {
            self.close_line(id, h_line);
        }
        self.applications.remove(&id);
        if let Some(state) = connection.and_then(|c| self.connections.get_mut(&c)) {
            state.application = None;
        }
        for pending in self.requests.values_mut().filter(|p| p.application == id) {
            pending.reply_to = ReplyTo::Nobody;
        }
    }

    /// lineClose: voids an open line and the call handles that came with it. Calls are not
    /// dropped; replies that are still due are suppressed.
    pub(crate) fn close_line(&mut self, application: ApplicationId, h_line: u32) {
        let Some(app) = self.applications.get_mut(&application) else { return };
        let Some(open) = app.opens.remove(&h_line) else { return };
        let due = |pending: &&mut super::Pending| {
            pending.application == application && pending.h_line == h_line
        };
        for pending in self.requests.values_mut().filter(due) {
            pending.reply_to = ReplyTo::Nobody;
        }
        let mut keys: Vec<_> = app.calls.values().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let Some(call) = self.calls.get(key) else { continue };
            let mine = call
                .holders
                .iter()
                .find(|holder| holder.application == application && holder.h_line == h_line);
            if let Some(h_call) = mine.map(|holder| holder.h_call) {
                self.release_handle(application, h_call);
            }
        }
        if let Some(line) = self.lines.get_mut(open.device.0 as usize) {
            line.opens.retain(|entry| *entry != (application, h_line));
        }
        self.unregister_proxies(open.device, Some((application, h_line)));
        self.tell_line(open.device, LineDevState::Close, LineDetail::None, None);
    }

    /// Gives up one handle of a call; the other holders are told of the new counts.
    pub(crate) fn release_handle(&mut self, application: ApplicationId, h_call: u32) {
        let app = self.applications.get_mut(&application);
        let Some(key) = app.and_then(|app| app.calls.remove(&h_call)) else { return };
        let Some(call) = self.calls.get_mut(key) else { return };
        let is_mine = |h: &crate::model::Holder| h.application == application && h.h_call == h_call;
        let is_over = call.state == CallState::Idle;
        let was_owner = call.holders.iter().any(|h| is_mine(h) && h.is_owner());
        call.holders.retain(|holder| !is_mine(holder));
        self.forget_detections(key, application, h_call);
        if is_over {
            self.forget_if_unheld(key);
        } else {
            let change =
                if was_owner { CallInfoState::NumOwnerDecr } else { CallInfoState::NumMonitors };
            self.tell_info(key, change.into(), Some(application));
        }
    }

    fn instance_of(&self, id: ApplicationId) -> String {
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            (self.config.secret, id.0, salt).hash(&mut hasher);
            hasher.finish()
        };
        format!("{:016x}{:016x}", half(1), half(2))
    }
}
