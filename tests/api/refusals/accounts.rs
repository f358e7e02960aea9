//! Kubeconfigs that cannot be used: refused at once, with advice, and no account is made.

use serde_json::{Value, json};
use tests::Site;

const ACCOUNTS: &str = "/api/accounts/cloud";

/// A kubeconfig of this user and these contexts; the first cluster is real enough to be read.
fn kubeconfig(site: &Site, user: &str, contexts: &[&str], current: &str) -> String {
    let contexts: String = contexts.iter().map(|name| format!("- name: {name}\n  context: {{cluster: test, user: test}}\n")).collect();
    let server = site.plane.server();
    let ca = site.plane.kubeconfig().lines().find(|line| line.contains("certificate-authority-data")).unwrap().trim().to_owned();
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: test\n  cluster:\n    server: {server}\n    {ca}\nusers:\n- name: test\n  \
         user:\n    {user}\ncontexts:\n{contexts}{current}"
    )
}

async fn refused(site: &Site, kubeconfig: String, pointer: &str, code: &str) -> String {
    let body = json!({"name": "bad", "kubeconfig": kubeconfig, "applications": [], "namespaces": ["default"]});
    let message = site.admin.post(ACCOUNTS, &body).await.invalid(pointer, code);
    assert_eq!(site.admin.all(ACCOUNTS).await, Vec::<Value>::new(), "nothing is left of it");
    message
}

#[tokio::test]
async fn kubeconfigs_that_cannot_be_used() {
    let site = Site::empty().await;
    let token = "token: abc";
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: cloud-cli, args: [token]}";
    let said = refused(&site, kubeconfig(&site, exec, &["a"], ""), "/kubeconfig/users/0/user/exec", "exec-not-supported").await;
    assert!(said.contains("service account's token"), "it says the way out: {said}");
    for field in ["tokenFile", "client-certificate", "client-key"] {
        let text = kubeconfig(&site, &format!("{field}: /etc/passwd"), &["a"], "");
        let said = refused(&site, text, &format!("/kubeconfig/users/0/user/{field}"), "file-path").await;
        assert!(said.contains("content") && !said.contains("/etc/passwd"), "{said}");
    }
    let with_file = site.plane.kubeconfig().replace("certificate-authority-data: ", "certificate-authority: /etc/ssl/ca.pem # ");
    let said = refused(&site, with_file, "/kubeconfig/clusters/0/cluster/certificate-authority", "file-path").await;
    assert!(said.contains("certificate-authority-data"), "{said}");
    let said = refused(&site, kubeconfig(&site, token, &["blue", "green"], ""), "/kubeconfig/contexts", "context-required").await;
    assert!(said.contains("blue") && said.contains("green"), "{said}");
    let unknown = kubeconfig(&site, token, &["blue"], "current-context: red\n");
    let _ = refused(&site, unknown, "/kubeconfig/current-context", "context-unknown").await;
    for garbage in ["", "hello", "\u{0}\u{1}", "[1, 2]", "kind: Pod", "a: [", "%YAML 9", &"[".repeat(5_000)] {
        let body = json!({"name": "bad", "kubeconfig": garbage, "applications": [], "namespaces": []});
        let problem = site.admin.post(ACCOUNTS, &body).await.refused(422, "invalid");
        assert!(problem["errors"][0]["pointer"].as_str().is_some_and(|at| at.starts_with("/kubeconfig")), "{garbage:?}: {problem}");
    }
    let large = format!("{}# {}", site.plane.kubeconfig(), "x".repeat(2_000_000));
    let _ = refused(&site, large, "/kubeconfig", "kubeconfig-too-large").await;
    let larger = json!({"name": "bad", "kubeconfig": "x".repeat(2 << 20), "applications": [], "namespaces": []});
    let _ = site.admin.post(ACCOUNTS, &larger).await.refused(413, "body-too-large");
    assert_eq!(site.admin.all(ACCOUNTS).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_chosen_context_is_enough_and_secrets_stay_inside() {
    let site = Site::empty().await;
    let text = site.plane.kubeconfig().replace("current-context: test\n", "") + "current-context: \"\"\n";
    let text = text.replace("contexts:\n", "contexts:\n- name: other\n  context: {cluster: test, user: test}\n");
    let body = json!({"name": "a", "kubeconfig": text, "context": "test", "applications": [], "namespaces": [site.namespace]});
    let made = site.admin.post(ACCOUNTS, &body).await.is(201);
    assert_eq!(made["context"], "test", "{made}");
    let account = site.admin.checked("cloud", "a").await;
    assert_eq!(account["state"], "ready", "{account:#}");
    for text in [account.to_string(), site.server.log(), site.admin.get("/api/changes?topic=account:a").await.ok().to_string()] {
        assert!(!text.contains(site.plane.admin_token()), "the token is told");
    }
}

#[tokio::test]
async fn accounts_that_do_not_work_say_why() {
    let site = Site::empty().await;
    let (server, ca) = (site.plane.server(), site.plane.ca_pem());
    let unused = format!("https://127.0.0.1:{}", testkit::net::free_port().unwrap());
    let cases = [
        ("wrong-token", server, Some(ca), "nobody", "account-unauthorized"),
        ("nobody-there", unused.as_str(), Some(ca), "x", "account-connection-refused"),
        ("no-such-name", "https://api.cluster.invalid:6443", Some(ca), "x", "account-name-not-found"),
        ("other-authority", server, None, site.plane.admin_token(), "account-certificate-not-trusted"),
    ];
    for (name, server, ca, token, _) in cases {
        let body = json!({"name": name, "server": server, "caPem": ca, "token": token, "applications": [], "namespaces": [site.namespace]});
        let made = site.admin.post(ACCOUNTS, &body).await.is(201);
        assert!(made["state"] == "verifying" || made["state"] == "failed", "{made}");
    }
    for (name, _, _, _, code) in cases {
        let account = site.admin.checked("cloud", name).await;
        assert_eq!((&account["state"], &account["reason"]["code"]), (&json!("failed"), &json!(code)), "{account:#}");
        assert!(account["reason"]["message"].as_str().is_some_and(|said| said.len() > 10), "{account:#}");
    }
    let rights = testkit::control_plane::Rights::none();
    let token = site.plane.service_account_token(&site.namespace, "nothing", &rights).await.unwrap();
    let body =
        json!({"name": "no-rights", "server": server, "caPem": ca, "token": token, "applications": [], "namespaces": [site.namespace]});
    let _ = site.admin.post(ACCOUNTS, &body).await.is(201);
    let account = site.admin.checked("cloud", "no-rights").await;
    assert_eq!(account["reason"]["code"], "account-rights-missing", "{account:#}");
    let failed = account["checks"].as_array().unwrap().iter().any(|check| check["passed"] == false);
    assert!(failed && account.to_string().contains(&site.namespace), "it says what is missing where: {account:#}");
}
