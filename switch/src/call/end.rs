//! The media end of a call: its relay ports, and what was described to and by its phone.
//!
//! Knows SDP and ports, not who the far side is. Source: sip-mapping §5.1–5.4, RFC 3264.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use config::Srtp;
use media::{
    MediaError, MediaPlane, Security, StreamPorts, StreamSpec, TerminationId,
    TerminationStatistics, Whereabouts,
};
use sip_stack::flow::{Flow, Transport};
use sip_stack::sdp::{
    Codec, Direction, Incompatible, LocalDescription, Media, MediaKind, RelayMedia, Session,
    answer_locally, full_offer, is_agreement, is_hold, relay_answer, relay_offer,
};

use super::Party;
use super::connectivity;
use super::protection::{Protection, security};
use super::recording::voices;
use super::transcode::{Asked, Repertoire};
use crate::exchange::Exchange;
use crate::feature::dtmf::Presses;

/// Ports and descriptions of one call.
#[derive(Debug)]
pub struct MediaEnd {
    termination: Option<TerminationId>,
    ports: Vec<StreamPorts>,
    address: IpAddr,
    description: LocalDescription,
    /// What the phone last sent to us.
    pub remote: Option<Session>,
    /// Where its signalling comes from: the only other address its media may come from.
    pub peer: Option<IpAddr>,
    /// It is a phone: media from elsewhere than its signalling means a NAT, not a gateway.
    is_phone: bool,
    /// RTCP on the port of media is offered.
    offers_mux: bool,
    /// Whether and how its media is protected.
    pub(crate) protection: Protection,
    /// Keys that the phone has pressed of late.
    pub(crate) presses: Presses,
    /// The recording of what its phone says and hears.
    pub(crate) recording: Option<u64>,
    /// What the switch translates for it.
    pub(crate) repertoire: Repertoire,
    /// What it was offered last of another party's, and nothing beyond that.
    pub(crate) asked: Asked,
    /// The remote description changed since the relay was told.
    is_fresh: bool,
    /// A DTLS handshake of its phone gave no keys.
    pub(crate) has_failed_handshake: bool,
}

impl MediaEnd {
    /// An end without ports; `session_id` becomes that of its `o=` line.
    pub fn new(address: IpAddr, session_id: u64) -> MediaEnd {
        MediaEnd {
            termination: None,
            ports: Vec::new(),
            address,
            description: LocalDescription::new(session_id, address),
            remote: None,
            peer: None,
            is_phone: false,
            offers_mux: false,
            protection: Protection::default(),
            presses: Presses::default(),
            recording: None,
            repertoire: Repertoire::default(),
            asked: Asked::default(),
            is_fresh: false,
            has_failed_handshake: false,
        }
    }

    /// Another end at the same address, without ports.
    pub(crate) fn empty(&self) -> MediaEnd {
        let mut end = MediaEnd::new(self.address, 0);
        end.protection = self.protection.renewed();
        end.repertoire = self.repertoire.clone();
        (end.is_phone, end.offers_mux) = (self.is_phone, self.offers_mux);
        end
    }

    /// Makes sure that `streams` streams have ports; `unless_heard` is what is known of where the
    /// party's media will come from before it has said anything.
    ///
    /// Errors: [`MediaError::PortsExhausted`] and its kin; what was there before stays.
    pub fn reserve(
        &mut self,
        plane: &mut dyn MediaPlane,
        streams: usize,
        unless_heard: impl FnOnce() -> Whereabouts,
    ) -> Result<TerminationId, MediaError> {
        if let Some(id) = self.termination {
            while self.ports.len() < streams {
                self.ports.push(plane.add_stream(id)?);
            }
            return Ok(id);
        }
        let whereabouts = self.whereabouts().unwrap_or_else(unless_heard);
        let termination = plane.add_at(streams, &whereabouts)?;
        self.termination = Some(termination.id);
        self.ports = termination.streams;
        Ok(termination.id)
    }

    /// Gives the ports back.
    pub fn release(
        &mut self,
        plane: &mut dyn MediaPlane,
    ) -> Option<(TerminationId, TerminationStatistics)> {
        self.ports.clear();
        let id = self.termination.take()?;
        Some((id, plane.subtract(id)))
    }

    /// The termination, while there is one.
    pub fn termination(&self) -> Option<TerminationId> {
        self.termination
    }

