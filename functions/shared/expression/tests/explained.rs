//! What is said of an expression without evaluating it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers and all")]

use expression::explain;

#[test]
fn names_functions_and_the_tree_are_said() {
    let said = explain("v${parameters['version'].substring(0, #toInt(trigger.tag)) + stages.?[name == x].![y][0]}-${#root.a}").unwrap();
    assert_eq!(said.names, ["a", "parameters.version", "stages", "trigger.tag"]);
    assert_eq!(said.functions, ["toInt"]);
    assert_eq!(said.methods, ["substring"]);
    assert!(said.types.is_empty());
    assert_eq!(said.tree[0].depth, 0);
    assert_eq!(said.tree[0].what, "add");
    let text = said.to_string();
    assert!(text.contains("\n  path\n    key \"parameters\"\n"), "{text}");
    let said = explain("new java.text.SimpleDateFormat('yyyy').format(new java.util.Date())").unwrap();
    assert_eq!(said.types, ["java.text.SimpleDateFormat", "java.util.Date"]);
    assert_eq!((said.names.len(), said.methods.as_slice()), (0, &["format".to_owned()][..]));
    assert_eq!(explain("a = 1").unwrap_err().reason, "refused-assignment");
    assert!(explain("${").is_err());
}
