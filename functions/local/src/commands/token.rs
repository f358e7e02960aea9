//! `waybill token …`

use super::{remove, show_page};
use crate::api::Call;
use crate::failure::Failure;
use crate::session::{PageOptions, Session, fresh_key};
use crate::views::{self, text};
use crate::{files, time};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token. It is shown once and never again.
    Create(Create),
    /// All tokens, without the tokens themselves.
    List {
        #[command(flatten)]
        page: PageOptions,
    },
    /// Make a token stop working.
    Revoke {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Submits release orders, answers judgments, follows executions.
    Developer,
    /// Also configures applications, projects and pipelines.
    Operator,
    /// Also registers accounts and gives tokens.
    Administrator,
}

impl Role {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Whom it speaks for.
    name: String,
    /// What they may do.
    #[arg(long)]
    role: Role,
    /// A group they are in.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// It stops working after so many days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: Option<u32>,
    /// Write it into this new file, which only you may read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Create(create) => self::create(create, session).await,
        Command::List { page } => show_page(session, &["api", "tokens"], &page, views::tokens).await,
        Command::Revoke { id } => remove(session, &["api", "tokens", &id], &format!("token {id}")).await,
    }
}

/// What is sent to make a token.
pub(crate) fn body(name: &str, role: Role, groups: &[String], days: Option<u32>) -> Value {
    let expires = days.map(|days| time::now_ms() + i64::from(days) * 86_400_000);
    let mut body = json!({"name": name, "role": role.word(), "groups": groups});
    if let (Some(expires), Some(body)) = (expires, body.as_object_mut()) {
        body.insert("expiresMs".to_owned(), json!(expires));
    }
    body
}

async fn create(create: Create, session: &mut Session) -> Result<(), Failure> {
    let body = body(&create.name, create.role, &create.groups, create.days);
    let key = fresh_key()?;
    let mut answer = session.api.send(Call::post(&["api", "tokens"], &body).key(&key)).await?.body;
    let Some(path) = create.out else {
        let secret = text(&answer, "secret").to_owned();
        return session.out.event(&answer, &secret);
    };
    files::write_private(&path, &format!("{}\n", text(&answer, "secret")))?;
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("secret");
    }
    session.out.event(&answer, &format!("the token of {} is in {}", create.name, path.display()))
}
