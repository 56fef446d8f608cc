//! Conferences: parties that all hear each other through the mixer of the relay.
//!
//! A room is dialled like a line: the switch answers itself, and the party's call is an ordinary
//! CONNECTED call whose far end is the room. Each member keeps a connection of its own, in which
//! nobody else is; what joins them is the [`Conference`]. Source: sip-mapping §2.9.10, §3.5;
//! RFC 4579 §5.1 (isfocus).

use media::{ConferenceId, MediaError, MemberCodec, Treatment, Voice};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::{Codec, Session};
use sip_stack::slab::Key;
use tapi::constant::{CallInfoState, CallState, ConnectedMode};
use tapi::{CallMode, PartyId};

use super::bridge::{tone_codec, voice};
use super::cause::Cause;
use super::end::MediaEnd;
use super::intrude::Intrusion;
use super::no_hold::NoHold;
use super::refer::Refer;
use super::{CallId, ConnectionKey, identity};
use crate::exchange::Exchange;
use crate::exchange::counters::count;
use crate::presence::Entity;

/// Names a conference inside the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConferenceKey(pub Key);

/// Parties that hear each other.
#[derive(Debug)]
pub struct Conference {
    /// The room's number; empty if a line's parent call holds it together.
    pub number: String,
    /// The mixer.
    pub media: ConferenceId,
    /// Who is in it, held members included.
    pub members: Vec<CallId>,
    /// The call by which a line holds it together; rooms have none.
    pub parent: Option<CallId>,
    /// That line's CONFERENCED calls, whose far parties are members or are going to be.
    pub parties: Vec<CallId>,
    /// A party that is being called while nobody is held.
    pub no_hold: Option<NoHold>,
    /// Somebody has joined a call of two.
    pub intrusion: Option<Intrusion>,
}

impl Exchange {
    /// A party that dialled a room, or that was sent there, goes in.
    ///
    /// Errors: 404 when there is no such room, 486 when it is full, 488 when the party speaks
    /// nothing that can be mixed, 503 when mixers or ports are short; nothing has changed.
    pub(crate) fn enter_room(&mut self, id: CallId, number: &str) -> Result<(), Cause> {
        let key = self.admit(id, number)?;
        count(&self.counters.calls_answered_total);
        self.become_member(id, key);
        Ok(())
    }

    /// Finds or opens the conference of a room, and answers the party for it.
    fn admit(&mut self, id: CallId, number: &str) -> Result<ConferenceKey, Cause> {
        let room = self.config.conference.rooms.get(number).ok_or(Cause::UNKNOWN_NUMBER)?.clone();
        let most = usize::try_from(room.max_members).unwrap_or(usize::MAX);
        let open = self.room(number);
        let members =
            open.and_then(|key| self.conferences.get(key.0)).map_or(0, |c| c.members.len());
        if members >= most.min(media::MEMBERS_MAX) {
            return Err(Cause::NO_APPEARANCE);
        }
        let streams = self.calls.get(id.0).and_then(|call| call.end.remote.as_ref());
        let streams = streams.map_or(1, |session| session.media.len()).max(1);
        self.reserve_ports(id, streams)?;
        let key = match open {
            Some(key) => key,
            None => self.open_conference(number)?,
        };
        if let Err(cause) = self.answer_for_mixer(id, number) {
            self.close_if_empty(key);
            return Err(cause);
        }
        Ok(key)
    }

    /// From now on the party is in the conference.
    fn become_member(&mut self, id: CallId, key: ConferenceKey) {
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        conference.members.push(id);
        let number = conference.number.clone();
        if let Some(call) = self.calls.get_mut(id.0) {
            call.conference = Some(key);
            call.hold.by_phone = call.end.is_held_by_phone();
            call.hold.by_switch = false;
        }
        let room = self.room_party(&number);
        self.tell_info(id, |info| info.connected = room, CallInfoState::ConnectedId);
        self.set_state(id, CallState::Connected, CallMode::Connected(ConnectedMode::Active));
        self.show_hold(id);
        self.refresh_capability(id);
        self.seat(id);
        self.publish_membership("CONFERENCE_JOINED", id, key);
    }

