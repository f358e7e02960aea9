//! Whether a text is one of Quartz's cron expressions: six fields or seven, seconds first. Only the form is looked at.

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    words: &'static [&'static str],
    hash: bool,
    day: bool,
}

const fn field(name: &'static str, first: u32, last: u32) -> Field {
    Field { name, first, last, words: &[], hash: false, day: false }
}

const FIELDS: [Field; 7] = [
    Field { hash: true, ..field("second", 0, 59) },
    Field { hash: true, ..field("minute", 0, 59) },
    Field { hash: true, ..field("hour", 0, 23) },
    Field { day: true, ..field("day of month", 1, 31) },
    Field { words: &MONTHS, ..field("month", 1, 12) },
    Field { words: &DAYS, day: true, ..field("day of week", 1, 7) },
    field("year", 1970, 2199),
];

/// Checks the form; the message says which field is wrong.
pub(super) fn check(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    if !(6..=7).contains(&parts.len()) {
        let message = format!("a cron expression has six fields or seven, seconds first; here are {}", parts.len());
        return Err(message);
    }
    for (part, field) in parts.iter().zip(&FIELDS) {
        if !part.split(',').all(|item| field.fits(item)) {
            return Err(format!("`{part}` is no {}", field.name));
        }
    }
    Ok(())
}

impl Field {
    fn fits(&self, item: &str) -> bool {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let step_fits = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|n| (1..=self.last).contains(&n)));
        step_fits && self.range(range)
    }

    fn range(&self, range: &str) -> bool {
        let upper = range.to_ascii_uppercase();
        match upper.as_str() {
            "*" => true,
            "?" | "L" | "LW" => self.day,
            "H" => self.hash,
            hashed if self.hash && hashed.starts_with("H(") => {
                let inner = hashed.strip_prefix("H(").and_then(|rest| rest.strip_suffix(')'));
                inner.is_some_and(|inner| self.span(inner))
            }
            special if self.day && special.contains(['#', 'L', 'W']) => self.special(special),
            other => self.span(other),
        }
    }

    fn span(&self, range: &str) -> bool {
        match range.split_once('-') {
            Some((from, to)) => self.value(from) && self.value(to),
            None => self.value(range),
        }
    }

    /// `5L`, `15W`, `L-3`, `6#3`.
    fn special(&self, text: &str) -> bool {
        if let Some((day, nth)) = text.split_once('#') {
            return self.value(day) && nth.parse::<u32>().is_ok_and(|n| (1..=5).contains(&n));
        }
        if let Some(before) = text.strip_prefix("L-") {
            return before.trim_end_matches('W').parse::<u32>().is_ok_and(|n| n <= 30);
        }
        self.span(text) || text.strip_suffix(['L', 'W']).is_some_and(|day| self.value(day))
    }

    fn value(&self, text: &str) -> bool {
        self.words.contains(&text) || text.parse::<u32>().is_ok_and(|n| (self.first..=self.last).contains(&n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_quartz_takes_is_taken() {
        for text in [
            "0 0 0/1 1/1 * ? *",
            "0 0 12 * * ?",
            "0 15 10 ? * MON-FRI",
            "0 15 10 L * ?",
            "0 15 10 L-2 * ?",
            "0 15 10 15W * ?",
            "0 15 10 LW * ?",
            "0 15 10 ? * 6L 2022-2025",
            "0 15 10 ? * 6#3",
            "H H/5 H(0-7) ? JAN,JUL sun",
            "0 0,30 8-18 ? * 2-6",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_it_does_not_take_is_named() {
        let wrong = |text: &str| check(text).unwrap_err();
        assert!(wrong("* * * * *").contains("here are 5"));
        assert!(wrong("").contains("here are 0"));
        assert!(wrong("60 0 0 * * ?").contains("second"));
        assert!(wrong("0 0 24 * * ?").contains("hour"));
        assert!(wrong("0 0 0 32 * ?").contains("day of month"));
        assert!(wrong("0 0 0 ? FOO ?").contains("month"));
        assert!(wrong("0 0 0 ? * 6#9").contains("day of week"));
        assert!(wrong("0 0 0 ? * ? 1066").contains("year"));
        assert!(wrong("0/0 0 0 * * ?").contains("second"));
    }
}
