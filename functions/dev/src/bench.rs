//! `cargo dev bench`: the execution path of a release build on real parts, and a reference beside it, in one invocation and
//! on one disk. It only runs both and sets their figures side by side; each measures itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::bench_reference::{self as reference, Restate};
use crate::bench_rows::{self as rows, Row};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{oracle, places, plugins, process};

/// What can be measured.
pub(crate) const BENCHES: [&str; 5] = ["chain", "throughput", "fan", HISTORY, EXPRESSIONS];
/// What very much that has ended costs: its reference is the same with little, in the same run.
const HISTORY: &str = "history";
/// This one needs neither a disk nor parts: it is a program of the expression crate alone.
const EXPRESSIONS: &str = "expressions";
pub(crate) const STAGES: u32 = 100;
pub(crate) const STAGES_A_RUN: u32 = 10;

/// How long the machine is looked at to see whether it is quiet, and what a core does in that time.
const LOOK: Duration = Duration::from_secs(2);
const TICKS_A_LOOK: u64 = 200;

/// What stands beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    Restate,
    None,
}

impl Reference {
    pub(crate) fn parse(word: &str) -> Result<Self> {
        match word {
            "restate" => Ok(Self::Restate),
            "none" => Ok(Self::None),
            other => Err(Error::new(format!("there is no reference `{other}`; there are restate and none"))),
        }
    }
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) benches: Vec<&'static str>,
    pub(crate) reference: Reference,
    pub(crate) json: bool,
    pub(crate) repetitions: u32,
    pub(crate) clients: u32,
    pub(crate) seconds: u32,
    /// Seconds to wait, before each side, for a machine with little else to do.
    pub(crate) patience: u32,
    /// A folder on the disk to measure on.
    pub(crate) data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let (repetitions, clients, seconds) = (30, 64, 30);
        let (benches, reference, json, patience, data) = (Vec::new(), Reference::Restate, false, 0, None);
        Self { benches, reference, json, repetitions, clients, seconds, patience, data }
    }
}

/// A bench with what both said.
struct Measured {
    bench: &'static str,
    waybill: Value,
    reference: Value,
    rows: Vec<Row>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let progress = Progress::new();
    let (alone, of_runs): (Vec<&'static str>, Vec<&'static str>) = options.benches.iter().partition(|bench| **bench == EXPRESSIONS);
    let mut measured = if of_runs.is_empty() { Vec::new() } else { runs(&progress, options, &of_runs)? };
    if !alone.is_empty() {
        measured.push(expressions(&progress, options)?);
    }
    print(options, &measured);
    Ok(ExitCode::SUCCESS)
}

/// The benches of the execution path.
fn runs(progress: &Progress, options: &Options, benches: &[&'static str]) -> Result<Vec<Measured>> {
    let components = plugins::build_for_bench(progress)?;
    process::must(progress, "build, release", &mut process::cargo(["build", "--release", "--quiet", "--bin", "bench"])?)?;
    let program = places::target()?.join("release").join("bench");
    let restate = match options.reference {
        Reference::Restate if benches.iter().any(|bench| *bench != HISTORY) => reference::install(progress),
        _ => Err("not asked for".to_owned()),
    };
    let data = Folder::fresh(options)?;
    // Or what the builds left to be written is measured as well.
    drop(Command::new("sync").status());
    let sides = Sides { program: &program, components: &components, restate: &restate };
    benches.iter().map(|bench| measure(progress, options, bench, &sides, &data)).collect()
}

/// The expressions of a large pipeline, beside the real evaluator where it can be built.
fn expressions(progress: &Progress, options: &Options) -> Result<Measured> {
    let jar = match options.reference {
        Reference::Restate => oracle::build(progress).map_err(|error| error.to_string()),
        Reference::None => Err("not asked for".to_owned()),
    };
    let bench = ["bench", "--quiet", "--package", "expression", "--bench", EXPRESSIONS];
    process::must(progress, "build, bench", &mut process::cargo(bench.iter().chain(&["--no-run"]))?)?;
    let mut command = process::cargo(bench.iter().chain(&["--"]))?;
    if let Ok(jar) = &jar {
        command.arg("--oracle").arg(jar);
    }
    quiet(options.patience);
    let figures = figures(progress, "expressions", &mut command)?;
    let waybill = json!({"figures": figures});
    let reference = match jar {
        Ok(_) => json!({"figures": {"version": "spring-expression on a warm JVM", "measured": figures.get("oracle")}}),
        Err(why) => json!({"absent": why}),
    };
    let rows = rows::of(EXPRESSIONS, &waybill, &reference);
    Ok(Measured { bench: EXPRESSIONS, waybill, reference, rows })
}

/// Who is measured.
struct Sides<'a> {
    program: &'a Path,
    components: &'a Path,
    restate: &'a std::result::Result<Restate, String>,
}

