//! Arbitrary bytes and mangled real texts: never a panic, never a place outside of the text, never longer than the bound.
//! `WAYBILL_FUZZ_INPUTS` says how many, `WAYBILL_FUZZ_SEED` from where.

use crate::chance::Chance;
use crate::host::Still;
use crate::{grammar, table};
use expression::{Host, Refusal};
use serde_json::{Map, Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, fs};

const INPUTS: u64 = 60_000;
const SEED: u64 = 1;
/// What one evaluation may take; an unoptimised build gets more.
const TIME_MS_MAX: u64 = if cfg!(debug_assertions) { 100 } else { 10 };
/// A slow one is done so often: what counts is what it takes, not who else is at work.
const TIMES: u32 = 10;
const TEXT_BYTES_MAX: usize = 120_000;

/// Pieces that mean something, so that mangled texts are not merely nonsense.
const PIECES: [&str; 64] = [
    "${",
    "}",
    "$${",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    ".",
    "?.",
    ".?[",
    ".^[",
    ".$[",
    ".![",
    "#this",
    "#root",
    "#",
    "T(",
    "new ",
    "==",
    "!=",
    "<",
    "<=",
    "&&",
    "||",
    "!",
    " and ",
    " or ",
    " not ",
    " matches ",
    " between ",
    " instanceof ",
    "?",
    ":",
    "?:",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "++",
    "--",
    "=",
    ",",
    "0x",
    "1e308",
    "2147483647",
    "9223372036854775807L",
    "null",
    "true",
    "people",
    "words",
    "numbers",
    "map",
    ".replaceAll('(a|b)*c', '$1')",
    ".repeat(1000000)",
    ".split('')",
    "@",
    "\u{1F600}",
    "\0",
];

/// The world stands still; what YAML takes is not ours.
struct Quick;

impl Host for Quick {
    fn now_ms(&self) -> Option<i64> {
        Still.now_ms()
    }

    fn random(&self) -> Option<u128> {
        Still.random()
    }

    fn current_stage(&self) -> Option<String> {
        Still.current_stage()
    }

    fn yaml(&self, _: &str) -> Result<Vec<Value>, Refusal> {
        Ok(vec![json!({"a": [1, "two"]})])
    }
}

struct Inputs {
    texts: Vec<String>,
    contexts: Vec<Map<String, Value>>,
}

impl Inputs {
    fn new() -> Self {
        let texts = table::texts().into_iter().map(|(text, _)| text).collect();
        let contexts = table::contexts().into_values().filter_map(|context| context.as_object().cloned()).collect();
        Self { texts, contexts }
    }

    fn text(&self, chance: &mut Chance) -> String {
        let mut text = match chance.below(10) {
            0 => bytes(chance),
            1 => pieces(chance),
            2 | 3 => grammar::template(chance).text(),
            _ => chance.of(&self.texts).clone(),
        };
        if !chance.once_in(10) {
            for _ in 0..=chance.below(6) {
                self.mangle(&mut text, chance);
            }
        }
        while text.len() > TEXT_BYTES_MAX {
            text.pop();
        }
        text
    }

    fn mangle(&self, text: &mut String, chance: &mut Chance) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (a, b) = (*chance.of(&places), *chance.of(&places));
        let (from, to) = (a.min(b), a.max(b));
        match chance.below(9) {
            0 if from < text.len() => drop(text.remove(from)),
            1 => text.insert_str(from, piece(chance)),
            2 => text.replace_range(from..to, ""),
            3 => text.replace_range(from..to, piece(chance)),
            4 => {
                let part = text[from..to].to_owned();
                text.insert_str(to, &part);
            }
            5 => {
                let other = chance.of(&self.texts);
                text.insert_str(from, other.trim_start_matches("${").trim_end_matches('}'));
            }
            6 if chance.once_in(8) => {
                let times = 1 + chance.below(3_000);
                let part = if chance.once_in(2) { piece(chance).to_owned() } else { text[from..to].chars().take(12).collect() };
                text.insert_str(from, &part.repeat(times));
            }
            7 => {
                let c = char::from_u32(u32::try_from(chance.below(0x2_0000)).unwrap()).unwrap_or('x');
                text.insert(from, c);
            }
            _ => {
                let inner = text[from..to].to_owned();
                let (open, close) = *chance.of(&[("(", ")"), ("[", "]"), ("{", "}"), ("'", "'"), ("${", "}"), ("!(", ")"), ("{a:", "}")]);
                text.replace_range(from..to, &format!("{open}{inner}{close}"));
            }
        }
    }
}

