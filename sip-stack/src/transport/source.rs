//! What carries messages, as connections see it: octets that have to be cut (TCP, TLS), or frames
//! (WebSocket).

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::message::framing::{Frame, FramingError, StreamFramer};

/// Where a connection's messages come from.
pub(super) trait Source: Send {
    /// Reads what is there: how much it was, 0 at the end.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>>;

    /// The next complete thing of what was read.
    fn next(&mut self) -> Option<Result<Frame, FramingError>>;

    /// Whether no message has begun that is not complete.
    fn is_empty(&self) -> bool;
}

/// Where a connection's messages go.
pub(super) trait Drain: Send {
    /// Writes one message whole.
    fn write(&mut self, message: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// Says goodbye.
    fn finish(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

/// Octets taken from a stream at once.
const READ_BYTES: usize = 16_384;

/// A stream that is cut into messages.
pub(super) struct Octets<R> {
    half: R,
    framer: StreamFramer,
}

impl<R> Octets<R> {
    pub(super) fn new(half: R) -> Self {
        Octets { half, framer: StreamFramer::new() }
    }
}

impl<R: AsyncRead + Send + Unpin> Source for Octets<R> {
    /// The buffer does not outlive the call, so that idle connections cost nothing.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut octets = [0_u8; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut octets);
        std::task::ready!(Pin::new(&mut self.half).poll_read(context, &mut buffer))?;
        self.framer.push(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn next(&mut self) -> Option<Result<Frame, FramingError>> {
        self.framer.next()
    }

    fn is_empty(&self) -> bool {
        self.framer.is_empty()
    }
}

/// A stream that messages are written to.
pub(super) struct OctetDrain<W>(pub(super) W);

impl<W: AsyncWrite + Send + Unpin> Drain for OctetDrain<W> {
    async fn write(&mut self, message: Bytes) -> io::Result<()> {
        self.0.write_all(&message).await?;
        // Under TLS a record may still lie in the session.
        self.0.flush().await
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}
