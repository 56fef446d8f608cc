//! What must hold for any input: one function for each fuzz target.
//!
//! A function takes the octets of a fuzzer, reads them as what its name says, and panics where a
//! property does not hold. Must not know who made the octets: `fuzz/` drives these functions with
//! libFuzzer, `tests/corpus.rs` with what libFuzzer kept.

mod configuration;
mod dialogue;
mod digest;
mod dtls;
mod json_rpc;
mod octets;
mod rtp;
mod sdp;
mod sip;
mod srtp;
mod stun;
mod tapi_stream;

/// A fuzz target: its name, which is also the folder of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 13] = [
    ("sip_message", sip::message),
    ("sip_stream", sip::stream),
    ("sip_dialogue", dialogue::dialogue),
    ("digest", digest::credentials),
    ("sdp", sdp::descriptions),
    ("rtp", rtp::packets),
    ("rtcp", rtp::report),
    ("srtp", srtp::packets),
    ("stun", stun::checks),
    ("dtls", dtls::handshakes),
    ("json_rpc", json_rpc::text),
    ("tapi_stream", tapi_stream::requests),
    ("configuration", configuration::file),
];

/// Runs the body of a target.
///
/// # Panics
/// There is no target of this name, or a property does not hold.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, body) = found.unwrap_or_else(|| panic!("there is no target {name}"));
    body(data);
}