    /// What the phone was last told.
    pub fn local(&self) -> Option<&Session> {
        self.description.session()
    }

    /// The RTP port of a stream.
    pub fn port(&self, stream: usize) -> Option<u16> {
        self.ports.get(stream).map(|ports| ports.rtp)
    }

    /// Whether a port is one of its own.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.ports.iter().any(|ports| ports.rtp == port || ports.rtcp == port)
    }

    /// The stream that tones belong to: the first that carries audio.
    pub fn audio_stream(&self) -> Option<usize> {
        let is_audio = |media: &Media| media.kind == MediaKind::Audio && !media.is_rejected();
        self.local()?.media.iter().position(is_audio)
    }

    /// Payload type and clock of the telephone-events that the phone takes (RFC 4733), where they
    /// were agreed.
    pub fn events(&self) -> Option<(u8, u32)> {
        self.local()?.audio()?.codecs.iter().find(|codec| codec.is_telephone_event())?;
        let theirs = self.remote.as_ref()?.audio()?;
        let event = theirs.codecs.iter().find(|codec| codec.is_telephone_event())?;
        Some((event.payload, event.clock_hz))
    }

    /// Whether keys pressed at the phone come as telephone-events.
    pub fn has_events(&self) -> bool {
        self.events().is_some()
    }

    /// How many streams have ports.
    pub fn streams(&self) -> usize {
        self.ports.len()
    }

    /// Takes the phone's description, an offer or an answer.
    pub fn hear(&mut self, mut remote: Session) {
        connectivity::forget_nobody(&mut remote);
        self.remote = Some(remote);
        self.is_fresh = true;
    }

    /// Rejects the streams of an answer that are not protected as they must be.
    ///
    /// Errors: [`Incompatible::Security`] when no audio is left.
    pub(crate) fn screen_answer(&self, answer: &mut Session) -> Result<(), Incompatible> {
        self.protection.screen_answer(self.local(), answer)
    }

    /// Whether an answer takes anything of what the phone was offered.
    pub fn agrees_to(&self, answer: &Session) -> bool {
        self.local().is_some_and(|offer| is_agreement(offer, answer))
    }

    /// An offer made of what another party offered or answered.
    ///
    /// Errors: [`Incompatible`] when no stream can be relayed (488).
    pub fn offer_from(&mut self, source: &Session) -> Result<Bytes, Incompatible> {
        let offer = relay_offer(source, &self.relay(Direction::SendRecv))?;
        let offer = self.offer(offer)?;
        self.asked.note(source);
        Ok(offer)
    }

    /// The same, and behind it what the switch translates; `None` where that is not more.
    pub(crate) fn offer_more_than(&mut self, source: &Session) -> Option<Bytes> {
        let mut offer = relay_offer(source, &self.relay(Direction::SendRecv)).ok()?;
        let has_more = self.repertoire.extend(&mut offer);
        has_more.then(|| self.offer(offer).ok())?
    }

    /// The phone has refused our last offer: what it was told before still holds.
    pub(crate) fn take_back(&mut self) {
        self.description.take_back();
    }

    /// Makes an offer of a session, protected as the party wants it.
    fn offer(&mut self, mut offer: Session) -> Result<Bytes, Incompatible> {
        self.description.continue_with(&mut offer);
        let (former, remote) = (self.description.session(), self.remote.as_ref());
        self.protection.protect_offer(&mut offer, former, remote)?;
        connectivity::offer(&self.protection, &mut offer, (former, remote));
        if self.offers_mux {
            connectivity::offer_mux(&mut offer, remote);
        }
        Ok(self.description.write(offer))
    }

    /// Makes an answer to an offer of the phone of a session.
    fn answer(&mut self, offer: &Session, mut answer: Session) -> Bytes {
        let former = self.description.session();
        self.protection.protect_answer(offer, &mut answer, former);
        let before = (former, self.remote.as_ref());
        connectivity::answer(&self.protection, offer, &mut answer, before);
        self.description.write(answer)
    }

    /// An offer of everything the relay can pass: the far party is not known yet.
    pub fn offer_everything(&mut self) -> Option<Bytes> {
        let relay = self.relay(Direction::SendRecv).into_iter().flatten().next()?;
        self.offer(full_offer(&[], relay)).ok()
    }

    /// An offer of everything the mixer can speak.
    pub fn offer_for_mixer(&mut self) -> Option<Bytes> {
        let relay = self.relay(Direction::SendRecv).into_iter().flatten().next()?;
        let codecs =
            [Codec::pcmu(), Codec::pcma(), Codec::g722(), Codec::opus(), Codec::telephone_event()];
        self.offer(full_offer(&codecs, relay)).ok()
    }

    /// An offer of the same session in both directions; `None` if the phone may talk already.
    pub fn offer_to_talk(&mut self) -> Option<Bytes> {
        let mut offer = self.local()?.clone();
        let is_open = |media: &Media| media.effective_direction(&offer) == Direction::SendRecv;
        let live = |media: &&Media| !media.is_rejected();
        if offer.media.iter().filter(live).all(is_open) {
            return None;
        }
        for media in offer.media.iter_mut().filter(|media| !media.is_rejected()) {
            media.direction = Some(Direction::SendRecv);
        }
        self.offer(offer).ok()
    }

    /// The answer to this phone's offer, made of the far party's answer to `far_offer`.
    ///
    /// Errors: [`Incompatible`] when no stream is left (488).
    pub fn answer_from(
        &mut self,
        far_answer: &Session,
        far_offer: &Session,
        willing: Direction,
    ) -> Result<Bytes, Incompatible> {
        let offer = self.remote.clone().ok_or(Incompatible::MediaType)?;
        let translated = self.repertoire.translated(&offer, far_answer, far_offer);
        let (far_answer, far_offer) = match &translated {
            Some(translated) => (translated, translated),
            None => (far_answer, far_offer),
        };
        let answer = relay_answer(&offer, far_answer, far_offer, &self.relay(willing))?;
        Ok(self.answer(&offer, answer))
    }

    /// The answer of the switch itself to this phone's offer: audio for a tone, nothing else. After
    /// an INVITE without offer, an offer.
    ///
    /// Errors: [`Incompatible`] when the phone offers no audio that tones can be played in.
    pub fn answer_alone(&mut self) -> Result<Bytes, Incompatible> {
        let Some(offer) = self.remote.clone() else {
            return self.offer_everything().ok_or(Incompatible::MediaType);
        };
        let relay = self.relay(Direction::SendRecv);
        let end = relay.iter().flatten().next().copied().ok_or(Incompatible::MediaType)?;
        let mut own = full_offer(&[], end);
        let audio = own.media.pop().ok_or(Incompatible::MediaType)?;
        for media in &offer.media {
            let is_ours = media.kind == audio.kind && own.audio().is_none();
            own.media.push(if is_ours { audio.clone() } else { Media::rejected(media) });
        }
        let answer = relay_answer(&offer, &own, &own, &relay)?;
        Ok(self.answer(&offer, answer))
    }

    /// The answer to a re-offer that the far side need not see: hold, resume, a new address.
    ///
    /// Errors: [`Incompatible`] when the offer asks for something that was not negotiated.
    pub fn answer_reoffer(
        &mut self,
        offer: Session,
        willing: Direction,
    ) -> Result<Bytes, Incompatible> {
        let current = self.description.session().ok_or(Incompatible::MediaType)?;
        let directions = vec![willing; offer.media.len()];
        let answer = answer_locally(&offer, current, &directions)?;
        let answer = self.answer(&offer, answer);
        self.hear(offer);
        Ok(answer)
    }

    /// Whether `offer` stays within what was negotiated, so that the far side need not be asked.
    pub fn can_answer_alone(&self, offer: &Session) -> bool {
        let Some(current) = self.description.session() else { return false };
        let live = |session: &Session, index: usize| {
            session.media.get(index).is_some_and(|media| !media.is_rejected())
        };
        let adds_media =
            (0..offer.media.len()).any(|index| live(offer, index) && !live(current, index));
        !adds_media && answer_locally(offer, current, &[]).is_ok()
    }

    /// Whether the phone's last description is a hold.
    pub fn is_held_by_phone(&self) -> bool {
        self.remote.as_ref().is_some_and(is_hold)
    }

    /// The codec that the phone was told first in the first audio stream, for tables.
    pub fn codec(&self) -> String {
        let audio = self.description.session().and_then(Session::preferred_audio);
        audio.map(|audio| audio.codec.name.clone()).unwrap_or_default()
    }

    /// How the first audio stream is protected, for tables; a handshake's suite once it is over.
    pub fn srtp(&self, plane: &dyn MediaPlane) -> Option<String> {
        let stream = self.audio_stream()?;
        match security(self.local(), self.remote.as_ref()?, stream) {
            Security::Sdes(keys) => Some(keys.local.suite().name().to_owned()),
            Security::Dtls(_) => {
                let known = self.termination.and_then(|id| plane.statistics(id));
                let suite = known.and_then(|known| known.streams.get(stream)?.suite);
                let without_keys = if self.has_failed_handshake { "DTLS failed" } else { "DTLS" };
                let name = suite.map(|suite| format!("DTLS {}", suite.name()));
                Some(name.unwrap_or_else(|| without_keys.to_owned()))
            }
            Security::Plain => None,
        }
    }

    /// Tells the relay what was agreed about each stream.
    pub fn apply(&mut self, plane: &mut dyn MediaPlane) {
        let Some(id) = self.termination else { return };
        let fresh = std::mem::take(&mut self.is_fresh);
        for stream in 0..self.ports.len() {
            plane.modify(id, stream, self.spec(stream, fresh));
        }
        if let (Some(_), Some(stream)) = (self.recording, self.audio_stream()) {
            plane.set_voices(id, stream, voices(self));
        }
    }

    fn spec(&self, stream: usize, sdp_changed: bool) -> StreamSpec {
        let media_of = |session: Option<&Session>| {
            session
                .and_then(|session| session.media.get(stream))
                .filter(|m| !m.is_rejected())
                .cloned()
        };
        let local = media_of(self.local());
        let described = self.remote.as_ref().zip(media_of(self.remote.as_ref()));
        let Some((remote, theirs)) = described else {
            return StreamSpec { peer: self.peer, sdp_changed, ..StreamSpec::default() };
        };
        let direction = theirs.effective_direction(remote);
        let security = security(self.local(), remote, stream);
        let ice = self.local().and_then(|ours| connectivity::credentials(ours, remote, stream));
        let address = theirs.rtp_address(remote);
        // Nothing leaves in the clear that must not, whatever was said.
        let is_open = !(theirs.is_rtp() && self.protection.is_required() && security.is_plain());
        StreamSpec {
            remote: address,
            remote_rtcp: theirs.rtcp_address(remote).filter(|rtcp| self.is_party(*rtcp, address)),
            rtcp_mux: theirs.rtcp_mux && local.as_ref().is_some_and(|ours| ours.rtcp_mux),
            receive: is_open && direction.is_sending(),
            send: is_open && direction.is_receiving(),
            accept: accepted(local.as_ref(), Some(&theirs)),
            sdp_changed,
            is_rtp: theirs.is_rtp(),
            peer: self.peer,
            clocks: clocks(local.as_ref()),
            telephone_event: local.as_ref().and_then(telephone_event),
            security,
            ice: ice.map(Box::new),
            ssrcs: connectivity::ssrcs(&theirs),
            is_hidden: self.is_hidden(address),
        }
    }

    /// Where the party's media will come from, as far as its description says so.
    fn whereabouts(&self) -> Option<Whereabouts> {
        let remote = self.remote.as_ref()?;
        let has_checks = |at| remote.stream_attribute(at, "ice-ufrag").is_some();
        if (0..remote.media.len()).any(has_checks) {
            // They will say whose they are.
            return Some(Whereabouts::default());
        }
        let remotes: Vec<_> = remote.media.iter().map(|media| media.rtp_address(remote)).collect();
        let is_hidden = remotes.iter().any(|address| self.is_hidden(*address))
            && !remote.media.iter().all(|media| !connectivity::ssrcs(media).is_empty());
        Some(Whereabouts { hosts: self.peer.into_iter().collect(), remotes, is_hidden })
    }

    /// Whether RTCP may go there: a phone's goes where its media is or its signalling, to no third host
    /// (RFC 3605 would let it name any; SEC-86).
    fn is_party(&self, rtcp: SocketAddr, media: Option<SocketAddr>) -> bool {
        let host = rtcp.ip().to_canonical();
        let is_at = |other: IpAddr| other.to_canonical() == host;
        !self.is_phone
            || media.is_some_and(|media| is_at(media.ip()))
            || self.peer.is_some_and(is_at)
    }

    /// Whether a phone that describes itself so is behind a NAT, or names somebody else's host.
    fn is_hidden(&self, described: Option<SocketAddr>) -> bool {
        let (Some(described), Some(peer)) = (described, self.peer) else { return false };
        self.is_phone && described.ip().to_canonical() != peer.to_canonical()
    }

    fn relay(&self, direction: Direction) -> Vec<Option<RelayMedia>> {
        let end = |ports: &StreamPorts| {
            Some(RelayMedia::new(self.address, ports.rtp, ports.rtcp).with_direction(direction))
        };
        self.ports.iter().map(end).collect()
    }
}

