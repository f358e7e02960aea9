//! Both servers asked the same, and what differs in their answers.

use serde_json::{Map, Value, json};
use std::fmt;
use std::time::Duration;
use testkit::eventually;

use crate::mask::Mask;
use crate::side::{Answer, Call, Side};

/// Longest until both have done what they were told.
const SETTLED_MAX: Duration = Duration::from_secs(30);
/// How much of a value is shown.
const SHOWN_CHARS_MAX: usize = 300;

/// One place at which two answers are not the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// The name of the call.
    pub(crate) call: String,
    /// Where: `status`, `content-type`, `warning`, or a pointer into the body.
    pub(crate) at: String,
    pub(crate) real: Option<Value>,
    pub(crate) playground: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| {
            let text = value.as_ref().map_or("(absent)".to_owned(), ToString::to_string);
            text.chars().take(SHOWN_CHARS_MAX).collect::<String>()
        };
        write!(f, "{} | {} | real {} | playground {}", self.call, self.at, show(&self.real), show(&self.playground))
    }
}

pub(crate) struct Pair {
    pub(crate) real: Side,
    pub(crate) playground: Side,
    pub(crate) found: Vec<Difference>,
    pub(crate) calls: usize,
    /// What every answer is masked with.
    pub(crate) mask: Mask,
}

impl Pair {
    pub(crate) fn new(real: Side, playground: Side) -> Self {
        Self { real, playground, found: Vec::new(), calls: 0, mask: Mask::default() }
    }

    /// Asks both, and compares.
    pub(crate) async fn call(&mut self, name: &str, call: Call) -> [Answer; 2] {
        self.reduced(name, call, |real, playground| (real, playground)).await
    }

    /// Asks both, and compares what `reduce` leaves of the answers.
    pub(crate) async fn reduced(&mut self, name: &str, call: Call, reduce: impl Fn(Value, Value) -> (Value, Value)) -> [Answer; 2] {
        let (real, playground) = tokio::join!(self.real.ask(&call), self.playground.ask(&call));
        let bodies = reduce(self.mask.of(real.body.clone()), self.mask.of(playground.body.clone()));
        self.note(name, "status", &json!(real.status), &json!(playground.status));
        self.calls += 1;
        if real.status != playground.status {
            // One refused what the other did: nothing else can be the same.
            self.note(name, "/message", &bodies.0["message"], &bodies.1["message"]);
            return [real, playground];
        }
        self.note(name, "content-type", &json!(real.content_type), &json!(playground.content_type));
        self.note(name, "warning", &json!(real.warnings), &json!(playground.warnings));
        self.note(name, "", &bodies.0, &bodies.1);
        [real, playground]
    }

    /// As [`Pair::call`], keeping from each side's answer what `pointer` names, for later calls.
    pub(crate) async fn keep(&mut self, name: &str, call: Call, kept: &[(&str, &str)]) {
        let [real, playground] = self.call(name, call).await;
        for (variable, pointer) in kept {
            self.real.variables.insert((*variable).to_owned(), real.text(pointer));
            self.playground.variables.insert((*variable).to_owned(), playground.text(pointer));
        }
    }

    /// Asks both without comparing more than that they do it.
    pub(crate) async fn arrange(&mut self, call: Call) {
        let (real, playground) = tokio::join!(self.real.ask(&call), self.playground.ask(&call));
        assert!(real.status < 300, "{} {}: {}", call.method, call.path, real.body);
        if playground.status >= 300 {
            self.add(&format!("{} {}", call.method, call.path), "refused", None, Some(&playground.body));
        }
    }

    /// Until both answer as wanted.
    pub(crate) async fn wait(&mut self, what: &str, call: Call, wanted: impl Fn(&Answer) -> bool) {
        let (real, playground) = tokio::join!(until(&self.real, what, &call, &wanted), until(&self.playground, what, &call, &wanted));
        assert_eq!(real, None, "{what}");
        if let Some(last) = playground {
            self.add(&format!("{} {}", call.method, call.path), what, None, Some(&last));
        }
    }

    /// Compares two values, and keeps where they differ.
    pub(crate) fn note(&mut self, call: &str, at: &str, real: &Value, playground: &Value) {
        match (real, playground) {
            (Value::Object(real), Value::Object(playground)) => self.note_maps(call, at, real, playground),
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                for (index, (left, right)) in left.iter().zip(right).enumerate() {
                    self.note(call, &format!("{at}/{index}"), left, right);
                }
            }
            _ if real == playground => {}
            _ => self.add(call, at, Some(real), Some(playground)),
        }
    }

    fn note_maps(&mut self, call: &str, at: &str, real: &Map<String, Value>, playground: &Map<String, Value>) {
        for (key, value) in real {
            let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            match playground.get(key) {
                Some(other) => self.note(call, &at, value, other),
                None => self.add(call, &at, Some(value), None),
            }
        }
        for (key, value) in playground.iter().filter(|(key, _)| !real.contains_key(*key)) {
            self.add(call, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), None, Some(value));
        }
    }

    fn add(&mut self, call: &str, at: &str, real: Option<&Value>, playground: Option<&Value>) {
        let difference = Difference { call: call.to_owned(), at: at.to_owned(), real: real.cloned(), playground: playground.cloned() };
        self.found.push(difference);
    }
}

/// Nothing when it came to be; else what it was in the end.
async fn until(side: &Side, what: &str, call: &Call, wanted: impl Fn(&Answer) -> bool) -> Option<Value> {
    let last = std::cell::RefCell::new(Value::Null);
    let outcome = eventually(what, SETTLED_MAX, || async {
        let answer = side.ask(call).await;
        let done = wanted(&answer);
        last.replace(answer.body);
        Ok::<_, testkit::Error>(done.then_some(()))
    })
    .await;
    outcome.is_err().then(|| last.into_inner())
}
