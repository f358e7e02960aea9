//! Logs of pods: which container, from when, how much, and on and on when they are followed.

use super::status::{Refusal, typed_response};
use super::target::Target;
use super::{Ask, Server, streamed};
use crate::controllers;
use crate::interfaces::Cause;
use crate::interfaces::{Kind, Objects as _};
use crate::state::text;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Between two looks for new lines.
const FOLLOW_MS: u64 = 500;
/// Longest a log is followed.
const LOOKS_MAX: u32 = 7_200;

/// What is wanted of a log.
#[derive(Debug, Clone, Default)]
struct Wishes {
    container: String,
    previous: bool,
    timestamps: bool,
    tail: Option<usize>,
    since_ms: Option<u64>,
    bytes_max: Option<usize>,
}

impl Wishes {
    fn of(ask: &Ask, pod: &Value, now_ms: u64) -> Result<Self, Refusal> {
        for (option, least, must) in
            [("tailLines", 0, "greater than or equal to 0"), ("limitBytes", 1, "greater than 0"), ("sinceSeconds", 1, "greater than 0")]
        {
            if let Some(given) = ask.options.get(option).and_then(|text| text.parse::<i64>().ok()).filter(|given| *given < least) {
                let message = format!("Invalid value: {given}: must be {must}");
                let why = Cause { reason: "FieldValueInvalid", field: option.to_owned(), message };
                return Err(Refusal::invalid_as("", "PodLogOptions", text(pod, "/metadata/name"), &why));
            }
        }
        let size = |number: Option<u64>| number.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let since = match (ask.options.number("sinceSeconds")?, ask.options.get("sinceTime")) {
            (Some(seconds), _) => Some(now_ms.saturating_sub(seconds.saturating_mul(1_000))),
            (None, Some(time)) => {
                let time: jiff::Timestamp = time.parse().map_err(|_| Refusal::bad(format!("sinceTime: {time:?} is no time")))?;
                u64::try_from(time.as_millisecond()).ok()
            }
            (None, None) => None,
        };
        Ok(Self {
            container: container(pod, ask.options.get("container"))?,
            previous: ask.options.is("previous"),
            timestamps: ask.options.is("timestamps"),
            tail: size(ask.options.number("tailLines")?),
            since_ms: since,
            bytes_max: size(ask.options.number("limitBytes")?),
        })
    }

    /// The lines after `after` (a count of lines), as they are answered.
    fn text(&self, lines: &[(u64, String)]) -> String {
        let mut text = String::new();
        for (ms, line) in lines {
            if self.timestamps {
                let time = jiff::Timestamp::from_millisecond(i64::try_from(*ms).unwrap_or_default()).unwrap_or_default();
                text.push_str(&format!("{time:.9} "));
            }
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn chosen<'a>(&self, lines: &'a [(u64, String)]) -> &'a [(u64, String)] {
        let first = lines.partition_point(|(ms, _)| self.since_ms.is_some_and(|since| *ms < since));
        let lines = lines.get(first..).unwrap_or_default();
        let skipped = self.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        lines.get(skipped..).unwrap_or_default()
    }
}

/// The names of a pod's containers, those that start it last.
fn containers(pod: &Value) -> (Vec<&str>, Vec<&str>) {
    let names = |pointer: &str| {
        let list = pod.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|container| text(container, "/name")).collect::<Vec<_>>()
    };
    (names("/spec/containers"), names("/spec/initContainers"))
}

fn container(pod: &Value, wanted: Option<&str>) -> Result<String, Refusal> {
    let (own, init) = containers(pod);
    let name = text(pod, "/metadata/name");
    match wanted {
        Some(wanted) if own.contains(&wanted) || init.contains(&wanted) => Ok(wanted.to_owned()),
        Some(wanted) => Err(Refusal::bad(format!("container {wanted} is not valid for pod {name}"))),
        None => match own.as_slice() {
            [only] => Ok((*only).to_owned()),
            _ => {
                let mut why = format!("a container name must be specified for pod {name}, choose one of: [{}]", own.join(" "));
                if !init.is_empty() {
                    why.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
                }
                Err(Refusal::bad(why))
            }
        },
    }
}

