//! Which rule meets a request: counting and dice. The dice of a rule's nth request show the same whatever came between,
//! so requests of others change nothing. Pure.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::ask::Ask;
use super::script::{Fault, Per, Rule, Script};

/// Most groups counted apart; beyond it, counting begins anew.
const GROUPS_MAX: usize = 100_000;

/// A script with what was counted.
#[derive(Debug)]
pub(super) struct Decider {
    script: Script,
    counted: HashMap<(usize, String), Counted>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    seen: u64,
    met: u64,
}

impl Decider {
    pub(super) fn new(script: Script) -> Self {
        Self { script, counted: HashMap::new() }
    }

    /// The rule that decides over this request, by name, and the fault. Every rule that fits counts it.
    pub(super) fn decide(&mut self, ask: &Ask, body_digest: &str) -> Option<(String, Fault)> {
        let mut found = None;
        if self.counted.len() > GROUPS_MAX {
            self.counted.clear();
        }
        for (at, rule) in self.script.rules.iter().enumerate() {
            if !fits(rule, ask) {
                continue;
            }
            let counted = self.counted.entry((at, group(rule.per, ask, body_digest))).or_default();
            let nth = counted.seen;
            counted.seen += 1;
            let due = nth >= rule.after && rule.count.is_none_or(|count| counted.met < count);
            if found.is_none() && due && falls(rule, self.script.seed, &salt(rule.per, ask, body_digest), nth) {
                counted.met += 1;
                found = Some((rule.name.clone(), rule.fault.clone()));
            }
        }
        found
    }
}

fn fits(rule: &Rule, ask: &Ask) -> bool {
    let listed = |list: &[String], word: &str| list.is_empty() || list.iter().any(|one| one == word);
    rule.fault.fits(ask.verb)
        && (rule.verbs.is_empty() || rule.verbs.contains(&ask.verb))
        && (rule.resources.is_empty() || rule.resources.iter().any(|word| ask.is_resource(word)))
        && listed(&rule.namespaces, &ask.namespace)
        && listed(&rule.names, &ask.name)
}

fn group(per: Per, ask: &Ask, body_digest: &str) -> String {
    let object = || format!("{}/{}/{}", ask.namespace, ask.resource, ask.name);
    match per {
        Per::Script => String::new(),
        Per::Namespace => ask.namespace.clone(),
        Per::Object => object(),
        Per::Request => format!("{} {} {body_digest}", ask.verb.name(), object()),
    }
}

/// What gives a group dice of its own. The namespace is none of it: tests have new ones each time.
fn salt(per: Per, ask: &Ask, body_digest: &str) -> String {
    match per {
        Per::Script | Per::Namespace => String::new(),
        Per::Object => format!("{}/{}", ask.resource, ask.name),
        Per::Request => format!("{} {}/{} {body_digest}", ask.verb.name(), ask.resource, ask.name),
    }
}

fn falls(rule: &Rule, seed: u64, salt: &str, nth: u64) -> bool {
    let Some(probability) = rule.probability else { return true };
    let mut hash = Sha256::new();
    hash.update(rule.seed.unwrap_or(seed).to_be_bytes());
    for part in [rule.name.as_str(), salt] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(nth.to_be_bytes());
    let digest = hash.finalize();
    let drawn = digest.iter().take(4).fold(0_u32, |drawn, byte| (drawn << 8) | u32::from(*byte));
    f64::from(drawn) < probability * (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::faults::Verb;

    fn get(namespace: &str, name: &str) -> Ask {
        Ask::of(&Method::GET, &format!("/api/v1/namespaces/{namespace}/pods/{name}"), "", "")
    }

    fn fired(decider: &mut Decider, ask: &Ask) -> bool {
        decider.decide(ask, "").is_some()
    }

    #[test]
    fn after_and_count_are_obeyed() {
        let mut decider = Decider::new(Script::of([Rule::every(Fault::Reset).after(1).times(2)]));
        let seen: Vec<bool> = (0..5).map(|_| fired(&mut decider, &get("a", "x"))).collect();
        assert_eq!(seen, [false, true, true, false, false]);
    }

    #[test]
    fn counting_is_by_what_is_said() {
        let asks = [get("a", "x"), get("a", "y"), get("b", "x"), get("a", "x")];
        let wanted = [
            (Per::Script, [true, false, false, false]),
            (Per::Namespace, [true, false, true, false]),
            (Per::Object, [true, true, true, false]),
        ];
        for (per, wanted) in wanted {
            let mut decider = Decider::new(Script::of([Rule::every(Fault::Reset).per(per).times(1)]));
            let seen: Vec<bool> = asks.iter().map(|ask| fired(&mut decider, ask)).collect();
            assert_eq!(seen, wanted, "{per:?}");
        }
        let mut decider = Decider::new(Script::of([Rule::every(Fault::Reset).per(Per::Request).times(1)]));
        let digests = ["1", "2", "1"].map(|digest| decider.decide(&asks[0], digest).is_some());
        assert_eq!(digests, [true, true, false], "another body is another request");
    }

    #[test]
    fn the_first_rule_that_fires_decides() {
        let rules = [Rule::every(Fault::Reset).times(1), Rule::every(Fault::Lose).namespace("a")];
        let mut decider = Decider::new(Script::of(rules));
        let names = [get("b", "x"), get("a", "x"), get("b", "x")].map(|ask| decider.decide(&ask, "").map(|(name, _)| name));
        assert_eq!(names, [Some("reset".to_owned()), Some("lose".to_owned()), None]);
    }

    #[test]
    fn dice_depend_on_the_seed_and_on_nothing_else() {
        let draw = |seed: u64, others: bool| -> Vec<bool> {
            let rule = Rule::every(Fault::Reset).namespace("a").chance(0.3, seed);
            let mut decider = Decider::new(Script::of([rule]));
            (0..200)
                .map(|_| {
                    let _ = others && fired(&mut decider, &get("b", "x"));
                    fired(&mut decider, &get("a", "x"))
                })
                .collect()
        };
        assert_eq!(draw(7, false), draw(7, true));
        assert_ne!(draw(7, false), draw(8, false));
        let count = draw(7, false).into_iter().filter(|fell| *fell).count();
        assert!((30..=90).contains(&count), "{count} of 200 at 0.3");
    }

    #[test]
    fn what_is_counted_apart_has_dice_of_its_own() {
        let draw = |namespace: &str, name: &str| -> Vec<bool> {
            let mut decider = Decider::new(Script::of([Rule::every(Fault::Reset).per(Per::Object).chance(0.5, 7)]));
            (0..50).map(|_| fired(&mut decider, &get(namespace, name))).collect()
        };
        assert_eq!(draw("a", "x"), draw("b", "x"));
        assert_ne!(draw("a", "x"), draw("a", "y"));
    }

    #[test]
    fn a_fault_meets_only_what_it_can_happen_to() {
        let watch = Ask::of(&Method::GET, "/api/v1/pods", "watch=1", "");
        assert_eq!(watch.verb, Verb::Watch);
        for (fault, met) in
            [(Fault::RepeatWatch, true), (Fault::Stale, false), (Fault::Conflict, false), (Fault::Gone { at_once: false }, true)]
        {
            assert_eq!(fired(&mut Decider::new(Script::of([Rule::every(fault.clone())])), &watch), met, "{fault:?}");
        }
    }
}
