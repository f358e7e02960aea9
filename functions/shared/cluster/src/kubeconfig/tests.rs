//! Every way a kubeconfig is accepted or refused, as a table.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};

fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// A kubeconfig with one cluster, one user and one context, whose cluster and user are given as JSON fields.
fn config(cluster: &str, user: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{{"name": "k", "cluster": {{{cluster}}}}}], "users": [{{"name": "u", "user": {{{user}}}}}],
            "contexts": [{{"name": "c", "context": {{"cluster": "k", "user": "u", "namespace": "n"}}}}]}}"#
    )
}

const SERVER: &str = r#""server": "https://k8s.example.com:6443""#;
const TOKEN: &str = r#""token": "s3cret""#;

fn refused(text: &str, context: Option<&str>, allow_insecure: bool) -> String {
    let problems = read(text, context, allow_insecure).unwrap_err();
    problems.iter().map(|p| format!("{} {}", p.pointer, p.code)).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_token_is_read() {
    let (connection, context) = read(&config(SERVER, TOKEN), None, false).unwrap();
    assert_eq!(context, "c");
    assert_eq!(connection.server, "https://k8s.example.com:6443");
    assert!(connection.credentials == ClusterCredentials::Token("s3cret".to_owned()));
    assert_eq!(connection.ca_pem, None);
    assert_eq!(format!("{connection:?}"), "ClusterConnection(https://k8s.example.com:6443)");
}

#[test]
fn certificates_are_read_as_yaml_and_cleaned() {
    let (cert, key) = pair();
    let (cert64, key64) = (STANDARD.encode(format!("noise\n{cert}")), STANDARD.encode(&key));
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    server: https://10.0.0.1:6443\n    tls-server-name: k8s.local\n    certificate-authority-data: {cert64}\n\
         users:\n- name: u\n  user: {{client-certificate-data: {cert64}, client-key-data: {key64}}}\ncontexts:\n- context: {{cluster: k, user: u}}\n  name: only\n"
    );
    let (connection, context) = read(&text, None, false).unwrap();
    assert_eq!(context, "only", "the only context needs no choosing");
    assert_eq!(connection.tls_server_name.as_deref(), Some("k8s.local"));
    assert_eq!(pem::certificates(connection.ca_pem.as_deref().unwrap()).unwrap().len(), 1);
    assert!(!connection.ca_pem.unwrap().contains("noise"));
    let ClusterCredentials::Certificate { certificate_pem, key_pem } = connection.credentials else { panic!("a certificate") };
    assert!(pem::identity(&certificate_pem, &key_pem, &rustls::crypto::ring::default_provider()).is_ok());
}

