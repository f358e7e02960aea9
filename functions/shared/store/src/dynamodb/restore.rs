//! Items put as they were elsewhere: 25 a call, and again what DynamoDB had no time for.

use super::{Dynamo, item};
use crate::Restorable;
use crate::fault::{Fault, fault};
use app::ports::{Item, StoreError};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use std::collections::HashMap;

/// What one call takes.
const ITEMS_A_CALL_MAX: usize = 25;

impl Dynamo {
    async fn put_all(&self, mut requests: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut patience = self.patience();
        while !requests.is_empty() {
            let call = || async {
                let asked = self.client.batch_write_item().request_items(&self.table, requests.clone());
                asked.send().await.map_err(|error| -> Fault { fault(&error, &self.place) })
            };
            let answer = self.ask(call).await?;
            let before = requests.len();
            requests = answer.unprocessed_items.unwrap_or_default().remove(&self.table).unwrap_or_default();
            if requests.len() < before {
                patience = self.patience();
            } else if !patience.again().await {
                return Err(StoreError::Unavailable(format!("{} takes no more items now: try again later", self.place)));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Restorable for Dynamo {
    async fn restore(&self, items: Vec<Item>) -> Result<(), StoreError> {
        // Of an item that is there twice the last counts; one call takes a key once.
        let last: HashMap<_, _> = items.into_iter().map(|item| (item.key.clone(), item)).collect();
        let mut requests = Vec::with_capacity(last.len());
        for item in last.into_values() {
            let put = PutRequest::builder().set_item(Some(item::attributes(&item, item.revision))).build();
            let put = put.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        for few in requests.chunks(ITEMS_A_CALL_MAX) {
            self.put_all(few.to_vec()).await?;
        }
        Ok(())
    }
}
