//! What the lists and maps of the known kinds are: which lists are maps and by which keys, which are sets, which parts
//! are whole (atomic), what the API server always writes and what it leaves out when empty.
//!
//! `schema.txt` holds it, one type a line, as Kubernetes publishes it in its OpenAPI document and its Go types. A field
//! is `name/type*strategy`; no type is a string. Types: `s` string, `n` number, `b` bool, `u` any scalar, `a` anything,
//! `Name` a struct, `{…}` a map, `[…]` a list with its keys after it (`set` for a set, nothing for a whole), `!` in front
//! for a whole. In front of the name, `+` is always written, `^` likewise but null when not there, `~` is left out when
//! zero. `*key` merges lists strategically, `*=` replaces. A line `= apiVersion kind Type` is a kind.

use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("schema.txt");

/// What a value is.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Number,
    Bool,
    /// A number or a text (quantities, ports, times).
    Scalar,
    /// Nothing is known of it; maps are open, lists are whole.
    Any,
    Struct {
        name: &'static str,
        whole: bool,
    },
    /// Its keys are data, not fields.
    Map {
        item: Box<Shape>,
        whole: bool,
    },
    List {
        item: Box<Shape>,
        keyed: Keyed,
    },
}

/// How the items of a list are told apart.
#[derive(Debug)]
pub(super) enum Keyed {
    /// They are not; the list is one value.
    Whole,
    /// By their own value.
    Set,
    /// By these fields; a default where one is missing.
    By(Vec<(&'static str, Option<&'static str>)>),
}

/// When a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Always,
    AlwaysNull,
    NotZero,
    WhenSet,
}

/// How a strategic merge patch treats a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Maps are merged, lists replaced.
    Plain,
    /// A list is merged by this key; by its values when it is empty.
    Merge(&'static str),
    Replace,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) presence: Presence,
    pub(super) strategy: Strategy,
}

/// A struct.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) fields: Vec<Field>,
    /// Fields that are not listed may be there.
    pub(super) open: bool,
}

impl Type {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

struct Table {
    kinds: HashMap<&'static str, HashMap<&'static str, Shape>>,
    types: HashMap<&'static str, Type>,
    unknown: Shape,
    nothing: Type,
}

const UNKNOWN: &str = "?";
static ANY: Shape = Shape::Any;

fn table() -> &'static Table {
    static PARSED: OnceLock<Table> = OnceLock::new();
    PARSED.get_or_init(|| {
        let mut table = Table {
            kinds: HashMap::new(),
            types: HashMap::new(),
            unknown: Shape::Struct { name: UNKNOWN, whole: false },
            nothing: Type { fields: Vec::new(), open: true },
        };
        for line in TABLE.lines() {
            let mut words = line.split(' ');
            match (words.next(), line.starts_with('=')) {
                (_, true) => {
                    if let (Some(version), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) {
                        table.kinds.entry(version).or_default().insert(kind, Shape::Struct { name, whole: false });
                    }
                }
                (Some(name), false) => {
                    let fields = words.map(field).collect();
                    table.types.insert(name, Type { fields, open: false });
                }
                (None, false) => {}
            }
        }
        let fields = ["apiVersion", "kind", "+metadata/ObjectMeta"].into_iter().map(field).collect();
        table.types.insert(UNKNOWN, Type { fields, open: true });
        table
    })
}

fn field(word: &'static str) -> Field {
    let (word, presence) = match word.split_at_checked(1) {
        Some(("+", rest)) => (rest, Presence::Always),
        Some(("^", rest)) => (rest, Presence::AlwaysNull),
        Some(("~", rest)) => (rest, Presence::NotZero),
        _ => (word, Presence::WhenSet),
    };
    let (word, strategy) = match word.split_once('*') {
        Some((rest, "=")) => (rest, Strategy::Replace),
        Some((rest, key)) => (rest, Strategy::Merge(key)),
        None => (word, Strategy::Plain),
    };
    let (name, kind) = word.split_once('/').unwrap_or((word, "s"));
    Field { name, shape: shape(kind), presence, strategy }
}

