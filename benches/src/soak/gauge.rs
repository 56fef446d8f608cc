//! What the kernel and the switch say about the process.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) memory_kib: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// TAPI calls that are not IDLE.
    pub(super) calls: u64,
    /// SIP legs.
    pub(super) legs: u64,
}

/// Looks at a process.
pub(super) struct Gauge {
    pid: u32,
    api: SocketAddr,
}

impl Gauge {
    pub(super) fn new(pid: u32, api: SocketAddr) -> Gauge {
        Gauge { pid, api }
    }

    pub(super) fn read(&self) -> Result<Sample, Box<dyn Error>> {
        let entries = |folder: &str| -> Result<u64, Box<dyn Error>> {
            Ok(u64::try_from(fs::read_dir(format!("/proc/{}/{folder}", self.pid))?.count())?)
        };
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
        let (_, metrics) = api(self.api, "GET", "/metrics", "")?;
        let metric = |name: &str| -> Result<u64, Box<dyn Error>> {
            let prefix = format!("strowger_{name} ");
            let line = metrics.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
            Ok(line.ok_or_else(|| format!("no metric {name}"))?.trim().parse()?)
        };
        Ok(Sample {
            memory_kib: memory.parse()?,
            descriptors: entries("fd")?,
            threads: entries("task")?,
            calls: metric("calls_active")?,
            legs: metric("legs_active")?,
        })
    }
}

/// One request to the control interface: status and body.
pub(super) fn api(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(u16, String), Box<dyn Error>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer load-token\r\n\
         Connection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split_whitespace().nth(1).ok_or("no status line")?.parse()?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((status, body.to_owned()))
}
