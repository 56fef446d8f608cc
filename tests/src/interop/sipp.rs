//! SIPp: one process plays one side of a scenario.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Audio, free_port, is_bound, spawn};
use crate::program::{PATIENCE, Program, pause};

/// How long a scenario without long pauses may take.
const SCENARIO_SECONDS: u64 = 40;

/// A SIPp process that is about to be started.
pub struct Sipp {
    command: Command,
    folder: tempfile::TempDir,
    scenario: String,
    port: u16,
    seconds: u64,
    keys: Vec<(String, String)>,
    numbers: Vec<(&'static str, String)>,
}

/// A SIPp process at work.
pub struct Running {
    child: Child,
    folder: tempfile::TempDir,
    scenario: String,
    seconds: u64,
    /// Its SIP port.
    pub port: u16,
}

impl Sipp {
    /// A scenario of `tests/interop` by its file name, against the switch, on a port of its own.
    pub fn new(program: &Program, scenario: &str) -> Sipp {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(scenario);
        std::fs::write(&file, assemble(scenario)).expect("the scenario is written");
        let mut command = Command::new("sipp");
        command.arg(program.sip.to_string()).arg("-sf").arg(file);
        Sipp {
            command,
            folder,
            scenario: scenario.to_owned(),
            port: free_port(),
            seconds: SCENARIO_SECONDS,
            keys: Vec::new(),
            numbers: vec![("-m", "1".to_owned())],
        }
    }

    /// On a given port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Sipp {
        self.port = port;
        self
    }

    /// Over one TCP connection.
    #[must_use]
    pub fn tcp(mut self) -> Sipp {
        self.command.args(["-t", "t1"]);
        self
    }

    /// Sets `[name]` of the scenario.
    #[must_use]
    pub fn key(mut self, name: &str, value: impl ToString) -> Sipp {
        self.keys.retain(|(known, _)| known != name);
        self.keys.push((name.to_owned(), value.to_string()));
        self
    }

    /// Acts for a line of the office, with this Request-URI. As SIPp does, its digest names the
    /// address of the switch instead.
    #[must_use]
    pub fn line(mut self, line: &str, request_uri: &str) -> Sipp {
        self.command.args(["-au", line, "-ap", &format!("pw-{line}")]);
        self.key("me", line).key("uri", request_uri)
    }

    /// Calls a number from a line.
    #[must_use]
    pub fn call(self, line: &str, number: &str) -> Sipp {
        self.line(line, &format!("sip:{number}@office.test"))
    }

    /// Waits for calls to a line at its port.
    #[must_use]
    pub fn called(self, line: &str) -> Sipp {
        self.key("me", line)
    }

    /// Talks from this port.
    #[must_use]
    pub fn audio(self, audio: &Audio) -> Sipp {
        self.key("sdp", sdp(audio.port(), ""))
    }

    /// So many calls, so many of them begun in a second.
    #[must_use]
    pub fn calls(mut self, count: u32, each_second: u32) -> Sipp {
        self.numbers = vec![("-m", count.to_string()), ("-r", each_second.to_string())];
        self
    }

    /// May take longer than others.
    #[must_use]
    pub fn seconds(mut self, seconds: u64) -> Sipp {
        self.seconds = seconds;
        self
    }

    /// More of SIPp's own options.
    #[must_use]
    pub fn options(mut self, options: &[&str]) -> Sipp {
        self.command.args(options);
        self
    }

    fn set_defaults(&mut self) {
        let here = format!("127.0.0.1:{}", self.port);
        let defaults = [
            ("sentby", here.clone()),
            ("cancelby", here.clone()),
            ("contact", here),
            ("domain", "office.test".to_owned()),
            ("extra", "Subject: test".to_owned()),
            ("sdp", sdp(9, "")),
        ];
        for (name, value) in defaults {
            if !self.keys.iter().any(|(known, _)| known == name) {
                self.keys.push((name.to_owned(), value));
            }
        }
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        self.set_defaults();
        let port = self.port.to_string();
        self.command
            .args(["-i", "127.0.0.1", "-p", &port, "-nostdin", "-trace_msg", "-trace_err"])
            .arg("-message_file")
            .arg(self.folder.path().join("messages.log"))
            .arg("-error_file")
            .arg(self.folder.path().join("errors.log"))
            .args(["-timeout", &format!("{}s", self.seconds), "-timeout_error"])
            .args(["-cp", &free_port().to_string()]);
        for (name, value) in &self.numbers {
            self.command.args([name, &value.as_str()]);
        }
        for (name, value) in &self.keys {
            self.command.args(["-key", name, value]);
        }
        self.command.current_dir(self.folder.path());
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = spawn(&mut self.command, "sip-tester");
        Running {
            child,
            folder: self.folder,
            scenario: self.scenario,
            seconds: self.seconds,
            port: self.port,
        }
    }

