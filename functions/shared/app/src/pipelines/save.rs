//! Saving and removing pipelines. Every save is a revision of its own, in one transaction with the row, the name and the hooks.

use super::{
    HomeRow, NameRow, PipelineRow, RevisionHead, Sought, Whole, document, head_key, home_key, hooks, inspect, lock, name_key, part_key,
    row_key, run_as, seek, seek_for, unknown, whole,
};
use crate::applications;
use crate::error::AppError;
use crate::execution::keys;
use crate::execution::slots::{self, Slots};
use crate::expect::{Expect, differs};
use crate::ports::{Change, Changes, Clock, Condition, Entropy, Item, Sealer, Table, TransactError, Transaction, Write};
use crate::record;
use crate::secrets::references;
use crate::stage_types;
use futures::future::{join3, try_join, try_join3};
use model::Millis;
use model::exact::Spellings;
use model::id::{AppName, PipelineId};
use model::person::{Action, Principal};
use model::pipeline::{Concurrency, DOCUMENT_BYTES_MAX, Pipeline};
use model::problem::Problem;
use serde_json::{Value, json};

/// Most docker triggers of one pipeline: their hooks change in the transaction that saves it.
pub const DOCKER_TRIGGERS_MAX: usize = 30;
/// Bytes of one part of a document.
const PART_BYTES: usize = 350_000;

/// What saving needs.
pub struct SavePorts<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// The time of the revision.
    pub clock: &'a dyn Clock,
    /// Ids and hook tokens.
    pub entropy: &'a dyn Entropy,
    /// Keeps hook tokens.
    pub sealer: &'a dyn Sealer,
    /// Tells followers.
    pub changes: &'a dyn Changes,
}

/// A document as somebody wrote it. Its `Debug` leaves it out: it may hold secrets.
#[derive(Clone)]
pub struct Written {
    /// The document.
    pub document: Value,
    /// How its numbers are written.
    pub spellings: Spellings,
}

impl From<Value> for Written {
    fn from(document: Value) -> Self {
        Self { document, spellings: Spellings::default() }
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Written").finish_non_exhaustive()
    }
}

/// What was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The pipeline.
    pub row: PipelineRow,
    /// The document with what the server put in.
    pub document: Value,
    /// How its numbers are written.
    pub spellings: Spellings,
    /// What was noticed.
    pub warnings: Vec<Problem>,
    /// It did not exist before.
    pub created: bool,
}

/// Saves a pipeline under its id or name; makes it when there is none of that name.
pub async fn save(
    ports: &SavePorts<'_>,
    caller: &Principal,
    application: &AppName,
    name_or_id: &str,
    written: impl std::convert::Into<Written> + Send,
    expect: &Expect,
) -> Result<Saved, AppError> {
    let Written { document, spellings } = written.into();
    // Side by side, round by round; what is told of the pipeline is told to who may edit it.
    let owner = applications::get_for(ports.table, caller, application, Action::EditPipelines);
    let (owner, sought, installed) = join3(owner, seek(ports.table, application, name_or_id), stage_types::names(ports.table)).await;
    let ((owner, _), sought, installed) = (owner?, sought?, installed?);
    let before = match &sought {
        Some(sought) => Before::read(ports.table, application, sought).await?,
        None => Before::default(),
    };
    expect.check("pipeline", before.row().map(|row| row.revision))?;
    let now = ports.clock.now_ms();
    let created = before.pipeline.is_none();
    let into = Into { owner: &owner.name, caller, now, new_name: created.then_some(name_or_id), fresh: None };
    let revised = revise(ports, &into, before, (document, &spellings)).await?;
    let mut warnings = revised.warnings;
    warnings.extend(inspect::unsupported(&revised.pipeline, &installed));
    let row = revised.row;
    let mut writes = revised.entries;
    writes.extend(revised.content);
    writes.extend(applications::using(application)?);
    ports.table.transact(Transaction::of(writes)).await.map_err(|error| conflict(error, &row))?;
    publish(ports.changes, &row);
    Ok(Saved { row, document: revised.document, spellings: revised.spellings, warnings, created })
}

