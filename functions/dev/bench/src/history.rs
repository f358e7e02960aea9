//! A long history: the embedded store with very many executions that have ended, beside one with few, made the same way. Each is
//! looked at by fresh processes, in turn, because memory that was used once is not given back.
//!
//! One execution is really run; the others are copies of what is stored of it, under ids of their own.

use crate::arguments::Arguments;
use crate::error::{Error, Result};
use crate::figures::{Samples, ms, rounded};
use crate::parts::{APPLICATION, Parts, caller};
use app::execution::{follow, keys};
use app::paging::PageRequest;
use app::ports::{Clock, Item, Query, Table};
use model::id::{AppName, ExecutionId, PipelineId};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Restorable;
use store::embedded::{Embedded, Options};

/// Pipelines that they are of.
const PIPELINES: usize = 20;
/// Executions beside which the many stand.
const FEW: usize = 100;
/// Stages of each.
const STAGES: usize = 3;
/// Items that are put at a time.
const ITEMS_A_TURN: usize = 2_000;
/// Processes that look at each store.
const LOOKS: usize = 5;
/// Pages that each of them reads of each list, and how long one is.
const PAGES: usize = 400;
const PAGE: usize = 20;
const READ: usize = 200;

pub(crate) async fn measure(arguments: &Arguments, data: &Path) -> Result<Value> {
    let (many, few) = (data.join("many"), data.join("few"));
    let began = Instant::now();
    let items = fill(arguments, &many, arguments.executions).await?;
    let filled = began.elapsed();
    fill(arguments, &few, FEW.min(arguments.executions)).await?;
    let (mut of_many, mut of_few) = (Vec::new(), Vec::new());
    for _ in 0..LOOKS {
        of_many.push(look_from_outside(&many)?);
        of_few.push(look_from_outside(&few)?);
    }
    Ok(json!({
        "executions": arguments.executions, "few": FEW, "items": items, "filledS": rounded(filled.as_secs_f64()),
        "diskMB": megabytes(folder_bytes(&many)?), "many": middle(&of_many), "reference": middle(&of_few),
    }))
}

