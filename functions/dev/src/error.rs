//! What goes wrong here ends on a person's terminal, so an error is a sentence.

use std::fmt;
use std::path::Path;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A sentence for whoever called `cargo dev`.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For `map_err`: an input or output error, with what it was about.
    pub(crate) fn at(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().display().to_string();
        move |error| Self(format!("{path}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self(format!("{error}\n\n{}", crate::arguments::USAGE))
    }
}
