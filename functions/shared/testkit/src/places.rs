//! Where things lie: the cache folder, scratch folders that clean up after killed runs, and what was built.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The folder for everything that outlives a checkout: `waybill` under the user's cache folder.
///
/// # Errors
/// [`Error::Missing`] when neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|base| base.join("waybill"))
        .ok_or_else(|| Error::Missing { what: "a cache folder".into(), advice: "set XDG_CACHE_HOME or HOME".into() })
}

/// The program `name` as the last build left it: in the folder `WAYBILL_BIN` names, else in that of the running test.
///
/// # Errors
/// [`Error::Missing`] when it is not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("WAYBILL_BIN") {
        Some(folder) => PathBuf::from(folder),
        None => built_folder()?,
    };
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Missing { what: path.display().to_string(), advice: "run `cargo build` first".into() })
}

/// The folder with the stage components, their precompiled form and `index.json`: the one `WAYBILL_COMPONENTS` names,
/// else `components` in the target folder of the running test.
///
/// # Errors
/// [`Error::Missing`] when they are not built.
pub fn components() -> Result<PathBuf> {
    let folder = match env::var_os("WAYBILL_COMPONENTS") {
        Some(folder) => PathBuf::from(folder),
        None => built_folder()?.parent().map(|target| target.join("components")).unwrap_or_default(),
    };
    if folder.join("index.json").is_file() {
        return Ok(folder);
    }
    let what = format!("index.json in {}", folder.display());
    Err(Error::Missing { what, advice: "run `cargo dev plugins` first".into() })
}

/// The API fuzzer, in the Python environment `cargo dev setup` makes.
///
/// # Errors
/// [`Error::Missing`] when it is not installed.
pub fn schemathesis() -> Result<PathBuf> {
    python_program(include_str!("../../../dev/python.txt"), "schemathesis")
}

/// The stand-in for AWS, in the Python environment `cargo dev setup` makes.
///
/// # Errors
/// [`Error::Missing`] when it is not installed.
pub fn ministack() -> Result<PathBuf> {
    python_program(include_str!("../../../dev/ministack.txt"), "ministack")
}

fn python_program(requirement: &str, name: &str) -> Result<PathBuf> {
    let path = cache()?.join("python").join(requirement.trim().replace("==", "-")).join("bin").join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Missing { what: path.display().to_string(), advice: "run `cargo dev setup` first (needs Python 3)".into() })
}

/// `target/debug`, of which a test binary lies in `deps` and an ordinary one directly in it.
fn built_folder() -> Result<PathBuf> {
    let program = env::current_exe().map_err(Error::io("the running program"))?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_path_buf())
}

/// The first place of `PATH` (and of the folders Debian keeps daemons in) that holds `name`.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// A folder for one run. It goes when this value is dropped; if the run is killed, the next one sweeps it away.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Held as long as the folder is in use. The kernel lets go of it however the process ends.
    _lock: File,
}

impl Scratch {
    /// A fresh folder whose name starts with `prefix`, after removing those whose owners are gone.
    ///
    /// # Errors
    /// [`Error::Io`] when the cache folder cannot be written.
    pub fn new(prefix: &str) -> Result<Self> {
        Self::under(&cache()?.join("run"), prefix)
    }

    fn under(base: &Path, prefix: &str) -> Result<Self> {
        fs::create_dir_all(base).map_err(Error::io(base))?;
        // One at a time, or a folder just made and not yet locked would look abandoned.
        let gate = base.join("gate");
        let gate = File::create(&gate).and_then(|file| file.lock().map(|()| file)).map_err(Error::io(&gate))?;
        sweep(base);
        let path = tempfile::Builder::new().prefix(&format!("{prefix}-")).tempdir_in(base).map_err(Error::io(base))?.keep();
        let lock = path.join("lock");
        let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(Error::io(&lock))?;
        drop(gate);
        Ok(Self { path, _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next run.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes every folder whose lock nobody holds.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let abandoned = File::open(entry.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abandoned_folder_is_swept_and_a_used_one_is_not() {
        let base = tempfile::tempdir().unwrap();
        let used = Scratch::under(base.path(), "used").unwrap();
        let abandoned = base.path().join("abandoned");
        fs::create_dir(&abandoned).unwrap();
        File::create(abandoned.join("lock")).unwrap();
        let next = Scratch::under(base.path(), "next").unwrap();
        assert!(used.path().is_dir() && next.path().is_dir() && !abandoned.exists());
        let gone = used.path().to_path_buf();
        drop(used);
        assert!(!gone.exists());
    }

    #[test]
    fn a_program_that_is_not_built_is_named_with_what_to_do() {
        let text = binary("no-such-program").unwrap_err().to_string();
        assert!(text.contains("no-such-program") && text.contains("cargo build"), "{text}");
    }
}
