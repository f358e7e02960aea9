//! What is wrong with a file, and where: a line and column of its text, a pointer into its document, or both.

use serde::Serialize;

/// A place in a text, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Place {
    /// The place of a byte.
    #[must_use]
    pub fn of(text: &str, byte: usize) -> Self {
        let mut end = byte.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = text.get(..end).unwrap_or_default();
        let line = before.bytes().filter(|b| *b == b'\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
        Self { line, column }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One thing that is wrong, or remarkable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// JSON pointer into the pipeline, or into the file's document where there is no pipeline; empty for the whole.
    pub pointer: String,
    /// Where in the file's text, where that is known.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Stable, kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Flaw {
    /// Something about a place in a document.
    #[must_use]
    pub fn at(pointer: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), place: None, code: code.to_owned(), message: message.into() }
    }

    /// Something about a place in a text.
    #[must_use]
    pub fn in_text(place: Place, pointer: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::at(pointer, code, message) }
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.place, self.pointer.is_empty()) {
            (Some(place), _) => write!(f, "{place}: ")?,
            (None, false) => write!(f, "{}: ", self.pointer)?,
            (None, true) => {}
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl From<model::problem::Problem> for Flaw {
    fn from(problem: model::problem::Problem) -> Self {
        Self { pointer: problem.pointer, place: None, code: problem.code, message: problem.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        assert_eq!(Place::of("ab", 1), Place { line: 1, column: 2 });
        assert_eq!(Place::of("a\r\n字x", 6), Place { line: 2, column: 2 });
        assert_eq!(Place::of("字", 1), Place { line: 1, column: 1 }, "within a character");
        assert_eq!(Place::of("a", 99), Place { line: 1, column: 2 });
    }
}
