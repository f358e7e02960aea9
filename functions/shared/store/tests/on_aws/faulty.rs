//! A client for HTTP that does to the next requests what a test says, and lets all others pass.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It comes to nobody, and nobody answers.
    Lost,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is carried out, and nobody ever answers.
    Silence,
    /// It is answered so, by status and JSON, and not carried out.
    Answer(u16, String),
    /// It is carried out, and answered so.
    AnswerAfter(u16, String),
    /// Of the page that is found, only so many items come.
    ShortPage(usize),
}

impl Fault {
    /// Too much to do.
    pub(crate) fn throttled() -> Self {
        Self::error(400, "ThrottlingException", "Rate exceeded")
    }

    /// Trouble of DynamoDB's own.
    pub(crate) fn trouble() -> Self {
        Self::error(500, "InternalServerError", "Internal error")
    }

    pub(crate) fn error(status: u16, kind: &str, message: &str) -> Self {
        Self::Answer(status, json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": message}).to_string())
    }

    /// The transaction was cancelled for these reasons, one a part.
    pub(crate) fn canceled(reasons: &[(&str, Option<Value>)]) -> Self {
        let reasons: Vec<Value> = reasons.iter().map(|(code, item)| json!({"Code": code, "Item": item, "Message": "told"})).collect();
        let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        Self::Answer(400, json!({"__type": kind, "Message": "cancelled", "CancellationReasons": reasons}).to_string())
    }
}

/// Plans what happens. Clones plan for the same client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    planned: VecDeque<Fault>,
    requests: Vec<String>,
}

impl Faults {
    /// Plans for the next requests.
    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().planned.extend(faults);
    }

    /// Forgets what is planned and was not met.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().planned.clear();
    }

    /// The bodies of the requests so far; forgotten afterwards.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    /// The client.
    pub(crate) fn client(&self) -> SharedHttpClient {
        let inner = aws_smithy_http_client::Builder::new().build_http();
        SharedHttpClient::new(Client { faults: self.clone(), inner })
    }
}

#[derive(Debug)]
struct Client {
    faults: Faults,
    inner: SharedHttpClient,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { faults: self.faults.clone(), inner })
    }
}

#[derive(Debug)]
struct Connector {
    faults: Faults,
    inner: SharedHttpConnector,
}

fn answer(status: u16, body: String) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}

fn lost() -> ConnectorError {
    ConnectorError::timeout("no answer in time".into())
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fault = {
            let mut state = self.faults.0.lock().unwrap();
            let body = request.body().bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            state.requests.push(body.unwrap_or_default());
            state.planned.pop_front()
        };
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                None => inner.call(request).await,
                Some(Fault::Lost) => Err(lost()),
                Some(Fault::AnswerLost) => {
                    drop(read(inner.call(request).await?).await);
                    Err(lost())
                }
                Some(Fault::Silence) => {
                    drop(read(inner.call(request).await?).await);
                    std::future::pending().await
                }
                Some(Fault::Answer(status, body)) => Ok(answer(status, body)),
                Some(Fault::AnswerAfter(status, body)) => {
                    drop(read(inner.call(request).await?).await);
                    Ok(answer(status, body))
                }
                Some(Fault::ShortPage(items)) => {
                    let (status, body) = read(inner.call(request).await?).await;
                    Ok(answer(status, short(&body, items)))
                }
            }
        })
    }
}

async fn read(response: HttpResponse) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = ByteStream::new(response.into_body()).collect().await.unwrap().into_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// The page cut off after so many items, with the key to go on after.
fn short(body: &str, items: usize) -> String {
    let mut page: Value = serde_json::from_str(body).unwrap();
    let Some(list) = page.get_mut("Items").and_then(Value::as_array_mut).filter(|list| list.len() > items && items > 0) else {
        return body.to_owned();
    };
    list.truncate(items);
    let last = list.last().unwrap();
    let mut key = json!({"pk": last["pk"], "sk": last["sk"]});
    for name in ["ds", "d"] {
        // Of the index, unless the whole item is there.
        if last.get("v").is_none() {
            key[name] = last[name].clone();
        }
    }
    page["LastEvaluatedKey"] = key;
    page["Count"] = json!(items);
    page.to_string()
}
