//! The real program on loopback: starts `strowger run`, talks to it as users do.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::time::Seeded;
use switch::phone::{Access, Behaviour, Phone, PhoneError};

pub use crate::application::Application;
pub use crate::http::{Events, http, http_with_fields, http_with_head};
pub use crate::live::LivePhone;

/// How long a test waits for something that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The office's token for everything.
pub const TOKEN: &str = "admin-token";
/// The office's token of an application, limited to the lines 201–206.
pub const CRM_TOKEN: &str = "crm-token";

/// The database's file beside the configuration.
const DATABASE: &str = "strowger.db";

/// A running switch; killed when dropped.
pub struct Program {
    child: Child,
    /// Its first UDP listener.
    pub sip: SocketAddr,
    /// Its control interface.
    pub api: SocketAddr,
    /// The configuration it runs with.
    pub config: PathBuf,
    /// The line with which it said that it is ready.
    pub ready: String,
    log: Arc<Mutex<String>>,
    said: Arc<Mutex<String>>,
    /// The words before the program's own on its command line.
    through: Vec<String>,
    _folder: tempfile::TempDir,
}

/// A program that has said its first line, or ended without one.
struct Started {
    child: Child,
    ready: String,
    log: Arc<Mutex<String>>,
    /// Fills the log until the program ends.
    reader: JoinHandle<()>,
    said: Arc<Mutex<String>>,
}

impl Started {
    fn of(config: &Path, through: &[String]) -> Started {
        let mut child = started_by(through)
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strowger starts");
        let log = Arc::new(Mutex::new(String::new()));
        let errors = BufReader::new(child.stderr.take().expect("stderr"));
        let sink = log.clone();
        let reader = std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = sink.lock().expect("no panic while logging");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        stdout.read_line(&mut ready).expect("a ready line");
        let said = Arc::new(Mutex::new(String::new()));
        let sink = said.clone();
        std::thread::spawn(move || {
            let mut rest = String::new();
            while stdout.read_line(&mut rest).is_ok_and(|length| length > 0) {
                sink.lock().expect("no panic while reading").push_str(&rest);
                rest.clear();
            }
        });
        Started { child, ready, log, reader, said }
    }
}

/// The program's file, built first if need be; `STROWGER_BINARY` names one that is there.
pub fn binary() -> PathBuf {
    static BUILD: Once = Once::new();
    if let Some(file) = std::env::var_os("STROWGER_BINARY") {
        return file.into();
    }
    let test = std::env::current_exe().expect("the test knows its file");
    let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps");
    BUILD.call_once(|| {
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        cargo.args(["build", "--quiet", "-p", "switch", "--bin", "strowger"]);
        if folder.file_name().is_some_and(|name| name == "release") {
            cargo.arg("--release");
        }
        cargo.arg("--target-dir").arg(folder.parent().expect("target"));
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "building strowger failed");
    });
    folder.join("strowger")
}

/// `office.toml` on free ports, with changes; `edit` gets the text.
pub fn office(edit: impl FnOnce(String) -> String) -> String {
    let text = include_str!("../../config/office.toml")
        .replace("udp:127.0.0.1:5060", "udp:127.0.0.1:0")
        .replace("tcp:127.0.0.1:5060", "tcp:127.0.0.1:0")
        .replace("127.0.0.1:8080", "127.0.0.1:0");
    edit(text)
}

/// An office that soon forgets calls that came to nothing, for tests that wait until nothing is left.
pub fn forgetful(text: String) -> String {
    text.replace("keep_failed_call = \"20s\"", "keep_failed_call = \"1s\"")
}

/// The program behind the words of another command.
fn started_by(through: &[String]) -> Command {
    match through.split_first() {
        None => Command::new(binary()),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(binary());
            command
        }
    }
}

/// Runs the program once with arguments and waits for its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("strowger runs")
}

impl Program {
    /// The office on free ports.
    pub fn start() -> Program {
        Program::with(office(|text| text))
    }

