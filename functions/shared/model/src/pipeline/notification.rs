//! Who is told what of an execution, as pipelines and stages say it.

use crate::lenient;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One entry of `notifications`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Notification {
    /// `email`, `slack`, …
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: String,
    /// To whom.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// And to whom besides.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub cc: String,
    /// `application`, `pipeline` or `stage`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub level: String,
    /// On which occasions.
    #[serde(deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// Texts of their own, by occasion.
    #[serde(deserialize_with = "lenient::map", skip_serializing_if = "Map::is_empty")]
    pub message: Map<String, Value>,
    /// What the type needs besides.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Types that Spinnaker and CODING know.
pub(super) const TYPES: [&str; 16] = [
    "email",
    "slack",
    "googlechat",
    "microsoftteams",
    "sms",
    "pubsub",
    "githubStatus",
    "cdevents",
    "bearychat",
    "pagerduty",
    "jira",
    "webhook",
    "coding",
    "wechat",
    "dingtalk",
    "feishu",
];

/// Occasions.
pub(super) const OCCASIONS: [&str; 9] = [
    "pipeline.starting",
    "pipeline.complete",
    "pipeline.failed",
    "stage.starting",
    "stage.complete",
    "stage.failed",
    "manualJudgment",
    "manualJudgmentContinue",
    "manualJudgmentStop",
];
