//! Lists, as tables.

use super::{artifact, list, number, text, took, when, word, words};
use crate::out::table;
use crate::time;
use serde_json::Value;

/// A page as a table, with how to get the next one.
fn page(answer: &Value, headings: &[&str], row: impl Fn(&Value) -> Vec<String>) -> String {
    let rows: Vec<Vec<String>> = list(answer, "items").iter().map(row).collect();
    if rows.is_empty() {
        return "there are none".to_owned();
    }
    let more = answer.get("next").and_then(Value::as_str).map(|next| format!("\nmore: --after {next}")).unwrap_or_default();
    format!("{}{more}", table(headings, &rows))
}

fn count(value: &Value, key: &str) -> String {
    number(value, key).map(|n| n.to_string()).unwrap_or_default()
}

/// Release orders of a project.
pub(crate) fn orders(answer: &Value) -> String {
    page(answer, &["ORDER", "STATUS", "APPLICATION", "PIPELINE", "SUBMITTER", "CREATED", "TOOK", "ARTIFACTS"], |row| {
        let artifacts = list(row, "artifacts").iter().map(|one| artifact(one).split("  ").next().unwrap_or_default().to_owned());
        vec![
            count(row, "number"),
            text(row, "status").to_owned(),
            text(row, "application").to_owned(),
            text(row, "pipelineName").to_owned(),
            text(row, "submitter").to_owned(),
            when(row, "createdMs"),
            took(row).unwrap_or_default(),
            artifacts.collect::<Vec<_>>().join(", "),
        ]
    })
}

/// Executions of an application.
pub(crate) fn executions(answer: &Value) -> String {
    page(answer, &["EXECUTION", "STATUS", "PIPELINE", "REVISION", "SUBMITTER", "CREATED", "TOOK", "REASON"], |row| {
        vec![
            text(row, "id").to_owned(),
            text(row, "status").to_owned(),
            text(row, "pipelineName").to_owned(),
            count(row, "revision"),
            text(row, "submitter").to_owned(),
            when(row, "createdMs"),
            took(row).unwrap_or_default(),
            super::code(row),
        ]
    })
}

/// Cloud or registry accounts.
pub(crate) fn accounts(answer: &Value) -> String {
    page(answer, &["ACCOUNT", "STATE", "ADDRESS", "APPLICATIONS", "NAMESPACES", "REASON"], |row| {
        let address = if text(row, "server").is_empty() { text(row, "address") } else { text(row, "server") };
        vec![
            text(row, "name").to_owned(),
            text(row, "state").to_owned(),
            address.to_owned(),
            words(row, "applications"),
            words(row, "namespaces"),
            super::reason(row),
        ]
    })
}

/// Tags of a repository.
pub(crate) fn tags(answer: &Value) -> String {
    page(answer, &["TAG"], |row| vec![text(row, "tag").to_owned()])
}

/// Applications.
pub(crate) fn applications(answer: &Value) -> String {
    page(answer, &["APPLICATION", "DESCRIPTION"], |row| vec![text(row, "name").to_owned(), text(row, "description").to_owned()])
}

/// Projects.
pub(crate) fn projects(answer: &Value) -> String {
    page(answer, &["PROJECT", "APPLICATIONS", "DESCRIPTION"], |row| {
        vec![text(row, "name").to_owned(), words(row, "applications"), text(row, "description").to_owned()]
    })
}

/// Pipelines of an application.
pub(crate) fn pipelines(answer: &Value) -> String {
    page(answer, &["PIPELINE", "REVISION", "STAGE TYPES", "SAVED", "BY", "ID"], |row| {
        vec![
            text(row, "name").to_owned(),
            count(row, "revision"),
            words(row, "stageTypes"),
            when(row, "updatedMs"),
            text(row, "author").to_owned(),
            text(row, "id").to_owned(),
        ]
    })
}

/// Revisions of a pipeline.
pub(crate) fn revisions(answer: &Value) -> String {
    page(answer, &["REVISION", "SAVED", "BY", "BYTES"], |row| {
        vec![count(row, "number"), when(row, "createdMs"), text(row, "author").to_owned(), count(row, "bytes")]
    })
}

/// Triggers of a pipeline, with where pushes are told.
pub(crate) fn triggers(answer: &Value) -> String {
    page(answer, &["TRIGGER", "TYPE", "ENABLED", "ACCOUNT", "REPOSITORY", "TAG", "HOOK"], |row| {
        let hook = if text(row, "hookUrl").is_empty() { text(row, "hookPath") } else { text(row, "hookUrl") };
        vec![
            text(row, "id").to_owned(),
            text(row, "type").to_owned(),
            row.get("enabled").map(word).unwrap_or_default(),
            text(row, "account").to_owned(),
            text(row, "repository").to_owned(),
            text(row, "tag").to_owned(),
            hook.to_owned(),
        ]
    })
}

