//! What a trigger was told lately, for display.

use super::{DELIVERY, ignored_key, partition};
use crate::error::AppError;
use crate::ports::{Query, Table};
use crate::record;
use model::id::TriggerId;
use model::push::{Delivery, IgnoredPushes};

/// Most deliveries that are shown.
const SHOWN_MAX: usize = 100;
const PAGE_ITEMS: usize = 500;
/// Most pages that are looked through for the newest; ids do not sort by time.
const PAGES_MAX: usize = 20;

/// What a trigger was told lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Deliveries {
    /// Pushes that fit, newest first, at most 100 and of the last two days.
    pub deliveries: Vec<Delivery>,
    /// Pushes that do not fit.
    pub ignored: IgnoredPushes,
}

/// What a trigger was told lately.
///
/// # Errors
/// When the store does not answer.
pub async fn deliveries(table: &dyn Table, trigger: &TriggerId) -> Result<Deliveries, AppError> {
    let mut found: Vec<Delivery> = Vec::new();
    let mut query = Query::prefix(partition(trigger), DELIVERY, PAGE_ITEMS);
    for _ in 0..PAGES_MAX {
        let (page, next) = record::page::<Delivery>(table, &query).await?;
        found.extend(page);
        found.sort_by_key(|delivery| std::cmp::Reverse(delivery.received_ms));
        found.truncate(SHOWN_MAX);
        if next.is_none() {
            break;
        }
        query.after = next;
    }
    let ignored = record::load::<IgnoredPushes>(table, &ignored_key(trigger)).await?;
    Ok(Deliveries { deliveries: found, ignored: ignored.map(|(list, _)| list).unwrap_or_default() })
}
