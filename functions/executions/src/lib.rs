//! executions.
