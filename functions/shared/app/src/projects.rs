//! Projects, and which applications are bound to them: many to many. Names are compared ignoring case.

use crate::applications;
use crate::error::{AppError, require};
use crate::expect::Expect;
use crate::idempotency::{Begun, begin};
use crate::paging::{self, Listed, PageRequest};
use crate::ports::{Change, Changes, Clock, Condition, Key, Table, TransactError, Transaction, Write};
use crate::record::{self, Record, Shape, shape};
use model::application::Project;
use model::id::{AppName, ProjectName};
use model::person::{Action, Principal, may};
use serde_json::json;

/// Most applications of one project.
pub const APPLICATIONS_MAX: usize = 1_000;
/// Most bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 4 << 10;
const TRIES_MAX: usize = 5;
const PROJECTS: &str = "PROJECTS";

impl Record for Project {
    const SHAPE: &'static str = "project";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Project>()];

fn key(name: &ProjectName) -> Key {
    Key::new(PROJECTS, name.as_str().to_ascii_lowercase())
}

/// Reads a project and its version, for use cases; asks nobody's rights.
pub async fn load(table: &dyn Table, name: &ProjectName) -> Result<(Project, u64), AppError> {
    record::load(table, &key(name)).await?.ok_or_else(|| AppError::NotFound { what: "project", id: name.to_string() })
}

/// Reads a project.
pub async fn get(table: &dyn Table, caller: &Principal, name: &ProjectName) -> Result<(Project, u64), AppError> {
    require(may(caller, Action::Read))?;
    load(table, name).await
}

/// Projects by name.
pub async fn list(table: &dyn Table, caller: &Principal, page: &PageRequest) -> Result<Listed<(Project, u64)>, AppError> {
    require(may(caller, Action::Read))?;
    paging::rows(table, &page.query(PROJECTS, "")).await
}

/// Names of the projects that an application is bound to.
pub async fn bound_to(table: &dyn Table, application: &AppName) -> Result<Vec<String>, AppError> {
    let projects = paging::all::<Project>(table, PROJECTS, "").await?;
    let bound = projects.into_iter().filter(|(project, _)| project.applications.contains(&application.key()));
    Ok(bound.map(|(project, _)| project.name.to_string()).collect())
}

/// Makes a project.
pub async fn create(
    table: &dyn Table,
    clock: &dyn Clock,
    changes: &dyn Changes,
    caller: &Principal,
    idempotency: Option<&str>,
    name: ProjectName,
    description: String,
) -> Result<(Project, u64), AppError> {
    require(may(caller, Action::ManageApplications))?;
    if description.len() > DESCRIPTION_BYTES_MAX {
        return Err(AppError::invalid("/description", "too-long", format!("at most {DESCRIPTION_BYTES_MAX} bytes")));
    }
    let request = json!({ "name": name, "description": description });
    let attempt = match begin(table, clock, caller, "create-project", idempotency, &request).await? {
        Begun::Fresh(attempt) => attempt,
        Begun::Again(_) => return get(table, caller, &name).await,
    };
    let project = Project { name, description, applications: std::collections::BTreeSet::new(), created_ms: clock.now_ms() };
    let mut writes = vec![Write::Put(record::item(key(&project.name), &project)?, vec![Condition::Absent])];
    writes.extend(attempt.write(&json!({ "name": project.name }))?);
    table.transact(Transaction::of(writes)).await.map_err(|error| match error {
        TransactError::Conflict(places) if places.contains(&0) => {
            let message = format!("there is a project `{}` already (names are compared ignoring case)", project.name);
            AppError::Conflict { code: "name-taken", message, data: json!({ "name": project.name }) }
        }
        error => error.into(),
    })?;
    publish(changes, &project.name, 1);
    Ok((project, 1))
}

/// Removes a project; refused while applications are bound to it, naming them. Its release orders stay with their executions.
pub async fn delete(
    table: &dyn Table,
    changes: &dyn Changes,
    caller: &Principal,
    name: &ProjectName,
    expect: &Expect,
) -> Result<(), AppError> {
    require(may(caller, Action::ManageApplications))?;
    let (project, version) = load(table, name).await?;
    expect.check_if_given("project", Some(version))?;
    if !project.applications.is_empty() {
        let bound: Vec<&str> = project.applications.iter().map(String::as_str).collect();
        let message = format!("project {} cannot be removed: it is bound to the applications {}", project.name, bound.join(", "));
        return Err(AppError::Conflict { code: "project-in-use", message, data: json!({ "applications": bound }) });
    }
    table.transact(Transaction::of(vec![Write::Delete(key(name), vec![Condition::Revision(version)])])).await?;
    publish(changes, &project.name, version + 1);
    Ok(())
}

/// Binds an application to a project. Doing it again changes nothing.
pub async fn bind(
    table: &dyn Table,
    changes: &dyn Changes,
    caller: &Principal,
    name: &ProjectName,
    application: &AppName,
) -> Result<(Project, u64), AppError> {
    change(table, changes, caller, name, application, true).await
}

/// Unbinds an application from a project. Doing it again changes nothing.
pub async fn unbind(
    table: &dyn Table,
    changes: &dyn Changes,
    caller: &Principal,
    name: &ProjectName,
    application: &AppName,
) -> Result<(Project, u64), AppError> {
    change(table, changes, caller, name, application, false).await
}

async fn change(
    table: &dyn Table,
    changes: &dyn Changes,
    caller: &Principal,
    name: &ProjectName,
    application: &AppName,
    bound: bool,
) -> Result<(Project, u64), AppError> {
    applications::get_for(table, caller, application, Action::ManageApplications).await?;
    for _ in 0..TRIES_MAX {
        let (mut project, version) = load(table, name).await?;
        let changed = if bound { project.applications.insert(application.key()) } else { project.applications.remove(&application.key()) };
        if !changed {
            return Ok((project, version));
        }
        if project.applications.len() > APPLICATIONS_MAX {
            return Err(AppError::refused("too-many-applications", format!("a project has at most {APPLICATIONS_MAX} applications")));
        }
        let mut writes = vec![Write::Put(record::item(key(name), &project)?, vec![Condition::Revision(version)])];
        if bound {
            writes.extend(applications::using(application)?);
        }
        match table.transact(Transaction::of(writes)).await {
            Ok(()) => {
                publish(changes, &project.name, version + 1);
                return Ok((project, version + 1));
            }
            Err(TransactError::Conflict(places)) if places.contains(&1) => {
                return Err(AppError::NotFound { what: "application", id: application.to_string() });
            }
            Err(TransactError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AppError::conflict("changed-in-between", "this project is being changed by others: try again"))
}

fn publish(changes: &dyn Changes, name: &ProjectName, version: u64) {
    changes.publish(Change { topic: format!("project:{name}"), version });
    changes.publish(Change { topic: "projects".to_owned(), version });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FixedClock, KeptChanges, MemoryTable, principal};
    use model::person::Role;

    #[derive(Default)]
    struct Bench {
        table: MemoryTable,
        clock: FixedClock,
        changes: KeptChanges,
    }

    fn operator() -> Principal {
        principal("op", Role::Operator)
    }

    fn name(text: &str) -> ProjectName {
        ProjectName::parse(text).unwrap()
    }

    impl Bench {
        async fn create(&self, who: &Principal, key: Option<&str>, project: &str) -> Result<(Project, u64), AppError> {
            create(&self.table, &self.clock, &self.changes, who, key, name(project), String::new()).await
        }

        async fn application(&self, name: &str) -> AppName {
            let application = serde_json::from_value(json!({ "name": name })).unwrap();
            applications::create(&self.table, &self.clock, &self.changes, &operator(), None, application).await.unwrap().0.name
        }
    }

    #[tokio::test]
    async fn binding_is_many_to_many_and_idempotent() {
        let b = Bench::default();
        let (web, api) = (b.application("Web").await, b.application("api").await);
        b.create(&operator(), None, "one").await.unwrap();
        b.create(&operator(), None, "two").await.unwrap();
        for application in [&web, &api, &web] {
            bind(&b.table, &b.changes, &operator(), &name("ONE"), application).await.unwrap();
        }
        bind(&b.table, &b.changes, &operator(), &name("two"), &web).await.unwrap();
        let (one, version) = load(&b.table, &name("one")).await.unwrap();
        assert_eq!((one.applications.iter().map(String::as_str).collect::<Vec<_>>(), version), (vec!["api", "web"], 3));
        assert_eq!(bound_to(&b.table, &web).await.unwrap(), ["one", "two"]);
        unbind(&b.table, &b.changes, &operator(), &name("two"), &web).await.unwrap();
        unbind(&b.table, &b.changes, &operator(), &name("two"), &web).await.unwrap();
        assert_eq!(bound_to(&b.table, &web).await.unwrap(), ["one"]);
    }

    #[tokio::test]
    async fn names_are_unique_and_a_repeat_is_no_second_project() {
        let b = Bench::default();
        let (first, _) = b.create(&operator(), Some("k"), "cd-demo").await.unwrap();
        assert_eq!(b.create(&operator(), Some("k"), "cd-demo").await.unwrap().0, first);
        let taken = b.create(&operator(), None, "CD-Demo").await.unwrap_err();
        assert!(matches!(taken, AppError::Conflict { code: "name-taken", .. }));
    }

    #[tokio::test]
    async fn a_project_in_use_stays() {
        let b = Bench::default();
        let web = b.application("web").await;
        b.create(&operator(), None, "one").await.unwrap();
        bind(&b.table, &b.changes, &operator(), &name("one"), &web).await.unwrap();
        let refused = delete(&b.table, &b.changes, &operator(), &name("one"), &Expect::Nothing).await.unwrap_err();
        assert!(matches!(&refused, AppError::Conflict { code: "project-in-use", message, .. } if message.contains("web")));
        unbind(&b.table, &b.changes, &operator(), &name("one"), &web).await.unwrap();
        delete(&b.table, &b.changes, &operator(), &name("one"), &Expect::Nothing).await.unwrap();
        assert!(matches!(load(&b.table, &name("one")).await, Err(AppError::NotFound { what: "project", .. })));
    }

    #[tokio::test]
    async fn developers_look_only() {
        let b = Bench::default();
        let developer = principal("dev", Role::Developer);
        let web = b.application("web").await;
        b.create(&operator(), None, "one").await.unwrap();
        assert!(get(&b.table, &developer, &name("one")).await.is_ok());
        assert!(matches!(b.create(&developer, None, "two").await, Err(AppError::Denied { .. })));
        let bound = bind(&b.table, &b.changes, &developer, &name("one"), &web).await;
        assert!(matches!(bound, Err(AppError::Denied { .. })));
        let gone = delete(&b.table, &b.changes, &developer, &name("one"), &Expect::Nothing).await;
        assert!(matches!(gone, Err(AppError::Denied { .. })));
    }
}