    /// A room as a party of a call.
    fn room_party(&self, number: &str) -> PartyId {
        let room = self.config.conference.rooms.get(number);
        PartyId::known(number, room.map(|room| room.name.as_str()).unwrap_or_default())
    }

    /// Sends the far party of a transferor into a room when the number is one; false when it is
    /// not.
    pub(crate) fn enter_by_transfer(&mut self, id: CallId, number: &str, refer: &Refer) -> bool {
        if !self.config.conference.rooms.contains_key(number) {
            return false;
        }
        match self.send_to_room(id, number) {
            Ok(()) => {
                self.notify_refer(refer, 200, true);
                self.part(id);
            }
            Err(cause) => {
                self.notify_refer(refer, cause.relay, true);
                self.back_to(id);
            }
        }
        true
    }

    /// The far party of `id` enters a room in a connection of its own; `id` stays behind alone.
    pub(crate) fn send_to_room(&mut self, id: CallId, number: &str) -> Result<(), Cause> {
        let party = self.far(id).ok_or(Cause::NOTHING_RINGS)?;
        let call = self.calls.get(party.0).ok_or(Cause::NOTHING_RINGS)?;
        let forwards = self.connections.get(call.connection.0).map_or(0, |c| c.max_forwards);
        let key = self.admit(party, number)?;
        let own = self.new_connection(number, forwards);
        self.move_call(party, own);
        let redirecting = self.party_of(id);
        let redirection = self.room_party(number);
        let change = |info: &mut tapi::CallInfo| {
            info.redirecting = redirecting;
            info.redirection = redirection;
        };
        self.update_info(party, change);
        self.become_member(party, key);
        Ok(())
    }

    /// The conference of a room, while somebody is in it.
    fn room(&self, number: &str) -> Option<ConferenceKey> {
        let mut open = self.conferences.iter();
        open.find(|(_, conference)| conference.number == number).map(|(key, _)| ConferenceKey(key))
    }

    pub(crate) fn open_conference(&mut self, number: &str) -> Result<ConferenceKey, Cause> {
        let media = self.media.new_conference().map_err(no_mixer)?;
        let conference = Conference {
            number: number.to_owned(),
            media,
            members: Vec::new(),
            parent: None,
            parties: Vec::new(),
            no_hold: None,
            intrusion: None,
        };
        Ok(ConferenceKey(self.conferences.insert(conference)))
    }

    pub(crate) fn close_if_empty(&mut self, key: ConferenceKey) {
        let is_empty = |c: &Conference| c.members.is_empty() && c.parent.is_none();
        if self.conferences.get(key.0).is_some_and(is_empty)
            && let Some(conference) = self.conferences.remove(key.0)
        {
            self.media.drop_conference(conference.media);
        }
    }

