//! The demonstration's TAPI application: opens the lines, notes what it is told, and asks for
//! operations.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use super::office::{Office, TOKEN};
use super::{CliError, PATIENCE, failed};
use crate::api::SUBPROTOCOL;

/// A poll of the socket; the demonstration waits for messages, not for time.
const POLL: Duration = Duration::from_millis(5);

/// An application that watches lines.
pub(super) struct Watcher {
    socket: WebSocket<TcpStream>,
    /// `hLine` of each line.
    lines: Vec<(u64, String)>,
    /// `hCall` and its line.
    calls: Vec<(u64, String)>,
    next_id: u64,
    unread: Vec<(String, String)>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the demonstration's rim: it waits for real messages"
)]
fn read_clock() -> Instant {
    Instant::now()
}

impl Watcher {
    /// Connects and opens `lines` with OWNER and MONITOR.
    pub(super) fn connect(office: &Office, lines: &[&str]) -> Result<Watcher, CliError> {
        let url = format!("ws://{}/tapi", office.api);
        let refused = |error: String| failed("opening /tapi", &error);
        let mut request = url.into_client_request().map_err(|error| refused(error.to_string()))?;
        let headers = request.headers_mut();
        let bearer = format!("Bearer {TOKEN}");
        for (name, value) in
            [("Authorization", bearer.as_str()), ("Sec-WebSocket-Protocol", SUBPROTOCOL)]
        {
            let value = HeaderValue::from_str(value).map_err(|error| refused(error.to_string()))?;
            headers.insert(name, value);
        }
        let stream = TcpStream::connect(office.api)?;
        let (socket, _) =
            tungstenite::client(request, stream).map_err(|error| refused(error.to_string()))?;
        let mut watcher = Watcher {
            socket,
            lines: Vec::new(),
            calls: Vec::new(),
            next_id: 0,
            unread: Vec::new(),
        };
        watcher.ask("lineInitializeEx", json!({"appName": "demo"}))?;
        for line in lines {
            watcher.open(line)?;
        }
        watcher.socket.get_ref().set_read_timeout(Some(POLL))?;
        Ok(watcher)
    }

    fn open(&mut self, line: &str) -> Result<(), CliError> {
        let params = json!({
            "line": line,
            "privileges": ["LINECALLPRIVILEGE_OWNER", "LINECALLPRIVILEGE_MONITOR"],
            "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
        });
        let opened = self.ask("lineOpen", params)?;
        let h_line = opened["hLine"].as_u64().unwrap_or_default();
        self.lines.push((h_line, line.to_owned()));
        let wanted = json!({
            "hLine": h_line,
            "lineStates": ["LINEDEVSTATE_INSERVICE", "LINEDEVSTATE_OUTOFSERVICE"],
            "addressStates": [],
        });
        self.ask("lineSetStatusMessages", wanted)?;
        Ok(())
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, CliError> {
        self.next_id += 1;
        let id = self.next_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let sent = self.socket.send(Message::text(request.to_string()));
        sent.map_err(|error| failed(method, &error.to_string()))?;
        let start = read_clock();
        while read_clock().duration_since(start) < PATIENCE {
            let mut message = match self.read() {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(error) => return Err(failed(method, &error.to_string())),
            };
            if message["id"] != json!(id) {
                self.note(&message);
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(failed(method, &error.to_string())),
                None => Ok(message["result"].take()),
            };
        }
        Err(failed(method, "the switch does not answer"))
    }

    /// An operation on calls, to its end; the call that it has made, if any, is of this line.
    pub(super) fn operate(
        &mut self,
        method: &str,
        mut params: Value,
        line: &str,
    ) -> Result<u64, CliError> {
        params["wait"] = json!(true);
        let result = self.ask(method, params)?;
        let handles = ["hConsultCall", "hConfCall", "hCall"];
        let made = handles.iter().find_map(|name| result[*name].as_u64()).unwrap_or_default();
        if made != 0 {
            self.calls.push((made, line.to_owned()));
        }
        Ok(made)
    }

    /// The newest call of a line.
    pub(super) fn call_of(&self, line: &str) -> u64 {
        let newest = self.calls.iter().rev().find(|(_, on)| on == line);
        newest.map_or(0, |(call, _)| *call)
    }

    /// The next message, if one has come.
    fn read(&mut self) -> Result<Option<Value>, Error> {
        match self.socket.read() {
            Ok(Message::Text(text)) => Ok(serde_json::from_str(&text).ok()),
            Ok(_) => Ok(None),
            Err(Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until every (line, state) of `wanted` was told, and gives all messages since the last
    /// call as text, but for those from `next` on, which may have come already and is of what
    /// follows. A state matches when the message's words begin with it.
    ///
    /// Errors: the (line, state) pairs that did not come.
    pub(super) fn collect(
        &mut self,
        wanted: &[(&str, &str)],
        next: Option<(&str, &str)>,
        patience: Duration,
    ) -> Result<Vec<String>, String> {
        let start = read_clock();
        loop {
            self.read_all();
            let place = |(line, state): (&str, &str)| {
                self.unread.iter().position(|(on, text)| on == line && text.starts_with(state))
            };
            let missing: Vec<_> = wanted.iter().filter(|pair| place(**pair).is_none()).collect();
            if missing.is_empty() {
                let end = next.and_then(place).unwrap_or(self.unread.len());
                let told = self.unread.drain(..end);
                return Ok(told.map(|(line, text)| format!("{line}: {text}")).collect());
            }
            if read_clock().duration_since(start) > patience {
                return Err(format!("{missing:?} was not told; told was {:?}", self.unread));
            }
        }
    }

    fn read_all(&mut self) {
        while let Ok(Some(message)) = self.read() {
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let params = &message["params"];
        let line_of = |table: &[(u64, String)], handle: &Value| {
            let handle = handle.as_u64()?;
            table.iter().find(|(known, _)| *known == handle).map(|(_, line)| line.clone())
        };
        let words = |names: &[&str]| {
            let texts = names.iter().filter_map(|name| params[*name].as_str());
            texts.map(|text| text.rsplit('_').next().unwrap_or(text)).collect::<Vec<_>>().join(" ")
        };
        match message["method"].as_str() {
            Some("LINE_APPNEWCALL") => {
                if let (Some(line), Some(call)) =
                    (line_of(&self.lines, &params["hLine"]), params["hCall"].as_u64())
                {
                    self.calls.push((call, line));
                }
            }
            Some("LINE_CALLSTATE") => {
                if let Some(line) = line_of(&self.calls, &params["hCall"]) {
                    self.unread.push((line, words(&["callState", "mode"])));
                }
            }
            Some("LINE_LINEDEVSTATE") => {
                let state =
                    params["lineDevState"].as_str().or_else(|| params["lineDevState"][0].as_str());
                if let (Some(line), Some(state)) = (line_of(&self.lines, &params["hLine"]), state) {
                    let state = state.rsplit('_').next().unwrap_or(state).to_owned();
                    self.unread.push((line, state));
                }
            }
            _ => {}
        }
    }
}
