//! What every client command has: a server, a token, and somewhere to print.

use crate::api::{Api, Patience};
use crate::failure::Failure;
use crate::files;
use crate::out::Out;
use app::ports::{Clock, Entropy};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Where a server listens when nothing is said.
pub(crate) const SERVER: &str = "http://127.0.0.1:8484";
/// A token in the environment; a word on the command line could be read by everybody on the machine.
const TOKEN: &str = "WAYBILL_TOKEN";

/// Where the server is and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Address of the server.
    #[arg(long, global = true, env = "WAYBILL_SERVER", default_value = SERVER, value_name = "URL")]
    pub(crate) server: String,
    /// File with the token; otherwise it is taken from the variable `WAYBILL_TOKEN`.
    #[arg(long, global = true, env = "WAYBILL_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How many seconds the server may be away while something is followed.
    #[arg(long, global = true, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) patience: u64,
}

/// A group of commands for one kind of thing.
#[derive(Debug, Args)]
pub(crate) struct Group<C: Subcommand> {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: C,
}

/// A command under way.
pub(crate) struct Session {
    pub(crate) api: Api,
    pub(crate) out: Out,
    pub(crate) patience: Patience,
}

impl Session {
    pub(crate) fn open(connection: &Connection) -> Result<Self, Failure> {
        let token = match &connection.token_file {
            Some(path) => files::secret(path)?,
            None => std::env::var(TOKEN).unwrap_or_default(),
        };
        if token.is_empty() {
            let message = "who asks? Name the file with your token by --token-file or WAYBILL_TOKEN_FILE, or put it into WAYBILL_TOKEN";
            return Err(Failure::Usage(message.to_owned()));
        }
        Ok(Self {
            api: Api::new(&connection.server, Some(&token))?,
            out: Out::stdout(connection.json),
            patience: Patience::new(Duration::from_secs(connection.patience)),
        })
    }
}

/// A key under which a request does its work once, however often it arrives.
pub(crate) fn fresh_key() -> Result<String, Failure> {
    let entropy = boot::SystemEntropy::new().map_err(|error| Failure::Server(error.to_string()))?;
    Ok(entropy.ulid(boot::SystemClock.now_ms()))
}

/// Which page of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct PageOptions {
    /// At most so many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) limit: u16,
    /// Go on where a page ended.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}
