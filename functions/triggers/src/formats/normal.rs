//! Brings names, tags and digests of any sender to the one form that the rest compares.

use model::image::{Digest, is_repository, is_tag, normal_registry};
use model::push::ImagePushed;
use serde_json::Value;

const REGISTRY_BYTES_MAX: usize = 255;
const WORD_CHARS_MAX: usize = 200;

/// A push as its sender says it.
#[derive(Debug, Default)]
pub(super) struct Raw<'a> {
    pub(super) source: &'static str,
    pub(super) registry: Option<&'a str>,
    pub(super) repository: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
    pub(super) actor: Option<&'a str>,
    pub(super) delivery: Option<&'a str>,
}

impl Raw<'_> {
    /// The push in the one form; none when there is no repository in it.
    pub(super) fn normal(self) -> Option<ImagePushed> {
        let registry =
            self.registry.map(str::trim).filter(|host| !host.is_empty() && host.len() <= REGISTRY_BYTES_MAX).map(normal_registry);
        let mut repository = self.repository.trim().trim_matches('/').to_ascii_lowercase();
        if registry.as_deref() == Some("docker.io") && !repository.contains('/') {
            repository = format!("library/{repository}");
        }
        if !is_repository(&repository) {
            return None;
        }
        Some(ImagePushed {
            source: self.source.to_owned(),
            registry,
            repository,
            tag: self.tag.map(str::trim).filter(|tag| is_tag(tag)).map(str::to_owned),
            digest: self.digest.and_then(digest),
            actor: self.actor.and_then(word),
            delivery: self.delivery.and_then(word),
        })
    }
}

/// A digest, from a digest or from a whole reference.
fn digest(text: &str) -> Option<String> {
    let text = text.rsplit('@').next().unwrap_or_default().trim().to_ascii_lowercase();
    Digest::parse(&text).ok().map(String::from)
}

/// Text for display: one line, not long, not empty.
fn word(text: &str) -> Option<String> {
    let word: String = text.trim().chars().filter(|c| !c.is_control()).take(WORD_CHARS_MAX).collect();
    (!word.is_empty()).then_some(word)
}

/// A host and what follows it: `host/repository[:tag|@digest]`.
pub(super) fn split_url(url: &str) -> Option<(&str, &str)> {
    let url = url.trim().trim_start_matches("https://").trim_start_matches("http://");
    let (host, rest) = url.split_once('/')?;
    let rest = rest.split('@').next().unwrap_or_default();
    let repository = match rest.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => rest,
    };
    (!host.is_empty() && !repository.is_empty()).then_some((host, repository))
}

/// A member as text; CODING writes numbers in one of its dialects and text in the other.
pub(super) fn member(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_comparable() {
        let raw = Raw { source: "x", registry: Some("Reg.Example:443"), repository: "/Team/Web/", tag: Some(" 1 "), ..Raw::default() };
        let push = raw.normal().unwrap();
        assert_eq!((push.registry.as_deref(), push.repository.as_str(), push.tag.as_deref()), (Some("reg.example"), "team/web", Some("1")));
        let push = Raw { registry: Some("index.docker.io"), repository: "web", ..Raw::default() }.normal().unwrap();
        assert_eq!((push.registry.as_deref(), push.repository.as_str()), (Some("docker.io"), "library/web"));
        let push = Raw { registry: Some(""), repository: "web", ..Raw::default() }.normal().unwrap();
        assert_eq!((push.registry, push.repository.as_str()), (None, "web"), "an empty host is none, not Docker Hub");
    }

    #[test]
    fn what_is_no_tag_or_digest_is_left_out() {
        let hex = "A".repeat(64);
        let raw = |tag, digest| Raw { repository: "a", tag: Some(tag), digest: Some(digest), ..Raw::default() };
        let full = format!("r.example/a@sha256:{hex}");
        let push = raw("sha256:abc", &full).normal().unwrap();
        assert_eq!(push.tag, None, "some senders put the digest there");
        assert_eq!(push.digest, Some(format!("sha256:{}", hex.to_lowercase())));
        let push = raw("a b", "md5:1").normal().unwrap();
        assert_eq!((push.tag, push.digest), (None, None));
        for repository in ["", "/", "a//b", "../a", "a b", &"x".repeat(300)] {
            assert!(Raw { repository, ..Raw::default() }.normal().is_none(), "{repository}");
        }
    }

    #[test]
    fn urls_split() {
        assert_eq!(split_url("h.example/a/b:1"), Some(("h.example", "a/b")));
        assert_eq!(split_url("https://h:5000/a/b@sha256:12"), Some(("h:5000", "a/b")));
        assert_eq!(split_url("h/a:1@sha256:12"), Some(("h", "a")));
        for text in ["", "h", "h/", "/a", "h/:1"] {
            assert_eq!(split_url(text), None, "{text}");
        }
    }

    #[test]
    fn words_are_short_and_on_one_line() {
        assert_eq!(word(" a\nb\u{0} "), Some("ab".to_owned()));
        assert_eq!(word("\n"), None);
        assert_eq!(word(&"ä".repeat(900)).unwrap().chars().count(), WORD_CHARS_MAX);
    }
}
