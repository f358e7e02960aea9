//! Applications: made, read, replaced and removed. Names are compared ignoring case and keep the spelling they were made with.

use crate::error::{AppError, require};
use crate::expect::{Expect, differs};
use crate::idempotency::{Begun, begin};
use crate::paging::{self, Listed, PageRequest};
use crate::pipelines;
use crate::ports::{Change, Changes, Clock, Condition, Key, Table, TransactError, Transaction, Write};
use crate::projects;
use crate::record::{self, Record, Shape, shape};
use crate::secrets;
use model::application::Application;
use model::id::AppName;
use model::person::{Action, Principal, may};
use model::problem::Problems;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Most bytes of an application's JSON.
pub const APPLICATION_BYTES_MAX: usize = 64 << 10;
const DESCRIPTION_BYTES_MAX: usize = 4 << 10;
const EMAIL_BYTES_MAX: usize = 255;
const GROUPS_MAX: usize = 100;
const NAMED_MAX: usize = 20;
const APPLICATIONS: &str = "APPS";

impl Record for Application {
    const SHAPE: &'static str = "application";
}

/// Serialises an application's removal with whatever begins to use it.
#[derive(Serialize, Deserialize)]
struct Guard {}

impl Record for Guard {
    const SHAPE: &'static str = "application-guard";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Application>(), shape::<Guard>()];

fn key(name: &AppName) -> Key {
    Key::new(APPLICATIONS, name.key())
}

fn guard_key(name: &AppName) -> Key {
    Key::new(format!("APP#{}", name.key()), "GUARD")
}

/// The writes of a transaction that begins to use an application: they fail when it is gone, and make its removal fail.
pub(crate) fn using(name: &AppName) -> Result<Vec<Write>, AppError> {
    Ok(vec![Write::Check(key(name), vec![Condition::Exists]), Write::Put(record::item(guard_key(name), &Guard {})?, vec![])])
}

fn unknown(name: &AppName) -> AppError {
    AppError::NotFound { what: "application", id: name.to_string() }
}

/// Reads an application and its version, for use cases; asks nobody's rights.
pub async fn load(table: &dyn Table, name: &AppName) -> Result<(Application, u64), AppError> {
    record::load(table, &key(name)).await?.ok_or_else(|| unknown(name))
}

/// All applications, for use cases; asks nobody's rights.
pub(crate) async fn all(table: &dyn Table) -> Result<Vec<Application>, AppError> {
    Ok(paging::all(table, APPLICATIONS, "").await?.into_iter().map(|(application, _)| application).collect())
}

/// Reads an application that the caller may see; one that the caller may not see is not there.
pub async fn get(table: &dyn Table, caller: &Principal, name: &AppName) -> Result<(Application, u64), AppError> {
    require(may(caller, Action::Read))?;
    let (application, version) = load(table, name).await?;
    seen_by(caller, name, &application)?;
    Ok((application, version))
}

/// One that the caller may not see is not there.
pub(crate) fn seen_by(caller: &Principal, name: &AppName, application: &Application) -> Result<(), AppError> {
    if application.may(caller, Action::Read).allowed { Ok(()) } else { Err(unknown(name)) }
}

/// Reads an application and refuses unless the caller may do this with it.
pub async fn get_for(table: &dyn Table, caller: &Principal, name: &AppName, action: Action) -> Result<(Application, u64), AppError> {
    require(may(caller, action))?;
    let (application, version) = get(table, caller, name).await?;
    require(application.may(caller, action))?;
    Ok((application, version))
}

/// Applications that the caller may see, by name. A page may hold fewer entries than asked for and still have a successor.
pub async fn list(table: &dyn Table, caller: &Principal, page: &PageRequest) -> Result<Listed<(Application, u64)>, AppError> {
    require(may(caller, Action::Read))?;
    let mut listed = paging::rows::<Application>(table, &page.query(APPLICATIONS, "")).await?;
    listed.entries.retain(|(application, _)| application.may(caller, Action::Read).allowed);
    Ok(listed)
}

/// Makes an application.
pub async fn create(
    table: &dyn Table,
    clock: &dyn Clock,
    changes: &dyn Changes,
    caller: &Principal,
    idempotency: Option<&str>,
    application: Application,
) -> Result<(Application, u64), AppError> {
    require(may(caller, Action::ManageApplications))?;
    check(&application)?;
    let attempt = match begin(table, clock, caller, "create-application", idempotency, &application).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Again(_) => return get(table, caller, &application.name).await,
    };
    let mut writes = vec![Write::Put(record::item(key(&application.name), &application)?, vec![Condition::Absent])];
    writes.extend(attempt.write(&json!({ "name": application.name }))?);
    table.transact(Transaction::of(writes)).await.map_err(|error| match error {
        TransactError::Conflict(places) if places.contains(&0) => taken(&application.name),
        error => error.into(),
    })?;
    publish(changes, &application.name, 1);
    Ok((application, 1))
}

