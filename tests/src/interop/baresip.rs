//! baresip: a stock soft phone, told what to do over its control socket.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use super::{free_port, spawn};
use crate::certificates::write_identity;
use crate::live::power_share;
use crate::program::{PATIENCE, Program, pause};

/// Seconds of tone that a baresip says.
const TONE_SECONDS: u32 = 60;
const RATE_HZ: u32 = 8000;
/// The peak of the tone.
const PEAK: f64 = 8_000.0;
/// The file that is said has the rate of G.711, whatever the codec; what is heard is written down.
const FILES: &str = "ausrc_srate 8000\nausrc_channels 1\nmodule sndfile.so\nsnd_path ";

/// A parameter of an account that baresip does not know: it keeps the RSA certificate that it makes itself.
pub const RSA: &str = ";certificate=rsa";

/// A registered baresip; killed when dropped.
pub struct Baresip {
    child: Child,
    folder: tempfile::TempDir,
    control: TcpStream,
    events: Arc<Mutex<Vec<Value>>>,
    line: String,
}

impl Baresip {
    /// A baresip of a line that is registered over UDP, TCP or TLS and answers by itself or never.
    pub fn start(program: &Program, line: &str, transport: &str, answers: bool) -> Baresip {
        Baresip::with(program, line, transport, answers, "")
    }

    /// The same with further parameters of its account, such as `;mediaenc=srtp`. One that is given
    /// codecs (`;audio_codecs=opus/48000/2`) remembers what it hears, for [`Baresip::hears`].
    pub fn with(
        program: &Program,
        line: &str,
        transport: &str,
        answers: bool,
        account: &str,
    ) -> Baresip {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        let (sip, control) = (two_free_ports(), free_port());
        let switch = match transport {
            "tls" => program.listener("tls"),
            _ => program.sip,
        };
        let fill = |template: &str| {
            template
                .replace("{folder}", &at.to_string_lossy())
                .replace("{sip}", &sip.to_string())
                .replace("{control}", &control.to_string())
                .replace("{line}", line)
                .replace("{switch}", &switch.to_string())
                .replace("{transport}", transport)
                .replace("{answermode}", if answers { "auto" } else { "manual" })
        };
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(at.join(name), bytes).expect("the file is written");
        };
        let mut config = fill(include_str!("../../interop/baresip.config"));
        // Loaded by those alone that need them: the module of DTLS makes a certificate first.
        let modules = ["dtls_srtp", "ice", "opus", "g722"];
        for module in modules.into_iter().filter(|name| account.contains(name)) {
            config.push_str(&format!("module {module}.so\n"));
        }
        let mut accounts = fill(include_str!("../../interop/baresip.accounts"));
        if account.contains("audio_codecs") {
            accounts = accounts.replace(";audio_codecs=pcmu", "");
            config.push_str(&format!("{FILES}{}\n", at.display()));
        }
        write("config", config.as_bytes());
        write("accounts", format!("{}{account}\n", accounts.trim_end()).as_bytes());
        write("contacts", b"");
        write("tone.wav", &tone());
        let log = std::fs::File::create(at.join("log")).expect("a log file");
        let mut command = Command::new("baresip");
        command
            .arg("-f")
            .arg(at)
            .arg("-s")
            .current_dir(at)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        if account.contains("dtls_srtp") && !account.contains(RSA) {
            elliptic(at, &mut command);
        }
        let child = spawn(command.stdout(log), "baresip-core");
        let mut phone = Baresip::connect(child, folder, control, line);
        phone.until_registered();
        phone
    }

    fn connect(mut child: Child, folder: tempfile::TempDir, port: u16, line: &str) -> Baresip {
        let begun = Instant::now();
        let control = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(stream) => break stream,
                Err(error) => {
                    let is_over = child.try_wait().expect("the child is ours").is_some();
                    let log = std::fs::read_to_string(folder.path().join("log"));
                    assert!(
                        !is_over && begun.elapsed() < PATIENCE,
                        "baresip cannot be controlled ({error}): {}",
                        log.unwrap_or_default()
                    );
                    pause();
                }
            }
        };
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        let reader = BufReader::new(control.try_clone().expect("a socket can be shared"));
        std::thread::spawn(move || listen(reader, &sink));
        Baresip { child, folder, control, events, line: line.to_owned() }
    }

    /// Carries out one of its commands; the answer's text.
    pub fn command(&mut self, name: &str, parameters: &str) -> String {
        let token = format!("{name}-{}", self.events.lock().expect("no panic there").len());
        let text = json!({"command": name, "params": parameters, "token": token}).to_string();
        let frame = format!("{}:{text},", text.len());
        self.control.write_all(frame.as_bytes()).expect("baresip listens");
        let answer = self.wait(name, |event| event["token"] == json!(token));
        assert_eq!(answer["ok"], json!(true), "{name}: {answer}\n{}", self.log());
        answer["data"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits for an event of this type, such as `CALL_ESTABLISHED`.
    pub fn until(&self, kind: &str) -> Value {
        self.wait(kind, |event| event["type"] == json!(kind))
    }

    /// Waits for the end of its call.
    pub fn until_closed(&self) {
        self.until("CALL_CLOSED");
    }

    fn until_registered(&mut self) {
        let begun = Instant::now();
        while !self.command("reginfo", "").contains("OK") {
            assert!(begun.elapsed() < PATIENCE, "{} is not registered\n{}", self.line, self.log());
            pause();
        }
    }

    /// Waits for the first message that fits and takes it and all before it away.
    fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            {
                let mut events = self.events.lock().expect("no panic there");
                if let Some(at) = events.iter().position(&wanted) {
                    return events.drain(..=at).next_back().expect("just found");
                }
            }
            let is_late = begun.elapsed() > PATIENCE;
            assert!(!is_late, "baresip {}: no {what}\n{}", self.line, self.log());
            pause();
        }
    }

    /// Waits until it has heard a frequency for a tenth of a second, and none of the others meanwhile. Only
    /// of one that was given codecs.
    pub fn hears(&self, tone: u16, others: &[u16]) {
        let begun = Instant::now();
        loop {
            let (sound, rate_hz) = self.heard();
            let tenth = usize::try_from(rate_hz / 10).expect("small");
            let is_it = |part: &[i16]| {
                let share = |hz: u16| power_share(part, rate_hz, hz);
                share(tone) > 0.9 && others.iter().all(|other| share(*other) < 0.01)
            };
            if sound.chunks_exact(tenth).any(is_it) {
                return;
            }
            let is_late = begun.elapsed() > PATIENCE;
            let samples = sound.len();
            assert!(!is_late, "baresip {}: no {tone} Hz in {samples}\n{}", self.line, self.log());
            pause();
        }
    }

    /// What it has heard, and its rate. Its file has no length before the call is over.
    fn heard(&self) -> (Vec<i16>, u32) {
        let files = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut paths = files.flatten().map(|file| file.path());
        let heard = paths.find(|path| path.to_string_lossy().ends_with("-dec.wav"));
        let octets = heard.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let data = octets.windows(4).position(|name| name == b"data");
        let (Some(data), Some(format)) = (data, octets.get(20..36)) else {
            return (Vec::new(), RATE_HZ);
        };
        let word = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
        assert_eq!((word(0), word(14)), (1, 16), "PCM of 16 bits");
        let (channels, rate_hz) = (usize::from(word(2)), u32::from(word(4)));
        let frames = octets.get(data + 8..).unwrap_or_default().chunks_exact(2 * channels);
        let sound = frames.map(|frame| i16::from_le_bytes([frame[0], frame[1]]));
        (sound.collect(), rate_hz)
    }

    /// What it has printed, with all SIP messages.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets it prove itself by ECDSA in DTLS handshakes: of itself this release knows RSA alone.
