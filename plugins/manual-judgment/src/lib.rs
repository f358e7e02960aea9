//! Stage type `manualJudgment`: rests until a person decides. Who may decide is checked by the host; whether what they sent
//! is a decision is checked here. It touches nothing outside.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

use sdk::contract::{AwaitSignal, Failure, Mode, Outcome, Progress, Results, STAGE_TIMEOUT, Signal, StepInput, Suspended, Wake};
use sdk::host::Context;
use sdk::{checkpoint, fields};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The signal a decision comes by.
pub const JUDGMENT: &str = "judgment";
const SCHEMA: u32 = 1;
const COMMENT_CHARS_MAX: usize = 4_000;
const OPTIONS_MAX: usize = 100;
const PROMPT_CHARS_MAX: usize = 16_000;

/// Since when it waits, and why the last answer was no decision.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    since: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// What the stage asks.
struct Question {
    instructions: String,
    options: Vec<String>,
    allowed: Vec<String>,
    adopt_sender: bool,
    prevent_self: bool,
}

/// What a person answered.
struct Answer {
    go_on: bool,
    option: String,
    comment: String,
}

/// The manifest.
pub fn describe() -> String {
    include_str!("../manifest.json").to_owned()
}

/// Every problem of the parameters, as (JSON pointer, message).
pub fn validate(params: &str) -> Vec<(String, String)> {
    let stage = match fields::object(params) {
        Ok(stage) => stage,
        Err(failure) => return vec![(String::new(), failure.message)],
    };
    let mut problems = Vec::new();
    let mut problem = |pointer: String, message: &str| problems.push((pointer, message.to_owned()));
    match stage.get("judgmentInputs") {
        Some(Value::Array(items)) => {
            if items.len() > OPTIONS_MAX {
                problem("/judgmentInputs".into(), &format!("{} options; {OPTIONS_MAX} are allowed", items.len()));
            }
            for (index, item) in items.iter().enumerate().filter(|(_, item)| option(item).is_none()) {
                let blank = item.get("value").and_then(Value::as_str).is_some_and(|text| text.trim().is_empty());
                let message = if blank { "an option needs a value" } else { "an option is an object with a value" };
                problem(format!("/judgmentInputs/{index}"), message);
            }
        }
        None | Some(Value::Null) => {}
        Some(value) if fields::unresolved(value) => {}
        Some(_) => problem("/judgmentInputs".into(), "the options are a list"),
    }
    let confirmers = fields::section(&stage, "waybill").and_then(|waybill| waybill.get("confirmers"));
    let lists = [
        ("/selectedStageRoles", stage.get("selectedStageRoles")),
        ("/requiredJudgmentRoles", stage.get("requiredJudgmentRoles")),
        ("/waybill/confirmers", confirmers),
    ];
    for (pointer, value) in lists {
        let fine = value.is_none_or(|v| v.is_null() || fields::unresolved(v) || is_texts(v));
        if !fine {
            problem(pointer.to_owned(), "a list of names");
        }
    }
    problems
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

/// One step.
///
/// # Errors
/// `judgment-stopped` when a person says so, `stage-timeout` when nobody decides in time.
pub fn step<H: Context>(input: &StepInput, host: &mut H) -> Result<Outcome, Failure> {
    let question = Question::of(&fields::object(&input.params)?)?;
    let since = input.now_ms;
    let mut state = checkpoint::read(input, SCHEMA)?.unwrap_or(State { since, refused: None });
    if input.mode == Mode::Plan {
        return Ok(Outcome::Skipped(Results::message("a person would decide here")));
    }
    match &input.wake {
        Wake::Signal(signal) if signal.name == JUDGMENT => match question.answer(signal, host) {
            Ok(answer) => return question.decide(&answer, &signal.sender),
            Err(reason) => {
                let who = fields::cut(&signal.sender, 200);
                state.refused = Some(format!("the answer of {who} was not accepted: {reason}"));
            }
        },
        Wake::TimedOut => return Err(Failure::user(STAGE_TIMEOUT, "nobody decided")),
        Wake::Start | Wake::Poll | Wake::Signal(_) | Wake::Retry(_) => {}
    }
    question.ask(&state)
}

impl Question {
    fn of(stage: &Map<String, Value>) -> Result<Self, Failure> {
        let inputs = stage.get("judgmentInputs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut options: Vec<String> = Vec::new();
        for value in inputs.iter().filter_map(option) {
            if !options.contains(&value) {
                options.push(value);
            }
        }
        if options.len() > OPTIONS_MAX {
            let message = format!("{} options; {OPTIONS_MAX} are allowed", options.len());
            return Err(Failure::user("params-invalid", message));
        }
        let required = fields::texts(stage.get("requiredJudgmentRoles"));
        let selected = fields::texts(stage.get("selectedStageRoles"));
        let mut allowed = if required.is_empty() { selected } else { required };
        let confirmers = fields::section(stage, "waybill").and_then(|waybill| waybill.get("confirmers"));
        for confirmer in fields::texts(confirmers) {
            if !allowed.contains(&confirmer) {
                allowed.push(confirmer);
            }
        }
        Ok(Self {
            instructions: fields::cut(fields::text(stage, "instructions").unwrap_or_default(), PROMPT_CHARS_MAX),
            options,
            allowed,
            adopt_sender: fields::flag(stage.get("propagateAuthenticationContext")).unwrap_or(false),
            prevent_self: fields::flag(stage.get("preventSelfApproval")).unwrap_or(false),
        })
    }

    fn form(&self) -> Value {
        let mut properties = json!({
            "judgmentStatus": {"title": "Decision", "type": "string", "enum": ["continue", "stop"],
                "x-waybill-i18n": {"zh-CN": {"title": "决定", "enum": {"continue": "继续执行", "stop": "终止"}}}},
            "comment": {"title": "Comment", "type": "string", "maxLength": COMMENT_CHARS_MAX,
                "x-waybill-rows": 3, "x-waybill-i18n": {"zh-CN": {"title": "备注"}}},
        });
        if let (false, Some(map)) = (self.options.is_empty(), properties.as_object_mut()) {
            let options = json!({"title": "Option", "type": "string", "enum": self.options,
                "x-waybill-i18n": {"zh-CN": {"title": "选项"}}});
            map.insert("judgmentInput".to_owned(), options);
        }
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["judgmentStatus"],
            "properties": properties,
        })
    }

    fn ask(&self, state: &State) -> Result<Outcome, Failure> {
        Ok(Outcome::Suspended(Suspended {
            any_of: vec![AwaitSignal {
                name: JUDGMENT.to_owned(),
                prompt: self.instructions.clone(),
                form: Some(self.form().to_string()),
                allowed: self.allowed.clone(),
            }],
            until_ms: None,
            checkpoint: checkpoint::write(SCHEMA, state)?,
            progress: Progress {
                message: state.refused.clone().unwrap_or_else(|| "waiting for a decision".to_owned()),
                percent: None,
                details: Some(json!({"sinceMs": state.since, "options": self.options}).to_string()),
            },
        }))
    }

    /// The answer in a signal, or why it is none.
    fn answer<H: Context>(&self, signal: &Signal, host: &mut H) -> Result<Answer, String> {
        let Ok(Value::Object(body)) = serde_json::from_str(&signal.body) else {
            return Err("it is not a JSON object".to_owned());
        };
        let text = |key| fields::text(&body, key).unwrap_or_default();
        let status = text("judgmentStatus").to_ascii_lowercase();
        let go_on = match status.as_str() {
            "continue" => true,
            "stop" => false,
            _ => return Err("judgmentStatus is continue or stop".to_owned()),
        };
        let option = text("judgmentInput");
        if !self.options.is_empty() && option.is_empty() && go_on {
            return Err(format!("one of these is to be chosen: {}", self.options.join(", ")));
        }
        if !option.is_empty() && !self.options.iter().any(|known| known == option) {
            return Err(format!("\"{}\" is not an option", fields::cut(option, 100)));
        }
        let comment = text("comment");
        if comment.chars().count() > COMMENT_CHARS_MAX {
            return Err(format!("the comment is longer than {COMMENT_CHARS_MAX} characters"));
        }
        if self.prevent_self {
            not_the_starter(signal, host)?;
        }
        Ok(Answer { go_on, option: option.to_owned(), comment: comment.to_owned() })
    }

    fn decide(&self, answer: &Answer, sender: &str) -> Result<Outcome, Failure> {
        let status = if answer.go_on { "continue" } else { "stop" };
        let mut outputs = json!({"judgmentStatus": status, "judgmentInput": answer.option, "lastModifiedBy": sender});
        if let (false, Some(map)) = (answer.comment.is_empty(), outputs.as_object_mut()) {
            map.insert("comment".to_owned(), json!(answer.comment));
        }
        let what = if answer.option.is_empty() { String::new() } else { format!(": {}", answer.option) };
        if answer.go_on {
            let mut results = Results::of(&outputs, format!("continued by {sender}{what}"));
            results.adopt_sender = self.adopt_sender;
            return Ok(Outcome::Succeeded(results));
        }
        let message = format!("stopped by {sender}{what}");
        Err(Failure::user("judgment-stopped", message.clone()).with_results(Results::of(&outputs, message)))
    }
}

fn not_the_starter<H: Context>(signal: &Signal, host: &mut H) -> Result<(), String> {
    let found = host.lookup("/trigger/user").map_err(|reason| format!("who started the execution is unknown: {reason}"))?;
    let starter = found.and_then(|text| serde_json::from_str::<String>(&text).ok());
    match starter {
        Some(starter) if starter == signal.sender => Err("whoever started the execution may not decide".to_owned()),
        Some(_) => Ok(()),
        None => Err("who started the execution is unknown".to_owned()),
    }
}

/// An option's value: `{value}`, or the bare text of older pipelines.
fn option(item: &Value) -> Option<String> {
    let text = match item.get("value").unwrap_or(item) {
        Value::String(text) => text.trim().to_owned(),
        value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

sdk::export_stage!(describe: crate::describe, validate: crate::validate, step: crate::step);

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
