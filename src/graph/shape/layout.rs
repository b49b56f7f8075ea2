//! Shapes of the operations that move elements.

use super::{ShapeFault, element_count, fault};

pub(super) fn reshape(input: &[usize], declared: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    let count = element_count(input);
    if count.is_some() && count == element_count(declared) {
        return Ok(declared.to_vec());
    }
    fault(format!("a shape with as many elements as {input:?}"), format!("{declared:?}"))
}

pub(super) fn transpose(perm: &[usize], input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..input.len()) {
        return fault(format!("a permutation of {} axes", input.len()), format!("{perm:?}"));
    }
    Ok(perm.iter().filter_map(|&axis| input.get(axis).copied()).collect())
}

pub(super) fn take(
    axis: usize,
    indices: &[Option<usize>],
    fill: f32,
    input: &[usize],
) -> Result<Vec<usize>, ShapeFault> {
    let mut shape = input.to_vec();
    let Some(size) = shape.get_mut(axis) else {
        return axis_fault(axis, input);
    };
    if indices.is_empty() {
        return fault("at least one index to take", "none");
    }
    if let Some(index) = indices.iter().flatten().find(|&index| index >= size) {
        return fault(format!("indices below {size} on axis {axis} of {input:?}"), format!("{index}"));
    }
    if !fill.is_finite() {
        return fault("a finite value to fill with", format!("{fill}"));
    }
    *size = indices.len();
    Ok(shape)
}

pub(super) fn concat(axis: usize, first: &[usize], rest: &[&[usize]]) -> Result<Vec<usize>, ShapeFault> {
    let mut shape = first.to_vec();
    let Some(&size) = shape.get(axis) else {
        return axis_fault(axis, first);
    };
    let mut total = size;
    for &other in rest {
        let is_alike =
            other.len() == first.len() && other.iter().zip(first).enumerate().all(|(i, (a, b))| i == axis || a == b);
        let length = other.get(axis).filter(|_| is_alike);
        let Some(&length) = length else {
            return fault(format!("operands of shape {first:?} but for axis {axis}"), format!("{other:?}"));
        };
        total = match total.checked_add(length) {
            Some(total) => total,
            None => return fault("an axis that a machine word can count", "a longer one"),
        };
    }
    shape[axis] = total;
    Ok(shape)
}

fn axis_fault<T>(axis: usize, input: &[usize]) -> Result<T, ShapeFault> {
    fault(format!("one of the {} axes of {input:?}", input.len()), format!("axis {axis}"))
}

#[cfg(test)]
mod tests {
    use crate::graph::Op;

    #[test]
    fn a_transpose_needs_a_permutation() {
        assert_eq!(Op::Transpose { perm: vec![1, 2, 0] }.result_shape(&[&[2, 3, 4]], &[]).unwrap(), vec![3, 4, 2]);
        for perm in [vec![0, 0, 1], vec![0, 1], vec![1, 2, 3]] {
            assert!(Op::Transpose { perm }.result_shape(&[&[2, 3, 4]], &[]).is_err());
        }
    }

    #[test]
    fn a_take_has_as_many_indices_as_were_asked_for() {
        let take = |axis, indices: &[Option<usize>], fill| {
            Op::Take { axis, indices: indices.to_vec(), fill }.result_shape(&[&[2, 3]], &[])
        };
        assert_eq!(take(1, &[Some(2), None, Some(0), Some(2)], -1.0).unwrap(), [2, 4]);
        assert_eq!(take(0, &[None], 0.0).unwrap(), [1, 3]);
        assert!(take(2, &[Some(0)], 0.0).is_err());
        assert_eq!(take(1, &[], 0.0).unwrap_err().expected, "at least one index to take");
        let out_of_range = take(1, &[Some(1), Some(3)], 0.0).unwrap_err();
        assert_eq!(out_of_range.got, "3");
        assert!(take(0, &[Some(2)], 0.0).is_err());
        for fill in [f32::NAN, f32::INFINITY] {
            assert!(take(1, &[Some(0)], fill).is_err());
        }
    }

    #[test]
    fn concatenated_operands_differ_on_one_axis_only() {
        let concat = |axis, shapes: &[&[usize]]| Op::Concat { axis }.result_shape(shapes, &[]);
        assert_eq!(concat(1, &[&[2, 3], &[2, 1], &[2, 5]]).unwrap(), [2, 9]);
        assert_eq!(concat(0, &[&[2, 3]]).unwrap(), [2, 3]);
        assert!(concat(2, &[&[2, 3], &[2, 3]]).is_err());
        assert!(concat(0, &[&[2, 3], &[2, 1]]).is_err());
        assert!(concat(0, &[&[2, 3], &[2]]).is_err());
        assert!(concat(0, &[&[2, 3], &[2, 3, 1]]).is_err());
        assert!(concat(0, &[&[usize::MAX], &[2]]).is_err());
    }
}
