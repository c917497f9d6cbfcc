//! What warm-ups find out about real models.

mod common;

use std::time::Instant;

use common::load;
use turnout_engine::warmup::{Limits, choose_threads, measure};
use turnout_engine::{Model, Threads};

fn warm(model: &dyn Model) -> turnout_engine::warmup::Warmup {
    measure(model, &Limits::for_batches_of(64), &Instant::now)
}

#[test]
fn models_are_mergeable_as_their_mathematics_is() {
    let cases = [
        ("mlp", true, "merged and separate calls agreed"),
        ("linear", true, "merged and separate calls agreed"),
        ("two_heads", true, "merged and separate calls agreed"),
        ("exclaim", true, "merged and separate calls agreed"),
        ("lookup", true, "merged and separate calls agreed"),
        (
            "centred",
            false,
            "signature `serving_default`: 1+1 rows, output `y`: values differ",
        ),
        (
            "fixed",
            false,
            "signature `serving_default`: dimension 0 of input `x` does not vary",
        ),
        (
            "scalar",
            false,
            "signature `serving_default`: dimension 0 of input `x` does not vary",
        ),
        (
            "lying",
            false,
            "signature `serving_default`: dimension 0 of output `y` does not vary",
        ),
        (
            "unknown_rank",
            false,
            "signature `serving_default`: dimension 0 of input `x` does not vary",
        ),
        ("product", false, "signature `serving_default`"),
    ];
    for (name, mergeable, reason) in cases {
        let warmup = warm(load(name).as_ref());
        assert_eq!(warmup.mergeable, mergeable, "{name}: {}", warmup.reason);
        assert!(
            warmup.reason.starts_with(reason),
            "{name}: {}",
            warmup.reason
        );
        assert!(!warmup.row_us.is_empty(), "{name}");
    }
}

#[test]
fn a_tiny_model_keeps_to_its_caller() {
    let warmup = warm(load("mlp").as_ref());
    assert!(
        warmup.row_us.iter().all(|(_, micros)| *micros > 0.0),
        "{warmup:?}"
    );
    assert_eq!(choose_threads(&warmup.row_us), Threads::Caller);
}
