//! Cloud accounts (clusters) and registry accounts: registered, verified in the background, opened for the adapters that need
//! their secrets. A secret is sealed before it is stored, bound to its account's name, and never part of an answer.

pub mod cloud;
pub mod needs;
pub mod registry;
mod uses;
mod verify;

pub use cloud::open_for;
pub use registry::{open_registry, registry_address, registry_at};
pub use uses::Use;
pub use verify::{CloudVerifyPorts, RegistryVerifyPorts, verify_cloud, verify_registry};

use crate::error::AppError;
use crate::ports::{Change, Changes, Clock, Hint, Key, Queue, Sealer, Table};
use crate::record::{Record, Shape, shape};
use model::account::{CloudAccount, RegistryAccount};
use model::id::AccountName;

/// When a check that nobody carried out is asked for again.
pub const VERIFY_AGAIN_MS: u64 = 60_000;
const CLOUD: &str = "CLOUD";
const REGISTRIES: &str = "REGISTRIES";

impl Record for CloudAccount {
    const SHAPE: &'static str = "cloud-account";
}

impl Record for RegistryAccount {
    const SHAPE: &'static str = "registry-account";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<CloudAccount>(), shape::<RegistryAccount>()];

/// What registering and changing accounts needs.
pub struct AccountPorts<'a> {
    /// The table.
    pub table: &'a dyn Table,
    /// Now.
    pub clock: &'a dyn Clock,
    /// Encrypts secrets.
    pub sealer: &'a dyn Sealer,
    /// Asks for the check.
    pub queue: &'a dyn Queue,
    /// Tells followers.
    pub changes: &'a dyn Changes,
}

fn cloud_key(name: &AccountName) -> Key {
    Key::new(CLOUD, name.as_str())
}

fn registry_key(name: &AccountName) -> Key {
    Key::new(REGISTRIES, name.as_str())
}

/// What a secret of an account is bound to.
fn cloud_context(name: &AccountName) -> String {
    format!("cloud:{name}")
}

fn registry_context(name: &AccountName) -> String {
    format!("registry:{name}")
}

/// The hint for an account under the `due` index; none when the key is no account's.
#[must_use]
pub fn due_hint(key: &Key) -> Option<Hint> {
    let name = AccountName::parse(key.sort.as_str()).ok()?;
    match key.partition.as_str() {
        CLOUD => Some(Hint::CloudAccount { name }),
        REGISTRIES => Some(Hint::RegistryAccount { name }),
        _ => None,
    }
}

fn publish(changes: &dyn Changes, name: &AccountName, version: u64) {
    changes.publish(Change { topic: format!("account:{name}"), version });
    changes.publish(Change { topic: "accounts".to_owned(), version });
}

fn taken(name: &AccountName) -> AppError {
    let data = serde_json::json!({ "name": name });
    AppError::Conflict { code: "name-taken", message: format!("there is an account `{name}` already"), data }
}

fn damaged(name: &AccountName, error: &serde_json::Error) -> AppError {
    // The error's text may quote what was read, and that is a secret.
    AppError::Damaged(format!("the secret of account {name} does not read ({:?})", error.classify()))
}
