//! The tree of an expression. It owns its texts, is made once, and is shared by every evaluation.

use crate::error::Span;
use std::sync::{Arc, OnceLock};

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(Arc<str>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Plus(Box<Node>),
    /// `+ - * / %`, from left to right; flat, so that a long chain is not a deep tree.
    Chain(Box<Node>, Vec<(Arithmetic, Node)>),
    Power(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Matches(Box<Node>, Box<Node>, Slot),
    And(Vec<Node>),
    Or(Vec<Node>),
    Ternary(Box<[Node; 3]>),
    Elvis(Box<[Node; 2]>),
    Variable(Arc<str>),
    Function(Arc<str>, Vec<Node>),
    Type(Arc<str>),
    New(Arc<str>, Vec<Node>),
    /// Steps from a value, or from the object in sight.
    Path(Option<Box<Node>>, Vec<Step>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) span: Span,
    /// `?.`
    pub(crate) safe: bool,
    pub(crate) kind: StepKind,
}

#[derive(Debug)]
pub(crate) enum StepKind {
    Property(Arc<str>),
    Index(Box<Node>),
    Method(Arc<str>, Vec<Node>, Slot),
    Project(Box<Node>),
    Select(Which, Box<Node>),
    /// A variable, function, type or constructor after a dot: what stands before it does not matter to it.
    Other(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    First,
    Last,
}

/// Keeps the regular expression of a call, so that a tree that is evaluated again does not compile it again.
#[derive(Debug, Default)]
pub(crate) struct Slot(pub(crate) OnceLock<(String, regex::Regex)>);
