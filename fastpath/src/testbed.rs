//! Three network namespaces in a row, for tests and measurements: phones on the left and on the
//! right, the switch between them, joined by veth. Needs root, `ip` and `ethtool`.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{JoinHandle, spawn};

use crate::sys::enter;

/// The phones on the left.
pub const LEFT: Ipv4Addr = Ipv4Addr::new(10, 71, 0, 2);
/// The switch as those on the left know it.
pub const MIDDLE_LEFT: Ipv4Addr = Ipv4Addr::new(10, 71, 0, 1);
/// The switch as those on the right know it.
pub const MIDDLE_RIGHT: Ipv4Addr = Ipv4Addr::new(10, 72, 0, 1);
/// The phones on the right.
pub const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 72, 0, 2);

/// The phones on the left, on the way that leaves the switch out ([`Testbed::join`]).
pub const DIRECT_LEFT: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 1);
/// The phones on the right, likewise.
pub const DIRECT_RIGHT: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 2);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// One of the namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Phones.
    Left,
    /// The switch.
    Middle,
    /// Phones.
    Right,
}

/// The namespaces; they end with the value.
pub struct Testbed {
    name: String,
    pins: PathBuf,
}

impl Testbed {
    /// Makes the namespaces.
    ///
    /// Errors: why they cannot be made here; a test prints it and does nothing.
    pub fn new() -> Result<Self, String> {
        if crate::IS_BUILT {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("fp{}n{number}", std::process::id());
            let pins = std::env::temp_dir().join(format!("{name}-bpf"));
            let testbed = Self { name, pins };
            testbed.make()?;
            Ok(testbed)
        } else {
            Err("the program is not built in: clang is missing".to_owned())
        }
    }

    fn make(&self) -> Result<(), String> {
        fs::create_dir_all(&self.pins).map_err(|error| error.to_string())?;
        run("mount", &["-t", "bpf", "none", &self.pins.display().to_string()])?;
        for side in [Side::Left, Side::Middle, Side::Right] {
            let name = self.namespace(side);
            run("ip", &["netns", "add", &name])?;
            run("ip", &["-n", &name, "link", "set", "lo", "up"])?;
        }
        let middle = self.namespace(Side::Middle);
        for (side, ours, theirs, device) in
            [(Side::Left, MIDDLE_LEFT, LEFT, "left"), (Side::Right, MIDDLE_RIGHT, RIGHT, "right")]
        {
            let far = self.namespace(side);
            let words = format!(
                "-n {middle} link add {device} type veth peer name phones netns {far}\n\
                 -n {middle} addr add {ours}/24 dev {device}\n\
                 -n {middle} link set {device} up\n\
                 -n {far} addr add {theirs}/24 dev phones\n\
                 -n {far} link set phones up\n\
                 -n {far} route add default via {ours}"
            );
            for line in words.lines() {
                run("ip", &line.split(' ').collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    /// Lets the phones' ends take frames from XDP (NAPI by GRO) and send whole checksums, as a
    /// network card would.
    pub fn make_native(&self) -> Result<(), String> {
        for side in [Side::Left, Side::Right] {
            let name = self.namespace(side);
            make_native(&name, "phones")?;
        }
        Ok(())
    }

    /// Adds a veth from the left to the right that leaves the switch out, as native as
    /// [`Testbed::make_native`] makes the others.
    pub fn join(&self) -> Result<(), String> {
        let (left, right) = (self.namespace(Side::Left), self.namespace(Side::Right));
        let words = format!(
            "-n {left} link add direct type veth peer name direct netns {right}\n\
             -n {left} addr add {DIRECT_LEFT}/24 dev direct\n\
             -n {right} addr add {DIRECT_RIGHT}/24 dev direct\n\
             -n {left} link set direct up\n\
             -n {right} link set direct up"
        );
        words.lines().try_for_each(|line| run("ip", &line.split(' ').collect::<Vec<_>>()))?;
        [left, right].iter().try_for_each(|name| make_native(name, "direct"))
    }

    /// A folder on a BPF file system.
    #[must_use]
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// The name of a namespace, for `ip netns exec`.
    #[must_use]
    pub fn namespace(&self, side: Side) -> String {
        let suffix = match side {
            Side::Left => "l",
            Side::Middle => "m",
            Side::Right => "r",
        };
        format!("{}{suffix}", self.name)
    }

    /// Runs something in a thread inside a namespace; what it opens stays there.
    pub fn enter<T: Send + 'static>(
        &self,
        side: Side,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<io::Result<T>> {
        let path = format!("/run/netns/{}", self.namespace(side));
        spawn(move || {
            enter(&File::open(path)?)?;
            Ok(work())
        })
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        for side in [Side::Left, Side::Middle, Side::Right] {
            let _ = run("ip", &["netns", "del", &self.namespace(side)]);
        }
        // Whoever still has a folder of it open, after a test that failed, keeps it no longer than that.
        let _ = run("umount", &["-l", &self.pins.display().to_string()]);
        let _ = fs::remove_dir(&self.pins);
    }
}

fn make_native(namespace: &str, device: &str) -> Result<(), String> {
    let words = ["netns", "exec", namespace, "ethtool", "-K", device, "gro", "on", "tx", "off"];
    run("ip", &words)
}

fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", words.join(" "), said.trim()))
}
