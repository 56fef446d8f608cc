//! The arithmetic of digests: RFC 7616 §3.4.1 with the algorithms of RFC 8760.

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};

/// A digest algorithm that is offered and taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// The one every phone knows.
    Md5,
    /// The one to prefer (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// The token in challenges and credentials.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Reads a token; case does not matter.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.token().eq_ignore_ascii_case(token))
    }

    /// The digest of the parts joined by colons, as lower-case hexadecimal digits.
    pub(super) fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 => hex(&joined::<Md5>(parts)),
            Self::Sha256 => hex(&joined::<Sha256>(parts)),
        }
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    digest.finalize().to_vec()
}

pub(super) fn hex(octets: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    octets
        .iter()
        .flat_map(|octet| [octet >> 4, octet & 15])
        .filter_map(|digit| DIGITS.get(usize::from(digit)))
        .collect()
}

/// H(user:realm:password) under each algorithm: what is stored instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    md5: [u8; 16],
    sha256: [u8; 32],
}

impl Ha1 {
    /// Computes both values from a clear password.
    #[must_use]
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        let text = format!("{user}:{realm}:{password}");
        Self { md5: Md5::digest(&text).into(), sha256: Sha256::digest(&text).into() }
    }

    /// Puts together what was stored.
    #[must_use]
    pub const fn from_parts(md5: [u8; 16], sha256: [u8; 32]) -> Self {
        Self { md5, sha256 }
    }

    /// The MD5 value, to be stored.
    #[must_use]
    pub const fn md5(&self) -> &[u8; 16] {
        &self.md5
    }

    /// The SHA-256 value, to be stored.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    pub(super) fn hex(&self, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Md5 => hex(&self.md5),
            Algorithm::Sha256 => hex(&self.sha256),
        }
    }
}

impl fmt::Debug for Ha1 {
    /// Shows nothing: an HA1 is worth a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(..)")
    }
}

/// How the request is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protection<'a> {
    /// Without qop, as in RFC 2069.
    None,
    /// `qop=auth`.
    Auth { nc: &'a str, cnonce: &'a str },
    /// `qop=auth-int`: the body counts too.
    AuthInt { nc: &'a str, cnonce: &'a str, body: &'a [u8] },
}

/// The `response` parameter: RFC 7616 §3.4.1.
pub(super) fn response(
    algorithm: Algorithm,
    ha1: &Ha1,
    nonce: &str,
    (method, uri): (&str, &str),
    protection: Protection<'_>,
) -> String {
    let ha1 = ha1.hex(algorithm);
    let (ha1, nonce) = (ha1.as_bytes(), nonce.as_bytes());
    let (method, uri) = (method.as_bytes(), uri.as_bytes());
    match protection {
        Protection::None => {
            let ha2 = algorithm.hash(&[method, uri]);
            algorithm.hash(&[ha1, nonce, ha2.as_bytes()])
        }
        Protection::Auth { nc, cnonce } => {
            let ha2 = algorithm.hash(&[method, uri]);
            let (nc, cnonce) = (nc.as_bytes(), cnonce.as_bytes());
            algorithm.hash(&[ha1, nonce, nc, cnonce, b"auth", ha2.as_bytes()])
        }
        Protection::AuthInt { nc, cnonce, body } => {
            let body = algorithm.hash(&[body]);
            let ha2 = algorithm.hash(&[method, uri, body.as_bytes()]);
            let (nc, cnonce) = (nc.as_bytes(), cnonce.as_bytes());
            algorithm.hash(&[ha1, nonce, nc, cnonce, b"auth-int", ha2.as_bytes()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    fn example(algorithm: Algorithm) -> String {
        response(
            algorithm,
            &Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life"),
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            ("GET", "/dir/index.html"),
            Protection::Auth {
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            },
        )
    }

    #[test]
    fn gives_the_md5_example_of_rfc_7616() {
        assert_eq!(example(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
    }

    #[test]
    fn gives_the_sha_256_example_of_rfc_7616() {
        assert_eq!(
            example(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn gives_the_example_of_rfc_2617_and_its_form_without_qop() {
        let ha1 = Ha1::new("Mufasa", "testrealm@host.com", "Circle Of Life");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let target = ("GET", "/dir/index.html");
        let auth = Protection::Auth { nc: "00000001", cnonce: "0a4f113b" };
        assert_eq!(
            response(Algorithm::Md5, &ha1, nonce, target, auth),
            "6629fae49393a05397450978507c4ef1"
        );
        // Checked with an independent computation of RFC 2069 §2.1.2.
        assert_eq!(
            response(Algorithm::Md5, &ha1, nonce, target, Protection::None),
            "670fd8c2df070c60b045671b8b24ff02"
        );
    }

    #[test]
    fn the_body_counts_under_auth_int_only() {
        let ha1 = Ha1::new("a", "b", "c");
        let with = |body| {
            let protection = Protection::AuthInt { nc: "00000001", cnonce: "x", body };
            response(Algorithm::Sha256, &ha1, "n", ("INVITE", "sip:x"), protection)
        };
        assert_ne!(with(b"one"), with(b"two"));
        assert_eq!(with(b"one"), with(b"one"));
    }

    #[test]
    fn the_stored_form_gives_the_same_digests_and_shows_nothing() {
        let ha1 = Ha1::new("201", "example.com", "secret");
        let stored = Ha1::from_parts(*ha1.md5(), *ha1.sha256());
        assert_eq!(stored, ha1);
        assert_eq!(format!("{ha1:?}"), "Ha1(..)");
    }
}
