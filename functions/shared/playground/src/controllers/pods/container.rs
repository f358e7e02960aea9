//! One container: from its image to its end, and again. It changes only when something is due.

use super::super::object::Put;
use super::super::object::{items, name_of, namespace_of, text, time, uid_of};
use super::super::world::World;
use super::image::{self, Behaviour};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BACK_OFF_MS: u64 = 10_000;
const BACK_OFF_MS_MAX: u64 = 300_000;
/// From an image that cannot be pulled, or a container that ended, to the state that says it is waited for.
const SETTLE_MS: u64 = 1_000;
const AGAIN_MS: u64 = 200;
const PROBE_MS: u64 = 30_000;

/// Where a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Pulling,
    PullError,
    PullBackOff,
    ConfigError,
    Running,
    Ended { exit_code: i64, finished_ms: u64 },
    BackOff,
}

/// One container of a pod.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) initial: bool,
    /// An init container that goes on running beside the others.
    pub(super) sidecar: bool,
    pub(super) behaviour: Behaviour,
    pub(super) state: State,
    pub(super) ready: bool,
    pub(super) restarts: u64,
    pub(super) started_ms: u64,
    /// How it ended last.
    pub(super) last: Option<Value>,
    pub(super) back_off_ms: u64,
    due_ms: Option<u64>,
}

/// What of its pod a container must know.
pub(super) struct Rules<'a> {
    pub(super) restart: &'a str,
    /// It belongs to a Job: it ends by itself when its work is done.
    pub(super) works: bool,
}

impl Container {
    pub(super) fn new(container: &Value, initial: bool, at_ms: u64) -> Self {
        let image = text(container, "/image").to_owned();
        Self {
            name: text(container, "/name").to_owned(),
            behaviour: Behaviour::of(&image),
            image,
            initial,
            sidecar: initial && text(container, "/restartPolicy") == "Always",
            state: State::Waiting,
            ready: false,
            restarts: 0,
            started_ms: 0,
            last: None,
            back_off_ms: 0,
            due_ms: Some(at_ms),
        }
    }

    /// An init container that is done, or one that lets the next begin.
    pub(super) fn lets_next_begin(&self) -> bool {
        matches!(self.state, State::Ended { exit_code: 0, .. }) || self.sidecar && matches!(self.state, State::Running)
    }

    /// When it wants to be looked at next.
    pub(super) fn due_ms(&self, now_ms: u64) -> Option<u64> {
        self.due_ms.map(|due| due.max(now_ms + 1))
    }

    /// May begin no earlier than now.
    pub(super) fn wait_until(&mut self, at_ms: u64) {
        if self.state == State::Waiting {
            self.due_ms = Some(at_ms);
        }
    }

    /// Ended together with its pod.
    pub(super) fn stop(&mut self, now_ms: u64) {
        self.due_ms = None;
        self.ready = false;
        if self.state == State::Running {
            self.state = State::Ended { exit_code: 0, finished_ms: now_ms };
        }
    }

    /// Another image was given to it: it starts anew.
    pub(super) fn change_image(&mut self, world: &mut World<'_>, pod: &Value, image: &str) {
        let about = &self.about(pod);
        let message = format!("Container {} definition changed, will be restarted", self.name);
        world.normal(about, "Killing", &message);
        if matches!(self.state, State::Running) {
            self.restarts += 1;
        }
        (self.image, self.behaviour) = (image.to_owned(), Behaviour::of(image));
        (self.state, self.ready, self.due_ms, self.back_off_ms) = (State::Waiting, false, Some(world.now_ms()), 0);
    }

    /// Does all that is due; says whether anything was.
    pub(super) fn advance(&mut self, world: &mut World<'_>, pod: &Value, rules: &Rules<'_>, pulled: &mut BTreeSet<String>) -> bool {
        let now = world.now_ms();
        let Some(due) = self.due_ms.filter(|due| *due <= now) else { return false };
        self.due_ms = None;
        match self.state {
            State::Waiting | State::PullBackOff => self.pull(world, pod, pulled),
            State::Pulling => self.pulled(world, pod, pulled),
            State::PullError => self.back_off_pulling(world, pod),
            State::Running => self.run(world, pod, rules, due),
            State::Ended { .. } => self.after_end(world, pod, pulled),
            State::BackOff => self.restart(world, pod, pulled),
            State::ConfigError => {}
        }
        true
    }

