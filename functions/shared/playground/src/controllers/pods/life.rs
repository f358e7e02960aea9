//! One pod on the node: its containers in their order, and its end.

use super::super::object::{controller_of, items, text};
use super::super::world::World;
use super::container::{Container, Rules, State};
use serde_json::Value;
use std::collections::BTreeSet;

/// From the moment a pod is seen to the first thing its containers do.
const SANDBOX_MS: u64 = 100;
/// Most steps of a pod at one moment.
const STEPS_MAX: usize = 200;

/// What the kubelet knows of one pod.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) started_ms: u64,
    pub(super) address: u32,
    pub(super) containers: Vec<Container>,
    /// The version of the pod that says all this.
    pub(super) written: String,
    ends_ms: Option<u64>,
}

impl Life {
    pub(super) fn new(pod: &Value, now_ms: u64, address: u32) -> Self {
        let at = now_ms + SANDBOX_MS;
        let initial = items(pod, "/spec/initContainers").map(|container| Container::new(container, true, at));
        let containers = initial.chain(items(pod, "/spec/containers").map(|container| Container::new(container, false, at))).collect();
        Self { started_ms: now_ms, address, containers, written: String::new(), ends_ms: None }
    }

    /// The init containers that are not done yet.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|container| container.initial && !container.lets_next_begin())
    }

    /// Does all that is due, tells when more is, and says whether anything was.
    pub(super) fn advance(&mut self, world: &mut World<'_>, pod: &Value, pulled: &mut BTreeSet<String>) -> bool {
        self.follow_spec(world, pod);
        let rules = Rules {
            restart: text(pod, "/spec/restartPolicy"),
            works: controller_of(pod).is_some_and(|owner| text(owner, "/kind") == "Job"),
        };
        let steps = (0..STEPS_MAX).take_while(|_| self.once(world, pod, &rules, pulled)).count();
        let now = world.now_ms();
        let first = self.begun().filter_map(|container| container.due_ms(now)).min();
        if let Some(at) = first {
            world.later(at);
        }
        steps > 0
    }

    fn once(&mut self, world: &mut World<'_>, pod: &Value, rules: &Rules<'_>, pulled: &mut BTreeSet<String>) -> bool {
        let before = self.begun().count();
        let mut changed = false;
        for container in self.containers.iter_mut().take(before) {
            changed |= container.advance(world, pod, rules, pulled);
        }
        // Those that may begin now begin now, not when the pod did.
        let after = self.begun().count();
        let now = world.now_ms();
        for container in self.containers.iter_mut().take(after).skip(before) {
            container.wait_until(now);
        }
        changed || after > before
    }

    /// The containers that may run: init containers one after the other, then all others.
    fn begun(&self) -> impl Iterator<Item = &Container> {
        let until = self.containers.iter().position(|container| container.initial && !container.lets_next_begin());
        self.containers.iter().take(until.map_or(self.containers.len(), |index| index + 1))
    }

    fn follow_spec(&mut self, world: &mut World<'_>, pod: &Value) {
        for container in &mut self.containers {
            let list = if container.initial { "/spec/initContainers" } else { "/spec/containers" };
            let image = items(pod, list).find(|spec| text(spec, "/name") == container.name).map(|spec| text(spec, "/image"));
            if let Some(image) = image.filter(|image| *image != container.image) {
                container.change_image(world, pod, image);
            }
        }
    }

    /// Begins the end, if it has not begun; says when it is over.
    pub(super) fn end(&mut self, world: &mut World<'_>, pod: &Value, at_ms: u64) -> u64 {
        if let Some(at) = self.ends_ms {
            return at;
        }
        self.ends_ms = Some(at_ms);
        for container in self.containers.iter().filter(|container| container.state == State::Running) {
            world.normal(&container.about(pod), "Killing", &format!("Stopping container {}", container.name));
        }
        at_ms
    }

    /// It is over.
    pub(super) fn stop(&mut self, now_ms: u64) {
        self.containers.iter_mut().for_each(|container| container.stop(now_ms));
    }
}
