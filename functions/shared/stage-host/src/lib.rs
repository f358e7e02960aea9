//! stage-host.
