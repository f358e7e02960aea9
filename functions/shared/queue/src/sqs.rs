//! The queue on SQS: hints only. One that cannot be sent is told in the log and made good by the tick; one that comes is
//! looked at, and comes again only when that failed. What fails again and again is laid aside by SQS, and brought back by a
//! person.

use crate::records::{self, Record};
use app::ports::{Clock, Entropy, Hint, Queue};
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, SendMessageBatchRequestEntry};
use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Longest delay that SQS takes; longer ones are cut to it.
pub const DELAY_MS_MAX: u64 = crate::in_process::DELAY_MS_MAX;
/// Most messages of one call.
const MESSAGES_A_CALL_MAX: usize = 10;
/// Most calls for one thing asked.
const CALLS_MAX: u32 = 4;
const PAUSE_MS: u64 = 50;
/// How long a message that was looked at only to show it stays hidden from others.
const SHOWN_S: i32 = 5;

/// Which queue, and what it needs from outside.
#[derive(Clone)]
pub struct Options {
    /// The queue's address.
    pub url: String,
    /// Waits between calls.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub entropy: Arc<dyn Entropy>,
}

/// A queue on SQS.
pub struct Sqs {
    client: Client,
    options: Options,
}

/// The queue cannot be asked; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the queue {url} cannot be asked: {message}")]
pub struct SqsError {
    url: String,
    message: String,
}

/// What became of the messages of one look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handled {
    /// So many came.
    pub came: usize,
    /// So many failed, and come again.
    pub failed: usize,
}

/// A message that was laid aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's id of it.
    pub id: String,
    /// Its text.
    pub body: String,
}

impl std::fmt::Debug for Sqs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sqs({})", self.options.url)
    }
}

fn seconds(delay_ms: u64) -> i32 {
    i32::try_from(delay_ms.min(DELAY_MS_MAX).div_ceil(1_000)).unwrap_or(i32::MAX)
}

/// Whether asking again may help.
fn may_pass<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or_default();
            code.contains("Throttl") || code.contains("Internal") || code.contains("Unavailable") || code.contains("OverLimit")
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    }
}

/// What went wrong, in words.
fn words<E: ProvideErrorMetadata + Error + 'static, R: std::fmt::Debug>(error: &SdkError<E, R>) -> String {
    if let SdkError::ServiceError(answer) = error {
        let (code, message) = (answer.err().code(), answer.err().message());
        return format!("{}: {}", code.unwrap_or("no code"), message.unwrap_or("no message"));
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(one) = source {
        text = format!("{text}: {one}");
        source = one.source();
    }
    text
}

