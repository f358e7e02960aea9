//! The playground against the real API server: the same calls to both, and every difference in their answers is on the
//! list of known ones, with its reason. The list only shrinks.
//!
//! `WAYBILL_DIFFERENTIAL_SEEDS=500` compares that many random stories instead of a few.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod apply;
mod basics;
mod binary;
mod discovery;
mod known;
mod lists;
mod mask;
mod pair;
mod random;
mod refusals;
mod side;
mod watches;
mod workloads;

use pair::Pair;
use playground::{Options, Playground};
use serde_json::json;
use side::{Call, Side};
use testkit::ControlPlane;

/// Random stories in an ordinary run: each kind twice.
const SEEDS: u64 = 14;

#[tokio::test]
async fn the_playground_answers_as_the_api_server_does() {
    let plane = ControlPlane::shared().await.unwrap();
    let played = Playground::start(Options::default()).await.unwrap();
    let real = Side::new(plane.server(), Some(plane.ca_pem()), plane.admin_token());
    let mut pair = Pair::new(real, Side::new(&played.server(), Some(played.ca_pem()), played.token()));

    discovery::compare(&mut pair).await;
    refusals::compare(&mut pair).await;
    basics::compare(&mut pair).await;
    binary::compare(&mut pair).await;
    lists::compare(&mut pair).await;
    apply::compare(&mut pair).await;
    watches::compare(&mut pair).await;
    workloads::compare(&mut pair).await;
    let seeds = std::env::var("WAYBILL_DIFFERENTIAL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        random::compare(&mut pair, seed).await;
    }
    println!("{} calls compared, {} differences", pair.calls, pair.found.len());
    let known = known::check(&pair.found);
    println!("{known} known differences");
}

/// A namespace of this name on both sides, with what every namespace gets.
async fn namespace(pair: &mut Pair, name: &str) {
    pair.arrange(Call::post("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))).await;
    let account = Call::get(format!("/api/v1/namespaces/{name}/serviceaccounts/default"));
    pair.wait("the namespace's account", account, |answer| answer.status == 200).await;
}
