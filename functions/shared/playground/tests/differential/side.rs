//! One of the two servers, as a client sees it.

use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;

/// One request, the same for both sides but for what stands in braces: `{rv}` is what that side's variable `rv` holds.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) accept: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) user_agent: Option<String>,
    pub(crate) anonymous: bool,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { method, path, accept: None, content_type: None, body: None, user_agent: None, anonymous: false }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path).body("application/json", body.to_string())
    }

    pub(crate) fn put(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PUT, path).body("application/json", body.to_string())
    }

    pub(crate) fn merge(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PATCH, path).body("application/merge-patch+json", body.to_string())
    }

    pub(crate) fn json(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PATCH, path).body("application/json-patch+json", body.to_string())
    }

    pub(crate) fn strategic(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PATCH, path).body("application/strategic-merge-patch+json", body.to_string())
    }

    pub(crate) fn apply(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PATCH, path).body("application/apply-patch+yaml", body.to_string())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        (self.content_type, self.body) = (Some(content_type.to_owned()), Some(body.into()));
        self
    }

    pub(crate) fn accept(mut self, accept: &str) -> Self {
        self.accept = Some(accept.to_owned());
        self
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

/// What a server said.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, pointer: &str) -> String {
        match self.body.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

pub(crate) struct Side {
    client: reqwest::Client,
    server: String,
    token: String,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Side {
    pub(crate) fn new(server: &str, ca_pem: Option<&str>, token: &str) -> Self {
        let client = testkit::net::client(ca_pem).unwrap();
        Self { client, server: server.to_owned(), token: token.to_owned(), variables: BTreeMap::new() }
    }

    fn filled(&self, text: &str) -> String {
        self.variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    pub(crate) async fn open(&self, call: &Call) -> reqwest::Response {
        let mut request = self.client.request(call.method.clone(), format!("{}{}", self.server, self.filled(&call.path)));
        if !call.anonymous {
            request = request.bearer_auth(&self.token);
        }
        let user_agent = call.user_agent.as_deref().unwrap_or("differential/1.0 (linux)");
        request = request.header("user-agent", user_agent).header("accept", call.accept.as_deref().unwrap_or("application/json"));
        if let Some(content_type) = &call.content_type {
            request = request.header("content-type", content_type);
        }
        if let Some(body) = &call.body {
            request = request.body(std::str::from_utf8(body).map_or_else(|_| body.clone(), |text| self.filled(text).into_bytes()));
        }
        request.send().await.unwrap_or_else(|error| panic!("{} {}: {error:?}", call.method, call.path))
    }

    pub(crate) async fn ask(&self, call: &Call) -> Answer {
        let answer = self.open(call).await;
        let header =
            |name: &str| answer.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
        let (status, warnings): (u16, Vec<String>) = (answer.status().as_u16(), header("warning"));
        let content_type = header("content-type").first().cloned().unwrap_or_default();
        let text = answer.text().await.unwrap_or_default();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, content_type, warnings, body }
    }
}
