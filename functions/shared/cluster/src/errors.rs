//! What went wrong, in words for people: failures of the connection, and refusals of the API server (its `Status`).
//! Pure. The texts never hold credentials, nor the values of a Secret.

use app::ports::ClusterError;
use serde_json::Value;
use std::error::Error;
use std::io;

/// Longest text taken over from the API server.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// Most fields named in one message.
const CAUSES_MAX: usize = 10;
const BELONGS: &str = " belongs to manager \"";
/// Wait after 429 when the API server does not say how long.
const RETRY_DEFAULT_MS: u32 = 1_000;
/// Longest wait that is believed.
const RETRY_MS_MAX: u32 = 60_000;
/// Longest chain of causes looked at.
const DEPTH_MAX: usize = 16;

fn unreachable(code: &'static str, message: impl Into<String>) -> ClusterError {
    ClusterError::Unreachable { code, message: message.into() }
}

/// The API server did not answer in time.
pub(crate) fn timed_out(server: &str, limit_ms: u64) -> ClusterError {
    unreachable("timed-out", format!("{server} did not answer within {limit_ms} ms"))
}

/// Watches end at once, again and again.
pub(crate) fn no_watch(server: &str) -> ClusterError {
    unreachable("connection-lost", format!("{server} keeps ending the watch"))
}

/// The connection failed before an answer came, or while it came.
pub(crate) fn transport(server: &str, error: &(dyn Error + 'static)) -> ClusterError {
    let chain = causes(error);
    for cause in &chain {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return tls_failure(server, tls);
        }
    }
    if chain.iter().any(|cause| cause.to_string() == "dns error") {
        return unreachable("name-not-found", format!("the name in {server} is not known"));
    }
    for cause in &chain {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return unreachable("refused", format!("{server} refuses connections")),
                io::ErrorKind::TimedOut => return unreachable("timed-out", format!("no connection to {server} in time")),
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    return unreachable("connection-lost", format!("there is no way to {server} from here"));
                }
                _ => {}
            }
        }
    }
    unreachable("connection-lost", format!("the connection to {server} broke"))
}

/// An error and what caused it; an `io::Error` hides its content from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain: Vec<&'a (dyn Error + 'static)> = vec![error];
    let mut at = error;
    for _ in 0..DEPTH_MAX {
        let inner = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        match inner.or_else(|| at.source()) {
            Some(next) => {
                chain.push(next);
                at = next;
            }
            None => break,
        }
    }
    chain
}

fn tls_failure(server: &str, error: &rustls::Error) -> ClusterError {
    use rustls::CertificateError as Bad;
    let why = match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => "it is not signed by the certificate authority given".to_owned(),
            Bad::Expired | Bad::ExpiredContext { .. } => "it has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
            Bad::NotValidForName => "it is for another name".to_owned(),
            Bad::NotValidForNameContext { presented, .. } => {
                let names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
                format!("it is for another name ({})", names.join(", "))
            }
            Bad::Revoked => "it is revoked".to_owned(),
            Bad::BadSignature => "its signature is wrong, so another authority of the same name made it".to_owned(),
            other => format!("it is not acceptable ({other})"),
        },
        rustls::Error::InvalidMessage(_) => {
            return unreachable("connection-lost", format!("{server} does not speak TLS; is it a plain http address?"));
        }
        rustls::Error::AlertReceived(alert) => {
            return unreachable("connection-lost", format!("{server} ended the TLS handshake ({alert:?})"));
        }
        other => return unreachable("connection-lost", format!("no TLS connection to {server}: {other}")),
    };
    unreachable("certificate-not-trusted", format!("the certificate of {server} is not trusted: {why}"))
}

/// The API server said no: from the HTTP status, `Retry-After` and the body (a `Status`, if it is one).
pub(crate) fn refusal(status: u16, retry_after: Option<&str>, body: &[u8]) -> ClusterError {
    let said = serde_json::from_slice::<Value>(body).ok().filter(|value| value.get("kind").is_some_and(|kind| kind == "Status"));
    let message = message(status, said.as_ref(), body);
    match status {
        // Never followed: the credentials are for this address only.
        300..=399 => unreachable("server-error", format!("it answers with a redirect ({status}); is it a Kubernetes API server?")),
        401 => ClusterError::Unauthorized(message),
        403 => ClusterError::Denied(message),
        404 => ClusterError::NotFound(message),
        409 => ClusterError::Conflict(conflict(said.as_ref()).unwrap_or(message)),
        410 => ClusterError::Conflict(format!("too old, read again: {message}")),
        429 => ClusterError::Throttled(retry_ms(retry_after, said.as_ref())),
        // The answer of server-side apply to a field that the kind does not have.
        500 if message.contains("failed to create typed patch object") => ClusterError::Invalid(message),
        500.. => unreachable("server-error", format!("the API server failed ({status}): {message}")),
        _ => ClusterError::Invalid(causes_of(said.as_ref()).unwrap_or(message)),
    }
}

