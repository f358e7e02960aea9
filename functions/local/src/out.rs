//! Standard output: lines for people or JSON for programs, and nothing that could steer a terminal.

use crate::failure::Failure;
use serde_json::Value;
use std::io::{ErrorKind, Write};

/// Where a command prints.
pub(crate) struct Out {
    sink: Box<dyn Write + Send>,
    json: bool,
    margin: usize,
}

impl Out {
    /// Standard output.
    pub(crate) fn stdout(json: bool) -> Self {
        Self { sink: Box::new(std::io::stdout()), json, margin: 0 }
    }

    /// Into something else, to be looked at.
    #[cfg(test)]
    pub(crate) fn into(sink: Box<dyn Write + Send>, json: bool) -> Self {
        Self { sink, json, margin: 0 }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Moves lines for people to the right from now on.
    pub(crate) fn set_margin(&mut self, columns: usize) {
        self.margin = columns;
    }

    /// Lines for people, whatever was asked for.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        let margin = " ".repeat(self.margin);
        let lines = plain(text).split('\n').map(|line| format!("{margin}{line}").trim_end().to_owned() + "\n").collect::<String>();
        self.write(&lines)
    }

    /// One value: as JSON, or as `view` shows it.
    pub(crate) fn show(&mut self, value: &Value, view: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        if self.json {
            return self.write(&format!("{value:#}\n"));
        }
        let text = view(value);
        self.line(text.trim_end())
    }

    /// One event: a line of JSON, or a line of text.
    pub(crate) fn event(&mut self, value: &Value, text: &str) -> Result<(), Failure> {
        if self.json { self.write(&format!("{value}\n")) } else { self.line(text) }
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.sink.write_all(text.as_bytes()).and_then(|()| self.sink.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::File { path: "standard output".to_owned(), message: error.to_string() },
        })
    }
}

/// Says something on standard error, which nobody parses.
pub(crate) fn note(text: &str) {
    // There is nobody to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{}", plain(text));
}

/// Without control characters: what others wrote must not steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Rows under headings, each column as wide as its widest cell.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(headings.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\r"), "a\u{fffd}[2Jb\nc\u{fffd}");
    }

    #[test]
    fn columns_stand_under_their_headings() {
        let text = table(&["NAME", "STATE"], &[vec!["prod".into(), "ready".into()], vec!["a-long-name".into(), String::new()]]);
        assert_eq!(text, "NAME         STATE\nprod         ready\na-long-name");
    }
}
