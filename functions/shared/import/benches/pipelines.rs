//! How many pipelines are checked in a second, on one core: every input file of the tests that holds any, again and again, from
//! bytes to the JSON of its report. One JSON object goes to standard output.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures looks at the clock, and ends at the first thing that is wrong"
)]

use import::{Options, check};
use serde_json::json;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Long enough for the figures to settle.
const MEASURED_FOR: Duration = Duration::from_secs(3);
/// Files that take longest are named.
const SLOWEST: usize = 5;

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

/// Time that the processor gave, in seconds: others may be at work beside this.
fn processor_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns / 1e9)
}

fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn main() {
    let mut paths = Vec::new();
    collect(&PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/files"), &mut paths);
    paths.sort();
    let options = Options::default();
    let files: Vec<(String, Vec<u8>, usize)> = paths
        .iter()
        .filter_map(|path| {
            let (name, bytes) = (path.display().to_string(), std::fs::read(path).unwrap());
            let imported = check(&name, &bytes, &options).iter().filter(|report| report.imported).count();
            (imported > 0).then_some((name, bytes, imported))
        })
        .collect();
    let (mut pipelines, mut bytes, mut rounds) = (0, 0, 0);
    let mut each = vec![Duration::ZERO; files.len()];
    let begun = Instant::now();
    let processor = processor_s();
    while begun.elapsed() < MEASURED_FOR {
        for ((name, content, count), spent) in files.iter().zip(&mut each) {
            let from = Instant::now();
            for report in black_box(check(name, black_box(content), &options)) {
                black_box(json!(report).to_string());
            }
            *spent += from.elapsed();
            pipelines += count;
            bytes += content.len();
        }
        rounds += 1;
    }
    let wall = begun.elapsed().as_secs_f64();
    let seconds = processor.zip(processor_s()).map_or(wall, |(from, to)| to - from);
    let mut slowest: Vec<(f64, &str)> =
        each.iter().zip(&files).map(|(spent, (name, ..))| (spent.as_secs_f64() * 1e6 / f64::from(rounds), name.as_str())).collect();
    slowest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let slowest: Vec<_> =
        slowest.iter().take(SLOWEST).map(|(us, name)| json!({"file": name.rsplit("files/").next(), "microseconds": us.round()})).collect();
    let figures = json!({
        "files": files.len(),
        "pipelines": pipelines,
        "wallSeconds": wall,
        "processorSeconds": seconds,
        "pipelinesPerSecond": (pipelines as f64 / seconds).round(),
        "megabytesPerSecond": (bytes as f64 / seconds / 1e6).round(),
        "slowest": slowest,
        "peakBytes": peak_bytes(),
    });
    println!("{figures}");
}
