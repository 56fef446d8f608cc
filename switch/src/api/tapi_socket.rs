//! `/tapi`: one WebSocket connection is one TAPI application.
//!
//! Text frames go to the exchange in the order in which they arrive; when its mailbox is full the
//! connection is not read until there is room. What the exchange sends is written in order.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Error as SocketError, Extension};
use config::{Scope, Token};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;

use super::applications::{
    CLOSE_GOING_AWAY, CLOSE_NO_TEXT, CLOSE_TOO_BIG, CLOSE_UNSUPPORTED, Close, Frame, FrameQueue,
    Incoming,
};
use super::problem::ProblemDocument;
use super::token::{Caller, Peer};
use super::{Api, audit};
use crate::exchange::counters::count;
use crate::exchange::{ApplicationInput, ConnectionId, Input};

/// The only subprotocol that is spoken.
pub const SUBPROTOCOL: &str = "tapi.v1";
/// The longest text frame (SEC-73).
pub const MAX_FRAME: usize = 64 * 1024;
/// A frame of up to so much is read to its end before it is refused: a connection that is closed with
/// something unread in it is reset, and its peer never learns why.
const MAX_READ: usize = 4 * MAX_FRAME;
/// How often a connection is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A connection from which nothing came for so long, not even a pong, is closed.
const SILENCE: Duration = Duration::from_secs(70);
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(10);

type Writer = SplitSink<WebSocket, Message>;
type Reader = SplitStream<WebSocket>;

/// `GET /tapi`.
pub(super) async fn upgrade(
    State(api): State<Arc<Api>>,
    caller: Caller,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, ProblemDocument> {
    caller.require(Scope::Tapi)?;
    let upgrade = upgrade.map_err(|_| {
        ProblemDocument::new(
            StatusCode::UPGRADE_REQUIRED,
            "Connect to /tapi with a WebSocket client and the subprotocol 'tapi.v1'.",
        )
    })?;
    if !is_own_page(&headers) {
        return Err(ProblemDocument::new(
            StatusCode::FORBIDDEN,
            "A page of another host may not be an application here.",
        ));
    }
    // A client that names no subprotocol gets the only one there is.
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) && !offers_ours(&headers) {
        return Err(ProblemDocument::new(
            StatusCode::BAD_REQUEST,
            "The only subprotocol is 'tapi.v1'; name it in Sec-WebSocket-Protocol.",
        ));
    }
    let Some(incoming) = api.applications.open(Arc::clone(&caller.0)) else {
        return Err(ProblemDocument::overloaded());
    };
    let connection = incoming.connection;
    if !api.tokens.load().contains(&caller.0) {
        api.applications.forget(connection);
        return Err(ProblemDocument::unauthorized());
    }
    let source = audit::source(peer.map(|Extension(peer)| peer.0));
    let failed = Arc::clone(&api);
    Ok(upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(MAX_READ)
        .max_frame_size(MAX_READ)
        .on_failed_upgrade(move |_| failed.applications.forget(connection))
        .on_upgrade(move |socket| converse(api, socket, incoming, Who { token: caller.0, source }))
        .into_response())
}

/// A browser names the page that connects: it has to come from this very host. Programs name none.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    let page = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    page.is_some_and(|(_, host)| text(header::HOST) == Some(host))
}

fn offers_ours(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == SUBPROTOCOL)
}

/// Why a conversation is over.
enum End {
    /// The connection is gone, or our close frame is out.
    Gone,
    /// The application has sent its close frame.
    Closed,
    /// We have to say why.
    Close(Close),
}

/// Who is behind a connection.
struct Who {
    token: Arc<Token>,
    source: String,
}

async fn converse(api: Arc<Api>, socket: WebSocket, incoming: Incoming, who: Who) {
    let token = &who.token;
    let Incoming { connection, mut urgent, mut queue } = incoming;
    api.applications.conversing.send_modify(|open| *open += 1);
    tracing::info!(connection, token = token.name, "application connected");
    let lines = token.lines.as_ref().map(|lines| lines.iter().cloned().collect());
    let connected = ApplicationInput::Connected { connection, lines };
    let (mut writer, mut reader) = socket.split();
    let end = if api.mailbox.send(Input::Application(connected)).await.is_err() {
        End::Close(Close { code: CLOSE_GOING_AWAY, reason: "The switch stops.".into() })
    } else {
        tokio::select! {
            Ok(close) = &mut urgent => End::Close(close),
            () = write(&mut writer, &mut queue, &api.mailbox, connection) => End::Gone,
            end = read(&mut reader, &api, connection, &who) => end,
        }
    };
    api.applications.forget(connection);
    // The exchange learns of the end first, so that a resume finds the application free.
    let over = match end {
        End::Closed => ApplicationInput::Closed { connection },
        End::Gone | End::Close(_) => ApplicationInput::Disconnected { connection },
    };
    let _ = api.mailbox.send(Input::Application(over)).await;
    let reason = match end {
        End::Gone => String::from("the connection ended"),
        End::Closed => String::from("the application closed it"),
        End::Close(close) => {
            let reason = close.reason.clone();
            let frame =
                Message::Close(Some(CloseFrame { code: close.code, reason: close.reason.into() }));
            // A peer that does not read cannot be told; after CLOSING the connection just ends.
            let _ = timeout(CLOSING, writer.send(frame)).await;
            reason
        }
    };
    let _ = timeout(CLOSING, drain(&mut reader)).await;
    api.applications.conversing.send_modify(|open| *open -= 1);
    tracing::info!(connection, token = token.name, reason, "application disconnected");
}