    /// Any configuration.
    pub fn with(config: String) -> Program {
        Program::through(config, &[])
    }

    /// Any configuration, started by another command that becomes the program, such as `env` or
    /// `unshare`.
    pub fn through(config: String, command: &[&str]) -> Program {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("office.toml");
        std::fs::write(&path, config).expect("the configuration is written");
        Program::launch(path, folder, command.iter().map(|word| (*word).to_owned()).collect())
    }

    /// Any configuration without a database, with one of its own instead.
    pub fn with_database(config: &str) -> Program {
        assert!(config.contains(":memory:"), "the configuration names a database already");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("office.toml");
        let database = path.with_file_name(DATABASE);
        std::fs::write(&path, config.replace(":memory:", &database.to_string_lossy()))
            .expect("the configuration is written");
        Program::launch(path, folder, Vec::new())
    }

    /// Where [`Program::with_database`] keeps its database.
    pub fn database(&self) -> PathBuf {
        self.config.with_file_name(DATABASE)
    }

    /// Starts it. A port that it had before a crash may have been drawn by somebody else meanwhile: then
    /// it is started again until it is free.
    fn launch(config: PathBuf, folder: tempfile::TempDir, through: Vec<String>) -> Program {
        let start = Instant::now();
        loop {
            let Started { mut child, ready, log, reader, said } = Started::of(&config, &through);
            if let Some((sip, api)) = addresses(&ready) {
                return Program {
                    child,
                    sip,
                    api,
                    config,
                    ready,
                    log,
                    said,
                    through,
                    _folder: folder,
                };
            }
            let _ = child.wait();
            let _ = reader.join();
            let log = log.lock().expect("no panic while logging").clone();
            let may_try = log.contains("address in use") && start.elapsed() < PATIENCE;
            assert!(may_try, "no ready line but {ready:?}: {log}");
            pause();
        }
    }

    /// Starts the program with a configuration that keeps it from running; its exit code and what
    /// it wrote to stderr.
    pub fn refused(config: &str) -> (Option<i32>, String) {
        Program::refused_through(config, &[])
    }

