//! Time, memory, stacks, exits, floods.

use crate::bench::{Bench, fault};
use crate::guest::{Guest, SUCCEED};
use crate::parts::{ScriptedCluster, Setup};
use app::ports::{StageHost, StepEnd, StepFault};
use model::component::StepLimits;
use std::time::{Duration, Instant};

fn limits(step_ms_max: u64, memory_mib_max: u64) -> Setup {
    let limits = StepLimits { step_ms_max, memory_bytes_max: memory_mib_max << 20, ..StepLimits::default() };
    Setup { limits, ..Setup::default() }
}

#[tokio::test]
async fn a_loop_in_a_step_is_stopped_at_its_deadline() {
    let bench = Bench::new();
    let start = Instant::now();
    let (code, message) = fault(bench.run(&Guest::step("(loop $l (br $l)) (unreachable)"), &limits(300, 64)).await);
    assert_eq!((code, message.as_str()), ("plugin-timeout", "the step took longer than 300 ms; it was computing"));
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_loop_in_the_start_function_is_stopped_at_its_deadline() {
    let bench = Bench::new();
    let guest = Guest { more: "(func $s (loop $l (br $l))) (start $s)".into(), ..Guest::default() };
    assert_eq!(fault(bench.run(&guest, &limits(300, 64)).await).0, "plugin-timeout");
}

#[tokio::test]
async fn a_loop_in_describe_or_validate_is_stopped() {
    let bench = Bench::new();
    let spin = "(loop $l (br $l))";
    let sha256 = bench.install(&Guest { describe: spin, validate: spin, ..Guest::default() });
    let said = bench.host.describe(&sha256, 1).await;
    assert!(matches!(said, Err(StepFault::Plugin { code: "plugin-timeout", .. })), "{said:?}");
    let found = bench.host.validate(&sha256, "{}").await;
    assert!(matches!(found, Err(StepFault::Plugin { code: "plugin-timeout", .. })), "{found:?}");
    bench.control().await;
}

#[tokio::test]
async fn a_computing_component_lets_others_run_and_can_be_dropped() {
    let bench = Bench::new();
    let sha256 = bench.install(&Guest::step("(loop $l (br $l)) (unreachable)"));
    let setup = limits(60_000, 64);
    let start = Instant::now();
    // On one thread: the timer fires only because the component yields.
    let ended = tokio::time::timeout(Duration::from_millis(200), bench.step(&sha256, &setup)).await;
    assert!(ended.is_err() && start.elapsed() < Duration::from_secs(30));
    bench.control().await;
}

const SLEEP: &str = r#"
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $subscribe (param i64) (result i32)))
  (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))"#;

#[tokio::test]
async fn sleeping_takes_no_time() {
    let bench = Bench::new();
    let step = format!("(call $block (call $subscribe (i64.const 3600000000000))) {SUCCEED}");
    let start = Instant::now();
    let report = bench.run(&Guest { imports: SLEEP, ..Guest::step(step) }, &limits(60_000, 64)).await.unwrap();
    assert!(matches!(report.end, StepEnd::Succeeded(_)));
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn recursion_is_a_stack_overflow_on_either_stack() {
    let bench = Bench::new();
    let native = "(func $r (param i32) (result i32) (i32.add (call $r (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))";
    let guest = Guest { more: native.into(), ..Guest::step("(call $r (i32.const 0))") };
    assert_eq!(fault(bench.run(&guest, &limits(60_000, 64)).await).0, "plugin-stack-overflow");

    let shadow = r#"(global $sp (mut i32) (i32.const 65536))
      (func $r (result i32)
        (global.set $sp (i32.sub (global.get $sp) (i32.const 600)))
        (i32.store (global.get $sp) (i32.const 1))
        (i32.add (call $r) (i32.load (global.get $sp))))"#;
    let guest = Guest { more: shadow.into(), ..Guest::step("(call $r)") };
    assert_eq!(fault(bench.run(&guest, &limits(60_000, 64)).await).0, "plugin-stack-overflow");
}

const GROW: &str = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))";

