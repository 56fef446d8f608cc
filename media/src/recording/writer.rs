//! The thread that turns packets into files. It may wait for the disk: nobody waits for it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::wav::{self, Sound};
use super::{
    Captured, Format, Inflow, Outflow, Recorded, Recording, Tap, WAITING_MAX, Way, pcap, queue,
};
use crate::control::Notify;

/// Recordings that may wait to begin.
const BEGINNINGS_MAX: usize = 256;
/// Packets between two looks at what else is to be done.
const BURST_MAX: usize = 4_096;
/// How long the thread lets packets gather.
const PAUSE: Duration = Duration::from_millis(5);
/// Octets that are written at once.
const CHUNK: usize = 64 * 1024;
/// What waits is written at least so often.
const FLUSH_US: u64 = 1_000_000;

/// What all recordings of the thread have in common.
#[derive(Debug, Default)]
pub struct RecorderCounters {
    /// Recordings under way.
    pub active: AtomicU64,
    /// Packets written or decoded.
    pub packets: AtomicU64,
    /// Packets of finished recordings that are not in the file.
    pub lost: AtomicU64,
    /// Recordings that ended with an error.
    pub failed: AtomicU64,
}

/// A recording that is to begin.
struct Beginning {
    recording: Recording,
    tap: Arc<Tap>,
    local: SocketAddr,
    now_us: u64,
}

/// The handle of the thread.
pub(crate) struct Recorder {
    beginnings: Option<SyncSender<Beginning>>,
    queue: Inflow,
    is_stopping: Arc<AtomicBool>,
    counters: Arc<RecorderCounters>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread; `now_us` is the relay's clock.
    pub(crate) fn start(
        notices: SyncSender<Notify>,
        now_us: impl Fn() -> u64 + Send + 'static,
    ) -> std::io::Result<Self> {
        let (mut recorder, mut writer, beginning) = Self::prepare(notices);
        let run = move || writer.run(&beginning, &now_us);
        recorder.thread = Some(Builder::new().name("recorder".to_owned()).spawn(run)?);
        Ok(recorder)
    }

    /// The handle, and what its thread works with.
    fn prepare(notices: SyncSender<Notify>) -> (Self, Writer, Receiver<Beginning>) {
        let (queue, packets) = queue();
        let (beginnings, beginning) = sync_channel(BEGINNINGS_MAX);
        let is_stopping = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(RecorderCounters::default());
        let writer = Writer {
            packets,
            notices,
            files: HashMap::new(),
            ended: Vec::new(),
            is_stopping: Arc::clone(&is_stopping),
            counters: Arc::clone(&counters),
        };
        let (beginnings, thread) = (Some(beginnings), None);
        (Self { beginnings, queue, is_stopping, counters, thread }, writer, beginning)
    }

    /// Begins a recording; `None` if too many begin at once.
    pub(crate) fn begin(
        &self,
        recording: Recording,
        local: SocketAddr,
        now_us: u64,
    ) -> Option<Arc<Tap>> {
        let voices = recording.voices.clone();
        let tap = Arc::new(Tap::new(recording.ticket, self.queue.clone(), voices));
        let beginning = Beginning { recording, tap: Arc::clone(&tap), local, now_us };
        self.beginnings.as_ref()?.try_send(beginning).ok()?;
        Some(tap)
    }

    pub(crate) fn counters(&self) -> &Arc<RecorderCounters> {
        &self.counters
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.beginnings = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so on standard error already.
            let _ = thread.join();
        }
    }
}

struct Writer {
    packets: Outflow,
    notices: SyncSender<Notify>,
    files: HashMap<u64, Open>,
    /// Notices that found their queue full.
    ended: Vec<Notify>,
    is_stopping: Arc<AtomicBool>,
    counters: Arc<RecorderCounters>,
}

impl Writer {
    fn run(&mut self, beginnings: &Receiver<Beginning>, now_us: &impl Fn() -> u64) {
        loop {
            let is_idle = self.files.is_empty() && self.ended.is_empty();
            let next = if is_idle {
                beginnings.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                beginnings.recv_timeout(PAUSE)
            };
            let is_over = matches!(next, Err(RecvTimeoutError::Disconnected));
            if let Ok(beginning) = next {
                let Self { files, ended, counters, .. } = self;
                begin(files, ended, counters, beginning);
            }
            // Whatever was copied before a recording ended is in the queue now.
            let is_last = is_over || self.is_stopping.load(Ordering::SeqCst);
            let over: Vec<u64> = self
                .files
                .iter()
                .filter(|(_, open)| is_last || open.tap.is_over())
                .map(|(ticket, _)| *ticket)
                .collect();
            let most = if over.is_empty() { BURST_MAX } else { WAITING_MAX };
            self.drain(most, beginnings);
            self.flush(now_us());
            over.into_iter().for_each(|ticket| self.finish(ticket));
            self.tell();
            if is_last {
                return;
            }
        }
    }

