//! Readers of `[trunks]` and `[[routes]]`.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::rim::is_host;
use super::{At, Section};
use crate::check::Target;
use crate::diagnose::nearest;
use crate::model::rim::Transport;
use crate::model::route::{IdentifyBy, Peer, Route, Trunk};
use crate::model::security::{Srtp, SrtpKeys};

/// Largest compiled pattern, in bytes; more is a mistake or an attack on memory.
const MAX_PATTERN_BYTES: usize = 1 << 20;

pub(super) fn trunks(root: &Section<'_>) -> BTreeMap<String, Trunk> {
    let mut trunks = BTreeMap::new();
    for (name, section) in root.children("trunks") {
        let expected = "a SIP URI such as \"sip:carrier.example:5060\"";
        let peer = section.required("peer", expected).and_then(|uri| {
            let peer = peer(&uri.value);
            if let Err(reason) = &peer {
                let shown = without_user(&uri.value);
                let found = format!("\"{shown}\" is no address of a peer: {reason}");
                section.context.fault(&uri.span, found, expected);
            }
            peer.ok()
        });
        let username = section.label("username");
        let password = section.secret("password", "password").map(|password| password.value);
        let register = section.boolean("register").unwrap_or(false);
        if register && username.is_none() {
            section.missing("username", "the name to register with");
        }
        if password.is_some() && username.is_none() {
            section.fault("password", "a password without a user name", "username beside it");
        }
        let expires = section.seconds("register_expires", Duration::from_secs(60));
        let identify_by = section.choice("identify_by", &IdentifyBy::ALL);
        let host = peer.as_ref().map(|peer| peer.host.clone()).unwrap_or_default();
        let trunk = Trunk {
            identify_by: identify_by.unwrap_or(IdentifyBy::Address),
            certificate_names: certificate_names(&section, host),
            name: name.value.clone(),
            peer: peer.unwrap_or_else(|| Peer {
                uri: String::new(),
                is_secure: false,
                host: String::new(),
                port: None,
                transport: None,
            }),
            username,
            password,
            register,
            register_expires: expires.unwrap_or(Duration::from_secs(3600)),
            inbound: super::features::destination(&section, "inbound", ""),
            channels: section
                .integer("channels", 1..=100_000)
                .and_then(|most| usize::try_from(most).ok()),
            calls_per_minute: section.integer("calls_per_minute", 1..=100_000),
            srtp: section.choice("srtp", &Srtp::ALL).unwrap_or_default(),
            srtp_keys: section.choice("srtp_keys", &SrtpKeys::ALL).unwrap_or_default(),
        };
        section.finish();
        trunks.insert(name.value, trunk);
    }
    trunks
}

/// What the peer's certificate must name, lower case.
fn certificate_names(section: &Section<'_>, host: String) -> Vec<String> {
    if !section.has("certificate_names") {
        return vec![host];
    }
    let names = section.names("certificate_names", "a list of host names", false);
    for name in names.iter().filter(|name| !is_host(&name.value)) {
        // RFC 5922 §7.2: wildcards prove nothing.
        let found = format!("\"{}\" is no host name", name.value);
        section.context.fault(&name.span, found, "a whole host name, without wildcards");
    }
    names.into_iter().map(|name| name.value.to_ascii_lowercase()).collect()
}

