//! Records: how a value becomes an item and comes back. Every stored value carries the version of its shape.

use crate::error::AppError;
use crate::ports::{Item, Key, Query, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A value that is stored as an item's body.
pub trait Record: Serialize + DeserializeOwned {
    /// Names the shape, as golden files do.
    const SHAPE: &'static str;
    /// Version of the shape; raised when an older reader would misread it.
    const VERSION: u32 = 1;
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

/// Reads a body back; fails when it is of another shape or written by a newer version.
pub fn decode<T: Record>(body: &[u8]) -> Result<T, AppError> {
    let damaged = |error: serde_json::Error| AppError::Damaged(format!("{}: {error}", T::SHAPE));
    let other = |shape: &str, v: u32| AppError::Damaged(format!("{shape} v{v} where {} up to v{} was expected", T::SHAPE, T::VERSION));
    match serde_json::from_slice::<Opened<T>>(body) {
        Ok(opened) if opened.shape == T::SHAPE && opened.v <= T::VERSION => Ok(opened.data),
        Ok(opened) => Err(other(&opened.shape, opened.v)),
        // What cannot be read as this shape may say itself that it is another one.
        Err(error) => match serde_json::from_slice::<Head>(body) {
            Ok(head) if head.shape != T::SHAPE || head.v > T::VERSION => Err(other(&head.shape, head.v)),
            _ => Err(damaged(error)),
        },
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
        Some(item) => Ok(Some((decode(&item.body)?, item.revision))),
    }
}

/// A page of records and the cursor of the next page.
pub async fn page<T: Record>(table: &dyn Table, query: &Query) -> Result<(Vec<T>, Option<String>), AppError> {
    let page = table.query(query).await?;
    let values = page.items.iter().map(|item| decode(&item.body)).collect::<Result<Vec<T>, _>>()?;
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
        assert!(matches!(newer, AppError::Damaged(text) if text.contains("v2")));
        assert!(decode::<Thing>(b"{").is_err());
    }
}
