//! Where the checkout, the caches and what was built lie. Nothing is created here.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it when it runs us; the one of compile time is for a direct call.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest = PathBuf::from(manifest);
    manifest.ancestors().nth(2).unwrap_or(&manifest).to_path_buf()
}

/// The folder for what outlives a checkout: `waybill` under the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    base.map(|base| base.join("waybill")).ok_or_else(|| Error::new("neither XDG_CACHE_HOME nor HOME is set"))
}

/// Where the cargo we call builds: what the environment says, else a folder no checkout takes along when it goes.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
        Some(folder) => std::path::absolute(&folder).map_err(Error::at(&folder)),
        None => Ok(cache()?.join("target")),
    }
}

/// Where the built programs lie.
pub(crate) fn programs() -> Result<PathBuf> {
    Ok(target()?.join("debug"))
}

/// Where `cargo dev plugins` puts the components.
pub(crate) fn components() -> Result<PathBuf> {
    Ok(target()?.join("components"))
}

/// The virtual environment of a requirement such as `name==1.2`. `testkit::places` looks for the same folder.
pub(crate) fn python(requirement: &str) -> Result<PathBuf> {
    Ok(cache()?.join("python").join(requirement.trim().replace("==", "-")))
}

/// The first place of `PATH`, and of the folders daemons are kept in, that holds `name`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/go/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn an_environment_is_named_after_its_requirement() {
        assert!(python("tool==1.2\n").unwrap().ends_with("python/tool-1.2"));
    }
}