#[tokio::test]
async fn memory_ends_at_the_limit() {
    let bench = Bench::new();
    let (code, message) = fault(bench.run(&Guest::step(format!("{GROW} (unreachable)")), &limits(60_000, 4)).await);
    assert_eq!((code, message.as_str()), ("plugin-out-of-memory", "it needs more than 4194304 bytes of memory"));
    // Who takes the refusal well may go on.
    let report = bench.run(&Guest::step(format!("{GROW} {SUCCEED}")), &limits(60_000, 4)).await.unwrap();
    assert!(matches!(report.end, StepEnd::Succeeded(_)));
}

#[tokio::test]
async fn what_is_declared_too_large_is_refused() {
    let bench = Bench::new();
    let memory = Guest { memory: "2000", ..Guest::default() };
    assert_eq!(fault(bench.run(&memory, &limits(60_000, 64)).await).0, "plugin-out-of-memory");
    let table = Guest { more: "(table 10000000 funcref)".into(), ..Guest::default() };
    assert_eq!(fault(bench.run(&table, &limits(60_000, 64)).await).0, "plugin-out-of-memory");
}

#[tokio::test]
async fn nothing_is_left_in_memory_for_the_next_step() {
    let bench = Bench::new();
    let step = format!("(if (i32.load (i32.const 800)) (then (unreachable))) (i32.store (i32.const 800) (i32.const 1)) {SUCCEED}");
    let sha256 = bench.install(&Guest::step(step));
    for _ in 0..3 {
        bench.step(&sha256, &Setup::default()).await.unwrap();
    }
}

const EXIT: &str = r#"(import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))"#;

#[tokio::test]
async fn leaving_is_never_an_outcome() {
    let bench = Bench::new();
    assert_eq!(fault(bench.run(&Guest::step("(unreachable)"), &Setup::default()).await).0, "plugin-trap");
    for (status, told) in [("0", "exit(0)"), ("1", "exit(1)")] {
        let guest = Guest { imports: EXIT, ..Guest::step(format!("(call $exit (i32.const {status})) (unreachable)")) };
        let (code, message) = fault(bench.run(&guest, &Setup::default()).await);
        assert!(code == "plugin-trap" && message.contains(told), "{message}");
    }
}

const LOG: &str = r#"(import "waybill:stage/log@0.1.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))"#;

#[tokio::test]
async fn a_flood_of_log_is_cut_and_the_step_goes_on() {
    let bench = Bench::new();
    // 5,000 lines with an escape, of 30,000 bytes each.
    let step = format!(
        r#"(local $n i32)
        (memory.fill (i32.const 70000) (i32.const 27) (i32.const 15000))
        (memory.fill (i32.const 85000) (i32.const 65) (i32.const 15000))
        (loop $l
          (call $emit (i32.const 1) (i32.const 70000) (i32.const 30000) (i32.const 0) (i32.const 0))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $n) (i32.const 5000))))
        {SUCCEED}"#
    );
    let report = bench.run(&Guest { imports: LOG, ..Guest::step(step) }, &Setup::default()).await.unwrap();
    assert_eq!((report.log.len(), report.log_dropped), (1_000, 4_000));
    assert!(report.log.iter().all(|line| line.message.len() <= 8 << 10 && line.message.starts_with("AAA")));
    assert_eq!(report.host_calls, 0);
}

const STDOUT: &str = r#"
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#;

#[tokio::test]
async fn a_flood_on_standard_output_is_dropped_and_the_step_goes_on() {
    let bench = Bench::new();
    let step = format!(
        r#"(local $n i32) (local $out i32)
        (local.set $out (call $stdout))
        (memory.fill (i32.const 70000) (i32.const 65) (i32.const 4096))
        (i32.store8 (i32.const 70099) (i32.const 10))
        (loop $l
          (call $write (local.get $out) (i32.const 70000) (i32.const 4096) (i32.const 600))
          (if (i32.load8_u (i32.const 600)) (then (unreachable)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $n) (i32.const 1000))))
        {SUCCEED}"#
    );
    let report = bench.run(&Guest { imports: STDOUT, ..Guest::step(step) }, &limits(60_000, 64)).await.unwrap();
    let kept: usize = report.log.iter().map(|line| line.message.len()).sum();
    assert!(kept > 60_000 && kept <= 64 << 10, "{kept}");
}

const LOOKUP: &str = r#"(import "waybill:stage/context@0.1.0" "lookup" (func $lookup (param i32 i32 i32)))"#;

