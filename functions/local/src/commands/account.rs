//! `waybill account cloud …` and `waybill account registry …`

use super::{remove, show_one, show_page};
use crate::api::{Api, Call, Patience, Topics};
use crate::failure::Failure;
use crate::files;
use crate::session::{PageOptions, Session, fresh_key};
use crate::views::{self, text};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Clusters, and who may deploy where.
    #[command(subcommand)]
    Cloud(Cloud),
    /// Container registries.
    #[command(subcommand)]
    Registry(Registry),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cloud {
    /// Register a cluster, from a kubeconfig or by its address, and wait until it is checked.
    Add(CloudAdd),
    /// All clusters.
    List {
        #[command(flatten)]
        page: PageOptions,
    },
    /// A cluster, with what its check has found.
    Show {
        /// Its name.
        name: String,
    },
    /// Check a cluster again, and wait for the outcome.
    Verify {
        /// Its name.
        name: String,
    },
    /// Remove a cluster that no stage names.
    Remove {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("reached by").required(true).args(["kubeconfig", "server_address"]))]
pub(crate) struct CloudAdd {
    /// Its name, as stages say it under `account`.
    name: String,
    /// A kubeconfig that holds certificates and tokens itself, no paths and no commands; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig; may be left out when there is only one.
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Address of the API server: for clusters whose kubeconfig runs a command.
    #[arg(long, value_name = "URL", requires = "cluster_token_file")]
    server_address: Option<String>,
    /// PEM of the authority that signed the API server's certificate.
    #[arg(long, value_name = "FILE", requires = "server_address")]
    ca_file: Option<PathBuf>,
    /// File with the token of a service account of the cluster.
    #[arg(long, value_name = "FILE", requires = "server_address")]
    cluster_token_file: Option<PathBuf>,
    /// An application that may deploy with it; may be repeated, or given with commas.
    #[arg(long = "application", value_name = "APPLICATION", value_delimiter = ',')]
    applications: Vec<String>,
    /// A namespace that may be deployed into; may be repeated, or given with commas.
    #[arg(long = "namespace", value_name = "NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// A kind beyond the ordinary ones, as `Kind` or `Kind.group`; may be repeated, or given with commas.
    #[arg(long = "extra-kind", value_name = "KIND", value_delimiter = ',')]
    extra_kinds: Vec<String>,
    /// Do not check the API server's certificate. Whoever stands between can then do everything the account may.
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Do not wait for the check.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Registry {
    /// Register a registry, and wait until it is checked.
    Add(RegistryAdd),
    /// All registries.
    List {
        #[command(flatten)]
        page: PageOptions,
    },
    /// A registry.
    Show {
        /// Its name.
        name: String,
    },
    /// Check a registry again, and wait for the outcome.
    Verify {
        /// Its name.
        name: String,
    },
    /// Remove a registry that no trigger names.
    Remove {
        /// Its name.
        name: String,
    },
    /// Tags of a repository.
    Tags {
        /// The registry's name.
        name: String,
        /// The repository, without the registry's address.
        repository: String,
        #[command(flatten)]
        page: PageOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RegistryAdd {
    /// Its name, as triggers say it under `account`.
    name: String,
    /// `host:port`, as it stands in the names of images.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// User to log in as.
    #[arg(long, requires = "password_file")]
    username: Option<String>,
    /// File with the user's password.
    #[arg(long, value_name = "FILE", requires = "username", conflicts_with = "bearer_file")]
    password_file: Option<PathBuf>,
    /// File with a token that is sent as it is.
    #[arg(long, value_name = "FILE")]
    bearer_file: Option<PathBuf>,
    /// PEM of the authority that signed the registry's certificate.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Speak plain HTTP; so it is by itself for a registry on this machine.
    #[arg(long)]
    plain_http: bool,
    /// Do not wait for the check.
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn run(command: Command, session: &mut Session) -> Result<(), Failure> {
    match command {
        Command::Cloud(command) => cloud(command, session).await,
        Command::Registry(command) => registry(command, session).await,
    }
}

async fn cloud(command: Cloud, session: &mut Session) -> Result<(), Failure> {
    match command {
        Cloud::Add(add) => self::add(session, "cloud", &cloud_body(&add)?, !add.no_wait).await,
        Cloud::List { page } => show_page(session, &["api", "accounts", "cloud"], &page, views::accounts).await,
        Cloud::Show { name } => show_one(session, &["api", "accounts", "cloud", &name], views::account).await,
        Cloud::Verify { name } => verify(session, "cloud", &name).await,
        Cloud::Remove { name } => remove(session, &["api", "accounts", "cloud", &name], &format!("cloud account {name}")).await,
    }
}

async fn registry(command: Registry, session: &mut Session) -> Result<(), Failure> {
    match command {
        Registry::Add(add) => self::add(session, "registry", &registry_body(&add)?, !add.no_wait).await,
        Registry::List { page } => show_page(session, &["api", "accounts", "registry"], &page, views::accounts).await,
        Registry::Show { name } => show_one(session, &["api", "accounts", "registry", &name], views::account).await,
        Registry::Verify { name } => verify(session, "registry", &name).await,
        Registry::Remove { name } => remove(session, &["api", "accounts", "registry", &name], &format!("registry account {name}")).await,
        Registry::Tags { name, repository, page } => {
            let call = Call::get(&["api", "accounts", "registry", &name, "tags"]).query("repository", Some(repository));
            let call = call.query("limit", Some(page.limit)).query("after", page.after.as_ref());
            let answer = session.api.send(call).await?;
            session.out.show(&answer.body, views::tags)
        }
    }
}

fn cloud_body(add: &CloudAdd) -> Result<Value, Failure> {
    let mut body = Map::new();
    let file = |path: &Option<PathBuf>| path.as_deref().map(files::text).transpose();
    let given = [
        ("kubeconfig", file(&add.kubeconfig)?),
        ("context", add.context.clone()),
        ("server", add.server_address.clone()),
        ("caPem", file(&add.ca_file)?),
        ("token", add.cluster_token_file.as_deref().map(files::secret).transpose()?),
    ];
    body.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))));
    let rest = json!({
        "name": add.name,
        "insecureSkipTlsVerify": add.insecure_skip_tls_verify,
        "applications": add.applications,
        "namespaces": add.namespaces,
        "extraKinds": add.extra_kinds,
    });
    body.extend(rest.as_object().cloned().unwrap_or_default());
    Ok(Value::Object(body))
}

