//! Microseconds of one `Model::run`, and of cloning its inputs, which is taken off.
//!
//! ```sh
//! cargo run --release -p turnout-engine --example call_cost -- LIBRARY MODEL [ROWS …]
//! ```
//!
//! `MODEL` is an ONNX file or a SavedModel's folder.
//!
//! With 1.31.1 and an 8-32-32-1 network on a shared 2-core machine: 2.8 µs a call of one row, 3.1 of 8, 4.3 of 32, 8.9 of
//! 128, where a bare loop over the C interface with reused buffers took 2.4, 2.8, 4.0 and 8.5 in the same minute. What is
//! left between them is the owned buffers of inputs and outputs. Preallocated outputs were measured to gain nothing once
//! the arena is off.
//!
//! With TensorFlow 2.21.0, 0.5 x + 2, and one row, the best of 9 blocks on the same busy machine: 3.5 µs a call, 3.4 for a
//! bare loop over its C interface with the same session, and 9.1 for one whose session hands calls to the inter-op pool.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use turnout_core::snapshot::{ArtifactSpec, EngineSpec, FileSpec, SavedModelSettings};
use turnout_core::{Error, Result};
use turnout_engine::warmup::generate;
use turnout_engine::{Artifact, LoadOptions, LogSink, Model, Threads};

const BLOCKS: usize = 9;
/// A block is about so long, and of at most so many calls.
const BLOCK: Duration = Duration::from_millis(50);
const CALLS: usize = 10_000;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [library, model, rows @ ..] = arguments.as_slice() else {
        panic!("usage: call_cost LIBRARY MODEL [ROWS …]")
    };
    let rows = if rows.is_empty() {
        vec![1, 8, 32, 128]
    } else {
        rows.iter().map(|text| count(text)).collect()
    };
    let model = load(library, model)?;
    println!("rows   median us   best us   clone us   ({BLOCKS} blocks, one thread)");
    for rows in rows {
        let inputs = generate::inputs(&model.signatures()[0], rows, 0)?;
        let calls = blocks(|| drop(black_box(model.run(0, inputs.clone()))));
        let clones = blocks(|| drop(black_box(inputs.clone())));
        let clone_us = clones[BLOCKS / 2];
        let [median_us, best_us] = [calls[BLOCKS / 2], calls[0]].map(|micros| micros - clone_us);
        println!("{rows:4} {median_us:11.2} {best_us:9.2} {clone_us:10.3}");
    }
    Ok(())
}

fn load(library: &Path, model: &Path) -> Result<Box<dyn Model>> {
    let log: LogSink = Arc::new(|level, line: &str| println!("{level:?}: {line}"));
    let kind = if model.is_dir() { "savedmodel" } else { "onnx" };
    let engine = turnout_engine::open(
        &EngineSpec {
            kind: kind.to_owned(),
            library: library.to_owned(),
        },
        &log,
    )?;
    println!("{kind} {}", engine.version());
    engine.load(
        &read(model)?,
        &LoadOptions {
            threads: Threads::Caller,
            signatures: Vec::new(),
            savedmodel: SavedModelSettings {
                tags: vec!["serve".to_owned()],
                inter_op_threads: None,
                session_config: Vec::new(),
            },
            interpreters: 1,
        },
    )
}

fn read(model: &Path) -> Result<Artifact> {
    let failed = |error: std::io::Error| Error::artifact_invalid(error.to_string());
    if !model.is_dir() {
        return Ok(Artifact::from_bytes(fs::read(model).map_err(failed)?));
    }
    let mut files = Vec::new();
    list(model, "", &mut files).map_err(failed)?;
    let copy = format!("turnout-call-cost-{}", std::process::id());
    Artifact::read(&ArtifactSpec {
        path: model.to_owned(),
        entry: "saved_model.pb".to_owned(),
        private_copy: Some(std::env::temp_dir().join(copy)),
        files,
    })
}

/// All files of a folder and its subfolders.
fn list(folder: &Path, prefix: &str, files: &mut Vec<FileSpec>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push(FileSpec {
                name,
                size_bytes: entry.metadata()?.len(),
                sha256: None,
            });
        }
    }
    Ok(())
}

fn count(text: &Path) -> usize {
    let text = text.to_string_lossy();
    text.parse()
        .unwrap_or_else(|_| panic!("not a number of rows: `{text}`"))
}

/// Microseconds per call of each block, the best first.
fn blocks(mut call: impl FnMut()) -> Vec<f64> {
    call();
    let start = Instant::now();
    call();
    let once = start.elapsed().max(Duration::from_nanos(1));
    let calls = usize::try_from(BLOCK.as_nanos() / once.as_nanos())
        .map_or(CALLS, |fit| fit.clamp(1, CALLS));
    let mut blocks: Vec<f64> = (0..BLOCKS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..calls {
                call();
            }
            start.elapsed().as_secs_f64() * 1e6 / calls as f64
        })
        .collect();
    blocks.sort_unstable_by(f64::total_cmp);
    blocks
}
