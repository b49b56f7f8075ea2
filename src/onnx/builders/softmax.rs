//! `Softmax` and `LogSoftmax`, by way of logarithms: `x - max - ln(sum exp(x - max))`, and the exponential of that.
//!
//! The largest element of a row becomes 0, so that no exponential exceeds 1 and the sum is at least 1.

use super::reduce::{Reduction, of_rows};
use super::rows::Rows;
use crate::graph::Op;
use crate::onnx::context::{Built, Context, Stop};
use inferproof_circuits::formula::Formula;

/// Probabilities along an axis, or their logarithms.
pub(in crate::onnx) fn softmax(context: &mut Context<'_>, is_logarithm: bool) -> Result<Built, Stop> {
    // Before version 13 of the operators, a row runs over all axes from the given one on.
    let is_flattened = context.opset < 13;
    let axis = context.int("axis", if is_flattened { 1 } else { -1 });
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let x = context.activation(0)?;
    let rank = x.shape.len();
    let axis = context.axis(axis, rank)?;
    let axes = if is_flattened { (axis..rank).collect() } else { vec![axis] };
    let mut rows = Rows::new(context, &x, axes)?;

    let largest = of_rows(context, Reduction::Max, &rows)?;
    let largest = rows.spread(context, &largest)?;
    rows.x = context.elementwise(Op::Sub, &[&rows.x, &largest])?;
    let difference = rows.x.clone();
    rows.x = context.unary(Formula::Exp, &difference)?;
    let sum = of_rows(context, Reduction::Sum, &rows)?;
    let logarithm = context.unary(Formula::Log, &sum)?;
    let logarithm = rows.spread(context, &logarithm)?;
    let mut y = context.elementwise(Op::Sub, &[&difference, &logarithm])?;
    if !is_logarithm {
        y = context.unary(Formula::Exp, &y)?;
    }
    Ok(rows.restored(context, &y)?.into())
}
