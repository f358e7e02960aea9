//! Objects and lists of them.

use super::select::Selector;
use super::status::{Refusal, json_response};
use super::target::Target;
use super::{Ask, Server};
use crate::interfaces::{Cause, Objects as _};
use crate::state::place_of;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(crate) fn get(server: &Server, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let name = target.name.as_deref().unwrap_or_default();
    let state = server.state();
    let object = state.find(target.row.kind, target.place(), name).ok_or_else(|| Refusal::not_found(target.row, name))?;
    let now_ms = state.now_ms();
    drop(state);
    Ok(json_response(200, &ask.shape.object(target.row, &object, ask.options.get("includeObject"), true, now_ms)))
}

/// Where a list goes on.
struct Continue {
    /// The version that the first page had.
    version: u64,
    after: (String, String),
}

impl Continue {
    fn write(&self) -> String {
        hex::encode(json!([self.version, self.after.0, self.after.1]).to_string())
    }

    fn read(text: &str) -> Result<Self, Refusal> {
        let parts: Option<(u64, String, String)> = hex::decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (version, namespace, name) =
            parts.ok_or_else(|| Refusal::bad("invalid continue token: continue key is not valid: illegal base64 data at input byte 0"))?;
        Ok(Self { version, after: (namespace, name) })
    }
}

/// The selector of a list or watch; a path that names an object selects that.
pub(crate) fn selector(target: &Target, ask: &Ask) -> Result<Selector, Refusal> {
    let fields = match (&target.name, ask.options.get("fieldSelector")) {
        (Some(name), None) => Some(format!("metadata.name={name}")),
        (_, fields) => fields.map(str::to_owned),
    };
    Selector::of(target.row, ask.options.get("labelSelector"), fields.as_deref())
}

pub(crate) fn list(server: &Server, target: &Target, ask: &Ask) -> Result<Response, Refusal> {
    let selector = selector(target, ask)?;
    let limit = ask.options.number("limit")?.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    ask.options.number("timeoutSeconds")?;
    if ask.options.get("resourceVersionMatch").is_some() && ask.options.get("resourceVersion").is_none() {
        let message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided".to_owned();
        let why = Cause { reason: "FieldValueForbidden", field: "resourceVersionMatch".to_owned(), message };
        return Err(Refusal::invalid_options("ListOptions", &[why]));
    }
    let from = ask.options.get("continue").map(Continue::read).transpose()?;
    let wanted = ask.options.version("resourceVersion")?;
    let state = server.state();
    let (now_ms, now) = (state.now_ms(), state.version());
    if let Some(wanted) = wanted.filter(|wanted| *wanted > now) {
        return Err(Refusal::future(wanted, now));
    }
    let version = from.as_ref().map_or(now, |from| from.version);
    let all = state.all_of(target.row.kind, target.namespace.as_deref());
    drop(state);
    let mut rest: Vec<Arc<Value>> = all
        .into_iter()
        .filter(|object| from.as_ref().is_none_or(|from| place_of(object) > from.after))
        .filter(|object| selector.matches(object))
        .collect();
    let more = if limit > 0 && rest.len() > limit { rest.split_off(limit) } else { Vec::new() };
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".to_owned(), version.to_string().into());
    if let Some(last) = rest.last().filter(|_| !more.is_empty()) {
        metadata.insert("continue".to_owned(), Continue { version, after: place_of(last) }.write().into());
        if selector.is_empty() {
            metadata.insert("remainingItemCount".to_owned(), more.len().into());
        }
    }
    let objects = rest.iter().map(AsRef::as_ref);
    Ok(json_response(200, &ask.shape.list(target.row, objects, Value::Object(metadata), ask.options.get("includeObject"), now_ms)))
}
