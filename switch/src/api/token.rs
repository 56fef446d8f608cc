//! Bearer tokens: who calls, what it may do, which lines it may see.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use config::{Scope, Token};
use subtle::{Choice, ConstantTimeEq};

use super::Api;
use super::problem::ProblemDocument;
use crate::exchange::counters::count;
use crate::observe::security;
use crate::server::clock;

/// All tokens of one configuration.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Arc<Token>>);

impl Tokens {
    /// The tokens in the order of the configuration.
    pub fn new(tokens: &[Token]) -> Self {
        Self(tokens.iter().cloned().map(Arc::new).collect())
    }

    /// The token with this secret. Every token is compared in full, so time tells nothing.
    pub fn find(&self, presented: &str) -> Option<Arc<Token>> {
        let mut found = None;
        for token in &self.0 {
            let secret = token.secret.expose().as_bytes();
            let equal: Choice = secret.ct_eq(presented.as_bytes());
            if bool::from(equal) && !secret.is_empty() {
                found = Some(Arc::clone(token));
            }
        }
        found
    }

    /// The token that a request presents.
    pub(super) fn presented(&self, headers: &HeaderMap) -> Option<Arc<Token>> {
        self.find(secret_of(headers)?)
    }

    /// Whether exactly this token, rights included, is still one of the configuration.
    pub fn contains(&self, token: &Token) -> bool {
        self.0.iter().any(|known| **known == *token)
    }
}

/// The address a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The authenticated caller of a request; extracting it answers 401 where there is none, and 429 where it
/// asks too often. A layer that has extracted it leaves it with the request: nobody is counted twice.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Arc<Token>);

impl Caller {
    /// Refuses with 403 unless the token allows what `scope` stands for.
    pub(super) fn require(&self, scope: Scope) -> Result<(), ProblemDocument> {
        if self.0.allows(scope) {
            Ok(())
        } else {
            Err(ProblemDocument::new(
                StatusCode::FORBIDDEN,
                format!("This needs a token with the scope '{}'.", scope.name()),
            ))
        }
    }

    /// Refuses with 403 unless the token may read what concerns its lines: to control includes it.
    pub(super) fn require_sight(&self) -> Result<(), ProblemDocument> {
        if self.0.allows(Scope::Tapi) { Ok(()) } else { self.require(Scope::Read) }
    }

    /// Refuses with 403 a token that is limited to some lines.
    pub(super) fn require_all_lines(&self) -> Result<(), ProblemDocument> {
        if self.0.lines.is_none() {
            Ok(())
        } else {
            Err(ProblemDocument::new(
                StatusCode::FORBIDDEN,
                "This needs a token that is not limited to some lines.",
            ))
        }
    }

    /// Refuses with 404 a line that the token may not act for: unknown and forbidden look alike.
    pub(super) fn require_line(&self, line: &str) -> Result<(), ProblemDocument> {
        self.require(Scope::Tapi)?;
        self.require_sight_of(line)
    }

    /// Refuses with 404 a line that the token may not see; whether it may read is asked by
    /// [`Self::require_sight`].
    pub(super) fn require_sight_of(&self, line: &str) -> Result<(), ProblemDocument> {
        if self.0.allows_line(line) {
            Ok(())
        } else {
            Err(ProblemDocument::new(
                StatusCode::NOT_FOUND,
                format!("There is no line {line} that this token may use."),
            ))
        }
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ProblemDocument;

    async fn from_request_parts(
        parts: &mut Parts,
        api: &Arc<Api>,
    ) -> Result<Self, ProblemDocument> {
        if let Some(admitted) = parts.extensions.get::<Self>() {
            return Ok(admitted.clone());
        }
        match api.tokens.load().presented(&parts.headers) {
            Some(token) if api.rates.admit_token(clock::now(), &token.name) => Ok(Self(token)),
            Some(_) => Err(ProblemDocument::too_often()),
            None => {
                count(&api.counters.unauthorized_total);
                let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
                let may = |peer: SocketAddr| api.rates.admit_stranger(clock::now(), peer.ip());
                if !peer.is_none_or(may) {
                    return Err(ProblemDocument::too_often());
                }
                let is_presented = secret_of(&parts.headers).is_some();
                let reason = if is_presented { "unknown token" } else { "no token" };
                security::api_refused(peer, reason);
                Err(ProblemDocument::unauthorized())
            }
        }
    }
}

/// The secret that a request presents.
fn secret_of(headers: &HeaderMap) -> Option<&str> {
    bearer(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}

/// RFC 6750 §2.1; the scheme's name is case-insensitive (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

#[cfg(test)]
pub(super) mod tests {
    use config::Secret;

    use super::*;

    pub(in crate::api) fn token(secret: &str, scope: Scope, lines: Option<&[&str]>) -> Token {
        Token {
            name: format!("{}-{secret}", scope.name()),
            secret: Secret::new(secret),
            scopes: [scope].into(),
            lines: lines.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()),
        }
    }

    #[test]
    fn finds_a_token_by_its_whole_secret_only() {
        let tokens = Tokens::new(&[
            token("first", Scope::Admin, None),
            token("second", Scope::Tapi, Some(&["201"])),
        ]);
        assert_eq!(
            tokens.find("second").map(|found| found.name.clone()),
            Some("tapi-second".into())
        );
        assert!(tokens.find("secon").is_none());
        assert!(tokens.find("secondd").is_none());
        assert!(tokens.find("").is_none());
    }

    #[test]
    fn an_empty_secret_opens_nothing() {
        let tokens = Tokens::new(&[token("", Scope::Admin, None)]);
        assert!(tokens.find("").is_none());
    }

    #[test]
    fn a_tapi_token_is_refused_administration_and_foreign_lines() {
        let caller = Caller(Arc::new(token("x", Scope::Tapi, Some(&["201"]))));
        assert_eq!(caller.require(Scope::Admin).unwrap_err().status(), StatusCode::FORBIDDEN);
        assert_eq!(caller.require_line("202").unwrap_err().status(), StatusCode::NOT_FOUND);
        assert!(caller.require_line("201").is_ok());
        assert!(caller.require_sight().is_ok());
        assert!(caller.require_all_lines().is_err());
    }

    #[test]
    fn a_reading_token_changes_nothing() {
        let caller = Caller(Arc::new(token("x", Scope::Read, None)));
        assert!(caller.require_sight().is_ok());
        assert!(caller.require(Scope::Tapi).is_err());
        assert!(caller.require_line("201").is_err());
        assert!(caller.require_sight_of("201").is_ok());
        assert!(caller.require(Scope::Admin).is_err());
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_nothing_else_is() {
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }

    #[test]
    fn a_changed_right_is_another_token() {
        let before = token("x", Scope::Tapi, Some(&["201"]));
        let after = Tokens::new(&[token("x", Scope::Tapi, Some(&["202"]))]);
        assert!(!after.contains(&before));
        assert!(Tokens::new(std::slice::from_ref(&before)).contains(&before));
    }
}
