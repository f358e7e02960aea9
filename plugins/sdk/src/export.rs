//! The thin glue between a stage's plain functions and its component.

/// Exports three functions as a component of world `stage`:
///
/// * `describe: fn() -> String`, the manifest as JSON;
/// * `validate: fn(&str) -> Vec<(String, String)>`, every problem as (JSON pointer, message), none when all is well;
/// * `step: fn(&StepInput, &mut impl …) -> Result<Outcome, Failure>`, over the host traits it needs and no others, because
///   what it does not call is not imported.
///
/// On other targets than wasm it expands to nothing.
///
/// Two more may follow, in this order:
///
/// * `plan: fn(Part, &StepInput, &mut impl …) -> Result<Vec<Value>, Failure>`, the stages it unfolds into, which puts it into
///   world `planning-stage`;
/// * `cancel: fn(&StepInput, &str, &mut impl …) -> Result<Outcome, Failure>`, how it stops what it began, which puts it into
///   world `compensable-stage`; with both it is in `full-stage`.
#[macro_export]
macro_rules! export_stage {
    (
        describe: $describe:path, validate: $validate:path, step: $step:path
        $(, plan: $plan:path)? $(, cancel: $cancel:path)? $(,)?
    ) => {
        $crate::export_stage!(@lifecycle $describe, $validate, $step);
        $($crate::export_stage!(@planning $plan);)?
        $($crate::export_stage!(@compensation $cancel);)?
    };
    (@lifecycle $describe:path, $validate:path, $step:path) => {
        #[cfg(target_arch = "wasm32")]
        mod component {
            use $crate::contract::{Failure, Outcome, StepInput};

            struct Component;

            impl $crate::lifecycle::Guest for Component {
                fn describe() -> String {
                    $describe()
                }

                fn validate(params: String) -> Result<(), Vec<(String, String)>> {
                    let problems = $validate(&params);
                    if problems.is_empty() {
                        Ok(())
                    } else {
                        Err(problems)
                    }
                }

                fn step(input: StepInput) -> Result<Outcome, Failure> {
                    $step(&input, &mut $crate::host::Imports)
                }
            }

            $crate::bindings::stage::export_world!(Component with_types_in $crate::bindings::stage);
        }
    };
    (@planning $plan:path) => {
        #[cfg(target_arch = "wasm32")]
        mod planning {
            use $crate::contract::{Failure, Part, StepInput};

            struct Planning;

            fn planned(part: Part, input: &StepInput) -> Result<Vec<String>, Failure> {
                let stages = $plan(part, input, &mut $crate::host::Imports)?;
                Ok(stages.iter().map(ToString::to_string).collect())
            }

            impl $crate::planning::Guest for Planning {
                fn before(input: StepInput) -> Result<Vec<String>, Failure> {
                    planned(Part::Before, &input)
                }

                fn after(input: StepInput) -> Result<Vec<String>, Failure> {
                    planned(Part::After, &input)
                }

                fn on_failure(input: StepInput) -> Result<Vec<String>, Failure> {
                    planned(Part::OnFailure, &input)
                }
            }

            $crate::bindings::planning::export_world!(Planning with_types_in $crate::bindings::planning);
        }
    };
    (@compensation $cancel:path) => {
        #[cfg(target_arch = "wasm32")]
        mod compensation {
            use $crate::contract::{Failure, Outcome, StepInput};

            struct Compensation;

            impl $crate::compensation::Guest for Compensation {
                fn cancel(input: StepInput, reason: String) -> Result<Outcome, Failure> {
                    $cancel(&input, &reason, &mut $crate::host::Imports)
                }
            }

            $crate::bindings::compensation::export_world!(Compensation with_types_in $crate::bindings::compensation);
        }
    };
}
