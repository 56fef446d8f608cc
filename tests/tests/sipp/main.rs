//! SIPp as phones and carrier against the real program: the acceptance tests of the SIP mapping
//! that belong to registration and to basic calls.
//!
//! Source: sip-mapping §8 (T1–T5, T9–T17, T19, T20) and Appendix B. The scenarios are in
//! `tests/interop`.

mod answer;
mod call;
mod change;
mod path;
mod registrar;
mod trunk;
mod validation;

use serde_json::Value;
use tests::interop::{self, Audio, Peer, Running, Sipp, register};
use tests::program::Program;

fn office() -> Program {
    Program::with(interop::office(|text| text))
}

/// A registered phone of a line that plays a scenario.
fn phone(program: &Program, line: &str, scenario: &str) -> Running {
    let audio = Audio::new();
    phone_with(program, line, scenario, |sipp| sipp.audio(&audio))
}

fn phone_with(
    program: &Program,
    line: &str,
    scenario: &str,
    edit: impl FnOnce(Sipp) -> Sipp,
) -> Running {
    let port = interop::free_port();
    register(program, line, port);
    edit(Sipp::new(program, scenario).port(port).called(line)).listen()
}

fn caller(program: &Program, scenario: &str) -> Sipp {
    Sipp::new(program, scenario).call("201", "202")
}

/// Waits until neither calls nor media ports are left.
fn assert_at_rest(program: &Program) {
    let is_empty = |answer: &Value| answer["items"].as_array().is_some_and(Vec::is_empty);
    program.until("/api/v1/calls", is_empty);
    program.until("/api/v1/media", is_empty);
}

/// The head of a request of a raw peer.
fn request(peer: &Peer, method: &str, uri: &str, id: &str, headers: &str) -> String {
    let port = peer.port();
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{id};rport\n\
         From: <sip:201@office.test>;tag=f{id}\nTo: <{uri}>\nCall-ID: {id}\nCSeq: 1 {method}\n\
         Contact: <sip:201@127.0.0.1:{port}>\nMax-Forwards: 70\n{headers}"
    )
}
