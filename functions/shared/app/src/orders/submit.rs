//! A developer submits a release order: which artifact versions, which parameters, why. Versions are looked up in the registry
//! before anything starts.

use crate::accounts;
use crate::applications;
use crate::error::{AppError, require};
use crate::execution::preview::{self, Preview};
use crate::execution::start::{self, Ground, Into, Request, Started, Which};
use crate::ports::{Registry, RegistryError, Sealer};
use futures::future::join;
use model::Millis;
use model::application::Application;
use model::artifact::{Artifact, DOCKER_IMAGE, ExpectedArtifact};
use model::id::AppName;
use model::image::ImageRef;
use model::order::Origin;
use model::person::{Action, Principal, may};
use model::pipeline::Pipeline;
use model::problem::Problems;
use model::reason::ReasonCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Most artifacts of one order.
const ARTIFACTS_MAX: usize = 50;

/// What submitting needs of the outside.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// What every start needs.
    pub start: start::Ports<'a>,
    /// Opens registry accounts.
    pub sealer: &'a dyn Sealer,
    /// Registries.
    pub registry: &'a dyn Registry,
}

/// A version that the submitter chose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactChoice {
    /// Which expected artifact: its id or its display name.
    pub expected_artifact: String,
    /// The image without tag; needed when the expected artifact does not name one.
    pub name: String,
    /// The tag.
    pub version: String,
}

/// What a developer submits.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Where the order goes.
    pub into: Into,
    /// What is released.
    pub application: AppName,
    /// A pipeline of the application, by name or id.
    pub pipeline: String,
    /// The versions to release.
    pub artifacts: Vec<ArtifactChoice>,
    /// The pipeline's parameters.
    pub parameters: Map<String, Value>,
    /// Why.
    pub note: String,
    /// Run only what a dry run needs.
    pub dry_run: bool,
    /// Cancel it when it has not begun by then.
    pub start_by_ms: Option<Millis>,
    /// The caller's `Idempotency-Key`.
    pub key: Option<String>,
}

/// Submits a release order.
pub async fn submit(ports: Ports<'_>, caller: &Principal, submission: &Submission) -> Result<Started, AppError> {
    let correlation = submission.key.as_ref().map(|key| format!("order\n{}\n{key}", caller.name));
    let before = start::repeated(ports.start.table, correlation.as_deref());
    let (before, ground) = join(before, ground(ports, caller, submission)).await;
    if let Some(started) = before? {
        return Ok(started);
    }
    let ground = ground?;
    let request = request(ports, caller, submission, &ground, correlation).await?;
    start::begin(ports.start, &request, ground).await
}

/// What submitting it would run: the same questions are asked, and nothing is started or stored.
pub async fn preview(ports: Ports<'_>, caller: &Principal, submission: &Submission) -> Result<Preview, AppError> {
    let ground = ground(ports, caller, submission).await?;
    let request = request(ports, caller, submission, &ground, None).await?;
    preview::standing_on(ports.start, &request, &ground).await
}

async fn ground(ports: Ports<'_>, caller: &Principal, submission: &Submission) -> Result<Ground, AppError> {
    require(may(caller, Action::Read))?;
    let named = Which::Named(&submission.pipeline);
    let may = |application: &Application| {
        applications::seen_by(caller, &submission.application, application)?;
        require(application.may(caller, Action::Execute))
    };
    Ground::of(ports.start.table, &submission.application, named, &submission.into, may).await
}

async fn request(
    ports: Ports<'_>,
    caller: &Principal,
    submission: &Submission,
    ground: &Ground,
    correlation: Option<String>,
) -> Result<Request, AppError> {
    let artifacts = resolve(ports, &ground.pipeline, &submission.artifacts).await?;
    Ok(Request {
        application: ground.application.name.clone(),
        pipeline: ground.id.clone(),
        submitter: caller.clone(),
        origin: Origin::Manual,
        trigger: trigger(submission.dry_run),
        constrained_to: None,
        parameters: submission.parameters.clone(),
        artifacts,
        note: submission.note.clone(),
        correlation,
        into: submission.into.clone(),
        start_by_ms: submission.start_by_ms,
        parent: None,
    })
}

