//! Other executions, from a script.

use app::ports::{Executions, ExecutionsError};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Mutex;

/// Remembers what it was asked. A step starts one child, however often it asks.
#[derive(Default)]
pub(crate) struct ScriptedExecutions {
    pub(crate) calls: Mutex<Vec<String>>,
    /// How many executions there are.
    pub(crate) children: Mutex<Vec<String>>,
    /// Answers of everything, when there is one.
    pub(crate) fails: Mutex<Option<ExecutionsError>>,
    /// How many bytes `get` answers.
    pub(crate) outputs_bytes: usize,
}

impl ScriptedExecutions {
    /// The only child.
    pub(crate) const CHILD: &'static str = "01CHILD";

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn asked(&self, call: String) -> Result<(), ExecutionsError> {
        self.calls.lock().unwrap().push(call);
        self.fails.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Executions for ScriptedExecutions {
    async fn start(&self, application: &str, pipeline: &str, trigger: &Value) -> Result<String, ExecutionsError> {
        self.asked(format!("start {application}/{pipeline} {trigger}"))?;
        let mut children = self.children.lock().unwrap();
        if children.is_empty() {
            children.push(Self::CHILD.to_owned());
        }
        Ok(Self::CHILD.to_owned())
    }

    async fn get(&self, id: &str, fields: &[String]) -> Result<Value, ExecutionsError> {
        self.asked(format!("get {id} {}", fields.join(",")))?;
        Ok(json!({"status": "RUNNING", "outputs": "x".repeat(self.outputs_bytes)}))
    }

    async fn newest(&self, application: &str, pipeline: &str, statuses: &[String]) -> Result<Option<String>, ExecutionsError> {
        self.asked(format!("newest {application}/{pipeline} {}", statuses.join(",")))?;
        Ok(self.children.lock().unwrap().last().cloned())
    }

    async fn cancel(&self, id: &str, reason: &str) -> Result<(), ExecutionsError> {
        self.asked(format!("cancel {id} {reason}"))
    }
}
