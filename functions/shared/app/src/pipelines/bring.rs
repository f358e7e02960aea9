//! Several pipelines at once, as somebody brings them from elsewhere: one file, one transaction, all or nothing. What is there already
//! as it is brought stays as it is, so that a second time changes nothing.

use super::save::{Before, Into, Revised, Written, conflict, fresh_id, publish, revise};
use super::{PipelineRow, SavePorts, Sought, home, inspect, seek};
use crate::accounts;
use crate::applications;
use crate::error::AppError;
use crate::expect::differs;
use crate::ports::{COMMIT_BYTES_MAX, ITEMS_A_COMMIT_MAX, Table, TransactError, Transaction, Write};
use crate::secrets::{self, NewSecret, SecretPorts, SecretRow};
use crate::stage_types;
use futures::future::{join, try_join, try_join_all, try_join3};
use import::text::name_key;
use model::id::{AccountName, AppName, PipelineId};
use model::person::{Action, Principal};
use model::problem::{Problem, Problems};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most pipelines of one batch.
pub const PIPELINES_A_BATCH_MAX: usize = 100;
/// Most secrets of one batch.
pub const SECRETS_A_BATCH_MAX: usize = 50;

/// A pipeline that is brought.
#[derive(Debug, Clone)]
pub struct BroughtPipeline {
    /// The document.
    pub written: Written,
    /// The newest revision that the caller knows of, 0 for none; where it is not said, whichever is there.
    pub revision: Option<u64>,
}

/// What is brought together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The pipelines of a file.
    pub pipelines: Vec<BroughtPipeline>,
    /// What was taken out of them.
    pub secrets: Vec<NewSecret>,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
}

/// What became of something that was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Was {
    /// It was not there before.
    Created,
    /// It was there, and is another one now.
    Updated,
    /// It was there just so.
    Unchanged,
}

impl Was {
    /// The word as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What became of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Brought {
    /// The pipeline; in a dry run one that is new has an id that nobody will see again.
    pub row: PipelineRow,
    /// What became of it.
    pub was: Was,
    /// What was noticed.
    pub warnings: Vec<Problem>,
}

/// What became of the secrets, by name.
pub type BroughtSecrets = Vec<(String, Was)>;

