//! What a pod says of its containers and volumes.

use super::names;
use super::quantity::number;
use super::report::{Report, items, pairs, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PORT: &str = "must be between 1 and 65535, inclusive";
const PORT_NAME: &str = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const SOURCES: [&str; 5] = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];

/// A pod's spec at a path.
pub(super) fn spec(report: &mut Report, spec: &Value, path: &str) {
    let volumes = volumes(report, spec, path);
    let mut seen = BTreeSet::new();
    if items(spec, "/containers").next().is_none() {
        report.required(format!("{path}.containers"), "");
    }
    for list in ["containers", "initContainers"] {
        for (index, container) in items(spec, &format!("/{list}")) {
            self::container(report, container, &format!("{path}.{list}[{index}]"), &volumes, &mut seen);
        }
    }
    let words: [(&str, &[&str]); 2] = [
        ("restartPolicy", &["Always", "OnFailure", "Never"]),
        ("dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ];
    for (field, supported) in words {
        word(report, spec, path, field, supported);
    }
    names::labels(report, spec, "/nodeSelector", &format!("{path}.nodeSelector"));
    let account = text(spec, "/serviceAccountName");
    if !account.is_empty() {
        let problems = names::subdomain_problems(account);
        problems.iter().for_each(|problem| report.invalid_text(format!("{path}.serviceAccountName"), account, problem));
    }
    for field in ["hostname", "subdomain"] {
        let name = text(spec, &format!("/{field}"));
        if !name.is_empty() {
            names::label_problems(name).iter().for_each(|problem| report.invalid_text(format!("{path}.{field}"), name, problem));
        }
    }
    if let Some(seconds) = spec.get("activeDeadlineSeconds").filter(|seconds| seconds.as_i64().is_some_and(|seconds| seconds < 1)) {
        report.invalid(format!("{path}.activeDeadlineSeconds"), seconds, "must be between 1 and 2147483647, inclusive");
    }
}

fn word(report: &mut Report, object: &Value, path: &str, field: &str, supported: &[&str]) {
    let value = object.get(field).filter(|value| value.as_str().is_some_and(|word| !supported.contains(&word)));
    if let Some(value) = value {
        report.unsupported(format!("{path}.{field}"), value, supported);
    }
}

fn volumes(report: &mut Report, spec: &Value, path: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for (index, volume) in items(spec, "/volumes") {
        let (path, name) = (format!("{path}.volumes[{index}]"), text(volume, "/name"));
        if name.is_empty() {
            report.required(format!("{path}.name"), "");
        } else {
            names::label_problems(name).iter().for_each(|problem| report.invalid_text(format!("{path}.name"), name, problem));
            if !seen.insert(name.to_owned()) {
                report.duplicate(format!("{path}.name"), &json!(name));
            }
        }
        for (source, field) in
            [("secret", "secretName"), ("configMap", "name"), ("persistentVolumeClaim", "claimName"), ("hostPath", "path")]
        {
            if volume.get(source).is_some() && text(volume, &format!("/{source}/{field}")).is_empty() {
                report.required(format!("{path}.{source}.{field}"), "");
            }
        }
    }
    seen
}

fn container(report: &mut Report, container: &Value, path: &str, volumes: &BTreeSet<String>, seen: &mut BTreeSet<String>) {
    let name = text(container, "/name");
    if name.is_empty() {
        report.required(format!("{path}.name"), "");
    } else {
        names::label_problems(name).iter().for_each(|problem| report.invalid_text(format!("{path}.name"), name, problem));
        if !seen.insert(name.to_owned()) {
            report.duplicate(format!("{path}.name"), &json!(name));
        }
    }
    if text(container, "/image").is_empty() {
        report.required(format!("{path}.image"), "");
    }
    word(report, container, path, "terminationMessagePolicy", &["File", "FallbackToLogsOnError"]);
    word(report, container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"]);
    ports(report, container, path);
    environment(report, container, path);
    mounts(report, container, path, volumes);
    resources(report, container, path);
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get(kind) {
            self::probe(report, probe, &format!("{path}.{kind}"), kind);
        }
    }
}

/// What is wrong with the name of a port.
pub(super) fn port_name_problem(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.len() > 15 {
        Some("must be no more than 15 characters")
    } else if !name.bytes().all(plain) {
        Some(PORT_NAME)
    } else if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        Some("must contain at least one letter (a-z)")
    } else if name.contains("--") {
        Some("must not contain consecutive hyphens")
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("must not begin or end with a hyphen")
    } else {
        None
    }
}

pub(super) fn is_port(value: &Value) -> bool {
    value.as_i64().is_some_and(|number| (1..=65535).contains(&number))
}

fn ports(report: &mut Report, container: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    for (index, port) in items(container, "/ports") {
        let (path, name) = (format!("{path}.ports[{index}]"), text(port, "/name"));
        if !name.is_empty() {
            if let Some(problem) = port_name_problem(name) {
                report.invalid_text(format!("{path}.name"), name, problem);
            } else if !seen.insert(name.to_owned()) {
                report.duplicate(format!("{path}.name"), &json!(name));
            }
        }
        match port.get("containerPort") {
            None => report.required(format!("{path}.containerPort"), ""),
            Some(number) if number.as_i64() == Some(0) => report.required(format!("{path}.containerPort"), ""),
            Some(number) if !is_port(number) => report.invalid(format!("{path}.containerPort"), number, PORT),
            Some(_) => {}
        }
        if let Some(number) = port.get("hostPort").filter(|number| number.as_i64() != Some(0) && !is_port(number)) {
            report.invalid(format!("{path}.hostPort"), number, PORT);
        }
        word(report, port, &path, "protocol", &["SCTP", "TCP", "UDP"]);
    }
}

fn environment(report: &mut Report, container: &Value, path: &str) {
    for (index, variable) in items(container, "/env") {
        let (path, name) = (format!("{path}.env[{index}]"), text(variable, "/name"));
        if name.is_empty() {
            report.required(format!("{path}.name"), "");
        } else if !name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
            let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            report.invalid_text(format!("{path}.name"), name, why);
        }
        let Some(from) = variable.get("valueFrom") else { continue };
        let field = format!("{path}.valueFrom");
        match SOURCES.iter().filter(|source| from.get(**source).is_some()).count() {
            0 => {
                let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
                report.invalid_text(field, "", why);
            }
            _ if !text(variable, "/value").is_empty() => report.invalid_text(field, "", "may not be specified when `value` is not empty"),
            1 => {}
            _ => report.invalid_text(field, "", "may not have more than one field specified at a time"),
        }
    }
}

