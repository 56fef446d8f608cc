//! The switch as a child process, and what the kernel says of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::rig::configuration;

/// A running switch; it ends with this value.
pub(crate) struct Switch {
    child: Child,
    /// Its configuration.
    pub(crate) file: PathBuf,
    pub(crate) sip: SocketAddr,
    pub(crate) api: SocketAddr,
}

/// CPU time of the switch's threads by name.
#[derive(Clone, Debug, Default)]
pub(super) struct CpuTime(BTreeMap<String, Duration>);

impl Switch {
    /// Starts the program that lies beside this one.
    pub(super) fn start(lines: usize) -> Result<Switch, Box<dyn Error>> {
        Switch::with(&configuration(lines))
    }

    /// The same with any configuration.
    pub(crate) fn with(configuration: &str) -> Result<Switch, Box<dyn Error>> {
        let program = std::env::current_exe()?.with_file_name("strowger");
        if !program.exists() {
            let text = format!("{} is not there: cargo build --release", program.display());
            return Err(text.into());
        }
        let name = format!("strowger-load-{}.toml", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, configuration)?;
        let mut child = Command::new(program)
            .args(["run", "--log", "error", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ready = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut ready)?;
        }
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut switch = Switch { child, file, sip: unknown, api: unknown };
        for word in ready.split_whitespace() {
            if let Some(address) = word.strip_prefix("sip=udp:") {
                switch.sip = address.parse()?;
            } else if let Some(address) = word.strip_prefix("api=") {
                switch.api = address.parse()?;
            }
        }
        match switch.sip.port() {
            0 => Err(format!("the switch is not ready but says {ready:?}").into()),
            _ => Ok(switch),
        }
    }

    /// Its process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far.
    pub(super) fn cpu(&self) -> Result<CpuTime, Box<dyn Error>> {
        let mut times = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let folder = task?.path();
            // A thread may end while we look.
            if let Some((name, time)) = of_thread(&folder) {
                *times.entry(name).or_default() += time;
            }
        }
        Ok(CpuTime(times))
    }

    /// Memory in use, in KiB.
    pub(crate) fn memory_kib(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// Name and CPU time; the first number of schedstat is nanoseconds on a CPU.
fn of_thread(folder: &Path) -> Option<(String, Duration)> {
    let name = fs::read_to_string(folder.join("comm")).ok()?;
    let statistics = fs::read_to_string(folder.join("schedstat")).ok()?;
    let nanoseconds = statistics.split_whitespace().next()?.parse().ok()?;
    Some((name.trim().to_owned(), Duration::from_nanos(nanoseconds)))
}

impl CpuTime {
    /// What was used since `before`.
    pub(super) fn since(&self, before: &CpuTime) -> CpuTime {
        let used = self.0.iter().map(|(name, time)| {
            let before = before.0.get(name).copied().unwrap_or_default();
            (name.clone(), time.saturating_sub(before))
        });
        CpuTime(used.collect())
    }

    /// All threads together.
    pub(super) fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// The threads that share these first letters of their names.
    pub(super) fn of(&self, prefix: &str) -> Duration {
        self.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, time)| time).sum()
    }

    /// `exchange 0.21, sip 0.11` in milliseconds for each of `count`.
    pub(super) fn each(&self, count: u64) -> String {
        let mut threads: Vec<_> = self.0.iter().collect();
        threads.sort_by_key(|(_, time)| std::cmp::Reverse(**time));
        let text = threads.iter().filter(|(_, time)| !time.is_zero()).map(|(name, time)| {
            let name = name.strip_prefix("strowger-").unwrap_or(name);
            format!("{name} {:.4}", time.as_secs_f64() * 1000.0 / count.max(1) as f64)
        });
        text.collect::<Vec<_>>().join(", ")
    }
}
