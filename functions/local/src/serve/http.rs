//! The listener: serves the router until the server stops, then lets requests under way end.

use axum::Router;
use axum::serve::ListenerExt;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The running listener.
pub(crate) struct Http {
    task: JoinHandle<std::io::Result<()>>,
}

/// Serves until the sign to stop.
pub(crate) fn start(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) -> Http {
    let listener = listener.tap_io(|stream| {
        // Only a matter of speed.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
    });
    let stopped = async move {
        // Fails only when the sender is gone, which means the same.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let task = tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
    Http { task }
}

impl Http {
    /// Lets requests under way end, at most so long.
    pub(crate) async fn end(self, grace: Duration) {
        let mut task = self.task;
        match tokio::time::timeout(grace, &mut task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "the listener failed"),
            Ok(Err(error)) => tracing::error!(%error, "the listener broke"),
            Err(_) => {
                tracing::warn!("requests were still under way and are cut off");
                task.abort();
            }
        }
    }
}
