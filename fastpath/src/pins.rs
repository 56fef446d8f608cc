//! The folders that maps and attachments are pinned in: whose each is, and what the dead left there.
//!
//! A folder's processes hold a shared lock on it, which ends with them however they end. Nobody but
//! they touches it unless it can be locked exclusively, which is done for moments only.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aya::maps::{Map, MapData};

use crate::Options;
use crate::bpf::detach;
use crate::layout::{life_of, port_of};
use crate::program::{FLOWS, Flows, LINK_TC, LINK_XDP, RECORDS};
use crate::record::{RECORD_LEN, Records};
use crate::sys::{is_bpf_folder, monotonic_ns};

/// Part of a folder's name: another layout of the maps does not meet these.
const LAYOUT: &str = "v2";
/// Folders of the dead that are looked after at one time.
const REMAINS_MAX: usize = 64;
/// How often somebody may remove a folder while it is being made.
const REMOVALS_MAX: usize = 8;

/// The folder of this process's pins.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Locked for as long as it is ours; `None` where the file system has no locks.
    lock: Option<File>,
}

impl Folder {
    /// Makes the folder, one for each network namespace, address and port range: two relays cannot
    /// share those.
    ///
    /// Errors: why nothing can be pinned there.
    pub(crate) fn open(options: &Options) -> Result<Self, String> {
        let address = u32::from(options.address);
        let (first, last) = (options.ports.start(), options.ports.end());
        // A BPF file system has no dots in its names.
        let name = format!("{LAYOUT}-{}-{address:08x}-{first}-{last}", namespace());
        let path = options.pins.join(name);
        let refused = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(&path).map_err(refused)?;
        if !is_bpf_folder(&path) {
            let _ = fs::remove_dir(&path);
            let what = "is on no BPF file system (mount -t bpf bpf /sys/fs/bpf)";
            return Err(format!("{} {what}", path.display()));
        }
        for _ in 0..REMOVALS_MAX {
            fs::create_dir_all(&path).map_err(refused)?;
            let Ok(folder) = File::open(&path) else { continue };
            if folder.lock_shared().is_err() {
                return Ok(Self { path, lock: None });
            }
            if lies_at(&folder, &path) {
                return Ok(Self { path, lock: Some(folder) });
            }
        }
        Err(format!("{} is removed again and again", path.display()))
    }

    /// Whether another living process uses it as well. Whoever asks is about to leave it: the lock
    /// is lost by asking.
    pub(crate) fn is_shared(&self) -> bool {
        self.lock.as_ref().is_some_and(|folder| folder.try_lock().is_err())
    }

    /// What is left of processes of this network namespace that had another address or other ports.
    pub(crate) fn remains(&self, pins: &Path) -> Vec<Remains> {
        let namespace = namespace().to_string();
        let is_near = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.split('-').nth(1) == Some(&namespace)
        };
        let paths = fs::read_dir(pins).into_iter().flatten().flatten().map(|entry| entry.path());
        let others = paths.filter(|path| is_near(path) && *path != self.path);
        let mut remains: Vec<_> = others.filter_map(Remains::open).take(REMAINS_MAX).collect();
        remains.retain_mut(|remains| remains.tend(monotonic_ns()));
        remains
    }
}

/// The streams that a dead process of another address or other ports left in the kernel.
pub(crate) struct Remains {
    path: PathBuf,
    folder: File,
    flows: Flows,
    records: Records,
    ports: BTreeSet<u16>,
}

impl Remains {
    /// `None` where there is nothing that could be understood.
    fn open(path: PathBuf) -> Option<Self> {
        let folder = File::open(&path).ok()?;
        let flows = MapData::from_pin(path.join(FLOWS)).ok()?;
        let flows = Flows::try_from(Map::HashMap(flows)).ok()?;
        let records = MapData::from_pin(path.join(RECORDS)).ok()?;
        let shape = records.info().ok()?;
        if usize::try_from(shape.value_size()).ok()? != RECORD_LEN {
            return None;
        }
        let count = usize::try_from(shape.max_entries()).ok()?;
        let records = Records::map(records.fd().as_fd(), count).ok()?;
        Some(Self { path, folder, flows, records, ports: BTreeSet::new() })
    }

    /// How many streams there are.
    pub(crate) fn count(&self) -> usize {
        self.ports.len()
    }

    /// Whether packets that come to a port may be forwarded.
    pub(crate) fn has(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// Ends the streams that have fallen silent. False once there is nothing more to look after: all
    /// have ended, and the folder with them, or a living process has taken it over.
    pub(crate) fn tend(&mut self, now_ns: u64) -> bool {
        if self.folder.try_lock().is_err() || !lies_at(&self.folder, &self.path) {
            return false;
        }
        self.ports.clear();
        let keys: Vec<_> = self.flows.keys().flatten().collect();
        for key in keys {
            let Ok(flow) = self.flows.get(&key, 0) else { continue };
            let (record, idle_ns) = life_of(&flow);
            let last_ns = self.records.read(record).last_ns;
            if now_ns.saturating_sub(last_ns) > idle_ns {
                let _ = self.flows.remove(&key);
            } else {
                self.ports.insert(port_of(key));
            }
        }
        if self.ports.is_empty() {
            remove(&self.path);
            return false;
        }
        // Whoever comes for it waits for this.
        self.folder.unlock().is_ok()
    }
}

/// Removes a folder with all that is pinned there.
pub(crate) fn remove(folder: &Path) {
    // All names first: what is removed while it is read may hide its neighbour.
    let entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.starts_with(LINK_XDP) || name.starts_with(LINK_TC) {
            // The next one may want the interface right away. It may be gone.
            let _ = detach(&entry.path());
        }
        let _ = fs::remove_file(entry.path());
    }
    let _ = fs::remove_dir(folder);
}

/// The thread's network namespace.
fn namespace() -> u64 {
    fs::metadata("/proc/thread-self/ns/net").map_or(0, |metadata| metadata.ino())
}

/// False if the folder has been removed; there may be another one of its name.
fn lies_at(folder: &File, path: &Path) -> bool {
    let inode = |metadata: io::Result<fs::Metadata>| metadata.ok().map(|found| found.ino());
    let there = inode(fs::metadata(path));
    there.is_some() && there == inode(folder.metadata())
}
