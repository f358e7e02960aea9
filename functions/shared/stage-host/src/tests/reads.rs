//! Reads: clamped, masked, and remembered with their resourceVersion.

use crate::bindings::waybill::stage::kubernetes::{Error, Host, LogOptions};
use crate::bindings::waybill::stage::types::Selector;
use crate::testing::{ScriptedCluster, Setup, at, manifest, object};
use app::ports::{KindInfo, WatchKey};

fn pods(labels: Option<&str>, limit: u32) -> Selector {
    let labels = labels.map(str::to_owned);
    Selector { api_version: "v1".into(), kind: "Pod".into(), labels, fields: None, limit, continue_: None }
}

#[tokio::test]
async fn limits_and_selectors_are_clamped_or_refused() {
    let setup = Setup::default();
    let mut state = setup.state();
    state.list_objects(at(Some("shop")), pods(Some("b=2, a==1"), 1_000_000_000), Vec::new()).await.unwrap().unwrap();
    state.list_objects(at(Some("shop")), pods(None, 0), Vec::new()).await.unwrap().unwrap();
    let huge = "a=b,".repeat(25_000);
    let error = state.list_objects(at(Some("shop")), pods(Some(&huge), 5), Vec::new()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    assert_eq!(setup.cluster.calls(), ["list Pod/shop a=1,b=2 500 ", "list Pod/shop  100 "]);
}

#[tokio::test]
async fn no_namespace_means_those_of_the_account_one_after_the_other() {
    let setup = Setup { namespaces: vec!["kube-system", "shop", "shop-2"], ..Setup::default() };
    let mut state = setup.state();
    let first = state.list_objects(at(None), pods(None, 10), Vec::new()).await.unwrap().unwrap();
    assert_eq!(first.continue_.as_deref(), Some("shop-2/"));
    let next = Selector { continue_: first.continue_, ..pods(None, 10) };
    let second = state.list_objects(at(None), next, Vec::new()).await.unwrap().unwrap();
    assert_eq!(second.continue_, None);
    for token in ["kube-system/", "nothing", &"x".repeat(10_000)] {
        let forged = Selector { continue_: Some(token.to_owned()), ..pods(None, 10) };
        let error = state.list_objects(at(None), forged, Vec::new()).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{token}");
    }
    assert_eq!(setup.cluster.calls(), ["list Pod/shop  10 ", "list Pod/shop-2  10 "]);
}

#[tokio::test]
async fn everything_read_is_remembered_for_watches() {
    let setup = Setup::default();
    let mut pod = manifest("v1", "Pod", Some("shop"), "web-1");
    pod["metadata"]["resourceVersion"] = "12".into();
    setup.cluster.objects.lock().unwrap().insert("Pod/shop/web-1".into(), pod);
    let mut state = setup.state();
    let text = state.get(at(Some("shop")), object("v1", "Pod", "web-1"), vec!["status".into()]).await.unwrap().unwrap();
    assert!(text.contains("web-1"));
    let key = |name: &str| {
        let (api_version, kind, namespace) = ("v1".into(), "Pod".into(), Some("shop".into()));
        WatchKey::Object(app::ports::ObjectKey { api_version, kind, namespace, name: name.into() })
    };
    let version =
        |state: &crate::state::StepState, key| state.session.as_ref().unwrap().watches.specs("prod", key).pop().unwrap().resource_version;
    assert_eq!(version(&state, key("web-1")).as_deref(), Some("12"));
    state.list_objects(at(Some("shop")), pods(None, 5), Vec::new()).await.unwrap().unwrap();
    assert_eq!(version(&state, key("web-1")).as_deref(), Some("77"));
    assert_eq!(version(&state, key("web-2")), None);
}

#[tokio::test]
async fn resolve_shows_only_granted_kinds() {
    let kind =
        |kind: &str| KindInfo { api_version: "apps/v1".into(), kind: kind.into(), plural: "x".into(), namespaced: true, scalable: true };
    let cluster = ScriptedCluster { kinds: vec![kind("Deployment")], ..Default::default() };
    let setup = Setup { cluster: cluster.into(), ..Setup::default() };
    let mut state = setup.state();
    assert_eq!(state.resolve(at(None), "apps/v1 Deployment".into()).await.unwrap().unwrap().len(), 1);
    let error = state.resolve(at(None), "deployments?x=1".into()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
}

#[tokio::test]
async fn pod_logs_are_bounded() {
    let setup = Setup::default();
    let mut state = setup.state();
    let all = LogOptions { container: None, previous: false, tail_lines: None, since_ms: None, bytes_max: u32::MAX };
    assert_eq!(state.pod_logs(at(Some("shop")), "web-1".into(), all.clone()).await.unwrap().unwrap(), "a line");
    let error = state.pod_logs(at(Some("billing")), "web-1".into(), all.clone()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Denied(_)));
    let odd = LogOptions { container: Some("a&b".into()), ..all };
    let error = state.pod_logs(at(Some("shop")), "web-1".into(), odd).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
    assert_eq!(setup.cluster.calls(), ["logs shop/web-1 1048576"]);
}
