//! Cloud accounts (clusters) and registry accounts: where things go, with which credentials, and who may use them.
//!
//! The structs here never hold a secret: secrets are sealed apart, in [`Sealed`], and only opened for the adapter that
//! needs them.

use crate::Millis;
use crate::id::AccountName;
use crate::reason::Reason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A secret as it is stored: encrypted, with the id of the key that opens it. Opaque to everything but the key's holder.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which key.
    pub key: String,
    /// Nonce and ciphertext, base64.
    pub data: String,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({})", self.key)
    }
}

/// How far the check of an account has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// Being checked in the background.
    Verifying,
    /// Usable.
    Ready,
    /// Not usable; the reason says why.
    Failed,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountCheck {
    /// What was checked, kebab-case: `reachable`, `version`, `rights:<namespace>`.
    pub name: String,
    /// Whether it is as needed.
    pub passed: bool,
    /// For people: the version, or what is missing.
    pub message: String,
}

/// Where a cloud account may deploy and who may use it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudAccount {
    /// Unique name, as stages say it under `account`.
    pub name: AccountName,
    /// The API server's address.
    pub server: String,
    /// The kubeconfig context it was taken from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Certificates are not checked; must be asked for explicitly.
    #[serde(default)]
    pub insecure_skip_tls_verify: bool,
    /// Applications that may deploy with it, by [`crate::id::AppName::key`].
    pub applications: BTreeSet<String>,
    /// Namespaces it may deploy into; empty means none.
    pub namespaces: BTreeSet<String>,
    /// Kinds beyond the ordinary ones that may be deployed, as `Kind` or `Kind.group`.
    #[serde(default)]
    pub extra_kinds: BTreeSet<String>,
    /// Connection secrets: certificate, key, token, CA.
    pub connection: Sealed,
    /// How far the check has come.
    pub state: AccountState,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What was checked last.
    #[serde(default)]
    pub checks: Vec<AccountCheck>,
    /// When the last check ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_ms: Option<Millis>,
    /// When it was registered.
    pub created_ms: Millis,
}

/// Everything needed to talk to an API server. Never stored in clear, never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterConnection {
    /// `https://host:port`, as the account says.
    pub server: String,
    /// PEM of the certificate authority; none means the public ones.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// Do not check the server's certificate.
    #[serde(default)]
    pub insecure_skip_tls_verify: bool,
    /// Name to expect in the certificate instead of the host.
    #[serde(default)]
    pub tls_server_name: Option<String>,
    /// How to say who we are.
    pub credentials: ClusterCredentials,
}

/// How to say who we are to an API server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterCredentials {
    /// A bearer token.
    Token(String),
    /// A client certificate and its key, PEM.
    Certificate {
        /// Certificate chain, PEM.
        certificate_pem: String,
        /// Private key, PEM.
        key_pem: String,
    },
}

impl std::fmt::Debug for ClusterConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClusterConnection({})", self.server)
    }
}

/// A container registry and how to read from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryAccount {
    /// Unique name, as docker triggers say it under `account`.
    pub name: AccountName,
    /// `host[:port]`, as it stands in image names.
    pub address: String,
    /// Speak HTTP; only for loopback addresses or when asked for explicitly.
    #[serde(default)]
    pub plain_http: bool,
    /// How it logs in; the secret itself is sealed.
    #[serde(default)]
    pub login: LoginKind,
    /// The user name of a basic login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Has a certificate authority of its own.
    #[serde(default)]
    pub own_ca: bool,
    /// Sealed [`RegistryCredentials`].
    pub credentials: Sealed,
    /// How far the check has come.
    pub state: AccountState,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the last check ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_ms: Option<Millis>,
    /// When it was registered.
    pub created_ms: Millis,
}

/// How to say who we are to a registry. Never stored in clear, never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryCredentials {
    /// How to log in.
    pub login: RegistryLogin,
    /// PEM of the certificate authority; none means the public ones.
    #[serde(default)]
    pub ca_pem: Option<String>,
}

/// Ways to log in to a registry, without the secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginKind {
    /// Not at all.
    #[default]
    Anonymous,
    /// Name and password.
    Basic,
    /// A token.
    Bearer,
}

/// Ways to log in to a registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryLogin {
    /// Not at all.
    Anonymous,
    /// Name and password; also exchanged for a token where the registry asks for one.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
    /// A token sent as it is.
    Bearer(String),
}

impl std::fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistryCredentials")
    }
}