fn registry_body(add: &RegistryAdd) -> Result<Value, Failure> {
    let credentials = match (&add.username, &add.password_file, &add.bearer_file) {
        (Some(username), Some(password), _) => json!({"type": "basic", "username": username, "password": files::secret(password)?}),
        (_, _, Some(token)) => json!({"type": "bearer", "token": files::secret(token)?}),
        _ => json!({"type": "anonymous"}),
    };
    let mut body = json!({"name": add.name, "address": add.address, "credentials": credentials});
    if let Some(fields) = body.as_object_mut() {
        if let Some(ca) = add.ca_file.as_deref().map(files::text).transpose()? {
            fields.insert("caPem".to_owned(), json!(ca));
        }
        if add.plain_http {
            fields.insert("plainHttp".to_owned(), json!(true));
        }
    }
    Ok(body)
}

async fn add(session: &mut Session, kind: &str, body: &Value, wait: bool) -> Result<(), Failure> {
    let key = fresh_key()?;
    let made = session.api.send(Call::post(&["api", "accounts", kind], body).key(&key)).await?.body;
    conclude(session, kind, made, wait).await
}

async fn verify(session: &mut Session, kind: &str, name: &str) -> Result<(), Failure> {
    let asked = session.api.send(Call::post_empty(&["api", "accounts", kind, name, "verify"])).await?.body;
    conclude(session, kind, asked, true).await
}

/// Shows the account once it is checked; fails when it is not usable.
async fn conclude(session: &mut Session, kind: &str, account: Value, wait: bool) -> Result<(), Failure> {
    let account = if wait { checked(&session.api, session.patience, kind, text(&account, "name")).await? } else { account };
    session.out.show(&account, views::account)?;
    if text(&account, "state") == "failed" { Err(Failure::EndedBadly) } else { Ok(()) }
}

/// Waits until the account's check has ended, and gives the account.
pub(crate) async fn checked(api: &Api, patience: Patience, kind: &str, name: &str) -> Result<Value, Failure> {
    let mut topics = Topics::new(api, vec![format!("account:{name}")], patience);
    loop {
        topics.changed().await?;
        let account = api.send(Call::get(&["api", "accounts", kind, name])).await?.body;
        if text(&account, "state") != "verifying" {
            return Ok(account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command as Top};
    use clap::Parser;

    fn account(words: &[&str]) -> Result<Command, clap::Error> {
        let words = ["waybill", "account"].iter().chain(words);
        match Arguments::try_parse_from(words)?.command {
            Top::Account(group) => Ok(group.command),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cluster_is_reached_in_one_way() {
        assert!(account(&["cloud", "add", "prod"]).is_err());
        assert!(account(&["cloud", "add", "prod", "--kubeconfig", "f", "--server-address", "https://k"]).is_err());
        assert!(account(&["cloud", "add", "prod", "--server-address", "https://k"]).is_err(), "a token is missing");
        assert!(account(&["cloud", "add", "prod", "--context", "c"]).is_err());
        assert!(account(&["cloud", "add", "prod", "--kubeconfig", "f", "--context", "c"]).is_ok());
    }

    #[test]
    fn a_cluster_by_its_address_is_sent_with_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let (ca, token) = (folder.path().join("ca.pem"), folder.path().join("token"));
        std::fs::write(&ca, "PEM\n").unwrap();
        std::fs::write(&token, "secret\n").unwrap();
        let (ca, token) = (ca.to_str().unwrap(), token.to_str().unwrap());
        let words = ["cloud", "add", "prod", "--server-address", "https://k", "--ca-file", ca, "--cluster-token-file", token];
        let words = [words.as_slice(), &["--namespace", "a,b", "--application", "flaskapp"]].concat();
        let Command::Cloud(Cloud::Add(add)) = account(&words).unwrap() else { panic!() };
        let expected = json!({"server": "https://k", "caPem": "PEM\n", "token": "secret", "name": "prod", "insecureSkipTlsVerify": false,
            "applications": ["flaskapp"], "namespaces": ["a", "b"], "extraKinds": []});
        assert_eq!(cloud_body(&add).unwrap(), expected);
    }

    #[test]
    fn a_registry_logs_in_in_one_way() {
        assert!(account(&["registry", "add", "r", "--address", "h:5000", "--username", "u"]).is_err());
        let both = ["registry", "add", "r", "--address", "h", "--username", "u", "--password-file", "p", "--bearer-file", "b"];
        assert!(account(&both).is_err());
        let Command::Registry(Registry::Add(add)) = account(&["registry", "add", "r", "--address", "h:5000"]).unwrap() else { panic!() };
        assert_eq!(registry_body(&add).unwrap(), json!({"name": "r", "address": "h:5000", "credentials": {"type": "anonymous"}}));
    }
}
