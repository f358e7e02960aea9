//! Stage type `no-op`: succeeds at once. For measurements; it is never installed by itself.
#![allow(clippy::result_large_err, reason = "a failure is built once and ends its step; boxing it would only hide that")]

use sdk::contract::{Failure, Outcome, Results, StepInput};

/// The manifest.
pub fn describe() -> String {
    include_str!("../manifest.json").to_owned()
}

/// Every setting is fine.
pub fn validate(_params: &str) -> Vec<(String, String)> {
    Vec::new()
}

/// One step: the only one.
///
/// # Errors
/// Never.
pub fn step<H>(_input: &StepInput, _host: &mut H) -> Result<Outcome, Failure> {
    Ok(Outcome::Succeeded(Results::message("did nothing")))
}

sdk::export_stage!(describe: crate::describe, validate: crate::validate, step: crate::step);

#[cfg(test)]
mod tests {
    use super::*;
    use sdk::testing;

    #[test]
    fn it_succeeds_at_once() {
        let outcome = step(&testing::start("{}"), &mut ()).unwrap();
        assert!(matches!(outcome, Outcome::Succeeded(_)));
        assert!(validate("{}").is_empty());
    }
}
