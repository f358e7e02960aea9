//! TLS on loopback, with an authority made for this playground alone: `kubectl` sends no token without it.

use axum::serve;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest a client takes to agree on keys.
const HANDSHAKE_MS_MAX: u64 = 10_000;
/// Connections that wait to be taken up.
const WAITING_MAX: usize = 64;
/// Pause after a failure to accept, which is of the machine (no file handles) and passes.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Who the server is.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(crate) config: Arc<ServerConfig>,
}

/// Makes an authority and a certificate of it, for this machine's own addresses.
pub(crate) fn identity() -> Option<Identity> {
    let mut authority = CertificateParams::new(Vec::new()).ok()?;
    authority.distinguished_name.push(DnType::CommonName, "playground authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().ok()?).ok()?;
    let mut own = CertificateParams::new(["127.0.0.1", "::1", "localhost"].map(String::from).to_vec()).ok()?;
    own.distinguished_name.push(DnType::CommonName, "playground");
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().ok()?;
    let certificate = own.signed_by(&key, &authority).ok()?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions().ok()?;
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).ok()?;
    Some(Identity { ca_pem: authority.pem(), config: Arc::new(config) })
}

/// Connections whose keys are agreed on. A slow client keeps nobody else waiting.
pub(crate) struct Listener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Listener {
    /// Takes connections until `running` ends.
    pub(crate) fn new(listener: TcpListener, address: SocketAddr, config: Arc<ServerConfig>, running: watch::Receiver<()>) -> Self {
        let (sender, ready) = mpsc::channel(WAITING_MAX);
        tokio::spawn(accept(listener, TlsAcceptor::from(config), sender, running));
        Self { address, ready }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
    mut running: watch::Receiver<()>,
) {
    loop {
        let accepted = tokio::select! {
            _ = running.changed() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            continue;
        };
        // Small answers and events go out at once.
        let _ = stream.set_nodelay(true);
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            let handshake = timeout(Duration::from_millis(HANDSHAKE_MS_MAX), acceptor.accept(stream));
            if let Ok(Ok(stream)) = handshake.await {
                let _ = ready.send((stream, peer)).await;
            }
        });
    }
}

impl serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
