//! What a pipeline would notice that behaves differently here than in Spinnaker, and why. Only what this pipeline has.

use crate::expressions::Expressions;
use crate::limits::POINTERS_MAX;
use crate::walk::{objects, texts};
use model::pipeline::truthy;
use serde::Serialize;
use serde_json::{Map, Value};

macro_rules! differences {
    ($($name:ident = $code:literal: $message:literal,)+) => {
        /// A way in which the platform differs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Way { $($name,)+ }

        impl Way {
            fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)+ }
            }
        }

        /// Every difference there can be: code and what it means.
        pub const DIFFERENCES: &[(&str, &str)] = &[$(($code, $message),)+];
    };
}

differences! {
    Required = "parameter-missing": "a start without a required parameter is refused, however it comes; Spinnaker asks for it in its form alone",
    Options = "parameter-not-an-option": "a start with a value that is none of the options is refused; Spinnaker does not look",
    Conditional = "parameter-conditional": "whether a conditional parameter is asked for is decided by the server; Spinnaker's form alone knows the condition",
    Date = "parameter-not-a-date": "a start with something else than a date is refused; Spinnaker does not look",
    Lock = "pipeline-locked": "the lock holds for the API too; Spinnaker's hides buttons alone",
    Condition = "condition-invalid": "a condition that cannot be evaluated fails the stage and says why; Spinnaker skips the stage silently",
    Expression = "expression-failed": "an expression that cannot be evaluated fails the stage before it runs; Spinnaker runs it with the text as it is written",
    Spel = "expressions-late": "expressions are evaluated when a stage starts, as with spelEvaluator v4; the pipeline asks for an older way, or for none",
    Fetch = "function-off": "expressions fetch nothing from other hosts here: the function is refused",
    Prior = "prior-finished": "the prior artifact is that of the newest finished execution; in Spinnaker one that only waits may hide it",
    Zone = "time-zone": "times are in the pipeline's own time zone (`waybill.timeZone`), else in the server's; Spinnaker's default is America/Los_Angeles",
    Early = "fails-early": "a deployment that cannot succeed any more fails at once and says why; Spinnaker waits until every other object is stable, or for 30 minutes",
    Port = "image-with-port": "an image without a tag on a registry with a port gets its artifact; in Spinnaker it never does",
    Annotations = "artifact-annotations": "artifact annotations that were pasted with a manifest are kept as they are written, and say nothing about which version is newest",
}

/// A difference, and where the pipeline would notice it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Stable, kebab-case: the reason that says so when it happens, where there is one.
    pub code: &'static str,
    /// What is different, and why.
    pub message: &'static str,
    /// Where.
    pub pointers: Vec<String>,
}

/// Everything that this pipeline would notice.
#[must_use]
pub fn find(document: &Value, expressions: &Expressions) -> Vec<Difference> {
    let mut found = Found::default();
    for (at, parameter) in objects(document, "parameterConfig") {
        found.parameter(parameter, &format!("/parameterConfig/{at}"));
    }
    if document.get("locked").and_then(|lock| lock.get("ui")).is_some_and(truthy) {
        found.add(Way::Lock, "/locked".to_owned());
    }
    for (at, stage) in objects(document, "stages") {
        found.stage(stage, &format!("/stages/{at}"));
    }
    for at in &expressions.stages {
        let stage = document.pointer(&format!("/stages/{at}")).and_then(Value::as_object);
        if stage.is_some_and(|stage| !on(stage, "failOnFailedExpressions")) {
            found.add(Way::Expression, format!("/stages/{at}"));
        }
    }
    if !expressions.stages.is_empty() && document.get("spelEvaluator").and_then(Value::as_str) != Some("v4") {
        found.add(Way::Spel, "/spelEvaluator".to_owned());
    }
    for (pointer, _) in &expressions.fetching {
        found.add(Way::Fetch, pointer.clone());
    }
    for (at, artifact) in objects(document, "expectedArtifacts") {
        if on(artifact, "usePriorArtifact") {
            found.add(Way::Prior, format!("/expectedArtifacts/{at}/usePriorArtifact"));
        }
    }
    let zone = document.get("waybill").and_then(|ours| ours.get("timeZone")).is_some_and(Value::is_string);
    for (at, trigger) in objects(document, "triggers") {
        if !zone && trigger.get("type").and_then(Value::as_str) == Some("cron") {
            found.add(Way::Zone, format!("/triggers/{at}/cronExpression"));
        }
    }
    for (at, stage) in objects(document, "stages") {
        if !zone && on(stage, "restrictExecutionDuringTimeWindow") {
            found.add(Way::Zone, format!("/stages/{at}/restrictedExecutionWindow"));
        }
    }
    found.0
}

