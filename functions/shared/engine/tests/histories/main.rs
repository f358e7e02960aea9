//! Short histories of executions, told line by line: what happens, what the execution is then, and when time alone goes on. They
//! combine what the tests beside each event look at one by one. The notation is explained in `notation.rs`; a stage has 60 s, polls
//! after 20 s, is repeated after 10 s, twice, and has 40 s to undo what it began.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

mod notation;

use notation::play;

// Rule 2.5: The four failure choices, with the status of the stage and of the execution
#[test]
fn an_ignored_failure_passes_a_stopped_branch_does_not_and_is_done_again() {
    play(
        "a; b ignore < a; c stop < a; d < b, c",
        &[
            (0, "begin", "RUNNING | a resolving, b -, c -, d -", Some(0)),
            (1, "run a", "RUNNING | a step#0, b -, c -, d -", Some(1)),
            (2, "ok a", "RUNNING | a SUCCEEDED, b resolving, c resolving, d -", Some(2)),
            (3, "run b", "RUNNING | a SUCCEEDED, b step#0, c resolving, d -", Some(2)),
            (4, "run c", "RUNNING | a SUCCEEDED, b step#0, c step#0, d -", Some(3)),
            (5, "fail b", "RUNNING | a SUCCEEDED, b FAILED_CONTINUE, c step#0, d -", Some(4)),
            (6, "fail c", "TERMINAL | a SUCCEEDED, b FAILED_CONTINUE, c STOPPED, d -", None),
            (7, "restart c", "NOT_STARTED | a SUCCEEDED, b FAILED_CONTINUE, c/2 -, d -", Some(0)),
            (8, "begin", "RUNNING | a SUCCEEDED, b FAILED_CONTINUE, c/2 resolving, d -", Some(8)),
            (9, "no c", "RUNNING | a SUCCEEDED, b FAILED_CONTINUE, c/2 SKIPPED, d resolving", Some(9)),
            (10, "dry d", "SUCCEEDED | a SUCCEEDED, b FAILED_CONTINUE, c/2 SKIPPED, d SUCCEEDED", None),
            (11, "restart a", "NOT_STARTED | a/2 -, b/2 -, c/3 -, d/2 -", Some(0)),
        ],
    );
}

// Rule 2.10: Cancel: running stages are told once and end CANCELED, others stay NOT_STARTED
#[test]
fn a_cancel_undoes_what_a_part_began() {
    play(
        "a plans undo; b < a",
        &[
            (0, "begin", "RUNNING | a resolving, b -", Some(0)),
            (1, "run a", "RUNNING | a plan before#0, b -", Some(1)),
            (2, "plan a: x undo; y < x", "RUNNING | a parts, b -, x resolving, y -", Some(2)),
            (3, "run x", "RUNNING | a parts, b -, x step#0, y -", Some(3)),
            (4, "poll x", "RUNNING | a parts, b -, x polls, y -", Some(24)),
            (10, "cancel", "RUNNING | a !parts, b -, x !undo#1, y -", Some(10)),
            (11, "cancel", "execution-ending", Some(10)),
            (11, "pause", "execution-ending", Some(10)),
            (11, "restart a", "execution-ending", Some(10)),
            (11, "skip a", "execution-ending", Some(10)),
            (12, "poll x", "RUNNING | a !parts, b -, x !polls, y -", Some(32)),
            (13, "change x", "RUNNING | a !parts, b -, x !undo#2 poll, y -", Some(13)),
            (14, "ok x", "CANCELED | a CANCELED, b -, x CANCELED, y -", None),
            (15, "restart y", "NOT_STARTED | a/2 -, b -, x CANCELED, y -", Some(0)),
            (16, "begin", "RUNNING | a/2 resolving, b -, x CANCELED, y -", Some(16)),
        ],
    );
}

