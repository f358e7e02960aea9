//! What comes in one batch, and what is left when part of it cannot.

use super::super::load;
use super::*;
use crate::testing::{Counting, FixedClock, KeptChanges, MemoryTable, TurningSealer, principal};
use model::person::Role;
use serde_json::json;

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

fn app(name: &str) -> AppName {
    AppName::parse(name).unwrap()
}

fn wait(name: &str) -> Value {
    json!({"name": name, "stages": [{"refId": "1", "type": "wait", "waitTime": 1}]})
}

impl Bench {
    async fn new() -> Self {
        let b = Self::default();
        for name in ["shop", "other"] {
            let application = serde_json::from_value(json!({ "name": name })).unwrap();
            applications::create(&b.table, &b.clock, &b.changes, &operator(), None, application).await.unwrap();
        }
        b
    }

    fn ports(&self) -> SavePorts<'_> {
        SavePorts { table: &self.table, clock: &self.clock, entropy: &self.entropy, sealer: &self.sealer, changes: &self.changes }
    }

    async fn bring(&self, into: &str, batch: Batch) -> Result<(Vec<Brought>, BroughtSecrets), AppError> {
        bring(&self.ports(), &operator(), &app(into), batch).await
    }

    async fn told(&self, into: &str, documents: Vec<Value>) -> String {
        match self.bring(into, of(documents)).await {
            Ok((brought, _)) => brought.iter().map(|b| format!("{} {} {};", b.row.name, b.was.as_str(), b.row.revision)).collect(),
            Err(AppError::Invalid(list)) => list.iter().map(|p| format!("{} {};", p.pointer, p.code)).collect(),
            Err(AppError::Refused { code, .. }) => code,
            Err(AppError::Conflict { code, .. }) => code.to_owned(),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn of(documents: Vec<Value>) -> Batch {
    let pipelines = documents.into_iter().map(|document| BroughtPipeline { written: document.into(), revision: None }).collect();
    Batch { pipelines, ..Batch::default() }
}

#[tokio::test]
async fn a_second_time_changes_nothing() {
    let b = Bench::new().await;
    let docker = json!({"name": "two", "triggers": [{"type": "docker", "account": "r", "repository": "w", "id": "foreign"}]});
    let both = || vec![wait("one"), docker.clone()];
    assert_eq!(b.told("shop", both()).await, "one created 1;two created 1;");
    let before = b.table.dump();
    assert_eq!(b.told("shop", both()).await, "one unchanged 1;two unchanged 1;");
    assert_eq!(b.table.dump(), before);
    let mut changed = both();
    changed[0]["stages"][0]["waitTime"] = json!(2);
    assert_eq!(b.told("shop", changed).await, "one updated 2;two unchanged 1;");
    let mut spelled = of(vec![wait("one")]);
    spelled.pipelines[0].written.spellings.remember("/stages/0/waitTime".to_owned(), "1.0");
    spelled.pipelines[0].written.document["stages"][0]["waitTime"] = json!(1.0);
    b.bring("shop", spelled).await.unwrap();
    let (row, _) = load(&b.table, &app("shop"), "one").await.unwrap();
    assert_eq!(row.revision, 3);
}

#[tokio::test]
async fn all_of_a_file_or_nothing() {
    let b = Bench::new().await;
    let before = b.table.dump();
    let broken = json!({"name": "bad", "stages": [{"refId": "1"}]});
    assert_eq!(b.told("shop", vec![wait("one"), broken]).await, "/pipelines/1/document/stages/0/type type-missing;");
    assert_eq!(b.told("shop", vec![]).await, "/pipelines no-pipelines;");
    assert_eq!(b.told("shop", vec![wait("a"), wait("A")]).await, "/pipelines/1/document/name name-twice;");
    assert_eq!(b.told("shop", vec![wait("caf\u{e9}"), wait("cafe\u{301}")]).await, "/pipelines/1/document/name name-twice;");
    assert_eq!(b.told("shop", vec![json!({"stages": []})]).await, "/pipelines/0/document/name name-missing;");
    let mut dry = of(vec![wait("one")]);
    dry.dry_run = true;
    let (brought, _) = b.bring("shop", dry).await.unwrap();
    assert_eq!(brought[0].was, Was::Created);
    assert_eq!(b.table.dump(), before, "nothing was written");
    let developer = principal("dev", Role::Developer);
    assert!(matches!(bring(&b.ports(), &developer, &app("shop"), of(vec![wait("x")])).await, Err(AppError::Denied { .. })));
}

#[tokio::test]
async fn a_name_is_written_as_it_is_there_and_an_id_is_of_one_application() {
    let b = Bench::new().await;
    assert_eq!(b.told("shop", vec![wait("Deploy")]).await, "Deploy created 1;");
    assert_eq!(b.told("shop", vec![wait("deploy")]).await, "/pipelines/0/document/name name-taken;");
    let (row, saved) = load(&b.table, &app("shop"), "Deploy").await.unwrap();
    let mut moved = saved.document.clone();
    moved["application"] = json!("other");
    assert_eq!(b.told("other", vec![moved]).await, "/pipelines/0/document/id id-elsewhere;");
    let mut renamed = saved.document;
    renamed["name"] = json!("Roll out");
    assert_eq!(b.told("shop", vec![renamed.clone()]).await, "Roll out updated 2;", "the id says which one is meant");
    assert_eq!(b.told("shop", vec![renamed, wait("Roll out")]).await, "/pipelines/1/document/name name-twice;");
    let mut knows = of(vec![wait("Roll out")]);
    knows.pipelines[0].revision = Some(1);
    assert!(matches!(b.bring("shop", knows).await, Err(AppError::Conflict { code: "version-differs", .. })));
    assert_eq!(load(&b.table, &app("shop"), "Roll out").await.unwrap().0.id, row.id);
}

#[tokio::test]
async fn those_that_come_together_find_each_other() {
    let b = Bench::new().await;
    let mut child = wait("child");
    child["id"] = json!("5c9d9b7e-1111-2222-3333-444455556666");
    let parent =
        json!({"name": "parent", "stages": [{"refId": "1", "type": "pipeline", "pipeline": "5c9d9b7e-1111-2222-3333-444455556666"}]});
    let both = || vec![parent.clone(), child.clone()];
    let (brought, _) = b.bring("shop", of(both())).await.unwrap();
    let (_, saved) = load(&b.table, &app("shop"), "parent").await.unwrap();
    assert_eq!(saved.document["stages"][0]["pipeline"], brought[1].row.id.as_str());
    assert!(brought[0].warnings.iter().any(|w| w.code == "pipeline-renamed"));
    assert_eq!(b.told("shop", both()).await, "parent unchanged 1;child unchanged 1;");
}

#[tokio::test]
async fn many_come_in_one_transaction_and_too_many_are_refused() {
    let b = Bench::new().await;
    let large = |count: usize| (0..count).map(|i| json!({"name": format!("p{i}"), "blob": "x".repeat(200_000)})).collect::<Vec<_>>();
    b.bring("shop", of(large(25))).await.unwrap();
    assert!(b.told("shop", large(25)).await.contains("p24 unchanged 1;"));
    assert_eq!(b.told("other", large(40)).await, "too-large");
    assert_eq!(b.told("other", large(PIPELINES_A_BATCH_MAX + 1)).await, "/pipelines too-many-pipelines;");
    assert!(super::super::rows(&b.table, &app("other")).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let b = Bench::new().await;
    let document = json!({"name": "p", "triggers": [{"type": "docker", "account": "hub", "repository": "w"}],
        "stages": [{"refId": "1", "type": "deployManifest", "account": "prod", "header": "secret://x"}]});
    let (brought, _) = b.bring("shop", of(vec![document])).await.unwrap();
    let told: Vec<String> = brought[0].warnings.iter().map(|w| format!("{} {}", w.pointer, w.code)).collect();
    for wanted in [
        "/stages/0/account account-unknown",
        "/triggers/0/account registry-unknown",
        "/stages/0/type unsupported-stage-type",
        "/stages/0/header secret-reference-unserved",
    ] {
        assert!(told.iter().any(|one| one == wanted), "{told:?}");
    }
}

#[tokio::test]
async fn secrets_come_with_their_pipelines() {
    let b = Bench::new().await;
    let with = |value: &str| {
        let secrets = vec![NewSecret { name: "db".to_owned(), value: value.to_owned() }];
        Batch { secrets, ..of(vec![wait("one")]) }
    };
    assert_eq!(b.bring("shop", with("hunter2")).await.unwrap().1, [("db".to_owned(), Was::Created)]);
    assert_eq!(b.bring("shop", with("hunter2")).await.unwrap().1, [("db".to_owned(), Was::Unchanged)]);
    assert_eq!(b.bring("shop", with("other")).await.unwrap().1, [("db".to_owned(), Was::Updated)]);
    assert!(!b.table.dump().contains("hunter2"));
    let mut twice = with("x");
    twice.secrets.push(NewSecret { name: "db".to_owned(), value: "y".to_owned() });
    assert!(matches!(b.bring("shop", twice).await, Err(AppError::Invalid(list)) if list[0].pointer == "/secrets/1/name"));
}
