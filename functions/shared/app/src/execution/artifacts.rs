//! Which artifacts an execution starts with: what was received, what the newest finished execution had, or the default.

use model::artifact::{Artifact, ExpectedArtifact};
use model::pipeline::Pipeline;
use serde_json::{Value, json};

/// What was bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bound {
    /// Everything received, then everything bound that was not received.
    pub artifacts: Vec<Artifact>,
    /// What was expected and resolved, each with what it was bound to.
    pub expected: Vec<ExpectedArtifact>,
}

/// An expected artifact that cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbound {
    /// Its position in the pipeline.
    pub position: usize,
    /// Stable, kebab-case.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Unbound {
    /// For machines.
    #[must_use]
    pub fn data(&self) -> Value {
        json!({"pointer": format!("/expectedArtifacts/{}", self.position), "code": self.code, "message": self.message})
    }
}

/// Binds what the pipeline expects. `named` are the ids that the firing trigger constrains itself to; without a trigger every
/// expected artifact is needed. `prior` are the artifacts of the newest finished execution.
pub fn bind(pipeline: &Pipeline, named: Option<&[String]>, received: &[Artifact], prior: &[Artifact]) -> Result<Bound, Vec<Unbound>> {
    let mut bound = Bound { artifacts: received.to_vec(), expected: Vec::new() };
    let mut problems = Vec::new();
    for (position, expected) in pipeline.expected_artifacts.iter().enumerate() {
        let needed = named.is_none_or(|ids| ids.contains(&expected.id));
        if !needed && !expected.use_default_artifact && !expected.use_prior_artifact {
            continue;
        }
        match choose(expected, received, prior) {
            Ok(artifact) => {
                if !bound.artifacts.contains(&artifact) {
                    bound.artifacts.push(artifact.clone());
                }
                bound.expected.push(ExpectedArtifact { bound_artifact: Some(artifact), ..expected.clone() });
            }
            Err((code, message)) => problems.push(Unbound { position, code, message }),
        }
    }
    if problems.is_empty() { Ok(bound) } else { Err(problems) }
}

fn choose(expected: &ExpectedArtifact, received: &[Artifact], prior: &[Artifact]) -> Result<Artifact, (&'static str, String)> {
    if let Some(artifact) = only(expected, received)? {
        return Ok(artifact);
    }
    if expected.use_prior_artifact
        && let Some(artifact) = prior.iter().find(|artifact| expected.matches(artifact))
    {
        return Ok(artifact.clone());
    }
    if expected.use_default_artifact {
        return Ok(expected.default_artifact.clone());
    }
    Err(("artifact-unmatched", format!("nothing was given for the expected artifact `{}`", expected.title())))
}

/// The one that fits; several different ones are an error, never a choice.
fn only(expected: &ExpectedArtifact, received: &[Artifact]) -> Result<Option<Artifact>, (&'static str, String)> {
    let mut fitting: Vec<&Artifact> = Vec::new();
    for artifact in received.iter().filter(|artifact| expected.matches(artifact)) {
        if !fitting.contains(&artifact) {
            fitting.push(artifact);
        }
    }
    match fitting.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some((*one).clone())),
        several => {
            let names: Vec<&str> = several.iter().map(|a| a.reference.as_str()).collect();
            Err(("artifact-ambiguous", format!("`{}` matches multiple artifacts: {}", expected.title(), names.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(extra: Value) -> Pipeline {
        let mut expected =
            json!({"id": "img", "displayName": "flaskapp-image", "matchArtifact": {"type": "docker/image", "name": "r.io/web"}});
        expected.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let document = json!({"application": "a", "name": "p", "expectedArtifacts": [expected]});
        Pipeline::parse(&document).unwrap().0
    }

    fn image(tag: &str) -> Artifact {
        Artifact::image("r.io/web", tag, None)
    }

    fn version(bound: Result<Bound, Vec<Unbound>>) -> String {
        bound.unwrap().expected[0].bound_artifact.clone().unwrap().version
    }

    #[test]
    fn received_beats_prior_beats_default() {
        let default = json!({"useDefaultArtifact": true, "usePriorArtifact": true, "defaultArtifact": image("default")});
        let pipeline = pipeline(default);
        assert_eq!(version(bind(&pipeline, None, &[image("new")], &[image("old")])), "new");
        assert_eq!(version(bind(&pipeline, None, &[], &[image("old")])), "old");
        assert_eq!(version(bind(&pipeline, None, &[], &[])), "default");
    }

    #[test]
    fn nothing_and_several_are_errors() {
        let pipeline = pipeline(json!({}));
        assert_eq!(bind(&pipeline, None, &[], &[image("old")]).unwrap_err()[0].code, "artifact-unmatched");
        let several = bind(&pipeline, None, &[image("1"), image("2")], &[]).unwrap_err();
        assert_eq!(several[0].code, "artifact-ambiguous");
        assert!(several[0].message.contains("r.io/web:1, r.io/web:2"));
        assert!(bind(&pipeline, None, &[image("1"), image("1")], &[]).is_ok(), "the same twice is one");
    }

    #[test]
    fn a_trigger_needs_only_what_it_names() {
        assert_eq!(bind(&pipeline(json!({})), Some(&[]), &[], &[]).unwrap(), Bound::default());
        assert!(bind(&pipeline(json!({})), Some(&["img".to_owned()]), &[], &[]).is_err());
    }
}
