//! `waybill project …`

use super::{remove, show_one, show_page};
use crate::api::Call;
use crate::failure::Failure;
use crate::session::{PageOptions, Session, fresh_key};
use crate::views::{self, text};
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a project.
    Create {
        /// Its name.
        name: String,
        /// For people.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// All projects.
    List {
        #[command(flatten)]
        page: PageOptions,
    },
    /// A project and what is bound to it.
    Show {
        /// Its name.
        name: String,
    },
    /// Let an application be released in a project.
    Bind {
        /// The project.
        project: String,
        /// The application.
        application: String,
    },
    /// Take that back.
    Unbind {
        /// The project.
        project: String,
        /// The application.
        application: String,
    },
    /// Remove a project.
    Delete {
        /// Its name.
        name: String,
    },
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Create { name, description } => {
            let (body, key) = (json!({"name": name, "description": description}), fresh_key()?);
            let answer = session.api.send(Call::post(&["api", "projects"], &body).key(&key)).await?;
            session.out.event(&answer.body, &format!("project {} is created", text(&answer.body, "name")))
        }
        Command::List { page } => show_page(session, &["api", "projects"], &page, views::projects).await,
        Command::Show { name } => show_one(session, &["api", "projects", &name], super::pretty).await,
        Command::Bind { project, application } => {
            let answer = session.api.send(Call::put_empty(&["api", "projects", &project, "applications", &application])).await?;
            session.out.event(&answer.body, &format!("application {application} is bound to project {project}"))
        }
        Command::Unbind { project, application } => {
            let answer = session.api.send(Call::delete(&["api", "projects", &project, "applications", &application])).await?;
            session.out.event(&answer.body, &format!("application {application} is no longer bound to project {project}"))
        }
        Command::Delete { name } => remove(session, &["api", "projects", &name], &format!("project {name}")).await,
    }
}
