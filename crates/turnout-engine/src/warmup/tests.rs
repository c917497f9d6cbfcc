//! Warm-ups of models that a test makes up, on a clock that the test winds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use turnout_core::{DType, Error, Shape, Tensor, TensorSpec, Values};

use super::*;
use crate::fake::{FakeModel, FakeRecord, column_signature};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since the start of a test.
type Clock = Arc<AtomicU64>;

fn at(clock: &Clock) -> Instant {
    *START + Duration::from_micros(clock.load(Ordering::SeqCst))
}

/// A model of columns that takes so many microseconds for so many rows.
fn timed(
    clock: &Clock,
    record: &Arc<FakeRecord>,
    micros: impl Fn(u64) -> u64 + Send + Sync + 'static,
) -> FakeModel {
    let clock = clock.clone();
    FakeModel::new(record).with_behaviour(move |_, inputs| {
        clock.fetch_add(micros(inputs[0].rows() as u64), Ordering::SeqCst);
        Ok(inputs)
    })
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    match tensor.values() {
        Values::Float32(values) => values.clone(),
        other => panic!("another dtype: {other:?}"),
    }
}

fn column(values: Vec<f32>) -> Tensor {
    Tensor::new(
        Shape::from_slice(&[values.len(), 1]),
        Values::Float32(values),
    )
    .expect("a column")
}

/// Warms up a model of columns that computes `rows`.
fn measure_rows(rows: impl Fn(Vec<f32>) -> Vec<f32> + Send + Sync + 'static) -> Warmup {
    let record = Arc::default();
    let model = FakeModel::new(&record)
        .with_behaviour(move |_, inputs| Ok(vec![column(rows(floats(&inputs[0])))]));
    measure(&model, &Limits::for_batches_of(8), &Instant::now)
}

#[test]
fn the_curve_doubles_rows_up_to_the_largest_batch() {
    let (clock, record) = (Clock::default(), Arc::default());
    let model = timed(&clock, &record, |rows| 10 + rows);
    let warmup = measure(&model, &Limits::for_batches_of(100), &|| at(&clock));
    let rows: Vec<usize> = warmup.row_us.iter().map(|(rows, _)| *rows).collect();
    assert_eq!(rows, [1, 2, 4, 8, 16, 32, 64]);
    for (rows, micros) in warmup.row_us {
        assert!(
            (micros - (10 + rows) as f32).abs() < 0.1,
            "{rows} rows: {micros}"
        );
    }
}

#[test]
fn the_curve_stops_when_its_time_is_up() {
    let (clock, record) = (Clock::default(), Arc::default());
    let model = timed(&clock, &record, |rows| rows * 3_000);
    let warmup = measure(&model, &Limits::for_batches_of(1 << 20), &|| at(&clock));
    let most_rows = warmup.row_us.last().expect("some").0;
    assert!((8..=32).contains(&most_rows), "{most_rows}");
    assert!(*record.rows().iter().max().expect("some") <= 32);
}

#[test]
fn a_very_slow_model_is_run_a_few_times_only() {
    let (clock, record) = (Clock::default(), Arc::default());
    let model = timed(&clock, &record, |_| 3_000_000);
    let warmup = measure(&model, &Limits::for_batches_of(1_024), &|| at(&clock));
    assert_eq!(warmup.row_us.len(), 1);
    assert!(!warmup.mergeable);
    assert_eq!(
        warmup.reason,
        "not shown within 2000 ms: one row takes 3000 ms"
    );
    assert_eq!(record.rows(), [1, 1]);
}

#[test]
fn a_model_that_its_calls_change_is_left_alone() {
    let record = Arc::default();
    let model = FakeModel::new(&record).with_state_change("AssignAdd");
    let warmup = measure(&model, &Limits::for_batches_of(64), &Instant::now);
    assert_eq!(
        warmup.reason,
        "signature `serving_default` may change the model's state: `AssignAdd`"
    );
    assert!(!warmup.mergeable && warmup.row_us.is_empty());
    assert!(record.rows().is_empty());
}

#[test]
fn mergeability_that_takes_too_long_is_not_shown() {
    let (clock, record) = (Clock::default(), Arc::default());
    let model = timed(&clock, &record, |rows| rows * rows * 40_000);
    let warmup = measure(&model, &Limits::for_batches_of(1), &|| at(&clock));
    assert_eq!(warmup.reason, "not shown within 2000 ms");
    assert!(clock.load(Ordering::SeqCst) < 7_000_000);
}

#[test]
fn rows_that_do_not_look_at_each_other_are_mergeable() {
    let warmup = measure_rows(|rows| rows.iter().map(|row| row * 3.0).collect());
    assert_eq!(
        warmup.reason,
        "merged and separate calls agreed within 1e-5 on generated rows"
    );
    assert!(warmup.mergeable);
    // The last bits of a sum depend on its order, and so on the rows around.
    let rounding = measure_rows(|rows| {
        let noise = 1.0 + rows.len() as f32 * 1e-7;
        rows.iter().map(|row| row * noise).collect()
    });
    assert!(rounding.mergeable, "{}", rounding.reason);
}