    /// The pod with the path that Events about one of its containers name.
    pub(super) fn about(&self, pod: &Value) -> Value {
        let list = if self.initial { "initContainers" } else { "containers" };
        let mut about = pod.clone();
        about.put(["fieldPath"], json!(format!("spec.{list}{{{}}}", self.name)));
        about
    }

    fn pull(&mut self, world: &mut World<'_>, pod: &Value, pulled: &mut BTreeSet<String>) {
        let about = self.about(pod);
        let list = if self.initial { "/spec/initContainers" } else { "/spec/containers" };
        let policy =
            items(pod, list).find(|container| text(container, "/name") == self.name).map(|container| text(container, "/imagePullPolicy"));
        if pulled.contains(&self.image) && policy != Some("Always") {
            self.state = State::Pulling;
            self.due_ms = Some(world.now_ms() + AGAIN_MS);
            return;
        }
        world.normal(&about, "Pulling", &format!("Pulling image \"{}\"", self.image));
        self.state = State::Pulling;
        pulled.remove(&self.image);
        self.due_ms = Some(world.now_ms() + image::pull_ms(&self.image));
    }

    fn pulled(&mut self, world: &mut World<'_>, pod: &Value, pulled: &mut BTreeSet<String>) {
        let about = self.about(pod);
        if matches!(self.behaviour, Behaviour::BrokenPull | Behaviour::ErrPull) {
            world.warning(&about, "Failed", &format!("Failed to pull image \"{}\": {}", self.image, self.pull_error()));
            world.warning(&about, "Failed", "Error: ErrImagePull");
            self.state = State::PullError;
            self.due_ms = (self.behaviour == Behaviour::BrokenPull).then(|| world.now_ms() + SETTLE_MS);
            return;
        }
        if pulled.insert(self.image.clone()) {
            let took = image::pull_ms(&self.image);
            let size = image::size_bytes(&self.image);
            world.normal(
                &about,
                "Pulled",
                &format!(
                    "Successfully pulled image \"{}\" in {took}ms ({took}ms including waiting). Image size: {size} bytes.",
                    self.image
                ),
            );
        } else {
            world.normal(
                &about,
                "Pulled",
                &format!("Container image \"{}\" already present on machine and can be accessed by the pod", self.image),
            );
        }
        if self.behaviour == Behaviour::BadConfig {
            world.warning(&about, "Failed", &format!("Error: {}", Self::config_error()));
            self.state = State::ConfigError;
            return;
        }
        self.start(world, pod);
    }

