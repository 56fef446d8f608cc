//! ICE-lite, rtcp-mux and BUNDLE in descriptions: what a peer asks for is answered, what it does not
//! ask for is not offered (except with DTLS, as WebRTC wants it).
//!
//! Pure. Source: sip-mapping §5.7; RFC 8839, RFC 8445 §2.5, RFC 5761, RFC 9143.

use std::net::SocketAddr;

use media::ice::Credentials;
use sip_stack::sdp::{Media, Session};

use super::protection::Protection;

/// RFC 8445 §5.1.2: host candidate, one address, component 1; one less for component 2.
const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;
/// Most lines a=ssrc of a stream that are looked at.
const SSRCS_MAX: usize = 16;
/// Most candidates of a stream that are looked at.
const CANDIDATES_MAX: usize = 64;

/// Makes an answer of ours agree to what the offer asks for. `former` is what the party was told
/// before, `previous` what it said before.
pub(super) fn answer(
    protection: &Protection,
    offer: &Session,
    answer: &mut Session,
    (former, previous): (Option<&Session>, Option<&Session>),
) {
    for index in 0..answer.media.len().min(offer.media.len()) {
        let (Some(media), Some(offered)) = (answer.media.get_mut(index), offer.media.get(index))
        else {
            continue;
        };
        if media.is_rejected() || !media.is_rtp() {
            continue;
        }
        if offered.rtcp_mux {
            multiplex(media);
        }
        if let Some(mid) = offered.attribute("mid") {
            media.set_attribute("mid", Some(mid.to_owned()));
        }
        let Some((fragment, _)) = theirs(offer, index) else { continue };
        if is_mismatch(offer, index) {
            media.set_attribute("ice-mismatch", None);
            continue;
        }
        let is_same = previous.and_then(|previous| theirs(previous, index));
        let is_same = is_same.is_some_and(|(before, _)| before == fragment);
        let kept = former.filter(|_| is_same).and_then(|former| own(former, index));
        let own = kept.unwrap_or_else(|| protection.check_credentials(index, fragment));
        say(answer, index, own, false);
    }
    bundle(offer, answer);
}

/// Makes an offer of ours go on with what was agreed before; with DTLS, checks are offered.
pub(super) fn offer(
    protection: &Protection,
    offer: &mut Session,
    (former, remote): (Option<&Session>, Option<&Session>),
) {
    for index in 0..offer.media.len() {
        let Some(media) = offer.media.get_mut(index) else { continue };
        if media.is_rejected() || !media.is_rtp() {
            continue;
        }
        let agreed = |wanted: fn(&Media) -> bool| {
            let has = |session: Option<&Session>| {
                session.and_then(|session| session.media.get(index)).is_some_and(wanted)
            };
            has(former) && has(remote)
        };
        let is_new = remote.is_none_or(|remote| remote.media.get(index).is_none());
        let wants_checks = is_new && media.attribute("fingerprint").is_some();
        if agreed(|media| media.rtcp_mux) {
            multiplex(media);
        }
        // Who does not know it finds a port for RTCP all the same (RFC 5761 §5.1.3).
        media.rtcp_mux |= wants_checks;
        let checks = former.and_then(|former| own(former, index));
        let goes_on = remote.is_some_and(|remote| theirs(remote, index).is_some());
        let kept = checks.filter(|_| goes_on || is_new);
        let fresh = || wants_checks.then(|| protection.check_credentials(index, ""));
        if let Some(own) = kept.or_else(fresh) {
            say(offer, index, own, is_new);
        }
    }
}

/// Offers that RTCP shares the port of media, until the peer has said what it thinks of that.
pub(super) fn offer_mux(offer: &mut Session, remote: Option<&Session>) {
    for (index, media) in offer.media.iter_mut().enumerate() {
        let is_new = remote.is_none_or(|remote| remote.media.get(index).is_none());
        // Who does not know it finds a port for RTCP all the same (RFC 5761 §5.1.3).
        media.rtcp_mux |= is_new && !media.is_rejected() && media.is_rtp();
    }
}

/// The SSRCs that a peer names for a stream (RFC 5576).
pub(super) fn ssrcs(media: &Media) -> Vec<u32> {
    let lines = media.attributes.iter().filter(|line| line.name.eq_ignore_ascii_case("ssrc"));
    let names = lines.filter_map(|line| line.value.as_deref()?.split_whitespace().next());
    let mut ssrcs: Vec<u32> = names.filter_map(|name| name.parse().ok()).take(SSRCS_MAX).collect();
    ssrcs.dedup();
    ssrcs
}

