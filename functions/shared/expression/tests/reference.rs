//! Every row of the reference: its example has the value it says, and its rows are whole.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers and all")]

use expression::{Host, Refusal, Scope, evaluate, evaluate_with, reference};
use serde_json::{Map, Value, json};

/// Answers what the examples ask.
struct Given;

impl Host for Given {
    fn now_ms(&self) -> Option<i64> {
        Some(1_600_000_000_000)
    }

    fn random(&self) -> Option<u128> {
        Some(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)
    }

    fn current_stage(&self) -> Option<String> {
        Some("1".to_owned())
    }

    fn fetch(&self, url: &str) -> Result<String, Refusal> {
        let name = url.rsplit('/').next().unwrap_or_default();
        let found = [("text", "hello"), ("json", "{\"a\": 1}"), ("yaml", "a: 1"), ("properties", "# x\na = 1\nb\\\n  c: 2\n")];
        found.iter().find(|(n, _)| *n == name).map(|(_, body)| (*body).to_owned()).ok_or(Refusal::Failed("not found".to_owned()))
    }

    fn yaml(&self, _text: &str) -> Result<Vec<Value>, Refusal> {
        Ok(vec![json!({"a": 1})])
    }

    fn call(&self, function: &str, _arguments: &[Value]) -> Result<Value, Refusal> {
        match function {
            "pipelineId" | "pipelineIdInApplication" => Ok(json!("p1")),
            "applicationMetadata" => Ok(json!({"email": "a@example.com"})),
            "canaryConfigNameToId" => Ok(json!("c1")),
            _ => Err(Refusal::Off),
        }
    }
}

fn scope() -> Map<String, Value> {
    let build = json!({"name": "Build", "id": "s1", "refId": "1", "type": "deployManifest", "status": "SUCCEEDED", "outputs": {},
        "context": {"manifests": [{"kind": "Deployment", "spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}]}});
    let judgment = json!({"name": "Go?", "id": "s2", "refId": "2", "type": "manualJudgment", "status": "SUCCEEDED", "outputs": {},
        "context": {"judgmentInput": "yes"}});
    let deploy = json!({"name": "Deploy", "id": "s3", "refId": "3", "type": "deploy", "status": "SUCCEEDED", "outputs": {},
        "context": {"region": "eu", "deploy.server.groups": {"eu": ["web-v001"]}}});
    let key = json!({"name": "Key", "id": "s4", "refId": "4", "type": "createServiceKey", "status": "SUCCEEDED", "outputs": {},
        "context": {"serviceKey": {"password": "x"}}});
    let trigger = json!({"resolvedExpectedArtifacts": [{"boundArtifact": {"name": "web", "type": "docker/image", "version": "1"}}]});
    let execution = json!({"stages": [build, judgment, deploy, key], "authentication": {"user": "ann"}});
    Map::from_iter([("execution".to_owned(), execution), ("trigger".to_owned(), trigger)])
}

#[test]
fn every_example_has_its_value() {
    let rows = reference::rows();
    assert!(rows.len() > 300, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let want: Value = serde_json::from_str(row.value).unwrap_or_else(|e| panic!("{}: {e}", row.example));
        let got = evaluate_with(&format!("${{{}}}", row.example), &scope(), &Given);
        if got.as_ref().ok() != Some(&want) {
            wrong.push(format!("{} {}: {} gives {got:?}, not {want}", row.of, row.call, row.example));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_a_host_nothing_is_had_of_it() {
    let reason = |text: &str| evaluate(&format!("${{{text}}}"), &scope() as &dyn Scope).unwrap_err().reason;
    assert_eq!(reason("new java.util.Date()"), "refused-clock");
    assert_eq!(reason("T(java.time.Instant).now()"), "refused-clock");
    assert_eq!(reason("T(java.util.UUID).randomUUID()"), "refused-chance");
    assert_eq!(reason("new java.util.Random().nextInt()"), "refused-chance");
    for call in ["fromUrl('x')", "jsonFromUrl('x')", "readYaml('x')", "pipelineId('x')", "currentStage()"] {
        assert_eq!(reason(&format!("#{call}")), "function-off", "{call}");
    }
}

#[test]
fn every_row_is_documented() {
    for row in reference::rows() {
        assert!(!row.doc.is_empty() && !row.doc.ends_with('.'), "{}", row.call);
    }
    let names: Vec<_> = reference::REASONS.iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted());
}

const PAGE_HEAD: &str = "# Expressions: what there is

Made from the tables of the code: `WAYBILL_WRITE=1 cargo test -p expression --test reference`. Every example is a test.

An expression stands in `${ }` in any text of a stage, in its keys, in its condition, in default artifacts and in its name. A text
that is nothing but one expression has that expression's value, of whatever type; otherwise texts are put together. `$${` stands for
`${`. What cannot be evaluated is an error with its place, and never the text itself; only a stage's name and comments, which people
alone read, stay as they were written then, unless it says `failOnFailedExpressions`.

Values are found by name in this order: `trigger`, `parameters`, `execution`, `stages`, `artifacts`, `resolvedExpectedArtifacts`;
`buildInfo`, `scmInfo` and `templateVariables` of the trigger, and `pipelineId`; what the stage itself says without an expression; what
stages before it left, the nearest first; what the execution that started this one left.

## Syntax

| | |
|---|---|
| `a.b`, `a['b']`, `a[\"b\"]` | a key of an object |
| `a[0]`, `a['0']` | an element of a list |
| `a?.b` | null where `a` is null |
| `==` `!=` `<` `<=` `>` `>=`, `eq` `ne` `lt` `le` `gt` `ge` | comparison; `1 == 1.0`, texts by value |
| `&&` `\\|\\|` `!`, `and` `or` `not` | truth |
| `+` `-` `*` `/` `%` `^` | arithmetic, as in Java; `+` also puts texts together |
| `a matches 'regex'` | the whole text fits |
| `a ? b : c`, `a ?: b` | choice |
| `list.?[c]`, `list.^[c]`, `list.$[c]` | those for which `c` holds, the first, the last |
| `list.![e]` | `e` of each |
| `{1, 2}`, `{a: 1}` | a list, an object |
| `#this`, `#root` | the element, everything |
| `T(type).m()`, `new type()` | of the types below |

Assignments, beans, arrays, `instanceof`, `between`, `++`, reflection and all other types are refused by name.
";

fn page() -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut page = PAGE_HEAD.to_owned();
    let mut of = String::new();
    for row in reference::rows() {
        if row.of != of {
            page.push_str(&format!("\n## {}\n\n| Call | | Example | Value |\n|---|---|---|---|\n", row.of));
            of.clone_from(&row.of);
        }
        page.push_str(&format!("| `{}` | {} | `{}` | `{}` |\n", cell(&row.call), cell(row.doc), cell(row.example), cell(row.value)));
    }
    page.push_str("\n## Why an expression has no value\n\n| Reason | |\n|---|---|\n");
    for (reason, doc) in reference::REASONS {
        page.push_str(&format!("| `{reason}` | {} |\n", cell(doc)));
    }
    page
}

#[test]
fn the_page_is_what_the_tables_say() {
    let path = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("REFERENCE.md");
    let page = page();
    if std::env::var_os("WAYBILL_WRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page, "write it anew with WAYBILL_WRITE=1");
}
