//! Components that misbehave. After each, the same host runs a well-behaved one: nothing that a component does may take the
//! process, or the next step, with it.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod children;
#[cfg(test)]
mod files;
#[cfg(test)]
mod guest;
#[cfg(test)]
mod planning;
#[cfg(test)]
mod running;

#[cfg(test)]
#[allow(dead_code, reason = "shared with other suites, which use other parts of it")]
#[path = "../../../shared/stage-host/tests/parts/mod.rs"]
mod parts;
