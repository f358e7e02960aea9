//! A host with a folder of its own, and the well-behaved component that runs after each other one.

use crate::guest::Guest;
use crate::parts::Setup;
use app::ports::{StageHost, StepEnd, StepFault, StepReport};
use stage_host::{HostOptions, WasmHost};
use stage_types::Compiler;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

/// A host with a folder of its own.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) host: Arc<WasmHost>,
    pub(crate) compiler: Compiler,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let host = WasmHost::new(HostOptions::new(folder.path().to_owned())).unwrap();
        Self { folder, host, compiler: Compiler::new().unwrap() }
    }

    /// Compiles a guest into the folder and gives its digest.
    pub(crate) fn install(&self, guest: &Guest) -> String {
        let compiled = self.compiler.compile("guest.wasm", &guest.component()).unwrap();
        self.put(&compiled.cwasm_sha256, &compiled.cwasm);
        compiled.cwasm_sha256
    }

    pub(crate) fn put(&self, sha256: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(format!("{sha256}.cwasm")), bytes).unwrap();
    }

    pub(crate) async fn step(&self, sha256: &str, setup: &Setup) -> Result<StepReport, StepFault> {
        let mut call = setup.call();
        call.cwasm_sha256 = sha256.to_owned();
        self.host.step(call).await
    }

    /// The step of a guest, followed by that of a well-behaved one.
    pub(crate) async fn run(&self, guest: &Guest, setup: &Setup) -> Result<StepReport, StepFault> {
        let ended = self.step(&self.install(guest), setup).await;
        self.control().await;
        ended
    }

    pub(crate) async fn control(&self) {
        let sha256 = self.install(&Guest::default());
        let report = self.step(&sha256, &Setup::default()).await.unwrap();
        assert!(matches!(report.end, StepEnd::Succeeded(_)), "{report:?}");
        assert_eq!(self.host.validate(&sha256, "{}").await.unwrap(), []);
    }
}

/// Code and message of a component's fault.
pub(crate) fn fault(ended: Result<StepReport, StepFault>) -> (&'static str, String) {
    match ended {
        Err(StepFault::Plugin { code, message, .. }) => (code, message),
        other => panic!("no fault of the component: {other:?}"),
    }
}

/// Why there is no such component.
pub(crate) fn refusal(ended: Result<StepReport, StepFault>) -> String {
    match ended {
        Err(StepFault::Component(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}
