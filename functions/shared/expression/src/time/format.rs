//! `java.text.SimpleDateFormat`: patterns, writing and reading, in English and in UTC.

use super::{DAY_MS, civil, date, day_of_year, text};
use crate::error::{Fallible, Fault, fault};

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 200;
const LETTERS: &str = "GyYMLwWDdFEuaHkKhmsSzZX";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(char, usize),
}

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    pattern: String,
    parts: Vec<Part>,
}

fn bad(message: &str) -> Fault {
    fault("bad-pattern", message)
}

impl Format {
    pub(crate) fn new(pattern: &str) -> Fallible<Self> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(fault("too-large", format!("a date pattern has at most {PATTERN_BYTES_MAX} bytes")));
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                quoted(&mut chars, &mut text)?;
            } else if c.is_ascii_alphabetic() {
                if !LETTERS.contains(c) {
                    return Err(bad("the date pattern has a letter that means nothing"));
                }
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if c == 'X' && count > 3 {
                    return Err(bad("`X` stands at most three times in a date pattern"));
                }
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Field(c, count));
            } else {
                text.push(c);
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { pattern: pattern.to_owned(), parts })
    }

    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The text of a moment in milliseconds.
    pub(crate) fn write(&self, ms: i64) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(letter, count) => out.push_str(&field(*letter, *count, ms)),
            }
        }
        out
    }

    /// The moment of a text, as far as the pattern reaches into it.
    pub(crate) fn read(&self, input: &str) -> Fallible<i64> {
        let mut reader = Reader { rest: input, year: 1970, month: 1, day: 1, hour: 0, half: None, minute: 0, second: 0, milli: 0, zone: 0 };
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(text) => reader.literal(text)?,
                Part::Field(letter, count) => {
                    let abuts = matches!(self.parts.get(index + 1), Some(Part::Field(next, _)) if !matches!(next, 'a' | 'E' | 'z' | 'Z' | 'X' | 'G'));
                    reader.field(*letter, *count, abuts)?;
                }
            }
        }
        reader.moment()
    }
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, text: &mut String) -> Fallible<()> {
    if chars.next_if_eq(&'\'').is_some() {
        text.push('\'');
        return Ok(());
    }
    loop {
        match chars.next() {
            Some('\'') if chars.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => return Ok(()),
            Some(c) => text.push(c),
            None => return Err(bad("the date pattern has a quote without its end")),
        }
    }
}

fn field(letter: char, count: usize, ms: i64) -> String {
    let days = ms.div_euclid(DAY_MS);
    let of_day = ms.rem_euclid(DAY_MS);
    let (year, month, day) = civil(days);
    let (hour, minute, second, milli) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60, of_day % 1_000);
    let number = |n: i64| format!("{n:0count$}");
    // The week as America counts it: from Sunday, and the first week is the one with the first of January.
    let weekday = i64::from(super::Weekday::of(days).ordinal());
    let from_sunday = (weekday + 1) % 7;
    match letter {
        'G' => "AD".to_owned(),
        'y' | 'Y' => {
            let year = if letter == 'Y' { civil(days - from_sunday + 6).0 } else { year };
            if count == 2 { format!("{:02}", year.rem_euclid(100)) } else { number(year) }
        }
        'M' | 'L' if count >= 4 => text::month(month).to_owned(),
        'M' | 'L' if count == 3 => text::short(text::month(month)).to_owned(),
        'M' | 'L' => number(month),
        'w' => {
            let week_year = civil(days - from_sunday + 6).0;
            let first = super::days_of(week_year, 1, 1);
            let first_sunday = first - (i64::from(super::Weekday::of(first).ordinal()) + 1) % 7;
            number((days - first_sunday) / 7 + 1)
        }
        'W' => number((day - 1 + (i64::from(super::Weekday::of(days - day + 1).ordinal()) + 1) % 7) / 7 + 1),
        'D' => number(day_of_year(days)),
        'd' => number(day),
        'F' => number((day - 1) / 7 + 1),
        'E' if count >= 4 => text::weekday(days).to_owned(),
        'E' => text::short(text::weekday(days)).to_owned(),
        'u' => number(weekday + 1),
        'a' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        'H' => number(hour),
        'k' => number(if hour == 0 { 24 } else { hour }),
        'K' => number(hour % 12),
        'h' => number(if hour % 12 == 0 { 12 } else { hour % 12 }),
        'm' => number(minute),
        's' => number(second),
        'S' => number(milli),
        'z' if count >= 4 => "Coordinated Universal Time".to_owned(),
        'z' => "UTC".to_owned(),
        'Z' => "+0000".to_owned(),
        _ => "Z".to_owned(),
    }
}