    fn drain(&mut self, most: usize, beginnings: &Receiver<Beginning>) {
        let Self { packets, files, ended, counters, .. } = self;
        let mut taken = 0;
        let mut take = |captured: &Captured<'_>| {
            // A recording was told of before its first packet.
            while !files.contains_key(&captured.ticket)
                && let Ok(beginning) = beginnings.try_recv()
            {
                begin(files, ended, counters, beginning);
            }
            if let Some(open) = files.get_mut(&captured.ticket) {
                open.take(captured);
            }
        };
        while taken < most && packets.take(&mut take) {
            taken += 1;
        }
        let taken = u64::try_from(taken).unwrap_or_default();
        counters.packets.fetch_add(taken, Ordering::Relaxed);
    }

    fn flush(&mut self, now_us: u64) {
        // What waits in the queue has its place yet, however long this thread was kept from it.
        let heard_us = self.packets.oldest_us().map_or(now_us, |oldest_us| oldest_us.min(now_us));
        let mut failed = Vec::new();
        for (ticket, open) in &mut self.files {
            if let Err(error) = open.flush(now_us, heard_us) {
                open.failure = Some(error.raw_os_error().unwrap_or_default());
                failed.push(*ticket);
            }
        }
        failed.into_iter().for_each(|ticket| self.finish(ticket));
    }

    fn finish(&mut self, ticket: u64) {
        let Some(open) = self.files.remove(&ticket) else { return };
        open.tap.end();
        let recorded = open.finish();
        self.counters.active.fetch_sub(1, Ordering::Relaxed);
        self.counters.lost.fetch_add(recorded.lost, Ordering::Relaxed);
        if recorded.failure.is_some() {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.ended.push(Notify::Recorded { ticket, recorded });
    }

    fn tell(&mut self) {
        while let Some(notice) = self.ended.pop() {
            match self.notices.try_send(notice) {
                Ok(()) => {}
                Err(TrySendError::Full(notice)) => return self.ended.push(notice),
                Err(TrySendError::Disconnected(_)) => return self.ended.clear(),
            }
        }
    }
}

/// Opens the file of a recording; one that cannot be opened has ended.
fn begin(
    files: &mut HashMap<u64, Open>,
    ended: &mut Vec<Notify>,
    counters: &RecorderCounters,
    beginning: Beginning,
) {
    let ticket = beginning.recording.ticket;
    let tap = Arc::clone(&beginning.tap);
    match Open::new(beginning) {
        Ok(open) => {
            counters.active.fetch_add(1, Ordering::Relaxed);
            files.insert(ticket, open);
        }
        Err(error) => {
            tap.end();
            counters.failed.fetch_add(1, Ordering::Relaxed);
            let failure = Some(error.raw_os_error().unwrap_or_default());
            let recorded = Recorded { failure, ..Recorded::default() };
            ended.push(Notify::Recorded { ticket, recorded });
        }
    }
}

enum Content {
    Wav(Box<Sound>),
    /// Microseconds since 1970 at the relay's time 0.
    Pcap(u64),
}

/// A file that is being written.
struct Open {
    tap: Arc<Tap>,
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
    content: Content,
    local: SocketAddr,
    waiting: Vec<u8>,
    /// Octets in the file.
    written: u64,
    packets: u64,
    /// Packets that came after their place was written.
    late: u64,
    flushed_us: u64,
    failure: Option<i32>,
}

impl Open {
    fn new(beginning: Beginning) -> Result<Self, Error> {
        let Beginning { recording, tap, local, now_us } = beginning;
        let Recording { path, format, voices, now_unix_ms, .. } = recording;
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let unfinished = unfinished(&path);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
        let (content, waiting) = match format {
            Format::Wav => {
                let sound = Box::new(Sound::new(&voices, now_us));
                // Players read to the end of a file that was never finished.
                let header = wav::header(sound.rate_hz(), wav::DATA_MAX);
                (Content::Wav(sound), header.to_vec())
            }
            Format::Pcap => {
                let start_us = (now_unix_ms * 1_000).saturating_sub(now_us);
                (Content::Pcap(start_us), pcap::file_header())
            }
        };
        Ok(Self {
            tap,
            file,
            unfinished,
            path,
            content,
            local,
            waiting,
            written: 0,
            packets: 0,
            late: 0,
            flushed_us: now_us,
            failure: None,
        })
    }

    fn take(&mut self, captured: &Captured<'_>) {
        self.packets += 1;
        match &mut self.content {
            Content::Wav(sound) => {
                let voices = self.tap.voices.load();
                let (way, at_us) = (captured.way, captured.at_us);
                if !sound.take(way, at_us, captured.packet, &voices) {
                    self.late += 1;
                }
            }
            Content::Pcap(start_us) => {
                let way = match captured.way {
                    Way::From => (captured.peer, self.local),
                    Way::To => (self.local, captured.peer),
                };
                let unix_us = *start_us + captured.at_us;
                pcap::write(&mut self.waiting, unix_us, way, captured.packet);
            }
        }
    }

