//! A real Kubernetes control plane on this machine: etcd, kube-apiserver, controllers and scheduler, with kwok playing
//! the nodes. How pods behave is chosen by the name of their image; `functions/dev/cluster/kwok.yaml` lists the names.
//!
//! It never runs a container, and never listens beyond 127.0.0.1.

mod access;
pub(crate) mod keys;
mod kube_api;
mod parts;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub use access::{Rights, rule};
pub use kube_api::KubeApi;

use crate::part::Part;
use crate::places::{self, Scratch};
use crate::{Error, Result, eventually};

/// Names the kubeconfig of the control plane a whole test run shares.
pub const SHARED_VARIABLE: &str = "WAYBILL_TEST_KUBECONFIG";
/// The one context of every kubeconfig made here.
pub const CONTEXT: &str = "test";

const RECIPE: [(&str, &str); 3] = [
    ("main.go", include_str!("../../../../dev/cluster/main.go")),
    ("go.mod", include_str!("../../../../dev/cluster/go.mod")),
    ("go.sum", include_str!("../../../../dev/cluster/go.sum")),
];
/// A port may be taken between choosing it and binding it.
const STARTS_MAX: usize = 3;

/// How a control plane is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with the built programs; found in the cache when not given.
    pub binaries: Option<PathBuf>,
    /// How many simulated nodes it has.
    pub nodes: usize,
    /// How long it may take until it is ready.
    pub ready_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { binaries: None, nodes: 2, ready_max: Duration::from_secs(90) }
    }
}

/// How to reach one, as kept beside its kubeconfig.
#[derive(Serialize, Deserialize)]
struct Address {
    server: String,
    ca_pem: String,
    token: String,
    certificate_pem: String,
    key_pem: String,
}

/// A control plane: started here, or shared with the whole test run. It ends when dropped, at the latest with this
/// process.
pub struct ControlPlane {
    address: Address,
    folder: PathBuf,
    parts: Vec<Part>,
    _scratch: Option<Scratch>,
}

