//! Readers of `[sip.tls]`, `[sip.websocket]` and `[sip.connections]`, and what listeners and trunks
//! need of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::rim::is_host;
use super::{At, Context, Section};
use crate::certificate::{self, CertificateFault};
use crate::model::Config;
use crate::model::rim::Transport;
use crate::model::route::IdentifyBy;
use crate::model::tls::{ClientCertificates, Connections, Tls, TlsIdentity, TlsVersion};

/// Most domains with a certificate of their own.
const MAX_DOMAINS: usize = 1000;
const FILE: &str = "the path of a PEM file";

/// `[sip.tls]`; nothing where it is missing or at fault.
pub(super) fn tls(sip: &Section<'_>) -> Option<Tls> {
    let section = sip.table("tls")?;
    let identity = identity(&section);
    let mut domains = BTreeMap::new();
    for (name, child) in section.children("domains") {
        if !is_host(&name.value) || domains.len() >= MAX_DOMAINS {
            let found = format!("\"{}\" is no host name", name.value);
            section.context.fault(&name.span, found, "a host name such as \"sip.office.example\"");
        }
        if let Some(identity) = self::identity(&child) {
            domains.insert(name.value.to_ascii_lowercase(), identity);
        }
        child.finish();
    }
    let client_ca = roots(&section, "client_ca");
    let default = match client_ca {
        Some(_) => ClientCertificates::Optional,
        None => ClientCertificates::Off,
    };
    let clients = section.choice("client_certificates", &ClientCertificates::ALL);
    let client_certificates = clients.unwrap_or(default);
    if client_certificates != ClientCertificates::Off && !section.has("client_ca") {
        let found = "nothing says whose client certificates are good";
        section.fault("client_certificates", found, "client_ca beside it");
    }
    let trunk_ca = roots(&section, "trunk_ca");
    let min_version = section.choice("min_version", &TlsVersion::ALL);
    section.finish();
    Some(Tls {
        identity: identity?,
        domains,
        client_certificates,
        client_ca: client_ca.unwrap_or_default(),
        trunk_ca,
        min_version: min_version.unwrap_or(TlsVersion::V12),
    })
}

fn identity(section: &Section<'_>) -> Option<TlsIdentity> {
    let certificate = section.required("certificate", FILE);
    let key = section.required("key", FILE);
    let (certificate, key) = (certificate?, key?);
    let folder = &section.context.folder;
    let key_path = folder.join(&key.value);
    let setting = section.name("certificate");
    match certificate::identity(&folder.join(&certificate.value), &key_path, setting) {
        Ok(identity) => Some(identity),
        Err(fault) => {
            let at = if fault.is_of_key(&key_path) { &key } else { &certificate };
            report(section.context, at, &fault);
            None
        }
    }
}

fn roots(section: &Section<'_>, key: &'static str) -> Option<Vec<Arc<[u8]>>> {
    let file = section.string(key, FILE)?;
    match certificate::certificates(&section.context.folder.join(&file.value)) {
        Ok(roots) => Some(roots),
        Err(fault) => {
            report(section.context, &file, &fault);
            None
        }
    }
}

fn report(context: &Context<'_>, at: &At<String>, fault: &CertificateFault) {
    context.fault(&at.span, fault.to_string(), fault.expected());
}

/// `[sip.websocket] origins`; empty takes browsers from everywhere.
pub(super) fn origins(sip: &Section<'_>) -> Vec<String> {
    let Some(section) = sip.table("websocket") else { return Vec::new() };
    let expected = "a list such as [\"https://phone.office.example\"]";
    let texts = section.names("origins", expected, false);
    for text in &texts {
        let rest = text.value.split_once("://");
        let is_origin = rest.is_some_and(|(scheme, rest)| {
            matches!(scheme, "http" | "https")
                && !rest.is_empty()
                && !rest.contains(['/', '*', '@'])
        });
        if !is_origin {
            let found = format!("\"{}\" is no origin", text.value);
            section.context.fault(&text.span, found, "such as \"https://phone.office.example\"");
        }
    }
    section.finish();
    texts.into_iter().map(|text| text.value).collect()
}

/// `[sip.connections]`.
pub(super) fn connections(sip: &Section<'_>) -> Connections {
    let mut connections = Connections::default();
    let Some(section) = sip.table("connections") else { return connections };
    let number = |key, most: u32, default: usize| {
        let number = section.integer(key, 1..=most);
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    connections.max = number("max", 1_000_000, connections.max);
    connections.max_per_address = number("max_per_address", 1_000_000, connections.max_per_address);
    connections.max_handshakes = number("max_handshakes", 100_000, connections.max_handshakes);
    let second = Duration::from_secs(1);
    connections.handshake_timeout = section
        .duration("handshake_timeout", Duration::from_millis(100))
        .unwrap_or(connections.handshake_timeout);
    connections.idle_timeout =
        section.duration("idle_timeout", second).unwrap_or(connections.idle_timeout);
    section.finish();
    connections
}

/// Listeners and trunks that need certificates have them.
pub(crate) fn check(context: &Context<'_>, config: &Config) {
    let is_at_fault = config.sip.tls.is_none() && context.span_of("sip.tls") != (0..0);
    if is_at_fault {
        return; // That [sip.tls] cannot be read has been said.
    }
    let has_tls = config.sip.tls.is_some();
    for (index, listen) in config.sip.listen.iter().enumerate() {
        if matches!(listen.transport, Transport::Tls | Transport::Wss) && !has_tls {
            let span = context.span_of(&format!("sip.listen.{index}"));
            context.fault(&span, format!("{listen} has no certificate"), "[sip.tls]");
        }
    }
    for trunk in config.trunks.values() {
        let asks = config
            .sip
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_certificates != ClientCertificates::Off);
        if trunk.identify_by != IdentifyBy::Address && !asks {
            let span = context.span_of(&format!("trunks.{}.identify_by", trunk.name));
            let found = "nobody is asked for a certificate";
            context.fault(&span, found, "client_ca in [sip.tls]");
        }
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