fn taken(name: &AppName) -> AppError {
    let message = format!("there is an application `{name}` already (names are compared ignoring case)");
    AppError::Conflict { code: "name-taken", message, data: json!({ "name": name }) }
}

/// Replaces an application that exists; its name stays as it was spelt.
pub async fn replace(
    table: &dyn Table,
    changes: &dyn Changes,
    caller: &Principal,
    name: &AppName,
    mut application: Application,
    expect: &Expect,
) -> Result<(Application, u64), AppError> {
    let (old, version) = get_for(table, caller, name, Action::ManageApplications).await?;
    if application.name.key() != old.name.key() {
        return Err(AppError::invalid(
            "/name",
            "name-differs",
            format!("this application is called `{}`, and names do not change", old.name),
        ));
    }
    check(&application)?;
    expect.check("application", Some(version))?;
    application.name = old.name;
    let write = Write::Put(record::item(key(name), &application)?, vec![Condition::Revision(version)]);
    table.transact(Transaction::of(vec![write])).await.map_err(|error| match error {
        TransactError::Conflict(_) => differs("application", None),
        error => error.into(),
    })?;
    publish(changes, &application.name, version + 1);
    Ok((application, version + 1))
}

/// Removes an application; refused while it has pipelines or secrets or is bound to projects, naming them.
pub async fn delete(table: &dyn Table, changes: &dyn Changes, caller: &Principal, name: &AppName, expect: &Expect) -> Result<(), AppError> {
    let (application, version) = get_for(table, caller, name, Action::ManageApplications).await?;
    expect.check_if_given("application", Some(version))?;
    // Read before the uses are: whoever begins to use it in between moves the guard, and the transaction fails.
    let guard = table.get(&guard_key(name)).await?.map_or(Condition::Absent, |item| Condition::Revision(item.revision));
    refuse_in_use(table, &application).await?;
    let writes = vec![Write::Delete(key(name), vec![Condition::Revision(version)]), Write::Delete(guard_key(name), vec![guard])];
    table.transact(Transaction::of(writes)).await?;
    publish(changes, &application.name, version + 1);
    Ok(())
}

async fn refuse_in_use(table: &dyn Table, application: &Application) -> Result<(), AppError> {
    let pipelines: Vec<String> = pipelines::rows(table, &application.name).await?.into_iter().map(|row| row.name).collect();
    let projects = projects::bound_to(table, &application.name).await?;
    let secrets = secrets::names(table, &application.name).await?;
    if pipelines.is_empty() && projects.is_empty() && secrets.is_empty() {
        return Ok(());
    }
    let shown = |names: &[String]| {
        let more = names.len().saturating_sub(NAMED_MAX);
        let list = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{list} and {more} more") } else { list }
    };
    let mut parts = Vec::new();
    if !pipelines.is_empty() {
        parts.push(format!("it has the pipelines {}", shown(&pipelines)));
    }
    if !projects.is_empty() {
        parts.push(format!("it is bound to the projects {}", shown(&projects)));
    }
    if !secrets.is_empty() {
        parts.push(format!("it has the secrets {}", shown(&secrets)));
    }
    Err(AppError::Conflict {
        code: "application-in-use",
        message: format!("application {} cannot be removed: {}", application.name, parts.join("; ")),
        data: json!({ "pipelines": pipelines, "projects": projects, "secrets": secrets }),
    })
}

