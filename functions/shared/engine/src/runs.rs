//! The stage runs of an execution. Cheap to copy, because every event makes a new execution of which nearly all is the old one, and
//! short to store, because META is written with every commit.

use crate::state::{Done, RunState, StageRun};
use model::Millis;
use model::status::Status;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The stage runs, by position.
#[derive(Debug, Clone, Default)]
pub struct Runs(Vec<Arc<StageRun>>);

impl Runs {
    /// So many that have not started.
    #[must_use]
    pub fn fresh(count: usize) -> Self {
        let one = Arc::new(StageRun::new());
        Self(vec![one; count])
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one at a position.
    #[must_use]
    pub fn get(&self, run: usize) -> Option<&StageRun> {
        self.0.get(run).map(Arc::as_ref)
    }

    /// The one at a position, to be changed.
    pub fn get_mut(&mut self, run: usize) -> Option<&mut StageRun> {
        self.0.get_mut(run).map(Arc::make_mut)
    }

    /// All, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &StageRun> + ExactSizeIterator {
        self.0.iter().map(Arc::as_ref)
    }

    /// More that have not started.
    pub(crate) fn grow(&mut self, count: usize) {
        self.0.extend(Self::fresh(count).0);
    }

    #[cfg(test)]
    pub(crate) fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }
}

impl PartialEq for Runs {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&Arc<StageRun>, &Arc<StageRun>)| Arc::ptr_eq(one, other) || one == other;
        self.len() == other.len() && self.0.iter().zip(&other.0).all(same)
    }
}

#[cfg(test)]
impl std::ops::Index<usize> for Runs {
    type Output = StageRun;

    fn index(&self, run: usize) -> &StageRun {
        &self.0[run]
    }
}

#[cfg(test)]
impl std::ops::IndexMut<usize> for Runs {
    fn index_mut(&mut self, run: usize) -> &mut StageRun {
        Arc::make_mut(&mut self.0[run])
    }
}

/// One that ended with nothing to say, in short: attempt, seq, status, start, end, generation.
type Ended = (u32, u32, Status, Option<Millis>, Millis, u32);

/// One that has not started is nothing, one that ended with nothing to say is a row; anything else is written in full.
struct Short<'a>(&'a StageRun);

impl Serialize for Short<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            StageRun { attempt: 1, seq: 0, state: RunState::NotStarted, skip: None } => serializer.serialize_unit(),
            StageRun {
                attempt,
                seq,
                state: RunState::Done(Done { status, started_ms, ended_ms, reason: None, generation }),
                skip: None,
            } => {
                let row: Ended = (*attempt, *seq, *status, *started_ms, *ended_ms, *generation);
                row.serialize(serializer)
            }
            whole => whole.serialize(serializer),
        }
    }
}

impl Serialize for Runs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Short))
    }
}

struct Long(StageRun);

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Long;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a stage run: nothing, a row, or an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Long, E> {
        Ok(Long(StageRun::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Long, A::Error> {
        let short = |read| move || A::Error::invalid_length(read, &"attempt, seq, status, start, end, generation");
        let attempt = row.next_element()?.ok_or_else(short(0))?;
        let seq = row.next_element()?.ok_or_else(short(1))?;
        let status = row.next_element()?.ok_or_else(short(2))?;
        let started_ms = row.next_element()?.ok_or_else(short(3))?;
        let ended_ms = row.next_element()?.ok_or_else(short(4))?;
        let generation = row.next_element()?.ok_or_else(short(5))?;
        let done = Done { status, started_ms, ended_ms, reason: None, generation };
        Ok(Long(StageRun { attempt, seq, state: RunState::Done(done), skip: None }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Long, A::Error> {
        StageRun::deserialize(MapAccessDeserializer::new(map)).map(Long)
    }
}

impl<'de> Deserialize<'de> for Long {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let long: Vec<Long> = Vec::deserialize(deserializer)?;
        Ok(Self(long.into_iter().map(|Long(run)| Arc::new(run)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on::testing::{begun, execution};
    use model::reason::{Reason, ReasonCode};
    use serde_json::{Value, json};

    fn ended(status: Status, reason: Option<Reason>) -> StageRun {
        let done = Done { status, started_ms: Some(5), ended_ms: 9, reason, generation: 2 };
        StageRun { attempt: 3, seq: 4, state: RunState::Done(done), skip: None }
    }

    #[test]
    fn what_has_nothing_to_say_is_short_and_everything_comes_back() {
        let live = begun(&execution(&[&[]])).runs[0].clone();
        let why = Reason::new(ReasonCode::StageFailed, "no", 1);
        let again = StageRun { attempt: 2, ..StageRun::new() };
        let list = [StageRun::new(), ended(Status::Succeeded, None), ended(Status::Terminal, Some(why)), live, again];
        let runs = Runs(list.into_iter().map(Arc::new).collect());
        let stored = serde_json::to_value(&runs).unwrap();
        assert_eq!((&stored[0], &stored[1]), (&Value::Null, &json!([3, 4, "SUCCEEDED", 5, 9, 2])));
        assert!((2..5).all(|at| stored[at].is_object()), "{stored}");
        assert_eq!(serde_json::from_value::<Runs>(stored).unwrap(), runs);
        assert_eq!(serde_json::from_str::<Runs>(&serde_json::to_string(&runs).unwrap()).unwrap(), runs);
    }

    #[test]
    fn a_row_that_is_too_short_is_refused() {
        let short = serde_json::from_value::<Runs>(json!([[1, 2, "SUCCEEDED"]])).unwrap_err().to_string();
        assert!(short.contains("invalid length 3, expected attempt, seq, status"), "{short}");
        assert!(serde_json::from_value::<Runs>(json!([7])).unwrap_err().to_string().contains("a stage run"));
    }

    #[test]
    fn a_copy_does_not_change_with_the_other() {
        let one = Runs::fresh(2);
        let mut other = one.clone();
        assert_eq!(one, other);
        other.get_mut(1).unwrap().attempt = 2;
        assert_ne!(one, other);
        assert_eq!((one.get(1).unwrap().attempt, one.len(), one.is_empty()), (1, 2, false));
        assert_ne!(one, Runs::fresh(3));
        assert!(Runs::fresh(0).is_empty());
    }
}
