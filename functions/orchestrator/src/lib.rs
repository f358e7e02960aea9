//! orchestrator.
