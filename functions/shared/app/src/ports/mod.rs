//! The seams: everything the use cases need from outside, as object-safe traits. Adapters implement them, one each way
//! (cloud, local); a use case takes only those it uses.

mod archive;
mod cluster;
mod executions;
mod outside;
mod stage_host;
mod table;

pub use archive::{Archive, NoArchive};
pub use cluster::{
    Applied, ApplyOptions, Cluster, ClusterError, KindInfo, ListQuery, LogQuery, ObjectKey, ObjectPage, Rollout, RolloutReason, Verified,
    VerifyNeeds, WatchKey, WatchSpec,
};
pub use executions::{Executions, ExecutionsError, NoExecutions};
pub use outside::{
    Blobs, Change, Changes, Clock, Entropy, Hint, ImageVersion, Queue, Registry, RegistryAccess, RegistryError, SealError, Sealer,
};
pub use stage_host::{
    AccountAccess, Blame, Export, JournalError, LogLevel, LogLine, Moment, PLANNED_STAGES_MAX, RunInfo, SignalSpec, StageHost, StepCall,
    StepEnd, StepFailure, StepFault, StepJournal, StepMode, StepReport, StepResults, StepScope, TraceEntry, Wake,
};
pub use table::{
    COMMIT_BYTES_MAX, Condition, ITEMS_A_COMMIT_MAX, Item, Key, Page, Query, StoreError, Table, TransactError, Transaction, Write,
};
