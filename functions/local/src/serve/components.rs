//! The stage components: taken from where they were built into the data folder, and entered as stage types.
//!
//! They are kept by digest and never removed here: an execution that runs goes on with the component it began with,
//! whatever is installed later.

use super::parts::Parts;
use crate::failure::Failure;
use app::stage_types;
use model::component::StageType;
use std::path::{Path, PathBuf};

const INDEX: &str = "index.json";
const ADVICE: &str = "`cargo dev plugins` builds the components; name their folder by --components";

/// Installs the components, and gives the folder that steps load them from.
pub(crate) async fn install(parts: &Parts, named: Option<&Path>, data: &Path) -> Result<PathBuf, Failure> {
    let (from, rows) = built(named)?;
    let into = data.join("components");
    std::fs::create_dir_all(&into).map_err(Failure::file(&into))?;
    for row in &rows {
        copy(&from, &into, &row.cwasm_sha256)?;
    }
    let installed = stage_types::install(parts.store.as_ref(), &rows).await;
    installed.map_err(|error| Failure::Server(format!("the stage types of {} cannot be installed: {error}", from.display())))?;
    let names: Vec<String> = rows.iter().map(|row| format!("{} {}", row.name, row.version)).collect();
    tracing::info!(components = names.join(", "), "stage types installed");
    Ok(into)
}

/// The folder of what was built, and its rows: all fit this program's engine.
pub(crate) fn built(named: Option<&Path>) -> Result<(PathBuf, Vec<StageType>), Failure> {
    let from = find(named)?;
    let rows = read(&from)?;
    check(&rows, &from)?;
    Ok((from, rows))
}

/// The native code of a component of that folder.
pub(crate) fn code(folder: &Path, digest: &str) -> Result<Vec<u8>, Failure> {
    let path = folder.join(place(digest, folder)?);
    std::fs::read(&path).map_err(Failure::file(&path))
}

/// The name becomes a path, and the index is a file like any other.
fn place(digest: &str, folder: &Path) -> Result<String, Failure> {
    if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::Server(format!("`{digest}` in {} is not a digest: {ADVICE}", folder.display())));
    }
    Ok(format!("{digest}.cwasm"))
}

/// The named folder, or the usual places around this program.
fn find(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        if named.join(INDEX).is_file() {
            return Ok(named.to_path_buf());
        }
        return Err(Failure::Server(format!("{} holds no {INDEX}: {ADVICE}", named.display())));
    }
    let program = std::env::current_exe().map_err(|error| Failure::Server(format!("where is this program? {error}")))?;
    let around = program.ancestors().skip(1).take(2).map(|folder| folder.join("components"));
    around.into_iter().find(|folder| folder.join(INDEX).is_file()).ok_or_else(|| Failure::Server(format!("no stage components: {ADVICE}")))
}

fn read(folder: &Path) -> Result<Vec<StageType>, Failure> {
    let path = folder.join(INDEX);
    let text = std::fs::read(&path).map_err(Failure::file(&path))?;
    let wrong = |error: serde_json::Error| Failure::Server(format!("{} cannot be understood: {error}; {ADVICE}", path.display()));
    serde_json::from_slice(&text).map_err(wrong)
}

/// Refuses components that were compiled for another engine, before a step does.
fn check(rows: &[StageType], folder: &Path) -> Result<(), Failure> {
    let engine = stage_host::engine_fingerprint();
    match rows.iter().find(|row| row.engine != engine) {
        None => Ok(()),
        Some(row) => {
            Err(Failure::Server(format!("{} in {} was compiled for another version of this program: {ADVICE}", row.name, folder.display())))
        }
    }
}

fn copy(from: &Path, into: &Path, digest: &str) -> Result<(), Failure> {
    let name = place(digest, from)?;
    let (source, target) = (from.join(&name), into.join(&name));
    if target.is_file() {
        return Ok(());
    }
    let temporary = into.join(format!("{name}.new"));
    std::fs::copy(&source, &temporary).map_err(Failure::file(&source))?;
    std::fs::rename(&temporary, &target).map_err(Failure::file(&target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_components_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let text = find(Some(folder.path())).unwrap_err().to_string();
        assert!(text.contains("cargo dev plugins"), "{text}");
        std::fs::write(folder.path().join(INDEX), "{}").unwrap();
        let text = read(folder.path()).unwrap_err().to_string();
        assert!(text.contains("cannot be understood"), "{text}");
        std::fs::write(folder.path().join(INDEX), "[]").unwrap();
        assert!(read(&find(Some(folder.path())).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn a_digest_cannot_name_another_place() {
        let folder = tempfile::tempdir().unwrap();
        assert!(copy(folder.path(), folder.path(), "../../x").is_err() && code(folder.path(), "../../x").is_err());
        let (digest, into) = ("a".repeat(64), folder.path().join("into"));
        std::fs::create_dir(&into).unwrap();
        assert!(copy(folder.path(), &into, &digest).is_err(), "it is not there");
        std::fs::write(folder.path().join(format!("{digest}.cwasm")), "x").unwrap();
        copy(folder.path(), &into, &digest).unwrap();
        assert_eq!(std::fs::read(into.join(format!("{digest}.cwasm"))).unwrap(), b"x");
    }
}
