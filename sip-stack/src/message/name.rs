//! Header names: one id per header we know, found by a table built at compile time.

/// Slots of the name table; a power of two, at least twice the number of names.
const SLOTS: usize = 512;

macro_rules! header_names {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// A header field's name.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum HeaderName {
            $(#[doc = $doc] $variant,)*
            /// A name without an id here; read by its text with `Message::header_named`.
            Other,
        }

        const NAMES: &[(&str, HeaderName)] = &[$(($name, HeaderName::$variant),)*];
    };
}

header_names! {
    Via "Via" "RFC 3261 §20.42.",
    From "From" "RFC 3261 §20.20.",
    To "To" "RFC 3261 §20.39.",
    CallId "Call-ID" "RFC 3261 §20.8.",
    CSeq "CSeq" "RFC 3261 §20.16.",
    Contact "Contact" "RFC 3261 §20.10.",
    MaxForwards "Max-Forwards" "RFC 3261 §20.22.",
    Route "Route" "RFC 3261 §20.34.",
    RecordRoute "Record-Route" "RFC 3261 §20.30.",
    ContentLength "Content-Length" "RFC 3261 §20.14.",
    ContentType "Content-Type" "RFC 3261 §20.15.",
    ContentEncoding "Content-Encoding" "RFC 3261 §20.12.",
    ContentDisposition "Content-Disposition" "RFC 3261 §20.11.",
    ContentLanguage "Content-Language" "RFC 3261 §20.13.",
    ContentId "Content-ID" "RFC 8262.",
    MimeVersion "MIME-Version" "RFC 3261 §20.24.",
    Accept "Accept" "RFC 3261 §20.1.",
    AcceptEncoding "Accept-Encoding" "RFC 3261 §20.2.",
    AcceptLanguage "Accept-Language" "RFC 3261 §20.3.",
    AcceptContact "Accept-Contact" "RFC 3841.",
    RejectContact "Reject-Contact" "RFC 3841.",
    RequestDisposition "Request-Disposition" "RFC 3841.",
    Allow "Allow" "RFC 3261 §20.5.",
    AllowEvents "Allow-Events" "RFC 6665.",
    Supported "Supported" "RFC 3261 §20.37.",
    Require "Require" "RFC 3261 §20.32.",
    ProxyRequire "Proxy-Require" "RFC 3261 §20.29.",
    Unsupported "Unsupported" "RFC 3261 §20.40.",
    Authorization "Authorization" "RFC 3261 §20.7.",
    ProxyAuthorization "Proxy-Authorization" "RFC 3261 §20.28.",
    WwwAuthenticate "WWW-Authenticate" "RFC 3261 §20.44.",
    ProxyAuthenticate "Proxy-Authenticate" "RFC 3261 §20.27.",
    AuthenticationInfo "Authentication-Info" "RFC 3261 §20.6.",
    Expires "Expires" "RFC 3261 §20.19.",
    MinExpires "Min-Expires" "RFC 3261 §20.23.",
    Event "Event" "RFC 6665.",
    SubscriptionState "Subscription-State" "RFC 6665.",
    SuppressIfMatch "Suppress-If-Match" "RFC 5839.",
    SessionExpires "Session-Expires" "RFC 4028.",
    MinSe "Min-SE" "RFC 4028.",
    RSeq "RSeq" "RFC 3262.",
    RAck "RAck" "RFC 3262.",
    ReferTo "Refer-To" "RFC 3515.",
    ReferredBy "Referred-By" "RFC 3892.",
    ReferSub "Refer-Sub" "RFC 4488.",
    ReferEventsAt "Refer-Events-At" "RFC 7614.",
    Replaces "Replaces" "RFC 3891.",
    Join "Join" "RFC 3911.",
    TargetDialog "Target-Dialog" "RFC 4538.",
    Reason "Reason" "RFC 3326.",
    Diversion "Diversion" "RFC 5806.",
    HistoryInfo "History-Info" "RFC 7044.",
    PAssertedIdentity "P-Asserted-Identity" "RFC 3325.",
    PPreferredIdentity "P-Preferred-Identity" "RFC 3325.",
    RemotePartyId "Remote-Party-ID" "draft-ietf-sip-privacy.",
    Privacy "Privacy" "RFC 3323.",
    Path "Path" "RFC 3327.",
    ServiceRoute "Service-Route" "RFC 3608.",
    SipEtag "SIP-ETag" "RFC 3903.",
    SipIfMatch "SIP-If-Match" "RFC 3903.",
    AlertInfo "Alert-Info" "RFC 3261 §20.4.",
    CallInfo "Call-Info" "RFC 3261 §20.9.",
    ErrorInfo "Error-Info" "RFC 3261 §20.18.",
    Warning "Warning" "RFC 3261 §20.43.",
    RetryAfter "Retry-After" "RFC 3261 §20.33.",
    Date "Date" "RFC 3261 §20.17.",
    Timestamp "Timestamp" "RFC 3261 §20.38.",
    UserAgent "User-Agent" "RFC 3261 §20.41.",
    Server "Server" "RFC 3261 §20.35.",
    Subject "Subject" "RFC 3261 §20.36.",
    Organization "Organization" "RFC 3261 §20.25.",
    Priority "Priority" "RFC 3261 §20.26.",
    InReplyTo "In-Reply-To" "RFC 3261 §20.21.",
    ReplyTo "Reply-To" "RFC 3261 §20.31.",
    Identity "Identity" "RFC 8224.",
    IdentityInfo "Identity-Info" "RFC 4474.",
    UserToUser "User-to-User" "RFC 7433.",
    SessionId "Session-ID" "RFC 7989.",
    Geolocation "Geolocation" "RFC 6442.",
    GeolocationRouting "Geolocation-Routing" "RFC 6442.",
    AnswerMode "Answer-Mode" "RFC 5373.",
    PrivAnswerMode "Priv-Answer-Mode" "RFC 5373.",
    FlowTimer "Flow-Timer" "RFC 5626.",
    MaxBreadth "Max-Breadth" "RFC 5393.",
    RecvInfo "Recv-Info" "RFC 6086.",
    InfoPackage "Info-Package" "RFC 6086.",
    SecurityClient "Security-Client" "RFC 3329.",
    SecurityServer "Security-Server" "RFC 3329.",
    SecurityVerify "Security-Verify" "RFC 3329.",
    PEarlyMedia "P-Early-Media" "RFC 5009.",
    PAccessNetworkInfo "P-Access-Network-Info" "RFC 7315.",
    PAssociatedUri "P-Associated-URI" "RFC 7315.",
    PCalledPartyId "P-Called-Party-ID" "RFC 7315.",
    PChargingVector "P-Charging-Vector" "RFC 7315.",
    ResourcePriority "Resource-Priority" "RFC 4412.",
    FeatureCaps "Feature-Caps" "RFC 6809.",
}

