//! What a run is about: pipelines, what people and triggers do to their executions, and what may go wrong. A value: it is
//! drawn from a seed once, and made smaller when a failure is to be shown.

use crate::fault::Classes;
use model::component::Part;
use model::pipeline::FailureChoice;

/// The longest acts of a stage that stand in a checkpoint below this number; what a stopped stage does comes after it.
pub const STOPPED: usize = 1_000;
/// What a stage does when it is stopped comes after this.
pub const UNDO: usize = 2_000;
/// Stages that a stage unfolds into are numbered from here: so many for each stage, a hundred for each part.
pub const SYNTHETIC: usize = 10_000;
/// A step that fails in a way that may pass is repeated so often; the default of an installation.
pub const RETRIES_MAX: u32 = 5;

/// Everything that happens in one run, but for chance and faults.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where chance comes from.
    pub seed: u64,
    /// What may go wrong.
    pub classes: Classes,
    /// How many of a thousand calls go wrong.
    pub per_mille: u64,
    /// Calls after which nothing goes wrong any more.
    pub faulty_calls_max: u64,
    /// Where it runs.
    pub place: Place,
    /// The store recognises a repeated transaction by its token.
    pub tokens: bool,
    /// What races is held back until nothing else moves, so that the outcome does not depend on timing.
    pub gated: bool,
    /// The pipelines.
    pub pipelines: Vec<Pipeline>,
    /// The executions that are started.
    pub runs: Vec<Run>,
    /// What is done to them.
    pub outside: Vec<Outside>,
}

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One process that does everything, as `waybill serve`: hints in memory, a tick each second.
    Alone,
    /// So many workers, and one process for HTTP and the tick, as on Lambda: hints in a queue, a tick each minute.
    Apart(usize),
}

impl Place {
    /// How many processes there are.
    #[must_use]
    pub fn processes(self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Apart(workers) => workers + 1,
        }
    }

    /// How many of them move executions; they come first.
    #[must_use]
    pub fn workers(self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Apart(workers) => workers,
        }
    }

    /// The process that answers people.
    #[must_use]
    pub fn front(self) -> usize {
        self.processes() - 1
    }
}

/// A pipeline.
#[derive(Debug, Clone, Default)]
pub struct Pipeline {
    /// Its stages; each requires earlier ones only.
    pub stages: Vec<Stage>,
    /// So many of its executions may run at once.
    pub limit: Option<u32>,
    /// A registry may start it by telling of a push.
    pub pushed: bool,
    /// Those that wait for a slot all run, oldest first; otherwise the newest alone.
    pub keep_waiting: bool,
}

/// A stage and what its component does.
#[derive(Debug, Clone)]
pub struct Stage {
    /// What it requires.
    pub requisites: Vec<usize>,
    /// What a failure does to the rest.
    pub failure: FailureChoice,
    /// Its condition.
    pub condition: Condition,
    /// Time for the whole stage; long when none.
    pub timeout_ms: Option<u64>,
    /// A time-out counts as success.
    pub succeed_on_timeout: bool,
    /// An earlier stage whose output its settings name.
    pub sees: Option<usize>,
    /// People may leave it out.
    pub skippable: bool,
    /// When it may start.
    pub window: Option<Window>,
    /// What its component does, step by step; the last one ends it.
    pub acts: Vec<Act>,
    /// What it does in later attempts; nothing when that is the same.
    pub again: Vec<Act>,
    /// What it does after somebody answered `stop`, or what it started failed.
    pub stopped: Vec<Act>,
    /// What it says when its time is over.
    pub at_timeout: AtTimeout,
    /// What it does when it is stopped; nothing when it cannot undo anything.
    pub undo: Vec<Act>,
    /// What it unfolds into.
    pub plan: Option<Unfolds>,
}

/// The stages that a stage unfolds into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfolds {
    /// Before its own steps.
    pub before: Vec<Sub>,
    /// After them, when they went well.
    pub after: Vec<Sub>,
    /// After it failed.
    pub on_failure: Vec<Sub>,
}

/// A stage that another one unfolds into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sub {
    /// What it requires of those planned with it.
    pub requisites: Vec<usize>,
    /// What a failure does.
    pub failure: FailureChoice,
    /// What its component does.
    pub acts: Vec<Act>,
}

impl Unfolds {
    /// The stages of a part.
    #[must_use]
    pub fn part(&self, part: Part) -> &[Sub] {
        match part {
            Part::Before => &self.before,
            Part::After => &self.after,
            Part::OnFailure => &self.on_failure,
        }
    }
}

impl Sub {
    /// As a stage of a pipeline.
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage { failure: self.failure, acts: self.acts.clone(), ..Stage::plain(self.requisites.clone()) }
    }
}