/// Saves all of a batch or nothing of it.
pub async fn bring(
    ports: &SavePorts<'_>,
    caller: &Principal,
    application: &AppName,
    batch: Batch,
) -> Result<(Vec<Brought>, BroughtSecrets), AppError> {
    let Batch { mut pipelines, secrets, dry_run } = batch;
    // Two rounds: what the batch names, and what that leads to.
    let owner = applications::get_for(ports.table, caller, application, Action::EditPipelines);
    let first = try_join3(
        First::read(ports.table, application, &pipelines),
        Kept::read(ports.table, application, &secrets),
        stage_types::names(ports.table),
    );
    let (owner, first) = join(owner, first).await;
    let (owner, _) = owner?;
    check(&pipelines, &secrets)?;
    let (first, kept, installed) = first?;
    let needs: BTreeSet<(&'static str, String)> = needs(&pipelines);
    let (places, missing) = try_join(look(ports, &owner.name, &pipelines, first), missing(ports.table, &owner.name, needs)).await?;
    let renamed = rename(&mut pipelines, &places);
    let (mut all, mut problems) = (Vec::new(), Problems::default());
    for (at, (brought, place)) in pipelines.into_iter().zip(places).enumerate() {
        let into = Into { owner: &owner.name, caller, now: ports.clock.now_ms(), new_name: None, fresh: Some(place.id) };
        match revise(ports, &into, place.before, (brought.written.document, &brought.written.spellings)).await {
            Ok(revised) => all.push(revised),
            Err(error) => tell(error, at, &mut problems)?,
        }
    }
    if problems.has_errors() {
        return Err(AppError::Invalid(problems.into_vec()));
    }
    let (kept, secret_writes) = kept.writes(ports, caller, &owner.name, &secrets).await?;
    let warnings: Vec<Vec<Problem>> =
        all.iter().zip(renamed).map(|(revised, renamed)| notice(revised, renamed, &installed, &missing, &owner.name)).collect();
    if !dry_run {
        write(ports, &owner.name, &mut all, secret_writes).await?;
    }
    Ok((all.into_iter().zip(warnings).map(|(revised, warnings)| outcome(revised, warnings)).collect(), kept))
}

fn outcome(revised: Revised, warnings: Vec<Problem>) -> Brought {
    match revised.before {
        None => Brought { row: revised.row, was: Was::Created, warnings },
        Some(before) if revised.same => Brought { row: before, was: Was::Unchanged, warnings },
        Some(_) => Brought { row: revised.row, was: Was::Updated, warnings },
    }
}

fn pointer(at: usize, within: &str) -> String {
    format!("/pipelines/{at}/document{within}")
}

/// What is wrong with one of several stands under its place; what is no fault of the document ends all.
fn tell(error: AppError, at: usize, problems: &mut Problems) -> Result<(), AppError> {
    match error {
        AppError::Invalid(list) => {
            for problem in list.into_iter().filter(|problem| !problem.warning) {
                problems.error(pointer(at, &problem.pointer), &problem.code, problem.message);
            }
        }
        AppError::Refused { code, message, .. } => problems.error(pointer(at, ""), &code, message),
        other => return Err(other),
    }
    Ok(())
}

fn check(pipelines: &[BroughtPipeline], secrets: &[NewSecret]) -> Result<(), AppError> {
    let mut problems = Problems::default();
    if pipelines.is_empty() {
        problems.error("/pipelines", "no-pipelines", "there is no pipeline to bring");
    }
    if pipelines.len() > PIPELINES_A_BATCH_MAX {
        problems.error("/pipelines", "too-many-pipelines", format!("at most {PIPELINES_A_BATCH_MAX} pipelines at once"));
    }
    if secrets.len() > SECRETS_A_BATCH_MAX {
        problems.error("/secrets", "too-many-secrets", format!("at most {SECRETS_A_BATCH_MAX} secrets at once"));
    }
    let mut seen = BTreeMap::new();
    for (at, brought) in pipelines.iter().enumerate().take(PIPELINES_A_BATCH_MAX) {
        let name = brought.written.document.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.trim().is_empty() {
            problems.error(pointer(at, "/name"), "name-missing", "a pipeline has a name");
        } else if let Some(first) = seen.insert(name_key(name), at) {
            let message = format!("`{}` is the name of pipeline {first} too, but for case or the form of its characters", name.trim());
            problems.error(pointer(at, "/name"), "name-twice", message);
        }
    }
    let mut names = BTreeSet::new();
    for (at, secret) in secrets.iter().enumerate().take(SECRETS_A_BATCH_MAX) {
        secrets::check(secret, &format!("/secrets/{at}"), &mut problems);
        if !names.insert(&secret.name) {
            problems.error(format!("/secrets/{at}/name"), "name-twice", "another secret of the batch has this name");
        }
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(()) }
}

fn text<'d>(brought: &'d BroughtPipeline, key: &str) -> &'d str {
    brought.written.document.get(key).and_then(Value::as_str).unwrap_or_default().trim()
}

/// What the first round says of a pipeline that is brought.
struct First {
    /// The application of the pipeline that has the id which the document says.
    home: Option<AppName>,
    by_id: Option<Sought>,
    by_name: Option<Sought>,
}

impl First {
    async fn read(table: &dyn Table, application: &AppName, pipelines: &[BroughtPipeline]) -> Result<Vec<Self>, AppError> {
        try_join_all(pipelines.iter().take(PIPELINES_A_BATCH_MAX).map(|brought| Self::of(table, application, brought))).await
    }

    async fn of(table: &dyn Table, application: &AppName, brought: &BroughtPipeline) -> Result<Self, AppError> {
        let name = text(brought, "name");
        let by_name = async { if name.is_empty() { Ok(None) } else { seek(table, application, name).await } };
        let by_id = async {
            let Ok(id) = PipelineId::parse(text(brought, "id")) else { return Ok((None, None)) };
            try_join(home(table, &id), seek(table, application, id.as_str())).await
        };
        let ((home, by_id), by_name) = try_join(by_id, by_name).await?;
        Ok(Self { home, by_id, by_name })
    }
}

/// Where a pipeline that is brought goes.
struct Place {
    before: Before,
    id: PipelineId,
    /// The id that the document says, where that is another one.
    said: Option<String>,
}

