//! A script as JSON, from a person or a program in another process. Whatever is wrong with it is said with its place.
//!
//! `{"seed": 7, "rules": [{"verbs": ["apply"], "resources": ["Deployment"], "per": "object", "count": 2,
//! "fault": {"kind": "throttle", "retryAfterS": 1}}]}`; a fault without anything to say may be its name alone.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ask::Verb;
use super::script::{Fault, MS_MAX, Per, RULES_MAX, Rule, Script};

/// Longest script read.
const BYTES_MAX: usize = 1 << 20;
const WORDS_MAX: usize = 1_000;
const COUNT_MAX: u64 = u32::MAX as u64;
const FAULTS: &str = "conflict, gone, throttle, fail, unauthorized, latency, hang, reset, lose, tear, refuse, certificate, drop-watch, \
     delay-watch, repeat-watch or stale";

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// JSON pointer into the script.
    pub pointer: String,
    /// In words.
    pub message: String,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Every problem of it.
    pub fn from_json(text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if text.len() > BYTES_MAX {
            problems.push(problem("", format!("has {} bytes; {BYTES_MAX} are the most", text.len())));
            return Err(problems);
        }
        let value: Value = serde_json::from_str(text).map_err(|error| vec![problem("", format!("is not JSON: {error}"))])?;
        let mut fields = Fields::of(&value, String::new(), &mut problems);
        let seed = fields.number("seed", u64::MAX).unwrap_or_default();
        let rules = fields.take("rules").cloned().unwrap_or(Value::Array(Vec::new()));
        fields.done();
        let script = Self { seed, rules: rules_of(&rules, &mut problems) };
        if problems.is_empty() { Ok(script) } else { Err(problems) }
    }
}

fn problem(pointer: &str, message: impl Into<String>) -> Problem {
    Problem { pointer: pointer.to_owned(), message: message.into() }
}

fn rules_of(value: &Value, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let Some(list) = value.as_array() else {
        problems.push(problem("/rules", "must be a list"));
        return Vec::new();
    };
    if list.len() > RULES_MAX {
        problems.push(problem("/rules", format!("has {} rules; {RULES_MAX} are the most", list.len())));
        return Vec::new();
    }
    list.iter().enumerate().filter_map(|(at, rule)| rule_of(rule, format!("/rules/{at}"), problems)).collect()
}

fn rule_of(value: &Value, pointer: String, problems: &mut Vec<Problem>) -> Option<Rule> {
    let mut fields = Fields::of(value, pointer.clone(), problems);
    let name = fields.text("name");
    let verbs = fields.words("verbs");
    let (resources, namespaces, names) = (fields.words("resources"), fields.words("namespaces"), fields.words("names"));
    let per = fields.word("per", Per::default());
    let after = fields.number("after", COUNT_MAX).unwrap_or_default();
    let count = fields.number("count", COUNT_MAX);
    let (probability, seed) = (fields.probability("probability"), fields.number("seed", u64::MAX));
    let fault = fields.take("fault").cloned();
    fields.done();
    let verbs: Vec<Verb> =
        verbs.iter().enumerate().filter_map(|(at, word)| verb_of(word, &format!("{pointer}/verbs/{at}"), problems)).collect();
    let Some(fault) = fault else {
        problems.push(problem(&format!("{pointer}/fault"), "is missing"));
        return None;
    };
    let fault = fault_of(&fault, format!("{pointer}/fault"), problems)?;
    if !verbs.is_empty() && !verbs.iter().any(|verb| fault.fits(*verb)) {
        problems.push(problem(&format!("{pointer}/fault"), format!("{} never happens to the verbs of this rule", fault.name())));
    }
    let name = name.unwrap_or_else(|| fault.name().to_owned());
    Some(Rule { name, verbs, resources, namespaces, names, per, after, count, probability, seed, fault })
}

fn verb_of(word: &str, pointer: &str, problems: &mut Vec<Problem>) -> Option<Verb> {
    let found = Verb::ALL.into_iter().find(|verb| verb.name() == word);
    if found.is_none() {
        let known = Verb::ALL.map(Verb::name).join(", ");
        problems.push(problem(pointer, format!("{word:?} is no verb; there are {known}")));
    }
    found
}

