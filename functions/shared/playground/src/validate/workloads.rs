//! Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs.

use super::report::{Report, items, pairs, text};
use super::{names, pod};
use serde_json::{Value, json};

const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
    validation is '[0-9]+%')";
/// What stands for no deadline.
const NO_DEADLINE: i64 = 2_147_483_647;

/// The selector; whether it can be used at all.
fn selector(report: &mut Report, object: &Value, required: bool, what: &str) -> bool {
    let Some(selector) = object.pointer("/spec/selector").filter(|selector| !selector.is_null()) else {
        if required {
            report.required("spec.selector", "");
        }
        return true;
    };
    names::labels(report, selector, "/matchLabels", "spec.selector.matchLabels");
    let mut usable = true;
    for (index, expression) in items(selector, "/matchExpressions") {
        let field = |part: &str| format!("spec.selector.matchExpressions[{index}].{part}");
        let values = items(expression, "/values").count();
        match text(expression, "/operator") {
            "In" | "NotIn" if values > 0 => {}
            "Exists" | "DoesNotExist" if values == 0 => {}
            "In" | "NotIn" => {
                usable = false;
                report.required(field("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" => {
                usable = false;
                report.forbidden(field("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            other => {
                usable = false;
                report.invalid_text(field("operator"), other, "not a valid selector operator");
            }
        }
    }
    if selector == &json!({}) {
        report.invalid("spec.selector", selector, &format!("empty selector is invalid for {what}"));
    }
    if !usable {
        report.invalid("spec.selector", selector, "invalid label selector");
    }
    usable
}

fn matches(selector: Option<&Value>, labels: &Value) -> bool {
    let Some(selector) = selector else { return false };
    let label = |key: &str| labels.get(key);
    let expression = |expression: &Value| {
        let value = label(text(expression, "/key"));
        let named = value.is_some_and(|value| items(expression, "/values").any(|(_, item)| item == value));
        match text(expression, "/operator") {
            "In" => named,
            "NotIn" => !named,
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    };
    pairs(selector, "/matchLabels").all(|(key, value)| label(key) == Some(value))
        && items(selector, "/matchExpressions").all(|(_, item)| expression(item))
}

/// The template of a workload whose pods go on for ever.
fn template(report: &mut Report, object: &Value, selectable: bool) {
    let labels = object.pointer("/spec/template/metadata/labels").unwrap_or(&Value::Null);
    if selectable && !matches(object.pointer("/spec/selector").filter(|selector| !selector.is_null()), labels) {
        report.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
    }
    inner(report, object);
    report.one_of(object, "/spec/template/spec/restartPolicy", &["Always"]);
    if object.pointer("/spec/template/spec/activeDeadlineSeconds").is_some() {
        report.forbidden("spec.template.spec.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported");
    }
}

fn inner(report: &mut Report, object: &Value) {
    names::labels(report, object, "/spec/template/metadata/labels", "spec.template.labels");
    names::annotations(report, object, "/spec/template/metadata/annotations", "spec.template.annotations");
    pod::spec(report, object.pointer("/spec/template/spec").unwrap_or(&Value::Null), "spec.template.spec");
}

/// A number that is there, plain or in percent, is one.
fn number_or_percent(report: &mut Report, object: &Value, pointer: &str) {
    let Some(value) = object.pointer(pointer) else { return };
    let field = pointer.trim_start_matches('/').replace('/', ".");
    match value {
        Value::String(text) => {
            let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
            match digits {
                None => report.invalid_text(field, text, PERCENT),
                Some(digits) if pointer.ends_with("maxUnavailable") && digits.parse().unwrap_or(u32::MAX) > 100 => {
                    report.invalid_text(field, text, "must not be greater than 100%");
                }
                Some(_) => {}
            }
        }
        other => {
            if other.as_i64().is_some_and(|number| number < 0) {
                report.invalid(field, other, "must be greater than or equal to 0");
            }
        }
    }
}

/// Whether a number, plain or in percent, is nothing.
fn is_zero(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => text.trim_end_matches('%').parse() == Ok(0_i64),
        Some(value) => value.as_i64() == Some(0),
        None => true,
    }
}

pub(super) fn deployment(report: &mut Report, object: &Value) {
    report.not_negative(object, "/spec/replicas");
    let usable = selector(report, object, true, "deployment");
    template(report, object, usable);
    strategy(report, object);
    report.not_negative(object, "/spec/minReadySeconds");
    report.not_negative(object, "/spec/revisionHistoryLimit");
    report.not_negative(object, "/spec/progressDeadlineSeconds");
    let number = |field: &str| object.pointer(field).and_then(Value::as_i64);
    let wait = number("/spec/minReadySeconds").unwrap_or_default();
    if let Some(deadline) = number("/spec/progressDeadlineSeconds").filter(|deadline| *deadline != NO_DEADLINE && *deadline <= wait) {
        report.invalid("spec.progressDeadlineSeconds", &json!(deadline), "must be greater than minReadySeconds");
    }
}

fn strategy(report: &mut Report, object: &Value) {
    const SURGE: &str = "/spec/strategy/rollingUpdate/maxSurge";
    const UNAVAILABLE: &str = "/spec/strategy/rollingUpdate/maxUnavailable";
    match text(object, "/spec/strategy/type") {
        "Recreate" => {
            if object.pointer("/spec/strategy/rollingUpdate").is_some() {
                report.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
            }
        }
        "RollingUpdate" => {
            number_or_percent(report, object, UNAVAILABLE);
            number_or_percent(report, object, SURGE);
            let unavailable = object.pointer(UNAVAILABLE);
            if is_zero(unavailable) && is_zero(object.pointer(SURGE)) {
                let value = unavailable.unwrap_or(&Value::Null);
                report.invalid("spec.strategy.rollingUpdate.maxUnavailable", value, "may not be 0 when `maxSurge` is 0");
            }
        }
        "" => {}
        other => report.unsupported("spec.strategy", &json!({"Type": other, "RollingUpdate": null}), &["Recreate", "RollingUpdate"]),
    }
}

pub(super) fn replica_set(report: &mut Report, object: &Value) {
    report.not_negative(object, "/spec/replicas");
    report.not_negative(object, "/spec/minReadySeconds");
    // It says `deployment` of a ReplicaSet as well.
    let usable = selector(report, object, true, "deployment");
    template(report, object, usable);
}

pub(super) fn stateful_set(report: &mut Report, object: &Value) {
    let policy = text(object, "/spec/podManagementPolicy");
    if !matches!(policy, "OrderedReady" | "Parallel") && object.get("spec").is_some() {
        report.invalid_text("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'");
    }
    let rolling = object.pointer("/spec/updateStrategy/rollingUpdate");
    match text(object, "/spec/updateStrategy/type") {
        "OnDelete" => {
            if let Some(rolling) = rolling {
                let value = json!({"Partition": rolling.get("partition"), "MaxUnavailable": rolling.get("maxUnavailable")});
                report.invalid("spec.updateStrategy.rollingUpdate", &value, "only allowed for updateStrategy 'RollingUpdate'");
            }
        }
        "RollingUpdate" => report.not_negative(object, "/spec/updateStrategy/rollingUpdate/partition"),
        other => {
            let value = json!({"Type": other, "RollingUpdate": null});
            report.invalid("spec.updateStrategy", &value, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
    report.not_negative(object, "/spec/replicas");
    report.not_negative(object, "/spec/minReadySeconds");
    report.not_negative(object, "/spec/revisionHistoryLimit");
    let service = text(object, "/spec/serviceName");
    if !service.is_empty() {
        names::label_problems(service).iter().for_each(|problem| report.invalid_text("spec.serviceName", service, problem));
    }
    let usable = selector(report, object, true, "statefulset");
    template(report, object, usable);
}

pub(super) fn daemon_set(report: &mut Report, object: &Value) {
    let usable = selector(report, object, false, "daemonset");
    template(report, object, usable);
    report.not_negative(object, "/spec/minReadySeconds");
    report.not_negative(object, "/spec/revisionHistoryLimit");
    const SURGE: &str = "/spec/updateStrategy/rollingUpdate/maxSurge";
    const UNAVAILABLE: &str = "/spec/updateStrategy/rollingUpdate/maxUnavailable";
    match text(object, "/spec/updateStrategy/type") {
        "OnDelete" | "" => {}
        "RollingUpdate" => {
            number_or_percent(report, object, UNAVAILABLE);
            number_or_percent(report, object, SURGE);
            let (surge, unavailable) = (object.pointer(SURGE), object.pointer(UNAVAILABLE));
            if is_zero(surge) && is_zero(unavailable) {
                report.required("spec.updateStrategy.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0");
            } else if !is_zero(surge) && !is_zero(unavailable) {
                let value = surge.unwrap_or(&Value::Null);
                report.invalid("spec.updateStrategy.rollingUpdate.maxSurge", value, "may not be set when maxUnavailable is non-zero");
            }
        }
        other => {
            let value = json!({"Type": other, "RollingUpdate": null});
            report.unsupported("spec.updateStrategy", &value, &["RollingUpdate", "OnDelete"]);
        }
    }
}

pub(super) fn job(report: &mut Report, object: &Value) {
    for field in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        report.not_negative(object, &format!("/spec/{field}"));
    }
    report.one_of(object, "/spec/completionMode", &["NonIndexed", "Indexed"]);
    let uid = text(object, "/metadata/uid");
    let manual = object.pointer("/spec/manualSelector") == Some(&Value::Bool(true));
    let own = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    if let Some(selector) = object.pointer("/spec/selector") {
        let old = json!({"matchLabels": {"controller-uid": uid}});
        if !manual && !uid.is_empty() && *selector != own && *selector != old {
            report.invalid("spec.selector", selector, "`selector` not auto-generated");
        }
        let labels = object.pointer("/spec/template/metadata/labels").unwrap_or(&Value::Null);
        if !matches(Some(selector), labels) && object.pointer("/spec/template").is_some() {
            report.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
        }
    }
    inner(report, object);
    if !matches!(text(object, "/spec/template/spec/restartPolicy"), "OnFailure" | "Never") {
        report.required("spec.template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\"");
    }
}
