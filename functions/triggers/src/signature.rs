//! Checks that a request was made by somebody who knows the trigger's secret: an HMAC over the raw bytes, compared in
//! constant time, before anything is parsed.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use sha1::Sha1;
use sha2::Sha256;

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The trigger has a secret, and the request no signature.
    #[error("the trigger wants signed requests, and this one has no signature")]
    Missing,
    /// It was made with another secret, or over other bytes.
    #[error("the signature does not match")]
    Wrong,
}

/// Checks every signature that the request carries; it must carry one.
///
/// # Errors
/// [`SignatureError`] says which of the two it is.
pub fn check(secret: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), SignatureError> {
    let mut signed = false;
    for value in headers.get_all("x-coding-signature") {
        signed = true;
        verify::<Hmac<Sha1>>(secret, "sha1=", value.as_bytes(), body)?;
    }
    for value in headers.get_all("x-hub-signature-256") {
        signed = true;
        verify::<Hmac<Sha256>>(secret, "sha256=", value.as_bytes(), body)?;
    }
    if signed { Ok(()) } else { Err(SignatureError::Missing) }
}

fn verify<M: Mac + KeyInit>(secret: &str, prefix: &str, header: &[u8], body: &[u8]) -> Result<(), SignatureError> {
    let said = header.strip_prefix(prefix.as_bytes()).and_then(|text| hex::decode(text).ok()).ok_or(SignatureError::Wrong)?;
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).map_err(|_| SignatureError::Wrong)?;
    mac.update(body);
    mac.verify_slice(&said).map_err(|_| SignatureError::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const BODY: &[u8] = br#"{"ref":"refs/heads/main"}"#;
    const SHA1: &str = "sha1=cb6fba49bef000871f99d16a1ae8bebc85d29174";
    const SHA256: &str = "sha256=7804d460f7eadad206a6d4c5a760b15defa80add90a31069e5ab2df85f18bcfa";

    fn run(secret: &str, list: &[(&'static str, &'static str)], body: &[u8]) -> Result<(), SignatureError> {
        let headers = list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        check(secret, &headers, body)
    }

    #[test]
    fn known_signatures_match() {
        run("topsecret", &[("x-coding-signature", SHA1)], BODY).unwrap();
        run("topsecret", &[("x-hub-signature-256", SHA256)], BODY).unwrap();
        run("topsecret", &[("x-hub-signature-256", SHA256), ("x-coding-signature", SHA1)], BODY).unwrap();
    }

    #[test]
    fn anything_else_does_not() {
        assert_eq!(run("topsecret", &[], BODY), Err(SignatureError::Missing));
        assert_eq!(run("topsecret", &[("authorization", "Bearer topsecret")], BODY), Err(SignatureError::Missing));
        let wrong = |list: &[(&'static str, &'static str)], secret: &str, body: &[u8]| {
            assert_eq!(run(secret, list, body), Err(SignatureError::Wrong), "{list:?}");
        };
        wrong(&[("x-coding-signature", SHA1)], "other", BODY);
        wrong(&[("x-coding-signature", SHA1)], "topsecret", br#"{"ref":"refs/heads/main"} "#);
        wrong(&[("x-coding-signature", SHA256)], "topsecret", BODY);
        wrong(&[("x-coding-signature", "sha1=")], "topsecret", BODY);
        wrong(&[("x-coding-signature", "sha1=cb6f")], "topsecret", BODY);
        wrong(&[("x-coding-signature", "sha1=zz")], "topsecret", BODY);
        wrong(&[("x-coding-signature", "")], "topsecret", BODY);
        wrong(&[("x-coding-signature", SHA1), ("x-hub-signature-256", "sha256=00")], "topsecret", BODY);
    }
}