    /// A call that ends, or goes to somebody else, leaves its conference.
    pub(crate) fn leave_conference(&mut self, id: CallId) {
        if let Some(key) = self.calls.get(id.0).and_then(|call| call.conference) {
            self.end_intrusion(key);
        }
        if let Some(connection) = self.calls.get(id.0).map(|call| call.connection) {
            self.hear_anew(connection);
        }
        let Some(key) = self.calls.get_mut(id.0).and_then(|call| call.conference.take()) else {
            return;
        };
        self.stand_up(id);
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.members.retain(|member| *member != id);
        }
        self.publish_membership("CONFERENCE_LEFT", id, key);
        self.close_if_empty(key);
    }

    /// Gives a party the description that it still needs, with one codec that can be mixed.
    pub(super) fn answer_for_mixer(&mut self, id: CallId, number: &str) -> Result<(), Cause> {
        let call = self.calls.get_mut(id.0).ok_or(Cause::NO_RESOURCES)?;
        let leg = call.leg.ok_or(Cause::NO_RESOURCES)?;
        let (is_confirmed, flow) = self
            .endpoint
            .leg(leg)
            .map(|view| (view.is_confirmed, view.flow))
            .ok_or(Cause::NO_RESOURCES)?;
        let focus = format!("<{}>;isfocus", identity::contact(number, &flow));
        if is_confirmed {
            return self.agree_with_mixer(id, leg, focus);
        }
        let sdp = match call.end.remote.clone() {
            Some(offer) => {
                let choice = choice_of(&offer).ok_or(Cause::INCOMPATIBLE_MEDIA)?;
                let willing = sip_stack::sdp::Direction::SendRecv;
                let answer = call.end.answer_from(&choice, &choice, willing);
                answer.map_err(|_| Cause::INCOMPATIBLE_MEDIA)?
            }
            None => call.end.offer_for_mixer().ok_or(Cause::NO_RESOURCES)?,
        };
        self.endpoint.set_contact(leg, focus);
        self.endpoint.answer(self.clock.now, leg, sdp, &[], &mut self.sip);
        Ok(())
    }

    /// A party that talks already: it is asked again unless one mixable codec was agreed.
    fn agree_with_mixer(&mut self, id: CallId, leg: LegId, focus: String) -> Result<(), Cause> {
        let call = self.calls.get_mut(id.0).ok_or(Cause::NO_RESOURCES)?;
        let remote = call.end.remote.clone().ok_or(Cause::INCOMPATIBLE_MEDIA)?;
        let is_settled = real_codecs(call.end.local()) == 1 && voice_of(&call.end).is_some();
        if is_settled {
            self.endpoint.set_contact(leg, focus);
            return Ok(());
        }
        let offer = match choice_of(&remote) {
            Some(choice) => call.end.offer_from(&choice).map_err(|_| Cause::INCOMPATIBLE_MEDIA)?,
            None => call.end.offer_for_mixer().ok_or(Cause::NO_RESOURCES)?,
        };
        self.endpoint.set_contact(leg, focus);
        self.endpoint.offer(self.clock.now, leg, offer, &mut self.sip);
        Ok(())
    }

    /// Whether a party's phone speaks something that can be mixed.
    pub(crate) fn can_be_mixed(&self, id: CallId) -> bool {
        let Some(call) = self.calls.get(id.0) else { return false };
        let can_speak = call.end.remote.as_ref().is_some_and(|remote| choice_of(remote).is_some());
        call.leg.is_some() && (can_speak || voice_of(&call.end).is_some())
    }

    /// A party of a line's conference is heard by the others from now on; again, if it was before.
    pub(crate) fn mix(&mut self, id: CallId, key: ConferenceKey) {
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        if !conference.members.contains(&id) {
            conference.members.push(id);
        }
        if let Some(call) = self.calls.get_mut(id.0) {
            call.conference = Some(key);
        }
        let number = match self.room_of(id) {
            Some(room) => Some(room.to_owned()),
            None => self.calls.get(id.0).map(|call| call.party.number().to_owned()),
        };
        if let Err(cause) = self.answer_for_mixer(id, &number.unwrap_or_default()) {
            tracing::warn!(cause = cause.relay, "a party cannot be asked for a mixable codec");
        }
        self.show_hold(id);
        self.seat(id);
    }

    /// Brings the relay in line with a member: heard and hearing, or muted while it is held.
    pub(crate) fn seat(&mut self, id: CallId) {
        if let Some(connection) = self.calls.get(id.0).map(|call| call.connection) {
            self.hear_anew(connection);
        }
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.end.apply(self.media.as_mut());
        let Some(call) = self.calls.get(id.0) else { return };
        let (Some(termination), Some(key)) = (call.end.termination(), call.conference) else {
            return;
        };
        let Some(media) = self.conferences.get(key.0).map(|conference| conference.media) else {
            return;
        };
        let is_left_alone = self.waits_for_stations(id) && !call.is_away();
        let voice = voice_of(&call.end).filter(|_| !call.is_away() && !is_left_alone);
        let tone = tone_codec(&call.end);
        let holder = self.far(id).filter(|_| is_left_alone);
        let silence = match (tone, holder.and_then(|holder| self.calls.get(holder.0))) {
            (Some(codec), Some(holder)) => self.while_away(call, holder, codec),
            (tone, _) => tone.map_or(Treatment::None, Treatment::Silence),
        };
        let Some((stream, codec)) = voice else {
            self.stand_up(id);
            return self.media.treat(termination, 0, silence);
        };
        self.media.treat(termination, stream, Treatment::None);
        if let Err(error) = self.media.join(media, termination, stream, codec) {
            tracing::warn!(%error, "a party cannot be mixed");
        }
        if let Some(audience) = self.audience_of(id) {
            self.media.set_audience(termination, stream, audience);
        }
    }

    pub(crate) fn stand_up(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(termination) = call.end.termination() else { return };
        for stream in 0..call.end.streams() {
            self.media.leave(termination, stream);
        }
    }

    /// Whether somebody of a connection is in a conference; its relay is brought in line then.
    pub(crate) fn seat_members(&mut self, connection: ConnectionKey) -> bool {
        let Some(connection) = self.connections.get(connection.0) else { return false };
        let parties =
            connection.caller.iter().chain(&connection.called).chain(&connection.stations);
        let parties = parties.copied();
        let is_member = |id: &CallId| self.calls.get(id.0).is_some_and(|c| c.conference.is_some());
        let members: Vec<CallId> = parties.filter(is_member).collect();
        members.iter().for_each(|id| self.seat(*id));
        !members.is_empty()
    }

    /// The number of the room that a call is in.
    pub(crate) fn room_of(&self, id: CallId) -> Option<&str> {
        let key = self.calls.get(id.0)?.conference?;
        let number = self.conferences.get(key.0).map(|conference| conference.number.as_str());
        number.filter(|number| !number.is_empty())
    }

    fn publish_membership(&mut self, kind: &str, id: CallId, key: ConferenceKey) {
        let number = self.conferences.get(key.0).map(|conference| conference.number.clone());
        self.presence.touch(Entity::Room(number.unwrap_or_default()));
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(conference) = self.conferences.get(key.0) else { return };
        let fields = serde_json::json!({
            "conference": conference.number, "party": call.party.number(),
            "members": conference.members.len(),
        });
        self.publish(kind, fields);
    }
}

