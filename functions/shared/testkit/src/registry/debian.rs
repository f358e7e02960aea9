//! Debian's `docker-registry`, which is Docker Distribution, on a folder of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Notifications, PASSWORD_FILE};
use crate::part::Part;
use crate::places::Scratch;
use crate::{Error, Result, eventually, net};

const READY_MAX: Duration = Duration::from_secs(20);

/// A running registry program and its files.
#[derive(Debug)]
pub(super) struct Debian {
    part: Option<Part>,
    scratch: Scratch,
    program: PathBuf,
    port: u16,
    login: bool,
}

impl Debian {
    pub(super) async fn start(program: PathBuf, login: bool, notifications: Option<&Notifications>) -> Result<Self> {
        let scratch = Scratch::new("registry")?;
        let mut registry = Self { part: None, scratch, program, port: net::free_port()?, login };
        registry.restart(notifications).await?;
        Ok(registry)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it anew with other notifications; what was pushed stays. Notifications still on their way are lost.
    pub(super) async fn restart(&mut self, notifications: Option<&Notifications>) -> Result<()> {
        self.part = None;
        let file = |name: &str| self.scratch.path().join(name);
        let write = |name: &str, text: &str| fs::write(file(name), text).map_err(Error::io(file(name)));
        write("htpasswd", PASSWORD_FILE)?;
        write("config.yml", &self.configuration(notifications).to_string())?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg(file("config.yml"));
        let mut part = Part::kept("docker-registry", &command, &file("log"))?;
        let (client, url) = (net::client(None)?, format!("http://127.0.0.1:{}/v2/", self.port));
        let ready = eventually("the registry", READY_MAX, || async {
            let status = client.get(&url).send().await?.status().as_u16();
            Ok::<_, Error>(matches!(status, 200 | 401).then_some(()))
        })
        .await;
        part.check()?;
        ready.map_err(|_| Error::start("docker-registry", part.log_tail()))?;
        self.part = Some(part);
        Ok(())
    }

    /// JSON is YAML.
    fn configuration(&self, notifications: Option<&Notifications>) -> Value {
        let path = self.scratch.path().join("htpasswd");
        let auth = self.login.then(|| json!({ "htpasswd": { "realm": "testkit", "path": path } }));
        let endpoint = |Notifications { url, headers }: &Notifications| {
            let headers: Map<String, Value> = headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
            json!({ "name": "hook", "url": url, "headers": headers, "timeout": "5s", "threshold": 10, "backoff": "200ms" })
        };
        let mut configuration = json!({
            "version": 0.1,
            "log": { "level": "warn", "accesslog": { "disabled": true } },
            "storage": {
                "filesystem": { "rootdirectory": self.scratch.path().join("data") },
                "delete": { "enabled": true },
            },
            "http": { "addr": format!("127.0.0.1:{}", self.port), "secret": "for this run only" },
            "notifications": { "endpoints": notifications.map(endpoint).into_iter().collect::<Vec<_>>() },
        });
        if let (Some(auth), Some(all)) = (auth, configuration.as_object_mut()) {
            all.insert("auth".to_owned(), auth);
        }
        configuration
    }
}