fn fault_of(value: &Value, pointer: String, problems: &mut Vec<Problem>) -> Option<Fault> {
    let bare = value.as_str().map(|kind| Value::Object(Map::from_iter([("kind".to_owned(), kind.into())])));
    let mut fields = Fields::of(bare.as_ref().unwrap_or(value), pointer, problems);
    let kind = fields.text("kind").unwrap_or_default();
    let fault = match kind.as_str() {
        "conflict" => Fault::Conflict,
        "gone" => Fault::Gone { at_once: fields.flag("atOnce") },
        "throttle" => Fault::Throttle { retry_after_s: fields.needed("retryAfterS", MS_MAX / 1_000) },
        "fail" => Fault::Fail { status: fields.status("status") },
        "unauthorized" => Fault::Unauthorized,
        "latency" => Fault::Latency { ms: fields.needed("ms", MS_MAX) },
        "hang" => Fault::Hang { tried: fields.flag("tried") },
        "reset" => Fault::Reset,
        "lose" => Fault::Lose,
        "tear" => Fault::Tear,
        "refuse" => Fault::Refuse { ms: fields.needed("ms", MS_MAX) },
        "certificate" => Fault::Certificate { ms: fields.needed("ms", MS_MAX) },
        "drop-watch" => {
            Fault::DropWatch { after_events: fields.number("afterEvents", COUNT_MAX).unwrap_or_default(), broken: fields.flag("broken") }
        }
        "delay-watch" => Fault::DelayWatch { ms: fields.needed("ms", MS_MAX) },
        "repeat-watch" => Fault::RepeatWatch,
        "stale" => Fault::Stale,
        other => {
            fields.wrong("kind", format!("{other:?} is no fault; there are {FAULTS}"));
            return None;
        }
    };
    fields.done();
    Some(fault)
}

