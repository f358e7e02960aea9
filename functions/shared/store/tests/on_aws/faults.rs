//! What DynamoDB, the network and the clock can do to the table, one by one: what is repeated, how often and with what, and
//! what the caller is told. No engine on one machine does most of it, so it is done at the client for HTTP.

use crate::aws;
use crate::clock::{HandClock, START};
use crate::faulty::{Fault, Faults};
use app::ports::{Condition, Item, Key, Query, StoreError, Table, TransactError, Transaction, Write};
use serde_json::{Value, json};
use store::dynamodb::{CALLS_MAX, Dynamo, Options, SetupError};

const CALLS: usize = CALLS_MAX as usize;

fn key() -> Key {
    Key::new("EXEC#1", "META")
}

fn put(body: &str, conditions: Vec<Condition>) -> Transaction {
    Transaction::of(vec![Write::Put(Item::new(key(), body.as_bytes().to_vec()), conditions)])
}

async fn body(table: &Dynamo) -> Option<String> {
    table.get(&key()).await.unwrap().map(|item| String::from_utf8(item.body).unwrap())
}

/// The tokens of the transactions among these requests.
fn tokens(requests: &[String]) -> Vec<String> {
    let token = |request: &String| serde_json::from_str::<Value>(request).ok()?["ClientRequestToken"].as_str().map(str::to_owned);
    requests.iter().filter_map(token).collect()
}

/// All of these, and none of them twice as long as planned.
async fn start() -> (HandClock, Dynamo, Faults) {
    let clock = HandClock::new();
    let (table, faults) = aws::faulty_table("faults", &clock).await;
    (clock, table, faults)
}

#[tokio::test]
async fn what_passes_is_repeated_under_the_same_token_until_it_has_passed() {
    let conflict = || Fault::canceled(&[("TransactionConflict", None)]);
    let passing: [fn() -> Fault; 9] = [
        || Fault::canceled(&[("TransactionConflict", None)]),
        || Fault::canceled(&[("ThrottlingError", None)]),
        || Fault::canceled(&[("ProvisionedThroughputExceeded", None)]),
        Fault::throttled,
        || Fault::error(400, "ProvisionedThroughputExceededException", "too much"),
        || Fault::error(400, "TransactionInProgressException", "under way"),
        Fault::trouble,
        || Fault::Lost,
        || Fault::AnswerLost,
    ];
    let (_, table, faults) = start().await;
    for (nth, fault) in passing.iter().enumerate() {
        let text = nth.to_string();
        faults.plan([fault(), conflict(), fault()]);
        table.transact(put(&text, vec![])).await.unwrap();
        let tokens = tokens(&faults.requests());
        assert_eq!(tokens.len(), 4, "{:?}", fault());
        assert!(tokens.iter().all(|token| *token == tokens[0] && token.len() <= 36), "{tokens:?}");
        assert_eq!(body(&table).await.as_deref(), Some(text.as_str()));
        let item = table.get(&key()).await.unwrap().unwrap();
        assert_eq!(item.revision, u64::try_from(nth).unwrap() + 1, "written once, whatever was repeated: {:?}", fault());
        faults.requests();
    }
}

#[tokio::test]
async fn repeats_are_bounded_and_the_end_says_whether_it_may_be_written() {
    let (_, table, faults) = start().await;
    let nothing_done: [fn() -> Fault; 3] = [
        Fault::throttled,
        || Fault::canceled(&[("TransactionConflict", None)]),
        || Fault::error(400, "ProvisionedThroughputExceededException", "too much"),
    ];
    for fault in nothing_done {
        faults.plan((0..CALLS).map(|_| fault()));
        let error = table.transact(put("never", vec![])).await.unwrap_err();
        assert!(matches!(&error, TransactError::Unavailable(text) if text.contains("too much to do")), "{error}");
        assert_eq!(tokens(&faults.requests()).len(), CALLS);
    }
    assert_eq!(body(&table).await, None);
    let open: [(fn() -> Fault, bool); 4] = [
        (|| Fault::Lost, false),
        (Fault::trouble, false),
        (|| Fault::AnswerLost, true),
        (|| Fault::AnswerAfter(500, "{}".to_owned()), true),
    ];
    for (nth, (fault, written)) in open.into_iter().enumerate() {
        let text = format!("open {nth}");
        faults.plan((0..CALLS).map(|_| fault()));
        let error = table.transact(put(&text, vec![])).await.unwrap_err();
        assert!(matches!(error, TransactError::Unknown(_)), "{error}");
        assert_eq!(body(&table).await == Some(text), written);
    }
    // One call whose end is open makes the end open, whatever comes after it.
    faults.plan([Fault::Lost].into_iter().chain((1..CALLS).map(|_| Fault::throttled())));
    assert!(matches!(table.transact(put("x", vec![])).await, Err(TransactError::Unknown(_))));
    faults.plan([Fault::Lost, Fault::error(400, "AccessDeniedException", "no")]);
    assert!(matches!(table.transact(put("x", vec![])).await, Err(TransactError::Unknown(_))));
}