/// Finds what is there already: by the id where the document says one of this application, or else by its name.
async fn look(
    ports: &SavePorts<'_>,
    application: &AppName,
    pipelines: &[BroughtPipeline],
    first: Vec<First>,
) -> Result<Vec<Place>, AppError> {
    let (mut sought, mut problems) = (Vec::with_capacity(first.len()), Problems::default());
    for (at, First { home, by_id, by_name }) in first.into_iter().enumerate() {
        let elsewhere = home.filter(|home| home.key() != application.key());
        if elsewhere.is_some() {
            let message = "the pipeline of this id is there already, in another application: take the id out to make a copy";
            problems.error(pointer(at, "/id"), "id-elsewhere", message);
        }
        sought.push(by_id.map(|found| (found, true)).or(by_name.map(|found| (found, false))));
    }
    let before = sought.iter().map(|sought| async {
        match sought {
            Some((sought, _)) => Before::read(ports.table, application, sought).await,
            None => Ok(Before::default()),
        }
    });
    let before = try_join_all(before).await?;
    let mut places = Vec::<Place>::with_capacity(before.len());
    for (at, ((before, sought), brought)) in before.into_iter().zip(&sought).zip(pipelines).enumerate() {
        let by_name = matches!(sought, Some((_, false)));
        if let Some(row) = before.row().filter(|row| by_name && row.name != text(brought, "name")) {
            let message = format!("there is the pipeline `{}` already, whose name differs in case or form alone: write it so", row.name);
            problems.error(pointer(at, "/name"), "name-taken", message);
        }
        let current = before.row().map_or(0, |row| row.revision);
        if brought.revision.is_some_and(|expected| expected != current) {
            return Err(differs("pipeline", Some(current)));
        }
        let id = match before.row() {
            Some(row) => row.id.clone(),
            None => fresh_id(ports, ports.clock.now_ms())?,
        };
        if places.iter().any(|other| other.id == id) {
            problems.error(pointer(at, "/id"), "id-twice", "another pipeline of the batch goes to the same place");
        }
        let said = Some(text(brought, "id").to_owned()).filter(|said| !said.is_empty() && said != id.as_str());
        places.push(Place { before, id, said });
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(places) }
}

/// Pipelines of one batch that name each other by their old ids name each other by the new ones; says where.
fn rename(pipelines: &mut [BroughtPipeline], places: &[Place]) -> Vec<Vec<Problem>> {
    let new: BTreeMap<&str, &PipelineId> = places.iter().filter_map(|place| Some((place.said.as_deref()?, &place.id))).collect();
    let mut told = Vec::with_capacity(pipelines.len());
    for brought in pipelines {
        let mut own = Vec::new();
        for list in ["stages", "triggers"] {
            let items = brought.written.document.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().enumerate();
            for (at, item) in items.filter(|(_, item)| item.get("type").and_then(Value::as_str) == Some("pipeline")) {
                let Some(Value::String(id)) = item.get_mut("pipeline") else { continue };
                let Some(now) = new.get(id.trim()) else { continue };
                let message = format!("the pipeline {id}, brought along, is {now} here");
                let (pointer, code) = (format!("/{list}/{at}/pipeline"), "pipeline-renamed".to_owned());
                own.push(Problem { pointer, code, message, warning: true });
                *id = now.to_string();
            }
        }
        told.push(own);
    }
    told
}

/// The secrets as they are stored before.
struct Kept {
    old: Vec<Option<(SecretRow, u64)>>,
    /// How many the application has.
    count: usize,
}

impl Kept {
    async fn read(table: &dyn Table, application: &AppName, secrets: &[NewSecret]) -> Result<Self, AppError> {
        if secrets.is_empty() {
            return Ok(Self { old: Vec::new(), count: 0 });
        }
        let old = try_join_all(secrets.iter().take(SECRETS_A_BATCH_MAX).map(|secret| secrets::stored(table, application, &secret.name)));
        let (old, names) = try_join(old, secrets::names(table, application)).await?;
        Ok(Self { old, count: names.len() })
    }

    async fn writes(
        self,
        ports: &SavePorts<'_>,
        caller: &Principal,
        application: &AppName,
        secrets: &[NewSecret],
    ) -> Result<(BroughtSecrets, Vec<Write>), AppError> {
        let secret_ports = SecretPorts { table: ports.table, clock: ports.clock, sealer: ports.sealer, changes: ports.changes };
        let (mut kept, mut writes) = (Vec::with_capacity(secrets.len()), Vec::new());
        for (secret, old) in secrets.iter().zip(self.old) {
            let prepared = secrets::prepare(secret_ports, caller, application, secret, old).await?;
            let was = match (prepared.same, prepared.version) {
                (true, _) => Was::Unchanged,
                (false, 1) => Was::Created,
                (false, _) => Was::Updated,
            };
            if !prepared.same {
                writes.push(prepared.write);
            }
            kept.push((secret.name.clone(), was));
        }
        secrets::room_for(self.count, kept.iter().filter(|(_, was)| *was == Was::Created).count())?;
        Ok((kept, writes))
    }
}

/// Accounts that the pipelines name.
fn needs(pipelines: &[BroughtPipeline]) -> BTreeSet<(&'static str, String)> {
    let all = pipelines.iter().flat_map(|brought| import::needs::find(&brought.written.document));
    all.filter(|need| matches!(need.kind, "account" | "registry")).map(|need| (need.kind, need.name)).collect()
}

