//! Every input file beside this one, and what is said of it. With `WAYBILL_WRITE=1` what is said now becomes what is expected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers and all")]

mod support;

use import::export::{self, Identities};
use import::{Mapping, Options, Report, Summary, check, open, secrets};
use serde_json::{Value, json};
use std::path::PathBuf;
use support::{File, files, root};

fn said(file: &File) -> Vec<Report> {
    check(&file.name, &file.bytes, &Options::default())
}

fn expected_path(file: &File) -> PathBuf {
    root().join("tests/expected").join(format!("{}.json", file.name))
}

#[test]
fn what_is_said_of_each_file_is_what_is_expected() {
    let rewrite = std::env::var_os("WAYBILL_WRITE").is_some();
    let mut differing = Vec::new();
    for file in files() {
        let text = format!("{:#}\n", json!(said(&file)));
        let path = expected_path(&file);
        if rewrite {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            differing.push(format!("{}:\n{text}", file.name));
        }
    }
    assert!(differing.is_empty(), "{} files are told otherwise than expected:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn every_file_has_an_expectation_and_every_expectation_a_file() {
    let names: Vec<String> = files().into_iter().map(|file| format!("{}.json", file.name)).collect();
    let expected = support::under(&root().join("tests/expected"));
    assert!(names.len() >= 80, "{}", names.len());
    assert_eq!(expected, names);
}

#[test]
fn what_is_in_each_folder_comes_to_what_it_is_there_for() {
    for file in files() {
        let reports = said(&file);
        let folder = file.name.split('/').next().unwrap();
        let fine = reports.iter().all(Report::is_fine);
        let told = reports.iter().all(|report| report.imported || report.is_none() || !report.errors.is_empty());
        assert!(told, "{}: what is not imported says why", file.name);
        match folder {
            "none" => assert!(reports.len() == 1 && reports[0].is_none(), "{}: {reports:?}", file.name),
            "bare" | "triggers" | "secrets" | "expressions" => assert!(fine, "{}: {reports:#?}", file.name),
            _ => {}
        }
    }
}

#[test]
fn the_object_has_the_names_that_were_agreed() {
    let reports = check("x.json", br#"{"application": "a", "name": "p", "stages": [{"refId": "1", "type": "wait"}]}"#, &Options::default());
    let report = json!(reports[0]);
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    let agreed = [
        "file",
        "pipeline",
        "imported",
        "planned",
        "stages",
        "triggers",
        "unsupported",
        "expressions",
        "differences",
        "secrets",
        "needs",
        "errors",
    ];
    assert_eq!(keys[..agreed.len()], agreed);
    assert_eq!(report["expressions"], json!({"parsed": 0, "failed": []}));
}

#[test]
fn the_summary_counts_them_all() {
    let mut summary = Summary::new();
    for file in files() {
        summary.count(&said(&file));
    }
    assert_eq!(summary.files, files().len());
    assert!(!summary.fine && summary.imported > 70 && summary.planned <= summary.imported, "{summary:?}");
    assert!(summary.text().contains("can be imported"));
    for file in files().iter().filter(|file| file.name.starts_with("bare/")) {
        assert!(said(file)[0].text().starts_with(&file.name));
    }
}

/// What an export must not change.
fn essence(report: &Report) -> Value {
    let mut essence = json!(report);
    for key in ["file", "at", "wrapper", "warnings", "identities", "kept", "application"] {
        essence.as_object_mut().unwrap().remove(key);
    }
    essence
}

#[test]
fn what_is_given_back_reads_without_a_difference() {
    let mut count = 0;
    for file in files() {
        let Ok(all) = open(&file.name, &file.bytes, &Options::default()) else { continue };
        for checked in all.into_iter().filter(|checked| checked.report.imported && checked.report.wrapper.is_some()) {
            for ids in [Identities::Kept, Identities::LeftOut] {
                let text = export::pipeline(&checked.document, &checked.spellings, ids);
                let again = open("again.json", text.as_bytes(), &Options::default()).unwrap().remove(0);
                assert_eq!(essence(&again.report), essence(&checked.report), "{}", file.name);
                if ids == Identities::Kept {
                    assert_eq!((&again.document, &again.spellings), (&checked.document, &checked.spellings), "{}", file.name);
                }
            }
            count += 1;
        }
    }
    assert!(count > 70, "{count}");
}

#[test]
fn a_list_of_them_is_a_list() {
    let checked: Vec<_> = files()
        .iter()
        .filter(|file| file.name.starts_with("bare/"))
        .map(|file| open(&file.name, &file.bytes, &Options::default()).unwrap().remove(0))
        .collect();
    let pairs: Vec<_> = checked.iter().map(|checked| (&checked.document, &checked.spellings)).collect();
    let text = export::list(&pairs, Identities::LeftOut);
    assert_eq!(check("all.json", text.as_bytes(), &Options::default()).len(), pairs.len());
    assert_eq!(export::list(&[], Identities::Kept), "[]\n");
}

#[test]
fn no_secret_is_ever_said_and_none_is_left_when_they_are_taken() {
    let mut count = 0;
    for file in files() {
        let Ok(all) = open(&file.name, &file.bytes, &Options::default()) else { continue };
        for mut checked in all {
            let said = json!(checked.report).to_string() + &checked.report.text();
            let found = secrets::find(&checked.document);
            let mut number = 0;
            let taken = secrets::take(&mut checked.document, &found, &mut |_| {
                number += 1;
                format!("s-{number}")
            });
            assert_eq!(taken.len(), checked.report.secrets.len());
            for secret in &taken {
                assert!(secret.value.len() < 4 || !said.contains(&secret.value), "{}: {}", file.name, secret.pointer);
                assert!(!format!("{secret:?}").contains(&secret.value));
            }
            assert_eq!(secrets::find(&checked.document), vec![], "{}", file.name);
            count += taken.len();
        }
    }
    assert!(count >= 12, "{count}");
}

#[test]
fn applications_and_names_are_given_when_they_are_said() {
    let options = Options {
        application: Some("other".to_owned()),
        mapping: Mapping::parse(["account=prod:my-prod", "namespace=shop-prod:web"]).unwrap(),
        ..Options::default()
    };
    let bytes = std::fs::read(root().join("tests/files/bare/deploy-text.json")).unwrap();
    let checked = open("deploy-text.json", &bytes, &options).unwrap().remove(0);
    assert_eq!(checked.document["application"], "other");
    assert_eq!(checked.document["stages"][0]["account"], "my-prod");
    assert_eq!(checked.document["stages"][0]["namespaceOverride"], "web");
    assert_eq!(checked.report.application.as_deref(), Some("shop"));
    assert!(checked.report.needs.iter().any(|need| need.kind == "account" && need.name == "prod"), "what the file says is what is needed");
}

#[test]
fn what_is_installed_decides_what_is_unsupported() {
    let bytes = std::fs::read(root().join("tests/files/bare/vendor-stages.json")).unwrap();
    let with = |installed: &[&str]| {
        let options = Options { stage_types: Some(installed.iter().map(|name| (*name).to_owned()).collect()), ..Options::default() };
        check("v.json", &bytes, &options).remove(0).unsupported.len()
    };
    assert_eq!((with(&[]), with(&["terraform", "approval"])), (12, 10));
}