/// One process that only looks.
fn look_from_outside(data: &Path) -> Result<Value> {
    let output = Command::new(std::env::current_exe()?).arg("look").arg(data).output()?;
    if !output.status.success() {
        return Err(Error::new(format!("a look failed: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Of each figure the median over the looks.
fn middle(looks: &[Value]) -> Value {
    let Some(Value::Object(first)) = looks.first() else { return Value::Null };
    let of = |name: &String, value: &Value| match value {
        Value::Object(_) => middle(&looks.iter().filter_map(|look| look.get(name).cloned()).collect::<Vec<_>>()),
        _ => {
            let mut numbers: Vec<f64> = looks.iter().filter_map(|look| look.get(name)?.as_f64()).collect();
            numbers.sort_by(f64::total_cmp);
            json!(numbers.get(numbers.len() / 2))
        }
    };
    first.iter().map(|(name, value)| (name.clone(), of(name, value))).collect()
}

/// Makes a folder with so many executions that have ended; says how many items there are of them.
async fn fill(arguments: &Arguments, data: &Path, executions: usize) -> Result<usize> {
    std::fs::create_dir_all(data)?;
    let parts = Parts::open(data, &arguments.components).await?;
    let stages: Vec<Vec<usize>> = (0..STAGES).map(|at| at.checked_sub(1).into_iter().collect()).collect();
    let mut templates = Vec::new();
    for n in 0..PIPELINES {
        let pipeline = parts.pipeline(&format!("history-{n}"), &stages).await?;
        let id = parts.run(&pipeline).await?;
        templates.push((template(parts.store.as_ref(), &pipeline, &id).await?, id));
    }
    let (mut turn, mut count) = (Vec::with_capacity(ITEMS_A_TURN + 50), 0);
    for n in 0..executions {
        let Some((items, id)) = templates.get(n % PIPELINES) else { continue };
        turn.extend(copy(items, id.as_str(), &format!("01HF{n:022}")));
        if turn.len() >= ITEMS_A_TURN || n + 1 == executions {
            count += turn.len();
            parts.store.restore(std::mem::take(&mut turn)).await?;
        }
    }
    parts.close().await;
    Ok(count)
}

/// Everything that is stored of an execution.
async fn template(table: &dyn Table, pipeline: &PipelineId, id: &ExecutionId) -> Result<Vec<Item>> {
    let mut items = table.query(&Query::prefix(keys::partition(id), "", READ)).await?.items;
    for key in [keys::of_pipeline(pipeline, id), keys::of_application(APPLICATION, id)] {
        items.extend(table.get(&key).await?);
    }
    if items.len() < 5 {
        return Err(Error::new(format!("an execution that ended left {} items", items.len())));
    }
    Ok(items)
}

fn copy(items: &[Item], from: &str, to: &str) -> Vec<Item> {
    let named = |text: &str| text.replace(from, to);
    let one = |item: &Item| {
        let mut copy = item.clone();
        copy.key.partition = named(&item.key.partition);
        copy.key.sort = named(&item.key.sort);
        copy.body = String::from_utf8_lossy(&item.body).replace(from, to).into_bytes();
        copy
    };
    items.iter().map(one).collect()
}

/// What a fresh process finds: how long the store takes to open and to answer first, pages of lists, and memory.
pub(crate) async fn look(data: &Path) -> Result<Value> {
    let clock: Arc<dyn Clock> = Arc::new(boot::SystemClock);
    let before = resident()?;
    let began = Instant::now();
    let (folder, options) = (data.join("store"), Options::new(Arc::clone(&clock)));
    let store = tokio::task::spawn_blocking(move || Embedded::open(folder, options)).await??;
    let opened = began.elapsed();
    store.due(clock.now_ms(), READ).await?;
    let first = page(store.as_ref(), None, None).await?.1;
    let ready = began.elapsed();
    let after_start = resident()?;
    let of_pipeline = pages(store.as_ref(), Some("history-7")).await?;
    let of_application = pages(store.as_ref(), None).await?;
    let after_pages = resident()?;
    store.close().await;
    Ok(json!({
        "openMs": ms(opened), "readyMs": ms(ready), "firstPageMs": ms(first),
        "pipelinePageMs": of_pipeline.summary(), "applicationPageMs": of_application.summary(),
        "memoryBeforeMB": megabytes(before), "memoryAfterStartMB": megabytes(after_start), "memoryAfterPagesMB": megabytes(after_pages),
    }))
}

/// Pages of a list from the newest on, and again from the newest once its end is reached.
async fn pages(table: &dyn Table, pipeline: Option<&str>) -> Result<Samples> {
    let (mut samples, mut after) = (Samples::default(), None);
    for _ in 0..PAGES {
        let (next, took) = page(table, pipeline, after.take()).await?;
        samples.push(took);
        after = next;
    }
    Ok(samples)
}

async fn page(table: &dyn Table, pipeline: Option<&str>, after: Option<String>) -> Result<(Option<String>, Duration)> {
    let application = AppName::parse(APPLICATION)?;
    let began = Instant::now();
    let page = follow::list(table, &caller(), &application, pipeline, &PageRequest { after, limit: PAGE }).await?;
    if page.entries.is_empty() {
        return Err(Error::new("a page of the list is empty"));
    }
    Ok((page.next, began.elapsed()))
}

/// Memory that this process holds now.
fn resident() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kb.map(|kb| kb << 10).ok_or_else(|| Error::new("the system does not say how much memory this process holds"))
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let (mut bytes, mut folders) = (0, vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let facts = entry.metadata()?;
            if facts.is_dir() {
                folders.push(entry.path());
            } else {
                use std::os::unix::fs::MetadataExt;
                // Journals are sparse.
                bytes += facts.blocks() * 512;
            }
        }
    }
    Ok(bytes)
}

fn megabytes(bytes: u64) -> f64 {
    rounded(bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use app::ports::Key;

    #[test]
    fn the_middle_is_taken_of_each_figure() {
        let look = |n: f64| json!({"openMs": n, "page": {"p99": 10.0 * n, "n": 5}});
        assert_eq!(middle(&[look(3.0), look(1.0), look(2.0)]), json!({"openMs": 2.0, "page": {"p99": 20.0, "n": 5.0}}));
        assert_eq!(middle(&[]), Value::Null);
    }

    #[test]
    fn a_copy_names_itself_everywhere() {
        let item = Item::new(Key::new("EXEC#01A", "META"), br#"{"id":"01A"}"#.to_vec()).due(Some(5));
        let copies = copy(&[item], "01A", "01B");
        assert_eq!(
            (copies[0].key.partition.as_str(), copies[0].body.as_slice(), copies[0].due_ms),
            ("EXEC#01B", br#"{"id":"01B"}"#.as_slice(), Some(5))
        );
    }
}
