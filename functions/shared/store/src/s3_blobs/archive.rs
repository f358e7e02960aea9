//! The archive in the bucket: one object an execution, `archive/2026-11/<execution>.json`. A bucket cannot be appended to.

use super::{S3Blobs, status};
use crate::archive::{Shelf, is_month};
use crate::fault::{Fault, fault};
use app::ports::{Archive, StoreError};
use async_trait::async_trait;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use model::id::ExecutionId;

const PREFIX: &str = "archive/";
const ENDING: &str = ".json";
/// Names that one call gives.
const NAMES_A_CALL: i32 = 1_000;

impl S3Blobs {
    async fn object(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let call = || async {
            let answer = match self.client.get_object().bucket(&self.options.bucket).key(key).send().await {
                Ok(answer) => answer,
                Err(error) if error.code() == Some("NoSuchKey") || status(&error) == 404 => return Ok(None),
                Err(error) => return Err(fault(&error, &self.place)),
            };
            let body = answer.body.collect().await;
            Ok(Some(body.map_err(|_| Fault::Open(format!("the connection to {} was lost", self.place)))?.into_bytes().to_vec()))
        };
        self.ask(call).await
    }

    /// Keys and common beginnings under a prefix, in order.
    async fn names(&self, prefix: &str) -> Result<(Vec<String>, Vec<String>), StoreError> {
        let (mut keys, mut folders, mut next) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let call = || async {
                let list = self.client.list_objects_v2().bucket(&self.options.bucket).prefix(prefix).delimiter("/");
                let list = list.max_keys(NAMES_A_CALL).set_continuation_token(next.clone());
                list.send().await.map_err(|error| fault(&error, &self.place))
            };
            let answer = self.ask(call).await?;
            keys.extend(answer.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
            folders.extend(answer.common_prefixes().iter().filter_map(|folder| folder.prefix().map(str::to_owned)));
            next = answer.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok((keys, folders));
            }
        }
    }
}

#[async_trait]
impl Archive for S3Blobs {
    async fn keep(&self, month: &str, id: &ExecutionId, record: &[u8]) -> Result<(), StoreError> {
        if !is_month(month) {
            return Err(StoreError::Damaged(format!("`{month}` is no month")));
        }
        let key = format!("{PREFIX}{month}/{id}{ENDING}");
        let call = || async {
            let put = self.client.put_object().bucket(&self.options.bucket).key(&key).content_type("application/json");
            let put = put.body(ByteStream::from(record.to_vec())).send().await;
            put.map(drop).map_err(|error| fault(&error, &self.place))
        };
        self.ask(call).await
    }
}

#[async_trait]
impl Shelf for S3Blobs {
    async fn months(&self) -> Result<Vec<String>, StoreError> {
        let (_, folders) = self.names(PREFIX).await?;
        let month = |folder: &String| folder.strip_prefix(PREFIX)?.strip_suffix('/').filter(|month| is_month(month)).map(str::to_owned);
        Ok(folders.iter().filter_map(month).collect())
    }

    async fn of_month(&self, month: &str, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let (mut keys, _) = self.names(&format!("{PREFIX}{month}/")).await?;
        // Ids begin with the time of their start, so the last names are the newest.
        keys.drain(..keys.len().saturating_sub(limit));
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            records.extend(self.object(&key).await?);
        }
        Ok(records)
    }

    async fn find(&self, id: &ExecutionId) -> Result<Option<Vec<u8>>, StoreError> {
        for month in self.months().await?.iter().rev() {
            if let Some(record) = self.object(&format!("{PREFIX}{month}/{id}{ENDING}")).await? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}
