//! When an object has settled: the rules of Spinnaker's manifest stability, kind by kind, checked in their order; the
//! first that does not hold gives the message. Pure, over the object as the API server gives it.

use serde_json::Value;

/// What the rules say of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) stable: bool,
    pub(crate) failed: bool,
    pub(crate) paused: bool,
    pub(crate) revision: u64,
    pub(crate) desired: u32,
    pub(crate) updated: u32,
    pub(crate) available: u32,
    pub(crate) message: String,
}

impl Verdict {
    fn stable(message: impl Into<String>) -> Self {
        Self { stable: true, message: message.into(), ..Self::default() }
    }

    fn unstable(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    fn counted(mut self, desired: u32, updated: u32, available: u32) -> Self {
        (self.desired, self.updated, self.available) = (desired, updated, available);
        self
    }
}

const NO_STATUS: &str = "no status reported yet";

fn number(object: &Value, pointer: &str) -> u32 {
    object.pointer(pointer).and_then(Value::as_u64).map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().find(|condition| text(condition, "/type").eq_ignore_ascii_case(kind))
}

fn condition_is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status").eq_ignore_ascii_case(status))
}

/// The controller has seen this generation; only then its counts are about it.
pub(crate) fn observed(object: &Value) -> bool {
    let seen = object.pointer("/status/observedGeneration").and_then(Value::as_u64);
    seen.is_some() && seen == object.pointer("/metadata/generation").and_then(Value::as_u64)
}

fn no_status(object: &Value) -> bool {
    object.get("status").is_none_or(Value::is_null)
}

fn unseen(object: &Value) -> String {
    format!("its controller has not seen generation {} yet", number(object, "/metadata/generation"))
}

/// Judges an object. `available` of the new revision is known apart from it for a Deployment, whose own count holds the
/// old pods as well.
pub(crate) fn judge(object: &Value, available: Option<u32>) -> Verdict {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    match (group, text(object, "/kind")) {
        ("apps", "Deployment") => deployment(object, available),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "ReplicaSet") => replica_set(object),
        ("batch", "Job") => job(object),
        ("batch", "CronJob") => cron_job(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object),
        ("", "Pod") => pod(object),
        (_, kind) => Verdict::stable(format!("a {kind} is settled as soon as it is applied")),
    }
}

fn deployment(object: &Value, available: Option<u32>) -> Verdict {
    let desired = number(object, "/spec/replicas");
    let updated = number(object, "/status/updatedReplicas");
    let available_all = number(object, "/status/availableReplicas");
    let of_new = if observed(object) { available.unwrap_or(available_all).min(updated) } else { 0 };
    let progressing = condition(object, "Progressing").map(|condition| text(condition, "/reason")).unwrap_or_default();
    let any_reason = |reason: &str| {
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|condition| text(condition, "/reason").eq_ignore_ascii_case(reason))
    };
    let seen = if observed(object) { updated } else { 0 };
    let mut verdict = match deployment_problem(object, desired, updated, available_all, of_new) {
        Some(message) => Verdict::unstable(message),
        None => Verdict::stable(format!("{of_new} of {desired} updated pod{} available", plural(desired))),
    }
    .counted(desired, seen, of_new);
    verdict.revision = text(object, "/metadata/annotations/deployment.kubernetes.io~1revision").parse().unwrap_or_default();
    verdict.paused = any_reason("DeploymentPaused");
    // Only what the controller says of this generation counts: the one before may have exceeded its deadline.
    if observed(object) && progressing.eq_ignore_ascii_case("ProgressDeadlineExceeded") {
        verdict.failed = true;
        verdict.stable = false;
        verdict.message = format!("Deployment exceeded its progress deadline: {}", verdict.message);
    }
    verdict
}

