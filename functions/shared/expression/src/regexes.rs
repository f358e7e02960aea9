//! Java's regular expressions on an engine that is linear in time: rewritten where the two differ, refused by name where they cannot meet.

mod rewrite;

use crate::ast::Slot;
use crate::convert;
use crate::error::{Fallible, Fault, fault};
use crate::limits::{REGEX_BYTES_MAX, REGEX_CHARS_MAX};
use crate::machine::Machine;
use crate::value::{Items, Sort, Val};
use regex::{Captures, Regex, RegexBuilder};
use std::rc::Rc;

/// What compiling costs at least, in the units of [`REGEX_WORK_MAX`].
const COMPILE_WORK: usize = 20_000;
/// A search that can look far ahead is counted with this part of the rest of the text.
const AHEAD_PART: usize = 2;

fn compile(pattern: &str, anchored: bool) -> Fallible<Regex> {
    let mut rewritten = rewrite::rewrite(pattern)?;
    if anchored {
        rewritten = format!(r"\A(?:{rewritten})\z");
    }
    let built = RegexBuilder::new(&rewritten).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX * 5).nest_limit(50).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => fault("too-large", "the regular expression is too large"),
        _ => fault("bad-regex", "the regular expression is not valid"),
    })
}

/// How much a pattern weighs: its length, times every count in it.
fn weight(pattern: &str) -> usize {
    let counts = pattern.split('{').skip(1).filter_map(|rest| {
        let inner = rest.split('}').next()?;
        inner.split(',').filter_map(|n| n.parse::<usize>().ok()).max()
    });
    counts.fold(pattern.len().max(1), |all, count| all.saturating_mul(count.max(1)))
}

/// Finds the compiled pattern in the tree, or makes it and keeps it there for the next time.
fn with<T>(
    pattern: &str,
    text: &str,
    anchored: bool,
    slot: &Slot,
    machine: &Machine<'_>,
    then: impl FnOnce(&Regex) -> Fallible<T>,
) -> Fallible<T> {
    if pattern.len() > REGEX_CHARS_MAX && pattern.chars().count() > REGEX_CHARS_MAX {
        return Err(fault("too-long", format!("a regular expression has at most {REGEX_CHARS_MAX} characters")));
    }
    let weight = weight(pattern);
    machine.meter.regex(text.len(), weight)?;
    if let Some((kept, regex)) = slot.0.get()
        && kept == pattern
    {
        return then(regex);
    }
    machine.meter.regex(1, COMPILE_WORK.saturating_add(weight.saturating_mul(20)))?;
    let regex = compile(pattern, anchored)?;
    // Another evaluation may have been faster; either is right.
    let _ = slot.0.set((pattern.to_owned(), regex));
    match slot.0.get() {
        Some((kept, regex)) if kept == pattern => then(regex),
        _ => then(&compile(pattern, anchored)?),
    }
}

/// `matches`, the operator: of the whole text.
pub(crate) fn operator<'a>(text: &Val<'a>, pattern: &Val<'a>, slot: &Slot, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let text = convert::text(text, machine)?;
    let Val::Text(pattern) = pattern else {
        return Err(fault("not-an-operand", format!("the right side of `matches` is a text, not {}", pattern.kind())));
    };
    matches(&text, pattern.as_str(), slot, machine).map(Val::Bool)
}

pub(crate) fn matches(text: &str, pattern: &str, slot: &Slot, machine: &Machine<'_>) -> Fallible<bool> {
    with(pattern, text, true, slot, machine, |regex| Ok(regex.is_match(text)))
}

/// Java's `$` also stands before a line end that is last, which takes a look ahead.
fn refuse_last_line(text: &str, pattern: &str) -> Fallible<()> {
    let ends = text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    if ends && (pattern.contains('$') || pattern.contains("\\Z")) {
        return Err(fault("refused-regex", "`$` on a text that ends with a line end is refused; trim the text, or write `\\z`"));
    }
    Ok(())
}

/// True when a search may read on long after where its match ends: something follows what repeats without end.
fn looks_far(pattern: &str) -> bool {
    let body = pattern.trim_end_matches([')', '?']);
    body.find(['*', '+', ',']).is_some_and(|at| at + 1 < body.len())
}

