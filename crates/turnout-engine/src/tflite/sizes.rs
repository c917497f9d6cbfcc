//! Which operators know the sizes of what they make before the model runs.
//!
//! LiteRT plans memory from the shapes of the inputs. Where a size is a value that the model computes, the plan is made
//! while it runs, and XNNPACK (2.2, 2.3) then writes an output without a look at the memory that it was given: beyond its
//! end, and without a word. The builtin kernels check. So XNNPACK gets those models alone whose sizes are all known, and
//! an operator that is not in this table counts as one whose sizes are not.

/// The number of `BuiltinOperator` for custom operators: those of [`super::schema`] have sizes known from their options.
pub(super) const CUSTOM: i32 = 32;

/// Operators whose sizes follow from those of their inputs.
const KNOWN: &[i32] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 24, 25, 26, 27, 28,
    CUSTOM, 35, 36, 41, 42, 43, 44, 46, 47, 50, 52, 53, 54, 55, 57, 58, 59, 61, 62, 63, 64, 66, 71,
    72, 73, 75, 76, 77, 78, 80, 83, 84, 86, 87, 88, 90, 92, 93, 95, 98, 99, 101, 104, 105, 106,
    107, 108, 110, 111, 112, 113, 114, 115, 116, 117, 123, 124, 126, 128, 129, 132, 133, 134, 135,
    147, 150, 151, 152, 156, 158,
];

/// Operators whose sizes follow from these of their inputs, too, by position: known where they are constants.
const KNOWN_BY_CONSTANTS: &[(i32, &[usize])] = &[
    (22, &[1]),       // RESHAPE
    (23, &[1]),       // RESIZE_BILINEAR
    (34, &[1]),       // PAD
    (37, &[1, 2]),    // batch to space
    (38, &[1, 2]),    // space to batch
    (39, &[1]),       // TRANSPOSE
    (40, &[1]),       // MEAN
    (45, &[1, 2, 3]), // STRIDED_SLICE
    (48, &[1]),       // TOPK_V2
    (49, &[0]),       // SPLIT
    (56, &[1]),       // ARG_MAX
    (60, &[1]),       // PADV2
    (65, &[1, 2]),    // SLICE
    (67, &[0]),       // TRANSPOSE_CONV
    (69, &[1]),       // TILE
    (70, &[1]),       // EXPAND_DIMS
    (74, &[1]),       // SUM
    (79, &[1]),       // ARG_MIN
    (81, &[1]),       // REDUCE_PROD
    (82, &[1]),       // REDUCE_MAX
    (85, &[1]),       // ONE_HOT
    (89, &[1]),       // REDUCE_MIN
    (91, &[1]),       // REDUCE_ANY
    (94, &[0]),       // FILL
    (96, &[0, 1, 2]), // RANGE
    (97, &[1]),       // RESIZE_NEAREST_NEIGHBOR
    (100, &[1]),      // MIRROR_PAD
    (102, &[1, 2]),   // SPLIT_V
    (130, &[1]),      // BROADCAST_TO
    (140, &[1]),      // REDUCE_ALL
];

/// Whether an operator's sizes are known, where `is_constant` tells of its inputs by position; absent ones are constant.
pub(super) fn are_known(operator: i32, is_constant: impl Fn(usize) -> bool) -> bool {
    if KNOWN.contains(&operator) {
        return true;
    }
    let found = KNOWN_BY_CONSTANTS
        .iter()
        .find(|(code, _)| *code == operator);
    found.is_some_and(|(_, inputs)| inputs.iter().all(|input| is_constant(*input)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_known_by_inputs_or_by_constants_and_else_not() {
        let (conv_2d, reshape, strided_slice, where_, if_) = (3, 22, 45, 109, 118);
        assert!(are_known(conv_2d, |_| false));
        assert!(are_known(reshape, |input| input == 1));
        assert!(!are_known(reshape, |input| input == 0));
        assert!(!are_known(strided_slice, |input| input != 2));
        for unknown in [where_, if_, 9_999, -1] {
            assert!(!are_known(unknown, |_| true), "{unknown}");
        }
        let mut codes: Vec<i32> = KNOWN_BY_CONSTANTS.iter().map(|(code, _)| *code).collect();
        codes.extend(KNOWN);
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
