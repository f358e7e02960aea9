//! Quantities as the API server writes them: `0.1` is `100m`, `1000m` is `1`. What is written with a binary suffix, or not
//! understood, stays.

use serde_json::Value;

/// Canonical quantities in `limits` and `requests` of a `resources` object.
pub(super) fn canonical(resources: &mut Value) {
    for list in ["limits", "requests"] {
        let quantities = resources.get_mut(list).and_then(Value::as_object_mut);
        for (_, quantity) in quantities.into_iter().flatten() {
            let said = match &*quantity {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            *quantity = Value::String(of(&said).unwrap_or(said));
        }
    }
}

/// Thousandths of a decimal quantity, and its suffix beyond them.
fn of(text: &str) -> Option<String> {
    let (number, scale) = match text.strip_suffix('m') {
        Some(number) => (number, 1),
        None => (text, 1000),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || !digits(whole) || !digits(part) || part.len() > 3 || whole.len() > 12 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = format!("{part:0<3}").parse().ok()?;
    let thousandths = (whole * 1000 + part) * scale / 1000;
    if !thousandths.is_multiple_of(1000) {
        return Some(format!("{thousandths}m"));
    }
    let ones = thousandths / 1000;
    Some(match ones {
        0 => "0".to_owned(),
        ones if ones.is_multiple_of(1_000_000_000) => format!("{}G", ones / 1_000_000_000),
        ones if ones.is_multiple_of(1_000_000) => format!("{}M", ones / 1_000_000),
        ones if ones.is_multiple_of(1000) => format!("{}k", ones / 1000),
        ones => ones.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn decimals_are_canonical() {
        for (said, canonical) in
            [("0.1", "100m"), ("1000m", "1"), ("1500m", "1500m"), ("1", "1"), ("2000", "2k"), (".5", "500m"), ("0", "0"), ("1000000", "1M")]
        {
            assert_eq!(of(said).as_deref(), Some(canonical), "{said}");
        }
        for other in ["64Mi", "1e3", "", "m", "x", "1.0001"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
