//! Waiting until what was applied has settled, and no longer than there is hope.

use sdk::contract::{Blame, Failure, Outcome, Progress, Running, STAGE_TIMEOUT, Selector, Wake, Watched, Yielded};
use sdk::host::{ClusterError, Rollout, cluster_failure, throttled};
use sdk::live;
use serde_json::Value;

use crate::Host;
use crate::finish;
use crate::progress::{self, Waiting};
use crate::work::{CALLS_MAX, Work};

const POLL_MS: u32 = 5_000;
const WATCHES_MAX: usize = 64;
const PODS_MAX: u32 = 500;

/// What one look at an object showed.
enum Seen {
    Settled,
    Waiting(Waiting),
    /// The cluster does not answer now; asking about others is no use.
    Silent(String, u32),
}

/// Looks at what has not settled, and goes on to wait, to finish or to fail.
///
/// # Errors
/// `rollout-failed`, `pod-failing`, `object-vanished`, `stage-timeout`, or what the cluster refuses.
pub(crate) fn settle<H: Host>(work: &mut Work<'_, H>) -> Result<Outcome, Failure> {
    let last_look = matches!(work.input.wake, Wake::TimedOut) || left_ms(work) == Some(0);
    let mut waiting = Vec::new();
    let mut silent = None;
    let for_address = work.settings.wait_for_address;
    for index in work.state.cursor..work.state.objects.len() {
        if !work.state.object(index).is_some_and(|object| object.waits(for_address)) {
            continue;
        }
        if work.calls >= CALLS_MAX {
            if !last_look {
                work.state.cursor = index;
                return go_on(work, &waiting);
            }
            break;
        }
        match look(work, index)? {
            Seen::Settled => settled(work, index),
            Seen::Waiting(one) => waiting.push(one),
            Seen::Silent(text, after_ms) => {
                silent = Some((text, after_ms));
                break;
            }
        }
    }
    work.state.cursor = 0;
    if !work.state.all().any(|(_, object)| object.waits(for_address)) {
        return finish::finish(work);
    }
    if last_look {
        return Err(timed_out(work, &waiting, silent));
    }
    running(work, &waiting, silent)
}

fn settled<H: Host>(work: &mut Work<'_, H>, index: usize) {
    work.state.note_settled(index);
    if let Some(object) = work.state.object(index) {
        let line = format!("{} has settled", object.label());
        work.log(&line);
    }
}

/// Commits and comes back at once to look at the rest.
pub(crate) fn go_on<H: Host>(work: &Work<'_, H>, waiting: &[Waiting]) -> Result<Outcome, Failure> {
    let progress = progress::progress(&work.state, waiting, work.settings.wait_for_address);
    Ok(Outcome::Yielded(Yielded { checkpoint: work.checkpoint()?, progress }))
}

/// What is left of the stage's own time to settle.
fn left_ms<H: Host>(work: &Work<'_, H>) -> Option<u64> {
    let end = work.state.since_ms?.saturating_add(work.settings.settle_ms_max?);
    Some(end.saturating_sub(work.input.now_ms))
}

fn look<H: Host>(work: &mut Work<'_, H>, index: usize) -> Result<Seen, Failure> {
    let Some(object) = work.state.object(index) else {
        return Ok(Seen::Settled);
    };
    let (at, what, label) = (object.target(&work.settings.account), object.object_ref(), object.label());
    work.calls += 1;
    if object.balanced() {
        return match work.host.get(&at, &what, &[]) {
            Ok(text) => Ok(address(index, &text)),
            Err(error) => unseen(&label, error),
        };
    }
    match work.host.rollout_status(&at, &what) {
        Ok(rollout) => rolled(work, index, rollout),
        Err(error) => unseen(&label, error),
    }
}

fn address(index: usize, text: &str) -> Seen {
    let live: Value = serde_json::from_str(text).unwrap_or_default();
    if live::load_balancer(&live).is_some() {
        return Seen::Settled;
    }
    Seen::Waiting(Waiting { index, message: "waiting for a load balancer's address".to_owned(), rollout: None })
}

