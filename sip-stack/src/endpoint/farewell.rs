//! Leaving a dialog that another process began: what has to be kept of it, and the BYE.

use super::{Endpoint, Event, Full, LegId, Outbox};
use crate::dialog::core::{Core, Draft, Pending, Purpose};
use crate::dialog::leg::Phase;
use crate::flow::Flow;
use crate::header::CSeq;
use crate::message::Method;
use crate::time::Now;

/// How far the CSeq of the BYE lies above the kept one, so that requests sent since need not be kept:
/// RFC 3261 §12.2.2 has it rise, by any number.
const CSEQ_LEAP: u32 = 100_000;

/// What a BYE needs of an established dialog.
///
/// Source: RFC 3261 §12, §15.1.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Farewell {
    /// The Call-ID header.
    pub call_id: String,
    /// From of our requests, with tag.
    pub from: String,
    /// To of our requests, with tag.
    pub to: String,
    /// The CSeq number of our last request.
    pub cseq: u32,
    /// The Request-URI: the remote target, or a strict router.
    pub request_uri: String,
    /// Route values in order.
    pub route: Vec<String>,
    /// Where it goes.
    pub flow: Flow,
}

impl Endpoint {
    /// What is needed to leave the dialog of a leg later; `None` where there is no answered one.
    #[must_use]
    pub fn farewell(&self, leg: LegId) -> Option<Farewell> {
        let leg = self.legs.get(leg.0).filter(|leg| leg.is_attached)?;
        if !matches!(leg.phase, Phase::Confirmed | Phase::Answering | Phase::Ringing) {
            return None;
        }
        let (request_uri, route) = leg.remote.routes.apply(&leg.remote.target);
        Some(Farewell {
            call_id: leg.call_id.clone(),
            from: leg.local.clone(),
            to: leg.to(&leg.remote),
            cseq: leg.local_cseq,
            request_uri,
            route,
            flow: Flow { connection: None, ..leg.next_hop(&leg.remote) },
        })
    }

    /// Sends BYE in a dialog of an earlier process. Its outcome comes as [`Event::Response`] with
    /// token 0: whatever it is, the dialog is over.
    pub fn leave(
        &mut self,
        now: Now,
        farewell: Farewell,
        headers: Vec<(String, String)>,
        out: &mut Outbox,
    ) {
        self.core.now = now;
        let draft = Draft {
            method: Method::Bye,
            uri: farewell.request_uri,
            routes: farewell.route,
            from: farewell.from,
            to: farewell.to,
            call_id: farewell.call_id,
            cseq: (farewell.cseq + CSEQ_LEAP).min(CSeq::LIMIT - 1),
            contact: None,
            max_forwards: 70,
            headers,
            authorization: Vec::new(),
            body: None,
            flow: farewell.flow,
        };
        self.send_alone(draft, 0, None);
        self.finish(out);
    }

    /// Starts a transaction that belongs to no leg.
    pub(super) fn send_alone(
        &mut self,
        draft: Draft,
        token: u64,
        digest: Option<Box<crate::auth::DigestClient>>,
    ) {
        let core: &mut Core = &mut self.core;
        match core.start(&draft) {
            Ok(key) => {
                let pending = Pending {
                    leg: None,
                    purpose: Purpose::OutOfDialog(token),
                    draft: Some(Box::new(draft)),
                    attempts: 0,
                    digest,
                    is_early: false,
                };
                core.clients.insert(key, pending);
            }
            Err(Full) => {
                core.events.push_back(Event::Response { token, status: 503, message: None });
            }
        }
    }
}
