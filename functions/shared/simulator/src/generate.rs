//! Draws a scenario from a seed. A new option of a pipeline is added where a stage, a pipeline or an event is drawn, and in
//! `oracle`, which says what comes of it.

use crate::fault::{Class, Classes};
use crate::oracle;
use crate::rng::Rng;
use crate::scenario::{
    Act, AtTimeout, Call, Condition, From, Outside, Pipeline, Place, Question, RETRIES_MAX, Run, Scenario, Stage, Sub, Then, Unfolds, What,
    When, Window,
};
use model::pipeline::FailureChoice;

const SALT: u64 = 0x5CE0;
/// Most stages of a pipeline that is drawn.
pub const STAGES_MAX: usize = 40;

/// The scenario of a seed.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let rng = &mut Rng::new(seed, SALT);
    let gated = rng.per_mille(600);
    let family = rng.per_mille(170);
    let count = if family { rng.weighted(&[(85, 2), (15, 3)]) } else { rng.weighted(&[(85, 1), (15, 2)]) };
    let mut pipelines: Vec<Pipeline> = (0..count).map(|_| pipeline(rng, gated, family)).collect();
    if family {
        callers(rng, &mut pipelines, gated);
    }
    let runs = runs(rng, &pipelines, gated, family);
    for run in &runs {
        pipelines[run.pipeline].pushed |= run.from == From::Push;
    }
    let mut scenario = Scenario {
        seed,
        classes: classes(rng),
        per_mille: *rng.pick(&[5, 15, 30, 60]),
        faulty_calls_max: rng.range(30, 800),
        place: rng.weighted(&[(4, Place::Alone), (4, Place::Apart(2)), (2, Place::Apart(3))]),
        tokens: rng.per_mille(500),
        gated,
        pipelines,
        runs,
        outside: Vec::new(),
    };
    for run in 0..scenario.runs.len() {
        let events = outside(rng, &scenario, run);
        scenario.outside.extend(events);
    }
    if family {
        children(rng, &mut scenario);
    }
    if gated {
        oracle::tame(&mut scenario);
    }
    scenario
}

/// Stages of the first pipelines start executions of later ones.
fn callers(rng: &mut Rng, pipelines: &mut [Pipeline], gated: bool) {
    let count = pipelines.len();
    for at in 0..count - 1 {
        for _ in 0..rng.weighted(&[(75, 1), (25, 2)]) {
            let place = rng.position(pipelines[at].stages.len());
            let pipeline = at + 1 + rng.position(count - at - 1);
            let stage = &mut pipelines[at].stages[place];
            if stage.ends_by_time() || stage.calls() || stage.plan.is_some() {
                continue;
            }
            let act = |rng: &mut Rng| Act { calls: calls(rng), then: Then::Child { pipeline } };
            let place = rng.position(stage.acts.len());
            stage.acts.insert(place, act(rng));
            if !stage.again.is_empty() && rng.per_mille(500) {
                let place = rng.position(stage.again.len());
                stage.again.insert(place, act(rng));
            }
            let seen = pipelines[at].stages.iter_mut().filter(|stage| stage.sees.is_some());
            // What it leaves is not sure any more.
            seen.for_each(|stage| stage.sees = None);
        }
        if gated {
            // How long one waits for a slot must not decide what its parent comes to.
            pipelines[at + 1].limit = None;
        }
    }
}

/// The executions that stages may start, and what is done to them.
fn children(rng: &mut Rng, scenario: &mut Scenario) {
    for _ in 0..2 {
        let mut run = 0;
        while run < scenario.runs.len() {
            for (stage, attempt, pipeline) in called(scenario, run) {
                let from = From::Child { run, stage, attempt };
                scenario.runs.push(Run { pipeline, at_ms: 0, twice: false, start_by_ms: None, from, dry: false });
                let events = outside(rng, scenario, scenario.runs.len() - 1);
                scenario.outside.extend(events);
            }
            run += 1;
        }
    }
}

