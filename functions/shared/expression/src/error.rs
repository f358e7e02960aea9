//! What can be wrong with a template, and where. Never a value of the scope in a message beyond a short name.

/// Longest message: what a text says of itself is cut.
const MESSAGE_CHARS_MAX: usize = 400;

/// Where something stands: bytes of the template, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte after it.
    pub end: u32,
}

impl Span {
    /// From two byte positions.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.end) }
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Byte in the template where it starts.
    pub position: u32,
    /// First byte after what is wrong.
    pub end: u32,
    /// Stable, kebab-case; [`crate::REASONS`] lists them.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What was probably meant; the message says it too.
    pub suggestion: Option<String>,
}

impl Error {
    /// Where in the template it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { start: self.position, end: self.end }
    }

    pub(crate) fn at(span: Span, reason: &'static str, message: impl Into<String>) -> Self {
        Self { position: span.start, end: span.end, reason, message: message.into(), suggestion: None }
    }
}

/// An error and where in a document its template stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// JSON pointer.
    pub pointer: String,
    /// What is wrong there.
    pub error: Error,
}

/// A fault on its way up to the node that knows its place.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    span: Option<Span>,
    reason: &'static str,
    message: String,
    suggestion: Option<String>,
}

/// A result within the evaluator.
pub(crate) type Fallible<T> = Result<T, Fault>;

pub(crate) fn fault(reason: &'static str, message: impl Into<String>) -> Fault {
    Fault(Box::new(Inner { span: None, reason, message: message.into(), suggestion: None }))
}

impl Fault {
    /// Gives it a place, unless it has one from further in.
    pub(crate) fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    pub(crate) fn suggest(mut self, suggestion: Option<String>) -> Self {
        if let Some(near) = &suggestion {
            self.0.message.push_str(&format!("; did you mean `{near}`?"));
        }
        self.0.suggestion = suggestion;
        self
    }

    pub(crate) fn into_error(self, whole: Span) -> Error {
        let span = self.0.span.unwrap_or(whole);
        let mut message = self.0.message;
        if let Some((at, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
            message.truncate(at);
            message.push('…');
        }
        Error { position: span.start, end: span.end, reason: self.0.reason, message, suggestion: self.0.suggestion }
    }
}
