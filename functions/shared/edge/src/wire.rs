//! Shapes that every answer shares, described for the OpenAPI document.

use crate::params::cursor;
use app::paging::Listed;
use model::Millis;
use model::person::{Action, May};
use model::reason::Reason;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Any JSON value, where its shape is not ours to say.
pub struct FreeJson;

impl PartialSchema for FreeJson {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("Any JSON value; its shape is not ours to say."));
        RefOr::T(Schema::Object(any.build()))
    }
}

impl ToSchema for FreeJson {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FreeJson")
    }
}

/// An application's name.
pub struct ApplicationName;

impl PartialSchema for ApplicationName {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z][A-Za-z0-9-]*$")).max_length(Some(63));
        RefOr::T(Schema::Object(name.description(Some("An application's name, in any case.")).build()))
    }
}

impl ToSchema for ApplicationName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ApplicationName")
    }
}

/// May this caller do something, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MayView {
    /// The verdict.
    pub allowed: bool,
    /// Why not, kebab-case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl From<May> for MayView {
    fn from(may: May) -> Self {
        Self { allowed: may.allowed, code: may.code, message: may.message }
    }
}

/// What this caller may do with the thing, by action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MayMap(pub BTreeMap<String, MayView>);

impl MayMap {
    /// The verdicts on these actions.
    pub fn of(actions: &[Action], verdict: impl Fn(Action) -> May) -> Self {
        Self(actions.iter().map(|action| (action.as_str().to_owned(), verdict(*action).into())).collect())
    }
}

/// What a caller is trusted with; each role holds the rights of those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// Submits release orders, answers judgments, follows executions.
    Developer,
    /// Configures applications, projects and pipelines.
    Operator,
    /// Registers accounts, gives tokens, grants stage types.
    Administrator,
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ReasonView {
    /// Stable, kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
    /// For machines.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schema(value_type = FreeJson, required = false)]
    pub data: Value,
    /// Since when it holds, milliseconds since 1970.
    pub since: Millis,
}

impl From<Reason> for ReasonView {
    fn from(reason: Reason) -> Self {
        let code = match reason.code {
            model::reason::Code::Known(code) => code.as_str().to_owned(),
            model::reason::Code::Stage(code) => code,
        };
        Self { code, message: reason.message, data: reason.data, since: reason.since }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T: ToSchema> {
    /// The entries, at most 100.
    pub items: Vec<T>,
    /// `after` of the next page; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T: ToSchema> Page<T> {
    /// A page, each entry shown by `view`.
    pub fn of<R>(listed: Listed<R>, view: impl FnMut(R) -> T) -> Self {
        Self { next: listed.next.as_deref().map(cursor), items: listed.entries.into_iter().map(view).collect() }
    }
}
