//! What one leg has been told: our description and its version.

use std::net::IpAddr;

use bytes::Bytes;

use super::{Codec, Media, Origin, Session};

/// Our description toward one leg's peer: one session id for the life of the leg, and a version
/// that rises when, and only when, the text changes (RFC 3264 §8; a refresh must repeat).
#[derive(Clone, Debug)]
pub struct LocalDescription {
    session_id: u64,
    version: u64,
    address: IpAddr,
    current: Option<(Session, Bytes)>,
    /// What held before, until the peer has agreed.
    previous: Option<(Session, Bytes)>,
}

impl LocalDescription {
    /// A leg without description yet; `address` is written where no stream has one.
    ///
    /// `session_id` is random per leg; its top bit is not used, because some phones read it as
    /// a signed number.
    pub fn new(session_id: u64, address: IpAddr) -> Self {
        LocalDescription {
            session_id: session_id >> 1,
            version: 0,
            address,
            current: None,
            previous: None,
        }
    }

    /// Makes `session` the leg's description and returns its text.
    ///
    /// The o= line is ours; its address is that of the streams. The version is that of the
    /// previous text if nothing else changed.
    pub fn write(&mut self, mut session: Session) -> Bytes {
        let address = *session.connection.get_or_insert(self.address);
        if let Some((current, text)) = &self.current
            && current.is_same_content(&session)
        {
            self.previous = None;
            return text.clone();
        }
        self.version = self.version.saturating_add(1);
        session.origin = Origin {
            session_id: self.session_id,
            version: self.version,
            address,
            ..Origin::default()
        };
        let text = session.to_bytes();
        self.previous = self.current.replace((session, text.clone()));
        text
    }

    /// The peer has refused the description last written: the one before holds (RFC 3264 §8), and the
    /// next one has a new version all the same.
    pub fn take_back(&mut self) {
        if let Some(previous) = self.previous.take() {
            self.current = Some(previous);
        }
    }

    /// Makes `session` continue what this leg has been told, before it is offered.
    ///
    /// The count of m-lines never shrinks (RFC 3264 §8): missing ones follow as removed. A
    /// payload number keeps its meaning for the life of the leg (§8.3.2): known encodings get
    /// their old numbers, new ones never a number that meant something else.
    ///
    /// LIMIT: numbers inside format parameters (`apt=` of rtx, redundancy lists) are renumbered
    /// only where the number itself changes in the same stream.
    pub fn continue_with(&self, session: &mut Session) {
        let Some((current, _)) = &self.current else { return };
        for (media, previous) in session.media.iter_mut().zip(&current.media) {
            if media.is_rtp() && previous.is_rtp() && media.kind == previous.kind {
                keep_numbers(media, previous);
            }
        }
        let missing = current.media.iter().skip(session.media.len());
        session.media.extend(missing.map(Media::rejected));
    }

    /// The description last written.
    pub fn session(&self) -> Option<&Session> {
        self.current.as_ref().map(|(session, _)| session)
    }

    /// The text last written.
    pub fn text(&self) -> Option<&Bytes> {
        self.current.as_ref().map(|(_, text)| text)
    }

    /// The version last written; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }
}

/// Lowest number of the dynamic range (RFC 3551 §3).
const FIRST_DYNAMIC: u8 = 96;

/// Renumbers `media` so that it agrees with `previous`.
fn keep_numbers(media: &mut Media, previous: &Media) {
    let mut taken: Vec<u8> = Vec::with_capacity(media.codecs.len());
    let mut changes: Vec<(u8, u8)> = Vec::new();
    let mut codecs = std::mem::take(&mut media.codecs);
    for index in 0..codecs.len() {
        let Some(codec) = codecs.get(index) else { break };
        let wanted = previous
            .codecs
            .iter()
            .find(|old| old.is_same_encoding(codec) && !taken.contains(&old.payload))
            .map_or(codec.payload, |old| old.payload);
        let is_free = |payload: u8, taken: &[u8]| {
            !taken.contains(&payload)
                && previous
                    .codecs
                    .iter()
                    .all(|old| old.payload != payload || old.is_same_encoding(codec))
                && codecs
                    .iter()
                    .skip(index + 1)
                    .all(|later| later.payload != payload || payload == wanted)
        };
        let payload = if is_free(wanted, &taken) {
            Some(wanted)
        } else {
            (FIRST_DYNAMIC..=Codec::MAX_PAYLOAD).find(|payload| is_free(*payload, &taken))
        };
        let payload = payload.unwrap_or(wanted);
        taken.push(payload);
        if let Some(codec) = codecs.get_mut(index)
            && codec.payload != payload
        {
            changes.push((codec.payload, payload));
            codec.payload = payload;
        }
    }
    for codec in &mut codecs {
        super::offer_answer::renumber_parameters(codec, &changes);
    }
    media.set_codecs(codecs);
}
