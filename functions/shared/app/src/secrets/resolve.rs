//! Puts secrets in the place of their references in the call that leaves for a cluster, and takes them out again of what the cluster
//! answers. The component whose step it is sees neither: it hands over a reference and gets one back.
//!
//! Only secrets that the stage's own settings name are opened: a text that somebody gives as a parameter opens none.

use super::references::{self, PLACES};
use super::{SecretRow, key, open, partition};
use crate::error::AppError;
use crate::paging;
use crate::ports::{
    Applied, ApplyOptions, Cluster, ClusterError, KindInfo, ListQuery, LogQuery, ObjectKey, ObjectPage, Rollout, Sealer, Table, Verified,
    VerifyNeeds, WatchSpec,
};
use crate::record;
use async_trait::async_trait;
use import::secrets::REFERENCE_PREFIX;
use model::account::ClusterConnection;
use model::id::AppName;
use model::problem::Problem;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter values are not looked for within longer texts: they stand there by chance.
const WITHIN_BYTES_MIN: usize = 4;

/// A cluster for one step of a stage.
pub struct Resolving {
    inner: Arc<dyn Cluster>,
    table: Arc<dyn Table>,
    sealer: Arc<dyn Sealer>,
    application: AppName,
    /// What the stage's settings name.
    named: BTreeSet<String>,
    /// Values by names, as far as this step opened any.
    opened: Mutex<BTreeMap<String, String>>,
    /// All of the application's, once an answer made it necessary to know them.
    all: tokio::sync::OnceCell<()>,
}

impl Resolving {
    /// The cluster as a stage with these settings may use it.
    #[must_use]
    pub fn of(
        inner: Arc<dyn Cluster>,
        table: Arc<dyn Table>,
        sealer: Arc<dyn Sealer>,
        application: &AppName,
        settings: &Map<String, Value>,
    ) -> Arc<dyn Cluster> {
        let named = references::named(settings);
        let (opened, all) = (Mutex::default(), tokio::sync::OnceCell::new());
        Arc::new(Self { inner, table, sealer, application: application.clone(), named, opened, all })
    }

    fn known(&self) -> BTreeMap<String, String> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, name: &str, value: &str) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.to_owned());
    }

    async fn value(&self, name: &str) -> Result<String, ClusterError> {
        if let Some(value) = self.known().remove(name) {
            return Ok(value);
        }
        if !super::is_name(name) || !self.named.contains(name) {
            return Err(ClusterError::Invalid(format!("the stage's settings do not name the secret `{name}`")));
        }
        let row = record::load::<SecretRow>(self.table.as_ref(), &key(&self.application, name)).await.map_err(|e| unavailable(&e))?;
        let missing = || ClusterError::Invalid(format!("application {} has no secret `{name}`", self.application));
        let value = open(self.sealer.as_ref(), &row.ok_or_else(missing)?.0).await.map_err(|error| unavailable(&error))?;
        self.remember(name, &value);
        Ok(value)
    }

    /// The manifest as it leaves.
    async fn resolved(&self, manifest: &Value) -> Result<Value, ClusterError> {
        let references = references::in_object(manifest);
        let mut manifest = manifest.clone();
        for reference in references {
            let at = &reference.pointer;
            if !reference.served {
                let message = format!("at {at} stands a reference to the secret `{}`: {PLACES}", reference.name);
                return Err(ClusterError::Invalid(message));
            }
            let value = self.value(&reference.name).await?;
            if let Some(place) = manifest.pointer_mut(at) {
                *place = Value::String(value);
            }
        }
        Ok(manifest)
    }

    /// A live object as a component may see it.
    async fn concealed(&self, mut live: Value) -> Result<Value, ClusterError> {
        if has_variables(&live) {
            self.all.get_or_try_init(|| self.open_all()).await?;
            conceal(&mut live, &self.known());
        }
        Ok(live)
    }

    async fn open_all(&self) -> Result<(), ClusterError> {
        let rows = paging::all::<SecretRow>(self.table.as_ref(), &partition(&self.application), "SECRET#").await;
        for (row, _) in rows.map_err(|error| unavailable(&error))? {
            let value = open(self.sealer.as_ref(), &row).await.map_err(|error| unavailable(&error))?;
            self.remember(&row.name, &value);
        }
        Ok(())
    }

    /// What the cluster says of an object that it refuses may quote it.
    fn hidden(&self, error: ClusterError) -> ClusterError {
        let hide = |text: String| conceal_text(text, &self.known());
        match error {
            ClusterError::Denied(text) => ClusterError::Denied(hide(text)),
            ClusterError::Unauthorized(text) => ClusterError::Unauthorized(hide(text)),
            ClusterError::NotFound(text) => ClusterError::NotFound(hide(text)),
            ClusterError::Conflict(text) => ClusterError::Conflict(hide(text)),
            ClusterError::Invalid(text) => ClusterError::Invalid(hide(text)),
            ClusterError::Unreachable { code, message } => ClusterError::Unreachable { code, message: hide(message) },
            other @ (ClusterError::Throttled(_) | ClusterError::TooLarge(_)) => other,
        }
    }
}

