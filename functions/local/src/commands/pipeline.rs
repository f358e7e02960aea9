//! `waybill pipeline …`

use super::{bring, check, export, remove, show_one, show_page};
use crate::api::{Call, Expect};
use crate::failure::Failure;
use crate::files;
use crate::out::Out;
use crate::session::{Group, PageOptions, Session};
use crate::views::{self, list, number, text};
use clap::{Args, Subcommand};
use model::exact::Spellings;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say of files and folders what pipelines they hold, whether those can be imported, and what would be different; without a server.
    Check(check::Check),
    /// Bring pipelines from files and folders into an application: all of a file or nothing of it; a second time changes nothing.
    Import(bring::Import),
    /// Give pipelines back as Spinnaker's JSON, their numbers as they were written.
    Export(export::Export),
    /// Save a pipeline's JSON; an existing one gets a new revision.
    Save(Save),
    /// A pipeline's JSON; with --json everything that is known of it.
    Show {
        /// The application.
        application: String,
        /// Name or id.
        pipeline: String,
        /// An older revision.
        #[arg(long, value_name = "NUMBER")]
        revision: Option<u64>,
    },
    /// Pipelines of an application.
    List {
        /// The application.
        application: String,
        #[command(flatten)]
        page: PageOptions,
    },
    /// Revisions of a pipeline, newest first.
    Revisions {
        /// The application.
        application: String,
        /// Name or id.
        pipeline: String,
        #[command(flatten)]
        page: PageOptions,
    },
    /// Triggers of a pipeline, with the addresses that registries tell about pushes.
    Triggers {
        /// The application.
        application: String,
        /// Name or id.
        pipeline: String,
    },
    /// Remove a pipeline.
    Delete {
        /// The application.
        application: String,
        /// Name or id.
        pipeline: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Save {
    /// JSON, or YAML when its name says so; `-` for standard input.
    file: PathBuf,
    /// The application; otherwise the one the document names.
    #[arg(long)]
    application: Option<String>,
    /// Name or id; otherwise the name in the document.
    #[arg(long)]
    name: Option<String>,
    /// Only if this is the newest revision; otherwise whichever is there is followed by a new one.
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
}

pub(crate) async fn run(group: Group<Command>) -> Result<(), Failure> {
    let Group { connection, command } = group;
    match command {
        Command::Check(check) => check::run(&check, &mut Out::stdout(connection.json)),
        other => asked(other, &mut Session::open(&connection)?).await,
    }
}

async fn asked(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Check(_) => Err(Failure::Usage("this asks no server".to_owned())),
        Command::Import(import) => bring::run(&import, session).await,
        Command::Export(export) => export::run(&export, session).await,
        Command::Save(save) => self::save(save, session).await,
        Command::Show { application, pipeline, revision: None } => show(session, &path(&application, &pipeline)).await,
        Command::Show { application, pipeline, revision: Some(revision) } => {
            let revision = revision.to_string();
            show(session, &below(&application, &pipeline, &["revisions", &revision])).await
        }
        Command::List { application, page } => {
            show_page(session, &["api", "applications", &application, "pipelines"], &page, views::pipelines).await
        }
        Command::Revisions { application, pipeline, page } => {
            show_page(session, &below(&application, &pipeline, &["revisions"]), &page, views::revisions).await
        }
        Command::Triggers { application, pipeline } => {
            show_one(session, &below(&application, &pipeline, &["triggers"]), views::triggers).await
        }
        Command::Delete { application, pipeline } => {
            remove(session, &path(&application, &pipeline), &format!("pipeline {pipeline} of {application}")).await
        }
    }
}

/// The document alone, ready to be changed and saved, its numbers as they were written.
async fn show(session: &mut Session, path: &[&str]) -> Result<(), Failure> {
    let answer = session.api.send(Call::get(path)).await?;
    let spellings = Spellings::read(&answer.text).below("/document");
    session.out.show(&answer.body, |view| view.get("document").map(|document| spellings.write_pretty(document)).unwrap_or_default())
}

pub(crate) fn path<'a>(application: &'a str, pipeline: &'a str) -> Vec<&'a str> {
    vec!["api", "applications", application, "pipelines", pipeline]
}

pub(crate) fn below<'a>(application: &'a str, pipeline: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut path = path(application, pipeline);
    path.extend(rest);
    path
}

async fn save(save: Save, session: &mut Session) -> Result<(), Failure> {
    let (document, spellings) = files::exact_document(&save.file)?;
    let named = |given: &Option<String>, key: &str| {
        let name = given.clone().unwrap_or_else(|| text(&document, key).to_owned());
        if name.is_empty() { Err(Failure::Usage(format!("the document has no `{key}`: say it by --{key}"))) } else { Ok(name) }
    };
    let (application, name) = (named(&save.application, "application")?, named(&save.name, "name")?);
    let path = path(&application, &name);
    let expect = match save.revision {
        Some(0) => Expect::Absent,
        Some(revision) => Expect::Tag(format!("\"{revision}\"")),
        None => match session.api.find(&path).await? {
            None => Expect::Absent,
            Some(answer) => answer.tag.map_or(Expect::Nothing, Expect::Tag),
        },
    };
    let answer = session.api.send(Call::put_text(&path, spellings.write(&document)).expect(&expect)).await?;
    let saved = json!({"application": application, "pipeline": name, "tag": answer.tag, "answer": answer.body});
    session.out.event(&saved, &said(&application, &name, &answer.body))
}

fn said(application: &str, name: &str, answer: &Value) -> String {
    let revision = number(answer, "revision").map(|n| format!(", revision {n}")).unwrap_or_default();
    let mut lines = vec![format!("pipeline {name} of {application} is saved{revision}")];
    lines.extend(
        list(answer, "warnings").iter().map(|warning| format!("  warning at {}: {}", text(warning, "pointer"), text(warning, "message"))),
    );
    lines.join("\n")
}
