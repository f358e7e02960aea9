//! Applications and projects: what is released, and where developers meet it.

use crate::Millis;
use crate::id::{AppName, ProjectName};
use crate::person::{Action, May, Principal, Role, may};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Which groups may do what with an application; an empty list leaves it to the role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub struct Permissions {
    /// See it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Change it and its pipelines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Start, judge and cancel its executions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub execute: Vec<String>,
    /// Keys that Waybill does not know, kept and returned unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An application: every field of the creation form, and any other key kept as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Unique name; compared ignoring case.
    pub name: AppName,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Owner's address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Comma list; `kubernetes` is what is served today.
    #[serde(default = "kubernetes")]
    pub cloud_providers: String,
    /// Judge instances by the cloud's own health only.
    #[serde(default)]
    pub platform_health_only: bool,
    /// Offer a switch for the above in each operation.
    #[serde(default)]
    pub platform_health_only_show_override: bool,
    /// Builds links to instances.
    #[serde(default = "port", deserialize_with = "whole_port")]
    pub instance_port: u16,
    /// A stage may be restarted while the execution is RUNNING; refused by the server otherwise.
    #[serde(default)]
    pub enable_restart_running_executions: bool,
    /// An active execution may be run again; refused by the server otherwise.
    #[serde(default)]
    pub enable_rerun_active_executions: bool,
    /// Who may do what; see [`Permissions`].
    #[serde(default)]
    pub permissions: Permissions,
    /// Keys that Waybill does not know, kept and returned unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn kubernetes() -> String {
    "kubernetes".to_owned()
}

fn port() -> u16 {
    80
}

/// A port; `80.0` is a whole number too, as JSON counts.
fn whole_port<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let number = f64::deserialize(from)?;
    let whole = (0.0..=f64::from(u16::MAX)).contains(&number) && number.fract() == 0.0;
    if whole { Ok(number as u16) } else { Err(serde::de::Error::custom("a port is a whole number from 0 to 65535")) }
}

impl Application {
    /// May this caller do this with this application?
    #[must_use]
    pub fn may(&self, principal: &Principal, action: Action) -> May {
        let base = may(principal, action);
        if !base.allowed || principal.is(Role::Administrator) {
            return base;
        }
        let groups = match action {
            Action::Read => &self.permissions.read,
            Action::EditPipelines | Action::ManageApplications => &self.permissions.write,
            Action::Execute | Action::Cancel | Action::Judge => &self.permissions.execute,
            Action::ReadAccounts | Action::ManageAccounts | Action::ManageTokens => return base,
        };
        if groups.is_empty() || principal.is_among(groups) {
            return base;
        }
        May::no("not-in-group", format!("application {} allows this to {} only", self.name, groups.join(", ")))
    }
}

/// A project: where developers submit release orders for the applications bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Unique name.
    pub name: ProjectName,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Applications bound to it, by [`AppName::key`].
    #[serde(default)]
    pub applications: BTreeSet<String>,
    /// When it was made.
    #[serde(default)]
    pub created_ms: Millis,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaskapp() -> Application {
        serde_json::from_value(
            serde_json::json!({"name": "flaskapp", "repoSlug": "x", "permissions": {"EXECUTE": ["ops"], "CREATE": ["x"]}}),
        )
        .unwrap()
    }

    #[test]
    fn unknown_keys_are_kept() {
        let back = serde_json::to_value(flaskapp()).unwrap();
        assert_eq!(back["repoSlug"], "x");
        assert_eq!(back["permissions"]["CREATE"], serde_json::json!(["x"]));
        assert_eq!(back["instancePort"], 80);
        assert_eq!(back["cloudProviders"], "kubernetes");
    }

    #[test]
    fn ports_are_whole_numbers() {
        let port = |port: Value| {
            serde_json::from_value::<Application>(serde_json::json!({"name": "a", "instancePort": port})).map(|a| a.instance_port)
        };
        assert_eq!(port(serde_json::json!(8080.0)).unwrap(), 8080);
        for bad in [serde_json::json!(80.5), serde_json::json!(-1), serde_json::json!(65_536), serde_json::json!("80")] {
            assert!(port(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn groups_narrow_the_role() {
        let mut dev = Principal { name: "dev".to_owned(), role: Some(Role::Developer), groups: BTreeSet::new() };
        assert_eq!(flaskapp().may(&dev, Action::Execute).code.as_deref(), Some("not-in-group"));
        assert!(flaskapp().may(&dev, Action::Read).allowed);
        dev.groups.insert("ops".to_owned());
        assert!(flaskapp().may(&dev, Action::Execute).allowed);
        assert!(!flaskapp().may(&dev, Action::EditPipelines).allowed);
        dev.role = Some(Role::Administrator);
        dev.groups.clear();
        assert!(flaskapp().may(&dev, Action::Execute).allowed);
    }
}
