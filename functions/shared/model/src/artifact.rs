//! Artifacts and what a pipeline expects of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something that a push brought, a person chose or a stage made. Spinnaker's JSON shape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Artifact {
    /// `docker/image`, `embedded/base64`, `kubernetes/configMap`, …
    #[serde(deserialize_with = "crate::lenient::text", rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Name without version; for an image the reference without tag.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Version; for an image the tag or digest.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Namespace or region, where the type has one.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// What a manifest writes, or where the content is fetched.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The account that fetches it.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub artifact_account: String,
    /// Where it came from.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub provenance: String,
    /// Its own identity, where a sender gives one.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// A type that no account handles.
    #[serde(deserialize_with = "crate::lenient::flag", skip_serializing_if = "std::ops::Not::not")]
    pub custom_kind: bool,
    /// Anything else; `digest` of an image is kept here.
    #[serde(deserialize_with = "crate::lenient::map", skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Unknown keys, kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The type of a container image.
pub const DOCKER_IMAGE: &str = "docker/image";

impl Artifact {
    /// A container image, bound by digest, with the tag kept for people.
    #[must_use]
    pub fn image(name: &str, tag: &str, digest: Option<&crate::image::Digest>) -> Self {
        let mut metadata = Map::new();
        if let Some(digest) = digest {
            metadata.insert("digest".to_owned(), Value::String(digest.to_string()));
        }
        Self {
            kind: DOCKER_IMAGE.to_owned(),
            name: name.to_owned(),
            version: tag.to_owned(),
            reference: format!("{name}:{tag}"),
            metadata,
            ..Self::default()
        }
    }

    /// The digest that was read back from the registry, if any.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.metadata.get("digest").and_then(Value::as_str)
    }
}

/// An artifact that a pipeline needs before it starts, or that a stage promises.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExpectedArtifact {
    /// Named by triggers and stages.
    #[serde(deserialize_with = "crate::lenient::text")]
    pub id: String,
    /// For people.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Which artifacts fit; blank fields fit anything, others are compared, then tried as whole-match regex.
    #[serde(deserialize_with = "crate::lenient::or_default")]
    pub match_artifact: Artifact,
    /// Fall back to the default.
    #[serde(deserialize_with = "crate::lenient::flag")]
    pub use_default_artifact: bool,
    /// The default.
    #[serde(deserialize_with = "crate::lenient::or_default")]
    pub default_artifact: Artifact,
    /// Fall back to what the newest finished execution had.
    #[serde(deserialize_with = "crate::lenient::flag")]
    pub use_prior_artifact: bool,
    /// What was bound, in an execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_artifact: Option<Artifact>,
    /// Unknown keys, kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Longest pattern that is compiled, in bytes.
pub const PATTERN_BYTES_MAX: usize = 2_000;
const PATTERN_SIZE_BYTES_MAX: usize = 1 << 20;

/// A pattern that must match the whole text, with bounded size. An invalid or too large one matches nothing.
#[must_use]
pub fn whole_match(pattern: &str, text: &str) -> bool {
    compile_whole(pattern).is_ok_and(|regex| regex.is_match(text))
}

/// Whether a pattern can be compiled; what has no special character always can.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b':' | b'-' | b'_' | b'@' | b' ' | b'=' | b',');
    if pattern.len() <= PATTERN_BYTES_MAX && pattern.bytes().all(plain) {
        return Ok(());
    }
    compile_whole(pattern).map(drop)
}

/// Compiles a pattern so that it matches whole texts only.
pub fn compile_whole(pattern: &str) -> Result<regex::Regex, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("longer than {PATTERN_BYTES_MAX} bytes"));
    }
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_SIZE_BYTES_MAX).build().map_err(|error| error.to_string())
}

impl ExpectedArtifact {
    /// Does this artifact fit? `artifactAccount` and `metadata` are not compared; `embedded/base64` and `remote/base64` are one.
    #[must_use]
    pub fn matches(&self, artifact: &Artifact) -> bool {
        let want = &self.match_artifact;
        let kind = |kind: &str| if kind == "remote/base64" { "embedded/base64".to_owned() } else { kind.to_owned() };
        let fits = |want: &str, have: &str| want.trim().is_empty() || want == have || whole_match(want, have);
        (want.kind.is_empty() || fits(&kind(&want.kind), &kind(&artifact.kind)))
            && fits(&want.name, &artifact.name)
            && fits(&want.version, &artifact.version)
            && fits(&want.location, &artifact.location)
            && fits(&want.reference, &artifact.reference)
    }

    /// What people call it.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.display_name.is_empty() { &self.id } else { &self.display_name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(name: &str, version: &str) -> ExpectedArtifact {
        let match_artifact =
            Artifact { kind: DOCKER_IMAGE.to_owned(), name: name.to_owned(), version: version.to_owned(), ..Artifact::default() };
        ExpectedArtifact { id: "a".to_owned(), match_artifact, ..ExpectedArtifact::default() }
    }

    #[test]
    fn blank_fits_anything_and_patterns_match_whole() {
        let image = Artifact::image("r.io/team/web", "v1.4", None);
        assert!(expected("", "").matches(&image));
        assert!(expected("r.io/team/web", "").matches(&image));
        assert!(expected("r.io/team/.*", "v[0-9.]+").matches(&image));
        assert!(!expected("r.io/team", "").matches(&image), "a pattern matches the whole value");
        assert!(!expected("", "v").matches(&image));
        assert!(!expected("(", "").matches(&image), "an invalid pattern matches nothing");
    }

    #[test]
    fn base64_types_are_one() {
        let mut e = expected("", "");
        e.match_artifact.kind = "embedded/base64".to_owned();
        let artifact = Artifact { kind: "remote/base64".to_owned(), ..Artifact::default() };
        assert!(e.matches(&artifact));
    }

    #[test]
    fn json_is_spinnakers() {
        let image = Artifact::image("r.io/web", "1", None);
        let json = serde_json::to_value(&image).unwrap();
        assert_eq!(json, serde_json::json!({"type": "docker/image", "name": "r.io/web", "version": "1", "reference": "r.io/web:1"}));
    }
}
