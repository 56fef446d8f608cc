//! SIP over WebSocket (RFC 7118): the opening handshake, and messages as frames.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        self, Error, Utf8Bytes,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header},
        protocol::WebSocketConfig,
    },
};

use super::{
    Counters,
    source::{Drain, Source},
};
use crate::message::{
    MAX_BODY, MAX_HEAD, ParseError, ParseErrorKind,
    framing::{Frame, FramingError},
};

/// The subprotocol of RFC 7118 §4.1.
const SUBPROTOCOL: &str = "sip";
/// Octets that a connection reads at once, and keeps room for.
const BUFFER_BYTES: usize = 4096;

/// Takes the opening handshake; a client must offer the subprotocol `sip`, and a browser come from
/// one of `origins` if there are any.
///
/// A client without Origin is no browser: nobody's page can make it connect.
///
/// Source: RFC 6455 §4.2, §10.2; RFC 7118 §4.1.
/// Errors: the request is no WebSocket's, or was refused.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origins: &[String],
    counters: &Counters,
) -> Result<(WebSource<S>, WebDrain<S>), Error> {
    // The callback's own type: a refusal is a whole response, however large.
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let answer = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if !is_welcome(request, origins) {
            Counters::count(&counters.origins_refused);
            return Err(refusal(StatusCode::FORBIDDEN, "this origin is not allowed"));
        }
        let Some(name) = subprotocol(request) else {
            return Err(refusal(StatusCode::BAD_REQUEST, "the subprotocol sip is missing"));
        };
        let mut response = response;
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        Ok(response)
    };
    let octets = Arc::new(AtomicU64::new(0));
    let metered = Metered { stream, octets: octets.clone() };
    let socket = accept_hdr_async_with_config(metered, answer, Some(config())).await?;
    let (drain, stream) = socket.split();
    Ok((WebSource::new(stream, octets), WebDrain(drain)))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_HEAD + MAX_BODY))
        .max_frame_size(Some(MAX_HEAD + MAX_BODY))
}

fn is_welcome(request: &Request, origins: &[String]) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
    let is_listed = |origin: &str| origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
    origins.is_empty() || origin.to_str().is_ok_and(is_listed)
}

/// The subprotocol as the client spells it, if it offers it.
fn subprotocol(request: &Request) -> Option<HeaderValue> {
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let values = offered.iter().filter_map(|value| value.to_str().ok());
    let mut tokens = values.flat_map(|value| value.split(',').map(str::trim));
    let name = tokens.find(|token| token.eq_ignore_ascii_case(SUBPROTOCOL))?;
    HeaderValue::from_str(name).ok()
}

fn refusal(status: StatusCode, text: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(text.to_owned()));
    *response.status_mut() = status;
    response
}

/// Counts what is read, so that somebody who sends a frame octet by octet is noticed.
pub(super) struct Metered<S> {
    stream: S,
    octets: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        self.octets.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Reads messages of one frame sequence each, text or binary.
pub(super) struct WebSource<S> {
    stream: SplitStream<WebSocketStream<Metered<S>>>,
    octets: Arc<AtomicU64>,
    /// What `octets` was when the last message was complete.
    seen: u64,
    frames: VecDeque<Result<Frame, FramingError>>,
    is_partial: bool,
}

impl<S> WebSource<S> {
    fn new(stream: SplitStream<WebSocketStream<Metered<S>>>, octets: Arc<AtomicU64>) -> Self {
        let seen = octets.load(Ordering::Relaxed);
        WebSource { stream, octets, seen, frames: VecDeque::new(), is_partial: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Source for WebSource<S> {
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Poll::Ready(message) = self.stream.poll_next_unpin(context) else {
            // Octets without a message: a part of one. The waker is set for the rest.
            let octets = self.octets.load(Ordering::Relaxed);
            if octets == self.seen {
                return Poll::Pending;
            }
            self.seen = octets;
            self.is_partial = true;
            return Poll::Ready(Ok(1));
        };
        self.seen = self.octets.load(Ordering::Relaxed);
        self.is_partial = false;
        let frame = match message {
            None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                return Poll::Ready(Ok(0));
            }
            Some(Err(Error::Capacity(_))) => Err(too_large(Bytes::new())),
            Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            Some(Ok(tungstenite::Message::Text(text))) => frame_of(Bytes::from(text)),
            Some(Ok(tungstenite::Message::Binary(octets))) => frame_of(octets),
            // Pings are answered by the library, with the next reading.
            Some(Ok(_)) => Ok(Frame::Pong),
        };
        self.frames.push_back(frame);
        Poll::Ready(Ok(1))
    }

    fn next(&mut self) -> Option<Result<Frame, FramingError>> {
        self.frames.pop_front()
    }

    fn is_empty(&self) -> bool {
        !self.is_partial
    }
}

/// A frame sequence is one message; its own length makes Content-Length needless (RFC 7118 §5.3).
fn frame_of(octets: Bytes) -> Result<Frame, FramingError> {
    match octets.as_ref() {
        b"\r\n\r\n" => return Ok(Frame::Ping),
        b"\r\n" | b"" => return Ok(Frame::Pong),
        _ => {}
    }
    let searched = octets.get(..octets.len().min(MAX_HEAD)).unwrap_or_default();
    if octets.len() > MAX_HEAD && memchr::memmem::find(searched, b"\r\n\r\n").is_none() {
        return Err(too_large(octets.slice(..MAX_HEAD)));
    }
    Ok(Frame::Message(octets))
}

fn too_large(bytes: Bytes) -> FramingError {
    let error: ParseError = ParseErrorKind::HeadTooLarge.at(MAX_HEAD);
    FramingError { error, bytes }
}

/// Writes each message as one frame: text where it is text, as browsers expect, else binary.
pub(super) struct WebDrain<S>(SplitSink<WebSocketStream<Metered<S>>, tungstenite::Message>);

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Drain for WebDrain<S> {
    fn write(&mut self, message: Bytes) -> impl Future<Output = io::Result<()>> + Send {
        let message = match Utf8Bytes::try_from(message.clone()) {
            Ok(text) => tungstenite::Message::Text(text),
            Err(_) => tungstenite::Message::Binary(message),
        };
        async { self.0.send(message).await.map_err(io::Error::other) }
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.0.close().await.map_err(io::Error::other)
    }
}
