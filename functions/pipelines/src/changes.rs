//! Following things by one held question.

use crate::Ports;
use app::changes::{HOLD_MS_MAX, follow};
use axum::extract::State;
use edge::{Caller, Json, ListProblems, Problem, Search};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What to follow.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangesParams {
    /// Topics: `execution:<id>`, `orders:<project>`, `application:<name>`, `account:<name>`, `applications`, …
    #[param(min_items = 1, max_items = 50, inline)]
    #[expect(dead_code, reason = "describes the query; the query is read pair by pair, since a topic stands in it many times")]
    topic: Vec<Topic>,
    /// `cursor` of the answer before; without it the answer comes at once, with the cursor of now.
    #[param(pattern = "^[0-9]{1,19}$")]
    #[expect(dead_code, reason = "describes the query")]
    since: Option<String>,
    /// Seconds to wait for a change.
    #[param(minimum = 0, maximum = 25)]
    #[expect(dead_code, reason = "describes the query")]
    hold: Option<u8>,
}

/// Names something to follow.
#[derive(Deserialize, ToSchema)]
#[schema(min_length = 1, max_length = 200, pattern = "^[A-Za-z0-9:._-]+$")]
struct Topic(#[expect(dead_code, reason = "describes the query")] String);

/// Something that changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeView {
    topic: String,
    /// Its version now, where it has one.
    version: u64,
}

/// What changed. Hints only: read again what you follow.
#[derive(Serialize, ToSchema)]
pub(crate) struct FollowedView {
    /// `since` of the next question.
    cursor: String,
    changed: Vec<ChangeView>,
    /// Topics of which changes may have been missed: read them again.
    resync: Vec<String>,
}

/// Waits until something changes.
#[utoipa::path(get, path = "/api/changes", tag = "changes", params(ChangesParams), responses((status = 200, body = FollowedView), ListProblems))]
pub(crate) async fn follow_changes(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Search(query): Search<Vec<(String, String)>>,
) -> Result<Json<FollowedView>, Problem> {
    let (mut topics, mut since, mut hold) = (Vec::new(), None, 0);
    for (key, value) in query {
        let bad = |what: &str| Problem::invalid("", "query-invalid", format!("`{key}` {what}"));
        match key.as_str() {
            "topic" => topics.push(value),
            "since" => since = Some(value.parse::<u64>().map_err(|_| bad("is `cursor` of the answer before"))?),
            "hold" => {
                hold = value.parse::<u64>().ok().filter(|s| *s <= HOLD_MS_MAX / 1_000).ok_or_else(|| bad("is 0 to 25 seconds"))? * 1_000
            }
            _ => return Err(bad("is not known here")),
        }
    }
    let followed = follow(ports.edge.changes.as_ref(), ports.edge.clock.as_ref(), &caller, &topics, since, hold).await?;
    Ok(Json(FollowedView {
        cursor: followed.cursor.to_string(),
        changed: followed.changed.into_iter().map(|c| ChangeView { topic: c.topic, version: c.version }).collect(),
        resync: followed.resync,
    }))
}
