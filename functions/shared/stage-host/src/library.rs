//! Precompiled components, by the digest of their bytes. The bytes are native code: none are mapped before their digest is
//! that of the registry row.

use crate::bindings::exports::waybill::stage::{compensation, lifecycle, planning};
use crate::state::StepState;
use app::ports::StepFault;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

/// Largest precompiled component; a Python one has 35 MB.
const COMPONENT_BYTES_MAX: u64 = 128 << 20;

/// A component, ready to be instantiated.
pub(crate) struct Loaded {
    pub(crate) pre: InstancePre<StepState>,
    pub(crate) lifecycle: lifecycle::GuestIndices,
    pub(crate) compensation: Option<compensation::GuestIndices>,
    pub(crate) planning: Option<planning::GuestIndices>,
}

/// Loads components and keeps those used last.
pub(crate) struct Library {
    folder: PathBuf,
    kept_max: usize,
    engine: Engine,
    linker: Arc<Linker<StepState>>,
    /// The one used last comes last.
    kept: Mutex<Vec<(String, Arc<Loaded>)>>,
}

impl Library {
    pub(crate) fn new(folder: PathBuf, kept_max: usize, engine: Engine, linker: Linker<StepState>) -> Self {
        Self { folder, kept_max: kept_max.max(1), engine, linker: Arc::new(linker), kept: Mutex::new(Vec::new()) }
    }

    /// The component with this digest.
    pub(crate) async fn get(&self, cwasm_sha256: &str) -> Result<Arc<Loaded>, StepFault> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if cwasm_sha256.len() != 64 || !cwasm_sha256.bytes().all(hex) {
            return Err(StepFault::Component("its digest is not a SHA-256 in lower-case hex".into()));
        }
        if let Some(loaded) = self.take_kept(cwasm_sha256) {
            return Ok(loaded);
        }
        let (engine, linker) = (self.engine.clone(), Arc::clone(&self.linker));
        let (path, digest) = (self.folder.join(format!("{cwasm_sha256}.cwasm")), cwasm_sha256.to_owned());
        let loading = tokio::task::spawn_blocking(move || load(&engine, &linker, &path, &digest));
        let loaded = loading.await.map_err(|e| StepFault::Unavailable(e.to_string()))??;
        let loaded = Arc::new(loaded);
        self.keep(cwasm_sha256, &loaded);
        Ok(loaded)
    }

    fn take_kept(&self, digest: &str) -> Option<Arc<Loaded>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(d, _)| d == digest)?;
        let entry = kept.remove(at);
        let loaded = Arc::clone(&entry.1);
        kept.push(entry);
        Some(loaded)
    }

    fn keep(&self, digest: &str, loaded: &Arc<Loaded>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(d, _)| d != digest);
        while kept.len() >= self.kept_max {
            kept.remove(0);
        }
        kept.push((digest.to_owned(), Arc::clone(loaded)));
    }
}

fn load(engine: &Engine, linker: &Linker<StepState>, path: &Path, digest: &str) -> Result<Loaded, StepFault> {
    let component = deserialize(engine, &read(path, digest)?)?;
    let wrong = |e: wasmtime::Error| StepFault::Component(crate::log::clean(&format!("{e:#}"), 1_000));
    let pre = linker.instantiate_pre(&component).map_err(wrong)?;
    let lifecycle = lifecycle::GuestIndices::new(&pre).map_err(wrong)?;
    let compensation = compensation::GuestIndices::new(&pre).ok();
    let planning = planning::GuestIndices::new(&pre).ok();
    Ok(Loaded { pre, lifecycle, compensation, planning })
}

/// Reads the file once, into memory of our own: what is checked is what is mapped, whatever happens to the file.
fn read(path: &Path, digest: &str) -> Result<Vec<u8>, StepFault> {
    let missing = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => StepFault::Component(format!("no precompiled component {digest}")),
        _ => StepFault::Component(format!("the precompiled component {digest} cannot be read: {e}")),
    };
    let bytes_found = std::fs::metadata(path).map_err(missing)?.len();
    if bytes_found > COMPONENT_BYTES_MAX {
        return Err(StepFault::Component(format!("the precompiled component has {bytes_found} bytes, more than {COMPONENT_BYTES_MAX}")));
    }
    let bytes = std::fs::read(path).map_err(missing)?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found == digest {
        return Ok(bytes);
    }
    Err(StepFault::Component(format!("the precompiled component {digest} has other bytes: their digest is {found}; it is not loaded")))
}

#[expect(
    unsafe_code,
    reason = "the bytes are those that the compiler wrote: only `read` calls this, after their digest matched the registry row"
)]
fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Component, StepFault> {
    let not_ours = || StepFault::Component("it is not a precompiled component".into());
    if Engine::detect_precompiled(bytes) != Some(wasmtime::Precompiled::Component) {
        return Err(not_ours());
    }
    // SAFETY: the digest of `bytes` is the one of the registry row, which only the compiler writes.
    let component = unsafe { Component::deserialize(engine, bytes) };
    component.map_err(|e| StepFault::Component(crate::log::clean(&format!("it was compiled for another engine: {e:#}"), 1_000)))
}
