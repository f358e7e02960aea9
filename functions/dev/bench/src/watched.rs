//! The parts with somebody who looks at the clock in between. They do what the parts do, and nothing else.

use crate::recorder::{Recorder, What, ends};
use app::ports::{
    Blobs, Item, Key, Page, Query, StageHost, StepCall, StepFault, StepReport, StoreError, Table, TransactError, Transaction,
};
use async_trait::async_trait;
use model::Millis;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A part that is watched.
pub(crate) struct Watched<T: ?Sized> {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) part: Arc<T>,
}

#[async_trait]
impl<T: Table + ?Sized> Table for Watched<T> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let began = Instant::now();
        let got = self.part.get(key).await;
        self.recorder.operation(What::Read, began);
        got
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let began = Instant::now();
        let page = self.part.query(query).await;
        self.recorder.operation(What::Read, began);
        page
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        let ended = ends(&transaction);
        let kept = self.recorder.is_recording().then(|| transaction.clone());
        let began = Instant::now();
        let written = self.part.transact(transaction).await;
        self.recorder.operation(What::Commit { stands: written.is_ok() }, began);
        if let (Some(kept), Ok(())) = (kept, &written) {
            self.recorder.transaction(kept);
        }
        if let (Some(partition), Ok(())) = (ended, &written) {
            self.recorder.has_ended(partition);
        }
        written
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.part.due(now, limit).await
    }
}

#[async_trait]
impl<T: Blobs + ?Sized> Blobs for Watched<T> {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        self.recorder.blobs_put.fetch_add(1, Ordering::Relaxed);
        self.part.put(bytes).await
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let began = Instant::now();
        let got = self.part.get(sha256).await;
        self.recorder.operation(What::Blob, began);
        got
    }
}

#[async_trait]
impl<T: StageHost + ?Sized> StageHost for Watched<T> {
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault> {
        let began = Instant::now();
        let report = self.part.step(call).await;
        self.recorder.operation(What::Step, began);
        report
    }

    async fn validate(&self, cwasm_sha256: &str, params: &str) -> Result<Vec<(String, String)>, StepFault> {
        let began = Instant::now();
        let found = self.part.validate(cwasm_sha256, params).await;
        self.recorder.operation(What::Validate, began);
        found
    }
}