fn unavailable(error: &AppError) -> ClusterError {
    ClusterError::Unreachable { code: "server-error", message: format!("a secret could not be opened: {error}") }
}

/// Variables of containers that have a value of their own.
fn has_variables(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_variables),
        Value::Object(map) => map.iter().any(|(key, value)| match value {
            Value::Array(list) if key == "env" => list.iter().any(|variable| variable.get("value").is_some_and(Value::is_string)),
            other => has_variables(other),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Where client-side apply keeps a copy of the whole.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes secrets out of the places that a reference can have been in; a number that happens to be one elsewhere stays.
fn conceal(value: &mut Value, known: &BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| conceal(item, known)),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::Array(variables) if key == "env" => {
                        for variable in variables.iter_mut().filter_map(|variable| variable.get_mut("value")) {
                            conceal_variable(variable, known);
                        }
                    }
                    Value::String(text) if key == LAST_APPLIED => *text = conceal_text(std::mem::take(text), known),
                    other => conceal(other, known),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn conceal_variable(value: &mut Value, known: &BTreeMap<String, String>) {
    let Value::String(text) = value else { return };
    *text = match known.iter().find(|(_, secret)| *secret == text) {
        Some((name, _)) => format!("{REFERENCE_PREFIX}{name}"),
        None => conceal_text(std::mem::take(text), known),
    };
}

fn conceal_text(mut text: String, known: &BTreeMap<String, String>) -> String {
    for (name, secret) in known.iter().filter(|(_, secret)| secret.len() >= WITHIN_BYTES_MIN) {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), &format!("{REFERENCE_PREFIX}{name}"));
        }
    }
    text
}

#[async_trait]
impl Cluster for Resolving {
    fn read_kubeconfig(
        &self,
        text: &str,
        context: Option<&str>,
        allow_insecure: bool,
    ) -> Result<(ClusterConnection, String), Vec<Problem>> {
        self.inner.read_kubeconfig(text, context, allow_insecure)
    }

    fn read_address(
        &self,
        server: &str,
        ca_pem: Option<&str>,
        token: &str,
        allow_insecure: bool,
    ) -> Result<ClusterConnection, Vec<Problem>> {
        self.inner.read_address(server, ca_pem, token, allow_insecure)
    }

    async fn verify(&self, at: &ClusterConnection, needs: &VerifyNeeds) -> Result<Verified, ClusterError> {
        self.inner.verify(at, needs).await
    }

    async fn resolve(&self, at: &ClusterConnection, kind: &str) -> Result<Vec<KindInfo>, ClusterError> {
        self.inner.resolve(at, kind).await
    }

