//! What is shown of accounts: everything but their secrets.

use edge::wire::{MayMap, ReasonView};
use model::Millis;
use model::account::{AccountCheck, AccountState, CloudAccount, LoginKind, RegistryAccount};
use model::person::{Action, Principal, may};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// Which account.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AccountPath {
    /// Its name.
    #[param(value_type = String, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length = 63)]
    pub(crate) name: model::id::AccountName,
}

/// How far the check of an account has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StateView {
    /// Being checked in the background.
    Verifying,
    /// Usable.
    Ready,
    /// Not usable; the reason says why.
    Failed,
}

impl From<AccountState> for StateView {
    fn from(state: AccountState) -> Self {
        match state {
            AccountState::Verifying => Self::Verifying,
            AccountState::Ready => Self::Ready,
            AccountState::Failed => Self::Failed,
        }
    }
}

/// One thing that was checked.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckView {
    /// What, kebab-case: `reachable`, `version`, `rights:<namespace>`.
    name: String,
    /// Whether it is as needed.
    passed: bool,
    /// For people.
    message: String,
}

impl From<AccountCheck> for CheckView {
    fn from(check: AccountCheck) -> Self {
        Self { name: check.name, passed: check.passed, message: check.message }
    }
}

/// A cloud account, without its secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CloudAccountView {
    name: String,
    /// The API server's address.
    server: String,
    /// The kubeconfig context it was taken from, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// Certificates are not checked.
    insecure_skip_tls_verify: bool,
    /// Applications that may deploy with it, in lower case.
    applications: BTreeSet<String>,
    /// Namespaces it may deploy into.
    namespaces: BTreeSet<String>,
    /// Kinds beyond the ordinary ones that may be deployed.
    extra_kinds: BTreeSet<String>,
    state: StateView,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// What was checked last.
    checks: Vec<CheckView>,
    /// When the last check ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_ms: Option<Millis>,
    created_ms: Millis,
    /// Raised by every change, the background check's included; `ETag` says it too.
    version: u64,
    may: MayMap,
}

pub(crate) fn cloud((account, version): (CloudAccount, u64), caller: &Principal) -> CloudAccountView {
    CloudAccountView {
        name: account.name.to_string(),
        server: account.server,
        context: account.context,
        insecure_skip_tls_verify: account.insecure_skip_tls_verify,
        applications: account.applications,
        namespaces: account.namespaces,
        extra_kinds: account.extra_kinds,
        state: account.state.into(),
        reason: account.reason.map(ReasonView::from),
        checks: account.checks.into_iter().map(CheckView::from).collect(),
        verified_ms: account.verified_ms,
        created_ms: account.created_ms,
        version,
        may: MayMap::of(&[Action::ManageAccounts], |action| may(caller, action)),
    }
}

/// How a registry account logs in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LoginView {
    /// Not at all.
    Anonymous,
    /// Name and password.
    Basic,
    /// A token.
    Bearer,
}

/// A registry account, without its secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistryAccountView {
    name: String,
    /// `host[:port]`, as it stands in image names.
    address: String,
    /// It is spoken to without TLS.
    plain_http: bool,
    login: LoginView,
    /// The user name of a basic login.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// It has a certificate authority of its own.
    own_ca: bool,
    state: StateView,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView>,
    /// When the last check ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_ms: Option<Millis>,
    created_ms: Millis,
    /// Raised by every change, the background check's included; `ETag` says it too.
    version: u64,
    may: MayMap,
}

pub(crate) fn registry((account, version): (RegistryAccount, u64), caller: &Principal) -> RegistryAccountView {
    RegistryAccountView {
        name: account.name.to_string(),
        address: account.address,
        plain_http: account.plain_http,
        login: match account.login {
            LoginKind::Anonymous => LoginView::Anonymous,
            LoginKind::Basic => LoginView::Basic,
            LoginKind::Bearer => LoginView::Bearer,
        },
        username: account.username,
        own_ca: account.own_ca,
        state: account.state.into(),
        reason: account.reason.map(ReasonView::from),
        verified_ms: account.verified_ms,
        created_ms: account.created_ms,
        version,
        may: MayMap::of(&[Action::ManageAccounts], |action| may(caller, action)),
    }
}
