//! Jobs: pods until enough of them succeeded, or too many failed.

use super::object::Put;
use super::object::{
    condition, condition_is, count, flag, integer, is_deleting, items, milliseconds, name_of, pod_of, text, without_empty,
};
use super::replica_set::{is_active, own_pods};
use super::world::{JOB, World};
use crate::defaults;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Why a Job is over: complete, failed too often, too late.
const REASONS: [(&str, &str); 3] = [
    ("CompletionsReached", "Reached expected number of succeeded pods"),
    ("BackoffLimitExceeded", "Job has reached the specified backoff limit"),
    ("DeadlineExceeded", "Job was active longer than specified deadline"),
];
const BACK_OFF_MS: u64 = 10_000;
const BACK_OFF_MS_MAX: u64 = 600_000;

/// Goes through all Jobs once.
pub(super) fn sync(world: &mut World<'_>) {
    for job in world.work(JOB) {
        one(world, &job);
    }
}

/// What the pods of a Job come to.
struct Tally {
    active: Vec<Arc<Value>>,
    succeeded: i64,
    failed: i64,
    ending: i64,
    ready: i64,
    restarts: i64,
    failed_last_ms: Option<u64>,
    indexes: BTreeSet<i64>,
}

fn one(world: &mut World<'_>, stored: &Arc<Value>) {
    let mut job = Value::clone(stored);
    defaults::fill(&mut job);
    if is_deleting(&job) || !job.pointer("/spec/template/spec").is_some_and(Value::is_object) {
        return;
    }
    if finished(&job) {
        return expire(world, stored);
    }
    let tally = tally(world, &job);
    if flag(&job, "/spec/suspend") {
        suspend(world, &mut job, &tally);
    } else {
        resume(world, &mut job);
        match outcome(world, &job, &tally) {
            Some((done, reason, message)) => finish(world, &mut job, &tally, done, reason, message),
            None => keep_going(world, &job, &tally),
        }
    }
    let tally = self::tally(world, &job);
    write(&mut job, &tally);
    let _ = world.update(stored, job);
}

fn finished(job: &Value) -> bool {
    condition_is(job, "Complete", "True") || condition_is(job, "Failed", "True")
}

fn expire(world: &mut World<'_>, job: &Arc<Value>) {
    let Some(after) = job.pointer("/spec/ttlSecondsAfterFinished").and_then(Value::as_u64) else { return };
    let ended = items(job, "/status/conditions").filter(|condition| matches!(text(condition, "/type"), "Complete" | "Failed"));
    let at = ended.map(|condition| milliseconds(text(condition, "/lastTransitionTime"))).max().unwrap_or_default() + after * 1000;
    if at <= world.now_ms() { world.delete(job) } else { world.later(at) }
}

fn tally(world: &mut World<'_>, job: &Value) -> Tally {
    let pods = own_pods(world, job);
    let phase = |phase: &str| pods.iter().filter(|pod| text(pod, "/status/phase") == phase).collect::<Vec<_>>();
    let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
    let ended = |pod: &&Arc<Value>| {
        items(pod, "/status/containerStatuses").map(|status| milliseconds(text(status, "/state/terminated/finishedAt"))).max()
    };
    let index = |pod: &&Arc<Value>| super::object::annotation(pod, INDEX).parse::<i64>().ok();
    let active: Vec<Arc<Value>> = pods.iter().filter(|pod| is_active(pod)).cloned().collect();
    let number = |count: usize| i64::try_from(count).unwrap_or_default();
    let restarts = |pod: &Arc<Value>| items(pod, "/status/containerStatuses").map(|status| count(status, "/restartCount")).sum::<i64>();
    Tally {
        succeeded: number(succeeded.len()).max(count(job, "/status/succeeded")),
        failed: number(failed.len()).max(count(job, "/status/failed")),
        ending: number(pods.iter().filter(|pod| is_deleting(pod) && !super::replica_set::has_ended(pod)).count()),
        ready: number(active.iter().filter(|pod| condition_is(pod, "Ready", "True")).count()),
        restarts: active.iter().map(restarts).sum(),
        failed_last_ms: failed.iter().filter_map(ended).max(),
        indexes: succeeded.iter().filter_map(index).collect(),
        active,
    }
}

