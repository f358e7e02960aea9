//! What was asked and what was done to it. Bodies and credentials are not kept: of a body its digest.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::ask::Verb;

/// Most records kept; the oldest go.
const RECORDS_MAX: usize = 200_000;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    /// It is under way, or nobody waited for its answer.
    Open,
    /// It was answered; of a stream, its head.
    Answered,
    /// Its connection was broken instead, or so soon after that the answer may be lost.
    Broken,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its place in the order of all.
    pub number: u64,
    /// When it came, since the proxy was started.
    pub at_ms: u64,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query.
    pub query: String,
    /// What it does.
    pub verb: Verb,
    /// The plural, or blank.
    pub resource: String,
    /// The namespace, or blank.
    pub namespace: String,
    /// The object's name, or blank.
    pub name: String,
    /// It only tries.
    pub dry_run: bool,
    /// Length of its body.
    pub body_bytes: usize,
    /// SHA-256 of its body, as hex; of JSON whatever the order of its keys, which says nothing.
    pub body_digest: String,
    /// The uid that a delete insists on.
    pub uid: Option<String>,
    /// The rule that met it.
    pub rule: Option<String>,
    /// What the rule did.
    pub fault: Option<String>,
    /// What the API server answered, if it was asked.
    pub upstream_status: Option<u16>,
    /// What was answered.
    pub answered: Option<u16>,
    /// What became of it.
    pub done: Done,
}

impl Record {
    /// The API server did what was asked.
    #[must_use]
    pub fn was_done(&self) -> bool {
        self.upstream_status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// What two bodies share that say the same.
pub(super) fn digest(body: &[u8]) -> String {
    let ordered = serde_json::from_slice::<Value>(body).map(|mut value| {
        value.sort_all_objects();
        value.to_string()
    });
    hex::encode(Sha256::digest(ordered.as_deref().map_or(body, str::as_bytes)))
}

/// All of them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Records {
    kept: VecDeque<Record>,
    count: u64,
}

impl Records {
    /// Adds one and gives its number; numbers begin with one.
    pub(super) fn add(&mut self, mut record: Record) -> u64 {
        self.count += 1;
        record.number = self.count;
        if self.kept.len() >= RECORDS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(record);
        self.count
    }

    pub(super) fn change(&mut self, number: u64, change: impl FnOnce(&mut Record)) {
        let first = self.kept.front().map_or(0, |record| record.number);
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(record) = at.and_then(|at| self.kept.get_mut(at)) {
            change(record);
        }
    }

    pub(super) fn after(&self, number: u64) -> Vec<Record> {
        self.kept.iter().filter(|record| record.number > number).cloned().collect()
    }

    pub(super) fn find(&self, so: impl Fn(&Record) -> bool) -> Option<Record> {
        self.kept.iter().find(|record| so(record)).cloned()
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_says_nothing() {
        let digest = |text: &str| digest(text.as_bytes());
        assert_eq!(digest(r#"{"a": 1, "b": {"c": [1, 2], "d": 3}}"#), digest(r#"{"b":{"d":3,"c":[1,2]},"a":1}"#));
        assert_ne!(digest(r#"{"a": [1, 2]}"#), digest(r#"{"a": [2, 1]}"#));
        assert_ne!(digest("no: json"), digest("no:  json"));
    }
}
