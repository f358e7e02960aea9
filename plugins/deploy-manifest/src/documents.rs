//! From the stage's JSON to the objects to apply: taken apart, chosen, placed in namespaces, bound and put in order.

use std::collections::BTreeMap;

use sdk::artifact::Artifact;
use sdk::binding::{self, Binding};
use sdk::contract::{Blame, Failure, Target};
use sdk::host::{Artifacts, Cluster, Context, artifact_failure};
use sdk::manifest::{self, Manifest, Problem};
use sdk::{fields, kinds, namespace};
use serde_json::{Map, Value};

use crate::settings::Settings;

/// Objects ready to be marked and sent, in the order of sending, and the artifacts bound into them.
#[derive(Debug)]
pub(crate) struct Documents {
    pub(crate) objects: Vec<Manifest>,
    pub(crate) bound: Vec<Artifact>,
}

/// The manifests that the stage gives and its selectors choose.
///
/// # Errors
/// Everything that is wrong with them, or that they ask for and is not done.
pub(crate) fn read(stage: &Map<String, Value>, settings: &Settings) -> Result<Vec<Manifest>, Vec<Problem>> {
    let mut manifests = manifest::collect(stage)?;
    if !settings.selectors.is_empty() {
        manifests.retain(|manifest| settings.selectors.fit(&manifest.body));
        if manifests.is_empty() && !settings.allow_nothing {
            let message = "no manifest has the labels asked for";
            return Err(vec![Problem::new("nothing-selected", "/labelSelectors", message)]);
        }
    }
    let problems: Vec<_> = manifests.iter().flat_map(unsupported).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    manifests.iter_mut().for_each(Manifest::drop_server_fields);
    Ok(manifests)
}

fn unsupported(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |key: &str, code: &'static str, message: &str| {
        let annotations = format!("{}/metadata/annotations", manifest.pointer);
        problems.push(Problem::new(code, fields::pointer(&annotations, key), message));
    };
    let on = |key: &str| manifest.annotation(key).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let versioned = "strategy.spinnaker.io/versioned";
    if on(versioned) {
        refuse(versioned, "versioning-unsupported", "versioned objects are not supported yet");
    }
    for key in ["strategy.spinnaker.io/recreate", "strategy.spinnaker.io/replace"] {
        if on(key) {
            refuse(key, "strategy-unsupported", "objects are applied; this way of deploying is not supported yet");
        }
    }
    let traffic = "traffic.spinnaker.io/load-balancers";
    let empty = |text: &str| matches!(serde_json::from_str::<Value>(text), Ok(Value::Array(list)) if list.is_empty());
    if manifest.annotation(traffic).is_some_and(|text| !empty(text)) {
        refuse(traffic, "traffic-management-unsupported", "attaching services is not supported yet");
    }
    problems
}

/// The objects with namespaces and artifacts, in order of kind.
///
/// # Errors
/// As [`read`]; also `required-artifacts-unbound`, and when artifacts or kinds cannot be looked up.
pub(crate) fn prepare<H: Cluster + Artifacts + Context>(
    stage: &Map<String, Value>,
    settings: &Settings,
    host: &mut H,
) -> Result<Documents, Failure> {
    let mut objects = read(stage, settings).map_err(|problems| manifest::failure(&problems))?;
    let mut known = BTreeMap::new();
    for object in &mut objects {
        let over = settings.namespace_override.as_deref();
        namespace::place(object, over, |object| namespaced(object, settings, &mut known, host));
    }
    let bound = bind(stage, settings, host, &mut objects)?;
    objects.sort_by_key(|object| kinds::order(object.kind()));
    Ok(Documents { objects, bound })
}

/// Asks the cluster about a kind nobody knows by heart. Where it has no answer the object is taken to be namespaced, as
/// most are; if it is not, applying it says so.
fn namespaced<H: Cluster>(object: &Manifest, settings: &Settings, known: &mut BTreeMap<String, bool>, host: &mut H) -> bool {
    let name = format!("{} {}", object.api_version(), object.kind());
    if let Some(answer) = known.get(&name) {
        return *answer;
    }
    let at = Target { account: settings.account.clone(), namespace: None };
    let found = host.resolve(&at, &name).unwrap_or_default();
    let exact = found.iter().find(|info| info.api_version == object.api_version() && info.kind == object.kind());
    let answer = exact.or_else(|| found.first()).is_none_or(|info| info.namespaced);
    known.insert(name, answer);
    answer
}

/// Binds required artifacts, and those in context unless the stage says otherwise.
///
/// # Errors
/// `required-artifacts-unbound`, also for an id that nothing was bound to when the execution started.
pub(crate) fn bind<H: Artifacts + Context>(
    stage: &Map<String, Value>,
    settings: &Settings,
    host: &mut H,
    objects: &mut [Manifest],
) -> Result<Vec<Artifact>, Failure> {
    let mut required = settings.required.clone();
    required.extend(expected(stage, settings, host)?);
    let optional = if settings.bind_all {
        let found = host.in_context().map_err(|error| artifact_failure("the stage's artifacts", &error))?;
        found.iter().filter_map(|text| Artifact::parse(text)).collect()
    } else {
        Vec::new()
    };
    let mut binding = Binding::new(required, optional);
    objects.iter_mut().for_each(|object| binding.bind(object));
    binding.finish()
}

/// The artifacts that the expected artifacts with the stage's required ids were bound to.
fn expected<H: Context>(stage: &Map<String, Value>, settings: &Settings, host: &mut H) -> Result<Vec<Artifact>, Failure> {
    if settings.required_ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut resolved = stage.get("resolvedExpectedArtifacts").and_then(Value::as_array).cloned().unwrap_or_default();
    let trigger = host
        .lookup("/trigger/resolvedExpectedArtifacts")
        .map_err(|reason| Failure::new("lookup-refused", Blame::Platform, format!("the execution's expected artifacts: {reason}")))?;
    if let Some(Ok(Value::Array(list))) = trigger.as_deref().map(serde_json::from_str) {
        resolved.extend(list);
    }
    let (mut artifacts, mut missing) = (Vec::new(), Vec::new());
    for id in &settings.required_ids {
        let found = resolved.iter().find(|item| item.get("id").and_then(Value::as_str) == Some(id));
        match found.and_then(|item| item.get("boundArtifact")).and_then(Artifact::of) {
            Some(artifact) => artifacts.push(artifact),
            None => missing.push(format!("expected artifact {id}")),
        }
    }
    if missing.is_empty() { Ok(artifacts) } else { Err(binding::unbound(&missing)) }
}