/// Where a revision goes, and who saves it when.
pub(super) struct Into<'a> {
    pub(super) owner: &'a AppName,
    pub(super) caller: &'a Principal,
    pub(super) now: Millis,
    /// The name in the address of a pipeline that does not exist yet.
    pub(super) new_name: Option<&'a str>,
    /// The id of a pipeline that does not exist yet, where it has been given one.
    pub(super) fresh: Option<PipelineId>,
}

/// A revision that can be stored.
pub(super) struct Revised {
    pub(super) row: PipelineRow,
    pub(super) pipeline: Pipeline,
    pub(super) document: Value,
    pub(super) spellings: Spellings,
    pub(super) warnings: Vec<Problem>,
    /// The pipeline as it was.
    pub(super) before: Option<PipelineRow>,
    /// The document is what it was.
    pub(super) same: bool,
    /// Row first, name second, and what makes the revision the newest one.
    pub(super) entries: Vec<Write>,
    /// The revision itself; of a new pipeline, nobody comes upon it until the entries are there.
    pub(super) content: Vec<Write>,
}

/// Makes the next revision of a pipeline, or its first; nothing is written.
pub(super) async fn revise(
    ports: &SavePorts<'_>,
    into: &Into<'_>,
    before: Before,
    (document, spellings): (Value, &Spellings),
) -> Result<Revised, AppError> {
    let Before { pipeline: old, limited, hooks } = before;
    let newest = old.as_ref().map(|(_, _, newest)| newest);
    let id = match (&old, &into.fresh) {
        (Some((row, _, _)), _) => row.id.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => fresh_id(ports, into.now)?,
    };
    let place = document::Place { application: into.owner, id: &id, new_name: into.new_name, old: newest.map(|newest| &newest.document) };
    let prepared = document::prepare(document, &place, &mut || ports.entropy.ulid(into.now)).map_err(AppError::Invalid)?;
    let text = check_size(&prepared, spellings)?;
    let spellings = Spellings::read(&text);
    let same = newest.is_some_and(|newest| newest.document == prepared.document && newest.spellings == spellings);
    if let Some(newest) = newest.filter(|_| !same) {
        lock::check(&newest.document, &prepared.pipeline, into.caller)?;
    }
    let lookup = (ports.table, ports.clock);
    let unknown = run_as::check(lookup, into.caller, into.owner, newest.map(|newest| &newest.document), &prepared.pipeline).await?;
    let row =
        row(&prepared.pipeline, &prepared.document, id, old.as_ref().map_or(1, |(row, _, _)| row.revision + 1), into.caller, into.now);
    let mut entries = entries(&row, old.as_ref())?;
    entries.extend(first_limit(limited, &row.id, prepared.pipeline.concurrency)?);
    entries.extend(hooks::writes(hooks, ports.sealer, ports.entropy, &row.id, &prepared.pipeline).await?);
    let content = content(&row, text.as_bytes())?;
    let document::Prepared { document, pipeline, mut warnings } = prepared;
    warnings.extend(unknown);
    warnings.extend(references::unserved(&document));
    Ok(Revised { row, pipeline, document, spellings, warnings, before: old.map(|(row, _, _)| row), same, entries, content })
}

pub(super) fn fresh_id(ports: &SavePorts<'_>, now: Millis) -> Result<PipelineId, AppError> {
    PipelineId::parse(ports.entropy.ulid(now)).map_err(|error| AppError::Damaged(error.to_string()))
}

/// What there is of a pipeline before it is saved.
#[derive(Default)]
pub(super) struct Before {
    pub(super) pipeline: Option<Whole>,
    /// It has slots.
    limited: bool,
    hooks: hooks::Kept,
}

impl Before {
    /// Its row.
    pub(super) fn row(&self) -> Option<&PipelineRow> {
        self.pipeline.as_ref().map(|(row, _, _)| row)
    }

