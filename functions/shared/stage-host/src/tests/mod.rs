//! The imports as a component meets them, on a scripted cluster: grants, trace, quotas.

mod executions;
mod grants;
mod outcomes;
mod plans;
mod reads;
mod traces;
