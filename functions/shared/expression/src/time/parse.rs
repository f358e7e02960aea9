//! ISO 8601 as `LocalDate.parse`, `LocalDateTime.parse` and `Instant.parse` read it.

use super::{DAY_NS, SECOND_NS, checked_ns, date};
use crate::error::{Fallible, Fault, fault};

fn bad() -> Fault {
    fault("not-a-date", "the text is not a date of this form")
}

struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn digits(&mut self, count: usize) -> Fallible<i64> {
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(bad)?;
        if !head.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        self.0 = rest;
        head.parse().map_err(|_| bad())
    }

    fn sign(&mut self, sign: char) -> Fallible<()> {
        self.0 = self.0.strip_prefix(sign).ok_or_else(bad)?;
        Ok(())
    }

    fn date(&mut self) -> Fallible<i64> {
        let year = self.digits(4)?;
        self.sign('-')?;
        let month = self.digits(2)?;
        self.sign('-')?;
        let day = self.digits(2)?;
        date(year, month, day)
    }

    fn time(&mut self) -> Fallible<i128> {
        let hour = self.digits(2)?;
        self.sign(':')?;
        let minute = self.digits(2)?;
        let mut second = 0;
        let mut nanos = 0;
        if self.0.starts_with(':') {
            self.sign(':')?;
            second = self.digits(2)?;
            if self.0.starts_with('.') {
                self.sign('.')?;
                let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
                if count > 9 {
                    return Err(bad());
                }
                let part = if count == 0 { 0 } else { self.digits(count)? };
                nanos = part * 10_i64.pow(u32::try_from(9 - count).unwrap_or(0));
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(bad());
        }
        Ok(i128::from(hour * 3_600 + minute * 60 + second) * SECOND_NS + i128::from(nanos))
    }

    fn end(&self) -> Fallible<()> {
        if self.0.is_empty() { Ok(()) } else { Err(bad()) }
    }
}

pub(crate) fn day(text: &str) -> Fallible<i64> {
    let mut reader = Reader(text);
    let day = reader.date()?;
    reader.end()?;
    Ok(day)
}

pub(crate) fn day_time(text: &str) -> Fallible<i128> {
    let mut reader = Reader(text);
    let day = reader.date()?;
    if reader.sign('T').is_err() {
        reader.sign('t')?;
    }
    let time = reader.time()?;
    reader.end()?;
    Ok(i128::from(day) * DAY_NS + time)
}

/// With `Z` or an offset.
pub(crate) fn instant(text: &str) -> Fallible<i128> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        if local.matches(':').count() < 2 {
            return Err(bad());
        }
        return day_time(local);
    }
    let at = text.rfind(['+', '-']).filter(|at| *at > 10).ok_or_else(bad)?;
    let (local, offset) = text.split_at_checked(at).ok_or_else(bad)?;
    let mut reader = Reader(offset.get(1..).unwrap_or_default());
    let hours = reader.digits(2)?;
    reader.sign(':')?;
    let minutes = reader.digits(2)?;
    reader.end()?;
    if hours > 18 || minutes > 59 {
        return Err(bad());
    }
    let seconds = i128::from(hours * 3_600 + minutes * 60) * if offset.starts_with('-') { -1 } else { 1 };
    checked_ns(day_time(local)? - seconds * SECOND_NS)
}