#[test]
fn rows_that_look_at_each_other_are_not() {
    type Rows = fn(Vec<f32>) -> Vec<f32>;
    let cases: [(&str, Rows); 4] = [
        ("the mean row is taken away", |rows| {
            let mean = rows.iter().sum::<f32>() / rows.len() as f32;
            rows.iter().map(|row| row - mean).collect()
        }),
        ("rows are turned round", |rows| {
            rows.into_iter().rev().collect()
        }),
        ("the largest row is lost", |rows| {
            rows.into_iter().skip(1).collect()
        }),
        ("errors of 1e-4", |rows| {
            let noise = 1.0 + rows.len() as f32 * 1e-4;
            rows.iter().map(|row| row * noise).collect()
        }),
    ];
    for (what, model) in cases {
        let warmup = measure_rows(model);
        assert!(!warmup.mergeable, "{what}");
        assert!(
            warmup.reason.contains("signature `serving_default`: "),
            "{what}: {}",
            warmup.reason
        );
    }
}

#[test]
fn what_shows_nothing_is_not_mergeable() {
    let constant = measure_rows(|rows| vec![1.0; rows.len()]);
    assert_eq!(
        constant.reason,
        "signature `serving_default` gives one answer to all generated rows"
    );
    let unknown = measure_rows(|rows| vec![f32::NAN; rows.len()]);
    assert!(!unknown.mergeable, "{}", unknown.reason);
}

#[test]
fn numbers_that_are_none_agree_with_themselves() {
    let roots = measure_rows(|rows| rows.iter().map(|row| row.sqrt()).collect());
    assert!(roots.mergeable, "{}", roots.reason);
}

#[test]
fn a_model_that_fails_on_generated_rows_loads_all_the_same() {
    let record = Arc::default();
    let model = FakeModel::new(&record)
        .with_behaviour(|_, _| Err(Error::execution_failed("index 3 is out of range")));
    let warmup = measure(&model, &Limits::for_batches_of(8), &Instant::now);
    assert_eq!((warmup.row_us, warmup.mergeable), (vec![], false));
    assert_eq!(
        warmup.reason,
        "signature `serving_default` failed on a generated row: index 3 is out of range"
    );
}

#[test]
fn a_fixed_dimension_zero_is_not_mergeable_and_measured_once() {
    let record = Arc::default();
    let mut signature = column_signature();
    signature.inputs[0].shape = Some(vec![Some(2), Some(1)]);
    let model = FakeModel::new(&record).with_signatures(vec![signature]);
    let warmup = measure(&model, &Limits::for_batches_of(8), &Instant::now);
    assert_eq!(
        warmup
            .row_us
            .iter()
            .map(|(rows, _)| *rows)
            .collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(
        warmup.reason,
        "signature `serving_default`: dimension 0 of input `x` does not vary"
    );
}

#[test]
fn inputs_too_large_to_make_up_are_not_made() {
    let record = Arc::default();
    let mut signature = column_signature();
    signature.inputs[0].shape = Some(vec![None, Some(usize::MAX), Some(2)]);
    let model = FakeModel::new(&record).with_signatures(vec![signature]);
    let warmup = measure(&model, &Limits::for_batches_of(8), &Instant::now);
    assert_eq!((warmup.row_us, record.rows()), (vec![], vec![]));
    assert_eq!(
        warmup.reason,
        "one row of signature `serving_default` is larger than a warm-up makes"
    );
}

#[test]
fn long_rows_get_the_shared_pool() {
    let cases = [
        (vec![], Threads::Caller),
        (vec![(1, 1_999.0)], Threads::Caller),
        (vec![(1, 20.0), (1_024, 90_000.0)], Threads::Caller),
        (vec![(1, 2_000.0)], Threads::SharedPool),
    ];
    for (row_us, want) in cases {
        assert_eq!(choose_threads(&row_us), want, "{row_us:?}");
    }
}

#[test]
fn generated_inputs_fit_and_repeat() {
    for dtype in DType::ALL {
        let shape = Some(vec![None, Some(3), None]);
        let spec = TensorSpec {
            name: "x".to_owned(),
            tensor: "x".to_owned(),
            dtype,
            shape,
            any_shape: false,
        };
        let signature = Signature {
            inputs: vec![spec],
            ..column_signature()
        };
        let [one, again, other] =
            [1, 1, 3].map(|seed| generate::inputs(&signature, 5, seed).expect("makes"));
        assert_eq!(
            (one[0].shape(), one[0].dtype()),
            ([5, 3, 1].as_slice(), dtype)
        );
        assert_eq!(one, again);
        assert_ne!(one, other, "{dtype}");
        let fitted = signature.inputs[0].fit(one[0].clone()).expect("fits");
        assert_eq!(fitted, one[0]);
    }
}

#[test]
fn even_seeds_are_small_and_odd_ones_wide() {
    let draw =
        |seed| floats(&generate::inputs(&column_signature(), 1_000, seed).expect("makes")[0]);
    assert!(draw(0).iter().all(|value| (0.0..1.0).contains(value)));
    let wide = draw(1);
    assert!(
        wide.iter()
            .all(|value| (0.01..1_000.0).contains(&value.abs()))
    );
    assert!(wide.iter().any(|value| *value < -100.0) && wide.iter().any(|value| *value > 100.0));
}