// Rule 2.3: A TERMINAL stage ends the execution at once and cancels what runs
#[test]
fn what_does_not_stop_in_its_time_counts_as_stopped() {
    play(
        "a; b undo; c < b",
        &[
            (0, "begin", "RUNNING | a resolving, b resolving, c -", Some(0)),
            (1, "run a", "RUNNING | a step#0, b resolving, c -", Some(0)),
            (1, "run b", "RUNNING | a step#0, b step#0, c -", Some(1)),
            (2, "fatal a", "RUNNING | a TERMINAL, b !undo#1, c -", Some(2)),
            (3, "yield b", "RUNNING | a TERMINAL, b !undo#2 poll, c -", Some(3)),
            (4, "again b", "RUNNING | a TERMINAL, b !backs off, c -", Some(14)),
            (13, "tick", "RUNNING | a TERMINAL, b !backs off, c -", Some(14)),
            (14, "tick", "RUNNING | a TERMINAL, b !undo#2 retry 1, c -", Some(14)),
            (15, "wait b 39", "RUNNING | a TERMINAL, b !suspended, c -", Some(39)),
            (39, "tick", "RUNNING | a TERMINAL, b !undo#3 poll, c -", Some(39)),
            (40, "ask b", "RUNNING | a TERMINAL, b !suspended, c -", Some(42)),
            (40, "signal b", "RUNNING | a TERMINAL, b !undo#4 go, c -", Some(40)),
            (41, "tick", "RUNNING | a TERMINAL, b !undo#4 go, c -", Some(40)),
            (42, "tick", "TERMINAL | a TERMINAL, b CANCELED, c -", None),
        ],
    );
}

// Rule 2.6: Paused time is not counted
#[test]
fn a_window_and_a_poll_hold_and_time_stands_still() {
    play(
        "a; b late < a; c",
        &[
            (0, "begin", "RUNNING | a resolving, b -, c resolving", Some(0)),
            (1, "hold a 30", "RUNNING | a window, b -, c resolving", Some(0)),
            (1, "run c", "RUNNING | a window, b -, c step#0", Some(1)),
            (2, "poll c", "RUNNING | a window, b -, c polls", Some(22)),
            (10, "pause", "PAUSED | a window held, b -, c polls held", None),
            (40, "tick", "PAUSED | a window held, b -, c polls held", None),
            (41, "open a", "PAUSED | a resolving held, b -, c polls held", None),
            (42, "pause", "execution-paused", None),
            (50, "resume", "RUNNING | a resolving, b -, c polls", Some(0)),
            (50, "tick", "RUNNING | a resolving, b -, c step#1 poll", Some(0)),
            (51, "ask c", "RUNNING | a resolving, b -, c suspended", Some(0)),
            (52, "run a", "RUNNING | a step#0, b -, c suspended", Some(52)),
            (53, "ok a", "RUNNING | a SUCCEEDED, b resolving, c suspended", Some(53)),
            (54, "run b", "RUNNING | a SUCCEEDED, b step#0, c suspended", Some(54)),
            (55, "ask b", "RUNNING | a SUCCEEDED, b suspended, c suspended", Some(101)),
            (100, "tick", "RUNNING | a SUCCEEDED, b suspended, c suspended", Some(101)),
            (101, "tick", "RUNNING | a SUCCEEDED, b suspended, c step#2 last", Some(101)),
            (102, "ok c", "RUNNING | a SUCCEEDED, b suspended, c SUCCEEDED", Some(114)),
            (113, "tick", "RUNNING | a SUCCEEDED, b suspended, c SUCCEEDED", Some(114)),
            (114, "tick", "RUNNING | a SUCCEEDED, b step#1 last, c SUCCEEDED", Some(114)),
            (115, "ask b", "SUCCEEDED | a SUCCEEDED, b SUCCEEDED, c SUCCEEDED", None),
        ],
    );
}

