//! When to stop: SIGINT, SIGTERM, or the end of standard input where that was asked for.

use crate::failure::Failure;
use std::io::Read;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// What tells the server to stop.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    ended: mpsc::Receiver<()>,
}

impl Stop {
    /// Begins to listen, so that nothing that comes during the start is missed.
    pub(crate) fn listen(with_stdin: bool) -> Result<Self, Failure> {
        let on = |kind: SignalKind| signal(kind).map_err(|error| Failure::Server(format!("no signals: {error}")));
        let (sender, ended) = mpsc::channel(1);
        if with_stdin {
            // A thread of its own: one of the runtime's would keep the process from ending.
            let reader = std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
                let mut bytes = [0; 64];
                let mut input = std::io::stdin().lock();
                while input.read(&mut bytes).is_ok_and(|count| count > 0) {}
                let _ = sender.blocking_send(());
            });
            reader.map_err(|error| Failure::Server(format!("no thread: {error}")))?;
        }
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())?, ended })
    }

    /// Returns when it is time to stop.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            () = Self::signal(&mut self.interrupt, &mut self.terminate) => {}
            // `None` means that standard input is not listened to, or has ended before.
            Some(()) = self.ended.recv() => {}
        }
    }

    /// Returns when somebody does not want to wait for an end in order. Only a signal says that: whoever has sent one
    /// may close our standard input as well.
    pub(crate) async fn hurried(&mut self) {
        Self::signal(&mut self.interrupt, &mut self.terminate).await;
    }

    async fn signal(interrupt: &mut Signal, terminate: &mut Signal) {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