#[test]
fn what_would_touch_this_machine_is_refused() {
    let user = "/users/0/user";
    let cases = [
        (TOKEN, r#""exec": {"command": "aws", "args": ["s3cret"]}"#, format!("{user}/exec exec-not-supported")),
        (TOKEN, r#""auth-provider": {"name": "gcp"}"#, format!("{user}/auth-provider auth-provider-not-supported")),
        (TOKEN, r#""tokenFile": "/etc/passwd""#, format!("{user}/tokenFile file-path")),
        (TOKEN, r#""client-certificate": "a.crt""#, format!("{user}/client-certificate file-path")),
        (TOKEN, r#""client-key": "a.key""#, format!("{user}/client-key file-path")),
        (TOKEN, r#""as": "admin""#, format!("{user}/as impersonation-not-supported")),
        (TOKEN, r#""as-groups": ["system:masters"]"#, format!("{user}/as-groups impersonation-not-supported")),
        (
            "",
            r#""username": "u", "password": "s3cret""#,
            format!("{user}/username basic-auth-not-supported; {user}/password basic-auth-not-supported"),
        ),
    ];
    for (token, field, wanted) in cases {
        let fields = if token.is_empty() { field.to_owned() } else { format!("{token}, {field}") };
        assert_eq!(refused(&config(SERVER, &fields), None, false), wanted);
        let problems = read(&config(SERVER, &fields), None, false).unwrap_err();
        assert!(!format!("{problems:?}").contains("s3cret"));
    }
    let exec = read(&config(SERVER, r#""exec": {"command": "aws"}"#), None, false).unwrap_err();
    assert!(exec[0].message.contains("API server address, certificate authority and a service account's token"), "{}", exec[0].message);
    let cluster = "/clusters/0/cluster";
    let cases = [
        (r#""certificate-authority": "/ca.crt""#, format!("{cluster}/certificate-authority file-path")),
        (r#""proxy-url": "http://proxy:3128""#, format!("{cluster}/proxy-url proxy-not-supported")),
        (r#""insecure-skip-tls-verify": true"#, format!("{cluster}/insecure-skip-tls-verify insecure-not-allowed")),
        (r#""insecure-skip-tls-verify": "yes""#, format!("{cluster}/insecure-skip-tls-verify wrong-type")),
    ];
    for (field, wanted) in cases {
        assert_eq!(refused(&config(&format!("{SERVER}, {field}"), TOKEN), None, false), wanted);
    }
}

#[test]
fn insecure_is_taken_when_allowed() {
    let text = config(&format!(r#"{SERVER}, "insecure-skip-tls-verify": true"#), TOKEN);
    assert!(read(&text, None, true).unwrap().0.insecure_skip_tls_verify);
    assert!(!read(&config(SERVER, TOKEN), None, true).unwrap().0.insecure_skip_tls_verify, "allowed is not asked for");
}

#[test]
fn empty_fields_count_as_absent() {
    let user = r#""token": "s3cret", "exec": null, "tokenFile": "", "as-groups": []"#;
    assert!(read(&config(SERVER, user), None, false).is_ok());
}

#[test]
fn contexts_are_chosen() {
    let two = r#"{"clusters": [{"name": "k", "cluster": {"server": "https://k"}}], "users": [{"name": "u", "user": {"token": "t"}}, {"name": "e", "user": {"exec": {"command": "aws"}}}],
        "contexts": [{"name": "a", "context": {"cluster": "k", "user": "u"}}, {"name": "b", "context": {"cluster": "k", "user": "e"}}]}"#;
    let problems = read(two, None, false).unwrap_err();
    assert_eq!((problems[0].pointer.as_str(), problems[0].code.as_str()), ("/contexts", "context-required"));
    assert!(problems[0].message.ends_with(r#""a", "b""#), "{}", problems[0].message);
    assert_eq!(read(two, Some("a"), false).unwrap().1, "a", "what another context would run does not matter");
    assert_eq!(refused(two, Some("b"), false), "/users/1/user/exec exec-not-supported");
    assert_eq!(refused(two, Some("z"), false), " context-unknown");
    let current = two.replacen('{', r#"{"current-context": "a","#, 1);
    assert_eq!(read(&current, None, false).unwrap().1, "a");
    let stale = two.replacen('{', r#"{"current-context": "gone","#, 1);
    assert_eq!(refused(&stale, None, false), "/current-context context-unknown");
    assert_eq!(read(&stale, Some("a"), false).unwrap().1, "a");
}

#[test]
fn broken_references_are_named() {
    let base = config(SERVER, TOKEN);
    let cases = [
        (base.replace(r#""cluster": "k""#, r#""cluster": "x""#), "/contexts/0/context/cluster cluster-unknown"),
        (base.replace(r#""user": "u""#, r#""user": "x""#), "/contexts/0/context/user user-unknown"),
        (base.replace(r#""user": "u","#, ""), "/contexts/0/context user-missing"),
        (base.replace(r#""user": "u""#, r#""user": 7"#), "/contexts/0/context/user wrong-type"),
        (base.replace(r#""contexts": ["#, r#""contexts": [{"name": "c", "context": {}}, "#), "/contexts/1/name duplicate-name"),
        (base.replace(r#""contexts": ["#, r#""contexts": [{}, "#), "/contexts/0 wrong-type"),
        (r#"{"contexts": 7}"#.to_owned(), "/contexts wrong-type; /contexts context-required"),
        (r#"{"contexts": [{"name": "c"}]}"#.to_owned(), "/contexts/0/context wrong-type"),
        (r#"{"kind": "Config"}"#.to_owned(), "/contexts context-required"),
        (r#"{"kind": "Pod"}"#.to_owned(), "/kind not-a-kubeconfig"),
        ("[]".to_owned(), " not-a-kubeconfig"),
        ("just text".to_owned(), " not-a-kubeconfig"),
        (String::new(), " not-a-kubeconfig"),
        ("a: [".to_owned(), " not-a-kubeconfig"),
        ("x".repeat(2 << 20), " too-large"),
        (base.replacen(r#""kind""#, r#""kind": "Config", "kind""#, 1), "/kind duplicate-key"),
    ];
    for (text, wanted) in cases {
        assert_eq!(refused(&text, None, false), wanted);
    }
}

#[test]
fn servers_and_credentials_are_checked() {
    let (cert, key) = pair();
    let (_, other_key) = pair();
    let b64 = |text: &str| STANDARD.encode(text);
    let user = |cert: &str, key: &str| format!(r#""client-certificate-data": "{}", "client-key-data": "{}""#, b64(cert), b64(key));
    let cluster = "/clusters/0/cluster";
    let at = "/users/0/user";
    let cases = [
        (r#""server": "http://10.0.0.1""#.to_owned(), TOKEN.to_owned(), format!("{cluster}/server server-invalid")),
        (String::new(), TOKEN.to_owned(), format!("{cluster} server-invalid")),
        (
            format!(r#"{SERVER}, "certificate-authority-data": "%%""#),
            TOKEN.to_owned(),
            format!("{cluster}/certificate-authority-data not-base64"),
        ),
        (
            format!(r#"{SERVER}, "certificate-authority-data": "{}""#, b64("x")),
            TOKEN.to_owned(),
            format!("{cluster}/certificate-authority-data ca-invalid"),
        ),
        (SERVER.to_owned(), String::new(), format!("{at} credentials-missing")),
        (SERVER.to_owned(), r#""token": 12"#.to_owned(), format!("{at}/token wrong-type")),
        (SERVER.to_owned(), r#""token": "a b""#.to_owned(), format!("{at}/token token-invalid")),
        (SERVER.to_owned(), user(&cert, &other_key), format!("{at}/client-certificate-data certificate-invalid")),
        (SERVER.to_owned(), user("x", &key), format!("{at}/client-certificate-data certificate-invalid")),
        (SERVER.to_owned(), user(&cert, "x"), format!("{at}/client-certificate-data certificate-invalid")),
        (SERVER.to_owned(), format!(r#""client-key-data": "{}""#, b64(&key)), format!("{at} certificate-invalid")),
    ];
    for (cluster, user, wanted) in cases {
        assert_eq!(refused(&config(&cluster, &user), None, false), wanted);
    }
}

#[test]
fn everything_wrong_is_found_in_one_pass() {
    let text = config(r#""server": "ftp://x", "proxy-url": "http://p""#, r#""exec": {}, "tokenFile": "/t""#);
    assert_eq!(
        refused(&text, None, false),
        "/clusters/0/cluster/proxy-url proxy-not-supported; /clusters/0/cluster/server server-invalid; /users/0/user/exec exec-not-supported; /users/0/user/tokenFile file-path"
    );
}

#[test]
fn an_address_is_checked_alike() {
    let (cert, _) = pair();
    let made = from_address("https://10.0.0.1:6443/", Some(&cert), " tok\n", false).unwrap();
    assert_eq!(made.server, "https://10.0.0.1:6443");
    assert!(made.ca_pem.is_some());
    assert!(
        from_address("https://10.0.0.1", Some(&STANDARD.encode(&cert)), "t", false).unwrap().ca_pem.is_some(),
        "a Secret's data as it is"
    );
    assert!(from_address("https://10.0.0.1", Some(" "), "t", false).unwrap().ca_pem.is_none());
    assert!(from_address("https://10.0.0.1", None, "t", true).unwrap().insecure_skip_tls_verify);
    let problems = from_address("http://10.0.0.1", Some("x"), "", false).unwrap_err();
    let at: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(at, ["/server", "/token", "/caPem"]);
}
