//! The stage runs of an execution. Cheap to copy, because every event makes a new execution of which nearly all is the old one, and
//! short to store, because META is written with every commit.

use crate::state::{Done, RunState, STAGE_RUNS_MAX, StageRun};
use model::Millis;
use model::status::Status;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::SerializeSeq;
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

/// One that ended with nothing to say: attempt, seq, status, start, end, generation.
type Ended = (u32, u32, Status, Option<Millis>, Millis, u32);

/// One of the first attempt and generation that ended with nothing to say: status, start after the end of the row before, end after its
/// start; and seq, where it is not 0. The first row counts from the beginning of time.
enum Row {
    Plain(Status, i64, u64),
    Stepped(Status, i64, u64, u32),
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(status, after, took) => (status, after, took).serialize(serializer),
            Self::Stepped(status, after, took, seq) => (status, after, took, seq).serialize(serializer),
        }
    }
}

/// The short row of a run, if it has one.
fn row(run: &StageRun, before: Millis) -> Option<Row> {
    let StageRun { attempt: 1, seq, state: RunState::Done(done), skip: None } = run else { return None };
    let Done { status, started_ms: Some(started), ended_ms, reason: None, generation: 1 } = done else { return None };
    let after = i64::try_from(*started).ok()?.checked_sub(i64::try_from(before).ok()?)?;
    let took = ended_ms.checked_sub(*started)?;
    Some(if *seq == 0 { Row::Plain(*status, after, took) } else { Row::Stepped(*status, after, took, *seq) })
}

/// When a run ended that has a row, short or long: where the next one counts from.
fn end_of_row(run: &StageRun) -> Option<Millis> {
    match &run.state {
        RunState::Done(Done { ended_ms, reason: None, .. }) if run.skip.is_none() => Some(*ended_ms),
        _ => None,
    }
}

/// One that has not started is nothing, one that ended with nothing to say is a row; anything else is written in full.
impl Serialize for Runs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        let mut before = 0;
        for run in self.iter() {
            match run {
                StageRun { attempt: 1, seq: 0, state: RunState::NotStarted, skip: None } => list.serialize_element(&())?,
                StageRun {
                    attempt,
                    seq,
                    state: RunState::Done(Done { status, started_ms, ended_ms, reason: None, generation }),
                    skip: None,
                } => match row(run, before) {
                    Some(row) => list.serialize_element(&row)?,
                    None => {
                        let long: Ended = (*attempt, *seq, *status, *started_ms, *ended_ms, *generation);
                        list.serialize_element(&long)?;
                    }
                },
                whole => list.serialize_element(whole)?,
            }
            before = end_of_row(run).unwrap_or(before);
        }
        list.end()
    }
}

/// Reads one run that stands after a row that ended then.
struct Next(Millis);

impl<'de> DeserializeSeed<'de> for Next {
    type Value = StageRun;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<StageRun, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Next {
    type Value = StageRun;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a stage run: nothing, a row, or an object")
    }

    fn visit_unit<E: Error>(self) -> Result<StageRun, E> {
        Ok(StageRun::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<StageRun, A::Error> {
        let head = row.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &"a status or an attempt first"))?;
        match head {
            Head::Status(status) => self.short(status, row),
            Head::Attempt(attempt) => long(attempt, row),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StageRun, A::Error> {
        StageRun::deserialize(MapAccessDeserializer::new(map))
    }
}

/// What a row begins with: short ones with the status, long ones with the attempt.
enum Head {
    Attempt(u32),
    Status(Status),
}

struct HeadReader;

impl<'de> Visitor<'de> for HeadReader {
    type Value = Head;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a status or an attempt")
    }

    fn visit_u64<E: Error>(self, attempt: u64) -> Result<Head, E> {
        u32::try_from(attempt).map(Head::Attempt).map_err(|_| E::invalid_value(Unexpected::Unsigned(attempt), &self))
    }

    fn visit_str<E: Error>(self, status: &str) -> Result<Head, E> {
        Status::deserialize(status.into_deserializer()).map(Head::Status)
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadReader)
    }
}

