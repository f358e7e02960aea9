//! Methods of texts. Positions are Java's; `replaceAll` and its kin take regular expressions.

use super::{Method, P, count, row};
use crate::error::{Fallible, fault};
use crate::machine::Call;
use crate::value::{Items, Sort, Text, Val};
use crate::{compare, printf, regexes, unicode};
use std::rc::Rc;

fn made<'a>(c: &Call<'_, 'a>, text: &str) -> Fallible<Val<'a>> {
    c.machine.meter.bytes(text.len())?;
    Ok(Val::text(text))
}

/// The text of `CharSequence` arguments.
fn find<'a>(c: &Call<'_, 'a>, needle: &str, from: i32) -> Fallible<Val<'a>> {
    let text = c.this_text();
    let start = unicode::clamped(text, from);
    let found = text.get(start..).and_then(|rest| rest.find(needle));
    Ok(Val::Int(found.map_or(-1, |at| unicode::position(text, start + at))))
}

fn find_last<'a>(c: &Call<'_, 'a>, needle: &str, from: i32) -> Fallible<Val<'a>> {
    let text = c.this_text();
    if from < 0 {
        return Ok(Val::Int(-1));
    }
    let last = (unicode::clamped(text, from) + needle.len()).min(text.len());
    let found = text.get(..last).and_then(|head| head.rfind(needle));
    Ok(Val::Int(found.map_or(-1, |at| unicode::position(text, at))))
}

/// A character given by its number.
fn letter(c: &Call<'_, '_>) -> Fallible<String> {
    let code = u32::try_from(c.int(0)?).ok().and_then(char::from_u32);
    code.map(String::from).ok_or_else(|| fault("half-character", "the number is no character"))
}

fn part<'a>(c: &Call<'_, 'a>, to: Option<i32>) -> Fallible<Val<'a>> {
    let text = c.this_text();
    let to = to.unwrap_or_else(|| unicode::position(text, text.len()));
    let part = unicode::slice(text, c.int(0)?, to)?;
    made(c, part)
}

