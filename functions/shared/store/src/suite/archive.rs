//! Every promise of [`app::ports::Archive`] and of [`crate::archive::Shelf`], written once and run against every backend.

use super::Failure;
use crate::archive::Shelf;
use app::ports::StoreError;
use model::id::ExecutionId;

type Checked = Result<(), Failure>;

fn holds(holds: bool, what: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Failure::Broken("archive", what.into())) }
}

fn read(error: StoreError) -> Failure {
    Failure::Read("archive", error)
}

fn id(text: &str) -> Result<ExecutionId, Failure> {
    ExecutionId::parse(text).map_err(|error| Failure::Broken("archive", error.to_string()))
}

fn record(id: &str, status: &str) -> Vec<u8> {
    format!("{{\"shape\":\"archived-execution\",\"v\":1,\"data\":{{\"id\":\"{id}\",\"status\":\"{status}\"}}}}").into_bytes()
}

/// Runs everything. There may be nothing in it before.
///
/// # Errors
/// The first promise that is not kept.
pub async fn run(shelf: &dyn Shelf) -> Result<(), Failure> {
    for (month, ids) in [("2026-11", ["01A", "01B", "01C"]), ("2026-09", ["00A", "00B", "00C"])] {
        for name in ids {
            shelf.keep(month, &id(name)?, &record(name, "SUCCEEDED")).await.map_err(read)?;
        }
    }
    holds(shelf.months().await.map_err(read)? == ["2026-09", "2026-11"], "the months in order")?;
    let listed = shelf.of_month("2026-09", 10).await.map_err(read)?;
    holds(listed == ["00A", "00B", "00C"].map(|name| record(name, "SUCCEEDED")), "the records of a month, as they were kept")?;
    let few = shelf.of_month("2026-11", 2).await.map_err(read)?;
    holds(few == ["01B", "01C"].map(|name| record(name, "SUCCEEDED")), "the newest of them")?;
    shelf.keep("2026-11", &id("01C")?, &record("01C", "TERMINAL")).await.map_err(read)?;
    let twice = shelf.of_month("2026-11", 10).await.map_err(read)?;
    holds(twice.len() == 3 && twice.last() == Some(&record("01C", "TERMINAL")), "of what is kept twice the newest counts")?;
    let found = shelf.find(&id("01C")?).await.map_err(read)?;
    holds(found == Some(record("01C", "TERMINAL")), "a record is found by its execution")?;
    holds(shelf.find(&id("00A")?).await.map_err(read)? == Some(record("00A", "SUCCEEDED")), "in any month")?;
    holds(shelf.find(&id("02X")?).await.map_err(read)?.is_none(), "nothing is found of what was never kept")?;
    holds(shelf.of_month("2020-01", 10).await.map_err(read)?.is_empty(), "a month without records is empty")?;
    holds(shelf.keep("../2026", &id("01A")?, b"{}").await.is_err(), "what is no month is refused")
}
