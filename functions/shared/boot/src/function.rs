//! What every function on Lambda begins with: cryptography, logs as JSON lines, and what its environment says. A setting is
//! asked for by who needs it, so that no function is told more than it may touch.

use crate::aws::{AwsError, BUCKET, TABLE, way_out};
use crate::{SystemClock, SystemEntropy, init_tracing, install_crypto};
use app::limits::Limits;
use app::ports::{Change, Changes, Clock, Entropy};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};
use model::Millis;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Names the queue of SQS that hints go to, by its address.
pub const QUEUE: &str = "WAYBILL_QUEUE";
/// Names the queue of SQS that lays aside what failed again and again, by its address.
pub const DEAD_LETTERS: &str = "WAYBILL_DEAD_LETTERS";
/// Names the file with the key that secrets are sealed with.
pub const KEY_FILE: &str = "WAYBILL_KEY_FILE";
/// Says under which address the outside reaches the API; may be missing.
pub const PUBLIC_URL: &str = "WAYBILL_PUBLIC_URL";
/// The installation's limits, as JSON; may be missing.
pub const LIMITS: &str = "WAYBILL_LIMITS";

/// How long somebody who follows something waits before looking again.
const LOOK_AGAIN_MS: Millis = 1_000;

/// Whatever keeps a function from going on.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The limits cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{LIMITS} cannot be used: {0}")]
pub struct LimitsError(String);

