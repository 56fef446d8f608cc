//! The program in the kernel: loading, maps, attachments, pins. The only place that knows aya.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::{HashMap, Map, MapData};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::{TcAttachOptions, TcAttachType};
use aya::programs::xdp::XdpMode;
use aya::programs::{LinkOrder, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};

use crate::hop::Hooks;
use crate::layout::{FLOW_LEN, KEY_LEN};
use crate::netlink::Link;
use crate::pins::{self, Folder, Remains};
use crate::record::Records;
use crate::{FastPathError, Mode, Options};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/relay.o"));

pub(crate) const IS_BUILT: bool = !include_bytes!(concat!(env!("OUT_DIR"), "/relay.o")).is_empty();

const XDP: &str = "strowger_xdp";
const TC: &str = "strowger_tc";
pub(crate) const FLOWS: &str = "flows";
pub(crate) const RECORDS: &str = "records";
pub(crate) const LINK_XDP: &str = "xdp-";
pub(crate) const LINK_TC: &str = "tc-";

/// The flows of the program.
pub(crate) type Flows = HashMap<MapData, [u8; KEY_LEN], [u8; FLOW_LEN]>;

/// The loaded program and where it is attached.
pub(crate) struct Program {
    ebpf: Ebpf,
    mode: Mode,
    /// `None`: nothing survives the process.
    folder: Option<Folder>,
    attached: BTreeMap<u32, Attached>,
    is_closed: bool,
}

struct Attached {
    name: String,
    xdp: Result<FdLink, String>,
    tc: Result<FdLink, String>,
}

/// What [`Program::load`] gives.
pub(crate) struct Loaded {
    pub(crate) program: Program,
    pub(crate) flows: Flows,
    pub(crate) records: Records,
    /// What processes of another address or other ports left.
    pub(crate) remains: Vec<Remains>,
    /// Why nothing is pinned.
    pub(crate) unpinned: Option<String>,
}

impl Program {
    /// Loads the program; maps that an earlier process left are taken over.
    pub(crate) fn load(options: &Options, places: u32) -> Result<Loaded, FastPathError> {
        if !IS_BUILT {
            return Err(FastPathError::NotBuilt);
        }
        let (folder, unpinned) = match Folder::open(options) {
            Ok(folder) => (Some(folder), None),
            Err(reason) => (None, Some(reason)),
        };
        let remains = folder.as_ref().map(|folder| folder.remains(&options.pins));
        let mut loader = EbpfLoader::new();
        loader.map_max_entries(FLOWS, places).map_max_entries(RECORDS, places);
        if let Some(folder) = &folder {
            for map in [FLOWS, RECORDS] {
                loader.map_pin_path(map, folder.path.join(map));
            }
        }
        let mut ebpf = loader.load(OBJECT).map_err(|error| refused("maps", &error))?;
        load_programs(&mut ebpf).map_err(|error| refused("program", &error))?;
        let flows = take(&mut ebpf, FLOWS)?;
        let flows = Flows::try_from(flows).map_err(|error| refused("map of flows", &error))?;
        let records = match take(&mut ebpf, RECORDS)? {
            Map::Array(data) => {
                let count = usize::try_from(places).unwrap_or_default();
                Records::map(data.fd().as_fd(), count)
                    .map_err(|error| refused("map of records", &error))?
            }
            _ => return Err(FastPathError::NotBuilt),
        };
        let attached = BTreeMap::new();
        let mut program = Self { ebpf, mode: options.mode, folder, attached, is_closed: false };
        program.take_over();
        let remains = remains.unwrap_or_default();
        Ok(Loaded { program, flows, records, remains, unpinned })
    }

