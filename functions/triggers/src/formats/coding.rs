//! CODING's notifications of artifacts, in both dialects. Neither says a digest or a registry; the repository is the path
//! below the team's registry, and the registry follows from the team where CODING's own cloud sent it.

use super::Told;
use super::normal::{Raw, member};
use model::push::ImagePushed;
use serde_json::Value;

const CLOUD: &str = "coding.net";
const REGISTRY_TAIL: &str = "-docker.pkg.coding.net";

/// WebHook v2. `event` is the header's; a ping and every event but `artifact` are fine and nothing.
pub(super) fn web_hook(body: &Value, event: Option<&str>, delivery: &str, told: &mut Told) {
    let action = member(body, "action").unwrap_or_default();
    let relevant = event.is_none_or(|event| event == "artifact") && matches!(action.as_str(), "create" | "update");
    let page = body.pointer("/repository/html_url").and_then(Value::as_str);
    let project = body.pointer("/repository/name").and_then(Value::as_str);
    let push =
        body.get("artifact").filter(|_| relevant).and_then(|artifact| push(body, artifact, page.and_then(team_of), project, delivery));
    add(push, told);
}

/// Service Hook. The event's code stands in the body.
pub(super) fn service_hook(body: &Value, delivery: &str, told: &mut Told) {
    let code = member(body, "event").unwrap_or_default();
    let relevant = matches!(code.as_str(), "ARTIFACTS_VERSION_CREATED" | "ARTIFACTS_VERSION_UPDATED");
    // The domain is a name only; whose cloud it is in, the project's page says.
    let page = body.pointer("/project/url").and_then(Value::as_str);
    let team = match page {
        Some(page) if !page.is_empty() => team_of(page),
        _ => body.pointer("/team/domain").and_then(Value::as_str).filter(|team| is_label(team)),
    };
    let project = body.pointer("/project/name").and_then(Value::as_str);
    let push = body.get("artifact").filter(|_| relevant).and_then(|artifact| push(body, artifact, team, project, delivery));
    add(push, told);
}

fn add(push: Option<ImagePushed>, told: &mut Told) {
    match push {
        Some(push) => told.pushes.push(push),
        None => told.skipped += 1,
    }
}

fn push(body: &Value, artifact: &Value, team: Option<&str>, project: Option<&str>, delivery: &str) -> Option<ImagePushed> {
    if !member(artifact, "artifactType")?.eq_ignore_ascii_case("docker") {
        return None;
    }
    let project = member(artifact, "projectName").or_else(|| project.map(str::to_owned))?;
    let repository = format!("{project}/{}/{}", member(artifact, "artifactRepoName")?, member(artifact, "artifactPkgName")?);
    let tag = member(artifact, "artifactVersionName");
    let registry = team.map(|team| format!("{team}{REGISTRY_TAIL}"));
    let actor = member(artifact, "userName").or_else(|| body.get("sender").and_then(|sender| member(sender, "name")));
    let raw = Raw {
        source: "coding",
        registry: registry.as_deref(),
        repository: &repository,
        tag: tag.as_deref(),
        digest: None,
        actor: actor.as_deref(),
        delivery: Some(delivery),
    };
    raw.normal()
}

