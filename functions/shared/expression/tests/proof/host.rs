//! The world as the oracle has it: a clock that stands still, one random number, a stage that is under way.

use expression::{Host, Refusal};
use serde::Deserialize;
use serde_json::Value;

/// Its answers are those of `oracle/src/oracle/Access.java`.
#[derive(Debug)]
pub(crate) struct Still;

impl Host for Still {
    /// 2026-11-22T10:11:12.345Z
    fn now_ms(&self) -> Option<i64> {
        Some(1_795_342_272_345)
    }

    /// As a UUID it is 01234567-89ab-4cde-8f01-23456789abcd.
    fn random(&self) -> Option<u128> {
        Some(0x0123_4567_89ab_4cde_8f01_2345_6789_abcd)
    }

    fn current_stage(&self) -> Option<String> {
        Some("01S6".to_owned())
    }

    fn yaml(&self, text: &str) -> Result<Vec<Value>, Refusal> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let all: Result<Vec<Value>, _> = serde_norway::Deserializer::from_str(text).map(document).collect();
        all.map_err(|error| Refusal::Failed(error.to_string()))
    }
}

fn document(read: serde_norway::Deserializer<'_>) -> Result<Value, serde_norway::Error> {
    let mut value = serde_norway::Value::deserialize(read)?;
    value.apply_merge()?;
    if tagged(&value) {
        return Err(serde::de::Error::custom("a tag names a type"));
    }
    // Keys that are no texts become texts.
    serde_norway::from_str(&serde_norway::to_string(&value)?)
}

fn tagged(value: &serde_norway::Value) -> bool {
    match value {
        serde_norway::Value::Tagged(_) => true,
        serde_norway::Value::Sequence(items) => items.iter().any(tagged),
        serde_norway::Value::Mapping(map) => map.iter().any(|(key, value)| tagged(key) || tagged(value)),
        _ => false,
    }
}
