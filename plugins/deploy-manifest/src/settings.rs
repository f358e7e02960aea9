//! The stage's own fields, read once; everything it asks for that is not done is refused here, never skipped.

use sdk::artifact::Artifact;
use sdk::fields;
use sdk::manifest::Problem;
use sdk::selection::Selectors;
use serde_json::{Map, Value};

/// Reasons of pods that do not go away by waiting.
const TERMINAL: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "Unschedulable",
];

/// What the stage's JSON asks for.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) account: String,
    pub(crate) namespace_override: Option<String>,
    pub(crate) skip_template_labels: bool,
    pub(crate) bind_all: bool,
    pub(crate) required_ids: Vec<String>,
    pub(crate) required: Vec<Artifact>,
    pub(crate) early: EarlyFailure,
    pub(crate) wait_for_address: bool,
    pub(crate) no_output: bool,
    pub(crate) settle_ms_max: Option<u64>,
    pub(crate) selectors: Selectors,
    pub(crate) allow_nothing: bool,
}

/// Which terminal reasons of pods end the stage at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct EarlyFailure {
    off: bool,
    /// Codes in plain form that do not end it.
    spared: Vec<String>,
}

impl EarlyFailure {
    /// Whether a pod's reason ends the stage.
    pub(crate) fn ends(&self, code: &str) -> bool {
        let code = plain(code);
        !self.off && TERMINAL.iter().any(|known| plain(known) == code) && !self.spared.contains(&code)
    }

    fn of(value: Option<&Value>, problems: &mut Vec<Problem>) -> Self {
        const AT: &str = "/waybill/earlyFailure";
        let mut problem = |at: String, message: String| problems.push(Problem::new("params-invalid", at, message));
        match value {
            None | Some(Value::Null) => Self::default(),
            Some(Value::Object(codes)) => {
                let mut early = Self::default();
                for (code, value) in codes {
                    let at = fields::pointer(AT, code);
                    if !TERMINAL.iter().any(|known| plain(known) == plain(code)) {
                        problem(at, format!("the codes are {}", TERMINAL.join(", ")));
                    } else if let Some(on) = fields::flag(Some(value)) {
                        early.spared.extend((!on).then(|| plain(code)));
                    } else if !fields::unresolved(value) {
                        problem(at, "true or false".to_owned());
                    }
                }
                early
            }
            flag => {
                let on = fields::flag(flag);
                if on.is_none() && !flag.is_some_and(fields::unresolved) {
                    problem(AT.to_owned(), "true, false, or an object of codes".to_owned());
                }
                Self { off: on == Some(false), spared: Vec::new() }
            }
        }
    }
}