#[tokio::test]
async fn a_repeat_of_what_was_written_is_no_conflict() {
    let (_, table, faults) = start().await;
    faults.plan([Fault::AnswerLost]);
    table.transact(put("1", vec![Condition::Absent])).await.unwrap();
    faults.plan([Fault::AnswerLost, Fault::AnswerLost]);
    table.transact(put("2", vec![Condition::Revision(1)])).await.unwrap();
    assert_eq!(table.get(&key()).await.unwrap().unwrap().revision, 2);
}

#[tokio::test]
async fn a_caller_repeats_its_transaction_after_an_open_end() {
    let (clock, table, faults) = start().await;
    let commit = || Transaction { token: Some("commit-1".to_owned()), ..put("1", vec![Condition::Absent]) };
    faults.plan((0..CALLS).map(|_| Fault::AnswerLost));
    assert!(matches!(table.transact(commit()).await, Err(TransactError::Unknown(_))));
    // Later it is the same to the byte still, or DynamoDB would not know it again.
    clock.advance(5_000);
    table.transact(commit()).await.unwrap();
    let other = Transaction { token: Some("commit-1".to_owned()), ..put("2", vec![]) };
    assert!(matches!(table.transact(other).await, Err(TransactError::Invalid(_))));
    // Another process does not know when it was sent: it must look.
    let config = aws::plain(&aws::endpoint().await);
    let name = faults.requests().iter().rev().find_map(|request| {
        serde_json::from_str::<Value>(request).ok()?["TransactItems"][0]["Put"]["TableName"].as_str().map(str::to_owned)
    });
    let other = Dynamo::new(&config, aws::options(&name.unwrap(), &clock));
    assert!(matches!(other.transact(commit()).await, Err(TransactError::Unknown(text)) if text.contains("token")));
    assert_eq!(table.get(&key()).await.unwrap().unwrap().revision, 1);
}

#[tokio::test]
async fn a_condition_that_failed_is_told_by_its_place() {
    let (_, table, faults) = start().await;
    let old = json!({"pk": {"S": "EXEC#1"}, "sk": {"S": "META"}, "v": {"N": "1"}, "r": {"N": "7"}});
    let two = || {
        let other = Key::new("EXEC#1", "ST#0000");
        Transaction::of(vec![Write::Check(other, vec![]), put("x", vec![Condition::Revision(3)]).writes.remove(0)])
    };
    let failed = ("ConditionalCheckFailed", Some(old.clone()));
    faults.plan([Fault::canceled(&[("None", None), failed.clone()])]);
    assert!(matches!(table.transact(two()).await, Err(TransactError::Conflict(places)) if places == [1]));
    // Beside a conflict with another transaction it counts all the same.
    faults.plan([Fault::canceled(&[("TransactionConflict", None), failed])]);
    assert!(matches!(table.transact(two()).await, Err(TransactError::Conflict(places)) if places == [1]));
    assert_eq!(tokens(&faults.requests()).len(), 2, "neither is repeated");
    let mut newer = old;
    newer["v"] = json!({"N": "2"});
    faults.plan([Fault::canceled(&[("None", None), ("ConditionalCheckFailed", Some(newer))])]);
    let error = table.transact(two()).await.unwrap_err();
    assert!(matches!(&error, TransactError::Unavailable(text) if text.contains("EXEC#1 / META") && text.contains("update")), "{error}");
    faults.plan([Fault::canceled(&[("ValidationError", None), ("None", None)])]);
    let error = table.transact(two()).await.unwrap_err();
    assert!(matches!(&error, TransactError::Invalid(text) if text.contains("ST#0000")), "{error}");
}

#[tokio::test]
async fn what_a_person_must_change_is_told_at_once() {
    let (_, table, faults) = start().await;
    let told = [
        ("ExpiredTokenException", "The security token included in the request is expired", "renew"),
        ("UnrecognizedClientException", "The security token included in the request is invalid", "check keys"),
        ("AccessDeniedException", "User: x is not authorized to perform: dynamodb:GetItem", "policy"),
        ("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z", "clock"),
        ("InvalidSignatureException", "Signature not yet current: 20260101T001000Z is still later", "clock"),
        ("ResourceNotFoundException", "Requested resource not found", "create it"),
    ];
    for (code, message, advice) in told {
        let fault = || Fault::error(400, code, message);
        faults.plan([fault()]);
        let error = table.get(&key()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(text) if text.contains(advice)), "{error}");
        faults.plan([fault()]);
        let error = table.transact(put("x", vec![])).await.unwrap_err();
        assert!(matches!(&error, TransactError::Unavailable(text) if text.contains(advice)), "{error}");
        faults.plan([fault()]);
        let error = table.verify().await.unwrap_err();
        assert!(matches!(&error, SetupError::Refused(text) | SetupError::Missing(text) if text.contains(advice)), "{error}");
        assert_eq!(faults.requests().len(), 3, "none is repeated: {code}");
    }
    assert_eq!(body(&table).await, None);
}

