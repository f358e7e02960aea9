//! Random texts over random contexts: we and the oracle say the same, or a listed class says why not. A disagreement is made
//! small before it is shown. `WAYBILL_RANDOM_TEXTS` says how many, `WAYBILL_RANDOM_SEED` from where.

use crate::agree::{Differences, Said, Verdict, same, verdict};
use crate::chance::Chance;
use crate::grammar::{Part, template};
use crate::jvm::{Oracle, Question};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::{env, fs};

const TEXTS: u64 = 2_000;
const SEED: u64 = 1;
const BATCH: u64 = 500;
/// Disagreements that are made small and shown.
const SHOWN_MAX: usize = 40;
/// Of all texts, those that we refuse and the oracle has a value for.
const REFUSED_PERCENT_MAX: usize = 5;

/// What the grammar's names stand for; the values are others each time.
fn context(chance: &mut Chance) -> Value {
    let words = [
        "",
        "a",
        "b",
        "hello",
        "Hello World",
        "42",
        "-7",
        "1.5",
        "true",
        "a,b,,c",
        "v1.2.3-rc.1",
        " x ",
        "é",
        "a😀b",
        "one\ntwo",
        "$1",
        "a.b",
        "%s",
    ];
    let whole = [0_i64, 1, 2, 3, -1, -5, 10, 100, 2_147_483_647, -2_147_483_648, 3_000_000_000];
    let reals = [0.0, 0.5, 1.0, -2.5, 3.0, 1e-7, 1.5e20, 0.1, 100_000_000.0];
    let mut word = || *chance.of(&words);
    let texts: Vec<&str> = (0..12).map(|_| word()).collect();
    let numbers: Vec<i64> = (0..8).map(|_| *chance.of(&whole)).collect();
    let reals: Vec<f64> = (0..3).map(|_| *chance.of(&reals)).collect();
    let truths: Vec<bool> = (0..4).map(|_| chance.once_in(2)).collect();
    let trigger = json!({
        "tag": texts[1], "payload": {"n": numbers[7], "a": null},
        "artifacts": [
            {"type": "docker", "name": "a", "version": "1.2.3", "reference": "registry/a:1.2.3"},
            {"type": "file", "name": texts[9], "version": "0.0.0", "reference": "deploy.yaml"},
        ],
    });
    let execution = json!({"id": "01X", "application": "shop", "stages": [
        {"id": "01A", "refId": "1", "name": "First", "type": "wait", "status": "SUCCEEDED", "context": {"t": texts[0], "n": numbers[0]}, "outputs": {"n": 1}},
        {"id": "01B", "refId": "2", "name": "Second", "type": "wait", "status": "TERMINAL", "context": {}, "outputs": {"t": texts[2], "n": numbers[6]}},
        {"id": "01C", "refId": "3", "name": "Asked", "type": "manualJudgment", "status": "SUCCEEDED", "context": {"judgmentInput": texts[3]}, "outputs": {}},
    ]});
    json!({
        "one": 1, "two": 2, "minus": numbers[0], "big": 2_147_483_647, "long": 3_000_000_000_i64, "half": reals[0], "whole": reals[1],
        "word": texts[0], "other": texts[1], "empty": "", "digits": "42", "csv": "a,b,,c", "dotted": "v1.2.3", "accents": "Äpfel é",
        "yes": true, "no": false, "nothing": null,
        "numbers": [numbers[1], numbers[2], numbers[3]], "words": [texts[2], texts[3], texts[4]], "none": [], "nested": [[1, 2], [3], []],
        "mixed": [1, texts[5], reals[2], null, truths[0]],
        "map": {"n": numbers[4], "t": texts[6], "b": truths[1], "list": [texts[7], numbers[5]], "deep": {"a": {"b": texts[8]}}, "dashed-key": "dash", "a": texts[9]},
        "noMap": {},
        "trigger": trigger, "execution": execution,
        "people": [
            {"name": "Ann", "age": 30, "active": truths[2], "tags": ["x", texts[10]], "address": {"city": "Rome"}},
            {"name": texts[11], "age": 25, "active": true, "tags": [], "address": {"city": "Oslo"}},
            {"name": "Cid", "age": numbers[6], "active": truths[3], "tags": ["y"], "address": null},
        ],
    })
}

#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    part: Part,
    text: String,
    context: Value,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let context = context(&mut chance);
        let part = template(&mut chance);
        Self { seed, text: part.text(), part, context }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// What became of all texts.
#[derive(Default)]
struct Tally {
    verdicts: BTreeMap<Verdict, usize>,
    /// Those with a value there, and the codes of those without.
    valued: usize,
    codes: BTreeMap<String, usize>,
    /// By our reason, those we refuse alone.
    refused: BTreeMap<String, usize>,
    open: usize,
    wrong: Vec<Case>,
}

impl Tally {
    fn take(&mut self, case: &Case, ours: &Said, theirs: &Said, oracle: &mut Oracle, differences: &Differences) {
        let verdict = verdict(ours, theirs);
        *self.verdicts.entry(verdict).or_default() += 1;
        match theirs {
            Said::Refused { reason, .. } => *self.codes.entry(reason.clone()).or_default() += 1,
            Said::Value(value) => self.valued += usize::from(!value.is_null()),
        }
        if self.wrongly(verdict, case, ours, oracle, differences) {
            self.wrong.push(case.clone());
        }
    }

    fn wrongly(&mut self, verdict: Verdict, case: &Case, ours: &Said, oracle: &mut Oracle, differences: &Differences) -> bool {
        match (verdict, ours) {
            (Verdict::SameValue | Verdict::BothRefuse, _) => false,
            (Verdict::WeRefuse, Said::Refused { reason, .. }) => {
                *self.refused.entry(reason.clone()).or_default() += 1;
                !differences.refusal(reason, &case.text)
            }
            (Verdict::WeAccept, Said::Value(value)) => {
                self.open += 1;
                !opened(oracle, &case.text, &case.context, value)
            }
            _ => true,
        }
    }
}

