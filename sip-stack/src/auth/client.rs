//! Digest as client: answers the challenges of trunks.

use std::fmt;

use super::digest::{self, Algorithm, Ha1, Protection};
use super::params::{self, AuthParams};
use crate::message::{HeaderName, Message, Method};
use crate::time::Entropy;

/// Most realms for which one client keeps a challenge.
const MAX_REALMS: usize = 8;
/// Most challenges answered for one request: a peer that always makes a new one ends here.
const MAX_ATTEMPTS: u32 = 2;

/// A name and a password at a trunk.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The authentication user.
    pub username: String,
    /// The password in clear.
    pub password: String,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Answers challenges with one pair of credentials and remembers the nonces, so that later
/// requests carry their answer at once.
///
/// The order of use: on 401 or 407 call [`DigestClient::on_challenge`]; if it says so, send the
/// request again with a new CSeq number and branch and the headers of [`DigestClient::authorize`].
#[derive(Clone, Debug)]
pub struct DigestClient {
    credentials: ClientCredentials,
    realm: Option<String>,
    sessions: Vec<Session>,
}

/// One challenge and how often it was answered.
#[derive(Clone, Debug)]
struct Session {
    header: HeaderName,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether the challenge named its algorithm: the answer does then, too.
    is_algorithm_named: bool,
    quality: Quality,
    answers: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quality {
    None,
    Auth,
    AuthInt,
}

impl DigestClient {
    /// A client that answers for any realm.
    #[must_use]
    pub const fn new(credentials: ClientCredentials) -> Self {
        Self { credentials, realm: None, sessions: Vec::new() }
    }

    /// The same client, answering for this realm only.
    #[must_use]
    pub fn with_realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Takes the challenges of a 401 or 407 (both headers, several realms) and says whether the
    /// request should be sent again.
    ///
    /// `attempts` counts the challenges of this request that were answered before. Of several
    /// challenges for one realm the first with a known algorithm is taken. A second challenge that
    /// is not `stale` means that the credentials are wrong.
    ///
    /// Source: RFC 3261 §22.2, RFC 7616 §3.3, RFC 8760 §2.4.
    pub fn on_challenge(&mut self, response: &Message, attempts: u32) -> bool {
        if attempts >= MAX_ATTEMPTS {
            return false;
        }
        let mut taken: Vec<(HeaderName, String)> = Vec::new();
        let mut is_refused = false;
        for (challenge, answer) in [
            (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
        ] {
            let all = response.headers(challenge).filter_map(params::parse).flatten();
            for params in all {
                let Some(session) = Session::from_challenge(answer, &params) else { continue };
                let place = (answer, session.realm.clone());
                let is_foreign = self.realm.as_ref().is_some_and(|realm| *realm != session.realm);
                if is_foreign || taken.contains(&place) {
                    continue;
                }
                let is_stale =
                    params.value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
                is_refused |= attempts > 0 && !is_stale;
                taken.push(place);
                self.remember(session);
            }
        }
        !taken.is_empty() && !is_refused
    }

    /// The Authorization and Proxy-Authorization headers for a request, one for each realm that
    /// challenged before; each call counts the nonces up.
    pub fn authorize(
        &mut self,
        method: &Method,
        uri: &str,
        body: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Vec<(HeaderName, String)> {
        let credentials = &self.credentials;
        let method = method.to_string();
        self.sessions
            .iter_mut()
            .map(|session| {
                let cnonce = format!("{:016x}", entropy.next_u64());
                (session.header, session.answer(credentials, (&method, uri), body, &cnonce))
            })
            .collect()
    }

    /// Forgets all challenges: the next request goes out without credentials.
    pub fn forget(&mut self) {
        self.sessions.clear();
    }

    fn remember(&mut self, session: Session) {
        self.sessions
            .retain(|former| former.header != session.header || former.realm != session.realm);
        if self.sessions.len() >= MAX_REALMS {
            self.sessions.remove(0);
        }
        self.sessions.push(session);
    }
}

impl Session {
    fn from_challenge(header: HeaderName, params: &AuthParams) -> Option<Self> {
        if !params.is_digest() {
            return None;
        }
        let algorithm = match params.value("algorithm") {
            Some(token) => Algorithm::from_token(token)?,
            None => Algorithm::Md5,
        };
        let offers = |wanted: &str| {
            let mut offered = params.value("qop").unwrap_or("").split(',');
            offered.any(|quality| quality.trim().eq_ignore_ascii_case(wanted))
        };
        let quality = if params.value("qop").is_none_or(|qop| qop.trim().is_empty()) {
            Quality::None
        } else if offers("auth") {
            Quality::Auth
        } else if offers("auth-int") {
            Quality::AuthInt
        } else {
            return None;
        };
        Some(Self {
            header,
            realm: params.value("realm")?.to_owned(),
            nonce: params.value("nonce")?.to_owned(),
            opaque: params.value("opaque").map(str::to_owned),
            algorithm,
            is_algorithm_named: params.value("algorithm").is_some(),
            quality,
            answers: 0,
        })
    }

    fn answer(
        &mut self,
        credentials: &ClientCredentials,
        (method, uri): (&str, &str),
        body: &[u8],
        cnonce: &str,
    ) -> String {
        self.answers = self.answers.saturating_add(1);
        let nc = format!("{:08x}", self.answers);
        let (protection, quality) = match self.quality {
            Quality::None => (Protection::None, String::new()),
            Quality::Auth => (
                Protection::Auth { nc: &nc, cnonce },
                format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""),
            ),
            Quality::AuthInt => (
                Protection::AuthInt { nc: &nc, cnonce, body },
                format!(", qop=auth-int, nc={nc}, cnonce=\"{cnonce}\""),
            ),
        };
        let ha1 = Ha1::new(&credentials.username, &self.realm, &credentials.password);
        let response =
            digest::response(self.algorithm, &ha1, &self.nonce, (method, uri), protection);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            params::quote(&credentials.username),
            params::quote(&self.realm),
            params::quote(&self.nonce),
            params::quote(uri),
        );
        if self.is_algorithm_named {
            value.push_str(", algorithm=");
            value.push_str(self.algorithm.token());
        }
        value.push_str(&quality);
        if let Some(opaque) = &self.opaque {
            value.push_str(", opaque=");
            value.push_str(&params::quote(opaque));
        }
        value
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
