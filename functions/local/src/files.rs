//! Files that people name on the command line: documents, secrets, and files that only their owner may read.

use crate::failure::Failure;
use model::exact::Spellings;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Most bytes of a file that is read.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The text of a file; of standard input for `-`.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let io = |error| Failure::file(path)(error);
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(io)?;
    } else {
        File::open(path).map_err(io)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(io)?;
    }
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!("{} has more than {FILE_BYTES_MAX} bytes", path.display())));
    }
    Ok(text)
}

/// A secret in a file, without the end of its line.
pub(crate) fn secret(path: &Path) -> Result<String, Failure> {
    Ok(text(path)?.trim_end_matches(['\r', '\n']).to_owned())
}

/// A document: JSON, or YAML when the file's name says so.
pub(crate) fn document(path: &Path) -> Result<Value, Failure> {
    let text = text(path)?;
    let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let parsed = if yaml { one_of_yaml(&text) } else { serde_json::from_str(&text).map_err(|error| error.to_string()) };
    parsed.map_err(|message| Failure::Usage(format!("{} is not {}: {message}", path.display(), if yaml { "YAML" } else { "JSON" })))
}

fn one_of_yaml(text: &str) -> Result<Value, String> {
    let documents: [Value; 1] = import::yaml::file(text)
        .map_err(|error| error.to_string())?
        .try_into()
        .map_err(|many: Vec<Value>| format!("it holds {} documents, where one is expected", many.len()))?;
    let [document] = documents;
    Ok(document)
}

/// The same with how its numbers are written; YAML has no spelling that JSON could keep.
pub(crate) fn exact_document(path: &Path) -> Result<(Value, Spellings), Failure> {
    if path == Path::new("-") || path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
        return Ok((document(path)?, Spellings::default()));
    }
    let text = text(path)?;
    let wrong = |error: serde_json::Error| Failure::Usage(format!("{} is not JSON: {error}", path.display()));
    Ok((serde_json::from_str(&text).map_err(wrong)?, Spellings::read(&text)))
}

/// Writes a file, in the place of an older one at once.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let io = |error| Failure::file(path)(error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).map_err(io)
}

/// Writes a new file that only its owner may read; an existing one is not touched.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let io = |error| Failure::file(path)(error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

/// Gives an existing file another content.
pub(crate) fn fill(path: &Path, text: &str) -> Result<(), Failure> {
    let io = |error| Failure::file(path)(error);
    let mut file = OpenOptions::new().write(true).truncate(true).open(path).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn documents_are_json_or_yaml() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        assert_eq!(document(&path("a.json", "{\"x\": 1}")).unwrap(), json!({"x": 1}));
        assert_eq!(document(&path("a.yaml", "x: 1\n")).unwrap(), json!({"x": 1}));
        assert!(
            matches!(document(&path("two.yaml", "x: 1\n---\nx: 2\n")), Err(Failure::Usage(message)) if message.contains("2 documents"))
        );
        assert!(matches!(document(&path("twice.yaml", "x: 1\nx: 2\n")), Err(Failure::Usage(message)) if message.contains("stands twice")));
        assert!(matches!(document(&path("b.json", "x: 1")), Err(Failure::Usage(message)) if message.contains("JSON")));
        assert!(matches!(document(&folder.path().join("none")), Err(Failure::File { .. })));
        assert_eq!(secret(&path("token", "wb_x\r\n")).unwrap(), "wb_x");
    }

    #[test]
    fn private_files_are_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write_private(&path, "a").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_private(&path, "b").is_err());
        assert_eq!(text(&path).unwrap(), "a");
    }
}