    async fn get(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Value, ClusterError> {
        self.concealed(self.inner.get(at, what).await?).await
    }

    async fn list(&self, at: &ClusterConnection, query: &ListQuery) -> Result<ObjectPage, ClusterError> {
        let mut page = self.inner.list(at, query).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for item in page.items {
            items.push(self.concealed(item).await?);
        }
        page.items = items;
        Ok(page)
    }

    async fn apply(&self, at: &ClusterConnection, manifest: &Value, options: ApplyOptions) -> Result<Applied, ClusterError> {
        let manifest = self.resolved(manifest).await?;
        let mut applied = self.inner.apply(at, &manifest, options).await.map_err(|error| self.hidden(error))?;
        applied.live = self.concealed(applied.live).await?;
        Ok(applied)
    }

    async fn create(&self, at: &ClusterConnection, manifest: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        let manifest = self.resolved(manifest).await?;
        let live = self.inner.create(at, &manifest, dry_run).await.map_err(|error| self.hidden(error))?;
        self.concealed(live).await
    }

    async fn rollout_status(&self, at: &ClusterConnection, what: &ObjectKey) -> Result<Rollout, ClusterError> {
        self.inner.rollout_status(at, what).await
    }

    async fn pod_logs(&self, at: &ClusterConnection, namespace: &str, pod: &str, query: &LogQuery) -> Result<String, ClusterError> {
        let text = self.inner.pod_logs(at, namespace, pod, query).await?;
        self.all.get_or_try_init(|| self.open_all()).await?;
        Ok(conceal_text(text, &self.known()))
    }

    async fn changed(&self, at: &ClusterConnection, spec: &WatchSpec) -> Result<(), ClusterError> {
        self.inner.changed(at, spec).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{NewSecret, SecretPorts, put};
    use crate::testing::{FixedClock, KeptChanges, MemoryTable, ScriptedCluster, TurningSealer, principal};
    use crate::{applications, expect::Expect};
    use model::person::Role;
    use serde_json::json;

    async fn cluster(settings: Value) -> (Arc<ScriptedCluster>, Arc<dyn Cluster>) {
        let (table, sealer, clock, changes) =
            (Arc::new(MemoryTable::default()), TurningSealer, FixedClock::default(), KeptChanges::default());
        let (who, app) = (principal("op", Role::Operator), AppName::parse("shop").unwrap());
        let application = serde_json::from_value(json!({"name": "shop"})).unwrap();
        applications::create(table.as_ref(), &clock, &changes, &who, None, application).await.unwrap();
        for (name, value) in [("db", "hunter2"), ("other", "s3cret")] {
            let ports = SecretPorts { table: table.as_ref(), clock: &clock, sealer: &sealer, changes: &changes };
            let new = NewSecret { name: name.to_owned(), value: value.to_owned() };
            put(ports, &who, &app, &new, &Expect::Nothing).await.unwrap();
        }
        let inner = Arc::new(ScriptedCluster::default());
        let cluster = Resolving::of(inner.clone(), table, Arc::new(sealer), &app, settings.as_object().unwrap());
        (inner, cluster)
    }

    fn connection() -> ClusterConnection {
        ScriptedCluster::default().read_address("https://c", None, "t", false).unwrap()
    }

    fn pod(value: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"name": "hunter2-pod"}, "spec": {"containers": [{"name": "c", "env": [{"name": "DB", "value": value}]}]}})
    }

    #[tokio::test]
    async fn a_value_goes_to_the_cluster_and_to_nobody_else() {
        let (inner, cluster) = cluster(json!({"manifests": [{"x": "secret://db"}]})).await;
        let secret = json!({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "secret://db"}});
        cluster.apply(&connection(), &secret, ApplyOptions::default()).await.unwrap();
        let applied = cluster.apply(&connection(), &pod("secret://db"), ApplyOptions::default()).await.unwrap();
        assert_eq!(inner.applied()[0]["stringData"]["k"], "hunter2");
        assert_eq!(inner.applied()[1]["spec"]["containers"][0]["env"][0]["value"], "hunter2");
        assert_eq!(applied.live, pod("secret://db"), "and a name that happens to hold it stays");
    }

    #[tokio::test]
    async fn another_step_does_not_see_it_either() {
        let (inner, cluster) = cluster(json!({})).await;
        inner.holds(pod("x=s3cret"));
        let what = ObjectKey { api_version: "v1".to_owned(), kind: "Pod".to_owned(), namespace: None, name: "p".to_owned() };
        let live = cluster.get(&connection(), &what).await.unwrap();
        assert_eq!(live, pod("x=secret://other"));
    }

    #[tokio::test]
    async fn what_the_settings_do_not_name_is_not_opened() {
        let (inner, cluster) = cluster(json!({"manifests": ["secret://db secret://gone"]})).await;
        let refused = |object: Value| {
            let cluster = cluster.clone();
            async move { cluster.apply(&connection(), &object, ApplyOptions::default()).await.unwrap_err().to_string() }
        };
        assert!(refused(pod("secret://other")).await.contains("do not name the secret `other`"));
        assert!(refused(pod("secret://gone")).await.contains("has no secret `gone`"));
        let elsewhere = json!({"kind": "ConfigMap", "data": {"k": "secret://db"}});
        assert!(refused(elsewhere).await.contains("at /data/k stands a reference"));
        inner.refuses("the value hunter2 is not allowed");
        let told = refused(pod("secret://db")).await;
        assert!(told.contains("the value secret://db is not allowed"), "{told}");
    }
}
