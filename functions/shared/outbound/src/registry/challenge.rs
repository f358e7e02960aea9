//! What a registry wants when it answers 401: the `WWW-Authenticate` header, read (RFC 9110 §11.6.1). Pure.

/// Longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 8 << 10;

/// A way to log in that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with every request.
    Basic,
    /// A token, to be had at an address.
    Bearer {
        /// The address.
        realm: String,
        /// What to ask it for.
        service: Option<String>,
    },
}

/// The best way among those offered: a token where there is one, so that the password travels once.
pub(super) fn best<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = false;
    for header in headers.filter(|header| header.len() <= HEADER_BYTES_MAX) {
        for (scheme, parameters) in parse(header) {
            let get = |name: &str| parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
            if scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = get("realm")
            {
                return Some(Challenge::Bearer { realm, service: get("service") });
            }
            basic |= scheme.eq_ignore_ascii_case("basic");
        }
    }
    basic.then_some(Challenge::Basic)
}

type Parameters = Vec<(String, String)>;

/// Schemes with their parameters. A word that no `=` follows begins a scheme.
fn parse(header: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, tail) = rest.split_at(rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len()));
        let tail = tail.trim_start_matches([' ', '\t']);
        if let Some(value) = tail.strip_prefix('=') {
            let (value, tail) = value_of(value.trim_start_matches([' ', '\t']));
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word.to_owned(), value));
            }
            rest = tail;
        } else if word.is_empty() {
            // A stray quote, or the end.
            match tail.strip_prefix('"') {
                Some(tail) => rest = tail,
                None => return found,
            }
        } else {
            found.push((word.to_owned(), Vec::new()));
            rest = tail;
        }
    }
}

/// A token or a quoted string, and what follows.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, tail) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return (value.to_owned(), tail);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (place, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, quoted.get(place + 1..).unwrap_or_default()),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
    }

    fn check(header: &str, want: Option<Challenge>) {
        assert_eq!(best([header].into_iter()), want, "{header}");
    }

    #[test]
    fn what_registries_send_is_read() {
        check(r#"Basic realm="Registry""#, Some(Challenge::Basic));
        check("Basic", Some(Challenge::Basic));
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
            bearer("https://auth.docker.io/token", Some("registry.docker.io")),
        );
        check(r#"bearer Realm = "https://a/t" , error="invalid_token""#, bearer("https://a/t", None));
        check(r#"Basic realm="x, Bearer realm=y", Bearer realm=https://a/t"#, bearer("https://a/t", None));
        check(r#"Bearer realm="a\"b""#, bearer("a\"b", None));
    }

    #[test]
    fn anything_else_is_nothing() {
        for header in ["", "Negotiate abc==", "Bearer", r#"Bearer service="x""#, "=", "\"\"\"", ",,,", r#"realm="x""#] {
            check(header, None);
        }
        let long = format!("Basic realm=\"{}\"", "x".repeat(HEADER_BYTES_MAX));
        check(&long, None);
    }

    #[test]
    fn several_headers_are_one_offer() {
        assert_eq!(best([r#"Basic realm="x""#, r#"Bearer realm="r""#].into_iter()), bearer("r", None));
    }

    #[test]
    fn an_open_quote_ends_with_the_text() {
        check(r#"Bearer realm="https://a/t"#, bearer("https://a/t", None));
        check(r#"Bearer realm="a\"#, bearer("a", None));
    }
}
