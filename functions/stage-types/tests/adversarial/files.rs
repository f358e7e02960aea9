//! What is handed in as a component, and what lies where compiled ones should.

use crate::bench::{Bench, refusal};
use crate::children::START;
use crate::guest::{Guest, MANIFEST};
use crate::parts::Setup;
use app::ports::StageHost;
use model::component::StageType;
use sha2::{Digest, Sha256};
use stage_host::{HostOptions, WasmHost, engine_config, engine_fingerprint};
use stage_types::{VetError, precompile};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use wasmtime::Engine;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[tokio::test]
async fn a_changed_byte_is_never_mapped() {
    let bench = Bench::new();
    let digest = bench.install(&Guest::default());
    let path = bench.folder.path().join(format!("{digest}.cwasm"));
    let good = fs::read(&path).unwrap();
    for at in [0, 100, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bench.put(&digest, &bytes);
        let why = refusal(bench.step(&digest, &Setup::default()).await);
        assert!(why.contains("has other bytes"), "{why}");
    }
    bench.put(&digest, &good[..good.len() - 10]);
    assert!(refusal(bench.step(&digest, &Setup::default()).await).contains("has other bytes"));
    bench.put(&digest, &good);
    bench.control().await;
}

#[tokio::test]
async fn what_is_missing_or_misnamed_is_refused() {
    let bench = Bench::new();
    assert!(refusal(bench.step(&"0".repeat(64), &Setup::default()).await).contains("no precompiled component"));
    for name in ["", "../../etc/passwd", &"A".repeat(64)] {
        assert!(refusal(bench.step(name, &Setup::default()).await).contains("not a SHA-256"));
    }
    bench.control().await;
}

#[tokio::test]
async fn bytes_of_another_kind_are_refused_though_their_digest_is_right() {
    let bench = Bench::new();
    let component = Guest::default().component();
    let core = wat::parse_str("(module)").unwrap();
    let engine = Engine::new(&engine_config().unwrap()).unwrap();
    let core_code = engine.precompile_module(&core).unwrap();
    for bytes in [component, core, core_code, b"text".to_vec(), Vec::new()] {
        bench.put(&sha256(&bytes), &bytes);
        let why = refusal(bench.step(&sha256(&bytes), &Setup::default()).await);
        assert!(why.contains("not a precompiled component"), "{why}");
    }
    bench.control().await;
}

#[tokio::test]
async fn code_for_another_engine_is_refused() {
    let bench = Bench::new();
    let mut config = engine_config().unwrap();
    config.epoch_interruption(false);
    let code = Engine::new(&config).unwrap().precompile_component(&Guest::default().component()).unwrap();
    bench.put(&sha256(&code), &code);
    let why = refusal(bench.step(&sha256(&code), &Setup::default()).await);
    assert!(why.contains("compiled for another engine") && why.contains("epoch"), "{why}");
    bench.control().await;
}

/// A component that imports an interface nobody has.
const STRANGE: &str = r#"(component (import "waybill:stage/shell@0.1.0" (instance (export "run" (func)))))"#;

#[tokio::test]
async fn an_unknown_import_is_named_by_both() {
    let bench = Bench::new();
    let strange = wat::parse_str(STRANGE).unwrap();
    let error = bench.compiler.compile("strange.wasm", &strange).unwrap_err();
    assert!(matches!(&error, VetError::World { why, .. } if why.contains("waybill:stage/shell@0.1.0")), "{error}");

    let engine = Engine::new(&engine_config().unwrap()).unwrap();
    let code = engine.precompile_component(&strange).unwrap();
    bench.put(&sha256(&code), &code);
    let why = refusal(bench.step(&sha256(&code), &Setup::default()).await);
    assert!(why.contains("waybill:stage/shell@0.1.0"), "{why}");
    bench.control().await;
}

#[test]
fn what_is_no_component_of_the_contract_is_not_taken_in() {
    let bench = Bench::new();
    let text = |text: &str| wat::parse_str(text).unwrap();
    let not_components = [
        (text("(module)"), "a core module"),
        (b"#!/bin/sh".to_vec(), "no WebAssembly"),
        (Vec::new(), "no WebAssembly"),
        (bench.compiler.compile("x", &Guest::default().component()).unwrap().cwasm, "compiled already"),
    ];
    for (bytes, why) in not_components {
        let error = bench.compiler.compile("x.wasm", &bytes).unwrap_err();
        assert!(matches!(&error, VetError::NotAComponent { .. }) && error.to_string().contains(why), "{error}");
    }
    let whole = Guest::default().component();
    let truncated = bench.compiler.compile("x.wasm", &whole[..whole.len() / 2]).unwrap_err();
    assert!(matches!(truncated, VetError::Compile { .. }), "{truncated}");
    let empty = bench.compiler.compile("x.wasm", &text("(component)")).unwrap_err();
    assert!(matches!(&empty, VetError::World { why, .. } if why.contains("lifecycle")), "{empty}");
}

