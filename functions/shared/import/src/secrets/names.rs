//! Names that secrets stand under.

/// Endings of names, letters and digits alone, and what stands under them.
const ENDINGS: [(&str, &str); 16] = [
    ("password", "password"),
    ("passwd", "password"),
    ("passphrase", "password"),
    ("pwd", "password"),
    ("authorization", "authorization-header"),
    ("token", "token"),
    ("apikey", "token"),
    ("accesskey", "token"),
    ("secretkey", "token"),
    ("accesskeysecret", "token"),
    ("secretaccesskey", "token"),
    ("subscriptionkey", "token"),
    ("privatekey", "private-key"),
    ("clientkeydata", "private-key"),
    ("dockerconfigjson", "secret"),
    ("kubeconfig", "kubeconfig"),
];

/// What stands before `secret` where that is a secret, and not the name of an object that holds one, as in `existingSecret`.
const WHOSE: [&str; 13] =
    ["", "client", "app", "api", "shared", "webhook", "hook", "oauth", "jwt", "consumer", "signing", "session", "secret"];

fn letters(name: &str) -> Option<Vec<u8>> {
    let lower = |b: u8| b.is_ascii_alphanumeric().then(|| b.to_ascii_lowercase());
    (name.len() <= 64).then(|| name.bytes().filter_map(lower).collect())
}

/// What stands under a key of this name; nothing where it is no secret.
pub(super) fn kind(key: &str) -> Option<&'static str> {
    let letters = letters(key)?;
    if let Some(whose) = letters.strip_suffix(b"secret") {
        return WHOSE.iter().any(|known| known.as_bytes() == whose).then_some("secret");
    }
    ENDINGS.iter().find(|(ending, _)| letters.ends_with(ending.as_bytes())).map(|(_, kind)| *kind)
}

/// The same for the name of a variable or parameter.
pub(super) fn kind_of_variable(name: &str) -> Option<&'static str> {
    let letters = letters(name)?;
    // Every shell has a variable of this name, with a folder.
    if letters == b"pwd" {
        return None;
    }
    kind(name).or_else(|| letters.ends_with(b"secret").then_some("secret"))
}

/// Words that the name of something secret may hold, besides those that it may end with.
const WITHIN: [&str; 3] = ["secret", "credential", "private"];

/// Whether a name speaks of a secret anywhere: for hiding, where too much is better than too little.
pub(super) fn speaks_of_one(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    ENDINGS.iter().map(|(ending, _)| *ending).chain(WITHIN).any(|word| letters.contains(word))
}

/// Words in front of a secret in a header.
const SCHEMES: [&str; 3] = ["basic", "bearer", "token"];
/// What says where a secret is, and is none itself.
const ELSEWHERE: [&str; 7] = ["secret://", "encrypted:", "encryptedFile:", "vault:", "{{", "$(", "arn:"];

/// Whether a text can be a secret: something is written there, and it is not an expression, a reference or a placeholder.
pub(super) fn could_be_one(text: &str) -> bool {
    let text = text.trim();
    if ELSEWHERE.iter().any(|prefix| text.starts_with(prefix)) || (text.starts_with('<') && text.ends_with('>')) {
        return false;
    }
    let left = without_expressions(text);
    let left = left.trim();
    let bare = SCHEMES.iter().find_map(|scheme| {
        let head = left.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| left.get(scheme.len()..).unwrap_or_default().trim())
    });
    let bare = bare.unwrap_or(left);
    let words = ["true", "false", "null", "none", "changeme", "redacted"];
    bare.chars().any(char::is_alphanumeric)
        && !words.iter().any(|word| bare.eq_ignore_ascii_case(word))
        && !bare.chars().all(|c| matches!(c, 'x' | 'X' | '*' | '.'))
        && !is_shell_name(bare)
}

/// `$NAME`
fn is_shell_name(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

fn without_expressions(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        left.push_str(rest.get(..start).unwrap_or_default());
        let after = rest.get(start..).unwrap_or_default();
        rest = after.find('}').and_then(|end| after.get(end + 1..)).unwrap_or_default();
    }
    left.push_str(rest);
    left
}