fn shape(text: &'static str) -> Shape {
    let (text, whole) = text.strip_prefix('!').map_or((text, false), |rest| (rest, true));
    if let Some(rest) = text.strip_prefix('[') {
        let (item, keys) = rest.rsplit_once(']').unwrap_or((rest, ""));
        let keyed = match keys {
            "" => Keyed::Whole,
            "set" => Keyed::Set,
            keys => {
                Keyed::By(keys.split(',').map(|key| key.split_once('=').map_or((key, None), |(key, value)| (key, Some(value)))).collect())
            }
        };
        return Shape::List { item: Box::new(shape(item)), keyed };
    }
    if let Some(rest) = text.strip_prefix('{') {
        return Shape::Map { item: Box::new(shape(rest.trim_end_matches('}'))), whole };
    }
    match text {
        "s" => Shape::Text,
        "n" => Shape::Number,
        "b" => Shape::Bool,
        "u" => Shape::Scalar,
        "a" => Shape::Any,
        name => Shape::Struct { name, whole },
    }
}

/// Whether the kind is in the table.
pub(super) fn known((api_version, kind): (&str, &str)) -> bool {
    table().kinds.get(api_version).is_some_and(|kinds| kinds.contains_key(kind))
}

/// The shape of an object; of an unknown kind, that it has metadata.
pub(super) fn of((api_version, kind): (&str, &str)) -> &'static Shape {
    table().kinds.get(api_version).and_then(|kinds| kinds.get(kind)).unwrap_or(&table().unknown)
}

/// A struct by its name.
pub(super) fn type_of(name: &str) -> &'static Type {
    table().types.get(name).unwrap_or(&table().nothing)
}

impl Shape {
    /// The shape of a field or of a map's value.
    pub(super) fn child(&'static self, key: &str) -> &'static Self {
        match self {
            Self::Struct { name, .. } => type_of(name).field(key).map_or(&ANY, |field| &field.shape),
            Self::Map { item, .. } => item,
            Self::Any | Self::Text | Self::Number | Self::Bool | Self::Scalar | Self::List { .. } => &ANY,
        }
    }

    /// The shape of a list's items.
    pub(super) fn item(&'static self) -> &'static Self {
        match self {
            Self::List { item, .. } => item,
            Self::Any | Self::Text | Self::Number | Self::Bool | Self::Scalar | Self::Struct { .. } | Self::Map { .. } => &ANY,
        }
    }

    /// Whether the key is a field by name, not data.
    pub(super) fn names(&self, key: &str) -> bool {
        match self {
            Self::Struct { name, .. } => {
                let of = type_of(name);
                of.open || of.field(key).is_some()
            }
            Self::Any => true,
            Self::Map { .. } | Self::Text | Self::Number | Self::Bool | Self::Scalar | Self::List { .. } => false,
        }
    }

    /// Whether maps of this shape are one value.
    pub(super) const fn whole(&self) -> bool {
        matches!(self, Self::Struct { whole: true, .. } | Self::Map { whole: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        fn check(shape: &Shape, at: &str) {
            match shape {
                Shape::Struct { name, .. } => assert!(table().types.contains_key(name), "{name} in {at}"),
                Shape::Map { item, .. } | Shape::List { item, .. } => check(item, at),
                Shape::Text | Shape::Number | Shape::Bool | Shape::Scalar | Shape::Any => {}
            }
        }
        let kinds: Vec<&Shape> = table().kinds.values().flat_map(HashMap::values).collect();
        assert!(kinds.len() > 35 && table().types.len() > 300);
        kinds.into_iter().for_each(|shape| check(shape, "kinds"));
        for (name, of) in &table().types {
            of.fields.iter().for_each(|field| check(&field.shape, name));
        }
    }

    #[test]
    fn what_the_table_says_of_pods() {
        let of = type_of("PodSpec");
        let field = |name| of.field(name).unwrap();
        assert_eq!(field("containers").strategy, Strategy::Merge("name"));
        assert!(matches!(&field("tolerations").shape, Shape::List { keyed: Keyed::Whole, .. }));
        assert!(field("nodeSelector").shape.whole());
        let ports = &type_of("Container").field("ports").unwrap().shape;
        let Shape::List { keyed: Keyed::By(keys), .. } = ports else { panic!("{ports:?}") };
        assert_eq!(keys.as_slice(), [("containerPort", None), ("protocol", Some("TCP"))]);
        assert!(matches!(&type_of("ObjectMeta").field("finalizers").unwrap().shape, Shape::List { keyed: Keyed::Set, .. }));
        assert!(known(("apps/v1", "Deployment")) && !known(("example.com/v1", "Thing")));
    }
}
