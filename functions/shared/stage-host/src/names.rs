//! Syntax of everything that ends up in a request's path or query: names, kinds, versions, selectors.
//!
//! A text that passes here cannot change the meaning of a URL. Nothing is repaired: what does not match is refused.

/// Longest name of an object.
const NAME_BYTES_MAX: usize = 253;
/// Longest label of a DNS name, and longest namespace.
const LABEL_BYTES_MAX: usize = 63;
/// Longest selector.
const SELECTOR_BYTES_MAX: usize = 4_096;

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= LABEL_BYTES_MAX && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    // The parts may be longer than DNS allows.
    let part = |p: &str| !p.is_empty() && p.bytes().all(inner) && !p.starts_with('-') && !p.ends_with('-');
    text.len() <= NAME_BYTES_MAX && text.split('.').all(part)
}

/// A namespace's name.
pub(crate) fn is_namespace(text: &str) -> bool {
    is_label(text)
}

/// An object's name.
pub(crate) fn is_name(text: &str) -> bool {
    is_subdomain(text)
}

/// The beginning of an object's name.
pub(crate) fn is_generate_name(text: &str) -> bool {
    is_subdomain(text.strip_suffix('-').unwrap_or(text))
}

/// A kind, ASCII only: a Cyrillic look-alike is another kind.
pub(crate) fn is_kind(text: &str) -> bool {
    text.len() <= LABEL_BYTES_MAX && text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Takes `apps/v1` or `v1` apart into group and version.
pub(crate) fn group_version(text: &str) -> Option<(&str, &str)> {
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    let group_fits = if text.contains('/') { group.len() <= NAME_BYTES_MAX && group.split('.').all(is_label) } else { true };
    let rest = version.strip_prefix('v')?;
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = |t: &str| !t.is_empty() && t.len() <= 4 && t.bytes().all(|b| b.is_ascii_digit());
    let stage = digits.strip_prefix("alpha").or_else(|| digits.strip_prefix("beta"));
    let major = rest.strip_suffix(digits)?;
    (group_fits && number(major) && (digits.is_empty() || stage.is_some_and(number))).then_some((group, version))
}

/// A label selector in one spelling, so that two ways to write the same one meet: `k=v` sorted, values of sets sorted.
pub(crate) fn canonical_labels(text: &str) -> Result<String, String> {
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(format!("the selector has more than {SELECTOR_BYTES_MAX} bytes"));
    }
    let mut parts = top_level(text)?.into_iter().map(requirement).collect::<Result<Vec<_>, _>>()?;
    parts.sort_unstable();
    parts.dedup();
    Ok(parts.join(","))
}

/// Splits at commas outside parentheses.
fn top_level(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if !open => open = true,
            ')' if open => open = false,
            '(' | ')' => return Err(format!("the parentheses of selector {text:?} do not match")),
            ',' if !open => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    if open {
        return Err(format!("the parentheses of selector {text:?} do not match"));
    }
    Ok(parts.into_iter().map(str::trim).filter(|p| !p.is_empty()).collect())
}

fn requirement(part: &str) -> Result<String, String> {
    let bad = || format!("{part:?} is not a label requirement");
    if let Some(list) = part.strip_suffix(')') {
        let (head, list) = list.split_once('(').ok_or_else(bad)?;
        let mut words = head.split_whitespace();
        let (key, operator) = (words.next().ok_or_else(bad)?, words.next().ok_or_else(bad)?);
        let mut values: Vec<&str> = list.split(',').map(str::trim).collect();
        if !matches!(operator, "in" | "notin") || words.next().is_some() || !is_label_key(key) || !values.iter().all(|v| is_label_value(v))
        {
            return Err(bad());
        }
        values.sort_unstable();
        values.dedup();
        return Ok(format!("{key} {operator} ({})", values.join(",")));
    }
    let (key, operator, value) = if let Some((key, value)) = part.split_once("!=") {
        (key.trim(), "!=", value.trim())
    } else if let Some((key, value)) = part.split_once('=') {
        (key.trim(), "=", value.strip_prefix('=').unwrap_or(value).trim())
    } else if let Some(key) = part.strip_prefix('!') {
        return if is_label_key(key.trim()) { Ok(format!("!{}", key.trim())) } else { Err(bad()) };
    } else {
        return if is_label_key(part) { Ok(part.to_owned()) } else { Err(bad()) };
    };
    if is_label_key(key) && is_label_value(value) { Ok(format!("{key}{operator}{value}")) } else { Err(bad()) }
}

