//! Services and Ingresses.

use super::names;
use super::pod::{is_port, port_name_problem};
use super::report::{Report, items, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

const PORT: &str = "must be between 1 and 65535, inclusive";

pub(super) fn service(report: &mut Report, object: &Value) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let kind = text(spec, "/type");
    let headless = text(spec, "/clusterIP") == "None";
    if kind != "ExternalName" && !headless && items(spec, "/ports").next().is_none() {
        report.required("spec.ports", "");
    }
    if headless && matches!(kind, "LoadBalancer" | "NodePort") {
        report.invalid_text("spec.clusterIPs[0]", "None", &format!("may not be set to 'None' for {kind} services"));
    }
    ports(report, spec, kind);
    names::labels(report, spec, "/selector", "spec.selector");
    report.one_of(object, "/spec/sessionAffinity", &["ClientIP", "None"]);
    report.one_of(object, "/spec/type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    if kind == "ExternalName" {
        match text(spec, "/externalName").trim_end_matches('.') {
            "" => report.required("spec.externalName", ""),
            name => names::subdomain_problems(name).iter().for_each(|problem| report.invalid_text("spec.externalName", name, problem)),
        }
    }
    let address = text(spec, "/clusterIP");
    if kind != "ExternalName" && !headless && !address.is_empty() && address.parse::<IpAddr>().is_err() {
        report.invalid_text("spec.clusterIPs[0]", address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
    let outside = matches!(kind, "LoadBalancer" | "NodePort") || items(spec, "/externalIPs").next().is_some();
    let policy = text(spec, "/externalTrafficPolicy");
    if !policy.is_empty() && !outside {
        report.invalid_text("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services");
    }
}

fn ports(report: &mut Report, spec: &Value, kind: &str) {
    let several = items(spec, "/ports").count() > 1;
    let (mut names_seen, mut ports_seen) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in items(spec, "/ports") {
        let (path, name) = (format!("spec.ports[{index}]"), text(port, "/name"));
        if name.is_empty() {
            if several {
                report.required(format!("{path}.name"), "");
            }
        } else {
            names::label_problems(name).iter().for_each(|problem| report.invalid_text(format!("{path}.name"), name, problem));
            if !names_seen.insert(name) {
                report.duplicate(format!("{path}.name"), &json!(name));
            }
        }
        let zero = json!(0);
        let number = port.get("port").unwrap_or(&zero);
        if !is_port(number) {
            report.invalid(format!("{path}.port"), number, PORT);
        }
        let protocol = text(port, "/protocol");
        if !protocol.is_empty() && !["SCTP", "TCP", "UDP"].contains(&protocol) {
            report.unsupported(format!("{path}.protocol"), &json!(protocol), &["SCTP", "TCP", "UDP"]);
        }
        match port.get("targetPort").unwrap_or(&zero) {
            Value::String(name) => {
                if let Some(problem) = port_name_problem(name) {
                    report.invalid_text(format!("{path}.targetPort"), name, problem);
                }
            }
            target if !is_port(target) => report.invalid(format!("{path}.targetPort"), target, PORT),
            _ => {}
        }
        let node = port.get("nodePort").and_then(Value::as_i64).unwrap_or_default();
        if node != 0 && kind == "ClusterIP" {
            report.forbidden(format!("{path}.nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
        if !ports_seen.insert((number.as_i64(), protocol)) {
            let said = json!({"Name": "", "Protocol": protocol, "AppProtocol": null, "Port": number, "TargetPort": 0, "NodePort": 0});
            report.duplicate(path, &said);
        }
    }
}

pub(super) fn ingress(report: &mut Report, object: &Value) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let backend = spec.get("defaultBackend");
    if backend.is_none() && items(spec, "/rules").next().is_none() {
        report.invalid("spec", &Value::Null, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(backend) = backend {
        self::backend(report, backend, "spec.defaultBackend");
    }
    for (index, rule) in items(spec, "/rules") {
        let path = format!("spec.rules[{index}]");
        host(report, text(rule, "/host"), &format!("{path}.host"));
        if rule.get("http").is_some() && items(rule, "/http/paths").next().is_none() {
            report.required(format!("{path}.http.paths"), "");
        }
        for (index, one) in items(rule, "/http/paths") {
            self::path(report, one, &format!("{path}.http.paths[{index}]"));
        }
    }
}

fn host(report: &mut Report, host: &str, field: &str) {
    if host.is_empty() {
        return;
    }
    if host.parse::<IpAddr>().is_ok() {
        report.invalid_text(field, host, "must be a DNS name, not an IP address");
    } else if !host.starts_with("*.") {
        names::subdomain_problems(host).iter().for_each(|problem| report.invalid_text(field, host, problem));
    }
}

fn path(report: &mut Report, one: &Value, path: &str) {
    let said = text(one, "/path");
    match text(one, "/pathType") {
        "" => report.required(format!("{path}.pathType"), "pathType must be specified"),
        "Exact" | "Prefix" if !said.starts_with('/') => report.invalid_text(format!("{path}.path"), said, "must be an absolute path"),
        "ImplementationSpecific" if !said.is_empty() && !said.starts_with('/') => {
            report.invalid_text(format!("{path}.path"), said, "must be an absolute path");
        }
        "Exact" | "Prefix" | "ImplementationSpecific" => {}
        other => report.unsupported(format!("{path}.pathType"), &json!(other), &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(report, one.get("backend").unwrap_or(&Value::Null), &format!("{path}.backend"));
}

fn backend(report: &mut Report, backend: &Value, path: &str) {
    let Some(service) = backend.get("service") else {
        if backend.get("resource").is_none() {
            report.invalid_text(path, "", "resource or service backend is required");
        }
        return;
    };
    let name = text(service, "/name");
    if name.is_empty() {
        report.required(format!("{path}.service.name"), "");
    } else {
        names::label_problems(name).iter().for_each(|problem| report.invalid_text(format!("{path}.service.name"), name, problem));
    }
    let (port, number) = (text(service, "/port/name"), service.pointer("/port/number").and_then(Value::as_i64).unwrap_or_default());
    match (port.is_empty(), number) {
        (false, 1..) => report.invalid_text(path, "", "cannot set both port name & port number"),
        (true, 0) => report.required(path, "port name or number is required"),
        (true, number) if !is_port(&json!(number)) => report.invalid(format!("{path}.service.port.number"), &json!(number), PORT),
        _ => {}
    }
}
