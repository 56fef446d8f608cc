//! Readers of `domain`, `[sip]`, `[registration]`, `[media]`, `[api]`, `[state]`, `[switch]`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::{At, Section};
use crate::check::Target;
use crate::diagnose::nearest;
use crate::model::rim::{
    Api, DigestAlgorithm, FastPath, Listen, Media, Registration, Scope, Sip, Speech, State,
    StatePath, Switch, Token, Transport,
};
use crate::model::tls::Connections;
use crate::secret::Secret;

const SECOND: Duration = Duration::from_secs(1);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Fewest media ports: RTP and RTCP for both parties of one call.
const MIN_MEDIA_PORTS: u16 = 4;

pub(super) fn domain(root: &Section<'_>) -> String {
    let expected = "a host name such as \"office.example\"";
    let Some(domain) = root.required("domain", expected) else { return String::new() };
    if !is_host(&domain.value) {
        let found = format!("\"{}\" is no host name", domain.value);
        root.context.fault(&domain.span, found, expected);
    }
    domain.value.to_ascii_lowercase()
}

/// A host name (RFC 1123) or an IP address; IPv6 within brackets.
pub(super) fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

pub(super) fn sip(root: &Section<'_>) -> Sip {
    let mut sip = Sip {
        listen: [Transport::Udp, Transport::Tcp]
            .map(|transport| Listen { transport, address: SocketAddr::new(LOOPBACK, 5060) })
            .to_vec(),
        session_expires: Duration::from_secs(1800),
        min_session_expires: Duration::from_secs(90),
        digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        tls: None,
        origins: Vec::new(),
        connections: Connections::default(),
    };
    let Some(section) = root.table("sip") else { return sip };
    let expected = "a list such as [\"udp:192.0.2.1:5060\"]";
    if let Some(texts) = section.strings("listen", expected) {
        if texts.is_empty() {
            section.fault("listen", "sip.listen is empty", expected);
        }
        let listen: Vec<_> = texts.iter().filter_map(|text| listener(&section, text)).collect();
        for (index, (listen_on, span)) in listen.iter().enumerate() {
            let is_taken = |(other, _): &(Listen, _)| {
                other.address.port() != 0
                    && other.address == listen_on.address
                    && (other.transport == Transport::Udp)
                        == (listen_on.transport == Transport::Udp)
            };
            if listen.iter().take(index).any(is_taken) {
                let found = format!("{listen_on} takes a port that is already listened on");
                section.context.fault(span, found, "each address and port once");
            }
        }
        sip.listen = listen.into_iter().map(|(listen, _)| listen).collect();
    }
    // RFC 4028 section 4: no session interval below 90 seconds.
    let least = Duration::from_secs(90);
    let min = section.seconds("min_session_expires", least).unwrap_or(sip.min_session_expires);
    let default = section.seconds("session_expires", least).unwrap_or(sip.session_expires.max(min));
    if default < min {
        let found = "sip.session_expires is shorter than sip.min_session_expires";
        section.fault("session_expires", found, "at least sip.min_session_expires");
    }
    sip.min_session_expires = min;
    sip.session_expires = default;
    if section.has("digest") {
        sip.digest = digest(&section);
    }
    sip.tls = super::tls::tls(&section);
    sip.origins = super::tls::origins(&section);
    sip.connections = super::tls::connections(&section);
    section.finish();
    sip
}

fn digest(section: &Section<'_>) -> Vec<DigestAlgorithm> {
    let expected = "\"SHA-256\", \"MD5\" or both, the one to prefer first";
    let names = section.names("digest", expected, false);
    let read = |name: &At<String>| {
        let known = DigestAlgorithm::ALL.iter().find(|(known, _)| *known == name.value);
        if known.is_none() {
            let tokens = DigestAlgorithm::ALL.iter().map(|(token, _)| *token);
            let found = format!("\"{}\" is no digest algorithm", name.value);
            let suggestion = nearest(&name.value, tokens);
            section.context.faults.report(&name.span, found, expected, suggestion);
        }
        known.map(|(_, algorithm)| *algorithm)
    };
    names.iter().filter_map(read).collect()
}

