//! Which artifacts an execution starts with: what was received, what the newest finished execution had, or the default.

use expression::Host;
use model::artifact::{Artifact, ExpectedArtifact};
use model::pipeline::Pipeline;
use serde_json::{Map, Value, json};

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

/// What expressions in default artifacts see, and what they ask.
pub struct Sight<'a> {
    /// Trigger and parameters.
    pub names: &'a Map<String, Value>,
    /// Time and chance.
    pub host: &'a dyn Host,
}

/// Binds what the pipeline expects. `named` are the ids that the firing trigger constrains itself to; without a trigger every
/// expected artifact is needed. `prior` are the artifacts of the newest finished execution.
pub fn bind(
    pipeline: &Pipeline,
    named: Option<&[String]>,
    received: &[Artifact],
    prior: &[Artifact],
    sight: &Sight<'_>,
) -> Result<Bound, Vec<Unbound>> {
    let mut bound = Bound { artifacts: received.to_vec(), expected: Vec::new() };
    let mut problems = Vec::new();
    for (position, expected) in pipeline.expected_artifacts.iter().enumerate() {
        let needed = named.is_none_or(|ids| ids.contains(&expected.id));
        if !needed && !expected.use_default_artifact && !expected.use_prior_artifact {
            continue;
        }
        match choose(expected, received, prior, sight) {
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

fn choose(
    expected: &ExpectedArtifact,
    received: &[Artifact],
    prior: &[Artifact],
    sight: &Sight<'_>,
) -> Result<Artifact, (&'static str, String)> {
    if let Some(artifact) = only(expected, received)? {
        return Ok(artifact);
    }
    if expected.use_prior_artifact
        && let Some(artifact) = prior.iter().find(|artifact| expected.matches(artifact))
    {
        return Ok(artifact.clone());
    }
    if expected.use_default_artifact {
        return evaluated(&expected.default_artifact, sight)
            .map_err(|why| ("expression-failed", format!("the default of the expected artifact `{}`: {why}", expected.title())));
    }
    Err(("artifact-unmatched", format!("nothing was given for the expected artifact `{}`", expected.title())))
}

/// A default artifact with its expressions replaced. Where a text is meant, a number or a truth value is written as one.
fn evaluated(artifact: &Artifact, sight: &Sight<'_>) -> Result<Artifact, String> {
    let written = json!(artifact);
    let mut value = expression::resolve_with(&written, sight.names, sight.host).map_err(|errors| {
        let each = errors.iter().map(|located| format!("{} at {}", located.error.message, located.pointer));
        each.collect::<Vec<_>>().join("; ")
    })?;
    for (key, field) in value.as_object_mut().into_iter().flatten() {
        if written.get(key).is_some_and(Value::is_string) && (field.is_number() || field.is_boolean()) {
            *field = Value::String(field.to_string());
        }
    }
    serde_json::from_value(value).map_err(|error| format!("it is no artifact once its expressions are evaluated: {error}"))
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

    fn bound(pipeline: &Pipeline, named: Option<&[String]>, received: &[Artifact], prior: &[Artifact]) -> Result<Bound, Vec<Unbound>> {
        let names = json!({"trigger": {"tag": "v7"}, "parameters": {"build": 12}});
        bind(pipeline, named, received, prior, &Sight { names: names.as_object().unwrap(), host: &expression::Nothing })
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
        assert_eq!(version(bound(&pipeline, None, &[image("new")], &[image("old")])), "new");
        assert_eq!(version(bound(&pipeline, None, &[], &[image("old")])), "old");
        assert_eq!(version(bound(&pipeline, None, &[], &[])), "default");
    }

    // Rule 2.9: Expressions in default artifacts see trigger and parameters, and never stay unevaluated
    #[test]
    fn a_default_may_hold_expressions() {
        let with = |version: &str| {
            let default = Artifact { version: version.to_owned(), ..image("x") };
            pipeline(json!({"useDefaultArtifact": true, "defaultArtifact": default}))
        };
        assert_eq!(version(bound(&with("${trigger.tag}-${parameters.build}"), None, &[], &[])), "v7-12");
        assert_eq!(version(bound(&with("${parameters.build}"), None, &[], &[])), "12", "a number is written as text");
        let failed = bound(&with("${trigger.tga}"), None, &[], &[]).unwrap_err();
        assert_eq!(failed[0].code, "expression-failed");
        assert!(failed[0].message.contains("did you mean `tag`? at /version"), "{}", failed[0].message);
        assert_eq!(bound(&with("${{'a': 1}}"), None, &[], &[]).unwrap_err()[0].code, "expression-failed");
        assert!(bound(&with("${trigger.tga}"), None, &[image("new")], &[]).is_ok(), "one that is not needed is not looked at");
    }

    #[test]
    fn nothing_and_several_are_errors() {
        let pipeline = pipeline(json!({}));
        assert_eq!(bound(&pipeline, None, &[], &[image("old")]).unwrap_err()[0].code, "artifact-unmatched");
        let several = bound(&pipeline, None, &[image("1"), image("2")], &[]).unwrap_err();
        assert_eq!(several[0].code, "artifact-ambiguous");
        assert!(several[0].message.contains("r.io/web:1, r.io/web:2"));
        assert!(bound(&pipeline, None, &[image("1"), image("1")], &[]).is_ok(), "the same twice is one");
    }

    #[test]
    fn a_trigger_needs_only_what_it_names() {
        assert_eq!(bound(&pipeline(json!({})), Some(&[]), &[], &[]).unwrap(), Bound::default());
        assert!(bound(&pipeline(json!({})), Some(&["img".to_owned()]), &[], &[]).is_err());
    }
}
