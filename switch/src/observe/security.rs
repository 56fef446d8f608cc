//! One line for each refused authentication, in the form that fail2ban can match.
//!
//! ```text
//! 2026-01-31T12:00:00.000Z SECURITY event=auth_fail src=203.0.113.7 port=5062 user="101" reason="wrong password"
//! ```
//!
//! fail2ban: `^\S+ SECURITY event=(auth_fail|hijack_attempt|api_auth_fail) src=<HOST> `. Text that came from
//! outside stands last, quoted, escaped and bounded, so that it can make neither a line nor a field.
//! A failed login is said a second time in the words of Asterisk's security log, which fail2ban's
//! stock filter `asterisk` matches:
//!
//! ```text
//! [2026-01-31 12:00:00.000] SECURITY[4711] strowger: SecurityEvent="InvalidPassword",Severity="Error",Service="SIP",AccountID="101",RemoteAddress="IPV4/UDP/203.0.113.7/5062"
//! ```
//!
//! Only what cannot be forged is a failure: a wrong answer to a challenge that was given to that very
//! address. Anything else wrong is `event=auth_unproven`, for which nobody should be kept out.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::exchange::Suspicion;
use crate::server::clock;

/// Foreign text is cut to this many characters.
const MAX_FOREIGN: usize = 128;
/// Lines a second; the rest is counted and summed up in one line.
const MAX_LINES_PER_SECOND: u64 = 100;
/// Lines a minute of one event and source; the rest is summed up likewise.
const MAX_LINES_OF_SOURCE: u32 = 30;
/// Events and sources whose lines are counted: two that meet share a place, the newer one has it.
const PLACES: usize = 4_096;

static AS_JSON: AtomicBool = AtomicBool::new(false);
static SECOND: AtomicU64 = AtomicU64::new(0);
static LINES: AtomicU64 = AtomicU64::new(0);
static OF_SOURCES: Mutex<Vec<Place>> = Mutex::new(Vec::new());

/// Writes the lines as structured log events instead of plain lines.
pub fn use_json(is_json: bool) {
    AS_JSON.store(is_json, Ordering::Relaxed);
}

/// A phone's credentials were refused; `is_proven` where it surely was at this address.
pub fn authentication_refused(source: SocketAddr, line: &str, reason: &str, is_proven: bool) {
    let event = if is_proven { "auth_fail" } else { "auth_unproven" };
    let is_written = write_event(event, Some(source), line, reason);
    if is_written && is_proven && !AS_JSON.load(Ordering::Relaxed) {
        eprintln!("{}", asterisk_line(clock::wall_ms(), source, line));
    }
}

/// Something that keeps nobody out and should be known.
pub fn suspicious(what: Suspicion, source: Option<SocketAddr>, line: &str, reason: &str) {
    let event = match what {
        Suspicion::SpoofedIdentity => "spoofed_identity",
        Suspicion::Hijack => "hijack_attempt",
        Suspicion::BadReplaces => "bad_replaces",
        Suspicion::Malformed => "malformed",
        Suspicion::ForeignMedia => "media_foreign",
        Suspicion::NewNetwork => "auth_ok_new_net",
        Suspicion::AccountAttack => "account_attack",
    };
    let _ = write_event(event, source, line, reason);
}

/// A token of the control interface asked for what it may not.
pub fn api_forbidden(source: Option<SocketAddr>, token: &str, what: &str) {
    let _ = write_event("api_forbidden", source, token, what);
}

/// A reload has changed this.
pub fn config_changed(what: &str) {
    let _ = write_event("config_changed", None, "", what);
}

/// A line may not make this call.
pub fn call_barred(source: Option<SocketAddr>, line: &str, reason: &str) {
    let _ = write_event("forbidden", source, line, reason);
}

/// A source is not listened to for so many seconds.
pub fn banned(source: IpAddr, reason: &str, seconds: u64) {
    let reason = format!("{reason}, for {seconds} s");
    let _ = write_event("ban", Some(SocketAddr::new(source, 0)), "", &reason);
}

/// A source is listened to again.
pub fn unbanned(source: IpAddr) {
    let _ =
        write_event("unban", Some(SocketAddr::new(source, 0)), "", "lifted by an administrator");
}

/// A source exceeds a rate limit; written once a minute.
pub fn rate_limited(source: SocketAddr, what: &str) {
    let _ = write_event("rate_limited", Some(source), "", what);
}

/// A source calls itself what only those do who look for something to break into; written once a minute.
pub fn scanner(source: SocketAddr) {
    let _ = write_event("scanner", Some(source), "", "a name of [security] scanners");
}

/// A caller of the control interface had no valid token.
pub fn api_refused(source: Option<SocketAddr>, reason: &str) {
    let _ = write_event("api_auth_fail", source, "", reason);
}

/// False where the line was left out because there were too many.
fn write_event(event: &str, source: Option<SocketAddr>, user: &str, reason: &str) -> bool {
    let now_ms = clock::wall_ms();
    if let Some(source) = source {
        let source = source.ip().to_canonical();
        // By itself: nobody waits for the lock while a line is written.
        let admission = {
            let mut places = OF_SOURCES.lock().unwrap_or_else(PoisonError::into_inner);
            admit_source(&mut places, (event, source), now_ms / 60_000)
        };
        match admission {
            Admission::Write => {}
            Admission::Suppress => return false,
            Admission::WriteAfter(suppressed) => {
                tracing::warn!(event, %source, suppressed, "security lines of one source were left out");
            }
        }
    }
    match admit(now_ms / 1000) {
        Admission::Write => {}
        Admission::Suppress => return false,
        Admission::WriteAfter(suppressed) => {
            tracing::warn!(suppressed, "security lines were left out because there were too many");
        }
    }
    if AS_JSON.load(Ordering::Relaxed) {
        write_json(event, source, user, reason);
    } else {
        eprintln!("{}", line(now_ms, event, source, user, reason));
    }
    true
}