    pub(super) async fn read(table: &dyn Table, application: &AppName, sought: &Sought) -> Result<Self, AppError> {
        let slots_key = keys::slots(&sought.id);
        let slots = async { Ok(table.get(&slots_key).await?) };
        let (pipeline, slots, hooks) = try_join3(whole(table, application, sought), slots, hooks::kept(table, &sought.id)).await?;
        Ok(Self { pipeline, limited: slots.is_some(), hooks })
    }
}

/// From the save that gives a pipeline its first limit on, every start is entered in its slots.
fn first_limit(limited: bool, id: &PipelineId, concurrency: Concurrency) -> Result<Option<Write>, AppError> {
    if concurrency.limit.is_none() || limited {
        return Ok(None);
    }
    Ok(Some(slots::write(id, &Slots::default(), None)?))
}

fn check_size(prepared: &document::Prepared, spellings: &Spellings) -> Result<String, AppError> {
    let text = spellings.write(&prepared.document);
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(AppError::invalid("", "too-large", format!("a pipeline has at most {DOCUMENT_BYTES_MAX} bytes of JSON")));
    }
    if prepared.pipeline.triggers.iter().filter(|t| t.kind == "docker").count() > DOCKER_TRIGGERS_MAX {
        return Err(AppError::invalid("/triggers", "too-many-triggers", format!("at most {DOCKER_TRIGGERS_MAX} docker triggers")));
    }
    Ok(text)
}

fn row(pipeline: &Pipeline, document: &Value, id: PipelineId, revision: u64, caller: &Principal, now: u64) -> PipelineRow {
    let (cloud_accounts, registry_accounts) = document::uses(pipeline);
    PipelineRow {
        id,
        application: pipeline.application.clone(),
        name: pipeline.name.clone(),
        revision,
        index: document.get("index").and_then(Value::as_i64),
        disabled: pipeline.disabled,
        stage_types: pipeline.stages.iter().map(|stage| stage.kind.clone()).collect(),
        cloud_accounts,
        registry_accounts,
        author: caller.name.clone(),
        updated_ms: now,
    }
}

/// Row, name and home. The row stands first and the name second: [`conflict`] reads the places.
fn entries(row: &PipelineRow, old: Option<&Whole>) -> Result<Vec<Write>, AppError> {
    let condition = old.map_or(Condition::Absent, |(_, item, _)| Condition::Revision(*item));
    let mut writes = vec![Write::Put(record::item(row_key(&row.application, row.id.as_str()), row)?, vec![condition])];
    let key = name_key(&row.application, &row.name);
    let old_key = old.map(|(old, _, _)| name_key(&old.application, &old.name));
    let renamed = old_key.as_ref() != Some(&key);
    let name = NameRow { id: row.id.clone(), stage_types: row.stage_types.clone() };
    writes.push(Write::Put(record::item(key, &name)?, if renamed { vec![Condition::Absent] } else { vec![] }));
    writes.extend(old_key.filter(|_| renamed).map(|key| Write::Delete(key, vec![])));
    if old.is_none() {
        writes
            .push(Write::Put(record::item(home_key(&row.id), &HomeRow { application: row.application.clone() })?, vec![Condition::Absent]));
    }
    Ok(writes)
}

/// Head and parts of the revision.
fn content(row: &PipelineRow, text: &[u8]) -> Result<Vec<Write>, AppError> {
    let mut writes = Vec::new();
    let parts: Vec<&[u8]> = text.chunks(PART_BYTES).collect();
    let head = RevisionHead {
        number: row.revision,
        author: row.author.clone(),
        created_ms: row.updated_ms,
        bytes: text.len() as u64,
        parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
    };
    writes.push(Write::Put(record::item(head_key(&row.id, row.revision), &head)?, vec![Condition::Absent]));
    for (i, part) in parts.into_iter().enumerate() {
        writes.push(Write::Put(Item::new(part_key(&row.id, row.revision, i), part.to_vec()), vec![Condition::Absent]));
    }
    Ok(writes)
}