/// Refuses a container that has not run yet, in the kubelet's words.
fn check_started(pod: &Value, wishes: &Wishes) -> Result<(), Refusal> {
    let (name, container) = (text(pod, "/metadata/name"), wishes.container.as_str());
    let statuses = ["/status/containerStatuses", "/status/initContainerStatuses"].into_iter();
    let mut statuses = statuses.filter_map(|pointer| pod.pointer(pointer)).filter_map(Value::as_array).flatten();
    let status = statuses.find(|status| text(status, "/name") == container);
    let has = |pointer: &str| status.is_some_and(|status| status.pointer(pointer).is_some());
    let why = if wishes.previous {
        if has("/lastState/terminated") {
            return Ok(());
        }
        format!("previous terminated container {container:?} in pod {name:?} not found")
    } else if has("/state/running") || has("/state/terminated") || has("/lastState/terminated") {
        return Ok(());
    } else {
        let waiting = status.map(|status| text(status, "/state/waiting/reason")).unwrap_or_default();
        match waiting {
            "" => format!("container {container:?} in pod {name:?} is waiting to start - no logs yet"),
            "ErrImagePull" => format!("container {container:?} in pod {name:?} is waiting to start: image can't be pulled"),
            "ImagePullBackOff" => format!("container {container:?} in pod {name:?} is waiting to start: trying and failing to pull image"),
            reason => format!("container {container:?} in pod {name:?} is waiting to start: {reason}"),
        }
    };
    Err(Refusal::bad(why))
}

pub(crate) fn answer(server: &Arc<Server>, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let name = target.name.as_deref().unwrap_or_default();
    let state = server.state();
    let now_ms = state.now_ms();
    let pod = state.find(target.row.kind, target.place(), name).ok_or_else(|| Refusal::not_found(target.row, name))?;
    drop(state);
    let wishes = Wishes::of(ask, &pod, now_ms)?;
    check_started(&pod, &wishes)?;
    let lines = controllers::logs(&pod, &wishes.container, wishes.previous, now_ms);
    let mut text = wishes.text(wishes.chosen(&lines));
    if let Some(bytes_max) = wishes.bytes_max.filter(|bytes_max| *bytes_max < text.len()) {
        text.truncate((0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default());
    }
    if !ask.options.is("follow") || wishes.previous || wishes.bytes_max.is_some() {
        return Ok(typed_response(200, "text/plain", text.into_bytes()));
    }
    let permit = Arc::clone(&server.streams)
        .try_acquire_owned()
        .map_err(|_| Refusal::too_many("there are too many followed logs, please try again later"))?;
    let follow = Follow {
        server: Arc::clone(server),
        kind: target.row.kind,
        place: (target.place().to_owned(), name.to_owned()),
        uid: crate::state::text(&pod, "/metadata/uid").to_owned(),
        wishes,
        last_ms: lines.last().map_or(now_ms, |(ms, _)| *ms),
        first: Some(text),
        looks: 0,
        _permit: permit,
    };
    let pieces = stream::unfold(follow, |mut follow| async move { follow.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), follow)) });
    Ok(streamed(pieces, "text/plain"))
}

/// A log that is followed.
struct Follow {
    server: Arc<Server>,
    kind: Kind,
    place: (String, String),
    uid: String,
    wishes: Wishes,
    /// Lines up to this moment are told.
    last_ms: u64,
    first: Option<String>,
    looks: u32,
    _permit: OwnedSemaphorePermit,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some(first.into());
        }
        while self.looks < LOOKS_MAX {
            self.looks += 1;
            let mut running = self.server.running.clone();
            tokio::select! {
                _ = running.changed() => return None,
                () = tokio::time::sleep(Duration::from_millis(FOLLOW_MS)) => {}
            }
            let (pod, now_ms) = {
                let state = self.server.state();
                (state.find(self.kind, &self.place.0, &self.place.1), state.now_ms())
            };
            let pod = pod.filter(|pod| text(pod, "/metadata/uid") == self.uid)?;
            let lines = controllers::logs(&pod, &self.wishes.container, false, now_ms);
            let told = lines.partition_point(|(ms, _)| *ms <= self.last_ms);
            let new = lines.get(told..).unwrap_or_default();
            if let Some((ms, _)) = new.last() {
                self.last_ms = *ms;
                return Some(self.wishes.text(new).into());
            }
            if matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed") {
                return None;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_chosen() {
        let lines: Vec<(u64, String)> = (1..=5).map(|n| (n * 1_000, format!("line {n}"))).collect();
        let wishes = Wishes { tail: Some(2), ..Wishes::default() };
        assert_eq!(wishes.text(wishes.chosen(&lines)), "line 4\nline 5\n");
        let wishes = Wishes { since_ms: Some(3_000), timestamps: true, tail: Some(1), ..Wishes::default() };
        assert_eq!(wishes.text(wishes.chosen(&lines)), "1970-01-01T00:00:05.000000000Z line 5\n");
    }

    #[test]
    fn containers_are_named_when_there_are_several() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        assert!(container(&pod, None).unwrap_err().message.contains("choose one of: [a b]"));
        assert!(container(&pod, Some("c")).unwrap_err().message.contains("not valid"));
        assert_eq!(container(&pod, Some("b")), Ok("b".to_owned()));
        let waiting = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}});
        let wishes = Wishes { container: "a".to_owned(), ..Wishes::default() };
        assert!(check_started(&waiting, &wishes).unwrap_err().message.contains("trying and failing to pull image"));
    }
}
