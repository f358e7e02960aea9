//! The layout of the table, held against what use cases really write, and `TABLE.md`, which is made from both.

use crate::aws;
use crate::clock::HandClock;
use crate::flows::Flows;
use crate::recorder::Tally;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};
use store::dynamodb::design::{self, ENTITIES};
use store::memory::Memory;

/// Kinds that only flows with clusters, pushes or children, and imports, write; the text of every key is checked below all the same.
const WRITTEN_ELSEWHERE: usize = 7;

/// What takes more than two rounds of reads, and how many: machines carry these out, nobody waits for the answer but the sender of a
/// push. Whatever a person asks is answered after two.
const MORE_ROUNDS: [(&str, usize); 5] = [
    ("receive two pushes, one of which fits", 4),
    ("look at a push, and start", 6),
    ("three stages in a row, from the start to the end", 11),
    ("take a judgment, to the end", 12),
    ("take a cancel, to the end", 12),
];

#[tokio::test]
async fn every_item_that_is_written_stands_in_the_design_and_the_page_is_up_to_date() {
    let clock = HandClock::new();
    let mut flows = Flows::new(Arc::new(Memory::new(Arc::new(clock.clone()))), &clock);
    flows.run().await;
    let mut seen = BTreeSet::new();
    for item in flows.table.written() {
        let key = &item.key;
        let Some(entity) = design::of(key) else { panic!("{key:?} stands nowhere in the design") };
        assert!(entity.due || item.due_ms.is_none(), "{key:?} is due, and `{}` is not", entity.name);
        assert!(entity.expires || item.expires_ms.is_none(), "{key:?} expires, and `{}` does not", entity.name);
        assert!(item.body.len() <= entity.kb_max << 10, "{key:?} has {} bytes", item.body.len());
        assert_eq!(ENTITIES.iter().filter(|entity| entity.names(key)).count(), 1, "{key:?} is of one kind");
        seen.insert(entity.name);
    }
    for (name, tally) in &flows.tallies {
        let rounds_max = MORE_ROUNDS.iter().find(|(more, _)| more == name).map_or(2, |(_, rounds)| *rounds);
        assert!(tally.rounds <= rounds_max, "{name}: {} rounds of reads, {rounds_max} at most", tally.rounds);
    }
    let missing: Vec<&str> = ENTITIES.iter().map(|entity| entity.name).filter(|name| !seen.contains(name)).collect();
    assert!(missing.len() <= WRITTEN_ELSEWHERE, "written by no use case here: {missing:?}");
    let mut page = design::page();
    page.push_str(
        "\n## What use cases ask of it\n\n\
         Reads are consistent, and those of one round do not wait for each other; units by the sizes of these items, on demand. A transaction costs twice what a plain write does.\n\n\
         | Use case | Reads | Rounds | Read units | Transactions | Items | Write units |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, tally) in &flows.tallies {
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            tally.reads, tally.rounds, tally.read_units, tally.transactions, tally.items, tally.write_units
        );
    }
    let path = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("TABLE.md");
    if env::var_os("WAYBILL_WRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), page, "write it anew with WAYBILL_WRITE=1");
}

#[tokio::test]
async fn the_same_use_cases_run_on_dynamodb_and_cost_the_same() {
    let clock = HandClock::new();
    let mut model = Flows::new(Arc::new(Memory::new(Arc::new(clock.clone()))), &clock);
    model.run().await;
    let mut flows = Flows::new(Arc::new(aws::table("flows", &clock).await), &clock);
    flows.run().await;
    // How many reads meet in a round there is a matter of how fast each is.
    let but_rounds = |flows: &Flows| {
        let without = |(name, tally): &(&'static str, Tally)| (*name, Tally { rounds: 0, ..tally.clone() });
        flows.tallies.iter().map(without).collect::<Vec<_>>()
    };
    assert_eq!(but_rounds(&flows), but_rounds(&model));
}

/// Beginnings of keys in the sources of the use cases: a new kind of item is found even when no flow here writes it.
#[test]
fn every_beginning_of_a_key_in_the_sources_stands_in_the_design() {
    fn look(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    look(&path, found);
                }
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // Tests at the foot make up keys of their own.
            let text = text.split("#[cfg(test)]").next().unwrap();
            for piece in text.split('"').skip(1) {
                let beginning: String = piece.chars().take_while(|sign| sign.is_ascii_uppercase()).collect();
                if !beginning.is_empty() && piece[beginning.len()..].starts_with('#') {
                    found.insert(beginning);
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    look(&PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../app/src"), &mut found);
    assert!(found.len() > 15, "{found:?}");
    let begins = |beginning: &String| {
        let beginning = format!("{beginning}#");
        ENTITIES.iter().any(|entity| entity.partition.starts_with(&beginning) || entity.sort.starts_with(&beginning))
    };
    let unknown: Vec<&String> = found.iter().filter(|beginning| !begins(beginning)).collect();
    assert!(unknown.is_empty(), "{unknown:?} stand nowhere in the design");
}
