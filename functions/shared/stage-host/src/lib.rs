//! Runs one step of one stage component: engine settings, linker, limits, grants and trace.
//!
//! A component arrives here already compiled; this crate holds no compiler and cannot run a plain `.wasm`. Every step gets a
//! fresh store and instance, dropped afterwards. All that a component can do goes through the imports of its contract:
//! checked against the grant, the cloud account and the limits before anything leaves the process, and recorded in the step's
//! trace. Nothing here reads a clock or random bytes for the component, and no secret ever enters it.

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::large_futures,
    reason = "generated code, checked by its generator"
)]
mod bindings {
    //! Generated from `wit/stage@0.1.0`, world `full-stage`: every import, and every export a component may have.
    wasmtime::component::bindgen!({
        path: "../../../wit/stage@0.1.0",
        world: "full-stage",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}

mod engine;
mod fault;
mod gate;
mod host;
mod imports;
mod input;
mod kinds;
mod library;
mod limits;
mod log;
mod manifest;
mod names;
mod outcome;
mod patience;
mod plan;
mod run;
mod seats;
mod session;
mod state;
mod strict;
mod trace;
mod wasi;
mod watches;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use engine::{ENGINE_TARGET, WASMTIME_VERSION, engine_config, engine_fingerprint};
pub use host::{HostError, HostOptions, WasmHost};