fn on(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(truthy)
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, way: Way, pointer: String) {
        match self.0.iter_mut().find(|difference| difference.code == way.code()) {
            Some(difference) if difference.pointers.len() < POINTERS_MAX => difference.pointers.push(pointer),
            Some(_) => {}
            None => self.0.push(Difference { code: way.code(), message: way.message(), pointers: vec![pointer] }),
        }
    }

    fn parameter(&mut self, parameter: &Map<String, Value>, pointer: &str) {
        let given = parameter.get("default").is_some_and(|default| !default.is_null() && default.as_str() != Some(""));
        if on(parameter, "required") && !given {
            self.add(Way::Required, format!("{pointer}/required"));
        }
        let options = parameter.get("options").and_then(Value::as_array).is_some_and(|options| !options.is_empty());
        if on(parameter, "hasOptions") && options {
            self.add(Way::Options, format!("{pointer}/options"));
        }
        if parameter.get("conditional").is_some_and(Value::is_object) {
            self.add(Way::Conditional, format!("{pointer}/conditional"));
        }
        if parameter.get("constraint").and_then(Value::as_str) == Some("date") {
            self.add(Way::Date, format!("{pointer}/constraint"));
        }
    }

    fn stage(&mut self, stage: &Map<String, Value>, pointer: &str) {
        let condition = stage.get("stageEnabled").and_then(|enabled| enabled.get("expression")).and_then(Value::as_str);
        let fixed = |text: &str| ["", "true", "false"].contains(&text.trim().to_ascii_lowercase().as_str());
        if condition.is_some_and(|text| !fixed(text)) {
            self.add(Way::Condition, format!("{pointer}/stageEnabled/expression"));
        }
        if stage.get("type").and_then(Value::as_str) == Some("deployManifest") {
            self.add(Way::Early, pointer.to_owned());
            for key in ["manifests", "manifest"] {
                if let Some(manifests) = stage.get(key) {
                    self.manifests(manifests, &mut format!("{pointer}/{key}"));
                }
            }
        }
    }

    fn manifests(&mut self, manifests: &Value, pointer: &mut String) {
        let mut ports = Vec::new();
        let mut annotations = Vec::new();
        texts(manifests, pointer, &mut |pointer, text| {
            if pointer.ends_with("/image") && untagged_with_port(text) {
                ports.push(pointer.to_owned());
            }
            if pointer.ends_with("/metadata/annotations/artifact.spinnaker.io~1version") {
                annotations.push(pointer.to_owned());
            }
        });
        ports.into_iter().for_each(|pointer| self.add(Way::Port, pointer));
        annotations.into_iter().for_each(|pointer| self.add(Way::Annotations, pointer));
    }
}

/// `host:5000/app`
fn untagged_with_port(image: &str) -> bool {
    let Some((host, path)) = image.split_once('/') else { return false };
    let port = host.split_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    port && !path.contains([':', '@', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expressions;
    use serde_json::json;

    #[test]
    fn each_is_found_where_it_would_be_noticed() {
        let document = json!({
            "locked": {"ui": true},
            "parameterConfig": [
                {"name": "a", "required": true}, {"name": "b", "required": true, "default": "x"},
                {"name": "c", "hasOptions": true, "options": [{"value": "1"}], "constraint": "date", "conditional": {"parameter": "a"}}],
            "triggers": [{"type": "cron"}],
            "expectedArtifacts": [{"id": "x", "usePriorArtifact": true}],
            "stages": [
                {"type": "wait", "waitTime": "${parameters.a}", "stageEnabled": {"type": "expression", "expression": "parameters.a == 'x'"}},
                {"type": "deployManifest", "failOnFailedExpressions": true, "restrictExecutionDuringTimeWindow": true, "x": "${#fromUrl('h')}",
                 "manifests": [{"spec": {"containers": [{"image": "host:5000/app"}, {"image": "host:5000/app:1"}]}},
                    {"metadata": {"annotations": {"artifact.spinnaker.io/version": ""}}}]},
            ]
        });
        let found = find(&document, &expressions::parse(&document));
        let codes: Vec<_> = found.iter().map(|difference| format!("{} {}", difference.code, difference.pointers.join(" "))).collect();
        assert_eq!(
            codes,
            [
                "parameter-missing /parameterConfig/0/required",
                "parameter-not-an-option /parameterConfig/2/options",
                "parameter-conditional /parameterConfig/2/conditional",
                "parameter-not-a-date /parameterConfig/2/constraint",
                "pipeline-locked /locked",
                "condition-invalid /stages/0/stageEnabled/expression",
                "fails-early /stages/1",
                "image-with-port /stages/1/manifests/0/spec/containers/0/image",
                "artifact-annotations /stages/1/manifests/1/metadata/annotations/artifact.spinnaker.io~1version",
                "expression-failed /stages/0",
                "expressions-late /spelEvaluator",
                "function-off /stages/1/x",
                "prior-finished /expectedArtifacts/0/usePriorArtifact",
                "time-zone /triggers/0/cronExpression /stages/1/restrictedExecutionWindow",
            ]
        );
        assert_eq!(found.len(), DIFFERENCES.len());
    }

    #[test]
    fn a_pipeline_that_notices_nothing_is_told_nothing() {
        let document = json!({"spelEvaluator": "v4", "waybill": {"timeZone": "UTC"}, "triggers": [{"type": "cron"}],
            "stages": [{"type": "wait", "waitTime": 30, "stageEnabled": {"type": "expression", "expression": "true"}}]});
        assert_eq!(find(&document, &expressions::parse(&document)), vec![]);
    }
}