/// Secrets, which are not shown themselves.
pub(crate) fn secrets(answer: &Value) -> String {
    page(answer, &["SECRET", "REFERENCE", "VERSION", "UPDATED", "BY"], |row| {
        vec![
            text(row, "name").to_owned(),
            text(row, "reference").to_owned(),
            number(row, "version").map(|version| version.to_string()).unwrap_or_default(),
            when(row, "updatedMs"),
            text(row, "updatedBy").to_owned(),
        ]
    })
}

/// Tokens, which are not shown themselves.
pub(crate) fn tokens(answer: &Value) -> String {
    page(answer, &["TOKEN", "NAME", "ROLE", "GROUPS", "CREATED", "BY", "EXPIRES"], |row| {
        vec![
            text(row, "id").to_owned(),
            text(row, "name").to_owned(),
            text(row, "role").to_owned(),
            words(row, "groups"),
            when(row, "createdMs"),
            text(row, "createdBy").to_owned(),
            number(row, "expiresMs").map_or_else(|| "never".to_owned(), time::instant),
        ]
    })
}

/// The log of an execution: transitions, verdicts on what people sent, and what stages said.
pub(crate) fn log(answer: &Value) -> String {
    let mut lines = Vec::new();
    for entry in list(answer, "items") {
        let at = number(entry, "at").map(time::clock).unwrap_or_default();
        for line in list(entry, "lines") {
            let fields: Vec<String> = list(line, "fields")
                .iter()
                .map(|pair| pair.as_array().map(|two| two.iter().map(word).collect::<Vec<_>>().join("=")).unwrap_or_default())
                .collect();
            let fields = if fields.is_empty() { String::new() } else { format!("  {}", fields.join(" ")) };
            lines.push(format!("{at} stage {} {:<5} {}{fields}", text(line, "stage"), text(line, "level"), text(line, "message")));
        }
        for verdict in list(entry, "verdicts") {
            lines.push(format!(
                "{at} {} sent {}: {} {}",
                text(verdict, "sender"),
                text(verdict, "id"),
                text(verdict, "verdict"),
                text(verdict, "message")
            ));
        }
        for turn in list(entry, "transitions") {
            let what = turn.get("stage").and_then(Value::as_str).map_or_else(|| "execution".to_owned(), |stage| format!("stage {stage}"));
            let reason = super::reason(turn);
            let reason = if reason.is_empty() { reason } else { format!("  {reason}") };
            lines.push(format!("{at} {what} {} -> {}{reason}", text(turn, "from"), text(turn, "to")));
        }
        if let Some(dropped) = number(entry, "dropped").filter(|dropped| *dropped > 0) {
            lines.push(format!("{at} {dropped} more lines were dropped"));
        }
    }
    if let Some(next) = answer.get("next").and_then(Value::as_str) {
        lines.push(format!("more: --after {next}"));
    }
    if lines.is_empty() { "nothing yet".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_says_how_to_go_on() {
        let answer = json!({"items": [{"name": "flaskapp", "description": "shop"}], "next": "abc"});
        assert_eq!(applications(&answer), "APPLICATION  DESCRIPTION\nflaskapp     shop\nmore: --after abc");
        assert_eq!(projects(&json!({"items": [], "next": null})), "there are none");
    }

    #[test]
    fn a_log_tells_lines_and_turns() {
        let answer = json!({"items": [{"version": 2, "at": 0, "lines": [{"stage": "1", "level": "info", "message": "applied", "fields": [["kind", "Service"]]}],
            "transitions": [{"stage": "1", "from": "RUNNING", "to": "TERMINAL", "reason": {"code": "stage-failed", "message": "no"}}],
            "verdicts": [{"id": "e", "sender": "dana", "verdict": "applied"}], "dropped": 2}]});
        let text = log(&answer);
        for part in
            ["stage 1 info  applied  kind=Service", "stage 1 RUNNING -> TERMINAL  stage-failed: no", "dana sent e: applied", "2 more lines"]
        {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
    }

    #[test]
    fn a_trigger_shows_its_hook() {
        let row = json!({"id": "t", "type": "docker", "enabled": true, "repository": "flaskapp", "hookPath": "/hooks/x"});
        assert!(triggers(&json!({"items": [row]})).ends_with("/hooks/x"));
    }
}
