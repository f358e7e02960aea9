//! What a stage may ask its host for, as narrow traits; a step names those it needs, and nothing else is linked in.
//!
//! They cover what the built-in stages call. What is not here yet is in [`crate::bindings`], ready to be used.

use crate::contract::{Blame, Failure, ObjectRef, RunInfo, Target};

pub use crate::bindings::stage::waybill::stage::artifacts::Error as ArtifactError;
pub use crate::bindings::stage::waybill::stage::executions::Error as ExecutionError;
pub use crate::bindings::stage::waybill::stage::expressions::Error as ExpressionError;
pub use crate::bindings::stage::waybill::stage::kubernetes::{Applied, ApplyOptions, Error as ClusterError, KindInfo, Reason, Rollout};
pub use crate::bindings::stage::waybill::stage::log::Level;

/// Lines for the stage's log.
pub trait Log {
    /// One line with fields to search by.
    fn log(&mut self, level: Level, message: &str, fields: &[(&str, &str)]);
}

/// Where this stage runs, and what its execution knows.
pub trait Context {
    /// Application, pipeline, execution and stage.
    fn info(&mut self) -> RunInfo;
    /// A value of the execution by JSON pointer; `None` when there is none.
    ///
    /// # Errors
    /// The host's reason, when the pointer is not one or the value is not for this stage.
    fn lookup(&mut self, pointer: &str) -> Result<Option<String>, String>;
}

/// Artifacts in the stage's context.
pub trait Artifacts {
    /// All of them, nearest first, in Spinnaker's JSON shape.
    ///
    /// # Errors
    /// When the host cannot or may not give them.
    fn in_context(&mut self) -> Result<Vec<String>, ArtifactError>;
}

/// The expression language of pipelines, on the context this stage may see.
pub trait Expressions {
    /// The value of a template as JSON text. `locals` is a JSON object whose keys come before everything else.
    ///
    /// # Errors
    /// Where and why it cannot be evaluated.
    fn evaluate(&mut self, template: &str, locals: &str) -> Result<String, ExpressionError>;
}

/// Other pipelines' runs, with the rights of this execution.
pub trait Executions {
    /// Starts a pipeline, by id or name, with a JSON trigger body. Repeated in the same attempt it gives the same child.
    ///
    /// # Errors
    /// `Refused` when it cannot be started now, with the reason for people.
    fn start(&mut self, application: &str, pipeline: &str, trigger: &str) -> Result<String, ExecutionError>;
    /// These fields of an execution as a JSON object.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn get(&mut self, id: &str, fields: &[String]) -> Result<String, ExecutionError>;
    /// Asks an execution to end; one that has ended already is fine.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn cancel(&mut self, id: &str, reason: &str) -> Result<(), ExecutionError>;
}

/// A cluster, within the stage's grant.
pub trait Cluster {
    /// Kinds by any name people use for them.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    fn resolve(&mut self, at: &Target, kind: &str) -> Result<Vec<KindInfo>, ClusterError>;
    /// A live object as JSON text; no fields means all of it.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn get(&mut self, at: &Target, what: &ObjectRef, fields: &[String]) -> Result<String, ClusterError>;
    /// Server-side apply of up to 100 objects in this order.
    ///
    /// # Errors
    /// The first error, after the objects that were applied before it.
    fn apply_many(
        &mut self,
        at: &Target,
        manifests: &[String],
        options: ApplyOptions,
    ) -> Result<Vec<Applied>, (Vec<Applied>, ClusterError)>;
    /// Creates an object, whose name the host derives when the manifest gives only its beginning.
    ///
    /// # Errors
    /// `Conflict` when it exists and another step made it.
    fn create(&mut self, at: &Target, manifest: &str) -> Result<String, ClusterError>;
    /// Whether an object has settled, by the rules for its kind.
    ///
    /// # Errors
    /// `NotFound` when the object is gone.
    fn rollout_status(&mut self, at: &Target, what: &ObjectRef) -> Result<Rollout, ClusterError>;
}

/// The failure a cluster's error becomes; `what` names the object or the act.
pub fn cluster_failure(what: &str, error: &ClusterError) -> Failure {
    let of = |code: &str, blame, text: &str| Failure::new(code, blame, format!("{what}: {text}"));
    match error {
        ClusterError::Denied(text) => of("denied", Blame::User, text),
        ClusterError::NotFound => of("not-found", Blame::User, "it does not exist"),
        ClusterError::Conflict(text) => of("field-conflict", Blame::User, text),
        ClusterError::Invalid(text) => of("invalid-manifest", Blame::User, text),
        ClusterError::Throttled(after_ms) => of("throttled", Blame::Target, &throttled(*after_ms)).retryable(Some(*after_ms)),
        ClusterError::Unavailable(text) => of("unavailable", Blame::Target, text).retryable(None),
        ClusterError::TooLarge(bytes) => of("too-large", Blame::User, &format!("{bytes} bytes are too many")),
        ClusterError::Quota(text) => of("quota", Blame::Plugin, text),
    }
}

/// What a cluster says that asks to wait so long.
pub fn throttled(after_ms: u32) -> String {
    format!("the API server answers 429 and asks to come again in {} s", after_ms.div_ceil(1_000))
}

