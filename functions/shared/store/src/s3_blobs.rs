//! Blobs in a bucket of S3, named by their SHA-256: written once (`If-None-Match`), checked when read.
//!
//! The bucket keeps versions, so that the sweep can remove the very copy it looked at, and so that what was removed by a
//! mistake can be brought back; a rule of the bucket forgets versions that were replaced or removed.

mod archive;

use crate::fault::{Fault, Place, fault};
use crate::garbage::{GRACE_MS, Stored, Sweepable};
use crate::pause::Patience;
use app::ports::{Blobs, Clock, Entropy, StoreError};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{BucketVersioningStatus, ChecksumMode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Millis;
use sha2::{Digest, Sha256};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How often one blob is looked at again that others store and remove at the same time.
const TURNS_MAX: usize = 5;

/// Which bucket, and what it needs from outside.
#[derive(Clone)]
pub struct Options {
    /// The bucket's name.
    pub bucket: String,
    /// Says how old a blob is, and waits between calls.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub entropy: Arc<dyn Entropy>,
    /// A blob older than half of it is stored anew when it is put again.
    pub grace_ms: Millis,
    /// Longest wait for the answer to one call.
    pub call_ms_max: u64,
}

impl Options {
    /// The ordinary limits.
    #[must_use]
    pub fn new(bucket: impl Into<String>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { bucket: bucket.into(), clock, entropy, grace_ms: GRACE_MS, call_ms_max: 20_000 }
    }
}

/// Blobs in a bucket.
pub struct S3Blobs {
    client: Client,
    place: Place,
    options: Options,
}

impl std::fmt::Debug for S3Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Blobs({})", self.place)
    }
}

/// Where a blob lives; none when the text is no digest.
fn key(sha256: &str) -> Option<String> {
    let digest = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    digest.then(|| format!("{PREFIX}{sha256}"))
}

const PREFIX: &str = "blobs/";