    /// Starts it and waits until it can be called.
    pub fn listen(self) -> Running {
        let mut running = self.start();
        let start = Instant::now();
        while !is_bound(running.port) {
            if running.child.try_wait().expect("the child is ours").is_some() {
                running.fail("ended before it listened");
            }
            assert!(start.elapsed() < PATIENCE, "{} does not listen", running.scenario);
            pause();
        }
        running
    }

    /// Runs it to its end, which has to be good.
    pub fn run(self) -> Log {
        self.start().finish()
    }
}

impl Running {
    /// Waits for its end, which has to be good; what it sent and received.
    pub fn finish(mut self) -> Log {
        let start = Instant::now();
        let limit = Duration::from_secs(self.seconds) + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                if !status.success() {
                    self.fail(&format!("failed: {status}"));
                }
                return self.log();
            }
            assert!(start.elapsed() < limit, "{} does not end", self.scenario);
            pause();
        }
    }

    /// What it has sent and received so far.
    pub fn log(&self) -> Log {
        Log::read(&self.folder.path().join("messages.log"))
    }

    /// Waits until it has received a message that begins so.
    pub fn until_received(&mut self, start: &str) {
        let begun = Instant::now();
        while !self.log().received(start).next().is_some() {
            if self.child.try_wait().expect("the child is ours").is_some_and(|end| !end.success()) {
                self.fail(&format!("failed before {start} came"));
            }
            if begun.elapsed() > PATIENCE {
                self.fail(&format!("never received {start}"));
            }
            pause();
        }
    }

    /// Lets a scenario go on that waits for MESSAGE: one within its call, sent by the test.
    pub fn go_on(&self) {
        let log = self.log();
        let last = log.0.iter().rfind(|one| !one.is_sent).expect("the switch has said something");
        let is_response = last.text.starts_with("SIP/2.0 ");
        let (from, to) = if is_response { ("To", "From") } else { ("From", "To") };
        let number = last.header("CSeq").split(' ').next().unwrap_or_default();
        let text = format!(
            "MESSAGE sip:phone SIP/2.0\nVia: {}\nFrom: {}\nTo: {}\nCall-ID: {}\n\
             CSeq: {number} MESSAGE\nContent-Length: 0\n\n",
            last.header("Via"),
            last.header(from),
            last.header(to),
            last.header("Call-ID"),
        );
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let bytes = text.replace('\n', "\r\n");
        socket.send_to(bytes.as_bytes(), (Ipv4Addr::LOCALHOST, self.port)).expect("it is sent");
    }

    fn fail(&self, what: &str) -> ! {
        let read = |name: &str| {
            std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
        };
        panic!(
            "{} {what}\n--- errors\n{}\n--- messages\n{}",
            self.scenario,
            read("errors.log"),
            read("messages.log")
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a SIPp process sent and received.
#[derive(Debug)]
pub struct Log(pub Vec<Logged>);

/// One message.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Seconds since the month began, to be compared with others.
    pub at: f64,
    /// By SIPp; otherwise by the switch.
    pub is_sent: bool,
    /// All of it, without carriage returns.
    pub text: String,
}

impl Log {
    fn read(path: &Path) -> Log {
        let bytes = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).replace('\r', "");
        let rule = "-----------------------------------------------";
        Log(text.split(rule).filter_map(entry).collect())
    }

    /// Messages of the switch that begin so.
    pub fn received(&self, start: &str) -> impl Iterator<Item = &Logged> {
        self.0.iter().filter(move |one| !one.is_sent && one.text.starts_with(start))
    }

    /// Messages of SIPp that begin so.
    pub fn sent(&self, start: &str) -> impl Iterator<Item = &Logged> {
        self.0.iter().filter(move |one| one.is_sent && one.text.starts_with(start))
    }

    /// The only message of the switch that begins so.
    pub fn only(&self, start: &str) -> &Logged {
        let all: Vec<&Logged> = self.received(start).collect();
        assert_eq!(all.len(), 1, "{start}: {self:#?}");
        all[0]
    }

    /// The last response of the switch to a method.
    pub fn last_response(&self, method: &str) -> &Logged {
        self.received("SIP/2.0 ")
            .filter(|one| one.header("CSeq").ends_with(method))
            .last()
            .unwrap_or_else(|| panic!("no response to {method}: {self:#?}"))
    }
}

