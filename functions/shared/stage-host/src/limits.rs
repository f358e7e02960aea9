//! How much a store may hold: memories summed, tables, instances.

use model::component::StepLimits;
use wasmtime::ResourceLimiter;

/// Most elements of one table; a large Go component declares 22,169.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 32_768;
/// Most instances of core modules in one component.
const INSTANCES_MAX: usize = 200;
/// Most tables in one component.
const TABLES_MAX: usize = 200;
/// Most memories in one component.
const MEMORIES_MAX: usize = 16;

/// Sums all memories of a store.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    /// What the last growth added, in case it fails after it was permitted.
    last_growth: usize,
    refused: bool,
    instantiating: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &StepLimits) -> Self {
        let memory_bytes_max = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
        Self { memory_bytes: 0, memory_bytes_max, last_growth: 0, refused: false, instantiating: true }
    }

    /// It has said no to a growth.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    pub(crate) fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max
    }

    /// True until the instance stands: then a limit that is exceeded was declared by the component itself.
    pub(crate) fn watches_instantiation(&self) -> bool {
        self.instantiating
    }

    pub(crate) fn instantiated(&mut self) {
        self.instantiating = false;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let fits = self.memory_bytes.checked_add(growth).is_some_and(|sum| sum <= self.memory_bytes_max);
        self.last_growth = if fits { growth } else { 0 };
        self.memory_bytes += self.last_growth;
        self.refused |= !fits;
        Ok(fits)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_bytes = self.memory_bytes.saturating_sub(self.last_growth);
        self.last_growth = 0;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= TABLE_ELEMENTS_MAX;
        self.refused |= !fits;
        Ok(fits)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_count_together() {
        let mut limiter = Limiter::new(&StepLimits { memory_bytes_max: 100, ..StepLimits::default() });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.refused());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no room")).unwrap();
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert!(!limiter.table_growing(0, 32_769, None).unwrap());
    }
}
