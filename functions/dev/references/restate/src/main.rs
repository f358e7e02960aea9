//! Measures a local single-node Restate server the way `cargo dev bench` measures Waybill, and prints one JSON object.
//!
//! `measure` hosts the handler, starts the server on a fresh folder and loopback alone, and lets `load`, a process of its
//! own, drive it through the ingress. It ends, and the server with it, when its standard input does.

mod host;
mod load;
mod measure;
mod server;

use std::env;
use std::error::Error;

/// What goes wrong ends the measurement.
type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: measure SERVER DIR chain STEPS REPETITIONS | measure SERVER DIR throughput STEPS CLIENTS SECONDS \
                     | load ADDRESS STEPS CLIENTS count:N|seconds:S";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["load", address, steps, clients, until] => load::run(address.parse()?, steps, clients.parse()?, until).await,
        ["measure", server, folder, "chain", steps, repetitions] => {
            let what = measure::What::Chain { steps: steps.parse()?, repetitions: repetitions.parse()? };
            measure::run(server, folder, what).await
        }
        ["measure", server, folder, "throughput", steps, clients, seconds] => {
            let what = measure::What::Throughput { steps: steps.parse()?, clients: clients.parse()?, seconds: seconds.parse()? };
            measure::run(server, folder, what).await
        }
        _ => Err(USAGE.into()),
    }
}