/// The failure an artifact error becomes.
pub fn artifact_failure(what: &str, error: &ArtifactError) -> Failure {
    let of = |code: &str, blame, text: &str| Failure::new(code, blame, format!("{what}: {text}"));
    match error {
        ArtifactError::Denied(text) => of("denied", Blame::User, text),
        ArtifactError::NotFound => of("not-found", Blame::User, "there is no such artifact"),
        ArtifactError::TooLarge(bytes) => of("too-large", Blame::User, &format!("{bytes} bytes are too many")),
        ArtifactError::Quota(text) => of("quota", Blame::Plugin, text),
        ArtifactError::Unavailable(text) => of("unavailable", Blame::Target, text).retryable(None),
        ArtifactError::Invalid(text) => of("invalid-artifact", Blame::User, text),
    }
}

/// The failure an error about another execution becomes.
pub fn execution_failure(what: &str, error: &ExecutionError) -> Failure {
    let of = |code: &str, blame, text: &str| Failure::new(code, blame, format!("{what}: {text}"));
    match error {
        ExecutionError::Denied(text) => of("denied", Blame::User, text),
        ExecutionError::NotFound => of("not-found", Blame::User, "it does not exist"),
        ExecutionError::Refused(text) => of("refused", Blame::User, text),
        ExecutionError::Quota(text) => of("quota", Blame::Plugin, text),
        ExecutionError::Unavailable(text) => of("unavailable", Blame::Platform, text).retryable(None),
    }
}

/// The host itself, inside a component.
#[cfg(target_arch = "wasm32")]
#[derive(Debug, Clone, Copy)]
pub struct Imports;

#[cfg(target_arch = "wasm32")]
mod imports {
    use super::*;
    use crate::bindings::stage::waybill::stage::{artifacts, context, executions, expressions, kubernetes, log};

    impl Log for Imports {
        fn log(&mut self, level: Level, message: &str, fields: &[(&str, &str)]) {
            let fields: Vec<_> = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            log::emit(level, message, &fields);
        }
    }

    impl Context for Imports {
        fn info(&mut self) -> RunInfo {
            context::info()
        }

        fn lookup(&mut self, pointer: &str) -> Result<Option<String>, String> {
            context::lookup(pointer)
        }
    }

    impl Artifacts for Imports {
        fn in_context(&mut self) -> Result<Vec<String>, ArtifactError> {
            artifacts::in_context()
        }
    }

    impl Expressions for Imports {
        fn evaluate(&mut self, template: &str, locals: &str) -> Result<String, ExpressionError> {
            expressions::evaluate(template, locals)
        }
    }

    impl Executions for Imports {
        fn start(&mut self, application: &str, pipeline: &str, trigger: &str) -> Result<String, ExecutionError> {
            executions::start(application, pipeline, trigger)
        }

        fn get(&mut self, id: &str, fields: &[String]) -> Result<String, ExecutionError> {
            executions::get(id, fields)
        }

        fn cancel(&mut self, id: &str, reason: &str) -> Result<(), ExecutionError> {
            executions::cancel(id, reason)
        }
    }

    impl Cluster for Imports {
        fn resolve(&mut self, at: &Target, kind: &str) -> Result<Vec<KindInfo>, ClusterError> {
            kubernetes::resolve(at, kind)
        }

        fn get(&mut self, at: &Target, what: &ObjectRef, fields: &[String]) -> Result<String, ClusterError> {
            kubernetes::get(at, what, fields)
        }

        fn apply_many(
            &mut self,
            at: &Target,
            manifests: &[String],
            options: ApplyOptions,
        ) -> Result<Vec<Applied>, (Vec<Applied>, ClusterError)> {
            kubernetes::apply_many(at, manifests, options)
        }

        fn create(&mut self, at: &Target, manifest: &str) -> Result<String, ClusterError> {
            kubernetes::create(at, manifest)
        }

        fn rollout_status(&mut self, at: &Target, what: &ObjectRef) -> Result<Rollout, ClusterError> {
            kubernetes::rollout_status(at, what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: ClusterError, code: &str, retryable: bool) {
        let failure = cluster_failure("Deployment web", &error);
        assert_eq!(failure.code, code);
        assert_eq!(failure.retryable, retryable);
        assert!(failure.message.starts_with("Deployment web: "), "{}", failure.message);
    }

    #[test]
    fn each_cluster_error_has_its_code() {
        check(ClusterError::Denied("no".into()), "denied", false);
        check(ClusterError::NotFound, "not-found", false);
        check(ClusterError::Conflict("helm owns .spec.replicas".into()), "field-conflict", false);
        check(ClusterError::Invalid("spec".into()), "invalid-manifest", false);
        check(ClusterError::Throttled(1500), "throttled", true);
        check(ClusterError::Unavailable("refused".into()), "unavailable", true);
        check(ClusterError::TooLarge(9), "too-large", false);
        check(ClusterError::Quota("100 calls".into()), "quota", false);
        let throttled = cluster_failure("x", &ClusterError::Throttled(1500));
        assert_eq!(throttled.retry_after_ms, Some(1500));
    }

    #[test]
    fn each_error_about_an_execution_has_its_code() {
        let check = |error, code: &str, retryable| {
            let failure = execution_failure("execution e2", &error);
            assert_eq!((failure.code.as_str(), failure.retryable), (code, retryable));
            assert!(failure.message.starts_with("execution e2: "), "{}", failure.message);
        };
        check(ExecutionError::Denied("no".into()), "denied", false);
        check(ExecutionError::NotFound, "not-found", false);
        check(ExecutionError::Refused("disabled".into()), "refused", false);
        check(ExecutionError::Quota("100 calls".into()), "quota", false);
        check(ExecutionError::Unavailable("the store".into()), "unavailable", true);
    }
}
