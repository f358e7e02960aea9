//! The events of a watch on their way: late, twice, or cut off.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::line::Line;

/// Longest event that is held back.
const EVENT_BYTES_MAX: usize = 16 << 20;
/// Until what was written before a break is on its way.
const FLUSH: Duration = Duration::from_millis(20);

/// What becomes of the events.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Plan {
    /// How much later each comes.
    pub(super) delay: Option<Duration>,
    /// Each comes twice.
    pub(super) twice: bool,
    /// So many come, then no more.
    pub(super) events_max: Option<u64>,
    /// It is not the end in order, but a broken connection.
    pub(super) broken: bool,
}

struct Events {
    from: BoxStream<'static, Result<Bytes, std::io::Error>>,
    plan: Plan,
    line: Arc<Line>,
    /// The beginning of an event.
    rest: Vec<u8>,
    ready: VecDeque<Bytes>,
    count: u64,
    over: bool,
}

/// The body of the watch.
pub(super) fn body(answer: reqwest::Response, plan: Plan, line: Arc<Line>) -> Body {
    let from = answer.bytes_stream().map_err(std::io::Error::other).boxed();
    let events = Events { from, plan, line, rest: Vec::new(), ready: VecDeque::new(), count: 0, over: false };
    Body::from_stream(stream::unfold(events, next))
}

async fn next(mut events: Events) -> Option<(Result<Bytes, std::io::Error>, Events)> {
    loop {
        if let Some(event) = events.ready.pop_front() {
            if let Some(delay) = events.plan.delay {
                tokio::time::sleep(delay).await;
            }
            return Some((Ok(event), events));
        }
        if events.over || events.plan.events_max.is_some_and(|most| events.count >= most) {
            return end(events).await;
        }
        match events.from.next().await {
            Some(Ok(chunk)) => events.add(&chunk),
            Some(Err(error)) => {
                events.over = true;
                events.plan.broken = false;
                return Some((Err(error), events));
            }
            None => events.over = true,
        }
    }
}

async fn end(events: Events) -> Option<(Result<Bytes, std::io::Error>, Events)> {
    if events.plan.broken && !events.over {
        tokio::time::sleep(FLUSH).await;
        events.line.cut();
    }
    None
}

impl Events {
    fn add(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
        while let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') {
            let event = Bytes::from(self.rest.drain(..=at).collect::<Vec<u8>>());
            if self.plan.events_max.is_some_and(|most| self.count >= most) {
                continue;
            }
            self.count += 1;
            if self.plan.twice {
                self.ready.push_back(event.clone());
            }
            self.ready.push_back(event);
        }
        self.over |= self.rest.len() > EVENT_BYTES_MAX;
    }
}
