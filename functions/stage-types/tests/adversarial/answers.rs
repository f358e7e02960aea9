//! Answers that break the contract.

use crate::bench::{Bench, fault};
use crate::guest::Guest;
use crate::parts::Setup;
use app::ports::StepEnd;
use model::component::StepLimits;

fn large_memory() -> Setup {
    Setup { limits: StepLimits { memory_bytes_max: 256 << 20, ..StepLimits::default() }, ..Setup::default() }
}

/// Succeeds with these outputs.
fn outputs(address: &str, length: &str) -> String {
    format!(
        "(i32.store8 (i32.const 264) (i32.const 3)) (i32.store (i32.const 272) (i32.const {address}))
         (i32.store (i32.const 276) (i32.const {length})) (i32.const 256)"
    )
}

#[tokio::test]
async fn sixty_megabytes_are_not_copied() {
    let bench = Bench::new();
    let guest = Guest { memory: "1200", ..Guest::step(outputs("65536", "62914560")) };
    assert_eq!(fault(bench.run(&guest, &large_memory()).await).0, "plugin-output-too-large");
}

#[tokio::test]
async fn bad_pointers_lengths_and_text_are_violations() {
    let bench = Bench::new();
    let bad = [
        outputs("-16", "100"),
        outputs("65536", "-1"),
        outputs("131071", "2"),
        // Not UTF-8.
        format!("(i32.store8 (i32.const 700) (i32.const 255)) {}", outputs("700", "1")),
        // Neither ok nor error; no such case; an unaligned address; one outside of memory.
        "(i32.store8 (i32.const 256) (i32.const 7)) (i32.const 256)".to_owned(),
        "(i32.store8 (i32.const 264) (i32.const 99)) (i32.const 256)".to_owned(),
        "(i32.const 257)".to_owned(),
        "(i32.const 2147483640)".to_owned(),
    ];
    for step in bad {
        let (code, message) = fault(bench.run(&Guest::step(step.clone()), &Setup::default()).await);
        assert_eq!(code, "plugin-abi-violation", "{step}: {message}");
    }
}

/// Yields with this checkpoint.
fn yields(schema: u32, address: u32, length: u32) -> String {
    format!(
        "(i32.store8 (i32.const 264) (i32.const 1)) (i32.store (i32.const 272) (i32.const {schema}))
         (i32.store (i32.const 276) (i32.const {address})) (i32.store (i32.const 280) (i32.const {length})) (i32.const 256)"
    )
}

#[tokio::test]
async fn checkpoints_are_small_and_of_a_known_schema() {
    let bench = Bench::new();
    let json = r#"(data (i32.const 900) "{}")"#.to_owned();
    let guest = |step: String| Guest { memory: "40", more: json.clone(), ..Guest::step(step) };
    let report = bench.run(&guest(yields(1, 900, 2)), &Setup::default()).await.unwrap();
    assert_eq!((report.end, report.checkpoint), (StepEnd::Yielded, Some((1, "{}".to_owned()))));
    for step in [yields(1, 131_072, 1 << 20), yields(7, 900, 2), yields(1, 900, 1)] {
        assert_eq!(fault(bench.run(&guest(step), &Setup::default()).await).0, "checkpoint-refused");
    }
}

#[tokio::test]
async fn polls_are_clamped() {
    let bench = Bench::new();
    for (asked, got) in [("0", 1_000), ("-1", 900_000)] {
        let step = format!(
            r#"(i32.store (i32.const 272) (i32.const {asked})) (i32.store (i32.const 284) (i32.const 1))
            (i32.store (i32.const 288) (i32.const 900)) (i32.store (i32.const 292) (i32.const 2))
            (i32.store8 (i32.const 304) (i32.const 1)) (i32.store8 (i32.const 305) (i32.const 255)) (i32.const 256)"#
        );
        let guest = Guest { more: r#"(data (i32.const 900) "{}")"#.into(), ..Guest::step(step) };
        let report = bench.run(&guest, &Setup::default()).await.unwrap();
        assert_eq!(report.end, StepEnd::Running { poll_after_ms: got, watch: Vec::new() });
        assert_eq!(report.progress, Some((String::new(), Some(100), None)));
    }
}

#[tokio::test]
async fn a_suspension_for_nothing_is_a_violation() {
    let bench = Bench::new();
    let guest = Guest::step("(i32.store8 (i32.const 264) (i32.const 2)) (i32.const 256)");
    assert_eq!(fault(bench.run(&guest, &Setup::default()).await).0, "plugin-abi-violation");
}