struct Reader<'t> {
    rest: &'t str,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    /// Morning or afternoon.
    half: Option<bool>,
    minute: i64,
    second: i64,
    milli: i64,
    /// Seconds east of UTC.
    zone: i64,
}

impl Reader<'_> {
    fn bad() -> Fault {
        fault("not-a-date", "the text does not fit the date pattern")
    }

    fn literal(&mut self, text: &str) -> Fallible<()> {
        self.rest = self.rest.strip_prefix(text).ok_or_else(Self::bad)?;
        Ok(())
    }

    /// A number; of a fixed width when another one follows at once.
    fn number(&mut self, count: usize, abuts: bool) -> Fallible<i64> {
        if !abuts {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
        }
        let most = if abuts { count } else { 18 };
        let width = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(width).ok_or_else(Self::bad)?;
        self.rest = rest;
        digits.parse().map_err(|_| Self::bad())
    }

    /// The index of the name that stands here, the long form before the short one.
    fn name(&mut self, names: impl Iterator<Item = &'static str>) -> Fallible<i64> {
        let found = names.enumerate().find_map(|(index, name)| {
            [name, text::short(name)].into_iter().find_map(|form| {
                let head = self.rest.get(..form.len())?;
                head.eq_ignore_ascii_case(form).then_some((index, form.len()))
            })
        });
        let (index, length) = found.ok_or_else(Self::bad)?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        i64::try_from(index).map_err(|_| Self::bad())
    }

    fn field(&mut self, letter: char, count: usize, abuts: bool) -> Fallible<()> {
        match letter {
            'y' => {
                let before = self.rest.len();
                let year = self.number(count, abuts)?;
                let two = count <= 2 && before - self.rest.len() == 2;
                if two {
                    return Err(fault("not-a-date", "a year of two digits is not read: it would depend on today"));
                }
                self.year = year;
            }
            'M' | 'L' if count >= 3 => self.month = self.name((1..=12).map(text::month))? + 1,
            'M' | 'L' => self.month = self.number(count, abuts)?,
            'd' => self.day = self.number(count, abuts)?,
            'E' => drop(self.name((4..11).map(text::weekday))?),
            'a' => self.half = Some(self.name(["AM", "PM"].into_iter())? == 1),
            'H' => self.hour = self.number(count, abuts)?,
            'k' => self.hour = self.number(count, abuts)? % 24,
            'K' => self.hour = self.number(count, abuts)?,
            'h' => self.hour = self.number(count, abuts)? % 12,
            'm' => self.minute = self.number(count, abuts)?,
            's' => self.second = self.number(count, abuts)?,
            'S' => self.milli = self.number(count, abuts)?,
            'z' | 'Z' | 'X' => self.offset()?,
            other => return Err(fault("not-a-date", format!("`{other}` of a date pattern can be written but not read"))),
        }
        Ok(())
    }

    fn offset(&mut self) -> Fallible<()> {
        for utc in ["UTC", "GMT", "Z"] {
            if let Some(rest) = self.rest.strip_prefix(utc) {
                self.rest = rest;
                return Ok(());
            }
        }
        let sign = if self.rest.starts_with('-') { -1 } else { 1 };
        self.rest = self.rest.strip_prefix(['+', '-']).ok_or_else(Self::bad)?;
        let hours = self.number(2, true)?;
        self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
        let minutes = if self.rest.starts_with(|c: char| c.is_ascii_digit()) { self.number(2, true)? } else { 0 };
        self.zone = sign * (hours * 3_600 + minutes * 60);
        Ok(())
    }

    /// Lenient, as Java is: the 32nd of January is the first of February.
    fn moment(self) -> Fallible<i64> {
        let small = |n: i64| (0..100_000).contains(&n);
        let fields = [self.year, self.month, self.day, self.hour, self.minute, self.second, self.milli];
        if !fields.into_iter().all(small) {
            return Err(Self::bad());
        }
        let months = self.year * 12 + self.month - 1;
        let first = date(months.div_euclid(12), months.rem_euclid(12) + 1, 1)?;
        let hour = self.hour + if self.half == Some(true) { 12 } else { 0 };
        let seconds = hour * 3_600 + self.minute * 60 + self.second - self.zone;
        Ok((first + self.day - 1) * DAY_MS + seconds * 1_000 + self.milli)
    }
}
