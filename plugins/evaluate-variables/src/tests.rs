//! Tests of the stage, with a host that knows a few templates and what stands in sight.

use super::*;
use sdk::host::ExpressionError;
use sdk::testing::start;

/// `${NAME}` is what stands in sight under the name, `${bad…}` cannot be evaluated, `${broken}` is answered with no JSON.
#[derive(Default)]
struct Host {
    asked: Vec<(String, Value)>,
}

impl Expressions for Host {
    fn evaluate(&mut self, template: &str, locals: &str) -> Result<String, ExpressionError> {
        let locals: Value = serde_json::from_str(locals).unwrap();
        self.asked.push((template.to_owned(), locals.clone()));
        let name = template.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap();
        if name == "broken" {
            return Ok("{".to_owned());
        }
        let unknown = || ExpressionError { position: 2, reason: "unknown-name".to_owned(), message: format!("nothing is called {name}") };
        match name {
            "list" => Ok("[1,2]".to_owned()),
            name => locals.get(name).map(Value::to_string).ok_or_else(unknown),
        }
    }
}

fn run(stage: &Value) -> (Result<Outcome, Failure>, Host) {
    let mut host = Host::default();
    (step(&start(&stage.to_string()), &mut host), host)
}

fn results(stage: &Value) -> (Value, Value, String) {
    match run(stage).0 {
        Ok(Outcome::Succeeded(results)) => {
            (serde_json::from_str(&results.outputs).unwrap(), serde_json::from_str(&results.context).unwrap(), results.message)
        }
        other => panic!("not succeeded: {other:?}"),
    }
}

fn failure(stage: &Value) -> Failure {
    run(stage).0.unwrap_err()
}

#[test]
fn values_keep_their_type_and_later_ones_see_earlier_ones() {
    let stage = json!({"variables": [
        {"key": "image", "value": "web:1", "description": "as it is"},
        {"key": "all", "value": "${list}"},
        {"key": "again", "value": {"${image}": ["${all}", 7, null, true]}},
        {"key": "nothing"},
    ]});
    let (outputs, context, message) = results(&stage);
    let wanted = json!({"image": "web:1", "all": [1, 2], "again": {"web:1": [[1, 2], 7, null, true]}, "nothing": null});
    assert_eq!((&outputs, &context), (&wanted, &wanted));
    assert_eq!(message, "4 variables have their values");
    let asked = run(&stage).1.asked;
    assert_eq!(asked[0], ("${list}".to_owned(), json!({"image": "web:1"})));
    assert_eq!(asked[2].1, json!({"image": "web:1", "all": [1, 2]}));
}

#[test]
fn what_cannot_be_evaluated_fails_the_stage_and_says_where() {
    let stage = json!({"variables": [{"key": "a", "value": "x"}, {"key": "b", "value": ["${bad}"]}]});
    let failed = failure(&stage);
    assert_eq!((failed.code.as_str(), failed.blame), ("expression-failed", Blame::User));
    assert_eq!(failed.message, "variable b: nothing is called bad (in ${bad})");
    let details: Value = serde_json::from_str(failed.details.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&details["pointer"], &details["position"], &details["reason"]),
        (&json!("/variables/1/value/0"), &json!(2), &json!("unknown-name"))
    );
    let broken = failure(&json!({"variables": [{"key": "a", "value": "${broken}"}]}));
    assert_eq!((broken.code.as_str(), broken.blame), ("expression-failed", Blame::Platform));
}

#[test]
fn where_that_is_wished_it_only_has_no_value() {
    let list =
        json!([{"key": "a", "value": "1"}, {"key": "a", "value": "${bad}"}, {"key": "b", "value": "${a}"}, {"key": "c", "value": 3}]);
    for soft in [json!(false), json!("false")] {
        let (outputs, context, message) = results(&json!({"variables": list, "failOnFailedExpressions": soft}));
        assert_eq!(outputs, json!({"c": 3}), "the text is never handed on, and what fails hides what stood there before");
        assert_eq!(message, "1 variable has its value; without one, because it cannot be evaluated: a, b");
        assert_eq!(context["expressionEvaluationSummary"][1]["message"], "nothing is called a");
    }
    for hard in [json!(true), json!(null), json!("no")] {
        assert_eq!(failure(&json!({"variables": list, "failOnFailedExpressions": hard})).code, "expression-failed");
    }
}

#[test]
fn nothing_to_do_is_fine() {
    for stage in [json!({}), json!({"variables": null}), json!({"variables": []})] {
        assert_eq!(results(&stage).0, json!({}));
        assert!(validate(&stage.to_string()).is_empty());
    }
}

#[test]
fn every_problem_of_the_list_is_named_at_its_place() {
    let long = "k".repeat(KEY_CHARS_MAX + 1);
    let stage = json!({"variables": ["x", {"value": 1}, {"key": " "}, {"key": long}, {"key": "${a}"}, {"key": "good"}]});
    let at: Vec<String> = validate(&stage.to_string()).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(at, ["/variables/0", "/variables/1/key", "/variables/2/key", "/variables/3/key", "/variables/4/key"]);
    assert_eq!(failure(&stage).code, INVALID);
    assert_eq!(validate(&json!({"variables": {}}).to_string())[0].0, "/variables");
    assert_eq!(validate("[]")[0].0, "");
    assert_eq!(failure(&json!([])).code, "params-invalid");
}

#[test]
fn too_much_is_refused() {
    let many = |count: usize| json!({"variables": vec![json!({"key": "a", "value": 1}); count]});
    assert_eq!(failure(&many(VARIABLES_MAX + 1)).code, "too-many-variables");
    assert_eq!(results(&many(VARIABLES_MAX)).0, json!({"a": 1}));
    let texts = |count: usize| json!({"variables": [{"key": "a", "value": vec!["${list}"; count]}]});
    assert_eq!(failure(&texts(TEXTS_MAX + 1)).code, "too-many-variables");
    assert_eq!(results(&texts(TEXTS_MAX)).0["a"].as_array().map(Vec::len), Some(TEXTS_MAX));
    let deep = |depth: usize| json!({"variables": [{"key": "a", "value": (0..depth).fold(json!(1), |inner, _| json!([inner]))}]});
    assert_eq!(failure(&deep(DEPTH_MAX + 1)).code, "too-deep");
    assert!(run(&deep(DEPTH_MAX)).0.is_ok());
}

#[test]
fn the_manifest_says_what_the_code_does() {
    let manifest: Value = serde_json::from_str(&describe()).unwrap();
    assert_eq!(manifest["type"], "evaluateVariables");
    assert_eq!(manifest["params"]["properties"][LIST]["maxItems"], json!(VARIABLES_MAX));
    assert_eq!(manifest["params"]["$defs"]["variable"]["properties"]["key"]["maxLength"], json!(KEY_CHARS_MAX));
    assert_eq!(manifest["expressions"]["byStage"], json!([format!("/{LIST}")]));
    assert!(manifest["limits"]["hostCalls"].as_u64().unwrap() > TEXTS_MAX as u64);
    for code in ["params-invalid", INVALID, "expression-failed", "too-many-variables", "too-deep"] {
        assert!(manifest["failures"][code].is_string(), "{code}");
    }
}
