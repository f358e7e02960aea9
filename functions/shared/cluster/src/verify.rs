//! Checks an account: does the API server answer, which version is it, and may these credentials do in each namespace
//! what the stages need. Every right that is missing is named. It changes nothing on the cluster.

use crate::link::{Ask, Link};
use crate::paths;
use app::ports::{ClusterError, Verified, VerifyNeeds};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::account::AccountCheck;
use serde_json::{Value, json};

/// Namespaces, and rights within one, asked about at once.
const AT_ONCE: usize = 4;
/// Most missing rights named in one line.
const MISSING_SHOWN_MAX: usize = 20;
/// First minor version of Kubernetes 1 with server-side apply for good.
const MINOR_MIN: u32 = 22;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1";

type Right = (String, String, String);

pub(crate) async fn verify(link: &Link, needs: &VerifyNeeds) -> Result<Verified, ClusterError> {
    let (version, line) = match link.json(Ask::get("/version".to_owned())).await {
        Ok((_, info)) => version_line(&info),
        // Some clusters hide it; what counts is what the rights say.
        Err(ClusterError::Denied(_)) => (String::new(), check("version", true, "not shown to these credentials".to_owned())),
        Err(error) => return Err(error),
    };
    let reachable = check("reachable", true, format!("{} answers and accepts the credentials", link.server()));
    let rights: Vec<AccountCheck> = stream::iter(needs.namespaces.clone())
        .map(|namespace| async move { rights_line(link, &namespace, &needs.rights).await })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(Verified { version, checks: [reachable, line].into_iter().chain(rights).collect() })
}

fn check(name: &str, passed: bool, message: String) -> AccountCheck {
    AccountCheck { name: name.to_owned(), passed, message }
}

fn version_line(info: &Value) -> (String, AccountCheck) {
    let version = info.get("gitVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| {
        let text = info.get(key).and_then(Value::as_str).unwrap_or_default();
        text.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>().ok()
    };
    let line = match (number("major"), number("minor")) {
        (Some(1), Some(minor)) if minor < MINOR_MIN => {
            check("version", false, format!("{version}: Kubernetes 1.{MINOR_MIN} or newer is needed, for server-side apply"))
        }
        (Some(_), Some(_)) => check("version", true, version.clone()),
        _ => check("version", false, "the answer is not that of a Kubernetes API server".to_owned()),
    };
    (version, line)
}

async fn rights_line(link: &Link, namespace: &str, rights: &[Right]) -> Result<AccountCheck, ClusterError> {
    let name = format!("rights:{namespace}");
    match link.json(Ask::get(paths::object("/api/v1/namespaces", namespace)?)).await {
        Ok((_, found)) if found.pointer("/status/phase").is_some_and(|phase| phase == "Terminating") => {
            return Ok(check(&name, false, format!("namespace {namespace} is being deleted")));
        }
        Err(ClusterError::NotFound(_)) => return Ok(check(&name, false, format!("namespace {namespace} does not exist"))),
        // To read namespaces is not needed for anything else.
        Ok(_) | Err(ClusterError::Denied(_)) => {}
        Err(error) => return Err(error),
    }
    let missing = missing(link, namespace, rights).await?;
    Ok(match missing.as_slice() {
        [] => check(&name, true, format!("all {} rights that stages need", rights.len())),
        missing => check(&name, false, format!("missing in namespace {namespace}: {}", listed(missing))),
    })
}

/// The rights that are not there. One request where the cluster can list the rules; where it says that its list is
/// incomplete, one more for each right that is not on it.
async fn missing(link: &Link, namespace: &str, rights: &[Right]) -> Result<Vec<Right>, ClusterError> {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
    let (unlisted, complete) = match link.json(Ask::post(format!("{REVIEWS}/selfsubjectrulesreviews"), &review)).await {
        Ok((_, answer)) => not_covered(&answer, rights),
        Err(ClusterError::Denied(_)) => (rights.to_vec(), false),
        Err(error) => return Err(error),
    };
    if complete {
        return Ok(unlisted);
    }
    let asked: Vec<Option<Right>> = stream::iter(unlisted)
        .map(|right| async move { Ok::<_, ClusterError>(if allowed(link, namespace, &right).await? { None } else { Some(right) }) })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(asked.into_iter().flatten().collect())
}

/// Rights that a rules review does not grant, and whether its list is complete.
fn not_covered(review: &Value, rights: &[Right]) -> (Vec<Right>, bool) {
    let incomplete = review.pointer("/status/incomplete").and_then(Value::as_bool).unwrap_or(true);
    let rules: Vec<&Value> = review.pointer("/status/resourceRules").and_then(Value::as_array).into_iter().flatten().collect();
    let missing = rights.iter().filter(|right| !rules.iter().any(|rule| grants(rule, right))).cloned().collect();
    (missing, !incomplete)
}