/// What a function is made from.
pub struct Function {
    /// Credentials, region, endpoint, and the way out.
    pub sdk: SdkConfig,
    /// The system's clock.
    pub clock: Arc<dyn Clock>,
    /// The system's randomness.
    pub entropy: Arc<dyn Entropy>,
    read: fn(&'static str) -> Option<String>,
}

/// The whole of a function's `main`: what goes wrong at the start is told in the log.
pub fn main<F: Future<Output = Result<(), Error>>>(serve: impl FnOnce(Function) -> F) -> ExitCode {
    install_crypto();
    match run(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The logs may be what cannot be set up.
            drop(writeln!(std::io::stderr(), "the function cannot go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run<F: Future<Output = Result<(), Error>>>(serve: impl FnOnce(Function) -> F) -> Result<(), Error> {
    init_tracing(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Box::pin(async { serve(Function::start().await?).await }))
}

impl Function {
    /// Reads the environment, and AWS's profile files where they are.
    ///
    /// # Errors
    /// When no region is set, or the system gives no random bytes.
    pub async fn start() -> Result<Self, Error> {
        let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(way_out()).load().await;
        if sdk.region().is_none() {
            return Err(AwsError::Region.into());
        }
        let entropy = Arc::new(SystemEntropy::new()?);
        Ok(Self { sdk, clock: Arc::new(SystemClock), entropy, read: |name| std::env::var(name).ok() })
    }

    fn said(&self, name: &'static str) -> Option<String> {
        (self.read)(name).filter(|value| !value.is_empty())
    }

    fn named(&self, name: &'static str, what: &'static str) -> Result<String, AwsError> {
        self.said(name).ok_or(AwsError::Missing { name, what })
    }

    /// The table's name.
    ///
    /// # Errors
    /// When it is not set.
    pub fn table(&self) -> Result<String, AwsError> {
        self.named(TABLE, "the table of DynamoDB")
    }

    /// The name of the bucket for blobs.
    ///
    /// # Errors
    /// When it is not set.
    pub fn bucket(&self) -> Result<String, AwsError> {
        self.named(BUCKET, "the bucket of S3 for blobs")
    }

    /// The address of the queue.
    ///
    /// # Errors
    /// When it is not set.
    pub fn queue(&self) -> Result<String, AwsError> {
        self.named(QUEUE, "the queue of SQS for hints, by its address")
    }

    /// The address of the queue of what was laid aside.
    ///
    /// # Errors
    /// When it is not set.
    pub fn dead_letters(&self) -> Result<String, AwsError> {
        self.named(DEAD_LETTERS, "the queue of SQS for what failed again and again, by its address")
    }

    /// The file with the key.
    ///
    /// # Errors
    /// When it is not set.
    pub fn key_file(&self) -> Result<PathBuf, AwsError> {
        self.named(KEY_FILE, "the file with the key that secrets are sealed with").map(PathBuf::from)
    }

    /// The address of the API as the outside knows it, if it is said.
    #[must_use]
    pub fn public_url(&self) -> Option<Arc<str>> {
        self.said(PUBLIC_URL).map(|url| url.trim_end_matches('/').into())
    }

    /// The installation's limits; the defaults where nothing is said.
    ///
    /// # Errors
    /// When they cannot be understood, or nothing could work under them.
    pub fn limits(&self) -> Result<Arc<Limits>, LimitsError> {
        let Some(text) = self.said(LIMITS) else { return Ok(Arc::default()) };
        let limits: Limits = serde_json::from_str(&text).map_err(|error| LimitsError(error.to_string()))?;
        limits.check().map_err(|error| LimitsError(error.to_string()))?;
        Ok(Arc::new(limits))
    }

    /// For who follows changes: those of other processes are heard of by looking again.
    #[must_use]
    pub fn changes(&self) -> Arc<dyn Changes> {
        Arc::new(Elsewhere { clock: self.clock.clone() })
    }
}

/// Changes are made by other processes, which tell nobody here: whoever waits is sent to look again after a while.
struct Elsewhere {
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Changes for Elsewhere {
    fn publish(&self, _: Change) {}

    fn cursor(&self) -> u64 {
        0
    }

    async fn wait(&self, _: &[String], since: u64, until: Millis) -> (u64, Option<Vec<Change>>) {
        self.clock.sleep_until(until.min(self.clock.now_ms().saturating_add(LOOK_AGAIN_MS))).await;
        (since, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, SeededEntropy};
    use aws_config::Region;

    fn function(read: fn(&'static str) -> Option<String>) -> Function {
        let sdk = SdkConfig::builder().region(Region::new("eu-west-1")).build();
        Function { sdk, clock: Arc::new(SystemClock), entropy: Arc::new(SeededEntropy::new(1)), read }
    }

    #[test]
    fn what_is_missing_is_named() {
        for read in [|_: &'static str| None, |_: &'static str| Some(String::new())] {
            let function = function(read);
            let missing = [function.table(), function.bucket(), function.queue(), function.key_file().map(|_| String::new())];
            let named = missing.map(|one| one.unwrap_err().to_string());
            assert!(function.dead_letters().unwrap_err().to_string().starts_with(DEAD_LETTERS));
            for (text, name) in named.iter().zip([TABLE, BUCKET, QUEUE, KEY_FILE]) {
                assert!(text.starts_with(name), "{text}");
            }
            assert!(function.public_url().is_none());
            assert_eq!(*function.limits().unwrap(), Limits::default());
        }
    }

    #[test]
    fn what_is_said_is_taken() {
        let function = function(|name| Some(if name == LIMITS { r#"{"leaseMs": 5000}"#.to_owned() } else { format!("{name}/") }));
        assert_eq!(function.table().unwrap(), "WAYBILL_TABLE/");
        assert_eq!(function.public_url().as_deref(), Some("WAYBILL_PUBLIC_URL"));
        assert_eq!(function.limits().unwrap().lease_ms, 5_000);
    }

    #[test]
    fn limits_that_are_none_are_refused() {
        for read in [|_: &'static str| Some(r#"{"leaseMs": 1}"#.to_owned()), |_: &'static str| Some("{\"lease\": 1}".to_owned())] {
            let text = function(read).limits().unwrap_err().to_string();
            assert!(text.starts_with(LIMITS), "{text}");
        }
    }

    #[tokio::test]
    async fn who_follows_is_sent_to_look_again() {
        let clock = Arc::new(ManualClock::new(5));
        let changes = Elsewhere { clock: clock.clone() };
        changes.publish(Change { topic: "x".to_owned(), version: 1 });
        assert_eq!(changes.wait(&[], 0, 5).await, (0, None));
        assert_eq!(changes.cursor(), 0);
    }
}
