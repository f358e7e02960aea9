//! A pipeline on its way to a server: its secrets go apart. The ids that it came with stay in it: the server knows its own among them,
//! issues new ones for all others, and with both knows which pipelines of a file mean each other.

use crate::check::Checked;
use crate::secrets::{self, Secret, Taken};
use model::exact::Spellings;
use serde_json::Value;

/// A pipeline that can be saved. Its `Debug` leaves the document out: that may hold secrets.
#[derive(Clone)]
pub struct Brought {
    /// The document. New identities are issued when it is saved.
    pub document: Value,
    /// How its numbers are written.
    pub spellings: Spellings,
    /// Secrets that were taken out, to be stored under their names before the document is.
    pub taken: Vec<Taken>,
}

impl std::fmt::Debug for Brought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brought").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// Makes a checked pipeline ready to be saved. Where `name` is given, secrets are taken out, each under the name it gives.
#[must_use]
pub fn bring(checked: Checked, name: Option<&mut dyn FnMut(&Secret) -> String>) -> Brought {
    let Checked { report, mut document, spellings } = checked;
    let taken = name.map(|name| secrets::take(&mut document, &report.secrets, name)).unwrap_or_default();
    Brought { document, spellings, taken }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, open};

    #[test]
    fn a_pipeline_goes_and_its_secrets_apart() {
        let text =
            br#"{"id": "old", "application": "a", "name": "p", "stages": [{"refId": "1", "type": "webhook", "password": "hunter2"}]}"#;
        let checked = || open("p.json", text, &Options::default()).unwrap().remove(0);
        let mut name = |secret: &Secret| format!("p{}", secret.pointer.replace('/', "-"));
        let brought = bring(checked(), Some(&mut name));
        assert_eq!(brought.document["id"], "old");
        assert_eq!(brought.document["stages"][0]["password"], "secret://p-stages-0-password");
        assert_eq!(brought.taken[0].value, "hunter2");
        assert!(!format!("{brought:?}").contains("hunter2"));
        let whole = bring(checked(), None);
        assert!(!format!("{whole:?} {:?}", checked()).contains("hunter2"));
        assert_eq!((whole.document["stages"][0]["password"].as_str(), whole.taken.len()), (Some("hunter2"), 0));
    }
}
