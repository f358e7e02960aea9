//! From a component to native code, with the engine settings of the host that will run it.

use crate::contract;
use crate::error::VetError;
use sha2::{Digest, Sha256};
use stage_host::{HostError, engine_config};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Largest component; one in JavaScript has 12 MB, in Python 18.
const COMPONENT_BYTES_MAX: usize = 64 << 20;
/// Begins every WebAssembly file.
const MAGIC: &[u8] = b"\0asm";
/// Follows the magic of a component.
const COMPONENT_LAYER: &[u8] = &[0x0d, 0, 1, 0];

/// A component that was compiled.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// SHA-256 of the component, hex.
    pub wasm_sha256: String,
    /// SHA-256 of the native code, hex.
    pub cwasm_sha256: String,
    /// The native code.
    pub cwasm: Vec<u8>,
    /// Interfaces it exports beside `lifecycle`, by short name.
    pub exports: Vec<String>,
    /// Interfaces of the contract that it imports, by short name.
    pub imports: Vec<String>,
}

/// Compiles components.
pub struct Compiler {
    engine: Engine,
}

impl Compiler {
    /// A compiler with the host's settings.
    ///
    /// # Errors
    /// [`HostError::Engine`] when the settings do not work here.
    pub fn new() -> Result<Self, HostError> {
        let mut config = engine_config()?;
        // Not part of the shared constructor, which has to build without a compiler; it changes nothing in what is loaded.
        config.cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).map_err(|e| HostError::Engine(format!("{e:#}")))?;
        Ok(Self { engine })
    }

    /// Compiles a component whose world is supported; `file` names it in errors.
    ///
    /// # Errors
    /// [`VetError::NotAComponent`], [`VetError::Compile`], [`VetError::World`].
    pub fn compile(&self, file: &str, wasm: &[u8]) -> Result<Compiled, VetError> {
        is_component(wasm).map_err(|why| VetError::NotAComponent { file: file.to_owned(), why })?;
        let refused = |e: wasmtime::Error| VetError::Compile { file: file.to_owned(), why: format!("{e:#}") };
        let component = Component::from_binary(&self.engine, wasm).map_err(refused)?;
        let world = component.component_type();
        let imports = || world.imports(&self.engine).map(|(name, _)| name);
        let exports = contract::check(imports(), world.exports(&self.engine).map(|(name, _)| name));
        let exports = exports.map_err(|why| VetError::World { file: file.to_owned(), why })?;
        let cwasm = component.serialize().map_err(refused)?;
        Ok(Compiled {
            wasm_sha256: hex::encode(Sha256::digest(wasm)),
            cwasm_sha256: hex::encode(Sha256::digest(&cwasm)),
            exports,
            imports: imports().filter_map(contract::short_import).map(str::to_owned).collect(),
            cwasm,
        })
    }
}

fn is_component(wasm: &[u8]) -> Result<(), String> {
    if wasm.len() > COMPONENT_BYTES_MAX {
        return Err(format!("it has {} bytes, more than {COMPONENT_BYTES_MAX}", wasm.len()));
    }
    match wasm.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(COMPONENT_LAYER) => Ok(()),
        Some(_) => Err("it is a core module, not a component".to_owned()),
        None if Engine::detect_precompiled(wasm).is_some() => Err("it is compiled already; only components are taken in".to_owned()),
        None => Err("it is no WebAssembly".to_owned()),
    }
}