    /// The same, started by another command that becomes the program.
    pub fn refused_through(config: &str, command: &[&str]) -> (Option<i32>, String) {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("office.toml");
        std::fs::write(&path, config).expect("the configuration is written");
        let mut child = started_by(&command)
            .args(["run", "--log", "error", "--config"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strowger starts");
        let code = exit_code(&mut child);
        let _ = child.kill();
        let output = child.wait_with_output().expect("the child is ours");
        (code, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Kills it as `kill -9` does and starts it again with the same files, on the same ports.
    pub fn crash_and_restart(mut self) -> Program {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let text = std::fs::read_to_string(&self.config).expect("the configuration");
        let fixed = text.replacen("udp:127.0.0.1:0", &format!("udp:{}", self.sip), 1).replacen(
            "listen = \"127.0.0.1:0\"",
            &format!("listen = \"{}\"", self.api),
            1,
        );
        std::fs::write(&self.config, fixed).expect("the configuration is written");
        let config = self.config.clone();
        let folder = std::mem::replace(&mut self._folder, tempfile::tempdir().expect("a folder"));
        let through = std::mem::take(&mut self.through);
        Program::launch(config, folder, through)
    }

    /// A phone of a line of the office, registered.
    pub fn phone(&self, number: &str) -> Phone {
        let mut phone = self.unregistered_phone(number);
        phone.register(Duration::from_secs(300));
        phone
            .wait(&mut [], PATIENCE, "registration", |event| {
                (*event == switch::phone::PhoneEvent::Registered { status: 200 }).then_some(())
            })
            .unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        phone
    }

    /// A phone that has not registered.
    pub fn unregistered_phone(&self, number: &str) -> Phone {
        self.phone_with(number, Behaviour::default())
    }

    /// A phone that has not registered, with what it does by itself.
    pub fn phone_with(&self, number: &str, behaviour: Behaviour) -> Phone {
        let password = format!("pw-{number}");
        let entropy = self.entropy();
        Phone::with_behaviour(number, &password, "office.test", self.sip, behaviour, entropy)
            .expect("a phone")
    }

    /// A listener of the ready line by its transport.
    pub fn listener(&self, transport: &str) -> SocketAddr {
        let prefix = format!("{transport}:");
        let list = self.ready.split_whitespace().find_map(|word| word.strip_prefix("sip="));
        let mut listeners = list.unwrap_or_default().split(',');
        let found = listeners.find_map(|one| one.strip_prefix(&prefix)?.parse().ok());
        found.unwrap_or_else(|| panic!("no {transport} listener in {}", self.ready))
    }

    /// A phone over any transport that has not registered.
    ///
    /// Errors: the switch does not take the connection.
    pub fn try_phone_over(
        &self,
        access: &Access,
        number: &str,
        behaviour: Behaviour,
    ) -> Result<Phone, PhoneError> {
        let switch = self.listener(access.transport().uri_param());
        let account = (number, &*format!("pw-{number}"), "office.test");
        Phone::over(access, account, switch, behaviour, self.entropy())
    }

    /// A registered phone over any transport that runs by itself.
    pub fn live_phone_over(&self, access: &Access, number: &str) -> LivePhone {
        let phone = self.try_phone_over(access, number, Behaviour::default());
        let phone = LivePhone::start(phone.unwrap_or_else(|error| panic!("{error}")));
        phone.register(Duration::from_secs(300));
        phone
    }

    fn entropy(&self) -> Box<Seeded> {
        static PHONES: AtomicU64 = AtomicU64::new(0);
        let serial = PHONES.fetch_add(1, Ordering::Relaxed);
        Box::new(Seeded::new(u64::from(self.sip.port()) * 1_000_000 + serial))
    }

    /// The office with 201 and 202 in a call: their phones and the legs.
    pub fn talking() -> (Program, LivePhone, LivePhone, LegId, LegId) {
        let program = Program::start();
        let (a, b) = (program.live_phone("201"), program.live_phone("202"));
        let (near, far) = a.talk_to(&b);
        (program, a, b, near, far)
    }

    /// A registered phone that runs by itself and obeys `Event: talk` and `hold`.
    pub fn live_phone(&self, number: &str) -> LivePhone {
        LivePhone::start(self.phone(number))
    }

    /// A registered phone that runs by itself, knows no events and never answers by itself.
    pub fn plain_phone(&self, number: &str) -> LivePhone {
        let behaviour =
            Behaviour { obeys_events: false, auto_answers: false, ..Behaviour::default() };
        self.live_phone_with(number, behaviour)
    }

    /// A registered phone that runs by itself, with what else it does by itself.
    pub fn live_phone_with(&self, number: &str, behaviour: Behaviour) -> LivePhone {
        let phone = LivePhone::start(self.phone_with(number, behaviour));
        phone.register(Duration::from_secs(300));
        phone
    }

    /// A new `/tapi` connection that has called lineInitializeEx.
    pub fn application(&self, name: &str) -> Application {
        let mut application = Application::connect(self.api, TOKEN);
        application.call("lineInitializeEx", json!({"appName": name})).expect("lineInitializeEx");
        application
    }

    /// A new `/tapi` connection that has called nothing.
    pub fn connection(&self) -> Application {
        Application::connect(self.api, TOKEN)
    }

    /// GET of the control interface: status and JSON.
    pub fn get(&self, path: &str) -> (u16, Value) {
        http(self.api, "GET", path, Some(TOKEN), "")
    }

    /// POST of the control interface.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        http(self.api, "POST", path, Some(TOKEN), &body.to_string())
    }

    /// PUT of the control interface.
    pub fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        http(self.api, "PUT", path, Some(TOKEN), &body.to_string())
    }

    /// A client command of the program against this switch.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.api);
        Command::new(binary())
            .args(arguments)
            .args(["--url", &url, "--token", TOKEN])
            .output()
            .expect("strowger runs")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic while logging").clone()
    }

    /// Waits until it has logged these words.
    pub fn says(&self, words: &str) {
        let start = Instant::now();
        while !self.log().contains(words) {
            assert!(start.elapsed() < PATIENCE, "{words}: {}", self.log());
            pause();
        }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by name, as `kill -NAME` does.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end; the exit code.
    pub fn wait_for_exit(&mut self) -> Option<i32> {
        exit_code(&mut self.child)
    }

    /// What it wrote to stdout after the ready line.
    pub fn said(&self) -> String {
        self.said.lock().expect("no panic while reading").clone()
    }

    /// A client command that does not end by itself; its lines are read from its stdout.
    pub fn follow(&self, arguments: &[&str]) -> Follower {
        let url = format!("http://{}", self.api);
        let mut child = Command::new(binary())
            .args(arguments)
            .args(["--url", &url, "--token", TOKEN])
            .stdout(Stdio::piped())
            .spawn()
            .expect("strowger runs");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Follower { child, lines }
    }

    /// A metric without labels; its name without `strowger_`.
    pub fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        metric_of(&text, name).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Waits until a metric is at least so much.
    pub fn reaches(&self, name: &str, least: u64) {
        self.until("/metrics", |text| metric_of(text, name).is_some_and(|value| value >= least));
    }

    /// Rows of a table of the state file of [`Program::with_database`], read beside the switch.
    pub fn rows(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.database()).expect("the state file opens");
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| row.get(0)).expect("the table is there")
    }