/// Why accounts that are needed cannot be used; those that can are not among them.
type Missing = BTreeMap<(&'static str, String), &'static str>;

async fn missing(table: &dyn Table, application: &AppName, needs: BTreeSet<(&'static str, String)>) -> Result<Missing, AppError> {
    let asked = needs.into_iter().map(|(kind, name)| async move {
        let found = match AccountName::parse(name.as_str()) {
            Err(_) if kind == "registry" => Some("registry-unknown"),
            Err(_) => Some("account-unknown"),
            Ok(account) if kind == "registry" => accounts::registry_address(table, &account).await?.is_none().then_some("registry-unknown"),
            Ok(account) => match accounts::cloud::serves(table, &account, application).await? {
                None => Some("account-unknown"),
                Some(false) => Some("account-not-for-application"),
                Some(true) => None,
            },
        };
        Ok::<_, AppError>(found.map(|code| ((kind, name), code)))
    });
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

/// What is remarkable of a pipeline: of its document, of its stage types, and of accounts that are not there.
fn notice(
    revised: &Revised,
    mut warnings: Vec<Problem>,
    installed: &BTreeSet<String>,
    missing: &Missing,
    application: &AppName,
) -> Vec<Problem> {
    warnings.extend(revised.warnings.iter().cloned());
    warnings.extend(inspect::unsupported(&revised.pipeline, installed));
    for need in import::needs::find(&revised.document) {
        let Some(code) = missing.get(&(need.kind, need.name.clone())).copied() else { continue };
        let message = match code {
            "account-not-for-application" => format!("the account `{}` may not be used by application {application}", need.name),
            _ => format!("there is no {} `{}` here: make it, or map its name; until then what needs it fails", need.kind, need.name),
        };
        let problem = |pointer| Problem { pointer, code: code.to_owned(), message: message.clone(), warning: true };
        warnings.extend(need.pointers.into_iter().map(problem));
    }
    warnings
}

fn bytes(writes: &[Write]) -> usize {
    writes.iter().map(|write| if let Write::Put(item, _) = write { item.body.len() } else { 0 }).sum()
}

/// One transaction. Where the documents do not fit into it, those of new pipelines go ahead of it: nobody comes upon them before the
/// transaction has been written, and if it is not, nobody ever does.
async fn write(ports: &SavePorts<'_>, application: &AppName, all: &mut [Revised], secrets: Vec<Write>) -> Result<(), AppError> {
    let (keeps, mut writes, mut rows) = (!secrets.is_empty(), secrets, BTreeMap::new());
    let (mut contents, mut ahead) = (Vec::new(), Vec::new());
    for revised in all.iter_mut().filter(|revised| !revised.same) {
        rows.insert(writes.len(), revised.row.clone());
        writes.append(&mut revised.entries);
        let content = std::mem::take(&mut revised.content);
        if revised.row.revision == 1 { ahead.push(content) } else { contents.extend(content) }
    }
    if writes.is_empty() {
        return Ok(());
    }
    writes.extend(applications::using(application)?);
    writes.extend(contents);
    let flat: Vec<Write> = ahead.concat();
    if writes.len() + flat.len() <= ITEMS_A_COMMIT_MAX && bytes(&writes) + bytes(&flat) <= COMMIT_BYTES_MAX {
        writes.extend(flat);
    } else {
        fits(&writes)?;
        for content in ahead {
            ports.table.transact(Transaction::of(content)).await?;
        }
    }
    fits(&writes)?;
    ports.table.transact(Transaction::of(writes)).await.map_err(|error| refusal(error, &rows))?;
    rows.values().for_each(|row| publish(ports.changes, row));
    if keeps {
        secrets::publish(ports.changes, application);
    }
    Ok(())
}

fn fits(writes: &[Write]) -> Result<(), AppError> {
    let (items, bytes) = (writes.len(), bytes(writes));
    if items <= ITEMS_A_COMMIT_MAX && bytes <= COMMIT_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "all of it is saved at once or not at all, which takes {items} items and {bytes} bytes; at most {ITEMS_A_COMMIT_MAX} items and {COMMIT_BYTES_MAX} bytes are possible: bring it in several files"
    );
    Err(AppError::refused("too-large", message))
}

/// Says which pipeline it was that somebody else changed, or took the name of, in between.
fn refusal(error: TransactError, rows: &BTreeMap<usize, PipelineRow>) -> AppError {
    let TransactError::Conflict(places) = &error else { return error.into() };
    let hit = places.iter().find_map(|place| rows.range(..=place).next_back().map(|(first, row)| (place - first, row)));
    match hit {
        Some((within, row)) if within < 2 => conflict(TransactError::Conflict(vec![within]), row),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests;
