//! What the kernel says of a process: CPU time by the scheduler's clock, memory, descriptors.

use std::fs;
use std::time::Duration;

use crate::Outcome;

/// CPU time of all threads of a process.
pub(crate) fn cpu(process: u32) -> Outcome<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
        // A thread may end while we look.
        if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
            let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
            total += Duration::from_nanos(first.parse()?);
        }
    }
    Ok(total)
}

/// CPU time of the kernel's threads that deliver packets.
pub(crate) fn softirqs() -> Outcome<Duration> {
    let mut total = Duration::ZERO;
    for entry in fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.starts_with("ksoftirqd") || name.starts_with("napi/") {
            total += cpu(process)?;
        }
    }
    Ok(total)
}

/// Resident memory in octets.
pub(crate) fn memory(process: u32) -> Outcome<u64> {
    size(&fs::read_to_string(format!("/proc/{process}/status"))?, "VmRSS:")
}

/// One size of a process's status, in octets.
fn size(status: &str, name: &str) -> Outcome<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or(name)?;
    Ok(number.parse::<u64>()? * 1_024)
}

/// What this process holds at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Holding {
    /// Resident memory in octets.
    pub(crate) memory: u64,
    /// ... of that, what it has written itself: heap and stacks.
    pub(crate) written: u64,
    /// ... its program, as far as it was run, and what it shares with the kernel.
    pub(crate) mapped: u64,
    pub(crate) descriptors: usize,
}

impl Holding {
    pub(crate) fn now() -> Outcome<Self> {
        let process = std::process::id();
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        Ok(Self {
            memory: size(&status, "VmRSS:")?,
            written: size(&status, "RssAnon:")?,
            mapped: size(&status, "RssFile:")? + size(&status, "RssShmem:")?,
            descriptors: descriptors(process)?,
        })
    }
}

/// Open descriptors.
fn descriptors(process: u32) -> Outcome<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}
