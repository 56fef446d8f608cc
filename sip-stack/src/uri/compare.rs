//! Equality of SIP and SIPS URIs (RFC 3261 §19.1.4).

use super::{SipUri, UriParam, decode, parse_ip};

/// Parameters that differ if only one URI has them.
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

pub(super) fn equivalent(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    a.is_secure == b.is_secure
        && a.user.map(decode) == b.user.map(decode)
        && a.password.map(decode) == b.password.map(decode)
        && same_host(a.host, b.host)
        && a.port == b.port
        && params_agree(a, b)
        && params_agree(b, a)
        && same_headers(a, b)
}

/// Names without case, addresses by value.
pub(super) fn same_host(a: &str, b: &str) -> bool {
    match (parse_ip(a), parse_ip(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

/// Whether no parameter of `a` contradicts `b`. Of a repeated one, which no URI may have, the
/// first counts.
fn params_agree(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    a.params().all(|param| match value_of(b, param) {
        Some(value) => value_of(a, param).is_some_and(|own| same_escaped(value, own)),
        None => !DECISIVE.iter().any(|name| same_escaped(param.name, name)),
    })
}

fn value_of<'a>(uri: &SipUri<'a>, wanted: UriParam<'_>) -> Option<&'a str> {
    uri.params()
        .find(|param| same_escaped(param.name, wanted.name))
        .map(|param| param.value.unwrap_or(""))
}

fn same_escaped(a: &str, b: &str) -> bool {
    decode(a).eq_ignore_ascii_case(&decode(b))
}

/// Headers must be the same, in any order.
fn same_headers(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    let covers = |a: &SipUri<'_>, b: &SipUri<'_>| {
        a.headers().all(|(name, value)| {
            b.headers().any(|(other, other_value)| {
                same_escaped(name, other) && decode(value) == decode(other_value)
            })
        })
    };
    a.headers().count() == b.headers().count() && covers(a, b) && covers(b, a)
}

#[cfg(test)]
mod tests {
    use super::super::Uri;

    fn same(a: &str, b: &str) -> bool {
        let (a, b) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        assert_eq!(a.equivalent(&b), b.equivalent(&a));
        a.equivalent(&b)
    }

    #[test]
    fn the_equal_pairs_of_the_rfc() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn the_unequal_pairs_of_the_rfc() {
        for (a, b) in [
            ("sip:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@h", "sips:a@h"),
            ("sip:null-%00-a@h", "sip:null-%01-a@h"),
            ("sip:a@h", "tel:123"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
