//! Records: how a value becomes an item and comes back. Every stored value carries the version of its shape.

use crate::error::AppError;
use crate::ports::{Item, Key, Query, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Attribute of an item: programs that know less than this leave it, and all that belongs to it, alone.
pub const READER: &str = "reader";
/// What this program knows. It is raised with the version of any shape that stands in an execution's partition, so that a worker
/// that could not read all of an execution does not take it; a test holds the two together.
pub const KNOWS: u64 = 1;

/// A value that is stored as an item's body, or as a blob.
pub trait Record: Serialize + DeserializeOwned {
    /// Names the shape, as golden files do.
    const SHAPE: &'static str;
    /// Version of the shape; raised when an older reader would misread it.
    const VERSION: u32 = 1;
    /// Oldest version that is still read.
    const OLDEST: u32 = 1;
}

/// A shape as a value: what today's program knows of it.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Its name.
    pub name: &'static str,
    /// The version that is written.
    pub version: u32,
    /// The oldest version that is read.
    pub oldest: u32,
    /// Reads a body and writes it as it is written today.
    pub again: fn(&[u8]) -> Result<Vec<u8>, AppError>,
}

/// The shape of a record.
pub(crate) const fn shape<T: Record>() -> Shape {
    Shape { name: T::SHAPE, version: T::VERSION, oldest: T::OLDEST, again: again::<T> }
}

fn again<T: Record>(body: &[u8]) -> Result<Vec<u8>, AppError> {
    encode(&decode::<T>(body)?)
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    shape: &'a str,
    v: u32,
    data: &'a T,
}

#[derive(Deserialize)]
struct Opened<T> {
    shape: String,
    v: u32,
    data: T,
}

#[derive(Deserialize)]
struct Head {
    shape: String,
    v: u32,
}

/// The body of a record.
pub fn encode<T: Record>(value: &T) -> Result<Vec<u8>, AppError> {
    let envelope = Envelope { shape: T::SHAPE, v: T::VERSION, data: value };
    serde_json::to_vec(&envelope).map_err(|error| AppError::Damaged(error.to_string()))
}

/// Whether a body begins as [`encode`] begins one of this shape, in whatever version.
pub(crate) fn begins<T: Record>(body: &[u8]) -> bool {
    body.starts_with(format!("{{\"shape\":\"{}\",\"v\":", T::SHAPE).as_bytes())
}

/// The shape that a body says it has, and its version; none when it says none.
#[must_use]
pub fn said(body: &[u8]) -> Option<(String, u32)> {
    serde_json::from_slice::<Head>(body).ok().map(|head| (head.shape, head.v))
}

/// Reads a body back; fails when it is of another shape, written by a newer version, or by one that is read no more.
pub fn decode<T: Record>(body: &[u8]) -> Result<T, AppError> {
    let unread = |shape: &str, v: u32| {
        if shape != T::SHAPE {
            return AppError::Damaged(format!("it is a `{shape}` where a `{}` was expected", T::SHAPE));
        }
        if v > T::VERSION {
            return AppError::Newer { what: format!("`{shape}`"), needs: v.into(), knows: T::VERSION.into() };
        }
        AppError::Damaged(format!("`{shape}` of version {v}, which is read no more: the oldest is {}", T::OLDEST))
    };
    let knows = |shape: &str, v: u32| shape == T::SHAPE && (T::OLDEST..=T::VERSION).contains(&v);
    match serde_json::from_slice::<Opened<T>>(body) {
        Ok(opened) if knows(&opened.shape, opened.v) => Ok(opened.data),
        Ok(opened) => Err(unread(&opened.shape, opened.v)),
        // What cannot be read as this shape may say itself that it is another one.
        Err(error) => match said(body) {
            Some((shape, v)) if !knows(&shape, v) => Err(unread(&shape, v)),
            _ => Err(AppError::Damaged(format!("{}: {error}", T::SHAPE))),
        },
    }
}

/// Reads the record of an item. Failures name the item, and say what to do.
pub fn read<T: Record>(item: &Item) -> Result<T, AppError> {
    readable(item)?;
    decode(&item.body).map_err(|error| placed(error, &item.key))
}

