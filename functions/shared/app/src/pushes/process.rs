//! The half that runs later: ask the registry, then start. Repeats are harmless at every point, a crash included.

use super::receive::{explain, read};
use super::{Bound, KEPT_MS, PushSources, Starter, TRIED_MS_MAX, bound_key, delivery_key};
use crate::error::AppError;
use crate::ports::{Clock, Condition, Hint, Queue, Registry, RegistryAccess, RegistryError, Table, TransactError, Transaction, Write};
use crate::record;
use model::Millis;
use model::artifact::Artifact;
use model::id::{AccountName, TriggerId};
use model::image::{Digest, normal_registry};
use model::pipeline::Pipeline;
use model::push::{Delivery, DeliveryState};
use model::trigger::Trigger;

const BACK_OFF_FIRST_MS: Millis = 2_000;
const BACK_OFF_MS_MAX: Millis = 10 * 60_000;
/// How long a tag that is not there is looked for. Registries tell of a manifest before they write its tag.
const TAG_COMES_MS_MAX: Millis = 30_000;
/// How long a tag that points elsewhere may still be the one before; after that it has moved on.
const TAG_MOVES_MS_MAX: Millis = 3_000;
const SOON_FIRST_MS: Millis = 100;
const SOON_MS_MAX: Millis = 2_000;
/// A hint that comes a little early is as good as one in time.
const EARLY_MS_MAX: Millis = 1_000;
const MESSAGE_CHARS_MAX: usize = 500;

/// What processing needs.
#[derive(Clone, Copy)]
pub struct Processing<'a> {
    /// Where deliveries are stored.
    pub table: &'a dyn Table,
    /// Pipelines and accounts.
    pub sources: &'a dyn PushSources,
    /// Who knows what a tag points at.
    pub registry: &'a dyn Registry,
    /// Who starts executions.
    pub starter: &'a dyn Starter,
    /// Who is told to look again.
    pub queue: &'a dyn Queue,
    /// Now.
    pub clock: &'a dyn Clock,
}

/// How a look at a delivery ends.
enum Outcome {
    Started(Vec<String>),
    Dropped {
        code: String,
        message: String,
    },
    /// Something that is needed does not answer.
    Later(String),
    /// The registry is not as far as its sender.
    Soon(String),
}

fn dropped(code: &str, message: impl Into<String>) -> Outcome {
    Outcome::Dropped { code: code.to_owned(), message: message.into() }
}

/// Looks at a stored push, and starts what it asks for. Nothing happens when it is settled, unknown or not due yet.
///
/// # Errors
/// When the store does not answer: ask again.
pub async fn process(ports: Processing<'_>, trigger: &TriggerId, id: &str) -> Result<(), AppError> {
    let key = delivery_key(trigger, id);
    let Some((mut delivery, revision)) = record::load::<Delivery>(ports.table, &key).await? else { return Ok(()) };
    let now = ports.clock.now_ms();
    let tries = match &delivery.state {
        DeliveryState::Received => 0,
        DeliveryState::Waiting { again_ms, .. } if *again_ms > now + EARLY_MS_MAX => return Ok(()),
        DeliveryState::Waiting { tries, .. } => *tries,
        DeliveryState::Started { .. } | DeliveryState::Dropped { .. } => return Ok(()),
    };
    let outcome = attempt(ports, &mut delivery).await?;
    settle(ports, delivery, revision, outcome, tries).await
}

