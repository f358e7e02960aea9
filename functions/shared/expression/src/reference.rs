//! What there is, as rows: the reference page is made of them, and every example is a test.

use crate::functions;
use crate::methods::{CONSTRUCTORS, Method, STATICS, TABLES, signature};
use crate::types;

/// A function, method, constructor or static method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it belongs to: `functions`, or what its methods are called on.
    pub of: String,
    /// How it is called, with what it takes.
    pub call: String,
    /// What it does.
    pub doc: &'static str,
    /// An expression.
    pub example: &'static str,
    /// The expression's value, as JSON.
    pub value: &'static str,
}

fn made(of: String, call: String, doc: &'static str, example: &'static str) -> Row {
    let (example, value) = example.split_once(" → ").unwrap_or((example, ""));
    Row { of, call, doc, example, value }
}

/// All rows, in the order of the page.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for function in functions::all() {
        let call = format!("#{}{}", function.name, signature(function.takes));
        rows.push(made("functions".to_owned(), call, function.doc, function.example));
    }
    let mut all = |of: &str, before: &str, methods: &[Method]| {
        for method in methods {
            rows.push(made(of.to_owned(), format!("{before}{}{}", method.name, signature(method.takes)), method.doc, method.example));
        }
    };
    for (title, tables) in TABLES {
        for methods in *tables {
            all(title, ".", methods);
        }
    }
    for (of, methods) in STATICS {
        let name = types::name(*of);
        all(name, &format!("T({name})."), methods);
    }
    for (of, methods) in CONSTRUCTORS {
        let name = types::name(*of);
        all(name, &format!("new {name}"), methods);
    }
    rows
}

/// Every reason an error may have, with what it means.
pub const REASONS: &[(&str, &str)] = &[
    ("ambiguous", "several methods of one name fit the arguments equally"),
    ("bad-base64", "a text is not base64"),
    ("bad-format", "a format of `String.format` is not valid"),
    ("bad-json", "a text is not JSON"),
    ("bad-pattern", "a date pattern is not valid"),
    ("bad-regex", "a regular expression is not valid"),
    ("bad-replacement", "the replacement of a regular expression is not valid"),
    ("bad-yaml", "a text is not one YAML document"),
    ("division-by-zero", "a whole number is divided by zero"),
    ("function-failed", "a function of the host failed"),
    ("function-off", "a function of the host is not available here"),
    ("half-character", "half of a character, which has no text"),
    ("index-out-of-range", "a list or text has no such position"),
    ("no-conversion", "a value is not of the type that is needed, and does not become one"),
    ("no-hash", "a value has no hash code that stays the same"),
    ("no-judgment", "nothing was chosen in a manual judgment"),
    ("no-text", "a value has no text"),
    ("not-a-condition", "a condition is neither true nor false"),
    ("not-a-date", "a text or numbers are no date"),
    ("not-a-list", "an element is asked of something that is no list"),
    ("not-a-number", "a text is no number"),
    ("not-a-uuid", "a text is no UUID"),
    ("not-an-object", "a key is asked of something that has none"),
    ("not-an-operand", "an operator does not work on such a value"),
    ("not-comparable", "two values have no order"),
    ("null", "something is asked of null"),
    ("number-too-large", "a number does not fit its type"),
    ("refused-array", "arrays are refused"),
    ("refused-assignment", "assignments are refused"),
    ("refused-bean", "bean references are refused"),
    ("refused-between", "`between` is refused"),
    ("refused-chance", "there is nothing random here"),
    ("refused-change", "methods that change a value are refused"),
    ("refused-clock", "there is no clock here"),
    ("refused-constructor", "a type has no constructor here"),
    ("refused-format", "a conversion of `String.format` is refused"),
    ("refused-increment", "`++` and `--` are refused"),
    ("refused-instanceof", "`instanceof` is refused"),
    ("refused-nesting", "`${` within an expression is refused"),
    ("refused-reflection", "looking at types and behind values is refused"),
    ("refused-regex", "a construct of regular expressions that takes more than linear time is refused"),
    ("refused-result", "a value that cannot be in a document"),
    ("refused-type", "a type that is not in the list"),
    ("syntax", "the text is no expression"),
    ("too-deep", "a text or a value is nested too deep"),
    ("too-large", "a value or a pattern is too large"),
    ("too-long", "a text is too long"),
    ("too-many-steps", "an evaluation takes too many steps"),
    ("too-much-regex", "a text is too long for a regular expression"),
    ("unknown-artifact", "the trigger has no such artifact"),
    ("unknown-function", "there is no such function"),
    ("unknown-key", "an object has no such key"),
    ("unknown-method", "a value has no such method"),
    ("unknown-name", "nothing has this name"),
    ("unknown-stage", "there is no such stage"),
    ("unknown-variable", "there is no such variable"),
    ("unterminated", "`${` without its `}`"),
    ("wrong-arguments", "a call has arguments that do not fit"),
];
