//! `simulate`: examines seeds and tells what it found. `cargo dev simulate` builds and runs it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

use lexopt::prelude::*;
use simulator::campaign::{SMALL_STAGES, SMALL_TRANSITIONS, Seeds, campaign, smallest, smallest_of};
use simulator::tell;
use std::process::ExitCode;
use std::time::Instant;

// Half of what a simulated call costs is allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: simulate [--seeds N] [--from SEED] [--jobs N] [--brief]
       simulate --seed SEED      one seed: if it fails, what happened, as small as it can be made
       simulate --prove [WORD] [--seeds N] [--from SEED] [--jobs N]
                                 plants bugs, or those with the word in their name, and looks how many seeds it takes to find each
       simulate --explain        what is drawn, the classes of faults, and what each may do to an outcome
";

/// A planted bug is found within so many seeds, or the proof fails.
const PROOF_SEEDS_MAX: u64 = 20_000;

enum Command {
    Many(Seeds, bool),
    One(u64),
    Prove(Option<String>, Seeds),
    Explain,
    Help,
}

fn parse() -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut seeds = Seeds { from: 0, count: 2_000, jobs: 1, first_only: false };
    let (mut command, mut brief, mut count) = (None, false, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seeds") => count = Some(parser.value()?.parse()?),
            Long("from") => seeds.from = parser.value()?.parse()?,
            Long("brief") => brief = true,
            Long("jobs") => seeds.jobs = parser.value()?.parse::<usize>()?.max(1),
            Long("seed") => command = Some(Command::One(parser.value()?.parse()?)),
            Long("prove") => command = Some(Command::Prove(None, seeds)),
            Long("explain") => command = Some(Command::Explain),
            Short('h') | Long("help") => command = Some(Command::Help),
            Value(word) if matches!(command, Some(Command::Prove(..))) => command = Some(Command::Prove(Some(word.string()?), seeds)),
            other => return Err(other.unexpected()),
        }
    }
    Ok(match command {
        Some(Command::Prove(word, _)) => {
            Command::Prove(word, Seeds { count: count.unwrap_or(PROOF_SEEDS_MAX).min(PROOF_SEEDS_MAX), ..seeds })
        }
        Some(other) => other,
        None => Command::Many(Seeds { count: count.unwrap_or(seeds.count), ..seeds }, brief),
    })
}

fn main() -> ExitCode {
    // A run that panics is a finding, told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    match parse() {
        Ok(Command::Many(seeds, brief)) => many(seeds, brief),
        Ok(Command::One(seed)) => one(seed),
        Ok(Command::Prove(word, seeds)) => prove(word.as_deref(), seeds),
        Ok(Command::Explain) => {
            print!("{}", tell::classes());
            ExitCode::SUCCESS
        }
        Ok(Command::Help) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("simulate: {error}\n\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn many(seeds: Seeds, brief: bool) -> ExitCode {
    let start = Instant::now();
    let tally = campaign(seeds);
    let took = start.elapsed().as_secs_f64();
    let shown = if brief { Vec::new() } else { smallest(&tally) };
    for (seed, small) in shown {
        println!("{}", tell::failure(seed, &small));
    }
    let per = |count: u64| count as f64 / tally.seeds.max(1) as f64;
    println!(
        "{} seeds in {took:.1} s on {} threads: {:.0} seeds/s; {} compared with a run without faults",
        tally.seeds,
        seeds.jobs,
        tally.seeds as f64 / took,
        tally.compared
    );
    println!(
        "small ones (at most {SMALL_STAGES} stages, {SMALL_TRANSITIONS} transitions): {} seeds at {:.0} seeds/s of one thread",
        tally.small,
        tally.small as f64 / tally.small_took.as_secs_f64().max(f64::EPSILON)
    );
    println!(
        "a seed: {:.0} calls, {:.1} transitions, {:.1} faults; the median has {} stages and {} transitions",
        per(tally.calls),
        per(tally.transitions),
        per(tally.faults),
        tally.median_stages(),
        tally.median_transitions()
    );
    let classes: Vec<String> = tally.classes.iter().map(|(class, count)| format!("{class} {count}")).collect();
    println!("seeds with each class of faults: {}", classes.join(", "));
    let shown: Vec<String> = tally.shown.iter().map(|(shown, count)| format!("{shown} {count}")).collect();
    println!("seeds in which it came to pass: {}", shown.join(", "));
    for (rule, failed) in &tally.failed {
        let some: Vec<String> = failed.iter().take(10).map(u64::to_string).collect();
        println!("FAILED {rule}: {} seeds: {}", failed.len(), some.join(" "));
    }
    if tally.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64) -> ExitCode {
    match smallest_of(seed, |failure| eprintln!("seed {seed} fails: {}: {}", failure.rule, failure.message)) {
        None => {
            println!("seed {seed} passes");
            ExitCode::SUCCESS
        }
        Some(small) => {
            println!("{}", tell::failure(seed, &small));
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "planted-bugs")]
fn prove(word: Option<&str>, seeds: Seeds) -> ExitCode {
    use engine::planted::Bug;
    use simulator::prove::{Found, prove};
    let bugs: Vec<Bug> = Bug::ALL.iter().copied().filter(|bug| word.is_none_or(|word| bug.name().contains(word))).collect();
    let seeds_max = seeds.count;
    let told = |found: &Found| {
        let (name, took) = (found.bug.name(), found.took.as_secs_f64());
        match found.after {
            Some((seeds, rule)) => println!("{name:<58} found after {seeds:>6} seeds, by {rule} ({took:.1} s)"),
            None => println!("{name:<58} NOT FOUND in {seeds_max} seeds ({took:.1} s)"),
        }
    };
    let start = Instant::now();
    let found = prove(&bugs, seeds, told);
    let (all, caught) = (found.len(), found.iter().filter(|found| found.after.is_some()).count());
    println!("{caught} of {all} planted bugs found, within {seeds_max} seeds each, in {:.1} s", start.elapsed().as_secs_f64());
    let broken = found.iter().filter_map(|found| found.fails_anyway).min();
    if let Some(seed) = broken {
        println!("seed {seed} fails without any bug planted: cargo dev simulate --seed {seed}");
    }
    if all > 0 && caught == all && broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(feature = "planted-bugs"))]
fn prove(_word: Option<&str>, _seeds: Seeds) -> ExitCode {
    eprintln!("simulate: built without the feature `planted-bugs`");
    ExitCode::FAILURE
}
