//! PEM as kubeconfigs and forms carry it: certificate authorities, and a client certificate with its key. Checked by
//! parsing them as the TLS stack will; what comes out holds only the blocks that count. Errors never quote the text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Most certificates in one bundle.
const CERTIFICATES_MAX: usize = 500;

/// Decodes a `*-data` field: base64, with or without line breaks.
pub(super) fn from_base64(data: &str) -> Result<String, &'static str> {
    let compact: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(compact).map_err(|_| "is not base64")?;
    String::from_utf8(bytes).map_err(|_| "holds something else than PEM text")
}

/// The certificates of a PEM text.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).take(CERTIFICATES_MAX) {
        found.push(certificate.map_err(|_| "is not valid PEM")?);
    }
    if found.is_empty() { Err("holds no certificate (no `BEGIN CERTIFICATE` block)") } else { Ok(found) }
}

/// Checks certificate authorities; gives them back as clean PEM.
pub(super) fn authorities(pem: &str) -> Result<String, &'static str> {
    let found = certificates(pem)?;
    let mut store = RootCertStore::empty();
    for certificate in &found {
        store.add(certificate.clone()).map_err(|_| "holds a certificate that cannot be read")?;
    }
    Ok(found.iter().map(|der| block("CERTIFICATE", der)).collect())
}

/// Checks a client certificate and its key, and that they belong together; gives them back as clean PEM.
pub(super) fn identity(certificate_pem: &str, key_pem: &str, crypto: &CryptoProvider) -> Result<(String, String), &'static str> {
    let chain = certificates(certificate_pem)?;
    if key_pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || key_pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("the private key is protected by a password; give it without one");
    }
    let key =
        PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| "the private key cannot be read (PKCS#8, PKCS#1 or SEC1 PEM)")?;
    let certificate: String = chain.iter().map(|der| block("CERTIFICATE", der)).collect();
    let label = match &key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let clean = block(label, key.secret_der());
    match CertifiedKey::from_der(chain, key, crypto) {
        Ok(_) => Ok((certificate, clean)),
        Err(rustls::Error::InconsistentKeys(_)) => Err("the private key does not belong to the certificate"),
        Err(_) => Err("the certificate or its private key is of a kind that is not supported"),
    }
}

fn block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
