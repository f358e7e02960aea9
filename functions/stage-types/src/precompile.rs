//! Components in, native code and registry rows out. Either all of them, or nothing is changed.

use crate::compile::{Compiled, Compiler};
use crate::error::VetError;
use crate::{grant, manifest};
use app::ports::StepFault;
use model::component::StageType;
use stage_host::{HostOptions, WasmHost, engine_fingerprint};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Two clocks and two kinds of random bytes; what depends on them shows.
const SEEDS: [u64; 2] = [1, 0x5eed_5eed_5eed];
const INDEX: &str = "index.json";
const STAGING: &str = ".staging";

/// Vets and compiles components into a folder: `<SHA-256>.cwasm` each, and `index.json` with one row each, sorted by name.
///
/// # Errors
/// The first component's that is refused; the folder is then as it was.
pub fn precompile(out: &Path, files: &[PathBuf]) -> Result<Vec<StageType>, VetError> {
    let staging = out.join(STAGING);
    let _ = fs::remove_dir_all(&staging);
    fs::create_dir_all(&staging).map_err(io(&staging))?;
    let rows = staged(&staging, files).and_then(|rows| publish(&staging, out, rows));
    let _ = fs::remove_dir_all(&staging);
    rows
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> VetError {
    let file = path.display().to_string();
    move |e| VetError::Io { file: file.clone(), why: e.to_string() }
}

fn staged(staging: &Path, files: &[PathBuf]) -> Result<Vec<StageType>, VetError> {
    let compiler = Compiler::new()?;
    let host = WasmHost::new(HostOptions::new(staging.to_owned()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(io(staging))?;
    let mut rows = Vec::with_capacity(files.len());
    for path in files {
        let file = path.display().to_string();
        let compiled = compiler.compile(&file, &fs::read(path).map_err(io(path))?)?;
        let code = code(staging, &compiled.cwasm_sha256);
        fs::write(&code, &compiled.cwasm).map_err(io(&code))?;
        let text = runtime.block_on(described(&host, &file, &compiled.cwasm_sha256))?;
        rows.push(row(&file, &compiled, &text)?);
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    names_once(&rows)?;
    Ok(rows)
}

fn code(folder: &Path, cwasm_sha256: &str) -> PathBuf {
    folder.join(format!("{cwasm_sha256}.cwasm"))
}

async fn described(host: &Arc<WasmHost>, file: &str, cwasm_sha256: &str) -> Result<String, VetError> {
    let refused = |why: String| VetError::Describe { file: file.to_owned(), why };
    let mut said: Option<String> = None;
    for seed in SEEDS {
        let text = host.describe(cwasm_sha256, seed).await.map_err(|fault| match fault {
            StepFault::Component(why) => VetError::World { file: file.to_owned(), why },
            other => refused(format!("it does not say what it is: {other}")),
        })?;
        if said.as_ref().is_some_and(|before| *before != text) {
            return Err(refused("it describes itself differently at another time or with other random bytes".to_owned()));
        }
        said = Some(text);
    }
    Ok(said.unwrap_or_default())
}

fn row(file: &str, compiled: &Compiled, text: &str) -> Result<StageType, VetError> {
    let refused = |faults| VetError::Manifest { file: file.to_owned(), faults };
    let (manifest, value) = manifest::read(text).map_err(refused)?;
    let mut faults = grant::undeclared(&manifest, &compiled.imports);
    faults.extend(grant::unplanned(&manifest, &compiled.exports));
    if !faults.is_empty() {
        return Err(refused(faults));
    }
    Ok(StageType {
        grant: grant::grant(&manifest),
        limits: grant::limits(manifest.limits),
        timeout_ms: grant::timeout_ms(manifest.timeout_ms),
        name: manifest.name,
        aliases: manifest.aliases,
        version: manifest.version,
        wasm_sha256: compiled.wasm_sha256.clone(),
        cwasm_sha256: compiled.cwasm_sha256.clone(),
        engine: engine_fingerprint(),
        manifest: value,
        exports: compiled.exports.clone(),
    })
}

fn names_once(rows: &[StageType]) -> Result<(), VetError> {
    let mut known = BTreeSet::new();
    for name in rows.iter().flat_map(|row| row.aliases.iter().chain([&row.name])) {
        if !known.insert(name) {
            return Err(VetError::NameTwice(name.clone()));
        }
    }
    Ok(())
}

/// Moves the code first and the index last: whoever reads the index finds what it names.
fn publish(staging: &Path, out: &Path, rows: Vec<StageType>) -> Result<Vec<StageType>, VetError> {
    for row in &rows {
        let to = code(out, &row.cwasm_sha256);
        fs::rename(code(staging, &row.cwasm_sha256), &to).map_err(io(&to))?;
    }
    let (new, index) = (staging.join(INDEX), out.join(INDEX));
    let text = serde_json::to_vec_pretty(&rows).map_err(|e| VetError::Io { file: INDEX.to_owned(), why: e.to_string() })?;
    fs::write(&new, text).map_err(io(&new))?;
    fs::rename(&new, &index).map_err(io(&index))?;
    Ok(rows)
}
