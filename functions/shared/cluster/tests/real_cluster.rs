//! The adapter against a real control plane.
