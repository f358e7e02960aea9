//! What starting a pipeline takes, by itself or by a release order.

use super::{execution, pair};
use crate::api::Call;
use crate::failure::Failure;
use crate::session::{Session, fresh_key};
use crate::{time, views};
use clap::Args;
use serde_json::{Map, Value, json};

/// What is started, with what.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// The application.
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
    /// Run only what changes nothing, and show what would be run.
    #[arg(long)]
    dry_run: bool,
    /// Cancel it when it has not begun by then: `10m` from now, an instant such as 2026-01-02T03:04:05Z, or its milliseconds.
    #[arg(long, value_name = "WHEN", value_parser = time::parse)]
    start_by: Option<i64>,
}

/// A start.
#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    what: What,
    /// Starting again with the same key does nothing twice.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Stay and show what happens; the exit code is the execution's.
    #[arg(long)]
    follow: bool,
}

impl What {
    fn body(&self) -> Value {
        let parameters: Map<String, Value> = self.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut body = json!({
            "application": self.application,
            "pipeline": self.pipeline,
            "artifacts": self.artifacts.iter().map(|(expected, version)| choice(expected, version)).collect::<Vec<_>>(),
            "parameters": parameters,
            "note": self.note,
        });
        let more = [("dryRun", self.dry_run.then(|| json!(true))), ("startTimeExpiry", self.start_by.map(|by| json!(by)))];
        for (key, value) in more {
            if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
                body.insert(key.to_owned(), value);
            }
        }
        body
    }

    /// Shows what a start would run, and starts nothing.
    pub(crate) async fn plan(&self, session: &mut Session) -> Result<(), Failure> {
        let body = self.body();
        let answer = session.api.send(Call::post(&["api", "executions", "plan"], &body)).await?;
        session.out.show(&answer.body, views::plan)
    }
}

impl Start {
    /// Starts it by this address, says what came of it in these words, and stays if that was asked for.
    pub(crate) async fn send(self, session: &mut Session, path: &[&str], words: fn(&Value) -> String) -> Result<(), Failure> {
        let key = self.idempotency_key.clone().map_or_else(fresh_key, Ok)?;
        let body = self.what.body();
        let answer = session.api.send(Call::post(path, &body).key(&key)).await?.body;
        started(session, &answer, words, self.follow).await
    }
}

/// Says what was started, and stays if that is wanted.
pub(crate) async fn started(session: &mut Session, answer: &Value, words: fn(&Value) -> String, follow: bool) -> Result<(), Failure> {
    session.out.event(answer, &words(answer))?;
    if follow { execution::follow(session, views::text(answer, "execution")).await } else { Ok(()) }
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
