//! How the relay forwards, as administrators see it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::command::Signal;
use super::kernel::Kernel;
use crate::control::{KernelInterface, RelayReport};

/// Reads how the relay forwards. Cheap to clone; usable as long as one likes.
#[derive(Clone)]
pub struct Watcher {
    signals: Vec<Arc<Signal>>,
    kernel: Option<Arc<Kernel>>,
    off: Option<String>,
    steering_off: Option<String>,
    shared_ports: Option<RangeInclusive<u16>>,
}

impl Watcher {
    pub(super) fn new(
        signals: Vec<Arc<Signal>>,
        kernel: Option<Arc<Kernel>>,
        off: Option<String>,
        steering_off: Option<String>,
        shared_ports: Option<RangeInclusive<u16>>,
    ) -> Self {
        Self { signals, kernel, off, steering_off, shared_ports }
    }

    /// How it stands now.
    #[must_use]
    pub fn read(&self) -> RelayReport {
        let user_packets =
            self.signals.iter().map(|signal| signal.forwarded.load(Ordering::Relaxed)).sum();
        let most = |of: fn(&Signal) -> &AtomicU64| {
            let all = self.signals.iter().map(|signal| of(signal).load(Ordering::Relaxed));
            all.max().unwrap_or_default()
        };
        let sum = |of: fn(&Signal) -> &AtomicU64| {
            self.signals.iter().map(|signal| of(signal).load(Ordering::Relaxed)).sum()
        };
        let report = RelayReport {
            kernel_off: self.off.clone(),
            steering_off: self.steering_off.clone(),
            shared_ports: self.shared_ports.clone(),
            strangers: sum(|signal| &signal.strangers),
            ambiguous: sum(|signal| &signal.ambiguous),
            busy_percent: most(|signal| &signal.busy_percent),
            starved_percent: most(|signal| &signal.starved_percent),
            user_packets,
            ..RelayReport::default()
        };
        let Some(kernel) = &self.kernel else { return report };
        let status = kernel.status();
        let interface = |(name, hooks, reasons): (String, fastpath::Hooks, Vec<String>)| {
            KernelInterface { name, xdp: hooks.xdp, tc: hooks.tc, reasons }
        };
        RelayReport {
            kernel_off: None,
            unpinned: status.unpinned,
            kernel_packets: kernel.forwarded(),
            kernel_streams: u64::try_from(status.flows).unwrap_or_default(),
            kernel_orphans: u64::try_from(status.orphans).unwrap_or_default(),
            interfaces: status.interfaces.into_iter().map(interface).collect(),
            ..report
        }
    }

    /// How often the kernel path's program ran and for how long, by hook, while the kernel kept
    /// statistics of it (`sysctl kernel.bpf_stats_enabled=1`).
    #[must_use]
    pub fn run_times(&self) -> Vec<(&'static str, u64, Duration)> {
        self.kernel.as_ref().map_or_else(Vec::new, |kernel| kernel.run_times())
    }
}
