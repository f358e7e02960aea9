//! The address of an API server, and bearer tokens: what is accepted, and in which words it is not.

use url::{Host, Url};

/// Longest address.
const ADDRESS_BYTES_MAX: usize = 2_048;
/// Longest token.
const TOKEN_BYTES_MAX: usize = 64 << 10;

/// Checks an address: `https://host[:port][/path]`, plain `http` for loopback only. Without a slash at its end.
pub(super) fn server(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the API server's address is missing".to_owned());
    }
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(format!("the API server's address has more than {ADDRESS_BYTES_MAX} bytes"));
    }
    let url = Url::parse(text).map_err(|_| "the API server's address is not a URL like https://host:6443".to_owned())?;
    let Some(host) = url.host() else {
        return Err("the API server's address names no host".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the API server's address holds a user name or password; credentials have their own fields".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the API server's address has a query or a fragment".to_owned());
    }
    match url.scheme() {
        "https" => {}
        "http" if loopback(&host) => {}
        "http" => return Err("the API server's address must begin with https://; plain http is for this machine only".to_owned()),
        _ => return Err("the API server's address must begin with https://".to_owned()),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Checks a bearer token.
pub(super) fn token(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the token is missing");
    }
    if text.len() > TOKEN_BYTES_MAX {
        return Err("the token is longer than 64 KiB");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token holds characters that no token has (spaces, line breaks or other than ASCII)");
    }
    // A JWT begins with `eyJ`; its base64, as a Secret's `data` shows it, with `ZXlK`.
    if text.starts_with("ZXlK") && !text.contains('.') {
        return Err("the token is still in base64, as a Secret's data shows it; decode it first");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let ok = [
            ("https://k8s.example.com:6443/", "https://k8s.example.com:6443"),
            (" https://10.0.0.1 ", "https://10.0.0.1"),
            ("https://rancher.example.com/k8s/clusters/c-1/", "https://rancher.example.com/k8s/clusters/c-1"),
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
            ("http://localhost:8001", "http://localhost:8001"),
            ("http://[::1]:8001", "http://[::1]:8001"),
        ];
        for (given, wanted) in ok {
            assert_eq!(server(given).unwrap(), wanted);
        }
        let refused = [
            ("", "missing"),
            ("10.0.0.1:6443", "URL"),
            ("http://10.0.0.1:6443", "https://"),
            ("http://127.0.0.1.example.com", "https://"),
            ("ftp://host", "https://"),
            ("https://u:p@host", "user name"),
            ("https://host?x=1", "query"),
            ("file:///etc/passwd", "no host"),
        ];
        for (given, word) in refused {
            assert!(server(given).unwrap_err().contains(word), "{given}: {}", server(given).unwrap_err());
        }
        assert!(server(&format!("https://{}", "a".repeat(3_000))).unwrap_err().contains("more than"));
    }

    #[test]
    fn tokens() {
        assert_eq!(token(" abc.def \n").unwrap(), "abc.def");
        for (given, word) in [("", "missing"), ("a b", "characters"), ("a\u{e9}", "characters"), ("ZXlKaGJHY2k", "base64")] {
            assert!(token(given).unwrap_err().contains(word), "{given}");
        }
        assert!(token(&"a".repeat(70_000)).unwrap_err().contains("longer"));
    }
}
