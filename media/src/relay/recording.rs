//! Recordings of the relay's streams: where their packets are copied.

use std::net::SocketAddr;
use std::sync::Arc;

use super::RelayControl;
use crate::context::Key;
use crate::control::MediaError;
use crate::recording::Recording;
use crate::recording::writer::{Recorder, RecorderCounters};

impl RelayControl {
    /// What was recorded so far; `None` before the first recording.
    #[must_use]
    pub fn recorder(&self) -> Option<Arc<RecorderCounters>> {
        self.recorder.as_ref().map(|recorder| Arc::clone(recorder.counters()))
    }

    pub(super) fn begin_recording(
        &mut self,
        key: Key,
        recording: Recording,
    ) -> Result<(), MediaError> {
        self.end_recording(key);
        if self.recorder.is_none() {
            let clock = self.clock;
            let recorder = Recorder::start(self.notices.clone(), move || clock.now_us());
            self.recorder = Some(recorder.map_err(MediaError::Worker)?);
        }
        let stream = self.board.stream(key).ok_or(MediaError::UnknownTermination)?;
        let bound = Arc::clone(&stream.handle.bound);
        let local = SocketAddr::new(self.config.address, bound.pair.ports.rtp);
        let recorder = self.recorder.as_ref().ok_or(MediaError::Recorder)?;
        let tap = recorder.begin(recording, local, self.clock.now_us());
        bound.outlet.set_tap(Some(tap.ok_or(MediaError::Recorder)?));
        // From now on the kernel is given nothing of it; what it has comes back.
        if let Some(kernel) = &self.kernel {
            kernel.reclaim(&bound);
        }
        Ok(())
    }

    pub(super) fn end_recording(&mut self, key: Key) {
        let Some(stream) = self.board.stream(key) else { return };
        let outlet = &stream.handle.bound.outlet;
        if let Some(tap) = outlet.tap() {
            outlet.set_tap(None);
            tap.end();
        }
    }
}
