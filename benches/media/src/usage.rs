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
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(number.parse::<u64>()? * 1_024)
}

/// Open descriptors.
pub(crate) fn descriptors(process: u32) -> Outcome<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}