fn put(job: &mut Value, now: &str, kind: &str, status: &str, reason: &str, message: &str) {
    let new =
        json!({"type": kind, "status": status, "lastProbeTime": now, "lastTransitionTime": now, "reason": reason, "message": message});
    let others = items(job, "/status/conditions").filter(|condition| text(condition, "/type") != kind);
    let conditions: Vec<Value> = others.cloned().chain([new]).collect();
    job.put(["status", "conditions"], json!(conditions));
}

fn suspend(world: &mut World<'_>, job: &mut Value, tally: &Tally) {
    delete_active(world, job, tally);
    if !condition_is(job, "Suspended", "True") {
        put(job, &world.now(), "Suspended", "True", "JobSuspended", "Job suspended");
        world.normal(job, "Suspended", "Job suspended");
    }
    if let Some(status) = job.get_mut("status").and_then(Value::as_object_mut) {
        status.shift_remove("startTime");
    }
}

fn resume(world: &mut World<'_>, job: &mut Value) {
    if condition_is(job, "Suspended", "True") {
        put(job, &world.now(), "Suspended", "False", "JobResumed", "Job resumed");
        world.normal(job, "Resumed", "Job resumed");
    }
    if text(job, "/status/startTime").is_empty() {
        job.put(["status", "startTime"], json!(world.now()));
    }
}

fn delete_active(world: &mut World<'_>, job: &Value, tally: &Tally) {
    for pod in &tally.active {
        world.delete(pod);
        world.normal(job, "SuccessfulDelete", &format!("Deleted pod: {}", name_of(pod)));
    }
}

/// Whether the Job is over, and why.
fn outcome(world: &mut World<'_>, job: &Value, tally: &Tally) -> Option<(bool, &'static str, &'static str)> {
    // What was decided once stays, whatever becomes of the pods.
    let decided = [("SuccessCriteriaMet", true), ("FailureTarget", false)];
    if let Some((found, done)) = decided.iter().find_map(|(kind, done)| Some((condition(job, kind)?, *done))) {
        return REASONS.iter().find(|(reason, _)| *reason == text(found, "/reason")).map(|(reason, message)| (done, *reason, *message));
    }
    let [complete_because, failed_because, late_because] = REASONS;
    let limit = integer(job, "/spec/backoffLimit").unwrap_or(6);
    let on_failure = text(job, "/spec/template/spec/restartPolicy") == "OnFailure";
    let restarted = on_failure && tally.restarts > 0 && tally.restarts >= limit;
    if tally.failed > limit || restarted {
        return Some((false, failed_because.0, failed_because.1));
    }
    if let Some(seconds) = job.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_u64) {
        let at = milliseconds(text(job, "/status/startTime")) + seconds * 1000;
        if at <= world.now_ms() {
            return Some((false, late_because.0, late_because.1));
        }
        world.later(at);
    }
    let complete = match integer(job, "/spec/completions") {
        Some(completions) => tally.succeeded >= completions,
        None => tally.succeeded > 0 && tally.active.is_empty(),
    };
    complete.then_some((true, complete_because.0, complete_because.1))
}

