//! Who sends what to executions, and when: people and triggers, who try again when an answer is lost and they have a key.

use crate::fault::Class;
use crate::ports::Ports;
use crate::pushes;
use crate::scenario::{From, Outside, Question, Run, Scenario, What, When};
use crate::state::{Event, START, State, World};
use app::error::AppError;
use app::execution::control;
use app::execution::inbox::{self, Signal};
use app::execution::start::{self, Into, Request};
use model::id::{AppName, ExecutionId, PipelineId};
use model::order::Origin;
use model::person::{Principal, Role};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How often something is sent again.
const TRIES_MAX: u32 = 200;

/// The application of every pipeline.
pub(crate) const APPLICATION: &str = "sim";

/// Something that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Start {
        run: usize,
    },
    Outside(usize),
    /// Lets go on what an event held.
    Resume(usize),
}

/// How far a letter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Its time has not come.
    No,
    /// It is on its way.
    Flying,
    /// It was answered: the execution or event it led to, or the refusal's code.
    Answered(Result<String, String>),
    /// The answer was lost, and it is not sent again.
    Lost,
}

#[derive(Debug, Clone)]
struct Post {
    letter: Letter,
    sent: Sent,
    tries: u32,
    /// It is a repetition of the letter before it.
    repeats: bool,
}

/// Everything that is sent in a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct People {
    posts: Vec<Post>,
}

impl People {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let post = |letter, repeats| Post { letter, sent: Sent::No, tries: 0, repeats };
        let mut posts = Vec::new();
        for (run, spec) in scenario.runs.iter().enumerate() {
            if matches!(spec.from, From::Child { .. }) {
                continue;
            }
            posts.push(post(Letter::Start { run }, false));
            if spec.twice {
                posts.push(post(Letter::Start { run }, false));
            }
        }
        for (at, event) in scenario.outside.iter().enumerate() {
            posts.push(post(Letter::Outside(at), false));
            if event.again {
                posts.push(post(Letter::Outside(at), true));
            }
            if matches!(event.what, What::Pause { .. }) {
                // Whoever holds it twice lets it go twice; what is done again may be held in between.
                let restarts = scenario.outside.iter().filter(|other| other.run == event.run && matches!(other.what, What::Restart { .. }));
                let times = 1 + usize::from(event.again) + 2 * restarts.count();
                posts.extend((0..times).map(|_| post(Letter::Resume(at), false)));
            }
        }
        Self { posts }
    }

    /// Whether nothing is on its way.
    pub(crate) fn rest(&self) -> bool {
        self.posts.iter().all(|post| post.sent != Sent::Flying)
    }

    /// What became of the letters about an execution: which event of the scenario, and how it went.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (Option<usize>, &Sent)> {
        self.posts.iter().map(|post| match post.letter {
            Letter::Start { .. } => (None, &post.sent),
            Letter::Outside(at) | Letter::Resume(at) => (Some(at), &post.sent),
        })
    }
}

/// Sends what is sent at once.
pub(crate) fn begin(state: &mut State) {
    for at in 0..state.people.posts.len() {
        let when = match state.people.posts[at].letter {
            Letter::Start { run } => match state.scenario.runs[run] {
                Run { from: From::Person | From::Push, at_ms, .. } => Some(at_ms),
                Run { from: From::Rerun(_) | From::Child { .. }, .. } => None,
            },
            Letter::Outside(event) => match state.scenario.outside[event] {
                // The execution has no name before it is there.
                Outside { run, when: When::After(ms), .. } => Some(state.scenario.runs[run].at_ms + 50 + ms),
                _ => None,
            },
            Letter::Resume(_) => None,
        };
        if let Some(ms) = when.filter(|_| !state.people.posts[at].repeats) {
            fly(state, at, ms);
        }
    }
}

fn fly(state: &mut State, at: usize, after_ms: u64) {
    state.people.posts[at].sent = Sent::Flying;
    state.at(state.now + after_ms, Event::Send(at));
}

/// An execution moved: sends what waited for it.
pub(crate) fn notice(state: &mut State, run: usize) {
    let posts = state.people.posts.iter().enumerate();
    let waiting: Vec<(usize, Letter)> = posts
        .filter(|(_, post)| post.sent == Sent::No && !post.repeats)
        .map(|(at, post)| (at, post.letter))
        .filter(|(_, letter)| match letter {
            Letter::Outside(event) | Letter::Resume(event) => state.scenario.outside[*event].run == run,
            Letter::Start { run: again } => state.scenario.runs[*again].from == From::Rerun(run),
        })
        .collect();
    for (at, letter) in waiting {
        let after = match letter {
            Letter::Start { .. } => due(state, run, When::Ended(0), at),
            Letter::Outside(event) => due(state, run, state.scenario.outside[event].when, at),
            Letter::Resume(event) => match state.scenario.outside[event].what {
                What::Pause { for_ms } if state.watch.held(run) > let_go(state, run) => Some(for_ms),
                _ => None,
            },
        };
        if let Some(after) = after {
            fly(state, at, after);
        }
    }
}

