//! Followers of a server that stops: their held questions are answered at once, so that nobody waits for them.

use app::ports::{Change, Changes};
use async_trait::async_trait;
use model::Millis;
use std::sync::Arc;
use tokio::sync::watch;

/// Changes whose waits end when the server stops.
pub(crate) struct UntilStop {
    inner: Arc<dyn Changes>,
    stopping: watch::Receiver<bool>,
}

impl UntilStop {
    pub(crate) fn new(inner: Arc<dyn Changes>, stopping: watch::Receiver<bool>) -> Self {
        Self { inner, stopping }
    }
}

#[async_trait]
impl Changes for UntilStop {
    fn publish(&self, change: Change) {
        self.inner.publish(change);
    }

    fn cursor(&self) -> u64 {
        self.inner.cursor()
    }

    async fn wait(&self, topics: &[String], since: u64, until: Millis) -> (u64, Option<Vec<Change>>) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            found = self.inner.wait(topics, since, until) => found,
            _ = stopping.wait_for(|stopping| *stopping) => (since, Some(Vec::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queue::changes::ChangeBus;

    #[tokio::test]
    async fn a_wait_ends_when_the_server_stops() {
        let bus = Arc::new(ChangeBus::new(Arc::new(boot::SystemClock)));
        let (stop, stopping) = watch::channel(false);
        let changes = UntilStop::new(bus, stopping);
        let since = changes.cursor();
        let topics = ["x".to_owned()];
        let (found, ()) = tokio::join!(changes.wait(&topics, since, Millis::MAX), async {
            stop.send(true).unwrap();
        });
        assert_eq!(found, (since, Some(Vec::new())));
        changes.publish(Change { topic: "x".to_owned(), version: 1 });
        assert_eq!(changes.cursor(), since + 1);
    }
}
