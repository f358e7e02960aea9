//! Walks the tree.

mod path;

pub(crate) use path::bare as is_bare;

use crate::ast::{Arithmetic, Comparison, Kind, Node};
use crate::error::{Fallible, Fault, fault};
use crate::machine::Machine;
use crate::value::{Pairs, Text, Type, Val, put};
use crate::{compare, convert, functions, methods, number, regexes, types};
use std::cmp::Ordering;

/// What a name refers to at a place of the tree.
#[derive(Clone)]
pub(crate) struct Sight<'a> {
    /// The object whose properties are named bare, `#this`.
    pub(crate) active: Val<'a>,
    /// The element that the innermost selection or projection is at; elsewhere the root. Arguments are evaluated against it.
    pub(crate) element: Val<'a>,
}

impl<'a> Sight<'a> {
    pub(crate) fn root() -> Self {
        Self { active: Val::Map(Pairs::Root), element: Val::Map(Pairs::Root) }
    }

    pub(crate) fn of(value: Val<'a>) -> Self {
        Self { active: value.clone(), element: value }
    }

    fn with(&self, active: Val<'a>) -> Self {
        Self { active, element: self.element.clone() }
    }

    fn arguments(&self) -> Self {
        Self::of(self.element.clone())
    }
}

/// The value of a node.
pub(crate) fn evaluate<'a>(node: &'a Node, sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    machine.meter.step().map_err(|fault| fault.at(node.span))?;
    inner(node, sight, machine).map_err(|fault| fault.at(node.span))
}

fn inner<'a>(node: &'a Node, sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    match &node.kind {
        Kind::Null => Ok(Val::Null),
        Kind::Bool(b) => Ok(Val::Bool(*b)),
        Kind::Int(n) => Ok(Val::Int(*n)),
        Kind::Long(n) => Ok(Val::Long(*n)),
        Kind::Float(n) => Ok(Val::Float(*n)),
        Kind::Double(n) => Ok(Val::Double(*n)),
        Kind::Text(text) => Ok(Val::Text(Text::Borrowed(text))),
        Kind::List(items) => all(items, sight, machine).map(Val::list),
        Kind::Map(pairs) => map(pairs, sight, machine).map(Val::map),
        Kind::Not(inner) => Ok(Val::Bool(!boolean(inner, sight, machine)?)),
        Kind::Minus(inner) => number::negative(&evaluate(inner, sight, machine)?),
        Kind::Plus(inner) => plus(evaluate(inner, sight, machine)?),
        Kind::Chain(first, rest) => chain(first, rest, sight, machine),
        Kind::Power(base, exponent) => number::power(&evaluate(base, sight, machine)?, &evaluate(exponent, sight, machine)?),
        Kind::Compare(operator, left, right) => comparison(*operator, left, right, sight, machine),
        Kind::Matches(text, pattern, slot) => {
            let text = evaluate(text, sight, machine)?;
            let pattern = evaluate(pattern, sight, machine)?;
            regexes::operator(&text, &pattern, slot, machine)
        }
        Kind::And(all) => all_are(true, all, sight, machine),
        Kind::Or(all) => all_are(false, all, sight, machine),
        Kind::Ternary(parts) => {
            let [condition, yes, no] = parts.as_ref();
            let chosen = if boolean(condition, sight, machine)? { yes } else { no };
            evaluate(chosen, sight, machine)
        }
        Kind::Elvis(parts) => {
            let [value, other] = parts.as_ref();
            match evaluate(value, sight, machine)? {
                Val::Null => {}
                Val::Text(text) if text.as_str().is_empty() => {}
                value => return Ok(value),
            }
            machine.forget();
            evaluate(other, sight, machine)
        }
        Kind::Variable(name) => variable(name, sight, machine, node),
        Kind::Function(name, arguments) => {
            let arguments = arguments.iter().map(|argument| evaluate(argument, sight, machine)).collect::<Fallible<_>>()?;
            functions::call(name, arguments, machine)
        }
        Kind::Type(name) => types::named(name).map(Val::Type),
        Kind::New(name, arguments) => {
            let arguments = all(arguments, &sight.arguments(), machine)?;
            methods::construct(types::named(name)?, arguments, machine)
        }
        Kind::Path(start, steps) => path::walk(start.as_deref(), steps, sight, machine),
    }
}