    /// Sets this program in the place of the one that an earlier process left attached.
    fn take_over(&mut self) {
        let Some(entries) = self.folder.as_ref().and_then(|folder| fs::read_dir(&folder.path).ok())
        else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let taken = if name.starts_with(LINK_XDP) {
                self.retake_xdp(&entry.path()).map(drop)
            } else if name.starts_with(LINK_TC) {
                self.retake_tc(&entry.path()).map(drop)
            } else {
                continue;
            };
            // Its interface is gone, or the mode is another one now.
            if taken.is_err() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Attaches the program to an interface, unless that was done before, and says where it is.
    pub(crate) fn attach(&mut self, index: u32, link: &Link, is_native: bool) -> Hooks {
        if self.is_closed {
            return Hooks::default();
        }
        let name = &link.name;
        let is_gone = self.attached.get(&index).is_some_and(|attached| attached.name != *name);
        if is_gone || !self.attached.contains_key(&index) {
            let tc = match self.mode {
                Mode::Xdp => Err("not asked for".to_owned()),
                Mode::Auto | Mode::Tc => self.attach_tc(index, name),
            };
            let xdp = match self.mode {
                Mode::Tc => Err("not asked for".to_owned()),
                _ if !is_native => Err("the driver has no XDP".to_owned()),
                // What comes by veth has a socket buffer already, of which it would make a frame
                // first: docs/benchmarks.md.
                Mode::Auto if link.is_veth && tc.is_ok() => {
                    if let Some(folder) = &self.folder {
                        let _ = fs::remove_file(folder.path.join(format!("{LINK_XDP}{index}")));
                    }
                    Err("tc costs less on veth".to_owned())
                }
                Mode::Auto | Mode::Xdp => self.attach_xdp(index),
            };
            self.attached.insert(index, Attached { name: name.clone(), xdp, tc });
        }
        self.attached.get(&index).map_or_else(Hooks::default, Attached::hooks)
    }

    /// Where an attachment is pinned.
    fn place(&self, kind: &str, index: u32) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path.join(format!("{kind}{index}")))
    }

    /// Lets interfaces be tried again that the program could not be attached to: something that stood
    /// in its way has gone.
    pub(crate) fn retry(&mut self) {
        self.attached.retain(|_, attached| attached.xdp.is_ok() && attached.tc.is_ok());
    }

    fn attach_xdp(&mut self, index: u32) -> Result<FdLink, String> {
        let path = self.place(LINK_XDP, index);
        if let Some(path) = path.as_ref().filter(|path| path.exists()) {
            if let Ok(link) = self.retake_xdp(path) {
                return Ok(link);
            }
            let _ = fs::remove_file(path);
        }
        let program: &mut Xdp = self.program(XDP)?;
        let id = program.attach_to_if_index(index, XdpMode::Driver).map_err(|e| chain(&e))?;
        let link = program.take_link(id).map_err(|e| chain(&e))?;
        pin(FdLink::try_from(link).map_err(|e| chain(&e))?, path)
    }

    fn attach_tc(&mut self, index: u32, name: &str) -> Result<FdLink, String> {
        let path = self.place(LINK_TC, index);
        if let Some(path) = path.as_ref().filter(|path| path.exists()) {
            if let Ok(link) = self.retake_tc(path) {
                return Ok(link);
            }
            let _ = fs::remove_file(path);
        }
        let program: &mut SchedClassifier = self.program(TC)?;
        let order = TcAttachOptions::TcxOrder(LinkOrder::default());
        let id = program
            .attach_with_options(name, TcAttachType::Ingress, order)
            .map_err(|e| chain(&e))?;
        let link = program.take_link(id).map_err(|e| chain(&e))?;
        pin(FdLink::try_from(link).map_err(|e| chain(&e))?, path)
    }

    fn retake_xdp(&mut self, path: &Path) -> Result<FdLink, String> {
        if self.mode == Mode::Tc {
            return Err("not asked for".to_owned());
        }
        let old = FdLink::from(PinnedLink::from_pin(path).map_err(|e| chain(&e))?);
        let program: &mut Xdp = self.program(XDP)?;
        let link = old.try_into().map_err(|e| chain(&e))?;
        let id = program.attach_to_link(link).map_err(|e| chain(&e))?;
        let link = program.take_link(id).map_err(|e| chain(&e))?;
        FdLink::try_from(link).map_err(|e| chain(&e))
    }

    fn retake_tc(&mut self, path: &Path) -> Result<FdLink, String> {
        if self.mode == Mode::Xdp {
            return Err("not asked for".to_owned());
        }
        let old = FdLink::from(PinnedLink::from_pin(path).map_err(|e| chain(&e))?);
        let program: &mut SchedClassifier = self.program(TC)?;
        let link = old.try_into().map_err(|e| chain(&e))?;
        let id = program.attach_to_link(link).map_err(|e| chain(&e))?;
        let link = program.take_link(id).map_err(|e| chain(&e))?;
        FdLink::try_from(link).map_err(|e| chain(&e))
    }

    fn program<'a, P>(&'a mut self, name: &str) -> Result<P, String>
    where
        P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
    {
        let program = self.ebpf.program_mut(name).ok_or_else(|| format!("no program {name}"))?;
        P::try_from(program).map_err(|error| chain(&error))
    }

    /// Where the program is attached, or why it is not: for each interface XDP and tc.
    pub(crate) fn interfaces(&self) -> Vec<(String, Hooks, Vec<String>)> {
        let reasons = |attached: &Attached| {
            let reason = |hook: &str, link: &Result<FdLink, String>| {
                link.as_ref().err().map(|reason| format!("{hook}: {reason}"))
            };
            [reason("xdp", &attached.xdp), reason("tc", &attached.tc)].into_iter().flatten()
        };
        let row = |attached: &Attached| {
            (attached.name.clone(), attached.hooks(), reasons(attached).collect())
        };
        self.attached.values().map(row).collect()
    }

    /// How often the program ran and for how long, by hook.
    pub(crate) fn run_times(&self) -> Vec<(&'static str, u64, Duration)> {
        let time = |hook, name| {
            let info = match self.ebpf.program(name)? {
                aya::programs::Program::Xdp(program) => program.info(),
                aya::programs::Program::SchedClassifier(program) => program.info(),
                _ => return None,
            };
            info.ok().map(|info| (hook, info.run_count(), info.run_time()))
        };
        [time("xdp", XDP), time("tc", TC)].into_iter().flatten().collect()
    }

    /// Whether another living process uses the same maps; asked once, at the end.
    pub(crate) fn is_shared(&self) -> bool {
        self.folder.as_ref().is_some_and(Folder::is_shared)
    }

    /// Leaves in the kernel what is pinned there.
    pub(crate) fn leave(&mut self) {
        self.is_closed = true;
        self.attached.clear();
        self.folder = None;
    }

    /// Takes everything out of the kernel.
    pub(crate) fn remove(&mut self) {
        self.is_closed = true;
        self.attached.clear();
        let Some(folder) = self.folder.take() else { return };
        pins::remove(&folder.path);
    }
}

impl Attached {
    fn hooks(&self) -> Hooks {
        Hooks { xdp: self.xdp.is_ok(), tc: self.tc.is_ok() }
    }
}

fn load_programs(ebpf: &mut Ebpf) -> Result<(), aya::programs::ProgramError> {
    for (_, program) in ebpf.programs_mut() {
        match program {
            aya::programs::Program::Xdp(program) => program.load()?,
            aya::programs::Program::SchedClassifier(program) => program.load()?,
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map, FastPathError> {
    ebpf.take_map(name).ok_or(FastPathError::NotBuilt)
}

fn pin(link: FdLink, path: Option<PathBuf>) -> Result<FdLink, String> {
    match path {
        Some(path) => link.pin(path).map(FdLink::from).map_err(|error| chain(&error)),
        None => Ok(link),
    }
}

pub(crate) fn refused(what: &'static str, error: &dyn std::error::Error) -> FastPathError {
    FastPathError::Refused { what, reason: chain(error) }
}

/// An error with its causes, in one line; what the verifier says is cut.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}
