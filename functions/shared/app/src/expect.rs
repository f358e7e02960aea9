//! What a caller expects of a thing's version before it is changed. HTTP says it with `If-Match` and `If-None-Match`.

use crate::error::AppError;

/// The code of a change that came without saying which version it is based on.
pub const IF_MATCH_REQUIRED: &str = "if-match-required";
/// The code of a change that is based on another version than the one there is.
pub const VERSION_DIFFERS: &str = "version-differs";

/// What the caller knows of the thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The caller says nothing: fine for making a thing, refused for changing one.
    Nothing,
    /// It must not exist.
    Absent,
    /// It must exist, in whatever version.
    Present,
    /// It must have one of these versions; a list that is empty fits nothing.
    Versions(Vec<u64>),
}

impl Expect {
    /// Checks the expectation of a caller that replaces the thing or makes it.
    pub fn check(&self, what: &str, current: Option<u64>) -> Result<(), AppError> {
        match (self, current) {
            (Self::Nothing, Some(_)) => Err(AppError::refused(
                IF_MATCH_REQUIRED,
                format!("this {what} exists: say with If-Match which version the change is based on"),
            )),
            _ => self.check_if_given(what, current),
        }
    }

    /// Checks the expectation of a caller that may leave it out, as for removing.
    pub fn check_if_given(&self, what: &str, current: Option<u64>) -> Result<(), AppError> {
        let fits = match (self, current) {
            (Self::Nothing, _) | (Self::Absent, None) | (Self::Present, Some(_)) => true,
            (Self::Versions(list), Some(current)) => list.contains(&current),
            (Self::Absent, Some(_)) | (Self::Present | Self::Versions(_), None) => false,
        };
        if fits { Ok(()) } else { Err(differs(what, current)) }
    }
}

/// The refusal of a change that is based on another version.
#[must_use]
pub fn differs(what: &str, current: Option<u64>) -> AppError {
    let message = match current {
        Some(current) => format!("this {what} has version {current} now: read it again"),
        None => format!("there is no such {what}"),
    };
    AppError::Conflict { code: VERSION_DIFFERS, message, data: serde_json::json!({ "version": current }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<(), AppError>) -> String {
        match result {
            Ok(()) => "ok".to_owned(),
            Err(AppError::Conflict { code, .. }) => code.to_owned(),
            Err(AppError::Refused { code, .. }) => code,
            Err(other) => other.to_string(),
        }
    }

    #[test]
    fn a_change_says_what_it_is_based_on() {
        assert_eq!(code(Expect::Nothing.check("x", Some(3))), IF_MATCH_REQUIRED);
        assert_eq!(code(Expect::Nothing.check("x", None)), "ok");
        assert_eq!(code(Expect::Absent.check("x", None)), "ok");
        assert_eq!(code(Expect::Absent.check("x", Some(3))), VERSION_DIFFERS);
        assert_eq!(code(Expect::Present.check("x", None)), VERSION_DIFFERS);
        assert_eq!(code(Expect::Versions(vec![2, 3]).check("x", Some(3))), "ok");
        assert_eq!(code(Expect::Versions(vec![2]).check("x", Some(3))), VERSION_DIFFERS);
        assert_eq!(code(Expect::Versions(vec![]).check("x", Some(3))), VERSION_DIFFERS);
        assert_eq!(code(Expect::Nothing.check_if_given("x", Some(3))), "ok");
    }
}