pub(super) fn conflict(error: TransactError, row: &PipelineRow) -> AppError {
    match error {
        TransactError::Conflict(places) if places.contains(&0) => differs("pipeline", None),
        TransactError::Conflict(places) if places.contains(&1) => {
            let message =
                format!("application {} has a pipeline `{}` already (names are compared ignoring case)", row.application, row.name);
            AppError::Conflict { code: "name-taken", message, data: json!({ "pointer": "/name", "name": row.name }) }
        }
        error => error.into(),
    }
}

/// Removes a pipeline and its hooks. Its revisions stay: executions and release orders speak of them.
pub async fn delete(
    table: &dyn Table,
    changes: &dyn Changes,
    caller: &Principal,
    application: &AppName,
    name_or_id: &str,
    expect: &Expect,
) -> Result<(), AppError> {
    let sought = seek_for(table, (caller, Action::EditPipelines), application, name_or_id).await?;
    let (whole, hooks) = try_join(whole(table, application, &sought), hooks::kept(table, &sought.id)).await?;
    let (row, item, newest) = whole.ok_or_else(|| unknown(name_or_id))?;
    expect.check_if_given("pipeline", Some(row.revision))?;
    lock::check_removal(&newest.document, caller)?;
    let mut writes = vec![
        Write::Delete(row_key(application, row.id.as_str()), vec![Condition::Revision(item)]),
        Write::Delete(name_key(application, &row.name), vec![]),
        Write::Delete(home_key(&row.id), vec![]),
    ];
    writes.extend(hooks::removals(hooks, &row.id));
    table.transact(Transaction::of(writes)).await?;
    publish(changes, &row);
    Ok(())
}

pub(super) fn publish(changes: &dyn Changes, row: &PipelineRow) {
    changes.publish(Change { topic: format!("pipeline:{}", row.id), version: row.revision });
    changes.publish(Change { topic: format!("pipelines:{}", row.application.key()), version: row.revision });
}

#[cfg(test)]
mod tests {
    use super::super::{get_revision, list, load, of, revisions, trigger_by_hook, triggers};
    use super::*;
    use crate::paging::PageRequest;
    use crate::testing::{Counting, FixedClock, KeptChanges, MemoryTable, TurningSealer, principal};
    use model::person::Role;

    #[derive(Default)]
    struct Bench {
        table: MemoryTable,
        clock: FixedClock,
        entropy: Counting,
        sealer: TurningSealer,
        changes: KeptChanges,
    }

    fn operator() -> Principal {
        principal("op", Role::Operator)
    }

    fn app() -> AppName {
        AppName::parse("flaskapp").unwrap()
    }

    impl Bench {
        async fn new() -> Self {
            let b = Self::default();
            let application = serde_json::from_value(json!({"name": "FlaskApp"})).unwrap();
            applications::create(&b.table, &b.clock, &b.changes, &operator(), None, application).await.unwrap();
            stage_types::install(&b.table, &[stage_types::tests::row("wait", &["pause"])]).await.unwrap();
            b
        }

        async fn save_as(&self, who: &Principal, name: &str, document: Value, expect: Expect) -> Result<Saved, AppError> {
            let ports =
                SavePorts { table: &self.table, clock: &self.clock, entropy: &self.entropy, sealer: &self.sealer, changes: &self.changes };
            save(&ports, who, &app(), name, document, &expect).await
        }

        async fn save(&self, name: &str, document: Value, expect: Expect) -> Result<Saved, AppError> {
            self.save_as(&operator(), name, document, expect).await
        }

        async fn tokens(&self, name: &str) -> Vec<String> {
            let hooks = triggers(&self.table, &self.sealer, &operator(), &app(), name).await.unwrap();
            hooks.into_iter().filter_map(|h| h.token).collect()
        }
    }

