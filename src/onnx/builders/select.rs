//! `ArgMax`, `ArgMin` and `TopK`: where the extremum stands. Indices are floats from here on.

use ndarray::arr0;

use super::reduce::{Reduction, of_rows};
use super::rows::Rows;
use crate::graph::{Op, Window};
use crate::onnx::context::{Built, Context, Stop, short_list};
use crate::onnx::draft::Operand;
use inferproof_circuits::formula::Formula;

/// The index of the largest element along an axis, or of the smallest one.
pub(in crate::onnx) fn arg(context: &mut Context<'_>, is_max: bool) -> Result<Built, Stop> {
    let axis = context.int("axis", 0);
    let keeps_axis = context.int("keepdims", 1) != 0;
    let takes_last = context.int("select_last_index", 0) != 0;
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    // Integers are in the order of their real values.
    let x = Operand { integers: None, ..context.any_activation(0)? };
    let axis = context.axis(axis, x.shape.len())?;
    let mut rows = Rows::new(context, &x, vec![axis])?;
    if !is_max {
        rows.x = context.unary(Formula::Neg, &rows.x)?;
    }
    let y = if takes_last { last_largest(context, &rows)? } else { first_largest(context, &rows.x, rows.length)? };
    Ok(rows.reduced(context, &y, keeps_axis)?.into())
}

/// As many elements as stand before the first largest one.
fn first_largest(context: &mut Context<'_>, rows: &Operand, length: usize) -> Result<Operand, Stop> {
    let before = context.elementwise(Op::BeforeMax, &[rows])?;
    context.on_sample(Op::SumPool { window: Window::tiles([1, length]), divisor: 1.0 }, &before)
}

/// The first one from behind, counted from the front.
fn last_largest(context: &mut Context<'_>, rows: &Rows) -> Result<Operand, Stop> {
    let last = rows.length - 1;
    let reversed = context.take(&rows.x, 3, rows.length, |index| last.checked_sub(index), 0.0)?;
    let from_behind = first_largest(context, &reversed, rows.length)?;
    context.subtract_from(&arr0(last as f32).into_dyn(), &from_behind)
}

/// The `k` largest elements along an axis, or the smallest ones, in order, and their indices.
///
/// Round by round: the largest element of each row, its index, and the row without it.
pub(in crate::onnx) fn top_k(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", -1);
    let is_max = context.int("largest", 1) != 0;
    // In order is one of the orders that may be asked for.
    context.ignore("sorted");
    let is_input = context.opset >= 10;
    let attribute = if is_input { 0 } else { context.required_int("k") };
    context.finish_attributes()?;
    context.expect_inputs(1 + usize::from(is_input), 1 + usize::from(is_input))?;
    let x = context.activation(0)?;
    let k = if is_input { context.constant(1)?.ints()? } else { vec![attribute] };
    let axis = context.axis(axis, x.shape.len())?;
    let mut rows = Rows::new(context, &x, vec![axis])?;
    let k = match k.as_slice() {
        &[k] if (1..=rows.length as i64).contains(&k) => k as usize,
        _ => return Err(context.shape_error(format!("one k from 1 to {}", rows.length), short_list(&k))),
    };
    if !is_max {
        rows.x = context.unary(Formula::Neg, &rows.x)?;
    }
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for round in 1..=k {
        values.push(of_rows(context, Reduction::Max, &rows)?);
        indices.push(first_largest(context, &rows.x, rows.length)?);
        if round < k {
            rows.x = context.elementwise(Op::DropMax, &[&rows.x])?;
        }
    }
    let mut values = context.concat(&values.iter().collect::<Vec<_>>(), 3)?;
    if !is_max {
        values = context.unary(Formula::Neg, &values)?;
    }
    let indices = context.concat(&indices.iter().collect::<Vec<_>>(), 3)?;
    Ok(Built(vec![rows.restored(context, &values)?.into(), rows.restored(context, &indices)?.into()]))
}
