//! The real components on a host without a compiler; see `suite`.

#[cfg(test)]
#[allow(dead_code, reason = "shared with other suites, which use other parts of it")]
#[path = "../parts/mod.rs"]
mod parts;
#[cfg(test)]
mod suite;