/// What of a peer's address may be shown: its user part can hold a password (SEC-112).
fn without_user(uri: &str) -> String {
    let Some((before, rest)) = uri.rsplit_once('@') else { return uri.to_owned() };
    let is_start = |scheme: &&str| {
        before.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let scheme = ["sip:", "sips:"].into_iter().find(is_start).unwrap_or_default();
    format!("{scheme}…@{rest}")
}

/// Takes `sip:host:port;transport=tcp` apart (RFC 3261 19.1.1); a peer has no user part.
fn peer(uri: &str) -> Result<Peer, &'static str> {
    let (scheme, rest) = uri.split_once(':').ok_or("it does not begin with sip:")?;
    let is_secure = match scheme.to_ascii_lowercase().as_str() {
        "sip" => false,
        "sips" => true,
        _ => return Err("it does not begin with sip: or sips:"),
    };
    if rest.contains('@') {
        return Err("it has a user part; use username");
    }
    if rest.contains('?') {
        return Err("it has headers");
    }
    let mut parts = rest.split(';');
    let (host, port) = host_and_port(parts.next().unwrap_or_default())?;
    let mut transport = None;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !name.eq_ignore_ascii_case("transport") {
            return Err("it has a parameter other than transport");
        }
        let value = value.to_ascii_lowercase();
        let known = Transport::ALL.iter().find(|(known, _)| *known == value);
        transport = Some(known.map(|(_, known)| *known).ok_or("its transport is not known")?);
    }
    if matches!(transport, Some(Transport::Ws | Transport::Wss)) {
        return Err("trunks do not speak WebSocket");
    }
    if is_secure && transport == Some(Transport::Udp) {
        return Err("sips needs TLS");
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    Ok(Peer { uri: uri.to_owned(), is_secure, host, port, transport })
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_host = if text.starts_with('[') {
        text.find(']').map(|at| at + 1).ok_or("a bracket is not closed")?
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, port) = text.split_at(after_host);
    if !is_host(host) {
        return Err("it has no valid host");
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        None => Err("something follows the host"),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err("its port is not 1 to 65535"),
            Ok(port) => Ok((host, Some(port))),
        },
    }
}

pub(super) fn routes(root: &Section<'_>) -> Vec<Route> {
    let mut routes = Vec::new();
    for section in root.array("routes") {
        let pattern = section.required("pattern", "a regular expression of dialled digits");
        let regex = pattern.and_then(|pattern| compiled(&section, &pattern));
        let trunk = section.required("trunk", "the name of a trunk");
        if let Some(trunk) = &trunk {
            section.context.refer(Target::Trunk, trunk);
        }
        let dial = section.string("dial", "what is sent to the trunk, such as \"$number\"");
        if let (Some(regex), Some(dial)) = (&regex, &dial) {
            check_groups(&section, regex, dial);
        }
        section.finish();
        if let (Some(regex), Some(trunk)) = (regex, trunk) {
            let dial = dial.map_or_else(|| "$0".to_owned(), |dial| dial.value);
            routes.push(Route { regex, trunk: trunk.value, dial });
        }
    }
    routes
}

fn compiled(section: &Section<'_>, pattern: &At<String>) -> Option<Regex> {
    let compiled = RegexBuilder::new(&pattern.value).size_limit(MAX_PATTERN_BYTES).build();
    match compiled {
        Ok(regex) => Some(regex),
        Err(error) => {
            // The regex crate draws a picture over several lines; its last line says what is wrong.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let found = format!("\"{}\" is no regular expression: {reason}", pattern.value);
            section.context.fault(&pattern.span, found, "a regular expression of dialled digits");
            None
        }
    }
}

/// Every `$name` of `dial` must be a group of the pattern, or nothing would be dialled for it.
fn check_groups(section: &Section<'_>, regex: &Regex, dial: &At<String>) {
    if dial.value.is_empty() {
        section.context.fault(&dial.span, "dial is empty", "such as \"$number\"");
    }
    let names: Vec<&str> = regex.capture_names().flatten().collect();
    let mut rest = dial.value.as_str();
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = match rest.strip_prefix('{') {
            Some(inner) => inner.split('}').next().unwrap_or_default(),
            None => rest.split(|c| !is_word(c)).next().unwrap_or_default(),
        };
        let is_group = match name.parse::<usize>() {
            Ok(index) => index < regex.captures_len(),
            Err(_) => names.contains(&name),
        };
        if !is_group {
            let found = format!("the pattern has no group \"{name}\"");
            let expected = if names.is_empty() {
                "a group of the pattern, written (?<number>…)".to_owned()
            } else {
                format!("${}", names.join(" or $"))
            };
            let suggestion = nearest(name, names.iter().copied());
            section.context.faults.report(&dial.span, found, expected, suggestion);
        }
    }
}
