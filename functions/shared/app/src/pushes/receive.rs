//! The half that runs while the sender waits: which trigger, which events fit it, and storing those. No registry is asked.

use super::{HookTarget, KEPT_MS, PushSources, delivery_id, delivery_key, ignored_key};
use crate::error::AppError;
use crate::ports::{Clock, Condition, Hint, Queue, Table, TransactError, Transaction, Write};
use crate::record;
use futures::StreamExt as _;
use model::Millis;
use model::id::AccountName;
use model::pipeline::Pipeline;
use model::push::{Delivery, DeliveryState, IgnoredPush, IgnoredPushes, ImagePushed};
use model::trigger::{Misfit, Trigger};
use std::collections::HashSet;

/// Deliveries of one request that are stored at the same time.
const STORED_AT_ONCE_MAX: usize = 8;
/// How often the list of ignored pushes is tried to be written; it is for display only.
const IGNORED_TRIES_MAX: usize = 5;
/// How long that list outlives its last entry.
const IGNORED_KEPT_MS: Millis = 30 * 24 * 3_600_000;

/// What receiving needs.
#[derive(Clone, Copy)]
pub struct Receiving<'a> {
    /// Where deliveries are stored.
    pub table: &'a dyn Table,
    /// Pipelines and accounts.
    pub sources: &'a dyn PushSources,
    /// Who is told to look at them.
    pub queue: &'a dyn Queue,
    /// Now.
    pub clock: &'a dyn Clock,
}

/// A hook that was found: its trigger, ready to judge pushes. Not printable, since the trigger may hold a secret.
pub struct Hook {
    target: HookTarget,
    trigger: Trigger,
    /// The registry's address; none when the account is gone.
    address: Option<String>,
}

impl Hook {
    /// Where it leads.
    #[must_use]
    pub fn target(&self) -> &HookTarget {
        &self.target
    }

    /// The secret that senders must sign with, if the trigger says one.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        self.trigger.other.get("secret").and_then(serde_json::Value::as_str).filter(|secret| !secret.is_empty())
    }

    /// Does the push fit? If not: code and message.
    fn judge(&self, pushed: &ImagePushed) -> Result<(), (&'static str, String)> {
        let Some(address) = &self.address else {
            let account = &self.trigger.account;
            return Err(("registry-account-missing", format!("the trigger's registry account `{account}` does not exist")));
        };
        self.trigger.fits(pushed, address).map_err(|misfit| (misfit.code(), explain(misfit, &self.trigger, address, pushed)))
    }
}

/// Why a push does not fit, with both sides named.
pub(super) fn explain(misfit: Misfit, trigger: &Trigger, address: &str, pushed: &ImagePushed) -> String {
    let wanted = trigger.repository_path();
    match misfit {
        Misfit::NotListening => "the trigger is disabled, or not for registries".to_owned(),
        Misfit::OtherRepository if wanted == pushed.repository => {
            let said = pushed.registry.as_deref().unwrap_or_default();
            format!("the sender calls the registry `{said}`, the trigger's account has it at `{address}`")
        }
        Misfit::OtherRepository => format!("the push is to `{}`, the trigger is for `{wanted}`", pushed.repository),
        Misfit::NoTag => "the push has no tag".to_owned(),
        Misfit::OtherTag if trigger.tag.trim().is_empty() => "`latest` does not fire a trigger without a tag pattern".to_owned(),
        Misfit::OtherTag => format!("the tag `{}` does not match `{}`", pushed.tag.as_deref().unwrap_or_default(), trigger.tag),
    }
}

/// What became of one event of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Stored, under this id; the start follows.
    Accepted {
        /// The delivery's id.
        delivery: String,
    },
    /// It was told before, under this id.
    Duplicate {
        /// The delivery's id.
        delivery: String,
    },
    /// It does not fit the trigger.
    Ignored {
        /// Why, kebab-case.
        code: String,
        /// Why, for people.
        message: String,
    },
}

/// One event of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What was pushed.
    pub pushed: ImagePushed,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a request, event by event, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// The events.
    pub events: Vec<Event>,
}

impl Received {
    /// True when something fits the trigger, now or before.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.events.iter().any(|event| !matches!(event.verdict, Verdict::Ignored { .. }))
    }
}

/// Finds the hook that a token names.
///
/// # Errors
/// [`AppError::NotFound`] for an unknown token, never with the token in it; others when the store does not answer.
pub async fn find_hook(sources: &dyn PushSources, token: &str) -> Result<Hook, AppError> {
    let unknown = || AppError::NotFound { what: "hook", id: "…".to_owned() };
    let target = sources.trigger_by_hook(token).await?.ok_or_else(unknown)?;
    let document = sources.pipeline(&target.application, &target.pipeline).await?.ok_or_else(unknown)?;
    let pipeline = read(&document)?;
    let trigger = pipeline.trigger(target.trigger.as_str()).cloned().ok_or_else(unknown)?;
    let address = match AccountName::parse(trigger.account.as_str()) {
        Ok(account) => sources.registry_address(&account).await?,
        Err(_) => None,
    };
    Ok(Hook { target, trigger, address })
}

pub(super) fn read(document: &serde_json::Value) -> Result<Pipeline, AppError> {
    let first = |problems: Vec<model::problem::Problem>| problems.into_iter().next().map(|p| p.pointer).unwrap_or_default();
    Pipeline::parse(document)
        .map(|(pipeline, _)| pipeline)
        .map_err(|problems| AppError::Damaged(format!("a saved pipeline is not valid at `{}`", first(problems))))
}