/// What the relay answers a stream's checks with, where both sides speak of checks.
pub(super) fn credentials(ours: &Session, theirs_: &Session, index: usize) -> Option<Credentials> {
    let (fragment, password) = own(ours, index)?;
    let (peer_fragment, _) = theirs(theirs_, index)?;
    Some(Credentials { fragment, password, peer_fragment: peer_fragment.to_owned() })
}

/// A peer that names its addresses by candidates may write nobody's address in c=: no hold.
pub(super) fn forget_nobody(session: &mut Session) {
    let has_checks = |session: &Session, index| theirs(session, index).is_some();
    let is_nobody = |address: std::net::IpAddr| address.is_unspecified();
    let live: Vec<usize> = (0..session.media.len()).filter(|at| has_checks(session, *at)).collect();
    if live.is_empty() {
        return;
    }
    session.connection = session.connection.filter(|address| !is_nobody(*address));
    for index in live {
        if let Some(media) = session.media.get_mut(index) {
            media.connection = media.connection.filter(|address| !is_nobody(*address));
        }
    }
}

fn multiplex(media: &mut Media) {
    media.rtcp_mux = true;
    media.rtcp = None;
}

fn theirs(session: &Session, index: usize) -> Option<(&str, &str)> {
    let fragment = session.stream_attribute(index, "ice-ufrag")?.trim();
    let password = session.stream_attribute(index, "ice-pwd")?.trim();
    let is_usable = |text: &str, least| (least..=media::ice::CREDENTIAL_MAX).contains(&text.len());
    (is_usable(fragment, 4) && is_usable(password, 22)).then_some((fragment, password))
}

fn own(session: &Session, index: usize) -> Option<(String, String)> {
    let (fragment, password) = theirs(session, index)?;
    Some((fragment.to_owned(), password.to_owned()))
}

/// RFC 8839 §4.2.5: somebody between us changed c= and m=, and left the candidates as they were.
fn is_mismatch(offer: &Session, index: usize) -> bool {
    let Some(media) = offer.media.get(index) else { return false };
    let Some(default) = media.rtp_address(offer) else { return false };
    let lines = media.attributes.iter().filter(|line| line.name.eq_ignore_ascii_case("candidate"));
    let candidates: Vec<Option<SocketAddr>> =
        lines.take(CANDIDATES_MAX).map(|line| address_of(line.value.as_deref()?)).collect();
    // A name instead of an address may be any.
    !candidates.is_empty()
        && candidates.iter().all(|candidate| candidate.is_some_and(|other| other != default))
}

/// `foundation component transport priority address port …` (RFC 8839 §5.1).
fn address_of(candidate: &str) -> Option<SocketAddr> {
    let mut fields = candidate.split_whitespace().skip(4);
    let (address, port) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(SocketAddr::new(address, port))
}

/// Writes our credentials and our candidates into a stream; whether one port serves for all is still
/// to be agreed where the stream `is_new`.
fn say(session: &mut Session, index: usize, (fragment, password): (String, String), is_new: bool) {
    session.set_attribute("ice-lite", None);
    let shared = session.connection;
    let Some(media) = session.media.get_mut(index) else { return };
    media.set_attribute("ice-ufrag", Some(fragment));
    media.set_attribute("ice-pwd", Some(password));
    media.attributes.retain(|line| !line.name.eq_ignore_ascii_case("candidate"));
    let Some(address) = media.connection.or(shared) else { return };
    let mut ports = vec![(1, media.port)];
    if is_new || !media.rtcp_mux {
        let rtcp = media.rtcp.map_or(media.port.saturating_add(1), |rtcp| rtcp.port);
        ports.push((2, rtcp));
    }
    for (component, port) in ports {
        let priority = PRIORITY + 1 - component;
        let value = format!("1 {component} UDP {priority} {address} {port} typ host");
        media.add_attribute("candidate", value);
    }
}

/// One transport for all streams that the peer put on one and that we take (RFC 9143 §7.3).
fn bundle(offer: &Session, answer: &mut Session) {
    let groups = offer.attributes.iter().filter(|line| line.name.eq_ignore_ascii_case("group"));
    let bundle = groups.filter_map(|line| line.value.as_deref()?.strip_prefix("BUNDLE ")).next();
    let Some(bundle) = bundle else { return };
    let live = answer.media.iter().filter(|media| !media.is_rejected());
    let taken: Vec<&str> = live.filter_map(|media| media.attribute("mid")).collect();
    let kept: Vec<&str> = bundle.split_whitespace().filter(|mid| taken.contains(mid)).collect();
    if !kept.is_empty() {
        let value = format!("BUNDLE {}", kept.join(" "));
        answer.set_attribute("group", Some(value));
    }
}
