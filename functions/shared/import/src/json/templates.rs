//! Texts that a program still has to fill in: what stands for something else is found and told, not understood.

use super::{Fallible, Reader};
use crate::limits::{NOTES_MAX, SHOWN_CHARS_MAX};
use serde_json::Value;

/// Longest action, in bytes.
const ACTION_BYTES_MAX: usize = 4_000;
const PAIRS: [(&str, &str); 4] = [("{{", "}}"), ("{%", "%}"), ("<%", "%>"), ("{#", "#}")];

/// Whether there is anything that could have to be filled in.
pub(super) fn possible(text: &str) -> bool {
    PAIRS.iter().any(|(open, _)| text.contains(open)) || text.contains('$')
}

impl Reader<'_> {
    pub(super) fn at_action(&self) -> bool {
        PAIRS.iter().any(|(open, _)| self.starts_with(open))
    }

    /// An action that stands by itself.
    pub(super) fn action(&mut self) -> Fallible<()> {
        let start = self.at;
        let Some((open, close)) = PAIRS.iter().find(|(open, _)| self.starts_with(open)) else { return Ok(()) };
        let rest = self.text.get(start + open.len()..).unwrap_or_default();
        let Some(end) = rest.find(close).filter(|end| *end <= ACTION_BYTES_MAX) else {
            return Err(self.flaw("action-unterminated", format!("`{open}` without its `{close}`")));
        };
        self.at = start + open.len() + end + close.len();
        self.tell(start);
        Ok(())
    }

    /// An action within a text, whose quotes do not end the text.
    pub(super) fn action_in_text(&mut self) -> Fallible<()> {
        let line = self.text.get(self.at..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
        if !line.contains("}}") {
            self.at += 2;
            return Ok(());
        }
        self.action()
    }

    /// What stands in the place of a value: an action with nothing after it, or a name of a shell.
    pub(super) fn placeholder(&mut self) -> Fallible<Option<Value>> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        let start = self.at;
        if self.at_action() {
            self.action()?;
            let text = self.text.get(start..self.at).unwrap_or_default().to_owned();
            self.blank()?;
            let ends = matches!(self.peek(), None | Some(b',' | b'}' | b']'));
            return Ok(ends.then_some(Value::String(text)));
        }
        if self.peek() != Some(b'$') {
            return Ok(None);
        }
        let rest = self.text.get(start..).unwrap_or_default();
        let length = match rest.strip_prefix("${") {
            Some(inner) => inner.find('}').map(|end| end + 3),
            None => Some(1 + rest.bytes().skip(1).take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()),
        };
        let Some(length) = length.filter(|length| (2..=ACTION_BYTES_MAX).contains(length)) else { return Ok(None) };
        self.at = start + length;
        self.tell(start);
        Ok(Some(Value::String(self.text.get(start..self.at).unwrap_or_default().to_owned())))
    }

    fn tell(&mut self, start: usize) {
        if self.actions.len() < NOTES_MAX {
            let shown: String = self.text.get(start..self.at).unwrap_or_default().chars().take(SHOWN_CHARS_MAX).collect();
            let flaw =
                self.flaw_at(start, "template-action", format!("`{shown}` still has to be filled in by the program it is written for"));
            self.actions.push(*flaw);
        }
    }
}
