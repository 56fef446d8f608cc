//! Trunks as parties: who calls from one, and calls that go out through one.
//!
//! Source: sip-mapping §2.7, RFC 3261 §16.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use config::IdentifyBy;

use sip_stack::auth::ClientCredentials;
use sip_stack::endpoint::LegId;
use sip_stack::flow::{Flow, Transport};
use sip_stack::message::Message;
use sip_stack::transport;
use sip_stack::uri::Uri;
use tapi::constant::CallState;

use super::cause::Cause;
use super::identity;
use super::{CallId, ConnectionKey, Origination, Party, Side};
use crate::exchange::Exchange;
use crate::exchange::state::{NewParty, OFFERED};

/// Connections whose certificates are remembered; the transports' own ceiling is lower.
const MAX_IDENTIFIED: usize = 1_000_000;

impl Exchange {
    /// Calls an outside number.
    pub(crate) fn call_trunk(
        &mut self,
        connection: ConnectionKey,
        caller: CallId,
        name: &str,
        number: &str,
    ) -> Result<(), Cause> {
        let trunk = self.config.trunks.get(name).cloned().ok_or(Cause::UNKNOWN_NUMBER)?;
        let in_use = self.calls.iter().filter(
            |(_, call)| matches!(&call.party, Party::Trunk { name: used, .. } if used == name),
        );
        let in_use = in_use.count();
        let is_full = trunk.channels.is_some_and(|most| in_use >= most);
        // The limit is ours; the carrier may well have room for an emergency call (SEC-101).
        if is_full && !self.is_emergency(connection, number) {
            return Err(Cause::TRUNK_FULL);
        }
        let payers = self.may_call_outside(connection, caller, name, number)?;
        let Some(way) = self.way_to(connection, &trunk) else {
            return Err(Cause::of_status(503, false));
        };
        let called = self.new_call(NewParty {
            connection,
            side: Side::Called,
            party: Party::Trunk { name: name.to_owned(), number: number.to_owned() },
            origination: Origination::Phone,
            state: CallState::Offering,
            mode: OFFERED,
            tapi: None,
        });
        if let Some(call) = self.calls.get_mut(called.0) {
            call.payers = payers;
        }
        let offer = match self.offer_for(caller, called) {
            Ok(offer) => offer,
            Err(cause) => {
                self.finish(called);
                return Err(cause);
            }
        };
        self.invite_trunk((caller, called), &trunk, number, way, &offer)
    }

    /// Where a trunk's INVITEs go: first here, then there. `None`: nowhere.
    pub(crate) fn way_to(
        &self,
        connection: ConnectionKey,
        trunk: &config::Trunk,
    ) -> Option<(Flow, Vec<Flow>)> {
        let is_sips = self.is_sips(connection) || trunk.peer.is_secure;
        let targets = self.trunk_targets.get(&trunk.name).map(Vec::as_slice).unwrap_or_default();
        let flows = targets.iter().filter_map(|target| self.flow_to(*target));
        // RFC 3261 §26.2.2: what is to be secure leaves under TLS or not at all.
        let mut flows = flows.filter(|flow| !is_sips || flow.transport.is_secure());
        Some((flows.next()?, flows.collect()))
    }

    /// Sends an INVITE for a number outside, on behalf of the first of two calls.
    pub(crate) fn invite_trunk(
        &mut self,
        (caller, called): (CallId, CallId),
        trunk: &config::Trunk,
        number: &str,
        (destination, alternatives): (Flow, Vec<Flow>),
        offer: &Bytes,
    ) -> Result<(), Cause> {
        let connection = self.calls.get(called.0).map(|call| call.connection);
        let is_sips = connection.is_some_and(|key| self.is_sips(key)) || trunk.peer.is_secure;
        let from = self.identity_of(caller);
        let user = sip_stack::uri::encode_user(number);
        let (scheme, host) = match is_sips {
            true => ("sips", host_of(&trunk.peer)),
            false => ("sip", identity::socket_text(destination.remote)),
        };
        let mut invite = self.invite(called, &from, offer, destination);
        invite.request_uri = format!("{scheme}:{user}@{host}");
        invite.to = format!("<{scheme}:{user}@{host}>");
        if is_sips {
            invite.contact = identity::secure(&invite.contact);
        }
        invite.alternatives = alternatives;
        invite.credentials = credentials_of(trunk);
        self.send_invite(called, invite)
    }

