//! The few calls of bpf(2) that steering needs, and the end of an attachment, and nothing around them:
//! the loader that the kernel path uses reads all types of the kernel at each start, 15 MB of them, of
//! which steering needs none.

#![expect(unsafe_code, reason = "bpf(2)")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A command of include/uapi/linux/bpf.h.
#[derive(Clone, Copy)]
enum Command {
    MapCreate = 0,
    MapUpdate = 2,
    ProgramLoad = 5,
    Get = 7,
    LinkCreate = 28,
    LinkDetach = 34,
}

const SK_LOOKUP_PROGRAM: u32 = 30;
const SK_LOOKUP_ATTACHMENT: u32 = 36;
const NAME_LEN: usize = 16;

/// What a map is.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) kind: u32,
    pub(crate) key_len: u32,
    pub(crate) value_len: u32,
    pub(crate) places: u32,
    pub(crate) flags: u32,
}

#[repr(C)]
struct MapCreate {
    kind: u32,
    key_len: u32,
    value_len: u32,
    places: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; NAME_LEN],
}

#[repr(C)]
struct MapUpdate {
    map: u32,
    zero: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramLoad {
    kind: u32,
    count: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; NAME_LEN],
    interface: u32,
    attachment: u32,
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    target: u32,
    attachment: u32,
    flags: u32,
}

#[repr(C)]
struct Get {
    path: u64,
    fd: u32,
    flags: u32,
}

#[repr(C)]
struct LinkDetach {
    link: u32,
}

/// Makes a map.
pub(crate) fn create_map(name: &str, shape: Shape) -> io::Result<OwnedFd> {
    let Shape { kind, key_len, value_len, places, flags } = shape;
    let name = name_of(name);
    let wish = MapCreate { kind, key_len, value_len, places, flags, inner: 0, node: 0, name };
    match open(Command::MapCreate, &wish) {
        // Before Linux 5.11 maps count as locked memory.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let limit =
                libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
            // SAFETY: `limit` is initialised. If it is refused, so is the map.
            unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
            open(Command::MapCreate, &wish)
        }
        made => made,
    }
}

/// Puts a socket into a map of sockets.
pub(crate) fn put_socket(map: BorrowedFd<'_>, at: u32, socket: RawFd) -> io::Result<()> {
    let value = u32::try_from(socket).map_err(|_| io::ErrorKind::InvalidInput)?;
    let wish = MapUpdate {
        map: number(map),
        zero: 0,
        key: address(&raw const at),
        value: address(&raw const value),
        flags: 0,
    };
    call(Command::MapUpdate, &wish).map(drop)
}

/// Loads a program that steers; `instructions` are eight octets each.
pub(crate) fn load_program(
    name: &str,
    instructions: &[u64],
    licence: &std::ffi::CStr,
) -> io::Result<OwnedFd> {
    let wish = ProgramLoad {
        kind: SK_LOOKUP_PROGRAM,
        count: u32::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        instructions: address(instructions.as_ptr()),
        licence: address(licence.as_ptr()),
        log_level: 0,
        log_len: 0,
        log: 0,
        kernel: 0,
        flags: 0,
        name: name_of(name),
        interface: 0,
        attachment: SK_LOOKUP_ATTACHMENT,
    };
    open(Command::ProgramLoad, &wish)
}

/// Attaches a program that steers to a network namespace, as long as the descriptor is open.
pub(crate) fn attach(program: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (program, target) = (number(program), number(namespace));
    let wish = LinkCreate { program, target, attachment: SK_LOOKUP_ATTACHMENT, flags: 0 };
    open(Command::LinkCreate, &wish)
}

/// Ends a pinned attachment at once; without its pin it would end some time after its last reference.
pub(crate) fn detach(pin: &Path) -> io::Result<()> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let link = open(Command::Get, &Get { path: address(path.as_ptr()), fd: 0, flags: 0 })?;
    call(Command::LinkDetach, &LinkDetach { link: number(link.as_fd()) }).map(drop)
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

fn address<T>(place: *const T) -> u64 {
    place.expose_provenance() as u64
}

/// The kernel wants a zero at the end.
fn name_of(name: &str) -> [u8; NAME_LEN] {
    let mut octets = [0; NAME_LEN];
    for (place, octet) in octets.iter_mut().take(NAME_LEN - 1).zip(name.bytes()) {
        *place = octet;
    }
    octets
}

/// A command whose answer is a descriptor.
fn open<T>(command: Command, wish: &T) -> io::Result<OwnedFd> {
    let fd = call(command, wish)?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call<T>(command: Command, wish: &T) -> io::Result<RawFd> {
    let wish = std::ptr::from_ref(wish);
    // SAFETY: the kernel reads as many octets as it is told there are; addresses within are of what
    // the callers hold during the call, with the lengths that the other fields tell.
    let answer =
        unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_int, wish, size_of::<T>()) };
    match RawFd::try_from(answer) {
        Ok(fd) if fd >= 0 => Ok(fd),
        _ => Err(io::Error::last_os_error()),
    }
}
