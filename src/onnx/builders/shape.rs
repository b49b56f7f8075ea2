//! `Flatten`, `Reshape` and `Transpose`. The batch axis must stay the first one and of size 1.

use crate::graph::{Op, element_count};
use crate::onnx::context::{Built, Context, Stop, Value};

/// Two axes: those before `axis` together, and the rest.
pub(in crate::onnx) fn flatten(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", 1);
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let input = context.required(0)?;
    let shape = full_shape(context, &input)?;
    let rank = shape.len() as i64;
    let Some(split) = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok().filter(|&at| at <= shape.len())
    else {
        return Err(context.shape_error(format!("an axis from -{rank} to {rank}"), format!("axis {axis}")));
    };
    let (before, after) = shape.split_at(split);
    match (element_count(before), element_count(after)) {
        (Some(rows), Some(columns)) => retarget(context, input, vec![rows, columns]),
        _ => Err(context.shape_error("a shape whose size fits in a word", format!("{shape:?}"))),
    }
}

/// The same elements in another shape, which must be a constant.
pub(in crate::onnx) fn reshape(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.require_int("allowzero", 0, "spell out the sizes");
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let input = context.required(0)?;
    let target = context.constant(1)?;
    let shape = full_shape(context, &input)?;
    let wanted = target.ints()?;
    match resolve(&shape, wanted) {
        Some(resolved) => retarget(context, input, resolved),
        None => Err(context.shape_error(
            format!("a target with as many elements as {shape:?}, with at most one -1"),
            format!("{:?}", wanted.get(..8).unwrap_or(wanted)),
        )),
    }
}

/// Replaces 0 by the size on the same axis and -1 by what is left.
fn resolve(shape: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
    let mut resolved = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (axis, &size) in wanted.iter().enumerate() {
        resolved.push(match size {
            0 => *shape.get(axis)?,
            -1 if free.replace(axis).is_none() => 1,
            size => usize::try_from(size).ok()?,
        });
    }
    let (total, known) = (element_count(shape)?, element_count(&resolved)?);
    if let Some(size) = free.and_then(|axis| resolved.get_mut(axis)) {
        *size = total.checked_div(known)?;
    }
    (element_count(&resolved)? == total).then_some(resolved)
}

/// Axis `i` of the result is axis `perm[i]` of the input.
pub(in crate::onnx) fn transpose(context: &mut Context<'_>) -> Result<Built, Stop> {
    let perm = context.ints("perm");
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let input = context.required(0)?;
    let shape = full_shape(context, &input)?;
    let rank = shape.len();
    let perm: Vec<usize> = match perm {
        Some(perm) => perm.iter().filter_map(|&axis| usize::try_from(axis).ok()).collect(),
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(context.shape_error(format!("a permutation of {rank} axes"), "another list of axes"));
    }
    match (input, perm.split_first()) {
        (Value::Constant(constant), _) => Built::constant(constant.transposed(&perm)?),
        (Value::Activation { id, .. }, Some((0, inner))) => {
            let perm = inner.iter().map(|axis| axis - 1).collect();
            Built::node(Op::Transpose { perm }, vec![id])
        }
        _ => {
            let reason = format!("got {perm:?}, expected axis 0 first; the batch axis has to stay where it is");
            Err(context.refuse(Some("perm"), reason))
        }
    }
}

/// The shape as ONNX has it: with the batch axis for an activation.
fn full_shape(context: &Context<'_>, value: &Value) -> Result<Vec<usize>, Stop> {
    match value {
        Value::Activation { shape, .. } => Ok([&[1], shape.as_slice()].concat()),
        Value::Constant(constant) => Ok(constant.shape.clone()),
        _ => Err(context.shape_error("an input", "none")),
    }
}

/// Gives a value a new shape, in which an activation still has its batch axis of 1.
fn retarget(context: &mut Context<'_>, input: Value, shape: Vec<usize>) -> Result<Built, Stop> {
    match (input, shape.split_first()) {
        (Value::Constant(constant), _) => Built::constant(constant.reshaped(shape)?),
        (Value::Activation { id, .. }, Some((1, inner))) if !inner.is_empty() => {
            Ok(Built::Node { op: Box::new(Op::Reshape), inputs: vec![id], shape: inner.to_vec() })
        }
        _ => {
            let reason = format!(
                "got the shape {shape:?}, expected a batch axis of 1 and at least one more; keep the batch axis first"
            );
            Err(context.refuse(None, reason))
        }
    }
}
