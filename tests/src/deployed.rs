//! An installation of one test on the stand-in for AWS: every function as the real program it is, behind the HTTP API.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::{Cloud, places};
use tokio::process::Command;

use crate::stack::{self, BUCKET, CODE, FUNCTIONS, Settings, TABLE};
use crate::{Api, WAIT_MAX};

const LOG_LINES_SHOWN: usize = 30;

/// The installation. It ends when dropped; then, in a test that failed, the ends of the functions' logs are shown.
pub struct Deployed {
    /// AWS.
    pub cloud: Cloud,
    base: String,
    queue: String,
    dead: String,
    limits: Value,
}

/// What moves an installation by itself.
struct Moves {
    mapped: bool,
    ticking: bool,
    hidden_s: u32,
}

impl Deployed {
    /// One that the queue and the clock move.
    pub async fn start() -> Self {
        Self::with(Moves { mapped: true, ticking: true, hidden_s: 60 }, json!({})).await
    }

    /// The same, where what failed comes again after a second.
    pub async fn impatient() -> Self {
        Self::with(Moves { mapped: true, ticking: true, hidden_s: 1 }, json!({})).await
    }

    /// One that the clock moves, and whose queue nobody looks at.
    pub async fn ticking() -> Self {
        Self::with(Moves { mapped: false, ticking: true, hidden_s: 60 }, json!({})).await
    }

    /// One in which nothing moves but what the test moves itself; with these limits.
    pub async fn still(limits: Value) -> Self {
        Self::with(Moves { mapped: false, ticking: false, hidden_s: 60 }, limits).await
    }

    async fn with(moves: Moves, limits: Value) -> Self {
        let cloud = Cloud::start().await.unwrap();
        cloud.make_bucket(CODE).await.unwrap();
        for (name, _) in FUNCTIONS {
            cloud.put_code(CODE, name, &places::binary(name).unwrap()).await.unwrap();
        }
        let key_file = cloud.folder().join("key").display().to_string();
        let Moves { mapped, ticking, hidden_s } = moves;
        let settings = Settings { endpoint: cloud.endpoint(), key_file, limits: limits.clone(), mapped, ticking, hidden_s };
        let made = cloud.make_stack("waybill", &stack::template(&settings)).await.unwrap();
        // A name, for no function takes an address as its host.
        let host = cloud.endpoint().replace("127.0.0.1", "localhost");
        let base = format!("{host}/_aws/execute-api/{}/$default", made["Api"]);
        let deployed = Self { base, queue: made["Queue"].clone(), dead: made["Dead"].clone(), limits, cloud };
        deployed.install().await;
        deployed
    }

    /// What whoever installs it does.
    async fn install(&self) {
        let (components, token, key) = (places::components().unwrap(), self.file("admin-token"), self.file("key"));
        let named = [("--components", &components), ("--token-file", &token), ("--key-file", &key)];
        let words = named.iter().flat_map(|(option, path)| [*option, path.to_str().unwrap()]);
        let _ = self.waybill(&["install"].into_iter().chain(words).collect::<Vec<_>>()).await;
    }

    fn file(&self, name: &str) -> PathBuf {
        self.cloud.folder().join(name)
    }

    /// What a function has in its environment; AWS is found there.
    #[must_use]
    pub fn environment(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        let mut all = self.cloud.environment();
        all.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
        all.extend([
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("WAYBILL_TABLE", TABLE.to_owned()),
            ("WAYBILL_BUCKET", BUCKET.to_owned()),
            ("WAYBILL_QUEUE", self.queue.clone()),
            ("WAYBILL_DEAD_LETTERS", self.dead.clone()),
            ("WAYBILL_KEY_FILE", self.file("key").display().to_string()),
            ("WAYBILL_LIMITS", self.limits.to_string()),
            ("TMPDIR", self.cloud.folder().display().to_string()),
            ("RUST_LOG", "info".to_owned()),
        ]);
        all
    }

    /// Where the API is.
    #[must_use]
    pub fn url(&self) -> String {
        self.base.clone()
    }

    /// The administrator, by the token that the installation left.
    #[must_use]
    pub fn admin(&self) -> Api {
        let token = fs::read_to_string(self.file("admin-token")).expect("the installation leaves a token");
        Api::new(&self.url(), Some(token.trim()))
    }

    /// Takes hints from the queue, as they are: what is there now, or nothing.
    pub async fn hints(&self) -> Vec<String> {
        self.taken(&self.queue).await
    }

    /// Takes what was laid aside: what is there now, or nothing.
    pub async fn laid_aside(&self) -> Vec<String> {
        self.taken(&self.dead).await
    }

    async fn taken(&self, queue: &str) -> Vec<String> {
        let asked = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
        let came = self.cloud.call("sqs", "AmazonSQS.ReceiveMessage", &asked).await.unwrap();
        let mut bodies = Vec::new();
        for message in came["Messages"].as_array().into_iter().flatten() {
            let taken = json!({"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]});
            let _ = self.cloud.call("sqs", "AmazonSQS.DeleteMessage", &taken).await.unwrap();
            bodies.push(message["Body"].as_str().unwrap().to_owned());
        }
        bodies
    }

    /// Puts something into the queue of hints.
    pub async fn send(&self, body: &str) {
        self.put(&self.queue, body).await;
    }

    /// Lays something aside, as the queue does with what failed again and again.
    pub async fn lay_aside(&self, body: &str) {
        self.put(&self.dead, body).await;
    }

    async fn put(&self, queue: &str, body: &str) {
        let message = json!({"QueueUrl": queue, "MessageBody": body});
        let _ = self.cloud.call("sqs", "AmazonSQS.SendMessage", &message).await.unwrap();
    }

    /// What a `waybill` command prints that speaks to AWS itself.
    pub async fn waybill(&self, words: &[&str]) -> String {
        let mut command = Command::new(places::binary("waybill").unwrap());
        command.args(words).env_clear().envs(self.environment(&self.cloud.endpoint())).stdin(Stdio::null());
        let done = command.output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Hints, waited for.
    pub async fn next_hints(&self) -> Vec<String> {
        let came = testkit::eventually("a hint", WAIT_MAX, || async {
            let hints = self.hints().await;
            Ok::<_, testkit::Error>((!hints.is_empty()).then_some(hints))
        });
        came.await.unwrap()
    }

    /// What the functions logged.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for (name, _) in FUNCTIONS {
            let text = fs::read(self.file(&format!("{name}.log"))).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            all.push_str(&format!("-- {name}\n{}\n", shown.join("\n")));
        }
        all
    }
}

impl Drop for Deployed {
    #[allow(clippy::print_stderr, reason = "a test that failed says why the functions think so")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the functions' logs end with\n{}", self.logs());
        }
    }
}
