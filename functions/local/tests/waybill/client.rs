//! The client against a server that answers what it is told to, and remembers what it was asked.

use crate::process::{bare, call};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use testkit::net::Served;

/// Status, ETag, body.
type Scripted = (u16, Option<&'static str>, Value);

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Scripted>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone)]
struct Asked {
    line: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let header =
        |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
    let headers = request.headers().iter().map(header).collect();
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    script.asked.lock().unwrap().push(Asked { line, headers, body });
    let (status, tag, body) = script.answers.lock().unwrap().pop_front().unwrap();
    let mut response = (axum::http::StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert("etag", tag.parse().unwrap());
    }
    response
}

struct Stub {
    served: Served,
    script: Script,
}

impl Stub {
    async fn start(answers: Vec<Scripted>) -> Self {
        let script = Script { answers: Arc::new(Mutex::new(answers.into())), asked: Arc::default() };
        let served = Served::start(Router::new().fallback(answer).with_state(script.clone())).await.unwrap();
        Self { served, script }
    }

    async fn call(&self, words: &[&str]) -> crate::process::Said {
        call(&self.served.url(""), "wb_secret", words).await
    }

    fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_asked() {
    let said = bare(&["app", "list"]).await;
    assert_eq!(said.code, 2);
    assert!(said.err.contains("WAYBILL_TOKEN_FILE"), "{said:?}");
    let said = bare(&["app", "list", "--token-file", "/nonexistent/token"]).await;
    assert_eq!(said.code, 1, "{said:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let said = call("http://127.0.0.1:1", "wb_secret", &["app", "list"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("http://127.0.0.1:1/api/applications") && said.err.contains("does not answer"), "{said:?}");
    assert_eq!(call("127.0.0.1:1", "wb_secret", &["app", "list"]).await.code, 2);
}

#[tokio::test]
async fn a_refusal_is_shown_with_every_place_and_without_the_token() {
    let errors = json!([{"pointer": "/name", "code": "bad", "message": "it is too long"}]);
    let problem = json!({"status": 422, "code": "invalid", "detail": "the request is not valid", "errors": errors});
    let stub = Stub::start(vec![(422, None, problem)]).await;
    let said = stub.call(&["project", "create", "x"]).await;
    assert_eq!((said.code, said.err.as_str()), (1, "invalid: the request is not valid\n  /name: it is too long\n"));
    let asked = stub.asked();
    assert_eq!(asked[0].line, "POST /api/projects");
    assert_eq!(asked[0].header("authorization"), Some("Bearer wb_secret"));
    assert_eq!(asked[0].header("idempotency-key").map(str::len), Some(26));
    assert!(!format!("{said:?}").contains("wb_secret"));
}

#[tokio::test]
async fn what_is_no_waybill_server_is_said_to_be_none() {
    let stub = Stub::start(vec![(200, None, json!("hello")), (404, None, json!("page not found"))]).await;
    assert_eq!(stub.call(&["app", "list"]).await.code, 0);
    let said = stub.call(&["app", "list"]).await;
    assert!(said.code == 1 && said.err.contains("is this a Waybill server?"), "{said:?}");
}

#[tokio::test]
async fn an_order_is_sent_as_it_was_said() {
    let stub = Stub::start(vec![(201, None, json!({"project": "cd-demo", "number": 7, "execution": "01J"}))]).await;
    let words = ["order", "submit", "--project", "cd-demo", "--application", "flaskapp", "--pipeline", "deployTesting"];
    let more = ["--artifact", "flaskapp-image=1.0.0", "--parameter", "who=me", "--note", "why", "--idempotency-key", "k"];
    let said = stub.call(&[&words[..], &more[..]].concat()).await.fine();
    assert_eq!(said.out, "release order cd-demo/7 is submitted, execution 01J\n");
    let asked = &stub.asked()[0];
    assert_eq!((asked.line.as_str(), asked.header("idempotency-key")), ("POST /api/projects/cd-demo/orders", Some("k")));
    let body = json!({"application": "flaskapp", "pipeline": "deployTesting", "parameters": {"who": "me"}, "note": "why",
        "artifacts": [{"expectedArtifact": "flaskapp-image", "version": "1.0.0"}]});
    assert_eq!(asked.body, body);
}

#[tokio::test]
async fn an_execution_is_steered_by_one_request_each() {
    let event = || (202, None, json!({"event": "e"}));
    let cases: [(&[&str], &str, Value, &str); 7] = [
        (&["cancel", "01J", "--reason", "wrong"], "POST /api/executions/01J/cancel", json!({"reason": "wrong"}), "told to end"),
        (&["pause", "01J", "--reason", "lunch"], "POST /api/executions/01J/pause", json!({"reason": "lunch"}), "told to hold"),
        (&["resume", "01J"], "POST /api/executions/01J/resume", Value::Null, "told to go on"),
        (&["restart", "01J", "1"], "POST /api/executions/01J/stages/1/restart", Value::Null, "told to do stage 1 again"),
        (&["skip", "01J", "3<1"], "POST /api/executions/01J/stages/3%3C1/skip", json!({"reason": ""}), "told to leave out stage 3<1"),
        (&["skip-window", "01J", "1"], "POST /api/executions/01J/stages/1/skip-window", Value::Null, "the window of stage 1"),
        (&["rerun", "01J"], "POST /api/executions/01J/rerun", Value::Null, "execution 01K is started, as release order cd-demo/8"),
    ];
    let mut answers: Vec<Scripted> = cases.iter().map(|_| event()).collect();
    answers[6] = (201, None, json!({"execution": "01K", "orders": [{"project": "cd-demo", "number": 8}]}));
    let stub = Stub::start(answers).await;
    for (words, line, body, says) in cases {
        let said = stub.call(&[&["execution"], words].concat()).await.fine();
        assert!(said.out.contains(says), "{words:?}: {said:?}");
        let asked = stub.asked().pop().unwrap();
        assert_eq!((asked.line.as_str(), &asked.body), (line, &body), "{words:?}");
        assert_eq!(asked.header("idempotency-key").map(str::len), Some(26), "{words:?}");
    }
}

#[tokio::test]
async fn a_start_says_when_it_is_dry_and_until_when_it_may_begin() {
    let stub = Stub::start(vec![(201, None, json!({"execution": "01J", "orders": []}))]).await;
    let words = ["execution", "start", "--application", "flaskapp", "--pipeline", "p", "--dry-run", "--start-by", "2023-11-14T22:13:20Z"];
    let said = stub.call(&words).await.fine();
    assert_eq!(said.out, "execution 01J is started\n");
    let asked = &stub.asked()[0];
    assert_eq!(asked.line, "POST /api/executions");
    assert_eq!((&asked.body["dryRun"], &asked.body["startTimeExpiry"]), (&json!(true), &json!(1_700_000_000_000_i64)));
}

#[tokio::test]
async fn a_pipeline_is_saved_on_the_revision_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.json");
    std::fs::write(&file, json!({"application": "flaskapp", "name": "p", "stages": []}).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let missing = json!({"status": 404, "code": "not-found", "detail": "there is none"});
    let saved = json!({"revision": 4, "warnings": [{"pointer": "/stages", "message": "there are none"}]});
    let there = (200, Some("\"3\""), json!({}));
    let stub =
        Stub::start(vec![(404, None, missing), (201, None, saved.clone()), there, (200, None, saved.clone()), (200, None, saved)]).await;
    let said = stub.call(&["pipeline", "save", file]).await.fine();
    assert_eq!(said.out, "pipeline p of flaskapp is saved, revision 4\n  warning at /stages: there are none\n");
    stub.call(&["pipeline", "save", file]).await.fine();
    stub.call(&["pipeline", "save", file, "--revision", "9"]).await.fine();
    let puts: Vec<Asked> = stub.asked().into_iter().filter(|asked| asked.line.starts_with("PUT")).collect();
    assert_eq!(puts[0].line, "PUT /api/applications/flaskapp/pipelines/p");
    assert_eq!(puts[0].header("if-none-match"), Some("*"));
    assert_eq!(puts[1].header("if-match"), Some("\"3\""));
    assert_eq!(puts[2].header("if-match"), Some("\"9\""));
}

fn detail(version: u64, status: &str, stage: &str, progress: &str) -> Scripted {
    let stage = json!({"refId": "1", "name": "Deploy", "status": stage, "attempt": 1, "startedMs": 1_000, "endedMs": null,
        "progress": {"message": progress, "at": 2_000}});
    (
        200,
        None,
        json!({"id": "01J", "version": version, "status": status, "pipelineName": "p", "application": "a", "submitter": "dana",
        "startedMs": 1_000, "endedMs": 5_000, "stages": [stage]}),
    )
}

#[tokio::test]
async fn following_holds_on_the_last_version_and_ends_as_the_execution_does() {
    let answers = |end: &'static str| {
        vec![detail(3, "RUNNING", "RUNNING", "1 of 3"), detail(4, "RUNNING", "RUNNING", "2 of 3"), detail(5, end, end, "")]
    };
    let stub = Stub::start(answers("SUCCEEDED")).await;
    let said = stub.call(&["execution", "follow", "01J"]).await.fine();
    for line in
        ["execution 01J: p of a, by dana", "stage 1 Deploy RUNNING", "stage 1 Deploy: 2 of 3", "execution 01J SUCCEEDED after 4.0 s"]
    {
        assert!(said.out.lines().any(|found| found.ends_with(line)), "`{line}` is not in\n{}", said.out);
    }
    let lines: Vec<String> = stub.asked().into_iter().map(|asked| asked.line).collect();
    let held = |version: u64| format!("GET /api/executions/01J?after={version}&hold=25");
    assert_eq!(lines, ["GET /api/executions/01J".to_owned(), held(3), held(4)]);
    let stub = Stub::start(answers("TERMINAL")).await;
    let said = stub.call(&["execution", "follow", "01J", "--json"]).await;
    assert_eq!(said.code, 1);
    let last: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({"execution": "01J", "status": "TERMINAL", "message": ""}));
}