fn rolled<H: Host>(work: &mut Work<'_, H>, index: usize, rollout: Rollout) -> Result<Seen, Failure> {
    if rollout.stable {
        return Ok(Seen::Settled);
    }
    let Some(object) = work.state.object(index) else {
        return Ok(Seen::Settled);
    };
    let message = progress::words(&object, &rollout);
    let early = rollout.reasons.iter().find(|reason| work.settings.early.ends(&reason.code));
    let failure = match early {
        Some(reason) => Some(("pod-failing", format!("{}: {}", object.label(), progress::sentence(reason)))),
        None if rollout.failed => {
            let text = if rollout.message.is_empty() { "the rollout failed" } else { rollout.message.as_str() };
            let why = rollout.reasons.first().map(|reason| format!("; {}", progress::sentence(reason)));
            Some(("rollout-failed", format!("{}: {text}{}", object.label(), why.unwrap_or_default())))
        }
        None => None,
    };
    let reasons = progress::reasons(&rollout.reasons);
    let waiting = Waiting { index, message, rollout: Some(rollout) };
    let Some((code, message)) = failure else {
        return Ok(Seen::Waiting(waiting));
    };
    let mut details = progress::details(&work.state, &[waiting], work.settings.wait_for_address);
    if let Some(map) = details.as_object_mut() {
        map.insert("reasons".to_owned(), reasons);
    }
    let results = finish::partial(work, &message, &[index]);
    Err(Failure::user(code, message).with_details(&details).with_results(results))
}

/// An object nobody can see: gone, for now, or for good.
fn unseen(label: &str, error: ClusterError) -> Result<Seen, Failure> {
    match error {
        ClusterError::NotFound => {
            let message = format!("{label} was deleted while the stage waited for it to settle");
            Err(Failure::new("object-vanished", Blame::Target, message))
        }
        ClusterError::Throttled(after_ms) => Ok(Seen::Silent(throttled(after_ms), after_ms)),
        ClusterError::Unavailable(text) | ClusterError::Quota(text) => Ok(Seen::Silent(text, 0)),
        error @ (ClusterError::Denied(_) | ClusterError::Conflict(_) | ClusterError::Invalid(_) | ClusterError::TooLarge(_)) => {
            Err(cluster_failure(label, &error))
        }
    }
}

fn timed_out<H: Host>(work: &mut Work<'_, H>, waiting: &[Waiting], silent: Option<(String, u32)>) -> Failure {
    let for_address = work.settings.wait_for_address;
    let unsettled: Vec<_> = work.state.all().filter(|(_, object)| object.waits(for_address)).collect();
    let names: Vec<_> = unsettled
        .iter()
        .take(5)
        .map(|(index, object)| match waiting.iter().find(|one| one.index == *index) {
            Some(one) => format!("{}: {}", object.label(), one.message),
            None => object.label(),
        })
        .collect();
    let more = match unsettled.len().saturating_sub(names.len()) {
        0 => String::new(),
        count => format!("; and {count} more"),
    };
    let silence = silent.map(|(text, _)| format!("; the cluster does not answer: {text}")).unwrap_or_default();
    let message = format!("not settled: {}{more}{silence}", names.join("; "));
    let failed: Vec<_> = unsettled.iter().map(|(index, _)| *index).collect();
    let results = finish::partial(work, &message, &failed);
    let details = progress::details(&work.state, waiting, for_address);
    Failure::user(STAGE_TIMEOUT, message).with_details(&details).with_results(results)
}

fn running<H: Host>(work: &Work<'_, H>, waiting: &[Waiting], silent: Option<(String, u32)>) -> Result<Outcome, Failure> {
    let mut progress = progress::progress(&work.state, waiting, work.settings.wait_for_address);
    let mut poll_after_ms = POLL_MS;
    if let Some((text, after_ms)) = silent {
        poll_after_ms = poll_after_ms.max(after_ms);
        progress = Progress { message: format!("the cluster does not answer: {text}"), ..progress };
    }
    if let Some(left) = left_ms(work) {
        poll_after_ms = poll_after_ms.min(u32::try_from(left).unwrap_or(u32::MAX));
    }
    Ok(Outcome::Running(Running { poll_after_ms, watch: watch(work), checkpoint: work.checkpoint()?, progress }))
}

/// Every unsettled object, and the pods of those that have any.
fn watch<H: Host>(work: &Work<'_, H>) -> Vec<Watched> {
    let mut watched = Vec::new();
    for (_, object) in work.state.all().filter(|(_, object)| object.waits(work.settings.wait_for_address)) {
        if watched.len() + 2 > WATCHES_MAX {
            break;
        }
        let at = object.target(&work.settings.account);
        watched.push(Watched::Object((at.clone(), object.object_ref())));
        if let Some(labels) = object.pods {
            watched.push(Watched::Selection((at, pods(labels))));
        }
    }
    watched
}

fn pods(labels: &str) -> Selector {
    Selector {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        labels: Some(labels.to_owned()),
        fields: None,
        limit: PODS_MAX,
        continue_: None,
    }
}
