//! Microseconds of one `Model::run`, beside an empty call's share of making its inputs.
//!
//! ```sh
//! cargo run --release -p turnout-engine --example call_cost -- LIBRARY MODEL.onnx
//! ```
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use turnout_core::Result;
use turnout_core::snapshot::{ArtifactSpec, EngineSpec};
use turnout_engine::warmup::generate;
use turnout_engine::{Artifact, LoadOptions, Model, Threads};

const BLOCKS: usize = 7;
const CALLS: usize = 20_000;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [library, model] = arguments.as_slice() else {
        panic!("usage: call_cost LIBRARY MODEL.onnx")
    };
    let model = load(library.clone(), model.clone())?;
    println!(
        "rows   run us   inputs us   (medians of {BLOCKS} blocks of {CALLS} calls, one thread)"
    );
    for rows in [1, 8, 32, 128] {
        let inputs = generate::inputs(&model.signatures()[0], rows, 0)?;
        let run = median(|| drop(black_box(model.run(0, inputs.clone()))));
        let clone = median(|| drop(black_box(inputs.clone())));
        println!("{rows:4} {:8.2} {clone:11.3}", run - clone);
    }
    Ok(())
}

fn load(library: PathBuf, path: PathBuf) -> Result<Box<dyn Model>> {
    let engine = turnout_engine::open(
        &EngineSpec {
            kind: "onnx".to_owned(),
            library,
        },
        &(Arc::new(|level, line: &str| println!("{level:?}: {line}")) as turnout_engine::LogSink),
    )?;
    println!("ONNX Runtime {}", engine.version());
    let entry = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let artifact = Artifact::read(&ArtifactSpec {
        path: folder,
        entry,
        private_copy: None,
        files: Vec::new(),
    })?;
    engine.load(
        &artifact,
        &LoadOptions {
            threads: Threads::Caller,
            signatures: Vec::new(),
        },
    )
}

/// The median block's microseconds per call.
fn median(mut call: impl FnMut()) -> f64 {
    let mut blocks: Vec<f64> = (0..BLOCKS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            start.elapsed().as_secs_f64() * 1e6 / CALLS as f64
        })
        .collect();
    blocks.sort_unstable_by(f64::total_cmp);
    blocks[BLOCKS / 2]
}
