//! How everything is laid out in the one table: each entity with its keys, its index, its size, who reads and who writes it.
//! This is the only place that says so; `TABLE.md` is made from it, and tests hold it against what is really written.
//!
//! Beside it, what an item and a call cost, by the arithmetic that DynamoDB bills by.

use app::ports::{Item, Key};
use std::fmt::Write as _;

/// One kind of item.
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// What it is.
    pub name: &'static str,
    /// Partition key. `{x}` stands for a text without `#`, `{x..}` for any text.
    pub partition: &'static str,
    /// Sort key, likewise.
    pub sort: &'static str,
    /// Whether it may stand in the `due` index: somebody must look at it by then.
    pub due: bool,
    /// Whether it may expire.
    pub expires: bool,
    /// Most KB of its body, rounded up.
    pub kb_max: usize,
    /// Who writes it.
    pub writers: &'static str,
    /// Who reads it.
    pub readers: &'static str,
}

const fn entity(
    name: &'static str,
    (partition, sort): (&'static str, &'static str),
    kb_max: usize,
    writers: &'static str,
    readers: &'static str,
) -> Entity {
    Entity { name, partition, sort, due: false, expires: false, kb_max, writers, readers }
}

impl Entity {
    const fn due(mut self) -> Self {
        self.due = true;
        self
    }

    const fn expires(mut self) -> Self {
        self.expires = true;
        self
    }

    /// Whether a key is one of this kind.
    #[must_use]
    pub fn names(&self, key: &Key) -> bool {
        fits(self.partition, &key.partition) && fits(self.sort, &key.sort)
    }
}