// Rule 2.3: A failure that may pass is repeated with growing pauses, so many times
#[test]
fn a_repetition_waits_for_the_resume_and_there_are_only_so_many() {
    play(
        "a ignore; b < a",
        &[
            (0, "begin", "RUNNING | a resolving, b -", Some(0)),
            (1, "run a", "RUNNING | a step#0, b -", Some(1)),
            (2, "again a", "RUNNING | a backs off, b -", Some(12)),
            (5, "pause", "PAUSED | a backs off held, b -", None),
            (12, "tick", "PAUSED | a backs off held, b -", None),
            (20, "resume", "RUNNING | a backs off, b -", Some(12)),
            (20, "tick", "RUNNING | a step#0 retry 1, b -", Some(20)),
            (21, "pause", "PAUSED | a step#0 retry 1, b -", Some(20)),
            (22, "again a", "PAUSED | a backs off held, b -", None),
            (23, "resume", "RUNNING | a backs off, b -", Some(32)),
            (32, "tick", "RUNNING | a step#0 retry 2, b -", Some(32)),
            (33, "again a", "RUNNING | a FAILED_CONTINUE, b resolving", Some(33)),
            (34, "broken b", "TERMINAL | a FAILED_CONTINUE, b TERMINAL", None),
        ],
    );
}

// Rule 2.3: A stage that failed may unfold into stages for that
#[test]
fn a_part_that_fails_stops_the_part_beside_it_and_then_its_stage_cleans_up() {
    play(
        "a plans; b < a",
        &[
            (0, "begin", "RUNNING | a resolving, b -", Some(0)),
            (1, "run a", "RUNNING | a plan before#0, b -", Some(1)),
            (2, "plan a: x; y undo; z < x", "RUNNING | a parts, b -, x resolving, y resolving, z -", Some(2)),
            (3, "run x", "RUNNING | a parts, b -, x step#0, y resolving, z -", Some(2)),
            (3, "run y", "RUNNING | a parts, b -, x step#0, y step#0, z -", Some(3)),
            (4, "fail x", "RUNNING | a parts, b -, x TERMINAL, y !undo#1, z -", Some(4)),
            (5, "ok y", "RUNNING | a plan on failure#2, b -, x TERMINAL, y CANCELED, z -", Some(5)),
            (6, "plan a: u", "RUNNING | a parts, b -, x TERMINAL, y CANCELED, z -, u resolving", Some(6)),
            (70, "tick", "RUNNING | a parts, b -, x TERMINAL, y CANCELED, z -, u resolving", Some(6)),
            (70, "run u", "RUNNING | a parts, b -, x TERMINAL, y CANCELED, z -, u step#0", Some(70)),
            (71, "fail u", "TERMINAL | a TERMINAL, b -, x TERMINAL, y CANCELED, z -, u TERMINAL", None),
        ],
    );
}

// Rule 2.3: `allowSiblingStagesToContinueOnFailure`: parts beside a failed one go on
#[test]
fn where_parts_go_on_beside_a_failed_one_what_follows_them_starts_too() {
    play(
        "a plans alone stop; b < a",
        &[
            (0, "begin", "RUNNING | a resolving, b -", Some(0)),
            (1, "run a", "RUNNING | a plan before#0, b -", Some(1)),
            (2, "plan a: x; y; z < y; w < x", "RUNNING | a parts, b -, x resolving, y resolving, z -, w -", Some(2)),
            (3, "broken x", "RUNNING | a parts, b -, x TERMINAL, y resolving, z -, w -", Some(2)),
            (4, "run y", "RUNNING | a parts, b -, x TERMINAL, y step#0, z -, w -", Some(4)),
            (5, "pause", "PAUSED | a parts held, b -, x TERMINAL, y step#0, z -, w -", Some(4)),
            (6, "ok y", "PAUSED | a parts held, b -, x TERMINAL, y SUCCEEDED, z -, w -", None),
            (7, "resume", "RUNNING | a parts, b -, x TERMINAL, y SUCCEEDED, z resolving, w -", Some(7)),
            (8, "no z", "RUNNING | a plan on failure#2, b -, x TERMINAL, y SUCCEEDED, z SKIPPED, w -", Some(8)),
            (9, "fail a", "TERMINAL | a STOPPED, b -, x TERMINAL, y SUCCEEDED, z SKIPPED, w -", None),
        ],
    );
}