/// What an execution may start and is not there yet: stage, attempt, pipeline.
fn called(scenario: &Scenario, run: usize) -> Vec<(usize, u32, usize)> {
    let attempts = scenario.attempts_max(run);
    let stages = scenario.pipeline_of(run).stages.iter().enumerate();
    let all = stages.flat_map(|(at, stage)| (1..=attempts).map(move |attempt| (at, stage, attempt)));
    let child = |(at, stage, attempt): (usize, &Stage, u32)| {
        let pipeline = stage.list(attempt).iter().find_map(|act| match act.then {
            Then::Child { pipeline } => Some(pipeline),
            _ => None,
        })?;
        scenario.child_of(run, at, attempt).is_none().then_some((at, attempt, pipeline))
    };
    all.filter_map(child).collect()
}

fn runs(rng: &mut Rng, pipelines: &[Pipeline], gated: bool, family: bool) -> Vec<Run> {
    let limited = pipelines.iter().position(|pipeline| pipeline.limit.is_some());
    let few: &[(u64, u64)] = &[(75, 1), (15, 2), (7, 3), (3, 4)];
    let many: &[(u64, u64)] = &[(10, 1), (50, 2), (30, 3), (10, 4)];
    let count = rng.weighted(if limited.is_some() && !family { many } else { few });
    let one = |_| Run {
        pipeline: if family && rng.per_mille(800) { Some(0) } else { limited }
            .filter(|_| rng.per_mille(700))
            .unwrap_or_else(|| rng.position(pipelines.len())),
        at_ms: rng.weighted(&[(6, 0), (2, 5), (1, 2_000), (1, 90_000)]),
        twice: rng.per_mille(100),
        // What races is left out where outcomes must not depend on timing.
        start_by_ms: (limited.is_some() && !gated && rng.per_mille(150)).then(|| rng.range(10, 60_000)),
        from: From::Person,
        dry: false,
    };
    let mut runs: Vec<Run> = (0..count).map(one).collect();
    for run in &mut runs {
        // What would have been left cannot be seen.
        let blind = pipelines[run.pipeline].stages.iter().all(|stage| stage.sees.is_none());
        run.dry = blind && rng.per_mille(40);
        if !run.dry && run.start_by_ms.is_none() && rng.per_mille(60) {
            run.from = From::Push;
        }
    }
    if rng.per_mille(60) {
        let of = rng.position(runs.len());
        runs.push(Run { at_ms: 0, start_by_ms: None, from: From::Rerun(of), ..runs[of] });
    }
    runs
}

fn classes(rng: &mut Rng) -> Classes {
    use Class::{Clocks, Crash, Hints, Host, Index, LostAnswers, Reads, Refusals, Slow, Stalls, Storms, Watches};
    let mut classes = Classes::default();
    let kind = rng.below(100);
    if kind < 10 {
        return classes;
    }
    for class in [Crash, Hints, Refusals, LostAnswers, Reads, Index, Slow, Watches] {
        if rng.per_mille(if class == Crash { 700 } else { 450 }) {
            classes = classes.with(class);
        }
    }
    if kind >= 75 {
        classes = classes.with(*rng.pick(&[Clocks, Stalls, Host, Storms]));
        for class in [Clocks, Stalls, Host, Storms] {
            if rng.per_mille(200) {
                classes = classes.with(class);
            }
        }
    }
    classes
}

fn pipeline(rng: &mut Rng, gated: bool, small: bool) -> Pipeline {
    let (low, high) =
        if small { (1, 3) } else { rng.weighted(&[(78, (1, 4)), (18, (5, 10)), (3, (11, 20)), (1, (21, STAGES_MAX as u64))]) };
    let count = rng.range(low, high) as usize;
    let mut pipeline = Pipeline::default();
    if rng.per_mille(180) {
        pipeline.limit = Some(rng.weighted(&[(6, 1), (3, 2), (1, 3)]));
        pipeline.keep_waiting = gated || rng.per_mille(500);
    }
    for at in 0..count {
        let stage = stage(rng, at, &pipeline, gated);
        pipeline.stages.push(stage);
    }
    pipeline
}

