//! Pods: the scheduler and the kubelet of the one node. What a pod does follows from the names of its images.

mod container;
mod image;
mod life;
mod logs;
mod scheduler;
mod status;

pub(crate) use logs::logs;
pub(super) use scheduler::{NODE_NAME, fits, node};

use super::object::{count, finalizers, integer, is_deleting, text, uid_of};
use super::world::{POD, World};
use life::Life;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most time a pod takes to end, whatever it is given.
const ENDING_MS: u64 = 700;

/// What the kubelet knows of its pods beside what they say.
#[derive(Debug, Default)]
pub(super) struct Kubelet {
    lives: BTreeMap<String, Life>,
    /// Images that the node has already.
    pulled: BTreeSet<String>,
    addresses: u32,
}

impl Kubelet {
    /// Does for every pod what is due.
    pub(super) fn sync(&mut self, world: &mut World<'_>) {
        let pods = world.list(POD, None);
        let there: BTreeSet<&str> = pods.iter().map(|pod| uid_of(pod)).collect();
        self.lives.retain(|uid, _| there.contains(uid.as_str()));
        for pod in &pods {
            if is_deleting(pod) {
                self.end(world, pod);
            } else if text(pod, "/spec/nodeName").is_empty() {
                scheduler::schedule(world, pod);
            } else if text(pod, "/spec/nodeName") == NODE_NAME {
                self.run(world, pod);
            }
        }
    }

    fn run(&mut self, world: &mut World<'_>, pod: &Arc<Value>) {
        if !self.lives.contains_key(uid_of(pod)) {
            self.addresses += 1;
            self.lives.insert(uid_of(pod).to_owned(), Life::new(pod, world.now_ms(), self.addresses));
        }
        let Some(life) = self.lives.get_mut(uid_of(pod)) else { return };
        let version = text(pod, "/metadata/resourceVersion");
        let as_written = !version.is_empty() && life.written == version;
        if !life.advance(world, pod, &mut self.pulled) && as_written {
            return;
        }
        let changed = status::with(world, pod, life);
        if let Some(stored) = world.update(pod, changed) {
            life.written = text(&stored, "/metadata/resourceVersion").to_owned();
        }
    }

    fn end(&mut self, world: &mut World<'_>, pod: &Arc<Value>) {
        let grace = integer(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or_default();
        let now = world.now_ms();
        let at = match self.lives.get_mut(uid_of(pod)) {
            Some(life) if grace > 0 => life.end(world, pod, now + ENDING_MS),
            _ => now,
        };
        if at > now {
            world.later(at);
        } else if finalizers(pod).next().is_none() {
            world.remove(pod);
        } else if let Some(life) = self.lives.get_mut(uid_of(pod)) {
            // Whoever holds it sees that it has ended.
            life.stop(now);
            let changed = status::with(world, pod, life);
            let _ = world.update(pod, changed);
        }
    }
}

/// How often a container of this pod was started again at most.
pub(super) fn generation(pod: &Value) -> i64 {
    count(pod, "/metadata/generation").max(1)
}
