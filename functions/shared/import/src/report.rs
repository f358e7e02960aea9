//! What there is to say of a pipeline that somebody brings: for programs as JSON, for people as text.

use crate::differences::Difference;
use crate::expressions::Expressions;
use crate::flaw::Flaw;
use crate::identities::Identity;
use crate::needs::Need;
use crate::secrets::Secret;
use crate::wrapper::Wrapper;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Something that is kept as it is and does nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsupported {
    /// Where.
    pub pointer: String,
    /// `stage-type`, `trigger-type`, `notification-type`, `function`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// One pipeline, or one file without any.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// The pipeline's name; none for a file that holds none, or cannot be read.
    pub pipeline: Option<String>,
    /// It can be saved.
    pub imported: bool,
    /// Its graph can be made.
    pub planned: bool,
    /// Why not, of either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many stages of each type.
    pub stages: BTreeMap<String, usize>,
    /// How many triggers of each type.
    pub triggers: BTreeMap<String, usize>,
    /// What is kept and does nothing here.
    pub unsupported: Vec<Unsupported>,
    /// What came of its expressions.
    pub expressions: Expressions,
    /// What behaves differently here.
    pub differences: Vec<Difference>,
    /// Secrets in clear text, by their places.
    pub secrets: Vec<Secret>,
    /// What has to be there.
    pub needs: Vec<Need>,
    /// What is wrong.
    pub errors: Vec<Flaw>,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Flaw>,
    /// Keys that are kept and not interpreted, as pointers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// What is issued anew, and what somebody has to set up elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
    /// The application, as the file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// What was around the pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapper: Option<Wrapper>,
    /// Where in the file it stands; the report's pointers begin there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// What a file that holds no pipeline says as its reason.
pub const NO_PIPELINE: &str = "no-pipeline";

impl Report {
    /// A file that cannot be read.
    #[must_use]
    pub fn unreadable(file: &str, flaw: Flaw) -> Self {
        let reason = Some(format!("{}: {}", flaw.code, flaw.message));
        Self { file: file.to_owned(), reason, errors: vec![flaw], ..Self::default() }
    }

    /// A file that holds none.
    #[must_use]
    pub fn none(file: &str, instead: Option<&str>) -> Self {
        let reason = instead.map_or_else(|| NO_PIPELINE.to_owned(), |instead| format!("{NO_PIPELINE}: {instead}"));
        Self { file: file.to_owned(), reason: Some(reason), ..Self::default() }
    }

    /// True for a file that holds none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.errors.is_empty() && self.pipeline.is_none() && self.reason.as_deref().is_some_and(|reason| reason.starts_with(NO_PIPELINE))
    }

    /// True unless something stands in the way of bringing it.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.is_none() || (self.imported && self.planned)
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let name = self.pipeline.as_deref().unwrap_or("-");
        let state = match (self.is_none(), self.imported, self.planned) {
            (true, ..) => "no pipeline",
            (_, true, true) => "can be imported",
            (_, true, false) => "can be imported, and not be planned",
            (_, false, _) => "cannot be imported",
        };
        // Writing to a String does not fail.
        let _ = writeln!(out, "{}: {name}: {state}", self.file);
        let mut line = |what: &str, text: &str| {
            let _ = writeln!(out, "  {what}: {text}");
        };
        if let Some(reason) = self.reason.as_deref().filter(|_| self.errors.is_empty() && !self.is_none()) {
            line("reason", reason);
        }
        self.errors.iter().for_each(|flaw| line("error", &flaw.to_string()));
        self.warnings.iter().for_each(|flaw| line("warning", &flaw.to_string()));
        for (what, counts) in [("stages", &self.stages), ("triggers", &self.triggers)] {
            let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            if !counts.is_empty() {
                line(what, &counts.join(", "));
            }
        }
        self.unsupported.iter().for_each(|u| line("kept as it is", &format!("{} {} at {}", u.kind, u.name, u.pointer)));
        if !self.kept.is_empty() {
            line("kept, not interpreted", &self.kept.join(" "));
        }
        if self.expressions.parsed > 0 || !self.expressions.failed.is_empty() {
            line("expressions", &format!("{} understood, {} not", self.expressions.parsed, self.expressions.failed.len()));
        }
        self.expressions.failed.iter().for_each(|f| line("no expression", &format!("{}: `{}`: {}", f.pointer, f.text, f.message)));
        self.differences.iter().for_each(|d| line("differs", &format!("{} ({}) at {}", d.message, d.code, d.pointers.join(" "))));
        self.secrets.iter().for_each(|s| line("secret in clear text", &format!("{} at {}", s.kind, s.pointer)));
        self.needs.iter().for_each(|n| line("needs", &format!("{} {} at {}", n.kind, n.name, n.pointers.join(" "))));
        self.identities.iter().for_each(|i| line("to do", &format!("{} ({} at {})", i.todo, i.kind, i.pointer)));
        out
    }

    /// Takes a value out of everything that is said.
    pub(crate) fn conceal(&mut self, secret: &str) {
        let hide = |text: &mut String| {
            if text.contains(secret) {
                *text = text.replace(secret, "***");
            }
        };
        for failed in &mut self.expressions.failed {
            hide(&mut failed.text);
            hide(&mut failed.message);
        }
        for flaw in self.errors.iter_mut().chain(&mut self.warnings) {
            hide(&mut flaw.message);
        }
        self.reason.as_mut().map(hide);
        for identity in &mut self.identities {
            hide(&mut identity.todo);
        }
        for unsupported in &mut self.unsupported {
            hide(&mut unsupported.name);
        }
    }
}

