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
/// A fourth, `cancel: fn(&StepInput, &str, &mut impl …) -> Result<Outcome, Failure>`, puts it into world
/// `compensable-stage`.
#[macro_export]
macro_rules! export_stage {
    (describe: $describe:path, validate: $validate:path, step: $step:path, cancel: $cancel:path $(,)?) => {
        $crate::export_stage!(describe: $describe, validate: $validate, step: $step);

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
    (describe: $describe:path, validate: $validate:path, step: $step:path $(,)?) => {
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
}