    fn document() -> Value {
        json!({"name": "Deploy", "keep": [1, {"x": null}], "stages": [{"refId": "1", "type": "pause"}, {"refId": "2", "type": "bakery", "account": "prod"}],
            "triggers": [{"type": "docker", "account": "reg", "repository": "team/web", "enabled": true}]})
    }

    #[tokio::test]
    async fn every_save_is_a_revision() {
        let b = Bench::new().await;
        let first = b.save("deploy", document(), Expect::Absent).await.unwrap();
        assert!(first.created && first.row.revision == 1 && first.row.application.as_str() == "FlaskApp");
        assert_eq!(first.warnings.iter().map(|w| w.pointer.as_str()).collect::<Vec<_>>(), ["/stages/1/type"], "`pause` is an alias");
        b.clock.advance(5);
        let mut changed = first.document.clone();
        changed["name"] = json!("Roll out");
        let second = b.save(first.row.id.as_str(), changed, Expect::Versions(vec![1])).await.unwrap();
        assert_eq!((second.created, second.row.revision, &second.row.id), (false, 2, &first.row.id));
        let (row, newest) = load(&b.table, &app(), "ROLL OUT").await.unwrap();
        assert_eq!((row.name.as_str(), newest.number, newest.author.as_str()), ("Roll out", 2, "op"));
        assert_eq!(newest.document["keep"], json!([1, {"x": null}]));
        assert_eq!(of(&b.table, &app(), &first.row.id).await.unwrap().1.number, 2);
        assert!(matches!(load(&b.table, &app(), "Deploy").await, Err(AppError::NotFound { .. })));
        let (_, old) = get_revision(&b.table, &operator(), &app(), "roll out", 1).await.unwrap();
        assert_eq!(old.document["name"], "Deploy");
        let (_, heads) = revisions(&b.table, &operator(), &app(), "roll out", &PageRequest::default()).await.unwrap();
        assert_eq!(heads.entries.iter().map(|h| h.number).collect::<Vec<_>>(), [2, 1]);
        assert!(matches!(get_revision(&b.table, &operator(), &app(), "roll out", 3).await, Err(AppError::NotFound { .. })));
    }

    #[tokio::test]
    async fn numbers_come_back_as_they_were_written() {
        let b = Bench::new().await;
        let text = r#"{"name":"p","stages":[{"refId":"1","type":"wait","waitTime":1.50,"big":123456789012345678901234567890}]}"#;
        let ports = SavePorts { table: &b.table, clock: &b.clock, entropy: &b.entropy, sealer: &b.sealer, changes: &b.changes };
        let document = Written { document: serde_json::from_str(text).unwrap(), spellings: Spellings::read(text) };
        let saved = save(&ports, &operator(), &app(), "p", document, &Expect::Nothing).await.unwrap();
        let (_, newest) = load(&b.table, &app(), "p").await.unwrap();
        let written = newest.spellings.write(&newest.document);
        assert!(written.contains("1.50") && written.contains("123456789012345678901234567890"), "{written}");
        assert_eq!((saved.spellings, saved.document), (newest.spellings, newest.document));
    }

    #[tokio::test]
    async fn a_locked_pipeline_is_changed_by_who_takes_the_lock_off() {
        let b = Bench::new().await;
        let locked = |by_all: bool, name: &str| json!({"name": name, "locked": {"ui": true, "allowUnlockUi": by_all}, "stages": []});
        let code = |result: Result<(), AppError>| match result {
            Ok(()) => "ok".to_owned(),
            Err(AppError::Refused { code, .. } | AppError::Denied { code, .. }) => code,
            Err(other) => panic!("{other:?}"),
        };
        let put = async |who: &Principal, document: Value| code(b.save_as(who, "p", document, Expect::Present).await.map(drop));
        let root = principal("root", Role::Administrator);
        b.save("p", locked(true, "p"), Expect::Nothing).await.unwrap();
        assert_eq!(put(&operator(), json!({"name": "p", "locked": {"ui": true}, "description": "x"})).await, "pipeline-locked");
        assert_eq!(put(&root, json!({"name": "p", "locked": {"ui": true}, "description": "x"})).await, "pipeline-locked");
        assert_eq!(put(&operator(), locked(true, "p")).await, "ok", "nothing is changed");
        let gone = delete(&b.table, &b.changes, &operator(), &app(), "p", &Expect::Nothing).await;
        assert_eq!(code(gone), "pipeline-locked");
        assert_eq!(put(&operator(), json!({"name": "p", "description": "x"})).await, "ok", "it takes the lock off");
        b.save("p", locked(false, "p"), Expect::Present).await.unwrap();
        assert_eq!(put(&operator(), json!({"name": "p"})).await, "pipeline-locked", "only an administrator may");
        assert_eq!(put(&root, json!({"name": "p", "locked": {"ui": false}})).await, "ok");
    }

