//! An in-memory Kubernetes API for demonstrations: a newcomer sees the story without a cluster.
//!
//! It answers as an API server does, for what Waybill and `kubectl` ask of one, and its controllers bring up pods by the
//! names of their images. It never stands in for a real API server in a test of behaviour: a differential test holds it
//! against one. Everything is in memory, on loopback, and gone with the process. It knows none of Waybill's rooms.

mod controllers;
mod defaults;
mod interfaces;
mod kinds;
mod patch;
mod protobuf;
mod run;
mod server;
mod state;
mod tls;
mod validate;

pub use run::{CONTEXT, Error, Options, Playground};

/// Which Kubernetes it plays.
pub(crate) const VERSION: &str = "v1.36.3";
pub(crate) const MINOR: &str = "36";
