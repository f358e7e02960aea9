//! The hand-made tables: read, checked against the crate, confirmed by the oracle.
//!
//! A line is `text => answer`, the answer JSON or `refused`. Where the oracle says something else the line goes on:
//! `=> ours !! theirs !! class`. A text's `⏎` is a line break. `context: NAME` says which of `contexts/` the lines below see.
//! With `WAYBILL_TABLE=fill` the oracle's answer is written behind every text that has none yet.

use crate::agree::{Differences, Said, Verdict, same, verdict};
use crate::jvm::{Oracle, Question};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

const ARROW: &str = " => ";
const OTHERWISE: &str = " !! ";
/// What public pipelines hold: none of it is refused.
const FORMS: &str = "01-forms";

/// What a line expects.
#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Value(Value),
    Refused,
}

impl Expected {
    fn parse(text: &str) -> Self {
        match text.trim() {
            "refused" => Self::Refused,
            json => Self::Value(serde_json::from_str(json).unwrap_or_else(|error| panic!("`{json}` is no answer: {error}"))),
        }
    }

    fn is(&self, said: &Said) -> bool {
        match (self, said) {
            (Self::Value(a), Said::Value(b)) => same(a, b),
            (Self::Refused, Said::Refused { .. }) => true,
            _ => false,
        }
    }

    fn said(&self) -> Said {
        match self {
            Self::Value(value) => Said::Value(value.clone()),
            Self::Refused => Said::Refused { reason: String::new(), message: String::new() },
        }
    }

    /// We may say what is missing where the oracle only has no value.
    fn is_ours(&self, said: &Said) -> bool {
        self.is(said) || (*self == Self::Value(Value::Null) && said.is_refused())
    }
}

/// One line.
#[derive(Debug, Clone)]
struct Row {
    place: String,
    text: String,
    context: String,
    ours: Expected,
    /// What the oracle says, and why that is not what we say.
    other: Option<(Expected, String)>,
}

impl Row {
    fn question<'a>(&'a self, contexts: &'a BTreeMap<String, Value>, open: bool) -> Question<'a> {
        Question { text: &self.text, context: &contexts[&self.context], open }
    }

    fn class(&self) -> &str {
        self.other.as_ref().map_or("", |(_, class)| class)
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests")
}

fn files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The contexts by name.
pub(crate) fn contexts() -> BTreeMap<String, Value> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), value)
    };
    files("contexts").iter().map(read).collect()
}

fn unescaped(text: &str) -> String {
    text.trim().replace('⏎', "\n")
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for path in files("table") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let mut context = "none".to_owned();
        for (at, line) in text.lines().enumerate() {
            let place = format!("{name}:{}", at + 1);
            if let Some(named) = line.strip_prefix("context: ") {
                context = named.trim().to_owned();
            } else if let Some((text, answer)) = line.rsplit_once(ARROW).filter(|_| !line.starts_with("//")) {
                let mut answers = answer.split(OTHERWISE);
                let ours = Expected::parse(answers.next().unwrap());
                let other = answers.next().map(|theirs| (Expected::parse(theirs), answers.next().unwrap_or_default().trim().to_owned()));
                rows.push(Row { place, text: unescaped(text), context: context.clone(), ours, other });
            } else {
                assert!(
                    line.trim().is_empty() || line.starts_with("//"),
                    "{place}: a text without an answer (WAYBILL_TABLE=fill asks for it)"
                );
            }
        }
    }
    rows
}

/// Every text that a table holds, with its context: what mangled bytes and benches begin from.
pub(crate) fn texts() -> Vec<(String, String)> {
    rows().into_iter().map(|row| (row.text, row.context)).collect()
}

fn report(wrong: &[String], of: usize) {
    assert!(wrong.is_empty(), "{} of {of} lines:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_tables_say_what_we_say() {
    let (rows, contexts) = (rows(), contexts());
    let mut wrong = Vec::new();
    for row in &rows {
        let said = Said::by_us(&row.text, &contexts[&row.context]);
        if !row.ours.is_ours(&said) {
            wrong.push(format!("{}: {}\n    expected {:?}, we say {said}", row.place, row.text, row.ours));
        }
    }
    assert!(rows.len() >= 600, "{} lines are too few", rows.len());
    println!("tables: {} lines, {} of them refusals", rows.len(), rows.iter().filter(|row| row.ours == Expected::Refused).count());
    report(&wrong, rows.len());
}

#[test]
fn the_real_evaluator_says_what_the_tables_say() {
    let contexts = contexts();
    let mut oracle = Oracle::start();
    if env::var("WAYBILL_TABLE").is_ok_and(|word| word == "fill") {
        fill(&mut oracle, &contexts);
    }
    let rows = rows();
    let answers = oracle.ask(&rows.iter().map(|row| row.question(&contexts, false)).collect::<Vec<_>>());
    let open: Vec<&Row> = rows.iter().filter(|row| row.class() == "open-reach").collect();
    let opened = oracle.ask(&open.iter().map(|row| row.question(&contexts, true)).collect::<Vec<_>>());
    let differences = Differences::read();
    let mut wrong = Vec::new();
    for (row, said) in open.iter().zip(&opened).filter(|(row, said)| !row.ours.is(said)) {
        wrong.push(format!("{}: {}\n    expected {:?}, without its list the real evaluator says {said}", row.place, row.text, row.ours));
    }
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for (row, said) in rows.iter().zip(&answers) {
        let expected = row.other.as_ref().map_or(&row.ours, |(theirs, _)| theirs);
        if !expected.is(said) {
            wrong.push(format!("{}: {}\n    expected {expected:?}, the real evaluator says {said}", row.place, row.text));
        }
        let verdict = verdict(&row.ours.said(), said);
        *counts.entry(verdict).or_default() += 1;
        *classes.entry(row.class()).or_default() += usize::from(row.other.is_some());
        let form = verdict == Verdict::WeRefuse && row.place.starts_with(FORMS);
        if form || !differences.has(row.class(), verdict) {
            wrong.push(format!("{}: {}\n    `{}` is no listed reason for {verdict:?}", row.place, row.text, row.class()));
        }
    }
    println!("tables against the real evaluator: {counts:?}, by class {classes:?}");
    report(&wrong, rows.len());
}

fn fill(oracle: &mut Oracle, contexts: &BTreeMap<String, Value>) {
    for path in files("table") {
        let before = fs::read_to_string(&path).unwrap();
        let mut context = "none".to_owned();
        let mut after = String::new();
        for line in before.lines() {
            if let Some(named) = line.strip_prefix("context: ") {
                context = named.trim().to_owned();
            }
            let open = !(line.trim().is_empty() || line.starts_with("//") || line.starts_with("context: ") || line.contains(ARROW));
            let answer = open.then(|| {
                let text = unescaped(line);
                match oracle.ask(&[Question { text: &text, context: &contexts[&context], open: false }]).remove(0) {
                    Said::Value(value) => format!("{ARROW}{value}"),
                    Said::Refused { .. } => format!("{ARROW}refused"),
                }
            });
            after.push_str(&format!("{}{}\n", line.trim_end(), answer.unwrap_or_default()));
        }
        fs::write(&path, after).unwrap();
    }
}
