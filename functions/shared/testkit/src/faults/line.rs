//! One connection, which can be broken from anywhere: as when a cable is pulled, not as when somebody hangs up.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How a connection is doing.
#[derive(Debug)]
pub(super) struct Line {
    cut: watch::Sender<bool>,
    closed: watch::Sender<bool>,
    /// The last request on it.
    last: AtomicU64,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { cut: watch::Sender::new(false), closed: watch::Sender::new(false), last: AtomicU64::new(0) }
    }

    /// Breaks it.
    pub(super) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Returns when it is broken.
    pub(super) async fn when_cut(&self) {
        // The sender lives as long as we do.
        let _ = self.cut.subscribe().wait_for(|cut| *cut).await;
    }

    /// This request is on it now.
    pub(super) fn carries(&self, number: u64) {
        self.last.store(number, Ordering::SeqCst);
    }

    /// The last request on it.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }

    /// Nobody is at the other end any more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Returns when nobody is at the other end any more.
    pub(super) async fn when_closed(&self) {
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Nothing that is said on it now is heard.
    pub(super) fn is_dead(&self) -> bool {
        self.is_cut() || *self.closed.borrow()
    }

    fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }
}

/// The socket of a line. Broken, it says nothing more and ends with a reset.
pub(super) struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { stream, line }
    }

    fn broken(&self) -> Option<io::Error> {
        self.line.is_cut().then(|| ErrorKind::ConnectionReset.into())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.line.is_cut() {
            // A socket that is gone already needs no reset.
            let _ = self.stream.set_zero_linger();
        }
        self.line.close();
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_shutdown(context),
        }
    }
}