pub(crate) const TEXT: &[Method] = &[
    row("length", &[], "How many characters it has", "'abc'.length() → 3", |c| Ok(count(unicode::length(c.this_text())))),
    row("isEmpty", &[], "True when it has no character", "''.isEmpty() → true", |c| Ok(Val::Bool(c.this_text().is_empty()))),
    row("isBlank", &[], "True when it has nothing but white space", "' '.isBlank() → true", |c| {
        Ok(Val::Bool(c.this_text().chars().all(unicode::is_white)))
    }),
    row("toUpperCase", &[], "In capitals", "'abc'.toUpperCase() → \"ABC\"", |c| made(c, &c.this_text().to_uppercase())),
    row("toLowerCase", &[], "In small letters", "'ABC'.toLowerCase() → \"abc\"", |c| made(c, &c.this_text().to_lowercase())),
    row("trim", &[], "Without white space at its ends", "' a '.trim() → \"a\"", |c| made(c, unicode::trim(c.this_text()))),
    row("strip", &[], "Without white space at its ends, as Unicode has it", "' a '.strip() → \"a\"", |c| {
        made(c, c.this_text().trim_matches(unicode::is_white))
    }),
    row("stripLeading", &[], "Without white space at its start", "' a '.stripLeading() → \"a \"", |c| {
        made(c, c.this_text().trim_start_matches(unicode::is_white))
    }),
    row("stripTrailing", &[], "Without white space at its end", "' a '.stripTrailing() → \" a\"", |c| {
        made(c, c.this_text().trim_end_matches(unicode::is_white))
    }),
    row("substring", &[P::Int], "From a position to its end", "'abcdef'.substring(4) → \"ef\"", |c| part(c, None)),
    row("substring", &[P::Int, P::Int], "From one position up to before another", "'abcdef'.substring(0, 3) → \"abc\"", |c| {
        let to = c.int(1)?;
        part(c, Some(to))
    }),
    row("charAt", &[P::Int], "The character at a position", "'abc'.charAt(1) → \"b\"", |c| {
        unicode::unit(c.this_text(), c.int(0)?).map(Val::Char)
    }),
    row("codePointAt", &[P::Int], "The number of the character at a position", "'abc'.codePointAt(0) → 97", |c| {
        let text = c.this_text();
        unicode::unit(text, c.int(0)?)?;
        let found = text.get(unicode::clamped(text, c.int(0)?)..).and_then(|rest| rest.chars().next());
        Ok(Val::Int(found.and_then(|c| i32::try_from(u32::from(c)).ok()).unwrap_or(0)))
    }),
    row("indexOf", &[P::Text], "Where another text is found first, or -1", "'banana'.indexOf('an') → 1", |c| find(c, c.text(0)?, 0)),
    row("indexOf", &[P::Int], "Where a character, given by its number, is found first", "'banana'.indexOf(110) → 2", |c| {
        find(c, &letter(c)?, 0)
    }),
    row("indexOf", &[P::Text, P::Int], "The same from a position on", "'banana'.indexOf('an', 2) → 3", |c| {
        find(c, c.text(0)?, c.int(1)?)
    }),
    row("indexOf", &[P::Int, P::Int], "The same from a position on", "'banana'.indexOf(110, 3) → 4", |c| find(c, &letter(c)?, c.int(1)?)),
    row("lastIndexOf", &[P::Text], "Where another text is found last, or -1", "'banana'.lastIndexOf('an') → 3", |c| {
        find_last(c, c.text(0)?, i32::MAX)
    }),
    row("lastIndexOf", &[P::Int], "Where a character, given by its number, is found last", "'banana'.lastIndexOf(110) → 4", |c| {
        find_last(c, &letter(c)?, i32::MAX)
    }),
    row("lastIndexOf", &[P::Text, P::Int], "The same, beginning not after a position", "'banana'.lastIndexOf('an', 2) → 1", |c| {
        find_last(c, c.text(0)?, c.int(1)?)
    }),
    row("lastIndexOf", &[P::Int, P::Int], "The same, beginning not after a position", "'banana'.lastIndexOf(110, 3) → 2", |c| {
        find_last(c, &letter(c)?, c.int(1)?)
    }),
    row("contains", &[P::Chars], "True when another text is in it", "'abc'.contains('b') → true", |c| {
        Ok(Val::Bool(c.this_text().contains(c.text(0)?)))
    }),
    row("startsWith", &[P::Text], "True when it begins with another text", "'abc'.startsWith('ab') → true", |c| {
        Ok(Val::Bool(c.this_text().starts_with(c.text(0)?)))
    }),
    row("startsWith", &[P::Text, P::Int], "True when another text stands at a position", "'abc'.startsWith('b', 1) → true", |c| {
        let (text, from) = (c.this_text(), c.int(1)?);
        let within = usize::try_from(from).is_ok_and(|from| from <= unicode::length(text));
        let rest = text.get(unicode::clamped(text, from)..).unwrap_or_default();
        Ok(Val::Bool(rest.starts_with(c.text(0)?) && within))
    }),
    row("endsWith", &[P::Text], "True when it ends with another text", "'abc'.endsWith('bc') → true", |c| {
        Ok(Val::Bool(c.this_text().ends_with(c.text(0)?)))
    }),
    row("equalsIgnoreCase", &[P::Text], "True when it differs in capitals at most", "'Yes'.equalsIgnoreCase('YES') → true", |c| {
        let Val::Text(other) = c.argument(0) else { return Ok(Val::Bool(false)) };
        Ok(Val::Bool(folded(c.this_text()) == folded(other.as_str())))
    }),
    row("compareTo", &[P::Text], "Less than zero when it comes before another text", "'a'.compareTo('b') → -1", |c| {
        Ok(Val::Int(compare::texts(c.this_text(), c.text(0)?)))
    }),
    row("compareToIgnoreCase", &[P::Text], "The same without regard to capitals", "'A'.compareToIgnoreCase('b') → -1", |c| {
        Ok(Val::Int(compare::texts(&folded(c.this_text()), &folded(c.text(0)?))))
    }),
    row("contentEquals", &[P::Chars], "True when the characters are the same", "'a'.contentEquals('a') → true", |c| {
        Ok(Val::Bool(c.this_text() == c.text(0)?))
    }),
    row("concat", &[P::Text], "With another text after it", "'a'.concat('b') → \"ab\"", |c| {
        let text = c.text(0)?;
        made(c, &format!("{}{text}", c.this_text()))
    }),
    row(
        "replace",
        &[P::Char, P::Char],
        "With one character in the place of another",
        "'a-b'.replace('-'.charAt(0), '_'.charAt(0)) → \"a_b\"",
        |c| {
            let (Val::Char(from), Val::Char(to)) = (c.argument(0), c.argument(1)) else { return Ok(c.this.clone()) };
            let (from, to) = (crate::value::spell::character(from)?, crate::value::spell::character(to)?);
            made(c, &c.this_text().replace(from, to.encode_utf8(&mut [0; 4])))
        },
    ),
    row(
        "replace",
        &[P::Chars, P::Chars],
        "With one text in the place of another, everywhere",
        "'a.b.c'.replace('.', '-') → \"a-b-c\"",
        |c| {
            let (from, to) = (c.text(0)?, c.text(1)?);
            let found = if from.is_empty() { unicode::length(c.this_text()) + 1 } else { c.this_text().matches(from).count() };
            c.machine.meter.bytes(found.saturating_mul(to.len()))?;
            if from.is_empty() && !c.this_text().chars().all(|c| c.len_utf16() == 1) {
                return Err(fault("half-character", "a text cannot be put between the halves of a character"));
            }
            made(c, &c.this_text().replace(from, to))
        },
    ),
    row("repeat", &[P::Int], "Itself a number of times", "'ab'.repeat(2) → \"abab\"", |c| {
        let times = usize::try_from(c.int(0)?).map_err(|_| fault("wrong-arguments", "a text cannot be repeated less than zero times"))?;
        let size = c.this_text().len().checked_mul(times).ok_or_else(|| fault("too-large", "the text would be too large"))?;
        c.machine.meter.bytes(size)?;
        Ok(Val::text(c.this_text().repeat(if size == 0 { 0 } else { times })))
    }),
    row("toCharArray", &[], "Its characters", "'ab'.toCharArray() → [\"a\", \"b\"]", |c| {
        c.machine.meter.steps(c.this_text().len())?;
        Ok(super::array(c.this_text().encode_utf16().map(Val::Char).collect()))
    }),
    row("getBytes", &[], "Its bytes in UTF-8; as a field's value they are base64", "'ab'.getBytes() → \"YWI=\"", |c| {
        c.machine.meter.steps(c.this_text().len())?;
        let bytes = c.this_text().bytes().map(|b| Val::Byte(i8::from_be_bytes([b])));
        Ok(Val::List(Sort::Bytes, Items::Own(Rc::new(bytes.collect()))))
    }),
    row(
        "regionMatches",
        &[P::Int, P::Text, P::Int, P::Int],
        "True when a part is the same as a part of another text",
        "'abc'.regionMatches(1, 'xb', 1, 1) → true",
        |c| Ok(Val::Bool(region(c.this_text(), c.int(0)?, c.text(1)?, c.int(2)?, c.int(3)?))),
    ),
    row(
        "regionMatches",
        &[P::Bool, P::Int, P::Text, P::Int, P::Int],
        "The same, without regard to capitals when the first is true",
        "'aBc'.regionMatches(true, 1, 'b', 0, 1) → true",
        |c| {
            let (text, other) = match c.argument(0) {
                Val::Bool(true) => (folded(c.this_text()), folded(c.text(2)?)),
                _ => (c.this_text().to_owned(), c.text(2)?.to_owned()),
            };
            Ok(Val::Bool(region(&text, c.int(1)?, &other, c.int(3)?, c.int(4)?)))
        },
    ),
    row("indent", &[P::Int], "With more or fewer blanks before each line", "'a'.indent(2) → \"  a\\n\"", |c| {
        let (text, by) = (c.this_text(), c.int(0)?);
        let more = usize::try_from(by).unwrap_or(0);
        c.machine.meter.bytes(text.len() + text.lines().count().saturating_mul(more.saturating_add(1)))?;
        let mut out = String::new();
        for line in lines(text) {
            let fewer = usize::try_from(by.unsigned_abs()).unwrap_or(0);
            let skipped: usize =
                if by < 0 { line.chars().take(fewer).take_while(|c| unicode::is_white(*c)).map(char::len_utf8).sum() } else { 0 };
            out.push_str(&" ".repeat(more));
            out.push_str(line.get(skipped..).unwrap_or_default());
            out.push('\n');
        }
        Ok(Val::text(out))
    }),
    row("stripIndent", &[], "Without the blanks that all its lines begin with", "'  a'.stripIndent() → \"a\"", |c| {
        c.machine.meter.bytes(c.this_text().len())?;
        Ok(Val::text(outdented(c.this_text())))
    }),
    row("translateEscapes", &[], "With `\\n`, `\\t` and their kin translated", "'a\\tb'.translateEscapes() → \"a\\tb\"", |c| {
        c.machine.meter.bytes(c.this_text().len())?;
        translated(c.this_text()).map(Val::text)
    }),
    row("intern", &[], "Itself", "'a'.intern() → \"a\"", |c| Ok(c.this.clone())),
    row("formatted", &[P::Rest], "With arguments in its `%s`, `%d`, `%05d`, `%.2f`", "'%s-%03d'.formatted('a', 7) → \"a-007\"", |c| {
        printf::format(c.this_text(), &c.arguments, c.machine).map(Val::text)
    }),
];

