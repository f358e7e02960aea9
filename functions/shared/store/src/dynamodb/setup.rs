//! The table itself: made where a person asks for it, and looked at when a program starts.

use super::Dynamo;
use super::item::{DUE, PARTITION, REMOVED, SHARD, SORT};
use crate::fault::{Fault, fault, missing};
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

/// The sparse index of what is due.
pub(super) const DUE_INDEX: &str = "due";
/// Most looks at a table that is being made.
const LOOKS_MAX: u32 = 120;
const LOOK_MS: u64 = 1_000;

/// Why the table cannot be used. The texts say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is none, in this region and account.
    #[error("{0}")]
    Missing(String),
    /// There is one, but made otherwise.
    #[error("{0}")]
    Schema(String),
    /// It is not ready, or cannot be reached; it may be soon.
    #[error("{0}")]
    Unavailable(String),
    /// Credentials, rights, the clock: somebody must change something.
    #[error("{0}")]
    Refused(String),
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What works and should be otherwise, for people.
    pub warnings: Vec<String>,
}

impl From<Fault> for SetupError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Busy(text) | Fault::Open(text) => Self::Unavailable(text),
            Fault::Fixed(text) if text.starts_with("there is no ") => Self::Missing(text),
            Fault::Fixed(text) => Self::Refused(text),
        }
    }
}

impl From<BuildError> for SetupError {
    fn from(error: BuildError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Dynamo {
    /// Looks whether the table is there and made for Waybill.
    ///
    /// # Errors
    /// What is wrong and what helps.
    pub async fn verify(&self) -> Result<Found, SetupError> {
        let answer = self.client.describe_table().table_name(&self.table).send().await;
        let table = answer.map_err(|error| fault(&error, &self.place))?.table;
        let table = table.ok_or_else(|| SetupError::Missing(missing(&self.place)))?;
        self.check(&table)?;
        let mut found = Found::default();
        let answer = self.client.describe_time_to_live().table_name(&self.table).send().await;
        let kept = match answer {
            Ok(answer) => answer.time_to_live_description,
            Err(error) => {
                found
                    .warnings
                    .push(format!("whether expired items are removed cannot be told: {}", fault(&error, &self.place).into_text()));
                return Ok(found);
            }
        };
        let on = kept.is_some_and(|kept| {
            let on = matches!(kept.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
            on && kept.attribute_name() == Some(REMOVED)
        });
        if !on {
            found.warnings.push(format!("{} keeps what has expired: turn on its time to live, with the attribute `{REMOVED}`", self.place));
        }
        Ok(found)
    }

    fn check(&self, table: &TableDescription) -> Result<(), SetupError> {
        let wrong = |what: String| {
            Err(SetupError::Schema(format!("{} was not made for Waybill: {what}; name another table, or make a new one", self.place)))
        };
        let keys = schema(table.key_schema());
        if keys != [(PARTITION, KeyType::Hash), (SORT, KeyType::Range)] {
            return wrong(format!("its keys are {}, not `{PARTITION}` and `{SORT}`", names(&keys)));
        }
        for name in [PARTITION, SORT, SHARD] {
            let texts = |one: &&AttributeDefinition| one.attribute_name() == name && *one.attribute_type() == ScalarAttributeType::S;
            if !table.attribute_definitions().iter().any(|one| texts(&one)) {
                return wrong(format!("`{name}` is not a text"));
            }
        }
        let Some(index) = table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(DUE_INDEX)) else {
            return wrong(format!("it has no index `{DUE_INDEX}`"));
        };
        let keys = schema(index.key_schema());
        if keys != [(SHARD, KeyType::Hash), (DUE, KeyType::Range)] {
            return wrong(format!("the keys of its index `{DUE_INDEX}` are {}, not `{SHARD}` and `{DUE}`", names(&keys)));
        }
        let not_ready = |what: &str, status: &str| {
            Err(SetupError::Unavailable(format!("{what} of {} is {status}: wait until it is ACTIVE", self.place)))
        };
        match table.table_status() {
            Some(TableStatus::Active | TableStatus::Updating) => {}
            other => return not_ready("the state", other.map_or("unknown", TableStatus::as_str)),
        }
        match index.index_status() {
            None | Some(IndexStatus::Active | IndexStatus::Updating) => Ok(()),
            Some(other) => not_ready("the index", other.as_str()),
        }
    }

    /// Makes the table, on demand, with its index and its time to live, and returns when it is ready. One that is there
    /// stays as it is, and is looked at.
    ///
    /// # Errors
    /// What is wrong and what helps.
    pub async fn create(&self) -> Result<Found, SetupError> {
        let attribute = |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(DUE_INDEX)
            .key_schema(key(SHARD, KeyType::Hash)?)
            .key_schema(key(DUE, KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
            .build()?;
        let asked = self.client.create_table().table_name(&self.table).billing_mode(BillingMode::PayPerRequest);
        let asked = asked.key_schema(key(PARTITION, KeyType::Hash)?).key_schema(key(SORT, KeyType::Range)?);
        let mut asked = asked.global_secondary_indexes(index);
        for name in [PARTITION, SORT, SHARD] {
            asked = asked.attribute_definitions(attribute(name, ScalarAttributeType::S)?);
        }
        let asked = asked.attribute_definitions(attribute(DUE, ScalarAttributeType::N)?);
        match asked.send().await {
            Ok(_) => {}
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(fault(&error, &self.place).into()),
        }
        self.until_ready().await?;
        self.set_time_to_live().await?;
        self.verify().await
    }

    async fn until_ready(&self) -> Result<(), SetupError> {
        for _ in 0..LOOKS_MAX {
            match self.verify().await {
                Ok(_) => return Ok(()),
                // Just made, it may not be seen yet.
                Err(SetupError::Unavailable(_) | SetupError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
            self.clock.sleep_until(self.clock.now_ms().saturating_add(LOOK_MS)).await;
        }
        Err(SetupError::Unavailable(format!("{} was made and is not ready yet: wait and start again", self.place)))
    }

    async fn set_time_to_live(&self) -> Result<(), SetupError> {
        let wanted = TimeToLiveSpecification::builder().enabled(true).attribute_name(REMOVED).build()?;
        match self.client.update_time_to_live().table_name(&self.table).time_to_live_specification(wanted).send().await {
            Ok(_) => Ok(()),
            // It is on already, or is being turned on; `verify` tells if it is another attribute.
            Err(error) if error.code() == Some("ValidationException") => Ok(()),
            Err(error) => Err(fault(&error, &self.place).into()),
        }
    }
}

fn schema(keys: &[KeySchemaElement]) -> Vec<(&str, KeyType)> {
    keys.iter().map(|key| (key.attribute_name(), key.key_type().clone())).collect()
}

fn names(keys: &[(&str, KeyType)]) -> String {
    let names: Vec<String> = keys.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(" and ")
}
