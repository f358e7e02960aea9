//! Every bound, and what passes it: an error with its reason, and soon.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers and all")]

use expression::limits::{EXPRESSION_CHARS_MAX, NESTING_MAX, RESULT_BYTES_MAX};
use expression::{Error, Nothing, Template, evaluate, resolve};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// What one evaluation may take; an unoptimised build gets more.
const TIME_MS_MAX: u64 = if cfg!(debug_assertions) { 2_000 } else { 10 };

/// A slow one is taken so often.
const TIMES: u32 = 4;

fn scope() -> Map<String, Value> {
    let many: Vec<usize> = (0..10_000).collect();
    let scope = json!({
        "word": "word", "long": "a".repeat(90_000), "lines": "ab\n".repeat(20_000), "many": many, "empty": "",
        "wide": "é".repeat(45_000), "blank": format!("{}true", " ".repeat(90_000)),
        "large": "x".repeat(RESULT_BYTES_MAX / 2 + 1),
    });
    scope.as_object().unwrap().clone()
}

/// What it takes of a processor: by the clock while that is little, else counted by the kernel.
fn timed(template: &str, scope: &Map<String, Value>) -> (Result<Value, Error>, Duration) {
    let start = Instant::now();
    let result = evaluate(template, scope);
    let by_clock = start.elapsed();
    if by_clock < Duration::from_millis(TIME_MS_MAX) {
        return (result, by_clock);
    }
    let before = processor_time();
    for _ in 0..TIMES {
        let _ = evaluate(template, scope);
    }
    let took = before.zip(processor_time()).map(|(before, after)| after.saturating_sub(before) / TIMES);
    (result, took.unwrap_or(by_clock))
}

/// Of this thread, so far.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

