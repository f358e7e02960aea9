//! Reviews of one's own rights: whoever has the token may everything.

use super::Ask;
use super::status::{Refusal, json_response};
use super::write::json_body;
use axum::response::Response;
use serde_json::{Value, json};

/// Who the owner of the token is.
const USER: &str = "playground-admin";

pub(crate) fn answer(kind: &str, ask: &Ask) -> Result<Response, Refusal> {
    let mut review = json_body(ask, kind)?;
    let said = review.get("kind").and_then(Value::as_str).unwrap_or(kind);
    if said != kind {
        return Err(Refusal::bad(format!("{said} cannot be handled as a {kind}")));
    }
    let (version, status) = match kind {
        "SelfSubjectAccessReview" => ("authorization.k8s.io/v1", json!({"allowed": true, "reason": "the playground allows everything"})),
        "SelfSubjectRulesReview" => {
            if review.pointer("/spec/namespace").and_then(Value::as_str).unwrap_or_default().is_empty() {
                return Err(Refusal::bad("no namespace on request"));
            }
            let all = json!(["*"]);
            let resources = json!([{"verbs": all, "apiGroups": all, "resources": all}]);
            let others = json!([{"verbs": all, "nonResourceURLs": all}]);
            ("authorization.k8s.io/v1", json!({"resourceRules": resources, "nonResourceRules": others, "incomplete": false}))
        }
        _ => ("authentication.k8s.io/v1", json!({"userInfo": {"username": USER, "groups": ["system:masters", "system:authenticated"]}})),
    };
    if let Value::Object(fields) = &mut review {
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("apiVersion".to_owned(), version.into());
        fields.entry("metadata").or_insert_with(|| json!({}));
        fields.insert("status".to_owned(), status);
    }
    Ok(json_response(201, &review))
}
