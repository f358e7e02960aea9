//! `waybill pipelines export`: Spinnaker's JSON as it was brought, numbers as they were written.

use super::pipeline::path;
use crate::api::Call;
use crate::failure::Failure;
use crate::files;
use crate::session::Session;
use crate::views::{list, text};
use clap::Args;
use import::export::{Identities, list as as_list, pipeline as as_text};
use model::exact::Spellings;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest name of a file, in characters without its ending.
const NAME_CHARS_MAX: usize = 80;

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Names or ids of pipelines; all of the application where none is said.
    #[arg(requires = "application")]
    pipelines: Vec<String>,
    /// The application; all that you may see where none is said.
    #[arg(long)]
    application: Option<String>,
    /// Write a file a pipeline into this folder, in one of its own for each application where none was said.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out the ids by which this installation knows pipelines and triggers.
    #[arg(long)]
    without_ids: bool,
}

/// A pipeline that was read.
struct Read {
    id: String,
    name: String,
    document: Value,
    spellings: Spellings,
}

pub(crate) async fn run(export: &Export, session: &mut Session) -> Result<(), Failure> {
    let ids = if export.without_ids { Identities::LeftOut } else { Identities::Kept };
    let applications = match &export.application {
        Some(application) => vec![application.clone()],
        None => all(session, &["api", "applications"], "name").await?,
    };
    let mut all_read = Vec::new();
    for application in &applications {
        let names = if export.pipelines.is_empty() {
            all(session, &["api", "applications", application, "pipelines"], "id").await?
        } else {
            export.pipelines.clone()
        };
        let folder = match (&export.out, &export.application) {
            (Some(out), None) => Some(out.join(application)),
            (out, _) => out.clone(),
        };
        let mut taken = BTreeSet::new();
        for name in &names {
            let read = read(session, application, name).await?;
            match &folder {
                Some(folder) => write(session, folder, &read, ids, &mut taken)?,
                None => all_read.push(read),
            }
        }
    }
    match (&export.out, all_read.as_slice()) {
        (Some(_), _) => Ok(()),
        (None, [one]) if !export.pipelines.is_empty() => session.out.line(&shown(&as_text(&one.document, &one.spellings, ids))),
        (None, many) => {
            let many: Vec<(&Value, &Spellings)> = many.iter().map(|read| (&read.document, &read.spellings)).collect();
            session.out.line(&shown(&as_list(&many, ids)))
        }
    }
}

/// What stands under a key in every entry of a list, page by page.
async fn all(session: &Session, path: &[&str], key: &str) -> Result<Vec<String>, Failure> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let answer = session.api.send(Call::get(path).query("limit", Some(100)).query("after", after.as_ref())).await?;
        found.extend(list(&answer.body, "items").iter().map(|entry| text(entry, key).to_owned()));
        match answer.body.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(found),
        }
    }
}

async fn read(session: &Session, application: &str, name: &str) -> Result<Read, Failure> {
    let answer = session.api.send(Call::get(&path(application, name))).await?;
    let spellings = Spellings::read(&answer.text).below("/document");
    let (id, name) = (text(&answer.body, "id").to_owned(), text(&answer.body, "name").to_owned());
    Ok(Read { id, name, document: answer.body.get("document").cloned().unwrap_or_default(), spellings })
}

fn write(session: &mut Session, folder: &Path, read: &Read, ids: Identities, taken: &mut BTreeSet<String>) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    let mut name = file_name(&read.name);
    if !taken.insert(name.to_lowercase()) {
        name = format!("{name}-{}", read.id);
    }
    let path = folder.join(format!("{name}.json"));
    files::replace(&path, &as_text(&read.document, &read.spellings, ids))?;
    let path = path.display().to_string();
    session.out.event(&json!({"pipeline": read.name, "id": read.id, "file": path}), &path)
}

/// JSON that a terminal can be shown: what could steer it is written as an escape, which is the same text to whoever reads it.
fn shown(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.trim_end().chars() {
        match c {
            c if c.is_control() && c != '\n' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// A name that leads nowhere else.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ') { c } else { '_' };
    let name: String = name.chars().map(plain).take(NAME_CHARS_MAX).collect();
    let name = name.trim();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_same_json() {
        let value = json!({"a": "\u{7f}\u{9b}\n\t", "b": [1]});
        let text = shown(&format!("{value:#}"));
        assert!(!text.contains(['\u{7f}', '\u{9b}']));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_pipeline_s_file_is_in_its_folder() {
        for (name, file) in
            [("Deploy (prod)", "Deploy _prod_"), ("../../etc", "_.._.._etc"), ("部署", "部署"), ("a/b\\c", "a_b_c"), ("", "_")]
        {
            assert_eq!(file_name(name), file);
        }
        assert_eq!(file_name(&"x".repeat(500)).len(), NAME_CHARS_MAX);
    }
}
