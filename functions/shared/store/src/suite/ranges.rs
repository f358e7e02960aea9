//! Ranges of a partition: order, prefix, cursor, both ways, page by page.

use super::{Bench, Case, Checked, Failure};
use app::ports::{Item, Key, Query, Write};

const SORTS: [&str; 7] = ["EVT#1", "LOG#01", "LOG#02", "LOG#03", "LOG#10", "META", "ST#é"];

pub(super) async fn run(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "ranges");
    // Put out of order, and with neighbours before and after.
    for sort in SORTS.iter().rev() {
        case.put(case.item(sort, sort)).await?;
    }
    for partition in [format!("{}#", case.partition()), format!("{}0", case.partition()), format!("{}range", bench.space)] {
        case.put(Item::new(Key::new(partition, "LOG#02"), vec![])).await?;
    }
    whole_range(&case).await?;
    cursors(&case).await?;
    pages(&case).await?;
    big_pages(bench).await
}

async fn sorts(case: &Case<'_>, query: &Query) -> Result<Vec<String>, Failure> {
    Ok(case.query(query).await?.items.into_iter().map(|item| item.key.sort).collect())
}

fn query(case: &Case<'_>, prefix: &str, after: Option<&str>, backward: bool, limit: usize) -> Query {
    Query { partition: case.partition(), prefix: prefix.to_owned(), after: after.map(str::to_owned), backward, limit }
}

async fn expect(case: &Case<'_>, query: &Query, expected: &[&str]) -> Checked {
    let got = sorts(case, query).await?;
    let expected: Vec<String> = expected.iter().map(|sort| (*sort).to_owned()).collect();
    case.same(&got, &expected, &format!("{query:?}"))
}

async fn whole_range(case: &Case<'_>) -> Checked {
    let mut backward = SORTS;
    backward.reverse();
    expect(case, &query(case, "", None, false, 100), &SORTS).await?;
    expect(case, &query(case, "", None, true, 100), &backward).await?;
    expect(case, &query(case, "LOG#", None, false, 100), &["LOG#01", "LOG#02", "LOG#03", "LOG#10"]).await?;
    expect(case, &query(case, "LOG#0", None, true, 100), &["LOG#03", "LOG#02", "LOG#01"]).await?;
    expect(case, &query(case, "LOG#01", None, false, 100), &["LOG#01"]).await?;
    expect(case, &query(case, "NONE", None, false, 100), &[]).await?;
    expect(case, &Query::prefix(format!("{}nobody", case.partition()), "", 100), &[]).await
}

async fn cursors(case: &Case<'_>) -> Checked {
    let log = |after: &str, backward| query(case, "LOG#", Some(after), backward, 100);
    expect(case, &log("LOG#02", false), &["LOG#03", "LOG#10"]).await?;
    expect(case, &log("LOG#02", true), &["LOG#01"]).await?;
    expect(case, &log("LOG#025", false), &["LOG#03", "LOG#10"]).await?;
    expect(case, &log("LOG#10", false), &[]).await?;
    expect(case, &log("LOG#01", true), &[]).await?;
    // A cursor outside the prefix.
    expect(case, &log("A", false), &["LOG#01", "LOG#02", "LOG#03", "LOG#10"]).await?;
    expect(case, &log("A", true), &[]).await?;
    expect(case, &log("Z", false), &[]).await?;
    expect(case, &log("Z", true), &["LOG#10", "LOG#03", "LOG#02", "LOG#01"]).await?;
    expect(case, &query(case, "", Some("LOG#10"), false, 100), &["META", "ST#é"]).await?;
    expect(case, &query(case, "", None, true, 2), &["ST#é", "META"]).await
}

async fn pages(case: &Case<'_>) -> Checked {
    for backward in [false, true] {
        for limit in 1..=SORTS.len() + 1 {
            let mut expected: Vec<String> = SORTS.iter().map(|sort| (*sort).to_owned()).collect();
            if backward {
                expected.reverse();
            }
            let got = all_pages(case, query(case, "", None, backward, limit)).await?;
            case.same(&got, &expected, &format!("all pages of {limit}, backward: {backward}"))?;
        }
    }
    Ok(())
}

/// Follows the cursor to the end, and checks that it gets there.
async fn all_pages(case: &Case<'_>, mut query: Query) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let page = case.query(&query).await?;
        case.holds(page.items.len() <= query.limit, "a page keeps its limit")?;
        let last = page.items.last().map(|item| item.key.sort.clone());
        all.extend(page.items.into_iter().map(|item| item.key.sort));
        let Some(next) = page.next else { return Ok(all) };
        case.holds(last.is_none_or(|last| last == next), "the cursor is the last item of the page")?;
        query.after = Some(next);
    }
    case.broken("the pages have no end".to_owned())?;
    Ok(all)
}

/// A page holds 1 MB at most, however many items it may hold.
async fn big_pages(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "big-pages");
    let keys: Vec<String> = (0..8).map(|n| format!("{n}")).collect();
    for sort in &keys {
        case.put(Item::new(case.key(sort), vec![b'x'; 300 << 10])).await?;
    }
    let first = case.query(&query(&case, "", None, false, 100)).await?;
    case.same(&first.items.len(), &3, "items of 300 KB in a page")?;
    case.holds(first.next.is_some(), "a page that is cut off has a successor")?;
    case.same(&all_pages(&case, query(&case, "", None, false, 100)).await?, &keys, "all of them, page by page")?;
    let mut back = all_pages(&case, query(&case, "", None, true, 100)).await?;
    back.reverse();
    case.same(&back, &keys, "all of them, page by page, backward")?;
    case.write(keys.iter().map(|sort| Write::Delete(case.key(sort), vec![])).collect()).await
}
