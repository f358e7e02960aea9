//! One process of a function, with the emulated runtime before it: what it is handed, and how long it may take, is said by the
//! test.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{LambdaRuntime, places};
use tokio::process::{Child, Command};

use crate::Deployed;

/// The process. It is killed when dropped.
pub struct Worker {
    runtime: LambdaRuntime,
    child: Child,
}

impl Worker {
    /// Starts a function of an installation, which finds AWS there.
    pub async fn start(deployed: &Deployed, function: &str, endpoint: &str) -> Self {
        let runtime = LambdaRuntime::start().await.unwrap();
        let mut command = Command::new(places::binary(function).unwrap());
        let log = std::fs::File::options().create(true).append(true).open(deployed.cloud.folder().join(format!("{function}.log"))).unwrap();
        command.env_clear().envs(deployed.environment(endpoint)).envs(runtime.environment());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let child = command.spawn().unwrap();
        Self { runtime, child }
    }

    /// An event, and the answer.
    pub async fn asked(&self, event: Value) -> Value {
        self.runtime.invoke(event).await.unwrap()
    }

    /// Hints, as the queue hands them on, and so long until the deadline; gives the places of those that failed.
    pub async fn told(&self, hints: &[String], time: Duration) -> Vec<usize> {
        let record = |(place, body): (usize, &String)| json!({"messageId": place.to_string(), "body": body, "receiptHandle": "r"});
        let records: Vec<Value> = hints.iter().enumerate().map(record).collect();
        let answer = self.runtime.invoke_within(json!({"Records": records}), time).await.unwrap();
        let failed = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{answer}"));
        failed.iter().map(|one| one["itemIdentifier"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Ends it as a power cut would.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
