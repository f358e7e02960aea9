//! What an expression is: its tree, the names it reads, the functions it calls. Nothing is evaluated.

use crate::ast::{Kind, Node, Step, StepKind};
use crate::document::has_expression;
use crate::error::{Error, Span};
use crate::template::Template;
use std::collections::BTreeSet;

/// What there is to say of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The tree, one node a line, indented by two blanks a level: depth, place, and what it is.
    pub tree: Vec<Line>,
    /// Root names that are read, with the keys that follow as long as they are written out.
    pub names: Vec<String>,
    /// Functions that are called.
    pub functions: Vec<String>,
    /// Methods that are called.
    pub methods: Vec<String>,
    /// Types that are named.
    pub types: Vec<String>,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep it is.
    pub depth: usize,
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub what: String,
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.tree {
            writeln!(f, "{}{}", "  ".repeat(line.depth), line.what)?;
        }
        Ok(())
    }
}

/// Explains a text with `${…}` in it, or one bare expression.
pub fn explain(text: &str) -> Result<Explanation, Error> {
    let template = if has_expression(text) { Template::parse(text)? } else { Template::bare(text)? };
    let mut reader = Reader::default();
    for node in template.nodes() {
        reader.node(node, 0, true);
    }
    let list = |set: BTreeSet<String>| set.into_iter().collect();
    Ok(Explanation {
        tree: reader.tree,
        names: list(reader.names),
        functions: list(reader.functions),
        methods: list(reader.methods),
        types: list(reader.types),
    })
}

#[derive(Default)]
struct Reader {
    tree: Vec<Line>,
    names: BTreeSet<String>,
    functions: BTreeSet<String>,
    methods: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, depth: usize, span: Span, what: impl Into<String>) {
        self.tree.push(Line { depth, span, what: what.into() });
    }

    fn all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>, depth: usize, root: bool) {
        for node in nodes {
            self.node(node, depth, root);
        }
    }

    /// `root` says whether bare names are those of the scope.
    fn node(&mut self, node: &Node, depth: usize, root: bool) {
        let what = match &node.kind {
            Kind::Null => "null".to_owned(),
            Kind::Bool(b) => b.to_string(),
            Kind::Int(n) => n.to_string(),
            Kind::Long(n) => format!("{n}L"),
            Kind::Float(n) => format!("{n}f"),
            Kind::Double(n) => n.to_string(),
            Kind::Text(text) => format!("text {text:?}"),
            Kind::List(_) => "list".to_owned(),
            Kind::Map(_) => "object".to_owned(),
            Kind::Not(_) => "not".to_owned(),
            Kind::Minus(_) => "minus".to_owned(),
            Kind::Plus(_) => "plus".to_owned(),
            Kind::Chain(_, rest) => rest.iter().map(|(operator, _)| format!("{operator:?}").to_lowercase()).collect::<Vec<_>>().join(", "),
            Kind::Power(..) => "power".to_owned(),
            Kind::Compare(operator, ..) => format!("compare {operator:?}"),
            Kind::Matches(..) => "matches".to_owned(),
            Kind::And(_) => "and".to_owned(),
            Kind::Or(_) => "or".to_owned(),
            Kind::Ternary(_) => "if, then, else".to_owned(),
            Kind::Elvis(_) => "or else".to_owned(),
            Kind::Variable(name) => format!("#{name}"),
            Kind::Function(name, _) => {
                self.functions.insert(name.to_string());
                format!("function #{name}")
            }
            Kind::Type(name) => {
                self.types.insert(name.to_string());
                format!("type {name}")
            }
            Kind::New(name, _) => {
                self.types.insert(name.to_string());
                format!("new {name}")
            }
            Kind::Path(..) => "path".to_owned(),
        };
        self.line(depth, node.span, what);
        self.below(node, depth + 1, root);
    }

    fn below(&mut self, node: &Node, depth: usize, root: bool) {
        match &node.kind {
            Kind::List(nodes) | Kind::And(nodes) | Kind::Or(nodes) | Kind::Function(_, nodes) | Kind::New(_, nodes) => {
                self.all(nodes, depth, root)
            }
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    // A bare name as a key is itself.
                    self.node(key, depth, false);
                    self.node(value, depth, root);
                }
            }
            Kind::Not(inner) | Kind::Minus(inner) | Kind::Plus(inner) => self.node(inner, depth, root),
            Kind::Chain(first, rest) => {
                self.node(first, depth, root);
                self.all(rest.iter().map(|(_, node)| node), depth, root);
            }
            Kind::Power(a, b) | Kind::Compare(_, a, b) | Kind::Matches(a, b, _) => {
                self.node(a, depth, root);
                self.node(b, depth, root);
            }
            Kind::Ternary(parts) => self.all(parts.iter(), depth, root),
            Kind::Elvis(parts) => self.all(parts.iter(), depth, root),
            Kind::Path(start, steps) => self.path(start.as_deref(), steps, depth, root),
            _ => {}
        }
    }

    fn path(&mut self, start: Option<&Node>, steps: &[Step], depth: usize, root: bool) {
        let from_root = match start.map(|node| &node.kind) {
            None => root,
            Some(Kind::Variable(name)) => &**name == "root",
            Some(_) => false,
        };
        if let Some(start) = start {
            self.node(start, depth, root);
        }
        if from_root {
            let name = written(steps);
            if !name.is_empty() {
                self.names.insert(name);
            }
        }
        for step in steps {
            match &step.kind {
                StepKind::Property(name) => self.line(depth, step.span, format!("key {name:?}")),
                StepKind::Index(node) => {
                    self.line(depth, step.span, "element");
                    self.node(node, depth + 1, crate::eval::is_bare(node).is_none());
                }
                StepKind::Method(name, arguments, _) => {
                    self.methods.insert(name.to_string());
                    self.line(depth, step.span, format!("call {name}"));
                    self.all(arguments, depth + 1, root);
                }
                StepKind::Project(node) => {
                    self.line(depth, step.span, "of each");
                    self.node(node, depth + 1, false);
                }
                StepKind::Select(which, node) => {
                    self.line(depth, step.span, format!("select {which:?}").to_lowercase());
                    self.node(node, depth + 1, false);
                }
                StepKind::Other(node) => self.node(node, depth, root),
            }
        }
    }
}

/// The keys of a path as far as they are written out, with dots between.
fn written(steps: &[Step]) -> String {
    let mut keys = Vec::new();
    for step in steps {
        match &step.kind {
            StepKind::Property(name) => keys.push(name.to_string()),
            StepKind::Index(node) => match &node.kind {
                Kind::Text(text) => keys.push(text.to_string()),
                _ => break,
            },
            _ => break,
        }
    }
    keys.join(".")
}
