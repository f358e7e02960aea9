//! JSON as people write it: comments and trailing commas are read and remarked on, keys that stand twice are told with both
//! places, numbers keep their spelling, and what is wrong has a line, a column and a pointer.
//!
//! Two readings: the plain one, and one for texts that a program still has to fill in (`{{ … }}`, `$NAME`), which only serves to
//! say what is there. Bounded in depth and in remarks; never a panic.

mod strings;
mod templates;

use crate::flaw::{Flaw, Place};
use crate::limits::{DEPTH_MAX, NOTES_MAX};
use model::exact::Spellings;
use model::problem::token;
use serde_json::{Map, Number, Value};

/// A document and what was remarked on while it was read. Its `Debug` leaves the document out: that may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// The document.
    pub value: Value,
    /// How its numbers are written, where that matters.
    pub spellings: Spellings,
    /// Keys that stand twice with different values.
    pub errors: Vec<Flaw>,
    /// Comments, trailing commas, keys that stand twice with the same value.
    pub warnings: Vec<Flaw>,
    /// Parts that a program still has to fill in.
    pub actions: Vec<Flaw>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("errors", &self.errors).field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

/// Reads a text. Where it only makes sense as a text that still has to be filled in, the parts to fill in are its `actions`.
pub fn read(text: &str) -> Result<Document, Box<Flaw>> {
    let plain = Reader::new(text, false).document();
    match plain {
        Err(flaw) if templates::possible(text) && flaw.code != "too-deep" => match Reader::new(text, true).document() {
            Ok(document) if !document.actions.is_empty() => Ok(document),
            _ => Err(flaw),
        },
        other => other,
    }
}

enum Step {
    Key(String),
    Index(usize),
}

