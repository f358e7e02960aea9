//! Image pushes: a registry that tells of a push and is asked what its tag points at, and what `app` does from the hook to the start.

use crate::people::person;
use crate::ports::{Port, Ports};
use crate::state::{Answer, Request, START, State, World};
use app::error::AppError;
use app::execution::pushed::PushStarter;
use app::ports::{Registry, RegistryAccess, RegistryError};
use app::pushes::{self, Processing, Receiving, StoredSources};
use app::record;
use async_trait::async_trait;
use model::account::{AccountState, LoginKind, RegistryAccount, RegistryCredentials, RegistryLogin};
use model::id::{AccountName, TriggerId};
use model::image::Digest;
use model::push::{Delivery, DeliveryState, ImagePushed};
use serde_json::{Value, json};

const REGISTRY: &str = "reg.invalid";
const ACCOUNT: &str = "registry";
const REPOSITORY: &str = "team/web";

/// The token of a pipeline's hook.
pub(crate) fn token(pipeline: usize) -> String {
    format!("hook-{pipeline}")
}

/// The id of a pipeline's trigger: it gets the one id that there is when the pipeline is saved.
fn trigger_id(pipeline: usize) -> String {
    crate::people::pipeline_id(pipeline).to_string()
}

/// A pipeline's trigger as people write it.
pub(crate) fn trigger() -> Value {
    json!({"type": "docker", "enabled": true, "account": ACCOUNT, "repository": REPOSITORY, "tag": "run-.*"})
}

/// The tag that starts an execution.
pub(crate) fn tag(run: usize) -> String {
    format!("run-{run}")
}

/// The execution that a tag starts.
pub(crate) fn run_of(tag: &str) -> Option<usize> {
    tag.strip_prefix("run-")?.parse().ok()
}

/// The account under which the registry is known.
pub(crate) fn account() -> app::ports::Item {
    let name = AccountName::parse(ACCOUNT).unwrap_or_else(|_| unreachable!("it is a name"));
    let credentials = RegistryCredentials { login: RegistryLogin::Anonymous, ca_pem: None };
    let account = RegistryAccount {
        name,
        address: REGISTRY.to_owned(),
        plain_http: false,
        login: LoginKind::default(),
        username: None,
        own_ca: false,
        credentials: crate::ports::sealed(&serde_json::to_vec(&credentials).unwrap_or_default()),
        state: AccountState::Ready,
        reason: None,
        verified_ms: Some(START),
        created_ms: START,
    };
    record::item(app::ports::Key::new("REGISTRIES", ACCOUNT), &account).unwrap_or_else(|_| unreachable!("it is a record"))
}

fn digest(tag: &str) -> Digest {
    let hex = crate::state::digest(tag.as_bytes());
    Digest::parse(&format!("sha256:{hex}")).unwrap_or_else(|_| unreachable!("it is a digest"))
}

/// A registry tells the hook of a push. Gives the delivery.
pub(crate) async fn push(world: &World, ports: &Ports, run: usize) -> Result<String, AppError> {
    let pipeline = world.lock().scenario.runs[run].pipeline;
    let table = &ports.step.table;
    let sources = StoredSources::without_secrets(table.clone());
    let hook = pushes::find_hook(&sources, &token(pipeline)).await?;
    let pushed = ImagePushed {
        source: "distribution".to_owned(),
        registry: None,
        repository: REPOSITORY.to_owned(),
        tag: Some(tag(run)),
        digest: Some(digest(&tag(run)).to_string()),
        actor: Some(person("ann", false).name),
        delivery: None,
    };
    let receiving =
        Receiving { table: table.as_ref(), sources: &sources, queue: ports.step.queue.as_ref(), clock: ports.step.clock.as_ref() };
    let received = pushes::receive(receiving, &hook, vec![pushed]).await?;
    match received.events.first().map(|event| &event.verdict) {
        Some(pushes::Verdict::Accepted { delivery } | pushes::Verdict::Duplicate { delivery }) => Ok(delivery.clone()),
        other => Err(AppError::Damaged(format!("the push of run {run} is {other:?}"))),
    }
}

/// A worker looks at a delivery.
pub(crate) async fn process(port: &Port, ports: &Ports, trigger: &str, id: &str) -> Result<(), AppError> {
    let step = &ports.step;
    let sources = StoredSources::new(step.table.clone(), step.sealer.clone());
    let trigger = TriggerId::parse(trigger).map_err(|error| AppError::Damaged(error.to_string()))?;
    let processing = Processing {
        table: step.table.as_ref(),
        sources: &sources,
        registry: &SimRegistry(port.clone()),
        starter: &PushStarter { ports: ports.start() },
        queue: step.queue.as_ref(),
        clock: step.clock.as_ref(),
    };
    let now = step.clock.now_ms();
    pushes::process(processing, &trigger, id).await?;
    port.world.lock().tell(|| format!("p{}  looked at delivery {id} at {now}", port.who.process));
    Ok(())
}

/// What became of the deliveries that belong to an execution: at rest, those that started one name this one.
pub(crate) fn at_rest(state: &mut State, run: usize) {
    let Some(id) = state.watch.id_of(run) else { return };
    let partition = format!("PUSH#{}", trigger_id(state.scenario.runs[run].pipeline));
    let mine = |item: &&app::ports::Item| record::decode::<Delivery>(&item.body).is_ok_and(|d| d.pushed.tag.as_deref() == Some(&tag(run)));
    let found: Vec<Delivery> =
        state.store.under(&partition, "DLV#").filter(mine).filter_map(|item| record::decode(&item.body).ok()).collect();
    let started = |delivery: &Delivery| matches!(&delivery.state, DeliveryState::Started { executions } if *executions == [id.clone()]);
    if found.len() != 1 || !found.iter().all(started) {
        let states: Vec<&DeliveryState> = found.iter().map(|delivery| &delivery.state).collect();
        let message = format!("run {run} is {id}, and its deliveries are {states:?}");
        state.fail("push-astray", message);
    }
}

/// Knows what every tag points at, sooner or later.
struct SimRegistry(Port);

#[async_trait]
impl Registry for SimRegistry {
    async fn check(&self, _access: &RegistryAccess) -> Result<(), RegistryError> {
        Ok(())
    }

    async fn digest(&self, _access: &RegistryAccess, _repository: &str, tag: &str) -> Result<Digest, RegistryError> {
        match self.0.call(Request::Registry).await {
            Answer::Failed => Err(RegistryError::Unavailable("not now".to_owned())),
            _ => Ok(digest(tag)),
        }
    }

    async fn tags(&self, _: &RegistryAccess, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, RegistryError> {
        Err(RegistryError::Unavailable("nobody lists tags here".to_owned()))
    }
}