fn listener(section: &Section<'_>, text: &At<String>) -> Option<(Listen, std::ops::Range<usize>)> {
    let expected =
        "TRANSPORT:ADDRESS:PORT with udp, tcp, tls, ws or wss, such as \"udp:192.0.2.1:5060\"";
    let (name, address) = text.value.split_once(':').unwrap_or((&text.value, ""));
    let transport = Transport::ALL.iter().find(|(known, _)| *known == name);
    let address = address.parse::<SocketAddr>();
    match (transport, address) {
        (Some((_, transport)), Ok(address)) => {
            Some((Listen { transport: *transport, address }, text.span.clone()))
        }
        (None, Ok(_)) => {
            let names = Transport::ALL.iter().map(|(known, _)| *known);
            let found = format!("\"{name}\" is no transport");
            section.context.faults.report(&text.span, found, expected, nearest(name, names));
            None
        }
        (_, Err(_)) => {
            let found = format!("\"{}\" is nothing to listen on", text.value);
            section.context.fault(&text.span, found, expected);
            None
        }
    }
}

pub(super) fn registration(root: &Section<'_>) -> Registration {
    let mut registration = Registration {
        min_expires: Duration::from_secs(60),
        default_expires: Duration::from_secs(300),
        max_expires: Duration::from_secs(3600),
        max_contacts: 10,
    };
    let Some(section) = root.table("registration") else { return registration };
    let min = section.seconds("min_expires", SECOND);
    let default = section.seconds("default_expires", SECOND);
    let max = section.seconds("max_expires", SECOND);
    // What the file leaves out follows what it says.
    registration.max_expires = max.unwrap_or_else(|| {
        registration.max_expires.max(default.unwrap_or_default()).max(min.unwrap_or_default())
    });
    registration.min_expires = min.unwrap_or_else(|| {
        registration.min_expires.min(default.unwrap_or(Duration::MAX)).min(registration.max_expires)
    });
    registration.default_expires = default.unwrap_or_else(|| {
        registration
            .default_expires
            .min(registration.max_expires)
            .max(registration.min_expires.min(registration.max_expires))
    });
    if registration.max_expires < registration.min_expires {
        let found = "registration.max_expires is shorter than registration.min_expires";
        section.fault("max_expires", found, "at least registration.min_expires");
    } else if !(registration.min_expires..=registration.max_expires)
        .contains(&registration.default_expires)
    {
        let found = "registration.default_expires is not between min_expires and max_expires";
        section.fault("default_expires", found, "a duration from min_expires to max_expires");
    }
    if let Some(limit) = section.integer("max_contacts", 1..=100) {
        registration.max_contacts = usize::try_from(limit).unwrap_or(registration.max_contacts);
    }
    section.finish();
    registration
}

/// Where Linux has its BPF file system, and our folder there.
const PINS: &str = "/sys/fs/bpf/strowger";
const FAST_PATHS: [(&str, FastPath); 4] = [
    ("auto", FastPath::Auto),
    ("xdp", FastPath::Xdp),
    ("tc", FastPath::Tc),
    ("off", FastPath::Off),
];

/// Translated calls that a thread has the time for, whatever the codecs.
const TRANSCODED_PER_WORKER: usize = 100;
/// Each of them takes a room of the mixer, and conferences shall find one, too.
const TRANSCODED_MAX: usize = 1_000;
/// What is left is for the unevenness of the calls that there are.
const BUSY_LIMIT: u8 = 90;
const PORT_STEERING: [(&str, bool); 2] = [("auto", true), ("off", false)];

