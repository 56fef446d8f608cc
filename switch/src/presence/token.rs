//! What a lamp publishes in place of a dialog's Call-ID and tags: it serves a Replaces, and says
//! nothing about the dialog (security SEC-46).
//!
//! A token names a call by its key and proves by a keyed hash that we made it, so nothing has to be
//! kept for it. Whether its bearer may pick up is asked again when it comes back.

use sha2::{Digest, Sha256};
use sip_stack::header::Replaces;
use sip_stack::slab::Key;

use crate::call::CallId;

/// What every published Call-ID begins with.
const PREFIX: &str = "pickup-";

/// The key of the tokens of this run.
#[derive(Clone, Copy)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

/// A published dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// In place of the Call-ID.
    pub call_id: String,
    /// In place of the watched phone's tag.
    pub local_tag: String,
    /// In place of the switch's tag.
    pub remote_tag: String,
}

impl Secret {
    /// The token of a call.
    pub(crate) fn token(&self, id: CallId) -> Token {
        let bits = id.0.to_bits();
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(bits.to_be_bytes());
        let proof: String =
            hash.finalize().iter().take(20).map(|octet| format!("{octet:02x}")).collect();
        let (call, tags) = proof.split_at(16);
        let (local, remote) = tags.split_at(12);
        Token {
            call_id: format!("{PREFIX}{bits:x}-{call}"),
            local_tag: format!("l{local}"),
            remote_tag: format!("r{remote}"),
        }
    }

    /// The call that a Replaces with a token names. The tags may stand the other way round, one may
    /// be wrong, and both may be `0`: phones that send the Call-ID alone write them so
    /// (sip-mapping §3.7).
    pub(crate) fn call(&self, named: &Replaces<'_>) -> Option<CallId> {
        let (bits, _) = named.call_id.strip_prefix(PREFIX)?.split_once('-')?;
        let id = CallId(Key::from_bits(u64::from_str_radix(bits, 16).ok()?));
        let token = self.token(id);
        let own = [token.local_tag.as_str(), token.remote_tag.as_str()];
        let asked = [named.to_tag, named.from_tag];
        let fits = asked == ["0", "0"] || asked.iter().any(|tag| own.contains(tag));
        (token.call_id == named.call_id && fits).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(secret: Secret, value: &str) -> Option<CallId> {
        secret.call(&Replaces::parse(value).unwrap())
    }

    #[test]
    fn a_token_leads_back_to_its_call_however_phones_write_the_tags() {
        let secret = Secret([7; 32]);
        let id = CallId(Key::from_bits(0x5_0000_0003));
        let Token { call_id, local_tag: l, remote_tag: r } = secret.token(id);
        for value in [
            format!("{call_id};to-tag={r};from-tag={l};early-only"),
            format!("{call_id};to-tag={l};from-tag={r}"),
            format!("{call_id};to-tag={r};from-tag=x"),
            format!("{call_id};to-tag=0;from-tag=0"),
        ] {
            assert_eq!(found(secret, &value), Some(id), "{value}");
        }
    }

    #[test]
    fn what_we_did_not_publish_leads_nowhere() {
        let secret = Secret([7; 32]);
        let id = CallId(Key::from_bits(9));
        let Token { call_id, local_tag: l, remote_tag: r } = secret.token(id);
        let foreign = Secret([8; 32]).token(id).call_id;
        for value in [
            format!("{call_id};to-tag=x;from-tag=y"),
            format!("{foreign};to-tag={r};from-tag={l}"),
            format!("pickup-a-{};to-tag={r};from-tag={l}", &call_id[9..]),
            "pickup-zz-0;to-tag=0;from-tag=0".to_owned(),
            "pickup-;to-tag=0;from-tag=0".to_owned(),
        ] {
            assert_eq!(found(secret, &value), None, "{value}");
        }
    }
}
