//! Offer/answer (RFC 3264) for a relay between two legs: pure functions from descriptions to
//! descriptions.
//!
//! What belongs to a leg's transport (addresses, ports, keys, candidates, feedback) is written
//! anew; what describes the coding is copied byte for byte. Source: SIP mapping §5.1–5.4, §5.9.

use std::net::IpAddr;

use super::{Bandwidth, Codec, Direction, Incompatible, Media, MediaKind, Profile, Rtcp, Session};

/// Our end of one stream of one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayMedia {
    /// Address the peer shall send to.
    pub address: IpAddr,
    /// Port the peer shall send RTP to.
    pub rtp_port: u16,
    /// Port the peer shall send RTCP to.
    pub rtcp_port: u16,
    /// The leg's logical direction, as we write it: recvonly means we only receive.
    pub direction: Direction,
}

impl RelayMedia {
    /// Our end of a stream that flows both ways.
    pub const fn new(address: IpAddr, rtp_port: u16, rtcp_port: u16) -> Self {
        RelayMedia { address, rtp_port, rtcp_port, direction: Direction::SendRecv }
    }

    /// The same ports with another direction.
    pub const fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }
}

/// Highest b=AS that is passed on, kbit/s.
const MAX_BANDWIDTH_KBPS: u64 = 100_000;
/// Highest b=TIAS that is passed on, bit/s.
const MAX_BANDWIDTH_BPS: u64 = MAX_BANDWIDTH_KBPS * 1000;

/// The offer for the other leg, made from an offer (or from an answer that is to be offered on).
///
/// Same count and order of m-lines; `relay` holds our end of each, `None` rejects it, as do
/// transports that are not relayed. Formats and their numbers are the source's.
///
/// Errors: the source has live streams and none of them can be relayed.
pub fn relay_offer(
    source: &Session,
    relay: &[Option<RelayMedia>],
) -> Result<Session, Incompatible> {
    let mut builder = Builder::default();
    for (index, media) in source.media.iter().enumerate() {
        match ours(relay, index) {
            Some(end) if media.is_relayable() && has_content(media) => {
                let mut offered = copy_coding(media);
                // Feedback attributes are not passed on, so neither is the profile of them; whether
                // and how this leg is secured is not the other's affair.
                if media.is_rtp() {
                    offered.protocol = "RTP/AVP".to_owned();
                }
                builder.live(offered, end, end.direction);
            }
            _ => builder.media.push(Media::rejected(media)),
        }
    }
    builder.finish(source)
}

/// The answer for the leg that offered, made from the answer of the far leg.
///
/// `offer` is what this leg's peer offered, `far_offer` what we offered the far leg on its
/// behalf, `far_answer` what came back. Formats follow the far answer's choice and order under
/// the payload numbers of `offer`. The direction is that of `relay`, narrowed to what the offer
/// allows.
///
/// Errors: the offer has live streams and none is left.
pub fn relay_answer(
    offer: &Session,
    far_answer: &Session,
    far_offer: &Session,
    relay: &[Option<RelayMedia>],
) -> Result<Session, Incompatible> {
    let mut builder = Builder::default();
    for (index, media) in offer.media.iter().enumerate() {
        let answered = ours(relay, index)
            .filter(|_| media.is_relayable())
            .zip(far_answer.media.get(index).filter(|answer| !answer.is_rejected()))
            .and_then(|(end, answer)| {
                let answer = named_by(answer, far_offer.media.get(index));
                Some((end, answer_with(media, &answer)?))
            });
        match answered {
            Some((end, answer)) => {
                let allowed = media.effective_direction(offer).reversed();
                builder.live(answer, end, end.direction.restricted_to(allowed));
            }
            None => builder.media.push(Media::rejected(media)),
        }
    }
    builder.finish(offer)
}

/// The answer to an offer that the other leg is not told of: hold, resume, a changed address, a
/// shorter codec list.
///
/// `current` is what this leg has been told last; its addresses, ports and format parameters
/// stay. `directions` are the leg's logical directions by m-line (sendrecv where missing),
/// narrowed to what the offer allows. New m-lines are rejected.
///
/// Errors: the offer has live streams and none of them fits the current ones.
pub fn answer_locally(
    offer: &Session,
    current: &Session,
    directions: &[Direction],
) -> Result<Session, Incompatible> {
    let mut builder = Builder::default();
    for (index, media) in offer.media.iter().enumerate() {
        let answered = current
            .media
            .get(index)
            .filter(|old| media.is_relayable() && !old.is_rejected() && old.kind == media.kind)
            .and_then(|old| {
                Some((our_end(old, current)?, answer_with(media, &by_order(media, old))?))
            });
        match answered {
            Some((end, answer)) => {
                let wanted = directions.get(index).copied().unwrap_or_default();
                let allowed = media.effective_direction(offer).reversed();
                builder.live(answer, end, wanted.restricted_to(allowed));
            }
            None => builder.media.push(Media::rejected(media)),
        }
    }
    builder.finish(offer)
}

