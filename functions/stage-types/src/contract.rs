//! What a component may import and must export: `wit/stage@0.1.0`, and WASI 0.2 without HTTP.

/// Interfaces of the contract that a component may import.
const IMPORTS: [&str; 9] = ["types", "log", "context", "expressions", "kubernetes", "http", "artifacts", "executions", "secrets"];
/// WASI packages that a closed world stands behind.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
/// What every component exports.
const REQUIRED: &str = "waybill:stage/lifecycle@0.1.0";
/// What it may export besides, by its short name.
const OPTIONAL: [(&str, &str); 2] = [("compensation", "waybill:stage/compensation@0.1.0"), ("planning", "waybill:stage/planning@0.1.0")];

/// Imports that must be declared as a capability when they are there, and be there when they are declared.
pub(crate) const DECLARED: [&str; 4] = ["kubernetes", "http", "executions", "secrets"];

/// Checks names; gives the short names of the optional exports.
pub(crate) fn check<'n>(imports: impl Iterator<Item = &'n str>, exports: impl Iterator<Item = &'n str>) -> Result<Vec<String>, String> {
    for import in imports {
        if !is_known_import(import) {
            return Err(format!("it imports {import}, which the contract does not have"));
        }
    }
    let (mut lifecycle, mut optional) = (false, Vec::new());
    for export in exports {
        match OPTIONAL.iter().find(|(_, full)| *full == export) {
            Some((short, _)) => optional.push((*short).to_owned()),
            None if export == REQUIRED => lifecycle = true,
            None => return Err(format!("it exports {export}, which the contract does not have")),
        }
    }
    optional.sort();
    if lifecycle { Ok(optional) } else { Err(format!("it does not export {REQUIRED}")) }
}

fn is_known_import(name: &str) -> bool {
    if let Some(short) = short_import(name) {
        return IMPORTS.contains(&short);
    }
    let Some((package, version)) = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('@')) else { return false };
    let package = package.split('/').next().unwrap_or_default();
    WASI.contains(&package) && version.starts_with("0.2.")
}

/// `kubernetes` of `waybill:stage/kubernetes@0.1.0`.
pub(crate) fn short_import(name: &str) -> Option<&str> {
    name.strip_prefix("waybill:stage/")?.strip_suffix("@0.1.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(imports: &[&str], exports: &[&str]) -> Result<Vec<String>, String> {
        check(imports.iter().copied(), exports.iter().copied())
    }

    #[test]
    fn the_world_is_recognised() {
        let imports = ["waybill:stage/log@0.1.0", "waybill:stage/types@0.1.0", "wasi:io/streams@0.2.6", "wasi:cli/exit@0.2.12"];
        assert_eq!(checked(&imports, &[REQUIRED]).unwrap(), [""; 0]);
        let all = [REQUIRED, "waybill:stage/planning@0.1.0", "waybill:stage/compensation@0.1.0"];
        assert_eq!(checked(&[], &all).unwrap(), ["compensation", "planning"]);
    }

    #[test]
    fn anything_else_is_named() {
        for import in
            ["waybill:stage/log@0.2.0", "waybill:stage/shell@0.1.0", "wasi:http/types@0.2.6", "wasi:cli/exit@0.3.0", "x:y/z", "env"]
        {
            assert!(checked(&[import], &[REQUIRED]).unwrap_err().contains(import), "{import}");
        }
        assert!(checked(&[], &[]).unwrap_err().contains("lifecycle"));
        assert!(checked(&[], &[REQUIRED, "wasi:cli/run@0.2.6"]).unwrap_err().contains("wasi:cli/run"));
    }
}
