//! What a container has printed, as far as its pod says that it ran. Made from the pod alone: asked twice, it is the same.

use super::super::object::{items, milliseconds, name_of, text};
use super::image::Behaviour;
use serde_json::Value;

/// A line of an ordinary container every so often.
const LINE_MS: u64 = 5_000;
/// Most lines of one run.
const LINES_MAX: u64 = 2_000;

/// The lines of a container, with their times in Unix milliseconds, oldest first; of its last run before this one if
/// `previous` says so. Empty when it has not run.
pub(crate) fn logs(pod: &Value, container: &str, previous: bool, now_ms: u64) -> Vec<(u64, String)> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let Some(status) = statuses.iter().flat_map(|list| items(pod, list)).find(|status| text(status, "/name") == container) else {
        return Vec::new();
    };
    let run = if previous {
        status.pointer("/lastState/terminated")
    } else {
        ["/state/running", "/state/terminated", "/lastState/terminated"].iter().find_map(|state| status.pointer(state))
    };
    let Some(run) = run else { return Vec::new() };
    let image = ["/spec/initContainers", "/spec/containers"]
        .iter()
        .flat_map(|list| items(pod, list))
        .find(|spec| text(spec, "/name") == container)
        .map(|spec| text(spec, "/image"))
        .unwrap_or_default();
    let from = milliseconds(text(run, "/startedAt"));
    let until = Some(milliseconds(text(run, "/finishedAt"))).filter(|until| *until > 0);
    lines(name_of(pod), image, from, until, run.get("exitCode").and_then(Value::as_i64), now_ms)
}

fn lines(pod: &str, image: &str, from_ms: u64, until_ms: Option<u64>, exit_code: Option<i64>, now_ms: u64) -> Vec<(u64, String)> {
    let mut lines = vec![(from_ms, format!("starting {image}")), (from_ms, format!("pod {pod}"))];
    let end = until_ms.unwrap_or(now_ms);
    match Behaviour::of(image) {
        Behaviour::Crash => {
            lines.push((from_ms, "reading configuration".to_owned()));
            if exit_code.is_some() {
                lines.push((end, "fatal: cannot connect to database: connection refused".to_owned()));
            }
        }
        Behaviour::NeverReady => lines.push((from_ms, "waiting for a dependency that never answers".to_owned())),
        Behaviour::Slow => lines.push((from_ms, "warming up".to_owned())),
        _ => lines.push((from_ms, "listening on :8080".to_owned())),
    }
    if exit_code == Some(0) {
        lines.push((end, "done".to_owned()));
        return lines;
    }
    if exit_code.is_none() {
        let beats = (end.saturating_sub(from_ms) / LINE_MS).min(LINES_MAX);
        lines.extend((1..=beats).map(|beat| (from_ms + beat * LINE_MS, format!("heartbeat {beat}"))));
    }
    lines
}
