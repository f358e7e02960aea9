//! Where a registry is, read once from the account, so that nothing in a path or query can lead a request elsewhere.

use app::ports::{RegistryAccess, RegistryError};
use model::image::normal_registry;
use url::{Host, Url};

/// The origin of a registry.
#[derive(Debug, Clone)]
pub(super) struct Address {
    base: Url,
}

impl Address {
    /// Reads the account's address: `host[:port]` and nothing else.
    pub(super) fn of(access: &RegistryAccess) -> Result<Self, RegistryError> {
        let unusable = || RegistryError::Unavailable("the account's address is not of the form host[:port]".to_owned());
        let scheme = if access.plain_http { "http" } else { "https" };
        // Docker Hub's images carry a name that its registry does not answer at.
        let host = match normal_registry(&access.address) {
            hub if hub == "docker.io" => "registry-1.docker.io".to_owned(),
            other => other,
        };
        if host.contains(['/', '@', '?', '#', '\\', '%']) || host.contains(char::is_whitespace) {
            return Err(unusable());
        }
        let base = Url::parse(&format!("{scheme}://{host}/v2/")).map_err(|_| unusable())?;
        if base.path() != "/v2/" || base.host().is_none() || !base.username().is_empty() {
            return Err(unusable());
        }
        Ok(Self { base })
    }

    /// A URL below `/v2/`. The path is made of checked names only.
    pub(super) fn url(&self, path: &str, query: &[(&str, String)]) -> Result<Url, RegistryError> {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// May credentials go to this token server? Over TLS to any the registry names; in clear only where the account allows
    /// plain HTTP anyway, and then to the registry's own host or to this machine.
    pub(super) fn may_get_tokens_from(&self, realm: &Url) -> bool {
        let plain = realm.scheme() == "http" && self.base.scheme() == "http";
        let near = realm.host() == self.base.host() || is_loopback(realm);
        realm.username().is_empty() && realm.password().is_none() && (realm.scheme() == "https" || (plain && near))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::account::{RegistryCredentials, RegistryLogin};

    fn access(address: &str, plain_http: bool) -> RegistryAccess {
        let credentials = RegistryCredentials { login: RegistryLogin::Anonymous, ca_pem: None };
        RegistryAccess { address: address.to_owned(), plain_http, credentials }
    }

    fn url(text: &str, plain: bool) -> String {
        Address::of(&access(text, plain)).unwrap().url("a/tags/list", &[("last", "b&c".to_owned())]).unwrap().to_string()
    }

    #[test]
    fn addresses_become_urls() {
        assert_eq!(url("Reg.Example:443", false), "https://reg.example/v2/a/tags/list?last=b%26c");
        assert_eq!(url("127.0.0.1:5000", true), "http://127.0.0.1:5000/v2/a/tags/list?last=b%26c");
        assert_eq!(url("[::1]:5000", true), "http://[::1]:5000/v2/a/tags/list?last=b%26c");
        assert_eq!(url("docker.io", false), "https://registry-1.docker.io/v2/a/tags/list?last=b%26c");
    }

    #[test]
    fn anything_but_host_and_port_is_refused() {
        for text in ["a/b", "user@host", "host?x", "host#x", "ho st", "host\\x", "a:b:c", "host:99999", "%2e"] {
            assert!(matches!(Address::of(&access(text, false)), Err(RegistryError::Unavailable(_))), "{text}");
        }
    }

    #[test]
    fn token_servers_are_told_apart() {
        let check = |address: &str, plain: bool, realm: &str| {
            Address::of(&access(address, plain)).unwrap().may_get_tokens_from(&Url::parse(realm).unwrap())
        };
        assert!(check("reg.example", false, "https://auth.example/token"));
        assert!(!check("reg.example", false, "http://reg.example/token"), "TLS is not left");
        assert!(!check("reg.example", false, "http://127.0.0.1/token"));
        assert!(check("reg.example", true, "http://reg.example:8080/token"));
        assert!(check("reg.example", true, "http://127.0.0.1:1/token"));
        assert!(check("reg.example", true, "http://localhost:1/token"));
        assert!(!check("reg.example", true, "http://elsewhere.example/token"));
        assert!(!check("reg.example", true, "https://a:b@reg.example/token"));
        assert!(!check("reg.example", true, "ftp://reg.example/token"));
    }
}
