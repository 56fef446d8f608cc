//! Digest answers with MD5 (RFC 3261 §22.4), the algorithm that most phones choose.

use std::fmt::Write as _;

use md5::{Digest, Md5};

use super::{number, password};

const CNONCE: &str = "0a4f113b";

/// One line's name and secret, and the nonce it was given last.
pub(super) struct Account {
    pub(super) number: String,
    domain: String,
    ha1: String,
    nonce: String,
    count: u32,
}

impl Account {
    pub(super) fn new(line: usize, domain: &str) -> Account {
        let number = number(line);
        let ha1 = hash(&format!("{number}:{domain}:{}", password(line)));
        Account { number, domain: domain.to_owned(), ha1, nonce: String::new(), count: 0 }
    }

    /// Takes a new nonce.
    pub(super) fn challenged(&mut self, nonce: &str) {
        self.nonce.clear();
        self.nonce.push_str(nonce);
        self.count = 0;
    }

    /// Whether a request can be authorized before it is challenged.
    pub(super) fn has_nonce(&self) -> bool {
        !self.nonce.is_empty()
    }

    /// The Authorization header of the next request.
    pub(super) fn authorize(&mut self, method: &str, uri: &str) -> String {
        self.count += 1;
        let Account { number, domain, ha1, nonce, count } = self;
        let ha2 = hash(&format!("{method}:{uri}"));
        let response = hash(&format!("{ha1}:{nonce}:{count:08x}:{CNONCE}:auth:{ha2}"));
        format!(
            "Authorization: Digest username=\"{number}\", realm=\"{domain}\", nonce=\"{nonce}\", \
             uri=\"{uri}\", response=\"{response}\", algorithm=MD5, cnonce=\"{CNONCE}\", qop=auth, \
             nc={count:08x}\r\n"
        )
    }
}

fn hash(text: &str) -> String {
    Md5::digest(text).iter().fold(String::with_capacity(32), |mut hex, octet| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}
