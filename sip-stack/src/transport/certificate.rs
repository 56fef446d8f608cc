//! Whom a certificate names, by the rules of SIP domains (RFC 5922 §7.1).

use std::net::IpAddr;

use x509_parser::{extensions::GeneralName, prelude::*};

/// Most names that are taken from one certificate.
const MAX_NAMES: usize = 64;

/// The identities of a certificate in lower case: SIP domains and IP addresses.
///
/// `sip:` URIs of the subjectAltName that have no user part; if there is none of those its DNS
/// names; if there is no subjectAltName at all the subject's common name. Addresses come beside
/// them, for peers that are configured by address.
///
/// Source: RFC 5922 §7.1.
#[must_use]
pub fn certificate_names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let mut names = match certificate.subject_alternative_name() {
        Ok(Some(extension)) => of_alternatives(&extension.value.general_names),
        Ok(None) => {
            let common = certificate.subject().iter_common_name();
            common.filter_map(|name| name.as_str().ok()).map(str::to_ascii_lowercase).collect()
        }
        Err(_) => Vec::new(),
    };
    names.truncate(MAX_NAMES);
    names
}

fn of_alternatives(alternatives: &[GeneralName<'_>]) -> Vec<String> {
    let mut uris = Vec::new();
    let mut hosts = Vec::new();
    let mut addresses = Vec::new();
    for name in alternatives {
        match name {
            GeneralName::URI(uri) => uris.extend(domain_of(uri)),
            GeneralName::DNSName(host) => hosts.push(host.to_ascii_lowercase()),
            GeneralName::IPAddress(octets) => addresses.extend(address_of(octets)),
            _ => {}
        }
    }
    let mut names = if uris.is_empty() { hosts } else { uris };
    names.extend(addresses);
    names
}

/// The domain of a `sip:` URI; one with a user part names a person, not a domain.
fn domain_of(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_domain = scheme.eq_ignore_ascii_case("sip") && !rest.contains('@');
    let host = rest.split([';', '?']).next().unwrap_or(rest);
    is_domain.then(|| host.to_ascii_lowercase())
}

fn address_of(octets: &[u8]) -> Option<String> {
    let address = match octets.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
        _ => return None,
    };
    Some(address.to_canonical().to_string())
}

/// Whether a certificate's names prove one of these domains. Wildcards prove nothing, and neither
/// does a parent domain (RFC 5922 §7.2).
#[must_use]
pub fn proves(names: &[String], wanted: &[String]) -> bool {
    let is_same = |name: &String, wanted: &String| {
        !name.contains('*') && name.trim_end_matches('.').eq_ignore_ascii_case(wanted)
    };
    names.iter().any(|name| wanted.iter().any(|wanted| is_same(name, wanted)))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn names(common: &str, alternatives: Vec<SanType>) -> Vec<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = alternatives;
        let key = KeyPair::generate().unwrap();
        certificate_names(params.self_signed(&key).unwrap().der())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    #[test]
    fn a_sip_uri_hides_the_dns_names() {
        let both = vec![dns("host.example"), uri("sip:Office.Example"), uri("https://x.example")];
        assert_eq!(names("cn.example", both), ["office.example"]);
    }

    #[test]
    fn without_a_sip_uri_the_dns_names_count_and_never_the_common_name() {
        let named = vec![dns("A.example"), uri("sip:ada@office.example"), uri("sips:b.example")];
        assert_eq!(names("cn.example", named), ["a.example"]);
    }

    #[test]
    fn without_alternatives_the_common_name_counts() {
        assert_eq!(names("CN.example", Vec::new()), ["cn.example"]);
    }

    #[test]
    fn addresses_count_too() {
        let address = SanType::IpAddress("192.0.2.7".parse().unwrap());
        assert_eq!(names("cn", vec![address]), ["192.0.2.7"]);
    }

    #[test]
    fn wildcards_and_parents_prove_nothing() {
        let wanted = vec!["sip.office.example".to_owned()];
        for name in ["*.office.example", "office.example", ".office.example"] {
            assert!(!proves(&[name.to_owned()], &wanted), "{name}");
        }
        assert!(proves(&["SIP.office.example.".to_owned()], &wanted));
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        assert_eq!(certificate_names(b"no certificate"), Vec::<String>::new());
    }
}