fn finish(world: &mut World<'_>, job: &mut Value, tally: &Tally, done: bool, reason: &str, message: &str) {
    let now = world.now();
    delete_active(world, job, tally);
    let (first, last) = if done { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") };
    if !condition_is(job, first, "True") {
        put(job, &now, first, "True", reason, message);
    }
    // The last word is said when no pod of it runs any more.
    if !tally.active.is_empty() || tally.ending > 0 {
        return;
    }
    put(job, &now, last, "True", reason, message);
    if done {
        job.put(["status", "completionTime"], json!(now));
        world.normal(job, "Completed", "Job completed");
    } else {
        world.warning(job, reason, message);
    }
}

fn keep_going(world: &mut World<'_>, job: &Value, tally: &Tally) {
    let active = i64::try_from(tally.active.len()).unwrap_or_default();
    let parallelism = count(job, "/spec/parallelism").max(0);
    let wanted = match integer(job, "/spec/completions") {
        Some(completions) => parallelism.min(completions - tally.succeeded),
        None if tally.succeeded > 0 => active.min(parallelism),
        None => parallelism,
    };
    for pod in tally.active.iter().rev().take(usize::try_from(active - wanted).unwrap_or_default()) {
        world.delete(pod);
        world.normal(job, "SuccessfulDelete", &format!("Deleted pod: {}", name_of(pod)));
    }
    if wanted <= active {
        return;
    }
    if let Some(failed_ms) = tally.failed_last_ms {
        let doublings = u32::try_from(tally.failed - 1).unwrap_or_default().min(10);
        let at = failed_ms + BACK_OFF_MS.saturating_mul(1 << doublings).min(BACK_OFF_MS_MAX);
        if at > world.now_ms() {
            return world.later(at);
        }
    }
    let mut free = free_indexes(job, tally);
    for _ in active..wanted {
        let index = free.pop();
        if let Some(pod) = world.create_named(pod(job, index)) {
            world.normal(job, "SuccessfulCreate", &format!("Created pod: {}", name_of(&pod)));
        }
    }
}

fn is_indexed(job: &Value) -> bool {
    text(job, "/spec/completionMode") == "Indexed"
}

/// Indexes that nobody works on, the lowest last.
fn free_indexes(job: &Value, tally: &Tally) -> Vec<i64> {
    if !is_indexed(job) {
        return Vec::new();
    }
    let taken: BTreeSet<i64> = tally.active.iter().filter_map(|pod| super::object::annotation(pod, INDEX).parse().ok()).collect();
    (0..count(job, "/spec/completions")).rev().filter(|index| !taken.contains(index) && !tally.indexes.contains(index)).collect()
}

fn pod(job: &Value, index: Option<i64>) -> Value {
    let mut pod = pod_of(job, job.pointer("/spec/template").unwrap_or(&Value::Null));
    let Some(index) = index else { return pod };
    let index = index.to_string();
    pod.put(["metadata", "generateName"], json!(format!("{}-{index}-", name_of(job))));
    pod.put(["metadata", "annotations", INDEX], json!(index));
    pod.put(["metadata", "labels", INDEX], json!(index));
    pod.put(["spec", "hostname"], json!(format!("{}-{index}", name_of(job))));
    for container in pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut).into_iter().flatten() {
        let mut variables = items(container, "/env").cloned().collect::<Vec<_>>();
        variables.push(json!({"name": "JOB_COMPLETION_INDEX",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']")}}}));
        if let Some(container) = container.as_object_mut() {
            container.insert("env".to_owned(), json!(variables));
        }
    }
    pod
}

fn write(job: &mut Value, tally: &Tally) {
    let mut status = without_empty([
        ("conditions", job.pointer("/status/conditions").cloned().unwrap_or_default()),
        ("startTime", job.pointer("/status/startTime").cloned().unwrap_or_default()),
        ("completionTime", job.pointer("/status/completionTime").cloned().unwrap_or_default()),
        ("active", json!(tally.active.len())),
        ("succeeded", json!(tally.succeeded)),
        ("failed", json!(tally.failed)),
        ("completedIndexes", json!(if is_indexed(job) { ranges(&tally.indexes) } else { String::new() })),
    ]);
    status.put(["terminating"], json!(tally.ending));
    status.put(["uncountedTerminatedPods"], json!({}));
    status.put(["ready"], json!(tally.ready));
    job.put(["status"], status);
}

/// Numbers as `0-2,5`.
fn ranges(numbers: &BTreeSet<i64>) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let said = |(first, last): &(i64, i64)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    ranges.iter().map(said).collect::<Vec<_>>().join(",")
}
