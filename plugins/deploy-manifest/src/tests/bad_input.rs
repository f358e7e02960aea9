//! Parameters and checkpoints that are wrong: refused before anything is applied.

use sdk::contract::Checkpoint;

use super::*;

fn check_refused(params: &Value, code: &str, part: &str) {
    let mut host = Script::default();
    let failure = run(&mut host, params).1.unwrap_err();
    assert_eq!(failure.code, code, "{}", failure.message);
    assert!(failure.message.contains(part), "{}", failure.message);
    assert!(host.sent.is_empty(), "nothing is applied");
}

#[test]
fn bad_manifests() {
    let bad = |manifest: Value| stage(&[config("a"), config("b"), manifest], &json!({}));
    check_refused(&bad(json!("text")), "manifest-not-object", "/manifests/2");
    check_refused(&bad(json!({"apiVersion": "v1", "metadata": {"name": "a"}})), "manifest-invalid", "/manifests/2/kind");
    check_refused(&bad(json!({"kind": "A", "metadata": {"name": "a"}})), "manifest-invalid", "/manifests/2/apiVersion");
    let hidden = json!({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List", "items": [3]}]});
    check_refused(&bad(hidden), "manifest-not-object", "/manifests/2/items/0/items/0");
    check_refused(&stage(&[], &json!({})), "no-manifests", "/manifests");
    check_refused(&stage(&[], &json!({"manifests": "${#stage('x')}"})), "manifests-unreadable", "not resolved");
    check_refused(&json!({"account": "test", "manifests": "a: b"}), "manifests-unreadable", "not JSON");
    let mut large = config("large");
    large["data"]["x"] = json!("x".repeat(1024 * 1024));
    check_refused(&bad(large), "manifest-too-large", "/manifests/2");
    let many: Vec<_> = (0..501).map(|i| config(&format!("c{i}"))).collect();
    check_refused(&stage(&many, &json!({})), "too-many-objects", "501");
    let long: Vec<_> = (0..500).map(|i| config(&format!("{}{i}", "c".repeat(240)))).collect();
    check_refused(&stage(&long, &json!({})), "too-many-objects", "too many for one stage");
}

#[test]
fn text_that_holds_json_is_read() {
    let mut host = Script::default();
    let text = json!([config("a")]).to_string();
    succeeded(run(&mut host, &json!({"account": "test", "manifests": text})).1);
    succeeded(run(&mut host, &json!({"account": "test", "manifest": config("b")})).1);
    assert_eq!(host.sent.len(), 2);
}

#[test]
fn what_is_not_supported_is_said() {
    let annotated = |key: &str, value: &str| {
        let mut manifest = config("c");
        manifest["metadata"]["annotations"] = json!({ key: value });
        stage(&[manifest], &json!({}))
    };
    let at = "/manifests/0/metadata/annotations/strategy.spinnaker.io~1versioned";
    check_refused(&annotated("strategy.spinnaker.io/versioned", "true"), "versioning-unsupported", at);
    check_refused(&annotated("strategy.spinnaker.io/recreate", "true"), "strategy-unsupported", "recreate");
    check_refused(&annotated("strategy.spinnaker.io/replace", "true"), "strategy-unsupported", "replace");
    let traffic = annotated("traffic.spinnaker.io/load-balancers", "[\"service web\"]");
    check_refused(&traffic, "traffic-management-unsupported", "load-balancers");
    check_refused(&stage(&[config("c")], &json!({"versioned": true})), "versioning-unsupported", "/versioned");
    check_refused(&stage(&[], &json!({"source": "artifact"})), "artifact-source-unsupported", "/source");
    let mut host = Script::default();
    succeeded(run(&mut host, &annotated("strategy.spinnaker.io/versioned", "false")).1);
    succeeded(run(&mut host, &annotated("traffic.spinnaker.io/load-balancers", "[]")).1);
}

#[test]
fn parameters_that_are_no_object() {
    for params in ["", "[]", "null", "{\"account\": "] {
        let failure = step(&start(params), &mut Script::default()).unwrap_err();
        assert_eq!(failure.code, "params-invalid", "{params}");
    }
    check_refused(&json!({"manifests": [config("c")]}), "params-invalid", "/account");
}

#[test]
fn garbage_checkpoints() {
    let refuse = |schema, data: &str| {
        let mut input = start(&stage(&[config("c")], &json!({})).to_string());
        input.wake = Wake::Poll;
        input.checkpoint = Some(Checkpoint { schema, data: data.into() });
        let mut host = Script::default();
        let code = step(&input, &mut host).unwrap_err().code;
        assert!(host.sent.is_empty());
        code
    };
    assert_eq!(refuse(1, "\u{0}\u{1}"), "checkpoint-unreadable");
    assert_eq!(refuse(1, "{\"kinds\": 3}"), "checkpoint-unreadable");
    let points_nowhere = r#"{"kinds":[],"namespaces":[],"objects":[{"k":9,"m":"a"}],"applied":1,"cursor":0}"#;
    assert_eq!(refuse(1, points_nowhere), "checkpoint-unreadable");
    let of_others = r#"{"kinds":[],"namespaces":[],"objects":[],"applied":0,"cursor":0}"#;
    assert_eq!(refuse(1, of_others), "checkpoint-unreadable");
    assert_eq!(refuse(2, "{}"), "checkpoint-unknown-schema");
}

#[test]
fn validate_names_every_problem_and_leaves_expressions_alone() {
    let at = |params: &Value| -> Vec<String> { crate::validate(&params.to_string()).into_iter().map(|(pointer, _)| pointer).collect() };
    assert_eq!(at(&stage(&[config("c")], &json!({}))), Vec::<String>::new());
    assert_eq!(at(&json!({"account": "a", "manifests": "${#stage('x')['outputs']}"})), Vec::<String>::new());
    let bad = json!({"versioned": true, "waybill": {"waitFor": "x"}, "manifests": [3, {"kind": "A"}]});
    assert_eq!(
        at(&bad),
        ["/versioned", "/account", "/waybill/waitFor", "/manifests/0", "/manifests/1/apiVersion", "/manifests/1/metadata/name"]
    );
    assert_eq!(at(&json!({"account": "a", "source": "artifact"})), ["/source"]);
    assert_eq!(crate::validate("7")[0].0, "");
}
