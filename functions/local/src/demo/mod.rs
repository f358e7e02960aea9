//! `waybill demo`: the flaskapp story from beginning to end, through the HTTP API only.
//!
//! An operator registers a registry and a cluster, creates the application, binds it to a project and saves a pipeline; a
//! push releases by itself; a developer releases by hand. Every step is told as it happens, with its address; a broken
//! one says which, why and where to look. Run again on the same data it takes what is there.

mod documents;
mod registry;
mod server;
mod story;
mod teller;

use crate::api::{Api, Patience};
use crate::failure::Failure;
use crate::files;
use crate::out::{self, Out};
use clap::Args;
use server::Own;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use story::Story;
use teller::Teller;

/// How long the server may be away while something is followed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the story is played with.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A server that runs already; otherwise one is started, and ended afterwards.
    #[arg(long, value_name = "URL", requires = "token_file")]
    server: Option<String>,
    /// File with an administrator's token of that server.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Data folder of the server that is started; otherwise a new one among the temporary files.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    data: Option<PathBuf>,
    /// Where the server that is started listens; otherwise 127.0.0.1:8484, or a free port with --exit.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server")]
    listen: Option<SocketAddr>,
    /// Folder with the stage components, for the server that is started.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    components: Option<PathBuf>,
    /// Deploy to a playground in the process of the server that is started: a cluster in memory, gone with it.
    #[arg(long, conflicts_with_all = ["server", "kubeconfig", "context"])]
    playground: bool,
    /// Kubeconfig of the cluster to deploy to.
    #[arg(long, value_name = "FILE", required_unless_present = "playground")]
    kubeconfig: Option<PathBuf>,
    /// Which context of it.
    #[arg(long)]
    context: Option<String>,
    /// Namespace to deploy into.
    #[arg(long, default_value = "default")]
    namespace: String,
    /// Address of the registry, as it stands in the names of images.
    #[arg(long, value_name = "HOST:PORT")]
    registry: String,
    /// Control of that registry, as `testbed` serves it: it pushes images and says where pushes are told.
    #[arg(long, value_name = "URL")]
    registry_control: String,
    /// End after the story instead of serving on.
    #[arg(long)]
    exit: bool,
}

pub(crate) async fn run(mut options: Options) -> Result<(), Failure> {
    let mut own = match &options.server {
        Some(_) => None,
        None => Some(Own::start(&options).await?),
    };
    if let Some(own) = own.as_ref().filter(|_| options.playground) {
        options.kubeconfig = Some(own.playground());
    }
    let (told, interrupted) = tokio::select! {
        told = tell(&options, own.as_ref()) => (told, false),
        _ = tokio::signal::ctrl_c() => {
            out::note("interrupted");
            (Err(Failure::EndedBadly), true)
        }
    };
    if let Some(own) = &mut own {
        if !options.exit && !interrupted {
            own.look_around();
            own.until_interrupted().await;
        }
        own.stop(told.is_ok() && options.exit).await;
    }
    told
}

async fn tell(options: &Options, own: Option<&Own>) -> Result<(), Failure> {
    let (server, token_file) = match (own, &options.server, &options.token_file) {
        (Some(own), ..) => (own.url(), own.token_file()),
        (None, Some(server), Some(token_file)) => (server.clone(), token_file.clone()),
        _ => return Err(Failure::Usage("a server and its token go together".to_owned())),
    };
    let api = Api::new(&server, Some(&files::secret(&token_file)?))?;
    let mut teller = Teller::new(Out::stdout(false));
    let story = Story::new(options, &api, Patience::new(PATIENCE));
    let told = Box::pin(story.play(&mut teller)).await;
    if let Err(failure) = &told {
        let log = own.map_or_else(|| "the log of the server".to_owned(), |own| own.log().display().to_string());
        teller.broke(failure, &log)?;
        return Err(Failure::EndedBadly);
    }
    told
}