fn millis(at: Option<&DateTime>) -> Option<Millis> {
    at.and_then(|at| at.to_millis().ok()).and_then(|ms| Millis::try_from(ms).ok())
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> u16 {
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

/// What a `put` found.
enum Found {
    /// It was not there, and is now.
    New,
    /// It is there.
    There,
}

impl S3Blobs {
    /// The blobs of a bucket, by an AWS configuration. Asks for nothing yet.
    #[must_use]
    pub fn new(sdk: &aws_types::SdkConfig, options: Options) -> Self {
        let ms = Duration::from_millis;
        let timeouts = TimeoutConfig::builder().connect_timeout(ms(1_500)).operation_attempt_timeout(ms(options.call_ms_max)).build();
        let config = aws_sdk_s3::config::Builder::from(sdk)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // An endpoint of its own has one name for all buckets.
            .force_path_style(sdk.endpoint_url().is_some())
            .build();
        Self { client: Client::from_conf(config), place: Place::new(format!("bucket `{}`", options.bucket), sdk), options }
    }

    /// Looks whether the bucket is there and keeps versions.
    ///
    /// # Errors
    /// What is wrong and what helps.
    pub async fn verify(&self) -> Result<(), StoreError> {
        let call = || async {
            let answer = self.client.get_bucket_versioning().bucket(&self.options.bucket).send().await;
            answer.map_err(|error| fault(&error, &self.place))
        };
        match self.ask(call).await?.status {
            Some(BucketVersioningStatus::Enabled) => Ok(()),
            _ => Err(StoreError::Unavailable(format!(
                "{} keeps no versions, so nothing could be brought back, and no sweep is safe: turn on its versioning",
                self.place
            ))),
        }
    }

    /// Asks, and asks again while that may help. Everything asked here may be repeated.
    async fn ask<T, F: Future<Output = Result<T, Fault>>>(&self, call: impl Fn() -> F) -> Result<T, StoreError> {
        let mut patience = Patience::new(&*self.options.clock, &*self.options.entropy);
        loop {
            let fault = match call().await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            if matches!(fault, Fault::Fixed(_)) || !patience.again().await {
                return Err(StoreError::Unavailable(fault.into_text()));
            }
            tracing::debug!(?fault, "a blob is asked for again");
        }
    }

    /// Stores bytes; `anew` also where there is a copy already.
    async fn store(&self, key: &str, bytes: &[u8], digest: &[u8], anew: bool) -> Result<Found, StoreError> {
        let checksum = STANDARD.encode(digest);
        let call = || async {
            let put = self.client.put_object().bucket(&self.options.bucket).key(key).body(ByteStream::from(bytes.to_vec()));
            let put = put.checksum_sha256(&checksum).content_type("application/octet-stream");
            let put = if anew { put } else { put.if_none_match("*") };
            match put.send().await {
                Ok(_) => Ok(Found::New),
                Err(error) if status(&error) == 412 => Ok(Found::There),
                // Another one stores it in this instant.
                Err(error) if status(&error) == 409 => Err(Fault::Busy(format!("{} has too much to do", self.place))),
                Err(error) => Err(fault(&error, &self.place)),
            }
        };
        self.ask(call).await
    }

    /// Whether the copy that is there is the blob, and young enough to stay until somebody refers to it; none when it is gone.
    async fn will_stay(&self, key: &str, bytes: &[u8], digest: &[u8]) -> Result<Option<bool>, StoreError> {
        let call = || async {
            let head = self.client.head_object().bucket(&self.options.bucket).key(key).checksum_mode(ChecksumMode::Enabled);
            match head.send().await {
                Ok(found) => Ok(Some(found)),
                Err(error) if status(&error) == 404 => Ok(None),
                Err(error) => Err(fault(&error, &self.place)),
            }
        };
        let Some(found) = self.ask(call).await? else { return Ok(None) };
        let same_length = found.content_length().and_then(|length| usize::try_from(length).ok()) == Some(bytes.len());
        let same = same_length && found.checksum_sha256().is_none_or(|checksum| checksum == STANDARD.encode(digest));
        let half = self.options.grace_ms / 2;
        let young = millis(found.last_modified()).is_some_and(|at| at.saturating_add(half) > self.options.clock.now_ms());
        Ok(Some(same && young))
    }
}

#[async_trait]
impl Blobs for S3Blobs {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = Sha256::digest(bytes);
        let sha256 = hex::encode(digest);
        let key = format!("{PREFIX}{sha256}");
        for _ in 0..TURNS_MAX {
            if matches!(self.store(&key, bytes, &digest, false).await?, Found::New) {
                return Ok(sha256);
            }
            match self.will_stay(&key, bytes, &digest).await? {
                Some(true) => return Ok(sha256),
                Some(false) => {
                    self.store(&key, bytes, &digest, true).await?;
                    return Ok(sha256);
                }
                None => {}
            }
        }
        Err(StoreError::Unavailable(format!("{sha256} is stored and removed all the time in {}", self.place)))
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(key) = key(sha256) else { return Ok(None) };
        let call = || async {
            let answer = match self.client.get_object().bucket(&self.options.bucket).key(&key).send().await {
                Ok(answer) => answer,
                Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
                Err(error) => return Err(fault(&error, &self.place)),
            };
            let body = answer.body.collect().await;
            let lost = |_| Fault::Open(format!("the connection to {} was lost", self.place));
            Ok(Some(body.map_err(lost)?.into_bytes().to_vec()))
        };
        let Some(bytes) = self.ask(call).await? else { return Ok(None) };
        if hex::encode(Sha256::digest(&bytes)) == sha256 {
            Ok(Some(bytes))
        } else {
            Err(StoreError::Damaged(format!("the blob {sha256} does not match its digest")))
        }
    }
}

#[async_trait]
impl Sweepable for S3Blobs {
    async fn list(&self, after: Option<&str>, limit: usize) -> Result<(Vec<Stored>, Option<String>), StoreError> {
        // Without versions the copy that was looked at and a later one are the same to S3.
        if after.is_none() {
            self.verify().await?;
        }
        let limit = i32::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000);
        let call = || async {
            let list = self.client.list_object_versions().bucket(&self.options.bucket).prefix(PREFIX).max_keys(limit);
            let list = list.set_key_marker(after.map(|after| format!("{PREFIX}{after}")));
            list.send().await.map_err(|error| fault(&error, &self.place))
        };
        let answer = self.ask(call).await?;
        let newest = answer.versions().iter().filter(|version| version.is_latest() == Some(true));
        let stored = newest.filter_map(|version| {
            let sha256 = version.key()?.strip_prefix(PREFIX).filter(|sha256| key(sha256).is_some())?;
            // What S3 does not date is of today.
            let stored_ms = millis(version.last_modified()).unwrap_or(Millis::MAX);
            Some(Stored { sha256: sha256.to_owned(), stored_ms, copy: version.version_id()?.to_owned() })
        });
        let next = answer.next_key_marker().filter(|_| answer.is_truncated() == Some(true));
        Ok((stored.collect(), next.map(|key| key.strip_prefix(PREFIX).unwrap_or(key).to_owned())))
    }

    async fn remove(&self, stored: &Stored) -> Result<bool, StoreError> {
        let Some(key) = key(&stored.sha256) else { return Ok(false) };
        let call = || async {
            let delete = self.client.delete_object().bucket(&self.options.bucket).key(&key).version_id(&stored.copy);
            match delete.send().await {
                Ok(_) => Ok(true),
                Err(error) if status(&error) == 404 => Ok(false),
                Err(error) => Err(fault(&error, &self.place)),
            }
        };
        self.ask(call).await
    }
}
