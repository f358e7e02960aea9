//! The table on DynamoDB: one table on demand, one sparse index, and no decision on that index.
//!
//! Reads are consistent. Every transaction carries a token, so that repeating it is safe; calls are repeated a few times,
//! with growing pauses, and what stays open is told as open. Nothing here knows what the items mean; how they are laid out
//! stands in [`design`].

pub mod design;
mod expression;
mod item;
mod read;
mod restore;
mod setup;
mod transact;

use crate::fault::{Fault, Place};
use crate::pause::Patience;
use crate::rules::Tokens;
use app::ports::{Clock, Entropy, Key, Page, Query, StoreError, Table, TransactError, Transaction};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use model::Millis;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use setup::{Found, SetupError};

/// Most calls for one thing asked.
pub const CALLS_MAX: u32 = crate::pause::CALLS_MAX;

/// Which table, and what it needs from outside.
#[derive(Clone)]
pub struct Options {
    /// The table's name.
    pub table: String,
    /// Says what has expired, and waits between calls.
    pub clock: Arc<dyn Clock>,
    /// For tokens and for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Longest wait for a connection.
    pub connect_ms_max: u64,
    /// Longest wait for the answer to one call.
    pub call_ms_max: u64,
}

impl Options {
    /// The ordinary limits.
    #[must_use]
    pub fn new(table: impl Into<String>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { table: table.into(), clock, entropy, connect_ms_max: 1_500, call_ms_max: 5_000 }
    }
}

/// The table.
pub struct Dynamo {
    client: Client,
    table: String,
    place: Place,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Instants that transactions with a token of their caller were sent with: a repeat must be the same to the byte.
    sent: Mutex<Tokens>,
}

impl std::fmt::Debug for Dynamo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dynamo({})", self.place)
    }
}

impl Dynamo {
    /// The table of this name, by an AWS configuration. Asks for nothing yet.
    #[must_use]
    pub fn new(sdk: &aws_types::SdkConfig, options: Options) -> Self {
        let ms = Duration::from_millis;
        let timeouts =
            TimeoutConfig::builder().connect_timeout(ms(options.connect_ms_max)).operation_attempt_timeout(ms(options.call_ms_max)).build();
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
        Self {
            client: Client::from_conf(config),
            place: Place::new(format!("table `{}`", options.table), sdk),
            table: options.table,
            clock: options.clock,
            entropy: options.entropy,
            sent: Mutex::default(),
        }
    }

    fn sent(&self) -> MutexGuard<'_, Tokens> {
        // Nothing that runs under it panics half way.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patience(&self) -> Patience<'_> {
        Patience::new(&*self.clock, &*self.entropy)
    }

    /// Asks, and asks again while that may help. Only for what changes nothing.
    async fn ask<T, F: Future<Output = Result<T, Fault>>>(&self, call: impl Fn() -> F) -> Result<T, StoreError> {
        let mut patience = self.patience();
        loop {
            let fault = match call().await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            if matches!(fault, Fault::Fixed(_)) || !patience.again().await {
                return Err(StoreError::Unavailable(fault.into_text()));
            }
            tracing::debug!(?fault, "a read is asked again");
        }
    }
}

#[async_trait]
impl Table for Dynamo {
    async fn get(&self, key: &Key) -> Result<Option<app::ports::Item>, StoreError> {
        self.read_item(key).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.read_range(query).await
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        self.write(transaction).await
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.read_due(now, limit).await
    }
}
