//! Bugs planted on purpose, one of which may be switched on, so that the simulation can show that it finds it. Without the
//! feature `planted-bugs`, which nothing that is shipped may have, [`planted`] is `false` and the compiler takes it away.
//!
//! Each is asked for at the one place, here or in `app`, where the code does the right thing.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Bug {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name, in words.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

bugs! {
    /// An outside event is removed before the transition that applies it is committed.
    AckBeforeCommit = "ack before commit",
    /// META is written whatever version is stored.
    NoVersionCheck = "no version check",
    /// A trace is written whoever holds the execution.
    NoFenceCheck = "no fence check",
    /// An execution that rests is found again by nobody but its hint.
    TimerLostOnRestart = "timer lost on restart",
    /// Steps begin before the transition that wants them is committed.
    EffectBeforeCommit = "effect before commit",
    /// The end of an execution gives its slot back once more.
    SlotReleasedTwice = "slot released twice",
    /// A cancelled execution keeps its slot.
    SlotKeptOnCancel = "slot not released on cancel",
    /// An outside event stays after it was applied.
    EventConsumedTwice = "event consumed twice",
    /// A worker rests without a last look into the inbox, and the event is not found by the tick.
    EventLeftAtRest = "event left unconsumed when the worker rests",
    /// What an attempt of a stage came to counts for the attempt after it.
    StaleOutcomeAccepted = "stale outcome accepted after restart",
    /// A repeated step does not get back what it had recorded.
    PrefixNotReplayed = "trace prefix not replayed",
    /// A child that ends before its parent subscribed tells nobody.
    ChildEndLost = "child's end before the parent's subscription is lost",
    /// A cancel stops one branch only.
    CancelForgetsBranch = "cancel forgets a parallel branch",
    /// A commit without an answer is made again as if it were another.
    AmbiguousCommitRetried = "an ambiguous commit retried as new",
    /// The time of a stage goes on while its execution is paused.
    PausedTimeCounted = "paused time counted against a time-out",
    /// A stage starts when the first of what it requires has ended.
    JoinStartedByOne = "join started by one parent only",
}

/// Whether this build can plant bugs at all. Whatever people start asserts that it cannot.
pub const POSSIBLE: bool = cfg!(feature = "planted-bugs");

#[cfg(feature = "planted-bugs")]
mod active {
    use super::Bug;
    use std::sync::atomic::{AtomicU8, Ordering};

    static ACTIVE: AtomicU8 = AtomicU8::new(0);

    /// Plants one bug, in the whole process, or none.
    pub fn plant(bug: Option<Bug>) {
        ACTIVE.store(bug.map_or(0, |bug| bug as u8 + 1), Ordering::Relaxed);
    }

    /// Whether this bug is planted.
    #[must_use]
    pub fn planted(bug: Bug) -> bool {
        ACTIVE.load(Ordering::Relaxed) == bug as u8 + 1
    }
}

#[cfg(feature = "planted-bugs")]
pub use active::{plant, planted};

/// Whether this bug is planted: it is not.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn planted(_bug: Bug) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_planted_by_itself() {
        assert!(Bug::ALL.iter().all(|bug| !planted(*bug) && !bug.name().is_empty()));
        assert_eq!(Bug::ALL.len(), 16);
    }
}
