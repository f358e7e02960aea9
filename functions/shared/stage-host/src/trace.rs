//! The step's trace: what a repeated step already knows, and what must be durable before a change is made.
//!
//! Every call has a place. A repeated step gets the answers of the recorded prefix and goes on live where it ends; another
//! request inside the prefix stops it. What is only read costs no write.

use crate::fault::Stop;
use app::ports::{JournalError, StepJournal, TraceEntry};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a call does, as far as repeating it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Answered from what the step was started with.
    Local,
    /// Asks a cluster, or what became of another execution.
    Read,
    /// Changes something; repeating it with the same content does no harm.
    Write,
    /// Changes something once for the attempt, whatever it is repeated with: the other side knows the repetition.
    Once,
}

impl Effect {
    /// Something outside is another afterwards.
    pub(crate) fn changes(self) -> bool {
        matches!(self, Self::Write | Self::Once)
    }
}

/// A call that is being answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) index: u32,
    pub(crate) effect: Effect,
    call: &'static str,
    request: String,
    /// Its intent is durable already: an earlier run of the step died here.
    intended: bool,
}

/// How a call begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Begun {
    /// An earlier run of the step has the answer.
    Recorded(Value),
    /// It must be answered now.
    Live(Open),
}

/// The trace of the step that runs.
pub(crate) struct Trace {
    journal: Arc<dyn StepJournal>,
    recorded: BTreeMap<u32, TraceEntry>,
    next: u32,
    /// Not durable yet.
    pending: Vec<TraceEntry>,
    /// A read came before: from here on the content of changes may depend on it.
    read_before: bool,
}

impl Trace {
    pub(crate) fn new(journal: Arc<dyn StepJournal>) -> Self {
        let mut recorded = BTreeMap::new();
        for entry in journal.recorded() {
            // An intent may stand there twice, without its answer and with it.
            let answered = recorded.get(&entry.index).is_some_and(|e: &TraceEntry| e.response.is_some());
            if !answered {
                recorded.insert(entry.index, entry.clone());
            }
        }
        Self { journal, recorded, next: 0, pending: Vec::new(), read_before: false }
    }

    /// Takes the next place; `request` is the call's arguments in one spelling.
    pub(crate) fn begin(&mut self, call: &'static str, effect: Effect, request: &str) -> Result<Begun, Stop> {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        self.read_before |= effect == Effect::Read;
        let request = digest(call, request);
        let Some(entry) = self.recorded.remove(&index) else {
            return Ok(Begun::Live(Open { index, effect, call, request, intended: false }));
        };
        if entry.call != call || entry.request != request {
            let same = if entry.call == call { " with other arguments" } else { "" };
            return Err(Stop::Nondeterministic(format!("call {index} was {} and now is {call}{same}", entry.call)));
        }
        Ok(match entry.response {
            Some(answer) => Begun::Recorded(answer),
            None => Begun::Live(Open { index, effect, call, request, intended: true }),
        })
    }

    /// Must be asked right before a change is sent.
    pub(crate) fn still_current(&self) -> Result<(), Stop> {
        if self.journal.is_current() { Ok(()) } else { Err(Stop::Fenced) }
    }

    /// Makes durable what the change rests on, where its content could be another on a repetition.
    pub(crate) async fn intend(&mut self, open: &Open) -> Result<(), Stop> {
        self.still_current()?;
        if open.intended || open.effect == Effect::Once || !self.read_before {
            return Ok(());
        }
        let intent = TraceEntry { index: open.index, call: open.call.to_owned(), request: open.request.clone(), response: None };
        let mut entries = std::mem::take(&mut self.pending);
        entries.push(intent);
        match self.journal.intend(entries).await {
            Ok(()) => self.still_current(),
            Err(JournalError::Fenced) => Err(Stop::Fenced),
            Err(other @ JournalError::Unavailable(_)) => Err(Stop::Unavailable(other.to_string())),
        }
    }

    /// Keeps an answer.
    pub(crate) fn done(&mut self, open: Open, answer: Value) {
        let Open { index, call, request, .. } = open;
        self.pending.push(TraceEntry { index, call: call.to_owned(), request, response: Some(answer) });
    }

    /// At the step's end: what is not durable yet. A step that ends before it came to all of its recorded calls is not the
    /// same step.
    pub(crate) fn finish(&mut self) -> Result<Vec<TraceEntry>, Stop> {
        if let Some(entry) = self.recorded.values().next() {
            let (index, call) = (entry.index, &entry.call);
            return Err(Stop::Nondeterministic(format!("it ended without call {index}, which was {call}")));
        }
        Ok(std::mem::take(&mut self.pending))
    }
}

fn digest(call: &str, request: &str) -> String {
    hex::encode(Sha256::new().chain_update(call).chain_update([0]).chain_update(request).finalize())
}