impl Logged {
    /// The first value of a header, written in its long form.
    pub fn header(&self, name: &str) -> &str {
        self.head().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// All values of a header, in order.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.head()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    fn head(&self) -> impl Iterator<Item = (&str, &str)> {
        let (head, _) = self.text.split_once("\n\n").unwrap_or((&self.text, ""));
        head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, value)| {
            (name.trim(), value.trim())
        })
    }

    /// The Request-URI, or the status code.
    pub fn second_word(&self) -> &str {
        self.text.split_whitespace().nth(1).unwrap_or_default()
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.second_word().parse().unwrap_or(0)
    }

    /// The first line of the SDP that begins so, without that.
    pub fn sdp(&self, start: &str) -> &str {
        let (_, body) = self.text.split_once("\n\n").unwrap_or_default();
        body.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default()
    }

    /// The version in the SDP's `o=`.
    pub fn sdp_version(&self) -> u64 {
        let version = self.sdp("o=").split(' ').nth(2).and_then(|text| text.parse().ok());
        version.unwrap_or_else(|| panic!("no o= in {}", self.text))
    }

    /// A parameter of a header value.
    pub fn parameter(&self, header: &str, name: &str) -> &str {
        let start = format!("{name}=");
        self.header(header).split(';').find_map(|part| part.strip_prefix(&start)).unwrap_or_default()
    }
}

/// A phone's description: audio in both laws with telephone-event, and `more` lines at its end.
pub fn sdp(port: u16, more: &str) -> String {
    let text = format!(
        "v=0\no=phone 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
         m=audio {port} RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000\n{more}"
    );
    text.trim_end().replace('\n', "\r\n")
}

fn entry(text: &str) -> Option<Logged> {
    let (head, message) = text.split_once("\n\n")?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split_whitespace();
    let day = words.next()?.rsplit('-').next()?.parse::<f64>().ok()?;
    let mut at = 0.0;
    for part in words.next()?.split(':') {
        at = at * 60.0 + part.parse::<f64>().ok()?;
    }
    let at = day * 86_400.0 + at;
    let is_sent = lines.next()?.contains(" sent ");
    let message = message.trim_end_matches('\n').trim_end_matches("UDP message lost (recv).");
    Some(Logged { at, is_sent, text: message.trim_end_matches('\n').to_owned() + "\n\n" })
}

/// Registers a line for the phone on this port, by SIPp.
pub fn register(program: &Program, line: &str, port: u16) -> Log {
    Sipp::new(program, "register.xml").port(port).line(line, "sip:office.test").run()
}

/// The scenario's text with every `<include file="…" name="value"/>` replaced by that file's,
/// and `{name}` in it by the value.
fn assemble(scenario: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(scenario);
    let file = std::fs::read_to_string(&path);
    let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    for line in file.lines() {
        match line.trim().strip_prefix("<include file=") {
            Some(included) => {
                let mut words = included.split('"').skip(1).step_by(2);
                let mut names = included.split('"').skip(2).step_by(2);
                let mut part = assemble(words.next().unwrap_or_default());
                for value in words {
                    let name = names.next().unwrap_or_default().trim().trim_end_matches('=');
                    part = part.replace(&format!("{{{name}}}"), value);
                }
                text.push_str(&part);
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}
