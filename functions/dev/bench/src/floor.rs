//! The disk's floor: append 4 KiB and `fdatasync`, again and again, on one file. Nothing that makes each step durable by
//! itself is faster than that.

use crate::error::Result;
use crate::figures::Samples;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const BLOCK: [u8; 4_096] = [0xA5; 4_096];
const TIME: Duration = Duration::from_millis(1_500);

/// Blocks: nothing else may be measured meanwhile.
pub(crate) fn measure(folder: &Path) -> Result<Value> {
    let path = folder.join("floor");
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    let mut samples = Samples::default();
    let start = Instant::now();
    while start.elapsed() < TIME {
        let one = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        samples.push(one.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(json!({"blockBytes": BLOCK.len(), "ms": samples.summary()}))
}
