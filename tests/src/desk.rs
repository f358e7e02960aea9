//! A server with people, the application and its project, and nothing outside: for executions that touch no cluster.

use serde_json::{Value, json};

use crate::api::stage_of;
use crate::documents::{APPLICATION, PROJECT, application, pipeline, with};
use crate::site::{Home, person};
use crate::{Answer, Api, Server};

/// A place where pipelines run that need nothing but people and time.
pub struct Desk<H = Server> {
    /// The server.
    pub server: H,
    /// Gives tokens.
    pub admin: Api,
    /// Configures applications, projects and pipelines.
    pub operator: Api,
    /// Starts and steers.
    pub developer: Api,
}

impl Desk {
    /// A server with the default limits.
    pub async fn new() -> Self {
        Self::of(Server::start().await).await
    }

    /// A server with these limits.
    pub async fn limited(limits: &Value) -> Self {
        let scratch = testkit::places::Scratch::new("limits").unwrap();
        let file = scratch.path().join("limits.json");
        std::fs::write(&file, limits.to_string()).unwrap();
        Self::of(Server::start_with(&["--limits", file.to_str().unwrap()]).await).await
    }
}

impl<H: Home> Desk<H> {
    /// People and the application on a server.
    pub async fn of(server: H) -> Self {
        let admin = server.admin();
        let operator = person(&admin, "olga", "operator", &[]).await;
        let developer = person(&admin, "dana", "developer", &[]).await;
        let desk = Self { server, admin, operator, developer };
        let _ = desk.operator.post("/api/applications", &application()).await.is(201);
        let _ = desk.operator.post("/api/projects", &json!({"name": PROJECT})).await.is(201);
        let _ = desk.operator.put_empty(&format!("/api/projects/{PROJECT}/applications/{APPLICATION}")).await.ok();
        desk
    }

    /// Saves a pipeline of these stages.
    pub async fn save(&self, name: &str, stages: Vec<Value>) -> Value {
        self.save_with(name, stages, json!({})).await
    }

    /// Saves a pipeline of these stages, with these fields as well.
    pub async fn save_with(&self, name: &str, stages: Vec<Value>, more: Value) -> Value {
        let document = with(with(pipeline(stages), json!({"name": name})), more);
        self.put(name, &document).await.ok()
    }

    /// Puts a pipeline's document in its place, whatever comes of it.
    pub async fn put(&self, name: &str, document: &Value) -> Answer {
        let path = format!("/api/applications/{APPLICATION}/pipelines/{name}");
        let there = self.operator.get(&path).await;
        let tag = (there.status == 200).then(|| there.etag());
        let headers: Vec<(&str, &str)> = tag.iter().map(|tag| ("if-match", tag.as_str())).collect();
        self.operator.put_with(&path, &headers, document).await
    }

    /// Changes the application.
    pub async fn change_application(&self, more: Value) {
        let path = format!("/api/applications/{APPLICATION}");
        let there = self.operator.get(&path).await;
        let tag = there.etag();
        let changed = with(there.ok()["application"].clone(), more);
        let _ = self.operator.put_with(&path, &[("if-match", &tag)], &changed).await.ok();
    }

    /// Asks for a start.
    pub async fn ask(&self, name: &str, more: Value) -> Answer {
        self.developer.post("/api/executions", &with(json!({"application": APPLICATION, "pipeline": name}), more)).await
    }

    /// Starts a pipeline and gives the execution's id.
    pub async fn start(&self, name: &str) -> String {
        self.start_with(name, json!({})).await
    }

    /// Starts a pipeline with this beside its name.
    pub async fn start_with(&self, name: &str, more: Value) -> String {
        let made = self.ask(name, more).await.is(201);
        made["execution"].as_str().unwrap().to_owned()
    }

    /// Asks something of an execution: `pause`, `stages/1/skip`, ….
    pub async fn tell(&self, id: &str, what: &str, body: &Value) -> Answer {
        self.developer.post(&format!("/api/executions/{id}/{what}"), body).await
    }

    /// The same, accepted; gives the event's id.
    pub async fn told(&self, id: &str, what: &str, body: &Value) -> String {
        let accepted = self.tell(id, what, body).await.is(202);
        accepted["event"].as_str().unwrap().to_owned()
    }

    /// Answers a judgment.
    pub async fn judge(&self, id: &str, stage: &str, answer: &str) -> Answer {
        self.tell(id, &format!("stages/{stage}/signals/judgment"), &json!({"judgmentStatus": answer})).await
    }

    /// Waits for a judgment to be asked for, and answers it.
    pub async fn judged(&self, id: &str, stage: &str, answer: &str) {
        let asked = |detail: &Value| !stage_of(detail, stage)["signals"].as_array().is_none_or(Vec::is_empty);
        let _ = self.developer.follow(id, "a judgment to be asked for", asked).await;
        let _ = self.judge(id, stage, answer).await.is(202);
    }

    /// Waits until the execution has this status.
    pub async fn is(&self, id: &str, status: &str) -> Value {
        self.developer.follow(id, &format!("the execution to be {status}"), |detail| detail["status"] == status).await
    }

    /// Follows an execution to its end. Whatever it came to, it says why, and so does each of its stages.
    pub async fn ended(&self, id: &str) -> Value {
        let detail = self.developer.ended(id).await;
        let stages = detail["stages"].as_array().into_iter().flatten();
        for one in stages.chain([&detail]) {
            let plain = one["status"] == "SUCCEEDED";
            assert!(plain || one["reason"]["code"].is_string(), "no status without a reason: {one:#}");
        }
        detail
    }

    /// Waits for the child of a stage, and gives its id.
    pub async fn child(&self, id: &str, stage: &str) -> String {
        let named = |detail: &Value| stage_of(detail, stage)["progress"]["details"]["executionId"].is_string();
        let detail = self.developer.follow(id, "a stage to have started another execution", named).await;
        stage_of(&detail, stage)["progress"]["details"]["executionId"].as_str().unwrap().to_owned()
    }

    /// What became of an event, as the log says it; waited for.
    pub async fn verdict(&self, id: &str, event: &str) -> String {
        let path = format!("/api/executions/{id}/log");
        let of = |page: &Value| {
            let entries = page["items"].as_array().into_iter().flatten();
            let mut verdicts = entries.flat_map(|entry| entry["verdicts"].as_array().into_iter().flatten());
            verdicts.find(|verdict| verdict["id"] == event).map(|verdict| verdict["verdict"].as_str().unwrap_or_default().to_owned())
        };
        let page = self.developer.until("the verdict on an event", &path, |page| of(page).is_some()).await;
        of(&page).unwrap()
    }
}

/// A judgment that anybody may answer.
#[must_use]
pub fn ask(ref_id: &str, after: &[&str]) -> Value {
    crate::documents::stage(ref_id, after, "manualJudgment")
}

/// A wait.
#[must_use]
pub fn rest(ref_id: &str, after: &[&str], seconds: u32) -> Value {
    with(crate::documents::stage(ref_id, after, "wait"), json!({"waitTime": seconds}))
}

/// A stage that runs another pipeline of the application.
#[must_use]
pub fn run(ref_id: &str, after: &[&str], name: &str) -> Value {
    with(crate::documents::stage(ref_id, after, "pipeline"), json!({"pipeline": name}))
}

/// A stage that checks whether an expression is true.
#[must_use]
pub fn check(ref_id: &str, after: &[&str], expression: &str) -> Value {
    let precondition = json!({"type": "expression", "context": {"expression": expression}});
    with(crate::documents::stage(ref_id, after, "checkPreconditions"), json!({"preconditions": [precondition]}))
}
