//! Triggers as pipelines carry them, and when an image push fits one.

use crate::artifact::compile_whole;
use crate::image::normal_registry;
use crate::push::ImagePushed;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A trigger. Fields of types that are not served yet stay in `other`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Trigger {
    /// `docker`, `git`, `webhook`, `cron`, `pipeline`, …
    #[serde(deserialize_with = "crate::lenient::text", rename = "type")]
    pub kind: String,
    /// A disabled trigger never fires.
    #[serde(deserialize_with = "crate::lenient::flag_on", default = "enabled")]
    pub enabled: bool,
    /// Made by the server.
    #[serde(deserialize_with = "crate::lenient::text")]
    pub id: String,
    /// Runs as this user; otherwise as the application's service account.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub run_as_user: String,
    /// The event must carry at least one artifact that fits one of these.
    #[serde(deserialize_with = "crate::lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub expected_artifact_ids: Vec<String>,
    /// Registry account of a docker trigger.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// Registry of a docker trigger, if it says one.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub registry: String,
    /// Organization of a docker trigger; informative, the repository holds it already.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub organization: String,
    /// Repository of a docker trigger, exact.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// Tag pattern, whole match; blank means every tag but `latest`.
    #[serde(deserialize_with = "crate::lenient::text", skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// Constants added to the parameters.
    #[serde(deserialize_with = "crate::lenient::map", skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// Unknown keys, kept.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn enabled() -> bool {
    true
}

/// Why a push does not fit a docker trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The trigger is disabled or of another type.
    NotListening,
    /// Another repository, or another registry.
    OtherRepository,
    /// The push has no tag.
    NoTag,
    /// The tag does not match, or the pattern is invalid.
    OtherTag,
}

impl Misfit {
    /// Stable, kebab-case.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotListening => "trigger-disabled",
            Self::OtherRepository => "other-repository",
            Self::NoTag => "no-tag",
            Self::OtherTag => "tag-does-not-match",
        }
    }
}

impl Trigger {
    /// Does this push fire this docker trigger? `address` is the registry account's.
    pub fn fits(&self, pushed: &ImagePushed, address: &str) -> Result<(), Misfit> {
        if !self.enabled || self.kind != "docker" {
            return Err(Misfit::NotListening);
        }
        let registry = pushed.registry.as_deref().is_none_or(|r| normal_registry(r) == normal_registry(address));
        if !registry || self.repository_path() != pushed.repository {
            return Err(Misfit::OtherRepository);
        }
        let tag = pushed.tag.as_deref().filter(|t| !t.is_empty() && !t.starts_with("sha256:")).ok_or(Misfit::NoTag)?;
        let fits = if self.tag.trim().is_empty() { tag != "latest" } else { compile_whole(&self.tag).is_ok_and(|r| r.is_match(tag)) };
        if fits { Ok(()) } else { Err(Misfit::OtherTag) }
    }

    /// The repository as registries say it: lower case, the organization before it unless it is there already.
    #[must_use]
    pub fn repository_path(&self) -> String {
        let repository = self.repository.trim_matches('/').to_ascii_lowercase();
        let organization = self.organization.trim_matches('/').to_ascii_lowercase();
        if organization.is_empty() || repository.starts_with(&format!("{organization}/")) || repository.contains('/') {
            repository
        } else {
            format!("{organization}/{repository}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(tag: Option<&str>) -> ImagePushed {
        ImagePushed {
            source: "distribution".to_owned(),
            registry: Some("reg.example:5000".to_owned()),
            repository: "team/web".to_owned(),
            tag: tag.map(str::to_owned),
            digest: None,
            actor: None,
            delivery: None,
        }
    }

    fn docker(tag: &str) -> Trigger {
        Trigger {
            kind: "docker".into(),
            enabled: true,
            organization: "team".into(),
            repository: "team/web".into(),
            tag: tag.into(),
            ..Trigger::default()
        }
    }

    #[test]
    fn tags_match_whole_and_blank_means_all_but_latest() {
        let at = "reg.example:5000";
        assert_eq!(docker("").fits(&push(Some("1")), at), Ok(()));
        assert_eq!(docker("").fits(&push(Some("latest")), at), Err(Misfit::OtherTag));
        assert_eq!(docker("v.*").fits(&push(Some("v1")), at), Ok(()));
        assert_eq!(docker("v").fits(&push(Some("v1")), at), Err(Misfit::OtherTag));
        assert_eq!(docker("(").fits(&push(Some("v1")), at), Err(Misfit::OtherTag));
        assert_eq!(docker("").fits(&push(None), at), Err(Misfit::NoTag));
        assert_eq!(docker("").fits(&push(Some("sha256:ab")), at), Err(Misfit::NoTag), "some senders put the digest there");
    }

    #[test]
    fn another_repository_registry_or_a_disabled_trigger_does_not_fire() {
        assert_eq!(docker("").fits(&push(Some("1")), "other:5000"), Err(Misfit::OtherRepository));
        let mut t = docker("");
        t.repository = "team/api".into();
        assert_eq!(t.fits(&push(Some("1")), "reg.example:5000"), Err(Misfit::OtherRepository));
        t = docker("");
        t.enabled = false;
        assert_eq!(t.fits(&push(Some("1")), "reg.example:5000"), Err(Misfit::NotListening));
    }

    #[test]
    fn an_organization_is_added_once() {
        let mut t = docker("");
        assert_eq!(t.repository_path(), "team/web");
        t.repository = "web".into();
        assert_eq!(t.repository_path(), "team/web");
    }
}