/// How often somebody set out to let an execution go on.
fn let_go(state: &State, run: usize) -> usize {
    let of = |post: &&Post| matches!(post.letter, Letter::Resume(event) if state.scenario.outside[event].run == run);
    state.people.posts.iter().filter(of).filter(|post| post.sent != Sent::No).count()
}

/// In how long something is sent, if its time has come.
fn due(state: &State, run: usize, when: When, at: usize) -> Option<u64> {
    let now = match when {
        When::After(_) => false,
        When::Transition(count) => state.watch.transitions(run) >= count,
        When::Asked(Question { stage, attempt, nth }) => state.watch.asked(run, stage, attempt) > nth,
        When::Windowed(stage) => state.watch.waits_for_window(run, stage),
        When::Ended(nth) => state.watch.ends(run) > nth,
        When::Still => crate::check::is_still(state, run),
        When::Held(ms) => return state.watch.is_held(run).then_some(ms),
        When::HeldStill(ms) => return crate::check::is_still_held(state, run).then_some(ms),
    };
    let chance = state.chance(at as u64, 0x9E0);
    now.then_some(if chance.is_multiple_of(3) { (chance >> 8) % 40_000 } else { (chance >> 8) % 50 })
}

/// Carries a letter to the front, once.
pub(crate) async fn deliver(world: Arc<World>, ports: Ports, at: usize) {
    let letter = world.lock().people.posts[at].letter;
    let result = match letter {
        Letter::Start { run } => {
            let from = world.lock().scenario.runs[run].from;
            match from {
                From::Rerun(of) => rerun(&world, &ports, run, of).await,
                From::Push => pushes::push(&world, &ports, run).await,
                From::Person | From::Child { .. } => start_run(&world, &ports, run).await,
            }
        }
        Letter::Outside(event) => send(&world, &ports, event).await,
        Letter::Resume(event) => resume(&world, &ports, event, at).await,
    };
    answered(&mut world.lock(), at, result);
}

async fn start_run(world: &World, ports: &Ports, run: usize) -> Result<String, AppError> {
    let request = {
        let state = world.lock();
        let spec = state.scenario.runs[run];
        let mut trigger = Map::new();
        if spec.dry {
            trigger.insert("dryRun".to_owned(), json!(true));
        }
        trigger.insert("run".to_owned(), json!(run));
        Request {
            application: AppName::parse(APPLICATION).map_err(|error| AppError::Damaged(error.to_string()))?,
            pipeline: state.watch.pipelines[spec.pipeline].clone(),
            submitter: person("ann", false),
            origin: Origin::Manual,
            trigger,
            constrained_to: None,
            parameters: Map::new(),
            artifacts: Vec::new(),
            note: String::new(),
            correlation: Some(format!("run-{run}")),
            into: Into::EveryProject,
            start_by_ms: spec.start_by_ms.map(|ms| START + spec.at_ms + ms),
            parent: None,
        }
    };
    Ok(start::start(ports.start(), &request).await?.execution.to_string())
}

async fn rerun(world: &World, ports: &Ports, run: usize, of: usize) -> Result<String, AppError> {
    let id = world.lock().watch.id_of(of).and_then(|id| ExecutionId::parse(id).ok());
    let Some(id) = id else { return Err(AppError::NotFound { what: "execution", id: String::new() }) };
    let key = format!("rerun-{run}");
    Ok(control::rerun(ports.start(), &person("ann", false), &id, Some(&key)).await?.execution.to_string())
}

