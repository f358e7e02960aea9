//! What a registry's answer means. Pure.

use super::transport::Answer;
use app::ports::{RegistryAccess, RegistryError};
use http::{StatusCode, header};
use model::image::{Digest, is_tag};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

const DIGEST_HEADER: &str = "docker-content-digest";

/// Fails unless the answer is a good one. `what` names what was asked for.
pub(super) fn well(answer: &Answer, access: &RegistryAccess, what: impl Fn() -> String) -> Result<(), RegistryError> {
    let address = &access.address;
    let status = answer.status;
    let said = error_code(&answer.body).map(|code| format!(", {code}")).unwrap_or_default();
    Err(match status {
        StatusCode::OK => return Ok(()),
        StatusCode::NOT_FOUND => RegistryError::NotFound(what()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            RegistryError::Denied(format!("{address} does not let us read {} (HTTP {}{said})", what(), status.as_u16()))
        }
        StatusCode::TOO_MANY_REQUESTS => RegistryError::Unavailable(format!("{address} says that we ask too often")),
        _ if status.is_redirection() => RegistryError::Protocol(format!("{address} redirects to another host, which is not followed")),
        _ if status.is_server_error() => RegistryError::Unavailable(format!("{address} is in trouble (HTTP {}{said})", status.as_u16())),
        _ => RegistryError::Protocol(format!("{address} answers HTTP {}{said}", status.as_u16())),
    })
}

/// A web page is no registry, even one that answers 200 to everything.
pub(super) fn speaks_the_protocol(answer: &Answer, access: &RegistryAccess) -> Result<(), RegistryError> {
    let versioned = answer.header("docker-distribution-api-version").is_some_and(|version| version.contains("registry/2"));
    let json = answer.body.trim_ascii().is_empty() || serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok();
    if versioned || json {
        return Ok(());
    }
    Err(RegistryError::Protocol(format!("what answers at {} is not a registry", access.address)))
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    code: String,
}

/// The protocol's own code, and only if it looks like one: the rest of the text could hold anything.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let code = errors.errors.into_iter().next()?.code;
    let fine = !code.is_empty() && code.len() <= 40 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    fine.then_some(code)
}

/// The digest as the header says it; none when there is no header.
pub(super) fn digest_header(answer: &Answer) -> Result<Option<Digest>, RegistryError> {
    if !answer.headers.contains_key(DIGEST_HEADER) {
        return Ok(None);
    }
    let text = answer.header(DIGEST_HEADER).unwrap_or_default();
    Digest::parse(text).map(Some).map_err(|_| RegistryError::Protocol("it says a digest that is not sha256 and 64 hex digits".to_owned()))
}

/// The digest of a manifest that was read in full; its header, if any, must agree.
pub(super) fn manifest_digest(answer: &Answer, types: &[&str]) -> Result<Digest, RegistryError> {
    let kind = answer.header(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !types.contains(&kind) {
        return Err(RegistryError::Protocol("it answers with something that is not a manifest".to_owned()));
    }
    let hex = hex::encode(Sha256::digest(&answer.body));
    let digest = Digest::parse(&format!("sha256:{hex}")).map_err(|error| RegistryError::Protocol(error.to_string()))?;
    match digest_header(answer)? {
        Some(said) if said != digest => Err(RegistryError::Protocol("it says another digest than its manifest has".to_owned())),
        _ => Ok(digest),
    }
}

/// A page of tags.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TagPage {
    pub(super) tags: Vec<String>,
    /// There may be more after the last.
    pub(super) more: bool,
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

/// Reads a page. Some registries (Distribution 2) know no pages and give all tags at once, in no order: those are sorted
/// here and cut, so that a caller can go through them like through the pages of others.
pub(super) fn tags_of(answer: &Answer, after: Option<&str>, want: usize) -> Result<TagPage, RegistryError> {
    let list: TagList = serde_json::from_slice(&answer.body)
        .map_err(|_| RegistryError::Protocol("it answers with something that is not a list of tags".to_owned()))?;
    let mut tags: Vec<String> = list.tags.unwrap_or_default().into_iter().filter(|tag| is_tag(tag)).collect();
    let all_at_once = tags.len() > want || after.is_some_and(|after| tags.iter().any(|tag| tag == after));
    if !all_at_once {
        return Ok(TagPage { tags, more: answer.headers.contains_key(header::LINK) });
    }
    tags.sort_unstable();
    if let Some(after) = after {
        tags.retain(|tag| tag.as_str() > after);
    }
    let more = tags.len() > want;
    tags.truncate(want);
    Ok(TagPage { tags, more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn answer(headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Answer { status: StatusCode::OK, headers: map, body: body.as_bytes().to_vec() }
    }

    fn page(body: &str, after: Option<&str>, want: usize) -> TagPage {
        tags_of(&answer(&[], body), after, want).unwrap()
    }

    #[test]
    fn tags_are_read() {
        let none = TagPage { tags: vec![], more: false };
        assert_eq!(page(r#"{"name":"x","tags":null}"#, None, 5), none);
        assert_eq!(page(r#"{"name":"x"}"#, None, 5), none);
        assert_eq!(page(r#"{"tags":["b","a","not a tag"]}"#, None, 5).tags, ["b", "a"], "the registry's order is kept");
        let linked = tags_of(&answer(&[("link", "</v2/x>; rel=\"next\"")], r#"{"tags":["a"]}"#), None, 1).unwrap();
        assert!(linked.more);
        assert!(tags_of(&answer(&[], "<html>"), None, 5).is_err());
        assert!(tags_of(&answer(&[], r#"{"tags":"a"}"#), None, 5).is_err());
    }

    #[test]
    fn a_registry_without_pages_is_paged_here() {
        let all = r#"{"tags":["d","a","c","b"]}"#;
        assert_eq!(page(all, None, 2), TagPage { tags: vec!["a".into(), "b".into()], more: true });
        assert_eq!(page(all, Some("b"), 2), TagPage { tags: vec!["c".into(), "d".into()], more: false });
        assert_eq!(page(all, Some("d"), 2), TagPage { tags: vec![], more: false });
    }

    #[test]
    fn digests_are_checked() {
        let right = format!("sha256:{}", hex::encode(Sha256::digest(b"{}")));
        let other = format!("sha256:{}", "a".repeat(64));
        let manifest = ("content-type", "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
        let types = ["application/vnd.oci.image.manifest.v1+json"];
        assert_eq!(manifest_digest(&answer(&[manifest], "{}"), &types).unwrap().as_str(), right);
        assert!(manifest_digest(&answer(&[manifest, (DIGEST_HEADER, &other)], "{}"), &types).is_err());
        assert!(manifest_digest(&answer(&[("content-type", "text/html")], "{}"), &types).is_err());
        assert!(digest_header(&answer(&[(DIGEST_HEADER, "sha256:xyz")], "")).is_err());
        assert_eq!(digest_header(&answer(&[], "")).unwrap(), None);
    }

    #[test]
    fn only_codes_of_the_protocol_are_repeated() {
        assert_eq!(error_code(br#"{"errors":[{"code":"NAME_UNKNOWN","message":"x"}]}"#).as_deref(), Some("NAME_UNKNOWN"));
        assert_eq!(error_code(br#"{"errors":[{"code":"your password is x"}]}"#), None);
        assert_eq!(error_code(b"<html>"), None);
    }
}
