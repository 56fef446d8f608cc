//! What the process may do, and gives up: it is started with the rights that sockets and the kernel path
//! need, and serves the network with none. Root without a user to become keeps its rights, and is warned.
//!
//! Rights belong to threads, and a thread inherits those of the one that started it. So the user is changed
//! and what is never needed is given up while there is one thread only ([`begin`]); each thread
//! that has to do with the network gives up the rest when it starts ([`shed`]), and the first one when everything is
//! bound. A reload binds nothing, and needs no rights. Only the thread that attaches the kernel path's
//! programs to interfaces, which may appear later, keeps CAP_BPF and CAP_NET_ADMIN.
//!
//! Source: capabilities(7), credentials(7); security chapter SEC-131, SEC-140.

use std::fs;
use std::sync::OnceLock;

use config::Switch;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// What is needed until everything is bound, loaded and attached; the last three for the kernel path.
const FOR_THE_START: CapabilitySet = CapabilitySet::NET_BIND_SERVICE
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::BPF)
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::NET_ADMIN);
/// Before Linux 5.19 entries of a map could not be changed without it.
const OLD_KERNEL: (u32, u32) = (5, 19);

/// What a thread keeps that serves the network.
static KEPT: OnceLock<CapabilitySet> = OnceLock::new();

/// Why the process cannot give up its rights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// There is no such user.
    #[error(
        "There is no user \"{0}\" in /etc/passwd: make it with 'useradd --system {0}', or change [switch] user."
    )]
    NoUser(String),
    /// There is no such group.
    #[error(
        "There is no group \"{0}\" in /etc/group: make it with 'groupadd --system {0}', or change [switch] group."
    )]
    NoGroup(String),
    /// Only root becomes somebody else.
    #[error(
        "Only root can become the user \"{0}\": start the switch as root or as this user, or take out [switch] user."
    )]
    NotRoot(String),
    /// The system refuses a step.
    #[error("The system refuses to {step} ({source}); take out [switch] user to run without it.")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
}

/// Becomes the user of `[switch]`, gives up what the start does not need, and leaves no core dumps, which
/// would have passwords and keys in them. Has to be called before the first thread is started.
///
/// Errors: a user or group that is not there, or a right to change to it that is missing.
pub(super) fn begin(switch: &Switch) -> Result<(), PrivilegeError> {
    // A system without these still carries calls.
    let _ = rustix::thread::set_no_new_privs(true);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(Resource::Core, none);
    let is_root = rustix::process::geteuid().is_root();
    if is_root && switch.user.is_none() {
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        tracing::warn!(
            "the switch runs as root, with all its rights: name a user in [switch] user"
        );
        return Ok(());
    }
    // While there still is the right to.
    forget_others(FOR_THE_START);
    if let Some(user) = &switch.user {
        become_user(user, switch.group.as_deref(), is_root)?;
    }
    // Becoming somebody else undoes what was set before.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let bpf = if is_old_kernel() { CapabilitySet::BPF } else { CapabilitySet::empty() };
    let _ = KEPT.set(bpf);
    reduce(FOR_THE_START);
    Ok(())
}

/// Gives up what the calling thread does not need to serve the network.
pub(super) fn shed() {
    if let Some(kept) = KEPT.get() {
        reduce(*kept);
    }
}

/// Tells what is left, once everything is bound.
pub(super) fn announce() {
    let user = rustix::process::geteuid().as_raw();
    let left = rustix::thread::capabilities(None).map_or(0, |sets| sets.effective.bits());
    tracing::info!(user, "rights that are not needed any more are given up; left: {left:#x}");
}

/// Leaves the calling thread with no more than `kept` of what it has, and nothing for programs it might run.
fn reduce(kept: CapabilitySet) {
    let Ok(present) = rustix::thread::capabilities(None) else { return };
    let left = present.permitted & kept;
    let _ = rustix::thread::clear_ambient_capability_set();
    let sets =
        CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
    if let Err(error) = rustix::thread::set_capabilities(None, sets) {
        tracing::warn!(%error, "capabilities could not be given up");
    }
}

/// Takes what is not kept out of the bounding set as well: nothing that is run later can have it.
fn forget_others(kept: CapabilitySet) {
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if !kept.contains(one) {
            // EINVAL ends the list of those that the kernel knows, EPERM says that we may not.
            if rustix::thread::remove_capability_from_bounding_set(one).is_err() {
                return;
            }
        }
    }
}

fn become_user(user: &str, group: Option<&str>, is_root: bool) -> Result<(), PrivilegeError> {
    let (uid, own_group) =
        look_up_user(user).ok_or_else(|| PrivilegeError::NoUser(user.to_owned()))?;
    let gid = match group {
        Some(group) => {
            look_up_group(group).ok_or_else(|| PrivilegeError::NoGroup(group.to_owned()))?
        }
        None => own_group,
    };
    if rustix::process::geteuid().as_raw() == uid {
        return Ok(());
    }
    if !is_root {
        return Err(PrivilegeError::NotRoot(user.to_owned()));
    }
    let refused = |step| move |error: Errno| PrivilegeError::Refused { step, source: error.into() };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_keep_capabilities(true).map_err(refused("keep capabilities"))?;
    rustix::thread::set_thread_groups(&[]).map_err(refused("leave groups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(refused("change the group"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(refused("change the user"))?;
    rustix::thread::set_keep_capabilities(false).map_err(refused("forget capabilities"))
}

/// User and group number of a name in `/etc/passwd`.
fn look_up_user(name: &str) -> Option<(u32, u32)> {
    let file = fs::read_to_string("/etc/passwd").unwrap_or_default();
    user_in(&file, name)
}

fn look_up_group(name: &str) -> Option<u32> {
    let file = fs::read_to_string("/etc/group").unwrap_or_default();
    number_in(&file, name, 2)
}

fn user_in(file: &str, name: &str) -> Option<(u32, u32)> {
    Some((number_in(file, name, 2)?, number_in(file, name, 3)?))
}

/// A number of the row that begins with a name.
fn number_in(file: &str, name: &str, field: usize) -> Option<u32> {
    let mut rows = file.lines().map(|row| row.split(':').collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&name))?;
    row.get(field)?.parse().ok()
}

fn is_old_kernel() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLD_KERNEL,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/bash\nstrowger:x:998:997::/var/lib/strowger:/bin/false\n";

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        assert_eq!(user_in(USERS, "strowger"), Some((998, 997)));
        assert_eq!(user_in(USERS, "strow"), None);
        assert_eq!(user_in("strowger:x:many:997", "strowger"), None);
    }

    #[test]
    fn a_thread_gives_up_what_it_has_and_others_keep_theirs() {
        let before = rustix::thread::capabilities(None).unwrap().permitted;
        let left = std::thread::spawn(|| {
            reduce(CapabilitySet::NET_RAW);
            rustix::thread::capabilities(None).unwrap()
        });
        let left = left.join().unwrap();
        assert_eq!(left.permitted, before & CapabilitySet::NET_RAW);
        assert_eq!(left.effective, left.permitted);
        assert_eq!(rustix::thread::capabilities(None).unwrap().permitted, before);
    }
}
