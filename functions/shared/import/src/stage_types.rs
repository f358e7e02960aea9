//! The stage types that come with the product, by every name they go by.

/// Type, other spellings of it.
pub const BUILT_IN: &[(&str, &[&str])] = &[
    ("checkPreconditions", &[]),
    ("deployManifest", &["DeployManifest"]),
    ("evaluateVariables", &[]),
    ("manualJudgment", &["ManualJudgment"]),
    ("pipeline", &[]),
    ("wait", &[]),
];

/// Whether a type of this name comes with the product.
#[must_use]
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(known, aliases)| *known == name || aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    /// Every component beside this room that is shipped says its names in its manifest.
    #[test]
    fn the_list_is_that_of_the_components() {
        let plugins = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../../plugins");
        let mut shipped: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in std::fs::read_dir(plugins).unwrap() {
            let Ok(text) = std::fs::read_to_string(entry.unwrap().path().join("manifest.json")) else { continue };
            let manifest: Value = serde_json::from_str(&text).unwrap();
            let aliases = manifest["aliases"].as_array().unwrap().iter().map(|alias| alias.as_str().unwrap().to_owned()).collect();
            shipped.insert(manifest["type"].as_str().unwrap().to_owned(), aliases);
        }
        let own = |(name, aliases): &(&str, &[&str])| ((*name).to_owned(), aliases.iter().map(|a| (*a).to_owned()).collect());
        let listed: BTreeMap<String, Vec<String>> = BUILT_IN.iter().map(own).collect();
        assert_eq!(listed, shipped);
    }
}
