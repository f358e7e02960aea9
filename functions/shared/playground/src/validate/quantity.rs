//! Quantities, as far as two of them must be compared.

/// The suffixes, and what they stand for.
const SUFFIXES: [(&str, f64); 13] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
];

/// A quantity as a number; nothing if it is none.
pub(super) fn number(text: &str) -> Option<f64> {
    let (digits, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor))).unwrap_or((text, 1.0));
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    digits.parse::<f64>().ok().filter(|_| plain).map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn quantities_are_numbers() {
        assert_eq!(number("100m"), Some(0.1));
        assert_eq!(number("1Ki"), Some(1024.0));
        assert_eq!(number("1e3"), Some(1000.0));
        assert_eq!(number("-1"), Some(-1.0));
        for none in ["", "abc", "1x", "inf", "nan", "Ki"] {
            assert_eq!(number(none), None, "{none}");
        }
    }
}