/// The number of a stage by its name: of a pipeline's stage its place, of one that it unfolds into what says where it belongs.
#[must_use]
pub fn number_of(name: &str) -> Option<usize> {
    let Some(sign) = name.find(['<', '>', '!']) else { return name.parse().ok() };
    let (parent, own) = name.split_at(sign);
    let part = match own.chars().next()? {
        '<' => 0,
        '>' => 1,
        _ => 2,
    };
    Some(SYNTHETIC * (parent.parse::<usize>().ok()? + 1) + 100 * part + own.get(1..)?.parse::<usize>().ok()?)
}

/// The name of the stage that has a number.
#[must_use]
pub fn name_of(number: usize) -> String {
    if number < SYNTHETIC {
        return number.to_string();
    }
    let (parent, rest) = (number / SYNTHETIC - 1, number % SYNTHETIC);
    format!("{parent}{}{}", ["<", ">", "!"][rest / 100], rest % 100)
}

/// When a stage may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From the first to the last hour of the day.
    pub hours: (u8, u8),
    /// From Monday to Friday only.
    pub weekdays: bool,
    /// A random delay of so many seconds at most once it is open; none for what a person starts, if so said.
    pub jitter: Option<(u64, bool)>,
}

/// A stage's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It has none.
    None,
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It cannot be evaluated.
    Broken,
}

/// One step: what it asks the outside, and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Host calls, in order.
    pub calls: Vec<Call>,
    /// How the step ends.
    pub then: Then,
}

/// A host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Reads something that changes all the time.
    Read,
    /// Changes something; what is written depends on what was read.
    Write,
}

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Again after a while, or when something watched changes.
    Poll {
        /// After so long.
        after_ms: u32,
        /// Something is watched.
        watch: bool,
    },
    /// Again at once.
    Yield,
    /// Waits for a judgment.
    Ask,
    /// Starts an execution of a pipeline and waits for its end.
    Child {
        /// Which.
        pipeline: usize,
    },
    /// Waits so long.
    Sleep(u64),
    /// Fails so often in a way that may pass, then goes on.
    Flaky(u32),
    /// Goes on when nothing else of the execution moves.
    Gate,
    /// Takes longer than a step may.
    Hang,
    /// Never comes back, and nobody notices but the stage's own time.
    Stuck,
    /// Polls for ever.
    Linger,
    /// Done well.
    Succeed,
    /// Nothing to do.
    Skip,
    /// Stops itself.
    Cancel,
    /// Fails.
    Fail,
    /// Breaks the contract.
    Trap,
}

/// What a component says when its stage's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtTimeout {
    /// Nothing new: it would go on.
    GoOn,
    /// That it was done after all.
    Succeed,
    /// That it failed.
    Fail,
    /// Nothing at all.
    Hang,
}

/// An execution that is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Which pipeline.
    pub pipeline: usize,
    /// When.
    pub at_ms: u64,
    /// By two people at once, with the same correlation id.
    pub twice: bool,
    /// It is cancelled when it has not begun so long after that.
    pub start_by_ms: Option<u64>,
    /// How it comes about.
    pub from: From,
    /// Stages are not run, only what would be run is found out.
    pub dry: bool,
}

/// How an execution comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Somebody starts it.
    Person,
    /// A registry tells of a push.
    Push,
    /// Somebody runs another one again, once that has ended.
    Rerun(usize),
    /// A stage of another execution may start it.
    Child {
        /// Which execution.
        run: usize,
        /// Which stage of it.
        stage: usize,
        /// Which attempt of that.
        attempt: u32,
    },
}

/// Something that is done to an execution from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Which execution.
    pub run: usize,
    /// When.
    pub when: When,
    /// What.
    pub what: What,
    /// With an idempotency key: tried again when the answer is lost.
    pub keyed: bool,
    /// Sent a second time, with the same key if there is one.
    pub again: bool,
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long after the start.
    After(u64),
    /// After so many transitions of the execution.
    Transition(u64),
    /// When the stage waits for an answer.
    Asked(Question),
    /// When it has ended for the n-th time, from 0.
    Ended(usize),
    /// When the stage waits for its window.
    Windowed(usize),
    /// When nothing of the execution can move by itself.
    Still,
    /// So long after it was seen to be held.
    Held(u64),
    /// So long after it was seen to be held while nothing of it could move by itself.
    HeldStill(u64),
}

