//! Operators that only change the shape, or tell it: `Flatten`, `Reshape`, `Squeeze`, `Unsqueeze`, `Transpose`,
//! `Shape` and `Size`.

use crate::graph::element_count;
use crate::onnx::constant::{Constant, Data};
use crate::onnx::context::{Built, Context, Stop, short_list};
use ndarray::arr0;

/// Two axes: those before `axis` together, and the rest.
pub(in crate::onnx) fn flatten(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", 1);
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let input = context.any(0)?;
    let rank = input.shape().len();
    // Behind the last axis is a place to split as well.
    let split = if axis == rank as i64 { rank } else { context.axis(axis, rank)? };
    let (before, after) = input.shape().split_at(split);
    match (element_count(before), element_count(after)) {
        (Some(rows), Some(columns)) => Ok(context.reshape_any(input, vec![rows, columns])?.into()),
        _ => Err(context.shape_error("a shape whose size fits in a word", format!("{:?}", input.shape()))),
    }
}

/// The same elements in another shape, which must be a constant.
pub(in crate::onnx) fn reshape(context: &mut Context<'_>) -> Result<Built, Stop> {
    let zero_means_same = context.int("allowzero", 0) == 0;
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let input = context.any(0)?;
    let wanted = context.constant(1)?.ints()?;
    match resolve(input.shape(), &wanted, zero_means_same) {
        Some(resolved) => Ok(context.reshape_any(input, resolved)?.into()),
        None => Err(context.shape_error(
            format!("a target with as many elements as {:?}, with at most one -1", input.shape()),
            short_list(&wanted),
        )),
    }
}

/// Replaces 0 by the size on the same axis and -1 by what is left.
fn resolve(shape: &[usize], wanted: &[i64], zero_means_same: bool) -> Option<Vec<usize>> {
    let mut resolved = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (axis, &size) in wanted.iter().enumerate() {
        resolved.push(match size {
            0 if zero_means_same => *shape.get(axis)?,
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

/// Without some axes of size 1, or without all of them.
pub(in crate::onnx) fn squeeze(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axes = context.moved_ints("axes", 13);
    context.finish_attributes()?;
    context.expect_inputs(1, 1 + axes.inputs())?;
    let input = context.any(0)?;
    let shape = input.shape().to_vec();
    let dropped: Vec<usize> = match axes.read(context, 1)? {
        Some(axes) => context.axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape.get(axis) == Some(&1)).collect(),
    };
    if let Some(axis) = dropped.iter().find(|&&axis| shape.get(axis) != Some(&1)) {
        return Err(context.shape_error(format!("axis {axis} of size 1"), format!("an input of shape {shape:?}")));
    }
    let kept = shape.iter().enumerate().filter(|(axis, _)| !dropped.contains(axis)).map(|(_, &size)| size).collect();
    Ok(context.reshape_any(input, kept)?.into())
}

/// With new axes of size 1 at the given places of the result.
pub(in crate::onnx) fn unsqueeze(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axes = context.moved_ints("axes", 13);
    context.finish_attributes()?;
    context.expect_inputs(1, 1 + axes.inputs())?;
    let input = context.any(0)?;
    let axes = axes.required(context, 1, "axes")?;
    let rank = input.shape().len() + axes.len();
    let new = context.axes(&axes, rank)?;
    let mut old = input.shape().iter();
    let shape = (0..rank).map(|axis| if new.contains(&axis) { 1 } else { old.next().copied().unwrap_or(1) }).collect();
    Ok(context.reshape_any(input, shape)?.into())
}

/// Axis `i` of the result is axis `perm[i]` of the input.
pub(in crate::onnx) fn transpose(context: &mut Context<'_>) -> Result<Built, Stop> {
    let perm = context.ints("perm");
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let input = context.any(0)?;
    let rank = input.shape().len();
    let perm: Vec<usize> = match perm {
        Some(perm) => perm.iter().filter_map(|&axis| usize::try_from(axis).ok()).collect(),
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(context.shape_error(format!("a permutation of {rank} axes"), "another list of axes"));
    }
    Ok(context.transpose_any(input, &perm)?.into())
}

/// The sizes of the axes from `start` to `end`, a constant.
pub(in crate::onnx) fn shape(context: &mut Context<'_>) -> Result<Built, Stop> {
    let start = context.int("start", 0);
    let end = context.int("end", i64::MAX);
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let input = context.any(0)?;
    let rank = input.shape().len();
    let place = |axis: i64| {
        let from_front = if axis < 0 { axis.saturating_add_unsigned(rank as u64).max(0) } else { axis };
        usize::try_from(from_front).map_or(rank, |axis| axis.min(rank))
    };
    let sizes = input.shape().get(place(start)..place(end)).unwrap_or_default();
    Ok(Constant::list(&context.name, sizes.iter().map(|&size| size as i64).collect()).into())
}

/// The number of elements, a constant.
pub(in crate::onnx) fn size(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let count: usize = context.any(0)?.shape().iter().product();
    Ok(Constant::new(&context.name, Data::Int(arr0(count as i64).into_dyn()))?.into())
}
