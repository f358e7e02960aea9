//! Functions that need nothing but their arguments, and those that read a text or fetch one.

use super::{Function, ask, refused, row};
use crate::error::{Fallible, fault};
use crate::machine::Call;
use crate::methods::P;
use crate::value::{Val, json};
use crate::{base64, convert};
use serde_json::Value;

fn text<'c>(c: &'c Call<'_, '_>) -> Fallible<&'c str> {
    c.text(0)
}

fn fetched(c: &Call<'_, '_>, name: &str) -> Fallible<String> {
    let body = c.machine.host.fetch(text(c)?).map_err(|refusal| refused(name, refusal))?;
    c.machine.meter.bytes(body.len())?;
    Ok(body)
}

fn read_json<'a>(c: &Call<'_, 'a>, text: &str) -> Fallible<Val<'a>> {
    c.machine.meter.bytes(text.len())?;
    // Spinnaker reads a list or an object, and nothing else.
    // What follows the first value is not looked at, as there.
    let first = serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    let first = first.ok_or_else(|| fault("bad-json", "the text is empty"))?;
    let value: Value = first.map_err(|e| fault("bad-json", format!("the text is not JSON: line {}, column {}", e.line(), e.column())))?;
    match value {
        Value::Array(_) if text.starts_with('[') => Ok(Val::owned(value)),
        Value::Object(_) | Value::Null => Ok(Val::owned(value)),
        _ => Err(fault("bad-json", "the text is neither a JSON object nor a JSON list")),
    }
}

fn yaml<'a>(c: &Call<'_, 'a>, name: &str, text: &str) -> Fallible<Vec<Val<'a>>> {
    c.machine.meter.bytes(text.len())?;
    let documents = c.machine.host.yaml(text).map_err(|refusal| refused(name, refusal))?;
    documents.iter().try_for_each(|document| super::within(document, 0))?;
    Ok(documents.into_iter().map(Val::owned).collect())
}

fn first<'a>(documents: Vec<Val<'a>>) -> Fallible<Val<'a>> {
    match <[Val<'a>; 1]>::try_from(documents) {
        Ok([document]) => Ok(document),
        Err(other) if other.is_empty() => Ok(Val::Null),
        Err(_) => Err(fault("bad-yaml", "the text has several documents; `#readAllYaml` reads them all")),
    }
}

/// `key=value` lines as Java reads them: `=`, `:` or a blank between, `#` and `!` comments, `\` goes on.
fn properties<'a>(text: &str) -> Val<'a> {
    let mut pairs: Vec<(Val<'a>, Val<'a>)> = Vec::new();
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        if whole.is_empty() && (line.starts_with(['#', '!']) || line.is_empty()) {
            continue;
        }
        if let Some(head) = line.strip_suffix('\\').filter(|head| head.chars().rev().take_while(|c| *c == '\\').count() % 2 == 0) {
            whole.push_str(head);
            continue;
        }
        whole.push_str(line);
        let (key, value) = pair(&whole);
        pairs.retain(|(old, _)| !matches!(old, Val::Text(old) if old.as_str() == key));
        pairs.push((Val::text(key), Val::text(value)));
        whole.clear();
    }
    Val::map(pairs)
}

fn pair(line: &str) -> (String, String) {
    let mut key = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.extend(escaped(&mut chars)),
            '=' | ':' => break,
            c if c.is_ascii_whitespace() => {
                let rest = chars.as_str().trim_start();
                return (key, unescaped(rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start()));
            }
            c => key.push(c),
        }
    }
    (key, unescaped(chars.as_str().trim_start()))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { out.extend(escaped(&mut chars)) } else { out.push(c) }
    }
    out
}

fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\u{c}',
        'u' => {
            let digits = chars.as_str().get(..4)?;
            let code = u32::from_str_radix(digits, 16).ok()?;
            *chars = chars.as_str().get(4..)?.chars();
            char::from_u32(code)?
        }
        c => c,
    })
}

