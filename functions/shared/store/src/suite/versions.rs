//! What a newer program wrote is told from what is damaged, and neither is changed by looking at it.

use super::{Bench, Case, Checked, Failure, revision};
use app::error::AppError;
use app::execution::stored::Counter;
use app::ports::{Item, Query, TransactError, Write};
use app::record::{self, KNOWS, READER, Record};

pub(super) async fn run(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "versions");
    let good = record::encode(&Counter { last: 7 }).unwrap_or_default();
    let newer = String::from_utf8_lossy(&good).replace("\"v\":1", "\"v\":99").into_bytes();
    let bodies = [("good", good.clone()), ("newer", newer), ("broken", b"{\"shape\":\"counter\"".to_vec()), ("foreign", good)];
    for (sort, body) in &bodies {
        case.put(Item::new(case.key(sort), body.clone()).attribute(READER, KNOWS.to_string())).await?;
    }
    let ahead = (KNOWS + 1).to_string();
    let Some(foreign) = case.get("foreign").await? else { return case.broken("what was put is there".to_owned()) };
    case.write(vec![Write::Put(foreign.clone().attribute(READER, ahead.as_str()), revision(foreign.revision))]).await?;
    for (sort, expected) in [("good", "read"), ("newer", "newer"), ("broken", "damaged"), ("foreign", "newer")] {
        let before = case.get(sort).await?;
        case.same(&told(&case, sort).await?, &expected, sort)?;
        case.same(&case.get(sort).await?, &before, "looking changes nothing")?;
    }
    // A condition can rest on it: whoever knows less writes nothing.
    let write = Write::Put(case.item("foreign", "{}"), vec![app::ports::Condition::Attribute(READER.to_owned(), KNOWS.to_string())]);
    case.conflicts(vec![write], &[0]).await?;
    case.same(&case.get("foreign").await?.and_then(|item| item.attributes.get(READER).cloned()), &Some(ahead), "it stands as it was")
}

/// How a record reads, and whether a list that it stands in says the same.
async fn told(case: &Case<'_>, sort: &str) -> Result<&'static str, Failure> {
    let table = case.bench.table;
    let one = record::load::<Counter>(table, &case.key(sort)).await.map(drop);
    let list = record::page::<Counter>(table, &Query::prefix(case.partition(), sort, 5)).await.map(drop);
    let word = |read: Result<(), AppError>| match read {
        Ok(()) => Ok("read"),
        Err(AppError::Newer { what, .. }) if what.contains(sort) => Ok("newer"),
        Err(AppError::Damaged(text)) if text.contains(sort) && text.contains("restore") => Ok("damaged"),
        Err(AppError::Unavailable(text)) => Err(Failure::Write(case.name, TransactError::Unavailable(text))),
        Err(other) => Err(Failure::Broken(case.name, format!("{} {sort}: {other:?}", Counter::SHAPE))),
    };
    let (one, list) = (word(one)?, word(list)?);
    case.same(&list, &one, "a list says the same as a single read")?;
    Ok(one)
}
