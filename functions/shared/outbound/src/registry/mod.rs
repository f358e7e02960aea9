//! Reads from container registries by the OCI distribution protocol: log-in check, digest of a tag, list of tags.
//!
//! It never pulls an image and never writes. It is written on `reqwest` alone: `oci-client` takes proxies from the
//! environment, follows redirects anywhere, bounds neither answers nor the whole call, and sends the password to whatever
//! address a registry names as its token server.

mod address;
mod answer;
mod challenge;
mod fault;
mod login;
mod transport;

use address::Address;
use answer::{manifest_digest, tags_of};
use app::ports::{Registry, RegistryAccess, RegistryError};
use async_trait::async_trait;
use http::{Method, StatusCode};
use login::{Login, Logins};
use model::image::{Digest, is_repository, is_tag};
use std::time::Duration;
use transport::{Answer, Call, Transport};

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub struct RegistryLimits {
    /// Until a connection stands, TLS included.
    pub connect_ms_max: u64,
    /// For one question from beginning to end, log-in included.
    pub total_ms_max: u64,
    /// Most bytes of a manifest.
    pub manifest_bytes_max: usize,
    /// Most bytes of one page of tags; some registries give all tags at once.
    pub tags_bytes_max: usize,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        Self { connect_ms_max: 3_000, total_ms_max: 10_000, manifest_bytes_max: 4 << 20, tags_bytes_max: 8 << 20 }
    }
}

/// Most tags that one page of a registry is asked for.
const PAGE_TAGS_MAX: usize = 1_000;
/// Most pages that one list takes.
const PAGES_MAX: usize = 20;
const SMALL_ANSWER_BYTES_MAX: usize = 64 << 10;

/// Manifests of one platform and of several, in both dialects: without the latter, a registry converts or denies an index.
const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Container registries over HTTP. Cheap to share; keeps connections and short-lived tokens.
#[derive(Debug)]
pub struct HttpRegistry {
    transport: Transport,
    logins: Logins,
    limits: RegistryLimits,
}

impl Default for HttpRegistry {
    fn default() -> Self {
        Self::new(RegistryLimits::default())
    }
}

impl HttpRegistry {
    /// With these limits. Does no IO.
    #[must_use]
    pub fn new(limits: RegistryLimits) -> Self {
        Self { transport: Transport::new(limits), logins: Logins::default(), limits }
    }

    /// Asks, and logs in when the registry wants that.
    async fn ask(&self, access: &RegistryAccess, question: Question<'_>) -> Result<Answer, RegistryError> {
        let address = Address::of(access)?;
        let mut call = Call {
            method: question.method,
            url: address.url(question.path, question.query)?,
            accept: question.accept,
            login: None,
            bytes_max: question.bytes_max,
        };
        let key = login::key(access, question.repository);
        call.login = match login::fixed(access)? {
            Some(fixed) => Some(fixed),
            None => self.logins.known(&key),
        };
        let ca = access.credentials.ca_pem.as_deref();
        let answer = self.transport.send(&call, ca).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.logins.forget(&key);
        let Login { header, lasts } = login::log_in(&self.transport, access, &address, question.repository, &answer).await?;
        call.login = Some(header.clone());
        let answer = self.transport.send(&call, ca).await?;
        if !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.logins.remember(key, header, lasts);
        }
        Ok(answer)
    }

    /// No question takes longer than this, however many requests it needs.
    async fn in_time<T>(&self, access: &RegistryAccess, work: impl Future<Output = Result<T, RegistryError>>) -> Result<T, RegistryError> {
        let total = Duration::from_millis(self.limits.total_ms_max);
        let late = || RegistryError::Unavailable(format!("{} did not answer within {} ms", access.address, self.limits.total_ms_max));
        tokio::time::timeout(total, work).await.unwrap_or_else(|_| Err(late()))
    }

    async fn ask_digest(&self, access: &RegistryAccess, repository: &str, reference: &str) -> Result<Digest, RegistryError> {
        let path = format!("{repository}/manifests/{reference}");
        let mut question = Question {
            method: Method::HEAD,
            path: &path,
            query: &[],
            repository: Some(repository),
            accept: &MANIFEST_TYPES,
            bytes_max: self.limits.manifest_bytes_max,
        };
        let what = || format!("{repository}:{reference} in {}", access.address);
        let head = self.ask(access, question.clone()).await?;
        if head.status != StatusCode::METHOD_NOT_ALLOWED {
            answer::well(&head, access, what)?;
            if let Some(digest) = answer::digest_header(&head)? {
                return Ok(digest);
            }
        }
        // Some registries say the digest with GET only, some not at all: then the content says it.
        question.method = Method::GET;
        let get = self.ask(access, question).await?;
        answer::well(&get, access, what)?;
        manifest_digest(&get, &MANIFEST_TYPES)
    }

    async fn ask_tags(
        &self,
        access: &RegistryAccess,
        repository: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let path = format!("{repository}/tags/list");
        let mut found: Vec<String> = Vec::new();
        let mut last = after.map(str::to_owned);
        for _ in 0..PAGES_MAX {
            let want = limit.saturating_sub(found.len()).min(PAGE_TAGS_MAX);
            if want == 0 {
                break;
            }
            let mut query = vec![("n", want.to_string())];
            query.extend(last.iter().map(|last| ("last", last.clone())));
            let question = Question {
                method: Method::GET,
                path: &path,
                query: &query,
                repository: Some(repository),
                accept: &["application/json"],
                bytes_max: self.limits.tags_bytes_max,
            };
            let answer = self.ask(access, question).await?;
            answer::well(&answer, access, || format!("repository {repository} in {}", access.address))?;
            let page = tags_of(&answer, last.as_deref(), want)?;
            let next = page.tags.last().cloned();
            found.extend(page.tags);
            if !page.more || next.is_none() || next == last {
                break;
            }
            last = next;
        }
        Ok(found)
    }
}

/// One question to a registry, before log-in.
#[derive(Debug, Clone)]
struct Question<'a> {
    method: Method,
    /// Below `/v2/`.
    path: &'a str,
    query: &'a [(&'static str, String)],
    /// What a token must be good for; none for the log-in check.
    repository: Option<&'a str>,
    accept: &'static [&'static str],
    bytes_max: usize,
}

#[async_trait]
impl Registry for HttpRegistry {
    async fn check(&self, access: &RegistryAccess) -> Result<(), RegistryError> {
        let question = Question {
            method: Method::GET,
            path: "",
            query: &[],
            repository: None,
            accept: &["application/json"],
            bytes_max: SMALL_ANSWER_BYTES_MAX,
        };
        let answer = self.in_time(access, self.ask(access, question)).await?;
        answer::well(&answer, access, || format!("a registry at {}", access.address))?;
        answer::speaks_the_protocol(&answer, access)
    }

    async fn digest(&self, access: &RegistryAccess, repository: &str, tag: &str) -> Result<Digest, RegistryError> {
        if !is_repository(repository) || !(is_tag(tag) || Digest::parse(tag).is_ok()) {
            return Err(RegistryError::NotFound("what is asked for is not the name of an image".to_owned()));
        }
        self.in_time(access, self.ask_digest(access, repository, tag)).await
    }

    async fn tags(
        &self,
        access: &RegistryAccess,
        repository: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, RegistryError> {
        if !is_repository(repository) {
            return Err(RegistryError::NotFound("what is asked for is not the name of a repository".to_owned()));
        }
        let after = after.filter(|after| is_tag(after));
        self.in_time(access, self.ask_tags(access, repository, after, limit)).await
    }
}
