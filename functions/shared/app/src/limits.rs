//! Limits and defaults of executions: what holds when nobody says otherwise. An installation may set those of [`Limits`]; the
//! constants are limits of what is stored, and the same everywhere.

use crate::error::AppError;
use model::Millis;
use model::pipeline::window;
use serde::{Deserialize, Serialize};

/// Most bytes of an execution's plan: its pipeline, parameters and trigger.
pub const PLAN_BYTES_MAX: usize = 3 << 20;
/// Most bytes of an execution's parameters as JSON: release orders carry them.
pub const PARAMETERS_BYTES_MAX: usize = 256 << 10;
/// Most bytes of what one stage leaves behind.
pub const RESULTS_BYTES_MAX: usize = 1 << 20;

/// Longest time for which ended executions are kept.
const KEPT_MS_MAX: Millis = 10 * 366 * 24 * 3_600_000;

/// Limits that an installation may set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Time zone of execution windows whose pipeline names none: a name of the IANA database.
    pub time_zone: String,
    /// How long a worker may be silent before another one may take over.
    pub lease_ms: Millis,
    /// A worker with nothing but watches rests after this and comes back by the poll.
    pub linger_ms_max: Millis,
    /// An execution that was taken so often without a commit is parked.
    pub takes_max: u32,
    /// Executions of one pipeline that may wait for a slot.
    pub waiting_max: usize,
    /// How deep executions may start others.
    pub depth_max: u32,
    /// Ended executions are kept so long.
    pub kept_ms: Millis,
    /// And so many of a pipeline whatever their age.
    pub kept_newest: usize,
    /// Limits that each execution takes with it when it starts.
    pub execution: engine::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            lease_ms: 30_000,
            linger_ms_max: 60_000,
            takes_max: 5,
            waiting_max: 1_000,
            depth_max: 10,
            kept_ms: 90 * 24 * 3_600_000,
            kept_newest: 20,
            execution: engine::Limits::default(),
        }
    }
}

impl Limits {
    /// Refuses limits under which nothing could work.
    pub fn check(&self) -> Result<(), AppError> {
        let refuse = |pointer: &str, message: String| Err(AppError::invalid(pointer, "limit-invalid", message));
        if let Err(error) = window::zone(&self.time_zone) {
            return refuse("/timeZone", error.to_string());
        }
        let of_one = &self.execution;
        let bounded: [(&str, u64, u64, u64); 14] = [
            ("/leaseMs", self.lease_ms, 1_000, 15 * 60_000),
            ("/lingerMsMax", self.linger_ms_max, 0, 15 * 60_000),
            ("/takesMax", u64::from(self.takes_max), 1, 1_000),
            ("/waitingMax", self.waiting_max as u64, 0, 1_000),
            ("/depthMax", u64::from(self.depth_max), 0, 16),
            ("/keptMs", self.kept_ms, 60_000, KEPT_MS_MAX),
            ("/keptNewest", self.kept_newest as u64, 1, 10_000),
            ("/execution/stepRetriesMax", u64::from(of_one.step_retries_max), 0, 100),
            ("/execution/retryMsFirst", of_one.retry_ms_first, 10, of_one.retry_ms_max),
            ("/execution/retryMsMax", of_one.retry_ms_max, 10, 24 * 3_600_000),
            ("/execution/yieldsInARowMax", u64::from(of_one.yields_in_a_row_max), 1, 100_000),
            ("/execution/pollMsMin", of_one.poll_ms_min, 100, of_one.poll_ms_max),
            ("/execution/pollMsMax", of_one.poll_ms_max, 100, 24 * 3_600_000),
            ("/execution/stopMsMax", of_one.stop_ms_max, 1_000, 15 * 60_000),
        ];
        for (pointer, value, least, most) in bounded {
            if !(least..=most).contains(&value) {
                return refuse(pointer, format!("must be from {least} to {most}, here {value}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_defaults_hold_and_nonsense_does_not() {
        Limits::default().check().unwrap();
        let refused = |text: &str| {
            let limits: Limits = serde_json::from_str(text).unwrap();
            match limits.check().unwrap_err() {
                AppError::Invalid(problems) => problems[0].pointer.clone(),
                other => panic!("{other}"),
            }
        };
        let wrong = [
            ("/timeZone", json!("Mars/Base")),
            ("/leaseMs", json!(5)),
            ("/lingerMsMax", json!(900_001)),
            ("/takesMax", json!(0)),
            ("/waitingMax", json!(1_001)),
            ("/depthMax", json!(17)),
            ("/keptMs", json!(u64::MAX)),
            ("/keptNewest", json!(0)),
            ("/execution/stepRetriesMax", json!(101)),
            ("/execution/retryMsFirst", json!(60_001)),
            ("/execution/retryMsMax", json!(u64::MAX)),
            ("/execution/yieldsInARowMax", json!(0)),
            ("/execution/pollMsMin", json!(5)),
            ("/execution/pollMsMax", json!(u64::MAX)),
            ("/execution/stopMsMax", json!(999)),
        ];
        for (pointer, value) in wrong {
            let (field, whole) = match pointer.strip_prefix("/execution/") {
                Some(inner) => (inner, false),
                None => (pointer.trim_start_matches('/'), true),
            };
            let fields = json!({field: value});
            let limits = if whole { fields } else { json!({"execution": fields}) };
            assert_eq!(refused(&limits.to_string()), pointer);
        }
        assert!(serde_json::from_str::<Limits>(r#"{"leaseSeconds": 5}"#).is_err(), "a misspelt limit is no limit");
    }
}
