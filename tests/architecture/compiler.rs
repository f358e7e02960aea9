//! The orchestrator holds no compiler: neither does anything that is built together with it, since one build unifies the
//! features of its packages.

use crate::check;
use crate::workspace::cargo;

const COMPILERS: [&str; 3] = ["cranelift-codegen", "wasmtime-internal-cranelift", "wasmtime-internal-winch"];

/// Compilers in the output of `cargo tree --prefix none`.
fn compilers(tree: &str) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let mut found: Vec<String> = tree.lines().map(first).filter(|name| COMPILERS.contains(&name.as_str())).collect();
    found.sort();
    found.dedup();
    found
}

fn tree(packages: &[&str]) -> String {
    let arguments = ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    cargo(&[&arguments, packages].concat())
}

#[test]
fn what_is_built_together_holds_no_compiler() {
    check("compilers in the default build", &compilers(&tree(&[])));
    check("compilers in the orchestrator and the host of components", &compilers(&tree(&["-p", "orchestrator", "-p", "stage-host"])));
}

/// It has one by design, so the rule above would find another's.
#[test]
fn the_compiler_of_stage_types_is_found() {
    assert!(compilers(&tree(&["-p", "stage-types"])).contains(&"cranelift-codegen".to_owned()));
}