type Fallible<T> = Result<T, Box<Flaw>>;

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    templates: bool,
    path: Vec<Step>,
    spellings: Spellings,
    errors: Vec<Flaw>,
    warnings: Vec<Flaw>,
    actions: Vec<Flaw>,
    remarked: bool,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, templates: bool) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            templates,
            path: Vec::new(),
            spellings: Spellings::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            actions: Vec::new(),
            remarked: false,
        }
    }

    fn document(mut self) -> Fallible<Document> {
        self.blank()?;
        let value = self.value()?;
        self.blank()?;
        if self.at < self.bytes.len() {
            return Err(self.flaw("more-after-the-end", "the document has ended, and something follows"));
        }
        Ok(Document { value, spellings: self.spellings, errors: self.errors, warnings: self.warnings, actions: self.actions })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts_with(&self, what: &str) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    fn flaw(&self, code: &str, message: impl Into<String>) -> Box<Flaw> {
        self.flaw_at(self.at, code, message)
    }

    fn flaw_at(&self, byte: usize, code: &str, message: impl Into<String>) -> Box<Flaw> {
        Box::new(Flaw::in_text(Place::of(self.text, byte), self.pointer(), code, message))
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&token(key)),
                Step::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }

    fn warn(&mut self, byte: usize, code: &str, message: &str) {
        // Comments come in hundreds: the first of a kind is told.
        if self.warnings.len() < NOTES_MAX && !self.warnings.iter().any(|flaw| flaw.code == code) {
            let flaw = self.flaw_at(byte, code, message);
            self.warnings.push(*flaw);
        }
    }

    /// White space and comments; in a text to fill in, also what stands between values.
    fn blank(&mut self) -> Fallible<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'#') => self.comment("\n")?,
                Some(b'/') if self.starts_with("//") => self.comment("\n")?,
                Some(b'/') if self.starts_with("/*") => self.comment("*/")?,
                Some(b'{' | b'<') if self.templates && self.at_action() => self.action()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self, end: &str) -> Fallible<()> {
        let start = self.at;
        let rest = self.text.get(start + 1..).unwrap_or_default();
        match rest.find(end) {
            Some(found) => self.at = start + 1 + found + end.len(),
            None if end == "\n" => self.at = self.bytes.len(),
            None => return Err(self.flaw("comment-unterminated", "the comment has no end")),
        }
        if !self.remarked {
            self.remarked = true;
            self.warn(start, "comment", "JSON has no comments; they are left out");
        }
        Ok(())
    }

    fn value(&mut self) -> Fallible<Value> {
        if self.path.len() > DEPTH_MAX {
            return Err(self.flaw("too-deep", format!("nested deeper than {DEPTH_MAX}")));
        }
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            None => Err(self.flaw("ends-too-early", "the text ends where a value is expected")),
            Some(_) => Err(self.flaw("syntax", format!("here stands {}, where a value is expected", self.shown()))),
        }
    }

    fn shown(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) if c.is_control() => format!("the character U+{:04X}", u32::from(c)),
            Some(c) => format!("`{c}`"),
            None => "nothing".to_owned(),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Fallible<Value> {
        let end = self.at + word.len();
        let ends = self.bytes.get(end).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
        if self.starts_with(word) && ends {
            self.at = end;
            return Ok(value);
        }
        Err(self.flaw("syntax", format!("here stands a word that is not `{word}`")))
    }

    fn array(&mut self) -> Fallible<Value> {
        let open = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.path.push(Step::Index(items.len()));
            self.blank()?;
            match self.peek() {
                Some(b']') => {
                    self.at += 1;
                    self.path.pop();
                    return Ok(Value::Array(items));
                }
                Some(b',') if self.templates => {
                    self.at += 1;
                    self.path.pop();
                    continue;
                }
                None => return Err(self.unclosed(open, "list")),
                Some(_) => items.push(self.value()?),
            }
            self.path.pop();
            self.separator(b']', open, "list")?;
        }
    }

    fn object(&mut self) -> Fallible<Value> {
        let open = self.at;
        self.at += 1;
        let mut map = Map::new();
        let mut places: Vec<usize> = Vec::new();
        loop {
            self.blank()?;
            match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(map));
                }
                Some(b'"') => {}
                Some(b',') if self.templates => {
                    self.at += 1;
                    continue;
                }
                None => return Err(self.unclosed(open, "object")),
                Some(_) => return Err(self.flaw("syntax", format!("here stands {}, where a key in quotes is expected", self.shown()))),
            }
            let start = self.at;
            let key = self.string()?;
            self.blank()?;
            if self.peek() != Some(b':') {
                return Err(self.flaw("syntax", format!("here stands {}, where the colon after a key is expected", self.shown())));
            }
            self.at += 1;
            self.path.push(Step::Key(key));
            let value = self.member()?;
            if let Some(Step::Key(key)) = self.path.last() {
                let key = key.clone();
                match map.get(&key) {
                    Some(old) => {
                        let same = *old == value;
                        let first = map.keys().position(|k| *k == key).and_then(|at| places.get(at).copied()).unwrap_or(open);
                        self.twice(&key, first, start, same);
                    }
                    None => places.push(start),
                }
                map.insert(key, value);
            }
            self.path.pop();
            self.separator(b'}', open, "object")?;
        }
    }

    fn member(&mut self) -> Fallible<Value> {
        if self.templates
            && let Some(value) = self.placeholder()?
        {
            return Ok(value);
        }
        self.blank()?;
        self.value()
    }

    fn twice(&mut self, key: &str, first: usize, again: usize, same: bool) {
        let list = if same { &self.warnings } else { &self.errors };
        if list.len() >= NOTES_MAX {
            return;
        }
        let key: String = key.chars().take(80).collect();
        let (first, again) = (Place::of(self.text, first), Place::of(self.text, again));
        let what = if same { "with the same value" } else { "with another value" };
        let message = format!("the key `{key}` stands twice, {what}: at {first}, and again at {again}");
        let flaw = Flaw::in_text(again, self.pointer(), "duplicate-key", message);
        if same { self.warnings.push(flaw) } else { self.errors.push(flaw) }
    }

    fn separator(&mut self, close: u8, open: usize, what: &str) -> Fallible<()> {
        self.blank()?;
        match self.peek() {
            Some(b',') => {
                let comma = self.at;
                self.at += 1;
                self.blank()?;
                if self.peek() == Some(close) && !self.templates {
                    self.warn(comma, "trailing-comma", "JSON has no comma before a closing bracket; it is left out");
                }
                Ok(())
            }
            Some(byte) if byte == close || self.templates => Ok(()),
            Some(_) => {
                let message = format!("here stands {}, where a comma or the end of the {what} is expected", self.shown());
                Err(self.flaw("syntax", message))
            }
            None => Err(self.unclosed(open, what)),
        }
    }

    fn unclosed(&self, open: usize, what: &str) -> Box<Flaw> {
        let message = format!("the text ends within the {what} that begins at {}", Place::of(self.text, open));
        self.flaw("ends-too-early", message)
    }

    fn number(&mut self) -> Fallible<Value> {
        let start = self.at;
        let mut at = start;
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = self.bytes.get(at) {
            at += 1;
        }
        let literal = self.text.get(start..at).unwrap_or_default();
        let number: Number = serde_json::from_str(literal).map_err(|error| {
            let shown: String = literal.chars().take(40).collect();
            let large = error.to_string().contains("out of range");
            let (code, what) = if large { ("number-too-large", "is too large") } else { ("syntax", "is no number") };
            self.flaw_at(start, code, format!("`{shown}` {what}"))
        })?;
        self.at = at;
        if number.to_string() != literal {
            self.spellings.remember(self.pointer(), literal);
        }
        Ok(Value::Number(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn refused(text: &str, line: u64, column: u64, pointer: &str, code: &str) {
        let flaw = read(text).unwrap_err();
        let place = flaw.place.unwrap();
        assert_eq!((place.line, place.column, flaw.pointer.as_str(), flaw.code.as_str()), (line, column, pointer, code), "{flaw}");
    }

    #[test]
    fn plain_json_is_read_as_it_is() {
        let text = r#"{"a": [1, -2.5, 1e2, true, false, null, "x\n\u00e9\ud83d\ude00/\/"], "b": {}}"#;
        let document = read(text).unwrap();
        assert_eq!(document.value, serde_json::from_str::<Value>(text).unwrap());
        assert!(document.errors.is_empty() && document.warnings.is_empty() && document.actions.is_empty());
        assert_eq!(document.spellings.iter().collect::<Vec<_>>(), [("/a/2", "1e2")]);
    }

    #[test]
    fn comments_and_trailing_commas_are_remarked_on() {
        let document = read("# head\n{\n  // one\n  \"a\": [1, 2,], /* two */ \"b\": 3,\n}\n# tail").unwrap();
        assert_eq!(document.value, json!({"a": [1, 2], "b": 3}));
        let codes: Vec<_> = document.warnings.iter().map(|w| w.code.as_str()).collect();
        assert_eq!(codes, ["comment", "trailing-comma"]);
    }

    #[test]
    fn keys_that_stand_twice_are_told_with_both_places() {
        let document = read("{\"a\": {\n \"x\": 1,\n \"x\": 2,\n \"y\": 1, \"y\": 1}}").unwrap();
        let error = &document.errors[0];
        assert_eq!((error.pointer.as_str(), error.place), ("/a/x", Some(Place { line: 3, column: 2 })));
        assert!(error.message.contains("line 2, column 2") && error.message.contains("line 3, column 2"), "{error}");
        assert_eq!(document.warnings[0].pointer, "/a/y");
        assert_eq!(document.value["a"]["x"], 2, "the last one counts, as elsewhere");
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        refused("", 1, 1, "", "ends-too-early");
        refused("{\"a\": [1,\n 2", 2, 3, "/a", "ends-too-early");
        refused("{\"a\" 1}", 1, 6, "", "syntax");
        refused("{a: 1}", 1, 2, "", "syntax");
        refused("{\"a\": nul}", 1, 7, "/a", "syntax");
        refused("{\"a\": tru", 1, 7, "/a", "syntax");
        refused("{\"a\": 01}", 1, 7, "/a", "syntax");
        refused("{\"a\": 1e999}", 1, 7, "/a", "number-too-large");
        refused("{\"a\": [1 2]}", 1, 10, "/a", "syntax");
        refused("{} {}", 1, 4, "", "more-after-the-end");
        refused("[\"\\ud800\"]", 1, 3, "/0", "escape-invalid");
        refused("[\"\\x\"]", 1, 3, "/0", "escape-invalid");
        refused("[\"a\nb\"]", 1, 4, "/0", "control-character");
        refused("[\"a", 1, 2, "/0", "text-unterminated");
        refused("/* a", 1, 1, "", "comment-unterminated");
        refused("[NaN]", 1, 2, "/0", "syntax");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        for text in [nested(10_000), "{\"a\":".repeat(10_000), "[".repeat(1_000_000)] {
            assert_eq!(read(&text).unwrap_err().code, "too-deep");
        }
    }

    #[test]
    fn what_a_program_still_has_to_fill_in_is_told() {
        let document = read(
            "{\"application\": \"{{ var \"app\" }}\", \"stages\": [\n {{ module \"wait\" }},\n {\"n\": {{ var 1 }}, \"m\": $COUNT}\n]}",
        );
        let document = document.unwrap();
        let places: Vec<_> = document.actions.iter().map(|a| (a.place.unwrap().line, a.pointer.as_str())).collect();
        assert_eq!(places, [(1, "/application"), (2, "/stages/0"), (3, "/stages/0/n"), (3, "/stages/0/m")]);
        assert!(read("{\"a\": \"{{ x }}\"}").unwrap().actions.is_empty(), "in a text it may be meant");
    }
}
