//! `String.format`: the conversions people use. Others are refused by name.

use crate::error::{Fallible, Fault, fault};
use crate::machine::Machine;
use crate::number;
use crate::value::{Val, spell};

/// Widest field, in characters.
const WIDTH_MAX: usize = 1_000;

fn bad(message: impl Into<String>) -> Fault {
    fault("bad-format", message)
}

#[derive(Default)]
struct Field {
    index: Option<usize>,
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    comma: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

pub(crate) fn format<'a>(pattern: &str, arguments: &[Val<'a>], machine: &Machine<'a>) -> Fallible<String> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let (field, letter) = field(&mut chars)?;
        let text = match letter {
            '%' => "%".to_owned(),
            'n' => "\n".to_owned(),
            letter => {
                let index = field.index.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                let value = arguments.get(index).ok_or_else(|| bad(format!("`%{letter}` has no argument")))?;
                converted(letter, &field, value, machine)?
            }
        };
        let gap = field.width.saturating_sub(text.chars().count());
        machine.meter.bytes(text.len() + gap)?;
        let blanks = " ".repeat(gap);
        out.push_str(&if field.left { text + &blanks } else { blanks + &text });
    }
    Ok(out)
}

fn field(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Fallible<(Field, char)> {
    let mut field = Field::default();
    let mut number = digits(chars)?;
    if let Some(index) = number
        && chars.next_if_eq(&'$').is_some()
    {
        field.index = Some(index.checked_sub(1).ok_or_else(|| bad("an argument's number is zero"))?);
        number = None;
    }
    if number.is_none() {
        while let Some(flag) = chars.next_if(|c| "-0+ ,#".contains(*c)) {
            match flag {
                '-' => field.left = true,
                '0' => field.zero = true,
                '+' => field.plus = true,
                ' ' => field.space = true,
                ',' => field.comma = true,
                _ => field.alternate = true,
            }
        }
        number = digits(chars)?;
    }
    field.width = number.unwrap_or(0);
    if chars.next_if_eq(&'.').is_some() {
        field.precision =
            Some(digits(chars)?.or_else(|| chars.next_if_eq(&'0').map(|_| 0)).ok_or_else(|| bad("the precision is missing"))?);
    }
    if field.width > WIDTH_MAX || field.precision.is_some_and(|p| p > WIDTH_MAX) {
        return Err(fault("too-large", format!("a field is at most {WIDTH_MAX} characters wide")));
    }
    if (field.left || field.zero) && field.width == 0 || field.left && field.zero || field.plus && field.space {
        return Err(bad("the flags of a conversion do not fit together"));
    }
    let letter = chars.next().ok_or_else(|| bad("a `%` is followed by nothing"))?;
    Ok((field, letter))
}

/// A number that does not begin with zero, which is a flag.
fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Fallible<Option<usize>> {
    if !matches!(chars.peek(), Some('1'..='9')) {
        return Ok(None);
    }
    let digits: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).take(6).collect();
    digits.parse().map(Some).map_err(|_| bad("a number is too large"))
}

fn converted<'a>(letter: char, field: &Field, value: &Val<'a>, machine: &Machine<'a>) -> Fallible<String> {
    let unfit = || bad(format!("`%{letter}` does not work on {}", value.kind()));
    let cut = |text: String| match field.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    };
    let upper = letter.is_ascii_uppercase();
    let text = match letter {
        's' | 'S' => cut(spell::spell(value, machine)?),
        'b' | 'B' => cut(match value {
            Val::Null => "false".to_owned(),
            Val::Bool(b) => b.to_string(),
            _ => "true".to_owned(),
        }),
        'c' | 'C' => match value {
            Val::Null => "null".to_owned(),
            Val::Char(_) => spell::spell(value, machine)?,
            Val::Int(n) => u32::try_from(*n).ok().and_then(char::from_u32).ok_or_else(unfit)?.to_string(),
            _ => return Err(unfit()),
        },
        _ if value.is_null() => "null".to_owned(),
        'd' => {
            let whole = value.is_number() && !matches!(value, Val::Double(_) | Val::Float(_));
            if !whole || field.precision.is_some() || field.alternate {
                return Err(unfit());
            }
            let text = spell::spell(value, machine)?;
            let digits = text.trim_start_matches('-');
            signed(text.starts_with('-'), if field.comma { grouped(digits) } else { digits.to_owned() }, field)
        }
        'x' | 'X' | 'o' => {
            if field.precision.is_some() || field.comma || field.plus || field.space {
                return Err(unfit());
            }
            let hex = letter != 'o';
            let text = match value {
                Val::Long(n) if hex => format!("{n:x}"),
                Val::Int(n) if hex => format!("{n:x}"),
                Val::Long(n) => format!("{n:o}"),
                Val::Int(n) => format!("{n:o}"),
                _ => return Err(unfit()),
            };
            let head = if field.alternate { if hex { "0x" } else { "0" } } else { "" };
            signed(false, format!("{head}{text}"), field)
        }
        'f' => {
            if !matches!(value, Val::Double(_) | Val::Float(_)) {
                return Err(unfit());
            }
            let n = number::double(value);
            if !n.is_finite() {
                return spell::spell(value, machine);
            }
            let text = rounded(&spell::spell(value, machine)?, field.precision.unwrap_or(6));
            let digits = text.trim_start_matches('-');
            let (whole, rest) = digits.split_once('.').map_or((digits, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
            let whole = if field.comma { grouped(whole) } else { whole.to_owned() };
            signed(n.is_sign_negative(), format!("{whole}{rest}"), field)
        }
        _ => return Err(fault("refused-format", format!("the conversion `%{letter}` is refused; there are %s %d %f %x %o %c %b %n %%"))),
    };
    Ok(if upper { text.to_uppercase() } else { text })
}

fn signed(negative: bool, digits: String, field: &Field) -> String {
    let sign = match (negative, field.plus, field.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    };
    let zeros = if field.zero { field.width.saturating_sub(digits.len() + sign.len()) } else { 0 };
    format!("{sign}{}{digits}", "0".repeat(zeros))
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Java rounds the decimal digits of the shortest text, half up.
fn rounded(text: &str, places: usize) -> String {
    let (mantissa, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    let mut point = i64::try_from(whole.len()).unwrap_or(0) + exponent;
    while point < 1 {
        digits.insert(0, 0);
        point += 1;
    }
    let keep = usize::try_from(point).unwrap_or(0) + places;
    let up = digits.get(keep).is_some_and(|digit| *digit >= 5);
    digits.resize(keep, 0);
    let mut carry = up;
    for digit in digits.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *digit == 9;
        *digit = if carry { 0 } else { *digit + 1 };
    }
    if carry {
        digits.insert(0, 1);
        point += 1;
    }
    let text: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    let (whole, fraction) = text.split_at_checked(usize::try_from(point).unwrap_or(0)).unwrap_or((&text, ""));
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}
