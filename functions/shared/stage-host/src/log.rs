//! A step's log: bounded, and safe to show anywhere text is shown.
//!
//! Escaping for HTML is the page's; here only what could act on a terminal or forge a line is taken out.

use app::ports::{LogLevel, LogLine};
use model::component::StepLimits;

/// Most fields of a line.
const FIELDS_MAX: usize = 32;
/// Longest name of a field.
const FIELD_NAME_BYTES_MAX: usize = 128;

/// Takes lines until the limit and counts the others.
pub(crate) struct LogSink {
    lines: Vec<LogLine>,
    dropped: u32,
    lines_max: usize,
    line_bytes_max: usize,
}

impl LogSink {
    pub(crate) fn new(limits: &StepLimits) -> Self {
        let lines_max = usize::try_from(limits.log_lines_max).unwrap_or(usize::MAX);
        let line_bytes_max = usize::try_from(limits.log_line_bytes_max).unwrap_or(usize::MAX);
        Self { lines: Vec::new(), dropped: 0, lines_max, line_bytes_max }
    }

    pub(crate) fn emit(&mut self, level: LogLevel, message: &str, fields: &[(String, String)]) {
        if self.lines.len() >= self.lines_max {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let message = clean(message, self.line_bytes_max);
        let mut left = self.line_bytes_max.saturating_sub(message.len());
        let mut kept = Vec::new();
        for (name, value) in fields.iter().take(FIELDS_MAX) {
            let name = clean(name, FIELD_NAME_BYTES_MAX.min(left));
            let value = clean(value, left.saturating_sub(name.len()));
            left = left.saturating_sub(name.len() + value.len());
            if !name.is_empty() {
                kept.push((name, value));
            }
        }
        self.lines.push(LogLine { level, message, fields: kept });
    }

    /// Everything so far.
    pub(crate) fn drain(&mut self) -> (Vec<LogLine>, u32) {
        (std::mem::take(&mut self.lines), self.dropped)
    }
}

/// One line without control characters, cut at a character boundary with a mark that it was cut.
pub(crate) fn clean(text: &str, bytes_max: usize) -> String {
    cleaned(text, bytes_max, harmless)
}

/// As [`clean`], but several lines stay several lines: what a person is asked may have paragraphs.
pub(crate) fn clean_lines(text: &str, bytes_max: usize) -> String {
    cleaned(text, bytes_max, |c| if c == '\n' { Some(c) } else { harmless(c) })
}

fn cleaned(text: &str, bytes_max: usize, keep: impl Fn(char) -> Option<char>) -> String {
    const CUT: &str = "…";
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for c in text.chars() {
        let Some(c) = keep(c) else { continue };
        if line.len() + c.len_utf8() > bytes_max {
            while line.len() + CUT.len() > bytes_max && line.pop().is_some() {}
            if CUT.len() <= bytes_max {
                line.push_str(CUT);
            }
            break;
        }
        line.push(c);
    }
    line
}

/// Line breaks and tabs become blanks; other controls and what turns the direction of text around go.
fn harmless(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_taken_out_and_lines_stay_lines() {
        assert_eq!(clean("a\x1b[31mred\x07\r\nb\u{202e}c\u{9b}", 100), "a[31mred  bc");
        assert_eq!(clean("<b>bold</b> 部署", 100), "<b>bold</b> 部署");
        assert_eq!(clean_lines("a\n\nb\x1b\rc", 100), "a\n\nb c");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(clean("部署部署", 9), "部署…");
        assert_eq!(clean("abcdef", 6), "abcdef");
        assert_eq!(clean("abcdefg", 6), "abc…");
        assert_eq!(clean("abc", 2), "");
    }

    #[test]
    fn a_flood_is_counted() {
        let limits = StepLimits { log_lines_max: 2, log_line_bytes_max: 20, ..StepLimits::default() };
        let mut sink = LogSink::new(&limits);
        for _ in 0..5 {
            sink.emit(LogLevel::Info, "0123456789", &[("key".into(), "0123456789".into()), ("k".into(), "v".into())]);
        }
        let (lines, dropped) = sink.drain();
        assert_eq!((lines.len(), dropped), (2, 3));
        assert_eq!(lines[0].fields, [("key".to_owned(), "0123…".to_owned())]);
    }
}