fn all<'a>(nodes: &'a [Node], sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Vec<Val<'a>>> {
    nodes.iter().map(|node| evaluate(node, sight, machine)).collect()
}

fn boolean<'a>(node: &'a Node, sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<bool> {
    let value = evaluate(node, sight, machine)?;
    machine.reads(&value).and_then(|()| convert::boolean(&value)).map_err(|fault| fault.at(node.span))
}

/// `&&` stops at the first false one, `||` at the first true one.
fn all_are<'a>(goes_on: bool, nodes: &'a [Node], sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    for node in nodes {
        if boolean(node, sight, machine)? != goes_on {
            return Ok(Val::Bool(!goes_on));
        }
    }
    Ok(Val::Bool(goes_on))
}

fn plus(value: Val<'_>) -> Fallible<Val<'_>> {
    if value.is_number() { Ok(value) } else { Err(fault("not-an-operand", format!("`+` does not work on {} alone", value.kind()))) }
}

fn chain<'a>(first: &'a Node, rest: &'a [(Arithmetic, Node)], sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let (mut value, mut missed) = operand(first, sight, machine)?;
    for (operator, node) in rest {
        let (right, missed_too) = operand(node, sight, machine)?;
        // A name that is not there never becomes part of a text: `web:null` helps nobody.
        let text = matches!(value, Val::Text(_)) || matches!(right, Val::Text(_));
        if let Some(missed) = missed.take().or(missed_too).filter(|_| *operator == Arithmetic::Add && text) {
            return Err(missed);
        }
        value = number::operate(*operator, &value, &right, machine)?;
    }
    Ok(value)
}

/// The value, and when it is null for want of a name, that.
fn operand<'a>(node: &'a Node, sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<(Val<'a>, Option<Fault>)> {
    let before = machine.take_missed();
    let value = evaluate(node, sight, machine)?;
    let missed = machine.missed();
    if let Some(before) = before {
        machine.put_missed(before);
    }
    let missed = missed.filter(|_| value.is_null());
    Ok((value, missed))
}

fn comparison<'a>(operator: Comparison, left: &'a Node, right: &'a Node, sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let (left, right) = (evaluate(left, sight, machine)?, evaluate(right, sight, machine)?);
    machine.reads(&left)?;
    machine.reads(&right)?;
    Ok(Val::Bool(match operator {
        Comparison::Equal => compare::same(&left, &right, machine)?,
        Comparison::NotEqual => !compare::same(&left, &right, machine)?,
        Comparison::Less => compare::order(&left, &right)? == Some(Ordering::Less),
        Comparison::Greater => compare::order(&left, &right)? == Some(Ordering::Greater),
        Comparison::LessOrEqual => matches!(compare::order(&left, &right)?, Some(Ordering::Less | Ordering::Equal)),
        Comparison::GreaterOrEqual => matches!(compare::order(&left, &right)?, Some(Ordering::Greater | Ordering::Equal)),
    }))
}

/// A bare name as a key is the key itself.
fn map<'a>(pairs: &'a [(Node, Node)], sight: &Sight<'a>, machine: &Machine<'a>) -> Fallible<Vec<(Val<'a>, Val<'a>)>> {
    let mut out = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = match path::bare(key) {
            Some(name) => Val::Text(Text::Borrowed(name)),
            None => evaluate(key, sight, machine)?,
        };
        put(&mut out, key, evaluate(value, sight, machine)?, machine)?;
    }
    Ok(out)
}

fn variable<'a>(name: &str, sight: &Sight<'a>, machine: &Machine<'a>, node: &Node) -> Fallible<Val<'a>> {
    match name {
        "this" => Ok(sight.active.clone()),
        "root" => Ok(Val::Map(Pairs::Root)),
        _ if functions::exists(name, machine) => {
            Err(fault("unknown-variable", format!("`#{name}` is a function: it is called with brackets, `#{name}(…)`")))
        }
        _ => Err(fault("unknown-variable", format!("there is no variable `#{name}`; there are `#this` and `#root`")).at(node.span)),
    }
}

/// The value of a constant of a type, or nothing.
pub(crate) fn constant<'a>(of: Type, name: &str) -> Option<Val<'a>> {
    types::constant(of, name)
}