async fn send(world: &World, ports: &Ports, event: usize) -> Result<String, AppError> {
    let (spec, id) = {
        let state = world.lock();
        let spec = state.scenario.outside[event].clone();
        (spec.clone(), state.watch.id_of(spec.run))
    };
    let Some(id) = id.and_then(|id| ExecutionId::parse(id).ok()) else {
        return Err(AppError::NotFound { what: "execution", id: String::new() });
    };
    let key = spec.keyed.then(|| format!("key-{event}"));
    let sent = match spec.what {
        What::Answer { stage, go, stranger } => {
            let body: Value = json!({"judgmentStatus": if go { "continue" } else { "stop" }});
            let signal = Signal { stage: stage.to_string(), name: "judgment".to_owned(), body };
            inbox::signal(ports.inbox(), &person("bob", !stranger), &id, &signal, key.as_deref()).await
        }
        What::Pause { .. } => control::pause(ports.inbox(), &person("cid", false), &id, "wait", key.as_deref()).await,
        What::Skip { stage } => {
            control::skip(ports.inbox(), &person("eve", false), &id, &stage.to_string(), "not today", key.as_deref()).await
        }
        What::SkipWindow { stage } => {
            control::skip_window(ports.inbox(), &person("eve", false), &id, &stage.to_string(), key.as_deref()).await
        }
        What::Restart { stage } => control::restart(ports.start(), &person("dan", false), &id, &stage.to_string(), key.as_deref()).await,
        What::Cancel => inbox::cancel(ports.inbox(), &person("cid", false), &id, "enough", key.as_deref()).await,
    };
    Ok(sent?.to_string())
}

async fn resume(world: &World, ports: &Ports, event: usize, post: usize) -> Result<String, AppError> {
    let id = {
        let state = world.lock();
        state.watch.id_of(state.scenario.outside[event].run)
    };
    let Some(id) = id.and_then(|id| ExecutionId::parse(id).ok()) else {
        return Err(AppError::NotFound { what: "execution", id: String::new() });
    };
    let key = format!("resume-{post}");
    Ok(control::resume(ports.inbox(), &person("cid", false), &id, Some(&key)).await?.to_string())
}

/// A developer, who may answer or not.
pub(crate) fn person(name: &str, judge: bool) -> Principal {
    let groups: BTreeSet<String> = judge.then(|| crate::host::JUDGES.to_owned()).into_iter().collect();
    Principal { name: name.to_owned(), role: Some(Role::Developer), groups }
}

/// The id of a pipeline that is made for a run.
pub(crate) fn pipeline_id(at: usize) -> PipelineId {
    PipelineId::parse(format!("pipeline-{at}")).unwrap_or_else(|_| unreachable!("it is an id"))
}

fn keyed(state: &State, at: usize) -> bool {
    match state.people.posts[at].letter {
        Letter::Start { .. } | Letter::Resume(_) => true,
        Letter::Outside(event) => state.scenario.outside[event].keyed,
    }
}

fn answered(state: &mut State, at: usize, result: Result<String, AppError>) {
    let letter = state.people.posts[at].letter;
    state.tell(|| match &result {
        Ok(id) => format!("    {letter:?} accepted: {id}"),
        Err(error) => format!("    {letter:?} refused: {error:?}"),
    });
    let later = matches!(&result, Err(AppError::Unavailable(_) | AppError::Conflict { code: "changed-in-between", .. }));
    if later {
        return again(state, at);
    }
    state.people.posts[at].sent = Sent::Answered(result.map_err(|error| code(&error)));
    let next = at + 1;
    if state.people.posts.get(next).is_some_and(|post| post.repeats && post.sent == Sent::No) {
        let after = state.chance(next as u64, 0xA6A).wrapping_rem(8_000);
        fly(state, next, after);
    }
}

/// The front died, or what it needs does not answer.
pub(crate) fn again(state: &mut State, at: usize) {
    let tries = state.people.posts[at].tries;
    if !keyed(state, at) || tries >= TRIES_MAX {
        state.people.posts[at].sent = Sent::Lost;
        return;
    }
    state.people.posts[at].tries += 1;
    let slow = state.scenario.classes.has(Class::Slow);
    // Whoever has tried for long tries less often: the front may be down most of the time.
    let patience = 1_000 * u64::from(tries.saturating_sub(TRIES_MAX / 2));
    let after = 500 + patience + state.chance(at as u64, u64::from(tries)) % if slow { 20_000 } else { 3_000 };
    fly(state, at, after);
}

fn code(error: &AppError) -> String {
    match error {
        AppError::NotFound { what, .. } => format!("no-{what}"),
        AppError::Conflict { code, .. } => (*code).to_owned(),
        AppError::Invalid(problems) => problems.first().map(|p| p.code.clone()).unwrap_or_default(),
        AppError::Refused { code, .. } | AppError::Denied { code, .. } => code.clone(),
        AppError::Unavailable(_) => "unavailable".to_owned(),
        AppError::Damaged(inside) => format!("damaged: {inside}"),
        AppError::Newer { .. } => "newer-version".to_owned(),
    }
}