/// Stores every event that fits, durably and each once, and says what became of each. When it fails the sender must send
/// again: what was stored is a duplicate then.
///
/// # Errors
/// When the store does not answer.
pub async fn receive(ports: Receiving<'_>, hook: &Hook, events: Vec<ImagePushed>) -> Result<Received, AppError> {
    let now = ports.clock.now_ms();
    let mut seen = HashSet::new();
    let judged: Vec<(ImagePushed, Step)> = events
        .into_iter()
        .map(|pushed| {
            let step = match hook.judge(&pushed) {
                Err((code, message)) => Step::Said(Verdict::Ignored { code: code.to_owned(), message }),
                Ok(()) => {
                    let id = delivery_id(&hook.target.trigger, &pushed);
                    if seen.insert(id.clone()) { Step::Store(id) } else { Step::Said(Verdict::Duplicate { delivery: id }) }
                }
            };
            (pushed, step)
        })
        .collect();
    let events: Vec<Result<Event, AppError>> = futures::stream::iter(judged)
        .map(|(pushed, step)| async move {
            let verdict = match step {
                Step::Said(verdict) => verdict,
                Step::Store(id) => store(ports.table, hook, id, &pushed, now).await?,
            };
            Ok(Event { pushed, verdict })
        })
        .buffered(STORED_AT_ONCE_MAX)
        .collect()
        .await;
    let received = Received { events: events.into_iter().collect::<Result<_, _>>()? };
    tell(ports, hook, &received).await;
    remember_ignored(ports.table, hook, &received, now).await;
    Ok(received)
}

enum Step {
    Said(Verdict),
    Store(String),
}

/// Stores one delivery. One that was dropped before is taken up anew: what was wrong may have been mended since.
async fn store(table: &dyn Table, hook: &Hook, id: String, pushed: &ImagePushed, now: Millis) -> Result<Verdict, AppError> {
    let key = delivery_key(&hook.target.trigger, &id);
    let delivery = Delivery {
        id: id.clone(),
        trigger: hook.target.trigger.clone(),
        pipeline: hook.target.pipeline.clone(),
        application: hook.target.application.clone(),
        pushed: pushed.clone(),
        received_ms: now,
        bound: None,
        state: DeliveryState::Received,
    };
    let item = record::item(key.clone(), &delivery)?.due(Some(now)).expires(Some(now + KEPT_MS));
    match table.transact(Transaction::of(vec![Write::Put(item.clone(), vec![Condition::Absent])])).await {
        Ok(()) => return Ok(Verdict::Accepted { delivery: id }),
        Err(TransactError::Conflict(_)) => {}
        Err(other) => return Err(other.into()),
    }
    let known = record::load::<Delivery>(table, &key).await?;
    let Some((Delivery { state: DeliveryState::Dropped { .. }, .. }, revision)) = known else {
        return Ok(Verdict::Duplicate { delivery: id });
    };
    match table.transact(Transaction::of(vec![Write::Put(item, vec![Condition::Revision(revision)])])).await {
        Ok(()) => Ok(Verdict::Accepted { delivery: id }),
        Err(TransactError::Conflict(_)) => Ok(Verdict::Duplicate { delivery: id }),
        Err(other) => Err(other.into()),
    }
}

async fn tell(ports: Receiving<'_>, hook: &Hook, received: &Received) {
    for event in &received.events {
        if let Verdict::Accepted { delivery } = &event.verdict {
            let hint = Hint::Delivery { trigger: hook.target.trigger.to_string(), id: delivery.clone() };
            ports.queue.hint(hint, 0).await;
        }
    }
}

/// For display only, so a failure is logged and nothing more.
async fn remember_ignored(table: &dyn Table, hook: &Hook, received: &Received, now: Millis) {
    let ignored: Vec<IgnoredPush> = received
        .events
        .iter()
        .filter_map(|event| match &event.verdict {
            Verdict::Ignored { code, message } => {
                Some(IgnoredPush { pushed: event.pushed.clone(), code: code.clone(), message: message.clone(), received_ms: now })
            }
            Verdict::Accepted { .. } | Verdict::Duplicate { .. } => None,
        })
        .collect();
    if ignored.is_empty() {
        return;
    }
    for _ in 0..IGNORED_TRIES_MAX {
        match add_ignored(table, hook, &ignored, now).await {
            Err(AppError::Conflict { .. }) => {}
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(trigger = %hook.target.trigger, %error, "pushes that do not fit were not noted");
                return;
            }
        }
    }
}

async fn add_ignored(table: &dyn Table, hook: &Hook, ignored: &[IgnoredPush], now: Millis) -> Result<(), AppError> {
    let key = ignored_key(&hook.target.trigger);
    let (mut list, condition) = match record::load::<IgnoredPushes>(table, &key).await? {
        Some((list, revision)) => (list, Condition::Revision(revision)),
        None => (IgnoredPushes::default(), Condition::Absent),
    };
    for push in ignored {
        list.add(push.clone());
    }
    let item = record::item(key, &list)?.expires(Some(now + IGNORED_KEPT_MS));
    Ok(table.transact(Transaction::of(vec![Write::Put(item, vec![condition])])).await?)
}