/// The first rule of a Deployment that does not hold.
fn deployment_problem(object: &Value, desired: u32, updated: u32, available: u32, of_new: u32) -> Option<String> {
    if no_status(object) {
        return Some(NO_STATUS.to_owned());
    }
    if !observed(object) {
        return Some(unseen(object));
    }
    let progress = format!("{of_new} of {desired} updated pod{} available", plural(desired));
    if condition_is(object, "Available", "False") {
        let failure = condition(object, "ReplicaFailure").filter(|_| condition_is(object, "ReplicaFailure", "True"));
        return Some(match failure.map(|condition| text(condition, "/message")) {
            Some(why) => format!("{progress}: {why}"),
            None => progress,
        });
    }
    let old = number(object, "/status/replicas").saturating_sub(updated);
    if updated < desired {
        return Some(format!("{updated} of {desired} pod{} updated, {of_new} of them available", plural(desired)));
    }
    if old > 0 {
        return Some(format!("{progress}, {old} old pod{} still ending", plural(old)));
    }
    if available < desired {
        return Some(progress);
    }
    let ready = number(object, "/status/readyReplicas");
    (ready < desired).then(|| format!("{ready} of {desired} updated pod{} ready", plural(desired)))
}

fn stateful_set(object: &Value) -> Verdict {
    let desired = number(object, "/spec/replicas");
    let kind = text(object, "/spec/updateStrategy/type");
    let replicas = number(object, "/status/replicas");
    let ready = number(object, "/status/readyReplicas");
    let current_is_new = text(object, "/status/currentRevision") == text(object, "/status/updateRevision");
    let updated = if current_is_new { replicas } else { number(object, "/status/updatedReplicas") };
    let available = if observed(object) { number(object, "/status/availableReplicas").min(updated) } else { 0 };
    let verdict = if kind.eq_ignore_ascii_case("OnDelete") {
        Verdict::stable("pods are replaced when somebody deletes them (OnDelete)")
    } else if no_status(object) {
        Verdict::unstable(NO_STATUS)
    } else if !observed(object) {
        Verdict::unstable(unseen(object))
    } else if replicas < desired {
        Verdict::unstable(format!("{replicas} of {desired} pod{} created", plural(desired)))
    } else if ready < desired {
        Verdict::unstable(format!("{ready} of {desired} pod{} ready", plural(desired)))
    } else {
        stateful_set_update(object, desired, replicas)
    };
    verdict.counted(desired, updated, available)
}

fn stateful_set_update(object: &Value, desired: u32, replicas: u32) -> Verdict {
    let rolling = text(object, "/spec/updateStrategy/type").eq_ignore_ascii_case("RollingUpdate");
    let block = object.pointer("/spec/updateStrategy/rollingUpdate").is_some_and(Value::is_object);
    let updated = object.pointer("/status/updatedReplicas").and_then(Value::as_u64).map(|_| number(object, "/status/updatedReplicas"));
    if let (true, true, Some(updated)) = (rolling, block, updated) {
        let wanted = replicas.saturating_sub(number(object, "/spec/updateStrategy/rollingUpdate/partition"));
        return if updated < wanted {
            Verdict::unstable(format!("{updated} of {wanted} pod{} updated", plural(wanted)))
        } else {
            Verdict::stable(format!("{updated} of {wanted} pod{} updated and ready", plural(wanted)))
        };
    }
    let current = number(object, "/status/currentReplicas");
    if current < desired {
        return Verdict::unstable(format!("{current} of {desired} pod{} of the current revision", plural(desired)));
    }
    if text(object, "/status/currentRevision") != text(object, "/status/updateRevision") {
        return Verdict::unstable("the updated revision is not the current one yet");
    }
    Verdict::stable(format!("{desired} of {desired} pod{} updated and ready", plural(desired)))
}