/// Fails when the item says that it is for programs that know more.
pub fn readable(item: &Item) -> Result<(), AppError> {
    let Some(needs) = item.attributes.get(READER) else { return Ok(()) };
    match needs.parse::<u64>() {
        Ok(needs) if needs <= KNOWS => Ok(()),
        Ok(needs) => Err(placed(AppError::Newer { what: String::new(), needs, knows: KNOWS }, &item.key)),
        Err(_) => Err(placed(AppError::Damaged(format!("its attribute `{READER}` is no number")), &item.key)),
    }
}

/// The same failure with the item's key, and what can be done.
pub(crate) fn placed(error: AppError, key: &Key) -> AppError {
    let place = format!("{} / {}", key.partition, key.sort);
    match error {
        AppError::Damaged(inside) => AppError::Damaged(format!("{place}: {inside}; restore this item from a backup, or remove it")),
        AppError::Newer { what, needs, knows } => AppError::Newer { what: format!("{place} {what}").trim_end().to_owned(), needs, knows },
        other => other,
    }
}

/// An item that holds a record.
pub fn item<T: Record>(key: Key, value: &T) -> Result<Item, AppError> {
    Ok(Item::new(key, encode(value)?))
}

/// Reads a record and the revision it has.
pub async fn load<T: Record>(table: &dyn Table, key: &Key) -> Result<Option<(T, u64)>, AppError> {
    match table.get(key).await? {
        None => Ok(None),
        Some(item) => Ok(Some((read(&item)?, item.revision))),
    }
}

/// A page of records and the cursor of the next page.
pub async fn page<T: Record>(table: &dyn Table, query: &Query) -> Result<(Vec<T>, Option<String>), AppError> {
    let page = table.query(query).await?;
    let values = page.items.iter().map(read).collect::<Result<Vec<T>, _>>()?;
    Ok((values, page.next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Thing {
        x: u32,
    }

    impl Record for Thing {
        const SHAPE: &'static str = "thing";
    }

    #[test]
    fn a_record_comes_back() {
        assert_eq!(decode::<Thing>(&encode(&Thing { x: 7 }).unwrap()).unwrap(), Thing { x: 7 });
    }

    #[test]
    fn another_shape_or_a_newer_version_is_refused() {
        assert!(decode::<Thing>(br#"{"shape":"other","v":1,"data":{"x":1}}"#).is_err());
        let newer = decode::<Thing>(br#"{"shape":"thing","v":2,"data":{"x":1,"y":2}}"#).unwrap_err();
        assert!(matches!(newer, AppError::Newer { needs: 2, knows: 1, .. }));
        assert!(matches!(decode::<Thing>(br#"{"shape":"thing","v":2,"other":1}"#).unwrap_err(), AppError::Newer { .. }));
        assert!(decode::<Thing>(b"{").is_err());
    }

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Third {
        x: u32,
    }

    impl Record for Third {
        const SHAPE: &'static str = "thing";
        const VERSION: u32 = 3;
        const OLDEST: u32 = 2;
    }

    #[test]
    fn what_is_too_old_is_refused_and_not_misread() {
        assert_eq!(decode::<Third>(br#"{"shape":"thing","v":2,"data":{"x":1}}"#).unwrap(), Third { x: 1 });
        let old = decode::<Third>(br#"{"shape":"thing","v":1,"data":{"x":1}}"#).unwrap_err();
        assert!(matches!(old, AppError::Damaged(text) if text.contains("read no more")));
    }

    #[test]
    fn failures_name_the_item_and_say_what_to_do() {
        let key = Key::new("EXEC#1", "META");
        let told = |item: Item| read::<Thing>(&item).unwrap_err();
        let damaged = told(Item::new(key.clone(), b"{".to_vec()));
        assert!(matches!(&damaged, AppError::Damaged(text) if text.contains("EXEC#1 / META") && text.contains("restore")), "{damaged:?}");
        let good = Item::new(key, encode(&Thing { x: 1 }).unwrap());
        let newer = told(good.clone().attribute(READER, "999")).to_string();
        assert!(newer.contains("EXEC#1 / META") && newer.contains("update"), "{newer}");
        assert!(matches!(told(good.clone().attribute(READER, "soon")), AppError::Damaged(_)));
        assert_eq!(read::<Thing>(&good.attribute(READER, KNOWS.to_string())).unwrap(), Thing { x: 1 });
        assert!(begins::<Thing>(&encode(&Thing { x: 1 }).unwrap()) && !begins::<Thing>(br#"{"shape":"things","v":1}"#));
    }
}
