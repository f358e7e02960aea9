//! `waybill pipelines import`: files with pipelines, read here, saved by a server. A file goes over as one request, which the server
//! does as a whole or not at all; one file at a time is in memory.

use super::check::{content, mapping, templates};
use crate::api::Call;
use crate::failure::Failure;
use crate::session::Session;
use crate::views::{list, number, text};
use crate::walk::{self, Entry};
use clap::{Args, ValueEnum};
use import::bring::{Brought, bring};
use import::secrets::{Secret, name_for};
use import::wrapper::Wrapper;
use import::{Checked, Mapping, Options, Report};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Most bytes of all files of one call.
const TOTAL_BYTES_MAX: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Secrets {
    /// They stay where they stand.
    Keep,
    /// Each is stored apart, encrypted, and a reference is left in its place.
    Move,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Files, and folders with everything in them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The application that they go into, whatever they say.
    #[arg(long)]
    application: String,
    /// Another name for something they need, such as `account=prod:my-prod`.
    #[arg(long = "map", value_name = "KIND=FROM:TO", value_parser = mapping)]
    maps: Vec<String>,
    /// What becomes of secrets that stand in clear text.
    #[arg(long, value_enum, default_value = "keep")]
    secrets: Secrets,
    /// Say what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What came of all files.
#[derive(Default)]
struct Counts {
    files: usize,
    created: usize,
    updated: usize,
    unchanged: usize,
    secrets: usize,
    without: usize,
    refused: usize,
}

pub(crate) async fn run(import: &Import, session: &mut Session) -> Result<(), Failure> {
    let mapping = Mapping::parse(import.maps.iter().map(String::as_str)).map_err(|error| Failure::Usage(error.to_string()))?;
    let (application, templates) = (Some(import.application.clone()), templates(&import.paths));
    let options = Options { application, mapping, templates, ..Options::default() };
    let (mut counts, mut total) = (Counts::default(), 0_u64);
    for entry in import.paths.iter().flat_map(|path| walk::from(path)) {
        if let Entry::File { bytes, .. } = &entry {
            total = total.saturating_add(*bytes);
        }
        if total > TOTAL_BYTES_MAX {
            return Err(Failure::Usage(format!("all files together have at most {TOTAL_BYTES_MAX} bytes: import them in several calls")));
        }
        counts.files += 1;
        match content(entry).and_then(|(file, bytes)| import::open(&file, &bytes, &options).map(|checked| (file, checked))) {
            Ok((file, checked)) => one(import, &file, checked, session, &mut counts).await?,
            Err(report) => unread(&report, session, &mut counts)?,
        }
    }
    finish(import, session, &counts)
}

fn finish(import: &Import, session: &mut Session, counts: &Counts) -> Result<(), Failure> {
    let Counts { files, created, updated, unchanged, secrets, without, refused } = counts;
    let said = json!({ "summary": { "dryRun": import.dry_run, "files": files, "created": created, "updated": updated,
        "unchanged": unchanged, "secretsStored": secrets, "withoutPipeline": without, "refused": refused } });
    let would = if import.dry_run { "would be " } else { "" };
    let text = format!(
        "{files} files: {created} pipelines {would}created, {updated} updated, {unchanged} unchanged, {secrets} secrets {would}stored; {without} files without a pipeline, {refused} refused"
    );
    session.out.event(&said, &text)?;
    if *refused == 0 { Ok(()) } else { Err(Failure::EndedBadly) }
}

/// A file without pipelines is said to be one; one that cannot be read is a refusal.
fn unread(report: &Report, session: &mut Session, counts: &mut Counts) -> Result<(), Failure> {
    let (outcome, count) = if report.is_none() { ("no-pipeline", &mut counts.without) } else { ("refused", &mut counts.refused) };
    *count += 1;
    session.out.event(&json!({"file": report.file, "outcome": outcome, "reports": [report]}), report.text().trim_end())
}

/// Why a pipeline cannot be brought as it is; nothing where it can.
fn obstacle(checked: &Checked) -> Option<String> {
    let report = &checked.report;
    if !report.imported {
        return Some(report.reason.clone().unwrap_or_default());
    }
    match report.wrapper {
        Some(Wrapper::TemplateV1) => Some("template-v1: templates of the first kind are not run here".to_owned()),
        // What uses a template has no stages before the template is filled in.
        Some(Wrapper::TemplateInstance) if !report.planned => report.reason.clone(),
        _ => None,
    }
}

async fn one(import: &Import, file: &str, checked: Vec<Checked>, session: &mut Session, counts: &mut Counts) -> Result<(), Failure> {
    // A template is what pipelines are made of, and none itself.
    let (templates, checked): (Vec<_>, Vec<_>) = checked.into_iter().partition(|c| c.report.wrapper == Some(Wrapper::TemplateV2));
    let reports: Vec<&Report> = templates.iter().chain(&checked).map(|checked| &checked.report).collect();
    let broken = templates.iter().filter(|template| !template.report.imported);
    let refused: Vec<String> = broken.filter_map(|t| t.report.reason.clone()).chain(checked.iter().filter_map(obstacle)).collect();
    if checked.is_empty() || !refused.is_empty() {
        let mut said: String = reports.iter().map(|report| report.text()).collect();
        // Writing to a String does not fail.
        let outcome = if refused.is_empty() {
            counts.without += 1;
            let _ = writeln!(said, "{file}: a template is not saved by itself");
            "template"
        } else {
            counts.refused += 1;
            let _ = writeln!(said, "{file}: nothing of it was imported: {}", refused.join("; "));
            "refused"
        };
        return session.out.event(&json!({"file": file, "outcome": outcome, "reports": reports}), said.trim_end());
    }
    let reports: Vec<Report> = checked.iter().map(|checked| checked.report.clone()).collect();
    let body = body(import, checked);
    match session.api.send(Call::post_text(&["api", "applications", &import.application, "pipelines"], body)).await {
        Ok(answer) => {
            count(&answer.body, counts);
            let said = json!({"file": file, "outcome": if import.dry_run { "planned" } else { "imported" }, "reports": reports, "answer": answer.body});
            session.out.event(&said, said_of(import, file, &reports, &answer.body).trim_end())
        }
        Err(Failure::Refused(problem)) if !matches!(problem.status, 401 | 403 | 404) => {
            counts.refused += 1;
            let said = json!({"file": file, "outcome": "refused", "reports": reports, "problem": problem.to_string()});
            session.out.event(&said, &format!("{file}: nothing of it was imported: {problem}"))
        }
        Err(failure) => Err(failure),
    }
}

/// The request, its numbers as they were written.
fn body(import: &Import, checked: Vec<Checked>) -> String {
    let (mut documents, mut secrets) = (Vec::with_capacity(checked.len()), Vec::new());
    for checked in checked {
        let pipeline = checked.report.pipeline.clone().unwrap_or_default();
        let mut name = |secret: &Secret| name_for(&pipeline, &secret.pointer);
        let name: Option<&mut dyn FnMut(&Secret) -> String> = if import.secrets == Secrets::Move { Some(&mut name) } else { None };
        let Brought { document, spellings, taken } = bring(checked, name);
        documents.push(format!("{{\"document\":{}}}", spellings.write(&document)));
        secrets.extend(taken.into_iter().map(|taken| json!({"name": taken.name, "value": taken.value})));
    }
    format!("{{\"pipelines\":[{}],\"secrets\":{},\"dryRun\":{}}}", documents.join(","), Value::Array(secrets), import.dry_run)
}

fn count(answer: &Value, counts: &mut Counts) {
    for pipeline in list(answer, "pipelines") {
        match text(pipeline, "was") {
            "created" => counts.created += 1,
            "updated" => counts.updated += 1,
            _ => counts.unchanged += 1,
        }
    }
    counts.secrets += list(answer, "secrets").iter().filter(|secret| text(secret, "was") != "unchanged").count();
}

/// For people: what became of each, what was noticed, and what is left to be done elsewhere.
fn said_of(import: &Import, file: &str, reports: &[Report], answer: &Value) -> String {
    let mut out = String::new();
    for (report, pipeline) in reports.iter().zip(list(answer, "pipelines")) {
        let (name, was) = (text(pipeline, "name"), text(pipeline, "was"));
        let would = if import.dry_run && was != "unchanged" { "would be " } else { "" };
        let revision = number(pipeline, "revision").filter(|_| !import.dry_run).map(|n| format!(", revision {n}")).unwrap_or_default();
        // Writing to a String does not fail.
        let _ = writeln!(out, "{file}: {name}: {would}{was}{revision}");
        if was == "unchanged" {
            continue;
        }
        let mut line = |what: &str, text: &str| {
            let _ = writeln!(out, "  {what}: {text}");
        };
        for warning in list(pipeline, "warnings") {
            line("warning", &format!("{} ({} at {})", text(warning, "message"), text(warning, "code"), text(warning, "pointer")));
        }
        report.differences.iter().for_each(|d| line("differs", &format!("{} ({}) at {}", d.message, d.code, d.pointers.join(" "))));
        let kept = if import.secrets == Secrets::Move { "secret, stored apart" } else { "secret in clear text" };
        report.secrets.iter().for_each(|secret| line(kept, &format!("{} at {}", secret.kind, secret.pointer)));
        report.needs.iter().for_each(|need| line("needs", &format!("{} {} at {}", need.kind, need.name, need.pointers.join(" "))));
        let triggers = list(pipeline, "triggers");
        for identity in &report.identities {
            line(
                "to do",
                &format!("{} ({} at {}){}", identity.todo, identity.kind, identity.pointer, address(&identity.pointer, triggers)),
            );
        }
    }
    for secret in list(answer, "secrets") {
        let _ = writeln!(out, "  secret {}: {}", text(secret, "name"), text(secret, "was"));
    }
    out
}

/// Where the outside calls a trigger, and its id here.
fn address(pointer: &str, triggers: &[Value]) -> String {
    let at = pointer.strip_prefix("/triggers/").and_then(|rest| rest.split('/').next()).and_then(|at| at.parse::<usize>().ok());
    let Some(trigger) = at.and_then(|at| triggers.get(at)) else { return String::new() };
    let hook = if text(trigger, "hookUrl").is_empty() { text(trigger, "hookPath") } else { text(trigger, "hookUrl") };
    if hook.is_empty() { format!("; it is {} here", text(trigger, "id")) } else { format!("; its address is {hook}") }
}
