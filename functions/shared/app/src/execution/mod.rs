//! Executions: how they are stored, started, moved, followed and steered. `start` is the one gate in; after it only `step`
//! commits an execution; people reach it through its inbox.

pub mod archive;
pub mod artifacts;
mod children;
pub mod control;
mod epilogue;
mod events;
pub mod follow;
pub mod inbox;
pub mod keys;
pub mod logs;
pub mod plan;
pub mod preview;
pub mod pushed;
pub mod restart;
pub mod retention;
pub mod scope;
pub mod slots;
pub mod start;
pub mod step;
pub mod stored;
