//! Joining the inputs of several requests along dimension 0, and cutting the outputs apart again.

use crate::{Error, Result, Shape, Tensor, Values};

/// A merged call may hold so many times what its requests do, filled up to one shape, and so many elements in any case.
const MOST_GROWTH: usize = 4;
const SMALL_ELEMENTS: usize = 1 << 16;

/// What a merged call gets beyond its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// Rows behind the last one, each a copy of the last request's first.
    pub rows: usize,
    /// Whether the dimensions behind the first may differ: each is filled up to the largest, with the first element of
    /// its tensor.
    pub lengths: bool,
}

/// Joins requests of one bucket: output `i` holds input `i` of all, in order. Copies; the requests stay whole, so that each
/// can be run alone when the merged call fails.
///
/// # Errors
/// `internal` when the requests do not belong together, `invalid_input` when they would be filled up to many times their
/// size.
pub fn merge(requests: &[&[Tensor]], padding: Padding) -> Result<Vec<Tensor>> {
    let inputs = requests.first().map_or(0, |first| first.len());
    (0..inputs)
        .map(|index| merge_input(requests, index, padding))
        .collect()
}

fn merge_input(requests: &[&[Tensor]], index: usize, padding: Padding) -> Result<Tensor> {
    let other_inputs = || Error::internal("bug: merged requests of different inputs");
    let tensors = requests.iter().map(|request| request.get(index));
    let tensors: Vec<&Tensor> = tensors
        .map(|tensor| tensor.ok_or_else(other_inputs))
        .collect::<Result<_>>()?;
    let mut shape = joint_shape(&tensors, padding.lengths)?;
    // Copies of nothing are none.
    let model = tensors.iter().rev().find(|tensor| tensor.rows() > 0);
    let padding_rows = if model.is_some() { padding.rows } else { 0 };
    shape[0] += padding_rows;
    let elements = crate::tensor::element_count(&shape).unwrap_or(usize::MAX);
    if padding.lengths {
        check_growth(&tensors, elements)?;
    }
    let mut values = Values::with_capacity(tensors[0].dtype(), elements);
    let mut first_row = 0;
    for tensor in tensors {
        if tensor.rows() > 0 {
            first_row = values.len();
        }
        let mut to = Shape::from_slice(&shape);
        to[0] = tensor.rows();
        values.append_padded(tensor.values(), tensor.shape(), &to)?;
    }
    if padding_rows > 0 {
        let width: usize = shape[1..].iter().product();
        let row = values.slice(first_row..first_row + width);
        for _ in 0..padding_rows {
            values.append(&row)?;
        }
    }
    Tensor::new(shape, values)
}

/// The rows of all, and behind them the largest of each dimension.
fn joint_shape(tensors: &[&Tensor], lengths: bool) -> Result<Shape> {
    let mut shape = Shape::from_slice(tensors[0].shape());
    for tensor in &tensors[1..] {
        let dims = tensor.shape();
        if dims.len() != shape.len() || dims.is_empty() || (!lengths && dims[1..] != shape[1..]) {
            return Err(Error::internal("bug: merged requests of different shapes"));
        }
        for (joint, dim) in shape[1..].iter_mut().zip(&dims[1..]) {
            *joint = (*joint).max(*dim);
        }
    }
    if shape.is_empty() {
        return Err(Error::internal("bug: merged requests without rows"));
    }
    shape[0] = tensors.iter().map(|tensor| tensor.rows()).sum();
    Ok(shape)
}

/// One long row among many short ones would make all of them long.
fn check_growth(tensors: &[&Tensor], elements: usize) -> Result<()> {
    let given: usize = tensors.iter().map(|tensor| tensor.values().len()).sum();
    if elements <= SMALL_ELEMENTS.max(given.saturating_mul(MOST_GROWTH)) {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "requests of different lengths would grow too much: got {elements} elements of {given}"
    )))
}

