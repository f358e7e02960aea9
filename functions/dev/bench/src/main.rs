//! Measures the execution path on real parts: the embedded store, the orchestrator, the host of components and a component
//! that does nothing. `cargo dev bench` runs it and sets its figures beside those of a reference.
//!
//! It is no part of what is shipped. It changes nothing of what it measures; it only stands between the parts and looks at
//! the clock. One JSON object goes to standard output.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod arguments;
mod chain;
mod error;
mod fan;
mod figures;
mod floor;
mod history;
mod machine;
mod parts;
mod recorder;
mod throughput;
mod watched;

use arguments::{Arguments, Bench};
use error::Result;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;

/// As `waybill` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    boot::install_crypto();
    let mut words = std::env::args_os().skip(1);
    let measured = match (words.next(), words.next()) {
        (Some(word), Some(data)) if word == "look" => on(history::look(Path::new(&data))),
        _ => arguments::parse(std::env::args_os().skip(1)).and_then(|arguments| on(measure(&arguments))),
    };
    match measured {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn on(work: impl Future<Output = Result<Value>>) -> Result<Value> {
    // As `waybill serve` has it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(Box::pin(work));
    runtime.shutdown_background();
    measured
}

async fn measure(arguments: &Arguments) -> Result<Value> {
    let mut all = Map::new();
    for bench in &arguments.benches {
        let data = arguments.data.join(bench.name());
        std::fs::create_dir_all(&data)?;
        let floor = floor::measure(&data)?;
        let load = machine::load();
        let watch = machine::Neighbours::watch();
        let figures = Box::pin(one(*bench, &data, arguments)).await;
        let conditions = json!({"floor": floor, "loadBefore": load, "neighboursPercentOfACore": watch.percent_of_a_core()});
        all.insert(bench.name().to_owned(), json!({"conditions": conditions, "figures": figures?}));
        // The next one begins on an empty disk.
        std::fs::remove_dir_all(&data)?;
    }
    Ok(Value::Object(all))
}

async fn one(bench: Bench, data: &Path, arguments: &Arguments) -> Result<Value> {
    if bench == Bench::History {
        return Box::pin(history::measure(arguments, data)).await;
    }
    let parts = parts::Parts::open(data, &arguments.components).await?;
    let figures = match bench {
        Bench::Chain => Box::pin(chain::measure(&parts, arguments)).await,
        Bench::Throughput => Box::pin(throughput::measure(&parts, arguments)).await,
        Bench::Fan | Bench::History => Box::pin(fan::measure(&parts, arguments)).await,
    };
    parts.close().await;
    figures
}
