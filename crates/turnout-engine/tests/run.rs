//! Real models in the real runtime: what goes in and what comes out.

mod common;

use common::{floats, load};

#[test]
fn a_linear_model_computes() {
    let answer = load("linear")
        .run(
            0,
            vec![floats(&[2, 4], &[1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])],
        )
        .expect("runs");
    assert_eq!(
        answer,
        [floats(&[2, 3], &[-2.0, -0.5, 1.0, -2.0, 1.0, 4.0])]
    );
}
