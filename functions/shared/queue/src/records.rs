//! What comes from a queue, record by record: one that cannot be read, that fails, or that panics fails alone, and is told
//! to the queue, which brings it again and lays it aside in the end.

use app::ports::Hint;
use futures::FutureExt;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;

/// Version of a message; raised when an older reader would misread it.
const VERSION: u32 = 1;
/// No longer text is read as a message.
const TEXT_BYTES_MAX: usize = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Message {
    v: u32,
    hint: Hint,
}

/// A message cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message cannot be understood: {0}")]
pub struct Unreadable(String);

/// The text of a hint.
pub(crate) fn encode(hint: Hint) -> Option<String> {
    serde_json::to_string(&Message { v: VERSION, hint }).ok()
}

/// Reads a hint's text.
///
/// # Errors
/// When it is none, or of a newer version.
pub fn decode(text: &str) -> Result<Hint, Unreadable> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Unreadable(format!("it has {} bytes", text.len())));
    }
    let message: Message = serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))?;
    if message.v > VERSION {
        return Err(Unreadable(format!("it is of version {}, this program knows {VERSION}: update it", message.v)));
    }
    Ok(message.hint)
}

/// One thing that a queue brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// By which the queue is told of it.
    pub id: String,
    /// The message.
    pub body: String,
}

/// Does what all records ask for, side by side, and gives the ids of those that failed.
pub async fn handle<E: Display, F: Future<Output = Result<(), E>>>(records: Vec<Record>, work: impl Fn(Hint) -> F) -> Vec<String> {
    let one = |record: Record| {
        let work = &work;
        async move {
            let hint = match decode(&record.body) {
                Ok(hint) => hint,
                Err(error) => {
                    tracing::error!(id = record.id, %error, "a record is of no use");
                    return Some(record.id);
                }
            };
            // Called within, for it may panic before there is a future.
            match AssertUnwindSafe(async { work(hint.clone()).await }).catch_unwind().await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => {
                    tracing::warn!(id = record.id, ?hint, %error, "a record failed, and comes again");
                    Some(record.id)
                }
                Err(_) => {
                    tracing::error!(id = record.id, ?hint, "the work on a record panicked");
                    Some(record.id)
                }
            }
        }
    };
    join_all(records.into_iter().map(one)).await.into_iter().flatten().collect()
}

/// The event with which Lambda hands on what a queue of SQS brought.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Brought>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Brought {
    message_id: String,
    #[serde(default)]
    body: String,
}

/// The answer to Lambda: which records failed, and come again. The mapping of the queue must ask for it
/// (`ReportBatchItemFailures`), or all records of a batch count as done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Batch {
    /// Does what all records ask for, as [`handle`] does.
    pub async fn handle<E: Display, F: Future<Output = Result<(), E>>>(self, work: impl Fn(Hint) -> F) -> Failed {
        let records = self.records.into_iter().map(|one| Record { id: one.message_id, body: one.body });
        let failed = handle(records.collect(), work).await;
        Failed { batch_item_failures: failed.into_iter().map(|item_identifier| Failure { item_identifier }).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::ExecutionId;

    fn hint(id: &str) -> Hint {
        Hint::Execution { id: ExecutionId::parse(id).unwrap() }
    }

    /// A message of version 1. Never edited: one may wait in a queue for two weeks.
    const GOLDEN: &str = r#"{"v":1,"hint":{"kind":"execution","id":"e1"}}"#;

    #[test]
    fn the_form_of_a_message_stays() {
        assert_eq!(encode(hint("e1")).as_deref(), Some(GOLDEN));
        assert_eq!(decode(GOLDEN), Ok(hint("e1")));
        let newer = decode(&GOLDEN.replace("\"v\":1", "\"v\":2")).unwrap_err();
        assert!(newer.to_string().contains("update"), "{newer}");
        for text in ["", "{}", "null", r#"{"v":1,"hint":{"kind":"dance"}}"#, &" ".repeat(TEXT_BYTES_MAX + 1)] {
            assert!(decode(text).is_err());
        }
    }

    #[tokio::test]
    async fn a_batch_of_lambda_is_answered_with_what_failed() {
        let record = |id: &str, body: &str| serde_json::json!({"messageId": id, "body": body, "receiptHandle": "r", "attributes": {}});
        let event = serde_json::json!({"Records": [record("a", GOLDEN), record("b", "?"), record("c", &GOLDEN.replace("e1", "e2"))]});
        let batch: Batch = serde_json::from_value(event).unwrap();
        let failed = batch.handle(|found| async move { if found == hint("e1") { Ok(()) } else { Err("no") } }).await;
        let answer = serde_json::json!({"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "c"}]});
        assert_eq!(serde_json::to_value(failed).unwrap(), answer);
        assert!(serde_json::from_str::<Batch>("{}").is_err(), "another event is no batch");
    }

    #[tokio::test]
    async fn each_record_fails_alone() {
        let record = |id: &str, body: String| Record { id: id.to_owned(), body };
        let named = |name: &str| record(name, encode(hint(name)).unwrap());
        let records = vec![named("fine"), record("poisoned", "not json".to_owned()), named("fails"), named("panics"), named("late")];
        let failed = handle(records, |hint| {
            let Hint::Execution { id } = hint else { unreachable!() };
            assert!(id.as_str() != "panics", "on purpose");
            async move { if id.as_str() == "fails" { Err("no") } else { Ok(()) } }
        })
        .await;
        assert_eq!(failed, ["poisoned", "fails", "panics"]);
    }
}
