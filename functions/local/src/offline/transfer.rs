//! `waybill export` and `waybill import`.

use super::Place;
use crate::failure::Failure;
use crate::out::Out;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use store::transfer::{self, From, TransferError};

/// Where from, and where to.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: Place,
    /// The file, which must not be there yet. Secrets stay sealed in it; the key is not in it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Where to, and where from.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    place: Place,
    /// The file that an export wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make the table where there is none.
    #[arg(long, conflicts_with = "data")]
    create_table: bool,
    /// Only look at the file: whether it is whole, and can be read by this program.
    #[arg(long)]
    check: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

fn failed(error: TransferError) -> Failure {
    match error {
        TransferError::File { path, message } => Failure::File { path: path.display().to_string(), message },
        other => Failure::Server(other.to_string()),
    }
}

pub(crate) async fn export(options: Export) -> Result<(), Failure> {
    let opened = options.place.open(false, false).await?;
    let from = From { place: opened.name.clone(), sealed_with: opened.key.clone() };
    let (table, blobs) = opened.parts();
    let done = transfer::export(table, blobs, &boot::SystemClock, from, &options.file).await;
    opened.close().await;
    let report = done.map_err(failed)?;
    let value = json!({"file": options.file, "items": report.items, "blobs": report.blobs});
    Out::stdout(options.json)
        .show(&value, |_| format!("{} items and {} blobs are in {}; the key is not", report.items, report.blobs, options.file.display()))
}

pub(crate) async fn import(options: Import) -> Result<(), Failure> {
    let checked = transfer::check(&options.file).map_err(failed)?;
    let header = &checked.header;
    let mut out = Out::stdout(options.json);
    if options.check {
        let value = json!({"header": header, "sha256": checked.sha256});
        return out
            .show(&value, |_| format!("{} items and {} blobs of {}, whole, and readable here", header.items, header.blobs, header.from));
    }
    let opened = options.place.open(true, options.create_table).await?;
    let (table, blobs) = opened.parts();
    let done = transfer::import(table, blobs, &boot::SystemClock, &options.file).await;
    let (name, key) = (opened.name.clone(), opened.key.clone());
    opened.close().await;
    let report = done.map_err(failed)?;
    let value =
        json!({"items": report.items, "blobs": report.blobs, "resumed": report.resumed, "sealedWith": header.sealed_with, "key": key});
    let keys = keys(header.sealed_with.as_deref(), key.as_deref());
    out.show(&value, |_| format!("{} items and {} blobs are in {name}{keys}", report.items, report.blobs))
}

/// What is to be done about the key, in words.
fn keys(sealed_with: Option<&str>, here: Option<&str>) -> String {
    match (sealed_with, here) {
        (Some(there), Some(here)) if there == here => String::new(),
        (Some(there), Some(here)) => {
            format!(
                "\nits secrets are sealed with the key {there}, and here is {here}: put the old file `key` in its place, or give the accounts their secrets anew"
            )
        }
        (Some(there), None) => {
            format!("\nits secrets are sealed with the key {there}: put the old file `key` beside the store before it is served")
        }
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_missing_or_another_is_told() {
        assert_eq!(keys(Some("a"), Some("a")), "");
        assert!(keys(Some("a"), Some("b")).contains("sealed with the key a, and here is b"));
        assert!(keys(Some("a"), None).contains("before it is served"));
        assert_eq!(keys(None, Some("b")), "");
    }
}
