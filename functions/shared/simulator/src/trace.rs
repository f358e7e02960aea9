//! A step's trace, kept by the same rules as the real stage host keeps it: reads are remembered and written with the intent
//! of the next change, a repeated step gets the recorded prefix back, another call inside the prefix stops it.

use app::ports::{JournalError, StepFault, StepJournal, TraceEntry};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a call begins.
pub(crate) enum Begun {
    /// An earlier run of the step has the answer.
    Recorded(u64),
    /// It must be answered now.
    Live(Open),
}

/// A call that is being answered.
pub(crate) struct Open {
    index: u32,
    call: &'static str,
    request: String,
    intended: bool,
}

/// The trace of the step that runs.
pub(crate) struct Trace {
    journal: Arc<dyn StepJournal>,
    recorded: BTreeMap<u32, TraceEntry>,
    next: u32,
    pending: Vec<TraceEntry>,
    read_before: bool,
}

impl Trace {
    pub(crate) fn new(journal: Arc<dyn StepJournal>) -> Self {
        let mut recorded = BTreeMap::new();
        for entry in journal.recorded() {
            let answered = recorded.get(&entry.index).is_some_and(|e: &TraceEntry| e.response.is_some());
            if !answered {
                recorded.insert(entry.index, entry.clone());
            }
        }
        Self { journal, recorded, next: 0, pending: Vec::new(), read_before: false }
    }

    pub(crate) fn begin(&mut self, call: &'static str, reads: bool, request: String) -> Result<Begun, StepFault> {
        let index = self.next;
        self.next += 1;
        self.read_before |= reads;
        let Some(entry) = self.recorded.remove(&index) else {
            return Ok(Begun::Live(Open { index, call, request, intended: false }));
        };
        if entry.call != call || entry.request != request {
            return Err(StepFault::Nondeterministic(format!("call {index} was {} {}, now {call} {request}", entry.call, entry.request)));
        }
        Ok(match entry.response.as_ref().and_then(Value::as_u64) {
            Some(answer) => Begun::Recorded(answer),
            None => Begun::Live(Open { index, call, request, intended: true }),
        })
    }

    fn still_current(&self) -> Result<(), StepFault> {
        if self.journal.is_current() { Ok(()) } else { Err(StepFault::Fenced) }
    }

    /// Before a change is sent: makes durable what it rests on.
    pub(crate) async fn intend(&mut self, open: &Open) -> Result<(), StepFault> {
        self.still_current()?;
        if open.intended || !self.read_before {
            return Ok(());
        }
        let intent = TraceEntry { index: open.index, call: open.call.to_owned(), request: open.request.clone(), response: None };
        let mut entries = std::mem::take(&mut self.pending);
        entries.push(intent);
        match self.journal.intend(entries).await {
            Ok(()) => self.still_current(),
            Err(JournalError::Fenced) => Err(StepFault::Fenced),
            Err(other) => Err(StepFault::Unavailable(other.to_string())),
        }
    }

    pub(crate) fn done(&mut self, open: Open, answer: u64) {
        let Open { index, call, request, .. } = open;
        self.pending.push(TraceEntry { index, call: call.to_owned(), request, response: Some(Value::from(answer)) });
    }

    /// True when what comes next may rest on something that was read.
    pub(crate) fn has_read(&self) -> bool {
        self.read_before
    }

    pub(crate) fn finish(&mut self) -> Result<Vec<TraceEntry>, StepFault> {
        if let Some(entry) = self.recorded.values().next() {
            return Err(StepFault::Nondeterministic(format!("it ended without call {}, which was {}", entry.index, entry.call)));
        }
        Ok(std::mem::take(&mut self.pending))
    }
}