pub(super) fn media(root: &Section<'_>, sip: &Sip) -> Media {
    let listens = sip.listen.iter().map(|listen| listen.address.ip());
    let first_listener = listens.clone().next().unwrap_or(LOOPBACK);
    let mut media = Media {
        address: first_listener,
        public_address: None,
        ports: 16384..=32767,
        shared_ports: None,
        workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        busy_limit: BUSY_LIMIT,
        timeout: Duration::from_secs(300),
        fast_path: FastPath::Auto,
        fast_path_pins: PathBuf::from(PINS),
        steers_ports: true,
        music: None,
        sdes_without_tls: false,
        transcode: Speech::ALL.map(|(_, speech)| speech).to_vec(),
        max_transcoded: 0,
    };
    let section = root.table("media");
    let mut span = root.span.clone();
    let mut most = None;
    if let Some(section) = &section {
        span = section.span_of("address");
        media.address = section.address("address").unwrap_or(media.address);
        media.public_address = section.address("public_address");
        media.ports = ports(section).unwrap_or(media.ports);
        media.shared_ports = shared_ports(section);
        let workers = section.integer("workers", 1..=256);
        media.workers =
            workers.and_then(|number| usize::try_from(number).ok()).unwrap_or(media.workers);
        media.busy_limit = busy_limit(section).unwrap_or(media.busy_limit);
        media.timeout = section.duration("timeout", SECOND).unwrap_or(media.timeout);
        media.fast_path = section.choice("fast_path", &FAST_PATHS).unwrap_or_default();
        if media.shared_ports.is_some() {
            agrees_to_share(section, media.fast_path);
        }
        media.steers_ports = section.choice("port_steering", &PORT_STEERING).unwrap_or(true);
        if let Some(pins) = section.string("fast_path_pins", "a folder on a BPF file system") {
            media.fast_path_pins = PathBuf::from(&pins.value);
            if !media.fast_path_pins.is_absolute() {
                let found = format!("\"{}\" is no absolute path", pins.value);
                section.fault("fast_path_pins", found, format!("a folder such as \"{PINS}\""));
            }
        }
        media.music = section.sound("music");
        media.sdes_without_tls = section.boolean("sdes_without_tls").unwrap_or(false);
        media.transcode = transcode(section).unwrap_or(media.transcode);
        most = section.integer("max_transcoded", 0..=1_000).and_then(|most| most.try_into().ok());
        if let Some(public) = media.public_address
            && (public.is_unspecified() || public.is_ipv4() != media.address.is_ipv4())
        {
            let found = format!("media.public_address {public} cannot be advertised");
            section.fault("public_address", found, "an address of the family of media.address");
        }
    }
    let for_all = TRANSCODED_PER_WORKER.saturating_mul(media.workers).min(TRANSCODED_MAX);
    media.max_transcoded = most.unwrap_or(for_all);
    if media.address.is_unspecified() && media.public_address.is_none() {
        let found = format!("media.address {} cannot be advertised in SDP", media.address);
        let expected = "media.address, or media.public_address beside it";
        root.context.fault(&span, found, expected);
    }
    let meets =
        |ip: IpAddr| ip == media.address || ip.is_unspecified() || media.address.is_unspecified();
    let (setting, used) = match &media.shared_ports {
        Some(shared) => ("shared_ports", shared),
        None => ("ports", &media.ports),
    };
    for listen in &sip.listen {
        let is_udp = listen.transport == Transport::Udp && meets(listen.address.ip());
        if is_udp && used.contains(&listen.address.port()) {
            let span = section.as_ref().map_or(span.clone(), |section| section.span_of(setting));
            let found = format!("media.{setting} contains the port of {listen}");
            root.context.fault(&span, found, "ports that nothing else uses");
        }
    }
    if let Some(section) = section {
        section.finish();
    }
    media
}

fn busy_limit(section: &Section<'_>) -> Option<u8> {
    section.integer("busy_limit", 1..=100).and_then(|percent| percent.try_into().ok())
}

fn transcode(section: &Section<'_>) -> Option<Vec<Speech>> {
    let expected = "an array of \"PCMU\", \"PCMA\", \"G722\" and \"opus\"";
    let mut known = Vec::new();
    for name in section.strings("transcode", expected)? {
        let mut all = Speech::ALL.into_iter();
        match all.find(|(known, _)| known.eq_ignore_ascii_case(&name.value)) {
            Some((_, speech)) if !known.contains(&speech) => known.push(speech),
            Some(_) => {}
            None => {
                let found = format!("\"{}\" is no codec that can be translated", name.value);
                section.context.fault(&name.span, found, expected);
            }
        }
    }
    Some(known)
}