/// Whether only the list of return types stands in the oracle's way, and its value without it is ours.
fn opened(oracle: &mut Oracle, text: &str, context: &Value, ours: &Value) -> bool {
    matches!(oracle.ask(&[Question { text, context, open: true }]).as_slice(), [Said::Value(theirs)] if same(ours, theirs))
}

/// Whether this is a disagreement of the same sort: in smaller texts the same is looked for.
fn disagreement(oracle: &mut Oracle, text: &str, context: &Value, theirs: &Said, differences: &Differences) -> Option<Verdict> {
    let ours = Said::by_us(text, context);
    let verdict = verdict(&ours, theirs);
    let wrong = match (verdict, &ours) {
        (Verdict::SameValue | Verdict::BothRefuse, _) => false,
        (Verdict::WeRefuse, Said::Refused { reason, .. }) => !differences.refusal(reason, text),
        (Verdict::WeAccept, Said::Value(value)) => !opened(oracle, text, context, value),
        _ => true,
    };
    wrong.then_some(verdict)
}

/// The smallest text within reach over which we still disagree in the same way.
fn shrunk(oracle: &mut Oracle, case: &Case, differences: &Differences) -> Case {
    let ask = |oracle: &mut Oracle, text: &str| oracle.ask(&[Question { text, context: &case.context, open: false }]).remove(0);
    let theirs = ask(oracle, &case.text);
    let wanted = disagreement(oracle, &case.text, &case.context, &theirs, differences);
    let mut best = case.clone();
    loop {
        let mut smaller: Vec<(String, Part)> = best.part.simpler().into_iter().map(|part| (part.text(), part)).collect();
        smaller.retain(|(text, _)| text.len() < best.text.len() && text.contains("${"));
        smaller.sort_by_key(|(text, _)| text.len());
        smaller.truncate(400);
        let questions: Vec<Question<'_>> = smaller.iter().map(|(text, _)| Question { text, context: &case.context, open: false }).collect();
        let answers = oracle.ask(&questions);
        let found = smaller.iter().zip(&answers).find(|((text, _), theirs)| {
            let found = disagreement(oracle, text, &case.context, theirs, differences);
            found.is_some() && found == wanted
        });
        match found {
            Some(((text, part), _)) => (best.text, best.part) = (text.clone(), part.clone()),
            None => return best,
        }
    }
}

/// The part of a context that a text can see.
fn seen(text: &str, context: &Value) -> Value {
    let all = context.as_object().unwrap();
    all.iter()
        .filter(|(name, _)| text.contains(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<Map<_, _>>()
        .into()
}

fn shown(oracle: &mut Oracle, wrong: &[Case], differences: &Differences) -> String {
    let mut lines = BTreeMap::new();
    for case in wrong.iter().take(SHOWN_MAX) {
        let small = shrunk(oracle, case, differences);
        let ours = Said::by_us(&small.text, &small.context);
        let theirs = oracle.ask(&[Question { text: &small.text, context: &small.context, open: false }]).remove(0);
        let seen = seen(&small.text, &small.context);
        let line = format!(
            "{}\n    context  {seen}\n    we say   {ours}\n    real one {theirs}\n    seed {}, from {}",
            small.text, case.seed, case.text
        );
        lines.entry(small.text).or_insert(line);
    }
    lines.into_values().collect::<Vec<_>>().join("\n")
}

#[test]
fn random_texts_get_the_same_answer() {
    let (count, first) = (number("WAYBILL_RANDOM_TEXTS", TEXTS), number("WAYBILL_RANDOM_SEED", SEED));
    let differences = Differences::read();
    let mut oracle = Oracle::start();
    let mut tally = Tally::default();
    let mut seed = first;
    while seed < first + count {
        let cases: Vec<Case> = (seed..(seed + BATCH).min(first + count)).map(Case::new).collect();
        let questions: Vec<Question<'_>> =
            cases.iter().map(|case| Question { text: &case.text, context: &case.context, open: false }).collect();
        let answers = oracle.ask(&questions);
        for (case, theirs) in cases.iter().zip(&answers) {
            let ours = Said::by_us(&case.text, &case.context);
            tally.take(case, &ours, theirs, &mut oracle, &differences);
        }
        seed += BATCH;
    }
    let of = |verdict| tally.verdicts.get(&verdict).copied().unwrap_or_default();
    println!(
        "random texts: {count}: same value {}, both refuse {}, we refuse {} {:?}, we accept {} ({} of them by the open reach), other value {}",
        of(Verdict::SameValue),
        of(Verdict::BothRefuse),
        of(Verdict::WeRefuse),
        tally.refused,
        of(Verdict::WeAccept),
        tally.open,
        of(Verdict::OtherValue),
    );
    println!("random texts: {} have a value there; codes of the others {:?}", tally.valued, tally.codes);
    if !tally.wrong.is_empty() {
        let text = shown(&mut oracle, &tally.wrong, &differences);
        if let Ok(path) = env::var("WAYBILL_RANDOM_REPORT") {
            fs::write(path, format!("{} disagreements over {count} texts, some of them made small:\n{text}\n", tally.wrong.len())).unwrap();
        }
        panic!("{} disagreements over {count} texts:\n{text}", tally.wrong.len());
    }
    let percent = of(Verdict::WeRefuse) * 100;
    assert!(percent <= REFUSED_PERCENT_MAX * usize::try_from(count).unwrap(), "we refuse more than {REFUSED_PERCENT_MAX} in a hundred");
}
