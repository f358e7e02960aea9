//! Conditions and changes of a transaction as DynamoDB's expressions. Pure.
//!
//! What has expired counts as gone, to the millisecond of our clock, however long DynamoDB takes to remove it. And no write
//! goes over an item of a form that is newer than this program.

use super::item::{self, ATTRIBUTES, Attributes, EXPIRES, FORM, FORM_VERSION, PARTITION, REVISION};
use app::ports::{Condition, Item, Key, Write};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use model::Millis;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Texts of an expression, and what stands for names and values in it.
#[derive(Debug, Default)]
struct Expression {
    text: String,
    names: HashMap<String, String>,
    values: Attributes,
}

impl Expression {
    /// A placeholder for an attribute's name.
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, placeholder: &str, value: aws_sdk_dynamodb::types::AttributeValue) {
        self.values.insert(placeholder.to_owned(), value);
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        Some(self.names.clone()).filter(|names| !names.is_empty())
    }
}

/// All that must hold of an item.
fn condition(conditions: &[Condition], now: Millis) -> Expression {
    let mut all = Expression { text: format!("(attribute_not_exists({FORM}) OR {FORM} <= :form)"), ..Expression::default() };
    all.value(":form", item::number(FORM_VERSION));
    let live = format!("(attribute_not_exists({EXPIRES}) OR {EXPIRES} > :now)");
    for (place, condition) in conditions.iter().enumerate() {
        all.value(":now", item::number(now));
        let one = match condition {
            Condition::Absent => format!("(attribute_not_exists({PARTITION}) OR {EXPIRES} <= :now)"),
            Condition::Exists => format!("attribute_exists({PARTITION}) AND {live}"),
            Condition::Revision(revision) => {
                let value = format!(":c{place}");
                all.value(&value, item::number(*revision));
                format!("{REVISION} = {value} AND {live}")
            }
            Condition::Attribute(name, wanted) => {
                let (name, value) = (all.name(name), format!(":c{place}"));
                all.value(&value, item::text(wanted));
                format!("{ATTRIBUTES}.{name} = {value} AND {live}")
            }
            Condition::NoAttribute(name) => {
                let name = all.name(name);
                format!("(attribute_not_exists({ATTRIBUTES}.{name}) OR {EXPIRES} <= :now)")
            }
        };
        // Writing to a text cannot fail.
        let _ = write!(all.text, " AND {one}");
    }
    all
}

/// The revision that an item will have, where the conditions say which it has; none where only the table can tell.
fn revision_after(conditions: &[Condition]) -> Option<u64> {
    conditions.iter().find_map(|condition| match condition {
        Condition::Absent => Some(1),
        Condition::Revision(revision) => Some(revision.saturating_add(1)),
        _ => None,
    })
}

/// One part of a transaction on a table.
pub(super) fn part(table: &str, write: &Write, now: Millis) -> Result<TransactWriteItem, BuildError> {
    let part = TransactWriteItem::builder();
    Ok(match write {
        Write::Put(item, conditions) => match revision_after(conditions) {
            Some(revision) => part.put(put(table, item, revision, condition(conditions, now))?),
            None => part.update(update(table, item, condition(conditions, now))?),
        },
        Write::Delete(key, conditions) => part.delete(delete(table, key, condition(conditions, now))?),
        Write::Check(key, conditions) => part.condition_check(check(table, key, condition(conditions, now))?),
    }
    .build())
}

const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

fn put(table: &str, item: &Item, revision: u64, condition: Expression) -> Result<Put, BuildError> {
    Put::builder()
        .table_name(table)
        .set_item(Some(item::attributes(item, revision)))
        .set_expression_attribute_names(condition.names())
        .condition_expression(condition.text)
        .set_expression_attribute_values(Some(condition.values))
        .return_values_on_condition_check_failure(OLD)
        .build()
}

/// Replaces all of the item and raises the revision that it has, whatever that is.
fn update(table: &str, item: &Item, mut condition: Expression) -> Result<Update, BuildError> {
    let mut set = format!("SET {REVISION} = if_not_exists({REVISION}, :zero) + :one");
    condition.value(":zero", item::number(0));
    condition.value(":one", item::number(1));
    let mut remove = Vec::new();
    for (name, value) in item::values(item) {
        match value {
            Some(value) => {
                let _ = write!(set, ", {name} = :{name}");
                condition.value(&format!(":{name}"), value);
            }
            None => remove.push(name),
        }
    }
    if !remove.is_empty() {
        let _ = write!(set, " REMOVE {}", remove.join(", "));
    }
    Update::builder()
        .table_name(table)
        .set_key(Some(item::key(&item.key)))
        .update_expression(set)
        .set_expression_attribute_names(condition.names())
        .condition_expression(condition.text)
        .set_expression_attribute_values(Some(condition.values))
        .return_values_on_condition_check_failure(OLD)
        .build()
}

fn delete(table: &str, key: &Key, condition: Expression) -> Result<Delete, BuildError> {
    Delete::builder()
        .table_name(table)
        .set_key(Some(item::key(key)))
        .set_expression_attribute_names(condition.names())
        .condition_expression(condition.text)
        .set_expression_attribute_values(Some(condition.values))
        .return_values_on_condition_check_failure(OLD)
        .build()
}

fn check(table: &str, key: &Key, condition: Expression) -> Result<ConditionCheck, BuildError> {
    ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(item::key(key)))
        .set_expression_attribute_names(condition.names())
        .condition_expression(condition.text)
        .set_expression_attribute_values(Some(condition.values))
        .return_values_on_condition_check_failure(OLD)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_is_given_is_used_and_the_other_way_round() {
        let text = || "x".to_owned();
        let all = [
            Condition::Absent,
            Condition::Exists,
            Condition::Revision(3),
            Condition::Attribute(text(), text()),
            Condition::NoAttribute(text()),
        ];
        let item = Item::new(Key::new("P", "a"), vec![]);
        let lists = all.iter().map(std::slice::from_ref).chain([all.as_slice(), &[]]);
        for list in lists {
            let made = update("t", &item, condition(list, 5)).unwrap();
            let both = format!("{} {}", made.update_expression(), made.condition_expression().unwrap());
            for placeholder in made
                .expression_attribute_values()
                .unwrap()
                .keys()
                .chain(made.expression_attribute_names().into_iter().flat_map(HashMap::keys))
            {
                assert!(both.split([' ', ',', ')', '(', '.']).any(|word| word == placeholder), "{placeholder} in {both}");
            }
        }
    }

    #[test]
    fn a_known_revision_makes_a_put_and_an_unknown_one_an_update() {
        let item = || Item::new(Key::new("P", "a"), vec![]);
        let made = |conditions: Vec<Condition>| part("t", &Write::Put(item(), conditions), 5).unwrap();
        let revision = |part: &TransactWriteItem| part.put().map(|put| put.item()[REVISION].as_n().unwrap().clone());
        assert_eq!(revision(&made(vec![Condition::Absent])).as_deref(), Some("1"));
        assert_eq!(revision(&made(vec![Condition::Exists, Condition::Revision(7)])).as_deref(), Some("8"));
        assert!(made(vec![Condition::Exists]).update().is_some());
        assert!(made(vec![]).update().is_some());
    }
}
