//! Docker Distribution's envelope, versions 1 and 2: unrelated events side by side, of which pushes of manifests count.

use super::normal::{Raw, member};
use super::{EVENTS_MAX, FormatError, Told};
use model::push::ImagePushed;
use serde_json::Value;

/// What tells a manifest from a blob.
const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

pub(super) fn read(envelope: &Value, told: &mut Told) -> Result<(), FormatError> {
    let events = envelope.get("events").and_then(Value::as_array).ok_or(FormatError::Unknown)?;
    if events.len() > EVENTS_MAX {
        return Err(FormatError::TooMany);
    }
    for event in events {
        match push(event) {
            Some(push) => told.pushes.push(push),
            None => told.skipped += 1,
        }
    }
    Ok(())
}

fn push(event: &Value) -> Option<ImagePushed> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let kind = text("/target/mediaType")?;
    if text("/action") != Some("push") || !MANIFEST_TYPES.contains(&kind) {
        return None;
    }
    let delivery = member(event, "id");
    let raw = Raw {
        source: "distribution",
        registry: text("/request/host"),
        repository: text("/target/repository")?,
        tag: text("/target/tag"),
        digest: text("/target/digest"),
        actor: text("/actor/name"),
        delivery: delivery.as_deref(),
    };
    raw.normal()
}

#[cfg(test)]
mod tests {
    use super::super::{Format, read as read_any};
    use super::*;
    use http::HeaderMap;
    use serde_json::json;

    fn event(action: &str, media_type: &str, tag: Option<&str>) -> Value {
        let mut target = json!({"mediaType": media_type, "digest": format!("sha256:{}", "a".repeat(64)), "size": 1609, "length": 1609,
            "repository": "team/web", "fromRepository": "", "url": "https://reg.example.test/v2/team/web/manifests/x"});
        if let Some(tag) = tag {
            target["tag"] = json!(tag);
        }
        json!({"id": "5c6e1f0e-0001", "timestamp": "2026-08-20T07:01:02.123456789+08:00", "action": action, "target": target,
            "request": {"id": "r", "addr": "10.0.0.9:55120", "host": "reg.example.test", "method": "PUT"},
            "actor": {"name": "ci-bot"}, "source": {"addr": "registry-0:5000"}})
    }

    fn told(events: Vec<Value>) -> Told {
        read_any(&HeaderMap::new(), json!({"events": events}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_push_is_read() {
        let told = told(vec![event("push", MANIFEST_TYPES[3], Some("1.4.2"))]);
        let want = ImagePushed {
            source: "distribution".into(),
            registry: Some("reg.example.test".into()),
            repository: "team/web".into(),
            tag: Some("1.4.2".into()),
            digest: Some(format!("sha256:{}", "a".repeat(64))),
            actor: Some("ci-bot".into()),
            delivery: Some("5c6e1f0e-0001".into()),
        };
        assert_eq!((told.format, told.pushes, told.skipped), (Format::Distribution, vec![want], 0));
    }

    #[test]
    fn only_pushes_of_manifests_count() {
        let index = MANIFEST_TYPES[3];
        let mut deleted = event("delete", "", None);
        deleted["target"] = json!({"digest": "sha256:x", "repository": "team/web"});
        let events = vec![
            event("pull", index, Some("1")),
            event("mount", index, None),
            deleted,
            event("push", "application/octet-stream", None),
            event("push", "application/vnd.docker.image.rootfs.diff.tar.gzip", None),
            json!(7),
            json!({"action": "push", "target": {"mediaType": index}}),
            event("push", MANIFEST_TYPES[2], None),
            event("push", index, Some("1")),
        ];
        let told = told(events);
        assert_eq!(told.skipped, 7);
        let tags: Vec<Option<&str>> = told.pushes.iter().map(|p| p.tag.as_deref()).collect();
        assert_eq!(tags, [None, Some("1")], "the platform's manifest comes without tag, then the index with it");
    }

    #[test]
    fn an_envelope_may_be_empty() {
        assert_eq!(told(vec![]).pushes, vec![]);
    }
}