#[test]
fn proposals_that_are_off_are_refused() {
    let bench = Bench::new();
    let off = [
        "(component (core module (memory i64 1)))",
        "(component (core module (memory 1 1 shared)))",
        "(component (core module (memory 1) (memory 1)))",
        "(component (core module (type (struct (field i32)))))",
        "(component (core module (func (param i64 i64 i64 i64) (result i64 i64)
          (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))))",
        "(component (core module (tag)))",
    ];
    for text in off {
        let error = bench.compiler.compile("x.wasm", &wat::parse_str(text).unwrap()).unwrap_err();
        assert!(matches!(error, VetError::Compile { .. }), "{text}: {error}");
    }
}

fn written(folder: &TempDir, name: &str, guest: &Guest) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, guest.component()).unwrap();
    path
}

#[tokio::test]
async fn what_is_precompiled_runs() {
    let (from, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let second = Guest { manifest: MANIFEST.replace("control", "another"), ..Guest::default() };
    let files = [written(&from, "control.wasm", &Guest::default()), written(&from, "another.wasm", &second)];
    let target = out.path().to_owned();
    let rows = tokio::task::spawn_blocking(move || precompile(&target, &files)).await.unwrap().unwrap();

    let index: Vec<StageType> = serde_json::from_slice(&fs::read(out.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(index, rows);
    let names: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.engine.clone(), row.timeout_ms)).collect();
    assert_eq!(names, [("another", engine_fingerprint(), 3_600_000), ("control", engine_fingerprint(), 3_600_000)]);
    let mut files: Vec<_> = fs::read_dir(out.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut expected: Vec<_> = rows.iter().map(|row| format!("{}.cwasm", row.cwasm_sha256)).collect();
    expected.push("index.json".into());
    expected.sort();
    assert_eq!(files, expected);

    let host = WasmHost::new(HostOptions::new(out.path().to_owned())).unwrap();
    for row in rows {
        let mut call = Setup::default().call();
        call.cwasm_sha256 = row.cwasm_sha256;
        host.step(call).await.unwrap();
    }
}

/// Says this besides.
fn said(guest: Guest, more: &str) -> Guest {
    Guest { manifest: MANIFEST.replace("\"params\"", &format!("{more},\"params\"")), ..guest }
}

#[test]
fn what_plans_and_starts_says_so_in_its_row() {
    let (from, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let more =
        r#""planning":{"types":["wait"]},"capabilities":{"executions":["cancel","start","erase"]},"dryRun":"execute","manualSkip":true"#;
    let guest = said(Guest { imports: START, ..Guest::planning("(i32.const 256)") }, more);
    let rows = precompile(out.path(), &[written(&from, "planner.wasm", &guest)]).unwrap();
    assert_eq!(
        (rows[0].exports.clone(), rows[0].grant.executions.clone()),
        (vec!["planning".into()], vec!["start".into(), "cancel".into()])
    );
    let kept = ["/planning/types/0", "/dryRun", "/manualSkip"].map(|pointer| rows[0].manifest.pointer(pointer).unwrap().to_string());
    assert_eq!(kept, ["\"wait\"", "\"execute\"", "true"]);
}

const CLOCK: &str = r#"(import "wasi:clocks/wall-clock@0.2.6" "now" (func $now (param i32)))"#;

#[test]
fn nothing_changes_when_one_component_is_refused() {
    let (from, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let good = written(&from, "good.wasm", &Guest::default());
    // Writes the clock's last digit into its version.
    let at = 1024 + MANIFEST.find("0.1.0").unwrap();
    let fickle: &'static str = format!(
        "(call $now (i32.const 600)) (i32.store8 (i32.const {at}) (i32.add (i32.const 48) (i32.and (i32.load (i32.const 600)) (i32.const 7))))"
    )
    .leak();
    let bad = [
        (Guest { imports: CLOCK, describe: fickle, ..Guest::default() }, "differently"),
        (Guest { describe: "(unreachable)", ..Guest::default() }, "plugin-trap"),
        (Guest { describe: "(loop $l (br $l))", ..Guest::default() }, "plugin-timeout"),
        (Guest { manifest: "{}".into(), ..Guest::default() }, "manifest is refused"),
        (Guest { manifest: "no json".into(), ..Guest::default() }, "not JSON"),
        (Guest::default(), "two stage types are called \"control\""),
        (
            Guest {
                manifest: MANIFEST.replace(
                    "\"params\"",
                    "\"capabilities\":{\"kubernetes\":[{\"apiGroups\":[\"\"],\"kinds\":[\"Pod\"],\"verbs\":[\"get\"]}]},\"params\"",
                ),
                ..Guest::default()
            },
            "does not import it",
        ),
        (said(Guest::default(), r#""planning":{"types":["wait"]}"#), "names types that it may plan but does not export planning"),
        (Guest::planning("(i32.const 256)"), "exports planning but does not name the types"),
        (said(Guest::planning("(i32.const 256)"), r#""planning":{"types":[]}"#), "/planning/types: "),
        (said(Guest::default(), r#""capabilities":{"executions":["start"]}"#), "declares executions but does not import it"),
        (Guest { imports: START, ..Guest::default() }, "imports executions but does not declare it"),
        (said(Guest::default(), r#""dryRun":"always""#), "/dryRun: "),
        (said(Guest::default(), r#""manualSkip":"yes""#), "/manualSkip: "),
    ];
    for (guest, why) in bad {
        let other = written(&from, "bad.wasm", &guest);
        let error = precompile(out.path(), &[good.clone(), other]).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "{why}");
    }
}
