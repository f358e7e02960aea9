//! Asks a cluster which kinds it serves, and remembers the answer for a minute. A kind that is not in it makes it ask
//! again, so a custom resource is found as soon as its definition is served.

use crate::kinds::{self, KindTable, Place};
use crate::link::{Ask, Link};
use crate::paths;
use app::ports::{ClusterError, KindInfo};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::core::discovery::v2::ACCEPT_AGGREGATED_DISCOVERY_V2;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Longest time an answer is believed.
const FRESH_MS_MAX: u64 = 60_000;
/// Longest text looked up.
const KIND_BYTES_MAX: usize = 300;
/// Most group versions asked one by one.
const GROUP_VERSIONS_MAX: usize = 500;
/// Group versions asked at once.
const AT_ONCE: usize = 8;

/// The kinds of one cluster, and when they were read.
#[derive(Default)]
pub(crate) struct KindCache {
    held: Mutex<Option<(Instant, Arc<KindTable>)>>,
}

/// What a kind's name means on this cluster; empty is [`ClusterError::NotFound`].
pub(crate) async fn resolve(link: &Link, wanted: &str) -> Result<Vec<KindInfo>, ClusterError> {
    if wanted.len() > KIND_BYTES_MAX {
        return Err(ClusterError::Invalid(format!("a kind's name has at most {KIND_BYTES_MAX} bytes")));
    }
    let asked = Instant::now();
    let mut found = table(link, None).await?.resolve(wanted);
    if found.is_empty() {
        found = table(link, Some(asked)).await?.resolve(wanted);
    }
    if found.is_empty() { Err(ClusterError::NotFound(format!("the cluster has no kind {wanted:?}"))) } else { Ok(found) }
}

/// Where objects of a kind live.
pub(crate) async fn place(link: &Link, api_version: &str, kind: &str) -> Result<Place, ClusterError> {
    if let Some(place) = kinds::well_known(api_version, kind) {
        return Ok(place);
    }
    let asked = Instant::now();
    if let Some(place) = table(link, None).await?.place(api_version, kind) {
        return Ok(place);
    }
    let fresh = table(link, Some(asked)).await?;
    fresh.place(api_version, kind).ok_or_else(|| ClusterError::NotFound(fresh.missing(api_version, kind)))
}

/// The table, read again when it is old or from before `since`. Whoever comes meanwhile waits for the same answer.
async fn table(link: &Link, since: Option<Instant>) -> Result<Arc<KindTable>, ClusterError> {
    let mut held = link.kinds.held.lock().await;
    if let Some((read, table)) = held.as_ref()
        && read.elapsed() < Duration::from_millis(FRESH_MS_MAX)
        && since.is_none_or(|since| *read >= since)
    {
        return Ok(Arc::clone(table));
    }
    let read = Instant::now();
    let mut found = aggregated(link).await?;
    if found.is_empty() {
        found = one_by_one(link).await?;
    }
    let table = Arc::new(found);
    *held = Some((read, Arc::clone(&table)));
    Ok(table)
}

/// Two requests for everything. Servers that do not know it answer with a document without `items`: an empty table.
async fn aggregated(link: &Link) -> Result<KindTable, ClusterError> {
    let mut table = KindTable::default();
    for path in ["/api", "/apis"] {
        match link.json(Ask::get(path.to_owned()).accepting(ACCEPT_AGGREGATED_DISCOVERY_V2)).await {
            Ok((_, document)) => table.add_aggregated(&document),
            // 406 and the like: the way of old servers is tried instead.
            Err(ClusterError::Invalid(_) | ClusterError::NotFound(_)) => return Ok(KindTable::default()),
            Err(error) => return Err(error),
        }
    }
    Ok(table)
}

/// One request a group version. A group whose own server is down is left out.
async fn one_by_one(link: &Link) -> Result<KindTable, ClusterError> {
    let (_, core) = link.json(Ask::get("/api".to_owned())).await?;
    let (_, groups) = link.json(Ask::get("/apis".to_owned())).await?;
    let asks = group_versions(&core, &groups).into_iter().filter_map(|group_version| paths::group_version(&group_version).ok());
    let documents: Vec<Option<Value>> = stream::iter(asks)
        .map(|path| async move {
            match link.json(Ask::get(path)).await {
                Ok((_, document)) => Ok(Some(document)),
                Err(ClusterError::Unreachable { code: "server-error", .. } | ClusterError::NotFound(_) | ClusterError::Denied(_)) => {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut table = KindTable::default();
    documents.iter().flatten().for_each(|document| table.add_resources(document));
    Ok(table)
}

/// Core versions, then each group's, the preferred one first.
fn group_versions(core: &Value, groups: &Value) -> Vec<String> {
    let core = core.get("versions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let mut found: Vec<String> = core.collect();
    for group in groups.get("groups").and_then(Value::as_array).into_iter().flatten() {
        let preferred = group.pointer("/preferredVersion/groupVersion").and_then(Value::as_str);
        let all = group.get("versions").and_then(Value::as_array).into_iter().flatten();
        let others =
            all.filter_map(|version| version.get("groupVersion")).filter_map(Value::as_str).filter(|other| Some(*other) != preferred);
        found.extend(preferred.into_iter().chain(others).map(str::to_owned));
    }
    found.truncate(GROUP_VERSIONS_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn preferred_versions_come_first() {
        let core = json!({"versions": ["v1"]});
        let groups = json!({"groups": [{"name": "apps", "preferredVersion": {"groupVersion": "apps/v1"},
            "versions": [{"groupVersion": "apps/v1beta1"}, {"groupVersion": "apps/v1"}]}]});
        assert_eq!(group_versions(&core, &groups), ["v1", "apps/v1", "apps/v1beta1"]);
    }
}
