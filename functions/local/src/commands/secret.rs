//! `waybill secret …`: what pipelines refer to as `secret://NAME`. A value goes in from a file or standard input, and never comes out.

use super::{remove, show_page};
use crate::api::{Call, Expect};
use crate::failure::Failure;
use crate::files;
use crate::session::{PageOptions, Session};
use crate::views::{self, text};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Secrets of an application, without their values.
    List {
        /// The application.
        application: String,
        #[command(flatten)]
        page: PageOptions,
    },
    /// Store a secret under a name, or give it another value.
    Set(Set),
    /// Remove a secret; pipelines that refer to it are refused when they are started.
    Delete {
        /// The application.
        application: String,
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The application.
    application: String,
    /// Its name.
    name: String,
    /// The file that holds the value, without the end of its last line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::List { application, page } => {
            show_page(session, &["api", "applications", &application, "secrets"], &page, views::secrets).await
        }
        Command::Set(set) => self::set(&set, session).await,
        Command::Delete { application, name } => {
            let path = ["api", "applications", &application, "secrets", &name];
            remove(session, &path, &format!("secret {name} of {application}")).await
        }
    }
}

async fn set(set: &Set, session: &mut Session) -> Result<(), Failure> {
    let Set { application, name, file } = set;
    let path = ["api", "applications", application, "secrets", name];
    let body = json!({ "value": files::secret(file)? });
    let expect = match session.api.find(&path).await? {
        None => Expect::Absent,
        Some(answer) => answer.tag.map_or(Expect::Nothing, Expect::Tag),
    };
    let answer = session.api.send(Call::put(&path, &body).expect(&expect)).await?;
    let said = format!("secret {name} of {application} is stored: say {} in its place", text(&answer.body, "reference"));
    session.out.event(&answer.body, &said)
}
