//! The `waybill` command: every function in one process on a folder of this machine (`serve`), and the client that speaks
//! to any Waybill server over HTTP.
//!
//! The server half only puts parts together; the client half only asks and prints. Neither decides anything that the
//! functions do not.

mod api;
mod arguments;
mod commands;
mod demo;
mod failure;
mod files;
mod offline;
mod out;
mod playground_command;
mod serve;
mod session;
mod time;
mod views;
mod walk;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use session::Session;
use std::future::Future;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// Everything the command does, with its exit code: 0 done, 1 refused or failed, 2 called wrongly.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before anything that could make a TLS client.
    boot::install_crypto();
    let done = match arguments.command {
        Command::Serve(options) => on(Builder::new_multi_thread(), serve::run(options)),
        Command::Playground(options) => on(Builder::new_multi_thread(), playground_command::run(options)),
        Command::Install(options) => on(Builder::new_multi_thread(), commands::install::run(options)),
        Command::DeadLetters(options) => on(Builder::new_current_thread(), commands::dead_letters::run(options)),
        Command::Demo(options) => on(Builder::new_current_thread(), demo::run(*options)),
        other => on(Builder::new_current_thread(), client(other)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.text() {
                out::note(&text);
            }
            failure.exit_code()
        }
    }
}

fn on(mut builder: Builder, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime: Runtime = builder.enable_all().build().map_err(|error| Failure::Server(format!("no runtime: {error}")))?;
    let done = runtime.block_on(Box::pin(work));
    // What is left over, such as a read of standard input, must not keep the process.
    runtime.shutdown_background();
    done
}

async fn client(command: Command) -> Result<(), Failure> {
    use commands::{account, application, execution, expressions, order, pipeline, project, secret, token};
    match command {
        Command::Order(group) => order::run(group.command, &mut Session::open(&group.connection)?).await,
        Command::Execution(group) => execution::run(group.command, &mut Session::open(&group.connection)?).await,
        Command::Account(group) => account::run(group.command, &mut Session::open(&group.connection)?).await,
        Command::App(group) => application::run(group.command, &mut Session::open(&group.connection)?).await,
        Command::Project(group) => project::run(group.command, &mut Session::open(&group.connection)?).await,
        Command::Pipeline(group) => pipeline::run(group).await,
        Command::Secret(group) => secret::run(group.command, &mut Session::open(&group.connection)?).await,
        Command::Expressions(group) => expressions::run(group).await,
        Command::Token(group) => token::run(group.command, &mut Session::open(&group.connection)?).await,
        Command::Export(options) => offline::transfer::export(options).await,
        Command::Import(options) => offline::transfer::import(options).await,
        Command::Archive(options) => offline::archive::run(options).await,
        Command::Serve(_) | Command::Playground(_) | Command::Install(_) | Command::DeadLetters(_) | Command::Demo(_) => {
            Err(Failure::Usage("this is no command of the client".to_owned()))
        }
    }
}
