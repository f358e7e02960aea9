//! YAML that people send, as JSON values: small, shallow, without surprises. Nothing here reads a file or follows an include.

use serde_json::Value;

/// Longest text, in bytes.
pub const BYTES_MAX: usize = 2 << 20;
/// Most documents of one text.
pub const DOCUMENTS_MAX: usize = 500;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 64;
/// Most scalars, lists and maps, those that aliases stand for included.
pub const NODES_MAX: usize = 50_000;
/// Most aliases.
pub const ALIASES_MAX: usize = 200;

/// Why a text is no YAML that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// From 1; none where it is the text as a whole.
    pub line: Option<u64>,
    /// From 1.
    pub column: Option<u64>,
    /// A key stands twice in one map.
    pub twice: bool,
    /// For people.
    pub message: String,
}

/// The documents of a text; empty ones are left out. A tag that nobody knows says nothing.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    read(text, false)
}

/// The same of a file, where a tag that nobody knows is refused: what it asks for would not be done.
pub fn file(text: &str) -> Result<Vec<Value>, YamlError> {
    read(text, true)
}

fn read(text: &str, refuse_tags: bool) -> Result<Vec<Value>, YamlError> {
    if text.len() > BYTES_MAX {
        return Err(YamlError { line: None, column: None, twice: false, message: format!("YAML has at most {BYTES_MAX} bytes") });
    }
    let options = serde_saphyr::options! {
        reject_unsupported_tags: refuse_tags,
        budget: serde_saphyr::budget! {
            max_documents: DOCUMENTS_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
        },
    };
    serde_saphyr::from_multiple_with_options::<Value>(text, options).map_err(|error| wrong(text, &error))
}

fn wrong(text: &str, error: &serde_saphyr::Error) -> YamlError {
    let error = error.without_snippet();
    let place = error.location().map(|location| (location.line(), location.column()));
    let (line, column) = place.unzip();
    let mut message = format!("this is no YAML that is taken: {error}");
    let twice = matches!(error, serde_saphyr::Error::DuplicateMappingKey { .. });
    if let (serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. }, Some((line, column))) = (error, place)
        && let Some(first) = earlier(text, key, line, column)
    {
        message =
            format!("the key `{key}` stands twice in one map: at line {first}, column {column}, and again at line {line}, column {column}");
    }
    YamlError { line, column, twice, message }
}

/// The nearest line above on which the same key begins in the same column.
fn earlier(text: &str, key: &str, line: u64, column: u64) -> Option<usize> {
    let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
    let lines: Vec<&str> = text.lines().take(line.saturating_sub(1)).collect();
    let begins = |line: &str| {
        let head = line.get(..column.saturating_sub(1)).is_some_and(|head| head.chars().all(|c| c == ' ' || c == '-'));
        let rest = line.get(column.saturating_sub(1)..).unwrap_or_default().trim_start_matches(['"', '\'']);
        head && rest.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    lines.iter().rposition(|line| begins(line)).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(text: &str) -> YamlError {
        documents(text).unwrap_err()
    }

    #[test]
    fn documents_become_json() {
        let text = "a: 1\nb: [x, 2.5, true, null]\n---\n---\n- {c: \"1\"}\n";
        assert_eq!(documents(text).unwrap(), [json!({"a": 1, "b": ["x", 2.5, true, null]}), json!([{"c": "1"}])]);
        assert_eq!(documents("").unwrap(), Vec::<Value>::new());
        assert_eq!(documents("base: &b {x: 1}\nother: *b\n").unwrap(), [json!({"base": {"x": 1}, "other": {"x": 1}})]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(error("a: 1\nb: [1, 2\n").line.map(|line| line >= 2), Some(true));
        let twice = error("x:\n  a: 1\n  b: 2\n  a: 3\n");
        assert!(twice.twice && twice.message.contains("at line 2, column 3, and again at line 4, column 3"), "{twice}");
        assert!(error(&"x".repeat(BYTES_MAX + 1)).message.contains("at most"));
    }

    #[test]
    fn tags_that_nobody_knows_are_refused_in_files() {
        let text = "a: !!python/object:os.system {b: 1}\n";
        assert!(documents(text).is_ok());
        assert_eq!(file(text).unwrap_err().line, Some(1));
        assert_eq!(file("a: !!str 1\nb: !!int \"2\"\n").unwrap(), [json!({"a": "1", "b": 2})]);
    }

    #[test]
    fn bombs_are_refused_at_once() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below: Vec<String> = (0..10).map(|_| format!("*a{}", level - 1)).collect();
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", below.join(", ")));
        }
        assert!(documents(&bomb).is_err());
        assert!(documents(&"[".repeat(10_000)).is_err());
        let deep = format!("{}1{}", "[".repeat(DEPTH_MAX + 10), "]".repeat(DEPTH_MAX + 10));
        assert!(documents(&deep).is_err());
        let fits = format!("{}1{}", "[".repeat(DEPTH_MAX - 4), "]".repeat(DEPTH_MAX - 4));
        assert!(documents(&fits).is_ok());
        let block: String = (0..DEPTH_MAX + 10).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(documents(&block).is_err());
        assert!(documents(&"--- 1\n".repeat(DOCUMENTS_MAX + 1)).is_err());
    }
}
