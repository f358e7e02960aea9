//! A client of the API as anybody could write it: JSON over HTTP, with problem documents decoded. It retries nothing.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use testkit::{eventually, net};

/// Longer than anything a test causes takes, even on a busy machine.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Somebody who talks to a server.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer, whatever it is.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked: method and path.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `null` when there is none.
    pub body: Value,
}

impl Answer {
    /// The body of a good answer.
    #[must_use]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {} {}", self.asked, self.status, self.body);
        self.body
    }

    /// The body of an answer with exactly this status.
    #[must_use]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.body);
        self.body
    }

    /// The problem document, with this status and this code.
    pub fn refused(self, status: u16, code: &str) -> Value {
        let media_type = self.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(media_type, "application/problem+json", "{}: {} {}", self.asked, self.status, self.body);
        assert_eq!((self.status, self.body["code"].as_str().unwrap_or_default()), (status, code), "{}: {}", self.asked, self.body);
        assert_eq!(self.body["status"], status, "{}: {}", self.asked, self.body);
        assert!(self.body["traceId"].is_string() && self.body["title"].is_string(), "{}: {}", self.asked, self.body);
        self.body
    }

    /// The problem document of a 422 in which an error stands at this pointer with this code; gives that error's message.
    pub fn invalid(self, pointer: &str, code: &str) -> String {
        let asked = self.asked.clone();
        let problem = self.refused(422, "invalid");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let found = errors.iter().find(|error| error["pointer"] == pointer && error["code"] == code);
        let Some(found) = found else { panic!("{asked}: no error `{code}` at `{pointer}`: {problem}") };
        let message = found["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{asked}: the error says nothing to people: {problem}");
        message.to_owned()
    }

    /// The entity tag.
    #[must_use]
    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

impl Api {
    /// Talks to the server at `base`, as the owner of the token.
    #[must_use]
    pub fn new(base: &str, token: Option<&str>) -> Self {
        Self { client: net::client(None).unwrap(), base: base.to_owned(), token: token.map(str::to_owned) }
    }

    /// The same server, as somebody else.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// One request with headers and a body as they are.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn raw(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer, reqwest::Error> {
        let asked = format!("{method} {path}");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok(Answer { asked, status, headers, body })
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut headers = headers.to_vec();
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let answer = self.raw(method, path, &headers, bytes).await;
        answer.unwrap_or_else(|error| panic!("{path} got no answer: {error:?}"))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// GET with headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, None).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// POST with headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(Method::POST, path, headers, Some(body)).await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    /// PUT with headers.
    pub async fn put_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(Method::PUT, path, headers, Some(body)).await
    }

    /// PUT without a body.
    pub async fn put_empty(&self, path: &str) -> Answer {
        self.send(Method::PUT, path, &[], None).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// All entries of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{joint}after={after}")).await.ok();
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => return items,
            }
        }
    }

    /// Reads the thing at `path` until it is so. A server that is away meanwhile is waited for.
    pub async fn until(&self, what: &str, path: &str, so: impl Fn(&Value) -> bool) -> Value {
        let last = std::sync::Mutex::new(Value::Null);
        let found = eventually(what, WAIT_MAX, || async {
            let answer = self.raw(Method::GET, path, &[], Vec::new()).await?;
            let fits = answer.status == 200 && so(&answer.body);
            *last.lock().unwrap() = answer.body.clone();
            Ok::<_, reqwest::Error>(fits.then_some(answer.body))
        });
        let found = found.await;
        found.unwrap_or_else(|error| panic!("{error}; {path} says {:#}", last.lock().unwrap()))
    }

    /// Waits until an account's check has ended.
    pub async fn checked(&self, kind: &str, name: &str) -> Value {
        let path = format!("/api/accounts/{kind}/{name}");
        self.until("the check of an account", &path, |account| account["state"] != "verifying").await
    }

    /// Follows an execution until it is so, by held questions.
    pub async fn follow(&self, id: &str, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let version = std::sync::Mutex::new(None::<u64>);
        let last = std::sync::Mutex::new(Value::Null);
        let found = eventually(what, WAIT_MAX, || async {
            let after = version.lock().unwrap().map(|version| format!("?after={version}&hold=5")).unwrap_or_default();
            let answer = self.raw(Method::GET, &format!("/api/executions/{id}{after}"), &[], Vec::new()).await?;
            *version.lock().unwrap() = answer.body["version"].as_u64();
            let fits = answer.status == 200 && so(&answer.body);
            *last.lock().unwrap() = answer.body.clone();
            Ok::<_, reqwest::Error>(fits.then_some(answer.body))
        });
        let found = found.await;
        found.unwrap_or_else(|error| panic!("{error}; the execution is {:#}", last.lock().unwrap()))
    }

    /// Follows an execution to its end.
    pub async fn ended(&self, id: &str) -> Value {
        self.follow(id, "the end of an execution", |detail| !detail["endedMs"].is_null()).await
    }

    /// Waits until a stage of an execution has this status.
    pub async fn stage_is(&self, id: &str, stage: &str, status: &str) -> Value {
        let what = format!("stage {stage} to be {status}");
        let detail = self.follow(id, &what, |detail| stage_of(detail, stage)["status"] == status).await;
        stage_of(&detail, stage).clone()
    }
}

/// A stage of an execution's detail; `null` when there is none.
#[must_use]
pub fn stage_of<'a>(detail: &'a Value, ref_id: &str) -> &'a Value {
    let stages = detail["stages"].as_array();
    stages.into_iter().flatten().find(|stage| stage["refId"] == ref_id).unwrap_or(&Value::Null)
}
