//! One event, one file; the tests at its foot.

pub(crate) mod begin;
pub(crate) mod cancel;
pub(crate) mod changed;
pub(crate) mod resolved;
pub(crate) mod signal;
pub(crate) mod stepped;
pub(crate) mod tick;

#[cfg(test)]
pub(crate) mod testing;
