//! Logging in: which header a registry wants, and where a token is to be had. Tokens live in memory, for minutes.

use super::address::Address;
use super::answer::error_code;
use super::challenge::{self, Challenge};
use super::transport::{Answer, Call, Transport, place};
use app::ports::{RegistryAccess, RegistryError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, StatusCode, header};
use model::account::RegistryLogin;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// Most log-ins that are remembered.
const LOGINS_MAX: usize = 256;
/// How long a token lives when the server does not say (the protocol's default), and how much earlier it is renewed.
const TOKEN_SECONDS: u64 = 60;
const TOKEN_SPARE_SECONDS: u64 = 10;
const TOKEN_SECONDS_MAX: u64 = 3_600;
const TOKEN_ANSWER_BYTES_MAX: usize = 256 << 10;

/// An `Authorization` header and for how long it is good.
pub(super) struct Login {
    pub(super) header: HeaderValue,
    pub(super) lasts: Duration,
}

/// Identifies who asks whom for what. A hash, so that no secret is a key.
pub(super) type LoginKey = [u8; 32];

/// The key of a log-in.
pub(super) fn key(access: &RegistryAccess, repository: Option<&str>) -> LoginKey {
    let mut hash = Sha256::new();
    let (kind, name, secret) = match &access.credentials.login {
        RegistryLogin::Anonymous => ("anonymous", "", ""),
        RegistryLogin::Basic { username, password } => ("basic", username.as_str(), password.as_str()),
        RegistryLogin::Bearer(token) => ("bearer", "", token.as_str()),
    };
    let ca = access.credentials.ca_pem.as_deref().unwrap_or_default();
    let scheme = if access.plain_http { "http" } else { "https" };
    for part in [&access.address, scheme, kind, name, secret, ca, repository.unwrap_or_default()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Log-ins that worked.
#[derive(Default)]
pub(super) struct Logins(Mutex<HashMap<LoginKey, (HeaderValue, Instant)>>);

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins")
    }
}

impl Logins {
    pub(super) fn known(&self, key: &LoginKey) -> Option<HeaderValue> {
        let logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.get(key).filter(|(_, end)| Instant::now() < *end).map(|(header, _)| header.clone())
    }

    pub(super) fn forget(&self, key: &LoginKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub(super) fn remember(&self, key: LoginKey, header: HeaderValue, lasts: Duration) {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if logins.len() >= LOGINS_MAX {
            logins.retain(|_, (_, end)| now < *end);
        }
        if logins.len() >= LOGINS_MAX {
            logins.clear();
        }
        logins.insert(key, (header, now + lasts));
    }
}

/// The header of an account that says the header itself.
pub(super) fn fixed(access: &RegistryAccess) -> Result<Option<HeaderValue>, RegistryError> {
    match &access.credentials.login {
        RegistryLogin::Bearer(token) => bearer(token).map(Some),
        RegistryLogin::Anonymous | RegistryLogin::Basic { .. } => Ok(None),
    }
}

/// Does what the 401 asks for.
pub(super) async fn log_in(
    transport: &Transport,
    access: &RegistryAccess,
    address: &Address,
    repository: Option<&str>,
    answer: &Answer,
) -> Result<Login, RegistryError> {
    let at = &access.address;
    let offers = answer.headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    match (challenge::best(offers), &access.credentials.login) {
        (_, RegistryLogin::Bearer(_)) => Err(RegistryError::Denied(format!("{at} does not accept the token"))),
        (Some(Challenge::Basic), RegistryLogin::Basic { username, password }) => {
            Ok(Login { header: basic(username, password)?, lasts: Duration::from_secs(TOKEN_SECONDS_MAX) })
        }
        (Some(Challenge::Basic), RegistryLogin::Anonymous) => {
            Err(RegistryError::Denied(format!("{at} wants a user name and a password, and the account has none")))
        }
        (Some(Challenge::Bearer { realm, service }), login) => {
            let realm = token_server(&realm, address, at)?;
            fetch_token(transport, access, realm, service, repository, login).await
        }
        (None, _) => Err(RegistryError::Denied(format!("{at} wants a log-in of a kind that is not known here"))),
    }
}

fn token_server(realm: &str, address: &Address, at: &str) -> Result<Url, RegistryError> {
    let realm = Url::parse(realm).map_err(|_| RegistryError::Protocol(format!("{at} names a token server that is not a URL")))?;
    if !address.may_get_tokens_from(&realm) {
        let message = format!("{at} names {} as its token server, to which credentials are not sent in clear", place(&realm));
        return Err(RegistryError::Protocol(message));
    }
    Ok(realm)
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

async fn fetch_token(
    transport: &Transport,
    access: &RegistryAccess,
    mut realm: Url,
    service: Option<String>,
    repository: Option<&str>,
    login: &RegistryLogin,
) -> Result<Login, RegistryError> {
    let server = place(&realm);
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = &service {
            query.append_pair("service", service);
        }
        // Our own scope, not the one offered: a registry must not choose what the password is used for.
        if let Some(repository) = repository {
            query.append_pair("scope", &format!("repository:{repository}:pull"));
        }
    }
    let login = match login {
        RegistryLogin::Basic { username, password } => Some(basic(username, password)?),
        RegistryLogin::Anonymous | RegistryLogin::Bearer(_) => None,
    };
    let call = Call { method: Method::GET, url: realm, accept: &["application/json"], login, bytes_max: TOKEN_ANSWER_BYTES_MAX };
    let answer = transport.send(&call, access.credentials.ca_pem.as_deref()).await?;
    let status = answer.status;
    let said = error_code(&answer.body).map(|code| format!(", {code}")).unwrap_or_default();
    match status {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(RegistryError::Denied(format!("its token server {server} gives no token (HTTP {}{said})", status.as_u16())));
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(RegistryError::Unavailable(format!("its token server {server} is in trouble (HTTP {})", status.as_u16())));
        }
        _ => return Err(RegistryError::Protocol(format!("its token server {server} answers HTTP {}", status.as_u16()))),
    }
    let unreadable = || RegistryError::Protocol(format!("the answer of its token server {server} holds no token"));
    let token: Token = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
    let seconds = token.expires_in.unwrap_or(TOKEN_SECONDS).min(TOKEN_SECONDS_MAX).saturating_sub(TOKEN_SPARE_SECONDS);
    let text = token.token.or(token.access_token).filter(|text| !text.is_empty()).ok_or_else(unreadable)?;
    Ok(Login { header: bearer(&text)?, lasts: Duration::from_secs(seconds) })
}

