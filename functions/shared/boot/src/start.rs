//! The first lines of a `main`: the cryptography provider, then logs to standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// What is logged when `RUST_LOG` says nothing: the store's engine and HTTP tell more than people want to read.
const FILTER: &str = "info,fjall=warn,lsm_tree=warn,hyper=warn,rustls=warn";

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// `RUST_LOG` cannot be understood.
    #[error("RUST_LOG cannot be understood: {0}")]
    Filter(String),
    /// Something else takes the logs already.
    #[error("logs are set up already")]
    Twice,
}

fn filter(wanted: Option<&str>) -> Result<EnvFilter, LogsError> {
    let wanted = wanted.filter(|wanted| !wanted.is_empty()).unwrap_or(FILTER);
    EnvFilter::try_new(wanted).map_err(|error| LogsError::Filter(error.to_string()))
}

/// Logs to standard error, as JSON lines or for people to read; `RUST_LOG` chooses what.
///
/// # Errors
/// When `RUST_LOG` cannot be understood, or logs are set up already.
pub fn init_tracing(json: bool) -> Result<(), LogsError> {
    let filter = filter(std::env::var("RUST_LOG").ok().as_deref())?;
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let set = if json { logs.json().flatten_event(true).try_init() } else { logs.try_init() };
    set.map_err(|_| LogsError::Twice)
}

/// Makes ring the provider of TLS; the first line of every `main`. Again is fine.
pub fn install_crypto() {
    // The error only says that one is installed, and no other is ever built in.
    drop(rustls::crypto::ring::default_provider().install_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crypto_can_be_installed_again() {
        install_crypto();
        install_crypto();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }

    #[test]
    fn a_filter_is_taken_or_refused() {
        assert!(filter(None).is_ok());
        assert!(filter(Some("")).is_ok());
        assert!(filter(Some("debug,store=trace")).is_ok());
        assert!(matches!(filter(Some("store=loud")), Err(LogsError::Filter(_))));
    }

    #[test]
    fn logs_are_set_up_once() {
        assert!(init_tracing(true).is_ok());
        assert!(matches!(init_tracing(false), Err(LogsError::Twice)));
    }
}