    /// Writes what waits, if it is much or old. No packet that came before `heard_us` is still to come.
    fn flush(&mut self, now_us: u64, heard_us: u64) -> Result<(), Error> {
        let is_due = now_us.saturating_sub(self.flushed_us) >= FLUSH_US;
        if is_due && let Content::Wav(sound) = &mut self.content {
            sound.flush(heard_us, &mut self.waiting);
        }
        if is_due || self.waiting.len() >= CHUNK {
            self.flushed_us = now_us;
            self.write()?;
        }
        if matches!(self.content, Content::Wav(_)) && self.written >= wav::DATA_MAX {
            // The format says its length in 32 bits: half a day at least.
            self.tap.end();
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Error> {
        self.file.write_all(&self.waiting)?;
        self.written += u64::try_from(self.waiting.len()).unwrap_or_default();
        self.waiting.clear();
        Ok(())
    }

    fn finish(mut self) -> Recorded {
        if self.failure.is_none()
            && let Err(error) = self.complete()
        {
            self.failure = Some(error.raw_os_error().unwrap_or_default());
        }
        Recorded {
            packets: self.packets - self.late,
            lost: self.tap.lost() + self.late,
            bytes: self.written,
            failure: self.failure,
        }
    }

    /// Writes the rest and the true length, then gives the file its name.
    fn complete(&mut self) -> Result<(), Error> {
        if let Content::Wav(sound) = &mut self.content {
            sound.finish(&mut self.waiting);
        }
        self.write()?;
        if let Content::Wav(sound) = &self.content {
            let header_len = u64::try_from(wav::HEADER_LEN).unwrap_or_default();
            let header = wav::header(sound.rate_hz(), self.written.saturating_sub(header_len));
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&header)?;
        }
        // A name that is taken stays with what has it.
        fs::hard_link(&self.unfinished, &self.path)?;
        fs::remove_file(&self.unfinished)
    }
}

/// The name of a file that is not finished.
fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::MemberCodec;
    use crate::recording::Voices;
    use crate::rtp::{Header, RtpTime, Seq, Ssrc};

    const RECORDINGS: u64 = 200;
    const SECONDS: u16 = 2;
    const SECOND_US: u64 = 1_000_000;

    fn packet(number: u16, ssrc: u32) -> [u8; 172] {
        let mut packet = [0x55; 172];
        let header = Header {
            payload: 0,
            is_marked: false,
            sequence: Seq(number),
            timestamp: RtpTime(u32::from(number) * 160),
            ssrc: Ssrc(ssrc),
        };
        header.write(&mut packet);
        packet
    }

    /// What 200 recorded parties say and hear in two seconds lies in the queue before the thread runs.
    #[test]
    fn a_writer_that_was_kept_from_its_work_for_two_seconds_misses_no_packet_of_200_recordings() {
        let folder = tempfile::tempdir().unwrap();
        let (notices, ends) = sync_channel(usize::try_from(RECORDINGS).unwrap());
        let (recorder, mut writer, beginning) = Recorder::prepare(notices);
        let codecs = vec![MemberCodec::PCMU];
        let taps: Vec<Arc<Tap>> = (0..RECORDINGS)
            .map(|ticket| {
                let format = if ticket % 2 == 0 { Format::Wav } else { Format::Pcap };
                let path = folder.path().join(ticket.to_string());
                let voices = Voices { from: codecs.clone(), to: codecs.clone() };
                let recording =
                    Recording { ticket, path, format, voices, now_unix_ms: 1_700_000_000_000 };
                recorder.begin(recording, "127.0.0.1:4000".parse().unwrap(), 0).unwrap()
            })
            .collect();
        let peer = "127.0.0.1:4002".parse().unwrap();
        for number in 0..SECONDS * 50 {
            let at_us = u64::from(number) * 20_000;
            for tap in &taps {
                tap.take(Way::From, None, &packet(number, 1), peer, at_us);
                tap.take(Way::To, None, &packet(number, 2), peer, at_us);
            }
        }
        // By then all of it is older than sound may be that is still to come.
        let thread = thread::spawn(move || writer.run(&beginning, &|| 60 * SECOND_US));
        let each = u64::from(SECONDS) * 100;
        while recorder.counters().packets.load(Ordering::Relaxed) < RECORDINGS * each {
            thread::yield_now();
        }
        taps.iter().for_each(|tap| tap.end());
        for _ in 0..RECORDINGS {
            let Ok(Notify::Recorded { ticket, recorded }) = ends.recv() else { panic!("no end") };
            assert_eq!((recorded.packets, recorded.lost, recorded.failure), (each, 0, None));
            let size = fs::metadata(folder.path().join(ticket.to_string())).unwrap().len();
            // Two channels of 8000 samples a second.
            let sound = u64::from(SECONDS) * 8_000 * 4 + 44;
            assert!(ticket % 2 == 1 || size >= sound, "{ticket}: {size} of {sound}");
        }
        drop(recorder);
        thread.join().unwrap();
    }
}
