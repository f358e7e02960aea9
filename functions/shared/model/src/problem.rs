//! What is wrong with a document, and where: one list for everything found in one pass.

use serde::{Deserialize, Serialize};

/// Most problems that one pass reports; more are counted, not listed.
pub const PROBLEMS_MAX: usize = 200;

/// One thing wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// JSON pointer to the place (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// Stable, kebab-case.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// A warning does not refuse the document.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
}

/// Collects problems while a document is read.
#[derive(Debug, Default, Clone)]
pub struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Adds an error.
    pub fn error(&mut self, pointer: impl Into<String>, code: &str, message: impl Into<String>) {
        self.add(Problem { pointer: pointer.into(), code: code.to_owned(), message: message.into(), warning: false });
    }

    /// Adds a warning.
    pub fn warning(&mut self, pointer: impl Into<String>, code: &str, message: impl Into<String>) {
        self.add(Problem { pointer: pointer.into(), code: code.to_owned(), message: message.into(), warning: true });
    }

    fn add(&mut self, problem: Problem) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// True when something refuses the document.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.more > 0 || self.list.iter().any(|p| !p.warning)
    }

    /// Everything found, in the order of the document.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Problem> {
        if self.more > 0 {
            let message = format!("{} more problems are not listed", self.more);
            self.list.push(Problem { pointer: String::new(), code: "too-many-problems".to_owned(), message, warning: false });
        }
        self.list
    }
}

/// One reference token of a JSON pointer, escaped (RFC 6901 §3).
#[must_use]
pub fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape() {
        assert_eq!(token("a/b~c"), "a~1b~0c");
    }

    #[test]
    fn a_flood_is_counted() {
        let mut problems = Problems::default();
        for _ in 0..PROBLEMS_MAX + 3 {
            problems.error("/x", "bad", "bad");
        }
        let list = problems.into_vec();
        assert_eq!(list.len(), PROBLEMS_MAX + 1);
        assert!(list.last().unwrap().message.starts_with("3 more"));
    }

    #[test]
    fn warnings_do_not_refuse() {
        let mut problems = Problems::default();
        problems.warning("", "odd", "odd");
        assert!(!problems.has_errors());
        problems.error("", "bad", "bad");
        assert!(problems.has_errors());
    }
}
