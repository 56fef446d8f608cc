//! The kernel path of media: from the configuration to the relay, and into log and metrics.

use config::FastPath;
use media::{FastPathConfig, FastPathMode, PortSteering, RelayReport, Watcher};

use crate::observe::Sample;

/// What the relay is told.
pub(super) fn config(media: &config::Media) -> FastPathConfig {
    let mode = match media.fast_path {
        FastPath::Auto => FastPathMode::Auto,
        FastPath::Xdp => FastPathMode::Xdp,
        FastPath::Tc => FastPathMode::Tc,
        FastPath::Off => FastPathMode::Off,
    };
    FastPathConfig { mode, pins: media.fast_path_pins.clone() }
}

/// How ports come to the relay's threads.
pub(super) fn steering(media: &config::Media) -> PortSteering {
    if media.steers_ports { PortSteering::Auto } else { PortSteering::Off }
}

/// Logs whether there is a kernel path, and why not.
pub(super) fn announce(wished: FastPath, report: &RelayReport) {
    match &report.kernel_off {
        Some(reason) if matches!(wished, FastPath::Auto | FastPath::Off) => {
            tracing::info!("media goes through user space: {reason}");
        }
        Some(reason) => tracing::warn!("media goes through user space: {reason}"),
        None => tracing::info!(
            orphans = report.kernel_orphans,
            "media that needs no more than rewriting goes through the kernel"
        ),
    }
    match &report.steering_off {
        _ if report.shared_ports.is_some() => tracing::info!(
            ports = ?report.shared_ports,
            "the media of all calls shares ports, told apart by where it comes from"
        ),
        Some(reason) => tracing::info!("each media port has a socket of its own: {reason}"),
        None => tracing::info!("all media ports lead to one socket for each thread"),
    }
    if let Some(reason) = &report.unpinned {
        tracing::warn!("media in the kernel ends with the process: {reason}");
    }
}

/// For `/metrics`.
pub(super) fn samples(watcher: &Watcher) -> Vec<Sample> {
    let report = watcher.read();
    let name = |name: &str| format!("media_{name}");
    let (user, kernel) = (report.user_packets, report.kernel_packets);
    let is_steered = u64::from(report.steering_off.is_none());
    let is_on = u64::from(report.kernel_off.is_none());
    let (streams, orphans) = (report.kernel_streams, report.kernel_orphans);
    let shared = report.shared_ports.as_ref().map_or(0, |ports| ports.len() as u64);
    vec![
        Sample::gauge(name("shared_ports"), "Ports that all calls share; 0: none.", shared),
        Sample::counter(
            name("strangers_total"),
            "Packets at shared ports from where nobody expects any.",
            report.strangers,
        ),
        Sample::counter(
            name("ambiguous_total"),
            "Packets at shared ports that more than one call might be meant by.",
            report.ambiguous,
        ),
        Sample::counter(name("user_packets_total"), "Media packets by user space.", user),
        Sample::counter(name("kernel_packets_total"), "Media packets by the kernel.", kernel),
        Sample::gauge(name("busy_percent"), "Time of the busiest thread.", report.busy_percent),
        Sample::gauge(
            name("starved_percent"),
            "Time in which a thread had something to do and no processor, at most.",
            report.starved_percent,
        ),
        Sample::gauge(name("steering"), "1 if ports share sockets.", is_steered),
        Sample::gauge(name("kernel_path"), "1 if there is a kernel path.", is_on),
        Sample::gauge(name("kernel_streams"), "Streams that the kernel forwards.", streams),
        Sample::gauge(name("kernel_orphans"), "Such streams of an earlier process.", orphans),
    ]
}
