//! `waybill pipelines check`: what there is to say of files with pipelines. No server, no cluster, no network; one file at a time
//! is in memory.

use crate::failure::Failure;
use crate::out::Out;
use crate::walk::{self, Entry};
use clap::Args;
use import::flaw::Flaw;
use import::limits::FILE_BYTES_MAX;
use import::{Mapping, Options, Report, Summary, Templates};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files, and folders with everything in them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The application that they would go into, whatever they say.
    #[arg(long)]
    application: Option<String>,
    /// Another name for something they need, such as `account=prod:my-prod`.
    #[arg(long = "map", value_name = "KIND=FROM:TO", value_parser = mapping)]
    maps: Vec<String>,
}

/// Only whether it is one; they are put together later.
pub(super) fn mapping(text: &str) -> Result<String, String> {
    Mapping::parse([text]).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(crate) fn run(check: &Check, out: &mut Out) -> Result<(), Failure> {
    let mapping = Mapping::parse(check.maps.iter().map(String::as_str)).map_err(|error| Failure::Usage(error.to_string()))?;
    let options = Options { application: check.application.clone(), mapping, templates: templates(&check.paths), ..Options::default() };
    let mut summary = Summary::new();
    for path in &check.paths {
        for entry in walk::from(path) {
            let reports = reports(entry, &options);
            summary.count(&reports);
            for report in &reports {
                out.event(&json!(report), report.text().trim_end())?;
            }
        }
    }
    out.event(&json!({ "summary": summary }), summary.text().trim_end())?;
    if summary.fine { Ok(()) } else { Err(Failure::EndedBadly) }
}

fn reports(entry: Entry, options: &Options) -> Vec<Report> {
    match content(entry) {
        Ok((file, bytes)) => import::check(&file, &bytes, options),
        Err(report) => vec![*report],
    }
}

/// The templates among files, for whichever of them use them.
pub(super) fn templates(paths: &[PathBuf]) -> Templates {
    let mut templates = Templates::default();
    for entry in paths.iter().flat_map(|path| walk::from(path)) {
        if let Ok((file, bytes)) = content(entry) {
            templates.add(&file, &bytes);
        }
    }
    templates
}

/// A file's name and content; otherwise why it cannot be looked at.
pub(super) fn content(entry: Entry) -> Result<(String, Vec<u8>), Box<Report>> {
    let unreadable =
        |path: &Path, code: &str, message: String| Box::new(Report::unreadable(&path.display().to_string(), Flaw::at("", code, message)));
    match entry {
        Entry::Trouble { path, message } => Err(unreadable(&path, "unreadable", message)),
        Entry::File { path, bytes } if bytes > FILE_BYTES_MAX as u64 => {
            let message = format!("a file has at most {FILE_BYTES_MAX} bytes, this one has {bytes}");
            Err(unreadable(&path, "file-too-large", message))
        }
        Entry::File { path, .. } => match read(&path) {
            Ok(bytes) => Ok((path.display().to_string(), bytes)),
            Err(error) => Err(unreadable(&path, "unreadable", error.to_string())),
        },
    }
}

/// A file may grow while it is read; no more than the most is.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn checked(paths: &[&Path]) -> (Vec<Value>, bool) {
        let sink = Sink::default();
        let check = Check { paths: paths.iter().map(|path| path.to_path_buf()).collect(), application: None, maps: Vec::new() };
        let done = run(&check, &mut Out::into(Box::new(sink.clone()), true));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), done.is_ok())
    }

    const PIPELINE: &str = r#"{"application": "shop", "name": "p", "stages": [{"refId": "1", "type": "wait"}]}"#;

    #[test]
    fn a_folder_is_said_file_by_file_and_summed_up() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("a.json"), PIPELINE).unwrap();
        std::fs::write(folder.path().join("sub/b.txt"), "nothing").unwrap();
        let (lines, fine) = checked(&[folder.path()]);
        assert!(fine, "{lines:?}");
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["pipeline"], &lines[0]["imported"], &lines[0]["planned"]), (&json!("p"), &json!(true), &json!(true)));
        assert_eq!((&lines[1]["pipeline"], &lines[1]["reason"]), (&Value::Null, &json!("no-pipeline")));
        let summary = &lines[2]["summary"];
        assert_eq!((&summary["files"], &summary["pipelines"], &summary["withoutPipeline"]), (&json!(2), &json!(1), &json!(1)));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.json");
        File::create(&large).unwrap().set_len(100 << 20).unwrap();
        std::fs::write(folder.path().join("cut.json"), "{\"stages\": [").unwrap();
        let gone = folder.path().join("gone");
        let (lines, fine) = checked(&[folder.path(), &gone]);
        assert!(!fine);
        let codes: Vec<&Value> = lines.iter().take(3).map(|line| &line["errors"][0]["code"]).collect();
        assert_eq!(codes, ["ends-too-early", "file-too-large", "unreadable"]);
        assert_eq!(lines[3]["summary"]["unreadable"], 3);
    }
}