/// One try from beginning to end.
async fn attempt(ports: Processing<'_>, delivery: &mut Delivery) -> Result<Outcome, AppError> {
    let Some(document) = ports.sources.pipeline(&delivery.application, &delivery.pipeline).await? else {
        return Ok(dropped("pipeline-removed", "the trigger's pipeline does not exist any more"));
    };
    let pipeline = match read(&document) {
        Ok(pipeline) => pipeline,
        Err(error) => return Ok(refusal(error)),
    };
    let Some(trigger) = pipeline.trigger(delivery.trigger.as_str()) else {
        return Ok(dropped("trigger-removed", "the trigger does not exist any more"));
    };
    let Ok(account) = AccountName::parse(trigger.account.as_str()) else {
        return Ok(dropped("registry-account-missing", "the trigger names no registry account"));
    };
    let access = match ports.sources.open_registry(&account).await {
        Ok(access) => access,
        Err(AppError::NotFound { .. }) => {
            return Ok(dropped("registry-account-missing", format!("there is no registry account `{account}`")));
        }
        Err(error) => return Ok(Outcome::Later(format!("registry account `{account}` cannot be used: {error}"))),
    };
    if let Err(misfit) = trigger.fits(&delivery.pushed, &access.address) {
        // It was changed since the push came in.
        return Ok(dropped(misfit.code(), explain(misfit, trigger, &access.address, &delivery.pushed)));
    }
    let digest = match look_up(ports, &access, delivery).await {
        Ok(digest) => digest,
        Err(outcome) => return Ok(outcome),
    };
    delivery.bound = Some(digest.clone());
    let artifact = artifact(&access, delivery, &digest);
    if !constraint_met(&pipeline, trigger, &artifact) {
        let message = format!("`{}` fits none of the artifacts that the trigger is constrained to", artifact.reference);
        return Ok(dropped("artifact-constraint-not-met", message));
    }
    if let Some(other) = claim(ports.table, delivery, &digest).await? {
        let message = format!("the registry has {digest} under this tag, which delivery {other} brought");
        return Ok(dropped("already-started", message));
    }
    Ok(match ports.starter.start(&delivery.pipeline, &delivery.trigger, artifact, delivery).await {
        Ok(executions) => Outcome::Started(executions.into_iter().map(String::from).collect()),
        Err(error) => refusal(error),
    })
}

/// What the registry says the tag points at now.
async fn look_up(ports: Processing<'_>, access: &RegistryAccess, delivery: &Delivery) -> Result<Digest, Outcome> {
    let tag = delivery.pushed.tag.as_deref().unwrap_or_default();
    let found = ports.registry.digest(access, &delivery.pushed.repository, tag).await;
    let age_ms = ports.clock.now_ms().saturating_sub(delivery.received_ms);
    match found {
        Ok(digest) if age_ms < TAG_MOVES_MS_MAX && delivery.pushed.digest.as_deref().is_some_and(|told| told != digest.as_str()) => {
            Err(Outcome::Soon(format!("{} still has {digest} under `{tag}`", access.address)))
        }
        Ok(digest) => Ok(digest),
        Err(RegistryError::NotFound(_)) => {
            let message = format!("{} has no `{}:{tag}`", access.address, delivery.pushed.repository);
            Err(if age_ms < TAG_COMES_MS_MAX { Outcome::Soon(message) } else { dropped("image-not-in-registry", message) })
        }
        // Wrong credentials and odd answers can be mended within the time that is tried.
        Err(error) => Err(Outcome::Later(error.to_string())),
    }
}

fn artifact(access: &RegistryAccess, delivery: &Delivery, digest: &Digest) -> Artifact {
    let name = format!("{}/{}", normal_registry(&access.address), delivery.pushed.repository);
    Artifact::image(&name, delivery.pushed.tag.as_deref().unwrap_or_default(), Some(digest))
}

/// One match among those the trigger lists is enough; the others are looked for when the execution starts.
fn constraint_met(pipeline: &Pipeline, trigger: &Trigger, artifact: &Artifact) -> bool {
    let listed = |id: &str| trigger.expected_artifact_ids.iter().any(|wanted| wanted == id);
    trigger.expected_artifact_ids.is_empty()
        || pipeline.expected_artifacts.iter().any(|expected| listed(&expected.id) && expected.matches(artifact))
}

/// Says that this delivery starts this image. Gives the other delivery when one said so before.
async fn claim(table: &dyn Table, delivery: &Delivery, digest: &Digest) -> Result<Option<String>, AppError> {
    let key = bound_key(&delivery.trigger, &delivery.pushed, digest.as_str());
    let mine = Bound { delivery: delivery.id.clone() };
    let expires = delivery.received_ms + KEPT_MS;
    let item = record::item(key.clone(), &mine)?.expires(Some(expires));
    match table.transact(Transaction::of(vec![Write::Put(item, vec![Condition::Absent])])).await {
        Ok(()) => Ok(None),
        Err(TransactError::Conflict(_)) => match record::load::<Bound>(table, &key).await? {
            Some((bound, _)) if bound.delivery == delivery.id => Ok(None),
            Some((bound, _)) => Ok(Some(bound.delivery)),
            None => Err(AppError::Unavailable("a claim went away while it was read".to_owned())),
        },
        Err(other) => Err(other.into()),
    }
}

/// What a start that did not happen means for the delivery.
fn refusal(error: AppError) -> Outcome {
    let message = error.to_string();
    match error {
        AppError::Unavailable(_) | AppError::Newer { .. } | AppError::Conflict { .. } => Outcome::Later(message),
        AppError::Refused { code, .. } | AppError::Denied { code, .. } => dropped(&code, message),
        AppError::NotFound { .. } => dropped("not-found", message),
        AppError::Damaged(_) => dropped("stored-data-damaged", message),
        AppError::Invalid(problems) => {
            let found: Vec<String> = problems.into_iter().take(3).map(|p| p.message).collect();
            dropped("start-not-valid", found.join("; "))
        }
    }
}

