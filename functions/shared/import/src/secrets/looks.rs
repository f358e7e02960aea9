//! Texts that look like secrets wherever they stand.

use super::names;

/// Beginnings of tokens, with how many characters of a token follow at least. Put together here, so that this file holds none.
const TOKENS: [(&str, &str, usize); 11] = [
    ("ghp", "_", 20),
    ("gho", "_", 20),
    ("ghs", "_", 20),
    ("github_", "pat_", 20),
    ("glpat", "-", 15),
    ("xoxb", "-", 10),
    ("xoxp", "-", 10),
    ("AKIA", "", 16),
    ("AIza", "", 30),
    ("hooks.slack", ".com/services/", 8),
    ("eyJ", "", 40),
];

fn of_a_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.')
}

/// What a text looks like; nothing where it looks like no secret.
pub(super) fn kind(text: &str) -> Option<&'static str> {
    if text.len() < 8 {
        return None;
    }
    if text.contains("PRIVATE KEY-----") {
        return Some("private-key");
    }
    if text.contains("client-key-data") || (text.contains("kind: Config\n") && text.contains("users:")) {
        return Some("kubeconfig");
    }
    if is_secret_object(text) {
        return Some("secret-object");
    }
    if has_credentials(text) {
        return Some("password");
    }
    if TOKENS.iter().any(|(head, tail, length)| has_token(text, head, tail, *length)) {
        return Some("token");
    }
    if is_header(text) {
        return Some("authorization-header");
    }
    assignment(text)
}

fn is_secret_object(text: &str) -> bool {
    let kind = text.contains("kind: Secret") || text.contains("\"kind\": \"Secret\"") || text.contains("\"kind\":\"Secret\"");
    kind && text.to_ascii_lowercase().contains("data")
        && text.lines().any(|line| line.trim_end().ends_with("kind: Secret") || line.contains('"'))
}

/// `scheme://name:password@host`
fn has_credentials(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let rest = text.get(at + 3..).unwrap_or_default();
        let end = rest.find(|c: char| c == '/' || c.is_whitespace() || c == '"' || c == '\'').unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| names::could_be_one(password))
    })
}

fn has_token(text: &str, head: &str, tail: &str, length: usize) -> bool {
    text.match_indices(head).any(|(at, _)| {
        let rest = text.get(at + head.len()..).and_then(|rest| rest.strip_prefix(tail));
        let begins = text.as_bytes().get(at.wrapping_sub(1)).is_none_or(|b| !b.is_ascii_alphanumeric());
        let token = |rest: &str| rest.bytes().take_while(|b| of_a_token(*b)).count();
        let dots = |rest: &str| head != "eyJ" || rest.bytes().take_while(|b| of_a_token(*b)).filter(|b| *b == b'.').count() == 2;
        begins && rest.is_some_and(|rest| token(rest) >= length && dots(rest))
    })
}

fn is_header(text: &str) -> bool {
    ["Bearer ", "Basic "].iter().any(|scheme| {
        let token = text.trim().strip_prefix(scheme).unwrap_or_default();
        token.len() >= 8 && !token.contains(char::is_whitespace) && names::could_be_one(token) && !token.contains("${")
    })
}

/// A line such as `DB_PASSWORD=…` or `password: …` in a longer text.
fn assignment(text: &str) -> Option<&'static str> {
    if !text.contains(['=', ':']) {
        return None;
    }
    text.lines().take(5_000).find_map(|line| {
        let line = line.trim_start().trim_start_matches("- ").trim_start_matches("export ");
        let (name, value) = line.split_once(['=', ':'])?;
        let name = name.trim().trim_matches(['"', '\'']);
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        let value = value.trim().trim_matches(['"', '\'', ',', ';']);
        let kind = names::kind(name).filter(|_| plain && value.len() > 3 && !value.contains(char::is_whitespace))?;
        // A name of a secret, a path to one, a part of a program: none of them is one.
        let elsewhere = value.starts_with(['/', '$', '{', '[', '<', '|', '>', '&', '*']) || kind == "secret" || value.contains('(');
        (!elsewhere && names::could_be_one(value)).then_some(kind)
    })
}