pub(crate) const PATTERNS: &[Method] = &[
    row("matches", &[P::Text], "True when the whole of it fits a regular expression", "'v1.2'.matches('v\\d+\\.\\d+') → true", |c| {
        regexes::matches(c.this_text(), c.text(0)?, c.slot, c.machine).map(Val::Bool)
    }),
    row(
        "replaceAll",
        &[P::Text, P::Text],
        "With what fits a regular expression replaced",
        "'v1.2'.replaceAll('v(\\d+)', '$1') → \"1.2\"",
        |c| regexes::replace(c.this_text(), c.text(0)?, c.text(1).ok(), true, c.slot, c.machine).map(Val::text),
    ),
    row("replaceFirst", &[P::Text, P::Text], "The same for the first fit", "'aaa'.replaceFirst('a', 'b') → \"baa\"", |c| {
        regexes::replace(c.this_text(), c.text(0)?, Some(c.text(1)?), false, c.slot, c.machine).map(Val::text)
    }),
    row("split", &[P::Text], "Its parts between what fits a regular expression", "'a,b,,'.split(',') → [\"a\", \"b\"]", |c| {
        regexes::split(c.this_text(), c.text(0)?, 0, c.slot, c.machine)
    }),
    row(
        "split",
        &[P::Text, P::Int],
        "The same, into at most so many parts; with a negative number also the empty ones at the end",
        "'a,b,c'.split(',', 2) → [\"a\", \"b,c\"]",
        |c| regexes::split(c.this_text(), c.text(0)?, c.int(1)?, c.slot, c.machine),
    ),
];

