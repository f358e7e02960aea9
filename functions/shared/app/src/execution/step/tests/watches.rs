//! What a waiting stage watches: a change wakes it before its poll, and how long a worker stays for nothing but watches.

use super::*;
use crate::ports::{ClusterError, ObjectKey, WatchKey, WatchSpec};

/// The poll of the stages here.
const POLL_MS: Millis = 601_000;

fn spec(name: &str) -> WatchSpec {
    let object =
        ObjectKey { api_version: "v1".to_owned(), kind: "Pod".to_owned(), namespace: Some("web".to_owned()), name: name.to_owned() };
    WatchSpec { what: WatchKey::Object(object), resource_version: None }
}

/// Waits with these watches at its first step, and ends at the next.
fn watching(accounts: &'static [&'static str]) -> impl Fn(&StepCall) -> Answer {
    move |call| {
        if call.seq > 0 {
            return succeeds();
        }
        let watch = accounts.iter().map(|account| ((*account).to_owned(), spec("web-1"))).collect();
        ends(StepEnd::Running { poll_after_ms: u32::try_from(POLL_MS).unwrap(), watch })
    }
}

/// A world whose time goes on while somebody sleeps, with an account `prod` whose watches come to this, one after another.
async fn clocked(accounts: &'static [&'static str], seen: Vec<Result<(), ClusterError>>) -> (World, ExecutionId) {
    let mut world = world(watching(accounts));
    world.ports.clock = Arc::new(FixedClock::default());
    let cluster = Arc::new(ScriptedCluster::default());
    seen.into_iter().for_each(|answer| cluster.will_see(answer));
    world.ports.cluster = cluster;
    let id = world.prepare(judged()).await.unwrap().execution;
    world.account().await;
    (world, id)
}

/// Moves it with a budget; how it rests, and how long that took.
async fn lasts(world: &World, id: &ExecutionId, inbox: &dyn Inbox, budget: Budget) -> (Rest, Millis) {
    let from = world.ports.clock.now_ms();
    let rest = advance(&world.ports, id, inbox, budget).await.unwrap();
    (rest, world.ports.clock.now_ms() - from)
}

#[tokio::test]
async fn a_change_wakes_the_stage_before_its_poll() {
    let (world, id) = clocked(&["prod"], vec![Ok(())]).await;
    assert_eq!(lasts(&world, &id, &NeverWoken, BUDGET).await, (Rest::Ended, 0));
    assert_eq!(world.calls(), [("1".to_owned(), 0), ("1".to_owned(), 1)]);
}

#[tokio::test]
async fn the_first_of_several_to_change_is_enough_and_an_account_that_is_not_there_is_left_out() {
    let (world, id) = clocked(&["gone", "prod", "prod"], vec![Err(ClusterError::NotFound("web-1".to_owned())), Ok(())]).await;
    assert_eq!(lasts(&world, &id, &NeverWoken, BUDGET).await, (Rest::Ended, 0));
}

#[tokio::test]
async fn a_watch_that_fails_leaves_the_stage_to_its_poll() {
    let (world, id) = clocked(&["prod"], vec![Err(ClusterError::Denied("no".to_owned()))]).await;
    let poll = world.ports.clock.now_ms() + POLL_MS;
    assert_eq!(lasts(&world, &id, &NeverWoken, BUDGET).await, (Rest::Until(Some(poll)), BUDGET.linger_ms_max));
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn nobody_stays_for_watches_that_cannot_be_made() {
    for accounts in [&[][..], &["gone"]] {
        let (world, id) = clocked(accounts, vec![]).await;
        let poll = world.ports.clock.now_ms() + POLL_MS;
        assert_eq!(lasts(&world, &id, &NeverWoken, BUDGET).await, (Rest::Until(Some(poll)), 0));
    }
}

#[tokio::test]
async fn a_worker_with_nothing_but_watches_stays_a_while_and_keeps_its_lease() {
    let (world, id) = clocked(&["prod"], vec![]).await;
    let poll = world.ports.clock.now_ms() + POLL_MS;
    let writes = world.writes();
    let budget = Budget { linger_ms_max: 50_000, ..BUDGET };
    assert_eq!(lasts(&world, &id, &NeverWoken, budget).await, (Rest::Until(Some(poll)), 50_000));
    // Start and outcome of the step, three times half a lease, and the lease given back.
    assert_eq!(world.writes() - writes, 2 + 3 + 1);
    assert_eq!(lasts(&world, &id, &NeverWoken, BUDGET).await.1, 0);
    assert_eq!(world.writes() - writes, 6, "whoever comes back early finds nothing to do");
}

struct Closing;

#[async_trait]
impl Inbox for Closing {
    async fn woken(&self) {
        future::pending().await
    }

    fn closing(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_worker_rests_by_the_end_of_its_budget_or_when_the_process_wants_to_stop() {
    let (world, id) = clocked(&["prod"], vec![]).await;
    let now = world.ports.clock.now_ms();
    let budget = Budget { until_ms: Some(now + 20_000), ..BUDGET };
    assert_eq!(lasts(&world, &id, &NeverWoken, budget).await, (Rest::Until(Some(now + POLL_MS)), 20_000));
    let (world, id) = clocked(&["prod"], vec![]).await;
    assert_eq!(lasts(&world, &id, &Closing, BUDGET).await, (Rest::Until(Some(now + POLL_MS)), 0));
    assert_eq!(world.calls().len(), 1, "but not before the step is made");
}

#[tokio::test]
async fn a_poll_within_the_while_is_waited_for() {
    let (world, id) = clocked(&["prod"], vec![]).await;
    let budget = Budget { linger_ms_max: POLL_MS + 1, ..BUDGET };
    assert_eq!(lasts(&world, &id, &NeverWoken, budget).await, (Rest::Ended, POLL_MS));
}
