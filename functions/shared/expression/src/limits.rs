//! The bounds of every evaluation, and the meter that keeps them. Nothing here waits or reads a clock.

use crate::error::{Fallible, fault};
use std::cell::Cell;

/// Longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 100_000;
/// Longest expression between `${` and `}`, in characters.
pub const EXPRESSION_CHARS_MAX: usize = 10_000;
/// Most expressions of one template.
pub const EXPRESSIONS_MAX: usize = 1_000;
/// Deepest document that is resolved, and deepest value a result may have.
pub const DEPTH_MAX: usize = 128;
/// Deepest nesting of an expression's parts.
pub const NESTING_MAX: usize = 64;
/// Most steps one template takes: nodes, elements and calls.
pub const STEPS_MAX: u32 = 50_000;
/// Most bytes that one evaluation builds, all intermediate texts together, and largest result.
pub const RESULT_BYTES_MAX: usize = 2_000_000;
/// Longest text that `+` builds, in characters.
pub const CONCATENATED_CHARS_MAX: usize = 100_000;
/// Longest text that `text * number` builds, in characters.
pub const REPEATED_CHARS_MAX: usize = 256;
/// Longest regular expression, in characters.
pub const REGEX_CHARS_MAX: usize = 1_000;
/// Largest compiled regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 100_000;
/// Most work of all regular expressions of one evaluation: bytes of text times characters of pattern.
pub const REGEX_WORK_MAX: usize = 1_000_000;

/// What is left of the bounds.
#[derive(Debug)]
pub(crate) struct Meter {
    steps: Cell<u32>,
    bytes: Cell<usize>,
    regex: Cell<usize>,
}

impl Default for Meter {
    fn default() -> Self {
        Self { steps: Cell::new(STEPS_MAX), bytes: Cell::new(RESULT_BYTES_MAX), regex: Cell::new(REGEX_WORK_MAX) }
    }
}

impl Meter {
    pub(crate) fn step(&self) -> Fallible<()> {
        self.steps(1)
    }

    pub(crate) fn steps(&self, count: usize) -> Fallible<()> {
        let left = u32::try_from(count).ok().and_then(|count| self.steps.get().checked_sub(count));
        let left = left.ok_or_else(|| fault("too-many-steps", format!("an evaluation takes at most {STEPS_MAX} steps")))?;
        self.steps.set(left);
        Ok(())
    }

    /// Bytes that are built, or read through from end to end.
    pub(crate) fn bytes(&self, count: usize) -> Fallible<()> {
        let left = self.bytes.get().checked_sub(count);
        let left = left.ok_or_else(|| fault("too-large", format!("an evaluation builds at most {RESULT_BYTES_MAX} bytes")))?;
        self.bytes.set(left);
        Ok(())
    }

    pub(crate) fn regex(&self, text: usize, pattern: usize) -> Fallible<()> {
        let left = text.checked_mul(pattern.max(1)).and_then(|work| self.regex.get().checked_sub(work));
        let left = left.ok_or_else(|| fault("too-much-regex", "the text is too long for this regular expression"))?;
        self.regex.set(left);
        Ok(())
    }
}
