//! The control plane of `functions/dev/cluster/`: built once into the cache, started and stopped for people.
//!
//! Starting it is `testkit`'s work, through its program `testbed`; here is only what must be there first.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{places, process};

/// `testkit` knows a build by these copies beside it.
const RECIPE: [&str; 3] = ["main.go", "go.mod", "go.sum"];
const PARTS: [&str; 6] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl"];
/// Without inlining the cold build takes a fifth less; the programs are a little slower.
const FLAGS: [&str; 5] = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-gcflags", "all=-l"];
const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(20);

/// What `cargo dev cluster …` does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Build,
    Up,
    Down,
    Status,
}

pub(crate) fn run(action: &Action, json: bool) -> Result<ExitCode> {
    let progress = Progress::new();
    let whereabouts = match action {
        Action::Build => {
            let folder = build(&progress)?;
            say(json, &json!({ "folder": folder }), &format!("built: {}", folder.display()));
            return Ok(ExitCode::SUCCESS);
        }
        Action::Up => up(&progress)?,
        Action::Down => return down(json),
        Action::Status => match running()? {
            Some(whereabouts) => whereabouts,
            None => {
                say(json, &json!({ "running": false }), "no cluster is running; `cargo dev cluster up` starts one");
                return Ok(ExitCode::FAILURE);
            }
        },
    };
    let kubeconfig = kubeconfig(&whereabouts);
    let text = format!("running: {kubeconfig}\n  export KUBECONFIG={kubeconfig} WAYBILL_TEST_KUBECONFIG={kubeconfig}");
    say(json, &json!({ "running": true, "kubeconfig": kubeconfig, "pid": pid(&whereabouts) }), &text);
    Ok(ExitCode::SUCCESS)
}

fn say(json: bool, object: &Value, text: &str) {
    if json { println!("{object}") } else { println!("{text}") }
}

/// The Go program, when its version will do.
pub(crate) fn go() -> Option<PathBuf> {
    let go = places::on_path("go")?;
    let version = process::ask(&go, &["env", "GOVERSION"])?;
    let minor = version.strip_prefix("go1.")?.split('.').next()?.parse::<u32>().ok()?;
    (minor >= 26).then_some(go)
}

/// Whether this checkout's control plane is in the cache.
pub(crate) fn built() -> Option<PathBuf> {
    let folder = output_folder(&go()?).ok()?;
    folder.join("kube-apiserver").is_file().then_some(folder)
}

/// The folder of the built programs, building them when the cache has none of this recipe. Builds side by side are
/// safe: each has a folder of its own, and the first to be done gives it its name.
pub(crate) fn build(progress: &Progress) -> Result<PathBuf> {
    let go =
        go().ok_or_else(|| Error::new("Go 1.26 or later is needed for the control plane: install it from your package manager or go.dev"))?;
    let folder = output_folder(&go)?;
    if folder.join("kube-apiserver").is_file() {
        return Ok(folder);
    }
    let base = folder.parent().unwrap_or(&folder);
    sweep(base);
    let work = base.join(format!("build.{}", std::process::id()));
    fs::create_dir_all(&work).map_err(Error::at(&work))?;
    let built = build_into(progress, &go, &work);
    if let Err(error) = built {
        let _ = fs::remove_dir_all(&work);
        return Err(error);
    }
    if fs::rename(&work, &folder).is_err() {
        // Another build of the same recipe was faster.
        fs::remove_dir_all(&work).map_err(Error::at(&work))?;
    }
    Ok(folder)
}

/// Removes what killed builds left behind.
pub(crate) fn sweep(base: &Path) {
    let dead = |path: &Path| {
        let pid = path.extension().and_then(|pid| pid.to_str()?.parse::<u32>().ok());
        path.file_stem().is_some_and(|stem| stem == "build") && pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    };
    let entries = fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in entries.filter(|path| dead(path)) {
        let _ = fs::remove_dir_all(path);
    }
}

fn build_into(progress: &Progress, go: &Path, work: &Path) -> Result<()> {
    let recipe = recipe();
    let mut command = Command::new(go);
    command.arg("build").args(FLAGS).arg("-ldflags").arg(link_flags(&recipe)?).arg("-o").arg(work.join("controlplane")).arg(".");
    command.current_dir(&recipe).env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local");
    process::must(progress, "build the control plane (some minutes, once)", &mut command)?;
    for name in RECIPE {
        fs::copy(recipe.join(name), work.join(name)).map_err(Error::at(name))?;
    }
    for part in PARTS {
        symlink("controlplane", work.join(part)).map_err(Error::at(part))?;
    }
    Ok(())
}

/// What the parts answer as their version.
fn link_flags(recipe: &Path) -> Result<String> {
    let path = recipe.join("go.mod");
    let text = fs::read_to_string(&path).map_err(Error::at(&path))?;
    let version = kubernetes_version(&text).ok_or_else(|| Error::new("go.mod does not name a version of k8s.io/kubernetes"))?;
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let set = |name: &str, value: &str| format!(" -X k8s.io/component-base/version.{name}={value}");
    let values = [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor), ("gitTreeState", "clean"), ("gitCommit", "none")];
    let values: String = values.iter().map(|(name, value)| set(name, value)).collect();
    Ok(format!("-s -w{values}{}", set("buildDate", "1970-01-01T00:00:00Z")))
}

