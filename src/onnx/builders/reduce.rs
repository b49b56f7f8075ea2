//! `ReduceSum`, `ReduceMean`, `ReduceMax` and `ReduceMin`: one value from all elements along some axes.

use super::rows::Rows;
use crate::graph::{Op, Window};
use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::draft::Operand;
use inferproof_circuits::formula::Formula;

/// What is made of the elements of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::onnx) enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
}

/// A reduction over constant axes. They are an attribute before version `since` of the operators.
pub(in crate::onnx) fn reduce(context: &mut Context<'_>, reduction: Reduction, since: i64) -> Result<Built, Stop> {
    let axes = context.moved_ints("axes", since);
    let keeps_axes = context.int("keepdims", 1) != 0;
    let empty_means_none = context.opset >= since && context.int("noop_with_empty_axes", 0) != 0;
    context.finish_attributes()?;
    context.expect_inputs(1, 1 + axes.inputs())?;
    let input = context.required(0)?;
    let axes = axes.read(context, 1)?.filter(|axes| !axes.is_empty());
    if axes.is_none() && empty_means_none {
        return Ok(input.into());
    }
    let Tensor::Activation(x) = input else { return context.activation(0).map(Built::from) };
    let axes = match axes {
        Some(axes) => context.axes(&axes, x.shape.len())?,
        None => (0..x.shape.len()).collect(),
    };
    let rows = Rows::new(context, &x, axes)?;
    let y = of_rows(context, reduction, &rows)?;
    Ok(rows.reduced(context, &y, keeps_axes)?.into())
}

/// One value for each row, of shape `[1, 1, rows, 1]`.
pub(super) fn of_rows(context: &mut Context<'_>, reduction: Reduction, rows: &Rows) -> Result<Operand, Stop> {
    let window = Window::tiles([1, rows.length]);
    match reduction {
        Reduction::Sum => context.on_sample(Op::SumPool { window, divisor: 1.0 }, &rows.x),
        Reduction::Mean => context.on_sample(Op::SumPool { window, divisor: rows.length as f32 }, &rows.x),
        Reduction::Max => context.on_sample(Op::MaxPool(window), &rows.x),
        Reduction::Min => {
            let negated = context.unary(Formula::Neg, &rows.x)?;
            let largest = context.on_sample(Op::MaxPool(window), &negated)?;
            context.unary(Formula::Neg, &largest)
        }
    }
}
