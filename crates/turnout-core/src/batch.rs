//! Joining the inputs of several requests along dimension 0, and cutting the outputs apart again.

use crate::{Error, Result, Shape, Tensor, Values};

/// Joins requests of one bucket: output `i` holds input `i` of all, in order. Copies; the requests stay whole, so that each
/// can be run alone when the merged call fails.
///
/// # Errors
/// `internal` when the requests do not belong together.
pub fn merge(requests: &[&[Tensor]]) -> Result<Vec<Tensor>> {
    let inputs = requests.first().map_or(0, |first| first.len());
    (0..inputs)
        .map(|index| merge_input(requests, index))
        .collect()
}

fn merge_input(requests: &[&[Tensor]], index: usize) -> Result<Tensor> {
    let first = &requests[0][index];
    let mut shape = Shape::from_slice(first.shape());
    shape[0] = requests
        .iter()
        .map(|request| request.get(index).map_or(0, Tensor::rows))
        .sum();
    let elements = crate::tensor::element_count(&shape).unwrap_or(0);
    let mut values = Values::with_capacity(first.dtype(), elements);
    for request in requests {
        let next = request
            .get(index)
            .ok_or_else(|| Error::internal("bug: merged requests of different inputs"))?;
        if next.shape().get(1..) != first.shape().get(1..) {
            return Err(Error::internal("bug: merged requests of different shapes"));
        }
        values.append(next.values())?;
    }
    Tensor::new(shape, values)
}

/// Cuts `outputs` into one set per request, `rows[i]` rows for request `i`.
///
/// # Errors
/// `execution_failed` when an output's dimension 0 is not the number of rows: the model is not mergeable after all.
pub fn split(outputs: Vec<Tensor>, rows: &[usize]) -> Result<Vec<Vec<Tensor>>> {
    if rows.len() == 1 {
        return Ok(vec![outputs]);
    }
    let total: usize = rows.iter().sum();
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
            let merged = merge(&parts).expect("same shapes");
            prop_assert_eq!(split(merged, &rows).expect("same rows"), requests);
        }
    }

    #[test]
    fn different_trailing_shapes_and_wrong_row_counts_are_refused() {
        let other = vec![
            Tensor::new(Shape::from_slice(&[1, 3]), Values::Float32(vec![0.0; 3])).expect("three"),
        ];
        assert!(merge(&[&request(1, 0.0), &other]).is_err());
        assert!(split(request(3, 0.0), &[1, 1]).is_err());
    }
}
