//! Tells a URL about pushes, in the envelopes of Docker Distribution: one event each, in order, the same event again
//! until it is taken, later ones waiting behind it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::storage::Pushed;
use crate::registry::Notifications;
use crate::{Result, net};

const CONTENT_TYPE: &str = "application/vnd.docker.distribution.events.v1+json";
const PAUSE: Duration = Duration::from_millis(200);
const TRIES_MAX: usize = 50;

/// The queue before the URL.
#[derive(Debug)]
pub(super) struct Notifier {
    queue: mpsc::UnboundedSender<Pushed>,
    target: Arc<Mutex<Option<Notifications>>>,
}

impl Notifier {
    pub(super) fn start(target: Option<Notifications>) -> Result<Self> {
        let target = Arc::new(Mutex::new(target));
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(deliver(net::client(None)?, waiting, Arc::clone(&target)));
        Ok(Self { queue, target })
    }

    pub(super) fn send_to(&self, notifications: Option<Notifications>) {
        if let Ok(mut target) = self.target.lock() {
            *target = notifications;
        }
    }

    pub(super) fn pushed(&self, pushed: Pushed) {
        // The receiver lives as long as the runtime; after that nobody waits for a notification.
        let _ = self.queue.send(pushed);
    }
}

async fn deliver(client: reqwest::Client, mut waiting: mpsc::UnboundedReceiver<Pushed>, target: Arc<Mutex<Option<Notifications>>>) {
    let mut number = 0_u64;
    while let Some(pushed) = waiting.recv().await {
        number += 1;
        let body = envelope(&pushed, number).to_string();
        for _ in 0..TRIES_MAX {
            let Some(Notifications { url, headers }) = target.lock().ok().and_then(|target| target.clone()) else { break };
            let mut request = client.post(url).header("content-type", CONTENT_TYPE).body(body.clone());
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn envelope(pushed: &Pushed, number: u64) -> Value {
    let Pushed { repository, digest, media_type, size, tag } = pushed;
    let kind = if tag.is_some() { "manifests" } else { "blobs" };
    let url = format!("/v2/{repository}/{kind}/{digest}");
    let common = [("mediaType", json!(media_type)), ("size", json!(size)), ("digest", json!(digest)), ("length", json!(size))];
    let place = [("repository", json!(repository)), ("url", json!(url))];
    let tag = tag.iter().map(|tag| ("tag", json!(tag)));
    let target: Map<String, Value> = common.into_iter().chain(place).chain(tag).map(|(key, value)| (key.to_owned(), value)).collect();
    json!({ "events": [{
        "id": format!("00000000-0000-4000-8000-{number:012}"), "timestamp": "2024-01-01T00:00:00.000000000Z", "action": "push",
        "target": target, "request": { "method": "PUT" }, "actor": {}, "source": { "addr": "127.0.0.1" },
    }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_pushed_by_tag_carries_a_tag() {
        let mut pushed = Pushed { repository: "a/b".into(), digest: "sha256:0".into(), media_type: "m".into(), size: 1, tag: None };
        assert!(envelope(&pushed, 1).pointer("/events/0/target/tag").is_none());
        pushed.tag = Some("7".into());
        assert_eq!(envelope(&pushed, 1)["events"][0]["target"]["tag"], "7");
    }
}