fn stage(rng: &mut Rng, at: usize, before: &Pipeline, gated: bool) -> Stage {
    let mut stage = Stage::plain(requisites(rng, at));
    stage.failure = rng.weighted(&[
        (50, FailureChoice::Halt),
        (15, FailureChoice::StopBranch { fail_at_end: true }),
        (15, FailureChoice::StopBranch { fail_at_end: false }),
        (20, FailureChoice::Ignore),
    ]);
    stage.condition = rng.weighted(&[(75, Condition::None), (13, Condition::Holds), (9, Condition::Fails), (3, Condition::Broken)]);
    stage.acts = acts(rng);
    if !stage.ends_by_time() && rng.per_mille(250) {
        stage.again = acts(rng);
        if matches!(stage.again.last().map(|act| act.then), Some(Then::Stuck | Then::Linger)) {
            stage.again.clear();
        }
    }
    if rng.per_mille(300) {
        stage.stopped.insert(0, Act { calls: calls(rng), then: Then::Yield });
    }
    let asks = |list: &[Act]| list.iter().any(|act| act.then == Then::Ask);
    if rng.per_mille(110) {
        stage.undo = undo(rng, gated);
    } else if !stage.ends_by_time() && !asks(&stage.acts) && !asks(&stage.again) && rng.per_mille(110) {
        stage.plan = Some(Unfolds { before: subs(rng), after: subs(rng), on_failure: subs(rng) });
    }
    stage.skippable = rng.per_mille(200);
    let windows = before.stages.iter().filter(|stage| stage.window.is_some()).count();
    if windows < 2 && rng.per_mille(60) {
        stage.window = Some(Window {
            hours: *rng.pick(&[(0, 23), (9, 17), (22, 6), (7, 8)]),
            weekdays: rng.per_mille(300),
            jitter: rng.per_mille(400).then(|| (rng.range(1, 900), rng.per_mille(300))),
        });
    }
    stage.sees = sees(rng, at, &stage.requisites, before);
    stage.at_timeout = rng.weighted(&[(6, AtTimeout::GoOn), (2, AtTimeout::Succeed), (2, AtTimeout::Fail), (1, AtTimeout::Hang)]);
    stage.succeed_on_timeout = rng.per_mille(150);
    let last = stage.acts.last().map(|act| act.then);
    if matches!(last, Some(Then::Stuck | Then::Linger)) {
        stage.timeout_ms = Some(rng.range(20, 150) * 1_000);
    } else if !gated && rng.per_mille(40) {
        stage.timeout_ms = Some(rng.range(1, 120) * 1_000);
    }
    stage
}

fn requisites(rng: &mut Rng, at: usize) -> Vec<usize> {
    if at == 0 {
        return Vec::new();
    }
    let count = rng.weighted(&[(15, 0), (55, 1), (20, 2), (7, 3), (3, 6)]);
    let mut list = Vec::new();
    for _ in 0..count {
        // Near ones more often: chains with branches, not a fan.
        let back = rng.range(1, 3.min(at as u64)) as usize;
        let one = if rng.per_mille(700) { at - back } else { rng.position(at) };
        if !list.contains(&one) {
            list.push(one);
        }
    }
    list
}

