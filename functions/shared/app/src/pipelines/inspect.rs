//! What can be said of a saved document against the stage types that are installed now.

use crate::error::AppError;
use crate::ports::Table;
use crate::secrets::references;
use crate::stage_types;
use model::pipeline::{Pipeline, Revision};
use model::problem::Problem;
use std::collections::BTreeSet;

/// A stage as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRow {
    /// Unique within the pipeline.
    pub ref_id: String,
    /// Its type.
    pub kind: String,
    /// For people.
    pub name: String,
    /// A stage type of this name is installed.
    pub supported: bool,
}

/// A document's stages, and what was noticed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inspection {
    /// The stages, in the document's order.
    pub stages: Vec<StageRow>,
    /// What was noticed.
    pub warnings: Vec<Problem>,
}

/// Stages of types that are not installed: saved, shown as such, refused when the pipeline is started.
pub(super) fn unsupported(pipeline: &Pipeline, installed: &BTreeSet<String>) -> Vec<Problem> {
    let unknown = pipeline.stages.iter().enumerate().filter(|(_, stage)| !installed.contains(&stage.kind));
    let warning = |(i, stage): (usize, &model::pipeline::Stage)| Problem {
        pointer: format!("/stages/{i}/type"),
        code: "unsupported-stage-type".to_owned(),
        message: format!("no stage type `{}` is installed: the pipeline is kept, and refused when it is started", stage.kind),
        warning: true,
    };
    unknown.map(warning).collect()
}

/// Looks at a revision. One that newer rules do not read any more shows no stages, and why.
pub async fn inspect(table: &dyn Table, revision: &Revision) -> Result<Inspection, AppError> {
    let installed = stage_types::names(table).await?;
    let (pipeline, mut warnings) = match Pipeline::parse(&revision.document) {
        Ok(read) => read,
        Err(warnings) => return Ok(Inspection { stages: Vec::new(), warnings }),
    };
    warnings.extend(unsupported(&pipeline, &installed));
    warnings.extend(references::unserved(&revision.document));
    let row = |stage: model::pipeline::Stage| StageRow {
        supported: installed.contains(&stage.kind),
        ref_id: stage.ref_id.to_string(),
        kind: stage.kind,
        name: stage.name,
    };
    Ok(Inspection { stages: pipeline.stages.into_iter().map(row).collect(), warnings })
}
