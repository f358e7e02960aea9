//! How a container behaves, by the name of its image.

use super::super::object::{letters, spread};
use sha2::{Digest, Sha256};

/// What becomes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Starts and becomes ready.
    Ordinary,
    /// Becomes ready only after some ten seconds.
    Slow,
    /// Runs, and is never ready.
    NeverReady,
    /// Ends with an error soon after it started.
    Crash,
    /// Its image cannot be pulled, again and again.
    BrokenPull,
    /// Its image could not be pulled the first time.
    ErrPull,
    /// A ConfigMap that it names is missing.
    BadConfig,
}

/// The first word that an image's name contains says it; special ones before those that they contain.
const WORDS: [(&str, Behaviour); 7] = [
    ("bad-config", Behaviour::BadConfig),
    ("err-pull", Behaviour::ErrPull),
    ("broken-pull", Behaviour::BrokenPull),
    ("bad", Behaviour::BrokenPull),
    ("crash", Behaviour::Crash),
    ("never-ready", Behaviour::NeverReady),
    ("slow", Behaviour::Slow),
];

impl Behaviour {
    pub(super) fn of(image: &str) -> Self {
        WORDS.iter().find(|(word, _)| image.contains(word)).map_or(Self::Ordinary, |(_, behaviour)| *behaviour)
    }

    /// From the start of a container until it is ready.
    pub(super) fn ready_after_ms(self) -> Option<u64> {
        match self {
            Self::Ordinary => Some(500),
            Self::Slow => Some(9_500),
            Self::NeverReady | Self::Crash | Self::BrokenPull | Self::ErrPull | Self::BadConfig => None,
        }
    }

    /// From the start of a container until it ends by itself: with an error, or because its Job is done.
    pub(super) fn ends_after_ms(self, works: bool) -> Option<(u64, i64)> {
        match self {
            Self::Crash => Some((1_000, 1)),
            Self::Ordinary if works => Some((1_000, 0)),
            Self::Slow if works => Some((10_000, 0)),
            _ => None,
        }
    }
}

/// The whole name of an image, as a container runtime has it.
pub(super) fn whole_name(image: &str) -> String {
    let first = image.split('/').next().unwrap_or_default();
    let has_registry = image.contains('/') && (first.contains('.') || first.contains(':') || first == "localhost");
    let named = match (has_registry, image.contains('/')) {
        (true, _) => image.to_owned(),
        (false, true) => format!("docker.io/{image}"),
        (false, false) => format!("docker.io/library/{image}"),
    };
    let last = named.rsplit('/').next().unwrap_or_default();
    if last.contains(':') || last.contains('@') { named } else { format!("{named}:latest") }
}

/// The image as it is on the node: the name without a tag, and a digest that follows from the name.
pub(super) fn id(image: &str) -> String {
    let whole = whole_name(image);
    if whole.contains('@') {
        return whole;
    }
    let name = whole.rsplit_once(':').map_or(whole.as_str(), |(name, _)| name);
    format!("{name}@sha256:{}", hex::encode(Sha256::digest(&whole)))
}

/// How long a node takes to pull an image.
pub(super) fn pull_ms(image: &str) -> u64 {
    400 + spread(image, 500)
}

pub(super) fn size_bytes(image: &str) -> u64 {
    20_000_000 + spread(&letters(image, 12), 80_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_behave_by_their_names() {
        for (image, behaviour) in [
            ("nginx:1.27", Behaviour::Ordinary),
            ("r.io/shop/bad:1", Behaviour::BrokenPull),
            ("shop:broken-pull", Behaviour::BrokenPull),
            ("shop:bad-config", Behaviour::BadConfig),
            ("shop:err-pull", Behaviour::ErrPull),
            ("crash", Behaviour::Crash),
            ("slow-shop", Behaviour::Slow),
            ("never-ready", Behaviour::NeverReady),
        ] {
            assert_eq!(Behaviour::of(image), behaviour, "{image}");
        }
    }

    #[test]
    fn names_are_made_whole() {
        for (image, whole) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1", "docker.io/library/nginx:1"),
            ("a/b:1", "docker.io/a/b:1"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("r.io/a@sha256:00", "r.io/a@sha256:00"),
        ] {
            assert_eq!(whole_name(image), whole);
        }
        assert!(id("nginx").starts_with("docker.io/library/nginx@sha256:"));
        assert_eq!(id("r.io/a@sha256:00"), "r.io/a@sha256:00");
    }
}
