//! Digest authentication (RFC 7616, RFC 8760), as server for users and as client towards trunks.
//!
//! Must not know where passwords live: the caller looks up an [`Ha1`], never a clear password, and
//! it passes the time in. Hop 4 of an INVITE's path in asks the [`Authenticator`].

mod authenticator;
mod client;
mod digest;
mod nonce;
mod params;

pub use authenticator::{Authenticator, AuthenticatorConfig, Verdict};
pub use client::{ClientCredentials, DigestClient};
pub use digest::{Algorithm, Ha1};
pub use nonce::MAX_NONCES;
