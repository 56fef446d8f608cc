//! a=crypto: keys of SRTP in session descriptions (RFC 4568). Text and octets, no cryptography.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Attribute, Media};

/// Most a=crypto lines of one stream that are looked at.
const MAX_CRYPTOS: usize = 16;
/// Longest key with its salt, in octets: any suite's, with room for suites to come.
const MAX_KEY: usize = 128;

/// Padded when written; read with and without padding, as phones disagree.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One a=crypto line that can be obeyed: one inline key without MKI, and no session parameter that
/// weakens or changes the protection.
#[derive(Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Names the line; the answer repeats that of the line it takes.
    pub tag: u32,
    /// The crypto-suite as written.
    pub suite: String,
    /// Master key and salt one after the other.
    pub key_and_salt: Vec<u8>,
}

impl Crypto {
    /// Reads the value of a=crypto. `None` for what is malformed, has several keys or an MKI, or asks
    /// for a key derivation rate, for packets without encryption or without authentication.
    ///
    /// Source: RFC 4568 §9.1, §6.1, §6.3. A lifetime is read over: our keys serve less long.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_whitespace();
        let tag = fields.next()?.parse().ok()?;
        let suite = fields.next()?.to_owned();
        let keys = fields.next()?;
        let scheme = keys.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("inline:"))?;
        let mut parts = keys.get(scheme.len()..)?.split('|');
        let key = parts.next().filter(|key| !key.contains(';'))?;
        if parts.any(|part| part.contains([':', ';'])) || !fields.all(is_harmless) {
            return None;
        }
        let key_and_salt = BASE64.decode(key).ok().filter(|octets| octets.len() <= MAX_KEY)?;
        Some(Self { tag, suite, key_and_salt })
    }

    /// The attribute that says this.
    pub fn to_attribute(&self) -> Attribute {
        let key = BASE64.encode(&self.key_and_salt);
        let value = format!("{} {} inline:{key}", self.tag, self.suite);
        Attribute { name: "crypto".to_owned(), value: Some(value) }
    }
}

/// Session parameters that may be read over.
fn is_harmless(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default().to_ascii_uppercase();
    match name.as_str() {
        "KDR" => parameter.get(4..) == Some("0"),
        "WSH" => true,
        // An extension that begins with a minus must be understood (RFC 4568 §6.3.7).
        _ => false,
    }
}

/// Keys are not shown.
impl fmt::Debug for Crypto {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Crypto({} {})", self.tag, self.suite)
    }
}

impl Media {
    /// The a=crypto lines that can be obeyed, in order.
    pub fn cryptos(&self) -> impl Iterator<Item = Crypto> {
        let lines = self.attributes.iter().filter(|line| line.name.eq_ignore_ascii_case("crypto"));
        lines.take(MAX_CRYPTOS).filter_map(|line| Crypto::parse(line.value.as_deref()?))
    }

    /// Puts these a=crypto lines in the place of those it has.
    pub fn set_cryptos(&mut self, cryptos: impl IntoIterator<Item = Crypto>) {
        self.attributes.retain(|line| !line.name.eq_ignore_ascii_case("crypto"));
        self.attributes.extend(cryptos.into_iter().map(|crypto| crypto.to_attribute()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn a_line_of_rfc_4568_is_read_and_written_again() {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20");
        let crypto = Crypto::parse(&value).unwrap();
        assert_eq!((crypto.tag, crypto.suite.as_str()), (1, "AES_CM_128_HMAC_SHA1_80"));
        assert_eq!(crypto.key_and_salt.len(), 30);
        let written = crypto.to_attribute();
        assert_eq!(written.value, Some(format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")));
        assert_eq!(format!("{crypto:?}"), "Crypto(1 AES_CM_128_HMAC_SHA1_80)");
    }

    #[test]
    fn padding_may_be_missing() {
        let padded =
            Crypto::parse("2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==");
        let bare =
            Crypto::parse("2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw");
        assert_eq!(padded.as_ref().map(|crypto| crypto.key_and_salt.len()), Some(28));
        assert_eq!(padded, bare);
    }

    #[test]
    fn what_would_be_obeyed_wrongly_is_not_read() {
        let line = |rest: &str| Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {rest}"));
        let good = format!("inline:{KEY}");
        assert!(line(&good).is_some());
        assert!(line(&format!("{good} KDR=0 WSH=64")).is_some());
        for bad in [
            format!("{good}|2^20|1:4"),
            format!("{good}|1:4"),
            format!("{good};inline:{KEY}"),
            format!("{good} UNENCRYPTED_SRTP"),
            format!("{good} UNAUTHENTICATED_SRTP"),
            format!("{good} KDR=1"),
            format!("{good} -anything"),
            format!("uri:{KEY}"),
            "inline:%%".to_owned(),
            String::new(),
        ] {
            assert_eq!(line(&bad), None, "{bad}");
        }
        assert_eq!(Crypto::parse("x y z"), None);
    }
}