fn elliptic(folder: &Path, command: &mut Command) {
    write_identity(&folder.join("elliptic.pem"), "baresip");
    let (source, library) = (folder.join("elliptic.c"), folder.join("elliptic.so"));
    std::fs::write(&source, include_str!("../../interop/elliptic.c")).expect("a file is written");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    let status = spawn(&mut compiler, "gcc").wait().expect("a compiler ends");
    assert!(status.success(), "elliptic.c cannot be compiled");
    command.env("LD_PRELOAD", library).env("ELLIPTIC_PEM", folder.join("elliptic.pem"));
}

/// Reads netstrings of JSON until the socket closes.
fn listen(mut reader: BufReader<TcpStream>, events: &Mutex<Vec<Value>>) {
    loop {
        let mut length = 0_usize;
        loop {
            let mut octet = [0];
            if reader.read_exact(&mut octet).is_err() {
                return;
            }
            match octet[0] {
                digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
                _ => break,
            }
        }
        let mut text = vec![0; length + 1];
        if reader.read_exact(&mut text).is_err() {
            return;
        }
        text.truncate(length);
        if let Ok(value) = serde_json::from_slice(&text) {
            events.lock().expect("no panic there").push(value);
        }
    }
}

/// A port with a free one behind it, for baresip's TLS.
fn two_free_ports() -> u16 {
    let mut port = free_port();
    loop {
        let next = free_port();
        if next == port + 1 {
            return port;
        }
        port = next;
    }
}

/// A WAV file with 440 Hz.
pub(super) fn tone() -> Vec<u8> {
    let bytes = TONE_SECONDS * RATE_HZ * 2;
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + bytes).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    for word in [16, 1 | 1 << 16, RATE_HZ, RATE_HZ * 2, 2 | 16 << 16] {
        wav.extend_from_slice(&word.to_le_bytes());
    }
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&bytes.to_le_bytes());
    for sample in 0..TONE_SECONDS * RATE_HZ {
        let phase = f64::from(sample) * 440.0 * std::f64::consts::TAU / f64::from(RATE_HZ);
        wav.extend_from_slice(&((phase.sin() * PEAK) as i16).to_le_bytes());
    }
    wav
}

/// Waits until a line's phone has sent and been sent so many packets more than at the beginning.
pub fn packets_flow(program: &Program, lines: &[&str], packets: u64) {
    let counts = |answer: &Value, line: &str| {
        let rows = answer["items"].as_array().cloned().unwrap_or_default();
        let row = rows.into_iter().find(|row| row["line"] == line)?;
        Some((row["packetsReceived"].as_u64()?, row["packetsSent"].as_u64()?))
    };
    let (_, first) = program.get("/api/v1/media");
    let before: Vec<_> = lines.iter().map(|line| counts(&first, line).unwrap_or((0, 0))).collect();
    program.until("/api/v1/media", |answer| {
        lines.iter().zip(&before).all(|(line, (received, sent))| {
            counts(answer, line)
                .is_some_and(|now| now.0 >= received + packets && now.1 >= sent + packets)
        })
    });
}
