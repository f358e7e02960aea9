//! Harbor's notifications, and Tencent TCR Enterprise's, which are Harbor 1.x's: one resource each, though it is a list.

use super::normal::{Raw, split_url};
use super::{EVENTS_MAX, FormatError, Told};
use model::push::ImagePushed;
use serde_json::Value;

/// Reads either format; `data` holds the resources in both.
pub(super) fn read(envelope: &Value, data: Option<&Value>, told: &mut Told) -> Result<(), FormatError> {
    let kind = envelope.get("type").and_then(Value::as_str).unwrap_or_default();
    let source = match kind {
        "PUSH_ARTIFACT" | "harbor.artifact.pushed" => "harbor",
        "pushImage" => "tcr",
        _ => {
            told.skipped += 1;
            return Ok(());
        }
    };
    let data = data.ok_or(FormatError::Unknown)?;
    let resources = data.get("resources").and_then(Value::as_array).ok_or(FormatError::Unknown)?;
    if resources.len() > EVENTS_MAX {
        return Err(FormatError::TooMany);
    }
    for resource in resources {
        match push(source, envelope, data, resource) {
            Some(push) => told.pushes.push(push),
            None => told.skipped += 1,
        }
    }
    Ok(())
}

fn push(source: &'static str, envelope: &Value, data: &Value, resource: &Value) -> Option<ImagePushed> {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    let place = text("resource_url").and_then(split_url);
    let full_name = data.pointer("/repository/repo_full_name").and_then(Value::as_str);
    let raw = Raw {
        source,
        registry: place.map(|(host, _)| host),
        repository: full_name.filter(|name| !name.is_empty()).or(place.map(|(_, repository)| repository))?,
        tag: text("tag"),
        digest: text("digest"),
        actor: envelope.get("operator").and_then(Value::as_str),
        delivery: envelope.get("id").and_then(Value::as_str),
    };
    raw.normal()
}

#[cfg(test)]
mod tests {
    use super::super::{Format, read as read_any};
    use super::*;
    use http::HeaderMap;
    use serde_json::json;

    fn digest() -> String {
        format!("sha256:{}", "b".repeat(64))
    }

    fn data(tag: &str, url: &str) -> Value {
        json!({"resources": [{"digest": digest(), "tag": tag, "resource_url": url}],
            "repository": {"date_created": 1_690_000_000, "name": "web", "namespace": "team", "repo_full_name": "team/web", "repo_type": "private"},
            "custom_attributes": {}})
    }

    fn told(envelope: &Value) -> Told {
        read_any(&HeaderMap::new(), envelope.to_string().as_bytes()).unwrap()
    }

    fn default(kind: &str, data: Value) -> Value {
        json!({"type": kind, "occur_at": 1_755_673_262, "operator": "robot$team+ci", "event_data": data})
    }

    #[test]
    fn harbor_and_tcr_are_read() {
        for (kind, source, url) in [
            ("PUSH_ARTIFACT", "harbor", "harbor.example.test/team/web:1.4.2"),
            ("pushImage", "tcr", "acme-gz.tencentcloudcr.com/team/web:1.4.2"),
        ] {
            let told = told(&default(kind, data("1.4.2", url)));
            let want = ImagePushed {
                source: source.into(),
                registry: url.split('/').next().map(str::to_owned),
                repository: "team/web".into(),
                tag: Some("1.4.2".into()),
                digest: Some(digest()),
                actor: Some("robot$team+ci".into()),
                delivery: None,
            };
            assert_eq!((told.format, told.pushes), (Format::Harbor, vec![want]));
        }
    }

    #[test]
    fn cloud_events_are_read() {
        let event = json!({"specversion": "1.0", "id": "0c6f", "source": "/projects/7/webhook/policies/3", "type": "harbor.artifact.pushed",
            "time": "2026-08-20T07:01:02Z", "datacontenttype": "application/json", "requestid": "a1b2", "operator": "ann",
            "data": data("1.4.2", "harbor.example.test:8443/team/web:1.4.2")});
        let told = told(&event);
        assert_eq!(told.format, Format::HarborCloudEvents);
        let push = &told.pushes[0];
        assert_eq!((push.registry.as_deref(), push.delivery.as_deref()), (Some("harbor.example.test:8443"), Some("0c6f")));
    }

    #[test]
    fn a_digest_in_the_place_of_a_tag_is_no_tag() {
        let url = format!("harbor.example.test/team/web@{}", digest());
        let push = told(&default("PUSH_ARTIFACT", data(&digest(), &url))).pushes.remove(0);
        assert_eq!((push.tag, push.registry.as_deref()), (None, Some("harbor.example.test")));
    }

    #[test]
    fn the_repository_is_found_without_its_object() {
        let mut data = data("1", "h.example/team/web:1");
        data["repository"] = json!({});
        assert_eq!(told(&default("PUSH_ARTIFACT", data)).pushes[0].repository, "team/web");
    }

    #[test]
    fn other_events_are_skipped_and_broken_ones_refused() {
        for kind in ["PULL_ARTIFACT", "DELETE_ARTIFACT", "SCANNING_COMPLETED", "deleteImage", "uploadChart"] {
            let told = told(&default(kind, json!({})));
            assert_eq!((told.pushes.len(), told.skipped), (0, 1));
        }
        let broken = default("PUSH_ARTIFACT", json!({})).to_string();
        assert_eq!(read_any(&HeaderMap::new(), broken.as_bytes()), Err(FormatError::Unknown));
        let told = told(&default("PUSH_ARTIFACT", json!({"resources": [7, {}]})));
        assert_eq!((told.pushes.len(), told.skipped), (0, 2));
    }
}
