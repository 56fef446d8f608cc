//! io_uring: one request receives for ever into a ring of buffers, a request for each packet sends, and one
//! system call for each pass hands over all of them and waits.

use std::alloc::{Layout, alloc_zeroed};
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd, RecvMsgOut};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::Sockets;
use super::packet::{Outgoing, destination};

/// Buffers, and the requests of one pass: a power of two.
const BUFFERS: u16 = 1_024;
/// Header, name, control messages, packet.
const BUFFER: usize = 2_048;
const GROUP: u16 = 0;
const RECEIVED: u64 = 1;
const SENT: u64 = 2;
const CONTROL: usize = 64;

/// The ring by which the kernel gets buffers.
struct Pool {
    entries: *mut BufRingEntry,
    buffers: Box<[[u8; BUFFER]]>,
    tail: u16,
}

impl Pool {
    /// All buffers, registered.
    fn new(ring: &IoUring) -> io::Result<Self> {
        let size = usize::from(BUFFERS) * size_of::<BufRingEntry>();
        let layout = Layout::from_size_align(size, 4_096).map_err(io::Error::other)?;
        // SAFETY: the size is not 0.
        let entries = unsafe { alloc_zeroed(layout) }.cast::<BufRingEntry>();
        if entries.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: page-aligned, zeroed, and never freed: the trial ends with its process.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0)?
        };
        let buffers = vec![[0; BUFFER]; usize::from(BUFFERS)].into_boxed_slice();
        let mut pool = Self { entries, buffers, tail: 0 };
        (0..BUFFERS).for_each(|buffer| pool.give(buffer));
        pool.publish();
        Ok(pool)
    }

    /// Lets the kernel have a buffer, once it is told.
    fn give(&mut self, buffer: u16) {
        let place = usize::from(self.tail % BUFFERS);
        // SAFETY: inside of the ring, whose entries beyond the published tail are ours.
        let entry = unsafe { &mut *self.entries.add(place) };
        entry.set_addr(self.buffers[usize::from(buffer)].as_ptr() as u64);
        entry.set_len(BUFFER as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Tells the kernel what it was given.
    fn publish(&self) {
        // SAFETY: the tail is a field of the first entry, aligned as an atomic of its size.
        let tail = unsafe { &*BufRingEntry::tail(self.entries).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Runs until a system call fails.
pub(super) fn run(sockets: &Sockets) -> io::Result<()> {
    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_coop_taskrun()
        .setup_defer_taskrun()
        .setup_cqsize(4_096)
        .build(u32::from(BUFFERS))?;
    let mut pool = Pool::new(&ring)?;
    // SAFETY: all zeroes is a valid msghdr.
    let mut shape: libc::msghdr = unsafe { mem::zeroed() };
    shape.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    shape.msg_controllen = CONTROL as _;
    let mut outgoing = Outgoing::new(usize::from(BUFFERS));
    let mut done: Vec<(u64, i32, u32)> = Vec::with_capacity(4_096);
    let mut used: Vec<u16> = Vec::with_capacity(usize::from(BUFFERS));
    let receive =
        opcode::RecvMsgMulti::new(Fd(sockets.shared.as_raw_fd()), &raw const shape, GROUP)
            .build()
            .user_data(RECEIVED);
    push(&mut ring, &receive)?;
    loop {
        // Everything that was to be sent is on its way when this returns; what it was sent from is free.
        match ring.submit_and_wait(1) {
            // A trial that is not measured is stopped.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        used.drain(..).for_each(|buffer| pool.give(buffer));
        pool.publish();
        let completions = ring.completion();
        done.extend(completions.map(|one| (one.user_data(), one.result(), one.flags())));
        for (what, result, flags) in done.drain(..) {
            if what != RECEIVED {
                continue;
            }
            if !cqueue::more(flags) {
                push(&mut ring, &receive)?;
            }
            let (Some(buffer), Ok(length)) =
                (cqueue::buffer_select(flags), usize::try_from(result))
            else {
                continue;
            };
            let place = used.len();
            used.push(buffer);
            sockets.ways.received.fetch_add(1, Ordering::Relaxed);
            let octets = &pool.buffers[usize::from(buffer)][..length.min(BUFFER)];
            let Ok(message) = RecvMsgOut::parse(octets, &shape) else { continue };
            let packet = message.payload_data();
            let way = destination(message.control_data()).and_then(|port| sockets.ways.get(port));
            let Some(way) = way.filter(|_| packet.len() >= 12) else { continue };
            outgoing.write(place, way, packet);
            let header = &raw const outgoing.headers[place].msg_hdr;
            let send = opcode::SendMsg::new(Fd(sockets.raw.as_raw_fd()), header)
                .flags(libc::MSG_DONTWAIT as u32)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS)
                .user_data(SENT);
            push(&mut ring, &send)?;
        }
    }
}

/// Enters a request; those before are handed over first if there is no room.
fn push(ring: &mut IoUring, request: &squeue::Entry) -> io::Result<()> {
    // SAFETY: what requests point at lives as long as the ring: the shape of messages, the socket, and
    // what `outgoing` and the pool have, which is changed only after the request was carried out.
    if unsafe { ring.submission().push(request) }.is_err() {
        ring.submit()?;
        // SAFETY: as above.
        unsafe { ring.submission().push(request) }.map_err(io::Error::other)?;
    }
    Ok(())
}
