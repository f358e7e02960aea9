//! The log of an execution: its transitions, what became of what people sent, and what its stages said.

use crate::wire::ReasonView;
use app::execution::logs::Entry;
use model::Millis;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One transition of an execution and what was said meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LogEntryView {
    /// The version it made.
    version: u64,
    /// When.
    at: Millis,
    /// What changed.
    transitions: Vec<TransitionView>,
    /// What became of what people sent.
    verdicts: Vec<VerdictView>,
    /// What stages said.
    lines: Vec<LineView>,
    /// Lines dropped beyond the limit.
    dropped: u32,
}

/// A status that changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TransitionView {
    /// The stage's refId; left out for the execution itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// From.
    from: String,
    /// To.
    to: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
}

/// What became of something that a person sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VerdictView {
    /// The event's id, as the answer to the request said it.
    id: String,
    /// Who sent it.
    sender: String,
    /// `applied`, or why not.
    verdict: String,
    /// For people.
    message: String,
}

/// A line that a stage said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    /// The stage's refId.
    stage: String,
    /// Which attempt.
    attempt: u32,
    /// `debug`, `info`, `warn` or `error`.
    level: String,
    /// The line, without control characters.
    message: String,
    /// For machines.
    fields: BTreeMap<String, String>,
}

impl From<Entry> for LogEntryView {
    fn from(entry: Entry) -> Self {
        let level = |level: app::ports::LogLevel| match level {
            app::ports::LogLevel::Debug => "debug",
            app::ports::LogLevel::Info => "info",
            app::ports::LogLevel::Warn => "warn",
            app::ports::LogLevel::Error => "error",
        };
        let transitions = entry.transitions.into_iter().map(|t| TransitionView {
            stage: t.stage,
            from: t.from.to_string(),
            to: t.to.to_string(),
            reason: t.reason.map(Into::into),
        });
        let verdicts =
            entry.verdicts.into_iter().map(|v| VerdictView { id: v.id, sender: v.sender, verdict: v.verdict, message: v.message });
        let lines = entry.lines.into_iter().map(|l| LineView {
            stage: l.stage,
            attempt: l.attempt,
            level: level(l.line.level).to_owned(),
            message: l.line.message,
            fields: l.line.fields.into_iter().collect(),
        });
        Self {
            version: entry.version,
            at: entry.at,
            transitions: transitions.collect(),
            verdicts: verdicts.collect(),
            lines: lines.collect(),
            dropped: entry.dropped,
        }
    }
}
