//! What is sent to start a pipeline, by itself or by a release order.

use crate::wire::FreeJson;
use app::execution::start::Into as Orders;
use app::orders::{ArtifactChoice, Submission};
use model::Millis;
use model::id::AppName;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The last instant that can be said: fourteen digits, in the year 5138.
const INSTANT_MS_MAX: Millis = 99_999_999_999_999;

/// A version to release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactBody {
    /// Which expected artifact of the pipeline: its id or its display name.
    #[schema(max_length = 255)]
    expected_artifact: String,
    /// The image without tag; needed when the expected artifact does not name one.
    #[serde(default)]
    #[schema(max_length = 1024)]
    name: String,
    /// The tag; looked up in the registry.
    #[schema(max_length = 128)]
    version: String,
}

/// What is to be started.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartBody {
    /// The application.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    application: AppName,
    /// A pipeline of the application, by name or id.
    #[schema(max_length = 255)]
    pipeline: String,
    /// Versions for the expected artifacts.
    #[serde(default)]
    #[schema(max_items = 50)]
    artifacts: Vec<ArtifactBody>,
    /// The pipeline's parameters.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    parameters: Map<String, Value>,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 4096)]
    note: String,
    /// Run only what changes nothing: judgments, checks of conditions and other pipelines, as dry runs as well. Every other
    /// stage is left out and says so.
    #[serde(default)]
    dry_run: bool,
    /// Cancel it when it has not begun by then.
    #[serde(default)]
    start_time_expiry: Option<Expiry>,
}

impl StartBody {
    /// What the caller wants, by this `Idempotency-Key`.
    #[must_use]
    pub fn submission(self, into: Orders, key: Option<&str>) -> Submission {
        let choice = |a: ArtifactBody| ArtifactChoice { expected_artifact: a.expected_artifact, name: a.name, version: a.version };
        Submission {
            into,
            application: self.application,
            pipeline: self.pipeline,
            artifacts: self.artifacts.into_iter().map(choice).collect(),
            parameters: self.parameters,
            note: self.note,
            dry_run: self.dry_run,
            start_by_ms: self.start_time_expiry.map(|expiry| expiry.0),
            key: key.map(str::to_owned),
        }
    }
}

/// An instant in milliseconds since 1970; some tools write it as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(pub Millis);

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Instant)
    }
}

struct Instant;

impl Visitor<'_> for Instant {
    type Value = Expiry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "milliseconds since 1970, from 0 to {INSTANT_MS_MAX}, as a number or as its digits")
    }

    fn visit_u64<E: Error>(self, ms: u64) -> Result<Expiry, E> {
        if ms <= INSTANT_MS_MAX { Ok(Expiry(ms)) } else { Err(E::invalid_value(serde::de::Unexpected::Unsigned(ms), &self)) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Expiry, E> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let ms = text.parse().ok().filter(|ms| digits && *ms <= INSTANT_MS_MAX);
        ms.map(Expiry).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl PartialSchema for Expiry {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(INSTANT_MS_MAX));
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,14}$")).max_length(Some(14));
        let any = OneOfBuilder::new().item(number).item(text);
        RefOr::T(Schema::OneOf(any.description(Some("An instant: milliseconds since 1970, as a number or as its digits.")).build()))
    }
}

impl ToSchema for Expiry {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Expiry")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(more: Value) -> Result<StartBody, String> {
        let mut body = json!({"application": "flaskapp", "pipeline": "p"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        serde_json::from_value(body).map_err(|error| error.to_string())
    }

    #[test]
    fn a_start_says_as_little_as_it_may() {
        let plain = body(json!({})).unwrap().submission(Orders::EveryProject, None);
        assert_eq!((plain.dry_run, plain.start_by_ms, plain.key), (false, None, None));
        let full = body(json!({"dryRun": true, "startTimeExpiry": 7, "artifacts": [{"expectedArtifact": "e", "version": "1"}]}));
        let full = full.unwrap().submission(Orders::EveryProject, Some("k"));
        assert_eq!((full.dry_run, full.start_by_ms, full.key.as_deref()), (true, Some(7), Some("k")));
        assert_eq!(full.artifacts[0].expected_artifact, "e");
    }

    #[test]
    fn an_expiry_is_a_number_or_its_digits() {
        let expiry = |value: Value| body(json!({"startTimeExpiry": value})).map(|body| body.start_time_expiry);
        for (value, ms) in [(json!(1_700_000_000_000_u64), 1_700_000_000_000), (json!("1700000000000"), 1_700_000_000_000), (json!("0"), 0)]
        {
            assert_eq!(expiry(value), Ok(Some(Expiry(ms))));
        }
        assert_eq!(expiry(Value::Null), Ok(None));
        for bad in [json!(-1), json!(1.5), json!(true), json!(""), json!("+1"), json!("soon"), json!([1]), json!(INSTANT_MS_MAX + 1)] {
            assert!(expiry(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for more in [json!({"dryrun": true}), json!({"dry_run": true}), json!({"dryRun": "true"}), json!({"note": 7})] {
            assert!(body(more.clone()).is_err(), "{more}");
        }
    }
}