/// Whether one RBAC rule grants a right to all objects of a kind; `plural` may name a sub-resource (`pods/log`).
fn grants(rule: &Value, (verb, group, plural): &Right) -> bool {
    let among = |key: &str, wanted: &[&str]| {
        rule.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|have| have == "*" || wanted.contains(&have))
    };
    let every = plural.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    let named = rule.get("resourceNames").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
    !named && among("verbs", &[verb]) && among("apiGroups", &[group]) && among("resources", &[plural, every.as_deref().unwrap_or(plural)])
}

async fn allowed(link: &Link, namespace: &str, (verb, group, plural): &Right) -> Result<bool, ClusterError> {
    let (resource, subresource) = plural.split_once('/').unwrap_or((plural, ""));
    let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource});
    let review =
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}});
    match link.json(Ask::post(format!("{REVIEWS}/selfsubjectaccessreviews"), &review)).await {
        Ok((_, answer)) => Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or_default()),
        Err(ClusterError::Denied(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn listed(missing: &[Right]) -> String {
    let one =
        |(verb, group, plural): &Right| if group.is_empty() { format!("{verb} {plural}") } else { format!("{verb} {plural}.{group}") };
    let mut text = missing.iter().take(MISSING_SHOWN_MAX).map(one).collect::<Vec<_>>().join(", ");
    if missing.len() > MISSING_SHOWN_MAX {
        text.push_str(&format!(" and {} more", missing.len() - MISSING_SHOWN_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(verb: &str, group: &str, plural: &str) -> Right {
        (verb.to_owned(), group.to_owned(), plural.to_owned())
    }

    #[test]
    fn rules_are_read_as_rbac_reads_them() {
        let rule =
            |verbs: &[&str], groups: &[&str], resources: &[&str]| json!({"verbs": verbs, "apiGroups": groups, "resources": resources});
        let cases = [
            (rule(&["get"], &["apps"], &["deployments"]), right("get", "apps", "deployments"), true),
            (rule(&["*"], &["*"], &["*"]), right("get", "apps", "deployments"), true),
            (rule(&["*"], &["*"], &["*"]), right("get", "", "pods/log"), true),
            (rule(&["get"], &["apps"], &["deployments"]), right("patch", "apps", "deployments"), false),
            (rule(&["get"], &[""], &["deployments"]), right("get", "apps", "deployments"), false),
            (rule(&["get"], &[""], &["pods"]), right("get", "", "pods/log"), false),
            (rule(&["get"], &[""], &["pods/log"]), right("get", "", "pods/log"), true),
            (rule(&["get"], &[""], &["*/log"]), right("get", "", "pods/log"), true),
            (rule(&["get"], &[""], &["*/log"]), right("get", "", "pods"), false),
        ];
        for (rule, wanted, granted) in cases {
            assert_eq!(grants(&rule, &wanted), granted, "{rule} {wanted:?}");
        }
        let named = json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["one"]});
        assert!(!grants(&named, &right("get", "apps", "deployments")), "a right to one object is not enough");
    }

    #[test]
    fn reviews_are_summed_up() {
        let rights = [right("get", "", "pods"), right("list", "", "pods")];
        let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
        let review = |incomplete: bool| json!({"status": {"incomplete": incomplete, "resourceRules": rules}});
        assert_eq!(not_covered(&review(false), &rights), (vec![rights[1].clone()], true));
        assert_eq!(not_covered(&review(true), &rights), (vec![rights[1].clone()], false));
        assert_eq!(not_covered(&json!({}), &rights), (rights.to_vec(), false));
    }

    #[test]
    fn versions_are_judged() {
        let info = |minor: &str| json!({"major": "1", "minor": minor, "gitVersion": format!("v1.{minor}")});
        assert!(version_line(&info("36")).1.passed);
        assert!(version_line(&info("29+")).1.passed);
        let (version, old) = version_line(&info("21"));
        assert!(!old.passed && version == "v1.21" && old.message.contains("1.22"), "{}", old.message);
        assert!(!version_line(&json!({"name": "something else"})).1.passed);
    }

    #[test]
    fn missing_rights_are_named_and_bounded() {
        assert_eq!(listed(&[right("get", "", "pods"), right("patch", "apps", "deployments")]), "get pods, patch deployments.apps");
        let many: Vec<Right> = (0..25).map(|n| right("get", "", &format!("r{n}"))).collect();
        assert!(listed(&many).ends_with("r19 and 5 more"));
    }
}
