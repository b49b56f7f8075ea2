//! Operators that pick elements by constant indices, or join tensors: `Concat`, `Gather`, `Slice` and `Split`.

use crate::onnx::context::{Built, Context, Stop, Tensor, short_list};

/// Tensors one after the other on an axis. Constants among activations become activations.
pub(in crate::onnx) fn concat(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.required_int("axis");
    context.finish_attributes()?;
    let parts = context.any_inputs()?;
    let rank = parts.first().map_or(0, |part| part.shape().len());
    let axis = context.axis(axis, rank)?;
    Ok(context.concat_any(&parts, axis)?.into())
}

/// The entries of an axis at constant indices. The axes of the indices take its place.
pub(in crate::onnx) fn gather(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", 0);
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let input = context.any(0)?;
    let indices = context.constant(1)?;
    let axis = context.axis(axis, input.shape().len())?;
    let length = input.shape().get(axis).copied().unwrap_or(0);
    let mut places = Vec::new();
    for index in indices.ints()? {
        let from_front = if index < 0 { index.saturating_add_unsigned(length as u64) } else { index };
        match usize::try_from(from_front).ok().filter(|&place| place < length) {
            Some(place) => places.push(place),
            None => {
                return Err(
                    context.shape_error(format!("indices from -{length} to {length} (exclusive)"), format!("{index}"))
                );
            }
        }
    }
    let (before, after) = (input.shape().get(..axis), input.shape().get(axis + 1..));
    let shape = [before.unwrap_or_default(), &indices.shape, after.unwrap_or_default()].concat();
    let picked = context.take_any(&input, axis, places.len(), |index| places.get(index).copied(), 0.0)?;
    Ok(context.reshape_any(picked, shape)?.into())
}

/// Ranges on some axes, with steps of either sign.
pub(in crate::onnx) fn slice(context: &mut Context<'_>) -> Result<Built, Stop> {
    let lists = ["starts", "ends", "axes"].map(|name| context.moved_ints(name, 10));
    let steps = context.moved_ints("steps", 10);
    let most = if context.opset >= 10 { 5 } else { 1 };
    context.finish_attributes()?;
    context.expect_inputs(1, most)?;
    let mut value = context.any(0)?;
    let [starts, ends, axes] = lists;
    let starts = starts.required(context, 1, "starts")?;
    let ends = ends.required(context, 2, "ends")?;
    let axes = axes.read(context, 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.read(context, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&length| length != starts.len()) {
        let got =
            format!("{} starts, {} ends, {} axes and {} steps", starts.len(), ends.len(), axes.len(), steps.len());
        return Err(context.shape_error("as many of each", got));
    }
    let axes = context.axes(&axes, value.shape().len())?;
    for (((&axis, &start), &end), &step) in axes.iter().zip(&starts).zip(&ends).zip(&steps) {
        let length = value.shape().get(axis).copied().unwrap_or(0);
        let Some(range) = Range::new(length, start, end, step) else {
            return Err(context.shape_error("a step other than 0", "0"));
        };
        value = context.take_any(&value, axis, range.count, |index| range.place(index), 0.0)?;
    }
    Ok(value.into())
}

/// The indices of a slice on one axis.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    start: i64,
    step: i64,
    count: usize,
}

impl Range {
    /// Clamps the ends as numpy does; `None` for a step of 0.
    fn new(length: usize, start: i64, end: i64, step: i64) -> Option<Self> {
        let size = i64::try_from(length).ok()?;
        let place = |index: i64| if index < 0 { index.saturating_add(size) } else { index };
        let (start, distance) = match step {
            0 => return None,
            1.. => {
                let start = place(start).clamp(0, size);
                (start, place(end).clamp(0, size) - start)
            }
            _ => {
                let start = place(start).clamp(-1, size - 1);
                (start, start - place(end).clamp(-1, size - 1))
            }
        };
        let count = u64::try_from(distance).map_or(0, |distance| distance.div_ceil(step.unsigned_abs()));
        Some(Self { start, step, count: usize::try_from(count).ok()? })
    }

    fn place(&self, index: usize) -> Option<usize> {
        usize::try_from(self.step.checked_mul(index as i64)?.checked_add(self.start)?).ok()
    }
}

/// Parts of an axis, one for each output.
pub(in crate::onnx) fn split(context: &mut Context<'_>) -> Result<Built, Stop> {
    let axis = context.int("axis", 0);
    let sizes = context.moved_ints("split", 13);
    let outputs = context.outputs.len();
    let parts = context.int("num_outputs", outputs as i64);
    context.finish_attributes()?;
    context.expect_inputs(1, 1 + sizes.inputs())?;
    let input = context.any(0)?;
    let axis = context.axis(axis, input.shape().len())?;
    let length = input.shape().get(axis).copied().unwrap_or(0);
    let sizes = match sizes.read(context, 1)? {
        Some(sizes) => sizes.iter().map(|&size| usize::try_from(size).ok()).collect(),
        None => equal_parts(length, outputs),
    };
    let is_whole =
        |sizes: &Vec<usize>| sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) == Some(length);
    let sizes = match sizes.filter(is_whole) {
        Some(sizes) if sizes.len() == outputs && parts == outputs as i64 => sizes,
        other => {
            let expected = format!("{outputs} parts, one an output, that sum to {length}");
            let got = other.map_or("sizes that do not".to_owned(), |sizes| short_list(&sizes));
            return Err(context.shape_error(expected, got));
        }
    };
    let mut start = 0;
    let mut pieces: Vec<Tensor> = Vec::with_capacity(outputs);
    for size in sizes {
        pieces.push(context.take_any(&input, axis, size, |index| Some(start + index), 0.0)?);
        start += size;
    }
    Ok(Built(pieces))
}

/// Parts of one size, of which the last may be smaller.
fn equal_parts(length: usize, parts: usize) -> Option<Vec<usize>> {
    let size = length.div_ceil(parts.max(1));
    let last = length.checked_sub(size * parts.checked_sub(1)?)?;
    let mut sizes = vec![size; parts - 1];
    sizes.push(last);
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(length: usize, start: i64, end: i64, step: i64) -> Vec<usize> {
        let range = Range::new(length, start, end, step).unwrap();
        (0..range.count).map(|index| range.place(index).unwrap()).collect()
    }

    #[test]
    fn slices_clamp_as_numpy_does() {
        assert_eq!(indices(5, 1, 4, 2), [1, 3]);
        assert_eq!(indices(5, -3, i64::MAX, 1), [2, 3, 4]);
        assert_eq!(indices(5, i64::MAX, i64::MIN, -2), [4, 2, 0]);
        assert_eq!(indices(5, -1, -6, -1), [4, 3, 2, 1, 0]);
        assert_eq!(indices(5, 3, 0, -1), [3, 2, 1]);
        assert!(indices(5, 4, 1, 1).is_empty());
        assert_eq!(indices(5, 0, i64::MAX, i64::MAX), [0]);
        assert_eq!(indices(5, 4, i64::MIN, i64::MIN), [4]);
        assert_eq!(Range::new(5, 0, 5, 0), None);
    }

    #[test]
    fn equal_parts_leave_the_rest_to_the_last() {
        assert_eq!(equal_parts(6, 3), Some(vec![2, 2, 2]));
        assert_eq!(equal_parts(7, 4), Some(vec![2, 2, 2, 1]));
        assert_eq!(equal_parts(0, 1), Some(vec![0]));
        assert_eq!(equal_parts(2, 4), None);
        assert_eq!(equal_parts(1, 0), None);
    }
}
