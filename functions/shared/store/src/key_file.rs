//! Secrets encrypted with a key that lies in a file of this machine: AES-256-GCM, a fresh nonce each time.
//!
//! Whoever has both the key file and the store can read every secret; keep their backups apart. The key never leaves this
//! module, and nothing of it or of a secret is ever in an error or a log.

use crate::{OpenError, files};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use app::ports::{SealError, Sealer};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::account::Sealed;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const FORMAT: u8 = 1;
const HEADER: &str = "waybill-key-1";
/// Longest key file that is read.
const FILE_BYTES_MAX: u64 = 1_024;

/// A sealer with one key.
pub struct KeyFile {
    id: String,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyFile({})", self.id)
    }
}

impl KeyFile {
    /// Reads the key file, or makes one that only its owner may read.
    ///
    /// # Errors
    /// When others may read the file, when it holds no key, when the file system or the system's randomness fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        match File::open(path) {
            Ok(file) => read(path, file),
            Err(error) if error.kind() == ErrorKind::NotFound => create(path),
            Err(error) => Err(OpenError::io(path, &error)),
        }
    }

    /// Reads the key file, which must be there: where it is missing, a fresh key would open nothing that was sealed before.
    ///
    /// # Errors
    /// When there is none, when others may read it, when it holds no key, when the file system fails.
    pub fn existing(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        read(path, File::open(path).map_err(|error| OpenError::io(path, &error))?)
    }

    /// A key that lives as long as this value; for tests.
    ///
    /// # Errors
    /// When the system's randomness fails.
    pub fn fleeting() -> Result<Self, SealError> {
        fresh().map(Self::of)
    }

    /// Names the key, without a word of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn of(key: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut hash = Sha256::new();
        hash.update("waybill key id");
        hash.update(key.as_slice());
        let print = hex::encode(hash.finalize());
        Self { id: format!("file-{}", print.get(..16).unwrap_or_default()), key }
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.key.as_slice().into())
    }
}

fn fresh() -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(key.as_mut_slice()).map_err(|error| SealError::Unavailable(error.to_string()))?;
    Ok(key)
}

fn create(path: &Path) -> Result<KeyFile, OpenError> {
    let io = |error: std::io::Error| OpenError::io(path, &error);
    let key = fresh().map_err(|error| OpenError::Io { path: path.to_owned(), message: error.to_string() })?;
    let text = Zeroizing::new(format!("{HEADER} {}\n", Zeroizing::new(hex::encode(key.as_slice())).as_str()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::private_folder(folder).map_err(io)?;
    // Written under another name and linked, so that a crash leaves no half key, and another's key is never replaced.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = Path::new(&temporary);
    files::remove_if_there(temporary).map_err(io)?;
    files::write_new(temporary, text.as_bytes()).map_err(io)?;
    let linked = fs::hard_link(temporary, path);
    files::remove_if_there(temporary).map_err(io)?;
    match linked {
        Ok(()) => files::sync_folder(folder).map_err(io)?,
        // Another process was first; its key is the key.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return read(path, File::open(path).map_err(io)?),
        Err(error) => return Err(io(error)),
    }
    Ok(KeyFile::of(key))
}

fn read(path: &Path, file: File) -> Result<KeyFile, OpenError> {
    use std::os::unix::fs::PermissionsExt;
    let io = |error: std::io::Error| OpenError::io(path, &error);
    let refused = |message: &str| OpenError::Refused { path: path.to_owned(), message: message.to_owned() };
    let facts = file.metadata().map_err(io)?;
    if !facts.is_file() {
        return Err(refused("the key must be an ordinary file"));
    }
    if facts.permissions().mode() & 0o077 != 0 {
        return Err(refused("others than the owner may use the key; run chmod 600 on it"));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    let damaged = || OpenError::Damaged { path: path.to_owned(), message: format!("it holds no key of the form {HEADER}") };
    let digits = text.trim_end().strip_prefix(HEADER).and_then(|rest| rest.strip_prefix(' ')).ok_or_else(damaged)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(digits, key.as_mut_slice()).map_err(|_| damaged())?;
    Ok(KeyFile::of(key))
}

/// What is authenticated besides the secret: the form, and the place the secret belongs to.
fn bound_to(context: &str) -> Vec<u8> {
    [&[FORMAT], context.as_bytes()].concat()
}

#[async_trait]
impl Sealer for KeyFile {
    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| SealError::Unavailable(error.to_string()))?;
        let aad = bound_to(context);
        let sealed = self.cipher().encrypt(Nonce::from_slice(&nonce), Payload { msg: secret, aad: &aad });
        // The cipher only refuses secrets of more than 64 GB.
        let sealed = sealed.map_err(|_| SealError::Damaged)?;
        let data = STANDARD.encode([&[FORMAT], nonce.as_slice(), &sealed].concat());
        Ok(Sealed { key: self.id.clone(), data })
    }

    async fn open(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        if sealed.key != self.id {
            return Err(SealError::OtherKey);
        }
        let data = STANDARD.decode(&sealed.data).map_err(|_| SealError::Damaged)?;
        let (format, rest) = data.split_first().ok_or(SealError::Damaged)?;
        let (nonce, secret) = rest.split_at_checked(NONCE_BYTES).ok_or(SealError::Damaged)?;
        if *format != FORMAT {
            return Err(SealError::Damaged);
        }
        let aad = bound_to(context);
        self.cipher().decrypt(Nonce::from_slice(nonce), Payload { msg: secret, aad: &aad }).map_err(|_| SealError::Damaged)
    }
}
