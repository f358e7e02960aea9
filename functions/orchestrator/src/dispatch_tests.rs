//! A dispatcher with scripted work: what is started, told, bounded and stopped.

use super::*;
use app::execution::step::Inbox;
use model::id::{AccountName, ExecutionId};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::mpsc;

struct StoppedClock(AtomicU64);

#[async_trait]
impl Clock for StoppedClock {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep_until(&self, _at: Millis) {
        std::future::pending::<()>().await;
    }
}

/// What one look does.
enum Look {
    Fine,
    Fail,
    Panic,
    /// Until it is let go.
    Hold(Arc<Notify>),
    /// Until its mailbox says to close.
    Rest,
    /// As [`Look::Hold`], and what is posted meanwhile is taken.
    Listen(Arc<Notify>),
}

#[derive(Clone)]
struct Scripted {
    looks: Arc<Mutex<VecDeque<Look>>>,
    begun: mpsc::UnboundedSender<Hint>,
    at_once: Arc<AtomicUsize>,
}

#[async_trait]
impl Work for Scripted {
    async fn work(&self, hint: &Hint, mailbox: &Mailbox) -> Result<(), AppError> {
        self.at_once.fetch_add(1, Ordering::SeqCst);
        let look = self.looks.lock().unwrap().pop_front().unwrap_or(Look::Fine);
        self.begun.send(hint.clone()).unwrap();
        let result = match look {
            Look::Fine => Ok(()),
            Look::Fail => Err(AppError::Unavailable("gone".to_owned())),
            Look::Panic => panic!("a defect"),
            Look::Hold(go) => {
                go.notified().await;
                Ok(())
            }
            Look::Rest => {
                while !mailbox.closing() {
                    mailbox.woken().await;
                }
                Ok(())
            }
            Look::Listen(go) => {
                mailbox.woken().await;
                go.notified().await;
                Ok(())
            }
        };
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

struct Bench {
    dispatcher: Arc<Dispatcher<Scripted>>,
    begun: mpsc::UnboundedReceiver<Hint>,
    clock: Arc<StoppedClock>,
    at_once: Arc<AtomicUsize>,
}

impl Bench {
    fn new(limits: Limits, looks: Vec<Look>) -> Self {
        let (sender, begun) = mpsc::unbounded_channel();
        let at_once = Arc::new(AtomicUsize::new(0));
        let work = Scripted { looks: Arc::new(Mutex::new(looks.into())), begun: sender, at_once: at_once.clone() };
        let clock = Arc::new(StoppedClock(AtomicU64::new(1_000_000)));
        Self { dispatcher: Dispatcher::new(work, clock.clone(), limits), begun, clock, at_once }
    }

    async fn begun(&mut self) -> Hint {
        self.begun.recv().await.unwrap()
    }

    /// Everything came to an end, and nothing more was begun than was asked for.
    async fn quiet(&mut self) {
        self.dispatcher.idle().await;
        assert!(self.begun.try_recv().is_err());
    }
}

fn execution(id: &str) -> Hint {
    Hint::Execution { id: ExecutionId::parse(id).unwrap() }
}

fn account(name: &str) -> Hint {
    Hint::CloudAccount { name: AccountName::parse(name).unwrap() }
}

#[tokio::test]
async fn a_second_hint_makes_it_look_again_but_starts_nothing() {
    let go = Arc::new(Notify::new());
    let mut bench = Bench::new(Limits::default(), vec![Look::Hold(go.clone())]);
    bench.dispatcher.handle(execution("a"));
    bench.begun().await;
    for _ in 0..3 {
        bench.dispatcher.handle(execution("a"));
    }
    assert_eq!((bench.dispatcher.live(), bench.at_once.load(Ordering::SeqCst)), (1, 1));
    go.notify_one();
    assert_eq!(bench.begun().await, execution("a"), "three hints, one more look");
    bench.quiet().await;
}

#[tokio::test]
async fn what_was_taken_from_the_mailbox_needs_no_further_look() {
    let go = Arc::new(Notify::new());
    let mut bench = Bench::new(Limits::default(), vec![Look::Listen(go.clone())]);
    bench.dispatcher.handle(execution("a"));
    bench.begun().await;
    bench.dispatcher.handle(execution("a"));
    go.notify_one();
    bench.quiet().await;
}

#[tokio::test]
async fn a_panic_and_an_error_stop_nobody_else() {
    let go = Arc::new(Notify::new());
    let mut bench = Bench::new(Limits::default(), vec![Look::Hold(go.clone()), Look::Panic, Look::Fail]);
    for id in ["a", "b", "c"] {
        bench.dispatcher.handle(execution(id));
        bench.begun().await;
    }
    go.notify_one();
    bench.quiet().await;
    bench.dispatcher.handle(execution("b"));
    assert_eq!(bench.begun().await, execution("b"), "a hint of its own brings it back at once");
    bench.quiet().await;
}

#[tokio::test]
async fn a_tick_leaves_what_failed_alone_for_a_while() {
    let mut bench = Bench::new(Limits::default(), vec![Look::Fail, Look::Fail, Look::Fine]);
    assert!(bench.dispatcher.offer(execution("a")));
    bench.begun().await;
    bench.quiet().await;
    assert!(!bench.dispatcher.offer(execution("a")));
    bench.clock.0.fetch_add(PAUSE_FIRST_MS, Ordering::Relaxed);
    assert!(bench.dispatcher.offer(execution("a")));
    bench.begun().await;
    bench.quiet().await;
    bench.clock.0.fetch_add(PAUSE_FIRST_MS, Ordering::Relaxed);
    assert!(!bench.dispatcher.offer(execution("a")), "the second pause is longer");
    bench.clock.0.fetch_add(PAUSE_FIRST_MS, Ordering::Relaxed);
    assert!(bench.dispatcher.offer(execution("a")));
    bench.begun().await;
    bench.quiet().await;
    assert!(bench.dispatcher.offer(execution("a")), "what went well is forgotten");
}

#[tokio::test]
async fn executions_wait_for_room_and_accounts_do_not_wait_for_executions() {
    let (go, limits) = (Arc::new(Notify::new()), Limits { executions_max: 1, others_max: 1, live_max: 3 });
    let mut bench = Bench::new(limits, vec![Look::Hold(go.clone())]);
    bench.dispatcher.handle(execution("a"));
    bench.begun().await;
    bench.dispatcher.handle(execution("b"));
    bench.dispatcher.handle(account("prod"));
    assert_eq!(bench.begun().await, account("prod"));
    assert!(bench.begun.try_recv().is_err(), "b waits");
    go.notify_one();
    assert_eq!(bench.begun().await, execution("b"));
    bench.quiet().await;
}

#[tokio::test]
async fn what_finds_no_room_at_all_is_dropped() {
    let (go, limits) = (Arc::new(Notify::new()), Limits { executions_max: 1, others_max: 1, live_max: 1 });
    let mut bench = Bench::new(limits, vec![Look::Hold(go.clone())]);
    bench.dispatcher.handle(execution("a"));
    bench.begun().await;
    bench.dispatcher.handle(execution("b"));
    assert_eq!(bench.dispatcher.live(), 1);
    go.notify_one();
    bench.quiet().await;
}

#[tokio::test]
async fn closing_lets_work_rest_and_stops_what_does_not() {
    let never = Arc::new(Notify::new());
    let limits = Limits { executions_max: 2, ..Limits::default() };
    let mut bench = Bench::new(limits, vec![Look::Rest, Look::Hold(never)]);
    for id in ["a", "b"] {
        bench.dispatcher.handle(execution(id));
        bench.begun().await;
    }
    bench.dispatcher.handle(execution("waits"));
    assert_eq!(bench.dispatcher.close(Duration::from_millis(50)).await, 1);
    assert_eq!(bench.dispatcher.live(), 0);
    bench.dispatcher.handle(execution("late"));
    bench.quiet().await;
}