pub(crate) const OWN: &[Function] = &[
    row("alphanumerical", &[P::Text], "Only the letters A to Z and digits of a text", "#alphanumerical('a-b_1') → \"ab1\"", |c| {
        c.machine.meter.bytes(text(c)?.len())?;
        Ok(Val::text(text(c)?.chars().filter(char::is_ascii_alphanumeric).collect::<String>()))
    }),
    row("toInt", &[P::Text], "The whole number of a text, of 32 bits", "#toInt('12') → 12", |c| {
        let bad = || fault("not-a-number", "the text is not a whole number of 32 bits");
        if text(c)?.starts_with("+-") || text(c)?.len() > 40 {
            return Err(bad());
        }
        text(c)?.parse().map(Val::Int).map_err(|_| bad())
    }),
    row("toFloat", &[P::Text], "The number of a text, of 32 bits", "#toFloat('1.5') → 1.5", |c| {
        convert::real(text(c)?)?;
        let body = crate::unicode::trim(text(c)?).trim_end_matches(['d', 'D', 'f', 'F']);
        body.parse().map(Val::Float).map_err(|_| fault("not-a-number", "the text is not a number"))
    }),
    row("toBoolean", &[P::Text], "True for `true`, false for everything else", "#toBoolean('True') → true", |c| {
        Ok(Val::Bool(matches!(c.argument(0), Val::Text(text) if text.as_str().eq_ignore_ascii_case("true"))))
    }),
    row("toBase64", &[P::Text], "A text in base64", "#toBase64('hi') → \"aGk=\"", |c| {
        c.machine.meter.bytes(text(c)?.len() * 2)?;
        Ok(Val::text(base64::encode(text(c)?.as_bytes())))
    }),
    row("fromBase64", &[P::Text], "The text of base64", "#fromBase64('aGk=') → \"hi\"", |c| {
        c.machine.meter.steps(text(c)?.len() / 64)?;
        c.machine.meter.bytes(text(c)?.len())?;
        let bytes = base64::decode(text(c)?).ok_or_else(|| fault("bad-base64", "the text is not base64"))?;
        Ok(Val::text(String::from_utf8_lossy(&bytes).into_owned()))
    }),
    row("toJson", &[P::Any], "A value as JSON text; a text with `${` in it is refused", "#toJson({a: 1}) → \"{\\\"a\\\":1}\"", |c| {
        let value = c.argument(0);
        let text = crate::value::write::write(&json::json(&value, c.machine, 0)?);
        c.machine.meter.bytes(text.len())?;
        if text.contains("${") && !matches!(value, Val::Kept(_)) {
            return Err(fault("refused-nesting", "the JSON would hold an expression, `${`"));
        }
        Ok(Val::text(text))
    }),
    row("readJson", &[P::Text], "The object or list of a JSON text", "#readJson('{\"a\": 1}').a → 1", |c| read_json(c, text(c)?)),
    row("readYaml", &[P::Text], "The value of a YAML text; the host reads it", "#readYaml('a: 1').a → 1", |c| {
        first(yaml(c, "readYaml", text(c)?)?)
    }),
    row("readAllYaml", &[P::Text], "All documents of a YAML text; the host reads it", "#readAllYaml('a: 1')[0].a → 1", |c| {
        yaml(c, "readAllYaml", text(c)?).map(Val::list)
    }),
    row(
        "fromUrl",
        &[P::Text],
        "The text behind a URL, where the host fetches",
        "#fromUrl('https://example.com/text') → \"hello\"",
        |c| fetched(c, "fromUrl").map(Val::text),
    ),
    row("jsonFromUrl", &[P::Text], "The JSON behind a URL", "#jsonFromUrl('https://example.com/json').a → 1", |c| {
        let body = fetched(c, "jsonFromUrl")?;
        read_json(c, &body)
    }),
    row("yamlFromUrl", &[P::Text], "The YAML behind a URL", "#yamlFromUrl('https://example.com/yaml').a → 1", |c| {
        let body = fetched(c, "yamlFromUrl")?;
        first(yaml(c, "yamlFromUrl", &body)?)
    }),
    row(
        "propertiesFromUrl",
        &[P::Text],
        "The Java properties behind a URL",
        "#propertiesFromUrl('https://example.com/properties').a → \"1\"",
        |c| Ok(properties(&fetched(c, "propertiesFromUrl")?)),
    ),
    row("doNotEval", &[P::Any], "The value as it is: what is written in it stays", "#doNotEval('a') → \"a\"", |c| {
        Ok(Val::Kept(std::rc::Rc::new(c.argument(0))))
    }),
    row(
        "pipelineId",
        &[P::Text],
        "The id of a pipeline of this application; the host looks it up",
        "#pipelineId('Deploy') → \"p1\"",
        |c| ask("pipelineId", &c.arguments, c.machine),
    ),
    row(
        "pipelineIdInApplication",
        &[P::Text, P::Text],
        "The id of a pipeline of another application; the host looks it up",
        "#pipelineIdInApplication('Deploy', 'shop') → \"p1\"",
        |c| ask("pipelineIdInApplication", &c.arguments, c.machine),
    ),
    row(
        "applicationMetadata",
        &[P::Text],
        "What is known of an application; the host looks it up",
        "#applicationMetadata('shop').email → \"a@example.com\"",
        |c| ask("applicationMetadata", &c.arguments, c.machine),
    ),
    row(
        "canaryConfigNameToId",
        &[P::Text],
        "The id of a canary configuration; the host looks it up",
        "#canaryConfigNameToId('c') → \"c1\"",
        |c| ask("canaryConfigNameToId", &c.arguments, c.machine),
    ),
];