/// All there is.
pub const ENTITIES: &[Entity] = &[
    entity("first start of the installation", ("SYSTEM", "TOKENS"), 1, "first start", "first start, last administrator's revocation"),
    entity("import that is under way", ("SYSTEM", "IMPORT"), 1, "imports", "imports, start of a server"),
    entity("token, by its hash", ("TOKEN#{sha256}", "TOKEN"), 4, "tokens", "every request").expires(),
    entity("token, in the list", ("TOKENS", "{id}"), 4, "tokens", "tokens").expires(),
    entity("request already answered", ("IDEM#{caller..}", "{operation..}"), 8, "what creates", "what creates").expires(),
    entity("stage type", ("STAGETYPES", "TYPE#{name}"), 64, "stage-types", "starts, pipelines' checks"),
    entity("other name of a stage type", ("STAGETYPES", "ALIAS#{name}"), 1, "stage-types", "starts, pipelines' checks"),
    entity("application", ("APPS", "{application..}"), 64, "applications", "everything about it"),
    entity("application's guard", ("APP#{application..}", "GUARD"), 1, "what begins to use it", "its deletion"),
    entity("pipeline, in its application", ("APP#{application..}", "PIPE#{pipeline}"), 8, "pipelines", "pipelines, starts"),
    entity("pipeline's name", ("APP#{application..}", "NAME#{name..}"), 1, "pipelines", "pipelines, starts"),
    entity(
        "secret of an application, sealed",
        ("APP#{application..}", "SECRET#{name}"),
        96,
        "secrets, pipelines",
        "secrets, starts, orchestrator",
    ),
    entity("pipeline's home", ("PIPE#{pipeline}", "HOME"), 1, "pipelines", "triggers, children"),
    entity("pipeline's revision", ("PIPE#{pipeline}", "REV#{number}"), 4, "pipelines", "pipelines, starts"),
    entity("part of a revision's document", ("PIPE#{pipeline}", "DOC#{number}#{part}"), 380, "pipelines", "pipelines, starts"),
    entity("pipeline's hooks", ("PIPE#{pipeline}", "HOOKS"), 32, "pipelines", "pipelines"),
    entity("hook, by its hash", ("HOOK#{sha256}", "HOOK"), 1, "pipelines", "triggers"),
    entity("slots of a pipeline", ("PIPE#{pipeline}", "SLOTS"), 128, "start, end, restart", "start, end, restart"),
    entity("execution, in its pipeline's list", ("PIPE#{pipeline}", "EXEC#{execution}"), 32, "orchestrator, start", "lists, retention")
        .due(),
    entity("execution, in its application's list", ("APPEXEC#{application..}", "EXEC#{execution}"), 32, "orchestrator, start", "lists"),
    entity("project", ("PROJECTS", "{project..}"), 80, "projects", "projects, starts, orders"),
    entity("release order", ("ORDERS#{project}", "ORDER#{number}"), 32, "start, orchestrator", "orders"),
    entity("number of the newest order", ("ORDERS#{project}", "COUNTER"), 1, "start", "start"),
    entity("what a correlation led to", ("CORR#{digest}", "CORR"), 1, "start", "start").expires(),
    entity("cloud account", ("CLOUD", "{account..}"), 380, "accounts, verification", "accounts, orchestrator").due(),
    entity("registry account", ("REGISTRIES", "{account..}"), 128, "accounts, verification", "accounts, triggers").due(),
    entity("push", ("PUSH#{trigger}", "DLV#{delivery}"), 8, "triggers", "triggers").due().expires(),
    entity("what one image led to", ("PUSH#{trigger}", "BND#{image}"), 4, "triggers", "triggers").expires(),
    entity("pushes that were ignored", ("PUSH#{trigger}", "IGN"), 64, "triggers", "triggers").expires(),
    entity("execution", ("EXEC#{execution}", "META"), 240, "start, orchestrator", "everything about it").due(),
    entity("plan", ("EXEC#{execution}", "PLAN"), 128, "start, orchestrator", "everything about it"),
    entity("stage run", ("EXEC#{execution}", "ST#{run}"), 380, "orchestrator", "orchestrator, details"),
    entity("event that nobody has consumed", ("EXEC#{execution}", "EVT#{event..}"), 32, "HTTP functions, other executions", "orchestrator")
        .due()
        .expires(),
    entity("call of a step", ("EXEC#{execution}", "J#{run}#{attempt}#{seq}#{retry}#{call}"), 64, "orchestrator", "orchestrator"),
    entity("who waits for its end", ("EXEC#{execution}", "SUBS"), 64, "parents", "orchestrator"),
    entity("audit of a transition", ("EXEC#{execution}", "LOG#{version}"), 72, "orchestrator", "details, logs"),
    entity("audit of an event that came too late", ("EXEC#{execution}", "LOG#{version}#{event..}"), 16, "orchestrator", "details, logs"),
    entity("request that was carried out", ("EXEC#{execution}", "DONE#{event..}"), 32, "HTTP functions, orchestrator", "HTTP functions")
        .expires(),
];

/// The kind that a key is of; none for a key that stands nowhere in [`ENTITIES`].
#[must_use]
pub fn of(key: &Key) -> Option<&'static Entity> {
    ENTITIES.iter().find(|entity| entity.names(key))
}

/// Whether a text fits a template.
fn fits(template: &str, text: &str) -> bool {
    let Some((before, rest)) = template.split_once('{') else { return template == text };
    let Some((name, after)) = rest.split_once('}') else { return template == text };
    let Some(text) = text.strip_prefix(before) else { return false };
    if name.ends_with("..") {
        return !text.is_empty() && after.is_empty();
    }
    let end = text.find('#').unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((value, text)) => !value.is_empty() && fits(after, text),
        None => false,
    }
}

/// Bytes of an item as DynamoDB counts them: names, values, and a little for numbers and maps.
#[must_use]
pub fn stored_bytes(item: &Item) -> usize {
    let number = |number: u64| number.to_string().trim_end_matches('0').len().div_ceil(2) + 1;
    let keys = 4 + item.key.partition.len() + item.key.sort.len();
    let texts: usize = item.attributes.iter().map(|(name, value)| 1 + name.len() + value.len()).sum();
    let attributes = if item.attributes.is_empty() { 0 } else { 1 + 3 + texts };
    let due = item.due_ms.map_or(0, |at| 1 + number(at) + 2 + 6);
    let expires = item.expires_ms.map_or(0, |at| 1 + number(at) + 1 + number(at / 1_000));
    keys + 1 + number(1) + 1 + number(item.revision) + 1 + item.body.len() + attributes + due + expires
}