/// A question of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Which stage.
    pub stage: usize,
    /// Which attempt of it.
    pub attempt: u32,
    /// Which question of the attempt, from 0.
    pub nth: usize,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Answers a stage.
    Answer {
        /// Which.
        stage: usize,
        /// `continue`, not `stop`.
        go: bool,
        /// By somebody who may not.
        stranger: bool,
    },
    /// Cancels the execution.
    Cancel,
    /// Holds the execution, and lets it go on so long after it was seen to be held.
    Pause {
        /// How long.
        for_ms: u64,
    },
    /// Leaves a stage out.
    Skip {
        /// Which.
        stage: usize,
    },
    /// Does not wait for a stage's window.
    SkipWindow {
        /// Which.
        stage: usize,
    },
    /// Does a stage again, with what follows it.
    Restart {
        /// Which.
        stage: usize,
    },
}

impl Act {
    /// A step that only ends.
    #[must_use]
    pub fn only(then: Then) -> Self {
        Self { calls: Vec::new(), then }
    }
}

impl Then {
    /// Nothing follows it.
    #[must_use]
    pub fn is_end(self) -> bool {
        use Then::{Cancel, Fail, Hang, Linger, Skip, Stuck, Succeed, Trap};
        matches!(self, Succeed | Skip | Cancel | Fail | Trap | Hang | Stuck | Linger)
    }
}

impl Stage {
    /// A stage that succeeds at once.
    #[must_use]
    pub fn plain(requisites: Vec<usize>) -> Self {
        Self {
            requisites,
            failure: FailureChoice::Halt,
            condition: Condition::None,
            timeout_ms: None,
            succeed_on_timeout: false,
            sees: None,
            acts: vec![Act::only(Then::Succeed)],
            skippable: false,
            window: None,
            again: Vec::new(),
            stopped: vec![Act::only(Then::Fail)],
            at_timeout: AtTimeout::GoOn,
            undo: Vec::new(),
            plan: None,
        }
    }

    /// What it does in an attempt.
    #[must_use]
    pub fn list(&self, attempt: u32) -> &[Act] {
        if attempt > 1 && !self.again.is_empty() { &self.again } else { &self.acts }
    }

    /// It starts executions of other pipelines.
    #[must_use]
    pub fn calls(&self) -> bool {
        self.acts.iter().chain(&self.again).any(|act| matches!(act.then, Then::Child { .. }))
    }

    /// Only its time ends it.
    #[must_use]
    pub fn ends_by_time(&self) -> bool {
        matches!(self.acts.last().map(|act| act.then), Some(Then::Stuck | Then::Linger))
    }

    /// The act at a place of a checkpoint.
    #[must_use]
    pub fn act(&self, attempt: u32, place: usize) -> &Act {
        let list = match place {
            UNDO.. => &self.undo,
            STOPPED.. => &self.stopped,
            _ => self.list(attempt),
        };
        let at = place % STOPPED;
        list.get(at).or(list.last()).unwrap_or(&ENDED)
    }

    /// Whether its component watches anything.
    #[must_use]
    pub fn watches(&self) -> bool {
        let watches = |act: &Act| matches!(act.then, Then::Poll { watch: true, .. } | Then::Gate);
        self.acts.iter().chain(&self.again).chain(&self.stopped).any(watches)
    }
}

static ENDED: Act = Act { calls: Vec::new(), then: Then::Succeed };

impl Scenario {
    /// The pipeline of an execution.
    #[must_use]
    pub fn pipeline_of(&self, run: usize) -> &Pipeline {
        &self.pipelines[self.runs[run].pipeline]
    }

    /// The stage with a number, of a pipeline or of a stage's own.
    #[must_use]
    pub fn stage(&self, run: usize, number: usize) -> Option<Stage> {
        let stages = &self.pipeline_of(run).stages;
        if number < SYNTHETIC {
            return stages.get(number).cloned();
        }
        let (parent, rest) = (number / SYNTHETIC - 1, number % SYNTHETIC);
        let part = [Part::Before, Part::After, Part::OnFailure][rest / 100];
        Some(stages.get(parent)?.plan.as_ref()?.part(part).get(rest % 100)?.stage())
    }

    /// The execution that an attempt of a stage may start.
    #[must_use]
    pub fn child_of(&self, run: usize, stage: usize, attempt: u32) -> Option<usize> {
        self.runs.iter().position(|other| other.from == From::Child { run, stage, attempt })
    }

    /// A stage of an execution may be done so often: a child that is done again takes the stage that started it along.
    #[must_use]
    pub fn attempts_max(&self, run: usize) -> u32 {
        let mine = |other: usize| other == run || matches!(self.runs[other].from, From::Child { run: above, .. } if above == run);
        let restarts = self.outside.iter().filter(|event| mine(event.run) && matches!(event.what, What::Restart { .. }));
        1 + restarts.map(|event| 1 + u32::from(event.again && !event.keyed)).sum::<u32>()
    }

    /// How large it is, as people would say: stages, executions, outside events.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        (self.pipelines.iter().map(|p| p.stages.len()).sum(), self.runs.len(), self.outside.len())
    }
}