impl Sqs {
    /// The queue at an address, by an AWS configuration. Asks for nothing yet.
    #[must_use]
    pub fn new(sdk: &aws_types::SdkConfig, options: Options) -> Self {
        let s = Duration::from_secs;
        // A look waits up to 20 seconds by itself.
        let timeouts = TimeoutConfig::builder().connect_timeout(s(2)).operation_attempt_timeout(s(30)).build();
        let config = aws_sdk_sqs::config::Builder::from(sdk).retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), options }
    }

    async fn ask<T, E, R, F>(&self, call: impl Fn() -> F) -> Result<T, SqsError>
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
        F: Future<Output = Result<T, SdkError<E, R>>>,
    {
        let mut calls = 0;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            calls += 1;
            if calls >= CALLS_MAX || !may_pass(&error) {
                return Err(SqsError { url: self.options.url.clone(), message: words(&error) });
            }
            let longest = PAUSE_MS << calls;
            let pause = longest / 2 + self.options.entropy.number() % (longest / 2 + 1);
            self.options.clock.sleep_until(self.options.clock.now_ms().saturating_add(pause)).await;
        }
    }

    async fn receive(&self, wait_s: i32, hidden_s: Option<i32>) -> Result<Vec<Message>, SqsError> {
        let call = || {
            let look = self.client.receive_message().queue_url(&self.options.url).max_number_of_messages(10).wait_time_seconds(wait_s);
            look.set_visibility_timeout(hidden_s).send()
        };
        Ok(self.ask(call).await?.messages.unwrap_or_default())
    }

    async fn delete(&self, receipts: Vec<String>) -> Result<(), SqsError> {
        for part in receipts.chunks(MESSAGES_A_CALL_MAX) {
            let entries = part.iter().enumerate().filter_map(|(place, receipt)| {
                DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(receipt).build().ok()
            });
            let entries: Vec<_> = entries.collect();
            let call = || self.client.delete_message_batch().queue_url(&self.options.url).set_entries(Some(entries.clone())).send();
            // One that is not deleted comes again, and changes nothing then.
            self.ask(call).await?;
        }
        Ok(())
    }

    /// Looks once, for at most so many seconds, does what came, and takes from the queue what did not fail. On Lambda the
    /// service does the looking and [`records::handle`] alone is used.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub async fn look<E: Display, F: Future<Output = Result<(), E>>>(
        &self,
        wait_s: u8,
        work: impl Fn(Hint) -> F,
    ) -> Result<Handled, SqsError> {
        let messages = self.receive(i32::from(wait_s.min(20)), None).await?;
        let record = |message: &Message| {
            Some(Record { id: message.receipt_handle()?.to_owned(), body: message.body().unwrap_or_default().to_owned() })
        };
        let records: Vec<Record> = messages.iter().filter_map(record).collect();
        let mut done: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
        let failed = records::handle(records, work).await;
        let handled = Handled { came: done.len(), failed: failed.len() };
        done.retain(|receipt| !failed.contains(receipt));
        self.delete(done).await?;
        Ok(handled)
    }

    /// Some of the messages of a dead-letter queue, which this is the address of.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, SqsError> {
        let messages = self.receive(0, Some(SHOWN_S)).await?;
        let letter = |message: Message| Some(DeadLetter { id: message.message_id?, body: message.body.unwrap_or_default() });
        Ok(messages.into_iter().filter_map(letter).collect())
    }

    /// Sends what was laid aside back to its queue, and says how many. Each stays aside until it is sent.
    ///
    /// # Errors
    /// When a queue cannot be asked.
    pub async fn redrive(&self, to: &Self) -> Result<usize, SqsError> {
        let mut sent = 0;
        loop {
            let messages = self.receive(0, None).await?;
            if messages.is_empty() {
                return Ok(sent);
            }
            for message in messages {
                let body = message.body.unwrap_or_default();
                to.ask(|| to.client.send_message().queue_url(&to.options.url).message_body(&body).send()).await?;
                sent += 1;
                self.delete(message.receipt_handle.into_iter().collect()).await?;
            }
        }
    }
}

#[async_trait]
impl Queue for Sqs {
    async fn hint(&self, hint: Hint, delay_ms: u64) {
        let Some(body) = records::encode(hint.clone()) else { return };
        let call = || {
            let send = self.client.send_message().queue_url(&self.options.url).message_body(&body);
            send.delay_seconds(seconds(delay_ms)).send()
        };
        if let Err(error) = self.ask(call).await {
            tracing::warn!(?hint, %error, "a hint was not sent; the tick makes it good");
        }
    }

    /// With few calls.
    async fn hint_all(&self, hints: Vec<(Hint, u64)>) {
        for part in hints.chunks(MESSAGES_A_CALL_MAX) {
            let entries = part.iter().enumerate().filter_map(|(place, (hint, delay_ms))| {
                let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).message_body(records::encode(hint.clone())?);
                entry.delay_seconds(seconds(*delay_ms)).build().ok()
            });
            let entries: Vec<_> = entries.collect();
            let call = || self.client.send_message_batch().queue_url(&self.options.url).set_entries(Some(entries.clone())).send();
            match self.ask(call).await {
                Err(error) => tracing::warn!(%error, hints = part.len(), "hints were not sent; the tick makes it good"),
                Ok(answer) => {
                    for entry in answer.failed() {
                        let hint = entry.id().parse().ok().and_then(|place: usize| part.get(place));
                        tracing::warn!(?hint, code = entry.code(), "a hint was not sent; the tick makes it good");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_whole_seconds_and_bounded() {
        assert_eq!([0, 1, 1_000, 1_001, DELAY_MS_MAX, u64::MAX].map(seconds), [0, 1, 1, 2, 900, 900]);
    }
}