    pub(super) fn config_error() -> &'static str {
        "configmap \"settings\" not found"
    }

    pub(super) fn pull_error(&self) -> String {
        let whole = image::whole_name(&self.image);
        format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{whole}\": failed to resolve reference \"{whole}\": {whole}: \
             not found"
        )
    }

    fn pull_back_off(&self) -> String {
        format!("Back-off pulling image \"{}\": ErrImagePull: {}", self.image, self.pull_error())
    }

    fn back_off_pulling(&mut self, world: &mut World<'_>, pod: &Value) {
        let about = self.about(pod);
        self.back_off_ms = (self.back_off_ms * 2).clamp(BACK_OFF_MS, BACK_OFF_MS_MAX);
        world.normal(&about, "BackOff", &format!("Back-off pulling image \"{}\"", self.image));
        world.warning(&about, "Failed", "Error: ImagePullBackOff");
        self.state = State::PullBackOff;
        self.due_ms = Some(world.now_ms() + self.back_off_ms);
    }

    fn start(&mut self, world: &mut World<'_>, pod: &Value) {
        let about = self.about(pod);
        world.normal(&about, "Created", "Container created");
        world.normal(&about, "Started", "Container started");
        self.state = State::Running;
        self.started_ms = world.now_ms();
        self.ready = false;
        // What it will do is decided in `run`, at once.
        self.due_ms = Some(self.started_ms);
    }

    fn run(&mut self, world: &mut World<'_>, pod: &Value, rules: &Rules<'_>, due_ms: u64) {
        let now = world.now_ms();
        let ends = if self.initial && !self.sidecar {
            self.behaviour.ends_after_ms(true)
        } else {
            self.behaviour.ends_after_ms(rules.works && !self.sidecar)
        };
        let ends = ends.map(|(after, exit_code)| (self.started_ms + after, exit_code));
        if let Some((_, exit_code)) = ends.filter(|(at, _)| *at <= now) {
            self.ready = false;
            self.state = State::Ended { exit_code, finished_ms: now };
            self.due_ms = self.restarts_after(rules, exit_code).then_some(now + SETTLE_MS);
            return;
        }
        let ready_at = self.behaviour.ready_after_ms().filter(|_| !self.initial || self.sidecar).map(|after| self.started_ms + after);
        self.ready |= ready_at.is_some_and(|at| at <= now);
        let probe = (self.behaviour == Behaviour::NeverReady && (!self.initial || self.sidecar)).then(|| {
            if due_ms > self.started_ms {
                world.warning(&self.about(pod), "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
                now + PROBE_MS
            } else {
                self.started_ms + SETTLE_MS
            }
        });
        self.due_ms = [ready_at.filter(|at| *at > now), ends.map(|(at, _)| at), probe].into_iter().flatten().min();
    }

    fn restarts_after(&self, rules: &Rules<'_>, exit_code: i64) -> bool {
        match rules.restart {
            _ if self.sidecar => true,
            "Never" => false,
            "OnFailure" => exit_code != 0,
            _ => exit_code != 0 || !self.initial,
        }
    }

    /// The first time it is started again at once; later only after a while.
    fn after_end(&mut self, world: &mut World<'_>, pod: &Value, pulled: &mut BTreeSet<String>) {
        if self.restarts == 0 {
            return self.restart(world, pod, pulled);
        }
        self.back_off_ms = (self.back_off_ms * 2).clamp(BACK_OFF_MS, BACK_OFF_MS_MAX);
        let message = format!("Back-off restarting failed container {} in pod {}", self.name, whole(pod));
        world.warning(&self.about(pod), "BackOff", &message);
        self.last = self.ended();
        self.state = State::BackOff;
        self.due_ms = Some(world.now_ms() + self.back_off_ms);
    }

    fn restart(&mut self, world: &mut World<'_>, pod: &Value, pulled: &mut BTreeSet<String>) {
        self.last = self.ended().or(self.last.take());
        self.restarts += 1;
        pulled.insert(self.image.clone());
        self.pulled(world, pod, pulled);
    }

    /// The end of its last run, as a status has it.
    pub(super) fn ended(&self) -> Option<Value> {
        let State::Ended { exit_code, finished_ms } = self.state else { return None };
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        Some(json!({
            "exitCode": exit_code, "reason": reason, "startedAt": time(self.started_ms), "finishedAt": time(finished_ms),
            "containerID": format!("containerd://{}", image::id(&format!("{}/{}", self.name, self.restarts)).rsplit(':').next().unwrap_or_default()),
        }))
    }

    /// Why it is not running, as a status has it.
    pub(super) fn waiting(&self, pod: &Value) -> Option<Value> {
        let (reason, message) = match self.state {
            // While it is tried again, it is still said why the last attempt failed.
            State::Pulling if self.back_off_ms > 0 && self.restarts == 0 => ("ImagePullBackOff", self.pull_back_off()),
            State::Waiting | State::Pulling => return None,
            State::PullError => ("ErrImagePull", self.pull_error()),
            State::PullBackOff => ("ImagePullBackOff", self.pull_back_off()),
            State::ConfigError => ("CreateContainerConfigError", Self::config_error().to_owned()),
            State::BackOff => {
                let back_off = duration(self.back_off_ms / 1000);
                ("CrashLoopBackOff", format!("back-off {back_off} restarting failed container={} pod={}", self.name, whole(pod)))
            }
            State::Running | State::Ended { .. } => return None,
        };
        Some(json!({"reason": reason, "message": message}))
    }
}

/// Seconds as Go writes a duration.
fn duration(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

/// A pod as the kubelet names it in messages.
fn whole(pod: &Value) -> String {
    format!("{}_{}({})", name_of(pod), namespace_of(pod), uid_of(pod))
}
