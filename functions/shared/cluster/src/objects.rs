//! Reads, lists and creates objects, and reads logs of pods.

use crate::discovery;
use crate::link::{Ask, Link};
use crate::{MANAGER, paths};
use app::ports::{ClusterError, ListQuery, LogQuery, ObjectKey, ObjectPage};
use serde_json::Value;
use std::time::Instant;

/// Largest page.
const PAGE_MAX: u32 = 500;
/// Most bytes of a log, whatever is asked for.
const LOG_BYTES_MAX: u32 = 8 << 20;

/// The path of the collection that an object belongs to.
pub(crate) async fn collection_of(link: &Link, api_version: &str, kind: &str, namespace: Option<&str>) -> Result<String, ClusterError> {
    let place = discovery::place(link, api_version, kind).await?;
    if place.namespaced && namespace.is_none_or(str::is_empty) {
        return Err(ClusterError::Invalid(format!("{kind} lives in a namespace, and none is named")));
    }
    paths::collection(api_version, &place.plural, namespace.filter(|_| place.namespaced))
}

/// The field selector of the object with this name.
pub(crate) fn named(name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
    format!("metadata.name={escaped}")
}

pub(crate) async fn get(link: &Link, what: &ObjectKey) -> Result<Value, ClusterError> {
    let collection = collection_of(link, &what.api_version, &what.kind, what.namespace.as_deref()).await?;
    let path = paths::object(&collection, &what.name)?;
    let (_, live) = link.json(Ask::get(path.clone())).await?;
    let version = live.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    link.written.fresh(link.server(), &path, version, Instant::now())?;
    Ok(live)
}

pub(crate) async fn list(link: &Link, query: &ListQuery) -> Result<ObjectPage, ClusterError> {
    let place = discovery::place(link, &query.api_version, &query.kind).await?;
    let namespace = query.namespace.as_deref().filter(|_| place.namespaced);
    let path = paths::collection(&query.api_version, &place.plural, namespace)?;
    let limit = query.limit.clamp(1, PAGE_MAX).to_string();
    let pairs = [
        ("labelSelector", query.labels.as_deref()),
        ("fieldSelector", query.fields.as_deref()),
        ("limit", Some(limit.as_str())),
        ("continue", query.continue_token.as_deref()),
    ];
    let (_, answer) = link.json(Ask::get(paths::with_query(&path, &pairs))).await?;
    Ok(page(answer, &query.api_version, &query.kind))
}

/// Items of a list do not say what they are, so it is put back.
fn page(mut answer: Value, api_version: &str, kind: &str) -> ObjectPage {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let continue_token = text("/metadata/continue");
    let resource_version = text("/metadata/resourceVersion").unwrap_or_default();
    let items = match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let items = items
        .into_iter()
        .map(|mut item| {
            if let Value::Object(fields) = &mut item {
                fields.entry("apiVersion").or_insert_with(|| api_version.into());
                fields.entry("kind").or_insert_with(|| kind.into());
            }
            item
        })
        .collect();
    ObjectPage { items, continue_token, resource_version }
}

pub(crate) async fn create(link: &Link, manifest: &Value, dry_run: bool) -> Result<Value, ClusterError> {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let named = !text("/metadata/name").is_empty() || !text("/metadata/generateName").is_empty();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    if api_version.is_empty() || kind.is_empty() || !named {
        return Err(ClusterError::Invalid("an object needs apiVersion, kind, and metadata.name or metadata.generateName".to_owned()));
    }
    let namespace = Some(text("/metadata/namespace")).filter(|name| !name.is_empty());
    let collection = collection_of(link, api_version, kind, namespace).await?;
    let pairs = [("fieldManager", Some(MANAGER)), ("fieldValidation", Some("Strict")), ("dryRun", dry_run.then_some("All"))];
    Ok(link.json(Ask::post(paths::with_query(&collection, &pairs), manifest)).await?.1)
}

pub(crate) async fn pod_logs(link: &Link, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, ClusterError> {
    let pods = paths::collection("v1", "pods", Some(namespace))?;
    let bytes_max = query.bytes_max.clamp(1, LOG_BYTES_MAX);
    let (limit, tail) = (bytes_max.to_string(), query.tail_lines.map(|lines| lines.to_string()));
    let since = query.since_ms.map(|ms| ms.div_ceil(1_000).max(1).to_string());
    let pairs = [
        ("container", query.container.as_deref()),
        ("previous", query.previous.then_some("true")),
        ("tailLines", tail.as_deref()),
        ("sinceSeconds", since.as_deref()),
        ("limitBytes", Some(limit.as_str())),
    ];
    let path = paths::with_query(&format!("{}/log", paths::object(&pods, pod)?), &pairs);
    let bytes = link.text(Ask::get(path).accepting("text/plain, */*"), bytes_max as usize).await?;
    Ok(whole_text(bytes))
}

/// A cut may fall within a character; what is left of it goes, anything else that is not text is marked.
fn whole_text(mut bytes: Vec<u8>) -> String {
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_say_what_they_are() {
        let answer = json!({"metadata": {"resourceVersion": "7", "continue": ""}, "items": [{"metadata": {"name": "a"}}, {"kind": "Own"}]});
        let page = page(answer, "v1", "Pod");
        assert_eq!((page.resource_version.as_str(), page.continue_token), ("7", None));
        assert_eq!(
            (&page.items[0]["kind"], &page.items[0]["apiVersion"], &page.items[1]["kind"]),
            (&json!("Pod"), &json!("v1"), &json!("Own"))
        );
    }

    #[test]
    fn a_name_selects_one_object() {
        assert_eq!(named("web-1.x"), "metadata.name=web-1.x");
        assert_eq!(named("a,metadata.name=b\\"), "metadata.name=a\\,metadata.name\\=b\\\\");
    }

    #[test]
    fn cut_characters_go() {
        assert_eq!(whole_text("aé".as_bytes()[..2].to_vec()), "a");
        assert_eq!(whole_text(vec![b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(whole_text("日志".as_bytes().to_vec()), "日志");
    }
}