/// A stage upstream that surely ends well, so that its output is there.
fn sees(rng: &mut Rng, at: usize, requisites: &[usize], before: &Pipeline) -> Option<usize> {
    if at == 0 || requisites.is_empty() || !rng.per_mille(400) {
        return None;
    }
    let one = *rng.pick(requisites);
    let stage = &before.stages[one];
    let sure = matches!(stage.condition, Condition::None | Condition::Holds)
        && [stage.list(1), stage.list(2)].iter().all(|list| {
            list.iter().all(|act| !matches!(act.then, Then::Ask | Then::Child { .. }))
                && list.last().is_some_and(|act| act.then == Then::Succeed)
        });
    let flaky = stage.acts.iter().chain(&stage.again).any(|act| matches!(act.then, Then::Flaky(times) if times > RETRIES_MAX));
    // A part of it that fails is its own failure.
    let sure = sure && stage.plan.is_none();
    (sure && !flaky && !stage.skippable && stage.timeout_ms.is_none()).then_some(one)
}

fn acts(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..rng.weighted(&[(40, 0), (35, 1), (15, 2), (10, 3)]) {
        let then = match rng.below(100) {
            0..35 => Then::Poll { after_ms: *rng.pick(&[0, 1_000, 7_000, 40_000]), watch: rng.per_mille(350) },
            35..50 => Then::Yield,
            50..66 => Then::Ask,
            66..80 => Then::Sleep(*rng.pick(&[0, 900, 20_000, 400_000])),
            80..96 => Then::Flaky(rng.range(1, 2) as u32),
            _ => Then::Flaky(RETRIES_MAX + 1),
        };
        acts.push(Act { calls: calls(rng), then });
    }
    let then = rng.weighted(&[
        (75, Then::Succeed),
        (5, Then::Skip),
        (9, Then::Fail),
        (2, Then::Cancel),
        (2, Then::Trap),
        (2, Then::Hang),
        (2, Then::Stuck),
        (3, Then::Linger),
    ]);
    if matches!(then, Then::Stuck | Then::Linger) {
        // How far it would have come before its time is over depends on timing.
        return vec![Act::only(then)];
    }
    acts.push(Act { calls: calls(rng), then });
    acts
}

/// What a stage does when it is stopped.
fn undo(rng: &mut Rng, gated: bool) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..rng.weighted(&[(60, 0), (30, 1), (10, 2)]) {
        let then = rng.weighted(&[(5, Then::Poll { after_ms: 3_000, watch: false }), (3, Then::Yield), (2, Then::Flaky(1))]);
        acts.push(Act { calls: calls(rng), then });
    }
    let then = rng.weighted(&[(75, Then::Succeed), (15, Then::Fail), (if gated { 0 } else { 10 }, Then::Linger)]);
    // What is done again and again would be a change by many steps.
    let calls = if then == Then::Linger { Vec::new() } else { calls(rng) };
    acts.push(Act { calls, then });
    acts
}

/// Stages that a stage unfolds into. Those of which one fails follow each other: what comes of them must not depend on timing.
fn subs(rng: &mut Rng) -> Vec<Sub> {
    let count = rng.weighted(&[(40, 0), (35, 1), (20, 2), (5, 3)]);
    let fails = rng.per_mille(250);
    let one = |at: usize, rng: &mut Rng| {
        let mut acts = Vec::new();
        if rng.per_mille(400) {
            let then = match rng.below(4) {
                0 => Then::Poll { after_ms: 2_000, watch: rng.per_mille(300) },
                1 => Then::Yield,
                2 => Then::Sleep(5_000),
                _ => Then::Flaky(1),
            };
            acts.push(Act { calls: calls(rng), then });
        }
        let then = if fails && rng.per_mille(500) { Then::Fail } else { rng.weighted(&[(9, Then::Succeed), (1, Then::Skip)]) };
        acts.push(Act { calls: calls(rng), then });
        let failure =
            rng.weighted(&[(5, FailureChoice::Halt), (2, FailureChoice::StopBranch { fail_at_end: true }), (3, FailureChoice::Ignore)]);
        let follows = at > 0 && (fails || rng.per_mille(500));
        Sub { requisites: if follows { vec![at - 1] } else { Vec::new() }, failure, acts }
    };
    (0..count).map(|at| one(at, rng)).collect()
}

