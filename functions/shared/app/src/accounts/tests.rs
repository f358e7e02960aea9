//! Accounts from registration to removal, on fakes.

use super::super::cloud::{self, Access, Scope};
use super::super::registry::{self, NewRegistry};
use super::super::{AccountPorts, due_hint, open_for, open_registry};
use super::*;
use crate::applications;
use crate::expect::Expect;
use crate::paging::PageRequest;
use crate::pipelines::{SavePorts, save};
use crate::ports::Hint;
use crate::testing::{
    Counting, FixedClock, KeptChanges, KeptHints, MemoryTable, ScriptedCluster, ScriptedRegistry, TurningSealer, principal,
};
use model::account::{AccountCheck, ClusterCredentials, RegistryCredentials, RegistryLogin};
use model::id::AppName;
use model::person::{Principal, Role};
use serde_json::json;

#[derive(Default)]
struct Bench {
    table: MemoryTable,
    clock: FixedClock,
    sealer: TurningSealer,
    queue: KeptHints,
    changes: KeptChanges,
    cluster: ScriptedCluster,
    registry: ScriptedRegistry,
}

fn admin() -> Principal {
    principal("root", Role::Administrator)
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn app() -> AppName {
    AppName::parse("FlaskApp").unwrap()
}

fn scope() -> Scope {
    Scope {
        applications: vec![app()],
        namespaces: vec!["web".to_owned()],
        extra_kinds: vec!["Gateway.gateway.networking.k8s.io".to_owned()],
    }
}

fn kubeconfig(text: &str) -> Access {
    Access::Kubeconfig { text: text.to_owned(), context: None }
}

const GOOD: &str = "server=https://10.0.0.1 token=very-secret";

impl Bench {
    fn ports(&self) -> AccountPorts<'_> {
        AccountPorts { table: &self.table, clock: &self.clock, sealer: &self.sealer, queue: &self.queue, changes: &self.changes }
    }

    async fn cloud_as(&self, who: &Principal, access: Access, scope: &Scope) -> Result<(CloudAccount, u64), AppError> {
        cloud::create(&self.ports(), &self.cluster, who, None, name("prod"), (access, false), scope).await
    }

    async fn cloud(&self) -> (CloudAccount, u64) {
        self.cloud_as(&admin(), kubeconfig(GOOD), &scope()).await.unwrap()
    }

    async fn verify(&self) -> CloudAccount {
        let ports = CloudVerifyPorts {
            table: &self.table,
            clock: &self.clock,
            sealer: &self.sealer,
            cluster: &self.cluster,
            changes: &self.changes,
        };
        verify_cloud(&ports, &name("prod")).await.unwrap();
        cloud::load(&self.table, &name("prod")).await.unwrap().0
    }

    async fn registry_with(
        &self,
        who: &Principal,
        address: &str,
        plain_http: Option<bool>,
        login: RegistryLogin,
    ) -> Result<RegistryAccount, AppError> {
        let credentials = RegistryCredentials { login, ca_pem: None };
        let new = NewRegistry { name: name("reg"), address: address.to_owned(), plain_http, credentials };
        Ok(registry::create(&self.ports(), who, None, new).await?.0)
    }

    async fn verify_registry(&self) -> RegistryAccount {
        let ports = RegistryVerifyPorts {
            table: &self.table,
            clock: &self.clock,
            sealer: &self.sealer,
            registry: &self.registry,
            changes: &self.changes,
        };
        verify_registry(&ports, &name("reg")).await.unwrap();
        registry::load(&self.table, &name("reg")).await.unwrap().0
    }

    async fn pipeline(&self, document: serde_json::Value) {
        let application = serde_json::from_value(json!({ "name": "flaskapp" })).unwrap();
        applications::create(&self.table, &self.clock, &self.changes, &admin(), None, application).await.unwrap();
        let entropy = Counting::default();
        let ports = SavePorts { table: &self.table, clock: &self.clock, entropy: &entropy, sealer: &self.sealer, changes: &self.changes };
        save(&ports, &admin(), &app(), "deploy", document, &Expect::Nothing).await.unwrap();
    }
}

fn codes(error: AppError) -> Vec<String> {
    match error {
        AppError::Invalid(list) => list.into_iter().map(|p| format!("{} {}", p.pointer, p.code)).collect(),
        AppError::Conflict { code, .. } => vec![code.to_owned()],
        AppError::Refused { code, .. } | AppError::Denied { code, .. } => vec![code],
        other => vec![other.to_string()],
    }
}

