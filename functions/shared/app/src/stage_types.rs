//! The registry of stage types: rows written from the components' index, read by name or alias.

use crate::error::{AppError, require};
use crate::paging;
use crate::ports::{Item, Key, Table, Transaction, Write};
use crate::record::{self, Record, Shape, shape};
use model::component::StageType;
use model::person::{Action, Principal, may};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most types and aliases of an installation: they are replaced in one transaction.
pub const NAMES_MAX: usize = 80;
const PARTITION: &str = "STAGETYPES";

impl Record for StageType {
    const SHAPE: &'static str = "stage-type";
}

/// Another spelling of a type's name.
#[derive(Serialize, Deserialize)]
struct Alias {
    name: String,
}

impl Record for Alias {
    const SHAPE: &'static str = "stage-type-alias";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<StageType>(), shape::<Alias>()];

fn type_key(name: &str) -> Key {
    Key::new(PARTITION, format!("TYPE#{name}"))
}

fn alias_key(alias: &str) -> Key {
    Key::new(PARTITION, format!("ALIAS#{alias}"))
}

/// Makes exactly these the installed stage types. Nothing is written when they are already.
pub async fn install(table: &dyn Table, rows: &[StageType]) -> Result<(), AppError> {
    let mut wanted = BTreeMap::new();
    for row in rows {
        let aliases = row.aliases.iter().map(|alias| (alias_key(alias), record::encode(&Alias { name: row.name.clone() })));
        for (key, body) in std::iter::once((type_key(&row.name), record::encode(row))).chain(aliases) {
            let name = key.sort.split_once('#').map(|(_, name)| name.to_owned()).unwrap_or_default();
            if wanted.insert(name.clone(), Item::new(key, body?)).is_some() {
                return Err(AppError::invalid("", "stage-type-twice", format!("two stage types are called `{name}`")));
            }
        }
    }
    if wanted.len() > NAMES_MAX {
        return Err(AppError::refused("too-many-stage-types", format!("at most {NAMES_MAX} names and aliases")));
    }
    let present = present(table).await?;
    let keys: BTreeSet<&Key> = wanted.values().map(|item| &item.key).collect();
    let mut writes: Vec<Write> = present.keys().filter(|key| !keys.contains(key)).map(|key| Write::Delete(key.clone(), vec![])).collect();
    writes.extend(wanted.values().filter(|item| present.get(&item.key) != Some(&item.body)).map(|item| Write::Put(item.clone(), vec![])));
    if writes.is_empty() {
        return Ok(());
    }
    Ok(table.transact(Transaction::of(writes)).await?)
}

async fn present(table: &dyn Table) -> Result<BTreeMap<Key, Vec<u8>>, AppError> {
    let mut found = BTreeMap::new();
    let mut query = crate::ports::Query::prefix(PARTITION, "", paging::ENTRIES_A_PAGE_MAX);
    loop {
        let page = table.query(&query).await?;
        found.extend(page.items.into_iter().map(|item| (item.key, item.body)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// The stage type with this name or alias.
pub async fn get(table: &dyn Table, name: &str) -> Result<Option<StageType>, AppError> {
    if let Some((row, _)) = record::load(table, &type_key(name)).await? {
        return Ok(Some(row));
    }
    // Hardly any stage uses another name: the look-up is not made beside the first for all the others.
    let Some((alias, _)) = record::load::<Alias>(table, &alias_key(name)).await? else { return Ok(None) };
    Ok(record::load(table, &type_key(&alias.name)).await?.map(|(row, _)| row))
}

/// All installed stage types, by name; asks nobody's rights.
pub async fn all(table: &dyn Table) -> Result<Vec<StageType>, AppError> {
    Ok(paging::all(table, PARTITION, "TYPE#").await?.into_iter().map(|(row, _)| row).collect())
}

/// All installed stage types, by name.
pub async fn list(table: &dyn Table, caller: &Principal) -> Result<Vec<StageType>, AppError> {
    require(may(caller, Action::Read))?;
    all(table).await
}

/// Names and aliases that are installed.
pub async fn names(table: &dyn Table) -> Result<BTreeSet<String>, AppError> {
    Ok(all(table).await?.into_iter().flat_map(|row| row.aliases.into_iter().chain([row.name])).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::MemoryTable;
    use model::component::{Grant, StepLimits};

    pub(crate) fn row(name: &str, aliases: &[&str]) -> StageType {
        StageType {
            name: name.to_owned(),
            aliases: aliases.iter().map(|a| (*a).to_owned()).collect(),
            version: "0.1.0".to_owned(),
            wasm_sha256: "0".repeat(64),
            cwasm_sha256: "1".repeat(64),
            engine: "e".to_owned(),
            manifest: serde_json::json!({}),
            grant: Grant::default(),
            exports: vec![],
            limits: StepLimits::default(),
            timeout_ms: 1_000,
        }
    }

    #[tokio::test]
    async fn names_and_aliases_find_the_row_and_old_ones_go() {
        let table = MemoryTable::default();
        install(&table, &[row("deployManifest", &["deploy"]), row("wait", &[])]).await.unwrap();
        assert_eq!(get(&table, "deploy").await.unwrap().unwrap().name, "deployManifest");
        install(&table, &[row("wait", &["pause"])]).await.unwrap();
        assert!(get(&table, "deploy").await.unwrap().is_none());
        assert_eq!(names(&table).await.unwrap().into_iter().collect::<Vec<_>>(), ["pause", "wait"]);
        let nobody = Principal { name: "x".to_owned(), role: None, groups: BTreeSet::new() };
        assert!(matches!(list(&table, &nobody).await, Err(AppError::Denied { .. })));
    }

    #[tokio::test]
    async fn a_name_stands_for_one_type() {
        let table = MemoryTable::default();
        let twice = install(&table, &[row("a", &["b"]), row("b", &[])]).await.unwrap_err();
        assert!(matches!(twice, AppError::Invalid(_)));
        assert!(table.is_empty());
    }
}