    #[tokio::test]
    async fn a_name_is_one_name_in_every_form_of_its_characters() {
        let b = Bench::new().await;
        let (composed, apart) = ("caf\u{e9}", "cafe\u{301}");
        b.save(composed, json!({"name": composed}), Expect::Absent).await.unwrap();
        let again = b.save(apart, json!({"name": apart}), Expect::Absent).await.unwrap_err();
        assert!(matches!(again, AppError::Conflict { code: "version-differs", .. }), "{again:?}");
        assert_eq!(load(&b.table, &app(), apart).await.unwrap().0.name, composed);
    }

    #[tokio::test]
    async fn hooks_live_as_long_as_their_triggers() {
        let b = Bench::new().await;
        let first = b.save("deploy", document(), Expect::Nothing).await.unwrap();
        let token = b.tokens("deploy").await.remove(0);
        assert!(!b.table.dump().contains(&token) && !first.document.to_string().contains(&token));
        let hook = trigger_by_hook(&b.table, &token).await.unwrap().unwrap();
        assert_eq!((hook.pipeline, Some(hook.trigger.as_str())), (first.row.id.clone(), first.document["triggers"][0]["id"].as_str()));
        b.save("deploy", document(), Expect::Present).await.unwrap();
        assert_eq!(b.tokens("deploy").await, std::slice::from_ref(&token), "a file without ids keeps its hook");
        let copy = b
            .save(
                "copy",
                {
                    let mut d = first.document.clone();
                    d["name"] = json!("copy");
                    d
                },
                Expect::Nothing,
            )
            .await
            .unwrap();
        assert_ne!(copy.document["triggers"][0]["id"], first.document["triggers"][0]["id"]);
        assert_ne!(b.tokens("copy").await, std::slice::from_ref(&token));
        let mut none = document();
        none["triggers"] = json!([]);
        b.save("deploy", none, Expect::Present).await.unwrap();
        assert_eq!(trigger_by_hook(&b.table, &token).await.unwrap(), None);
        let other = b.tokens("copy").await.remove(0);
        delete(&b.table, &b.changes, &operator(), &app(), "copy", &Expect::Nothing).await.unwrap();
        assert_eq!(trigger_by_hook(&b.table, &other).await.unwrap(), None);
        assert_eq!(trigger_by_hook(&b.table, &"x".repeat(500)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn names_are_unique_and_versions_are_asked_for() {
        let b = Bench::new().await;
        b.save("deploy", document(), Expect::Nothing).await.unwrap();
        let code = |result: Result<Saved, AppError>| match result.unwrap_err() {
            AppError::Conflict { code, .. } => code.to_owned(),
            AppError::Refused { code, .. } => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(b.save("deploy", document(), Expect::Nothing).await), "if-match-required");
        assert_eq!(code(b.save("deploy", document(), Expect::Absent).await), "version-differs");
        assert_eq!(code(b.save("deploy", document(), Expect::Versions(vec![7])).await), "version-differs");
        b.save("other", json!({}), Expect::Nothing).await.unwrap();
        assert_eq!(code(b.save("other", json!({"name": "DEPLOY"}), Expect::Present).await), "name-taken");
        b.save("other", json!({"name": "OTHER"}), Expect::Present).await.unwrap();
    }

    #[tokio::test]
    async fn large_documents_come_back_whole_and_too_large_ones_are_refused() {
        let b = Bench::new().await;
        let big = json!({"name": "big", "blob": "é".repeat(500_000)});
        b.save("big", big.clone(), Expect::Nothing).await.unwrap();
        assert_eq!(load(&b.table, &app(), "big").await.unwrap().1.document["blob"], big["blob"]);
        let huge = json!({"name": "huge", "blob": "x".repeat(DOCUMENT_BYTES_MAX)});
        assert!(matches!(b.save("huge", huge, Expect::Nothing).await, Err(AppError::Invalid(list)) if list[0].code == "too-large"));
        let trigger = json!({"type": "docker", "account": "r", "repository": "w"});
        let many = json!({"name": "many", "triggers": vec![trigger; DOCKER_TRIGGERS_MAX + 1]});
        assert!(matches!(b.save("many", many, Expect::Nothing).await, Err(AppError::Invalid(list)) if list[0].code == "too-many-triggers"));
    }

    #[tokio::test]
    async fn as_many_triggers_as_allowed_can_be_exchanged() {
        let b = Bench::new().await;
        let with = |repository: &str| {
            let trigger = |i| json!({"type": "docker", "account": "r", "repository": format!("{repository}/{i}")});
            json!({"name": "p", "blob": "x".repeat(1_900_000), "triggers": (0..DOCKER_TRIGGERS_MAX).map(trigger).collect::<Vec<_>>()})
        };
        b.save("p", with("a"), Expect::Nothing).await.unwrap();
        b.save("p", with("b"), Expect::Present).await.unwrap();
        assert_eq!(b.tokens("p").await.len(), DOCKER_TRIGGERS_MAX);
        delete(&b.table, &b.changes, &operator(), &app(), "p", &Expect::Nothing).await.unwrap();
    }

    #[tokio::test]
    async fn lists_go_by_index_then_name_in_pages() {
        let b = Bench::new().await;
        for (name, index) in [("b", None), ("A", None), ("z", Some(0))] {
            b.save(name, json!({"index": index}), Expect::Nothing).await.unwrap();
        }
        let page = |after| PageRequest { after, limit: 2 };
        let first = list(&b.table, &operator(), &app(), &page(None)).await.unwrap();
        assert_eq!(first.entries.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["z", "A"]);
        let second = list(&b.table, &operator(), &app(), &page(first.next)).await.unwrap();
        assert_eq!((second.entries.len(), second.next), (1, None));
        assert!(list(&b.table, &operator(), &app(), &page(Some("x".to_owned()))).await.is_err());
    }

    #[tokio::test]
    async fn an_application_with_pipelines_stays_and_developers_only_look() {
        let b = Bench::new().await;
        b.save("deploy", document(), Expect::Nothing).await.unwrap();
        let refused = applications::delete(&b.table, &b.changes, &operator(), &app(), &Expect::Nothing).await.unwrap_err();
        assert!(matches!(refused, AppError::Conflict { code: "application-in-use", message, .. } if message.contains("Deploy")));
        let developer = principal("dev", Role::Developer);
        assert!(matches!(b.save_as(&developer, "x", json!({}), Expect::Nothing).await, Err(AppError::Denied { .. })));
        let hooks = triggers(&b.table, &b.sealer, &developer, &app(), "deploy").await;
        assert!(matches!(hooks, Err(AppError::Denied { .. })));
        let gone = delete(&b.table, &b.changes, &developer, &app(), "deploy", &Expect::Nothing).await;
        assert!(matches!(gone, Err(AppError::Denied { .. })));
        let nowhere = AppName::parse("nowhere").unwrap();
        assert!(matches!(
            list(&b.table, &developer, &nowhere, &PageRequest::default()).await,
            Err(AppError::NotFound { what: "application", .. })
        ));
    }
}
