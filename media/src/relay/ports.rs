//! Where streams get their ports from: a range, of which each has two for itself, or a handful that
//! all share.

use std::net::IpAddr;
use std::sync::Arc;

use super::handful::{Handful, Known, Placement};
use super::port::{Choice, PortPair, Reserve};
use super::steer::{Claims, Steered};
use super::stock::{Source, random};
use super::worker::Bound;
use crate::context::StreamSpec;
use crate::control::{MediaConfig, MediaError};

pub(super) enum Ports {
    Range(Reserve),
    Handful(Placement),
}

impl Ports {
    /// As the configuration wants it; with the sockets that streams share, if they do.
    ///
    /// Errors: PortRange, Socket.
    pub(super) fn open(
        config: &MediaConfig,
        steered: Option<&Arc<Steered>>,
        workers: usize,
    ) -> Result<(Self, Option<Arc<Handful>>), MediaError> {
        if let Some(ports) = &config.shared_ports {
            let handful = Arc::new(Handful::open(config, ports, workers)?);
            let placement = Placement::new(Arc::clone(&handful), workers, config.address.is_ipv6());
            return Ok((Self::Handful(placement), Some(handful)));
        }
        let source = match steered {
            Some(steered) => Source::Steered(Arc::clone(steered)),
            None => Source::Bound(Claims::look()),
        };
        Ok((Self::Range(Reserve::new(config, source, random())?), None))
    }

    /// A pair for a stream of whose peer this is known, and whose siblings have these.
    ///
    /// Errors: PortsExhausted, Socket.
    pub(super) fn take(
        &mut self,
        known: &Known,
        siblings: &[usize],
        choice: &Choice<'_>,
    ) -> Result<Arc<PortPair>, MediaError> {
        match self {
            Self::Range(reserve) => reserve.take(choice),
            Self::Handful(placement) => placement.take(known, siblings, choice.is_full),
        }
    }

    /// A stream began.
    pub(super) fn begin(&mut self, bound: &Arc<Bound>, known: Known) {
        if let Self::Handful(placement) = self {
            placement.begin(bound, known);
        }
    }

    /// What signalling agreed about a stream.
    pub(super) fn learn(&mut self, bound: &Bound, spec: &StreamSpec) {
        let Self::Handful(placement) = self else { return };
        if spec.remote.is_none() && spec.ice.is_none() {
            // Nothing more than before.
            return;
        }
        let known = if spec.ice.is_some() {
            // Its checks say whose they are.
            Known::default()
        } else {
            let named = [spec.remote, spec.remote_rtcp].into_iter().flatten();
            let hosts = named.map(|named| named.ip()).chain(spec.peer).collect();
            // Who names his sources is known by them.
            let is_hidden = spec.is_hidden && spec.ssrcs.is_empty();
            Known { hosts, remote: spec.remote, is_hidden }
        };
        placement.learn(bound, known);
    }

    /// What is known of one more stream of a termination, and which pairs the others have.
    pub(super) fn family<'a>(
        &self,
        streams: impl Iterator<Item = &'a Arc<Bound>>,
    ) -> (Known, Vec<usize>) {
        let Self::Handful(placement) = self else { return (Known::default(), Vec::new()) };
        let mut streams = streams.peekable();
        let first = streams.peek().map(|bound| placement.known(bound)).unwrap_or_default();
        let siblings = streams.filter_map(|bound| bound.pair.shared_pair()).collect();
        // The same party, at an address that is still to be told.
        (Known { remote: None, ..first }, siblings)
    }

    /// Where a stream's packets may come from.
    pub(super) fn hosts(&self, bound: &Bound) -> Vec<IpAddr> {
        match self {
            Self::Range(_) => Vec::new(),
            Self::Handful(placement) => placement.known(bound).hosts,
        }
    }

    /// Takes a stream's pair back.
    pub(super) fn close(&mut self, bound: &Bound, now_us: u64) {
        match self {
            Self::Range(reserve) => reserve.give_back(Arc::clone(&bound.pair), now_us),
            Self::Handful(placement) => placement.close(bound),
        }
    }

    /// Takes a pair back that no stream has used.
    pub(super) fn give_back_unused(&mut self, pair: Arc<PortPair>) {
        match self {
            Self::Range(reserve) => reserve.give_back_unused(pair),
            Self::Handful(placement) => placement.give_back(&pair),
        }
    }

    /// Closes what nobody has wanted for a while; true if there was anything.
    pub(super) fn tidy(&mut self, now_us: u64) -> bool {
        match self {
            Self::Range(reserve) => reserve.tidy(now_us),
            Self::Handful(placement) => {
                placement.tidy();
                false
            }
        }
    }

    /// For how many streams there is room.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range(reserve) => reserve.len(),
            Self::Handful(placement) => placement.len(),
        }
    }
}
