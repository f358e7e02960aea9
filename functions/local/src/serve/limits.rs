//! The limits of an installation, as its administrator wrote them into a file. What the file does not say keeps its default.

use crate::failure::Failure;
use crate::files;
use app::error::AppError;
use app::limits::Limits;
use serde_json::Value;
use std::path::Path;

/// The limits in this file; the defaults without one.
pub(crate) fn read(path: Option<&Path>) -> Result<Limits, Failure> {
    let Some(path) = path else { return Ok(Limits::default()) };
    let text = files::text(path)?;
    parse(&text).map_err(|wrong| Failure::Usage(format!("{} cannot be used as limits: {wrong}", path.display())))
}

fn parse(text: &str) -> Result<Limits, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let limits: Limits = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = error.path().to_string();
        if place == "." { error.inner().to_string() } else { format!("/{}: {}", place.replace('.', "/"), error.inner()) }
    })?;
    deserializer.end().map_err(|error| error.to_string())?;
    let given = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(Limits::default()).map_err(|error| error.to_string())?;
    if let Some(strange) = strange(&given, &known, "") {
        return Err(strange);
    }
    match limits.check() {
        Ok(()) => Ok(limits),
        Err(AppError::Invalid(problems)) => {
            Err(problems.iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect::<Vec<_>>().join("; "))
        }
        Err(other) => Err(other.to_string()),
    }
}

/// The first thing in the file that says nothing: a name that no limit has, a list where names are wanted.
fn strange(given: &Value, known: &Value, at: &str) -> Option<String> {
    let known = known.as_object()?;
    let Some(given) = given.as_object() else { return Some(format!("{at}: limits are an object, each by its name")) };
    given.iter().find_map(|(name, value)| {
        let pointer = format!("{at}/{name}");
        match known.get(name) {
            None => Some(format!("{pointer}: there is no such limit")),
            Some(known) => strange(value, known, &pointer),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_counts_and_the_rest_is_as_ever() {
        let limits = parse(r#"{"timeZone": "Asia/Shanghai", "waitingMax": 2, "execution": {"stepRetriesMax": 1}}"#).unwrap();
        assert_eq!((limits.time_zone.as_str(), limits.waiting_max, limits.execution.step_retries_max), ("Asia/Shanghai", 2, 1));
        assert_eq!((limits.lease_ms, limits.execution.poll_ms_min), (Limits::default().lease_ms, 1_000));
        assert_eq!(parse("{}").unwrap(), Limits::default());
        assert_eq!(read(None).unwrap(), Limits::default());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, place) in [
            ("{\n  \"leaseMs\": \"soon\"\n}", "/leaseMs: invalid type"),
            ("{\n  \"leaseMs\": \"soon\"\n}", "line 2"),
            ("{\n", "line 2"),
            ("{} {}", "line 1"),
            ("[]", ": limits are an object"),
            (r#"{"execution": []}"#, "/execution: limits are an object"),
            (r#"{"leaseSeconds": 5}"#, "leaseSeconds"),
            (r#"{"execution": {"pollMin": 5}}"#, "/execution/pollMin: there is no such limit"),
            (r#"{"execution": {"pollMsMin": 5}}"#, "/execution/pollMsMin: must be from"),
            (r#"{"timeZone": "Mars/Base"}"#, "/timeZone: there is no time zone"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(place), "{text}: {said}");
        }
    }

    #[test]
    fn the_readme_tells_the_defaults() {
        let readme = include_str!("../../../../README.md");
        let block = readme.split("```json").find(|block| block.contains("\"timeZone\": \"UTC\"")).unwrap();
        let told: Value = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
        assert_eq!(told, serde_json::to_value(Limits::default()).unwrap());
    }

    #[test]
    fn the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("limits.json");
        assert!(matches!(read(Some(&path)), Err(Failure::File { .. })));
        std::fs::write(&path, "{\"depthMax\": 99}").unwrap();
        let said = read(Some(&path)).unwrap_err().to_string();
        assert!(said.contains("limits.json") && said.contains("/depthMax"), "{said}");
    }
}