fn status<'c>(c: &'c Call<'_, '_>) -> &'c str {
    match &c.this {
        Val::Status(text) => text.as_str(),
        _ => "",
    }
}

pub(crate) const STATUS: &[Method] = &[
    row("name", &[], "Its name", "#stage('Build').status.name() → \"SUCCEEDED\"", |c| Ok(Val::text(status(c)))),
    row("isSuccessful", &[], "True when it is an end without failure", "#stage('Build').status.isSuccessful() → true", |c| {
        Ok(Val::Bool(crate::stages::is(status(c), "successful")))
    }),
    row("isFailure", &[], "True when it is a failure, also one that was let pass", "#stage('Build').status.isFailure() → false", |c| {
        Ok(Val::Bool(crate::stages::is(status(c), "failure")))
    }),
    row("isComplete", &[], "True when it is an end", "#stage('Build').status.isComplete() → true", |c| {
        Ok(Val::Bool(crate::stages::is(status(c), "complete")))
    }),
    row("isHalt", &[], "True when it ends the execution or the branch", "#stage('Build').status.isHalt() → false", |c| {
        Ok(Val::Bool(crate::stages::is(status(c), "halt")))
    }),
];

/// Without regard to capitals, letter by letter as Java does.
fn folded(text: &str) -> String {
    let one = |c: char| {
        let mut upper = c.to_uppercase();
        let upper = if upper.len() == 1 { upper.next().unwrap_or(c) } else { c };
        let mut lower = upper.to_lowercase();
        if lower.len() == 1 { lower.next().unwrap_or(c) } else { upper }
    };
    text.chars().map(one).collect()
}