fn mounts(report: &mut Report, container: &Value, path: &str, volumes: &BTreeSet<String>) {
    let mut seen = BTreeSet::new();
    for (index, mount) in items(container, "/volumeMounts") {
        let (path, name, at) = (format!("{path}.volumeMounts[{index}]"), text(mount, "/name"), text(mount, "/mountPath"));
        if name.is_empty() {
            report.required(format!("{path}.name"), "");
        }
        if !volumes.contains(name) {
            report.not_found(format!("{path}.name"), name);
        }
        if at.is_empty() {
            report.required(format!("{path}.mountPath"), "");
        } else if !seen.insert(at) {
            report.invalid_text(format!("{path}.mountPath"), at, "must be unique");
        }
    }
}

fn resources(report: &mut Report, container: &Value, path: &str) {
    for list in ["limits", "requests"] {
        for (name, quantity) in pairs(container, &format!("/resources/{list}")) {
            let field = format!("{path}.resources.{list}[{name}]");
            let standard = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
            if !standard && !name.contains('/') {
                report.invalid_text(field.clone(), name, "must be a standard resource type or fully qualified");
                report.invalid_text(field, name, "must be a standard resource for containers");
            } else if quantity.as_str().and_then(number).is_some_and(|number| number < 0.0) {
                report.invalid(field, quantity, "must be greater than or equal to 0");
            }
        }
    }
    for (name, request) in pairs(container, "/resources/requests") {
        let limit = container.pointer("/resources/limits").and_then(|limits| limits.get(name));
        let both = request.as_str().and_then(number).zip(limit.and_then(Value::as_str).and_then(number));
        if both.is_some_and(|(request, limit)| request > limit) {
            let limit = limit.and_then(Value::as_str).unwrap_or_default();
            report.invalid(
                format!("{path}.resources.requests"),
                request,
                &format!("must be less than or equal to {name} limit of {limit}"),
            );
        }
    }
}

fn probe(report: &mut Report, probe: &Value, path: &str, kind: &str) {
    let handlers: Vec<&&str> = HANDLERS.iter().filter(|handler| probe.get(**handler).is_some()).collect();
    if handlers.is_empty() {
        report.required(path, "must specify a handler type");
    }
    for second in handlers.iter().skip(1) {
        report.forbidden(format!("{path}.{second}"), "may not specify more than 1 handler type");
    }
    for handler in ["httpGet", "tcpSocket"] {
        let Some(port) = probe.pointer(&format!("/{handler}/port")) else { continue };
        let field = format!("{path}.{handler}.port");
        match port.as_str() {
            Some(name) => {
                if let Some(problem) = port_name_problem(name) {
                    report.invalid_text(field, name, problem);
                }
            }
            None if !is_port(port) => report.invalid(field, port, PORT),
            None => {}
        }
    }
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        if let Some(value) = probe.get(field).filter(|value| value.as_i64().is_some_and(|number| number < 0)) {
            report.invalid(format!("{path}.{field}"), value, "must be greater than or equal to 0");
        }
    }
    let successes = probe.get("successThreshold").filter(|value| value.as_i64().is_some_and(|number| number > 1));
    if let Some(value) = successes.filter(|_| kind != "readinessProbe") {
        report.invalid(format!("{path}.successThreshold"), value, "must be 1");
    }
}
