//! A few lines of HTTP against a Kubernetes API server, for arranging and looking. It knows JSON and nothing of kinds.

use reqwest::Method;
use serde_json::Value;

use crate::{Error, Result, net};

/// How much of an error's body is quoted.
const MESSAGE_CHARS_MAX: usize = 500;

/// Whoever the token belongs to, talking to one server.
#[derive(Clone)]
pub struct KubeApi {
    client: reqwest::Client,
    server: String,
    token: String,
}

// The token stays out of it.
impl std::fmt::Debug for KubeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeApi").field("server", &self.server).finish_non_exhaustive()
    }
}

impl KubeApi {
    /// Talks to `server` (`https://…`, as in a kubeconfig), trusting `ca_pem`, as the owner of `token`.
    ///
    /// # Errors
    /// [`Error::Http`] when the authority is not a certificate.
    pub fn new(server: &str, ca_pem: &str, token: &str) -> Result<Self> {
        Ok(Self { client: net::client(Some(ca_pem))?, server: server.to_owned(), token: token.to_owned() })
    }

    /// One request; status and body as they come. A body that is not JSON is given as a string.
    ///
    /// # Errors
    /// [`Error::Http`] when no answer comes.
    pub async fn request(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<(u16, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.server)).bearer_auth(&self.token);
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn expect_success(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value> {
        let (status, answer) = self.request(method.clone(), path, body).await?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let message = match answer.get("message").and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => answer.to_string(),
        };
        let message = message.chars().take(MESSAGE_CHARS_MAX).collect();
        Err(Error::Refused { method: method.to_string(), path: path.to_owned(), status, message })
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// [`Error::Refused`] on any status but 2xx.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.expect_success(Method::GET, path, None).await
    }

    /// Reads an object; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Refused`] on any other status but 2xx.
    pub async fn find(&self, path: &str) -> Result<Option<Value>> {
        match self.get(path).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object in the collection at `path`.
    ///
    /// # Errors
    /// [`Error::Refused`] on any status but 2xx, 409 when it exists.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.expect_success(Method::POST, path, Some(("application/json", object))).await
    }

    /// Server-side apply of an object at `path` as `manager`.
    ///
    /// # Errors
    /// [`Error::Refused`] on any status but 2xx, 409 when another manager owns a field.
    pub async fn apply(&self, path: &str, manager: &str, object: &Value) -> Result<Value> {
        let path = format!("{path}?fieldManager={manager}");
        self.expect_success(Method::PATCH, &path, Some(("application/apply-patch+yaml", object))).await
    }

    /// A merge patch of the object at `path`.
    ///
    /// # Errors
    /// [`Error::Refused`] on any status but 2xx.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Value> {
        self.expect_success(Method::PATCH, path, Some(("application/merge-patch+json", patch))).await
    }

    /// Deletes the object at `path`; the dependants follow in the background.
    ///
    /// # Errors
    /// [`Error::Refused`] on any status but 2xx, 404 when there is none.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.expect_success(Method::DELETE, path, None).await
    }
}