fn check(application: &Application) -> Result<(), AppError> {
    let mut problems = Problems::default();
    if application.description.len() > DESCRIPTION_BYTES_MAX {
        problems.error("/description", "too-long", format!("at most {DESCRIPTION_BYTES_MAX} bytes"));
    }
    if application.email.len() > EMAIL_BYTES_MAX {
        problems.error("/email", "too-long", format!("at most {EMAIL_BYTES_MAX} bytes"));
    }
    let provider = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !application.cloud_providers.split(',').all(|p| provider(p.trim_matches(' '))) {
        problems.error("/cloudProviders", "cloud-providers-invalid", "a comma list such as `kubernetes`");
    }
    let permissions = &application.permissions;
    for (name, groups) in [("READ", &permissions.read), ("WRITE", &permissions.write), ("EXECUTE", &permissions.execute)] {
        if groups.len() > GROUPS_MAX {
            problems.error(format!("/permissions/{name}"), "too-many-groups", format!("at most {GROUPS_MAX} groups"));
        }
    }
    if serde_json::to_vec(application).map_or(true, |bytes| bytes.len() > APPLICATION_BYTES_MAX) {
        problems.error("", "too-large", format!("an application has at most {APPLICATION_BYTES_MAX} bytes of JSON"));
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(()) }
}

