//! The real program on loopback: starts `strowger run`, talks to it as users do.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sip_stack::time::Seeded;
use switch::phone::Phone;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// How long a test waits for something that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
const TOKEN: &str = "admin-token";

/// A running switch; killed when dropped.
pub struct Program {
    child: Child,
    /// Its first UDP listener.
    pub sip: SocketAddr,
    /// Its control interface.
    pub api: SocketAddr,
    /// The configuration it runs with.
    pub config: PathBuf,
    log: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

/// The program's file, built first if need be.
pub fn binary() -> PathBuf {
    static BUILD: Once = Once::new();
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
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("office.toml");
        std::fs::write(&path, config).expect("the configuration is written");
        Program::launch(path, folder)
    }

    fn launch(config: PathBuf, folder: tempfile::TempDir) -> Program {
        let mut child = Command::new(binary())
            .args(["run", "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strowger starts");
        let log = Arc::new(Mutex::new(String::new()));
        let errors = BufReader::new(child.stderr.take().expect("stderr"));
        let sink = log.clone();
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = sink.lock().expect("no panic while logging");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        stdout.read_line(&mut ready).expect("a ready line");
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let (sip, api) = addresses(&ready)
            .unwrap_or_else(|| panic!("no ready line but {ready:?}: {}", log.lock().expect("log")));
        Program { child, sip, api, config, log, _folder: folder }
    }

    /// Kills it as `kill -9` does and starts it again with the same files, on the same ports.
    pub fn crash_and_restart(mut self) -> Program {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let text = std::fs::read_to_string(&self.config).expect("the configuration");
        let fixed = text
            .replacen("udp:127.0.0.1:0", &format!("udp:{}", self.sip), 1)
            .replacen("listen = \"127.0.0.1:0\"", &format!("listen = \"{}\"", self.api), 1);
        std::fs::write(&self.config, fixed).expect("the configuration is written");
        let config = self.config.clone();
        let folder = std::mem::replace(&mut self._folder, tempfile::tempdir().expect("a folder"));
        Program::launch(config, folder)
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
        let seed = u64::from(self.sip.port()) * 1000 + number.parse::<u64>().unwrap_or(0);
        let password = format!("pw-{number}");
        let entropy = Box::new(Seeded::new(seed));
        Phone::new(number, &password, "office.test", self.sip, entropy).expect("a phone")
    }

    /// A new `/tapi` connection that has called lineInitializeEx.
    pub fn application(&self, name: &str) -> Application {
        let mut application = Application::connect(self.api, TOKEN);
        application.call("lineInitializeEx", json!({"appName": name})).expect("lineInitializeEx");
        application
    }

    /// GET of the control interface: status and JSON.
    pub fn get(&self, path: &str) -> (u16, Value) {
        http(self.api, "GET", path, Some(TOKEN), "")
    }

    /// POST of the control interface.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        http(self.api, "POST", path, Some(TOKEN), &body.to_string())
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
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status.code();
            }
            pause();
        }
        None
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

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets other processes run; every loop around it has a deadline of its own.
#[expect(clippy::disallowed_methods, reason = "a poll loop of a test with its own deadline")]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(5));
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

/// One HTTP request, raw: status and JSON body (null when it is none).
pub fn http(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> (u16, Value) {
    let mut stream = TcpStream::connect(server).expect("the control interface listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let authorization =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\n{authorization}Connection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("a request can be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
}

/// A TAPI application on a WebSocket.
pub struct Application {
    socket: WebSocket<TcpStream>,
    inbox: VecDeque<Value>,
    next_id: u64,
}

impl Application {
    /// Connects with a bearer token.
    pub fn connect(api: SocketAddr, token: &str) -> Application {
        let mut request = format!("ws://{api}/tapi").into_client_request().expect("a URL");
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("Authorization", bearer);
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", "tapi.v1".parse().expect("a header"));
        let stream = TcpStream::connect(api).expect("the control interface listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) = tungstenite::client(request, stream).expect("the WebSocket opens");
        Application { socket, inbox: VecDeque::new(), next_id: 0 }
    }

    /// One function; its result or its error object.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next_id += 1;
        let id = self.next_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.socket.send(Message::text(request.to_string())).expect("the WebSocket is open");
        loop {
            let mut message = self.read(method);
            if message["id"] == json!(id) {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].take()),
                };
            }
            self.inbox.push_back(message);
        }
    }

    /// Opens a line as owner and monitor; its hLine.
    pub fn open(&mut self, line: &str) -> u64 {
        let params = json!({
            "line": line,
            "privileges": ["LINECALLPRIVILEGE_OWNER", "LINECALLPRIVILEGE_MONITOR"],
            "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
        });
        self.call("lineOpen", params).expect("lineOpen")["hLine"].as_u64().expect("hLine")
    }

    /// The next notification.
    pub fn next(&mut self, what: &str) -> Value {
        match self.inbox.pop_front() {
            Some(message) => message,
            None => self.read(what),
        }
    }

    /// The next notification that fits; earlier ones are skipped.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next(what);
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Waits for LINE_CALLSTATE of a call.
    pub fn wait_state(&mut self, call: u64, state: &str) -> Value {
        self.wait(state, |message| {
            message["method"] == "LINE_CALLSTATE"
                && message["params"]["hCall"] == json!(call)
                && message["params"]["callState"] == json!(format!("LINECALLSTATE_{state}"))
        })
    }

    fn read(&mut self, what: &str) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return serde_json::from_str(&text).expect("the switch writes JSON");
                }
                Ok(Message::Close(frame)) => panic!("{what}: closed with {frame:?}"),
                Ok(_) => {}
                Err(error) => panic!("{what}: {error}; inbox {:?}", self.inbox),
            }
        }
    }
}