/// Reads on until the peer's close frame has been answered (RFC 6455 §7.1.2).
async fn drain(reader: &mut Reader) {
    while let Some(Ok(_)) = reader.next().await {}
}

/// Writes frames in order and pings in between; returns after the close frame or a failure. The
/// exchange, which counts how far each reader is behind, hears how many texts the socket has taken.
async fn write(
    writer: &mut Writer,
    queue: &mut FrameQueue,
    mailbox: &mpsc::Sender<Input>,
    connection: ConnectionId,
) {
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            frame = queue.next() => frame,
            _ = ping.tick() => {
                if writer.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(frame) = frame else {
            // Our entry went to `urgent`: whoever took it says how this ends.
            return std::future::pending().await;
        };
        let mut next = Some(frame);
        let mut texts = 0;
        while let Some(frame) = next {
            let is_last = matches!(frame, Frame::Close(_));
            texts += usize::from(!is_last);
            if writer.feed(message_of(frame)).await.is_err() {
                return;
            }
            if is_last {
                let _ = timeout(CLOSING, writer.flush()).await;
                return;
            }
            next = queue.ready();
        }
        if writer.flush().await.is_err() {
            return;
        }
        let written = ApplicationInput::Written { connection, texts };
        // Without an exchange there is nobody to count; what is queued still goes out.
        let _ = mailbox.send(Input::Application(written)).await;
    }
}

fn message_of(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::Text(text.into()),
        Frame::Close(close) => {
            Message::Close(Some(CloseFrame { code: close.code, reason: close.reason.into() }))
        }
    }
}

/// Reads text frames into the exchange's mailbox.
async fn read(reader: &mut Reader, api: &Api, connection: ConnectionId, who: &Who) -> End {
    loop {
        // Waiting for room in the mailbox is not silence of the peer.
        let Ok(next) = timeout(SILENCE, reader.next()).await else {
            return End::Close(Close {
                code: CLOSE_GOING_AWAY,
                reason: "The application has not answered pings.".into(),
            });
        };
        match next {
            None => return End::Gone,
            Some(Ok(Message::Text(text))) if text.len() > MAX_FRAME => return too_big(),
            Some(Ok(Message::Text(text))) => {
                count(&api.counters.tapi_frames_received_total);
                audit::note(api, &who.token.name, &who.source, text.as_str());
                if forward(&api.mailbox, connection, text.as_str().to_owned()).await.is_err() {
                    return End::Close(Close {
                        code: CLOSE_GOING_AWAY,
                        reason: "The switch stops.".into(),
                    });
                }
            }
            Some(Ok(Message::Binary(_))) => {
                return End::Close(Close {
                    code: CLOSE_UNSUPPORTED,
                    reason: "Send JSON-RPC as text frames.".into(),
                });
            }
            Some(Ok(Message::Close(_))) => return End::Closed,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Err(error)) => return end_of(error),
        }
    }
}

async fn forward(
    mailbox: &mpsc::Sender<Input>,
    connection: ConnectionId,
    text: String,
) -> Result<(), ()> {
    let input = Input::Application(ApplicationInput::Text { connection, text });
    mailbox.send(input).await.map_err(|_| ())
}

fn end_of(error: SocketError) -> End {
    let inner = error.into_inner();
    match inner.downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => too_big(),
        Some(tungstenite::Error::Utf8(_)) => {
            End::Close(Close { code: CLOSE_NO_TEXT, reason: "Text frames are UTF-8.".into() })
        }
        _ => End::Gone,
    }
}

fn too_big() -> End {
    End::Close(Close {
        code: CLOSE_TOO_BIG,
        reason: format!("A frame may have {MAX_FRAME} bytes at most."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(protocols: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for protocol in protocols {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, protocol.parse().unwrap());
        }
        headers
    }

    #[test]
    fn finds_its_subprotocol_among_several() {
        assert!(offers_ours(&headers(&["chat, tapi.v1"])));
        assert!(offers_ours(&headers(&["chat", "tapi.v1"])));
        assert!(!offers_ours(&headers(&["tapi.v10"])));
        assert!(!offers_ours(&headers(&[])));
    }
}
