//! What the tests of evaluation share.

use super::evaluate;
use crate::graph::{Node, Op, ShapeFault};
use ndarray::{ArrayD, IxDyn};

/// The value of one operation, after a check that it has the shape that was announced.
///
/// # Errors
/// The fault of operands or parameters that do not fit.
pub(super) fn run(op: Op, operands: &[&ArrayD<f32>]) -> Result<ArrayD<f32>, ShapeFault> {
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.shape()).collect();
    let shape = op.result_shape(&shapes, &[])?;
    let node = Node { name: "node".into(), op, inputs: (0..operands.len()).collect(), shape };
    let value = evaluate(&node, operands, operands[0]).unwrap();
    assert_eq!(value.shape(), node.shape);
    Ok(value)
}

/// Small integers of both signs that look random: sums and products of a few are exact, so results can be compared
/// without a tolerance.
pub(super) fn integers(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 17) as f32 - 8.0
    })
}
