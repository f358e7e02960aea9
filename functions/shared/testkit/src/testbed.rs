//! Control plane and registry for a program in another process: `cargo dev up`, `cargo dev test`, `cargo dev cluster`.
//!
//! It starts what is asked for, says in one line of JSON where everything is, and stays until it is told to go. A small
//! HTTP control lets the story push images and say where pushes are told, without knowing how registries work.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, oneshot};

use crate::control_plane::{self, ControlPlane};
use crate::faults::{FaultProxy, Script};
use crate::net::Served;
use crate::places::Scratch;
use crate::registry::{self, Notifications, Registry};
use crate::{Error, Result};

/// How it is called.
pub const USAGE: &str = "\
usage: testbed [--no-control-plane] [--no-registry] [--faults FILE] [--detached] [-- PROGRAM ARGUMENT...]

With --faults the control plane is behind a proxy that does to requests what the script in FILE says. Without PROGRAM it stays until its standard input ends (with --detached: until a signal). With PROGRAM it runs that and
ends with it; `{kubeconfig}`, `{context}`, `{registry}` and `{control}` in its arguments are replaced.
";

/// What to start and how long to stay.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    no_control_plane: bool,
    no_registry: bool,
    faults: Option<PathBuf>,
    detached: bool,
    program: Vec<OsString>,
}

impl Plan {
    fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self> {
        let mut plan = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--no-control-plane") => plan.no_control_plane = true,
                Some("--no-registry") => plan.no_registry = true,
                Some("--faults") => plan.faults = Some(file(arguments.next())?),
                Some("--detached") => plan.detached = true,
                Some("--") => plan.program = arguments.by_ref().collect(),
                _ => return Err(Error::Invalid(format!("{}\n{USAGE}", argument.display()))),
            }
        }
        match plan.no_control_plane && plan.faults.is_some() {
            true => Err(Error::Invalid(format!("--faults needs a control plane\n{USAGE}"))),
            false => Ok(plan),
        }
    }
}

fn file(argument: Option<OsString>) -> Result<PathBuf> {
    argument.map(PathBuf::from).ok_or_else(|| Error::Invalid(format!("--faults names no file\n{USAGE}")))
}

/// Where everything is. Also the one line the program prints.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Whereabouts {
    /// The process to end, by a signal, when it is detached.
    pub pid: u32,
    /// The administrator's kubeconfig, as a file.
    pub kubeconfig: Option<PathBuf>,
    /// The context to choose in it.
    pub context: Option<String>,
    /// `127.0.0.1:PORT` of the registry, plain HTTP, no login.
    pub registry: Option<String>,
    /// Base URL of the control: `PUT /notifications` `{url, headers: [[name, value]]}` says where pushes are told (an
    /// empty body stops it), `POST /images` `{repository, tag, content}` pushes an image and answers `{image, digest}`.
    pub control: Option<String>,
    /// Base URL of the proxy before the control plane, if there is one: `PUT /script` gives it another script,
    /// `GET /records?after=N` is what it was asked since.
    #[serde(default)]
    pub faults: Option<String>,
}

/// Everything `testbed` does, with its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = Plan::parse(arguments).and_then(|plan| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(Error::io("a runtime"))?.block_on(carry_out(plan))
    });
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let mut text = format!("testbed: {error}\n");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(&format!("  because: {cause}\n"));
                source = cause.source();
            }
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The proxy, where its kubeconfig lies, and its control.
struct Misbehaving {
    proxy: FaultProxy,
    control: Served,
    folder: Scratch,
}

impl Misbehaving {
    async fn start(plane: &ControlPlane, script: &Path) -> Result<Self> {
        let text = fs::read_to_string(script).map_err(Error::io(script))?;
        let script = Script::from_json(&text).map_err(|problems| {
            let lines = problems.iter().map(|problem| format!("{}: {} {}", script.display(), problem.pointer, problem.message));
            Error::Invalid(lines.collect::<Vec<_>>().join("\n"))
        })?;
        let proxy = FaultProxy::start(&plane.kubeconfig(), script).await?;
        let (control, folder) = (Served::start(proxy.control()).await?, Scratch::new("faults")?);
        let made = Self { control, folder, proxy };
        fs::write(made.kubeconfig(), made.proxy.kubeconfig()).map_err(Error::io(made.kubeconfig()))?;
        Ok(made)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("admin.kubeconfig")
    }
}

