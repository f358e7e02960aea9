//! `waybill execution …`

use super::show_one;
use super::start::{Start, What, started};
use crate::api::{Api, Call, Held, Patience};
use crate::failure::Failure;
use crate::out::Out;
use crate::session::{PageOptions, Session, fresh_key};
use crate::views::{self, Watcher, is_complete, list, text};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a pipeline; an order shows it in every project that the application is bound to.
    Start(Start),
    /// Show what a start would run, in which order, with which settings, and what would be skipped; nothing is started.
    Plan(What),
    /// Executions of an application, newest first.
    List {
        /// The application.
        application: String,
        /// Only of this pipeline.
        #[arg(long)]
        pipeline: Option<String>,
        #[command(flatten)]
        page: PageOptions,
    },
    /// An execution in full.
    Show {
        /// Its id.
        id: String,
        /// One stage, with its settings, outputs and context, by its refId.
        #[arg(long)]
        stage: Option<String>,
    },
    /// Show what happens until the execution has ended; exit code 0 when it has SUCCEEDED.
    Follow {
        /// Its id.
        id: String,
    },
    /// Answer a stage that waits for a judgment.
    Judge {
        /// Its id.
        id: String,
        /// The answer.
        verdict: Verdict,
        /// The stage's refId; needed when several wait.
        #[arg(long)]
        stage: Option<String>,
        /// One of the choices that the stage offers.
        #[arg(long)]
        input: Option<String>,
        /// Why.
        #[arg(long)]
        comment: Option<String>,
    },
    /// End an execution.
    Cancel {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Hold an execution: what is being done is finished, nothing else begins.
    Pause {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a paused execution go on.
    Resume {
        /// Its id.
        id: String,
    },
    /// Do a stage again, with everything after it.
    Restart {
        /// The execution's id.
        id: String,
        /// The stage's refId.
        stage: String,
    },
    /// Run an execution again: a new one, with its parameters and artifacts.
    Rerun {
        /// The execution's id.
        id: String,
        /// Stay and show what happens; the exit code is the execution's.
        #[arg(long)]
        follow: bool,
    },
    /// Leave a stage out, now or when its turn comes.
    Skip {
        /// The execution's id.
        id: String,
        /// The stage's refId.
        stage: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Do not wait for a stage's execution window.
    SkipWindow {
        /// The execution's id.
        id: String,
        /// The stage's refId.
        stage: String,
    },
    /// What happened, and what stages said.
    Log {
        /// Its id.
        id: String,
        /// Only of one stage, by its refId.
        #[arg(long)]
        stage: Option<String>,
        #[command(flatten)]
        page: PageOptions,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verdict {
    /// Go on.
    Continue,
    /// Stop the execution.
    Stop,
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Start(start) => start.send(session, &["api", "executions"], said).await,
        Command::Plan(what) => what.plan(session).await,
        Command::List { application, pipeline, page } => {
            let call = Call::get(&["api", "applications", &application, "executions"]);
            let call = call.query("pipeline", pipeline.as_ref()).query("limit", Some(page.limit)).query("after", page.after.as_ref());
            let answer = session.api.send(call).await?;
            session.out.show(&answer.body, views::executions)
        }
        Command::Show { id, stage: None } => show_one(session, &["api", "executions", &id], views::execution).await,
        Command::Show { id, stage: Some(stage) } => show_one(session, &["api", "executions", &id, "stages", &stage], super::pretty).await,
        Command::Follow { id } => follow(session, &id).await,
        Command::Judge { id, verdict, stage, input, comment } => judge(session, &id, verdict, stage, input, comment).await,
        Command::Cancel { id, reason } => steer(session, &id, &["cancel"], Some(&reason), "told to end").await,
        Command::Pause { id, reason } => steer(session, &id, &["pause"], Some(&reason), "told to hold").await,
        Command::Resume { id } => steer(session, &id, &["resume"], None, "told to go on").await,
        Command::Restart { id, stage } => {
            let words = format!("told to do stage {stage} again");
            steer(session, &id, &["stages", &stage, "restart"], None, &words).await
        }
        Command::Rerun { id, follow } => rerun(session, &id, follow).await,
        Command::Skip { id, stage, reason } => {
            let words = format!("told to leave out stage {stage}");
            steer(session, &id, &["stages", &stage, "skip"], Some(&reason), &words).await
        }
        Command::SkipWindow { id, stage } => {
            let words = format!("told not to wait for the window of stage {stage}");
            steer(session, &id, &["stages", &stage, "skip-window"], None, &words).await
        }
        Command::Log { id, stage, page } => {
            let call = Call::get(&["api", "executions", &id, "log"]).query("stage", stage.as_ref());
            let call = call.query("limit", Some(page.limit)).query("after", page.after.as_ref());
            let answer = session.api.send(call).await?;
            session.out.show(&answer.body, views::log)
        }
    }
}

/// Asks something of an execution.
async fn steer(session: &mut Session, id: &str, what: &[&str], reason: Option<&str>, words: &str) -> Result<(), Failure> {
    let path: Vec<&str> = ["api", "executions", id].iter().chain(what).copied().collect();
    let body = reason.map(|reason| json!({"reason": reason}));
    let call = body.as_ref().map_or_else(|| Call::post_empty(&path), |body| Call::post(&path, body));
    let key = fresh_key()?;
    let answer = session.api.send(call.key(&key)).await?.body;
    session.out.event(&answer, &format!("execution {id} is {words} (event {})", text(&answer, "event")))
}

async fn rerun(session: &mut Session, id: &str, follow: bool) -> Result<(), Failure> {
    let key = fresh_key()?;
    let answer = session.api.send(Call::post_empty(&["api", "executions", id, "rerun"]).key(&key)).await?.body;
    started(session, &answer, said, follow).await
}

fn said(answer: &Value) -> String {
    let orders: Vec<String> = list(answer, "orders").iter().map(views::order_name).collect();
    let shown = if orders.is_empty() { String::new() } else { format!(", as release order {}", orders.join(", ")) };
    format!("execution {} is started{shown}", text(answer, "execution"))
}

/// Shows what happens until the end; fails when that is not SUCCEEDED.
pub(crate) async fn follow(session: &mut Session, id: &str) -> Result<(), Failure> {
    let detail = watch(&session.api, &mut session.out, session.patience, id).await?;
    if text(&detail, "status") == "SUCCEEDED" { Ok(()) } else { Err(Failure::EndedBadly) }
}

/// Shows what happens until the end, and gives the execution as it is then.
pub(crate) async fn watch(api: &Api, out: &mut Out, patience: Patience, id: &str) -> Result<Value, Failure> {
    let path = ["api", "executions", id];
    let mut held = Held::new(api, &path, patience);
    let mut watcher = Watcher::default();
    loop {
        let detail = held.next().await?;
        for change in watcher.look(&detail) {
            out.event(&change.value, &change.line())?;
        }
        if is_complete(text(&detail, "status")) {
            return Ok(detail);
        }
    }
}

async fn judge(
    session: &mut Session,
    id: &str,
    verdict: Verdict,
    stage: Option<String>,
    input: Option<String>,
    comment: Option<String>,
) -> Result<(), Failure> {
    let stage = match stage {
        Some(stage) => stage,
        None => waiting(&session.api.send(Call::get(&["api", "executions", id])).await?.body)?,
    };
    let status = if verdict == Verdict::Continue { "continue" } else { "stop" };
    let mut body = json!({"judgmentStatus": status});
    for (key, value) in [("judgmentInput", input), ("comment", comment)] {
        if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
            body.insert(key.to_owned(), json!(value));
        }
    }
    let key = fresh_key()?;
    let path = ["api", "executions", id, "stages", &stage, "signals", "judgment"];
    let answer = session.api.send(Call::post(&path, &body).key(&key)).await?;
    session.out.event(&answer.body, &format!("stage {stage} is told to {status} (event {})", text(&answer.body, "event")))
}

/// The one stage that waits for a judgment.
fn waiting(detail: &Value) -> Result<String, Failure> {
    let waits = |stage: &&Value| list(stage, "signals").iter().any(|signal| text(signal, "name") == "judgment");
    let stages: Vec<&str> = list(detail, "stages").iter().filter(waits).map(|stage| text(stage, "refId")).collect();
    match stages.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Failure::Usage("no stage of this execution waits for a judgment".to_owned())),
        several => Err(Failure::Usage(format!("several stages wait, say which by --stage: {}", several.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_that_waits_is_found() {
        let stage = |id: &str, signal: &str| json!({"refId": id, "signals": [{"name": signal}]});
        let of = |stages: Vec<Value>| waiting(&json!({"stages": stages}));
        assert_eq!(of(vec![stage("1", "other"), stage("2", "judgment")]).unwrap(), "2");
        assert!(of(vec![json!({"refId": "1"})]).is_err());
        assert!(of(vec![stage("1", "judgment"), stage("2", "judgment")]).unwrap_err().to_string().contains("1, 2"));
    }
}