/// All of them together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Files that were looked at.
    pub files: usize,
    /// Files that hold no pipeline.
    pub without_pipeline: usize,
    /// Files that cannot be read.
    pub unreadable: usize,
    /// Pipelines.
    pub pipelines: usize,
    /// Of these, can be imported.
    pub imported: usize,
    /// Of these, can be planned.
    pub planned: usize,
    /// Stages of all.
    pub stages: usize,
    /// Stages of types that do nothing here, by type.
    pub unsupported_stages: BTreeMap<String, usize>,
    /// Expressions that are understood.
    pub expressions_parsed: usize,
    /// Expressions that are not.
    pub expressions_failed: usize,
    /// Secrets in clear text.
    pub secrets: usize,
    /// Nothing stands in the way of any.
    pub fine: bool,
}

impl Summary {
    /// Of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { fine: true, ..Self::default() }
    }

    /// Counts one file's reports.
    pub fn count(&mut self, reports: &[Report]) {
        self.files += 1;
        for report in reports {
            self.fine &= report.is_fine();
            if report.is_none() {
                self.without_pipeline += 1;
                continue;
            }
            if report.wrapper.is_none() {
                self.unreadable += 1;
                continue;
            }
            self.pipelines += 1;
            self.imported += usize::from(report.imported);
            self.planned += usize::from(report.planned);
            self.stages += report.stages.values().sum::<usize>();
            for unsupported in report.unsupported.iter().filter(|u| u.kind == "stage-type") {
                *self.unsupported_stages.entry(unsupported.name.clone()).or_default() += 1;
            }
            self.expressions_parsed += report.expressions.parsed;
            self.expressions_failed += report.expressions.failed.len();
            self.secrets += report.secrets.len();
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "{} files: {} pipelines, {} can be imported, {} planned; {} files without a pipeline, {} unreadable\n",
            self.files, self.pipelines, self.imported, self.planned, self.without_pipeline, self.unreadable
        );
        let _ = writeln!(
            out,
            "{} stages; {} expressions understood, {} not; {} secrets in clear text",
            self.stages, self.expressions_parsed, self.expressions_failed, self.secrets
        );
        if !self.unsupported_stages.is_empty() {
            let list: Vec<String> = self.unsupported_stages.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let _ = writeln!(out, "stages that are kept and do nothing here: {}", list.join(", "));
        }
        out
    }
}