async fn carry_out(plan: Plan) -> Result<u8> {
    let io = |name: &'static str| Error::io(name);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io("SIGTERM"))?;
    let mut whereabouts = Whereabouts { pid: std::process::id(), ..Whereabouts::default() };
    let start = async {
        let plane = match plan.no_control_plane {
            true => None,
            false => Some(ControlPlane::start(control_plane::Options::default()).await?),
        };
        let registry = match plan.no_registry {
            true => None,
            false => Some(Registry::start(registry::Options::default()).await?),
        };
        let faults = match (&plane, &plan.faults) {
            (Some(plane), Some(script)) => Some(Misbehaving::start(plane, script).await?),
            _ => None,
        };
        Ok::<_, Error>((plane, registry, faults))
    };
    let (plane, registry, faults) = tokio::select! {
        started = start => started?,
        _ = interrupt.recv() => return Ok(130),
        _ = terminate.recv() => return Ok(143),
    };
    whereabouts.kubeconfig = faults.as_ref().map(Misbehaving::kubeconfig).or(plane.as_ref().map(ControlPlane::kubeconfig_file));
    whereabouts.faults = faults.as_ref().map(|faults| faults.control.url(""));
    whereabouts.context = plane.as_ref().map(|_| control_plane::CONTEXT.to_owned());
    whereabouts.registry = registry.as_ref().map(Registry::address);
    let control = match registry {
        Some(registry) => Some(Served::start(control(registry)).await?),
        None => None,
    };
    whereabouts.control = control.as_ref().map(|served| served.url(""));
    if plan.program.is_empty() {
        announce(&whereabouts)?;
        let input_ended = input_ended(plan.detached);
        tokio::select! {
            _ = input_ended => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        return Ok(0);
    }
    // The terminal sends Ctrl-C to the program as well, which then ends in its own time: we only wait for it.
    let mut child = program(&plan.program, &whereabouts)?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(io("the program"))?;
                return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.start_kill().map_err(io("the program"))?,
        }
    }
}

fn announce(whereabouts: &Whereabouts) -> Result<()> {
    let line = serde_json::to_string(whereabouts).map_err(|error| Error::Invalid(error.to_string()))?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(Error::io("standard output"))
}

/// Ends when standard input does. A thread of its own reads it: the runtime's would keep the process from ending.
async fn input_ended(detached: bool) {
    let (sender, receiver) = oneshot::channel();
    if !detached {
        std::thread::spawn(move || {
            let mut byte = [0];
            let mut input = std::io::stdin().lock();
            while input.read(&mut byte).is_ok_and(|count| count > 0) {}
            let _ = sender.send(());
        });
        let _ = receiver.await;
    } else {
        std::future::pending::<()>().await;
    }
}

fn program(words: &[OsString], whereabouts: &Whereabouts) -> Result<tokio::process::Child> {
    let path = whereabouts.kubeconfig.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let replace = |word: &OsString| match word.to_str() {
        Some("{kubeconfig}") => path.clone().into(),
        Some("{context}") => whereabouts.context.clone().unwrap_or_default().into(),
        Some("{registry}") => whereabouts.registry.clone().unwrap_or_default().into(),
        Some("{control}") => whereabouts.control.clone().unwrap_or_default().into(),
        _ => word.clone(),
    };
    let (name, arguments) = words.split_first().ok_or_else(|| Error::Invalid("no program".into()))?;
    let mut command = tokio::process::Command::new(name);
    command.args(arguments.iter().map(replace)).kill_on_drop(true);
    command.spawn().map_err(Error::io(name.to_string_lossy().into_owned()))
}

type Shared = Arc<Mutex<Registry>>;

fn control(registry: Registry) -> Router {
    Router::new().route("/notifications", put(set_notifications)).route("/images", post(push)).with_state(Arc::new(Mutex::new(registry)))
}

async fn set_notifications(State(registry): State<Shared>, body: String) -> Response {
    let notifications: Option<Notifications> = match body.trim() {
        "" => None,
        text => match serde_json::from_str(text) {
            Ok(notifications) => Some(notifications),
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        },
    };
    match registry.lock().await.notify(notifications).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct Push {
    repository: String,
    tag: String,
    content: String,
}

async fn push(State(registry): State<Shared>, Json(push): Json<Push>) -> Response {
    let registry = registry.lock().await;
    match registry.push_image(&push.repository, &push.tag, push.content.as_bytes()).await {
        Ok(digest) => {
            let image = format!("{}/{}:{}", registry.address(), push.repository, push.tag);
            Json(json!({ "image": image, "digest": digest })).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Plan> {
        Plan::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn what_follows_two_dashes_is_the_program() {
        let plan = parse(&["--no-registry", "--", "ls", "--detached"]).unwrap();
        assert!(plan.no_registry && !plan.detached && !plan.no_control_plane);
        assert_eq!(plan.program, ["ls", "--detached"]);
    }

    #[test]
    fn faults_are_before_a_control_plane() {
        assert_eq!(parse(&["--faults", "script.json"]).unwrap().faults, Some("script.json".into()));
        for words in [&["--faults"][..], &["--faults", "script.json", "--no-control-plane"]] {
            assert!(parse(words).unwrap_err().to_string().contains("usage:"), "{words:?}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_usage() {
        let text = parse(&["--bogus"]).unwrap_err().to_string();
        assert!(text.contains("--bogus") && text.contains("usage:"), "{text}");
    }
}
