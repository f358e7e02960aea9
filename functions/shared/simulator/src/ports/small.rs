//! The small ports: hints, time, ids, secrets, followers, and a cluster that is only ever watched.

use super::Port;
use crate::reality::Watched;
use crate::rng::mix;
use crate::state::{Answer, Request};
use app::ports::{
    Applied, ApplyOptions, Change, Changes, Clock, Cluster, ClusterError, Entropy, Hint, KindInfo, ListQuery, LogQuery, ObjectKey,
    ObjectPage, Queue, Rollout, SealError, Sealer, Verified, VerifyNeeds, WatchKey, WatchSpec,
};
use async_trait::async_trait;
use model::Millis;
use model::account::{ClusterConnection, ClusterCredentials, Sealed};
use model::problem::Problem;
use serde_json::Value;

/// Hints, through the world.
pub(crate) struct SimQueue(pub(crate) Port);

#[async_trait]
impl Queue for SimQueue {
    async fn hint(&self, hint: Hint, delay_ms: u64) {
        self.0.call(Request::Hint { hint, delay_ms }).await;
    }
}

/// The clock of a process: the world's, and how far it is off.
pub(crate) struct SimClock(pub(crate) Port);

#[async_trait]
impl Clock for SimClock {
    fn now_ms(&self) -> Millis {
        let state = self.0.world.lock();
        state.now.saturating_add_signed(state.processes[self.0.who.process].skew)
    }

    async fn sleep_until(&self, at: Millis) {
        let skew = self.0.world.lock().processes[self.0.who.process].skew;
        self.0.call(Request::Sleep(at.saturating_add_signed(-skew))).await;
    }
}

/// Fresh ids: ULIDs that count.
pub(crate) struct SimEntropy(pub(crate) Port);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl SimEntropy {
    fn fresh(&self) -> u64 {
        let mut state = self.0.world.lock();
        state.ids += 1;
        mix(state.scenario.seed, state.ids) ^ state.ids << 32
    }
}

impl Entropy for SimEntropy {
    fn ulid(&self, now: Millis) -> String {
        let tail = self.fresh();
        let letter = |value: u64, at: u32| char::from(CROCKFORD[(value >> (5 * at) & 31) as usize]);
        let time = (0..10).rev().map(|at| letter(now, at));
        let rest = (0..12).rev().map(|at| letter(tail, at));
        time.chain("0000".chars()).chain(rest).collect()
    }

    fn token(&self) -> String {
        format!("{:064x}", self.fresh())
    }

    fn number(&self) -> u64 {
        self.fresh()
    }
}

/// Nobody follows.
pub(crate) struct SimChanges;

#[async_trait]
impl Changes for SimChanges {
    fn publish(&self, _change: Change) {}

    fn cursor(&self) -> u64 {
        0
    }

    async fn wait(&self, _topics: &[String], since: u64, _until: Millis) -> (u64, Option<Vec<Change>>) {
        (since, Some(Vec::new()))
    }
}

/// Secrets in clear: none of them is one.
pub(crate) struct SimSealer;

#[async_trait]
impl Sealer for SimSealer {
    async fn seal(&self, _context: &str, secret: &[u8]) -> Result<Sealed, SealError> {
        Ok(sealed(secret))
    }

    async fn open(&self, _context: &str, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        Ok(sealed.data.clone().into_bytes())
    }
}

pub(crate) fn sealed(secret: &[u8]) -> Sealed {
    Sealed { key: "none".to_owned(), data: String::from_utf8_lossy(secret).into_owned() }
}

/// How the only cluster is reached.
pub(crate) fn connection() -> ClusterConnection {
    ClusterConnection {
        server: "https://cluster.invalid".to_owned(),
        ca_pem: None,
        insecure_skip_tls_verify: false,
        tls_server_name: None,
        credentials: ClusterCredentials::Token("t".to_owned()),
    }
}

/// The object whose watch tells whether a stage's gate is open.
pub(crate) fn gate_name(run: usize, stage: usize) -> String {
    format!("gate-{run}-{stage}")
}

fn watched(spec: &WatchSpec) -> Watched {
    let WatchKey::Object(object) = &spec.what else { return Watched::Something };
    let mut parts = object.name.split('-').skip(1).map(str::parse::<usize>);
    match (object.name.starts_with("gate-"), parts.next(), parts.next()) {
        (true, Some(Ok(run)), Some(Ok(stage))) => Watched::Gate { run, stage },
        _ => Watched::Something,
    }
}

/// A cluster that is only watched: what stages do to it goes through the scripted stage host.
pub(crate) struct SimCluster(pub(crate) Port);

fn nothing<T>() -> Result<T, ClusterError> {
    Err(ClusterError::NotFound("nothing is there".to_owned()))
}

#[async_trait]
impl Cluster for SimCluster {
    fn read_kubeconfig(&self, _: &str, _: Option<&str>, _: bool) -> Result<(ClusterConnection, String), Vec<Problem>> {
        Err(Vec::new())
    }

    fn read_address(&self, _: &str, _: Option<&str>, _: &str, _: bool) -> Result<ClusterConnection, Vec<Problem>> {
        Err(Vec::new())
    }

    async fn verify(&self, _: &ClusterConnection, _: &VerifyNeeds) -> Result<Verified, ClusterError> {
        nothing()
    }

    async fn resolve(&self, _: &ClusterConnection, _: &str) -> Result<Vec<KindInfo>, ClusterError> {
        nothing()
    }

    async fn get(&self, _: &ClusterConnection, _: &ObjectKey) -> Result<Value, ClusterError> {
        nothing()
    }

    async fn list(&self, _: &ClusterConnection, _: &ListQuery) -> Result<ObjectPage, ClusterError> {
        nothing()
    }

    async fn apply(&self, _: &ClusterConnection, _: &Value, _: ApplyOptions) -> Result<Applied, ClusterError> {
        nothing()
    }

    async fn create(&self, _: &ClusterConnection, _: &Value, _: bool) -> Result<Value, ClusterError> {
        nothing()
    }

    async fn rollout_status(&self, _: &ClusterConnection, _: &ObjectKey) -> Result<Rollout, ClusterError> {
        nothing()
    }

    async fn pod_logs(&self, _: &ClusterConnection, _: &str, _: &str, _: &LogQuery) -> Result<String, ClusterError> {
        nothing()
    }

    async fn changed(&self, _: &ClusterConnection, spec: &WatchSpec) -> Result<(), ClusterError> {
        match self.0.call(Request::Watch(watched(spec))).await {
            Answer::Failed => Err(ClusterError::Throttled(1_000)),
            _ => Ok(()),
        }
    }
}
