//! Steps from a value: properties, indexes, calls, selections and projections.

use super::{Sight, all, constant, evaluate};
use crate::ast::{Kind, Node, Step, StepKind, Which};
use crate::error::{Fallible, Fault, Span, fault};
use crate::machine::Machine;
use crate::value::{Pairs, Sort, Text, Val, position};
use crate::{convert, hashing, methods, stages, unicode};
use std::rc::Rc;

/// The name, when a node is a name alone.
pub(crate) fn bare(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Path(None, steps) => match steps.as_slice() {
            [Step { kind: StepKind::Property(name), .. }] => Some(name),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn walk<'a>(start: Option<&'a Node>, steps: &'a [Step], sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let mut value = match start {
        Some(node) => evaluate(node, sight, machine)?,
        None => sight.active.clone(),
    };
    let mut owner = "";
    for step in steps {
        machine.meter.step().map_err(|fault| fault.at(step.span))?;
        value = follow(value, step, owner, sight, machine).map_err(|fault| fault.at(step.span))?;
        owner = named(step).unwrap_or("");
    }
    Ok(value)
}

/// The name of a step, for messages about what comes after it.
fn named(step: &Step) -> Option<&str> {
    match &step.kind {
        StepKind::Property(name) => Some(name),
        StepKind::Index(node) => match &node.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn follow<'a>(value: Val<'a>, step: &'a Step, owner: &str, sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    match &step.kind {
        StepKind::Other(node) => evaluate(node, &sight.with(value), machine),
        StepKind::Method(name, arguments, slot) => {
            // Arguments are evaluated before it is known whether there is something to call.
            let arguments = all(arguments, &sight.arguments(), machine)?;
            match value {
                Val::Null if step.safe => Ok(Val::Null),
                Val::Null => Err(nothing(machine, format!("`{name}()` is called on null"))),
                value => methods::call(value, name, arguments, slot, machine),
            }
        }
        StepKind::Index(node) => index(value, node, owner, step.span, sight, machine),
        _ if value.is_null() && step.safe => Ok(Val::Null),
        StepKind::Property(name) => property(&value, name, owner, step.span, machine),
        StepKind::Project(node) => project(&value, node, machine),
        StepKind::Select(which, node) => select(&value, *which, node, machine),
    }
}

/// Nothing can be asked of null; a name that was not there is why, when there was one.
fn nothing(machine: &Machine<'_>, message: String) -> Fault {
    machine.missed().unwrap_or_else(|| fault("null", message))
}

fn property<'a>(value: &Val<'a>, name: &str, owner: &str, span: Span, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    match value {
        Val::Null => Err(nothing(machine, format!("`{name}` is asked of null"))),
        Val::Map(pairs) => key(pairs, name, owner, span, machine),
        Val::Entry(pair) if name == "key" => Ok(pair.0.clone()),
        Val::Entry(pair) if name == "value" => Ok(pair.1.clone()),
        _ if matches!(name, "class" | "Class") => {
            Err(fault("refused-reflection", "`class` is refused: an expression does not look at types"))
        }
        Val::Type(of) if constant(*of, name).is_some() => constant(*of, name).ok_or_else(|| fault("unknown-key", "")),
        value => match machine.reads(value).and_then(|()| methods::property(value, name, machine))? {
            Some(found) => Ok(found),
            None => Err(fault("not-an-object", format!("`{name}` is asked of {}, which has no such property", value.kind()))),
        },
    }
}

fn key<'a>(pairs: &Pairs<'a>, name: &str, owner: &str, span: Span, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    if let Some(found) = stages::property(pairs, name, machine)? {
        return Ok(found);
    }
    if let Some(found) = pairs.named(name, machine)? {
        return Ok(found);
    }
    if matches!(pairs, Pairs::Root) && name == "deployedServerGroups" {
        // An old name: a function that is written as if it were a value.
        return crate::functions::call(name, Vec::new(), machine);
    }
    machine.miss(pairs, name, owner, span);
    Ok(Val::Null)
}

