//! Items come back as they were put, revisions grow, and a transaction happens whole or not at all.

use super::{Bench, Case, Checked, Failure, revision};
use crate::rules::{ATTRIBUTES_BYTES_MAX, BODY_BYTES_MAX, PARTITION_BYTES_MAX, SORT_BYTES_MAX};
use app::ports::{Condition, ITEMS_A_COMMIT_MAX, Item, Key, Transaction, Write};

pub(super) async fn run(bench: &Bench<'_>) -> Checked {
    items_come_back(bench).await?;
    keys_do_not_run_together(bench).await?;
    revisions_grow(bench).await?;
    all_or_nothing(bench).await?;
    one_of_many_wins(bench).await?;
    limits_are_kept(bench).await?;
    keys_are_checked(bench).await?;
    if bench.tokens { tokens_make_repeats_harmless(bench).await } else { Ok(()) }
}

async fn items_come_back(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "items-come-back");
    let later = bench.clock.now_ms() + 1_000_000;
    case.same(&case.get("META").await?, &None, "before it is put")?;
    let full = case.item("META", "{\"x\":\"ä\"}").attribute("fence", "7").attribute("open", "").due(Some(later)).expires(Some(later));
    case.put(full.clone()).await?;
    case.put(case.item("BARE", "")).await?;
    let binary = Item::new(case.key("Ünï/ 1"), vec![0, 255, 0]);
    case.put(binary.clone()).await?;
    case.same(&case.get("META").await?, &Some(Item { revision: 1, ..full }), "a full item")?;
    case.same(&case.get("BARE").await?, &Some(Item { revision: 1, ..case.item("BARE", "") }), "a bare item")?;
    case.same(&case.get("Ünï/ 1").await?, &Some(Item { revision: 1, ..binary }), "any bytes")?;
    // Putting replaces all of it.
    case.put(case.item("META", "{}")).await?;
    case.same(&case.get("META").await?, &Some(Item { revision: 2, ..case.item("META", "{}") }), "a replaced item")
}

async fn keys_do_not_run_together(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "keys");
    let pairs = [("A", "B#C"), ("A#B", "C"), ("A", "B"), ("AB", "C")];
    for (partition, sort) in pairs {
        let key = Key::new(format!("{}{partition}", case.partition()), sort);
        case.put(Item::new(key, format!("{partition}/{sort}").into_bytes())).await?;
    }
    for (partition, sort) in pairs {
        let key = Key::new(format!("{}{partition}", case.partition()), sort);
        let item = bench.table.get(&key).await.map_err(|error| Failure::Read(case.name, error))?;
        case.same(&item.map(|item| item.body), &Some(format!("{partition}/{sort}").into_bytes()), "its own body")?;
    }
    Ok(())
}

async fn revisions_grow(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "revisions");
    for expected in 1..=3 {
        let mut item = case.item("a", "x");
        item.revision = 99;
        case.put(item).await?;
        case.same(&case.revision("a").await?, &expected, "one more with each put, whatever the caller says")?;
    }
    case.write(vec![Write::Check(case.key("a"), vec![Condition::Exists])]).await?;
    case.same(&case.revision("a").await?, &3, "a check changes nothing")?;
    case.write(vec![Write::Put(case.item("a", "y"), revision(3))]).await?;
    case.conflicts(vec![Write::Put(case.item("a", "z"), revision(3))], &[0]).await?;
    case.same(&case.revision("a").await?, &4, "a conflict changes nothing")?;
    case.write(vec![Write::Delete(case.key("a"), revision(4))]).await?;
    case.same(&case.get("a").await?, &None, "after it is removed")?;
    case.write(vec![Write::Delete(case.key("a"), vec![])]).await?;
    case.put(case.item("a", "x")).await?;
    case.same(&case.revision("a").await?, &1, "what was removed begins anew")
}

async fn all_or_nothing(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "all-or-nothing");
    case.put(case.item("there", "1")).await?;
    let writes = |fine: bool| {
        let there = if fine { Condition::Exists } else { Condition::Absent };
        let missing = if fine { Condition::Absent } else { Condition::Exists };
        vec![
            Write::Put(case.item("new", "2"), vec![Condition::Absent]),
            Write::Put(case.item("there", "2"), vec![there]),
            Write::Check(case.key("missing"), vec![missing]),
            Write::Delete(case.key("gone"), vec![]),
        ]
    };
    case.conflicts(writes(false), &[1, 2]).await?;
    case.same(&case.get("new").await?, &None, "nothing of it is written")?;
    case.same(&case.revision("there").await?, &1, "nothing of it is replaced")?;
    case.write(writes(true)).await?;
    case.same(&case.revision("new").await?, &1, "all of it is written")?;
    case.same(&case.revision("there").await?, &2, "all of it is replaced")?;
    case.write(vec![]).await
}