fn kubernetes_version(go_mod: &str) -> Option<&str> {
    go_mod.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
}

fn recipe() -> PathBuf {
    places::root().join("functions/dev/cluster")
}

/// Named by everything that decides what comes out.
fn output_folder(go: &Path) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for name in RECIPE {
        let path = recipe().join(name);
        let bytes = fs::read(&path).map_err(Error::at(&path))?;
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    hash.update(process::ask(go, &["env", "GOVERSION", "GOOS", "GOARCH"]).unwrap_or_default());
    hash.update(FLAGS.join(" "));
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(places::cache()?.join("control-plane").join(digest))
}

/// Starts `testbed` and gives what it says about itself. It ends when the standard input of `child` ends.
pub(crate) fn start_for_tests() -> Result<(Child, Value)> {
    let mut command = Command::new(places::programs()?.join("testbed"));
    command.arg("--no-registry").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(Error::at("testbed"))?;
    let stdout = child.stdout.take().ok_or_else(|| Error::new("testbed has no output"))?;
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).map_err(Error::at("testbed"))?;
    match serde_json::from_str(&line) {
        Ok(whereabouts) => Ok((child, whereabouts)),
        Err(_) => Err(Error::new("the control plane did not come up; what it said is above")),
    }
}

/// Where the kubeconfig of what `testbed` started lies.
pub(crate) fn kubeconfig(whereabouts: &Value) -> &str {
    whereabouts.get("kubeconfig").and_then(Value::as_str).unwrap_or_default()
}

fn pid(whereabouts: &Value) -> Option<u32> {
    whereabouts.get("pid")?.as_u64()?.try_into().ok()
}

fn state_file() -> Result<PathBuf> {
    Ok(places::cache()?.join("cluster.json"))
}

fn running() -> Result<Option<Value>> {
    let text = fs::read(state_file()?).unwrap_or_default();
    let whereabouts: Value = serde_json::from_slice(&text).unwrap_or_default();
    Ok(pid(&whereabouts).filter(|pid| process::is_running(*pid, "testbed")).map(|_| whereabouts))
}

/// One `up` or `down` at a time, or two would share one state file and one of their clusters would be forgotten.
fn take_turns() -> Result<fs::File> {
    let path = state_file()?.with_extension("lock");
    fs::create_dir_all(places::cache()?).map_err(Error::at(&path))?;
    fs::File::create(&path).and_then(|file| file.lock().map(|()| file)).map_err(Error::at(&path))
}

fn up(progress: &Progress) -> Result<Value> {
    let _turn = take_turns()?;
    if let Some(whereabouts) = running()? {
        return Ok(whereabouts);
    }
    build(progress)?;
    process::must(progress, "build testbed", &mut process::cargo(["build", "--bins"])?)?;
    let path = state_file()?;
    let output = fs::File::create(&path).map_err(Error::at(&path))?;
    let log = path.with_extension("log");
    let errors = fs::File::create(&log).map_err(Error::at(&log))?;
    let mut command = Command::new(places::programs()?.join("testbed"));
    // A group of its own and none of our streams: it stays when we go, and nobody waits for it.
    command.args(["--no-registry", "--detached"]).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    let mut child = command.spawn().map_err(Error::at("testbed"))?;
    let start = Instant::now();
    while start.elapsed() < START_MAX {
        if let Some(whereabouts) = running()? {
            return Ok(whereabouts);
        }
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(Error::new(format!("the control plane did not come up\n{}", fs::read_to_string(&log).unwrap_or_default())))
}

fn down(json: bool) -> Result<ExitCode> {
    let _turn = take_turns()?;
    let Some(pid) = running()?.as_ref().and_then(pid) else {
        say(json, &json!({ "running": false, "stopped": false }), "no cluster was running");
        return Ok(ExitCode::SUCCESS);
    };
    process::ask("kill", &["-TERM", &pid.to_string()]);
    let start = Instant::now();
    while process::is_running(pid, "testbed") {
        if start.elapsed() > STOP_MAX {
            return Err(Error::new(format!("process {pid} does not end")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let path = state_file()?;
    fs::remove_file(&path).map_err(Error::at(&path))?;
    say(json, &json!({ "running": false, "stopped": true }), "stopped");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_builds_of_processes_that_are_gone_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let folders =
            [format!("build.{}", std::process::id()), "build.4194999".into(), "0123456789abcdef".into()].map(|name| base.path().join(name));
        folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
        sweep(base.path());
        assert_eq!(folders.map(|folder| folder.exists()), [true, false, true]);
    }

    #[test]
    fn the_version_comes_from_the_module_file() {
        let text = fs::read_to_string(recipe().join("go.mod")).unwrap();
        assert!(kubernetes_version(&text).unwrap().starts_with("v1."));
        assert_eq!(kubernetes_version("module x\n"), None);
        assert!(link_flags(&recipe()).unwrap().contains("gitMajor=1 "));
    }
}
