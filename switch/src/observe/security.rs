//! One line for each refused authentication, in the form that fail2ban can match.
//!
//! ```text
//! 2026-01-31T12:00:00.000Z SECURITY event=auth_fail src=203.0.113.7 port=5062 user="101" reason="wrong password"
//! ```
//!
//! fail2ban: `^\S+ SECURITY event=(auth_fail|api_auth_fail) src=<HOST> `. Text that came from
//! outside stands last, quoted, escaped and bounded, so that it can make neither a line nor a field.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::server::clock;

/// Foreign text is cut to this many characters.
const MAX_FOREIGN: usize = 128;
/// Lines a second; the rest is counted and summed up in one line.
const MAX_LINES_PER_SECOND: u64 = 100;

static AS_JSON: AtomicBool = AtomicBool::new(false);
static SECOND: AtomicU64 = AtomicU64::new(0);
static LINES: AtomicU64 = AtomicU64::new(0);

/// Writes the lines as structured log events instead of plain lines.
pub fn use_json(is_json: bool) {
    AS_JSON.store(is_json, Ordering::Relaxed);
}

/// A phone's credentials were refused.
pub fn authentication_refused(source: SocketAddr, line: &str, reason: &str) {
    write_event("auth_fail", Some(source), line, reason);
}

/// A caller of the control interface had no valid token.
pub fn api_refused(source: Option<SocketAddr>, reason: &str) {
    write_event("api_auth_fail", source, "", reason);
}

fn write_event(event: &str, source: Option<SocketAddr>, user: &str, reason: &str) {
    let now_ms = clock::unix_ms();
    match admit(now_ms / 1000) {
        Admission::Write => {}
        Admission::Suppress => return,
        Admission::WriteAfter(suppressed) => {
            tracing::warn!(suppressed, "security lines were left out because there were too many");
        }
    }
    if AS_JSON.load(Ordering::Relaxed) {
        let (src, port) = address(source);
        tracing::warn!(target: "security", event, src, port, user = escape(user), reason);
    } else {
        eprintln!("{}", line(now_ms, event, source, user, reason));
    }
}

enum Admission {
    Write,
    WriteAfter(u64),
    Suppress,
}

/// Counts the lines of a second; the first of a new second tells what the last one left out.
fn admit(second: u64) -> Admission {
    if SECOND.swap(second, Ordering::Relaxed) != second {
        let written = LINES.swap(1, Ordering::Relaxed);
        return match written.saturating_sub(MAX_LINES_PER_SECOND) {
            0 => Admission::Write,
            suppressed => Admission::WriteAfter(suppressed),
        };
    }
    if LINES.fetch_add(1, Ordering::Relaxed) < MAX_LINES_PER_SECOND {
        Admission::Write
    } else {
        Admission::Suppress
    }
}

fn line(now_ms: u64, event: &str, source: Option<SocketAddr>, user: &str, reason: &str) -> String {
    let (src, port) = address(source);
    let mut line =
        format!("{} SECURITY event={event} src={src} port={port}", clock::timestamp(now_ms));
    if !user.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, " user=\"{}\"", escape(user));
    }
    let _ = write!(line, " reason=\"{}\"", escape(reason));
    line
}

fn address(source: Option<SocketAddr>) -> (String, u16) {
    match source {
        Some(source) => (source.ip().to_canonical().to_string(), source.port()),
        None => ("unknown".into(), 0),
    }
}

/// `\xNN` for everything that is not a printable ASCII letter, and for quote and backslash.
fn escape(foreign: &str) -> String {
    let mut escaped = String::new();
    for byte in foreign.bytes().take(MAX_FOREIGN) {
        match byte {
            b'"' | b'\\' => {
                let _ = write!(escaped, "\\x{byte:02x}");
            }
            0x20..=0x7e => escaped.push(char::from(byte)),
            _ => {
                let _ = write!(escaped, "\\x{byte:02x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_form_that_fail2ban_matches() {
        let source = "203.0.113.7:5062".parse().unwrap();
        assert_eq!(
            line(1_769_860_800_000, "auth_fail", Some(source), "101", "wrong password"),
            "2026-01-31T12:00:00.000Z SECURITY event=auth_fail src=203.0.113.7 port=5062 \
             user=\"101\" reason=\"wrong password\""
        );
    }

    #[test]
    fn foreign_text_makes_neither_a_line_nor_a_field() {
        let source = "203.0.113.7:5062".parse().unwrap();
        let evil = "1\" src=9.9.9.9\r\n2026 SECURITY event=auth_fail \u{1b}[31m\\";
        let written = line(0, "auth_fail", Some(source), evil, "x");
        assert_eq!(written.lines().count(), 1);
        assert!(!written.contains('\u{1b}'));
        let quotes = written.matches('"').count();
        assert_eq!(quotes, 4, "two quoted fields and no more: {written}");
    }

    #[test]
    fn foreign_text_is_cut() {
        assert_eq!(escape(&"x".repeat(500)).len(), MAX_FOREIGN);
    }

    #[test]
    fn a_mapped_address_is_written_as_the_address_it_is() {
        let mapped: SocketAddr = "[::ffff:203.0.113.7]:5062".parse().unwrap();
        assert_eq!(address(Some(mapped)).0, "203.0.113.7");
    }
}