fn bearer(token: &str) -> Result<HeaderValue, RegistryError> {
    sensitive(format!("Bearer {token}"))
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, RegistryError> {
    sensitive(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

fn sensitive(text: String) -> Result<HeaderValue, RegistryError> {
    let mut value =
        HeaderValue::try_from(text).map_err(|_| RegistryError::Denied("the credentials hold signs that cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::account::RegistryCredentials;

    fn access(login: RegistryLogin) -> RegistryAccess {
        RegistryAccess { address: "r".to_owned(), plain_http: false, credentials: RegistryCredentials { login, ca_pem: None } }
    }

    #[test]
    fn log_ins_are_kept_apart_and_end() {
        let one = access(RegistryLogin::Basic { username: "a".into(), password: "bc".into() });
        let other = access(RegistryLogin::Basic { username: "ab".into(), password: "c".into() });
        assert_ne!(key(&one, None), key(&other, None));
        assert_ne!(key(&one, None), key(&one, Some("x")));
        let logins = Logins::default();
        logins.remember(key(&one, None), HeaderValue::from_static("x"), Duration::from_secs(60));
        assert!(logins.known(&key(&one, None)).is_some());
        assert!(logins.known(&key(&other, None)).is_none());
        logins.remember(key(&one, None), HeaderValue::from_static("x"), Duration::ZERO);
        assert!(logins.known(&key(&one, None)).is_none());
        assert_eq!(format!("{logins:?}"), "Logins");
    }

    #[test]
    fn the_store_of_log_ins_is_bounded() {
        let logins = Logins::default();
        for number in 0..=LOGINS_MAX {
            let key = key(&access(RegistryLogin::Anonymous), Some(&number.to_string()));
            logins.remember(key, HeaderValue::from_static("x"), Duration::from_secs(60));
        }
        assert!(logins.0.lock().unwrap().len() <= LOGINS_MAX);
    }

    #[test]
    fn credentials_that_cannot_be_sent_are_refused_without_being_repeated() {
        let error = fixed(&access(RegistryLogin::Bearer("se\ncret".into()))).unwrap_err().to_string();
        assert!(!error.contains("cret"), "{error}");
        assert!(fixed(&access(RegistryLogin::Bearer("token".into()))).unwrap().unwrap().is_sensitive());
    }
}
