//! Methods of lists, sets, objects and their entries. None of them changes anything.

use super::{Method, P, array, count, row};
use crate::error::{Fallible, fault};
use crate::machine::Call;
use crate::value::{Items, Pairs, Sort, Val, position};
use crate::{compare, convert};
use std::rc::Rc;

fn items<'a>(c: &Call<'_, 'a>) -> Fallible<Items<'a>> {
    convert::items(&c.this)
}

fn pairs<'a>(c: &Call<'_, 'a>) -> Fallible<Pairs<'a>> {
    match &c.this {
        Val::Map(pairs) => Ok(pairs.clone()),
        other => Err(fault("not-an-object", format!("{} has no keys", other.kind()))),
    }
}

pub(crate) const COLLECTION: &[Method] = &[
    row("size", &[], "How many elements it has", "{1, 2}.size() → 2", |c| Ok(count(items(c)?.len()))),
    row("isEmpty", &[], "True when it has no element", "{}.isEmpty() → true", |c| Ok(Val::Bool(items(c)?.len() == 0))),
    row("contains", &[P::Any], "True when an element is equal to a value", "{'a', 'b'}.contains('a') → true", |c| {
        compare::contains(&items(c)?, &c.argument(0), c.machine).map(Val::Bool)
    }),
    row(
        "containsAll",
        &[P::Collection],
        "True when all elements of another collection are in it",
        "{1, 2}.containsAll({2}) → true",
        |c| {
            let other = convert::items(&c.argument(0))?;
            compare::all_in(&other, &items(c)?, c.machine).map(Val::Bool)
        },
    ),
    row("toArray", &[], "Its elements as an array", "{1, 2}.toArray() → [1, 2]", |c| Ok(array(items(c)?.iter().collect()))),
];

pub(crate) const LIST: &[Method] = &[
    row("get", &[P::Int], "The element at a position, from 0", "{'a', 'b'}.get(1) → \"b\"", |c| {
        let items = items(c)?;
        Ok(items.get(position(c.int(0)?, items.len())?).unwrap_or(Val::Null))
    }),
    row("indexOf", &[P::Any], "Where an element is found first, or -1", "{'a', 'b'}.indexOf('b') → 1", |c| {
        let found = compare::find(&items(c)?, &c.argument(0), c.machine)?;
        Ok(found.map_or(Val::Int(-1), count))
    }),
    row("lastIndexOf", &[P::Any], "Where an element is found last, or -1", "{1, 2, 1}.lastIndexOf(1) → 2", |c| {
        let mut last = Val::Int(-1);
        for (index, item) in items(c)?.iter().enumerate() {
            if compare::equals(&item, &c.argument(0), c.machine)? {
                last = count(index);
            }
        }
        Ok(last)
    }),
    row("subList", &[P::Int, P::Int], "The elements from one position up to before another", "{1, 2, 3}.subList(0, 2) → [1, 2]", |c| {
        let items = items(c)?;
        let bad = || fault("index-out-of-range", format!("the list has {} elements, there is no such part", items.len()));
        let (from, to) = (usize::try_from(c.int(0)?).map_err(|_| bad())?, usize::try_from(c.int(1)?).map_err(|_| bad())?);
        if from > to || to > items.len() {
            return Err(bad());
        }
        c.machine.meter.steps(to - from)?;
        Ok(Val::list((from..to).filter_map(|index| items.get(index)).collect()))
    }),
];

fn view<'a>(sort: Sort, items: Vec<Val<'a>>) -> Val<'a> {
    Val::List(sort, Items::Own(Rc::new(items)))
}

pub(crate) const MAP: &[Method] = &[
    row("get", &[P::Any], "The value of a key, or null", "{a: 1}.get('a') → 1", |c| {
        Ok(pairs(c)?.get(&c.argument(0), c.machine)?.unwrap_or(Val::Null))
    }),
    row(
        "getOrDefault",
        &[P::Any, P::Any],
        "The value of a key, or another one when there is none",
        "{a: 1}.getOrDefault('b', 2) → 2",
        |c| Ok(pairs(c)?.get(&c.argument(0), c.machine)?.unwrap_or_else(|| c.argument(1))),
    ),
    row("containsKey", &[P::Any], "True when it has a key", "{a: 1}.containsKey('a') → true", |c| {
        Ok(Val::Bool(pairs(c)?.get(&c.argument(0), c.machine)?.is_some()))
    }),
    row("containsValue", &[P::Any], "True when a key has this value", "{a: 1}.containsValue(1) → true", |c| {
        for (_, value) in pairs(c)?.all(c.machine)? {
            if compare::equals(&value, &c.argument(0), c.machine)? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }),
    row("keySet", &[], "Its keys", "{a: 1, b: 2}.keySet() → [\"a\", \"b\"]", |c| {
        Ok(view(Sort::Set, pairs(c)?.all(c.machine)?.into_iter().map(|(key, _)| key).collect()))
    }),
    row("values", &[], "Its values", "{a: 1, b: 2}.values() → [1, 2]", |c| {
        Ok(view(Sort::View, pairs(c)?.all(c.machine)?.into_iter().map(|(_, value)| value).collect()))
    }),
    row("entrySet", &[], "Its keys with their values", "{a: 1}.entrySet() → [{\"a\": 1}]", |c| {
        Ok(view(Sort::Entries, pairs(c)?.all(c.machine)?.into_iter().map(|pair| Val::Entry(Rc::new(pair))).collect()))
    }),
    row("size", &[], "How many keys it has", "{a: 1}.size() → 1", |c| Ok(count(pairs(c)?.len(c.machine)))),
    row("isEmpty", &[], "True when it has no key", "{:}.isEmpty() → true", |c| Ok(Val::Bool(pairs(c)?.len(c.machine) == 0))),
];

pub(crate) const ENTRY: &[Method] = &[
    row("getKey", &[], "Its key", "{a: 1}.![getKey()] → [\"a\"]", |c| match &c.this {
        Val::Entry(pair) => Ok(pair.0.clone()),
        _ => Ok(Val::Null),
    }),
    row("getValue", &[], "Its value", "{a: 1}.![getValue()] → [1]", |c| match &c.this {
        Val::Entry(pair) => Ok(pair.1.clone()),
        _ => Ok(Val::Null),
    }),
];
