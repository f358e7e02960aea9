//! pipelines.
