//! An application on `/tapi` that has opened some lines and reads all it is told.

use std::error::Error;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::phones::number;

/// How long the reader waits before it looks whether it has to end.
const PATIENCE: Duration = Duration::from_millis(500);

/// The thread that reads.
pub(crate) struct Reader {
    thread: JoinHandle<Result<(), String>>,
    is_over: Arc<AtomicBool>,
    messages: Arc<AtomicU64>,
}

impl Reader {
    /// Connects, opens the first `lines` lines as a monitor, and reads from then on.
    pub(crate) fn start(api: SocketAddr, lines: usize) -> Result<Reader, Box<dyn Error>> {
        let mut request = format!("ws://{api}/tapi").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("Authorization", "Bearer load-token".parse()?);
        headers.insert("Sec-WebSocket-Protocol", "tapi.v1".parse()?);
        let stream = TcpStream::connect(api)?;
        stream.set_nodelay(true)?;
        let (mut socket, _) =
            tungstenite::client(request, stream).map_err(|error| error.to_string())?;
        ask(&mut socket, "lineInitializeEx", &json!({"appName": "load"}))?;
        for line in 0..lines {
            let params = json!({
                "line": number(line),
                "privileges": ["LINECALLPRIVILEGE_MONITOR"],
                "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
            });
            ask(&mut socket, "lineOpen", &params)?;
        }
        socket.get_ref().set_read_timeout(Some(PATIENCE))?;
        let (is_over, messages) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (end, count) = (Arc::clone(&is_over), Arc::clone(&messages));
        let thread = std::thread::Builder::new()
            .name("application".to_owned())
            .spawn(move || read(&mut socket, &end, &count))?;
        Ok(Reader { thread, is_over, messages })
    }

    /// Messages so far.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Stops reading; how many messages came. Errors: the switch had closed the connection.
    pub(crate) fn finish(self) -> Result<u64, Box<dyn Error>> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the reader panicked")??;
        Ok(self.messages.load(Ordering::Relaxed))
    }
}

fn ask(
    socket: &mut WebSocket<TcpStream>,
    method: &str,
    params: &serde_json::Value,
) -> Result<(), Box<dyn Error>> {
    let text = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    socket.send(Message::text(text.to_string()))?;
    loop {
        let Message::Text(text) = socket.read()? else { continue };
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        if answer.get("error").is_some() {
            return Err(format!("{method}: {answer}").into());
        }
        if answer.get("id").is_some() {
            return Ok(());
        }
    }
}

fn read(
    socket: &mut WebSocket<TcpStream>,
    is_over: &AtomicBool,
    messages: &AtomicU64,
) -> Result<(), String> {
    while !is_over.load(Ordering::Relaxed) {
        match socket.read() {
            Ok(Message::Text(_)) => {
                messages.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Message::Close(frame)) => {
                return Err(format!("the application's connection was closed: {frame:?}"));
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error))
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(format!("the application's connection broke: {error}")),
        }
    }
    Ok(())
}
