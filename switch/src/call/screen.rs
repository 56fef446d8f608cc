//! What keeps a party's description from being taken up at all, before anything is made of it.

use std::net::SocketAddr;

use sip_stack::endpoint::Reply;
use sip_stack::flow::Flow;
use sip_stack::sdp::{Incompatible, Session};

use super::protection::Protection;
use super::{CallId, Party};
use crate::exchange::{Exchange, Output, Suspicion};

impl Exchange {
    /// Takes out of an INVITE's offer what may not be.
    ///
    /// Errors: the refusal, when nothing is left or it leads back into the relay.
    pub(crate) fn screen_offer(
        &mut self,
        (party, flow): (&Party, &Flow),
        protection: &Protection,
        offer: Option<&mut Session>,
    ) -> Result<(), Reply> {
        let Some(offer) = offer else { return Ok(()) };
        if let Err(refused) = protection.screen_offer(offer) {
            let warning = refused.warning(&self.config.domain);
            return Err(Reply::new(Incompatible::STATUS).header("Warning", warning));
        }
        if self.leads_back(offer) {
            self.note_loop(party, Some(flow.remote));
            return Err(self.loop_refusal());
        }
        Ok(())
    }

    /// Whether what a party of a call describes leads back into the relay: the security log is told.
    pub(crate) fn is_loop(&mut self, id: CallId, described: &Session) -> bool {
        let is_loop = self.leads_back(described);
        if let Some(call) = self.calls.get(id.0).filter(|_| is_loop) {
            let leg = call.leg.or_else(|| call.legs.first().copied());
            let source = leg.and_then(|leg| self.endpoint.leg(leg)).map(|view| view.flow.remote);
            self.note_loop(&call.party.clone(), source);
        }
        is_loop
    }

    fn note_loop(&mut self, party: &Party, source: Option<SocketAddr>) {
        self.outputs.push(Output::CallBarred {
            source,
            line: party.line().unwrap_or_default().to_owned(),
            reason: "its media would come back to a port of the relay",
        });
    }

    /// What a party is answered whose offer leads back.
    pub(crate) fn loop_refusal(&self) -> Reply {
        let warning = format!("399 {} \"Media Leads Back To This Switch\"", self.config.domain);
        Reply::new(Incompatible::STATUS).header("Warning", warning)
    }

    /// An INVITE with Replaces of what its line may not take, or what is not there.
    pub(super) fn note_bad_replaces(&mut self, id: CallId, status: u16) {
        let Some(call) = self.calls.get(id.0) else { return };
        let line = call.party.line().unwrap_or_default().to_owned();
        let source = call.leg.and_then(|leg| self.endpoint.leg(leg)).map(|view| view.flow.remote);
        let reason = format!("Replaces answered {status}");
        self.suspect(Suspicion::BadReplaces, source, &line, reason);
    }

    /// Whether a description names ports of our relay that serve a call: its media would go round in
    /// here, or into somebody else's call (SEC-87). Calls that come back to us are joined by the core.
    fn leads_back(&self, described: &Session) -> bool {
        let live = described.media.iter().filter(|media| !media.is_rejected());
        let mut addresses = live.filter_map(|media| media.rtp_address(described));
        addresses.any(|address| self.is_relay_port(address))
    }

    fn is_relay_port(&self, address: SocketAddr) -> bool {
        let media = &self.config.media;
        let host = address.ip().to_canonical();
        let is_ours = host == media.address.to_canonical()
            || media.public_address.is_some_and(|public| public.to_canonical() == host);
        let range = media.shared_ports.as_ref().unwrap_or(&media.ports);
        // Hardly anybody gets past this, so all calls can be asked.
        is_ours
            && range.contains(&address.port())
            && self.calls.iter().any(|(_, call)| call.end.has_port(address.port()))
    }
}
