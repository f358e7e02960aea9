//! `waybill order …`

use super::{execution, pair, show_page};
use crate::api::Call;
use crate::failure::Failure;
use crate::session::{PageOptions, Session, fresh_key};
use crate::views;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Release versions of an application.
    Submit(Submit),
    /// Release orders of a project, newest first.
    List {
        /// The project.
        project: String,
        #[command(flatten)]
        page: PageOptions,
    },
    /// A release order with its execution.
    Show {
        /// The project.
        project: String,
        /// The order's number.
        number: u64,
        /// The pipeline's JSON as it was released, too.
        #[arg(long)]
        source: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The project it is submitted in.
    #[arg(long)]
    project: String,
    /// An application bound to the project.
    #[arg(long)]
    application: String,
    /// One of the application's pipelines, by name or id.
    #[arg(long)]
    pipeline: String,
    /// A version to release, for an artifact that the pipeline expects; NAME:VERSION where the pipeline names none.
    #[arg(long = "artifact", value_name = "EXPECTED=VERSION", value_parser = pair)]
    artifacts: Vec<(String, String)>,
    /// A parameter of the pipeline.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// Why.
    #[arg(long, default_value = "")]
    note: String,
    /// Submitting again with the same key does nothing twice.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Stay and show what happens; the exit code is the execution's.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Submit(submit) => self::submit(submit, session).await,
        Command::List { project, page } => show_page(session, &["api", "projects", &project, "orders"], &page, views::orders).await,
        Command::Show { project, number, source } => {
            let number = number.to_string();
            let mut answer = session.api.send(Call::get(&["api", "projects", &project, "orders", &number])).await?;
            let whole = source || session.out.is_json();
            if let Some(order) = answer.body.as_object_mut().filter(|_| !whole) {
                order.remove("source");
            }
            session.out.show(&answer.body, views::order)
        }
    }
}

/// What is sent to submit an order.
fn body(submit: &Submit) -> Value {
    let parameters: Map<String, Value> = submit.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "application": submit.application,
        "pipeline": submit.pipeline,
        "artifacts": submit.artifacts.iter().map(|(expected, version)| choice(expected, version)).collect::<Vec<_>>(),
        "parameters": parameters,
        "note": submit.note,
    })
}

/// `1.0.0` is a version; `host:5000/flaskapp:1.0.0` and `flaskapp@sha256:…` name the image as well.
fn choice(expected: &str, version: &str) -> Value {
    let named = match version.split_once('@') {
        Some((name, digest)) => Some((name, digest)),
        None if version.starts_with("sha256:") => None,
        None => version.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')),
    };
    match named {
        Some((name, version)) => json!({"expectedArtifact": expected, "name": name, "version": version}),
        None => json!({"expectedArtifact": expected, "version": version}),
    }
}

async fn submit(submit: Submit, session: &mut Session) -> Result<(), Failure> {
    let key = submit.idempotency_key.clone().map_or_else(fresh_key, Ok)?;
    let body = body(&submit);
    let answer = session.api.send(Call::post(&["api", "projects", &submit.project, "orders"], &body).key(&key)).await?;
    let id = views::text(&answer.body, "execution").to_owned();
    session.out.event(&answer.body, &submitted(&answer.body))?;
    if submit.follow { execution::follow(session, &id).await } else { Ok(()) }
}

fn submitted(answer: &Value) -> String {
    let number = views::number(answer, "number").unwrap_or_default();
    format!("release order {}/{number} is submitted, execution {}", views::text(answer, "project"), views::text(answer, "execution"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_a_version_or_an_image() {
        let named = |name: &str, version: &str| json!({"expectedArtifact": "e", "name": name, "version": version});
        assert_eq!(choice("e", "1.0.0"), json!({"expectedArtifact": "e", "version": "1.0.0"}));
        assert_eq!(choice("e", "127.0.0.1:5000/flaskapp:1.0"), named("127.0.0.1:5000/flaskapp", "1.0"));
        assert_eq!(choice("e", "flaskapp@sha256:ab"), named("flaskapp", "sha256:ab"));
        assert_eq!(choice("e", "sha256:ab"), json!({"expectedArtifact": "e", "version": "sha256:ab"}));
        assert_eq!(choice("e", "host:5000/flaskapp"), json!({"expectedArtifact": "e", "version": "host:5000/flaskapp"}));
    }
}