/// Cuts `outputs` into one set per request, `rows[i]` rows for request `i`, and leaves out `padding_rows` at the end.
///
/// # Errors
/// `execution_failed` when an output's dimension 0 is not the number of rows: the model is not mergeable after all.
pub fn split(
    outputs: Vec<Tensor>,
    rows: &[usize],
    padding_rows: usize,
) -> Result<Vec<Vec<Tensor>>> {
    if rows.len() == 1 && padding_rows == 0 {
        return Ok(vec![outputs]);
    }
    let total = rows.iter().sum::<usize>() + padding_rows;
    let mut parts: Vec<Vec<Tensor>> = rows
        .iter()
        .map(|_| Vec::with_capacity(outputs.len()))
        .collect();
    for output in outputs {
        let (shape, values) = output.into_parts();
        if shape.first() != Some(&total) {
            return Err(Error::execution_failed(format!(
                "a merged output has the wrong number of rows: got {}, expected {total}",
                shape.first().copied().unwrap_or(0)
            )));
        }
        let stride = values.len().checked_div(total).unwrap_or(0);
        let mut start = 0;
        for (part, count) in parts.iter_mut().zip(rows) {
            let mut part_shape = Shape::from_slice(&shape);
            part_shape[0] = *count;
            part.push(Tensor::new(
                part_shape,
                values.slice(start * stride..(start + count) * stride),
            )?);
            start += count;
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(rows: usize, first: f32) -> Vec<Tensor> {
        let values = (0..rows * 2)
            .map(|index| first + f32::from(u16::try_from(index).expect("small")))
            .collect();
        vec![
            Tensor::new(Shape::from_slice(&[rows, 2]), Values::Float32(values))
                .expect("shape matches"),
        ]
    }

    proptest! {
        #[test]
        fn split_undoes_merge(rows in prop::collection::vec(0usize..5, 1..6)) {
            let requests: Vec<_> = rows.iter().map(|rows| request(*rows, 10.0)).collect();
            let parts: Vec<&[Tensor]> = requests.iter().map(Vec::as_slice).collect();
            let merged = merge(&parts, Padding::default()).expect("same shapes");
            prop_assert_eq!(split(merged, &rows, 0).expect("same rows"), requests);
        }

        /// Rows that fill up are copies of the last request's first one, and nobody gets them back.
        #[test]
        fn split_undoes_merge_with_more_rows(rows in prop::collection::vec(0usize..5, 1..6), more in 1usize..4) {
            let requests: Vec<_> = (10u8..).zip(&rows).map(|(first, rows)| request(*rows, first.into())).collect();
            let parts: Vec<&[Tensor]> = requests.iter().map(Vec::as_slice).collect();
            let padding = Padding { rows: more, lengths: false };
            let merged = merge(&parts, padding).expect("same shapes");
            let (total, last) = (rows.iter().sum::<usize>(), requests.iter().rev().find(|each| each[0].rows() > 0));
            let Some(last) = last else {
                prop_assert_eq!(merged[0].rows(), 0);
                return Ok(());
            };
            prop_assert_eq!(merged[0].rows(), total + more);
            prop_assert_eq!(merged[0].values().slice(total * 2..total * 2 + 2), last[0].values().slice(0..2));
            prop_assert_eq!(split(merged, &rows, more).expect("same rows"), requests);
        }

        /// Every element stays where it was; what is new is the first element of its tensor.
        #[test]
        fn lengths_are_filled_up_with_the_first_element(
            shapes in prop::collection::vec((0usize..4, 0usize..4, 0usize..4), 1..5),
        ) {
            let requests: Vec<Vec<Tensor>> = (1i32..).zip(&shapes).map(|(at, (rows, height, width))| {
                let count = i32::try_from(rows * height * width).expect("small");
                let values = Values::Int32((0..count).map(|index| at * 100 + index).collect());
                vec![Tensor::new(Shape::from_slice(&[*rows, *height, *width]), values).expect("as many")]
            }).collect();
            let parts: Vec<&[Tensor]> = requests.iter().map(Vec::as_slice).collect();
            let merged = merge(&parts, Padding { rows: 0, lengths: true }).expect("same rank");
            let (shape, Values::Int32(values)) = merged[0].clone().into_parts() else { unreachable!("int32") };
            let mut values = values.into_iter();
            for (at, (rows, height, width)) in (1i32..).zip(&shapes) {
                let mut next = at * 100;
                let fill = if rows * height * width == 0 { 0 } else { next };
                for index in 0..rows * shape[1] * shape[2] {
                    let (y, x) = (index / shape[2] % shape[1], index % shape[2]);
                    let want = if y < *height && x < *width { next += 1; next - 1 } else { fill };
                    prop_assert_eq!(values.next(), Some(want));
                }
            }
            prop_assert_eq!(values.next(), None);
        }
    }

    #[test]
    fn different_trailing_shapes_and_wrong_row_counts_are_refused() {
        let other = vec![
            Tensor::new(Shape::from_slice(&[1, 3]), Values::Float32(vec![0.0; 3])).expect("three"),
        ];
        assert!(merge(&[&request(1, 0.0), &other], Padding::default()).is_err());
        assert!(split(request(3, 0.0), &[1, 1], 0).is_err());
        assert!(split(request(3, 0.0), &[3], 1).is_err());
    }

    #[test]
    fn one_long_request_does_not_make_a_thousand_short_ones_long() {
        let sequence = |length: usize| {
            let values = Values::Uint8(vec![1; length]);
            vec![Tensor::new(Shape::from_slice(&[1, length]), values).expect("as many")]
        };
        let (long, short) = (sequence(100_000), sequence(1));
        let mut requests = vec![short.as_slice(); 1_000];
        let padding = Padding {
            rows: 0,
            lengths: true,
        };
        assert!(merge(&requests, padding).is_ok());
        requests.push(&long);
        assert_eq!(
            merge(&requests, padding).expect_err("refused").code(),
            crate::ErrorCode::InvalidInput
        );
    }
}
