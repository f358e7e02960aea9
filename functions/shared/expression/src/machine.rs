//! One evaluation: what it may see, what it may ask, and what it has left of its bounds.

use crate::ast::Slot;
use crate::error::{Fallible, Fault, Span, fault};
use crate::host::{Host, Scope};
use crate::limits::Meter;
use crate::suggest;
use crate::value::{Pairs, Val};
use std::borrow::Cow;
use std::cell::RefCell;

/// Bytes of a text that are read in one step.
const READ_BYTES: usize = 64;

pub(crate) struct Machine<'a> {
    pub(crate) scope: &'a dyn Scope,
    pub(crate) host: &'a dyn Host,
    pub(crate) meter: Meter,
    /// Roots that the scope made for us: made once.
    roots: RefCell<Vec<(String, Val<'a>)>>,
    /// The first name that was not there.
    missed: RefCell<Option<Fault>>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(scope: &'a dyn Scope, host: &'a dyn Host) -> Self {
        Self { scope, host, meter: Meter::default(), roots: RefCell::default(), missed: RefCell::default() }
    }

    /// Counts a text that is read from end to end.
    pub(crate) fn reads(&self, value: &Val<'_>) -> Fallible<()> {
        match value {
            Val::Text(text) => self.meter.steps(text.as_str().len() / READ_BYTES),
            _ => Ok(()),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.scope.names()
    }

    pub(crate) fn root(&self, name: &str) -> Fallible<Option<Val<'a>>> {
        if let Some((_, value)) = self.roots.borrow().iter().find(|(kept, _)| kept == name) {
            return Ok(Some(value.clone()));
        }
        match self.scope.look(name) {
            Some(Cow::Borrowed(value)) => Ok(Some(Val::borrowed(value))),
            Some(Cow::Owned(value)) => {
                let value = Val::owned(value);
                self.roots.borrow_mut().push((name.to_owned(), value.clone()));
                Ok(Some(value))
            }
            None => Ok(None),
        }
    }

    /// Keeps what was not there: should the whole come to nothing, that is why. Costs nothing more when something is kept.
    pub(crate) fn miss(&self, pairs: &Pairs<'a>, name: &str, owner: &str, span: Span) {
        if self.missed.borrow().is_none() {
            *self.missed.borrow_mut() = Some(self.missing(pairs, name, owner).at(span));
        }
    }

    fn missing(&self, pairs: &Pairs<'a>, name: &str, owner: &str) -> Fault {
        let names = pairs.names(self);
        let near = suggest::nearest(name, names.iter().map(String::as_str));
        let said: String = name.chars().take(80).collect();
        let fault = match (pairs, owner) {
            (Pairs::Root, _) => fault("unknown-name", format!("nothing here is called `{said}`")),
            (_, "parameters") => fault("unknown-key", format!("there is no parameter `{said}`")),
            (_, "") => fault("unknown-key", format!("there is no `{said}`")),
            (_, owner) => fault("unknown-key", format!("`{owner}` has no `{said}`")),
        };
        fault.suggest(near)
    }

    pub(crate) fn take_missed(&self) -> Option<Fault> {
        self.missed.borrow_mut().take()
    }

    pub(crate) fn put_missed(&self, missed: Fault) {
        *self.missed.borrow_mut() = Some(missed);
    }

    pub(crate) fn forget(&self) {
        *self.missed.borrow_mut() = None;
    }

    /// Why there is nothing, when a name was not there.
    pub(crate) fn missed(&self) -> Option<Fault> {
        self.missed.borrow().clone()
    }
}

/// A call of a method, a function or a constructor, its arguments made fit.
pub(crate) struct Call<'c, 'a> {
    pub(crate) machine: &'c Machine<'a>,
    pub(crate) this: Val<'a>,
    pub(crate) arguments: Vec<Val<'a>>,
    pub(crate) slot: &'c Slot,
}

impl<'a> Call<'_, 'a> {
    pub(crate) fn argument(&self, at: usize) -> Val<'a> {
        self.arguments.get(at).cloned().unwrap_or(Val::Null)
    }

    /// A text; null is none.
    pub(crate) fn text(&self, at: usize) -> Fallible<&str> {
        match self.arguments.get(at) {
            Some(Val::Text(text)) => Ok(text.as_str()),
            _ => Err(fault("null", "a text is expected here, not null")),
        }
    }

    pub(crate) fn int(&self, at: usize) -> Fallible<i32> {
        match self.arguments.get(at) {
            Some(Val::Int(n)) => Ok(*n),
            _ => Err(fault("no-conversion", "a number is expected here")),
        }
    }

    pub(crate) fn long(&self, at: usize) -> Fallible<i64> {
        match self.arguments.get(at) {
            Some(Val::Long(n)) => Ok(*n),
            _ => Err(fault("no-conversion", "a number is expected here")),
        }
    }

    pub(crate) fn double(&self, at: usize) -> Fallible<f64> {
        match self.arguments.get(at) {
            Some(Val::Double(n)) => Ok(*n),
            _ => Err(fault("no-conversion", "a number is expected here")),
        }
    }

    /// The text the method is called on.
    pub(crate) fn this_text(&self) -> &str {
        match &self.this {
            Val::Text(text) => text.as_str(),
            _ => "",
        }
    }
}
