//! `planning` that misbehaves: the same limits as in a step, and its answer is a plan or nothing.

use crate::bench::{Bench, fault, refusal};
use crate::guest::Guest;
use crate::parts::{MemoryJournal, ScriptedCluster, Setup};
use crate::running::{CALL_GET, GET, NAMES};
use app::ports::{Blame, Export, StepEnd, StepFault, StepReport};
use model::component::{Part, StepLimits};
use serde_json::json;

/// An answer that is all zeros: no stages.
const NOTHING: &str = "(i32.const 256)";
/// A stage, at 900.
const STAGE: &str = r#"(data (i32.const 900) "{\22refId\22:\221\22}")"#;

fn asked(part: Part) -> Setup {
    Setup { export: Export::Plan(part), ..Setup::default() }
}

fn limited(step_ms_max: u64, memory_mib_max: u64) -> Setup {
    let limits = StepLimits { step_ms_max, memory_bytes_max: memory_mib_max << 20, ..StepLimits::default() };
    Setup { limits, ..asked(Part::Before) }
}

/// Answers a text so many times.
fn stages(count: u32, address: u32, length: u32) -> String {
    format!(
        r#"(local $n i32)
        (block $end (loop $l
          (br_if $end (i32.ge_u (local.get $n) (i32.const {count})))
          (i32.store (i32.add (i32.const 16384) (i32.mul (local.get $n) (i32.const 8))) (i32.const {address}))
          (i32.store (i32.add (i32.const 16388) (i32.mul (local.get $n) (i32.const 8))) (i32.const {length}))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $l)))
        (i32.store (i32.const 260) (i32.const 16384)) (i32.store (i32.const 264) (i32.const {count})) (i32.const 256)"#
    )
}

fn planner(count: u32, address: u32, length: u32) -> Guest {
    Guest { more: STAGE.into(), memory: "200", ..Guest::planning(stages(count, address, length)) }
}

async fn run(guest: &Guest, setup: &Setup) -> Result<StepReport, StepFault> {
    Bench::new().run(guest, setup).await
}

#[tokio::test]
async fn each_part_is_asked_for_its_own_stages() {
    let bench = Bench::new();
    let sha256 = bench.install(&planner(2, 900, 13));
    for part in [Part::Before, Part::After, Part::OnFailure] {
        let report = bench.step(&sha256, &asked(part)).await.unwrap();
        let one = json!({"refId": "1"}).as_object().unwrap().clone();
        assert_eq!(report.end, StepEnd::Planned(vec![one.clone(), one]), "{part:?}");
        assert_eq!((report.checkpoint, report.progress), (None, None));
    }
    let none = bench.step(&bench.install(&Guest::planning(NOTHING)), &asked(Part::After)).await.unwrap();
    assert_eq!(none.end, StepEnd::Planned(Vec::new()));
    // Its step is still its step.
    let report = bench.step(&sha256, &Setup::default()).await.unwrap();
    assert!(matches!(report.end, StepEnd::Succeeded(_)), "{report:?}");
}

#[tokio::test]
async fn the_parts_are_not_mixed_up() {
    let bench = Bench::new();
    let guest = |part: Part| {
        let body = |p| if p == part { stages(1, 900, 13) } else { "(unreachable)".to_owned() };
        Guest { more: STAGE.into(), planning: Some([Part::Before, Part::After, Part::OnFailure].map(body)), ..Guest::default() }
    };
    for part in [Part::Before, Part::After, Part::OnFailure] {
        let report = bench.run(&guest(part), &asked(part)).await.unwrap();
        assert!(matches!(report.end, StepEnd::Planned(stages) if stages.len() == 1), "{part:?}");
    }
}

#[tokio::test]
async fn thirty_two_stages_and_not_one_more() {
    let report = run(&planner(32, 900, 13), &asked(Part::Before)).await.unwrap();
    assert!(matches!(report.end, StepEnd::Planned(stages) if stages.len() == 32));
    let (code, message) = fault(run(&planner(33, 900, 13), &asked(Part::Before)).await);
    assert_eq!((code, message.as_str()), ("plan-refused", "one call plans at most 32 stages, not 33"));
}

