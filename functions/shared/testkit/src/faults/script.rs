//! What the proxy is to do: rules, of which the first that fits and fires decides over a request. Pure.

use serde::{Deserialize, Serialize};

use super::ask::Verb;

/// Longest time anything is made to take.
pub(super) const MS_MAX: u64 = 600_000;
/// Most rules of a script.
pub(super) const RULES_MAX: usize = 1_000;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 409: the object was modified meanwhile. It was not tried.
    Conflict,
    /// 410: what is asked for is too old. A watch is told so by an event, or at once when `at_once`.
    Gone {
        /// By the status of the answer.
        at_once: bool,
    },
    /// 429.
    Throttle {
        /// What `Retry-After` says.
        retry_after_s: u64,
    },
    /// 500, 503 or another status of a server that fails. It was not tried.
    Fail {
        /// The status.
        status: u16,
    },
    /// 401, as from a server whose clock says that the token is not valid yet.
    Unauthorized,
    /// Everything is done, later.
    Latency {
        /// How much later.
        ms: u64,
    },
    /// No answer, until whoever asked gives up. It was not tried, unless `tried`.
    Hang {
        /// It reaches the API server all the same.
        tried: bool,
    },
    /// The connection breaks before the API server hears of it.
    Reset,
    /// The API server does it, and the connection breaks before a word of the answer.
    Lose,
    /// The API server does it, and the connection breaks in the middle of the answer.
    Tear,
    /// Every connection breaks, and for a while nothing listens.
    Refuse {
        /// For how long.
        ms: u64,
    },
    /// Every connection breaks, and for a while the certificate is another authority's.
    Certificate {
        /// For how long.
        ms: u64,
    },
    /// A watch ends after so many events, in order or by a broken connection.
    DropWatch {
        /// How many come through.
        after_events: u64,
        /// Whether the connection breaks.
        broken: bool,
    },
    /// Every event of a watch comes later.
    DelayWatch {
        /// How much later.
        ms: u64,
    },
    /// Every event of a watch comes twice.
    RepeatWatch,
    /// The answer that the same question had before something changed; the true one while nothing has.
    Stale,
}

impl Fault {
    /// Whether it can happen to such a request.
    pub(super) fn fits(&self, verb: Verb) -> bool {
        match self {
            Self::DropWatch { .. } | Self::DelayWatch { .. } | Self::RepeatWatch => verb == Verb::Watch,
            Self::Stale => matches!(verb, Verb::Get | Verb::List),
            Self::Gone { .. } => matches!(verb, Verb::Watch | Verb::List),
            Self::Conflict => verb.writes(),
            _ => true,
        }
    }

    /// As scripts and records write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Gone { .. } => "gone",
            Self::Throttle { .. } => "throttle",
            Self::Fail { .. } => "fail",
            Self::Unauthorized => "unauthorized",
            Self::Latency { .. } => "latency",
            Self::Hang { .. } => "hang",
            Self::Reset => "reset",
            Self::Lose => "lose",
            Self::Tear => "tear",
            Self::Refuse { .. } => "refuse",
            Self::Certificate { .. } => "certificate",
            Self::DropWatch { .. } => "drop-watch",
            Self::DelayWatch { .. } => "delay-watch",
            Self::RepeatWatch => "repeat-watch",
            Self::Stale => "stale",
        }
    }
}

/// What is counted together by `after`, `count` and the dice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All requests that the rule fits.
    #[default]
    Script,
    /// Those of one namespace.
    Namespace,
    /// Those about one object.
    Object,
    /// Repetitions of one request: verb, object and body.
    Request,
}

/// Which requests, how often, and what becomes of them. Empty lists mean any.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// For the record, and what the dice are thrown for.
    pub name: String,
    /// What is done.
    pub verbs: Vec<Verb>,
    /// Plurals or kinds.
    pub resources: Vec<String>,
    /// Namespaces.
    pub namespaces: Vec<String>,
    /// Objects.
    pub names: Vec<String>,
    /// What is counted together.
    pub per: Per,
    /// So many are let through first.
    pub after: u64,
    /// So many are met; without it, all.
    pub count: Option<u64>,
    /// With this probability each, else always.
    pub probability: Option<f64>,
    /// Seed of this rule's dice; else the script's.
    pub seed: Option<u64>,
    /// What becomes of them.
    pub fault: Fault,
}

impl Rule {
    /// This becomes of every request that it can happen to.
    #[must_use]
    pub fn every(fault: Fault) -> Self {
        Self {
            name: fault.name().to_owned(),
            verbs: Vec::new(),
            resources: Vec::new(),
            namespaces: Vec::new(),
            names: Vec::new(),
            per: Per::Script,
            after: 0,
            count: None,
            probability: None,
            seed: None,
            fault,
        }
    }

    /// Only of these verbs.
    #[must_use]
    pub fn verbs(mut self, verbs: &[Verb]) -> Self {
        self.verbs = verbs.to_vec();
        self
    }

    /// Only of these resources.
    #[must_use]
    pub fn resources(mut self, resources: &[&str]) -> Self {
        self.resources = resources.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespaces = vec![namespace.to_owned()];
        self
    }

    /// Counted by this.
    #[must_use]
    pub fn per(mut self, per: Per) -> Self {
        self.per = per;
        self
    }

    /// After so many.
    #[must_use]
    pub fn after(mut self, after: u64) -> Self {
        self.after = after;
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// By chance, with dice of its own.
    #[must_use]
    pub fn chance(mut self, probability: f64, seed: u64) -> Self {
        (self.probability, self.seed) = (Some(probability), Some(seed));
        self
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    /// Seed of all dice that have none of their own.
    pub seed: u64,
    /// In the order of asking.
    pub rules: Vec<Rule>,
}

impl Script {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These rules.
    #[must_use]
    pub fn of(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { seed: 0, rules: rules.into_iter().collect() }
    }
}
