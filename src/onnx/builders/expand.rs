//! Operators that repeat elements: `Expand` and `Tile`.

use crate::onnx::broadcast::aligned;
use crate::onnx::context::{Built, Context, Stop, Tensor, short_list};

/// A tensor repeated along its axes of size 1, up to a constant shape or its own, whichever is larger.
pub(in crate::onnx) fn expand(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let mut x = context.any(0)?;
    let wanted = sizes(context, 1)?;
    let shape = context.broadcast(x.shape(), &wanted)?;
    if let Tensor::Activation(x) = &x {
        return Ok(context.expand(x, &shape)?.into());
    }
    let own = aligned(x.shape(), shape.len());
    x = context.reshape_any(x, own.clone())?;
    for (axis, (&own, &size)) in own.iter().zip(&shape).enumerate() {
        x = context.take_any(&x, axis, size, |index| Some(if own == 1 { 0 } else { index }), 0.0)?;
    }
    Ok(x.into())
}

/// A tensor several times over, on each axis.
pub(in crate::onnx) fn tile(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let mut x = context.any(0)?;
    let repeats = sizes(context, 1)?;
    if repeats.len() != x.shape().len() {
        let expected = format!("one number of repeats for each axis of {:?}", x.shape());
        return Err(context.shape_error(expected, short_list(&repeats)));
    }
    for (axis, repeats) in repeats.into_iter().enumerate() {
        let length = x.shape().get(axis).copied().unwrap_or(0);
        let Some(count) = length.checked_mul(repeats) else {
            return Err(
                context.shape_error("a result whose size fits in a word", format!("{repeats} repeats of {length}"))
            );
        };
        x = context.take_any(&x, axis, count, |index| index.checked_rem(length), 0.0)?;
    }
    Ok(x.into())
}

/// A constant input of integers, none of them negative.
pub(super) fn sizes(context: &mut Context<'_>, index: usize) -> Result<Vec<usize>, Stop> {
    let list = context.constant(index)?.ints()?;
    let sizes: Option<Vec<usize>> = list.iter().map(|&size| usize::try_from(size).ok()).collect();
    sizes.ok_or_else(|| context.shape_error("sizes of at least 0", short_list(&list)))
}