// Rule 2.6: A stage's time bounds its parts
#[test]
fn parts_are_stopped_when_the_time_of_their_stage_is_over() {
    play(
        "a plans late; b < a",
        &[
            (0, "begin", "RUNNING | a resolving, b -", Some(0)),
            (1, "run a", "RUNNING | a plan before#0, b -", Some(1)),
            (2, "plan a", "RUNNING | a step#1, b -", Some(2)),
            (3, "ok a", "RUNNING | a plan after#2, b -", Some(3)),
            (4, "plan a: x undo; y < x", "RUNNING | a parts, b -, x resolving, y -", Some(4)),
            (50, "run x", "RUNNING | a parts, b -, x step#0, y -", Some(50)),
            (51, "poll x", "RUNNING | a parts, b -, x polls, y -", Some(61)),
            (60, "tick", "RUNNING | a parts, b -, x polls, y -", Some(61)),
            (61, "tick", "RUNNING | a parts, b -, x !undo#1, y -", Some(61)),
            (62, "poll x", "RUNNING | a parts, b -, x !polls, y -", Some(82)),
            (82, "tick", "RUNNING | a parts, b -, x !undo#2 poll, y -", Some(82)),
            (83, "ask x", "RUNNING | a parts, b -, x !suspended, y -", Some(101)),
            (101, "tick", "RUNNING | a SUCCEEDED, b resolving, x CANCELED, y -", Some(101)),
        ],
    );
}

// Rule 2.3: A stage that failed may unfold into stages for that
#[test]
fn a_stage_that_ran_out_of_time_unfolds_once_into_stages_for_that() {
    play(
        "a plans ignore; b < a",
        &[
            (0, "begin", "RUNNING | a resolving, b -", Some(0)),
            (1, "run a", "RUNNING | a plan before#0, b -", Some(1)),
            (2, "plan a: x", "RUNNING | a parts, b -, x resolving", Some(2)),
            (61, "tick", "RUNNING | a plan on failure#2, b -, x CANCELED", Some(61)),
            (62, "plan a: u; v < u", "RUNNING | a parts, b -, x CANCELED, u resolving, v -", Some(62)),
            (63, "run u", "RUNNING | a parts, b -, x CANCELED, u step#0, v -", Some(63)),
            (64, "ok u", "RUNNING | a parts, b -, x CANCELED, u SUCCEEDED, v resolving", Some(64)),
            (65, "no v", "RUNNING | a FAILED_CONTINUE, b resolving, x CANCELED, u SUCCEEDED, v SKIPPED", Some(65)),
        ],
    );
}

// Rule 2.5: The four failure choices, with the status of the stage and of the execution
#[test]
fn a_part_that_stops_its_branch_says_whether_the_execution_fails_at_the_end() {
    for (part, whole) in [("x stop", "TERMINAL"), ("x drop", "SUCCEEDED")] {
        let (plan, stopped) = (format!("plan a: {part}"), format!("{whole} | a STOPPED, b -, c SUCCEEDED, x STOPPED"));
        play(
            "a plans; b < a; c",
            &[
                (0, "begin", "RUNNING | a resolving, b -, c resolving", Some(0)),
                (1, "run a", "RUNNING | a plan before#0, b -, c resolving", Some(0)),
                (2, &plan, "RUNNING | a parts, b -, c resolving, x resolving", Some(0)),
                (3, "broken x", "RUNNING | a STOPPED, b -, c resolving, x STOPPED", Some(0)),
                (4, "dry c", &stopped, None),
                (5, "restart a", "NOT_STARTED | a/2 -, b -, c SUCCEEDED, x STOPPED", Some(0)),
                (6, "begin", "RUNNING | a/2 resolving, b -, c SUCCEEDED, x STOPPED", Some(6)),
                (7, "run a", "RUNNING | a/2 plan before#0, b -, c SUCCEEDED, x STOPPED", Some(7)),
                (8, "plan a: y drop", "RUNNING | a/2 parts, b -, c SUCCEEDED, x STOPPED, y resolving", Some(8)),
                (9, "broken y", "SUCCEEDED | a/2 STOPPED, b -, c SUCCEEDED, x STOPPED, y STOPPED", None),
            ],
        );
    }
}

