//! Samples and their quantiles: nearest rank, never interpolated, so that every figure was really seen.

use serde_json::{Value, json};
use std::time::Duration;

/// Durations of one kind.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = Duration>) {
        self.0.extend(more);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Number, smallest, median, 99th of a hundred, largest and mean, in milliseconds.
    pub(crate) fn summary(&self) -> Value {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |hundredths: usize| {
            let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().map(ms)
        };
        let mean = sorted.iter().sum::<Duration>().checked_div(u32::try_from(sorted.len()).unwrap_or(u32::MAX));
        json!({
            "n": sorted.len(), "min": sorted.first().copied().map(ms), "p50": at(50), "p99": at(99),
            "max": sorted.last().copied().map(ms), "mean": mean.map(ms),
        })
    }
}

/// Milliseconds, to the microsecond.
pub(crate) fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// A ratio or rate, to three digits.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let mut samples = Samples::default();
        samples.extend((1..=200).rev().map(Duration::from_millis));
        let summary = samples.summary();
        assert_eq!(
            (&summary["p50"], &summary["p99"], &summary["min"], &summary["max"]),
            (&json!(100.0), &json!(198.0), &json!(1.0), &json!(200.0))
        );
        assert_eq!(summary["mean"], 100.5);
    }

    #[test]
    fn one_and_none_are_fine() {
        let mut samples = Samples::default();
        assert_eq!(samples.summary()["p50"], Value::Null);
        samples.push(Duration::from_micros(1_500));
        assert_eq!(samples.summary()["p99"], 1.5);
    }
}
