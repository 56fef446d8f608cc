//! Linphone: a stock soft phone without a screen, told what to do on its standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{baresip::tone, free_port, spawn};
use crate::certificates::write_identity;
use crate::program::{PATIENCE, Program, pause};

/// What it says of its calls: the state, as in `LinphoneCallStreamsRunning`, and the call's number.
type Events = Arc<Mutex<Vec<(String, u32)>>>;

/// A registered Linphone of the codec PCMU; killed when dropped.
pub struct Linphone {
    child: Child,
    folder: tempfile::TempDir,
    input: ChildStdin,
    events: Events,
    line: String,
}

impl Linphone {
    /// A Linphone of a line that is registered over UDP and answers by itself or when told.
    pub fn start(program: &Program, line: &str, answers: bool) -> Linphone {
        Linphone::with(program, line, answers, "none")
    }

    /// The same with media encryption: `srtp` or `dtls`.
    pub fn with(program: &Program, line: &str, answers: bool, encryption: &str) -> Linphone {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        let config = include_str!("../../interop/linphonerc")
            .replace("{folder}", &at.to_string_lossy())
            .replace("{sip}", &free_port().to_string())
            .replace("{line}", line)
            .replace("media_encryption=none", &format!("media_encryption={encryption}"))
            .replace("{switch}", &program.sip.to_string());
        std::fs::write(at.join("linphonerc"), config).expect("the file is written");
        std::fs::write(at.join("tone.wav"), tone()).expect("the file is written");
        // Of itself it would make an RSA certificate for DTLS.
        let identities = at.join("identities");
        std::fs::create_dir(&identities).expect("a folder is made");
        let name = "linphone-dtls-default-identity";
        write_identity(&identities.join(format!("{name}.pem")), name);
        let mut command = Command::new("linphone-daemon");
        command.arg("--config").arg(at.join("linphonerc")).arg("--log").arg(at.join("log"));
        command.arg("--disable-stats-events").env("HOME", at).current_dir(at);
        if answers {
            command.arg("--auto-answer");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = spawn(&mut command, "linphone-cli");
        let input = child.stdin.take().expect("it was piped");
        let output = child.stdout.take().expect("it was piped");
        let events = Events::default();
        let sink = Arc::clone(&events);
        std::thread::spawn(move || listen(output, &sink));
        let mut phone = Linphone { child, folder, input, events, line: line.to_owned() };
        phone.command("audio-codec-disable ALL");
        phone.command("audio-codec-enable PCMU/8000/1");
        program.until("/api/v1/registrations", |answer| {
            let mut rows = answer["items"].as_array().into_iter().flatten();
            rows.any(|row| row["line"] == line)
        });
        phone
    }

    /// Gives it one of its commands.
    pub fn command(&mut self, text: &str) {
        writeln!(self.input, "{text}").expect("linphone listens");
        self.input.flush().expect("linphone listens");
    }

    /// Calls a number of the office.
    pub fn call(&mut self, number: &str) {
        self.command(&format!("call sip:{number}@office.test"));
    }

    /// Transfers one of its calls, unattended.
    pub fn transfer(&mut self, call: u32, number: &str) {
        self.command(&format!("call-transfer {call} sip:{number}@office.test"));
    }

    /// Joins the parties of two of its calls.
    pub fn join(&mut self, call: u32, other: u32) {
        self.command(&format!("call-transfer {call} {other}"));
    }

    /// Waits until one of its calls has media, and says a tone in it. The call's number.
    pub fn talks(&mut self) -> u32 {
        let call = self.until("StreamsRunning");
        let file = self.folder.path().join("tone.wav");
        self.command(&format!("incall-player-start {} {call}", file.display()));
        call
    }

    /// Waits until a call is in a state, such as `IncomingReceived`. The call's number.
    pub fn until(&self, state: &str) -> u32 {
        let wanted = format!("LinphoneCall{state}");
        let begun = Instant::now();
        loop {
            {
                let mut events = self.events.lock().expect("no panic there");
                if let Some(at) = events.iter().position(|(event, _)| *event == wanted) {
                    return events.drain(..=at).next_back().expect("just found").1;
                }
            }
            let is_late = begun.elapsed() > PATIENCE;
            assert!(!is_late, "linphone {}: no {state}\n{}", self.line, self.log());
            pause();
        }
    }

    /// What it has logged, with all SIP messages.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what it says of its calls until it ends: a line with the event, later one with the call.
fn listen(output: ChildStdout, events: &Mutex<Vec<(String, u32)>>) {
    let mut event = None;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(state) = line.strip_prefix("Event: ") {
            event = Some(state.to_owned());
        }
        let call = line.strip_prefix("Id: ").and_then(|number| number.parse().ok());
        if let (Some(call), Some(state)) = (call, event.as_ref()) {
            events.lock().expect("no panic there").push((state.clone(), call));
            event = None;
        }
    }
}
