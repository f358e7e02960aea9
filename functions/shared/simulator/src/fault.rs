//! What may go wrong, in classes that a seed switches on one by one, and what each class may do to the outcome.
//!
//! Crashes, duplicates, delays and losses must not be seen in an outcome at all. Each other class has its line in
//! [`Class::may`], and a run is checked against the lines of the classes it had.

use std::fmt;

/// A class of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// A process dies at an await: all it held is gone; what it had sent may still arrive.
    Crash,
    /// Hints are lost, late, reordered, repeated, delivered to two workers at once.
    Hints,
    /// A write fails and nothing was written.
    Refusals,
    /// The answer to a write is lost, whether it was written or not.
    LostAnswers,
    /// A read, or a blob, cannot be had now.
    Reads,
    /// The `due` index lags; ticks are late or double.
    Index,
    /// Calls take seconds.
    Slow,
    /// A watch breaks, or says nothing.
    Watches,
    /// The clock of a process is off, and jumps in both directions.
    Clocks,
    /// A process stands still for longer than its lease, then goes on.
    Stalls,
    /// The stage host is in trouble of its own, or the component breaks its contract.
    Host,
    /// Workers die on an execution again and again.
    Storms,
}

/// What a run with faults may show that the same run without them does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// Nothing.
    None,
    /// A change that is harmless to repeat may be made once more by a worker that does not know it was overtaken; never one
    /// that rests on a read.
    LateRepeat,
    /// A stage may run out of its time, with `stage-timed-out`, and what follows from that.
    TimedOut,
    /// A stage may fail with `retries-exhausted` or with the fault's own code, and what follows from that. A change may be
    /// made once more by the repetition of the step.
    StageFailed,
    /// The execution may be ended with `orchestrator-crash`; its stages stay where they were.
    Parked,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Crash,
        Self::Hints,
        Self::Refusals,
        Self::LostAnswers,
        Self::Reads,
        Self::Index,
        Self::Slow,
        Self::Watches,
        Self::Clocks,
        Self::Stalls,
        Self::Host,
        Self::Storms,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hints => "hints",
            Self::Refusals => "refusals",
            Self::LostAnswers => "lost-answers",
            Self::Reads => "reads",
            Self::Index => "index",
            Self::Slow => "slow",
            Self::Watches => "watches",
            Self::Clocks => "clocks",
            Self::Stalls => "stalls",
            Self::Host => "host",
            Self::Storms => "storms",
        }
    }

    /// What it is, in a line.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Crash => "a process dies at any call: all it held is gone, what it had sent may still arrive",
            Self::Hints => "hints are lost, late, reordered, repeated, delivered to two workers at once",
            Self::Refusals => "a write fails and nothing was written",
            Self::LostAnswers => "the answer to a write is lost, whether it was written or not",
            Self::Reads => "a read, or a blob, cannot be had now",
            Self::Index => "the due index lags; ticks are late or double",
            Self::Slow => "calls take up to twenty seconds",
            Self::Watches => "a watch breaks, or says nothing",
            Self::Clocks => "a process's clock is off by up to ten seconds, and jumps in both directions",
            Self::Stalls => "a process stands still for longer than its lease, then goes on",
            Self::Host => "the stage host is in trouble of its own, or the component breaks its contract",
            Self::Storms => "workers die on an execution again and again",
        }
    }

    /// What it may do to an outcome.
    #[must_use]
    pub fn may(self) -> &'static [Deviation] {
        match self {
            Self::Crash | Self::Hints | Self::Refusals | Self::LostAnswers | Self::Reads | Self::Index | Self::Slow | Self::Watches => {
                &[Deviation::None]
            }
            Self::Clocks | Self::Stalls => &[Deviation::LateRepeat, Deviation::TimedOut],
            Self::Host => &[Deviation::StageFailed],
            Self::Storms => &[Deviation::Parked],
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u8)
    }
}

impl Deviation {
    /// What it means, in a line.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::None => "the outcome equals that of the same seed without faults",
            Self::LateRepeat => {
                "a harmless change may be made once more by a worker that does not know it was overtaken; never one that rests on a read"
            }
            Self::TimedOut => {
                "a stage may run out of its time (stage-timed-out), or of its time to stop (cancel-timeout), and what follows from that"
            }
            Self::StageFailed => {
                "a stage may fail with retries-exhausted, planning-failed or the fault's own code, and what follows from that; a repeated step repeats its changes, and what it does on failure or when it is stopped may be left out"
            }
            Self::Parked => "the execution may be ended with orchestrator-crash",
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes(u16);

impl Classes {
    /// The set with a class more.
    #[must_use]
    pub fn with(self, class: Class) -> Self {
        Self(self.0 | class.bit())
    }

    /// The set without a class.
    #[must_use]
    pub fn without(self, class: Class) -> Self {
        Self(self.0 & !class.bit())
    }

    /// Whether a class is in it.
    #[must_use]
    pub fn has(self, class: Class) -> bool {
        self.0 & class.bit() != 0
    }

    /// The classes in it.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |class| self.has(*class))
    }

    /// Whether some class in it may do this to an outcome.
    #[must_use]
    pub fn may(self, deviation: Deviation) -> bool {
        self.iter().any(|class| class.may().contains(&deviation))
    }

    /// Whether nothing in it may be seen in an outcome.
    #[must_use]
    pub fn unseen(self) -> bool {
        self.iter().all(|class| class.may() == [Deviation::None])
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Class::name).collect();
        f.write_str(&if names.is_empty() { "none".to_owned() } else { names.join("+") })
    }
}

/// What goes wrong at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies; the call never arrived.
    CrashBefore,
    /// The call arrived; then the process dies.
    CrashAfter,
    /// The call fails; nothing was done.
    Fail,
    /// The answer is lost.
    AnswerLost {
        /// It was done.
        done: bool,
    },
    /// The call takes so long.
    Slow(u64),
    /// The hint is lost.
    HintLost,
    /// The hint comes twice, the second time so much later.
    HintTwice(u64),
    /// The hint comes so much later.
    HintLate(u64),
    /// The index shows what was a while ago.
    Stale,
    /// The process stands still for so long.
    Stall(u64),
    /// The process's clock jumps by so much.
    ClockJump(i64),
    /// The component traps.
    Trap,
}
