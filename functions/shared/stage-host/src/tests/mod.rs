//! The imports as a component meets them, on a scripted cluster: grants, trace, quotas.

mod grants;
mod outcomes;
mod reads;
mod traces;
