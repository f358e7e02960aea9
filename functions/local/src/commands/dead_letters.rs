//! `waybill dead-letters …`: what the queue of an installation on AWS laid aside. It speaks to the queues themselves, with the
//! credentials of whoever administers them: a hint names an execution or an account, and holds no secret.
//!
//! `waybill serve` lays nothing aside: what fails there is looked at again, after growing pauses.

use crate::failure::Failure;
use crate::out::Out;
use boot::function::Function;
use clap::{Args, Subcommand};
use queue::sqs::{self, Sqs};
use serde_json::{Value, json};
use std::fmt::Display;

/// Which of both. Region and credentials are found as AWS's own tools find them; WAYBILL_DEAD_LETTERS and WAYBILL_QUEUE are the
/// addresses of the queues.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Some of what was laid aside: SQS shows ten at most, and hides them from others for five seconds.
    List {
        /// JSON instead of lines for people.
        #[arg(long)]
        json: bool,
    },
    /// Send everything back to the queue it came from, once what made it fail is mended.
    Redrive {
        /// JSON instead of a line for people.
        #[arg(long)]
        json: bool,
    },
}

fn failed(error: impl Display) -> Failure {
    Failure::Server(error.to_string())
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let function = Function::start().await.map_err(failed)?;
    let queue = |url: String| {
        let options = sqs::Options { url, clock: function.clock.clone(), entropy: function.entropy.clone() };
        Sqs::new(&function.sdk, options)
    };
    let missing = |error: boot::aws::AwsError| Failure::Usage(error.to_string());
    let dead = queue(function.dead_letters().map_err(missing)?);
    match options.command {
        Command::List { json } => {
            let letters = dead.dead_letters().await.map_err(failed)?;
            let items: Vec<Value> = letters.iter().map(|letter| json!({"id": letter.id, "body": letter.body})).collect();
            let lines = |_: &Value| match letters.as_slice() {
                [] => "nothing was laid aside".to_owned(),
                some => some.iter().map(|letter| format!("{}  {}\n", letter.id, letter.body)).collect(),
            };
            Out::stdout(json).show(&json!({"items": items}), lines)
        }
        Command::Redrive { json } => {
            let to = queue(function.queue().map_err(missing)?);
            let sent = dead.redrive(&to).await.map_err(failed)?;
            Out::stdout(json).show(&json!({"sent": sent}), |_| format!("{sent} sent back"))
        }
    }
}