impl HeaderName {
    /// The name of a header line: long form in any case, or compact form (RFC 3261 §7.3.3).
    #[must_use]
    pub fn parse(name: &str) -> HeaderName {
        Self::from_octets(name.as_bytes())
    }

    /// The long form on the wire; empty for [`HeaderName::Other`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        NAMES.get(self as usize).map_or("", |(name, _)| name)
    }

    /// Whether the header's value is a comma-separated list whose elements may come as lines of
    /// their own (RFC 3261 §7.3.1).
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(
            self,
            Self::Via
                | Self::Contact
                | Self::Route
                | Self::RecordRoute
                | Self::Path
                | Self::ServiceRoute
                | Self::Accept
                | Self::AcceptEncoding
                | Self::AcceptLanguage
                | Self::AcceptContact
                | Self::RejectContact
                | Self::Allow
                | Self::AllowEvents
                | Self::Supported
                | Self::Require
                | Self::ProxyRequire
                | Self::Unsupported
                | Self::Reason
                | Self::Diversion
                | Self::HistoryInfo
                | Self::PAssertedIdentity
                | Self::PPreferredIdentity
                | Self::RemotePartyId
                | Self::AlertInfo
                | Self::CallInfo
                | Self::ErrorInfo
                | Self::Warning
                | Self::InReplyTo
                | Self::ContentEncoding
                | Self::ContentLanguage
                | Self::PAssociatedUri
        )
    }

    /// The bit of this name in a set of names.
    pub(crate) fn bit(self) -> u128 {
        1u128 << (self as u8)
    }

    pub(crate) fn from_octets(name: &[u8]) -> HeaderName {
        if let [letter] = name {
            return compact(*letter);
        }
        let mut slot = hash(name);
        // Ends at an empty slot: the table is at most half full.
        loop {
            match TABLE.get(slot).copied() {
                None | Some(EMPTY) => return Self::Other,
                Some(index) => match NAMES.get(usize::from(index)) {
                    Some((text, id)) if text.as_bytes().eq_ignore_ascii_case(name) => return *id,
                    _ => slot = (slot + 1) % SLOTS,
                },
            }
        }
    }
}