/// Where matches are, as Java finds them: an empty one directly after another one counts.
fn each(
    pattern: &str,
    regex: &Regex,
    text: &str,
    machine: &Machine<'_>,
    mut then: impl FnMut(std::ops::Range<usize>) -> Fallible<bool>,
) -> Fallible<()> {
    let far = looks_far(pattern);
    let mut at = 0;
    while at <= text.len() {
        machine.meter.steps(2)?;
        machine.meter.regex(if far { (text.len() - at) / AHEAD_PART } else { 1 }, 1)?;
        let Some(found) = regex.find_at(text, at) else { return Ok(()) };
        if !then(found.range())? {
            return Ok(());
        }
        at = found.end();
        if found.is_empty() {
            let next = text.get(at..).and_then(|rest| rest.chars().next());
            if next.is_some_and(|c| c.len_utf16() == 2) {
                return Err(fault("half-character", "the expression also fits between the halves of a character"));
            }
            at += next.map_or(1, char::len_utf8);
        }
    }
    Ok(())
}

/// `replaceAll` and `replaceFirst`. Nothing to put in is only missed when it is needed.
pub(crate) fn replace(text: &str, pattern: &str, by: Option<&str>, all: bool, slot: &Slot, machine: &Machine<'_>) -> Fallible<String> {
    refuse_last_line(text, pattern)?;
    with(pattern, text, false, slot, machine, |regex| {
        let mut out = String::new();
        let mut done = 0;
        each(pattern, regex, text, machine, |whole| {
            let by = by.ok_or_else(|| fault("null", "the replacement is null"))?;
            let before = out.len();
            out.push_str(text.get(done..whole.start).unwrap_or_default());
            if by.contains(['$', '\\']) {
                machine.meter.steps(8)?;
                let found = regex.captures_at(text, whole.start).ok_or_else(|| bad_replacement("the groups are not found again"))?;
                expand(by, &found, &mut out)?;
            } else {
                out.push_str(by);
            }
            machine.meter.bytes(out.len() - before)?;
            done = whole.end;
            Ok(all)
        })?;
        out.push_str(text.get(done..).unwrap_or_default());
        Ok(out)
    })
}

fn bad_replacement(message: &str) -> Fault {
    fault("bad-replacement", message)
}

/// A replacement: `$1`, `${name}`, `\$`.
fn expand(by: &str, found: &Captures<'_>, out: &mut String) -> Fallible<()> {
    let mut chars = by.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().ok_or_else(|| bad_replacement("the replacement ends with `\\`"))?),
            '$' => match chars.peek().copied() {
                Some('{') => {
                    chars.next();
                    let name: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_alphanumeric)).collect();
                    if chars.next() != Some('}') || name.is_empty() {
                        return Err(bad_replacement("a group's name is missing in the replacement"));
                    }
                    let known = found.name(&name).map(|m| m.as_str());
                    out.push_str(known.ok_or_else(|| bad_replacement("the replacement names a group that is not there"))?);
                }
                Some(digit) if digit.is_ascii_digit() => {
                    let mut group = 0_usize;
                    let mut taken = 0;
                    // As many digits as name a group that exists.
                    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                        let next = group * 10 + usize::try_from(digit).unwrap_or(0);
                        if taken > 0 && next >= found.len() {
                            break;
                        }
                        group = next;
                        taken += 1;
                        chars.next();
                    }
                    if group >= found.len() {
                        return Err(bad_replacement("the replacement names a group that is not there"));
                    }
                    out.push_str(found.get(group).map_or("", |m| m.as_str()));
                }
                _ => return Err(bad_replacement("a `$` in the replacement must be followed by a group; for the sign itself write `\\$`")),
            },
            c => out.push(c),
        }
    }
    Ok(())
}

/// `split(regex, limit)`
pub(crate) fn split<'a>(text: &str, pattern: &str, limit: i32, slot: &Slot, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    refuse_last_line(text, pattern)?;
    let most = usize::try_from(limit).unwrap_or(0);
    let mut parts: Vec<&str> = Vec::new();
    let mut done = 0;
    with(pattern, text, false, slot, machine, |regex| {
        each(pattern, regex, text, machine, |range| {
            if most > 0 && parts.len() + 1 >= most {
                return Ok(false);
            }
            if done == 0 && range.is_empty() && range.start == 0 {
                // Nothing before the text is no part.
                return Ok(true);
            }
            parts.push(text.get(done..range.start).unwrap_or_default());
            done = range.end;
            Ok(true)
        })
    })?;
    if done == 0 && parts.is_empty() {
        parts.push(text);
    } else {
        parts.push(text.get(done..).unwrap_or_default());
        if limit == 0 {
            while parts.last().is_some_and(|part| part.is_empty()) {
                parts.pop();
            }
        }
    }
    machine.meter.bytes(text.len())?;
    Ok(Val::List(Sort::Array, Items::Own(Rc::new(parts.into_iter().map(Val::text).collect()))))
}
