//! `waybill expressions …`: without a server on names from a file, or by a server as one of its executions sees them.

use super::pretty;
use crate::api::Call;
use crate::failure::Failure;
use crate::out::Out;
use crate::session::{Group, Session};
use crate::{files, time, views};
use app::expressions::{self as trial, Explanation};
use app::ports::{Entropy, Moment};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Characters of the text that are shown on each side of what is wrong.
const AROUND_CHARS: usize = 60;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give the value of a text; what is wrong is pointed at.
    Evaluate(Evaluate),
    /// Show the tree of a text, the names it reads, and the functions, methods and types it uses.
    Explain {
        /// The text, with or without ${ }.
        text: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The text. Expressions stand in ${ }.
    text: String,
    /// File with an object whose keys the text may name: JSON, or YAML when its name says so; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Ask the server, which lets the text see this execution.
    #[arg(long, value_name = "ID")]
    execution: Option<String>,
    /// Only what this stage of the execution sees: its refId.
    #[arg(long, value_name = "REF", requires = "execution")]
    stage: Option<String>,
}

pub(crate) async fn run(group: Group<Command>) -> Result<(), Failure> {
    let Group { connection, command } = group;
    match command {
        Command::Explain { text } => explain(&text, &mut Out::stdout(connection.json)),
        Command::Evaluate(evaluate) => match &evaluate.execution {
            None => alone(&evaluate, &mut Out::stdout(connection.json)),
            Some(_) => asked(&evaluate, &mut Session::open(&connection)?).await,
        },
    }
}

fn context(evaluate: &Evaluate) -> Result<Map<String, Value>, Failure> {
    let Some(path) = &evaluate.context else { return Ok(Map::new()) };
    match files::document(path)? {
        Value::Object(map) => Ok(map),
        _ => Err(Failure::Usage(format!("{} holds no object whose keys could be names", path.display()))),
    }
}

fn alone(evaluate: &Evaluate, out: &mut Out) -> Result<(), Failure> {
    let entropy = boot::SystemEntropy::new().map_err(|error| Failure::Server(error.to_string()))?;
    let moment = Moment { now_ms: u64::try_from(time::now_ms()).unwrap_or_default(), seed: entropy.number() };
    let value = Value::String(evaluate.text.clone());
    let evaluated = trial::evaluate_alone(&value, &context(evaluate)?, moment).map_err(|error| Failure::Usage(error.to_string()))?;
    show(&evaluate.text, &json!(evaluated), out)
}

async fn asked(evaluate: &Evaluate, session: &mut Session) -> Result<(), Failure> {
    let body = json!({"value": evaluate.text, "execution": evaluate.execution, "stage": evaluate.stage, "context": context(evaluate)?});
    let answer = session.api.send(Call::post(&["api", "expressions"], &body)).await?;
    show(&evaluate.text, &answer.body, &mut session.out)
}

/// The value as JSON, so that its type is seen; or everything that is wrong, and a failure.
fn show(text: &str, evaluated: &Value, out: &mut Out) -> Result<(), Failure> {
    let wrong = evaluated.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    out.show(evaluated, |evaluated| {
        if wrong.is_empty() {
            return pretty(evaluated.get("value").unwrap_or(&Value::Null));
        }
        wrong.iter().map(|wrong| pointed(text, wrong)).collect::<Vec<_>>().join("\n")
    })?;
    if wrong.is_empty() { Ok(()) } else { Err(Failure::EndedBadly) }
}

/// What is wrong, under the line of the text that it is in.
fn pointed(text: &str, wrong: &Value) -> String {
    let byte =
        |key: &str| wrong.get(key).and_then(Value::as_u64).and_then(|byte| usize::try_from(byte).ok()).unwrap_or_default().min(text.len());
    let (start, end) = (byte("position"), byte("end").max(byte("position")));
    let before = text.get(..start).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let rest = text.get(start..).unwrap_or_default().split('\n').next().unwrap_or_default();
    let skipped = line.chars().count().saturating_sub(AROUND_CHARS);
    let shown: String = line.chars().skip(skipped).chain(rest.chars().take(AROUND_CHARS)).collect();
    let marks = text.get(start..end).and_then(|wrong| wrong.split('\n').next()).map_or(1, |wrong| wrong.chars().count());
    let marks = "^".repeat(marks.clamp(1, rest.chars().take(AROUND_CHARS).count().max(1)));
    let number = before.matches('\n').count() + 1;
    let (message, reason) = (views::text(wrong, "message"), views::text(wrong, "reason"));
    let place = if text.contains('\n') { format!("line {number}: ") } else { String::new() };
    format!("{shown}\n{}{marks}\n{place}{message} ({reason})", " ".repeat(line.chars().count() - skipped))
}

fn explain(text: &str, out: &mut Out) -> Result<(), Failure> {
    match trial::explain(text) {
        Ok(explanation) => out.show(&told(&explanation), |_| words(&explanation)),
        Err(error) => {
            let wrong = json!({"position": error.position, "end": error.end, "reason": error.reason, "message": error.message});
            show(text, &json!({"value": null, "errors": [wrong]}), out)
        }
    }
}

fn told(explanation: &Explanation) -> Value {
    let Explanation { tree, names, functions, methods, types } = explanation;
    let line = |line: &trial::Line| json!({"depth": line.depth, "position": line.span.start, "end": line.span.end, "what": line.what});
    let tree: Vec<Value> = tree.iter().map(line).collect();
    json!({"tree": tree, "names": names, "functions": functions, "methods": methods, "types": types})
}

fn words(explanation: &Explanation) -> String {
    let mut text = explanation.to_string();
    let lists = [
        ("reads", &explanation.names),
        ("calls functions", &explanation.functions),
        ("calls methods", &explanation.methods),
        ("names types", &explanation.types),
    ];
    for (what, list) in lists {
        if !list.is_empty() {
            text.push_str(&format!("{what}: {}\n", list.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointed_at(text: &str) -> String {
        let evaluated = json!(trial::evaluate_alone(&json!(text), &Map::new(), Moment { now_ms: 1, seed: 1 }).unwrap());
        pointed(text, &evaluated["errors"][0])
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let shown = pointed_at("say ${nobody} twice");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "say ${nobody} twice");
        assert_eq!(lines[1].find('^'), lines[0].find("nobody"), "{shown}");
        assert!(lines[2].contains("nobody") && lines[2].contains('('), "{shown}");
    }

    #[test]
    fn of_several_lines_the_right_one_is_shown() {
        let shown = pointed_at("one\ntwo ${nobody}\nthree");
        assert!(shown.starts_with("two ${nobody}\n") && shown.contains("\nline 2: "), "{shown}");
        let long = format!("{}${{nobody}}", "字".repeat(200));
        let shown = pointed_at(&long);
        assert!(shown.lines().next().unwrap().chars().count() <= 2 * AROUND_CHARS, "{shown}");
    }

    #[test]
    fn an_explanation_says_what_is_read_and_called() {
        let explanation = trial::explain("${#toInt(parameters.count) + 1}").unwrap();
        let text = words(&explanation);
        assert!(text.contains("reads: parameters.count") && text.contains("calls functions: toInt"), "{text}");
        assert_eq!(told(&explanation)["names"], json!(["parameters.count"]));
    }
}
