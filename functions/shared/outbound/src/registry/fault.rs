//! Why a request failed, in words that an administrator can act on. Never the address's path, never a header.

use app::ports::RegistryError;
use rustls::{CertificateError, Error as TlsError};
use std::error::Error as StdError;
use std::io;

/// What a failed request means.
pub(super) fn in_words(error: &reqwest::Error, host: &str) -> RegistryError {
    if error.is_timeout() {
        return RegistryError::Unavailable(format!("{host} did not answer in time"));
    }
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(link) = next {
        if let Some(known) = recognise(link, host) {
            return known;
        }
        next = link.source();
    }
    if error.is_connect() {
        return RegistryError::Unavailable(format!("no connection to {host}"));
    }
    RegistryError::Unavailable(format!("the exchange with {host} broke off"))
}

fn recognise(link: &(dyn StdError + 'static), host: &str) -> Option<RegistryError> {
    if let Some(error) = link.downcast_ref::<TlsError>() {
        return Some(tls(error, host));
    }
    if let Some(error) = link.downcast_ref::<hyper::Error>() {
        return error.is_parse().then(|| RegistryError::Protocol(format!("{host} answers something that is not HTTP")));
    }
    if let Some(error) = link.downcast_ref::<io::Error>() {
        // The source of such an error is the source of what it holds, so what it holds is looked at here.
        if let Some(inside) = error.get_ref()
            && let Some(known) = recognise(inside, host)
        {
            return Some(known);
        }
        return io_error(error.kind(), host);
    }
    // The resolver's error has no type that could be named.
    (link.to_string() == "dns error").then(|| RegistryError::Unavailable(format!("the name of {host} is not known")))
}

fn io_error(kind: io::ErrorKind, host: &str) -> Option<RegistryError> {
    let message = match kind {
        io::ErrorKind::ConnectionRefused => format!("{host} refuses the connection: nothing listens there"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            format!("{host} broke the connection off")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => format!("there is no way to {host}"),
        io::ErrorKind::TimedOut => format!("{host} did not answer in time"),
        _ => return None,
    };
    Some(RegistryError::Unavailable(message))
}

fn tls(error: &TlsError, host: &str) -> RegistryError {
    let message = match error {
        TlsError::InvalidCertificate(why) => {
            let why = match why {
                // An authority of the same name with another key gives the second.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => "its authority is not trusted",
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is for another name",
                _ => "it cannot be checked",
            };
            format!("the certificate of {host} is refused: {why}")
        }
        TlsError::InvalidMessage(_) => format!("{host} does not speak TLS; if it speaks plain HTTP, the account must say so"),
        _ => format!("no TLS connection to {host}"),
    };
    RegistryError::Unavailable(message)
}