/// The payload types that may come (SEC-84): the numbers that we named, and those of the party itself, which
/// some phones send. Fax is none.
pub(super) fn accepted(ours: Option<&Media>, theirs: Option<&Media>) -> Vec<u8> {
    let both = ours.into_iter().chain(theirs).filter(|media| media.is_rtp());
    both.flat_map(|media| &media.codecs).map(|codec| codec.payload).collect()
}

fn clocks(media: Option<&Media>) -> Vec<(u8, u32)> {
    let codecs = media.map(|media| media.codecs.as_slice()).unwrap_or_default();
    codecs.iter().filter(|codec| codec.payload >= 96).map(|c| (c.payload, c.clock_hz)).collect()
}

fn telephone_event(media: &Media) -> Option<u8> {
    media.codecs.iter().find(|codec| codec.is_telephone_event()).map(|codec| codec.payload)
}

impl Exchange {
    /// A media end for a party, without ports: protected as its line or trunk wishes.
    pub(crate) fn new_end(&mut self, party: &Party) -> MediaEnd {
        let number = self.new_session_id();
        let mut end = MediaEnd::new(self.media_address(), number);
        let (wishes, is_private) = match party {
            Party::Line(line) => {
                let line = self.config.lines.get(line);
                let wishes = line.map(|line| (line.srtp, line.srtp_keys)).unwrap_or_default();
                let contacts = line.filter(|_| wishes.0 != Srtp::Off).map(|line| {
                    let contacts = self.registrar.registry().contacts(&line.number);
                    contacts.iter().all(|contact| is_private(&contact.flow))
                });
                (wishes, contacts.unwrap_or_default())
            }
            Party::Trunk { name, .. } => {
                let trunk = self.config.trunks.get(name);
                let wishes = trunk.map(|trunk| (trunk.srtp, trunk.srtp_keys)).unwrap_or_default();
                let peer = trunk.map(|trunk| &trunk.peer);
                let is_tls = |peer: &config::Peer| {
                    peer.is_secure || peer.transport == Some(config::Transport::Tls)
                };
                (wishes, peer.is_some_and(is_tls))
            }
        };
        let allows_sdes = is_private || self.config.media.sdes_without_tls;
        end.protection = Protection::new(wishes, allows_sdes, (&self.media_secret, number))
            .with_fingerprint(self.media.fingerprint());
        end.repertoire = Repertoire::new(&self.config.media.transcode);
        end.is_phone = party.line().is_some();
        end.offers_mux = self.config.media.shared_ports.is_some();
        end
    }

    /// Where the media of a line's phones will come from, as far as their registrations say so.
    pub(crate) fn whereabouts_of(&self, party: &Party) -> Whereabouts {
        let Some(line) = party.line().and_then(|line| self.config.lines.get(line)) else {
            return Whereabouts::default();
        };
        let contacts = self.registrar.registry().contacts(&line.number);
        let hosts = contacts.iter().map(|contact| contact.flow.remote.ip()).collect();
        let is_hidden = contacts.iter().any(|contact| {
            let host = sip_stack::uri::Uri::parse(&contact.uri).ok();
            let host =
                host.and_then(|uri| uri.host()?.trim_matches(['[', ']']).parse::<IpAddr>().ok());
            host.is_some_and(|host| host != contact.flow.remote.ip())
        });
        Whereabouts { hosts, remotes: Vec::new(), is_hidden }
    }

    /// The same for one whose INVITE came by this flow.
    pub(crate) fn allows_sdes(&self, flow: &Flow) -> bool {
        self.config.media.sdes_without_tls || is_private(flow)
    }
}

fn is_private(flow: &Flow) -> bool {
    matches!(flow.transport, Transport::Tls | Transport::Wss)
}