fn calls(rng: &mut Rng) -> Vec<Call> {
    use Call::{Read, Write};
    let list: &[Call] = match rng.below(100) {
        0..45 => &[],
        45..65 => &[Write],
        65..82 => &[Read, Write],
        82..90 => &[Read, Write, Write],
        90..95 => &[Write, Read, Write],
        _ => &[Read],
    };
    list.to_vec()
}

fn outside(rng: &mut Rng, scenario: &Scenario, run: usize) -> Vec<Outside> {
    let mut events = Vec::new();
    let (pipeline, gated) = (scenario.pipeline_of(run), scenario.gated);
    let child = matches!(scenario.runs[run].from, From::Child { .. });
    // What is done again takes its parent along: the outcome of both depends on when.
    if rng.per_mille(if child { 40 } else { 120 }) && !(child && gated) {
        restarts(rng, pipeline, run, gated, &mut events);
    }
    let attempts = 1 + events.len() as u32;
    for (at, stage) in pipeline.stages.iter().enumerate() {
        for attempt in 1..=attempts {
            let asks = stage.list(attempt).iter().filter(|act| act.then == Then::Ask).count();
            for nth in 0..asks {
                let question = Question { stage: at, attempt, nth };
                if stage.skippable && rng.per_mille(250) {
                    let what = What::Skip { stage: at };
                    events.push(Outside { run, when: When::Asked(question), what, keyed: true, again: rng.per_mille(250) });
                } else if rng.per_mille(930) {
                    answers(rng, run, question, gated, &mut events);
                }
            }
        }
        if stage.window.is_some() && rng.per_mille(400) {
            let what = What::SkipWindow { stage: at };
            events.push(Outside { run, when: When::Windowed(at), what, keyed: rng.per_mille(700), again: rng.per_mille(200) });
        }
        stray(rng, run, at, stage, gated, &mut events);
    }
    let still = (child && gated) || events.iter().any(|event| event.when == When::Still);
    let held = rng.per_mille(160) && pauses(rng, pipeline, run, (gated, still), &mut events);
    // Only one thing can be done to an execution when nothing of it moves.
    if !held && !still && rng.per_mille(if gated { 200 } else { 180 }) {
        let racing = [When::Transition(rng.range(1, 10)), When::After(rng.range(0, 60_000))];
        let when = if gated { When::Still } else { *rng.pick(if child { &racing[..1] } else { &racing }) };
        let keyed = gated || rng.per_mille(700);
        events.push(Outside { run, when, what: What::Cancel, keyed, again: rng.per_mille(200) });
    }
    events
}

/// What nobody asked for.
fn stray(rng: &mut Rng, run: usize, at: usize, stage: &Stage, gated: bool, events: &mut Vec<Outside>) {
    if gated {
        return;
    }
    let mut push = |rng: &mut Rng, what| {
        let when = When::Transition(rng.range(1, 12));
        events.push(Outside { run, when, what, keyed: rng.per_mille(500), again: false });
    };
    if rng.per_mille(15) {
        let go = rng.per_mille(500);
        push(rng, What::Answer { stage: at, go, stranger: false });
    }
    if rng.per_mille(if stage.skippable { 150 } else { 5 }) {
        push(rng, What::Skip { stage: at });
    }
    if rng.per_mille(5) {
        push(rng, What::SkipWindow { stage: at });
    }
}

/// Does stages again, once or twice: after the end, when nothing moves, or while it runs.
fn restarts(rng: &mut Rng, pipeline: &Pipeline, run: usize, gated: bool, events: &mut Vec<Outside>) {
    let mut ends = 0;
    for _ in 0..rng.weighted(&[(80, 1), (20, 2)]) {
        let running = [When::Transition(rng.range(2, 14)), When::After(rng.range(50, 60_000))];
        let when = match rng.below(100) {
            0..60 => When::Ended(ends),
            60..75 if gated && !events.iter().any(|event| event.when == When::Still) => When::Still,
            60..100 if !gated => *rng.pick(&running),
            _ => When::Ended(ends),
        };
        ends += usize::from(matches!(when, When::Ended(_)));
        let what = What::Restart { stage: rng.position(pipeline.stages.len()) };
        events.push(Outside { run, when, what, keyed: gated || rng.per_mille(700), again: rng.per_mille(150) });
    }
}

