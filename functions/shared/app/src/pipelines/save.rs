//! Saving and removing pipelines. Every save is a revision of its own, in one transaction with the row, the name and the hooks.

use super::{
    HomeRow, NameRow, PipelineRow, RevisionHead, Sought, Whole, document, head_key, home_key, hooks, inspect, name_key, part_key, row_key,
    seek, sought_row, unknown, whole,
};
use crate::applications;
use crate::error::AppError;
use crate::execution::keys;
use crate::execution::slots::{self, Slots};
use crate::expect::{Expect, differs};
use crate::ports::{Change, Changes, Clock, Condition, Entropy, Item, Sealer, Table, TransactError, Transaction, Write};
use crate::record;
use crate::stage_types;
use futures::future::{join, join3, try_join, try_join3};
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

/// What was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The pipeline.
    pub row: PipelineRow,
    /// The document with what the server put in.
    pub document: Value,
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
    document: Value,
    expect: &Expect,
) -> Result<Saved, AppError> {
    // Side by side, round by round; what is told of the pipeline is told to who may edit it.
    let owner = applications::get_for(ports.table, caller, application, Action::EditPipelines);
    let (owner, sought, installed) = join3(owner, seek(ports.table, application, name_or_id), stage_types::names(ports.table)).await;
    let ((owner, _), sought, installed) = (owner?, sought?, installed?);
    let before = match &sought {
        Some(sought) => Before::read(ports.table, application, sought).await?,
        None => Before::default(),
    };
    let old = &before.pipeline;
    expect.check("pipeline", old.as_ref().map(|(row, _, _)| row.revision))?;
    let now = ports.clock.now_ms();
    let id = match old {
        Some((row, _, _)) => row.id.clone(),
        None => PipelineId::parse(ports.entropy.ulid(now)).map_err(|error| AppError::Damaged(error.to_string()))?,
    };
    let new_name = old.is_none().then_some(name_or_id);
    let place = document::Place { application: &owner.name, id: &id, new_name, old: old.as_ref().map(|(_, _, newest)| &newest.document) };
    let prepared = document::prepare(document, &place, &mut || ports.entropy.ulid(now)).map_err(AppError::Invalid)?;
    let text = check_size(&prepared)?;
    let mut warnings = prepared.warnings;
    warnings.extend(inspect::unsupported(&prepared.pipeline, &installed));
    let row = row(&prepared.pipeline, &prepared.document, id, old.as_ref().map_or(1, |(row, _, _)| row.revision + 1), caller, now);
    let mut writes = own_writes(&row, old.as_ref(), &text)?;
    writes.extend(applications::using(application)?);
    writes.extend(first_limit(before.limited, &row.id, prepared.pipeline.concurrency)?);
    writes.extend(hooks::writes(before.hooks, ports.sealer, ports.entropy, &row.id, &prepared.pipeline).await?);
    ports.table.transact(Transaction::of(writes)).await.map_err(|error| conflict(error, &row))?;
    publish(ports.changes, &row);
    Ok(Saved { row, document: prepared.document, warnings, created: old.is_none() })
}

/// What there is of a pipeline before it is saved.
#[derive(Default)]
struct Before {
    pipeline: Option<Whole>,
    /// It has slots.
    limited: bool,
    hooks: hooks::Kept,
}

impl Before {
    async fn read(table: &dyn Table, application: &AppName, sought: &Sought) -> Result<Self, AppError> {
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

fn check_size(prepared: &document::Prepared) -> Result<Vec<u8>, AppError> {
    let text = serde_json::to_vec(&prepared.document).map_err(|error| AppError::Damaged(error.to_string()))?;
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

/// Row, name, head and parts. The row stands first and the name second: [`conflict`] reads the places.
fn own_writes(row: &PipelineRow, old: Option<&Whole>, text: &[u8]) -> Result<Vec<Write>, AppError> {
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

fn conflict(error: TransactError, row: &PipelineRow) -> AppError {
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
    let may = applications::get_for(table, caller, application, Action::EditPipelines);
    let (may, sought) = join(may, seek(table, application, name_or_id)).await;
    may?;
    let sought = sought?.ok_or_else(|| unknown(name_or_id))?;
    let (row, hooks) = try_join(sought_row(table, application, &sought), hooks::kept(table, &sought.id)).await?;
    let (row, item) = row.ok_or_else(|| unknown(name_or_id))?;
    expect.check_if_given("pipeline", Some(row.revision))?;
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

fn publish(changes: &dyn Changes, row: &PipelineRow) {
    changes.publish(Change { topic: format!("pipeline:{}", row.id), version: row.revision });
    changes.publish(Change { topic: format!("pipelines:{}", row.application.key()), version: row.revision });
}

#[cfg(test)]
mod tests {
    use super::super::{by_id, get_revision, list, load, revisions, trigger_by_hook, triggers};
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
        assert_eq!(by_id(&b.table, &first.row.id).await.unwrap().unwrap().1.number, 2);
        assert!(matches!(load(&b.table, &app(), "Deploy").await, Err(AppError::NotFound { .. })));
        let (_, old) = get_revision(&b.table, &operator(), &app(), "roll out", 1).await.unwrap();
        assert_eq!(old.document["name"], "Deploy");
        let (_, heads) = revisions(&b.table, &operator(), &app(), "roll out", &PageRequest::default()).await.unwrap();
        assert_eq!(heads.entries.iter().map(|h| h.number).collect::<Vec<_>>(), [2, 1]);
        assert!(matches!(get_revision(&b.table, &operator(), &app(), "roll out", 3).await, Err(AppError::NotFound { .. })));
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
