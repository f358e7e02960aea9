//! Artifacts in Spinnaker's JSON shape: their fields, and what of an image reference is name, tag and digest.

use serde_json::{Map, Value, json};

use crate::fields;
use crate::kinds;
use crate::manifest::Manifest;

/// The type of container images.
pub const DOCKER_IMAGE: &str = "docker/image";
const DIGEST_PREFIX: &str = "sha256:";

/// An artifact as it was given; unknown fields stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact(Map<String, Value>);

impl Artifact {
    /// An artifact from its JSON; `None` when that is not an object.
    pub fn of(value: &Value) -> Option<Self> {
        value.as_object().cloned().map(Self)
    }

    /// An artifact from JSON text.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Value>(text).ok().as_ref().and_then(Self::of)
    }

    fn text(&self, key: &str) -> &str {
        fields::text(&self.0, key).unwrap_or_default()
    }

    /// `type`, such as `docker/image`.
    pub fn kind(&self) -> &str {
        self.text("type")
    }

    /// `name`; of an image, its repository without tag.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// `reference`; of an image, with tag or digest.
    pub fn reference(&self) -> &str {
        self.text("reference")
    }

    /// The image's digest, when any of the places that may hold one does: `metadata.digest`, `version`, `reference`.
    pub fn digest(&self) -> Option<&str> {
        let metadata = fields::section(&self.0, "metadata").and_then(|metadata| fields::text(metadata, "digest"));
        let in_reference = self.reference().split_once('@').map(|(_, digest)| digest);
        let places = [metadata, Some(self.text("version")), in_reference];
        places.into_iter().flatten().find(|text| text.starts_with(DIGEST_PREFIX))
    }

    /// What goes into a manifest in place of an image: bound by digest when one is known, else the reference as it is, else
    /// name and version. `None` when the artifact says nothing beyond its name.
    pub fn image(&self) -> Option<String> {
        let reference = self.reference();
        if let Some(digest) = self.digest() {
            let repository = if reference.is_empty() { self.name() } else { image_name(reference) };
            return Some(format!("{repository}@{digest}"));
        }
        match (reference, self.text("version")) {
            ("", "") => None,
            ("", version) => Some(format!("{}:{version}", self.name())),
            _ => Some(reference.to_owned()),
        }
    }

    /// A name for messages: `docker/image registry/app`.
    pub fn label(&self) -> String {
        let name = if self.name().is_empty() { self.reference() } else { self.name() };
        format!("{} {name}", self.kind())
    }

    /// The artifact's JSON.
    pub fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// An image reference without digest and tag. A colon only begins a tag after the last slash: in `host:5000/app` it
/// belongs to the registry's port.
pub fn image_name(image: &str) -> &str {
    let named = image.split_once('@').map_or(image, |(name, _)| name);
    let path = named.rfind('/').map_or(0, |slash| slash + 1);
    match named.rfind(':') {
        Some(colon) if colon >= path => named.get(..colon).unwrap_or(named),
        _ => named,
    }
}

/// The artifact that an applied object is.
pub fn created(account: &str, manifest: &Manifest) -> Value {
    let kind = kinds::spinnaker_name(manifest.api_version(), manifest.kind());
    json!({
        "type": format!("kubernetes/{kind}"),
        "customKind": false,
        "name": manifest.name(),
        "version": "",
        "location": manifest.namespace().unwrap_or_default(),
        "reference": manifest.name(),
        "metadata": {"account": account},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_name(image: &str, name: &str) {
        assert_eq!(image_name(image), name, "{image}");
    }

    #[test]
    fn names_lose_tag_and_digest_and_keep_the_port() {
        check_name("app", "app");
        check_name("app:1", "app");
        check_name("host:5000/app", "host:5000/app");
        check_name("host:5000/app:1", "host:5000/app");
        check_name("host:5000/a/b:1@sha256:0123", "host:5000/a/b");
        check_name("a/b@sha256:0123", "a/b");
        check_name("应用:1", "应用");
        check_name("", "");
    }

    fn image(artifact: Value) -> Option<String> {
        Artifact::of(&artifact).unwrap().image()
    }

    #[test]
    fn images_are_bound_by_digest_when_one_is_known() {
        let full = "host:5000/app";
        let by_digest = Some(format!("{full}@sha256:aa"));
        assert_eq!(image(json!({"name": full, "metadata": {"digest": "sha256:aa"}})), by_digest);
        assert_eq!(image(json!({"name": full, "reference": "host:5000/app:7", "metadata": {"digest": "sha256:aa"}})), by_digest);
        assert_eq!(image(json!({"name": full, "version": "sha256:aa"})), by_digest);
        assert_eq!(image(json!({"name": full, "reference": "host:5000/app@sha256:aa"})), by_digest);
        assert_eq!(image(json!({"name": full, "reference": "host:5000/app:7@sha256:aa"})), by_digest);
    }

    #[test]
    fn without_digest_the_reference_stays_as_it_is() {
        assert_eq!(image(json!({"name": "app", "reference": "r/app:7", "version": "7"})).as_deref(), Some("r/app:7"));
        assert_eq!(image(json!({"name": "app", "version": "7"})).as_deref(), Some("app:7"));
        assert_eq!(image(json!({"name": "app", "metadata": {"digest": "md5:1"}})), None);
    }

    #[test]
    fn what_is_no_object_is_no_artifact() {
        assert_eq!(Artifact::parse("[]"), None);
        assert_eq!(Artifact::parse("{"), None);
    }
}