#[tokio::test]
async fn an_account_is_followed_until_its_check_has_ended() {
    let account = |state: &str| json!({"name": "prod", "state": state, "reason": {"code": "account-forbidden", "message": "403"}});
    let changes = |cursor: &str| (200, None, json!({"cursor": cursor, "changed": [], "resync": []}));
    let answers = [changes("7"), (200, None, account("verifying")), changes("9"), (200, None, account("failed"))];
    let stub = Stub::start([vec![(202, None, account("verifying"))], answers.to_vec()].concat()).await;
    let said = stub.call(&["account", "cloud", "verify", "prod"]).await;
    assert!(said.code == 1 && said.out.contains("account-forbidden: 403"), "{said:?}");
    let lines: Vec<String> = stub.asked().into_iter().map(|asked| asked.line).collect();
    let expected = [
        "POST /api/accounts/cloud/prod/verify",
        "GET /api/changes?topic=account%3Aprod",
        "GET /api/accounts/cloud/prod",
        "GET /api/changes?since=7&hold=25&topic=account%3Aprod",
        "GET /api/accounts/cloud/prod",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_judgment_goes_to_the_stage_that_waits() {
    let waiting = json!({"stages": [{"refId": "1"}, {"refId": "2<0", "signals": [{"name": "judgment"}]}]});
    let stub = Stub::start(vec![(200, None, waiting), (202, None, json!({"event": "e"}))]).await;
    let said = stub.call(&["execution", "judge", "01J", "stop", "--comment", "no"]).await.fine();
    assert_eq!(said.out, "stage 2<0 is told to stop (event e)\n");
    let asked = &stub.asked()[1];
    assert_eq!(asked.line, "POST /api/executions/01J/stages/2%3C0/signals/judgment");
    assert_eq!(asked.body, json!({"judgmentStatus": "stop", "comment": "no"}));
}

#[tokio::test]
async fn expressions_are_tried_without_a_server_and_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let context = folder.path().join("context.json");
    std::fs::write(&context, json!({"parameters": {"version": "7", "tags": ["a", "b"]}}).to_string()).unwrap();
    let file = context.to_str().unwrap();
    let said = bare(&["expressions", "evaluate", "--context", file, "${parameters.tags.![#this + '-' + #root.parameters.version]}"]).await;
    assert_eq!((said.code, serde_json::from_str::<Value>(&said.out).unwrap()), (0, json!(["a-7", "b-7"])), "{said:?}");
    let said = bare(&["expressions", "evaluate", "--context", file, "web:${parameters.verison}"]).await;
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!((said.code, lines[0]), (1, "web:${parameters.verison}"), "{said:?}");
    assert!(lines[1].trim_start().starts_with('^') && lines[2].contains("did you mean `version`?"), "{said:?}");
    let said = bare(&["expressions", "evaluate", "--json", "--context", file, "${1 +}"]).await;
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &told["value"]), (1, &Value::Null), "{said:?}");
    assert!(told["errors"][0]["reason"].is_string(), "{said:?}");
    let said = bare(&["expressions", "explain", "#stage('Deploy').status == parameters.wanted"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("calls functions: stage") && said.out.contains("reads: parameters.wanted"), "{said:?}");
    std::fs::write(&context, "[1]").unwrap();
    let said = bare(&["expressions", "evaluate", "--context", file, "${a}"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("no object"), "{said:?}");
}

#[tokio::test]
async fn an_expression_is_tried_on_an_execution_by_the_server() {
    let wrong = json!({"pointer": "", "position": 2, "end": 3, "reason": "unknown-name", "message": "nothing here is called `x`"});
    let answers = vec![(200, None, json!({"value": [1], "errors": []})), (200, None, json!({"value": null, "errors": [wrong]}))];
    let stub = Stub::start(answers).await;
    let words = ["expressions", "evaluate", "${x}", "--execution", "e1", "--stage", "2"];
    let said = stub.call(&words).await;
    assert_eq!((said.code, serde_json::from_str::<Value>(&said.out).unwrap()), (0, json!([1])), "{said:?}");
    let said = stub.call(&words).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("${x}\n  ^\n"), "{said:?}");
    let asked = stub.asked();
    assert_eq!(asked[0].line, "POST /api/expressions");
    assert_eq!(asked[0].body, json!({"value": "${x}", "execution": "e1", "stage": "2", "context": {}}));
}