fn index<'a>(value: Val<'a>, node: &'a Node, owner: &str, span: Span, sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let at = match (&value, bare(node)) {
        // The name itself is the key: `map[name]` is `map['name']`.
        (Val::Map(_), Some(name)) => Val::Text(Text::Borrowed(name)),
        // An index is evaluated against the root, wherever it stands.
        _ => evaluate(node, &sight.with(Val::Map(Pairs::Root)), machine)?,
    };
    machine.reads(&at)?;
    machine.reads(&value)?;
    if at.is_null() {
        return Err(nothing(machine, "the index is null".to_owned()));
    }
    match &value {
        Val::Null => Err(nothing(machine, "an element is asked of null".to_owned())),
        Val::Map(pairs) => match &at {
            Val::Text(text) => key(pairs, text.as_str(), owner, span, machine),
            at => Ok(pairs.get(at, machine)?.unwrap_or(Val::Null)),
        },
        Val::List(_, items) => {
            let index = convert::int(&at).map_err(|fault| fault.at(node.span))?;
            let index = position(index, items.len())?;
            items.get(index).ok_or_else(|| fault("index-out-of-range", "there is no such element"))
        }
        Val::Text(text) => {
            let index = convert::int(&at).map_err(|fault| fault.at(node.span))?;
            let unit = unicode::unit(text.as_str(), index)?;
            crate::value::spell::character(unit).map(|c| Val::text(c.to_string()))
        }
        other => match &at {
            Val::Text(text) => property(other, text.as_str(), owner, span, machine),
            _ => Err(fault("not-a-list", format!("an element is asked of {}", other.kind()))),
        },
    }
}

fn project<'a>(value: &Val<'a>, node: &'a Node, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let elements = elements(value, "projection", machine)?;
    let mut out = Vec::with_capacity(elements.len());
    for element in elements {
        out.push(evaluate(node, &Sight::of(element), machine)?);
    }
    Ok(match value {
        Val::List(sort, _) if sort.is_array() => Val::List(Sort::Array, crate::value::Items::Own(Rc::new(out))),
        _ => Val::list(out),
    })
}

fn elements<'a>(value: &Val<'a>, what: &str, machine: &Machine<'a>) -> Fallible<Vec<Val<'a>>> {
    match value {
        Val::List(_, items) => {
            machine.meter.steps(items.len() / 8)?;
            Ok(items.iter().collect())
        }
        Val::Map(pairs) => Ok(pairs.all(machine)?.into_iter().map(|pair| Val::Entry(Rc::new(pair))).collect()),
        Val::Null => Err(nothing(machine, format!("a {what} is asked of null"))),
        other => Err(fault("not-a-list", format!("a {what} is asked of {}", other.kind()))),
    }
}

fn select<'a>(value: &Val<'a>, which: Which, node: &'a Node, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let mut found = Vec::new();
    for element in elements(value, "selection", machine)? {
        match evaluate(node, &Sight::of(element.clone()), machine)? {
            Val::Bool(true) => found.push(element),
            Val::Bool(false) => continue,
            other => {
                return Err(fault("not-a-condition", format!("a selection asks for true or false, not {}", other.kind())).at(node.span));
            }
        }
        if which == Which::First {
            break;
        }
    }
    // What the elements did not have is no reason for the whole to be nothing: what was selected is.
    let one = match which {
        Which::All => None,
        Which::First => Some(found.first().cloned()),
        Which::Last => Some(found.last().cloned()),
    };
    match (value, one) {
        (Val::Map(_), None) => map_of(found, machine),
        (Val::Map(_), Some(Some(entry))) => map_of(vec![entry], machine),
        (Val::List(sort, _), None) if sort.is_array() => Ok(Val::List(*sort, crate::value::Items::Own(Rc::new(found)))),
        (_, None) => Ok(Val::list(found)),
        (_, Some(Some(element))) => Ok(element),
        (_, Some(None)) => Ok(Val::Null),
    }
}

/// In the order in which Java's `HashMap` keeps them.
fn map_of<'a>(entries: Vec<Val<'a>>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let pairs = entries.into_iter().filter_map(|entry| match entry {
        Val::Entry(pair) => Some((pair.0.clone(), pair.1.clone())),
        _ => None,
    });
    hashing::ordered(pairs.collect(), machine).map(Val::map)
}
