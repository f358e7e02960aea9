//! In which form objects are answered: whole, their metadata alone, or as a table for people. Pure.

use super::status::Refusal;
use super::table;
use crate::kinds::Row;
use serde_json::{Value, json};

/// The form a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Whole,
    Metadata,
    Table,
}

impl Shape {
    /// The first form of an `Accept` that is spoken here; no wish is no restriction.
    pub(crate) fn of(accept: &str) -> Result<Self, Refusal> {
        if accept.trim().is_empty() {
            return Ok(Self::Whole);
        }
        for one in accept.split(',') {
            let mut parts = one.split(';').map(str::trim);
            if !matches!(parts.next(), Some("application/json" | "application/*" | "*/*" | "text/plain" | "text/*")) {
                continue;
            }
            let parameters: Vec<&str> = parts.collect();
            match parameters.iter().find_map(|parameter| parameter.strip_prefix("as=")) {
                None | Some("APIGroupDiscoveryList") => return Ok(Self::Whole),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") if parameters.contains(&"v=v1") => return Ok(Self::Metadata),
                Some("Table") if parameters.contains(&"v=v1") => return Ok(Self::Table),
                Some(_) => {}
            }
        }
        // What has no form of objects (OpenAPI) judges for itself.
        if accept.contains("proto-openapi") { Ok(Self::Whole) } else { Err(Refusal::not_acceptable()) }
    }

    /// One object. A table says its columns when `headed`.
    pub(crate) fn object(self, row: &Row, object: &Value, include: Option<&str>, headed: bool, now_ms: u64) -> Value {
        match self {
            Self::Whole => object.clone(),
            Self::Metadata => metadata_of(object),
            Self::Table => {
                let version = object.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
                table::table(row, [object], json!({"resourceVersion": version}), include, headed, now_ms)
            }
        }
    }

    /// A list with its metadata.
    pub(crate) fn list<'a>(
        self,
        row: &Row,
        objects: impl IntoIterator<Item = &'a Value>,
        metadata: Value,
        include: Option<&str>,
        now_ms: u64,
    ) -> Value {
        match self {
            Self::Whole => {
                let items: Vec<Value> = objects.into_iter().map(untyped).collect();
                let kind = format!("{}List", row.kind.kind);
                json!({"kind": kind, "apiVersion": row.kind.api_version, "metadata": metadata, "items": items})
            }
            Self::Metadata => {
                let items: Vec<Value> = objects.into_iter().map(metadata_of).collect();
                json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
            }
            Self::Table => table::table(row, objects, metadata, include, true, now_ms),
        }
    }
}

/// Items of a list do not say what they are.
fn untyped(object: &Value) -> Value {
    let mut item = object.clone();
    if let Value::Object(fields) = &mut item {
        fields.shift_remove("kind");
        fields.shift_remove("apiVersion");
    }
    item
}

pub(crate) fn metadata_of(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_is_spoken_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let typed = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
        for (accept, shape) in [
            ("", Shape::Whole),
            ("*/*", Shape::Whole),
            ("application/vnd.kubernetes.protobuf,application/json", Shape::Whole),
            (kubectl, Shape::Table),
            (typed, Shape::Metadata),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Shape::Whole),
        ] {
            assert_eq!(Shape::of(accept), Ok(shape), "{accept}");
        }
        for accept in ["application/vnd.kubernetes.protobuf", "application/cbor", "application/json;as=Picture"] {
            assert_eq!(Shape::of(accept).unwrap_err().code, 406, "{accept}");
        }
    }
}