/// The team of a page in CODING's own cloud: the first label of `https://<team>.coding.net/…`. An installation elsewhere has
/// a registry whose name we cannot know.
fn team_of(page: &str) -> Option<&str> {
    let rest = page.strip_prefix("https://").or_else(|| page.strip_prefix("http://"))?;
    let host = rest.split(['/', ':', '?', '#']).next()?;
    let team = host.strip_suffix(CLOUD)?.strip_suffix('.')?;
    is_label(team).then_some(team)
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::super::{Format, read};
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    fn artifact(number: impl Fn(u32) -> Value) -> Value {
        json!({"projectId": number(101), "artifactRepoId": number(21), "artifactPkgId": number(301), "artifactVersionId": number(401),
            "userId": number(501), "size": number(7_622_367), "artifactRepoName": "docker-main", "artifactPkgName": "web",
            "artifactVersionName": "1.4.2", "action": "create", "artifactType": "docker", "projectName": "cd-demo", "userName": "tom"})
    }

    fn web_hook_body() -> Value {
        json!({"action": "create", "artifact": artifact(|n| json!(n)), "sender": {"id": 501, "login": "tom", "name": "Tom"},
            "repository": {"id": 101, "name": "cd-demo", "full_name": "acme/cd-demo", "html_url": "https://acme.coding.net/p/cd-demo",
                "created_at": 1_554_781_241_000_u64}})
    }

    fn service_hook_body() -> Value {
        json!({"event": "ARTIFACTS_VERSION_CREATED", "eventName": "推送制品", "artifact": artifact(|n| json!(n.to_string())),
            "sender": {"id": "501", "name": "Tom"}, "project": {"id": "101", "name": "cd-demo", "display_name": "CD demo"},
            "team": {"id": "7", "domain": "acme", "name": "Acme"}})
    }

    fn told(list: &[(&'static str, &'static str)], body: &[u8]) -> Told {
        let headers: HeaderMap = list.iter().map(|(n, v)| (http::HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        read(&headers, body).unwrap()
    }

    fn want(delivery: &str) -> ImagePushed {
        ImagePushed {
            source: "coding".into(),
            registry: Some("acme-docker.pkg.coding.net".into()),
            repository: "cd-demo/docker-main/web".into(),
            tag: Some("1.4.2".into()),
            digest: None,
            actor: Some("tom".into()),
            delivery: Some(delivery.into()),
        }
    }

    const V2: [(&str, &str); 3] = [("x-coding-event", "artifact"), ("x-coding-delivery", "d-1"), ("x-coding-webhook-version", "v2")];

    #[test]
    fn a_web_hook_is_read_as_json_and_as_a_form() {
        let json = web_hook_body().to_string();
        let read = told(&V2, json.as_bytes());
        assert_eq!((read.format, read.pushes), (Format::CodingWebHook, vec![want("d-1")]));
        let form: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
        let list = [("content-type", "application/x-www-form-urlencoded"), V2[0], V2[1]];
        assert_eq!(told(&list, form.as_bytes()).pushes, vec![want("d-1")]);
    }

    #[test]
    fn a_service_hook_is_read_with_text_or_numbers() {
        let list = [("x-coding-service-hook-event", "ARTIFACTS_VERSION_CREATED"), ("x-coding-delivery", "d-2")];
        let read = told(&list, service_hook_body().to_string().as_bytes());
        assert_eq!((read.format, read.pushes), (Format::CodingServiceHook, vec![want("d-2")]));
        let mut body = service_hook_body();
        body["artifact"] = artifact(|n| json!(n));
        body["artifact"]["artifactVersionName"] = json!(7);
        body["event"] = json!("ARTIFACTS_VERSION_UPDATED");
        assert_eq!(told(&list, body.to_string().as_bytes()).pushes[0].tag.as_deref(), Some("7"));
    }

    #[test]
    fn without_an_id_the_bytes_tell_repeats() {
        let body = web_hook_body().to_string();
        let (one, again) = (told(&[], body.as_bytes()), told(&[], body.as_bytes()));
        assert_eq!(one.pushes, again.pushes);
        assert!(one.pushes[0].delivery.as_deref().unwrap().starts_with("sha256:"));
        assert_ne!(told(&[], format!("{body} ").as_bytes()).pushes, one.pushes);
    }

    #[test]
    fn only_pushes_of_images_count() {
        let nothing = |list: &[(&'static str, &'static str)], body: &Value| {
            let told = told(list, body.to_string().as_bytes());
            assert_eq!((told.pushes.len(), told.skipped), (0, 1), "{body}");
        };
        nothing(&[("x-coding-event", "ping")], &json!({"zen": "Keep it logically awesome.", "hook_id": "1", "hook": {}}));
        nothing(&[("x-coding-event", "push")], &web_hook_body());
        let change = |body: Value, pointer: &str, value: Value| {
            let mut body = body;
            *body.pointer_mut(pointer).unwrap() = value;
            body
        };
        nothing(&V2, &change(web_hook_body(), "/action", json!("delete")));
        nothing(&V2, &change(web_hook_body(), "/artifact/artifactType", json!("maven")));
        nothing(&V2, &change(web_hook_body(), "/artifact/artifactPkgName", json!(null)));
        nothing(&V2, &change(web_hook_body(), "/artifact", json!([])));
        for code in ["ARTIFACTS_VERSION_DELETED", "ARTIFACTS_VERSION_DOWNLOAD_FORBIDDEN", "ARTIFACTS_REPO_CREATED"] {
            nothing(&[], &change(service_hook_body(), "/event", json!(code)));
        }
    }

    #[test]
    fn the_registry_is_said_only_where_it_is_known() {
        assert_eq!(team_of("https://acme.coding.net/p/x"), Some("acme"));
        assert_eq!(team_of("http://acme.coding.net:80"), Some("acme"));
        for page in [
            "https://coding.example.test/p/x",
            "https://acme.coding.net.evil.test/",
            "https://a.b.coding.net/",
            "https://coding.net/",
            "acme",
            "",
        ] {
            assert_eq!(team_of(page), None, "{page}");
        }
        let mut body = service_hook_body();
        body["project"]["url"] = json!("https://coding.intra.test/p/cd-demo");
        assert_eq!(told(&[], body.to_string().as_bytes()).pushes[0].registry, None);
        body["project"]["url"] = json!("");
        body["team"] = json!({"domain": "a/b"});
        assert_eq!(told(&[], body.to_string().as_bytes()).pushes[0].registry, None);
    }
}
