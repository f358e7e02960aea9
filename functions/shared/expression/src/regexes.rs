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

fn compile(pattern: &str) -> Fallible<Regex> {
    if pattern.len() > REGEX_CHARS_MAX && pattern.chars().count() > REGEX_CHARS_MAX {
        return Err(fault("too-long", format!("a regular expression has at most {REGEX_CHARS_MAX} characters")));
    }
    let rewritten = rewrite::rewrite(pattern)?;
    let built = RegexBuilder::new(&rewritten).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX * 5).nest_limit(50).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => fault("too-large", "the regular expression is too large"),
        _ => fault("bad-regex", "the regular expression is not valid"),
    })
}

/// The compiled pattern, kept in the tree for the next time.
fn compiled(pattern: &str, slot: &Slot) -> Fallible<Regex> {
    match slot.0.get() {
        Some((kept, regex)) if kept == pattern => Ok(regex.clone()),
        Some(_) => compile(pattern),
        None => {
            let regex = compile(pattern)?;
            // Another evaluation may have been faster; either is right.
            let _ = slot.0.set((pattern.to_owned(), regex.clone()));
            Ok(regex)
        }
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
    machine.meter.regex(text.len(), pattern.len())?;
    // First on its own, so that brackets of the pattern cannot close those around it.
    let regex = match slot.0.get() {
        Some((kept, regex)) if kept == pattern => regex.clone(),
        _ => {
            compile(pattern)?;
            let rewritten = rewrite::rewrite(pattern)?;
            let anchored = format!(r"\A(?:{rewritten})\z");
            let built = RegexBuilder::new(&anchored).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX * 5).build();
            let regex = built.map_err(|_| fault("bad-regex", "the regular expression is not valid"))?;
            let _ = slot.0.set((pattern.to_owned(), regex.clone()));
            regex
        }
    };
    Ok(regex.is_match(text))
}

/// Java's `$` also stands before a line end that is last, which takes a look ahead.
fn refuse_last_line(text: &str, pattern: &str) -> Fallible<()> {
    let ends = text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    if ends && (pattern.contains('$') || pattern.contains("\\Z")) {
        return Err(fault("refused-regex", "`$` on a text that ends with a line end is refused; trim the text, or write `\\z`"));
    }
    Ok(())
}

/// Matches as Java finds them: an empty one directly after another one counts.
fn each<'t>(regex: &Regex, text: &'t str, machine: &Machine<'_>, mut then: impl FnMut(&Captures<'t>) -> Fallible<bool>) -> Fallible<()> {
    let mut at = 0;
    while at <= text.len() {
        machine.meter.step()?;
        let Some(found) = regex.captures_at(text, at) else { return Ok(()) };
        let Some(all) = found.get(0) else { return Ok(()) };
        if !then(&found)? {
            return Ok(());
        }
        at = all.end();
        if all.start() == all.end() {
            if text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(|c| c.len_utf16() == 2) {
                return Err(fault("half-character", "the expression also fits between the halves of a character"));
            }
            at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        }
    }
    Ok(())
}

/// `replaceAll` and `replaceFirst`.
pub(crate) fn replace(text: &str, pattern: &str, by: &str, all: bool, slot: &Slot, machine: &Machine<'_>) -> Fallible<String> {
    machine.meter.regex(text.len(), pattern.len())?;
    refuse_last_line(text, pattern)?;
    let regex = compiled(pattern, slot)?;
    let mut out = String::new();
    let mut done = 0;
    each(&regex, text, machine, |found| {
        let whole = found.get(0).map_or(0..0, |m| m.range());
        let before = out.len();
        out.push_str(text.get(done..whole.start).unwrap_or_default());
        expand(by, found, &mut out)?;
        machine.meter.bytes(out.len() - before)?;
        done = whole.end;
        Ok(all)
    })?;
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(out)
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
    machine.meter.regex(text.len(), pattern.len())?;
    refuse_last_line(text, pattern)?;
    let regex = compiled(pattern, slot)?;
    let most = usize::try_from(limit).unwrap_or(0);
    let mut parts: Vec<&str> = Vec::new();
    let mut done = 0;
    each(&regex, text, machine, |found| {
        let range = found.get(0).map_or(0..0, |m| m.range());
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
