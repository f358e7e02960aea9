//! Following things: one held question for many topics. Hints only; what follows is an ordinary read with its own rights.

use crate::error::{AppError, require};
use crate::ports::{Change, Changes, Clock};
use model::person::{Action, Principal, may};

/// Longest time a question is held.
pub const HOLD_MS_MAX: u64 = 25_000;
/// Most topics of one question.
pub const TOPICS_MAX: usize = 50;
const TOPIC_BYTES_MAX: usize = 200;

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// For the next question.
    pub cursor: u64,
    /// What changed.
    pub changed: Vec<Change>,
    /// Topics of which changes may have been missed: read them again.
    pub resync: Vec<String>,
}

/// True when the text may name a topic: `execution:<id>`, `orders:<project>`, `applications`, ….
#[must_use]
pub fn is_topic(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= TOPIC_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.'))
}

/// Waits until one of the topics changes after the cursor, at most `hold_ms`. Without a cursor it answers at once with the one of now.
pub async fn follow(
    changes: &dyn Changes,
    clock: &dyn Clock,
    caller: &Principal,
    topics: &[String],
    since: Option<u64>,
    hold_ms: u64,
) -> Result<Followed, AppError> {
    require(may(caller, Action::Read))?;
    if topics.is_empty() || topics.len() > TOPICS_MAX || !topics.iter().all(|t| is_topic(t)) {
        let message = format!("1 to {TOPICS_MAX} topics of letters, digits, colons, dots, dashes and underscores");
        return Err(AppError::invalid("", "topic-invalid", message));
    }
    if hold_ms > HOLD_MS_MAX {
        return Err(AppError::invalid("", "hold-too-long", format!("a question is held for at most {HOLD_MS_MAX} ms")));
    }
    let Some(since) = since else {
        return Ok(Followed { cursor: changes.cursor(), changed: Vec::new(), resync: Vec::new() });
    };
    let (cursor, changed) = changes.wait(topics, since, clock.now_ms() + hold_ms).await;
    let resync = if changed.is_none() { topics.to_vec() } else { Vec::new() };
    Ok(Followed { cursor, changed: changed.unwrap_or_default(), resync })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FixedClock, KeptChanges, principal};
    use model::person::Role;

    async fn ask(changes: &KeptChanges, topics: &[&str], since: Option<u64>, hold_ms: u64) -> Result<Followed, AppError> {
        let topics: Vec<String> = topics.iter().map(|t| (*t).to_owned()).collect();
        follow(changes, &FixedClock::default(), &principal("dev", Role::Developer), &topics, since, hold_ms).await
    }

    #[tokio::test]
    async fn a_cursor_sees_what_came_after_it() {
        let changes = KeptChanges::default();
        let start = ask(&changes, &["project:a"], None, 0).await.unwrap().cursor;
        changes.publish(Change { topic: "project:a".to_owned(), version: 3 });
        changes.publish(Change { topic: "project:b".to_owned(), version: 1 });
        let seen = ask(&changes, &["project:a"], Some(start), 0).await.unwrap();
        assert_eq!(seen.changed, [Change { topic: "project:a".to_owned(), version: 3 }]);
        assert!(ask(&changes, &["project:a"], Some(seen.cursor), 0).await.unwrap().changed.is_empty());
        assert_eq!(ask(&changes, &["project:a"], Some(99), 0).await.unwrap().resync, ["project:a"]);
    }

    #[tokio::test]
    async fn bad_questions_are_refused() {
        let changes = KeptChanges::default();
        for (topics, hold) in [(vec![], 0), (vec!["a b"], 0), (vec![""], 0), (vec!["x"; 51], 0), (vec!["x"], 25_001)] {
            assert!(matches!(ask(&changes, &topics, None, hold).await, Err(AppError::Invalid(_))), "{topics:?}");
        }
        let nobody = Principal { name: "x".to_owned(), role: None, groups: std::collections::BTreeSet::new() };
        let denied = follow(&changes, &FixedClock::default(), &nobody, &["x".to_owned()], None, 0).await;
        assert!(matches!(denied, Err(AppError::Denied { .. })));
    }
}