/// An object whose fields are taken one by one; what is left over is a problem.
struct Fields<'a> {
    left: Map<String, Value>,
    taken: Value,
    pointer: String,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Fields<'a> {
    fn of(value: &Value, pointer: String, problems: &'a mut Vec<Problem>) -> Self {
        let left = match value {
            Value::Object(fields) => fields.clone(),
            _ => {
                problems.push(problem(&pointer, "must be an object"));
                Map::new()
            }
        };
        Self { left, taken: Value::Null, pointer, problems }
    }

    fn wrong(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(problem(&format!("{}/{key}", self.pointer), message));
    }

    fn take(&mut self, key: &str) -> Option<&Value> {
        self.taken = self.left.remove(key)?;
        Some(&self.taken)
    }

    fn read<T>(&mut self, key: &str, what: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let found = read(self.take(key)?);
        if found.is_none() {
            self.wrong(key, format!("must be {what}"));
        }
        found
    }

    fn number(&mut self, key: &str, most: u64) -> Option<u64> {
        self.read(key, &format!("a whole number up to {most}"), |value| value.as_u64().filter(|number| *number <= most))
    }

    fn needed(&mut self, key: &str, most: u64) -> u64 {
        if !self.left.contains_key(key) {
            self.wrong(key, "is missing");
        }
        self.number(key, most).unwrap_or_default()
    }

    fn status(&mut self, key: &str) -> u16 {
        let status =
            |value: &Value| value.as_u64().and_then(|status| u16::try_from(status).ok()).filter(|status| (500..600).contains(status));
        if !self.left.contains_key(key) {
            self.wrong(key, "is missing");
        }
        self.read(key, "a status from 500 to 599", status).unwrap_or(500)
    }

    fn probability(&mut self, key: &str) -> Option<f64> {
        self.read(key, "a number from 0 to 1", |value| value.as_f64().filter(|number| (0.0..=1.0).contains(number)))
    }

    fn flag(&mut self, key: &str) -> bool {
        self.read(key, "true or false", Value::as_bool).unwrap_or_default()
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.read(key, "a text", |value| value.as_str().filter(|text| text.len() <= WORDS_MAX).map(str::to_owned))
    }

    fn words(&mut self, key: &str) -> Vec<String> {
        let words = |value: &Value| {
            let list = value.as_array().filter(|list| list.len() <= WORDS_MAX)?;
            list.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        self.read(key, "a list of texts", words).unwrap_or_default()
    }

    fn word<T: for<'de> Deserialize<'de>>(&mut self, key: &str, default: T) -> T {
        self.read(key, "script, namespace, object or request", |value| serde_json::from_value(value.clone()).ok()).unwrap_or(default)
    }

    fn done(self) {
        for key in self.left.keys() {
            self.problems.push(problem(&format!("{}/{key}", self.pointer), "is not known"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<String> {
        Script::from_json(text).unwrap_err().into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn a_script_is_read() {
        let text = r#"{"seed": 7, "rules": [
            {"name": "slow", "verbs": ["apply"], "resources": ["Deployment"], "namespaces": ["a"], "names": ["web"],
             "per": "object", "after": 1, "count": 2, "probability": 0.5, "seed": 3, "fault": {"kind": "throttle", "retryAfterS": 1}},
            {"fault": "repeat-watch"}]}"#;
        let script = Script::from_json(text).unwrap();
        let mut rule = Rule::every(Fault::Throttle { retry_after_s: 1 }).verbs(&[Verb::Apply]).resources(&["Deployment"]).namespace("a");
        rule = rule.per(Per::Object).after(1).times(2).chance(0.5, 3);
        (rule.name, rule.names) = ("slow".to_owned(), vec!["web".to_owned()]);
        assert_eq!(script, Script { seed: 7, rules: vec![rule, Rule::every(Fault::RepeatWatch)] });
        assert_eq!(Script::from_json("{}").unwrap(), Script::none());
    }

    #[test]
    fn every_fault_has_a_name_that_is_read() {
        for name in FAULTS.replace(" or ", ", ").split(", ").map(str::trim) {
            let more = match name {
                "throttle" => r#", "retryAfterS": 1"#,
                "fail" => r#", "status": 503"#,
                "latency" | "refuse" | "certificate" | "delay-watch" => r#", "ms": 1"#,
                _ => "",
            };
            let script = Script::from_json(&format!(r#"{{"rules": [{{"fault": {{"kind": "{name}"{more}}}}}]}}"#)).unwrap();
            assert_eq!((script.rules[0].fault.name(), script.rules[0].name.as_str()), (name, name));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases: [(&str, &[&str]); 12] = [
            ("nothing", &[""]),
            ("[]", &[""]),
            (r#"{"rules": {}}"#, &["/rules"]),
            (r#"{"seed": -1, "more": 1}"#, &["/seed", "/more"]),
            (r#"{"rules": [1]}"#, &["/rules/0", "/rules/0/fault"]),
            (r#"{"rules": [{}]}"#, &["/rules/0/fault"]),
            (r#"{"rules": [{"fault": "melt"}]}"#, &["/rules/0/fault/kind"]),
            (r#"{"rules": [{"fault": {"kind": "latency"}}]}"#, &["/rules/0/fault/ms"]),
            (r#"{"rules": [{"fault": {"kind": "fail", "status": 200}}]}"#, &["/rules/0/fault/status"]),
            (r#"{"rules": [{"verbs": ["dance"], "fault": "stale"}]}"#, &["/rules/0/verbs/0"]),
            (r#"{"rules": [{"verbs": ["get"], "fault": "repeat-watch"}]}"#, &["/rules/0/fault"]),
            (
                r#"{"rules": [{"probability": 2, "per": "day", "names": "web", "fault": "stale"}]}"#,
                &["/rules/0/names", "/rules/0/per", "/rules/0/probability"],
            ),
        ];
        for (text, pointers) in cases {
            assert_eq!(refused(text), pointers, "{text}");
        }
        assert_eq!(refused(&format!("[{}]", " ".repeat(BYTES_MAX))), [""]);
    }
}
