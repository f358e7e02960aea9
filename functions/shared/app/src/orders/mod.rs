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
use model::application::Application;
use model::id::ProjectName;
use model::person::{Action, May, Principal, may};
use serde_json::Value;
use std::collections::BTreeMap;

/// Orders of a project, newest first, each with what the caller may do. Orders of applications that the caller may not see
/// are left out.
pub async fn list(
    table: &dyn Table,
    caller: &Principal,
    project: &ProjectName,
    page: &PageRequest,
) -> Result<Listed<(OrderRow, BTreeMap<String, May>)>, AppError> {
    let (project, _) = projects::get(table, caller, project).await?;
    let query = Query { backward: true, ..page.query(format!("ORDERS#{}", project.name), "ORDER#") };
    let (rows, next) = record::page::<OrderRow>(table, &query).await?;
    let mut seen: BTreeMap<String, Option<Application>> = BTreeMap::new();
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let key = row.order.application.key();
        if !seen.contains_key(&key) {
            let found = match applications::get(table, caller, &row.order.application).await {
                Ok((application, _)) => Some(application),
                Err(AppError::NotFound { .. }) => None,
                Err(other) => return Err(other),
            };
            seen.insert(key.clone(), found);
        }
        if let Some(application) = seen.get(&key).and_then(Option::as_ref) {
            let may = follow::may_do(caller, application, row.status);
            entries.push((row, may));
        }
    }
    Ok(Listed { entries, next })
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
    projects::get(ports.table, caller, project).await?;
    let (row, _) = load::<OrderRow>(ports.table, &keys::order(project, number)).await?.ok_or_else(unknown)?;
    applications::get(ports.table, caller, &row.order.application).await.map_err(|error| match error {
        AppError::NotFound { .. } => unknown(),
        other => other,
    })?;
    let execution = follow::get(ports, caller, &row.order.execution, None, 0).await?;
    let source = pipelines::revision(ports.table, &row.order.pipeline, row.order.revision).await?.map(|r| r.document);
    Ok(OrderDetail { row, execution, source })
}