/// Units of a consistent read of so many bytes.
#[must_use]
pub fn read_units(bytes: usize) -> usize {
    bytes.div_ceil(4 << 10).max(1)
}

/// Units of one part of a transaction, by the larger of what was there and what is there then, with the index.
#[must_use]
pub fn write_units(before: Option<&Item>, after: Option<&Item>) -> usize {
    let bytes = |item: Option<&Item>| item.map_or(0, stored_bytes);
    let due = |item: Option<&Item>| item.and_then(|item| item.due_ms);
    let index = match (due(before), due(after)) {
        (old, new) if old == new => 0,
        // What moves is removed and put.
        (Some(_), Some(_)) => 2,
        _ => 1,
    };
    2 * bytes(before).max(bytes(after)).div_ceil(1 << 10).max(1) + index
}

/// The first half of `TABLE.md`: the entities.
#[must_use]
pub fn page() -> String {
    let mut text = String::from(
        "# The table\n\n\
         One table of DynamoDB on demand, made from `functions/shared/store/src/dynamodb/design.rs`. Every item also holds the version of\n\
         its form, its revision, and its body: JSON that says its own shape and version.\n\n\
         `due`: it may stand in the index `due` (keys only, sparse, in eight parts), which says what must be looked at by when. No decision\n\
         rests on it. `expires`: it may have an end, after which it counts as gone; DynamoDB removes it an hour later at the earliest.\n\n\
         | What | Partition | Sort | | KB at most | Written by | Read by |\n|---|---|---|---|---|---|---|\n",
    );
    for entity in ENTITIES {
        let marks: Vec<&str> =
            [(entity.due, "due"), (entity.expires, "expires")].iter().filter(|(on, _)| *on).map(|(_, mark)| *mark).collect();
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "| {} | `{}` | `{}` | {} | {} | {} | {} |",
            entity.name,
            entity.partition.replace("..", ""),
            entity.sort.replace("..", ""),
            marks.join(", "),
            entity.kb_max,
            entity.writers,
            entity.readers
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_one_kind() {
        let found = |partition: &str, sort: &str| of(&Key::new(partition, sort)).map(|entity| entity.name);
        assert_eq!(found("EXEC#1", "META"), Some("execution"));
        assert_eq!(found("EXEC#1", "LOG#000000000007"), Some("audit of a transition"));
        assert_eq!(found("EXEC#1", "LOG#000000000007#x#y"), Some("audit of an event that came too late"));
        assert_eq!(found("EXEC#1", "J#0000#0001#00000002#00#00003"), Some("call of a step"));
        assert_eq!(found("IDEM#a#b", "create-token#k#1"), Some("request already answered"));
        for (partition, sort) in [("EXEC#1", "NEW"), ("EXEC#", "META"), ("EXEC#1#2", "META"), ("OTHER", "x"), ("EXEC#1", "J#1#2")] {
            assert_eq!(found(partition, sort), None, "{partition} / {sort}");
        }
    }

    #[test]
    fn units_are_counted_as_they_are_billed() {
        let item = |bytes: usize, due: Option<u64>| Item { revision: 1, ..Item::new(Key::new("P", "a"), vec![b'x'; bytes]).due(due) };
        assert_eq!((read_units(0), read_units(4_096), read_units(4_097)), (1, 1, 2));
        let (small, big, soon, later) = (item(10, None), item(2_000, None), item(10, Some(5)), item(10, Some(6)));
        assert_eq!(write_units(None, Some(&small)), 2);
        assert_eq!(write_units(Some(&big), Some(&small)), 4);
        assert_eq!(write_units(Some(&big), None), 4);
        assert_eq!(write_units(None, None), 2);
        assert_eq!(write_units(Some(&small), Some(&soon)), 3);
        assert_eq!(write_units(Some(&soon), Some(&later)), 4);
        assert_eq!(write_units(Some(&soon), Some(&soon)), 2);
    }
}
