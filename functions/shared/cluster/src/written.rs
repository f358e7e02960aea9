//! What was written last, by its resourceVersion, so that an answer from before it is known as such. An API server, or a
//! cache in front of it, may answer with what was; taken for what is, a rollout that has not begun looks finished.
//!
//! It is a memory of this process and of a minute: without it an answer is believed. A cluster that was set back to a
//! backup has older versions for good.

use crate::errors;
use app::ports::ClusterError;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most objects remembered; beyond it, remembering begins anew.
const OBJECTS_MAX: usize = 10_000;
/// How long an answer can be too old.
const LATE_MS_MAX: u64 = 60_000;

/// The last versions written, by path.
#[derive(Default)]
pub(crate) struct Written {
    versions: Mutex<HashMap<String, (u64, Instant)>>,
}

impl Written {
    /// Notes what a write came to. Versions that are no numbers cannot be compared, and are left out.
    pub(crate) fn note(&self, path: &str, version: &str, now: Instant) {
        let Ok(version) = version.parse::<u64>() else { return };
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.len() >= OBJECTS_MAX && !versions.contains_key(path) {
            versions.clear();
        }
        let known = versions.entry(path.to_owned()).or_insert((version, now));
        if version >= known.0 || is_over(known.1, now) {
            *known = (version, now);
        }
    }

    /// Refuses an answer about the object, of this version, that is from before the last write.
    pub(crate) fn fresh(&self, server: &str, path: &str, version: &str, now: Instant) -> Result<(), ClusterError> {
        let known = self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(path).copied();
        match (known, version.parse::<u64>()) {
            (Some((known, at)), Ok(version)) if version < known && !is_over(at, now) => Err(errors::stale(server)),
            _ => Ok(()),
        }
    }
}

fn is_over(at: Instant, now: Instant) -> bool {
    now.duration_since(at) >= Duration::from_millis(LATE_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_last_write_is_refused() {
        let (written, now) = (Written::default(), Instant::now());
        let fresh = |path, version| written.fresh("https://a", path, version, now);
        assert_eq!(fresh("/a", "1"), Ok(()));
        written.note("/a", "7", now);
        written.note("/a", "5", now);
        assert!(matches!(fresh("/a", "6"), Err(ClusterError::Unreachable { code: "stale-answer", .. })));
        for (path, version) in [("/a", "7"), ("/a", "8"), ("/b", "1"), ("/a", ""), ("/a", "opaque")] {
            assert_eq!(fresh(path, version), Ok(()), "{path} {version}");
        }
    }

    #[test]
    fn after_a_while_every_answer_is_believed() {
        let (written, now) = (Written::default(), Instant::now());
        let later = now + Duration::from_millis(LATE_MS_MAX);
        written.note("/a", "7", now);
        assert!(written.fresh("https://a", "/a", "6", now).is_err());
        assert_eq!(written.fresh("https://a", "/a", "6", later), Ok(()));
        written.note("/a", "2", later);
        assert!(written.fresh("https://a", "/a", "1", later).is_err(), "a cluster that was set back counts from there");
    }

    #[test]
    fn memory_is_bounded() {
        let (written, now) = (Written::default(), Instant::now());
        (0..=OBJECTS_MAX).for_each(|number| written.note(&number.to_string(), "7", now));
        assert_eq!(written.versions.lock().unwrap().len(), 1);
    }
}