// Token and key stay out of it.
impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlane").field("server", &self.address.server).field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// Starts one of its own, and returns when its nodes are ready: about five seconds.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not built; [`Error::Start`] and [`Error::Timeout`] when it does not come up.
    pub async fn start(options: Options) -> Result<Self> {
        let binaries = match &options.binaries {
            Some(folder) => folder.clone(),
            None => find_binaries()?,
        };
        let mut attempt = 1;
        loop {
            match Self::start_once(binaries.clone(), &options).await {
                Err(Error::Start { reason, .. }) if attempt < STARTS_MAX && reason.contains("address already in use") => attempt += 1,
                other => return other,
            }
        }
    }

    /// The one this test run shares: that of `WAYBILL_TEST_KUBECONFIG` when set, else one that this process starts and
    /// keeps until it ends.
    ///
    /// # Errors
    /// As [`ControlPlane::start`]; [`Error::Io`] when the variable names no kubeconfig of ours.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                match env::var_os(SHARED_VARIABLE).filter(|value| !value.is_empty()) {
                    Some(kubeconfig) => Self::running(Path::new(&kubeconfig)),
                    None => Self::start(Options::default()).await,
                }
            })
            .await
    }

    /// One that somebody else keeps running, by its kubeconfig.
    fn running(kubeconfig: &Path) -> Result<Self> {
        let folder = kubeconfig.parent().unwrap_or(Path::new(".")).to_path_buf();
        let path = folder.join("address.json");
        let text = fs::read(&path).map_err(Error::io(&path))?;
        let address = serde_json::from_slice(&text).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Self { address, folder, parts: Vec::new(), _scratch: None })
    }

    async fn start_once(binaries: PathBuf, options: &Options) -> Result<Self> {
        let scratch = Scratch::new("control-plane")?;
        let site = parts::Site::new(binaries, scratch.path())?;
        let admin = keys::make(&scratch.path().join("pki"))?;
        let address = Address {
            server: format!("https://127.0.0.1:{}", site.port_api),
            ca_pem: admin.ca_pem,
            token: admin.token,
            certificate_pem: admin.certificate_pem,
            key_pem: admin.key_pem,
        };
        let mut plane = Self { address, folder: site.folder.clone(), parts: Vec::new(), _scratch: Some(scratch) };
        plane.write_files()?;
        plane.parts.push(site.etcd()?);
        plane.parts.push(site.api_server()?);
        plane.wait_until_ready(options.ready_max).await?;
        plane.parts.push(site.controller_manager()?);
        plane.parts.push(site.scheduler()?);
        plane.parts.push(site.kwok()?);
        plane.add_nodes(options).await?;
        Ok(plane)
    }

    fn write_files(&self) -> Result<()> {
        let write = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            fs::write(&path, bytes).map_err(Error::io(path))
        };
        let address = serde_json::to_vec(&self.address).map_err(|error| Error::Invalid(error.to_string()))?;
        write("address.json", &address)?;
        write("admin.kubeconfig", self.kubeconfig().as_bytes())
    }

    /// Waits, and gives up at once when a part has ended.
    async fn wait_until_ready(&mut self, ready_max: Duration) -> Result<()> {
        let api = self.api()?;
        let ready = eventually("the API server", ready_max, || async {
            Ok::<_, Error>((api.request(reqwest::Method::GET, "/readyz", None).await?.0 == 200).then_some(()))
        });
        tokio::pin!(ready);
        loop {
            tokio::select! {
                outcome = &mut ready => return outcome,
                () = tokio::time::sleep(Duration::from_millis(250)) => self.parts.iter_mut().try_for_each(Part::check)?,
            }
        }
    }

    async fn add_nodes(&mut self, options: &Options) -> Result<()> {
        let api = self.api()?;
        for number in 1..=options.nodes {
            let name = format!("node-{number}");
            let labels = json!({ "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" });
            let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels } });
            api.create("/api/v1/nodes", &node).await?;
        }
        let wanted = options.nodes;
        let outcome = eventually("the nodes", options.ready_max, || async {
            let nodes = api.get("/api/v1/nodes").await?;
            // The roles that collect others are empty until their controller has run once.
            let edit = api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/edit").await?;
            let collected = edit.pointer("/rules/0").is_some();
            Ok::<_, Error>((collected && ready_nodes(&nodes) == wanted).then_some(()))
        })
        .await;
        self.parts.iter_mut().try_for_each(Part::check)?;
        outcome
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.address.server
    }

    /// The certificate authority of the server.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.address.ca_pem
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.address.token
    }

    /// The administrator's kubeconfig: inline data, a bearer token, the context [`CONTEXT`].
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_for_token(&self.address.token)
    }

    /// Where that kubeconfig lies as a file.
    #[must_use]
    pub fn kubeconfig_file(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// A kubeconfig for whoever `token` belongs to.
    #[must_use]
    pub fn kubeconfig_for_token(&self, token: &str) -> String {
        self.kubeconfig_with(&format!("token: {token}"))
    }

    /// The administrator's kubeconfig with a client certificate instead of a token.
    #[must_use]
    pub fn kubeconfig_with_certificate(&self) -> String {
        let (certificate, key) = (STANDARD.encode(&self.address.certificate_pem), STANDARD.encode(&self.address.key_pem));
        self.kubeconfig_with(&format!("client-certificate-data: {certificate}\n    client-key-data: {key}"))
    }

    fn kubeconfig_with(&self, user: &str) -> String {
        let (server, ca) = (&self.address.server, STANDARD.encode(&self.address.ca_pem));
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: test\n  cluster:\n    server: {server}\n    \
             certificate-authority-data: {ca}\nusers:\n- name: test\n  user:\n    {user}\ncontexts:\n- name: {CONTEXT}\n  \
             context:\n    cluster: test\n    user: test\ncurrent-context: {CONTEXT}\n"
        )
    }

    /// The API, as the administrator.
    ///
    /// # Errors
    /// [`Error::Http`] when no client can be made.
    pub fn api(&self) -> Result<KubeApi> {
        self.api_for_token(&self.address.token)
    }

    /// The API, as whoever `token` belongs to.
    ///
    /// # Errors
    /// [`Error::Http`] when no client can be made.
    pub fn api_for_token(&self, token: &str) -> Result<KubeApi> {
        KubeApi::new(&self.address.server, &self.address.ca_pem, token)
    }

    /// An error with the end of its log when a part has ended by itself.
    ///
    /// # Errors
    /// [`Error::Start`] then.
    pub fn check(&mut self) -> Result<()> {
        self.parts.iter_mut().try_for_each(Part::check)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.parts.iter_mut().for_each(Part::ask_to_end);
        // They are waited for before the folder goes, which the order of the fields sees to.
    }
}

fn ready_nodes(nodes: &Value) -> usize {
    let ready = |node: &&Value| {
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    nodes["items"].as_array().map_or(0, |items| items.iter().filter(ready).count())
}

/// `kubectl`, of the control plane's version.
///
/// # Errors
/// [`Error::Missing`] when the control plane of this checkout is not built.
pub fn kubectl() -> Result<PathBuf> {
    Ok(find_binaries()?.join("kubectl"))
}

/// The folder `cargo dev cluster build` left, recognised by the copy of the recipe that lies in it.
fn find_binaries() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("WAYBILL_CONTROL_PLANE").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(folder));
    }
    let base = places::cache()?.join("control-plane");
    let same = |folder: &Path| RECIPE.iter().all(|(name, text)| fs::read(folder.join(name)).is_ok_and(|bytes| bytes == text.as_bytes()));
    let folders = fs::read_dir(&base).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.into_iter().find(|folder| same(folder) && folder.join("kube-apiserver").is_file()).ok_or_else(|| Error::Missing {
        what: "the control plane of this checkout".into(),
        advice: "run `cargo dev cluster build` first (needs Go 1.26; about six minutes once)".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nodes_that_say_ready_count() {
        let node = |status: &str| json!({ "status": { "conditions": [{ "type": "Ready", "status": status }] } });
        let nodes = json!({ "items": [node("True"), node("False"), json!({})] });
        assert_eq!(ready_nodes(&nodes), 1);
    }

    #[tokio::test]
    async fn programs_that_are_not_there_are_a_failed_start() {
        let options = Options { binaries: Some("/nonexistent".into()), ..Options::default() };
        let error = ControlPlane::start(options).await.unwrap_err();
        assert!(matches!(error, Error::Start { .. }), "{error}");
    }
}