fn piece(chance: &mut Chance) -> &'static str {
    PIECES[chance.below(PIECES.len())]
}

fn bytes(chance: &mut Chance) -> String {
    let length = chance.below(80);
    let bytes: Vec<u8> = (0..length).map(|_| chance.next().to_le_bytes()[0]).collect();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if chance.once_in(2) { format!("${{{text}}}") } else { text }
}

fn pieces(chance: &mut Chance) -> String {
    let inner: String = (0..chance.below(40)).map(|_| piece(chance)).collect();
    format!("${{{inner}}}")
}

/// What an error says about its place must be true of the text.
fn evaluate(text: &str, context: &Map<String, Value>, chance: &mut Chance) {
    let said = match chance.below(32) {
        0 => expression::condition_with(text, context, &Quick).map(Value::from),
        1 => expression::explain(text).map(|_| Value::Null),
        _ => expression::evaluate_with(text, context, &Quick),
    };
    if let Err(error) = said {
        let (start, end) = (usize::try_from(error.position).unwrap(), usize::try_from(error.end).unwrap());
        assert!(text.get(start..end).is_some(), "bytes {start} to {end} of {} are no place in the text", text.len());
        assert!(expression::REASONS.iter().any(|(reason, _)| *reason == error.reason), "{} is no listed reason", error.reason);
        assert!(!error.reason.is_empty() && !error.message.is_empty());
        assert!(error.message.len() < 2_000, "the message has {} bytes", error.message.len());
    }
}

/// What it takes of a processor: by the clock while that is little, else counted by the kernel, over several times.
fn takes(text: &str, context: &Map<String, Value>, chance: &Chance) -> Duration {
    let start = Instant::now();
    evaluate(text, context, &mut chance.clone());
    let by_clock = start.elapsed();
    if by_clock <= Duration::from_millis(TIME_MS_MAX) {
        return by_clock;
    }
    let before = processor_time();
    for _ in 0..TIMES {
        evaluate(text, context, &mut chance.clone());
    }
    match (before, processor_time()) {
        (Some(before), Some(after)) => (after.saturating_sub(before)) / TIMES,
        _ => by_clock,
    }
}

/// Of this thread, so far.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

fn run(inputs: &Inputs, seeds: impl Iterator<Item = u64>) -> (u64, Duration, Vec<String>) {
    let (mut count, mut slowest, mut wrong) = (0, Duration::ZERO, Vec::new());
    for seed in seeds {
        let mut chance = Chance::new(seed);
        let text = inputs.text(&mut chance);
        let context = chance.of(&inputs.contexts);
        let took = catch_unwind(AssertUnwindSafe(|| takes(&text, context, &chance)));
        let short: String = text.chars().take(400).collect();
        match took {
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
                wrong.push(format!("seed {seed}: a panic ({}): {short}", said.unwrap_or_default()));
            }
            Ok(took) => {
                if took > Duration::from_millis(TIME_MS_MAX) {
                    wrong.push(format!("seed {seed}: {took:?}, {} bytes: {short}", text.len()));
                }
                slowest = slowest.max(took);
            }
        }
        count += 1;
        if wrong.len() > 20 {
            break;
        }
    }
    (count, slowest, wrong)
}

#[test]
fn nothing_panics_and_nothing_takes_long() {
    let number = |name: &str, otherwise: u64| env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let (count, first) = (number("WAYBILL_FUZZ_INPUTS", INPUTS), number("WAYBILL_FUZZ_SEED", SEED));
    let inputs = Inputs::new();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let parts: Vec<(u64, Duration, Vec<String>)> = std::thread::scope(|scope| {
        let inputs = &inputs;
        let run = move |nth: usize| run(inputs, (first..first + count).skip(nth).step_by(threads));
        // A wide stack is not what saves us: the bounds have to hold on an ordinary one.
        let started: Vec<_> = (0..threads).map(|nth| scope.spawn(move || run(nth))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let slowest = parts.iter().map(|(_, slowest, _)| *slowest).max().unwrap_or_default();
    println!("fuzz: {} inputs, the slowest took {slowest:?}", parts.iter().map(|(count, ..)| count).sum::<u64>());
    let wrong: Vec<String> = parts.into_iter().flat_map(|(_, _, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