fn is_label_value(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.is_empty() || (text.len() <= LABEL_BYTES_MAX && text.bytes().all(inner) && text.starts_with(edge) && text.ends_with(edge))
}

fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(p, n)| (Some(p), n));
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(|p| p.len() <= NAME_BYTES_MAX && p.split('.').all(is_label))
}

/// A field selector in one spelling.
pub(crate) fn canonical_fields(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'=' | b'!' | b',' | b' ' | b':');
    if text.len() > SELECTOR_BYTES_MAX || !text.bytes().all(plain) {
        return Err("the field selector is too long or has characters that no field selector has".into());
    }
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (key, operator, value) = match part.split_once("!=") {
            Some((key, value)) => (key, "!=", value),
            None => {
                let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not a field requirement"))?;
                (key, "=", value.strip_prefix('=').unwrap_or(value))
            }
        };
        parts.push(format!("{}{operator}{}", key.trim(), value.trim()));
    }
    parts.sort_unstable();
    parts.dedup();
    Ok(parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        for good in ["web", "web-7d4b.x", "a", "0", &"a".repeat(253)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "../secrets/x", "a?b", "a/b", "a%2fb", "Web", "-a", "a-", "a..b", "ｗeb", "a b", "a\n", &"a".repeat(254)] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_namespace("prod-1") && !is_namespace("a.b") && !is_namespace(&"a".repeat(64)));
        assert!(is_generate_name("job-") && is_generate_name("job") && !is_generate_name("Job-") && !is_generate_name(""));
    }

    #[test]
    fn kinds_are_ascii() {
        assert!(is_kind("Deployment") && is_kind("V2Thing"));
        for bad in ["", "deployment", "Dеployment", "Role/x", "Role\u{200b}", "Role "] {
            assert!(!is_kind(bad), "{bad}");
        }
    }

    #[test]
    fn versions_come_apart() {
        assert_eq!(group_version("v1"), Some(("", "v1")));
        assert_eq!(group_version("apps/v1"), Some(("apps", "v1")));
        assert_eq!(group_version("networking.k8s.io/v1beta1"), Some(("networking.k8s.io", "v1beta1")));
        for bad in ["", "/v1", "apps/v1/x", "apps/../v1", "v", "v1gamma1", "v1beta", "Apps/v1", "apps/1", "../v1", "v99999"] {
            assert_eq!(group_version(bad), None, "{bad}");
        }
    }

    #[test]
    fn selectors_meet_in_one_spelling() {
        let same = |a: &str, b: &str| assert_eq!(canonical_labels(a).unwrap(), canonical_labels(b).unwrap());
        same("b=2,a=1", "a == 1, b=2");
        same("app in (y, x),!z", "!z,app in (x,y)");
        assert_eq!(canonical_labels("app.kubernetes.io/name = web").unwrap(), "app.kubernetes.io/name=web");
        assert_eq!(canonical_labels("").unwrap(), "");
        for bad in ["a=b&limit=1", "a in (x", "a)(", "=b", "a in x", "a=b c", &"a,".repeat(5000)] {
            canonical_labels(bad).unwrap_err();
        }
        assert_eq!(canonical_fields("spec.nodeName=x, metadata.name==y").unwrap(), "metadata.name=y,spec.nodeName=x");
        canonical_fields("metadata.name").unwrap_err();
        canonical_fields("a=b&c=d").unwrap_err();
    }
}
