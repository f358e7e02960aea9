//! The `kubernetes` interface: which function is answered where. What changes is in `write`, what asks in `read`.

use super::{begin, read, write};
use crate::bindings::waybill::stage::kubernetes::{
    Applied, ApplyOptions, DeleteOptions, Error, Host, KindInfo, LogOptions, Page, PatchKind, Revision, Rollout,
};
use crate::bindings::waybill::stage::types::{ObjectRef, Selector, Target};
use crate::state::StepState;
use crate::trace::Effect;
use app::ports::LogLevel;

type Answered<T> = wasmtime::Result<Result<T, Error>>;
type AppliedMany = Result<Vec<Applied>, (Vec<Applied>, Error)>;

fn no_session() -> Error {
    Error::Denied("clusters are not available here".into())
}

fn not_yet<T>() -> Answered<T> {
    Ok(Err(Error::Denied(super::denied::NOT_YET.into())))
}

impl Host for StepState {
    async fn resolve(&mut self, at: Target, kind: String) -> Answered<Vec<KindInfo>> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "kubernetes.resolve", Effect::Read, &(&at, &kind));
        let answer = read::resolve(session, &at, &kind).await;
        Ok(session.end(open, answer, Vec::new())?)
    }

    async fn get(&mut self, at: Target, what: ObjectRef, fields: Vec<String>) -> Answered<String> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "kubernetes.get", Effect::Read, &(&at, &what, &fields));
        let mut seen = Vec::new();
        let answer = read::get(session, &at, &what, &fields, &mut seen).await;
        Ok(session.end(open, answer, seen)?)
    }

    async fn list_objects(&mut self, at: Target, query: Selector, fields: Vec<String>) -> Answered<Page> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "kubernetes.list-objects", Effect::Read, &(&at, &query, &fields));
        let mut seen = Vec::new();
        let answer = read::list(session, &at, &query, &fields, &mut seen).await;
        Ok(session.end(open, answer, seen)?)
    }

    async fn rollout_status(&mut self, at: Target, what: ObjectRef) -> Answered<Rollout> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "kubernetes.rollout-status", Effect::Read, &(&at, &what));
        let mut seen = Vec::new();
        let answer = read::rollout(session, &at, &what, &mut seen).await;
        Ok(session.end(open, answer, seen)?)
    }

    async fn pod_logs(&mut self, at: Target, pod: String, opts: LogOptions) -> Answered<String> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "kubernetes.pod-logs", Effect::Read, &(&at, &pod, &opts));
        let answer = read::pod_logs(session, &at, &pod, &opts).await;
        Ok(session.end(open, answer, Vec::new())?)
    }

    async fn apply(&mut self, at: Target, manifest: String, opts: ApplyOptions) -> Answered<Applied> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "kubernetes.apply", session.write_effect(), &(&at, &manifest, &opts));
        let mut told = write::Told::default();
        let answer = match write::apply(session, &open, &["apply"], &at, &[manifest], opts, &mut told).await? {
            Ok(mut applied) => applied.pop().ok_or_else(|| Error::Invalid("the list is empty".into())),
            Err((_, error)) => Err(error),
        };
        write::log_left_out(&mut self.log, &told);
        Ok(session.end(open, answer, told.seen)?)
    }

    async fn apply_many(&mut self, at: Target, manifests: Vec<String>, opts: ApplyOptions) -> wasmtime::Result<AppliedMany> {
        let Some(session) = self.session.as_mut() else { return Ok(Err((Vec::new(), no_session()))) };
        let open = begin!(session, "kubernetes.apply-many", session.write_effect(), &(&at, &manifests, &opts));
        let mut told = write::Told::default();
        let answer = write::apply(session, &open, &["apply-many", "apply"], &at, &manifests, opts, &mut told).await?;
        write::log_left_out(&mut self.log, &told);
        Ok(session.end(open, answer, told.seen)?)
    }

    async fn create(&mut self, at: Target, manifest: String) -> Answered<String> {
        let Some(session) = self.session.as_mut() else { return Ok(Err(no_session())) };
        let open = begin!(session, "kubernetes.create", session.write_effect(), &(&at, &manifest));
        let mut told = write::Told::default();
        let answer = write::create(session, &open, &at, &manifest, &mut told).await?;
        Ok(session.end(open, answer, told.seen)?)
    }

    async fn replace(&mut self, _at: Target, _manifest: String) -> Answered<String> {
        not_yet()
    }

    async fn patch(&mut self, _at: Target, _what: ObjectRef, _kind: PatchKind, _body: String) -> Answered<Applied> {
        not_yet()
    }

    async fn delete(&mut self, _at: Target, _what: ObjectRef, _how: DeleteOptions) -> Answered<()> {
        not_yet()
    }

    async fn scale(&mut self, _at: Target, _what: ObjectRef, _replicas: u32) -> Answered<u32> {
        not_yet()
    }

    async fn history(&mut self, _at: Target, _what: ObjectRef) -> Answered<Vec<Revision>> {
        not_yet()
    }

    async fn undo_rollout(&mut self, _at: Target, _what: ObjectRef, _to_revision: Option<u64>) -> Answered<u64> {
        not_yet()
    }
}

/// Says in the log which fields were left to others, which the contract has no place for.
pub(super) fn log_fields(log: &mut crate::log::LogSink, title: &str, pointers: &[String]) {
    let fields = [("object".to_owned(), title.to_owned()), ("fields".to_owned(), pointers.join(" "))];
    log.emit(LogLevel::Info, &format!("{title}: fields of another controller are left to it"), &fields);
}