/// An offer from scratch with one audio stream: click-to-dial, or the answer to an INVITE or
/// re-INVITE without offer. Without `codecs`: PCMU, PCMA, G722, Opus of any kind and telephone-event.
pub fn full_offer(codecs: &[Codec], relay: RelayMedia) -> Session {
    let codecs = if codecs.is_empty() {
        let opus = Codec { fmtp: None, ..Codec::opus() };
        vec![Codec::pcmu(), Codec::pcma(), Codec::g722(), opus, Codec::telephone_event()]
    } else {
        codecs.to_vec()
    };
    let mut builder = Builder::default();
    builder.live(Media::rtp(MediaKind::Audio, 0, codecs), relay, relay.direction);
    Session { media: builder.media, ..builder.session }
}

/// Received payload number → sent payload number, for packets that go from one leg to the other.
///
/// `from` is the description that numbers the packets of the receiving leg (what we told its
/// peer); `to` is what the peer of the other leg wants to receive. Encodings are paired by name,
/// clock and channels; where several fit, equal parameters decide, then equal numbers.
pub fn payload_map(from: &Media, to: &Media) -> Vec<(u8, u8)> {
    pair(&from.codecs, &to.codecs)
        .into_iter()
        .map(|(from, to)| (from.payload, to.payload))
        .collect()
}

/// Whether an answer takes at least one stream of the offer in a coding that was offered; with any
/// other answer the parties could not hear each other (RFC 3264 §6.1).
pub fn is_agreement(offer: &Session, answer: &Session) -> bool {
    let is_taken = |(offered, answered): (&Media, &Media)| {
        let is_live = !offered.is_rejected() && !answered.is_rejected();
        is_live && answer_with(offered, &named_by(answered, Some(offered))).is_some()
    };
    offer.media.iter().zip(&answer.media).any(is_taken)
}

/// Whether the author does not listen: every live audio stream (or, without audio, every live
/// stream) is sendonly, inactive or at an unspecified address.
pub fn is_hold(session: &Session) -> bool {
    let mut live = session.media.iter().filter(|media| !media.is_rejected()).peekable();
    if live.peek().is_none() {
        return false;
    }
    let is_audio = |media: &&Media| media.kind == MediaKind::Audio;
    let has_audio = session.audio().is_some();
    live.filter(|media| !has_audio || is_audio(media))
        .all(|media| !media.effective_direction(session).is_receiving())
}

/// Collects m-lines and finds the session's c= address.
#[derive(Default)]
struct Builder {
    session: Session,
    media: Vec<Media>,
}

impl Builder {
    fn live(&mut self, mut media: Media, end: RelayMedia, direction: Direction) {
        let address = *self.session.connection.get_or_insert(end.address);
        media.connection = (address != end.address).then_some(end.address);
        media.port = end.rtp_port;
        media.direction = Some(direction);
        media.rtcp_mux = false;
        media.rtcp = (media.is_rtp() && Some(end.rtcp_port) != end.rtp_port.checked_add(1))
            .then_some(Rtcp { port: end.rtcp_port, address: None });
        self.media.push(media);
    }

    fn finish(mut self, source: &Session) -> Result<Session, Incompatible> {
        let is_empty = self.media.iter().all(Media::is_rejected);
        if is_empty && source.has_live_media() {
            return Err(reason(source));
        }
        self.session.bandwidths = capped(&source.bandwidths);
        self.session.media = self.media;
        Ok(self.session)
    }
}

/// Why nothing of an offer is left.
fn reason(offer: &Session) -> Incompatible {
    let live = || offer.media.iter().filter(|media| !media.is_rejected());
    if live().any(Media::is_relayable) {
        Incompatible::Formats
    } else if live().any(Media::is_rtp) {
        Incompatible::Transport
    } else {
        Incompatible::MediaType
    }
}

fn ours(relay: &[Option<RelayMedia>], index: usize) -> Option<RelayMedia> {
    relay.get(index).copied().flatten()
}

/// Our ports as an earlier description of ours states them.
fn our_end(media: &Media, session: &Session) -> Option<RelayMedia> {
    let rtp = media.rtp_address(session)?;
    let rtcp_port = media.rtcp_address(session).map_or(rtp.port(), |address| address.port());
    Some(RelayMedia::new(rtp.ip(), rtp.port(), rtcp_port))
}

/// An audio stream needs a codec that carries sound; every stream needs a format.
fn has_content(media: &Media) -> bool {
    match media.profile() {
        Profile::Rtp | Profile::SecureRtp if media.kind == MediaKind::Audio => {
            media.first_real_codec().is_some()
        }
        Profile::Rtp | Profile::SecureRtp => !media.codecs.is_empty(),
        _ => !media.formats.is_empty(),
    }
}

/// A stream's coding without its transport.
fn copy_coding(media: &Media) -> Media {
    Media {
        connection: None,
        direction: None,
        rtcp: None,
        rtcp_mux: false,
        bandwidths: capped(&media.bandwidths),
        attributes: media.coding_attributes(),
        formats: if media.is_rtp() {
            media.codecs.iter().map(|codec| codec.payload.to_string()).collect()
        } else {
            media.formats.clone()
        },
        ..media.clone()
    }
}

