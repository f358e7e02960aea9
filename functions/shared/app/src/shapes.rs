//! Every shape that is stored, in one list: golden files are held against it, and whoever takes items from elsewhere looks here
//! whether this program can read them. It never reads or writes a store.

use crate::error::AppError;
use crate::execution::{archive, plan, slots, step, stored};
use crate::ports::Item;
use crate::record::{self, Shape, placed};
use crate::{accounts, applications, idempotency, identity, importing, pipelines, projects, pushes, secrets, stage_types};

/// All of them.
pub fn all() -> impl Iterator<Item = Shape> {
    let lists = [
        accounts::SHAPES,
        archive::SHAPES,
        applications::SHAPES,
        idempotency::SHAPES,
        identity::SHAPES,
        importing::SHAPES,
        pipelines::SHAPES,
        pipelines::hooks::SHAPES,
        projects::SHAPES,
        pushes::SHAPES,
        secrets::SHAPES,
        stage_types::SHAPES,
        slots::SHAPES,
        stored::VIEWS,
    ];
    lists.into_iter().flatten().copied().chain(of_executions())
}

/// Those that make up an execution: whoever raises the version of one raises [`record::KNOWS`] as well.
pub fn of_executions() -> impl Iterator<Item = Shape> {
    stored::SHAPES.iter().chain(plan::SHAPES).copied().chain([step::TRACE])
}

/// Fails unless this program can read what an item holds.
///
/// # Errors
/// [`AppError::Newer`] for what a newer program wrote; [`AppError::Damaged`] for what is none of our shapes. Both name the item.
pub fn check(item: &Item) -> Result<(), AppError> {
    // Parts of a pipeline's document are people's own JSON, cut into pieces; the revision's record says how many.
    if item.key.partition.starts_with("PIPE#") && item.key.sort.starts_with("DOC#") {
        return Ok(());
    }
    record::readable(item)?;
    let unknown = || AppError::Damaged("it is of no shape that is known here".to_owned());
    let of = |name: &str| all().find(|shape| shape.name == name);
    let checked = match record::said(&item.body) {
        Some((name, _)) => of(&name).ok_or_else(unknown).and_then(|shape| (shape.again)(&item.body).map(drop)),
        None => Err(unknown()),
    };
    checked.map_err(|error| placed(error, &item.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Key;
    use std::collections::BTreeSet;

    fn told(partition: &str, sort: &str, body: &str) -> String {
        check(&Item::new(Key::new(partition, sort), body.as_bytes().to_vec()))
            .map_err(|error| format!("{error:?}"))
            .err()
            .unwrap_or_default()
    }

    #[test]
    fn a_name_stands_for_one_shape() {
        let names: Vec<&str> = all().map(|shape| shape.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn items_are_looked_at_by_what_they_say_of_themselves() {
        assert_eq!(told("ORDERS#p", "COUNTER", r#"{"shape":"counter","v":1,"data":{"last":3}}"#), "");
        assert_eq!(told("PIPE#1", "DOC#1#1", "nes\": [1"), "");
        for body in ["", "{}", r#"{"shape":"fish","v":1,"data":{}}"#, r#"{"shape":"counter","v":1,"data":{}}"#] {
            assert!(told("ORDERS#p", "COUNTER", body).contains("ORDERS#p / COUNTER"), "{body}");
        }
        assert!(told("ORDERS#p", "COUNTER", r#"{"shape":"counter","v":2,"data":{"last":3}}"#).starts_with("Newer"));
    }
}
