//! Writing: one transaction, repeated under its token until it is known what became of it, or until it is enough.

use super::{Dynamo, expression, item};
use crate::fault::{self, Fault};
use crate::rules::{self, Seen};
use app::ports::{Key, TransactError, Transaction};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Millis;
use sha2::{Digest, Sha256};

/// DynamoDB takes tokens of at most so many characters.
const TOKEN_CHARS: usize = 36;

/// What one call came to.
enum Call {
    Ended(Result<(), TransactError>),
    Failed(Fault),
}

impl Dynamo {
    pub(super) async fn write(&self, transaction: Transaction) -> Result<(), TransactError> {
        rules::check(&transaction)?;
        let now = self.instant(&transaction)?;
        // DynamoDB takes no transaction without parts.
        if transaction.writes.is_empty() {
            return Ok(());
        }
        let parts = transaction.writes.iter().map(|write| expression::part(&self.table, write, now));
        let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|error| TransactError::Invalid(error.to_string()))?;
        let token = match &transaction.token {
            Some(token) => self.token(token),
            None => self.token(&self.entropy.ulid(now)),
        };
        let keys: Vec<&Key> = transaction.writes.iter().map(app::ports::Write::key).collect();
        let end = self.send(parts, &token, &keys).await;
        // Where nothing was written, the token is free again.
        if matches!(end, Err(TransactError::Conflict(_) | TransactError::Invalid(_) | TransactError::Unavailable(_))) {
            self.sent().forget_one(&transaction);
        }
        end
    }

    /// The instant by which its conditions tell what has expired: now, or for a repeat the one it was sent with, since
    /// DynamoDB knows a repeat by its bytes.
    fn instant(&self, transaction: &Transaction) -> Result<Millis, TransactError> {
        let now = self.clock.now_ms();
        let mut sent = self.sent();
        match sent.look(transaction, now) {
            Seen::New => sent.remember(transaction, now),
            Seen::Repeat => return Ok(sent.since(transaction).unwrap_or(now)),
            Seen::Other => return Err(TransactError::Invalid("its token was used for another transaction".to_owned())),
        }
        Ok(now)
    }

    /// A token as DynamoDB takes it. It belongs to this table: other tables of the account may use the same one.
    fn token(&self, token: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.table.as_bytes());
        hash.update([0]);
        hash.update(token.as_bytes());
        let mut text = URL_SAFE_NO_PAD.encode(hash.finalize());
        text.truncate(TOKEN_CHARS);
        text
    }

    async fn send(&self, parts: Vec<TransactWriteItem>, token: &str, keys: &[&Key]) -> Result<(), TransactError> {
        let mut patience = self.patience();
        let mut open = None;
        loop {
            let fault = match self.call(parts.clone(), token, keys).await {
                Call::Ended(end) => return end,
                Call::Failed(fault) => fault,
            };
            let again = !matches!(fault, Fault::Fixed(_)) && patience.again().await;
            if let Fault::Open(text) = &fault {
                open = Some(text.clone());
            }
            if again {
                tracing::debug!(?fault, "a transaction is sent again");
                continue;
            }
            return Err(match open {
                Some(text) => TransactError::Unknown(text),
                None => TransactError::Unavailable(fault.into_text()),
            });
        }
    }

    async fn call(&self, parts: Vec<TransactWriteItem>, token: &str, keys: &[&Key]) -> Call {
        let sent = self.client.transact_write_items().set_transact_items(Some(parts)).client_request_token(token).send().await;
        let error = match sent {
            Ok(_) => return Call::Ended(Ok(())),
            Err(error) => error,
        };
        match &error {
            SdkError::ServiceError(answer) => match answer.err() {
                TransactWriteItemsError::TransactionCanceledException(canceled) => self.canceled(canceled.cancellation_reasons(), keys),
                // Sent ten minutes ago at most, by somebody who is no more: by its bytes it is not the same.
                TransactWriteItemsError::IdempotentParameterMismatchException(_) => Call::Ended(Err(TransactError::Unknown(
                    "its token was used shortly before, by another process or for another transaction".to_owned(),
                ))),
                other if other.code() == Some("ValidationException") => match fault::fault(&error, &self.place) {
                    Fault::Fixed(text) => Call::Ended(Err(TransactError::Invalid(text))),
                    fault => Call::Failed(fault),
                },
                _ => Call::Failed(fault::fault(&error, &self.place)),
            },
            _ => Call::Failed(fault::fault(&error, &self.place)),
        }
    }

    /// Nothing was written: a condition did not hold, or something stood in the way.
    fn canceled(&self, reasons: &[CancellationReason], keys: &[&Key]) -> Call {
        let with = |code: &'static str| reasons.iter().enumerate().filter(move |(_, reason)| reason.code() == Some(code));
        let mut failed = Vec::new();
        for (place, reason) in with("ConditionalCheckFailed") {
            let Some(key) = keys.get(place) else { continue };
            let form = reason.item().and_then(item::form);
            if let Some(form) = form.filter(|form| *form > item::FORM_VERSION) {
                return Call::Ended(Err(TransactError::Unavailable(item::newer(key, form))));
            }
            let revision = reason.item().and_then(|old| old.get(item::REVISION)).and_then(|revision| revision.as_n().ok());
            tracing::debug!(partition = key.partition, sort = key.sort, ?revision, "a condition did not hold");
            failed.push(place);
        }
        if !failed.is_empty() {
            return Call::Ended(Err(TransactError::Conflict(failed)));
        }
        if let Some((place, reason)) = with("ValidationError").next() {
            let key = keys.get(place).map(|key| format!("{} / {}", key.partition, key.sort)).unwrap_or_default();
            return Call::Ended(Err(TransactError::Invalid(format!("{key}: {}", reason.message().unwrap_or("not valid")))));
        }
        let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None").collect();
        Call::Failed(Fault::Busy(format!(
            "another transaction held an item of it, or {} has too much to do ({})",
            self.place,
            codes.join(", ")
        )))
    }
}
