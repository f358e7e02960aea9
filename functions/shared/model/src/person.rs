//! Who calls, and what they may do: three roles, deny by default.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a caller is trusted with; each role holds the rights of those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Submits release orders, answers judgments, follows executions.
    Developer,
    /// Configures applications, projects and pipelines.
    Operator,
    /// Registers accounts, gives tokens, grants stage types.
    Administrator,
}

/// A caller, already identified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Unique name; service accounts are `trigger:<application>`.
    pub name: String,
    /// The role; a service account has none and passes only where it is named.
    pub role: Option<Role>,
    /// Groups, as application permissions and judgments name them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

impl Principal {
    /// The service account that a trigger without `runAsUser` runs as.
    #[must_use]
    pub fn trigger(application: &crate::id::AppName) -> Self {
        Self { name: format!("trigger:{}", application.key()), role: None, groups: BTreeSet::new() }
    }

    /// True when the caller has at least this role.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        self.role.is_some_and(|mine| mine >= role)
    }

    /// True when the caller is one of these users, or in one of these groups.
    #[must_use]
    pub fn is_among<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> bool {
        names.into_iter().any(|n| n.as_ref() == self.name || self.groups.contains(n.as_ref()))
    }
}

/// Something a caller may or may not do. One list, so that one table says who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Look at applications, projects, pipelines, orders, executions.
    Read,
    /// Create, change and bind applications and projects.
    ManageApplications,
    /// Save and delete pipelines.
    EditPipelines,
    /// Submit release orders and start executions.
    Execute,
    /// Cancel executions.
    Cancel,
    /// Answer a judgment.
    Judge,
    /// See cloud and registry accounts (never their secrets).
    ReadAccounts,
    /// Register, verify, change and remove cloud and registry accounts.
    ManageAccounts,
    /// Give and revoke tokens.
    ManageTokens,
}

impl Action {
    /// The word as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ManageApplications => "manage-applications",
            Self::EditPipelines => "edit-pipelines",
            Self::Execute => "execute",
            Self::Cancel => "cancel",
            Self::Judge => "judge",
            Self::ReadAccounts => "read-accounts",
            Self::ManageAccounts => "manage-accounts",
            Self::ManageTokens => "manage-tokens",
        }
    }

    /// The least role that may; application permissions narrow it further.
    #[must_use]
    pub fn least_role(self) -> Role {
        match self {
            Self::Read | Self::Execute | Self::Cancel | Self::Judge => Role::Developer,
            Self::ManageApplications | Self::EditPipelines | Self::ReadAccounts => Role::Operator,
            Self::ManageAccounts | Self::ManageTokens => Role::Administrator,
        }
    }
}

/// May the caller do something, and if not, why: what every resource shows under `may`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct May {
    /// The verdict.
    pub allowed: bool,
    /// Why not, kebab-case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl May {
    /// Allowed.
    #[must_use]
    pub fn yes() -> Self {
        Self { allowed: true, code: None, message: None }
    }

    /// Not allowed, and why.
    #[must_use]
    pub fn no(code: &str, message: impl Into<String>) -> Self {
        Self { allowed: false, code: Some(code.to_owned()), message: Some(message.into()) }
    }
}

/// The table: may this caller do this at all? Rights on one application are asked in [`crate::application`].
#[must_use]
pub fn may(principal: &Principal, action: Action) -> May {
    if principal.is(action.least_role()) {
        return May::yes();
    }
    let role = match action.least_role() {
        Role::Developer => "developer",
        Role::Operator => "operator",
        Role::Administrator => "administrator",
    };
    May::no("role-too-low", format!("this needs the role {role}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(role: Option<Role>) -> Principal {
        Principal { name: "p".to_owned(), role, groups: BTreeSet::from(["ops".to_owned()]) }
    }

    #[test]
    fn nobody_passes_without_a_role() {
        for action in [Action::Read, Action::Execute, Action::ManageTokens] {
            assert!(!may(&with(None), action).allowed);
        }
    }

    #[test]
    fn roles_hold_those_below() {
        assert!(may(&with(Some(Role::Administrator)), Action::Read).allowed);
        assert!(may(&with(Some(Role::Operator)), Action::EditPipelines).allowed);
        let refused = may(&with(Some(Role::Developer)), Action::EditPipelines);
        assert_eq!(refused.code.as_deref(), Some("role-too-low"));
        assert!(refused.message.unwrap().contains("operator"));
    }

    #[test]
    fn words_are_those_of_the_json() {
        for action in [Action::Read, Action::ManageApplications, Action::EditPipelines, Action::ReadAccounts, Action::ManageTokens] {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }

    #[test]
    fn groups_and_names_count() {
        let p = with(Some(Role::Developer));
        assert!(p.is_among(["ops"]));
        assert!(p.is_among(["p"]));
        assert!(!p.is_among(["dev"]));
    }
}
