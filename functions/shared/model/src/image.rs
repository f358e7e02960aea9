//! Image references, normalised the one way everything here compares them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest reference that is read, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 1024;

/// A parsed image reference: `[registry/]repository[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageRef {
    /// `host[:port]`, lower case; `docker.io` when none was written.
    pub registry: String,
    /// Path below the registry, lower case; `library/x` for official images.
    pub repository: String,
    /// The tag, if any.
    pub tag: Option<String>,
    /// `sha256:…`, if any.
    pub digest: Option<Digest>,
}

/// A content digest, `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Why a text is not an image reference or digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidImage(String);

impl Digest {
    /// Parses `sha256:<64 hex>`.
    pub fn parse(text: &str) -> Result<Self, InvalidImage> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidImage("a digest is sha256: and 64 lower-case hex digits".to_owned()))
        }
    }

    /// The digest as text, with its algorithm.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidImage;
    fn try_from(text: String) -> Result<Self, InvalidImage> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True when the text is a valid tag (OCI distribution: 128 characters at most).
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let head = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    head && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// True when the text is a valid repository path.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.split('/').all(|part| {
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            edge(part.bytes().next())
                && edge(part.bytes().last())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
        })
}

/// A registry address the way image names carry it: lower case, without scheme, `:443` and trailing signs.
#[must_use]
pub fn normal_registry(text: &str) -> String {
    let text = text.trim().trim_start_matches("https://").trim_start_matches("http://").trim_end_matches(['/', ':']);
    let text = text.strip_suffix(":443").unwrap_or(text).to_ascii_lowercase();
    match text.as_str() {
        "" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
        _ => text,
    }
}

impl ImageRef {
    /// Parses a reference and normalises it.
    pub fn parse(text: &str) -> Result<Self, InvalidImage> {
        if text.len() > REFERENCE_BYTES_MAX {
            return Err(InvalidImage(format!("longer than {REFERENCE_BYTES_MAX} bytes")));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(InvalidImage(format!("`{tag}` is not a tag")));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((head, tail)) if head.contains(['.', ':']) || head == "localhost" => (normal_registry(head), tail.to_ascii_lowercase()),
            _ => ("docker.io".to_owned(), name.to_ascii_lowercase()),
        };
        let repository = if registry == "docker.io" && !repository.contains('/') { format!("library/{repository}") } else { repository };
        if !is_repository(&repository) {
            return Err(InvalidImage(format!("`{repository}` is not a repository")));
        }
        Ok(Self { registry, repository, tag: tag.map(str::to_owned), digest })
    }

    /// `registry/repository`, without tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        assert_eq!(ImageRef::parse(text).unwrap().to_string(), want);
    }

    #[test]
    fn references_normalise() {
        check("web", "docker.io/library/web");
        check("acme/web:1", "docker.io/acme/web:1");
        check("localhost:5000/web", "localhost:5000/web");
        check("127.0.0.1:5000/Team/web:v1", "127.0.0.1:5000/team/web:v1");
        check("reg.example:443/web", "reg.example/web");
        let digest = format!("sha256:{}", "a".repeat(64));
        check(&format!("r.io/w:1@{digest}"), &format!("r.io/w:1@{digest}"));
    }

    #[test]
    fn bad_references_are_refused() {
        for text in ["", "a b", "web:", "web:-x", "r.io/", "web@sha256:abc", "r.io/a//b", "r.io/../x"] {
            assert!(ImageRef::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn registries_normalise() {
        assert_eq!(normal_registry("https://Reg.Example:443/"), "reg.example");
        assert_eq!(normal_registry("index.docker.io"), "docker.io");
    }
}