fn ports(section: &Section<'_>) -> Option<RangeInclusive<u16>> {
    let expected = "a range such as \"16384-32767\"";
    let text = section.string("ports", expected)?;
    let (first, last) = text.value.split_once('-').unwrap_or((&text.value, ""));
    let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) else {
        section.context.fault(&text.span, format!("\"{}\" is no port range", text.value), expected);
        return None;
    };
    if first < 1024 || last < first || last - first < MIN_MEDIA_PORTS - 1 {
        let found = format!("the port range {} cannot be used", text.value);
        let expected = format!("at least {MIN_MEDIA_PORTS} ports between 1024 and 65535");
        section.context.fault(&text.span, found, expected);
        return None;
    }
    Some(first..=last)
}

/// Most ports that all calls may share.
const MAX_SHARED_PORTS: usize = 64;

/// Pairs of ports, each an even one for RTP with the odd one after it for RTCP.
fn shared_ports(section: &Section<'_>) -> Option<RangeInclusive<u16>> {
    let expected = "pairs of ports such as \"16384-16385\" or \"16384-16399\"";
    let text = section.string("shared_ports", expected)?;
    let (first, last) = text.value.split_once('-').unwrap_or((&text.value, ""));
    let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) else {
        section.context.fault(&text.span, format!("\"{}\" is no port range", text.value), expected);
        return None;
    };
    if first < 1024 || last < first || !first.is_multiple_of(2) || last.is_multiple_of(2) {
        let found = format!("the port range {} is not made of pairs", text.value);
        let expected = "an even first port from 1024 on and an odd last one";
        section.context.fault(&text.span, found, expected);
        return None;
    }
    if (first..=last).len() > MAX_SHARED_PORTS {
        let found = format!("the port range {} has {} ports", text.value, (first..=last).len());
        let expected = format!("at most {MAX_SHARED_PORTS}; media.ports gives each stream its own");
        section.context.fault(&text.span, found, expected);
        return None;
    }
    Some(first..=last)
}

/// What cannot be had where calls share ports.
fn agrees_to_share(section: &Section<'_>, fast_path: FastPath) {
    if section.has("ports") {
        let found = "media.ports is not used beside media.shared_ports";
        section.fault("ports", found, "one of the two");
    }
    if matches!(fast_path, FastPath::Xdp | FastPath::Tc) {
        let found = "the kernel cannot forward media of shared ports";
        section.fault("fast_path", found, "\"auto\" or \"off\" beside media.shared_ports");
    }
}

pub(super) fn api(root: &Section<'_>, sip: &Sip) -> Api {
    let mut api = Api {
        listen: SocketAddr::new(LOOPBACK, 8080),
        tokens: Vec::new(),
        resume_window: Duration::from_secs(60),
        max_queued_messages: 10_000,
        audit_file: None,
    };
    let Some(section) = root.table("api") else { return api };
    let expected = "an address such as \"127.0.0.1:8080\"";
    if let Some(text) = section.string("listen", expected) {
        match text.value.parse() {
            Ok(address) => api.listen = address,
            Err(_) => {
                let found = format!("\"{}\" is no address with a port", text.value);
                section.context.fault(&text.span, found, expected);
            }
        }
    }
    let is_known = section.boolean("i_know").unwrap_or(false);
    if !api.listen.ip().is_loopback() && !is_known {
        let found = format!(
            "the control interface would listen on {}, where its tokens cross the network unencrypted",
            api.listen
        );
        let expected = "a loopback address, or i_know = true beside it in [api]";
        section.fault("listen", found, expected);
    }
    let is_taken = |listen: &Listen| {
        listen.transport != Transport::Udp
            && listen.address.port() == api.listen.port()
            && api.listen.port() != 0
            && (listen.address.ip() == api.listen.ip()
                || listen.address.ip().is_unspecified()
                || api.listen.ip().is_unspecified())
    };
    if let Some(listen) = sip.listen.iter().find(|listen| is_taken(listen)) {
        let found = format!("api.listen takes the port of {listen}");
        section.fault("listen", found, "a port of its own");
    }
    api.resume_window =
        section.duration("resume_window", Duration::ZERO).unwrap_or(api.resume_window);
    if let Some(limit) = section.integer("max_queued_messages", 1..=1_000_000) {
        api.max_queued_messages = usize::try_from(limit).unwrap_or(api.max_queued_messages);
    }
    let expected = "the path of a file; a relative one starts at the folder of this file";
    let audit_file = section.string("audit_file", expected);
    api.audit_file = audit_file.and_then(|path| section.path_of("audit_file", &path, expected));
    let mut seen = Vec::new();
    for entry in section.array("tokens") {
        api.tokens.extend(token(&entry, &mut seen));
        entry.finish();
    }
    section.finish();
    api
}

