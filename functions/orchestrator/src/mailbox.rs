//! What a live task is told while it works: look again, or come to rest.

use app::execution::step::Inbox;
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// The mailbox of one task. It holds one bit: somebody asked to look again.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pending: AtomicBool,
    closing: AtomicBool,
    news: Notify,
}

impl Mailbox {
    /// Asks to look again.
    pub(crate) fn post(&self) {
        self.pending.store(true, Ordering::Release);
        self.news.notify_one();
    }

    /// Asks to come to rest.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.post();
    }

    /// Takes what was asked since the last time.
    pub(crate) fn take(&self) -> bool {
        self.pending.swap(false, Ordering::AcqRel)
    }
}

#[async_trait]
impl Inbox for Mailbox {
    async fn woken(&self) {
        // The bit is set before the notification, which is kept for whoever waits next: none falls between.
        while !self.take() {
            self.news.notified().await;
        }
    }

    fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_post_wakes_once() {
        let mailbox = Mailbox::default();
        assert!(mailbox.woken().now_or_never().is_none());
        mailbox.post();
        mailbox.post();
        assert!(mailbox.woken().now_or_never().is_some());
        assert!(mailbox.woken().now_or_never().is_none());
        assert!(!mailbox.take() && !mailbox.closing());
    }

    #[tokio::test]
    async fn closing_wakes_too() {
        let mailbox = Mailbox::default();
        mailbox.close();
        mailbox.woken().await;
        assert!(mailbox.closing());
    }
}
