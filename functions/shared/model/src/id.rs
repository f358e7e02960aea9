//! Ids as newtypes, so that one kind is never passed where another is meant.
//!
//! An id that people choose is checked when it is parsed; an id that the server makes is a ULID given from outside.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a valid name or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {message}")]
pub struct InvalidId {
    /// Which kind of id was meant, in words.
    pub what: &'static str,
    /// What is wrong with the text, in words.
    pub message: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses a text; fails when it breaks the rules for this kind of id.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                $check(&text).map_err(|message| InvalidId { what: $what, message })?;
                Ok(Self(text))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Longest name or id that is accepted, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// Longest display name (pipelines, stages), in bytes.
pub const TITLE_BYTES_MAX: usize = 255;

fn made(text: &str) -> Result<(), String> {
    let fine =
        !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fine { Ok(()) } else { Err("must be 1 to 63 letters, digits, dashes or underscores".to_owned()) }
}

fn application(text: &str) -> Result<(), String> {
    let head = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let fine = head && text.len() <= NAME_BYTES_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fine { Ok(()) } else { Err("must start with a letter and hold at most 63 letters, digits and dashes".to_owned()) }
}

fn name(text: &str) -> Result<(), String> {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let fine = edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.len() <= NAME_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fine {
        Ok(())
    } else {
        Err("must be at most 63 letters, digits, dashes, dots or underscores, with a letter or digit at both ends".to_owned())
    }
}

fn reference(text: &str) -> Result<(), String> {
    let fine = !text.is_empty() && text.len() <= TITLE_BYTES_MAX && !text.chars().any(char::is_control);
    if fine { Ok(()) } else { Err("must be 1 to 255 bytes without control characters".to_owned()) }
}

id!(
    /// One execution of a pipeline; a ULID, so that ids sort by time.
    ExecutionId, "execution id", made
);
id!(
    /// One event from outside; from the caller's `Idempotency-Key` or a ULID.
    EventId, "event id", made
);
id!(
    /// A pipeline, stable over renames.
    PipelineId, "pipeline id", made
);
id!(
    /// One trigger of a pipeline.
    TriggerId, "trigger id", made
);
id!(
    /// An application, compared ignoring case: see [`AppName::key`].
    AppName, "application name", application
);
id!(
    /// A project, to which applications are bound.
    ProjectName, "project name", name
);
id!(
    /// A cloud account or a registry account.
    AccountName, "account name", name
);
id!(
    /// A stage within a pipeline: Spinnaker's `refId`.
    RefId, "refId", reference
);

impl AppName {
    /// The form under which the application is stored and compared.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(AppName::parse("flaskapp").is_ok());
        assert!(AppName::parse("1app").is_err());
        assert!(AppName::parse("a/b").is_err());
        assert!(AppName::parse("a".repeat(64)).is_err());
        assert!(ProjectName::parse("cd-demo").is_ok());
        assert!(ProjectName::parse("-x").is_err());
        assert!(AccountName::parse("").is_err());
        assert!(RefId::parse("1<0").is_ok());
        assert!(RefId::parse("a\nb").is_err());
        assert!(ExecutionId::parse("EXEC#1").is_err(), "separators of store keys never get into an id");
    }

    #[test]
    fn a_bad_name_is_refused_in_json_too() {
        assert!(serde_json::from_str::<AppName>("\"a b\"").is_err());
    }
}