fn message(status: u16, said: Option<&Value>, body: &[u8]) -> String {
    let text = match said.and_then(|said| said.get("message")).and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body.get(..body.len().min(MESSAGE_CHARS_MAX)).unwrap_or_default()).trim().to_owned(),
    };
    let text = if about_secret(said) { without_values(&text) } else { text };
    let cut: String = text.chars().take(MESSAGE_CHARS_MAX).filter(|c| !c.is_control() || *c == '\n').collect();
    if cut.is_empty() { format!("HTTP {status}") } else { cut }
}

fn about_secret(said: Option<&Value>) -> bool {
    said.and_then(|said| said.pointer("/details/kind")).is_some_and(|kind| kind == "Secret" || kind == "secrets")
}

/// Cuts a message where it begins to quote a value.
fn without_values(text: &str) -> String {
    match text.find("Invalid value") {
        Some(at) => format!("{}Invalid value", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn details<'a>(said: Option<&'a Value>, reason: Option<&str>) -> Vec<(&'a str, &'a str)> {
    let text = |cause: &'a Value, key: &str| cause.get(key).and_then(Value::as_str).unwrap_or_default();
    let causes = said.and_then(|said| said.pointer("/details/causes")).and_then(Value::as_array);
    causes
        .into_iter()
        .flatten()
        .filter(|cause| reason.is_none_or(|reason| text(cause, "reason") == reason))
        .map(|cause| (text(cause, "field"), text(cause, "message")))
        .collect()
}

/// "field .spec.replicas belongs to manager \"ci\"; …", from the causes of a server-side apply conflict.
fn conflict(said: Option<&Value>) -> Option<String> {
    let found = details(said, Some("FieldManagerConflict"));
    if found.is_empty() {
        return None;
    }
    let named = found.iter().map(|(field, message)| {
        let manager = message.split('"').nth(1).unwrap_or("unknown");
        format!("field {field}{BELONGS}{manager}\"")
    });
    Some(shortened(named, found.len()))
}

/// The managers that a conflict of ours names.
pub(crate) fn managers_in(conflict: &str) -> impl Iterator<Item = &str> {
    conflict.split(BELONGS).skip(1).filter_map(|rest| rest.split('"').next())
}

/// Somebody else wrote in between, which says nothing about what was to be written.
pub(crate) fn in_between(conflict: &str) -> bool {
    conflict.contains("the object has been modified")
}

/// It kept happening.
pub(crate) fn kept_changing(attempts: usize) -> ClusterError {
    unreachable("object-changing", format!("somebody else keeps changing the object ({attempts} attempts)"))
}

/// An answer that is older than what was written here before.
pub(crate) fn stale(server: &str) -> ClusterError {
    unreachable("stale-answer", format!("{server} answers with a state from before the last change made here"))
}

/// "spec.replicas: must be …; …", from the causes of a 422.
fn causes_of(said: Option<&Value>) -> Option<String> {
    let found = details(said, None);
    if found.is_empty() {
        return None;
    }
    let name = said.and_then(|said| said.pointer("/details/name")).and_then(Value::as_str).unwrap_or_default();
    let kind = said.and_then(|said| said.pointer("/details/kind")).and_then(Value::as_str).unwrap_or_default();
    let secret = about_secret(said);
    let named = found.iter().map(|(field, message)| {
        let message = if secret { without_values(message) } else { (*message).to_owned() };
        if field.is_empty() { message } else { format!("{field}: {message}") }
    });
    let text = format!("{kind} {name}: {}", shortened(named, found.len()));
    Some(text.trim_start_matches([' ', ':']).chars().take(MESSAGE_CHARS_MAX).collect())
}

fn shortened(named: impl Iterator<Item = String>, count: usize) -> String {
    let mut text = named.take(CAUSES_MAX).collect::<Vec<_>>().join("; ");
    if count > CAUSES_MAX {
        text.push_str(&format!("; and {} more", count - CAUSES_MAX));
    }
    text
}

fn retry_ms(header: Option<&str>, said: Option<&Value>) -> u32 {
    let told = said.and_then(|said| said.pointer("/details/retryAfterSeconds")).and_then(Value::as_u64);
    let seconds = header.and_then(|text| text.trim().parse::<u64>().ok()).or(told);
    let ms = seconds.map_or(u64::from(RETRY_DEFAULT_MS), |seconds| seconds.saturating_mul(1_000));
    u32::try_from(ms).unwrap_or(RETRY_MS_MAX).clamp(1, RETRY_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(code: u16, body: &Value) -> ClusterError {
        let mut body = body.clone();
        body["kind"] = json!("Status");
        refusal(code, None, body.to_string().as_bytes())
    }

    #[test]
    fn statuses_are_told_apart() {
        let m = json!({"message": "m"});
        let cases = [
            (302, unreachable("server-error", "it answers with a redirect (302); is it a Kubernetes API server?")),
            (400, ClusterError::Invalid("m".into())),
            (401, ClusterError::Unauthorized("m".into())),
            (403, ClusterError::Denied("m".into())),
            (404, ClusterError::NotFound("m".into())),
            (409, ClusterError::Conflict("m".into())),
            (410, ClusterError::Conflict("too old, read again: m".into())),
            (415, ClusterError::Invalid("m".into())),
            (422, ClusterError::Invalid("m".into())),
            (429, ClusterError::Throttled(1_000)),
            (500, unreachable("server-error", "the API server failed (500): m")),
            (503, unreachable("server-error", "the API server failed (503): m")),
        ];
        for (code, wanted) in cases {
            assert_eq!(status(code, &m), wanted);
        }
    }

    #[test]
    fn managers_and_fields_are_named() {
        let body = json!({"message": "long", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl-edit\" using apps/v1", "field": ".spec.replicas"},
            {"reason": "FieldManagerConflict", "message": "conflict with \"ci\" with subresource \"status\"", "field": ".spec.x"}]}});
        let wanted = "field .spec.replicas belongs to manager \"kubectl-edit\"; field .spec.x belongs to manager \"ci\"";
        assert_eq!(status(409, &body), ClusterError::Conflict(wanted.into()));
        assert_eq!(managers_in(wanted).collect::<Vec<_>>(), ["kubectl-edit", "ci"]);
    }

    #[test]
    fn causes_are_listed_and_bounded() {
        let cause = json!({"reason": "FieldValueInvalid", "message": "Invalid value: -1: must be positive", "field": "spec.replicas"});
        let body = json!({"message": "long", "details": {"name": "web", "kind": "Deployment", "causes": vec![cause; 12]}});
        let ClusterError::Invalid(text) = status(422, &body) else { panic!("invalid") };
        assert!(text.starts_with("Deployment web: spec.replicas: Invalid value: -1: must be positive; "), "{text}");
        assert!(text.ends_with("; and 2 more"), "{text}");
    }

    #[test]
    fn a_secrets_values_stay_out() {
        let cause = json!({"message": "Invalid value: \"s3cret\": no", "field": "data[x]"});
        let body = json!({"message": "Secret \"x\" is invalid: data: Invalid value: \"s3cret\"", "details": {"kind": "Secret", "causes": [cause]}});
        assert_eq!(status(422, &body), ClusterError::Invalid("Secret : data[x]: Invalid value".into()));
        let bare = json!({"message": "data: Invalid value: \"s3cret\"", "details": {"kind": "Secret"}});
        assert_eq!(status(422, &bare), ClusterError::Invalid("data: Invalid value".into()));
    }

    #[test]
    fn waiting_is_told_and_bounded() {
        let details = json!({"details": {"retryAfterSeconds": 3}});
        assert_eq!(status(429, &details), ClusterError::Throttled(3_000));
        assert_eq!(refusal(429, Some("7"), b""), ClusterError::Throttled(7_000));
        assert_eq!(refusal(429, Some("99999999999"), b""), ClusterError::Throttled(60_000));
        assert_eq!(refusal(429, Some("soon"), b""), ClusterError::Throttled(1_000));
    }

    #[test]
    fn a_proxys_page_is_cut() {
        let page = "<html>".repeat(2_000);
        let ClusterError::Denied(text) = refusal(403, None, page.as_bytes()) else { panic!("denied") };
        assert!(text.chars().count() <= MESSAGE_CHARS_MAX);
        assert_eq!(refusal(404, None, b""), ClusterError::NotFound("HTTP 404".into()));
    }

    #[test]
    fn unknown_fields_are_the_manifests_fault() {
        let message = "failed to create typed patch object (x/web; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema";
        assert!(matches!(status(500, &json!({"message": message})), ClusterError::Invalid(text) if text.contains(".spec.foo")));
    }
}