fn capped(bandwidths: &[Bandwidth]) -> Vec<Bandwidth> {
    let cap = |bandwidth: &Bandwidth| {
        let is_kbps = matches!(bandwidth.kind.as_str(), "AS" | "CT");
        let most = if is_kbps { MAX_BANDWIDTH_KBPS } else { MAX_BANDWIDTH_BPS };
        Bandwidth { kind: bandwidth.kind.clone(), value: bandwidth.value.min(most) }
    };
    bandwidths.iter().map(cap).collect()
}

/// Gives the nameless numbers of an answer the meaning they had in the offer: an answer may
/// leave out a=rtpmap.
fn named_by(answer: &Media, offer: Option<&Media>) -> Media {
    let mut answer = answer.clone();
    for codec in answer.codecs.iter_mut().filter(|codec| codec.name.is_empty()) {
        let meant = offer
            .and_then(|offer| offer.codecs.iter().find(|known| known.payload == codec.payload));
        if let Some(meant) = meant {
            codec.name.clone_from(&meant.name);
            codec.clock_hz = meant.clock_hz;
            codec.channels = meant.channels;
        }
    }
    answer
}

/// What of `choice` fits `offer`, with the offerer's payload numbers and protocol; attributes
/// and parameters are those of `choice`. `None` when nothing that carries media is left.
fn answer_with(offer: &Media, choice: &Media) -> Option<Media> {
    if offer.is_rtp() != choice.is_rtp() || (!offer.is_rtp() && offer.profile() != choice.profile())
    {
        return None;
    }
    let mut answer = copy_coding(choice);
    answer.kind = offer.kind.clone();
    answer.protocol.clone_from(&offer.protocol);
    if offer.is_rtp() {
        let pairs = pair(&choice.codecs, &offer.codecs);
        let changes: Vec<(u8, u8)> =
            pairs.iter().map(|(chosen, offered)| (chosen.payload, offered.payload)).collect();
        let codecs = pairs.iter().map(|(chosen, offered)| {
            let mut codec = Codec { payload: offered.payload, ..(*chosen).clone() };
            renumber_parameters(&mut codec, &changes);
            codec
        });
        answer.set_codecs(codecs.collect());
    } else {
        answer.formats.retain(|format| {
            offer.formats.iter().any(|offered| offered.eq_ignore_ascii_case(format))
        });
    }
    has_content(&answer).then_some(answer)
}

/// `choice` with its codecs in the order of `offer`: a local answer follows the offerer's taste.
fn by_order(offer: &Media, choice: &Media) -> Media {
    let mut ordered = choice.clone();
    if choice.is_rtp() {
        let codecs = pair(&offer.codecs, &choice.codecs);
        ordered.set_codecs(codecs.into_iter().map(|(_, chosen)| chosen.clone()).collect());
    }
    ordered
}

/// Pairs the encodings of two lists one to one, in the order of the first.
///
/// Equal parameters find each other first, then equal numbers, then whoever is left.
fn pair<'a>(first: &'a [Codec], second: &'a [Codec]) -> Vec<(&'a Codec, &'a Codec)> {
    let likenesses: [fn(&Codec, &Codec) -> bool; 3] =
        [|a, b| a.fmtp == b.fmtp, |a, b| a.payload == b.payload, |_, _| true];
    let mut partners: Vec<(&Codec, Option<&Codec>)> =
        first.iter().map(|codec| (codec, None)).collect();
    let mut free: Vec<&Codec> = second.iter().collect();
    for is_alike in likenesses {
        for (codec, partner) in partners.iter_mut().filter(|(_, partner)| partner.is_none()) {
            let found = free
                .iter()
                .position(|other| codec.is_same_encoding(other) && is_alike(codec, other));
            *partner = found.map(|index| free.remove(index));
        }
    }
    partners.into_iter().filter_map(|(codec, partner)| Some((codec, partner?))).collect()
}

/// Follows changed payload numbers into the parameters that name them: `apt=` of rtx (RFC 4588)
/// and the list of red (RFC 2198).
pub(super) fn renumber_parameters(codec: &mut Codec, changes: &[(u8, u8)]) {
    let Some(fmtp) = &codec.fmtp else { return };
    let renumbered = |text: &str| {
        let number = super::codec::parse_payload(text)?;
        let change = changes.iter().find(|(old, new)| *old == number && old != new)?;
        Some(change.1.to_string())
    };
    let replaced = if codec.name.eq_ignore_ascii_case("rtx") {
        fmtp.strip_prefix("apt=").map(|rest| {
            let (number, tail) = rest
                .find(|letter: char| !letter.is_ascii_digit())
                .map_or((rest, ""), |end| rest.split_at(end));
            let number = renumbered(number).unwrap_or_else(|| number.to_owned());
            format!("apt={number}{tail}")
        })
    } else if codec.name.eq_ignore_ascii_case("red") {
        let numbers = fmtp
            .split('/')
            .map(|number| renumbered(number.trim()).unwrap_or_else(|| number.to_owned()));
        Some(numbers.collect::<Vec<_>>().join("/"))
    } else {
        None
    };
    if replaced.is_some() {
        codec.fmtp = replaced;
    }
}
