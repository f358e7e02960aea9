//! What an evaluation is given: the names it may see, and the few things it may ask for. By default it may ask for nothing.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// What a template may see: root names to values.
pub trait Scope {
    /// The value of a root name.
    fn root(&self, name: &str) -> Option<Value>;
    /// All root names, for suggestions and `#root`.
    fn names(&self) -> Vec<String>;
    /// The same as `root` for a scope that has the value at hand: nothing is copied then.
    fn look(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.root(name).map(Cow::Owned)
    }
}

impl Scope for Map<String, Value> {
    fn root(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn look(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.get(name).map(Cow::Borrowed)
    }
}

/// Why the host does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has no such function, or this one is switched off.
    Off,
    /// It tried and failed, for people.
    Failed(String),
}

/// What an evaluation asks of whoever runs it. Everything is refused unless it is answered here, and what is answered is all that
/// makes two evaluations of the same template differ.
pub trait Host {
    /// Milliseconds since 1970: the one moment at which all of the evaluation happens.
    fn now_ms(&self) -> Option<i64> {
        None
    }

    /// Random bits; each call gives others.
    fn random(&self) -> Option<u128> {
        None
    }

    /// The name, id or reference of the stage that is evaluated, for `#currentStage()`.
    fn current_stage(&self) -> Option<String> {
        None
    }

    /// The text behind a URL, for `#fromUrl` and its kin.
    fn fetch(&self, url: &str) -> Result<String, Refusal> {
        let _ = url;
        Err(Refusal::Off)
    }

    /// The documents of a YAML text.
    fn yaml(&self, text: &str) -> Result<Vec<Value>, Refusal> {
        let _ = text;
        Err(Refusal::Off)
    }

    /// Functions that need more than the scope (`#pipelineId` and others), and functions that the host adds.
    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, Refusal> {
        let _ = (function, arguments);
        Err(Refusal::Off)
    }

    /// Names of the functions that it adds to the built-in ones.
    fn functions(&self) -> &[&str] {
        &[]
    }
}

/// A host that answers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Host for Nothing {}
