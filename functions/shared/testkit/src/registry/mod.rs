//! A container registry on this machine: Debian's `docker-registry` where it is installed, else a small one in this
//! process with the same interface. Both tell a URL about pushes.

mod debian;
mod image;
mod small;

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;

use crate::places::{self, Scratch};
use crate::{Error, Result, net};
use debian::Debian;
use image::Image;
use small::Small;

/// User name and password of a registry that asks for a login.
pub const LOGIN: (&str, &str) = ("robot", "correct-horse");
/// The same, as `docker-registry` reads it (bcrypt, cheap).
const PASSWORD_FILE: &str = "robot:$2y$05$4bLEnnPSSkcKcwAoeseOCOGXfyANtBknILv.leQyEWPQcDyt/h99O\n";
const PUSH_MAX: Duration = Duration::from_secs(60);

/// Where pushes are told.
#[derive(Debug, Clone, Deserialize)]
pub struct Notifications {
    /// Who is told.
    pub url: String,
    /// Sent along, for instance `Authorization`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// Which registry program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Program {
    /// Debian's where installed, else the small one.
    #[default]
    Preferred,
    /// Debian's `docker-registry`.
    Debian,
    /// The one in this process.
    Small,
}

/// How a registry is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where pushes are told, if anywhere.
    pub notifications: Option<Notifications>,
    /// Whether it asks for [`LOGIN`], by HTTP Basic.
    pub login: bool,
    /// Which program.
    pub program: Program,
}

/// A running registry. It ends when dropped, at the latest with this process.
#[derive(Debug)]
pub struct Registry {
    running: Running,
    login: bool,
}

#[derive(Debug)]
enum Running {
    Debian(Debian),
    Small(Small),
}

impl Registry {
    /// Starts one and returns when it answers.
    ///
    /// # Errors
    /// [`Error::Missing`] when Debian's is asked for and not installed; [`Error::Start`] when it does not come up.
    pub async fn start(options: Options) -> Result<Self> {
        let Options { notifications, login, program } = options;
        let installed = places::on_path("docker-registry");
        let running = match (program, installed) {
            (Program::Small, _) | (Program::Preferred, None) => Running::Small(Small::start(login, notifications).await?),
            (_, Some(installed)) => Running::Debian(Debian::start(installed, login, notifications.as_ref()).await?),
            (Program::Debian, None) => {
                return Err(Error::Missing { what: "docker-registry".into(), advice: "apt-get install docker-registry".into() });
            }
        };
        Ok(Self { running, login })
    }

    /// `127.0.0.1:PORT`, the first part of an image's name. It speaks plain HTTP.
    #[must_use]
    pub fn address(&self) -> String {
        let port = match &self.running {
            Running::Debian(debian) => debian.port(),
            Running::Small(small) => small.port(),
        };
        format!("127.0.0.1:{port}")
    }

    /// Whether this is Debian's program.
    #[must_use]
    pub fn is_debian(&self) -> bool {
        matches!(self.running, Running::Debian(_))
    }

    /// Tells pushes to somebody else from now on, or to nobody. What was pushed stays, and so does the address.
    ///
    /// # Errors
    /// [`Error::Start`] when the program does not come up again.
    pub async fn notify(&mut self, notifications: Option<Notifications>) -> Result<()> {
        match &mut self.running {
            Running::Debian(debian) => debian.restart(notifications.as_ref()).await,
            Running::Small(small) => {
                small.notify(notifications);
                Ok(())
            }
        }
    }

    /// Pushes an image made of `content`, through skopeo where it is installed, and gives its digest.
    ///
    /// # Errors
    /// [`Error::Start`] with what skopeo said, or [`Error::Refused`].
    pub async fn push_image(&self, repository: &str, tag: &str, content: &[u8]) -> Result<String> {
        if places::on_path("skopeo").is_some() {
            self.push_with_skopeo(repository, tag, content).await
        } else {
            self.push_over_http(repository, tag, content).await
        }
    }

    /// Pushes an image as `skopeo copy` does.
    ///
    /// # Errors
    /// [`Error::Start`] with what skopeo said.
    pub async fn push_with_skopeo(&self, repository: &str, tag: &str, content: &[u8]) -> Result<String> {
        let image = Image::new(content);
        let scratch = Scratch::new("image")?;
        image.write_layout(scratch.path())?;
        let mut command = tokio::process::Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false"]);
        if self.login {
            command.arg(format!("--dest-creds={}:{}", LOGIN.0, LOGIN.1));
        }
        command.arg(format!("oci:{}", scratch.path().display()));
        command.arg(format!("docker://{}/{repository}:{tag}", self.address()));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PUSH_MAX, command.output()).await;
        match output {
            Err(_) => Err(Error::start("skopeo", "no end in a minute")),
            Ok(Err(error)) => Err(Error::start("skopeo", error.to_string())),
            Ok(Ok(output)) if output.status.success() => Ok(image.digest()),
            Ok(Ok(output)) => Err(Error::start("skopeo", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Pushes an image with plain requests.
    ///
    /// # Errors
    /// [`Error::Refused`] when the registry refuses.
    pub async fn push_over_http(&self, repository: &str, tag: &str, content: &[u8]) -> Result<String> {
        let image = Image::new(content);
        let base = format!("http://{}", self.address());
        for blob in &image.blobs {
            let begun = self.send("POST", &base, &format!("/v2/{repository}/blobs/uploads/"), None).await?;
            let location = begun.headers().get("location").and_then(|value| value.to_str().ok());
            let location = location.ok_or_else(|| Error::Invalid("an upload without a location".into()))?.to_owned();
            let path = location.strip_prefix(&base).unwrap_or(&location);
            let joint = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{joint}digest={}", image::digest(blob));
            self.send("PUT", &base, &path, Some(("application/octet-stream", blob))).await?;
        }
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.send("PUT", &base, &path, Some((image::MANIFEST_TYPE, &image.manifest))).await?;
        Ok(image.digest())
    }

    async fn send(&self, method: &str, base: &str, path: &str, body: Option<(&str, &[u8])>) -> Result<reqwest::Response> {
        let verb = method.parse().map_err(|_| Error::Invalid(method.to_owned()))?;
        let mut request = net::client(None)?.request(verb, format!("{base}{path}"));
        if self.login {
            request = request.basic_auth(LOGIN.0, Some(LOGIN.1));
        }
        if let Some((media_type, bytes)) = body {
            request = request.header("content-type", media_type).body(bytes.to_vec());
        }
        let answer = request.send().await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer.text().await.unwrap_or_default();
        Err(Error::Refused { method: method.to_owned(), path: path.to_owned(), status: status.as_u16(), message })
    }
}
