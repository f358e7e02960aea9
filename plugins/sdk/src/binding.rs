//! Binding artifacts into manifests: an image written by name, with any tag or none, becomes the artifact's.

use serde_json::{Map, Value};

use crate::artifact::{Artifact, DOCKER_IMAGE, image_name};
use crate::contract::Failure;
use crate::manifest::Manifest;

const DEPTH_MAX: usize = 128;

/// What was given and what was done with it. Artifacts that come first win; an image is replaced once.
#[derive(Debug, Default)]
pub struct Binding {
    artifacts: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    artifact: Artifact,
    image: Option<String>,
    required: bool,
    bound: bool,
}

impl Binding {
    /// Required artifacts come before optional ones, and optional ones nearest first. Repeated ones are left out.
    pub fn new(required: Vec<Artifact>, optional: Vec<Artifact>) -> Self {
        let mut binding = Self::default();
        for (artifacts, required) in [(required, true), (optional, false)] {
            for artifact in artifacts {
                if binding.artifacts.iter().all(|candidate| candidate.artifact != artifact) {
                    let image = (artifact.kind() == DOCKER_IMAGE).then(|| artifact.image()).flatten();
                    binding.artifacts.push(Candidate { artifact, image, required, bound: false });
                }
            }
        }
        binding
    }

    /// Replaces the images of a manifest: containers and init containers of a Pod, and of pod templates at any depth.
    pub fn bind(&mut self, manifest: &mut Manifest) {
        let pod = manifest.kind() == "Pod" && manifest.api_version() == "v1";
        if pod && let Some(Value::Object(spec)) = manifest.body.get_mut("spec") {
            self.pod_spec(spec);
        }
        for value in manifest.body.values_mut() {
            self.walk(value, 0);
        }
    }

    fn walk(&mut self, value: &mut Value, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, depth + 1)),
            Value::Object(map) => {
                let template = map.get_mut("template").and_then(|template| template.get_mut("spec"));
                if let Some(spec) = template.and_then(Value::as_object_mut) {
                    self.pod_spec(spec);
                }
                map.values_mut().for_each(|value| self.walk(value, depth + 1));
            }
            _ => {}
        }
    }

    fn pod_spec(&mut self, spec: &mut Map<String, Value>) {
        for key in ["initContainers", "containers"] {
            let Some(Value::Array(containers)) = spec.get_mut(key) else {
                continue;
            };
            for container in containers {
                if let Some(Value::String(image)) = container.get_mut("image") {
                    self.replace(image);
                }
            }
        }
    }

    fn replace(&mut self, image: &mut String) {
        let found = image_name(image.trim());
        let fits = |candidate: &&mut Candidate| candidate.image.is_some() && candidate.artifact.name() == found;
        if let Some(candidate) = self.artifacts.iter_mut().find(fits)
            && let Some(reference) = &candidate.image
        {
            reference.clone_into(image);
            candidate.bound = true;
        }
    }

    /// The artifacts that found a place.
    ///
    /// # Errors
    /// `required-artifacts-unbound` when a required one did not.
    pub fn finish(self) -> Result<Vec<Artifact>, Failure> {
        let missing: Vec<_> = self
            .artifacts
            .iter()
            .filter(|candidate| candidate.required && !candidate.bound)
            .map(|candidate| candidate.artifact.label())
            .collect();
        if missing.is_empty() {
            let bound = self.artifacts.into_iter().filter(|candidate| candidate.bound);
            Ok(bound.map(|candidate| candidate.artifact).collect())
        } else {
            Err(unbound(&missing))
        }
    }
}

/// The failure for required artifacts without a place.
pub fn unbound(missing: &[String]) -> Failure {
    Failure::user("required-artifacts-unbound", format!("The following required artifacts could not be bound: {}", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn image(name: &str, reference: &str) -> Artifact {
        Artifact::of(&json!({"type": "docker/image", "name": name, "reference": reference})).unwrap()
    }

    fn manifest(body: Value) -> Manifest {
        Manifest { pointer: "/manifests/0".into(), body: body.as_object().unwrap().clone() }
    }

    fn deployment(found: &str) -> Manifest {
        manifest(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": found}]}}}}))
    }

    fn check_bound(found: &str, artifact: &Artifact, expected: &str) {
        let mut manifest = deployment(found);
        Binding::new(vec![], vec![artifact.clone()]).bind(&mut manifest);
        let body = Value::Object(manifest.body);
        assert_eq!(body["spec"]["template"]["spec"]["containers"][0]["image"], expected, "{found}");
    }

    #[test]
    fn any_tag_or_none_is_replaced() {
        let app = image("r/app", "r/app:2");
        check_bound("r/app", &app, "r/app:2");
        check_bound("r/app:1", &app, "r/app:2");
        check_bound("r/app@sha256:00", &app, "r/app:2");
        check_bound("r/other:1", &app, "r/other:1");
        check_bound("app", &app, "app");
    }

    #[test]
    fn a_registry_with_a_port_matches_without_tag() {
        let app = image("host:5000/app", "host:5000/app:2");
        check_bound("host:5000/app", &app, "host:5000/app:2");
        check_bound("host:5000/app:1", &app, "host:5000/app:2");
        check_bound("host", &app, "host");
    }

    #[test]
    fn every_pod_template_is_reached() {
        let pods = json!({"initContainers": [{"image": "app"}], "containers": [{"image": "app:0"}, {"name": "none"}]});
        let bound = json!({"initContainers": [{"image": "app:2"}], "containers": [{"image": "app:2"}, {"name": "none"}]});
        let cases = [
            (json!({"kind": "Pod", "apiVersion": "v1", "spec": pods}), "/spec"),
            (
                json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pods}}}}}),
                "/spec/jobTemplate/spec/template/spec",
            ),
            (json!({"kind": "Rollouts", "spec": {"all": [{"template": {"spec": pods}}]}}), "/spec/all/0/template/spec"),
        ];
        for (body, at) in cases {
            let mut manifest = manifest(body);
            Binding::new(vec![], vec![image("app", "app:2")]).bind(&mut manifest);
            assert_eq!(Value::Object(manifest.body).pointer(at), Some(&bound), "{at}");
        }
    }

    #[test]
    fn required_comes_before_optional_and_near_before_far() {
        let mut binding = Binding::new(
            vec![image("app", "app:required")],
            vec![image("app", "app:near"), image("side", "side:near"), image("side", "side:far")],
        );
        let (mut app, mut side) = (deployment("app"), deployment("side"));
        binding.bind(&mut app);
        binding.bind(&mut side);
        let bound = binding.finish().unwrap();
        let references: Vec<_> = bound.iter().map(Artifact::reference).collect();
        assert_eq!(references, ["app:required", "side:near"]);
    }

    #[test]
    fn a_required_artifact_without_place_fails() {
        let mut binding = Binding::new(vec![image("app", "app:2"), image("gone", "gone:1")], vec![image("x", "x:1")]);
        binding.bind(&mut deployment("app"));
        let failure = binding.finish().unwrap_err();
        assert_eq!(failure.code, "required-artifacts-unbound");
        assert_eq!(failure.message, "The following required artifacts could not be bound: docker/image gone");
    }

    #[test]
    fn other_artifacts_are_left_alone() {
        let file = Artifact::of(&json!({"type": "http/file", "name": "app", "reference": "http://x"})).unwrap();
        check_bound("app", &file, "app");
    }
}