fn daemon_set(object: &Value) -> Verdict {
    let desired = number(object, "/status/desiredNumberScheduled");
    let updated = number(object, "/status/updatedNumberScheduled");
    let available = number(object, "/status/numberAvailable");
    let counts = [
        (number(object, "/status/currentNumberScheduled"), "scheduled"),
        (updated, "updated"),
        (available, "available"),
        (number(object, "/status/numberReady"), "ready"),
    ];
    let mut verdict = if no_status(object) {
        Verdict::unstable(NO_STATUS)
    } else if !observed(object) {
        Verdict::unstable(unseen(object))
    } else if !text(object, "/spec/updateStrategy/type").eq_ignore_ascii_case("RollingUpdate") {
        Verdict::stable("pods are replaced when somebody deletes them (OnDelete)")
    } else {
        match counts.iter().find(|(count, _)| *count < desired) {
            Some((count, what)) => Verdict::unstable(format!("{count} of {desired} pod{} {what}", plural(desired))),
            None => Verdict::stable(format!("{desired} of {desired} pod{} updated and available", plural(desired))),
        }
    };
    verdict.revision = text(object, "/metadata/annotations/deprecated.daemonset.template.generation").parse().unwrap_or_default();
    if observed(object) { verdict.counted(desired, updated, available.min(updated)) } else { verdict.counted(desired, 0, 0) }
}

fn replica_set(object: &Value) -> Verdict {
    let desired = number(object, "/spec/replicas");
    let labeled = number(object, "/status/fullyLabeledReplicas");
    let available = number(object, "/status/availableReplicas");
    let counts = [(labeled, "created"), (number(object, "/status/readyReplicas"), "ready"), (available, "available")];
    let verdict = if no_status(object) {
        Verdict::unstable(NO_STATUS)
    } else if let Some((count, what)) = counts.iter().find(|(count, _)| *count < desired) {
        Verdict::unstable(format!("{count} of {desired} pod{} {what}", plural(desired)))
    } else if !observed(object) {
        Verdict::unstable(unseen(object))
    } else {
        Verdict::stable(format!("{available} of {desired} pod{} available", plural(desired)))
    };
    verdict.counted(desired, labeled, available)
}

fn job(object: &Value) -> Verdict {
    let completions = object.pointer("/spec/completions").map_or(1, |_| number(object, "/spec/completions"));
    let (succeeded, lost) = (number(object, "/status/succeeded"), number(object, "/status/failed"));
    let retried = if lost > 0 { format!(", {lost} failed") } else { String::new() };
    let progress = format!("{succeeded} of {completions} pod{} succeeded{retried}", plural(completions));
    let mut verdict = if no_status(object) {
        Verdict::unstable(NO_STATUS)
    } else if condition_is(object, "Failed", "True") {
        let why = condition(object, "Failed").map(|condition| text(condition, "/message")).filter(|why| !why.is_empty());
        Verdict { failed: true, ..Verdict::unstable(why.unwrap_or("the Job failed")) }
    } else if succeeded < completions {
        Verdict::unstable(progress)
    } else {
        Verdict::stable(progress)
    };
    verdict.paused = condition_is(object, "Suspended", "True");
    verdict.counted(completions, number(object, "/status/active").saturating_add(succeeded), succeeded)
}

fn cron_job(object: &Value) -> Verdict {
    if no_status(object) { Verdict::unstable(NO_STATUS) } else { Verdict::stable("scheduled") }
}

fn pod(object: &Value) -> Verdict {
    let phase = text(object, "/status/phase");
    let ready = u32::from(condition_is(object, "Ready", "True"));
    let verdict = match phase {
        "" => Verdict::unstable(NO_STATUS),
        "Pending" | "Failed" | "Unknown" => Verdict::unstable(format!("the pod is {phase}")),
        _ => Verdict::stable(format!("the pod is {phase}")),
    };
    verdict.counted(1, 1, ready)
}

fn autoscaler(object: &Value) -> Verdict {
    let (current, desired) = (number(object, "/status/currentReplicas"), number(object, "/status/desiredReplicas"));
    let verdict = if no_status(object) {
        Verdict::unstable(NO_STATUS)
    } else if desired > current {
        Verdict::unstable(format!("scaling up from {current} to {desired} pods"))
    } else if desired < current {
        Verdict::unstable(format!("scaling down from {current} to {desired} pods"))
    } else {
        Verdict::stable(format!("{current} pod{}", plural(current)))
    };
    verdict.counted(desired, current, current)
}
