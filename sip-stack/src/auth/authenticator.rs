//! Digest as server: challenges, and verdicts on credentials.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use super::digest::{self, Algorithm, Ha1, Protection};
use super::nonce::{Mint, ReplayWindow};
use super::params::{self, AuthParams};
use crate::message::{HeaderName, Message};

/// Longest user name that is looked up.
const MAX_USER_LENGTH: usize = 256;

/// What an [`Authenticator`] demands.
#[derive(Clone)]
pub struct AuthenticatorConfig {
    /// The realm of all its users, never taken from a message.
    pub realm: String,
    /// Makes the nonces unforgeable; from the rim's entropy.
    pub secret: [u8; 32],
    /// How long a nonce may wait for its first use, in seconds.
    pub first_use_s: u64,
    /// How long a nonce may be used with rising counts, in seconds.
    pub lifetime_s: u64,
    /// The algorithms offered and taken, in this order (RFC 8760 §2.4: preferred first).
    pub algorithms: Vec<Algorithm>,
    /// Whether credentials without qop (RFC 2069) are taken, once for each nonce.
    pub accepts_without_qop: bool,
    /// Whether `uri` must be the Request-URI octet for octet; otherwise port and parameters may
    /// differ.
    pub is_uri_exact: bool,
    /// Hosts that are this server. A `uri` that names one of them and no user stands for any
    /// Request-URI: some clients always write the address they send to.
    pub own_hosts: Vec<String>,
}

impl AuthenticatorConfig {
    /// SHA-256 before MD5, `qop=auth` only, exact `uri`, nonces good for 120 s to be used first and
    /// for an hour in all.
    #[must_use]
    pub fn new(realm: impl Into<String>, secret: [u8; 32]) -> Self {
        Self {
            realm: realm.into(),
            secret,
            first_use_s: 120,
            lifetime_s: 3_600,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            accepts_without_qop: false,
            is_uri_exact: true,
            own_hosts: Vec::new(),
        }
    }
}

/// What the credentials of a request are worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The password was known; the request is not a replay.
    Authenticated {
        /// The user name.
        user: String,
    },
    /// No credentials for our realm: challenge.
    Missing,
    /// Right, but under a nonce that is too old, unknown or used with this count: challenge with
    /// `stale=true`. Not a failed login.
    Stale,
    /// Wrong: challenge as if nothing had been sent, but without a name with `stale=true`.
    Wrong {
        /// The name, if the answer was made for a fresh nonce of ours: then, and only then, this
        /// is a failed login that limits and bans may count. Else the challenge must not tell it
        /// from [`Verdict::Stale`], which would say that the password was right.
        user: Option<String>,
    },
    /// Not credentials as they were asked for: 400.
    Malformed,
}

/// Challenges requests and judges the answers; one for each realm.
pub struct Authenticator {
    config: AuthenticatorConfig,
    mint: Mint,
    window: ReplayWindow,
}

/// Credentials that have all their parts.
struct Credentials<'a> {
    user: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: Algorithm,
    /// nc as text and number, and cnonce; `None` without qop.
    counted: Option<(&'a str, u32, &'a str)>,
}

impl Authenticator {
    /// An authenticator that has seen nothing yet.
    #[must_use]
    pub fn new(config: AuthenticatorConfig) -> Self {
        let mint = Mint::new(config.realm.clone(), config.secret);
        Self { config, mint, window: ReplayWindow::default() }
    }

    /// The realm it guards.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// From now on `secret` makes the nonces; those made with the last one stay good.
    pub fn rotate(&mut self, secret: [u8; 32]) {
        self.mint.rotate(secret);
    }

