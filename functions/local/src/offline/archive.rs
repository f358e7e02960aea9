//! `waybill archive …`: executions that the store keeps no longer, read without a server.

use super::Place;
use crate::failure::Failure;
use crate::out::{Out, table};
use crate::time;
use app::execution::archive::{Archived, Stage};
use app::record;
use clap::{Args, Subcommand};
use model::Millis;
use model::id::ExecutionId;
use serde_json::{Value, json};
use store::archive::{FolderArchive, Shelf};

/// Which archive, and what of it.
#[derive(Debug, Args)]
pub(crate) struct Archive {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List archived executions, the newest of a month last.
    List {
        #[command(flatten)]
        place: Place,
        /// Of this month, such as 2026-11; otherwise of the last one there is.
        #[arg(long)]
        month: Option<String>,
        /// Of this application only.
        #[arg(long)]
        application: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Show an archived execution.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        place: Place,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

async fn shelf(place: &Place) -> Result<Box<dyn Shelf>, Failure> {
    match &place.data {
        Some(data) => Ok(Box::new(FolderArchive::existing(data.join("archive")).map_err(super::wrong)?)),
        None => Ok(Box::new(super::aws().await?.1)),
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Server(error.to_string())
}

fn read(line: &[u8]) -> Result<Archived, Failure> {
    record::decode(line).map_err(failed)
}

pub(crate) async fn run(options: Archive) -> Result<(), Failure> {
    match options.command {
        Command::List { place, month, application, limit, json } => list(&place, month, application, limit, json).await,
        Command::Show { id, place, json } => {
            let known = ExecutionId::parse(&id).map_err(|error| Failure::Usage(error.to_string()))?;
            let found = shelf(&place).await?.find(&known).await.map_err(failed)?;
            let record = read(&found.ok_or_else(|| Failure::Usage(format!("no execution {id} is archived here")))?)?;
            Out::stdout(json).show(&json!(record), |_| whole(&record))
        }
    }
}

async fn list(place: &Place, month: Option<String>, application: Option<String>, limit: u32, json: bool) -> Result<(), Failure> {
    let shelf = shelf(place).await?;
    let months = shelf.months().await.map_err(failed)?;
    let month = month.or_else(|| months.last().cloned()).unwrap_or_default();
    let records = if months.contains(&month) {
        shelf.of_month(&month, usize::try_from(limit).unwrap_or(usize::MAX)).await.map_err(failed)?
    } else {
        Vec::new()
    };
    let records = records.iter().map(|line| read(line)).collect::<Result<Vec<_>, _>>()?;
    let wanted = |record: &&Archived| application.as_ref().is_none_or(|name| record.application.as_str().eq_ignore_ascii_case(name));
    let records: Vec<&Archived> = records.iter().filter(wanted).collect();
    let items: Vec<Value> = records.iter().map(|record| json!(record)).collect();
    Out::stdout(json).show(&json!({"month": month, "months": months, "items": items}), |_| rows(&records, &months))
}

fn when(at: Option<Millis>) -> String {
    at.and_then(|at| i64::try_from(at).ok()).map_or_else(|| "-".to_owned(), time::instant)
}

fn rows(records: &[&Archived], months: &[String]) -> String {
    if records.is_empty() {
        return format!("there are none; months: {}", if months.is_empty() { "none".to_owned() } else { months.join(", ") });
    }
    let row = |record: &&Archived| {
        vec![
            record.id.to_string(),
            record.status.to_string(),
            record.application.to_string(),
            record.pipeline_name.clone(),
            record.submitter.clone(),
            when(record.ended_ms),
        ]
    };
    let rows: Vec<Vec<String>> = records.iter().map(row).collect();
    format!("{}\nmonths: {}", table(&["EXECUTION", "STATUS", "APPLICATION", "PIPELINE", "SUBMITTER", "ENDED"], &rows), months.join(", "))
}

fn whole(record: &Archived) -> String {
    let mut lines = vec![
        format!("{} {} {} (revision {})", record.id, record.application, record.pipeline_name, record.revision),
        format!("{} by {}, from {} to {}", record.status, record.submitter, when(record.started_ms), when(record.ended_ms)),
    ];
    lines.extend(record.reason.as_ref().map(|reason| format!("because: {}", reason.message)));
    lines.extend(record.orders.iter().map(|order| format!("order {} / {}  {}", order.key.project, order.key.number, order.note)));
    lines.extend(record.artifacts.iter().map(|artifact| format!("{} {} {}", artifact.kind, artifact.name, artifact.version)));
    let stages: Vec<Vec<String>> = record.stages.iter().map(stage).collect();
    lines.push(table(&["STAGE", "TYPE", "STATUS", "STARTED", "ENDED", "WHO"], &stages));
    for entry in &record.log {
        let when = when(Some(entry.at));
        for changed in &entry.transitions {
            lines.push(format!("{when}  {}  {} -> {}", changed.stage.as_deref().unwrap_or("execution"), changed.from, changed.to));
        }
        lines.extend(entry.verdicts.iter().map(|verdict| format!("{when}  {} asked: {}", verdict.sender, verdict.verdict)));
    }
    lines.join("\n")
}

fn stage(stage: &Stage) -> Vec<String> {
    let who: Vec<&str> = stage.answers.iter().map(|answer| answer.by.as_str()).collect();
    let name = if stage.name.is_empty() { stage.ref_id.clone() } else { format!("{} {}", stage.ref_id, stage.name) };
    vec![name, stage.kind.clone(), stage.status.to_string(), when(stage.started_ms), when(stage.ended_ms), who.join(", ")]
}
