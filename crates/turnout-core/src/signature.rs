//! Signatures: the named inputs and outputs that a version answers to.

use serde::{Deserialize, Serialize};

use crate::{DType, Error, Result, Tensor};

/// The signature of a request that names none.
pub const DEFAULT_SIGNATURE: &str = "serving_default";

/// One named input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// What clients call it.
    pub name: String,
    /// What the engine calls it.
    pub tensor: String,
    pub dtype: DType,
    /// None for unknown rank; a None dimension varies.
    pub shape: Option<Vec<Option<usize>>>,
    /// Whether the engine takes any shape and says itself what does not fit; `shape` then only describes. The engine says
    /// so when it loads: it is no part of a manifest.
    #[serde(skip)]
    pub any_shape: bool,
}

/// A named set of inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub name: String,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
}

impl Signature {
    #[must_use]
    pub fn input(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|spec| spec.name == name)
    }

    /// Whether dimension 0 varies in every input and output, which merging needs.
    #[must_use]
    pub fn has_batch_dimension(&self) -> bool {
        let dynamic = |spec: &TensorSpec| matches!(spec.shape.as_deref(), Some([None, ..]));
        !self.inputs.is_empty()
            && self.inputs.iter().all(dynamic)
            && self.outputs.iter().all(dynamic)
    }
}

impl TensorSpec {
    /// Whether a shape has this rank and these fixed dimensions.
    #[must_use]
    pub fn describes(&self, shape: &[usize]) -> bool {
        self.shape.as_ref().is_none_or(|dims| {
            dims.len() == shape.len()
                && dims
                    .iter()
                    .zip(shape)
                    .all(|(want, got)| want.is_none_or(|want| want == *got))
        })
    }

    /// Checks dtype, rank and fixed dimensions, and mends what ONNX's rank rule would refuse without need.
    ///
    /// A tensor of shape `[N]` becomes `[N, 1, …]` where the signature has only ones behind dimension 0, and an empty
    /// one of shape `[0]` takes the signature's other dimensions (a dynamic one as 0). Where the engine takes
    /// [any shape](Self::any_shape), only the dtype is checked and nothing is mended.
    ///
    /// # Errors
    /// `invalid_input`, naming the input, what it got and what it expected.
    pub fn fit(&self, mut tensor: Tensor) -> Result<Tensor> {
        if tensor.dtype() != self.dtype {
            return Err(Error::invalid_input(format!(
                "input `{}` has the wrong dtype: got {}, expected {}",
                self.name,
                tensor.dtype(),
                self.dtype
            )));
        }
        let Some(dims) = self.shape.as_ref().filter(|_| !self.any_shape) else {
            return Ok(tensor);
        };
        if tensor.shape().len() == 1 && dims.len() > 1 {
            let rows = tensor.shape()[0];
            let rest = dims[1..].iter().map(|dim| dim.unwrap_or(0));
            if rows == 0 {
                tensor.reshape(std::iter::once(0).chain(rest).collect());
            } else if dims[1..].iter().all(|dim| *dim == Some(1)) {
                tensor.reshape(std::iter::once(rows).chain(rest).collect());
            }
        }
        if self.describes(tensor.shape()) {
            return Ok(tensor);
        }
        Err(Error::invalid_input(format!(
            "input `{}` has the wrong shape: got {}, expected {}",
            self.name,
            shape_text(tensor.shape().iter().map(|dim| Some(*dim))),
            shape_text(dims.iter().copied())
        )))
    }
}

/// `[3, ?, 2]`, with `?` for a dimension that varies.
pub fn shape_text(dims: impl Iterator<Item = Option<usize>>) -> String {
    let dims: Vec<String> = dims
        .map(|dim| dim.map_or_else(|| "?".to_owned(), |dim| dim.to_string()))
        .collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    fn spec(shape: &[Option<usize>]) -> TensorSpec {
        TensorSpec {
            name: "x".into(),
            tensor: "x".into(),
            dtype: DType::Float32,
            shape: Some(shape.to_vec()),
            any_shape: false,
        }
    }

    fn tensor(shape: &[usize]) -> Tensor {
        let values = Values::Float32(vec![0.0; shape.iter().product()]);
        Tensor::new(shape.iter().copied().collect(), values).expect("shape matches")
    }

    #[test]
    fn fit_mends_rank_one_and_refuses_the_rest() {
        type Case = (
            &'static [Option<usize>],
            &'static [usize],
            Option<&'static [usize]>,
        );
        let cases: &[Case] = &[
            (&[None, Some(3)], &[2, 3], Some(&[2, 3])),
            (&[None, Some(1)], &[5], Some(&[5, 1])),
            (&[None, Some(3)], &[0], Some(&[0, 3])),
            (&[None, None], &[0], Some(&[0, 0])),
            (&[None, Some(3)], &[3], None),
            (&[None, Some(3)], &[2, 4], None),
            (&[None], &[2, 1], None),
            (&[], &[], Some(&[])),
        ];
        for (dims, shape, want) in cases {
            let got = spec(dims).fit(tensor(shape));
            match want {
                Some(want) => assert_eq!(got.expect("fits").shape(), *want, "{dims:?} {shape:?}"),
                None => assert_eq!(
                    got.expect_err("does not fit").code(),
                    crate::ErrorCode::InvalidInput
                ),
            }
        }
    }

    #[test]
    fn an_engine_that_takes_any_shape_gets_it_as_it_came() {
        let any = TensorSpec {
            any_shape: true,
            ..spec(&[None, Some(1)])
        };
        for shape in [&[5][..], &[], &[0], &[2, 4], &[1, 1, 1]] {
            assert_eq!(any.fit(tensor(shape)).expect("taken").shape(), shape);
        }
        assert!(any.describes(&[7, 1]) && !any.describes(&[7]) && !any.describes(&[7, 2]));
    }

    #[test]
    fn fit_refuses_another_dtype() {
        let int =
            Tensor::new([1usize].into_iter().collect(), Values::Int64(vec![1])).expect("one value");
        let error = spec(&[None]).fit(int).expect_err("dtype differs");
        assert_eq!(
            error.message(),
            "input `x` has the wrong dtype: got int64, expected float32"
        );
    }
}
