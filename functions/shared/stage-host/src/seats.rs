//! Where an instance gets its memories, tables and stack: from a pool that keeps some of them mapped, or made for it and
//! given back afterwards.
//!
//! The pool has places for so many steps at one time, each with room for what an ordinary component has. A step that finds
//! no place, and a component that is no ordinary one, run beside the pool: nobody waits, and nobody is refused for it.

use crate::engine::engine_config;
use crate::host::{HostError, HostOptions};
use crate::imports;
use crate::library::{Library, Loaded};
use crate::limits::TABLE_ELEMENTS_MAX;
use app::ports::StepFault;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig};

/// Steps in the pool at one time. A place costs address space; memory only once it has been used.
const PLACES: u32 = 32;
/// What a component in the pool may have; one with more runs beside it.
const MEMORIES_MAX: u32 = 2;
const TABLES_MAX: u32 = 8;
const CORE_INSTANCES_MAX: u32 = 32;
const INSTANCE_BYTES_MAX: usize = 4 << 20;
/// A place has a second stack, for the moment in which one is given back.
const STACKS_A_PLACE: u32 = 2;
/// A memory is as large as one can be: a step's own limit is the limiter's.
const MEMORY_BYTES_MAX: usize = 4 << 30;
/// What stays mapped of a memory that was used, where the system can say what was written to; it is written over.
const MEMORY_KEPT_BYTES_MAX: usize = 1 << 20;
const TABLE_KEPT_BYTES_MAX: usize = 64 << 10;
/// Places that stay prepared for other components than the one that needs one.
const WARM_MAX: u32 = 8;
/// Components that are known not to fit; beyond that all are forgotten.
const MISFITS_MAX: usize = 1_000;

/// An engine, and the components that were loaded for it.
struct Side {
    engine: Engine,
    library: Library,
}

struct Pool {
    side: Side,
    places: Semaphore,
    /// Digests of components that load, but not here.
    misfits: Mutex<HashSet<String>>,
}

/// Where steps run.
pub(crate) struct Seats {
    /// None where the system does not give so much address space.
    pool: Option<Pool>,
    beside: Side,
}

/// A component and where its next instance lives. Held until the instance is gone.
pub(crate) struct Seat<'s> {
    pub(crate) engine: &'s Engine,
    pub(crate) loaded: Arc<Loaded>,
    _place: Option<SemaphorePermit<'s>>,
}

impl Side {
    fn new(config: &Config, options: &HostOptions) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        let mut linker = Linker::new(&engine);
        imports::add_to_linker(&mut linker)?;
        let library = Library::new(options.components.clone(), options.components_max, engine.clone(), linker);
        Ok(Self { engine, library })
    }
}

impl Seats {
    pub(crate) fn new(options: &HostOptions) -> Result<Self, HostError> {
        let beside = Side::new(&engine_config()?, options).map_err(|e| HostError::Engine(format!("{e:#}")))?;
        let mut config = engine_config()?;
        config.allocation_strategy(pooling(PLACES));
        // What is refused here is address space, which some sandboxes ration.
        let pool = Side::new(&config, options).ok().map(|side| Pool {
            side,
            places: Semaphore::new(usize::try_from(PLACES).unwrap_or(usize::MAX)),
            misfits: Mutex::default(),
        });
        Ok(Self { pool, beside })
    }

    /// The engines that components run on.
    pub(crate) fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.pool.iter().map(|pool| &pool.side.engine).chain([&self.beside.engine])
    }

    /// A seat for one instance of the component with this digest.
    pub(crate) async fn take(&self, cwasm_sha256: &str) -> Result<Seat<'_>, StepFault> {
        let Some((pool, place)) = self.place(cwasm_sha256) else { return self.beside(cwasm_sha256).await };
        if let Ok(loaded) = pool.side.library.get(cwasm_sha256).await {
            return Ok(Seat { engine: &pool.side.engine, loaded, _place: Some(place) });
        }
        drop(place);
        // What is wrong with it is said as it is said without a pool.
        let seat = self.beside(cwasm_sha256).await?;
        pool.remember_misfit(cwasm_sha256);
        Ok(seat)
    }

    fn place(&self, cwasm_sha256: &str) -> Option<(&Pool, SemaphorePermit<'_>)> {
        let pool = self.pool.as_ref().filter(|pool| !pool.is_misfit(cwasm_sha256))?;
        pool.places.try_acquire().ok().map(|place| (pool, place))
    }

    async fn beside(&self, cwasm_sha256: &str) -> Result<Seat<'_>, StepFault> {
        let loaded = self.beside.library.get(cwasm_sha256).await?;
        Ok(Seat { engine: &self.beside.engine, loaded, _place: None })
    }
}

impl Pool {
    fn is_misfit(&self, digest: &str) -> bool {
        self.misfits.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn remember_misfit(&self, digest: &str) {
        let mut misfits = self.misfits.lock().unwrap_or_else(PoisonError::into_inner);
        if misfits.len() >= MISFITS_MAX {
            misfits.clear();
        }
        misfits.insert(digest.to_owned());
    }
}

/// As many of everything as the components of all places together may have, so that whoever has a place lacks nothing.
fn pooling(places: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .total_core_instances(places * CORE_INSTANCES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .total_memories(places * MEMORIES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_memory_size(MEMORY_BYTES_MAX)
        .total_tables(places * TABLES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .total_stacks(places * STACKS_A_PLACE)
        .max_unused_warm_slots(WARM_MAX)
        .table_keep_resident(TABLE_KEPT_BYTES_MAX)
        .pagemap_scan(Enabled::Auto);
    // Without that, the first bytes of a memory would be written over, whether the component has touched them or not.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(MEMORY_KEPT_BYTES_MAX);
    }
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats() -> (tempfile::TempDir, Seats) {
        let folder = tempfile::tempdir().unwrap();
        let seats = Seats::new(&HostOptions::new(folder.path().to_owned())).unwrap();
        (folder, seats)
    }

    #[test]
    fn a_pool_of_this_size_starts_here() {
        let mut config = engine_config().unwrap();
        config.allocation_strategy(pooling(PLACES));
        Engine::new(&config).unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_loaded_takes_no_place_and_is_no_misfit() {
        let (_folder, seats) = seats();
        let digest = "0".repeat(64);
        assert!(matches!(seats.take(&digest).await, Err(StepFault::Component(text)) if text.contains("no precompiled component")));
        let pool = seats.pool.as_ref().unwrap();
        assert_eq!(pool.places.available_permits(), 32);
        assert!(!pool.is_misfit(&digest));
    }

    #[test]
    fn without_a_place_and_for_a_misfit_there_is_the_room_beside() {
        let (_folder, seats) = seats();
        let pool = seats.pool.as_ref().unwrap();
        pool.remember_misfit("large");
        assert!(seats.place("large").is_none());
        let taken: Vec<_> = (0..PLACES).map(|_| seats.place("small").unwrap()).collect();
        assert!(seats.place("small").is_none());
        drop(taken);
        assert!(seats.place("small").is_some());
    }

    #[test]
    fn misfits_are_bounded() {
        let (_folder, seats) = seats();
        let pool = seats.pool.as_ref().unwrap();
        for n in 0..=MISFITS_MAX {
            pool.remember_misfit(&n.to_string());
        }
        assert_eq!(pool.misfits.lock().unwrap().len(), 1);
    }
}