#[tokio::test]
async fn what_is_no_json_object_is_no_stage() {
    // Cut off; nothing; a text alone.
    for (address, length) in [(900, 12), (900, 0), (901, 7)] {
        let (code, message) = fault(run(&planner(1, address, length), &asked(Part::OnFailure)).await);
        assert!(code == "plan-refused" && message.starts_with("stage 0: "), "{code}: {message}");
    }
    // Not even UTF-8.
    let guest = Guest { more: r#"(data (i32.const 900) "\ff")"#.into(), ..Guest::planning(stages(1, 900, 1)) };
    assert_eq!(fault(run(&guest, &asked(Part::Before)).await).0, "plugin-abi-violation");
}

#[tokio::test]
async fn plans_that_are_too_large_are_refused_however_large() {
    // 3 MB are taken over and refused; of 9 MB in three stages, or of millions of stages, nothing is copied.
    for guest in [planner(1, 1 << 20, 3 << 20), planner(3, 1 << 20, 3 << 20), planner(1_000_000, 900, 13)] {
        let (code, message) = fault(run(&guest, &asked(Part::After)).await);
        assert!(code == "plan-refused" && !message.is_empty(), "{code}: {message}");
    }
}

#[tokio::test]
async fn time_memory_and_traps_end_it_as_they_end_a_step() {
    let (code, message) = fault(run(&Guest::planning("(loop $l (br $l)) (unreachable)"), &limited(300, 64)).await);
    assert_eq!((code, message.as_str()), ("plugin-timeout", "the step took longer than 300 ms; it was computing"));
    assert_eq!(fault(run(&Guest::planning("(unreachable)"), &limited(60_000, 64)).await).0, "plugin-trap");
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    assert_eq!(fault(run(&Guest::planning(grow), &limited(60_000, 4)).await).0, "plugin-out-of-memory");
    // Neither ok nor error; outside of memory.
    for bad in ["(i32.store8 (i32.const 256) (i32.const 7)) (i32.const 256)", "(i32.const 2147483640)"] {
        assert_eq!(fault(run(&Guest::planning(bad), &limited(60_000, 64)).await).0, "plugin-abi-violation");
    }
}

#[tokio::test]
async fn a_failure_is_a_failure_in_its_own_words() {
    let fails =
        "(i32.store8 (i32.const 256) (i32.const 1)) (i32.store (i32.const 260) (i32.const 950)) (i32.store (i32.const 264) (i32.const 6))
      (i32.store8 (i32.const 276) (i32.const 1)) (i32.store8 (i32.const 288) (i32.const 3)) (i32.const 256)";
    let guest = Guest { more: r#"(data (i32.const 950) "no-way")"#.into(), ..Guest::planning(fails) };
    let report = run(&guest, &asked(Part::Before)).await.unwrap();
    let StepEnd::Failed(failure) = report.end else { panic!("{report:?}") };
    assert_eq!((failure.code.as_str(), failure.retryable, failure.blame), ("no-way", true, Blame::Platform));
}

#[tokio::test]
async fn who_does_not_plan_is_not_asked() {
    let why = refusal(run(&Guest::default(), &asked(Part::Before)).await);
    assert_eq!(why, "it does not export waybill:stage/planning");
    let cancel = Setup { export: Export::Cancel("over".into()), ..Setup::default() };
    assert_eq!(refusal(run(&Guest::planning(NOTHING), &cancel).await), "it does not export waybill:stage/compensation");
}

#[tokio::test]
async fn its_calls_are_counted_and_recorded_like_those_of_a_step() {
    let guest = Guest { imports: GET, more: format!("{STAGE}{NAMES}"), ..Guest::planning(format!("{CALL_GET} {}", stages_after())) };
    let report = run(&guest, &asked(Part::Before)).await.unwrap();
    assert!(matches!(&report.end, StepEnd::Planned(stages) if stages.len() == 1), "{report:?}");
    let calls: Vec<_> = report.trace.iter().map(|e| e.call.as_str()).collect();
    assert_eq!((calls, report.host_calls), (vec!["kubernetes.get"], 1));

    // A repetition is answered from the trace; another first call is another step.
    let again = Setup { journal: MemoryJournal::after(report.trace.clone()), ..asked(Part::Before) };
    let replayed = run(&guest, &again).await.unwrap();
    assert_eq!((replayed.end, again.cluster.calls()), (report.end, Vec::new()));
    let other = Setup { journal: MemoryJournal::after(report.trace), ..asked(Part::Before) };
    let ended = run(&Guest::planning(NOTHING), &other).await;
    assert!(matches!(ended, Err(StepFault::Nondeterministic(_))), "{ended:?}");

    let cluster = ScriptedCluster { hangs: Some("a".into()), ..ScriptedCluster::default() };
    let waits = Setup { cluster: cluster.into(), ..limited(1_500, 64) };
    let report = run(&guest, &waits).await.unwrap();
    let told = report.trace.iter().filter_map(|entry| entry.response.as_ref()).map(ToString::to_string).collect::<String>();
    assert!(told.contains("timed-out: the cluster had not answered"), "{told}");
}

/// As [`stages`] of one, after other instructions.
fn stages_after() -> &'static str {
    "(i32.store (i32.const 16384) (i32.const 900)) (i32.store (i32.const 16388) (i32.const 13))
     (i32.store (i32.const 260) (i32.const 16384)) (i32.store (i32.const 264) (i32.const 1)) (i32.const 256)"
}
