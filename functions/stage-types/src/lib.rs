//! stage-types.
