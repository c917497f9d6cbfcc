use std::path::PathBuf;

use crate::testing::savedmodel_settings;
use turnout_core::snapshot::{ArtifactSpec, EngineSpec, MergeMode, ServableSettings, ServableSpec};

use super::Held;

fn spec(id: u64) -> ServableSpec {
    ServableSpec {
        id,
        model: "m".into(),
        version: 1,
        engine: EngineSpec {
            kind: "onnx".into(),
            library: PathBuf::new(),
        },
        artifact: ArtifactSpec {
            path: PathBuf::new(),
            entry: "model.onnx".into(),
            private_copy: None,
            files: Vec::new(),
        },
        warmup: None,
        signatures: Vec::new(),
        settings: ServableSettings {
            merge: MergeMode::Auto,
            max_batch_rows: 64,
            max_queue: 64,
            intra_op_threads: 1,
            savedmodel: savedmodel_settings(),
            interpreters: 0,
            batching: crate::testing::batching(),
        },
    }
}

fn fresh(held: &mut Held, ids: &[u64]) -> Vec<u64> {
    let specs = ids.iter().map(|id| spec(*id)).collect();
    let fresh = held.replace(specs);
    fresh.into_iter().map(|(spec, _)| spec.id).collect()
}

#[test]
fn what_loads_is_not_loaded_twice() {
    let mut held = Held::default();
    assert_eq!(fresh(&mut held, &[1]), [1]);
    assert_eq!(fresh(&mut held, &[1, 2]), [2]);
}

#[test]
fn what_failed_is_not_loaded_again_while_it_is_listed() {
    let mut held = Held::default();
    fresh(&mut held, &[1]);
    held.settle(1);
    assert_eq!(fresh(&mut held, &[1, 2]), [2]);
    assert!(fresh(&mut held, &[2]).is_empty(), "its load goes on");
    assert!(held.failed.is_empty(), "nothing is kept of what is omitted");
}

#[test]
fn a_load_that_was_dropped_is_called_off_and_no_failure() {
    let mut held = Held::default();
    let loads = held.replace(vec![spec(1)]);
    fresh(&mut held, &[]);
    let (_, wanted) = &loads[0];
    assert!(!wanted.load(std::sync::atomic::Ordering::Acquire));
    held.settle(1);
    assert!(held.failed.is_empty());
    assert!(held.loading.is_empty());
}
