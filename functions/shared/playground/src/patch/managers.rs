//! `metadata.managedFields`: read from an object and written into it.

use serde_json::{Value, json};

use super::Manager;
use super::fields::Set;

/// Most managers by updates; the oldest are put together beyond that.
const UPDATERS_MAX: usize = 10;
const ANCIENT: &str = "ancient-changes";

/// One manager of fields and what it owns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Owner {
    pub(super) manager: String,
    pub(super) applied: bool,
    pub(super) api_version: String,
    pub(super) subresource: Option<String>,
    pub(super) time: Option<String>,
    pub(super) set: Set,
}

impl Owner {
    pub(super) fn new(api_version: &str, manager: &Manager, applied: bool) -> Self {
        let name = if manager.name.is_empty() { "unknown" } else { &manager.name };
        Self {
            manager: name.to_owned(),
            applied,
            api_version: api_version.to_owned(),
            subresource: manager.subresource.clone().filter(|name| !name.is_empty()),
            time: None,
            set: Set::default(),
        }
    }

    /// Whether both are the same manager: whoever applies is one, at whatever version.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.applied == other.applied
            && self.subresource == other.subresource
            && (self.applied || self.api_version == other.api_version)
    }

    /// As conflicts name it: `"kubectl" using apps/v1`.
    pub(super) fn printed(&self) -> String {
        let subresource = self.subresource.as_ref().map_or(String::new(), |name| format!(" with subresource {name:?}"));
        let version = if self.applied { String::new() } else { format!(" using {}", self.api_version) };
        format!("{:?}{subresource}{version}", self.manager)
    }

    fn read(entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let applied = match text("operation")? {
            "Apply" => true,
            "Update" => false,
            _ => return None,
        };
        if text("fieldsType")? != "FieldsV1" {
            return None;
        }
        let fields = entry.get("fieldsV1").filter(|fields| !fields.is_null());
        Some(Self {
            manager: text("manager").unwrap_or_default().to_owned(),
            applied,
            api_version: text("apiVersion")?.to_owned(),
            subresource: text("subresource").map(str::to_owned),
            time: text("time").map(str::to_owned),
            set: fields.map_or_else(|| Some(Set::default()), Set::read)?,
        })
    }

    fn write(&self) -> Value {
        let operation = if self.applied { "Apply" } else { "Update" };
        let optional = [("time", &self.time), ("subresource", &self.subresource)];
        let mut entry = json!({
            "manager": self.manager, "operation": operation, "apiVersion": self.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.set.write(),
        });
        if let Value::Object(fields) = &mut entry {
            fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))));
        }
        entry
    }
}

/// The entries of an object; nothing when they are none, or not such entries.
pub(super) fn entries(object: &Value) -> Option<&Vec<Value>> {
    object.pointer("/metadata/managedFields").and_then(Value::as_array)
}

/// Who owns what; nothing when one entry cannot be read.
pub(super) fn read(object: &Value) -> Option<Vec<Owner>> {
    entries(object).map_or_else(|| Some(Vec::new()), |entries| entries.iter().map(Owner::read).collect())
}

/// Puts them in their order into the object, or takes the field away when there are none.
pub(super) fn write(object: &mut Value, mut owners: Vec<Owner>) {
    owners.retain(|owner| !owner.set.is_empty());
    let order = |owner: &Owner| {
        (
            !owner.applied,
            owner.time.clone().unwrap_or_default(),
            owner.manager.clone(),
            owner.api_version.clone(),
            owner.subresource.clone(),
        )
    };
    owners.sort_by_key(order);
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if owners.is_empty() {
        metadata.shift_remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), owners.iter().map(Owner::write).collect());
    }
}

/// Puts the oldest updaters together when there are too many.
pub(super) fn cap(owners: &mut Vec<Owner>) {
    let mut updaters: Vec<Owner> = owners.iter().filter(|owner| !owner.applied).cloned().collect();
    if updaters.len() <= UPDATERS_MAX {
        return;
    }
    owners.retain(|owner| owner.applied);
    updaters.sort_by_key(|owner| (owner.time.clone(), owner.manager.clone()));
    let mut rest = updaters.split_off(updaters.len() - (UPDATERS_MAX - 1));
    let mut ancient: Vec<Owner> = Vec::new();
    for old in updaters {
        match ancient.iter_mut().find(|owner| owner.api_version == old.api_version) {
            Some(owner) => (owner.set, owner.time) = (owner.set.union(&old.set), old.time),
            None => ancient.push(Owner { manager: ANCIENT.to_owned(), subresource: None, ..old }),
        }
    }
    owners.append(&mut ancient);
    owners.append(&mut rest);
}