    /// Waits until a table of the state file has so many rows: the writer works behind the exchange.
    pub fn until_rows(&self, table: &str, wanted: i64) {
        let start = Instant::now();
        while self.rows(table) != wanted {
            assert!(start.elapsed() < PATIENCE, "{table} has {} rows", self.rows(table));
            pause();
        }
    }

    /// Waits until so many changes are in the database: the writer works behind the exchange.
    pub fn has_written(&self, changes: u64) {
        self.reaches("store_written_total", changes);
    }

    /// Asks until the answer satisfies, at most for [`PATIENCE`].
    pub fn until(&self, path: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let (_, answer) = self.get(path);
            if wanted(&answer) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "{path} stays {answer}\n{}", self.log());
            pause();
        }
    }
}

/// A running client command; killed when dropped.
pub struct Follower {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Follower {
    /// The next line that fits.
    pub fn wait(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.next().expect("more lines").expect("text");
            if wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exit_code(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return status.code();
        }
        pause();
    }
    None
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let said = log.lines().filter(|line| !line.contains("not yet available"));
            eprintln!("the switch at {} logged:", self.sip);
            said.for_each(|line| eprintln!("{line}"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so, at most for [`PATIENCE`].
pub fn wait(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        pause();
    }
}

/// Lets other processes run; every loop around it has a deadline of its own.
#[expect(clippy::disallowed_methods, reason = "a poll loop of a test with its own deadline")]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn metric_of(text: &Value, name: &str) -> Option<u64> {
    let prefix = format!("strowger_{name} ");
    let line = text.as_str()?.lines().find_map(|line| line.strip_prefix(&prefix))?;
    line.trim().parse().ok()
}

fn addresses(ready: &str) -> Option<(SocketAddr, SocketAddr)> {
    let rest = ready.trim().strip_prefix("strowger ready ")?;
    let mut sip = None;
    let mut api = None;
    for word in rest.split_whitespace() {
        if let Some(list) = word.strip_prefix("sip=") {
            sip = list.split(',').find_map(|one| one.strip_prefix("udp:")?.parse().ok());
        }
        if let Some(address) = word.strip_prefix("api=") {
            api = address.parse().ok();
        }
    }
    Some((sip?, api?))
}
