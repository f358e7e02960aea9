//! Evaluating what a precondition holds, with one failure for whatever cannot be evaluated.

use sdk::contract::{Blame, Failure};
use sdk::fields;
use sdk::host::Expressions;
use serde_json::{Value, json};

const SHOWN_CHARS_MAX: usize = 200;

/// The value of a template; the failure says which text, where in it and why.
pub(crate) fn template<H: Expressions>(what: &str, template: &str, host: &mut H) -> Result<Value, Failure> {
    let failed = |position: u32, reason: &str, message: &str, blame| {
        let shown = fields::cut(template, SHOWN_CHARS_MAX);
        let text = format!("{what} cannot be evaluated: {message} (position {position} of {shown})");
        let details = json!({"expression": template, "position": position, "reason": reason, "message": message});
        Failure::new("expression-failed", blame, text).with_details(&details)
    };
    let text = host.evaluate(template, "{}").map_err(|error| failed(error.position, &error.reason, &error.message, Blame::User))?;
    serde_json::from_str(&text).map_err(|error| failed(0, "not-json", &error.to_string(), Blame::Platform))
}

/// A text with its expressions replaced; one without any stays as it is.
pub(crate) fn text<H: Expressions>(what: &str, text: &str, host: &mut H) -> Result<String, Failure> {
    if !text.contains("${") {
        return Ok(text.to_owned());
    }
    Ok(fields::spelled(&template(what, text, host)?).trim().to_owned())
}
