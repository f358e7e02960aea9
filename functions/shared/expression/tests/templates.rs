//! Texts, documents and conditions: types, places of errors, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers and all")]

use expression::limits::{DEPTH_MAX, EXPRESSION_CHARS_MAX, EXPRESSIONS_MAX, TEMPLATE_BYTES_MAX};
use expression::{condition, evaluate, resolve};
use serde_json::{Map, Value, json};

fn scope() -> Map<String, Value> {
    let scope = json!({
        "parameters": {"version": "1.2", "replicas": 3, "run-it": "true", "on": true, "list": ["a", "b"], "nothing": null},
        "trigger": {"tag": "v1", "artifacts": [{"reference": "r.io/web:v1"}]}
    });
    scope.as_object().unwrap().clone()
}

fn good(template: &str, want: Value) {
    assert_eq!(evaluate(template, &scope()), Ok(want), "{template}");
}

fn bad(template: &str, reason: &str, position: u32) {
    let error = evaluate(template, &scope()).unwrap_err();
    assert_eq!((error.reason, error.position), (reason, position), "{template}: {error}");
    assert!(error.end >= error.position && error.end as usize <= template.len(), "{template}: {error:?}");
}

// Rule 2.9: A value that is one expression keeps its type; others concatenate; keys are evaluated too
#[test]
fn paths_keep_their_type_and_mixed_text_concatenates() {
    good("${parameters.version}", json!("1.2"));
    good("${ parameters['replicas'] }", json!(3));
    good("${parameters[\"run-it\"]}", json!("true"));
    good("${trigger['tag']}", json!("v1"));
    good("${trigger.artifacts[0].reference}", json!("r.io/web:v1"));
    good("${trigger.artifacts['0']['reference']}", json!("r.io/web:v1"));
    good("web:${trigger['tag']}-${parameters.replicas}", json!("web:v1-3"));
    good("${parameters.list}", json!(["a", "b"]));
    good("x${parameters.list}", json!("xa,b"));
    good("${true}", json!(true));
    good("${null}", json!(null));
    good("${parameters.nothing}", json!(null));
    good("${'it''s }'}", json!("it's }"));
    good("plain", json!("plain"));
    good("", json!(""));
    good("$${HOME} ${trigger.tag}", json!("${HOME} v1"));
}

// Rule 2.9: What cannot be resolved fails the stage before it runs; no text is left as it was
#[test]
fn nothing_is_silent() {
    bad("${parameters.verison}", "unknown-key", 12);
    bad("x ${nothing}", "unknown-name", 4);
    bad("x ${parameters.nothing}", "null", 4);
    bad("${nothing.at.all}", "unknown-name", 2);
    bad("${parameters.version", "unterminated", 0);
    bad("${}", "syntax", 2);
    bad("${parameters.version.x}", "not-an-object", 20);
    bad("${trigger.artifacts[4]}", "index-out-of-range", 19);
    bad("${parameters.replicas[0]}", "not-a-list", 21);
    bad("${parameters['x}", "unterminated", 0);
    bad("${a${b}}", "refused-nesting", 3);
    bad("${1 + }", "syntax", 6);
    bad("${'ä' + zz.y}", "unknown-name", 9);
    let long = format!("${{{}}}", "a".repeat(EXPRESSION_CHARS_MAX + 1));
    bad(&long, "too-long", 2);
    bad(&format!("{}${{1}}", "a".repeat(TEMPLATE_BYTES_MAX)), "too-long", 0);
    assert!(evaluate(&"a".repeat(TEMPLATE_BYTES_MAX + 1), &scope()).is_ok());
    assert!(evaluate(&"${1}".repeat(EXPRESSIONS_MAX), &scope()).is_ok());
    bad(&"${1}".repeat(EXPRESSIONS_MAX + 1), "too-long", u32::try_from(4 * EXPRESSIONS_MAX).unwrap());
}

#[test]
fn a_near_name_is_suggested() {
    let suggestion = |template: &str| evaluate(template, &scope()).unwrap_err().suggestion;
    assert_eq!(suggestion("${parameters.verison}").as_deref(), Some("version"));
    assert_eq!(suggestion("${paramters.version}").as_deref(), Some("parameters"));
    assert_eq!(suggestion("${parameters.version.toUppercase()}").as_deref(), Some("toUpperCase"));
    assert_eq!(suggestion("${#toint('1')}").as_deref(), Some("toInt"));
    assert_eq!(suggestion("${T(java.lang.Maths).PI}").as_deref(), Some("java.lang.Math"));
    assert_eq!(suggestion("${zzz}"), None);
    let error = evaluate("${parameters.verison}", &scope()).unwrap_err();
    assert_eq!(error.to_string(), "there is no parameter `verison`; did you mean `version`?");
}

// Rule 2.9: A value that is one expression keeps its type; others concatenate; keys are evaluated too
#[test]
fn documents_resolve_with_every_error_in_its_place() {
    let document = json!({"a": ["${parameters.replicas}", {"${trigger.tag}": 1}], "b": true});
    assert_eq!(resolve(&document, &scope()), Ok(json!({"a": [3, {"v1": 1}], "b": true})));
    let errors = resolve(&json!({"x/y": "${no}", "z": ["ok", "${parameters.no}"]}), &scope()).unwrap_err();
    assert_eq!(errors.iter().map(|e| e.pointer.as_str()).collect::<Vec<_>>(), ["/x~1y", "/z/1"]);
}

// Rule 2.4: `stageEnabled` is asked when the stage is about to start, bare or in `${…}`
#[test]
fn conditions_are_true_or_false() {
    for text in ["true", "${true}", "parameters.on", "${parameters.on}", "parameters['run-it']", "parameters.replicas > 2", "TRUE"] {
        assert_eq!(condition(text, &scope()), Ok(true), "{text}");
    }
    assert_eq!(condition("false", &scope()), Ok(false));
    assert_eq!(condition("parameters.version", &scope()).unwrap_err().reason, "not-a-condition");
    assert_eq!(condition("${parameters.on} == true", &scope()).unwrap_err().reason, "not-a-condition");
    assert_eq!(condition("parameters.run-it", &scope()).unwrap_err().reason, "not-an-operand");
    assert_eq!(condition("parameters.gone", &scope()).unwrap_err().reason, "unknown-key");
}

#[test]
fn a_bottomless_document_is_refused() {
    let mut document = json!("x");
    for _ in 0..=DEPTH_MAX + 1 {
        document = json!([document]);
    }
    assert_eq!(resolve(&document, &scope()).unwrap_err()[0].error.reason, "too-deep");
}