fn token(entry: &Section<'_>, seen: &mut Vec<(String, Secret)>) -> Option<Token> {
    entry.required("name", "a name for logs");
    let name = entry.label("name");
    let secret = entry.required_secret("secret", "token");
    let expected = "a list of scopes such as [\"admin\"]";
    let mut scopes = BTreeSet::new();
    for word in entry.names("scopes", expected, false) {
        scopes.extend(entry.chosen(&word, &Scope::ALL));
    }
    let lines = entry.strings("lines", "a list of line numbers").map(|lines| {
        for line in &lines {
            entry.context.refer(Target::Line, line);
        }
        lines.into_iter().map(|line| line.value).collect()
    });
    let (name, secret) = (name?, secret?);
    if !secret.value.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        let found = "the token cannot be sent in an HTTP header";
        entry.fault("secret", found, "visible ASCII characters without spaces");
    }
    if seen.iter().any(|(other, _)| *other == name) {
        entry.fault("name", format!("there already is a token \"{name}\""), "a name of its own");
    }
    if let Some((other, _)) = seen.iter().find(|(_, other)| *other == secret.value) {
        let found = format!("the token has the secret of \"{other}\"");
        entry.fault("secret", found, "a secret of its own");
    }
    seen.push((name.clone(), secret.value.clone()));
    Some(Token { name, secret: secret.value, scopes, lines })
}

pub(super) fn state(root: &Section<'_>) -> State {
    let mut state = State { path: StatePath::Memory };
    let Some(section) = root.table("state") else { return state };
    let expected = "the path of a file, or \":memory:\"";
    let path = section.string("path", expected).filter(|path| path.value != ":memory:");
    if let Some(path) = path.and_then(|path| section.path_of("path", &path, expected)) {
        state.path = StatePath::File(path);
    }
    section.finish();
    state
}

pub(super) fn switch(root: &Section<'_>) -> Switch {
    let drain_timeout = Duration::from_secs(600);
    let mut switch = Switch { drain_timeout, user: None, group: None };
    let Some(section) = root.table("switch") else { return switch };
    let drain_timeout = section.duration("drain_timeout", Duration::ZERO);
    switch.drain_timeout = drain_timeout.unwrap_or(switch.drain_timeout);
    switch.user = account(&section, "user");
    switch.group = account(&section, "group");
    if switch.group.is_some() && switch.user.is_none() {
        section.fault("group", "switch.group stands without switch.user", "a user as well");
    }
    section.finish();
    switch
}

/// The name of a user or a group of the system.
fn account(section: &Section<'_>, key: &'static str) -> Option<String> {
    let name = section.string(key, "a name such as \"strowger\"")?;
    let is_name = name.value.bytes().enumerate().all(|(at, byte)| {
        byte.is_ascii_lowercase() || byte == b'_' || (at > 0 && matches!(byte, b'0'..=b'9' | b'-'))
    });
    if name.value.is_empty() || name.value.len() > 32 || !is_name {
        let found = format!("\"{}\" is no name of an account", name.value);
        section.fault(key, found, "small letters, digits, - and _");
    }
    Some(name.value)
}