/// Many raise a number at once, each on the revision it read; none is lost.
async fn one_of_many_wins(bench: &Bench<'_>) -> Checked {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 5;
    let case = Case::new(bench, "many");
    case.put(case.item("number", "0")).await?;
    let raise = || async {
        for _ in 0..ROUNDS {
            loop {
                let Some(item) = case.get("number").await? else { return case.broken("it is gone".to_owned()) };
                let number: usize = String::from_utf8_lossy(&item.body).parse().unwrap_or(usize::MAX);
                let next = case.item("number", &number.saturating_add(1).to_string());
                match case.transact(vec![Write::Put(next, revision(item.revision))]).await {
                    Ok(()) => break,
                    Err(app::ports::TransactError::Conflict(_)) => {}
                    Err(error) => return Err(Failure::Write(case.name, error)),
                }
            }
        }
        Ok(())
    };
    futures::future::try_join_all((0..WRITERS).map(|_| raise())).await?;
    let number = case.get("number").await?.map(|item| item.body);
    case.same(&number, &Some((WRITERS * ROUNDS).to_string().into_bytes()), "every raise counts")
}

async fn limits_are_kept(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "limits");
    let puts = |count: usize, bytes: usize| -> Vec<Write> {
        let put = |n: usize| Write::Put(Item::new(case.key(&format!("{n:03}")), vec![b'x'; bytes]), vec![]);
        (0..count).map(put).collect()
    };
    case.invalid(puts(ITEMS_A_COMMIT_MAX + 1, 1), "too many items").await?;
    case.invalid(puts(1, BODY_BYTES_MAX + 1), "a body too long").await?;
    case.invalid(puts(9, BODY_BYTES_MAX), "too many bytes").await?;
    let long = case.item("a", "").attribute("n", "x".repeat(ATTRIBUTES_BYTES_MAX));
    case.invalid(vec![Write::Put(long, vec![])], "attributes too long").await?;
    case.invalid(vec![Write::Put(case.item("a", "").attribute("", "x"), vec![])], "an attribute without a name").await?;
    let twice = vec![Write::Check(case.key("a"), vec![]), Write::Put(case.item("a", ""), vec![])];
    case.invalid(twice, "an item twice").await?;
    case.same(&case.get("000").await?, &None, "a refused transaction writes nothing")?;
    case.write(puts(ITEMS_A_COMMIT_MAX, 1)).await?;
    case.write(puts(8, BODY_BYTES_MAX)).await?;
    case.same(&case.revision("000").await?, &2, "what is within the limits is written")?;
    let removals = |from: usize, to: usize| (from..to).map(|n| Write::Delete(case.key(&format!("{n:03}")), vec![])).collect();
    case.write(removals(0, ITEMS_A_COMMIT_MAX)).await
}

async fn keys_are_checked(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "bad-keys");
    let long_partition = "p".repeat(PARTITION_BYTES_MAX + 1);
    let long_sort = "s".repeat(SORT_BYTES_MAX + 1);
    let bad = [("", "a"), ("p", ""), ("p\0", "a"), ("p", "a\0b"), (long_partition.as_str(), "a"), ("p", long_sort.as_str())];
    for (partition, sort) in bad {
        let key = Key::new(partition, sort);
        case.invalid(vec![Write::Put(Item::new(key.clone(), vec![]), vec![])], "a bad key in a put").await?;
        case.invalid(vec![Write::Delete(key.clone(), vec![])], "a bad key in a removal").await?;
        let item = bench.table.get(&key).await.map_err(|error| Failure::Read(case.name, error))?;
        case.same(&item, &None, "nothing lives under a bad key")?;
    }
    let longest = Item::new(Key::new(case.partition(), "s".repeat(SORT_BYTES_MAX)), vec![]);
    case.put(longest).await
}

async fn tokens_make_repeats_harmless(bench: &Bench<'_>) -> Checked {
    let case = Case::new(bench, "tokens");
    let with =
        |body: &str, token: &str| Transaction { writes: vec![Write::Put(case.item("a", body), vec![])], token: Some(token.to_owned()) };
    let token = format!("{}-1", case.partition());
    let write = |transaction| async { bench.table.transact(transaction).await.map_err(|error| Failure::Write(case.name, error)) };
    write(with("1", &token)).await?;
    write(with("1", &token)).await?;
    case.same(&case.revision("a").await?, &1, "a repeat changes nothing")?;
    let other = bench.table.transact(with("2", &token)).await;
    case.holds(matches!(other, Err(app::ports::TransactError::Invalid(_))), "a token of another transaction is refused")?;
    write(with("1", &format!("{token}b"))).await?;
    case.same(&case.revision("a").await?, &2, "another token is another write")?;
    let nothing = Transaction { writes: vec![], token: Some(format!("{token}c")) };
    write(nothing.clone()).await?;
    write(nothing).await?;
    let other = bench.table.transact(with("3", &format!("{token}c"))).await;
    case.holds(matches!(other, Err(app::ports::TransactError::Invalid(_))), "a token of a transaction without parts is taken, too")?;
    // What conflicts wrote nothing, and its token is free.
    let free = format!("{token}d");
    let conflict =
        Transaction { token: Some(free.clone()), ..Transaction::of(vec![Write::Check(case.key("none"), vec![Condition::Exists])]) };
    let conflict = bench.table.transact(conflict).await;
    case.holds(matches!(conflict, Err(app::ports::TransactError::Conflict(_))), "a conflict")?;
    write(with("4", &free)).await?;
    case.same(&case.revision("a").await?, &3, "a token that wrote nothing is free")?;
    let empty = bench.table.transact(with("3", "")).await;
    case.holds(matches!(empty, Err(app::ports::TransactError::Invalid(_))), "an empty token is refused")
}
