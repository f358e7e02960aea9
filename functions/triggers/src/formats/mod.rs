//! What senders say, brought to one form: pure functions from headers and bytes to image pushes.
//!
//! Nothing here trusts a sender, and nothing here panics, whatever the bytes. Recognition goes by header first, then by
//! the fields that tell the shapes apart. Everything is normalised; nothing is passed through.

mod coding;
mod distribution;
mod harbor;
mod normal;

use http::{HeaderMap, header};
use model::push::ImagePushed;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Most events that one request may hold.
pub const EVENTS_MAX: usize = 500;

/// Which envelope it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Docker Distribution, and what is built on it.
    Distribution,
    /// Harbor's own format; Tencent TCR Enterprise speaks it too.
    Harbor,
    /// Harbor's CloudEvents.
    HarborCloudEvents,
    /// CODING's WebHook v2.
    CodingWebHook,
    /// CODING's Service Hook.
    CodingServiceHook,
}

impl Format {
    /// Kebab-case, for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Harbor => "harbor",
            Self::HarborCloudEvents => "harbor-cloud-events",
            Self::CodingWebHook => "coding-web-hook",
            Self::CodingServiceHook => "coding-service-hook",
        }
    }
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which envelope it was.
    pub format: Format,
    /// The pushes it tells of, in its order. Those without tag are here too.
    pub pushes: Vec<ImagePushed>,
    /// How many events it holds that are no pushes of images.
    pub skipped: usize,
}

/// Why a request was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not even JSON; the sender is broken.
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    /// JSON, but none of the shapes that are known here.
    #[error("the body is none of the notifications that are known here")]
    Unknown,
    /// More than [`EVENTS_MAX`].
    #[error("more than {EVENTS_MAX} events in one request")]
    TooMany,
}

/// Reads a request.
///
/// # Errors
/// [`FormatError`], by what the sender can do about it.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Told, FormatError> {
    let json = json(headers, body)?;
    let format = recognise(headers, &json).ok_or(FormatError::Unknown)?;
    let delivery = delivery(headers, body);
    let mut told = Told { format, pushes: Vec::new(), skipped: 0 };
    match format {
        Format::Distribution => distribution::read(&json, &mut told)?,
        Format::Harbor => harbor::read(&json, json.get("event_data"), &mut told)?,
        Format::HarborCloudEvents => harbor::read(&json, json.get("data"), &mut told)?,
        Format::CodingWebHook => coding::web_hook(&json, text(headers, "x-coding-event"), &delivery, &mut told),
        Format::CodingServiceHook => coding::service_hook(&json, &delivery, &mut told),
    }
    Ok(told)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn media_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body as JSON; in a form it is the field `payload`.
fn json(headers: &HeaderMap, body: &[u8]) -> Result<Value, FormatError> {
    let parse = |bytes: &[u8]| {
        // The parser's own words may quote the body.
        let words = |e: serde_json::Error| FormatError::Malformed(format!("line {}, column {}", e.line(), e.column()));
        serde_json::from_slice::<Value>(bytes).map_err(words)
    };
    if media_type(headers) != "application/x-www-form-urlencoded" {
        return parse(body);
    }
    let payload = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    let (_, payload) = payload.ok_or_else(|| FormatError::Malformed("the form has no field `payload`".to_owned()))?;
    parse(payload.as_bytes())
}

/// Header before fields, special before general.
fn recognise(headers: &HeaderMap, body: &Value) -> Option<Format> {
    let body = body.as_object()?;
    let string = |name: &str| body.get(name).and_then(Value::as_str);
    let object = |name: &str| body.get(name).and_then(Value::as_object);
    let events = body.get("events").is_some_and(Value::is_array);
    if headers.contains_key("x-coding-service-hook-event") {
        return Some(Format::CodingServiceHook);
    }
    if headers.contains_key("x-coding-event") {
        return Some(Format::CodingWebHook);
    }
    if media_type(headers).starts_with("application/vnd.docker.distribution.events.") {
        return events.then_some(Format::Distribution);
    }
    if string("specversion").is_some() {
        return string("type").filter(|kind| kind.starts_with("harbor.")).map(|_| Format::HarborCloudEvents);
    }
    if events {
        return Some(Format::Distribution);
    }
    if string("type").is_some() && object("event_data").is_some() {
        return Some(Format::Harbor);
    }
    let artifact = object("artifact")?;
    if string("event").is_some_and(|event| event.starts_with("ARTIFACTS_")) {
        return Some(Format::CodingServiceHook);
    }
    (string("action").is_some() && artifact.contains_key("artifactPkgName")).then_some(Format::CodingWebHook)
}

/// What tells a repeat of this request from a new one: the sender's id, else the bytes.
fn delivery(headers: &HeaderMap, body: &[u8]) -> String {
    match text(headers, "x-coding-delivery").map(str::trim).filter(|id| !id.is_empty()) {
        Some(id) => id.to_owned(),
        None => format!("sha256:{}", hex::encode(Sha256::digest(body))),
    }
}

