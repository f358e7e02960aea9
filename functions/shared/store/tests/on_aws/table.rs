//! The table on DynamoDB's engine: the suite of every table, and what only it promises: a table that is made and looked at,
//! and texts that say what to do when it is not there or was made otherwise.

use crate::aws;
use crate::clock::{HandClock, START};
use app::ports::{Condition, Item, Key, Query, StoreError, Table, TransactError, Transaction, Write};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use std::collections::HashMap;
use store::Everything;
use store::dynamodb::{Dynamo, SetupError};
use store::suite::{self, Bench};

#[tokio::test]
async fn the_suite_runs_on_dynamodb() {
    let clock = HandClock::new();
    let table = aws::table("suite", &clock).await;
    let advance = |ms| clock.advance(ms);
    suite::run(&Bench { table: &table, clock: &clock, advance: &advance, tokens: true, space: "" }).await.unwrap();
}

#[tokio::test]
async fn a_table_is_made_once_and_found_as_it_should_be() {
    let clock = HandClock::new();
    let table = aws::table("made", &clock).await;
    assert_eq!(table.verify().await.unwrap().warnings, Vec::<String>::new());
    table.create().await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_not_there_is_told_with_its_region() {
    let clock = HandClock::new();
    let table = Dynamo::new(&aws::plain(&aws::endpoint().await), aws::options("nowhere", &clock));
    let error = table.verify().await.unwrap_err();
    let told = |text: &str| text.contains("`nowhere`") && text.contains("eu-west-1") && text.contains("create it");
    assert!(matches!(&error, SetupError::Missing(text) if told(text)), "{error}");
    let key = Key::new("P", "a");
    let error = table.get(&key).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if told(text)), "{error}");
    let written = table.transact(Transaction::of(vec![Write::Delete(key, vec![])])).await.unwrap_err();
    assert!(matches!(&written, TransactError::Unavailable(text) if told(text)), "{written}");
}

/// A table with these keys and, if given, an index `due` with those.
async fn foreign(name: &str, keys: [(&str, ScalarAttributeType); 2], index: Option<[(&str, ScalarAttributeType); 2]>) {
    let client = Client::new(&aws::plain(&aws::endpoint().await));
    let schema = |keys: &[(&str, ScalarAttributeType); 2]| {
        let kinds = [KeyType::Hash, KeyType::Range];
        let element = |((name, _), kind): (&(&str, ScalarAttributeType), KeyType)| {
            KeySchemaElement::builder().attribute_name(*name).key_type(kind).build().unwrap()
        };
        keys.iter().zip(kinds).map(element).collect::<Vec<_>>()
    };
    let mut asked = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest).set_key_schema(Some(schema(&keys)));
    for (name, kind) in keys.iter().chain(index.iter().flatten()) {
        asked =
            asked.attribute_definitions(AttributeDefinition::builder().attribute_name(*name).attribute_type(kind.clone()).build().unwrap());
    }
    if let Some(index) = index {
        let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let index = GlobalSecondaryIndex::builder().index_name("due").set_key_schema(Some(schema(&index))).projection(keys_only);
        asked = asked.global_secondary_indexes(index.build().unwrap());
    }
    asked.send().await.unwrap();
}

#[tokio::test]
async fn a_table_that_was_made_otherwise_is_refused() {
    use ScalarAttributeType::{N, S};
    let clock = HandClock::new();
    let refused = |name: String| {
        let clock = clock.clone();
        async move {
            let table = Dynamo::new(&aws::plain(&aws::endpoint().await), aws::options(&name, &clock));
            match table.verify().await {
                Err(SetupError::Schema(text)) => text,
                other => format!("{other:?}"),
            }
        }
    };
    let wrong = [
        ([("id", S), ("at", S)], None, "`id` and `at`"),
        ([("pk", S), ("sk", N)], None, "`sk` is not a text"),
        ([("pk", S), ("sk", S)], None, "is not a text"),
        ([("pk", S), ("sk", S)], Some([("d", N), ("ds", S)]), "`d` and `ds`"),
    ];
    for (keys, index, told) in wrong {
        let name = aws::fresh("foreign");
        foreign(&name, keys, index).await;
        let text = refused(name).await;
        assert!(text.contains(told) && text.contains("not made for Waybill"), "{text}");
    }
    // Written all the same, it is refused by name, too.
    let name = aws::fresh("foreign");
    foreign(&name, [("id", S), ("at", S)], None).await;
    let table = Dynamo::new(&aws::plain(&aws::endpoint().await), aws::options(&name, &clock));
    let error = table.get(&Key::new("P", "a")).await.unwrap_err();
    assert!(error.to_string().contains("`pk` and `sk`"), "{error}");
}