fn region(text: &str, at: i32, other: &str, from: i32, count: i32) -> bool {
    let part = |text: &str, at: i32| -> Option<Vec<u16>> {
        let (at, count) = (usize::try_from(at).ok()?, usize::try_from(count.max(0)).ok()?);
        let part: Vec<u16> = text.encode_utf16().skip(at).take(count).collect();
        (part.len() == count && at <= unicode::length(text)).then_some(part)
    };
    match (part(text, at), part(other, from)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Lines as `lines()` has them: `\n`, `\r` and both together end one, and nothing follows the last.
fn lines(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        out.push(rest.get(..at).unwrap_or_default());
        let after = rest.get(at..).unwrap_or_default();
        rest = after.strip_prefix("\r\n").or_else(|| after.get(1..)).unwrap_or_default();
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

fn outdented(text: &str) -> String {
    let ends = text.ends_with(['\n', '\r']);
    let all = lines(text);
    let blanks = |line: &str| line.chars().take_while(|c| unicode::is_white(*c)).count();
    let counted = all.iter().enumerate().filter(|(index, line)| !line.chars().all(unicode::is_white) || (*index + 1 == all.len() && !ends));
    let least = if ends { 0 } else { counted.map(|(_, line)| blanks(line)).min().unwrap_or(0) };
    let cut: Vec<String> = all
        .iter()
        .map(|line| line.chars().skip(least.min(blanks(line))).collect::<String>().trim_end_matches(unicode::is_white).to_owned())
        .collect();
    format!("{}{}", cut.join("\n"), if ends { "\n" } else { "" })
}

fn translated(text: &str) -> Fallible<String> {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('s') => out.push(' '),
            Some('t') => out.push('\t'),
            Some(c @ ('\'' | '"' | '\\')) => out.push(c),
            Some(c @ '0'..='7') => {
                let most = if c <= '3' { 2 } else { 1 };
                let more: String = std::iter::from_fn(|| chars.next_if(|c| c.is_digit(8))).take(most).collect();
                let code = u32::from_str_radix(&format!("{c}{more}"), 8).ok().and_then(char::from_u32);
                out.extend(code);
            }
            Some('\n') => {}
            Some('\r') => drop(chars.next_if_eq(&'\n')),
            _ => return Err(fault("wrong-arguments", "the text has an escape that means nothing")),
        }
    }
    Ok(out)
}

/// Texts of a list, for `String.join`.
pub(crate) fn joined<'a>(items: &Items<'a>, by: &str, c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let mut out = String::new();
    for (index, item) in items.iter().enumerate() {
        c.machine.meter.step()?;
        if index > 0 {
            out.push_str(by);
        }
        match item {
            Val::Null => out.push_str("null"),
            Val::Text(Text::Borrowed(text)) => out.push_str(text),
            Val::Text(Text::Shared(text)) => out.push_str(&text),
            other => return Err(fault("no-conversion", format!("`join` takes texts, not {}", other.kind()))),
        }
        c.machine.meter.bytes(by.len())?;
    }
    made(c, &out)
}