#[cfg(test)]
mod tests {
    use super::{read as read_any, *};
    use http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::json;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn check(list: &[(&'static str, &str)], body: &Value, want: Option<Format>) {
        assert_eq!(recognise(&headers(list), body), want, "{body}");
    }

    #[test]
    fn shapes_are_told_apart() {
        use Format::*;
        let events = json!({"events": []});
        for kind in ["application/json", "application/vnd.docker.distribution.events.v1+json", "APPLICATION/JSON; charset=utf-8"] {
            check(&[("content-type", kind)], &events, Some(Distribution));
        }
        check(&[("content-type", "application/vnd.docker.distribution.events.v2+json")], &json!({}), None);
        check(&[], &json!({"type": "pushImage", "occur_at": 1, "event_data": {}}), Some(Harbor));
        let cloud = json!({"specversion": "1.0", "type": "harbor.artifact.pushed", "data": {}, "event_data": {}});
        check(&[], &cloud, Some(HarborCloudEvents));
        check(&[], &json!({"specversion": "1.0", "type": "dev.cdevents.artifact.published", "events": []}), None);
        let coding = json!({"action": "create", "artifact": {"artifactPkgName": "web"}});
        check(&[], &coding, Some(CodingWebHook));
        check(&[], &json!({"event": "ARTIFACTS_VERSION_CREATED", "artifact": {"artifactPkgName": "web"}}), Some(CodingServiceHook));
        check(&[("x-coding-event", "ping")], &json!({"zen": "x", "hook_id": "1"}), Some(CodingWebHook));
        check(&[("x-coding-service-hook-event", "GIT_PUSHED")], &json!({}), Some(CodingServiceHook));
        for other in [json!({}), json!([]), json!(7), json!({"events": 7}), json!({"type": "x"}), json!({"artifact": {}})] {
            check(&[], &other, None);
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let read = |list: &[(&'static str, &str)], body: &str| read_any(&headers(list), body.as_bytes()).unwrap_err();
        assert_eq!(read(&[], "{}"), FormatError::Unknown);
        let secret = read(&[], r#"{"token": "hidden""#).to_string();
        assert!(secret.contains("line 1") && !secret.contains("hidden"), "{secret}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        assert!(matches!(read(&form, "other=1"), FormatError::Malformed(_)));
        assert!(matches!(read(&form, "payload=%7B"), FormatError::Malformed(_)));
        let many = json!({"events": vec![json!({}); EVENTS_MAX + 1]}).to_string();
        assert_eq!(read(&[], &many), FormatError::TooMany);
        let many = json!({"type": "PUSH_ARTIFACT", "event_data": {"resources": vec![json!({}); EVENTS_MAX + 1]}}).to_string();
        assert_eq!(read(&[], &many), FormatError::TooMany);
        let deep = "[".repeat(100_000);
        assert!(matches!(read(&[], &deep), FormatError::Malformed(_)));
    }

    /// JSON of the keys that the parsers look for, with anything under them.
    fn near() -> impl Strategy<Value = Value> {
        let keys = proptest::sample::select(vec![
            "events",
            "action",
            "target",
            "mediaType",
            "repository",
            "tag",
            "digest",
            "request",
            "host",
            "actor",
            "name",
            "type",
            "event_data",
            "resources",
            "resource_url",
            "repo_full_name",
            "operator",
            "specversion",
            "data",
            "event",
            "artifact",
            "artifactPkgName",
            "artifactRepoName",
            "artifactVersionName",
            "artifactType",
            "projectName",
            "team",
            "domain",
            "project",
            "url",
            "html_url",
            "sender",
        ]);
        let words = proptest::sample::select(vec![
            "push",
            "PUSH_ARTIFACT",
            "pushImage",
            "harbor.artifact.pushed",
            "ARTIFACTS_VERSION_CREATED",
            "create",
            "docker",
            "application/vnd.oci.image.index.v1+json",
            "reg.example:443/a/b:1",
            "a@sha256:",
            ":",
            "/",
            "@",
            "",
            "sha256:",
            "héé",
            "a/b",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            words.prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((keys.clone(), inner), 0..8)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
            ]
        })
    }

    fn is_normal(told: &Told) -> bool {
        told.pushes.iter().all(|push| {
            model::image::is_repository(&push.repository)
                && push.tag.as_deref().is_none_or(model::image::is_tag)
                && push.digest.as_deref().is_none_or(|digest| model::image::Digest::parse(digest).is_ok())
                && push.actor.as_ref().is_none_or(|actor| actor.chars().count() <= 200 && !actor.chars().any(char::is_control))
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..512), form in any::<bool>()) {
            let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
            if let Ok(told) = read(&headers(&[("content-type", kind)]), &bytes) {
                prop_assert!(is_normal(&told));
            }
        }

        #[test]
        fn anything_near_a_notification_is_survived_and_normal(body in near(), header in 0_usize..5) {
            let list: &[(&'static str, &str)] = match header {
                0 => &[("x-coding-event", "artifact")],
                1 => &[("x-coding-service-hook-event", "ARTIFACTS_VERSION_CREATED")],
                2 => &[("content-type", "application/vnd.docker.distribution.events.v2+json")],
                _ => &[],
            };
            if let Ok(told) = read(&headers(list), body.to_string().as_bytes()) {
                prop_assert!(is_normal(&told));
            }
        }
    }
}
