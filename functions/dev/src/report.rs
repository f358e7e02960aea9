//! The figures of a run: steps with their times, what was left out and why, and how many tests passed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::libtest::Figures;

/// One step that ran.
#[derive(Debug)]
struct Step {
    name: String,
    ok: bool,
    took: Duration,
}

/// Grows while the run goes on.
#[derive(Debug)]
pub(crate) struct Report {
    start: Instant,
    steps: Vec<Step>,
    skipped: Vec<(String, String)>,
    tests: Option<Figures>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), steps: Vec::new(), skipped: Vec::new(), tests: None }
    }

    pub(crate) fn step(&mut self, name: &str, ok: bool, took: Duration) {
        self.steps.push(Step { name: name.to_owned(), ok, took });
    }

    pub(crate) fn skip(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.skipped.push((what.into(), why.into()));
    }

    pub(crate) fn tests(&mut self, figures: Figures) {
        self.tests.get_or_insert_default().add(figures);
    }

    /// No step failed, no test failed.
    pub(crate) fn ok(&self) -> bool {
        self.tests.is_none_or(|tests| tests.failed == 0) && self.steps.iter().all(|step| step.ok)
    }

    pub(crate) fn json(&self) -> Value {
        let steps: Vec<Value> =
            self.steps.iter().map(|step| json!({ "name": step.name, "ok": step.ok, "wall_ms": millis(step.took) })).collect();
        let skipped: Vec<Value> = self.skipped.iter().map(|(what, why)| json!({ "what": what, "why": why })).collect();
        let tests = self.tests.unwrap_or_default();
        json!({
            "ok": self.ok(), "steps": steps, "skipped": skipped, "wall_ms": millis(self.start.elapsed()),
            "tests": { "passed": tests.passed, "failed": tests.failed, "ignored": tests.ignored },
        })
    }

    pub(crate) fn print(&self, json: bool) {
        if json {
            println!("{}", self.json());
            return;
        }
        println!();
        for Step { name, ok, took } in &self.steps {
            println!("{:5} {:>8.1} s  {name}", if *ok { "ok" } else { "FAIL" }, took.as_secs_f32());
        }
        for (what, why) in &self.skipped {
            println!("skip  {what}: {why}");
        }
        println!("{:5} {:>8.1} s", "all", self.start.elapsed().as_secs_f32());
        if let Some(Figures { passed, failed, .. }) = self.tests {
            println!("{passed} passed, {failed} failed");
        }
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_or_step_fails_the_run() {
        let mut report = Report::new();
        report.step("fmt", true, Duration::ZERO);
        report.tests(Figures { passed: 2, failed: 0, ignored: 0 });
        assert!(report.ok());
        report.tests(Figures { passed: 0, failed: 1, ignored: 0 });
        assert!(!report.ok());
        let mut report = Report::new();
        report.step("fmt", false, Duration::ZERO);
        assert!(!report.ok());
    }

    #[test]
    fn the_object_has_stable_keys() {
        let mut report = Report::new();
        report.skip("fuzzing", "no Python");
        let keys: Vec<String> = report.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 5);
        for key in ["ok", "steps", "skipped", "wall_ms", "tests"] {
            assert!(keys.iter().any(|k| k == key), "{key}");
        }
        assert_eq!(report.json()["skipped"][0]["what"], "fuzzing");
    }
}
