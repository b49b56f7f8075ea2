//! `Max` and `Min` of several operands.

use ndarray::ArrayD;

use crate::graph::{Op, Window};
use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::draft::Operand;
use crate::onnx::fold::Arithmetic;
use inferproof_circuits::formula::{Formula, Real};

/// The extremum of one or more operands, element by element; `operator` is `Max` or `Min`.
pub(in crate::onnx) fn of_all(context: &mut Context<'_>, operator: Arithmetic) -> Result<Built, Stop> {
    context.finish_attributes()?;
    let mut activations = Vec::new();
    let mut constants: Option<Tensor> = None;
    for operand in context.all_inputs()? {
        match (operand, constants.take()) {
            (Tensor::Activation(x), kept) => {
                activations.push(x);
                constants = kept;
            }
            (constant, None) => constants = Some(constant),
            (constant, Some(other)) => {
                constants = Some(super::elementwise::combine(context, operator, other, constant)?);
            }
        }
    }
    let largest = if activations.is_empty() { None } else { Some(of_activations(context, operator, &activations)?) };
    match (largest, constants) {
        (Some(x), Some(constant)) => Ok(super::elementwise::combine(context, operator, x.into(), constant)?.into()),
        (Some(x), None) => Ok(x.into()),
        (None, Some(constant)) => Ok(constant.into()),
        (None, None) => Err(context.shape_error("at least one operand", "none")),
    }
}

/// The extremum of two activations.
pub(super) fn of_two(
    context: &mut Context<'_>,
    operator: Arithmetic,
    left: &Operand,
    right: &Operand,
) -> Result<Operand, Stop> {
    of_activations(context, operator, &[left.clone(), right.clone()])
}

/// The extremum of an activation and a constant that broadcasts to it.
pub(super) fn with_constant(
    context: &mut Context<'_>,
    operator: Arithmetic,
    x: &Operand,
    values: &ArrayD<f32>,
) -> Result<Operand, Stop> {
    let bound = values.first().copied().unwrap_or(0.0);
    let is_min = operator == Arithmetic::Min;
    if values.iter().all(|&value| value == bound) {
        return match is_min {
            false => clip(context, x, bound, f32::MAX),
            true => clip(context, x, f32::MIN, bound),
        };
    }
    // max(x, c) = relu(x - c) + c and min(x, c) = c - relu(c - x).
    if is_min {
        let above = context.subtract_from(values, x)?;
        let above = context.elementwise(Op::Relu, &[&above])?;
        return context.subtract_from(values, &above);
    }
    let above = context.add_constant(x, &values.mapv(|value| -value))?;
    let above = context.elementwise(Op::Relu, &[&above])?;
    context.add_constant(&above, values)
}

/// `min(max(x, lo), hi)`.
pub(super) fn clip(context: &mut Context<'_>, x: &Operand, lo: f32, hi: f32) -> Result<Operand, Stop> {
    match (lo, hi) {
        (f32::MIN, f32::MAX) => Ok(x.clone()),
        (0.0, f32::MAX) => context.elementwise(Op::Relu, &[x]),
        _ => context.unary(Formula::Clip { lo: Real(lo.into()), hi: Real(hi.into()) }, x),
    }
}

/// Stacks the operands on a new last axis and takes the largest of each row. The minimum is that of the negated ones.
fn of_activations(context: &mut Context<'_>, operator: Arithmetic, operands: &[Operand]) -> Result<Operand, Stop> {
    let Some((first, rest)) = operands.split_first() else {
        return Err(context.shape_error("at least one operand", "none"));
    };
    if rest.is_empty() {
        return Ok(first.clone());
    }
    let mut shape = first.shape.clone();
    for operand in rest {
        shape = context.broadcast(&shape, &operand.shape)?;
    }
    let count = context.fits(&shape)?;
    let mut columns = Vec::with_capacity(operands.len());
    for operand in operands {
        let signed = if operator == Arithmetic::Min { context.unary(Formula::Neg, operand)? } else { operand.clone() };
        let full = context.expand(&signed, &shape)?;
        columns.push(context.reshape(&full, vec![1, count, 1])?);
    }
    let rows = context.concat(&columns.iter().collect::<Vec<_>>(), 2)?;
    let rows = context.reshape(&rows, vec![1, 1, count, operands.len()])?;
    let largest = context.on_sample(Op::MaxPool(Window::tiles([1, operands.len()])), &rows)?;
    let largest = context.reshape(&largest, shape)?;
    if operator == Arithmetic::Min { context.unary(Formula::Neg, &largest) } else { Ok(largest) }
}
