//! Back to Spinnaker's JSON: the document as it was brought, its numbers as they were written.

use crate::identities;
use model::exact::Spellings;
use serde_json::Value;

/// What to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identities {
    /// Nothing: the text is for a backup.
    Kept,
    /// What only this installation knows it by.
    LeftOut,
}

/// One pipeline, bare.
#[must_use]
pub fn pipeline(document: &Value, spellings: &Spellings, ids: Identities) -> String {
    let mut text = match ids {
        Identities::Kept => spellings.write_pretty(document),
        Identities::LeftOut => {
            let mut document = document.clone();
            identities::strip(&mut document);
            spellings.write_pretty(&document)
        }
    };
    text.push('\n');
    text
}

/// Several as a list.
#[must_use]
pub fn list(pipelines: &[(&Value, &Spellings)], ids: Identities) -> String {
    let texts: Vec<String> =
        pipelines.iter().map(|(document, spellings)| pipeline(document, spellings, ids).trim_end().to_owned()).collect();
    if texts.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", texts.join(",\n")) }
}
