//! `waybill app …`

use super::{remove, show_one, show_page};
use crate::api::Call;
use crate::failure::Failure;
use crate::files;
use crate::session::{PageOptions, Session, fresh_key};
use crate::views::{self, text};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create an application.
    Create(Create),
    /// All applications that you may see.
    List {
        #[command(flatten)]
        page: PageOptions,
    },
    /// An application as it is stored.
    Show {
        /// Its name.
        name: String,
    },
    /// Remove an application that has no pipelines and is bound nowhere.
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name.
    name: String,
    /// For people.
    #[arg(long)]
    description: Option<String>,
    /// Address of its owner.
    #[arg(long)]
    email: Option<String>,
    /// Port of its instances, for links.
    #[arg(long)]
    instance_port: Option<u16>,
    /// Judge instances by the cluster's own health only.
    #[arg(long)]
    platform_health_only: bool,
    /// Offer a switch for that in each operation.
    #[arg(long)]
    platform_health_only_show_override: bool,
    /// Stages of a running execution may be restarted.
    #[arg(long)]
    enable_restart_running_executions: bool,
    /// A pipeline may be started while it is running.
    #[arg(long)]
    enable_rerun_active_executions: bool,
    /// JSON or YAML with further fields, `permissions` among them; what is said by options wins.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Create(create) => {
            let (body, key) = (body(&create)?, fresh_key()?);
            let answer = session.api.send(Call::post(&["api", "applications"], &body).key(&key)).await?;
            session.out.event(&answer.body, &format!("application {} is created", text(&answer.body, "name")))
        }
        Command::List { page } => show_page(session, &["api", "applications"], &page, views::applications).await,
        Command::Show { name } => show_one(session, &["api", "applications", &name], super::pretty).await,
        Command::Delete { name } => remove(session, &["api", "applications", &name], &format!("application {name}")).await,
    }
}

fn body(create: &Create) -> Result<Value, Failure> {
    let mut body = match &create.file {
        None => json!({}),
        Some(file) => files::document(file)?,
    };
    let Some(fields) = body.as_object_mut() else {
        return Err(Failure::Usage("the file with further fields must hold an object".to_owned()));
    };
    fields.insert("name".to_owned(), json!(create.name));
    let given = [
        ("description", create.description.as_ref().map(|text| json!(text))),
        ("email", create.email.as_ref().map(|text| json!(text))),
        ("instancePort", create.instance_port.map(|port| json!(port))),
        ("platformHealthOnly", create.platform_health_only.then(|| json!(true))),
        ("platformHealthOnlyShowOverride", create.platform_health_only_show_override.then(|| json!(true))),
        ("enableRestartRunningExecutions", create.enable_restart_running_executions.then(|| json!(true))),
        ("enableRerunActiveExecutions", create.enable_rerun_active_executions.then(|| json!(true))),
    ];
    fields.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command as Top};
    use clap::Parser;

    #[test]
    fn options_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "description: from the file\ncloudProviders: kubernetes\n").unwrap();
        let words = ["waybill", "app", "create", "flaskapp", "--description", "shop", "--instance-port", "5000", "--file"];
        let words = words.into_iter().chain([file.to_str().unwrap()]);
        let Top::App(group) = Arguments::try_parse_from(words).unwrap().command else { panic!() };
        let Command::Create(create) = group.command else { panic!() };
        let expected = json!({"description": "shop", "cloudProviders": "kubernetes", "name": "flaskapp", "instancePort": 5000});
        assert_eq!(body(&create).unwrap(), expected);
    }
}