/// As a structured log event. Foreign text is in the reason too: what phones call themselves, what cannot be read.
fn write_json(event: &str, source: Option<SocketAddr>, user: &str, reason: &str) {
    let (src, port) = address(source);
    let (user, reason) = (escape(user), escape(reason));
    tracing::warn!(target: "security", event, src, port, user, reason);
}

/// As Asterisk's `res_security_log` writes it.
fn asterisk_line(now_ms: u64, source: SocketAddr, user: &str) -> String {
    let (address, port) = address(Some(source));
    let family = if address.contains(':') { "IPV6" } else { "IPV4" };
    let time = clock::timestamp(now_ms).replace('T', " ").replace('Z', "");
    format!(
        "[{time}] SECURITY[{}] strowger: SecurityEvent=\"InvalidPassword\",Severity=\"Error\",\
         Service=\"SIP\",AccountID=\"{}\",RemoteAddress=\"{family}/UDP/{address}/{port}\"",
        std::process::id(),
        escape(user)
    )
}

enum Admission {
    Write,
    WriteAfter(u64),
    Suppress,
}

/// How many lines an event of a source had in its minute.
#[derive(Clone, Copy, Default)]
struct Place {
    name: u64,
    minute: u64,
    lines: u32,
}

/// Counts the lines of an event and a source; the first one of another minute tells what was left out.
fn admit_source(places: &mut Vec<Place>, name: (&str, IpAddr), minute: u64) -> Admission {
    static HASHER: OnceLock<ahash::RandomState> = OnceLock::new();
    let name = HASHER.get_or_init(ahash::RandomState::new).hash_one(name);
    if places.is_empty() {
        places.resize(PLACES, Place::default());
    }
    let Some(place) = places.get_mut(name as usize % PLACES) else { return Admission::Write };
    if place.name == name && place.minute == minute {
        place.lines = place.lines.saturating_add(1);
        let is_within = place.lines <= MAX_LINES_OF_SOURCE;
        return if is_within { Admission::Write } else { Admission::Suppress };
    }
    let left_out = place.lines.saturating_sub(MAX_LINES_OF_SOURCE);
    let is_same = place.name == name;
    *place = Place { name, minute, lines: 1 };
    if is_same && left_out > 0 { Admission::WriteAfter(left_out.into()) } else { Admission::Write }
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
pub(super) fn escape(foreign: &str) -> String {
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
    fn a_failed_login_reads_like_asterisks_for_fail2bans_stock_filter() {
        let source = "203.0.113.7:5062".parse().unwrap();
        let text =
            asterisk_line(1_769_860_800_000, source, "1\",RemoteAddress=\"IPV4/UDP/9.9.9.9/1");
        let (head, event) = text.split_once(" strowger: ").unwrap();
        assert!(head.starts_with("[2026-01-31 12:00:00.000] SECURITY["), "{head}");
        assert!(event.starts_with("SecurityEvent=\"InvalidPassword\","));
        // The filter takes what stands last.
        assert!(event.ends_with(",RemoteAddress=\"IPV4/UDP/203.0.113.7/5062\""), "{event}");
        assert_eq!(event.matches(",RemoteAddress=\"").count(), 1);
        let source = "[2001:db8::7]:5062".parse().unwrap();
        assert!(asterisk_line(0, source, "x").ends_with("\"IPV6/UDP/2001:db8::7/5062\""));
    }

    #[test]
    fn a_source_has_so_many_lines_a_minute_of_each_event_and_then_a_sum() {
        let mut places = Vec::new();
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let mut written = |event: &str, minute: u64, times: u32| {
            let mut admit = || admit_source(&mut places, (event, address), minute);
            (0..times).filter(|_| !matches!(admit(), Admission::Suppress)).count()
        };
        assert_eq!(written("malformed", 7, 100), 30);
        assert_eq!(written("scanner", 7, 1), 1);
        let next = admit_source(&mut places, ("malformed", address), 8);
        assert!(matches!(next, Admission::WriteAfter(70)));
        assert_eq!(places.len(), PLACES);
    }

    #[derive(Clone, Default)]
    struct Written(std::sync::Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn foreign_text_is_escaped_and_cut_in_json_too() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let evil = format!("\u{1b}[31m\u{202e}\"{}", "x".repeat(500));
        tracing::subscriber::with_default(log, || {
            write_json("auth_ok_new_net", "192.0.2.7:5060".parse().ok(), &evil, &evil);
        });
        let line: serde_json::Value = serde_json::from_slice(&written.0.lock().unwrap()).unwrap();
        let fields = &line["fields"];
        assert_eq!((&fields["src"], &fields["port"]), (&"192.0.2.7".into(), &5060.into()));
        for field in ["user", "reason"] {
            assert_eq!(fields[field], escape(&evil), "{field}");
        }
        assert!(escape(&evil).starts_with("\\x1b[31m\\xe2\\x80\\xae\\x22xx"));
        assert!(escape(&evil).ends_with(&"x".repeat(119)));
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