#[tokio::test]
async fn reads_are_repeated_and_bounded() {
    let (_, table, faults) = start().await;
    table.transact(put("1", vec![])).await.unwrap();
    faults.requests();
    faults.plan([Fault::Lost, Fault::throttled(), Fault::trouble(), Fault::AnswerLost]);
    assert_eq!(body(&table).await.as_deref(), Some("1"));
    assert_eq!(faults.requests().len(), 5);
    faults.plan((0..CALLS).map(|_| Fault::trouble()));
    assert!(matches!(table.query(&Query::prefix("EXEC#1", "", 5)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(faults.requests().len(), CALLS);
    faults.plan((0..100).map(|_| Fault::Lost));
    assert!(matches!(table.due(1, 5).await, Err(StoreError::Unavailable(_))));
    faults.clear();
}

#[tokio::test]
async fn a_page_that_ends_early_is_no_end() {
    let (_, table, faults) = start().await;
    let put = |n: usize| Write::Put(Item::new(Key::new("P", format!("{n:02}")), vec![]).due(Some(n as u64)), vec![]);
    table.transact(Transaction::of((0..9).map(put).collect())).await.unwrap();
    let sorts = |items: Vec<Item>| items.into_iter().map(|item| item.key.sort).collect::<Vec<_>>();
    for backward in [false, true] {
        faults.plan([Fault::ShortPage(2), Fault::ShortPage(1)]);
        let page = table.query(&Query { backward, ..Query::prefix("P", "", 5) }).await.unwrap();
        let expected = if backward { ["08", "07", "06", "05", "04"] } else { ["00", "01", "02", "03", "04"] };
        assert_eq!(page.next.as_deref(), expected.last().copied());
        assert_eq!(sorts(page.items), expected);
    }
    faults.plan((0..8).map(|_| Fault::ShortPage(2)));
    let due: Vec<String> = table.due(100, 20).await.unwrap().into_iter().map(|key| key.sort).collect();
    assert_eq!(due, ["00", "01", "02", "03", "04", "05", "06", "07", "08"]);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up() {
    let clock = HandClock::new();
    let faults = Faults::default();
    let config = aws::config(&aws::endpoint().await).http_client(faults.client()).build();
    let options = Options { call_ms_max: 100, ..aws::options(&aws::fresh("silence"), &clock) };
    let table = Dynamo::new(&config, options);
    table.create().await.unwrap();
    faults.plan([Fault::Silence]);
    table.transact(put("1", vec![Condition::Absent])).await.unwrap();
    faults.plan([Fault::Silence]);
    assert_eq!(body(&table).await.as_deref(), Some("1"));
    let error = {
        faults.plan((0..CALLS).map(|_| Fault::Silence));
        table.transact(put("2", vec![Condition::Revision(1)])).await.unwrap_err()
    };
    assert!(matches!(&error, TransactError::Unknown(text) if text.contains("in time")), "{error}");
    assert_eq!(body(&table).await.as_deref(), Some("2"));
}

/// Two workers whose clocks are ten minutes apart. Each goes by its own; the item itself stays until both are past its end.
#[tokio::test]
async fn a_clock_that_is_ten_minutes_off_loses_nothing() {
    let (clock, right, _) = start().await;
    let fast = HandClock::new();
    fast.advance(600_000);
    let name = format!("{right:?}");
    let name = name.split('`').nth(1).unwrap();
    let config = aws::plain(&aws::endpoint().await);
    let ahead = Dynamo::new(&config, aws::options(name, &fast));
    let lease = Item::new(key(), b"lease".to_vec()).expires(Some(START + 30_000));
    right.transact(Transaction::of(vec![Write::Put(lease, vec![Condition::Absent])])).await.unwrap();
    assert!(right.get(&key()).await.unwrap().is_some());
    assert!(ahead.get(&key()).await.unwrap().is_none(), "by its clock it has expired");
    ahead.transact(put("taken", vec![Condition::Absent])).await.unwrap();
    let late = right.transact(put("late", vec![Condition::Revision(1), Condition::Attribute("fence".into(), "1".into())])).await;
    assert!(matches!(late, Err(TransactError::Conflict(_))), "the other one finds out with its next write");
    clock.advance(600_000);
    assert_eq!(body(&right).await.as_deref(), Some("taken"));
    let client = aws_sdk_dynamodb::Client::new(&config);
    let lease = Item::new(Key::new("P", "a"), vec![]).expires(Some(START));
    right.transact(Transaction::of(vec![Write::Put(lease, vec![])])).await.unwrap();
    let stored = client.scan().table_name(name).send().await.unwrap().items.unwrap();
    let removed = stored.iter().find_map(|item| item.get("x")?.as_n().ok()?.parse::<u64>().ok()).unwrap();
    assert!(removed * 1_000 >= START + 3_600_000, "DynamoDB removes it an hour later at the earliest");
}
