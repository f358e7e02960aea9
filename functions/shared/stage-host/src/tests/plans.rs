//! What `planning` answers, taken or refused.

use crate::outcome::{Broken, Ending};
use crate::plan::{planned, refused};
use crate::testing::Setup;
use app::ports::{StepEnd, StepFault};
use serde_json::json;

fn check(stages: &[String]) -> Result<Ending, Broken> {
    planned(stages, &crate::session::Session::new(Setup::default().call()))
}

fn stage(nth: usize) -> String {
    json!({"refId": nth.to_string(), "type": "wait", "requisiteStageRefIds": []}).to_string()
}

#[test]
fn up_to_thirty_two_objects_are_a_plan() {
    assert_eq!(check(&[]).unwrap().end, StepEnd::Planned(Vec::new()));
    let stages: Vec<String> = (0..32).map(stage).collect();
    let Ok(Ending { end: StepEnd::Planned(read), checkpoint: None, progress: None }) = check(&stages) else { panic!() };
    assert_eq!((read.len(), &read[31]["refId"]), (32, &json!("31")));
    let one_more: Vec<String> = (0..33).map(stage).collect();
    assert_eq!(check(&one_more), Err(("plan-refused", "one call plans at most 32 stages, not 33".into())));
}

#[test]
fn anything_but_an_object_is_refused_with_its_place() {
    for bad in ["", " ", "null", "[]", "3", "\"wait\"", "{", "{} {}", r#"{"type":"a","type":"b"}"#, &"[".repeat(200)] {
        let (code, message) = check(&[stage(0), bad.to_owned()]).unwrap_err();
        assert!(code == "plan-refused" && message.starts_with("stage 1: "), "{bad}: {message}");
    }
}

#[test]
fn all_stages_together_are_bounded() {
    let large = |bytes: usize| json!({"type": "wait", "comments": "x".repeat(bytes)}).to_string();
    check(&[large(1 << 20), large((1 << 20) - 100)]).unwrap();
    let (code, message) = check(&[large(1 << 20), large(1 << 20)]).unwrap_err();
    assert!(code == "plan-refused" && message.contains("2097152 bytes together"), "{message}");
}

#[test]
fn only_an_answer_that_is_too_large_is_a_refused_plan() {
    let fault = |code| StepFault::Plugin { code, message: "m".into(), log: Vec::new() };
    assert_eq!(refused(fault("plugin-output-too-large")), fault("plan-refused"));
    assert_eq!(refused(fault("plugin-trap")), fault("plugin-trap"));
    assert_eq!(refused(StepFault::Fenced), StepFault::Fenced);
}