fn trigger(dry_run: bool) -> Map<String, Value> {
    let mut trigger = Map::new();
    trigger.insert("type".to_owned(), json!("manual"));
    if dry_run {
        trigger.insert("dryRun".to_owned(), json!(true));
    }
    trigger
}

/// Finds every chosen version in its registry; all problems at once.
async fn resolve(ports: Ports<'_>, pipeline: &Pipeline, choices: &[ArtifactChoice]) -> Result<Vec<Artifact>, AppError> {
    if choices.len() > ARTIFACTS_MAX {
        return Err(AppError::invalid("/artifacts", "too-many", format!("at most {ARTIFACTS_MAX} artifacts")));
    }
    let mut problems = Problems::default();
    let mut artifacts = Vec::new();
    for (i, choice) in choices.iter().enumerate() {
        let pointer = format!("/artifacts/{i}");
        let expected =
            pipeline.expected_artifacts.iter().find(|e| e.id == choice.expected_artifact || e.display_name == choice.expected_artifact);
        let Some(expected) = expected else {
            let known: Vec<&str> = pipeline.expected_artifacts.iter().map(ExpectedArtifact::title).collect();
            let message = format!("the pipeline expects no artifact `{}`, but {}", choice.expected_artifact, known.join(", "));
            problems.error(format!("{pointer}/expectedArtifact"), "expected-artifact-unknown", message);
            continue;
        };
        if let Some(artifact) = image(ports, expected, choice, &pointer, &mut problems).await? {
            artifacts.push(artifact);
        }
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(artifacts) }
}

async fn image(
    ports: Ports<'_>,
    expected: &ExpectedArtifact,
    choice: &ArtifactChoice,
    pointer: &str,
    problems: &mut Problems,
) -> Result<Option<Artifact>, AppError> {
    let wanted = &expected.match_artifact;
    if !wanted.kind.is_empty() && wanted.kind != DOCKER_IMAGE {
        let message = format!("artifacts of type `{}` cannot be chosen by version here", wanted.kind);
        problems.error(format!("{pointer}/expectedArtifact"), "artifact-type-not-served", message);
        return Ok(None);
    }
    let name = if choice.name.is_empty() { wanted.name.clone() } else { choice.name.clone() };
    let reference = match ImageRef::parse(&format!("{name}:{}", choice.version)) {
        Ok(reference) => reference,
        Err(error) => {
            problems.error(format!("{pointer}/version"), "image-invalid", format!("`{name}:{}` is no image: {error}", choice.version));
            return Ok(None);
        }
    };
    let Some(account) = accounts::registry_at(ports.start.table, &reference.registry).await? else {
        let message = format!("no registry account has the address {}", reference.registry);
        problems.error(format!("{pointer}/name"), "registry-account-missing", message);
        return Ok(None);
    };
    let access = accounts::open_registry(ports.start.table, ports.sealer, &account).await?;
    match ports.registry.digest(&access, &reference.repository, &choice.version).await {
        Ok(digest) => {
            let artifact = Artifact::image(&name, &choice.version, Some(&digest));
            if expected.matches(&artifact) {
                return Ok(Some(artifact));
            }
            let message = format!("{name}:{} is not what `{}` expects", choice.version, expected.title());
            problems.error(format!("{pointer}/version"), "artifact-does-not-match", message);
            Ok(None)
        }
        Err(RegistryError::NotFound(_)) => {
            let message = format!("{} has no version `{}`", reference.name(), choice.version);
            problems.error(format!("{pointer}/version"), "image-not-in-registry", message);
            Ok(None)
        }
        Err(RegistryError::Denied(why)) => Err(AppError::refused("registry-denied", format!("account {account}: {why}"))),
        Err(RegistryError::Unavailable(why) | RegistryError::Protocol(why)) => {
            Err(AppError::refused(ReasonCode::RegistryUnavailable.as_str(), format!("account {account}: {why}")))
        }
    }
}
