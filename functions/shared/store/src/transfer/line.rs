//! One line of an export: text and back. Pure.

use app::ports::{Item, Key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Millis;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The form written here; raised when an older program would misread it.
pub const FORMAT: u32 = 1;
/// What the first line says that it is.
const KIND: &str = "export";
/// The first line has so many bytes, because it is written last: its numbers are known at the end.
pub(super) const HEADER_BYTES: usize = 1_024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// `export`.
    pub waybill: String,
    /// Version of this form.
    pub format: u32,
    /// Version of the program that wrote it.
    pub program: String,
    /// What that program knew of executions.
    pub knows: u64,
    /// The installation it was taken from, in words.
    pub from: String,
    /// The key that its secrets are sealed with, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_with: Option<String>,
    /// When.
    pub exported_ms: Millis,
    /// Lines that are items.
    pub items: u64,
    /// Lines that are blobs.
    pub blobs: u64,
}

impl Header {
    pub(super) fn new(from: super::From, exported_ms: Millis) -> Self {
        // What is longer than the line has room for says nothing more.
        let place = from.place.chars().filter(|c| !c.is_control()).take(200).collect();
        let sealed_with = from.sealed_with.map(|key| key.chars().take(200).collect());
        let (waybill, program) = (KIND.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Self { waybill, format: FORMAT, program, knows: app::record::KNOWS, from: place, sealed_with, exported_ms, items: 0, blobs: 0 }
    }

    /// The line, of always the same length.
    pub(super) fn line(&self) -> Result<Vec<u8>, String> {
        let mut line = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        if line.len() >= HEADER_BYTES {
            return Err("the first line has no room for its header".to_owned());
        }
        line.resize(HEADER_BYTES - 1, b' ');
        line.push(b'\n');
        Ok(line)
    }

    /// Reads the first line; refuses what a newer program wrote before it looks at anything else.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            waybill: String,
            format: u32,
            #[serde(default)]
            knows: u64,
        }
        let head: Head = serde_json::from_slice(line).map_err(|_| "this is no export of Waybill: it has no header".to_owned())?;
        if head.waybill != KIND {
            return Err(format!("this is no export of Waybill, but `{}`", head.waybill));
        }
        if head.format > FORMAT || head.knows > app::record::KNOWS {
            let (format, knows) = (head.format, head.knows);
            return Err(format!(
                "it was written by a newer Waybill (format {format}, executions {knows}; this one knows {FORMAT} and {}): update this one",
                app::record::KNOWS
            ));
        }
        serde_json::from_slice(line).map_err(|error| format!("its header cannot be read: {error}"))
    }
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// An item.
    Item(Box<StoredItem>),
    /// A blob.
    Blob(StoredBlob),
    /// The end.
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredItem {
    partition: String,
    sort: String,
    revision: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Millis>,
    body: Content,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredBlob {
    pub(super) sha256: String,
    body: Content,
}

/// The last line: as many lines of each kind came before it, and this is the digest of them all and of the header, which was
/// written last and counts as the last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) items: u64,
    pub(super) blobs: u64,
    pub(super) sha256: String,
}

/// Bytes so that people can read them where that loses nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    /// JSON as it stands.
    Json(Box<RawValue>),
    /// Other text.
    Text(String),
    /// Anything else.
    Base64(String),
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else { return Self::Base64(STANDARD.encode(bytes)) };
        match serde_json::from_str::<Box<RawValue>>(text) {
            Ok(raw) if raw.get() == text && !text.contains(['\n', '\r']) => Self::Json(raw),
            _ => Self::Text(text.to_owned()),
        }
    }

    fn bytes(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Json(raw) => Ok(raw.get().as_bytes().to_vec()),
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Base64(text) => STANDARD.decode(text).map_err(|error| format!("its base64 cannot be read: {error}")),
        }
    }
}

impl Line {
    pub(super) fn item(item: &Item) -> Self {
        Self::Item(Box::new(StoredItem {
            partition: item.key.partition.clone(),
            sort: item.key.sort.clone(),
            revision: item.revision,
            attributes: item.attributes.clone(),
            due: item.due_ms,
            expires: item.expires_ms,
            body: Content::of(&item.body),
        }))
    }

    pub(super) fn blob(sha256: &str, bytes: &[u8]) -> Self {
        Self::Blob(StoredBlob { sha256: sha256.to_owned(), body: Content::of(bytes) })
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut line = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        line.push(b'\n');
        Ok(line)
    }

    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("it cannot be read: {error}"))
    }
}

impl StoredItem {
    pub(super) fn into_item(self) -> Result<Item, String> {
        Ok(Item {
            key: Key { partition: self.partition, sort: self.sort },
            revision: self.revision,
            attributes: self.attributes,
            body: self.body.bytes()?,
            due_ms: self.due,
            expires_ms: self.expires,
        })
    }
}

impl StoredBlob {
    pub(super) fn into_bytes(self) -> Result<Vec<u8>, String> {
        self.body.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back_and_json_stays_readable() {
        let bodies: [&[u8]; 9] = [
            br#"{"a": 1.50, "b":[ ]}"#,
            b"{}",
            b" {}",
            b"{\n}",
            b"",
            b"not json",
            "\u{e4}\u{2028}\"\\".as_bytes(),
            &[0, 255, 10],
            b"1e400",
        ];
        for body in bodies {
            let item = Item { revision: 7, ..Item::new(Key::new("P#1", "\u{dc}n/ 1"), body.to_vec()) };
            let item = item.attribute("fence", "7").due(Some(5)).expires(Some(6));
            let line = Line::item(&item).bytes().unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let Line::Item(back) = Line::read(&line).unwrap() else { panic!() };
            assert_eq!(back.into_item().unwrap(), item);
            let Line::Blob(blob) = Line::read(&Line::blob("d", body).bytes().unwrap()).unwrap() else { panic!() };
            assert_eq!(blob.into_bytes().unwrap(), body);
        }
        let line = String::from_utf8(Line::item(&Item::new(Key::new("P", "a"), bodies[0].to_vec())).bytes().unwrap()).unwrap();
        assert!(line.contains(r#"{"json":{"a": 1.50, "b":[ ]}}"#), "{line}");
    }

    #[test]
    fn a_header_always_has_the_same_length_and_newer_ones_are_refused() {
        let mut header = Header::new(super::super::From { place: "x".repeat(5_000), sealed_with: Some("k".to_owned()) }, 5);
        assert_eq!(header.line().unwrap().len(), HEADER_BYTES);
        (header.items, header.blobs) = (u64::MAX, u64::MAX);
        let line = header.line().unwrap();
        assert_eq!((line.len(), Header::read(&line).unwrap()), (HEADER_BYTES, header.clone()));
        for (format, knows) in [(FORMAT + 1, 1), (FORMAT, app::record::KNOWS + 1)] {
            let newer = Header { format, knows, ..header.clone() };
            assert!(Header::read(&newer.line().unwrap()).unwrap_err().contains("update this one"));
        }
        for text in ["", "{}", r#"{"waybill":"backup","format":1}"#, r#"{"waybill":"export","format":1}"#] {
            assert!(Header::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
