//! `cargo dev bench capacity`: what each use case asks of DynamoDB, and what one stage transition costs. The figures come
//! from the sizes of items, by the test that writes them into the page of the table; here they are only checked and shown.

use std::fs;
use std::process::ExitCode;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{places, process};

const PAGE: &str = "functions/shared/store/TABLE.md";
const HEADING: &str = "## What use cases ask of it";
/// The use case that is a row of stages, and how many there are.
const ROW: (&str, u32) = ("three stages in a row", 3);

pub(crate) fn run() -> Result<ExitCode> {
    let words = ["test", "--quiet", "--test", "on_aws", "--", "design::every_item"];
    process::must(&Progress::new(), "check the figures", &mut process::cargo(words)?)?;
    let path = places::root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(Error::at(&path))?;
    let Some((_, figures)) = page.split_once(HEADING) else { return Err(Error::new(format!("{PAGE} holds no figures"))) };
    println!("{}", figures.trim());
    if let Some(line) = transition(figures) {
        println!("\n{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The figures of a row of stages, by stage.
fn transition(figures: &str) -> Option<String> {
    let row = figures.lines().find(|line| line.contains(ROW.0))?;
    let mut numbers = row.split('|').filter_map(|cell| cell.trim().parse::<f64>().ok()).map(|number| number / f64::from(ROW.1));
    let (reads, read_units, transactions, _items, write_units) =
        (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    Some(format!(
        "A stage transition: {:.1} calls ({reads:.1} reads, {transactions:.1} transactions), {read_units:.1} read units, {write_units:.1} write units, \
         with its share of start and end.",
        reads + transactions
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_stages_is_divided() {
        let line = transition("| a | 1 | 1 | 1 | 1 | 1 |\n| three stages in a row, and so on | 12 | 15 | 3 | 9 | 30 |").unwrap();
        assert!(line.contains("5.0 calls (4.0 reads, 1.0 transactions), 5.0 read units, 10.0 write units"), "{line}");
        assert!(transition("nothing").is_none());
    }
}
