//! AWS on this machine: `ministack`, which answers as DynamoDB, S3 and SQS do. All in memory; it ends with this process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::part::Part;
use crate::places::{self, Scratch};
use crate::{Error, Result, eventually, net};

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

    /// Its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }
}