impl Next {
    fn short<'de, A: SeqAccess<'de>>(self, status: Status, mut row: A) -> Result<StageRun, A::Error> {
        let short = |read| move || A::Error::invalid_length(read, &"status, start, duration, perhaps seq");
        let after: i64 = row.next_element()?.ok_or_else(short(1))?;
        let took: u64 = row.next_element()?.ok_or_else(short(2))?;
        let seq = row.next_element()?.unwrap_or_default();
        let outside = || A::Error::custom("a stage run starts or ends outside of time");
        let started = self.0.checked_add_signed(after).ok_or_else(outside)?;
        let ended_ms = started.checked_add(took).ok_or_else(outside)?;
        let done = Done { status, started_ms: Some(started), ended_ms, reason: None, generation: 1 };
        Ok(StageRun { attempt: 1, seq, state: RunState::Done(done), skip: None })
    }
}

fn long<'de, A: SeqAccess<'de>>(attempt: u32, mut row: A) -> Result<StageRun, A::Error> {
    let short = |read| move || A::Error::invalid_length(read, &"attempt, seq, status, start, end, generation");
    let seq = row.next_element()?.ok_or_else(short(1))?;
    let status = row.next_element()?.ok_or_else(short(2))?;
    let started_ms = row.next_element()?.ok_or_else(short(3))?;
    let ended_ms = row.next_element()?.ok_or_else(short(4))?;
    let generation = row.next_element()?.ok_or_else(short(5))?;
    let done = Done { status, started_ms, ended_ms, reason: None, generation };
    Ok(StageRun { attempt, seq, state: RunState::Done(done), skip: None })
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Runs;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of stage runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Runs, A::Error> {
        let mut runs = Vec::with_capacity(list.size_hint().unwrap_or_default().min(STAGE_RUNS_MAX));
        let mut before = 0;
        while let Some(run) = list.next_element_seed(Next(before))? {
            before = end_of_row(&run).unwrap_or(before);
            runs.push(Arc::new(run));
        }
        Ok(Runs(runs))
    }
}

impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List)
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
    fn rows_of_first_attempts_count_from_the_row_before() {
        let first = |seq, started, ended| {
            let done = Done { status: Status::Succeeded, started_ms: Some(started), ended_ms: ended, reason: None, generation: 1 };
            StageRun { attempt: 1, seq, state: RunState::Done(done), skip: None }
        };
        let unstarted = Done { status: Status::Succeeded, started_ms: None, ended_ms: 7, reason: None, generation: 1 };
        let never = StageRun { attempt: 1, seq: 0, state: RunState::Done(unstarted), skip: None };
        let far = first(0, 3, u64::MAX);
        let list = [first(0, 1_000, 1_020), first(3, 1_010, 1_500), StageRun::new(), never, first(0, 9, 9), far, first(0, 5, 6)];
        let runs = Runs(list.into_iter().map(Arc::new).collect());
        let stored = serde_json::to_value(&runs).unwrap();
        let wanted = json!([
            ["SUCCEEDED", 1_000, 20],
            ["SUCCEEDED", -10, 490, 3],
            null,
            [1, 0, "SUCCEEDED", null, 7, 1],
            ["SUCCEEDED", 2, 0],
            ["SUCCEEDED", -6, u64::MAX - 3],
            [1, 0, "SUCCEEDED", 5, 6, 1],
        ]);
        assert_eq!(stored, wanted);
        assert_eq!(serde_json::from_value::<Runs>(stored).unwrap(), runs);
        assert_eq!(serde_json::from_str::<Runs>(&wanted.to_string()).unwrap(), runs);
    }

    #[test]
    fn a_row_that_is_too_short_is_refused() {
        let short = serde_json::from_value::<Runs>(json!([[1, 2, "SUCCEEDED"]])).unwrap_err().to_string();
        assert!(short.contains("invalid length 3, expected attempt, seq, status"), "{short}");
        for (row, wanted) in [
            (json!([]), "invalid length 0"),
            (json!(["SUCCEEDED", 1]), "invalid length 2, expected status, start, duration"),
            (json!(["SUCCEEDED", -1, 5]), "outside of time"),
            (json!(["SUCCEEDED", 1, u64::MAX]), "outside of time"),
            (json!(["WELL", 1, 2]), "unknown variant `WELL`"),
            (json!([u64::MAX, 1]), "a status or an attempt"),
            (json!([null, 1]), "a status or an attempt"),
        ] {
            let error = serde_json::from_value::<Runs>(json!([row])).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
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
