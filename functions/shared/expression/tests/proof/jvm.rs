//! The real evaluator: found, started once, asked in batches.

use crate::agree::Said;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

const MISSING: &str =
    "the real evaluator is not built: run `cargo dev setup` (needs a JDK 17 and Maven), or name its jar in WAYBILL_ORACLE";
/// What decides what the jar does. `cargo dev setup` keeps a copy of each beside the jar, and it is known by them.
const RECIPE: [(&str, &str); 8] = [
    ("pom.xml", include_str!("../oracle/pom.xml")),
    ("src/oracle/Access.java", include_str!("../oracle/src/oracle/Access.java")),
    ("src/oracle/Answers.java", include_str!("../oracle/src/oracle/Answers.java")),
    ("src/oracle/Bench.java", include_str!("../oracle/src/oracle/Bench.java")),
    ("src/oracle/Evaluator.java", include_str!("../oracle/src/oracle/Evaluator.java")),
    ("src/oracle/Functions.java", include_str!("../oracle/src/oracle/Functions.java")),
    ("src/oracle/Main.java", include_str!("../oracle/src/oracle/Main.java")),
    ("src/oracle/Model.java", include_str!("../oracle/src/oracle/Model.java")),
];

/// One question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) text: &'a str,
    pub(crate) context: &'a Value,
    /// Without the list of return types, which refuses what our users may well write.
    pub(crate) open: bool,
}

/// A running evaluator. It ends with its input, so with us.
pub(crate) struct Oracle(Child);

impl Oracle {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("java");
        command.args(["-Xss8m", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar"]).arg(jar());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("java is needed for the real evaluator: install a JDK 17"))
    }

    /// The answers, in order.
    pub(crate) fn ask(&mut self, questions: &[Question<'_>]) -> Vec<Said> {
        let mut lines = String::new();
        for (id, Question { text, context, open }) in questions.iter().enumerate() {
            let reach = if *open { "open" } else { "listed" };
            lines.push_str(&json!({"id": id, "text": text, "context": context, "reach": reach}).to_string());
            lines.push('\n');
        }
        let mut answers = Vec::with_capacity(questions.len());
        let input = self.0.stdin.as_mut().unwrap();
        let output = self.0.stdout.as_mut().unwrap();
        std::thread::scope(|scope| {
            // Beside the reading, or both pipes would fill up.
            scope.spawn(move || {
                input.write_all(lines.as_bytes()).unwrap();
                input.flush().unwrap();
            });
            for line in BufReader::new(output).lines().take(questions.len()) {
                let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
                assert_eq!(answer["id"], json!(answers.len()), "an answer out of turn: {answer}");
                answers.push(Said::by_oracle(&answer));
            }
        });
        assert_eq!(answers.len(), questions.len(), "the real evaluator ended early");
        answers
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn jar() -> PathBuf {
    match env::var_os("WAYBILL_ORACLE").filter(|value| !value.is_empty()) {
        Some(jar) => {
            let jar = PathBuf::from(jar);
            assert!(jar.is_file(), "WAYBILL_ORACLE names {}, which is not there", jar.display());
            jar
        }
        None => cached().expect(MISSING),
    }
}

fn cached() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("waybill/oracle");
    let same = |folder: &Path| RECIPE.iter().all(|(name, text)| fs::read(folder.join(name)).is_ok_and(|bytes| bytes == text.as_bytes()));
    let folder = fs::read_dir(cache).ok()?.flatten().map(|entry| entry.path()).find(|folder| same(folder))?;
    Some(folder.join("oracle.jar")).filter(|jar| jar.is_file())
}
