//! `waybill playground`: a Kubernetes API for demonstrations, alone in this process, for `kubectl` and any server.

use crate::failure::Failure;
use crate::files;
use crate::out;
use crate::serve::Stop;
use crate::session::fresh_key;
use clap::Args;
use playground::Playground;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How it is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to listen, on this machine only; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Write its kubeconfig into this new file; otherwise into one among the temporary files. It goes with the playground.
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: Option<PathBuf>,
    /// Stop when standard input ends: for programs that start a playground of their own.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let mut stop = Stop::listen(options.end_with_stdin)?;
    let path = match options.kubeconfig_out {
        Some(path) => path,
        None => std::env::temp_dir().join(format!("waybill-playground-{}.kubeconfig", fresh_key()?.to_lowercase())),
    };
    let path = std::path::absolute(&path).map_err(Failure::file(&path))?;
    let playground = start(options.listen).await?;
    files::write_private(&path, &playground.kubeconfig())?;
    out::note(&format!(
        "It holds everything in memory, and runs no containers: how pods do follows from the names of their images (bad, crash, slow).\n\
         \n  export KUBECONFIG={}\n  kubectl get all\n",
        path.display()
    ));
    let mut stdout = std::io::stdout().lock();
    // Whoever does not read it has said where the file is to be.
    let _ = writeln!(stdout, "listening on {}, kubeconfig {}", playground.server(), path.display()).and_then(|()| stdout.flush());
    drop(stdout);
    stop.wait().await;
    drop(playground);
    // Of no use any more, and its owner may have taken it away.
    let _ = std::fs::remove_file(&path);
    Ok(())
}

/// Starts a playground, in the words of this program when that fails.
pub(crate) async fn start(listen: SocketAddr) -> Result<Playground, Failure> {
    let started = Playground::start(playground::Options { listen }).await;
    started.map_err(|error| match error {
        playground::Error::NotLoopback(_) => Failure::Usage(error.to_string()),
        playground::Error::Listen { address, source } => Failure::Server(format!("cannot listen on {address}: {source}")),
        playground::Error::Credentials => Failure::Server(error.to_string()),
    })
}