fn measure(progress: &Progress, options: &Options, bench: &'static str, sides: &Sides<'_>, data: &Folder) -> Result<Measured> {
    let mut command = Command::new(sides.program);
    command.arg(bench).arg("--components").arg(sides.components).arg("--data").arg(&data.0);
    for (name, number) in [("--repetitions", options.repetitions), ("--clients", options.clients), ("--seconds", options.seconds)] {
        command.arg(name).arg(number.to_string());
    }
    command.args(["--stages", &STAGES.to_string(), "--stages-a-run", &STAGES_A_RUN.to_string()]);
    quiet(options.patience);
    let waybill = figures(progress, &format!("{bench}, waybill"), &mut command)?;
    let waybill = waybill.get(bench).cloned().unwrap_or_default();
    let reference = match (sides.restate, bench) {
        (_, HISTORY) => {
            json!({"figures": {"version": "the same with 100 executions", "measured": waybill.pointer("/figures/reference")}})
        }
        (Err(why), _) => json!({"absent": why}),
        (Ok(_), "fan") => json!({"absent": "its target is a number of commits, for which it has no counterpart"}),
        (Ok(restate), _) => match quietly(options, || restate.measure(progress, options, bench, &data.0)) {
            Ok(figures) => json!({"figures": figures}),
            Err(error) => json!({"absent": format!("it could not be measured: {error}")}),
        },
    };
    let rows = rows::of(bench, &waybill, &reference);
    Ok(Measured { bench, waybill, reference, rows })
}

fn quietly<T>(options: &Options, measure: impl FnOnce() -> T) -> T {
    quiet(options.patience);
    measure()
}

/// Waits for a moment when the rest of the machine uses less than a fifth of a core, at most so long.
fn quiet(patience_s: u32) {
    let end = Instant::now() + Duration::from_secs(u64::from(patience_s));
    while Instant::now() < end {
        let before = busy_ticks();
        thread::sleep(LOOK);
        let used = busy_ticks().saturating_sub(before);
        if used * 5 < TICKS_A_LOOK {
            return;
        }
    }
}

/// What the machine has used so far, all but idle and waiting; nothing where that cannot be read.
fn busy_ticks() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8).enumerate();
    fields.filter(|(place, _)| !matches!(place, 3 | 4)).filter_map(|(_, field)| field.parse::<u64>().ok()).sum()
}

/// Runs a program that measures, and reads the one object it prints. Its standard input stays open until it ends.
pub(crate) fn figures(progress: &Progress, name: &str, command: &mut Command) -> Result<Value> {
    progress.begin(name);
    let start = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(Error::at(&program))?;
    let input = child.stdin.take();
    let output = child.wait_with_output().map_err(Error::at(&program))?;
    drop(input);
    let why = output.status.to_string();
    progress.end(name, start.elapsed(), if output.status.success() { Ok(()) } else { Err(&why) }, &[]);
    if !output.status.success() {
        return Err(Error::new(format!("{name} failed: {why}")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Error::new(format!("{name} said something else: {error}")))
}

fn print(options: &Options, measured: &[Measured]) {
    if !options.json {
        for one in measured {
            print!("{}", rows::text(one.bench, &one.waybill, &one.reference, &one.rows));
        }
        return;
    }
    let mut all = Map::new();
    for one in measured {
        let rows: Vec<Value> = one.rows.iter().map(Row::json).collect();
        all.insert(one.bench.to_owned(), json!({"waybill": one.waybill, "reference": one.reference, "rows": rows}));
    }
    println!("{}", Value::Object(all));
}

/// A folder for data that goes when the measurement does.
struct Folder(PathBuf);

impl Folder {
    fn fresh(options: &Options) -> Result<Self> {
        let base = match &options.data {
            Some(folder) => std::path::absolute(folder).map_err(Error::at(folder))?,
            None => places::cache()?,
        };
        let folder = base.join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whatever stays behind is only data of a measurement.
        drop(fs::remove_dir_all(&self.0));
    }
}
