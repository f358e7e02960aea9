//! The `due` look-up and expiry. `due` may lag, so it is asked until it says what it must, within a bound.

use super::{Bench, Case, Checked, Failure};
use app::ports::{Condition, Item, Query, TransactError, Write};

const ATTEMPTS_MAX: usize = 2_000;

pub(super) async fn run(bench: &Bench<'_>) -> Checked {
    due_is_in_order_and_moves(bench).await?;
    expired_items_are_gone(bench).await?;
    expired_items_end_no_range(bench).await
}

/// Keys of the case that are due, in order; other cases' keys are left out.
async fn due(case: &Case<'_>, now: u64) -> Result<Vec<String>, Failure> {
    let keys = case.bench.table.due(now, 10_000).await.map_err(|error| Failure::Read(case.name, error))?;
    Ok(keys.into_iter().filter(|key| key.partition == case.partition()).map(|key| key.sort).collect())
}

async fn expect(case: &Case<'_>, now: u64, expected: &[&str]) -> Checked {
    let mut got = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        got = due(case, now).await?;
        if got == expected {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
    case.broken(format!("due at {now}: got {got:?}, expected {expected:?}"))
}

async fn due_is_in_order_and_moves(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "due");
    let at = |sort: &str, due: Option<u64>| Write::Put(case.item(sort, "x").due(due), vec![]);
    expect(&case, 1_000, &[]).await?;
    case.write(vec![at("c", Some(300)), at("a", Some(256)), at("b", Some(255)), at("never", None), at("far", Some(1_001))]).await?;
    expect(&case, 254, &[]).await?;
    expect(&case, 255, &["b"]).await?;
    expect(&case, 1_000, &["b", "a", "c"]).await?;
    let first = bench.table.due(1_000, 1).await.map_err(|error| Failure::Read(case.name, error))?;
    case.same(&first.len(), &1, "the limit is kept")?;
    // Later, earlier, no more, and gone.
    case.write(vec![at("b", Some(900))]).await?;
    expect(&case, 1_000, &["a", "c", "b"]).await?;
    case.write(vec![at("far", Some(1)), at("a", None)]).await?;
    expect(&case, 1_000, &["far", "c", "b"]).await?;
    case.write(vec![at("c", Some(300)), Write::Delete(case.key("far"), vec![])]).await?;
    expect(&case, 1_000, &["c", "b"]).await?;
    // What conflicts moves nothing.
    case.conflicts(vec![at("c", Some(5)), Write::Check(case.key("none"), vec![Condition::Exists])], &[1]).await?;
    expect(&case, 1_000, &["c", "b"]).await?;
    case.write(vec![Write::Delete(case.key("b"), vec![]), Write::Delete(case.key("c"), vec![])]).await?;
    expect(&case, u64::MAX >> 1, &[]).await
}

async fn expired_items_are_gone(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "expiry");
    let now = bench.clock.now_ms();
    let lease = |at: u64| case.item("lease", "x").attribute("fence", "7").expires(Some(at));
    case.put(lease(now + 1_000)).await?;
    case.put(case.item("stays", "x")).await?;
    (bench.advance)(999);
    case.holds(case.get("lease").await?.is_some(), "an item is there until it expires")?;
    case.conflicts(vec![Write::Put(lease(now + 9_000), vec![Condition::Absent])], &[0]).await?;
    (bench.advance)(1);
    case.same(&case.get("lease").await?, &None, "an expired item is not read")?;
    let page = case.query(&Query::prefix(case.partition(), "", 10)).await?;
    let sorts: Vec<String> = page.items.into_iter().map(|item| item.key.sort).collect();
    case.same(&sorts, &vec!["stays".to_owned()], "an expired item is in no range")?;
    let fence = Condition::Attribute("fence".to_owned(), "7".to_owned());
    for condition in [Condition::Exists, Condition::Revision(1), fence] {
        case.conflicts(vec![Write::Check(case.key("lease"), vec![condition])], &[0]).await?;
    }
    case.write(vec![Write::Check(case.key("lease"), vec![Condition::NoAttribute("fence".to_owned())])]).await?;
    case.write(vec![Write::Put(lease(now + 5_000), vec![Condition::Absent])]).await?;
    case.same(&case.revision("lease").await?, &1, "a new item takes the place of an expired one")?;
    (bench.advance)(5_000);
    case.write(vec![Write::Delete(case.key("lease"), vec![Condition::Absent])]).await?;
    case.put(lease(now + 12_000)).await?;
    case.write(vec![Write::Put(lease(now + 12_000), vec![Condition::Attribute("fence".to_owned(), "7".to_owned())])]).await?;
    case.same(&case.revision("lease").await?, &2, "what has not expired is gone on from")?;
    // Put without an end it stays, whatever was said before.
    case.put(case.item("lease", "y")).await?;
    (bench.advance)(10_000);
    case.same(&case.get("lease").await?.map(|item| item.body), &Some(b"y".to_vec()), "an end that was taken back")?;
    case.put(lease(now)).await?;
    case.same(&case.get("lease").await?, &None, "an item that was late from the start")?;
    // Whoever does not ask for absence may be told either: that it begins anew, or that it goes on.
    let late = case.revision("stays").await?;
    case.put(case.item("stays", "y").expires(Some(now))).await?;
    case.put(case.item("stays", "z")).await?;
    let revision = case.revision("stays").await?;
    case.holds(revision == 1 || revision == late + 2, "what replaces an expired item begins anew or goes on")
}

/// A stretch of expired items hides nothing behind it.
async fn expired_items_end_no_range(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "expiry-in-ranges");
    let soon = bench.clock.now_ms() + 10;
    let items: Vec<Item> = (0..30).map(|n| case.item(&format!("{n:02}"), "x").expires(Some(soon).filter(|_| n % 10 != 9))).collect();
    let written = case.transact(items.into_iter().map(|item| Write::Put(item, vec![])).collect()).await;
    written.map_err(|error: TransactError| Failure::Write(case.name, error))?;
    (bench.advance)(10);
    for backward in [false, true] {
        let mut query = Query { backward, ..Query::prefix(case.partition(), "", 2) };
        let mut got = Vec::new();
        for _ in 0..100 {
            let page = case.query(&query).await?;
            got.extend(page.items.into_iter().map(|item| item.key.sort));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        got.sort();
        case.same(&got, &vec!["09".to_owned(), "19".to_owned(), "29".to_owned()], "what has not expired")?;
    }
    Ok(())
}