fn publish(changes: &dyn Changes, name: &AppName, version: u64) {
    changes.publish(Change { topic: format!("application:{}", name.key()), version });
    changes.publish(Change { topic: "applications".to_owned(), version });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FixedClock, KeptChanges, MemoryTable, principal};
    use model::id::ProjectName;
    use model::person::Role;

    fn named(name: &str) -> Application {
        serde_json::from_value(json!({"name": name, "repoSlug": "x", "permissions": {"WRITE": ["ops"], "READ": ["ops", "dev"]}})).unwrap()
    }

    #[derive(Default)]
    struct Bench {
        table: MemoryTable,
        clock: FixedClock,
        changes: KeptChanges,
    }

    impl Bench {
        async fn create(&self, who: &Principal, application: Application) -> Result<(Application, u64), AppError> {
            create(&self.table, &self.clock, &self.changes, who, None, application).await
        }

        async fn replace(&self, who: &Principal, application: Application, expect: Expect) -> Result<(Application, u64), AppError> {
            replace(&self.table, &self.changes, who, &app(), application, &expect).await
        }
    }

    fn app() -> AppName {
        AppName::parse("flaskapp").unwrap()
    }

    fn admin() -> Principal {
        principal("root", Role::Administrator)
    }

    fn refusal(error: AppError) -> String {
        match error {
            AppError::Conflict { code, .. } => code.to_owned(),
            AppError::Refused { code, .. } | AppError::Denied { code, .. } => code,
            AppError::Invalid(list) => list.iter().map(|p| format!("{} {};", p.pointer, p.code)).collect(),
            other => other.to_string(),
        }
    }

    #[tokio::test]
    async fn names_are_unique_ignoring_case_and_keep_their_spelling() {
        let b = Bench::default();
        b.create(&admin(), named("FlaskApp")).await.unwrap();
        assert_eq!(refusal(b.create(&admin(), named("flaskapp")).await.unwrap_err()), "name-taken");
        let (read, version) = get(&b.table, &admin(), &app()).await.unwrap();
        assert_eq!((read.name.as_str(), version, read.other["repoSlug"].as_str()), ("FlaskApp", 1, Some("x")));
        let (changed, version) = b.replace(&admin(), named("flaskAPP"), Expect::Versions(vec![1])).await.unwrap();
        assert_eq!((changed.name.as_str(), version), ("FlaskApp", 2));
        assert_eq!(b.changes.topics(), ["application:flaskapp", "applications", "application:flaskapp", "applications"]);
    }

    #[tokio::test]
    async fn a_change_names_its_version_and_its_name() {
        let b = Bench::default();
        b.create(&admin(), named("flaskapp")).await.unwrap();
        assert_eq!(refusal(b.replace(&admin(), named("flaskapp"), Expect::Nothing).await.unwrap_err()), "if-match-required");
        assert_eq!(refusal(b.replace(&admin(), named("flaskapp"), Expect::Versions(vec![9])).await.unwrap_err()), "version-differs");
        assert_eq!(refusal(b.replace(&admin(), named("other"), Expect::Versions(vec![1])).await.unwrap_err()), "/name name-differs;");
    }

    #[tokio::test]
    async fn rights_follow_role_and_groups() {
        let b = Bench::default();
        let (developer, mut operator) = (principal("dan", Role::Developer), principal("op", Role::Operator));
        assert_eq!(refusal(b.create(&developer, named("flaskapp")).await.unwrap_err()), "role-too-low");
        b.create(&operator, named("flaskapp")).await.unwrap();
        assert_eq!(refusal(get(&b.table, &developer, &app()).await.unwrap_err()), "there is no application `flaskapp`");
        assert_eq!(list(&b.table, &developer, &PageRequest::default()).await.unwrap().entries.len(), 0);
        operator.groups.insert("dev".to_owned());
        assert_eq!(get(&b.table, &operator, &app()).await.unwrap().1, 1);
        assert_eq!(refusal(b.replace(&operator, named("flaskapp"), Expect::Present).await.unwrap_err()), "not-in-group");
        assert_eq!(refusal(delete(&b.table, &b.changes, &operator, &app(), &Expect::Nothing).await.unwrap_err()), "not-in-group");
    }

    #[tokio::test]
    async fn an_application_in_use_stays() {
        let b = Bench::default();
        b.create(&admin(), named("flaskapp")).await.unwrap();
        let project = ProjectName::parse("cd-demo").unwrap();
        projects::create(&b.table, &b.clock, &b.changes, &admin(), None, project.clone(), String::new()).await.unwrap();
        projects::bind(&b.table, &b.changes, &admin(), &project, &app()).await.unwrap();
        let refused = delete(&b.table, &b.changes, &admin(), &app(), &Expect::Nothing).await.unwrap_err();
        assert!(matches!(&refused, AppError::Conflict { code: "application-in-use", message, .. } if message.contains("cd-demo")));
        projects::unbind(&b.table, &b.changes, &admin(), &project, &app()).await.unwrap();
        delete(&b.table, &b.changes, &admin(), &app(), &Expect::Versions(vec![1])).await.unwrap();
        assert!(matches!(load(&b.table, &app()).await, Err(AppError::NotFound { .. })));
        assert!(matches!(projects::bind(&b.table, &b.changes, &admin(), &project, &app()).await, Err(AppError::NotFound { .. })));
    }

    #[tokio::test]
    async fn fields_are_checked() {
        let b = Bench::default();
        let mut bad = named("flaskapp");
        bad.cloud_providers = "kubernetes,,".to_owned();
        bad.description = "x".repeat(5_000);
        bad.other.insert("much".to_owned(), json!("x".repeat(70_000)));
        assert_eq!(
            refusal(b.create(&admin(), bad).await.unwrap_err()),
            "/description too-long;/cloudProviders cloud-providers-invalid; too-large;"
        );
    }
}