#[tokio::test]
async fn a_table_that_keeps_what_has_expired_is_warned_of() {
    use ScalarAttributeType::{N, S};
    let (clock, name) = (HandClock::new(), aws::fresh("kept"));
    foreign(&name, [("pk", S), ("sk", S)], Some([("ds", S), ("d", N)])).await;
    let table = Dynamo::new(&aws::plain(&aws::endpoint().await), aws::options(&name, &clock));
    let found = table.verify().await.unwrap();
    assert!(found.warnings.iter().any(|text| text.contains("time to live") && text.contains("`x`")), "{found:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_told() {
    let clock = HandClock::new();
    let port = testkit::net::free_port().unwrap();
    let table = Dynamo::new(&aws::plain(&format!("http://127.0.0.1:{port}")), aws::options("t", &clock));
    let error = table.verify().await.unwrap_err();
    assert!(matches!(&error, SetupError::Unavailable(text) if text.contains("cannot be reached")), "{error}");
    let written = table.transact(Transaction::of(vec![Write::Delete(Key::new("P", "a"), vec![])])).await;
    assert!(matches!(&written, Err(TransactError::Unavailable(text)) if text.contains("cannot be reached")), "{written:?}");
}

#[tokio::test]
async fn without_credentials_it_says_so() {
    let clock = HandClock::new();
    let config = aws::plain(&aws::endpoint().await).into_builder();
    let mut config = config;
    config.set_credentials_provider(None);
    let table = Dynamo::new(&config.build(), aws::options("t", &clock));
    let error = table.verify().await.unwrap_err();
    assert!(matches!(&error, SetupError::Refused(text) if text.contains("credentials")), "{error:?}");
}

/// Changes an item as a person could, who has the console.
async fn by_hand(table: &str, key: &Key, changes: &[(&str, Option<AttributeValue>)]) {
    let client = Client::new(&aws::plain(&aws::endpoint().await));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let name = HashMap::from([("pk".to_owned(), text(&key.partition)), ("sk".to_owned(), text(&key.sort))]);
    let got = client.get_item().table_name(table).set_key(Some(name)).consistent_read(true).send().await.unwrap();
    let mut item = got.item.unwrap();
    for (name, value) in changes {
        match value {
            Some(value) => item.insert((*name).to_owned(), value.clone()),
            None => item.remove(*name),
        };
    }
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn an_item_of_a_newer_version_or_changed_by_hand_is_told_and_never_written_over() {
    let (clock, name) = (HandClock::new(), aws::fresh("damaged"));
    let table = Dynamo::new(&aws::plain(&aws::endpoint().await), aws::options(&name, &clock));
    table.create().await.unwrap();
    let key = Key::new("EXEC#1", "META");
    let put = |conditions| Transaction::of(vec![Write::Put(Item::new(key.clone(), b"{}".to_vec()), conditions)]);
    table.transact(put(vec![])).await.unwrap();
    by_hand(&name, &key, &[("v", Some(AttributeValue::N("2".to_owned())))]).await;
    let error = table.get(&key).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, StoreError::Newer { needs: 2, .. }) && text.contains("EXEC#1 / META") && text.contains("update"), "{error}");
    assert!(matches!(table.query(&Query::prefix("EXEC#1", "", 5)).await, Err(StoreError::Newer { .. })));
    for conditions in [vec![], vec![Condition::Absent], vec![Condition::Revision(1)]] {
        let error = table.transact(put(conditions)).await.unwrap_err();
        assert!(matches!(&error, TransactError::Unavailable(text) if text.contains("update this one")), "{error}");
    }
    let error = table.transact(Transaction::of(vec![Write::Delete(key.clone(), vec![])])).await.unwrap_err();
    assert!(matches!(&error, TransactError::Unavailable(_)), "{error}");
    by_hand(&name, &key, &[("v", Some(AttributeValue::N("1".to_owned()))), ("b", None)]).await;
    let error = table.get(&key).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged(text) if text.contains("no body")), "{error}");
    // Putting it anew mends it.
    table.transact(put(vec![Condition::Exists])).await.unwrap();
    assert_eq!(table.get(&key).await.unwrap().unwrap().revision, 2);
}

#[tokio::test]
async fn everything_is_read_page_by_page() {
    let clock = HandClock::new();
    let table = aws::table("everything", &clock).await;
    let key = |n: usize| Key::new(format!("P#{}", n % 3), format!("{n:02}"));
    let put = |n: usize| Write::Put(Item::new(key(n), vec![b'x'; 10]).expires((n == 5).then_some(START + 1)), vec![]);
    table.transact(Transaction::of((0..20).map(put).collect())).await.unwrap();
    clock.advance(1);
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = table.page(after.as_ref(), 3).await.unwrap();
        keys.extend(items.into_iter().map(|item| item.key));
        after = next;
        if after.is_none() {
            break;
        }
    }
    keys.sort();
    let mut expected: Vec<Key> = (0..20).filter(|n| *n != 5).map(key).collect();
    expected.sort();
    assert_eq!(keys, expected);
}