#[test]
fn what_passes_a_bound_is_an_error_and_soon() {
    let scope = scope();
    let nested = |open: &str, close: &str| format!("${{{}1{}}}", open.repeat(NESTING_MAX + 1), close.repeat(NESTING_MAX + 1));
    let chain = |piece: &str| format!("${{1{}}}", piece.repeat((EXPRESSION_CHARS_MAX - 1) / piece.len() + 1));
    let doubled = format!("${{{{long}}{}}}", ".![#this + #this]".repeat(20));
    let paired = format!("${{{{1}}{}}}", ".![{#this, #this, #this, #this}]".repeat(60));
    let cases = [
        (chain("+1"), "too-long"),
        (nested("(", ")"), "too-deep"),
        (nested("{", "}"), "too-deep"),
        (nested("!", ""), "too-deep"),
        (nested("- ", ""), "too-deep"),
        (nested("true ? 1 : ", ""), "too-deep"),
        (nested("1 ?: ", ""), "too-deep"),
        (nested("#toInt(", ")"), "too-deep"),
        (nested("word[", "]"), "too-deep"),
        (doubled, "too-large"),
        (paired, "too-many-steps"),
        ("${many.![#root.many.![#root.many.![1]]]}".to_owned(), "too-many-steps"),
        ("${many.?[#root.many.contains(#this)]}".to_owned(), "too-many-steps"),
        ("${many.containsAll(many)}".to_owned(), "too-many-steps"),
        ("${many.![#root.long + #this]}".to_owned(), "too-large"),
        ("${many.![#root.long.toUpperCase()]}".to_owned(), "too-large"),
        ("${many.![#root.long.indexOf('b')]}".to_owned(), "too-many-steps"),
        ("${many.![#root.wide.length()]}".to_owned(), "too-many-steps"),
        ("${many.![#root.wide[5]]}".to_owned(), "too-many-steps"),
        ("${many.![#root.wide < #root.wide]}".to_owned(), "too-many-steps"),
        ("${many.![#root.wide == #root.wide]}".to_owned(), "too-many-steps"),
        ("${many.![#root.blank ? 1 : 2]}".to_owned(), "too-many-steps"),
        ("${many.![#root.wide.empty]}".to_owned(), "too-many-steps"),
        ("${many.![#root.long.substring(1)]}".to_owned(), "too-large"),
        ("${long + long}".to_owned(), "too-large"),
        ("${'ab' * 200}".to_owned(), "too-large"),
        ("${word.repeat(2147483647)}".to_owned(), "too-large"),
        ("${word.repeat(-1)}".to_owned(), "wrong-arguments"),
        ("${long.repeat(100)}".to_owned(), "too-large"),
        ("${long.replace('a', long)}".to_owned(), "too-large"),
        ("${long.replace('', 'bb').replace('', long)}".to_owned(), "too-large"),
        ("${long.replaceAll('a', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb')}".to_owned(), "too-many-steps"),
        ("${T(String).format('%2000000000s', 'a')}".to_owned(), "too-large"),
        ("${T(String).format('%1000s', 'a').indent(2000000000)}".to_owned(), "too-large"),
        (format!("${{word matches '{}'}}", "a".repeat(1_001)), "too-long"),
        ("${word matches '((a{100}){100}){100}'}".to_owned(), "too-much-regex"),
        ("${word matches '(\\p{L}{500}){5}'}".to_owned(), "too-large"),
        ("${many.![#root.long matches '(a+)+b']}".to_owned(), "too-much-regex"),
        ("${many.![#root.long.replaceAll('(.*)(.*)(.*)x', '')]}".to_owned(), "too-much-regex"),
        ("${long.replaceAll('a.*b|a', '')}".to_owned(), "too-much-regex"),
        ("${many.![#root.word.replaceAll('o' + #this, '')]}".to_owned(), "too-much-regex"),
        ("${long.replaceAll('((a|b){1,30}){1,30}', '')}".to_owned(), "too-much-regex"),
        ("${lines.split('\\n').![#this.split('')]}".to_owned(), "too-many-steps"),
        (format!("${{#readJson('{}{}')}}", "[".repeat(4_000), "]".repeat(4_000)), "bad-json"),
        ("${large}${large}".to_owned(), "too-large"),
        (format!("${{{}}}", "a".repeat(EXPRESSION_CHARS_MAX + 1)), "too-long"),
    ];
    let mut wrong = Vec::new();
    for (template, reason) in &cases {
        let (result, took) = timed(template, &scope);
        let said: String = template.chars().take(60).collect();
        let result = result.map(|value| value.to_string().chars().take(40).collect::<String>()).map_err(|error| error.reason);
        if result != Err(*reason) || took >= Duration::from_millis(TIME_MS_MAX) {
            wrong.push(format!("{said}: {result:?} and not {reason}, after {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_stays_within_a_bound_has_its_value() {
    let scope = scope();
    let good = |template: &str| {
        let (result, took) = timed(template, &scope);
        assert!(took < Duration::from_millis(TIME_MS_MAX), "{template} took {took:?}");
        result.unwrap_or_else(|error| panic!("{}: {error}", template.chars().take(60).collect::<String>()))
    };
    assert_eq!(good(&format!("${{1{}}}", "+1".repeat(4_000))), json!(4_001));
    assert_eq!(good(&format!("${{{}1{}}}", "(".repeat(NESTING_MAX - 2), ")".repeat(NESTING_MAX - 2))), json!(1));
    assert_eq!(good(&format!("${{true{}}}", " and true".repeat(1_000))), json!(true));
    assert_eq!(good(&format!("${{word{}}}", ".trim()".repeat(1_000))), json!("word"));
    assert_eq!(good("${many.?[#this > 9997]}"), json!([9998, 9999]));
    assert_eq!(good("${long matches '(a|aa)+$'}"), json!(true));
    assert_eq!(good("${long matches '(a*)*b'}"), json!(false));
    assert_eq!(good("${lines.substring(0, 30000).replaceAll('\\s+', '').length()}"), json!(20_000));
    assert_eq!(good("${lines.substring(0, 30000).split('\n').length}"), json!(10_000));
    assert_eq!(good("${many.size() + long.length() + large.length()}"), json!(10_000 + 90_000 + RESULT_BYTES_MAX / 2 + 1));
}

#[test]
fn a_template_that_is_kept_gives_the_same_again() {
    let template = Template::parse("v${word.replaceAll('(w)(o)', '$2$1')}").unwrap();
    assert!(!template.is_plain());
    for _ in 0..3 {
        assert_eq!(template.evaluate(&scope(), &Nothing), Ok(json!("vowrd")));
    }
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&template);
}

#[test]
fn text_without_expressions_is_read_fast() {
    let line = "apiVersion: apps/v1, kind: Deployment, a line without any expression in it {}\n";
    let text = line.repeat(1_200);
    let document = json!([text.as_str(), text.as_str(), text.as_str(), text.as_str()]);
    let best = (0..5).map(|_| {
        let start = Instant::now();
        assert!(resolve(&document, &Map::new()).is_ok());
        start.elapsed()
    });
    let rate = (4 * text.len()) as f64 / 1e6 / best.min().unwrap().as_secs_f64();
    assert!(rate >= 20.0, "{rate} MB a second");
}