// Rule 2.5: What a person must look at is never ignored
#[test]
fn a_plan_that_a_person_must_look_at_is_never_ignored() {
    let planning = [
        (0, "begin", "RUNNING | a resolving, b -", Some(0)),
        (1, "run a", "RUNNING | a plan before#0, b -", Some(1)),
        (2, "plan a", "RUNNING | a step#1, b -", Some(2)),
    ];
    let fatal = |second| (second, "fatal a", "TERMINAL | a TERMINAL, b -", None);
    let before = [&planning[..2], &[fatal(2)]].concat();
    let after = [&planning[..], &[(3, "ok a", "RUNNING | a plan after#2, b -", Some(3)), fatal(4)]].concat();
    let on_failure = [&planning[..], &[(3, "fail a", "RUNNING | a plan on failure#2, b -", Some(3)), fatal(4)]].concat();
    for history in [before, after, on_failure] {
        play("a plans ignore; b < a", &history);
    }
}

// Rule 2.3: Past `startTimeExpiry` it is cancelled instead of begun
#[test]
fn one_that_waits_for_a_slot_begins_with_it_or_ends_without_it() {
    let queued = (0, "queued 30", "NOT_STARTED | a -", Some(30));
    play(
        "a",
        &[
            queued,
            (1, "begin", "NOT_STARTED | a -", Some(30)),
            (2, "pause", "execution-not-started", Some(30)),
            (2, "restart a", "execution-not-started", Some(30)),
            (29, "tick", "NOT_STARTED | a -", Some(30)),
            (29, "grant", "NOT_STARTED | a -", Some(0)),
            (29, "superseded", "NOT_STARTED | a -", Some(0)),
            (29, "begin", "RUNNING | a resolving", Some(29)),
            (30, "tick", "RUNNING | a resolving", Some(29)),
        ],
    );
    play(
        "a",
        &[
            queued,
            (30, "tick", "CANCELED | a -", None),
            (31, "grant", "CANCELED | a -", None),
            (31, "cancel", "execution-ended", None),
            (32, "restart a", "NOT_STARTED | a/2 -", Some(0)),
            (33, "begin", "RUNNING | a/2 resolving", Some(33)),
        ],
    );
    play("a", &[queued, (29, "grant", "NOT_STARTED | a -", Some(0)), (30, "begin", "CANCELED | a -", None)]);
    play("a", &[queued, (29, "superseded", "CANCELED | a -", None)]);
}

// Rule 2.10: Restart: the stage and every completed one after it go back, in a new generation
#[test]
fn a_restart_beside_what_runs_resets_one_branch_with_its_skips() {
    play(
        "a; b skip < a; c skip < b; d",
        &[
            (0, "begin", "RUNNING | a resolving, b -, c -, d resolving", Some(0)),
            (1, "run d", "RUNNING | a resolving, b -, c -, d step#0", Some(0)),
            (2, "skip b", "RUNNING | a resolving, b -, c -, d step#0", Some(0)),
            (3, "skip a", "stage-not-skippable", Some(0)),
            (4, "run a", "RUNNING | a step#0, b -, c -, d step#0", Some(1)),
            (5, "ok a", "RUNNING | a SUCCEEDED, b SKIPPED, c resolving, d step#0", Some(1)),
            (6, "restart b", "stage-running", Some(1)),
            (7, "skip c", "RUNNING | a SUCCEEDED, b SKIPPED, c SKIPPED, d step#0", Some(1)),
            (8, "skip c", "stage-ended", Some(1)),
            (9, "restart b", "RUNNING | a SUCCEEDED, b/2 resolving, c/2 -, d step#0", Some(1)),
            (10, "skip c", "RUNNING | a SUCCEEDED, b/2 resolving, c/2 -, d step#0", Some(1)),
            (11, "restart d", "stage-running", Some(1)),
            (12, "run b", "RUNNING | a SUCCEEDED, b/2 step#0, c/2 -, d step#0", Some(1)),
            (13, "fail b", "TERMINAL | a SUCCEEDED, b/2 TERMINAL, c/2 -, d CANCELED", None),
            (14, "restart b", "NOT_STARTED | a SUCCEEDED, b/3 -, c/2 -, d/2 -", Some(0)),
            (15, "begin", "RUNNING | a SUCCEEDED, b/3 resolving, c/2 -, d/2 resolving", Some(15)),
            (16, "no b", "RUNNING | a SUCCEEDED, b/3 SKIPPED, c/2 SKIPPED, d/2 resolving", Some(15)),
            (17, "cancel", "CANCELED | a SUCCEEDED, b/3 SKIPPED, c/2 SKIPPED, d/2 CANCELED", None),
        ],
    );
}

