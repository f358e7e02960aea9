//! The queue on SQS's stand-in, held to what the queue within a process does: hints come, late ones late; one that fails
//! comes again and is laid aside in the end, alone; what was laid aside is brought back.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use app::ports::{Clock, Entropy, Hint, Queue};
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedAsyncSleep, SharedCredentialsProvider};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_types::SdkConfig;
use model::id::ExecutionId;
use queue::in_process::InProcess;
use queue::sqs::{Handled, Options, Sqs};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use testkit::cloud::{Cloud, KEYS, REGION};

struct Still;

#[async_trait]
impl Clock for Still {
    fn now_ms(&self) -> u64 {
        1
    }

    async fn sleep_until(&self, _: u64) {}
}

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

impl Entropy for Counting {
    fn ulid(&self, _: u64) -> String {
        COUNT.fetch_add(1, Ordering::SeqCst).to_string()
    }

    fn token(&self) -> String {
        self.ulid(0)
    }

    fn number(&self) -> u64 {
        COUNT.fetch_add(1, Ordering::SeqCst)
    }
}

fn config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(KEYS.0, KEYS.1, None, None, "tests")))
        .sleep_impl(SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// A queue whose messages are hidden for no time while they are looked at, and laid aside after two tries; and where.
async fn queues() -> (Sqs, Sqs) {
    let endpoint = Cloud::shared().await.unwrap().endpoint();
    let config = config(&endpoint);
    let client = Client::new(&config);
    let name = format!("q{}", COUNT.fetch_add(1, Ordering::SeqCst));
    let dead = client.create_queue().queue_name(format!("{name}-dead")).send().await.unwrap().queue_url.unwrap();
    let asked = client.get_queue_attributes().queue_url(&dead).attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
    let arn = asked.attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    let aside = format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":\"2\"}}");
    let attributes = HashMap::from([(QueueAttributeName::VisibilityTimeout, "0".to_owned()), (QueueAttributeName::RedrivePolicy, aside)]);
    let url = client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await.unwrap().queue_url.unwrap();
    let queue = |url: String| Sqs::new(&config, Options { url, clock: Arc::new(Still), entropy: Arc::new(Counting) });
    (queue(url), queue(dead))
}

fn hint(n: usize) -> Hint {
    Hint::Execution { id: ExecutionId::parse(format!("e{n}")).unwrap() }
}

/// What comes until nothing comes any more.
async fn all(queue: &Sqs) -> BTreeSet<String> {
    let came = Mutex::new(BTreeSet::new());
    loop {
        let work = |hint: Hint| {
            came.lock().unwrap().insert(format!("{hint:?}"));
            async { Ok::<_, String>(()) }
        };
        if queue.look(0, work).await.unwrap().came == 0 {
            return came.into_inner().unwrap();
        }
    }
}

fn names(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(|n| format!("{:?}", hint(n))).collect()
}

#[tokio::test]
async fn hints_come_through_both_queues() {
    let (sqs, _) = queues().await;
    let (inside, receiver) = InProcess::new(Arc::new(Still));
    let both: [&dyn Queue; 2] = [&sqs, &*inside];
    for queue in both {
        for n in 0..25 {
            queue.hint(hint(n), 0).await;
        }
        queue.hint(hint(99), 600_000).await;
    }
    assert_eq!(all(&sqs).await, names(0..25), "and the late one later");
    let mut came = BTreeSet::new();
    for _ in 0..25 {
        came.insert(format!("{:?}", receiver.next().await));
    }
    assert_eq!((came, receiver.len()), (names(0..25), 1));
    sqs.hint_all((0..23).map(|n| (hint(n), 0)).chain([(hint(99), u64::MAX)]).collect()).await;
    assert_eq!(all(&sqs).await, names(0..23));
}

#[tokio::test]
async fn a_record_that_fails_comes_again_and_is_laid_aside_alone() {
    let (queue, dead) = queues().await;
    for n in 0..5 {
        queue.hint(hint(n), 0).await;
    }
    let mut done = BTreeSet::new();
    let (mut failed, mut looks) = (0, 0);
    // Tried twice; the look after that lays it aside.
    while looks < 10 {
        let came = Mutex::new(BTreeSet::new());
        let work = |one: Hint| {
            assert!(one != hint(2), "on purpose");
            let fails = one == hint(3);
            if !fails {
                came.lock().unwrap().insert(format!("{one:?}"));
            }
            async move { if fails { Err("no".to_owned()) } else { Ok(()) } }
        };
        let handled: Handled = queue.look(0, work).await.unwrap();
        done.extend(came.into_inner().unwrap());
        failed += handled.failed;
        looks += 1;
    }
    let fine: BTreeSet<String> = [0, 1, 4].map(|n| format!("{:?}", hint(n))).into();
    assert_eq!((done, failed), (fine, 4), "two of them fail, twice each");
    let letters = dead.dead_letters().await.unwrap();
    let named = |n: usize| letters.iter().any(|letter| letter.body.contains(&format!("\"e{n}\"")));
    assert!(letters.len() == 2 && named(2) && named(3), "{letters:?}");
}

#[tokio::test]
async fn what_was_laid_aside_is_brought_back() {
    let (queue, dead) = queues().await;
    for n in 0..12 {
        dead.hint(hint(n), 0).await;
    }
    assert_eq!(dead.redrive(&queue).await.unwrap(), 12);
    assert_eq!(dead.redrive(&queue).await.unwrap(), 0);
    assert_eq!(all(&queue).await, names(0..12));
}

#[tokio::test]
async fn a_queue_that_is_gone_is_told_and_fails_no_caller() {
    let endpoint = Cloud::shared().await.unwrap().endpoint();
    let url = format!("{endpoint}/000000000000/nowhere");
    let queue = Sqs::new(&config(&endpoint), Options { url, clock: Arc::new(Still), entropy: Arc::new(Counting) });
    queue.hint(hint(1), 0).await;
    queue.hint_all(vec![(hint(1), 0)]).await;
    let error = queue.look(0, |_| async { Ok::<_, String>(()) }).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    let port = testkit::net::free_port().unwrap();
    let down = config(&format!("http://127.0.0.1:{port}"));
    let url = format!("http://127.0.0.1:{port}/q");
    let queue = Sqs::new(&down, Options { url, clock: Arc::new(Still), entropy: Arc::new(Counting) });
    queue.hint(hint(1), 0).await;
    assert!(queue.dead_letters().await.is_err());
}
