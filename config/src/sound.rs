//! Recordings that the file names: read and checked when the configuration is loaded.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest file that is read: more than sixteen minutes of 16 kHz.
const MAX_SOUND_BYTES: u64 = 32 << 20;
/// What a recording should be.
pub(crate) const EXPECTED: &str = "a WAV file: PCM of 8 or 16 bits, mono, 8000 or 16000 Hz";

/// A recording: what the held hear, or an announcement.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    /// Its file.
    pub path: PathBuf,
    /// Samples a second: 8000 or 16000.
    pub rate_hz: u32,
    /// Mono, at least one.
    pub samples: Arc<[i16]>,
}

impl fmt::Debug for Sound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sound({}, {} Hz)", self.path.display(), self.rate_hz)
    }
}

/// Why a recording could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoundFault {
    #[error("the file {0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("the file {0} is longer than {MAX_SOUND_BYTES} bytes")]
    TooLong(PathBuf),
    #[error("the file {0} is no WAV file that can be read: {1}")]
    NotWav(PathBuf, hound::Error),
    #[error("the file {path} has {channels} channel(s) of {bits} bits at {rate_hz} Hz")]
    Format { path: PathBuf, channels: u16, bits: u16, rate_hz: u32 },
    #[error("the file {0} holds no sound")]
    Empty(PathBuf),
}

/// Reads a recording.
pub(crate) fn read(path: &Path) -> Result<Sound, SoundFault> {
    let owned = || path.to_owned();
    let metadata =
        std::fs::metadata(path).map_err(|error| SoundFault::Unreadable(owned(), error))?;
    if metadata.len() > MAX_SOUND_BYTES {
        return Err(SoundFault::TooLong(owned()));
    }
    let wrong = |error| match error {
        hound::Error::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            SoundFault::Unreadable(owned(), error)
        }
        error => SoundFault::NotWav(owned(), error),
    };
    let mut reader = hound::WavReader::open(path).map_err(wrong)?;
    let spec = reader.spec();
    let is_playable = spec.channels == 1
        && matches!(spec.bits_per_sample, 8 | 16)
        && spec.sample_format == hound::SampleFormat::Int
        && matches!(spec.sample_rate, 8_000 | 16_000);
    if !is_playable {
        return Err(SoundFault::Format {
            path: owned(),
            channels: spec.channels,
            bits: spec.bits_per_sample,
            rate_hz: spec.sample_rate,
        });
    }
    let shift = if spec.bits_per_sample == 8 { 8 } else { 0 };
    let samples: Result<Vec<i16>, hound::Error> =
        reader.samples::<i16>().map(|sample| Ok(sample? << shift)).collect();
    let samples = samples.map_err(wrong)?;
    if samples.is_empty() {
        return Err(SoundFault::Empty(owned()));
    }
    Ok(Sound { path: owned(), rate_hz: spec.sample_rate, samples: samples.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn write(path: &Path, channels: u16, sample_rate: u32, bits: u16, count: i16) {
        let sample_format = hound::SampleFormat::Int;
        let spec = hound::WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for sample in 0..count {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn music_is_read_with_the_configuration_and_each_file_once() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("hold.wav"), 1, 16_000, 16, 100);
        write(&folder.path().join("park.wav"), 1, 8_000, 8, 50);
        let text = "domain = \"x.test\"\n[media]\nmusic = \"hold.wav\"\n\
                    [defaults.line]\nmusic = \"park.wav\"\n\
                    [lines.201]\npassword = \"pw\"\nmusic = \"hold.wav\"\n\
                    [lines.202]\npassword = \"pw\"\n\
                    [park.lots.main]\nnumber = \"700\"\nslots = \"701-720\"\nmusic = \"park.wav\"\n";
        let file = folder.path().join("x.toml");
        let config = parse(text, file.to_str().unwrap()).unwrap();
        let music = config.media.music.unwrap();
        assert_eq!((music.rate_hz, music.samples.len(), music.samples[99]), (16_000, 100, 99));
        assert!(Arc::ptr_eq(&music.samples, &config.lines["201"].music.as_ref().unwrap().samples));
        let inherited = config.lines["202"].music.as_ref().unwrap();
        assert_eq!((inherited.rate_hz, inherited.samples[49]), (8_000, 49 << 8));
        assert_eq!(config.park.lots["main"].music.as_ref(), Some(inherited));
    }

    #[test]
    fn what_cannot_be_played_is_a_fault_that_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("stereo.wav"), 2, 8_000, 16, 10);
        write(&path("cd.wav"), 1, 44_100, 16, 10);
        write(&path("empty.wav"), 1, 8_000, 16, 0);
        std::fs::write(path("text.wav"), "no sound at all, only words").unwrap();
        let stereo = read(&path("stereo.wav")).unwrap_err().to_string();
        assert!(stereo.ends_with("has 2 channel(s) of 16 bits at 8000 Hz"), "{stereo}");
        assert!(matches!(read(&path("cd.wav")), Err(SoundFault::Format { rate_hz: 44_100, .. })));
        assert!(matches!(read(&path("empty.wav")), Err(SoundFault::Empty(_))));
        assert!(matches!(read(&path("text.wav")), Err(SoundFault::NotWav(..))));
        assert!(matches!(read(&path("none.wav")), Err(SoundFault::Unreadable(..))));
        let text = "domain = \"x.test\"\n[media]\nmusic = \"stereo.wav\"\n";
        let faults = parse(text, path("x.toml").to_str().unwrap()).unwrap_err();
        assert_eq!((faults[0].line, faults[0].expected.as_str()), (3, EXPECTED));
    }
}
