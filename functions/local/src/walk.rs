//! Going through folders: every file once, in order, whatever links there are. Nothing is read here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Folders that are not looked into.
const SKIPPED: [&str; 1] = [".git"];

/// What was come upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file, and how large it says it is.
    File {
        /// Where.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Something that cannot be looked at.
    Trouble {
        /// Where.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
}

/// Everything under a path; the path itself where it is a file.
pub(crate) fn from(path: &Path) -> Walk {
    Walk { left: vec![path.to_path_buf()], seen: BTreeSet::new(), named: true }
}

/// A walk under way.
pub(crate) struct Walk {
    /// What is still to be looked at, the next last.
    left: Vec<PathBuf>,
    /// Folders that were looked into: a link may lead back.
    seen: BTreeSet<(u64, u64)>,
    /// The path that was asked for comes next.
    named: bool,
}

impl Walk {
    fn folder(&mut self, path: &Path) -> std::io::Result<()> {
        let mut below = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        below.retain(|path| !path.file_name().is_some_and(|name| SKIPPED.iter().any(|skipped| name == *skipped)));
        below.sort();
        self.left.extend(below.into_iter().rev());
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let path = self.left.pop()?;
            let named = std::mem::take(&mut self.named);
            let trouble = |message: String| Some(Entry::Trouble { path: path.clone(), message });
            // Links are followed: one that leads nowhere, or in a circle, is told.
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) => return trouble(error.to_string()),
            };
            if metadata.is_file() {
                return Some(Entry::File { path, bytes: metadata.len() });
            }
            if !metadata.is_dir() {
                if named {
                    return trouble("this is neither a file nor a folder".to_owned());
                }
                continue;
            }
            if self.seen.insert((metadata.dev(), metadata.ino()))
                && let Err(error) = self.folder(&path)
            {
                return trouble(error.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(root: &Path) -> Vec<String> {
        let name = |path: PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        from(root)
            .map(|entry| match entry {
                Entry::File { path, bytes } => format!("{} {bytes}", name(path)),
                Entry::Trouble { path, .. } => format!("{} !", name(path)),
            })
            .collect()
    }

    #[test]
    fn every_file_once_in_order_and_links_lead_nowhere_twice() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join(".git/x"), "").unwrap();
        fs::write(root.join("z"), "12").unwrap();
        fs::write(root.join("b/c/y"), "1").unwrap();
        symlink(root, root.join("b/up")).unwrap();
        symlink("round", root.join("round")).unwrap();
        symlink("nowhere", root.join("lost")).unwrap();
        symlink(root.join("z"), root.join("a")).unwrap();
        assert_eq!(names(root), ["a 2", "b/c/y 1", "lost !", "round !", "z 2"]);
        assert_eq!(from(&root.join("z")).count(), 1);
        assert!(matches!(from(&root.join("none")).next(), Some(Entry::Trouble { .. })));
        assert!(matches!(from(Path::new("/dev/null")).next(), Some(Entry::Trouble { .. })));
    }
}
