//! What a start stands on, read in two rounds: what it names, and what that leads to. It writes nothing, and asks no more than
//! whether somebody may know.

use super::super::keys;
use super::super::slots::{self, Slots};
use super::super::stored::{Correlation, Counter};
use super::{Into, ORDERS_A_START_MAX, Started};
use crate::error::AppError;
use crate::pipelines::{self, Sought, Whole};
use crate::ports::Table;
use crate::record::load;
use crate::secrets::references::{self, Reference};
use crate::{applications, projects, stage_types};
use futures::future::{join3, try_join, try_join_all, try_join3};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use model::application::Application;
use model::component::StageType;
use model::id::{AppName, PipelineId, ProjectName};
use model::pipeline::Pipeline;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Stage types that are read side by side.
const TYPES_AT_ONCE_MAX: usize = 20;

/// Which pipeline.
pub(crate) enum Which<'a> {
    /// By its id.
    Known(&'a PipelineId),
    /// By an id or a name.
    Named(&'a str),
}

impl Which<'_> {
    fn name(&self) -> &str {
        match self {
            Which::Known(id) => id.as_str(),
            Which::Named(name) => name,
        }
    }
}

/// What the names of a request stand for.
pub(crate) struct Ground {
    /// Whose pipeline.
    pub(crate) application: Application,
    /// Which pipeline.
    pub(crate) id: PipelineId,
    /// Its newest revision.
    pub(crate) number: u64,
    /// What that says.
    pub(crate) pipeline: Pipeline,
    /// The secrets that it refers to, with their places.
    pub(super) references: Vec<Reference>,
    /// Its stages' types, those that are installed.
    pub(super) types: BTreeMap<String, StageType>,
    /// Where the orders go.
    pub(super) projects: Vec<ProjectName>,
    /// As they were when they were read: good for one try.
    pub(super) places: Places,
}

/// What a start takes a place in.
pub(super) struct Places {
    pub(super) slots: Option<(Slots, u64)>,
    /// One a project.
    pub(super) counters: Vec<Option<(Counter, u64)>>,
}

impl Places {
    pub(super) async fn read(table: &dyn Table, pipeline: &PipelineId, projects: &[ProjectName]) -> Result<Self, AppError> {
        let counters: Vec<_> = projects.iter().map(|project| counter(table, project)).collect();
        let (slots, counters) = try_join(slots::read(table, pipeline), try_join_all(counters)).await?;
        Ok(Self { slots, counters })
    }
}

async fn counter(table: &dyn Table, project: &ProjectName) -> Result<Option<(Counter, u64)>, AppError> {
    load(table, &keys::order_counter(project)).await
}

/// What the first round says of the pipeline.
enum First {
    /// Found by its id, with everything.
    Whole(Option<Whole>),
    /// Its name leads to this.
    Sought(Option<Sought>),
}

impl Ground {
    /// Reads it. What somebody may not know is not told: `may` is asked before anything else that is missing is.
    pub(crate) async fn of(
        table: &dyn Table,
        application: &AppName,
        which: Which<'_>,
        into: &Into,
        may: impl FnOnce(&Application) -> Result<(), AppError>,
    ) -> Result<Self, AppError> {
        let first = async {
            Ok::<_, AppError>(match &which {
                Which::Known(id) => First::Whole(pipelines::whole(table, application, &Sought::by(id)).await?),
                Which::Named(name) => First::Sought(pipelines::seek(table, application, name).await?),
            })
        };
        let (owner, first, projects) = join3(applications::load(table, application), first, orders_go_to(table, application, into)).await;
        let (owner, _) = owner?;
        may(&owner)?;
        let projects = projects?;
        second(table, owner, which.name(), first?, projects).await
    }
}

/// The second round. Whoever names a pipeline gets the types of its stages by what its name says of them, and only what was saved
/// in between is read once more.
async fn second(
    table: &dyn Table,
    application: Application,
    name: &str,
    first: First,
    projects: Vec<ProjectName>,
) -> Result<Ground, AppError> {
    let unknown = || pipelines::unknown(name);
    let ((row, _, revision), mut types, places) = match first {
        First::Whole(whole) => {
            let whole = whole.ok_or_else(unknown)?;
            let (types, places) = try_join(types(table, &whole.0.stage_types), Places::read(table, &whole.0.id, &projects)).await?;
            (whole, types, places)
        }
        First::Sought(sought) => {
            let sought = sought.ok_or_else(unknown)?;
            let places = Places::read(table, &sought.id, &projects);
            let whole = pipelines::whole(table, &application.name, &sought);
            let (whole, types, places) = try_join3(whole, types(table, &sought.stage_types), places).await?;
            (whole.ok_or_else(unknown)?, types, places)
        }
    };
    let (pipeline, _) = Pipeline::parse(&revision.document).map_err(AppError::Invalid)?;
    let more = pipeline.stages.iter().map(|stage| &stage.kind).filter(|kind| !types.contains_key(*kind)).cloned().collect();
    types.extend(self::types(table, &more).await?);
    let types = types.into_iter().filter_map(|(name, row)| Some((name, row?))).collect();
    let references = references::in_pipeline(&revision.document);
    Ok(Ground { application, id: row.id, number: revision.number, pipeline, references, types, projects, places })
}

/// Stage types by the names that stages give them; none for those that nobody installed.
async fn types(table: &dyn Table, names: &BTreeSet<String>) -> Result<BTreeMap<String, Option<StageType>>, AppError> {
    let rows: Vec<_> = names.iter().map(|name| named(table, name)).collect();
    stream::iter(rows).buffered(TYPES_AT_ONCE_MAX).try_collect().await
}

async fn named(table: &dyn Table, name: &str) -> Result<(String, Option<StageType>), AppError> {
    Ok((name.to_owned(), stage_types::get(table, name).await?))
}

/// What a correlation led to before.
pub(crate) async fn repeated(table: &dyn Table, correlation: Option<&str>) -> Result<Option<Started>, AppError> {
    let Some(correlation) = correlation else { return Ok(None) };
    let digest = hex::encode(Sha256::digest(correlation.as_bytes()));
    let found = load::<Correlation>(table, &keys::correlation(&digest)).await?;
    Ok(found.map(|(c, _)| Started { execution: c.execution, orders: c.orders, repeated: true }))
}

async fn orders_go_to(table: &dyn Table, application: &AppName, into: &Into) -> Result<Vec<ProjectName>, AppError> {
    match into {
        Into::Project(name) => {
            let (project, _) = projects::load(table, name).await?;
            if !project.applications.contains(&application.key()) {
                let message = format!("application {application} is not bound to project {name}");
                return Err(AppError::invalid("/application", "application-not-bound", message));
            }
            Ok(vec![project.name])
        }
        Into::EveryProject => {
            let bound = projects::bound_to(table, application).await?;
            Ok(bound.into_iter().filter_map(|name| ProjectName::parse(name).ok()).take(ORDERS_A_START_MAX).collect())
        }
        Into::Nowhere => Ok(Vec::new()),
    }
}
