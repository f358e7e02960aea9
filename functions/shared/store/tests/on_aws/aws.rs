//! DynamoDB and S3 for tests: the stand-in that `testkit` starts, or the engine at `WAYBILL_TEST_DYNAMODB` (DynamoDB Local,
//! for a second opinion).

use crate::clock::HandClock;
use crate::faulty;
use app::ports::{Clock, Entropy};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::dynamodb::{Dynamo, Options};
use testkit::cloud::{Cloud, KEYS, REGION};

/// Counts; one for the whole process, so that no token is used twice.
pub(crate) struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(1);

impl Entropy for Counting {
    fn ulid(&self, _: u64) -> String {
        format!("{:026}", COUNT.fetch_add(1, Ordering::SeqCst))
    }

    fn token(&self) -> String {
        self.ulid(0)
    }

    fn number(&self) -> u64 {
        COUNT.fetch_add(1, Ordering::SeqCst)
    }
}

/// A name nobody else uses in this process.
pub(crate) fn fresh(name: &str) -> String {
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::SeqCst))
}

/// The configuration for an endpoint, without a client for HTTP.
pub(crate) fn config(endpoint: &str) -> aws_types::sdk_config::Builder {
    let credentials = Credentials::new(KEYS.0, KEYS.1, None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(aws_sdk_dynamodb::config::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
}

/// The same with plain HTTP.
pub(crate) fn plain(endpoint: &str) -> SdkConfig {
    config(endpoint).http_client(aws_smithy_http_client::Builder::new().build_http()).build()
}

/// Where DynamoDB's engine listens.
pub(crate) async fn endpoint() -> String {
    match std::env::var("WAYBILL_TEST_DYNAMODB") {
        Ok(endpoint) if !endpoint.is_empty() => endpoint,
        _ => Cloud::shared().await.unwrap().endpoint(),
    }
}

pub(crate) fn options(table: &str, clock: &HandClock) -> Options {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Options::new(table, clock, Arc::new(Counting))
}

/// A new table of its own.
pub(crate) async fn table(name: &str, clock: &HandClock) -> Dynamo {
    let table = Dynamo::new(&plain(&endpoint().await), options(&fresh(name), clock));
    table.create().await.unwrap();
    table
}

/// A new table whose requests meet what is planned.
pub(crate) async fn faulty_table(name: &str, clock: &HandClock) -> (Dynamo, faulty::Faults) {
    let faults = faulty::Faults::default();
    let config = config(&endpoint().await).http_client(faults.client()).build();
    let table = Dynamo::new(&config, options(&fresh(name), clock));
    table.create().await.unwrap();
    faults.requests();
    (table, faults)
}