/// The compact forms of the registry (spec table 1.8).
fn compact(letter: u8) -> HeaderName {
    match letter.to_ascii_lowercase() {
        b'a' => HeaderName::AcceptContact,
        b'b' => HeaderName::ReferredBy,
        b'c' => HeaderName::ContentType,
        b'd' => HeaderName::RequestDisposition,
        b'e' => HeaderName::ContentEncoding,
        b'f' => HeaderName::From,
        b'i' => HeaderName::CallId,
        b'j' => HeaderName::RejectContact,
        b'k' => HeaderName::Supported,
        b'l' => HeaderName::ContentLength,
        b'm' => HeaderName::Contact,
        b'n' => HeaderName::IdentityInfo,
        b'o' => HeaderName::Event,
        b'r' => HeaderName::ReferTo,
        b's' => HeaderName::Subject,
        b't' => HeaderName::To,
        b'u' => HeaderName::AllowEvents,
        b'v' => HeaderName::Via,
        b'x' => HeaderName::SessionExpires,
        b'y' => HeaderName::Identity,
        _ => HeaderName::Other,
    }
}

const EMPTY: u8 = u8::MAX;
static TABLE: [u8; SLOTS] = build();

/// Length, first, middle and last letter tell the names apart well enough.
#[expect(clippy::indexing_slicing, reason = "indices are below the length, which is not zero")]
const fn hash(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let length = name.len();
    let first = (name[0] | 0x20) as usize;
    let middle = (name[length / 2] | 0x20) as usize;
    let last = (name[length - 1] | 0x20) as usize;
    (length.wrapping_mul(131) ^ first.wrapping_mul(37) ^ middle.wrapping_mul(11) ^ last) % SLOTS
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time; out of bounds does not build")]
const fn build() -> [u8; SLOTS] {
    let mut table = [EMPTY; SLOTS];
    let mut index = 0;
    while index < NAMES.len() {
        let mut slot = hash(NAMES[index].0.as_bytes());
        while table[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = index as u8;
        index += 1;
    }
    table
}

// Each name has a bit in a u128 and an index that is not EMPTY.
const _: () = assert!(NAMES.len() < 128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (text, id) in NAMES {
            assert_eq!(HeaderName::parse(text), *id);
            assert_eq!(HeaderName::parse(&text.to_ascii_uppercase()), *id);
            assert_eq!(HeaderName::parse(&text.to_ascii_lowercase()), *id);
            assert_eq!(id.as_str(), *text);
        }
    }

    #[test]
    fn every_compact_form_of_the_registry_is_found() {
        let letters = "abcdefijklmnorstuvxy";
        for letter in letters.chars() {
            let name = HeaderName::parse(&letter.to_string());
            assert_ne!(name, HeaderName::Other, "{letter}");
            assert_eq!(HeaderName::parse(&letter.to_uppercase().to_string()), name);
        }
        assert_eq!(HeaderName::parse("z"), HeaderName::Other);
    }

    #[test]
    fn unknown_and_empty_names_have_no_id() {
        for name in ["", "X-Custom", "Vie", "C%6Fntact", "Call-IDs"] {
            assert_eq!(HeaderName::parse(name), HeaderName::Other, "{name}");
        }
        assert_eq!(HeaderName::Other.as_str(), "");
    }
}