    /// The trunk whose peer sends over this flow.
    pub(crate) fn trunk_of(&self, flow: &Flow) -> Option<String> {
        let mut trunks = self.config.trunks.values();
        trunks.find(|trunk| self.is_peer(trunk, flow)).map(|trunk| trunk.name.clone())
    }

    /// Whether a trunk's peer sends over this flow: by its address, its certificate or both, as the
    /// trunk wants it (SEC-20).
    fn is_peer(&self, trunk: &config::Trunk, flow: &Flow) -> bool {
        let is_at = || {
            let targets = self.trunk_targets.get(&trunk.name).map(Vec::as_slice);
            targets.unwrap_or_default().iter().any(|(transport, address)| {
                address.ip() == flow.remote.ip()
                    && *transport == flow.transport
                    && (flow.transport.is_reliable() || address.port() == flow.remote.port())
            })
        };
        let names = flow.connection.and_then(|connection| self.identified.get(&connection));
        let proves =
            || names.is_some_and(|names| transport::proves(names, &trunk.certificate_names));
        match trunk.identify_by {
            IdentifyBy::Address => is_at(),
            IdentifyBy::Certificate => proves(),
            IdentifyBy::Both => is_at() && proves(),
        }
    }

    /// Whether a flow belongs to the trunk behind a leg: a carrier may open a connection of its own
    /// for a request inside a dialog (RFC 3261 §18), and has no password of ours.
    pub(crate) fn is_from_trunk(&self, leg: LegId, flow: &Flow) -> bool {
        let call = self.by_leg.get(&leg).and_then(|call| self.calls.get(call.0));
        let Some(Party::Trunk { name, .. }) = call.map(|call| &call.party) else { return false };
        self.config.trunks.get(name).is_some_and(|trunk| self.is_peer(trunk, flow))
    }

    /// The certificate of a connection has been checked.
    pub(crate) fn identify_connection(&mut self, flow: &Flow, names: Arc<[String]>) {
        if let Some(connection) = flow.connection
            && self.identified.len() < MAX_IDENTIFIED
        {
            self.identified.insert(connection, names);
        }
    }

    /// What a connection's certificate proved goes with the connection.
    pub(crate) fn forget_connection(&mut self, flow: &Flow, is_closed: bool) {
        if let Some(connection) = flow.connection.filter(|_| is_closed) {
            self.identified.remove(&connection);
        }
    }

    /// Whom an INVITE wants. A peer at which we are registered may write our user name where the
    /// number belongs: the number is in To then, or it is that of `inbound`.
    pub(crate) fn dialled(&self, party: &Party, message: &Message) -> Option<String> {
        let dialled = identity::dialled_number(message)?;
        let Party::Trunk { name, .. } = party else { return Some(dialled) };
        let trunk = self.config.trunks.get(name)?;
        if trunk.username.as_ref() != Some(&dialled) {
            return Some(dialled);
        }
        let to = message.to().ok().and_then(|to| Uri::parse(to.uri).ok()?.user_decoded());
        let number = to.filter(|number| *number != dialled);
        Some(number.or_else(|| trunk.inbound.clone()).unwrap_or(dialled))
    }

    /// A flow from one of our listeners to an address.
    pub(crate) fn flow_to(&self, target: (Transport, SocketAddr)) -> Option<Flow> {
        let (transport, remote) = target;
        let fits = |(kind, local): &&(Transport, SocketAddr)| {
            *kind == transport && local.is_ipv4() == remote.is_ipv4()
        };
        let (_, local) = self.local.iter().find(fits)?;
        Some(Flow { transport, local: *local, remote, connection: None })
    }
}

/// The host of a trunk's peer as a URI has it.
fn host_of(peer: &config::Peer) -> String {
    let host = peer.host_text();
    match peer.port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// What answers the peer's challenges.
pub(crate) fn credentials_of(trunk: &config::Trunk) -> Option<ClientCredentials> {
    let password = trunk.password.as_ref()?.expose().to_owned();
    Some(ClientCredentials { username: trunk.username.clone()?, password })
}