#[tokio::test]
async fn a_cloud_account_is_sealed_checked_and_opened_for_its_applications() {
    let b = Bench::default();
    let (made, version) = b.cloud().await;
    assert_eq!(
        (made.state, made.server.as_str(), made.context.as_deref(), version),
        (AccountState::Verifying, "https://10.0.0.1", Some("default"), 1)
    );
    assert!(!b.table.dump().contains("very-secret"));
    assert_eq!(b.queue.take(), [Hint::CloudAccount { name: name("prod") }]);
    let due = b.table.due(b.clock.now_ms() + super::super::VERIFY_AGAIN_MS, 10).await.unwrap();
    assert_eq!(
        due.iter().filter_map(due_hint).collect::<Vec<_>>(),
        [Hint::CloudAccount { name: name("prod") }],
        "a lost hint is made good"
    );
    assert_eq!(b.verify().await.state, AccountState::Ready);
    assert!(b.table.due(Millis::MAX, 10).await.unwrap().is_empty());
    let opened = open_for(&b.table, &b.sealer, &AppName::parse("flaskAPP").unwrap()).await.unwrap();
    assert!(matches!(&opened["prod"].connection.credentials, ClusterCredentials::Token(t) if t == "very-secret"));
    assert!(opened["prod"].namespaces.contains("web"));
    assert!(open_for(&b.table, &b.sealer, &AppName::parse("other").unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_failure_has_its_reason() {
    let b = Bench::default();
    b.cloud().await;
    let unreachable = |code| ClusterError::Unreachable { code, message: "m".to_owned() };
    for (error, code) in [
        (unreachable("name-not-found"), ReasonCode::AccountNameNotFound),
        (unreachable("refused"), ReasonCode::AccountConnectionRefused),
        (unreachable("certificate-not-trusted"), ReasonCode::AccountCertificateNotTrusted),
        (unreachable("timed-out"), ReasonCode::AccountTimedOut),
        (unreachable("connection-lost"), ReasonCode::AccountUnreachable),
        (ClusterError::Unauthorized("m".to_owned()), ReasonCode::AccountUnauthorized),
        (ClusterError::Denied("m".to_owned()), ReasonCode::AccountForbidden),
        (ClusterError::Invalid("m".to_owned()), ReasonCode::AccountNotUnderstood),
        (ClusterError::Throttled(5), ReasonCode::AccountUnreachable),
    ] {
        b.cluster.will(Err(error));
        cloud::verify_again(&b.ports(), &admin(), &name("prod")).await.unwrap();
        let account = b.verify().await;
        assert!(account.state == AccountState::Failed && account.reason.as_ref().unwrap().is(code), "{account:?}");
    }
    let check = AccountCheck { name: "rights:web".to_owned(), passed: false, message: "web: may not create deployments".to_owned() };
    b.cluster.will(Ok(Verified { version: "v1".to_owned(), checks: vec![check] }));
    cloud::verify_again(&b.ports(), &admin(), &name("prod")).await.unwrap();
    let reason = b.verify().await.reason.unwrap();
    assert!(reason.is(ReasonCode::AccountRightsMissing) && reason.message.contains("may not create deployments"));
}

#[tokio::test]
async fn a_check_that_is_not_wanted_changes_nothing() {
    let b = Bench::default();
    b.cloud().await;
    b.verify().await;
    b.cluster.will(Err(ClusterError::Unauthorized("m".to_owned())));
    assert_eq!(b.verify().await.state, AccountState::Ready, "a repeated hint");
    cloud::delete(&b.ports(), &admin(), &name("prod"), &Expect::Nothing).await.unwrap();
    let ports = CloudVerifyPorts { table: &b.table, clock: &b.clock, sealer: &b.sealer, cluster: &b.cluster, changes: &b.changes };
    verify_cloud(&ports, &name("prod")).await.unwrap();
}

#[tokio::test]
async fn a_secret_of_another_account_does_not_open() {
    let b = Bench::default();
    let (mut account, version) = b.cloud().await;
    account.connection = b.sealer.seal("cloud:other", b"{}").await.unwrap();
    let item = record::item(cloud_key(&account.name), &account).unwrap();
    assert!(write(&b.table, item, version).await.unwrap());
    assert!(b.verify().await.reason.unwrap().is(ReasonCode::AccountSecretUnreadable));
    assert!(open_for(&b.table, &b.sealer, &app()).await.unwrap().is_empty());
}

#[tokio::test]
async fn bad_connections_and_scopes_are_refused_with_their_place() {
    let b = Bench::default();
    let bench = &b;
    let refused = |access, scope| async move { codes(bench.cloud_as(&admin(), access, &scope).await.unwrap_err()) };
    assert_eq!(refused(kubeconfig("exec"), scope()).await, ["/kubeconfig/users/0/user/exec exec-refused"]);
    assert_eq!(refused(kubeconfig("rubbish"), scope()).await, ["/kubeconfig not-a-kubeconfig"]);
    assert_eq!(refused(kubeconfig(&"x".repeat(2 << 20)), scope()).await, ["/kubeconfig kubeconfig-too-large"]);
    let address = Access::Address { server: "http://x".to_owned(), ca_pem: None, token: "t".to_owned() };
    assert_eq!(refused(address, scope()).await, ["/server server-invalid"]);
    let long = kubeconfig(&format!("server=https://x token={}", "x".repeat(300_000)));
    assert_eq!(refused(long, scope()).await, [" connection-too-large"]);
    let bad = Scope { applications: vec![], namespaces: vec!["Web".to_owned()], extra_kinds: vec!["gateway".to_owned(), "A.".to_owned()] };
    assert_eq!(
        refused(kubeconfig(GOOD), bad).await,
        ["/namespaces/0 namespace-invalid", "/extraKinds/0 kind-invalid", "/extraKinds/1 kind-invalid"]
    );
    assert!(b.table.is_empty(), "nothing half-done is left behind");
    b.cloud().await;
    assert_eq!(refused(kubeconfig(GOOD), scope()).await, ["name-taken"]);
}

#[tokio::test]
async fn a_change_is_checked_again_and_may_bring_new_credentials() {
    let b = Bench::default();
    b.cloud().await;
    let updated = b.verify().await;
    let less = Scope { namespaces: vec![], ..scope() };
    let address = || Access::Address { server: "https://new".to_owned(), ca_pem: None, token: "new-secret".to_owned() };
    assert_eq!(
        codes(cloud::update(&b.ports(), &b.cluster, &admin(), &updated.name, (None, false), &less, &Expect::Nothing).await.unwrap_err()),
        ["if-match-required"]
    );
    let expect = Expect::Versions(vec![2]);
    let (account, version) =
        cloud::update(&b.ports(), &b.cluster, &admin(), &updated.name, (Some(address()), true), &less, &expect).await.unwrap();
    assert_eq!(
        (account.state, account.server.as_str(), account.insecure_skip_tls_verify, version),
        (AccountState::Verifying, "https://new", true, 3)
    );
    assert_eq!(
        codes(cloud::update(&b.ports(), &b.cluster, &admin(), &updated.name, (None, false), &less, &expect).await.unwrap_err()),
        ["version-differs"]
    );
}

#[tokio::test]
async fn accounts_in_use_stay_and_say_by_what() {
    let b = Bench::default();
    b.cloud().await;
    b.registry_with(&admin(), "127.0.0.1:5000", None, RegistryLogin::Anonymous).await.unwrap();
    b.pipeline(json!({"stages": [{"refId": "1", "name": "Deploy", "type": "deployManifest", "account": "prod"}],
        "triggers": [{"type": "docker", "account": "reg", "repository": "team/web"}]}))
        .await;
    let refused = cloud::delete(&b.ports(), &admin(), &name("prod"), &Expect::Nothing).await.unwrap_err();
    assert!(
        matches!(&refused, AppError::Conflict { code: "account-in-use", message, .. } if message.contains("flaskapp/deploy stage 1 (Deploy)"))
    );
    let refused = registry::delete(&b.ports(), &admin(), &name("reg"), &Expect::Nothing).await.unwrap_err();
    assert!(matches!(&refused, AppError::Conflict { code: "account-in-use", message, .. } if message.contains("trigger on team/web")));
}

#[tokio::test]
async fn only_administrators_change_and_only_operators_see() {
    let b = Bench::default();
    let (operator, developer) = (principal("op", Role::Operator), principal("dev", Role::Developer));
    assert_eq!(codes(b.cloud_as(&operator, kubeconfig(GOOD), &scope()).await.unwrap_err()), ["role-too-low"]);
    let anonymous = RegistryLogin::Anonymous;
    assert_eq!(codes(b.registry_with(&operator, "r.io", None, anonymous.clone()).await.unwrap_err()), ["role-too-low"]);
    b.cloud().await;
    b.registry_with(&admin(), "r.io", None, anonymous).await.unwrap();
    let page = PageRequest::default();
    assert_eq!(cloud::list(&b.table, &operator, &page).await.unwrap().entries.len(), 1);
    assert_eq!(codes(cloud::list(&b.table, &developer, &page).await.unwrap_err()), ["role-too-low"]);
    assert_eq!(codes(cloud::get(&b.table, &developer, &name("prod")).await.unwrap_err()), ["role-too-low"]);
    assert_eq!(codes(cloud::verify_again(&b.ports(), &operator, &name("prod")).await.unwrap_err()), ["role-too-low"]);
    assert_eq!(codes(cloud::delete(&b.ports(), &operator, &name("prod"), &Expect::Nothing).await.unwrap_err()), ["role-too-low"]);
    assert_eq!(codes(registry::list(&b.table, &developer, &page).await.unwrap_err()), ["role-too-low"]);
    assert_eq!(codes(registry::delete(&b.ports(), &operator, &name("reg"), &Expect::Nothing).await.unwrap_err()), ["role-too-low"]);
}

#[tokio::test]
async fn plain_http_is_for_this_machine_or_asked_for() {
    for (address, asked, plain) in [
        ("127.0.0.1:5000", None, true),
        ("localhost:5000", None, true),
        ("127.0.0.1:5000", Some(false), false),
        ("reg.example", None, false),
        ("reg.example", Some(true), true),
        ("127.0.0.1.example.com", None, false),
    ] {
        let b = Bench::default();
        let account = b.registry_with(&admin(), address, asked, RegistryLogin::Anonymous).await.unwrap();
        assert_eq!(account.plain_http, plain, "{address}");
    }
}

#[tokio::test]
async fn a_registry_account_is_sealed_checked_and_read_through() {
    let b = Bench::default();
    let login = RegistryLogin::Basic { username: "ann".to_owned(), password: "very-secret".to_owned() };
    let made = b.registry_with(&admin(), "https://Reg.example:443/", None, login).await.unwrap();
    assert_eq!((made.address.as_str(), made.username.as_deref()), ("reg.example", Some("ann")));
    assert!(!b.table.dump().contains("very-secret"));
    assert_eq!(b.queue.take(), [Hint::RegistryAccount { name: name("reg") }]);
    assert_eq!(b.verify_registry().await.state, AccountState::Ready);
    let access = open_registry(&b.table, &b.sealer, &name("reg")).await.unwrap();
    assert!(matches!(access.credentials.login, RegistryLogin::Basic { password, .. } if password == "very-secret"));
    let dev = principal("dev", Role::Developer);
    let through = || (&b.table as &dyn Table, &b.sealer as &dyn Sealer, &b.registry as &dyn Registry);
    let page = PageRequest { after: Some("1".to_owned()), limit: 1 };
    let tags = registry::tags(through(), &dev, &name("reg"), "team/web", &page).await.unwrap();
    assert_eq!((tags.entries, tags.next), (vec!["2".to_owned()], Some("2".to_owned())));
    let found = registry::version(through(), &dev, &name("reg"), "team/web", "2").await.unwrap();
    assert!(found.digest.as_str().starts_with("sha256:22"));
    assert!(matches!(registry::version(through(), &dev, &name("reg"), "team/web", "9").await, Err(AppError::NotFound { .. })));
    assert!(matches!(registry::tags(through(), &dev, &name("reg"), "../x", &page).await, Err(AppError::Invalid(_))));
    b.registry.will(Some(RegistryError::Denied("no".to_owned())));
    assert_eq!(codes(registry::tags(through(), &dev, &name("reg"), "team/web", &page).await.unwrap_err()), ["registry-denies"]);
    registry::verify_again(&b.ports(), &admin(), &name("reg")).await.unwrap();
    assert!(b.verify_registry().await.reason.unwrap().is(ReasonCode::AccountUnauthorized));
    registry::delete(&b.ports(), &admin(), &name("reg"), &Expect::Nothing).await.unwrap();
}

#[tokio::test]
async fn bad_registries_are_refused() {
    let b = Bench::default();
    let login = RegistryLogin::Basic { username: String::new(), password: "a\nb".to_owned() };
    let refused = b.registry_with(&admin(), "http://reg.example/path", None, login).await.unwrap_err();
    assert_eq!(
        codes(refused),
        ["/address address-invalid", "/credentials/username credentials-invalid", "/credentials/password credentials-invalid"]
    );
    assert!(b.table.is_empty());
}