fn no_mixer(error: MediaError) -> Cause {
    tracing::warn!(%error, "no mixer for a conference");
    Cause::NO_RESOURCES
}

/// A description with nothing but the first stream and codec that can be mixed, and
/// telephone-events.
fn choice_of(session: &Session) -> Option<Session> {
    let mut choice = session.clone();
    let mut chosen = false;
    for media in &mut choice.media {
        let first = media.codecs.iter().find(|codec| voice(codec).is_some()).cloned();
        match first.filter(|_| !chosen && !media.is_rejected() && media.is_rtp()) {
            Some(first) => {
                media.retain_codecs(|codec| *codec == first || codec.is_telephone_event());
                let opus = |codec: &&mut Codec| voice(codec) == Some(Voice::Opus);
                for codec in media.codecs.iter_mut().filter(opus) {
                    codec.fmtp = Some(Codec::OPUS_SPEECH.to_owned());
                }
                chosen = true;
            }
            None => media.port = 0,
        }
    }
    chosen.then_some(choice)
}

/// The stream that is mixed and its codec: the first of the party's that we were willing to hear.
fn voice_of(end: &MediaEnd) -> Option<(usize, MemberCodec)> {
    let (remote, local) = (end.remote.as_ref()?, end.local()?);
    let streams = remote.media.iter().zip(&local.media).enumerate();
    let mut live =
        streams.filter(|(_, (theirs, ours))| !theirs.is_rejected() && !ours.is_rejected());
    live.find_map(|(stream, (theirs, ours))| {
        let agreed = |codec: &&Codec| ours.codecs.iter().any(|own| own.is_same_encoding(codec));
        let codec = theirs.codecs.iter().filter(|codec| codec.is_real()).find(agreed)?;
        Some((stream, MemberCodec { payload: codec.payload, kind: voice(codec)? }))
    })
}

fn real_codecs(session: Option<&Session>) -> usize {
    let audio = session.and_then(Session::audio);
    audio.map_or(0, |audio| audio.codecs.iter().filter(|codec| codec.is_real()).count())
}
