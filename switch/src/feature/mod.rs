//! Features that decide: asked with facts, they answer with a target or an order. Pure.
//!
//! No module here knows calls, legs or SIP; [`call`](crate::call) asks them and carries out.

pub mod completion;
pub mod dtmf;
pub mod enrolment;
pub mod forward;
pub mod hunt;
