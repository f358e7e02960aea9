//! `waybill serve`: every function in this process, on a folder. It listens on loopback unless told otherwise, and stops in
//! order: nothing new, commits finished, leases given back, the store closed.

mod admin;
mod background;
pub(crate) mod components;
mod held;
mod http;
mod limits;
mod parts;
mod playground;
mod stop;

pub(crate) use stop::Stop;

use crate::failure::Failure;
use crate::out;
use clap::Args;
use parts::Parts;
use serde_json::json;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long requests under way may take once the server stops; held ones answer at once.
const REQUESTS_GRACE: Duration = Duration::from_secs(5);
/// How long steps under way may take once the server stops.
const STEPS_GRACE: Duration = Duration::from_secs(10);

/// How the server is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of the store, the key, blobs and the first administrator's token; made when it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8484")]
    listen: SocketAddr,
    /// Folder with the stage components and their index, as `cargo dev plugins` makes it; otherwise `components` beside
    /// this program or one folder above it.
    #[arg(long, value_name = "DIR", env = "WAYBILL_COMPONENTS")]
    components: Option<PathBuf>,
    /// Address under which others reach this server, for the hooks it shows.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Listen on other addresses than loopback, without TLS: only behind a proxy that adds it.
    #[arg(long)]
    allow_public: bool,
    /// JSON file with limits of executions that differ from the defaults, such as {"timeZone": "Asia/Shanghai"}.
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// Run a playground beside the server: a cluster in memory for demonstrations, with a cloud account `playground`.
    #[arg(long)]
    playground: bool,
    /// Applications that may deploy to the playground, beside those that the account lets in already.
    #[arg(long, value_name = "NAME", requires = "playground", default_value = "flaskapp")]
    playground_application: Vec<String>,
    /// Log JSON lines. `RUST_LOG` says what is logged.
    #[arg(long)]
    log_json: bool,
    /// Write where the server is, as JSON, into this file once it is ready.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Make another administrator's token and put it into the data folder: for when the first one is lost.
    #[arg(long)]
    new_admin_token: bool,
    /// Stop when standard input ends: for programs that start a server of their own.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    if !options.listen.ip().is_loopback() && !options.allow_public {
        let message = format!(
            "{} can be reached from other machines, and the server speaks plain HTTP: listen on 127.0.0.1 behind a proxy that adds TLS, \
             or say --allow-public when the network itself is safe",
            options.listen
        );
        return Err(Failure::Usage(message));
    }
    let limits = limits::read(options.limits.as_deref())?;
    boot::init_tracing(options.log_json).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut stop = Stop::listen(options.end_with_stdin)?;
    let (parts, hints) = Parts::open(&options.data, limits).await?;
    let served = Box::pin(serve(&options, &parts, hints, &mut stop)).await;
    parts.store.close().await;
    tracing::info!("stopped");
    served
}

async fn serve(options: &Options, parts: &Parts, hints: queue::in_process::Receiver, stop: &mut Stop) -> Result<(), Failure> {
    let components = components::install(parts, options.components.as_deref(), &options.data).await?;
    let token = admin::token(parts, &options.data, options.new_admin_token).await?;
    let orchestrator = parts.orchestrator(&components)?;
    let listener = tokio::net::TcpListener::bind(options.listen).await;
    let listener = listener.map_err(|error| Failure::Server(format!("cannot listen on {}: {error}", options.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::Server(format!("no address: {error}")))?;
    let router = parts.router(options.public_url.as_deref());
    let background = background::start(&orchestrator, hints, parts);
    let http = http::start(listener, router, parts.stopping.subscribe());
    let playground = match options.playground {
        true => Some(playground::start(parts, &options.data, &options.playground_application).await?),
        false => None,
    };
    announce(options, address, token.as_deref(), playground.as_ref().map(playground::Ours::kubeconfig))?;
    stop.wait().await;
    tracing::info!("stopping");
    // Held questions answer and connections end from here on.
    let _ = parts.stopping.send(true);
    background.stop();
    let in_order = async {
        let (_, stopped) = tokio::join!(http.end(REQUESTS_GRACE), orchestrator.close(STEPS_GRACE));
        if stopped > 0 {
            tracing::warn!(stopped, "some work did not come to rest; the next start goes on with it");
        }
    };
    tokio::select! {
        () = in_order => Ok(()),
        () = stop.hurried() => Err(Failure::Server("told twice to stop; stopping at once".to_owned())),
    }
}

/// Says where the server is, in one line that programs can read.
fn announce(options: &Options, address: SocketAddr, token: Option<&Path>, playground: Option<&Path>) -> Result<(), Failure> {
    let url = format!("http://{address}");
    if let Some(token) = token {
        out::note(&format!("the administrator's token is in {}", token.display()));
    }
    if let Some(path) = &options.ready_file {
        let token = token.map(std::path::absolute).transpose().map_err(Failure::file(path))?;
        let ready = json!({"url": url, "pid": std::process::id(), "adminToken": token, "playgroundKubeconfig": playground});
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, format!("{ready}\n")).map_err(Failure::file(&temporary))?;
        std::fs::rename(&temporary, path).map_err(Failure::file(path))?;
    }
    let mut stdout = std::io::stdout().lock();
    let said = writeln!(stdout, "listening on {url}").and_then(|()| stdout.flush());
    // A server whose output nobody reads serves all the same.
    if let Err(error) = said {
        tracing::warn!(%error, "standard output is closed");
    }
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(())
}
