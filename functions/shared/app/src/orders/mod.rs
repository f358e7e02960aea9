//! Release orders: submitted in a project, listed by project, shown with everything their execution does.

mod submit;

pub use submit::{ArtifactChoice, Ports, Submission, preview, submit};

use crate::applications;
use crate::error::{AppError, require};
use crate::execution::follow::{self, Detail};
use crate::execution::keys;
use crate::execution::stored::OrderRow;
use crate::paging::{Listed, PageRequest};
use crate::pipelines;
use crate::ports::{Query, Table};
use crate::projects;
use crate::record::{self, load};
use futures::future::{join, try_join};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use model::application::Application;
use model::id::{AppName, ProjectName};
use model::person::{Action, May, Principal, may};
use serde_json::Value;
use std::collections::BTreeMap;

/// Applications that are read side by side.
const APPLICATIONS_AT_ONCE_MAX: usize = 20;

/// Orders of a project, newest first, each with what the caller may do. Orders of applications that the caller may not see
/// are left out.
pub async fn list(
    table: &dyn Table,
    caller: &Principal,
    project: &ProjectName,
    page: &PageRequest,
) -> Result<Listed<(OrderRow, BTreeMap<String, May>)>, AppError> {
    let query = |name: &ProjectName| Query { backward: true, ..page.query(format!("ORDERS#{name}"), "ORDER#") };
    let asked = query(project);
    // Side by side: hardly anybody spells a project in another way than it was made.
    let (found, listed) = join(projects::get(table, caller, project), record::page::<OrderRow>(table, &asked)).await;
    let (found, _) = found?;
    let (rows, next) = if found.name == *project { listed? } else { record::page(table, &query(&found.name)).await? };
    let names: BTreeMap<String, &AppName> = rows.iter().map(|row| (row.order.application.key(), &row.order.application)).collect();
    let look: Vec<_> = names.into_iter().map(|(key, name)| seen(table, caller, key, name)).collect();
    let seen: BTreeMap<String, Option<Application>> = stream::iter(look).buffered(APPLICATIONS_AT_ONCE_MAX).try_collect().await?;
    let view = |row: OrderRow| {
        let application = seen.get(&row.order.application.key())?.as_ref()?;
        let may = follow::may_do(caller, application, row.status);
        Some((row, may))
    };
    Ok(Listed { entries: rows.into_iter().filter_map(view).collect(), next })
}

/// An application; none when the caller may not see it.
async fn seen(table: &dyn Table, caller: &Principal, key: String, name: &AppName) -> Result<(String, Option<Application>), AppError> {
    match applications::get(table, caller, name).await {
        Ok((application, _)) => Ok((key, Some(application))),
        Err(AppError::NotFound { .. }) => Ok((key, None)),
        Err(other) => Err(other),
    }
}

/// An order in full.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderDetail {
    /// The order.
    pub row: OrderRow,
    /// Its execution.
    pub execution: Detail,
    /// The pipeline's document as it was when the order was made; none when the revision is gone.
    pub source: Option<Value>,
}

/// Reads an order.
pub async fn show(ports: follow::Ports<'_>, caller: &Principal, project: &ProjectName, number: u64) -> Result<OrderDetail, AppError> {
    require(may(caller, Action::Read))?;
    let unknown = || AppError::NotFound { what: "release order", id: format!("{project}/{number}") };
    let key = keys::order(project, number);
    let (found, row) = join(projects::get(ports.table, caller, project), load::<OrderRow>(ports.table, &key)).await;
    let (found, _) = found?;
    let row = if found.name == *project { row? } else { load(ports.table, &keys::order(&found.name, number)).await? };
    let (row, _) = row.ok_or_else(unknown)?;
    // What is told of the order is told to who may see its application.
    let seen = async {
        applications::get(ports.table, caller, &row.order.application).await.map_err(|error| match error {
            AppError::NotFound { .. } => unknown(),
            other => other,
        })
    };
    let order = &row.order;
    let execution = follow::get(ports, caller, &order.execution, None, 0);
    let source = pipelines::revision(ports.table, &order.pipeline, order.revision);
    let (seen, rest) = join(seen, try_join(execution, source)).await;
    seen?;
    let (execution, source) = rest?;
    let source = source.map(|revision| revision.document);
    Ok(OrderDetail { row, execution, source })
}
