//! Trying expressions against a past execution, or with names made up for the trial.

use crate::Ports;
use app::expressions::{self, Evaluated, Trial, Wrong};
use axum::extract::State;
use edge::wire::FreeJson;
use edge::{Caller, CreateProblems, Json, Problem};
use model::id::ExecutionId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What is to be evaluated, and what it may see.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrialBody {
    /// A text, or a document whose texts are evaluated, such as a whole stage; at most 200 texts with expressions.
    #[schema(value_type = FreeJson)]
    value: Value,
    /// An execution whose trigger, parameters and outputs are seen.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]+$", max_length = 63)]
    execution: Option<ExecutionId>,
    /// The refId of a stage of it: then only what that one would see. Otherwise everything it has left so far.
    #[serde(default)]
    #[schema(max_length = 255)]
    stage: Option<String>,
    /// Names that come before all others.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    context: Map<String, Value>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct EvaluatedView {
    /// The value, of whatever type it is; null where something is wrong.
    #[schema(value_type = FreeJson)]
    value: Value,
    /// What is wrong; empty where there is a value.
    errors: Vec<WrongView>,
}

/// An expression that has no value.
#[derive(Serialize, ToSchema)]
pub(crate) struct WrongView {
    /// Where in the document its text stands, as a JSON pointer; empty for a text alone.
    pointer: String,
    /// First byte in the text that is wrong.
    position: u32,
    /// First byte after it.
    end: u32,
    /// Stable, kebab-case.
    reason: String,
    /// For people.
    message: String,
    /// What was probably meant.
    suggestion: Option<String>,
}

impl From<Wrong> for WrongView {
    fn from(wrong: Wrong) -> Self {
        let Wrong { pointer, position, end, reason, message, suggestion } = wrong;
        Self { pointer, position, end, reason, message, suggestion }
    }
}

/// Evaluates a text or a document. What cannot be evaluated is no failure of the request: the answer says what is wrong, and where.
/// Nothing is started or stored, and no URL is fetched.
#[utoipa::path(post, path = "/api/expressions", tag = "executions", request_body = TrialBody,
    responses((status = 200, body = EvaluatedView), CreateProblems))]
pub(crate) async fn evaluate_expressions(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Json(body): Json<TrialBody>,
) -> Result<Json<EvaluatedView>, Problem> {
    let TrialBody { value, execution, stage, context } = body;
    let trial = Trial { value, execution, stage, context };
    let Evaluated { value, errors } = expressions::evaluate(ports.follow(), &caller, &trial, ports.edge.entropy.number()).await?;
    Ok(Json(EvaluatedView { value, errors: errors.into_iter().map(Into::into).collect() }))
}
