//! An account, with what its check has found.

use super::{list, reason, text, when, words};
use serde_json::Value;

/// What was checked, a line each.
fn checks(account: &Value) -> Vec<String> {
    let line = |check: &Value| {
        let passed = check.get("passed").and_then(Value::as_bool).unwrap_or(false);
        format!("{} {}: {}", if passed { "ok " } else { "not" }, text(check, "name"), text(check, "message"))
    };
    list(account, "checks").iter().map(line).collect()
}

/// An account in full.
pub(crate) fn account(account: &Value) -> String {
    let address = if text(account, "server").is_empty() { text(account, "address") } else { text(account, "server") };
    let mut lines = vec![format!("{}  {}", text(account, "name"), text(account, "state"))];
    let reason = reason(account);
    let rows = [
        ("address", address.to_owned()),
        ("context", text(account, "context").to_owned()),
        ("applications", words(account, "applications")),
        ("namespaces", words(account, "namespaces")),
        ("extra kinds", words(account, "extraKinds")),
        ("checked", when(account, "verifiedMs")),
        ("reason", reason),
    ];
    lines.extend(rows.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("  {name:<12} {value}")));
    lines.extend(checks(account).into_iter().map(|check| format!("    {check}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_failed_account_says_why() {
        let text = account(&json!({"name": "prod", "state": "failed", "server": "https://k:6443", "namespaces": ["a", "b"],
            "reason": {"code": "account-forbidden", "message": "403"}, "checks": [{"name": "reachable", "passed": true, "message": "v1.33"}]}));
        assert!(
            text.starts_with("prod  failed\n") && text.contains("account-forbidden: 403") && text.contains("ok  reachable: v1.33"),
            "{text}"
        );
    }
}