/// Holds an execution once or twice. True when it is cancelled while it is held.
fn pauses(rng: &mut Rng, pipeline: &Pipeline, run: usize, (gated, still): (bool, bool), events: &mut Vec<Outside>) -> bool {
    // A step that never comes back keeps its worker all the while.
    let stuck = pipeline.stages.iter().flat_map(|stage| &stage.acts).any(|act| act.then == Then::Stuck);
    for _ in 0..rng.weighted(&[(80, 1), (20, 2)]) {
        let for_ms = rng.weighted(&[(3, 300), (3, 20_000), (3, 200_000), (if stuck { 0 } else { 2 }, 4 * 3_600_000)]);
        let racing = [When::After(rng.range(0, 60_000)), When::Transition(rng.range(1, 10))];
        let when = *rng.pick(if gated { &racing[1..] } else { &racing });
        let what = What::Pause { for_ms };
        events.push(Outside { run, when, what, keyed: rng.per_mille(700), again: rng.per_mille(150) });
    }
    let cancels = !still && rng.per_mille(250);
    if cancels {
        // Where the outcome must not depend on timing it is held when nothing moves any more, and then cancelled for sure.
        let for_ms = *rng.pick(&[2_000, 200_000]);
        if gated {
            events.push(Outside { run, when: When::Still, what: What::Pause { for_ms }, keyed: true, again: false });
        }
        let when = if gated { When::HeldStill(rng.range(0, 4_000)) } else { When::Held(rng.range(0, 4_000)) };
        events.push(Outside { run, when, what: What::Cancel, keyed: true, again: rng.per_mille(200) });
    }
    cancels
}

fn answers(rng: &mut Rng, run: usize, question: Question, gated: bool, events: &mut Vec<Outside>) {
    let (when, stage) = (When::Asked(question), question.stage);
    let go = rng.per_mille(750);
    if rng.per_mille(100) {
        let what = What::Answer { stage, go: !go, stranger: true };
        events.push(Outside { run, when, what, keyed: true, again: false });
    }
    let what = What::Answer { stage, go, stranger: false };
    events.push(Outside { run, when, what, keyed: gated || rng.per_mille(800), again: rng.per_mille(250) });
    if !gated && rng.per_mille(150) {
        let what = What::Answer { stage, go: rng.per_mille(500), stranger: false };
        events.push(Outside { run, when, what, keyed: rng.per_mille(500), again: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_scenario_and_most_are_small() {
        assert_eq!(format!("{:?}", scenario(5)), format!("{:?}", scenario(5)));
        let mut sizes: Vec<usize> = (0..500).map(|seed| scenario(seed).size().0).collect();
        sizes.sort_unstable();
        assert!(sizes[250] <= 4, "the median has {} stages", sizes[250]);
        assert!(sizes[499] > 20, "and some are large");
    }

    #[test]
    fn every_class_and_every_end_is_drawn() {
        let all: Vec<Scenario> = (0..2_000).map(scenario).collect();
        for class in Class::ALL {
            assert!(all.iter().any(|s| s.classes.has(class)), "{}", class.name());
        }
        let ends =
            |then: Then| all.iter().any(|s| s.pipelines.iter().flat_map(|p| &p.stages).flat_map(|s| &s.acts).any(|a| a.then == then));
        for then in
            [Then::Succeed, Then::Skip, Then::Cancel, Then::Fail, Then::Trap, Then::Hang, Then::Stuck, Then::Linger, Then::Ask, Then::Gate]
        {
            assert!(ends(then), "{then:?}");
        }
    }
}