#[test]
fn a_signal_is_heard_once_also_by_a_step_that_is_repeated() {
    play(
        "a",
        &[
            (0, "begin", "RUNNING | a resolving", Some(0)),
            (0, "signal a", "stage-not-waiting", Some(0)),
            (1, "run a", "RUNNING | a step#0", Some(1)),
            (2, "ask a", "RUNNING | a suspended", Some(61)),
            (3, "pause", "PAUSED | a suspended held", None),
            (4, "signal a", "PAUSED | a step#1 go held", None),
            (5, "signal a", "stage-not-waiting", None),
            (13, "resume", "RUNNING | a step#1 go", Some(4)),
            (14, "again a", "RUNNING | a backs off", Some(24)),
            (24, "tick", "RUNNING | a step#1 go", Some(24)),
            (25, "yield a", "RUNNING | a step#2 poll", Some(25)),
            (26, "ask a", "RUNNING | a suspended", Some(71)),
            (70, "tick", "RUNNING | a suspended", Some(71)),
            (71, "tick", "RUNNING | a step#3 last", Some(71)),
            (72, "again a", "RUNNING | a backs off", Some(82)),
            (82, "tick", "RUNNING | a step#3 last", Some(82)),
            (83, "yield a", "TERMINAL | a TERMINAL", None),
        ],
    );
}

#[test]
fn parts_of_parts_come_to_what_theirs_come_to() {
    play(
        "a plans; b < a",
        &[
            (0, "begin", "RUNNING | a resolving, b -", Some(0)),
            (1, "run a", "RUNNING | a plan before#0, b -", Some(1)),
            (2, "plan a: x plans; y < x", "RUNNING | a parts, b -, x resolving, y -", Some(2)),
            (3, "run x", "RUNNING | a parts, b -, x plan before#0, y -", Some(3)),
            (4, "plan x: u drop", "RUNNING | a parts, b -, x parts, y -, u resolving", Some(4)),
            (5, "run u", "RUNNING | a parts, b -, x parts, y -, u step#0", Some(5)),
            (6, "fail u", "SUCCEEDED | a STOPPED, b -, x STOPPED, y -, u STOPPED", None),
            (7, "restart u", "NOT_STARTED | a/2 -, b -, x STOPPED, y -, u STOPPED", Some(0)),
            (8, "begin", "RUNNING | a/2 resolving, b -, x STOPPED, y -, u STOPPED", Some(8)),
            (9, "run a", "RUNNING | a/2 plan before#0, b -, x STOPPED, y -, u STOPPED", Some(9)),
            (10, "skip y", "stage-ended", Some(9)),
            (11, "plan a: z skip", "RUNNING | a/2 parts, b -, x STOPPED, y -, u STOPPED, z resolving", Some(11)),
            (12, "skip z", "RUNNING | a/2 step#2, b -, x STOPPED, y -, u STOPPED, z SKIPPED", Some(12)),
            (13, "skipped a", "RUNNING | a/2 SKIPPED, b resolving, x STOPPED, y -, u STOPPED, z SKIPPED", Some(13)),
        ],
    );
}
