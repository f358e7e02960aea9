//! Decides what goes wrong at a call: by the call's number, so that it does not depend on what was decided before; or from a
//! list, when a failure is replayed and made smaller.

use crate::fault::{Class, Fault};
use crate::state::{Request, State, Who};
use std::collections::BTreeMap;

/// An execution that was taken so often without a commit is left alone by crashes, and by workers that stand still, unless there is a
/// storm: five in a row park it, as they should.
const TAKES_MAX: u32 = 3;
/// A step that was repeated so often is left alone: six times in a row end its stage, as they should.
const RETRIES_MAX: u32 = 2;

/// Where faults come from, and which there were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Exactly these, by the number of their call.
    listed: Option<BTreeMap<u64, Fault>>,
    /// Those that there were.
    pub(crate) fired: Vec<(u64, Fault)>,
}

impl Faults {
    pub(crate) fn listed(list: impl IntoIterator<Item = (u64, Fault)>) -> Self {
        Self { listed: Some(list.into_iter().collect()), fired: Vec::new() }
    }
}

/// The fault of a call.
pub(crate) fn decide(state: &mut State, number: u64, who: Who, request: &Request) -> Option<Fault> {
    let fault = match &state.faults.listed {
        Some(list) => list.get(&number).copied().filter(|fault| fits(*fault, request)),
        None => drawn(state, number, request),
    };
    let fault = fault.filter(|fault| !spared(state, *fault, who, request))?;
    state.faults.fired.push((number, fault));
    Some(fault)
}

fn drawn(state: &State, number: u64, request: &Request) -> Option<Fault> {
    let scenario = &state.scenario;
    if number > scenario.faulty_calls_max || scenario.classes.is_empty() {
        return None;
    }
    let chance = state.chance(number, 0xFA17);
    let rarely = if matches!(request, Request::Sleep(_) | Request::Hint { .. }) { 2 } else { 1 };
    if chance % 1_000 >= scenario.per_mille * rarely {
        return None;
    }
    let mut list: [(Class, Fault); 12] = [(Class::Crash, Fault::CrashBefore); 12];
    let mut count = 0;
    let mut may = |class: Class, fault: Fault| {
        if scenario.classes.has(class) {
            list[count] = (class, fault);
            count += 1;
        }
    };
    candidates(request, chance >> 20, &mut may);
    let (_, fault) = list[..count].get((chance >> 40) as usize % count.max(1))?;
    Some(*fault)
}

/// What may go wrong at a call of this kind.
fn candidates(request: &Request, chance: u64, may: &mut impl FnMut(Class, Fault)) {
    let seconds = |low: u64, high: u64| (low + chance % (high - low + 1)) * 1_000 + chance % 997;
    may(Class::Crash, Fault::CrashBefore);
    if matches!(request, Request::Sleep(_)) {
        return;
    }
    may(Class::Crash, Fault::CrashAfter);
    may(Class::Storms, Fault::CrashBefore);
    may(Class::Stalls, Fault::Stall(seconds(31, 120)));
    let jump = seconds(1, 40) as i64;
    may(Class::Clocks, Fault::ClockJump(if chance.is_multiple_of(2) { jump } else { -jump }));
    if !matches!(request, Request::Watch(_) | Request::Hint { .. }) {
        may(Class::Slow, Fault::Slow(seconds(1, 20)));
    }
    match request {
        Request::Transact(_) => {
            may(Class::Refusals, Fault::Fail);
            may(Class::LostAnswers, Fault::AnswerLost { done: true });
            may(Class::LostAnswers, Fault::AnswerLost { done: false });
        }
        Request::Get(_) | Request::Query(_) | Request::GetBlob(_) | Request::PutBlob(_) | Request::Registry => {
            may(Class::Reads, Fault::Fail)
        }
        Request::Due { .. } => {
            may(Class::Index, Fault::Stale);
            may(Class::Reads, Fault::Fail);
        }
        Request::Hint { .. } => {
            may(Class::Hints, Fault::HintLost);
            may(Class::Hints, Fault::HintLate(seconds(1, 90)));
            may(Class::Hints, Fault::HintTwice(seconds(0, 5)));
        }
        Request::Watch(_) => {
            may(Class::Watches, Fault::Fail);
            may(Class::Watches, Fault::Slow(600_000));
        }
        Request::Begin => {
            may(Class::Host, Fault::Fail);
            may(Class::Host, Fault::Trap);
        }
        Request::Validate | Request::Read | Request::Write(_) => may(Class::Host, Fault::Fail),
        Request::Sleep(_) => {}
    }
}

/// Whether a listed fault still makes sense at the call that has its number now.
fn fits(fault: Fault, request: &Request) -> bool {
    let mut found = false;
    let mut look = |_: Class, other: Fault| found |= std::mem::discriminant(&other) == std::mem::discriminant(&fault);
    candidates(request, 0, &mut look);
    found
}

/// What would end an execution or a stage because faults came too thick is left out: that is a fault of its own class.
fn spared(state: &State, fault: Fault, who: Who, request: &Request) -> bool {
    let storm = state.scenario.classes.has(Class::Storms);
    match fault {
        Fault::CrashBefore | Fault::CrashAfter | Fault::Stall(_) => {
            !storm && state.processes[who.process].executions().any(|id| state.watch.takes(id) >= TAKES_MAX)
        }
        Fault::Fail | Fault::AnswerLost { .. } => {
            let execution = state.processes[who.process].execution_of(state.task);
            if state.spared.get(&state.task).is_some_and(|count| *count > 0) {
                return true;
            }
            let taken = !storm && execution.is_some_and(|id| state.watch.takes(id) >= TAKES_MAX);
            let Request::Transact(transaction) = request else { return taken };
            taken || transaction.writes.iter().any(|write| state.watch.repeated(write.key()) > RETRIES_MAX)
        }
        _ => false,
    }
}