#[tokio::test]
async fn a_drip_of_calls_is_ended() {
    let bench = Bench::new();
    let step = format!(
        r#"(local $n i32)
        (loop $l
          (call $lookup (i32.const 0) (i32.const 0) (i32.const 600))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $n) (i32.const 1000))))
        {SUCCEED}"#
    );
    let (code, message) = fault(bench.run(&Guest { imports: LOOKUP, ..Guest::step(step) }, &Setup::default()).await);
    assert_eq!((code, message.as_str()), ("plugin-quota", "a step may make 100 host calls"));
}

#[tokio::test]
async fn one_call_cannot_hand_over_without_end() {
    let bench = Bench::new();
    let step = format!("(call $lookup (i32.const 65536) (i32.const 6000000) (i32.const 600)) {SUCCEED}");
    let guest = Guest { imports: LOOKUP, memory: "200", ..Guest::step(step) };
    assert_eq!(fault(bench.run(&guest, &Setup::default()).await).0, "plugin-quota");
}

pub(crate) const GET: &str = r#"(import "waybill:stage/kubernetes@0.1.0" "get" (func $get
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
/// Reads ConfigMap `a` in `shop` of account `prod`.
pub(crate) const CALL_GET: &str = r#"(call $get
  (i32.const 2000) (i32.const 4) (i32.const 1) (i32.const 2010) (i32.const 4)
  (i32.const 2020) (i32.const 2) (i32.const 2030) (i32.const 9) (i32.const 2040) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 600))"#;
pub(crate) const NAMES: &str = r#"(data (i32.const 2000) "prod") (data (i32.const 2010) "shop") (data (i32.const 2020) "v1")
  (data (i32.const 2030) "ConfigMap") (data (i32.const 2040) "a")"#;

fn reader() -> Guest {
    Guest { imports: GET, more: NAMES.into(), ..Guest::step(format!("{CALL_GET} {SUCCEED}")) }
}

fn hanging(step_ms_max: u64) -> Setup {
    let cluster = ScriptedCluster { hangs: Some("a".into()), ..ScriptedCluster::default() };
    Setup { cluster: cluster.into(), ..limits(step_ms_max, 64) }
}

#[tokio::test]
async fn waiting_for_a_cluster_ends_while_the_component_can_still_say_so() {
    let bench = Bench::new();
    let setup = hanging(1_500);
    let report = bench.run(&reader(), &setup).await.unwrap();
    let told = report.trace.iter().filter_map(|entry| entry.response.as_ref()).map(ToString::to_string).collect::<String>();
    assert!(told.contains("timed-out: the cluster had not answered when the 1350 ms that this step has for it were over"), "{told}");
    assert_eq!(setup.cluster.calls(), ["get ConfigMap/shop/a"]);
}

#[tokio::test]
async fn a_step_dropped_in_a_host_call_leaves_the_host_fine() {
    let bench = Bench::new();
    let sha256 = bench.install(&reader());
    for _ in 0..3 {
        let setup = hanging(60_000);
        tokio::select! {
            ended = bench.step(&sha256, &setup) => panic!("{ended:?}"),
            () = setup.cluster.hanging.notified() => {}
        }
        assert_eq!(setup.cluster.calls(), ["get ConfigMap/shop/a"]);
    }
    bench.step(&sha256, &Setup::default()).await.unwrap();
    bench.control().await;
}

#[tokio::test]
async fn describe_and_validate_can_ask_for_nothing() {
    let bench = Bench::new();
    // An answer that is not an error would be zero at 600.
    let asks = "(call $get (i32.const 2000) (i32.const 4) (i32.const 1) (i32.const 2010) (i32.const 4)
      (i32.const 2020) (i32.const 2) (i32.const 2030) (i32.const 9) (i32.const 2040) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 600)) (if (i32.eqz (i32.load8_u (i32.const 600))) (then (unreachable)))";
    let guest = Guest { describe: asks, validate: asks, ..reader() };
    let sha256 = bench.install(&guest);
    assert_eq!(bench.host.describe(&sha256, 1).await.unwrap(), guest.manifest);
    assert_eq!(bench.host.validate(&sha256, "{}").await.unwrap(), []);
}
