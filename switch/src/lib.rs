//! The switch: the only place where SIP, media and TAPI meet.
//!
//! [`exchange`] is the single owner of all call state and does no I/O. Around it stand the rim
//! ([`server`], [`api`], [`cli`]), the concurrent [`registry`], the [`registrar`] and the [`store`].

pub mod api;
pub mod call;
pub mod cli;
pub mod exchange;
pub mod feature;
pub mod observe;
pub mod phone;
pub mod presence;
pub mod registrar;
pub mod registry;
pub mod route;
pub mod server;
pub mod store;
