//! What a phone says on a call: where to, and in which of the codecs that both sides have named.

use std::net::SocketAddr;

use media::MemberCodec;
use sip_stack::endpoint::LegId;
use sip_stack::sdp::{Codec, Session};

use super::PhoneCore;
use crate::call::bridge::voice;

impl PhoneCore {
    /// Where the far side wants the media of a call, and with which payload type.
    pub fn far_media(&self, leg: LegId) -> Option<(SocketAddr, u8)> {
        let remote = self.talks.get(&leg)?.remote.as_ref()?;
        let payload = self.chosen(leg)?.payload;
        Some((remote.audio()?.rtp_address(remote)?, payload))
    }

    /// The first codec of the far side that the phone has agreed to, under the far side's number.
    fn chosen(&self, leg: LegId) -> Option<&Codec> {
        let talk = self.talks.get(&leg)?;
        let audio = talk.remote.as_ref()?.audio()?;
        let own = talk.description.session().and_then(Session::audio);
        let is_own = |codec: &&Codec| {
            own.is_none_or(|own| own.codecs.iter().any(|own| own.is_same_encoding(codec)))
        };
        let mut agreed = audio.codecs.iter().filter(|codec| codec.is_real()).filter(is_own);
        agreed.next().or(audio.first_real_codec())
    }

    /// What a call speaks, if the phone can speak it.
    pub fn far_voice(&self, leg: LegId) -> Option<MemberCodec> {
        let codec = self.chosen(leg)?;
        Some(MemberCodec { payload: codec.payload, kind: voice(codec)? })
    }
}
