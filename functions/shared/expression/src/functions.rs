//! Functions: `#name(…)`. The built-in ones are rows of tables; the host may add others.

mod lookup;
mod own;

use crate::ast::Slot;
use crate::error::{Fallible, Fault, fault};
use crate::host::Refusal;
use crate::limits::DEPTH_MAX;
use crate::machine::{Call, Machine};
use crate::methods::{P, converted, signature};
use crate::suggest;
use crate::value::{Pairs, Val, json};

type Body = for<'c, 'a> fn(&Call<'c, 'a>) -> Fallible<Val<'a>>;

/// A row of a function table.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) takes: &'static [P],
    pub(crate) doc: &'static str,
    /// An expression, ` → `, and its value as JSON.
    pub(crate) example: &'static str,
    /// True when it looks at the execution: Spinnaker lets that be its first argument.
    execution: bool,
    body: Body,
}

const fn row(name: &'static str, takes: &'static [P], doc: &'static str, example: &'static str, body: Body) -> Function {
    Function { name, takes, doc, example, execution: false, body }
}

const fn aware(name: &'static str, takes: &'static [P], doc: &'static str, example: &'static str, body: Body) -> Function {
    Function { name, takes, doc, example, execution: true, body }
}

/// All built-in functions.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    own::OWN.iter().chain(lookup::LOOKUP)
}

pub(crate) fn exists(name: &str, machine: &Machine<'_>) -> bool {
    all().any(|function| function.name == name) || machine.host.functions().contains(&name)
}

/// True for those that look at the execution: Spinnaker finds them by their text, `#name(` without a blank.
pub(crate) fn is_aware(name: &str) -> bool {
    all().any(|function| function.execution && function.name == name)
}

/// Calls a function.
pub(crate) fn call<'a>(name: &str, mut arguments: Vec<Val<'a>>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    if machine.host.functions().contains(&name) {
        return ask(name, &arguments, machine);
    }
    let Some(function) = all().find(|function| function.name == name) else {
        let said: String = name.chars().take(60).collect();
        let names = all().map(|function| function.name).chain(machine.host.functions().iter().copied());
        return Err(fault("unknown-function", format!("there is no function `#{said}`")).suggest(suggest::nearest(name, names)));
    };
    let rest = function.takes.last().is_some_and(|p| matches!(p, P::Rest | P::RestChars));
    let fixed = function.takes.len() - usize::from(rest);
    let given = function.execution && is_execution(arguments.first(), machine)?;
    if given && (rest || arguments.len() > fixed) {
        arguments.remove(0);
    }
    if arguments.len() < fixed || (!rest && arguments.len() > fixed) {
        let message = format!("`#{name}` takes {}, not {} arguments", signature(function.takes), arguments.len());
        return Err(fault("wrong-arguments", message));
    }
    arguments.iter().try_for_each(|argument| machine.reads(argument))?;
    let mut fitted = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.into_iter().enumerate() {
        let p = function.takes.get(index).copied().filter(|p| !matches!(p, P::Rest | P::RestChars)).unwrap_or(if rest {
            P::Text
        } else {
            P::Any
        });
        fitted.push(converted(p, argument, machine)?);
    }
    (function.body)(&Call { machine, this: Val::Null, arguments: fitted, slot: &Slot::default() })
}

fn is_execution<'a>(argument: Option<&Val<'a>>, machine: &Machine<'a>) -> Fallible<bool> {
    let Some(Val::Map(given)) = argument else { return Ok(false) };
    match (machine.root("execution")?, given) {
        (Some(Val::Map(Pairs::Json(own))), Pairs::Json(given)) => Ok(std::ptr::eq(own, *given)),
        (Some(Val::Map(Pairs::Own(own))), Pairs::Own(given)) => Ok(std::rc::Rc::ptr_eq(&own, given)),
        _ => Ok(false),
    }
}

/// What the host says to a function.
fn ask<'a>(name: &str, arguments: &[Val<'a>], machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let arguments = arguments.iter().map(|argument| json::json(argument, machine, 0)).collect::<Fallible<Vec<_>>>()?;
    let answer = machine.host.call(name, &arguments).map_err(|refusal| refused(name, refusal))?;
    within(&answer, 0)?;
    Ok(Val::owned(answer))
}

fn refused(name: &str, refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Off => fault("function-off", format!("`#{name}` is not available here")),
        Refusal::Failed(why) => fault("function-failed", format!("`#{name}` failed: {why}")),
    }
}

/// A value from outside may not be nested deeper than what is served.
fn within(value: &serde_json::Value, depth: usize) -> Fallible<()> {
    if depth > DEPTH_MAX {
        return Err(fault("too-deep", format!("a value is nested at most {DEPTH_MAX} deep")));
    }
    match value {
        serde_json::Value::Array(items) => items.iter().try_for_each(|item| within(item, depth + 1)),
        serde_json::Value::Object(map) => map.values().try_for_each(|item| within(item, depth + 1)),
        _ => Ok(()),
    }
}