    /// The values of the WWW-Authenticate or Proxy-Authenticate headers, one for each algorithm in
    /// the order of preference, for a client at `source` alone. Nothing is remembered.
    ///
    /// Source: RFC 7616 §3.3, RFC 8760 §2.4.
    pub fn challenges(&mut self, now_unix_s: u64, source: IpAddr, is_stale: bool) -> Vec<String> {
        let nonce = self.mint.make(now_unix_s, source);
        let realm = params::quote(&self.config.realm);
        let stale = if is_stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            let token = algorithm.token();
            format!(
                "Digest realm={realm}, nonce=\"{nonce}\", algorithm={token}, qop=\"auth\"{stale}"
            )
        };
        self.config.algorithms.iter().map(challenge).collect()
    }

    /// Judges the credentials in `header` (Authorization or Proxy-Authorization) of a request that
    /// came from `source`.
    ///
    /// `lookup` gives the stored digest of a user. A user that does not exist costs the same
    /// computation and gets the same verdict as one whose password was wrong.
    ///
    /// Source: RFC 7616 §3.4, §3.4.6, §5.12.
    pub fn verify(
        &mut self,
        (now_unix_s, source): (u64, IpAddr),
        message: &Message,
        header: HeaderName,
        lookup: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Verdict {
        let params = match self.own_params(message, header) {
            Ok(Some(params)) => params,
            Ok(None) => return Verdict::Missing,
            Err(Malformed) => return Verdict::Malformed,
        };
        let Some(credentials) = self.read(&params) else { return Verdict::Malformed };
        if !self.is_uri_of(message, credentials.uri) {
            return Verdict::Malformed;
        }
        let known = lookup(credentials.user);
        let is_known = known.is_some();
        let ha1 = known.unwrap_or_else(|| self.decoy(credentials.user));
        let protection = match credentials.counted {
            Some((nc, _, cnonce)) => Protection::Auth { nc, cnonce },
            None => Protection::None,
        };
        let method = message.method().to_string();
        let expected = digest::response(
            credentials.algorithm,
            &ha1,
            credentials.nonce,
            (&method, credentials.uri),
            protection,
        );
        let is_equal = bool::from(expected.as_bytes().ct_eq(credentials.response.as_bytes()));
        self.judge((now_unix_s, source), &credentials, is_equal && is_known)
    }

    /// The one Digest credentials for our realm. Those for other realms and schemes are not ours.
    fn own_params(
        &self,
        message: &Message,
        header: HeaderName,
    ) -> Result<Option<AuthParams>, Malformed> {
        let mut own = None;
        for value in message.headers(header) {
            let Some(all) = params::parse(value) else {
                let is_digest = value.trim_start().get(..6);
                if is_digest.is_some_and(|scheme| scheme.eq_ignore_ascii_case("digest")) {
                    return Err(Malformed);
                }
                continue;
            };
            for params in all {
                if !params.is_digest() || params.value("realm") != Some(&self.config.realm) {
                    continue;
                }
                if params.has_repeated_name() || own.replace(params).is_some() {
                    return Err(Malformed);
                }
            }
        }
        Ok(own)
    }

    /// The parts that we asked for, or `None`.
    fn read<'a>(&self, params: &'a AuthParams) -> Option<Credentials<'a>> {
        // RFC 7616 §3.3: MD5 if absent. The token must be spelt as it was offered.
        let token = params.value("algorithm").unwrap_or(Algorithm::Md5.token());
        let algorithm =
            self.config.algorithms.iter().copied().find(|algorithm| algorithm.token() == token)?;
        let counted = match params.value("qop") {
            Some("auth") => {
                let nc = params.value("nc").filter(|nc| nc.len() == 8)?;
                let number = u32::from_str_radix(nc, 16).ok().filter(|_| !nc.starts_with('+'))?;
                let cnonce = params.value("cnonce").filter(|cnonce| !cnonce.is_empty())?;
                Some((nc, number, cnonce))
            }
            None if self.config.accepts_without_qop => None,
            _ => return None,
        };
        Some(Credentials {
            user: params
                .value("username")
                .filter(|user| !user.is_empty() && user.len() <= MAX_USER_LENGTH)?,
            nonce: params.value("nonce")?,
            uri: params.value("uri")?,
            response: params.value("response")?,
            algorithm,
            counted,
        })
    }

    /// Whether the credentials were made for this request and not for another.
    fn is_uri_of(&self, message: &Message, uri: &str) -> bool {
        let Some(request_uri) = message.request_uri() else { return false };
        uri == request_uri
            || (!self.config.is_uri_exact
                && core_of(uri).is_some_and(|core| Some(core) == core_of(request_uri)))
            || self.is_own(uri)
    }

    fn is_own(&self, uri: &str) -> bool {
        let own = &self.config.own_hosts;
        core_of(uri).is_some_and(|(scheme, user, host)| {
            scheme == "sip"
                && user.is_empty()
                && own.iter().any(|own| own.eq_ignore_ascii_case(&host))
        })
    }

    fn judge(
        &mut self,
        (now, source): (u64, IpAddr),
        credentials: &Credentials<'_>,
        is_right: bool,
    ) -> Verdict {
        self.window.forget_before(now.saturating_sub(self.config.lifetime_s));
        let live = self.mint.recognise(credentials.nonce, source).filter(|nonce| {
            let life = if self.window.knows(*nonce) {
                self.config.lifetime_s
            } else {
                self.config.first_use_s
            };
            now.saturating_sub(nonce.unix_s) <= life
        });
        let user = credentials.user.to_owned();
        match (is_right, live) {
            (false, live) => Verdict::Wrong { user: live.map(|_| user) },
            (true, None) => Verdict::Stale,
            (true, Some(nonce)) => {
                // Without qop there is no count: the nonce is good for one request.
                let nc = credentials.counted.map_or(1, |(_, number, _)| number);
                if self.window.enter(nonce, nc) {
                    Verdict::Authenticated { user }
                } else {
                    Verdict::Stale
                }
            }
        }
    }

    /// A digest for a user who does not exist: always the same, matched by no password.
    fn decoy(&self, user: &str) -> Ha1 {
        let octets = self.mint.decoy(user);
        Ha1::from_parts(octets.first_chunk().copied().unwrap_or_default(), octets)
    }
}

struct Malformed;

/// Scheme, user and host of a URI, without port and parameters, in a form that can be compared.
fn core_of(uri: &str) -> Option<(String, String, String)> {
    let (scheme, rest) = uri.split_once(':')?;
    let rest = rest.split(['?', '>']).next().unwrap_or(rest);
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let host = host.split(';').next().unwrap_or(host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => host.split(':').next().unwrap_or(host),
    };
    Some((scheme.to_ascii_lowercase(), user.to_owned(), host.to_ascii_lowercase()))
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;
