//! Components that start, end and wait for other executions.

use crate::bench::{Bench, fault};
use crate::guest::{Guest, SUCCEED};
use crate::parts::{MemoryJournal, Setup};
use app::ports::{Export, StageHost, StepEnd, StepFault, StepMode};
use model::component::Part;

pub(crate) const START: &str = r#"(import "waybill:stage/executions@0.1.0" "start" (func $start (param i32 i32 i32 i32 i32 i32 i32)))"#;
/// Starts pipeline `deploy` of `shop`; the answer is at 600.
const CALL_START: &str = r#"(call $start
  (i32.const 2000) (i32.const 4) (i32.const 2010) (i32.const 6) (i32.const 2020) (i32.const 2) (i32.const 600))"#;
const DATA: &str = r#"(data (i32.const 2000) "shop") (data (i32.const 2010) "deploy") (data (i32.const 2020) "{}")
  (data (i32.const 2030) "execution:01CHILD") (data (i32.const 2050) "1")"#;
/// Traps unless the answer is an error, and that error `denied`.
const IS_DENIED: &str = "(if (i32.eqz (i32.load8_u (i32.const 600))) (then (unreachable)))
  (if (i32.load8_u (i32.const 604)) (then (unreachable)))";
/// Traps unless the answer is an id.
const IS_STARTED: &str = "(if (i32.load8_u (i32.const 600)) (then (unreachable)))";

fn starter(then: &str) -> Guest {
    Guest { imports: START, more: DATA.into(), ..Guest::step(format!("{CALL_START} {then}")) }
}

fn granted() -> Setup {
    Setup { runs: vec!["start"], ..Setup::default() }
}

#[tokio::test]
async fn a_child_is_started_by_who_may_and_only_for_real() {
    let bench = Bench::new();
    let started = bench.install(&starter(&format!("{IS_STARTED} {SUCCEED}")));
    let setup = granted();
    let report = bench.step(&started, &setup).await.unwrap();
    assert_eq!((report.host_calls, report.trace[0].call.as_str()), (1, "executions.start"));
    assert_eq!(setup.executions.calls(), ["start shop/deploy {}"]);

    let denied = bench.install(&starter(&format!("{IS_DENIED} {SUCCEED}")));
    let planned = Setup { mode: StepMode::Plan, ..granted() };
    for setup in [planned, Setup::default(), Setup { runs: vec!["get", "newest", "cancel"], ..Setup::default() }] {
        bench.step(&denied, &setup).await.unwrap();
        assert_eq!(setup.executions.calls(), [""; 0]);
    }
    bench.control().await;
}

#[tokio::test]
async fn a_repeated_step_has_its_child_already() {
    let bench = Bench::new();
    let sha256 = bench.install(&starter(&format!("{IS_STARTED} {SUCCEED}")));
    let first = granted();
    let report = bench.step(&sha256, &first).await.unwrap();
    let again = Setup { journal: MemoryJournal::after(report.trace), ..granted() };
    let replayed = bench.step(&sha256, &again).await.unwrap();
    assert_eq!((replayed.end, again.executions.calls()), (report.end, Vec::new()));
    let other = bench.install(&Guest::default());
    let setup = Setup { journal: MemoryJournal::after(again.journal.recorded.clone()), ..granted() };
    let ended = bench.step(&other, &setup).await;
    assert!(matches!(&ended, Err(StepFault::Nondeterministic(why)) if why.contains("executions.start")), "{ended:?}");
}

#[tokio::test]
async fn a_flood_of_starts_is_ended() {
    let bench = Bench::new();
    let step = format!("(local $n i32) (loop $l {CALL_START} (br $l)) (unreachable)");
    let setup = granted();
    let guest = Guest { imports: START, more: DATA.into(), ..Guest::step(step) };
    assert_eq!(fault(bench.run(&guest, &setup).await), ("plugin-quota", "a step may make 100 host calls".into()));
    assert_eq!((setup.executions.calls().len(), setup.executions.children.lock().unwrap().len()), (100, 1));
}

#[tokio::test]
async fn describe_and_validate_start_nothing() {
    let bench = Bench::new();
    let asks: &'static str = format!("{CALL_START} {IS_DENIED}").leak();
    let guest = Guest { describe: asks, validate: asks, ..starter(SUCCEED) };
    let sha256 = bench.install(&guest);
    assert_eq!(bench.host.describe(&sha256, 1).await.unwrap(), guest.manifest);
    assert_eq!(bench.host.validate(&sha256, "{}").await.unwrap(), []);
}

#[tokio::test]
async fn planning_may_start_and_is_denied_like_a_step() {
    let bench = Bench::new();
    let guest = |then: &str| Guest { imports: START, more: DATA.into(), ..Guest::planning(format!("{CALL_START} {then} (i32.const 256)")) };
    let setup = Setup { export: Export::Plan(Part::Before), ..granted() };
    bench.run(&guest(IS_STARTED), &setup).await.unwrap();
    let setup = Setup { mode: StepMode::Plan, ..setup };
    bench.run(&guest(IS_DENIED), &setup).await.unwrap();
    assert_eq!(setup.executions.calls(), ["start shop/deploy {}"]);
}

/// Waits for the end of an execution: one signal at 700, and checkpoint `1`.
const SUSPEND: &str = "(i32.store (i32.const 700) (i32.const 2030)) (i32.store (i32.const 704) (i32.const 17))
  (i32.store8 (i32.const 264) (i32.const 2)) (i32.store (i32.const 272) (i32.const 700)) (i32.store (i32.const 276) (i32.const 1))
  (i32.store (i32.const 296) (i32.const 1)) (i32.store (i32.const 300) (i32.const 2050)) (i32.store (i32.const 304) (i32.const 1))
  (i32.const 256)";

#[tokio::test]
async fn the_end_of_an_execution_is_not_for_everybody_to_wait_for() {
    let bench = Bench::new();
    let guest = Guest { more: DATA.into(), ..Guest::step(SUSPEND) };
    let report = bench.run(&guest, &granted()).await.unwrap();
    let StepEnd::Suspended { any_of, until_ms: None } = report.end else { panic!("{report:?}") };
    assert_eq!(any_of[0].name, "execution:01CHILD");
    let (code, message) = fault(bench.run(&guest, &Setup::default()).await);
    assert!(code == "plugin-abi-violation" && message.contains("executions"), "{message}");
}
