//! The order of Java's `HashMap`, which shows when a selected map is spelled or walked.

use crate::compare;
use crate::error::Fallible;
use crate::machine::Machine;
use crate::value::Val;

/// The pairs by bucket, and within a bucket as they came.
pub(crate) fn ordered<'a>(pairs: Vec<(Val<'a>, Val<'a>)>, machine: &Machine<'a>) -> Fallible<Vec<(Val<'a>, Val<'a>)>> {
    let mut size = 16_usize;
    while pairs.len() > size / 4 * 3 {
        size *= 2;
    }
    let mut placed = Vec::with_capacity(pairs.len());
    for pair in pairs {
        placed.push((bucket(&pair.0, size, machine)?, pair));
    }
    placed.sort_by_key(|(bucket, _)| *bucket);
    Ok(placed.into_iter().map(|(_, pair)| pair).collect())
}

fn bucket<'a>(key: &Val<'a>, size: usize, machine: &Machine<'a>) -> Fallible<usize> {
    let hash = compare::hash(key, machine)? as u32;
    Ok(usize::try_from(hash ^ (hash >> 16)).unwrap_or(0) & (size - 1))
}
