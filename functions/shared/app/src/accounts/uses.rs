//! Who uses an account: the pipelines whose stages or triggers name it.

use crate::applications;
use crate::error::AppError;
use crate::pipelines::{self, AccountUse, PipelineRow};
use crate::ports::Table;
use model::id::AccountName;
use serde::Serialize;

const NAMED_MAX: usize = 10;

/// One place where an account is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Use {
    /// The application.
    pub application: String,
    /// The pipeline.
    pub pipeline: String,
    /// The stage or trigger, for people.
    pub place: String,
}

/// Every place that names the account, among those that `of` gives for a pipeline.
pub(super) async fn find(table: &dyn Table, name: &AccountName, of: fn(&PipelineRow) -> &[AccountUse]) -> Result<Vec<Use>, AppError> {
    let mut found = Vec::new();
    for application in applications::all(table).await? {
        for row in pipelines::rows(table, &application.name).await? {
            found.extend(of(&row).iter().filter(|u| u.account == name.as_str()).map(|u| Use {
                application: application.name.to_string(),
                pipeline: row.name.clone(),
                place: u.place.clone(),
            }));
        }
    }
    Ok(found)
}

/// The refusal that names them.
pub(super) fn refuse(name: &AccountName, uses: &[Use]) -> AppError {
    let mut places: Vec<String> = uses.iter().take(NAMED_MAX).map(|u| format!("{}/{} {}", u.application, u.pipeline, u.place)).collect();
    if uses.len() > NAMED_MAX {
        places.push(format!("{} more", uses.len() - NAMED_MAX));
    }
    AppError::Conflict {
        code: "account-in-use",
        message: format!("account {name} cannot be removed: it is used by {}", places.join(", ")),
        data: serde_json::json!({ "uses": uses }),
    }
}