/// `ImagePullBackOff`, `image-pull-back-off` and `imagePullBackoff` are one code.
fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Settings {
    /// The settings in a stage's JSON.
    ///
    /// # Errors
    /// Everything that is wrong or not supported.
    pub(crate) fn of(stage: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        unsupported(stage, &mut problems);
        let empty = Map::new();
        let waybill = fields::section(stage, "waybill").unwrap_or(&empty);
        let text = |key| fields::text(stage, key).map(str::to_owned);
        let flag = |key| fields::flag(stage.get(key));
        let account = text("account").unwrap_or_default();
        if account.is_empty() {
            problems.push(Problem::new("params-invalid", "/account", "the stage needs an account"));
        }
        let selectors = Selectors::of(stage).unwrap_or_else(|found| {
            problems.extend(found);
            Selectors::default()
        });
        let (required, mut required_ids) = required_artifacts(stage, &mut problems);
        required_ids.extend(fields::texts(stage.get("requiredArtifactIds")));
        let settings = Self {
            account,
            namespace_override: text("namespaceOverride"),
            skip_template_labels: flag("skipSpecTemplateLabels").unwrap_or(false),
            bind_all: flag("enableArtifactBinding").unwrap_or(true),
            required_ids,
            required,
            early: EarlyFailure::of(waybill.get("earlyFailure"), &mut problems),
            wait_for_address: wait_for_address(waybill, &mut problems),
            no_output: flag("noOutput").unwrap_or(false),
            settle_ms_max: settle_ms_max(stage, &mut problems),
            selectors,
            allow_nothing: flag("allowNothingSelected").unwrap_or(false),
        };
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

fn unsupported(stage: &Map<String, Value>, problems: &mut Vec<Problem>) {
    let artifact_field = ["manifestArtifactId", "manifestArtifact"]
        .iter()
        .any(|key| stage.get(*key).is_some_and(|value| !value.is_null() && value.as_str() != Some("")));
    let from_artifact = match fields::text(stage, "source") {
        Some(source) => source == "artifact",
        None => artifact_field && sdk::manifest::source(stage).is_none(),
    };
    if from_artifact {
        let message = "manifests cannot be read from an artifact yet; give them as text";
        problems.push(Problem::new("artifact-source-unsupported", "/source", message));
    }
    if fields::flag(stage.get("versioned")) == Some(true) {
        let message = "versioned objects are not supported yet";
        problems.push(Problem::new("versioning-unsupported", "/versioned", message));
    }
    let traffic = fields::section(stage, "trafficManagement").and_then(|traffic| traffic.get("enabled"));
    if fields::flag(traffic) == Some(true) {
        let message = "rollout strategies by traffic management are not supported yet";
        problems.push(Problem::new("traffic-management-unsupported", "/trafficManagement/enabled", message));
    }
}

fn wait_for_address(waybill: &Map<String, Value>, problems: &mut Vec<Problem>) -> bool {
    match waybill.get("waitFor") {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) if text == "loadBalancer" => true,
        Some(Value::String(text)) if text.trim().is_empty() => false,
        Some(value) => {
            if !fields::unresolved(value) {
                let message = "the only thing to wait for is loadBalancer";
                problems.push(Problem::new("params-invalid", "/waybill/waitFor", message));
            }
            false
        }
    }
}

fn settle_ms_max(stage: &Map<String, Value>, problems: &mut Vec<Problem>) -> Option<u64> {
    const MINUTES_MAX: f64 = 60.0 * 24.0 * 30.0;
    let value = stage.get("stableManifestTimeoutMinutes").filter(|value| !value.is_null())?;
    match fields::number(Some(value)) {
        Some(minutes) if minutes > 0.0 && minutes <= MINUTES_MAX => Some(milliseconds(minutes)),
        None if value.as_str().is_some_and(|text| text.trim().is_empty() || text.contains("${")) => None,
        _ => {
            let message = format!("minutes, more than 0 and at most {MINUTES_MAX}");
            problems.push(Problem::new("params-invalid", "/stableManifestTimeoutMinutes", message));
            None
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked that it is positive and at most a month"
)]
fn milliseconds(minutes: f64) -> u64 {
    (minutes * 60_000.0).ceil() as u64
}

/// `requiredArtifacts[{expectedArtifactId | artifact}]`: artifacts given in place, and ids still to be looked up.
fn required_artifacts(stage: &Map<String, Value>, problems: &mut Vec<Problem>) -> (Vec<Artifact>, Vec<String>) {
    let items = stage.get("requiredArtifacts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (mut artifacts, mut ids) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let id = item.get("expectedArtifactId").and_then(Value::as_str).filter(|id| !id.trim().is_empty());
        match (id, item.get("artifact").and_then(Artifact::of)) {
            (_, Some(artifact)) => artifacts.push(artifact),
            (Some(id), None) => ids.push(id.to_owned()),
            (None, None) => {
                let at = format!("/requiredArtifacts/{index}");
                problems.push(Problem::new("params-invalid", at, "an expectedArtifactId or an artifact"));
            }
        }
    }
    (artifacts, ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(extra: &Value) -> Result<Settings, Vec<Problem>> {
        let mut stage = json!({"account": "prod"}).as_object().unwrap().clone();
        stage.extend(extra.as_object().unwrap().clone());
        Settings::of(&stage)
    }

    fn check_refused(extra: Value, code: &str, pointer: &str) {
        let problems = settings(&extra).unwrap_err();
        assert_eq!((problems[0].code, problems[0].pointer.as_str()), (code, pointer));
    }

    #[test]
    fn what_is_not_done_is_refused() {
        check_refused(json!({"source": "artifact"}), "artifact-source-unsupported", "/source");
        check_refused(json!({"manifestArtifactId": "x"}), "artifact-source-unsupported", "/source");
        check_refused(json!({"versioned": "true"}), "versioning-unsupported", "/versioned");
        let traffic = json!({"trafficManagement": {"enabled": true}});
        check_refused(traffic, "traffic-management-unsupported", "/trafficManagement/enabled");
        check_refused(json!({"account": " "}), "params-invalid", "/account");
        check_refused(json!({"waybill": {"waitFor": "rain"}}), "params-invalid", "/waybill/waitFor");
        check_refused(json!({"waybill": {"earlyFailure": 3}}), "params-invalid", "/waybill/earlyFailure");
        let codes = json!({"waybill": {"earlyFailure": {"a/b": false}}});
        check_refused(codes, "params-invalid", "/waybill/earlyFailure/a~1b");
        let codes = json!({"waybill": {"earlyFailure": {"unschedulable": "perhaps"}}});
        check_refused(codes, "params-invalid", "/waybill/earlyFailure/unschedulable");
        check_refused(json!({"requiredArtifacts": [{}]}), "params-invalid", "/requiredArtifacts/0");
        let minutes = json!({"stableManifestTimeoutMinutes": -1});
        check_refused(minutes, "params-invalid", "/stableManifestTimeoutMinutes");
        let selectors = json!({"labelSelectors": {"selectors": [{"kind": "LIKE"}]}});
        check_refused(selectors, "selector-invalid", "/labelSelectors/selectors/0");
    }

    #[test]
    fn leftovers_of_the_editor_do_no_harm() {
        let extra = json!({"source": "text", "manifestArtifactId": "x", "versioned": null, "rebalance": {},
            "trafficManagement": {"enabled": false, "options": {"strategy": "redblack"}}, "requiredArtifacts": []});
        let settings = settings(&extra).unwrap();
        assert!(settings.bind_all);
        assert_eq!(settings.settle_ms_max, None);
    }

    #[test]
    fn minutes_are_numbers_or_text() {
        let minutes = |value: Value| settings(&json!({"stableManifestTimeoutMinutes": value})).unwrap().settle_ms_max;
        assert_eq!(minutes(json!(5)), Some(300_000));
        assert_eq!(minutes(json!("0.5")), Some(30_000));
        assert_eq!(minutes(json!("")), None);
    }

    #[test]
    fn early_failure_can_be_switched_off_for_all_or_for_one() {
        let early = |value: Value| settings(&json!({"waybill": {"earlyFailure": value}})).unwrap().early;
        assert!(early(json!(true)).ends("CrashLoopBackOff"));
        assert!(!early(json!(true)).ends("ContainerCreating"));
        assert!(!early(json!(false)).ends("CrashLoopBackOff"));
        let one = early(json!({"unschedulable": false, "image-pull-back-off": "false", "ErrImagePull": true}));
        assert!(!one.ends("Unschedulable"));
        assert!(!one.ends("ImagePullBackOff"));
        assert!(one.ends("ErrImagePull"));
    }
}
