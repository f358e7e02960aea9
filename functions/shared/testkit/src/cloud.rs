//! AWS on this machine: `ministack`, which answers as DynamoDB, S3, SQS, API Gateway, EventBridge and CloudFormation do, and
//! runs functions. All in memory; it ends with this process.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::part::Part;
use crate::places::{self, Scratch};
use crate::{Error, Result, eventually, net, zip};

/// The region it is asked in.
pub const REGION: &str = "eu-west-1";
/// Access key and secret: any will do.
pub const KEYS: (&str, &str) = ("AKIATEST", "not-a-secret");
const READY_MAX: Duration = Duration::from_secs(30);

/// A running stand-in for AWS.
#[derive(Debug)]
pub struct Cloud {
    // Before the folder: the process ends before its files go.
    _part: Part,
    scratch: Scratch,
    port: u16,
}

impl Cloud {
    /// Starts one and returns when it answers.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not installed; [`Error::Start`] when it does not come up.
    pub async fn start() -> Result<Self> {
        let (program, scratch, port) = (places::ministack()?, Scratch::new("cloud")?, net::free_port()?);
        let mut command = Command::new(program);
        command.current_dir(scratch.path()).env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
        command.env("MINISTACK_REGION", REGION).env("LOG_LEVEL", "WARNING").env("HOME", scratch.path());
        // What functions keep for themselves goes with everything else.
        command.env("TMPDIR", scratch.path());
        let mut part = Part::kept("ministack", &command, &scratch.path().join("log"))?;
        let (client, url) = (net::client(None)?, format!("http://127.0.0.1:{port}/_ministack/health"));
        let ready = eventually("the stand-in for AWS", READY_MAX, || async {
            let status = client.get(&url).send().await?.status();
            Ok::<_, Error>(status.is_success().then_some(()))
        })
        .await;
        part.check()?;
        ready.map_err(|_| Error::start("ministack", part.log_tail()))?;
        Ok(Self { _part: part, scratch, port })
    }

    /// One for all tests of this process.
    ///
    /// # Errors
    /// As [`Cloud::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cloud> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Where it is asked: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a program must have in its environment to speak to it.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let (id, secret) = KEYS;
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", id.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ]
    }

    async fn send(&self, service: &str, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<String> {
        let (id, _) = KEYS;
        // Only the scope is read, by which the service is found.
        let scope = format!("Credential={id}/20250101/{REGION}/{service}/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
        let mut request = net::client(None)?.request(method, format!("{}{path}", self.endpoint())).header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status.is_success() { Ok(text) } else { Err(Error::Invalid(format!("{service} {path}: {status} {text}"))) }
    }

    /// One call of a service that speaks JSON; `target` as in `AmazonSQS.ReceiveMessage`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what it refuses.
    pub async fn call(&self, service: &str, target: &str, body: &Value) -> Result<Value> {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
        let text = self.send(service, Method::POST, "/", &headers, body.to_string().into_bytes()).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| Error::Invalid(format!("{target}: {error}: {text}")))
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is refused.
    pub async fn make_bucket(&self, name: &str) -> Result<()> {
        let place = format!("<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>");
        self.send("s3", Method::PUT, &format!("/{name}"), &[], place.into_bytes()).await.map(drop)
    }

    /// What a function is made of, into a bucket: its `bootstrap` runs a program of this machine, whose log goes into a file of
    /// [`Cloud::folder`].
    ///
    /// # Errors
    /// [`Error::Invalid`] when something is refused.
    pub async fn put_code(&self, bucket: &str, name: &str, program: &Path) -> Result<()> {
        let log = self.folder().join(format!("{name}.log"));
        let script = format!("#!/bin/sh\nexec '{}' 2>>'{}'\n", program.display(), log.display());
        let archive = zip::of_one("bootstrap", script.as_bytes());
        self.send("s3", Method::PUT, &format!("/{bucket}/{name}"), &[], archive).await.map(drop)
    }

    /// Makes a stack, and gives its outputs.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is refused or cannot be made.
    pub async fn make_stack(&self, name: &str, template: &Value) -> Result<HashMap<String, String>> {
        let headers = [("x-amz-target", "CloudFormation_20100515.CreateStack"), ("content-type", "application/x-amz-json-1.0")];
        let body = json!({"StackName": name, "TemplateBody": template.to_string()}).to_string();
        self.send("cloudformation", Method::POST, "/", &headers, body.into_bytes()).await?;
        let made = eventually("the stack", READY_MAX, || async {
            let headers = [("x-amz-target", "CloudFormation_20100515.DescribeStacks"), ("content-type", "application/x-amz-json-1.0")];
            let body = json!({"StackName": name}).to_string().into_bytes();
            let text = self.send("cloudformation", Method::POST, "/", &headers, body).await?;
            let status = between(&text, "<StackStatus>", "</StackStatus>").unwrap_or_default().to_owned();
            Ok::<_, Error>((!status.ends_with("_IN_PROGRESS")).then_some((status, text)))
        });
        let (status, text) = made.await?;
        if status != "CREATE_COMPLETE" {
            return Err(Error::Invalid(format!("the stack is {status}: {text}")));
        }
        let outputs = text.split("<OutputKey>").skip(1);
        let pair = |rest: &str| Some((rest.split_once('<')?.0.to_owned(), between(rest, "<OutputValue>", "</OutputValue>")?.to_owned()));
        Ok(outputs.filter_map(pair).collect())
    }

    /// Its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}
