//! A registry in this process, for machines where none is installed: manifests, blobs, tags, Basic login, and the
//! notifications Docker Distribution sends for pushes. It keeps everything in memory, and never notifies of pulls.

mod notify;
mod storage;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::{LOGIN, Notifications};
use crate::Result;
use crate::net::Served;
use notify::Notifier;
use storage::Storage;

const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const DIGEST_HEADER: &str = "docker-content-digest";

/// A running one.
#[derive(Debug)]
pub(super) struct Small {
    served: Served,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    storage: Mutex<Storage>,
    notifier: Notifier,
    login: bool,
}

impl Small {
    pub(super) async fn start(login: bool, notifications: Option<Notifications>) -> Result<Self> {
        let notifier = Notifier::start(notifications)?;
        let shared = Arc::new(Shared { storage: Mutex::default(), notifier, login });
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&shared));
        Ok(Self { served: Served::start(router).await?, shared })
    }

    pub(super) fn port(&self) -> u16 {
        self.served.address().port()
    }

    pub(super) fn notify(&self, notifications: Option<Notifications>) {
        self.shared.notifier.send_to(notifications);
    }
}

/// What a path under `/v2/` means. Repository names hold slashes, which no router's pattern can tell apart.
#[derive(Debug, PartialEq)]
enum Target<'a> {
    Base,
    Tags(&'a str),
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Upload(&'a str, &'a str),
}

fn parse(path: &str) -> Option<Target<'_>> {
    let rest = path.strip_prefix("/v2/")?;
    if rest.is_empty() {
        return Some(Target::Base);
    }
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return Some(Target::Tags(repository));
    }
    if let Some((repository, id)) = rest.split_once("/blobs/uploads") {
        return Some(Target::Upload(repository, id.trim_start_matches('/')));
    }
    if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
        return Some(Target::Blob(repository, digest));
    }
    let (repository, reference) = rest.rsplit_once("/manifests/")?;
    Some(Target::Manifest(repository, reference))
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if shared.login && !logged_in(&parts.headers) {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"testkit\"")];
        return (StatusCode::UNAUTHORIZED, challenge, failure("UNAUTHORIZED")).into_response();
    }
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let Some(target) = parse(parts.uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(mut storage) = shared.storage.lock() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let query = parts.uri.query().unwrap_or_default();
    let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match (&parts.method, target) {
        (&Method::GET, Target::Base) => axum::Json(json!({})).into_response(),
        (&Method::GET, Target::Tags(repository)) => tags(&storage, repository, query),
        (&Method::GET | &Method::HEAD, Target::Manifest(repository, reference)) => match storage.manifest(repository, reference) {
            Some((digest, media_type, bytes)) => content(&parts.method, &digest, &media_type, bytes),
            None => (StatusCode::NOT_FOUND, failure("MANIFEST_UNKNOWN")).into_response(),
        },
        (&Method::PUT, Target::Manifest(repository, reference)) => match storage.put_manifest(repository, reference, media_type, bytes) {
            Ok(pushed) => {
                let digest = pushed.digest.clone();
                shared.notifier.pushed(pushed);
                created(&format!("/v2/{repository}/manifests/{digest}"), &digest)
            }
            Err(code) => (StatusCode::BAD_REQUEST, failure(code)).into_response(),
        },
        (&Method::GET | &Method::HEAD, Target::Blob(_, digest)) => match storage.blob(digest) {
            Some(bytes) => content(&parts.method, digest, "application/octet-stream", bytes),
            None => (StatusCode::NOT_FOUND, failure("BLOB_UNKNOWN")).into_response(),
        },
        (&Method::POST | &Method::PATCH | &Method::PUT, Target::Upload(repository, id)) => {
            upload(&shared, &mut storage, (&parts.method, repository, id, query), &bytes)
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// Begins, continues or ends an upload. All its bytes may come with the first or the last request.
fn upload(shared: &Shared, storage: &mut Storage, (method, repository, id, query): (&Method, &str, &str, &str), bytes: &[u8]) -> Response {
    let id = if *method == Method::POST { storage.begin_upload() } else { id.to_owned() };
    if !storage.extend_upload(&id, bytes) {
        return (StatusCode::NOT_FOUND, failure("BLOB_UPLOAD_UNKNOWN")).into_response();
    }
    let Some(digest) = parameter(query, "digest") else {
        let location = format!("/v2/{repository}/blobs/uploads/{id}");
        return (StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response();
    };
    match storage.end_upload(repository, &id, &digest) {
        Ok(pushed) => {
            shared.notifier.pushed(pushed);
            created(&format!("/v2/{repository}/blobs/{digest}"), &digest)
        }
        Err(code) => (StatusCode::BAD_REQUEST, failure(code)).into_response(),
    }
}

fn tags(storage: &Storage, repository: &str, query: &str) -> Response {
    let Some(all) = storage.tags(repository) else {
        return (StatusCode::NOT_FOUND, failure("NAME_UNKNOWN")).into_response();
    };
    let last = parameter(query, "last").unwrap_or_default();
    let count: usize = parameter(query, "n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let rest: Vec<&String> = all.iter().filter(|tag| **tag > last).collect();
    let page: Vec<&String> = rest.iter().copied().take(count).collect();
    let body = axum::Json(json!({ "name": repository, "tags": page }));
    match page.last() {
        Some(last) if page.len() < rest.len() => {
            let link = format!("</v2/{repository}/tags/list?n={count}&last={last}>; rel=\"next\"");
            ([(header::LINK, link)], body).into_response()
        }
        _ => body.into_response(),
    }
}

fn content(method: &Method, digest: &str, media_type: &str, bytes: bytes::Bytes) -> Response {
    let length = bytes.len().to_string();
    let body = if *method == Method::HEAD { Body::empty() } else { Body::from(bytes) };
    let headers = [("content-type", media_type), ("content-length", &length), (DIGEST_HEADER, digest)];
    (headers, body).into_response()
}

fn created(location: &str, digest: &str) -> Response {
    (StatusCode::CREATED, [("location", location), (DIGEST_HEADER, digest)]).into_response()
}

fn failure(code: &str) -> axum::Json<serde_json::Value> {
    axum::Json(json!({ "errors": [{ "code": code, "message": code, "detail": null }] }))
}

fn logged_in(headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1)));
    headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == expected.as_bytes())
}

/// One parameter of a query. Digests come with their colon escaped.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    pair.map(|(_, value)| value.replace("%3A", ":").replace("%3a", ":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_slashes_in_the_repository_are_told_apart() {
        assert_eq!(parse("/v2/"), Some(Target::Base));
        assert_eq!(parse("/v2/a/b/tags/list"), Some(Target::Tags("a/b")));
        assert_eq!(parse("/v2/a/b/manifests/1"), Some(Target::Manifest("a/b", "1")));
        assert_eq!(parse("/v2/a/blobs/uploads/"), Some(Target::Upload("a", "")));
        assert_eq!(parse("/v2/a/blobs/uploads/7"), Some(Target::Upload("a", "7")));
        assert_eq!(parse("/v2/a/blobs/sha256:0"), Some(Target::Blob("a", "sha256:0")));
        assert_eq!(parse("/v1/a"), None);
    }

    #[test]
    fn an_escaped_digest_is_read() {
        assert_eq!(parameter("state=x&digest=sha256%3Aab", "digest").as_deref(), Some("sha256:ab"));
        assert_eq!(parameter("digest", "digest"), None);
    }
}
