//! Reviews of one's own rights: whoever has the token may everything.

use super::status::{Refusal, json_response};
use super::{Ask, body};
use axum::response::Response;
use serde_json::{Value, json};

/// Who the owner of the token is.
const USER: &str = "playground-admin";

pub(crate) fn answer(kind: &str, ask: &Ask) -> Result<Response, Refusal> {
    let version = if kind == "SelfSubjectReview" { "authentication.k8s.io/v1" } else { "authorization.k8s.io/v1" };
    let mut review = body::object(ask, (version, kind))?;
    let said = review.get("kind").and_then(Value::as_str).unwrap_or(kind);
    if said != kind {
        return Err(Refusal::bad(format!("{said} cannot be handled as a {kind}")));
    }
    let status = match kind {
        "SelfSubjectAccessReview" => json!({"allowed": true, "reason": "the playground allows everything"}),
        "SelfSubjectRulesReview" => {
            if review.pointer("/spec/namespace").and_then(Value::as_str).unwrap_or_default().is_empty() {
                return Err(Refusal::bad("no namespace on request"));
            }
            let all = json!(["*"]);
            let resources = json!([{"verbs": all, "apiGroups": all, "resources": all}]);
            let others = json!([{"verbs": all, "nonResourceURLs": all}]);
            json!({"resourceRules": resources, "nonResourceRules": others, "incomplete": false})
        }
        _ => json!({"userInfo": {"username": USER, "groups": ["system:masters", "system:authenticated"]}}),
    };
    if let Value::Object(fields) = &mut review {
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("apiVersion".to_owned(), version.into());
        fields.entry("metadata").or_insert_with(|| json!({}));
        fields.insert("status".to_owned(), status);
    }
    Ok(json_response(201, &review))
}