/// Writes what became of the delivery; a claim on an image goes with a delivery that starts nothing.
async fn settle(ports: Processing<'_>, mut delivery: Delivery, revision: u64, outcome: Outcome, tries: u32) -> Result<(), AppError> {
    let now = ports.clock.now_ms();
    let again_ms = match outcome {
        Outcome::Soon(_) => now + soon_ms(now.saturating_sub(delivery.received_ms)),
        _ => now + back_off_ms(tries, &delivery.id),
    };
    let gave_up = again_ms > delivery.received_ms + TRIED_MS_MAX;
    delivery.state = match outcome {
        Outcome::Started(executions) => DeliveryState::Started { executions },
        Outcome::Dropped { code, message } => DeliveryState::Dropped { code, message: cut(message) },
        Outcome::Later(message) if gave_up => {
            DeliveryState::Dropped { code: "gave-up".to_owned(), message: cut(format!("tried for a day; last: {message}")) }
        }
        Outcome::Later(message) => DeliveryState::Waiting { tries: tries.saturating_add(1), again_ms, message: cut(message) },
        // Not a failure of the registry, so its back-off does not grow by it.
        Outcome::Soon(message) => DeliveryState::Waiting { tries, again_ms, message: cut(message) },
    };
    let due = (!delivery.state.is_settled()).then_some(again_ms);
    let key = delivery_key(&delivery.trigger, &delivery.id);
    let item = record::item(key, &delivery)?.due(due).expires(Some(delivery.received_ms + KEPT_MS));
    let mut writes = vec![Write::Put(item, vec![Condition::Revision(revision)])];
    if matches!(delivery.state, DeliveryState::Dropped { .. }) {
        writes.extend(release(ports.table, &delivery).await?);
    }
    match ports.table.transact(Transaction::of(writes)).await {
        Ok(()) => {}
        // Somebody else looked at the same time and was first; the start was the same.
        Err(TransactError::Conflict(_)) => return Ok(()),
        Err(other) => return Err(other.into()),
    }
    if due.is_some() {
        let hint = Hint::Delivery { trigger: delivery.trigger.to_string(), id: delivery.id.clone() };
        ports.queue.hint(hint, again_ms.saturating_sub(now)).await;
    }
    Ok(())
}

/// Gives an image back to other deliveries, if this one has claimed it.
async fn release(table: &dyn Table, delivery: &Delivery) -> Result<Option<Write>, AppError> {
    let Some(digest) = &delivery.bound else { return Ok(None) };
    let key = bound_key(&delivery.trigger, &delivery.pushed, digest.as_str());
    let bound = record::load::<Bound>(table, &key).await?;
    Ok(bound
        .filter(|(bound, _)| bound.delivery == delivery.id)
        .map(|(_, revision)| Write::Delete(key, vec![Condition::Revision(revision)])))
}

/// Doubling, spread by a quarter so that many deliveries do not come back together. The id is as good as chance for that.
fn back_off_ms(tries: u32, id: &str) -> Millis {
    let base = BACK_OFF_FIRST_MS.saturating_mul(1_u64.checked_shl(tries).unwrap_or(u64::MAX)).min(BACK_OFF_MS_MAX);
    let spread = id.bytes().fold(u64::from(tries), |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    base + spread % (base / 4)
}

/// Longer the longer it has taken already.
fn soon_ms(age_ms: Millis) -> Millis {
    (age_ms / 2).clamp(SOON_FIRST_MS, SOON_MS_MAX)
}

fn cut(message: String) -> String {
    if message.chars().count() <= MESSAGE_CHARS_MAX { message } else { message.chars().take(MESSAGE_CHARS_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_ten_minutes() {
        assert!((2_000..2_500).contains(&back_off_ms(0, "a")));
        assert!((8_000..10_000).contains(&back_off_ms(2, "a")));
        for tries in [9, 31, 63, 64, u32::MAX] {
            assert!((600_000..750_000).contains(&back_off_ms(tries, "abc")));
        }
    }

    #[test]
    fn messages_are_cut() {
        assert_eq!(cut("ä".repeat(600)).chars().count(), MESSAGE_CHARS_MAX);
        assert_eq!(cut("short".into()), "short");
    }
}
