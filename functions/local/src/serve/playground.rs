//! `waybill serve --playground`: a cluster for demonstrations in the server's process, and a cloud account for it.
//!
//! The account is one like any other: an administrator sees it, changes who may use it and where, or removes it. It lets in
//! what was named on the command line and nothing else, and a later start leaves what was changed as it is: only how the
//! playground is reached is new each time.

use super::parts::Parts;
use crate::failure::Failure;
use crate::files;
use crate::out;
use crate::playground_command;
use app::accounts::cloud::{self, Access, Scope};
use app::error::AppError;
use app::expect::Expect;
use model::id::{AccountName, AppName};
use model::person::{Principal, Role};
use playground::{CONTEXT, Playground};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The account's name.
const ACCOUNT: &str = "playground";
const NAMESPACE: &str = "default";
const FILE: &str = "playground.kubeconfig";

/// A playground that runs with the server.
pub(crate) struct Ours {
    _playground: Playground,
    kubeconfig: PathBuf,
}

impl Ours {
    /// Where its kubeconfig is.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // Of no use without its playground.
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

/// Starts it, writes its kubeconfig into the data folder, and registers it.
pub(crate) async fn start(parts: &Parts, data: &Path, applications: &[String]) -> Result<Ours, Failure> {
    let applications = applications.iter().map(|name| AppName::parse(name.as_str())).collect::<Result<Vec<_>, _>>();
    let applications = applications.map_err(|error| Failure::Usage(format!("--playground-application: {error}")))?;
    let playground = playground_command::start(playground::Options::default().listen).await?;
    let kubeconfig = std::path::absolute(data.join(FILE)).map_err(Failure::file(data))?;
    // One that a crash left behind.
    match std::fs::remove_file(&kubeconfig) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Failure::file(&kubeconfig)(error)),
        _ => {}
    }
    let text = playground.kubeconfig();
    files::write_private(&kubeconfig, &text)?;
    let ours = Ours { _playground: playground, kubeconfig };
    let scope = register(parts, text, &applications).await?;
    let listed = |names: Vec<String>| if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    out::note(&format!(
        "the playground is a cluster in this process, gone when it ends; cloud account {ACCOUNT:?} deploys to it (applications: {}; \
         namespaces: {}); its kubeconfig is {}",
        listed(scope.applications.iter().map(ToString::to_string).collect()),
        listed(scope.namespaces),
        ours.kubeconfig.display(),
    ));
    Ok(ours)
}

/// Registers the account, or has the one of an earlier start lead to this playground. Gives who may use it where.
async fn register(parts: &Parts, kubeconfig: String, applications: &[AppName]) -> Result<Scope, Failure> {
    // Whoever may start the server on this folder may do everything in it.
    let owner = Principal { name: "admin".to_owned(), role: Some(Role::Administrator), groups: BTreeSet::new() };
    let name = AccountName::parse(ACCOUNT).map_err(|error| Failure::Server(error.to_string()))?;
    let access = Access::Kubeconfig { text: kubeconfig, context: None };
    let (ports, cluster) = (parts.accounts(), parts.cluster());
    let there = match cloud::get(parts.store.as_ref(), &owner, &name).await {
        Ok((account, version)) => Some((account, version)),
        Err(AppError::NotFound { .. }) => None,
        Err(error) => return Err(failed(&error)),
    };
    match there {
        Some((account, _)) if account.context.as_deref() != Some(CONTEXT) => Err(Failure::Usage(format!(
            "there is a cloud account {ACCOUNT:?} that is not of a playground; rename it, or start without --playground"
        ))),
        Some((account, version)) => {
            let mut names: BTreeSet<String> = account.applications.clone();
            names.extend(applications.iter().map(AppName::key));
            let names = names.iter().map(|name| AppName::parse(name.as_str())).collect::<Result<Vec<_>, _>>();
            let applications = names.map_err(|error| Failure::Server(error.to_string()))?;
            let scope = Scope {
                applications,
                namespaces: account.namespaces.into_iter().collect(),
                extra_kinds: account.extra_kinds.into_iter().collect(),
            };
            let expect = Expect::Versions(vec![version]);
            let updated = cloud::update(&ports, cluster, &owner, &name, (Some(access), false), &scope, &expect).await;
            updated.map(|_| scope).map_err(|error| failed(&error))
        }
        None => {
            let scope = Scope { applications: applications.to_vec(), namespaces: vec![NAMESPACE.to_owned()], extra_kinds: Vec::new() };
            let made = cloud::create(&ports, cluster, &owner, None, name, (access, false), &scope).await;
            made.map(|_| scope).map_err(|error| failed(&error))
        }
    }
}

fn failed(error: &AppError) -> Failure {
    Failure::Server(format!("the account of the playground cannot be registered: {error}"))
}
